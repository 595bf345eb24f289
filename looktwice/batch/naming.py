"""Names that are safe to print and to make folders of, whatever the photo's own holds."""

from __future__ import annotations

from pathlib import Path

_TAKEN = frozenset({"results.jsonl", "failures.jsonl", "manifest.json", "product.yaml", "log.jsonl"})
"""What a run writes beside the reports."""
_LONGEST = 120
"""Characters of a report folder's name that come from the photo."""


def readable(text: str) -> str:
    """Text for one line: signs that steer a terminal, and bytes of file names that are no characters, are spelled out.

    >>> print(readable("a\\nb \\x1b[31mred"))
    a\\nb \\x1b[31mred
    """
    known = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in known)


class Names:
    """Folder names for reports; two photos of one name get two folders, and none leads out of the output folder."""

    def __init__(self, taken: set[str]) -> None:
        """Starts from the names that earlier results have; the set grows with each name given."""
        self._taken = taken

    def fresh(self, photo: Path) -> str:
        """A name not given before, made of the photo's own.

        >>> names = Names(set())
        >>> names.fresh(Path("a/part.png")), names.fresh(Path("b/part.png")), names.fresh(Path("a/...png"))
        ('part', 'part-2', '_')
        """
        stem = "".join(c if c.isprintable() and c not in '/\\:*?"<>|' else "_" for c in photo.stem)
        stem = stem.lstrip(".").encode("utf-8", "replace")[:_LONGEST].decode("utf-8", "ignore").rstrip(". ") or "_"
        name, n = stem, 1
        while name in self._taken or name in _TAKEN:
            n += 1
            name = f"{stem}-{n}"
        self._taken.add(name)
        return name
