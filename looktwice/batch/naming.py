"""Names that are safe to print and to make folders of, whatever the photo's own holds."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from tools.display_text import display_text

_TAKEN = frozenset({"results.jsonl", "failures.jsonl", "manifest.json", "product.yaml", "log.jsonl"})
"""What a run writes beside the reports."""
_LONGEST = 120
"""Characters of a report folder's name that come from the photo."""
_DIGEST = re.compile(r"~[0-9a-f]{8}\Z")
"""How a name ends that has escapes in it, before its suffix."""


def shown_name(name: str) -> str:
    r"""Return a file name or path for results, on one line; two different ones are never shown alike.

    A name with bytes or characters that must be escaped ends in a short digest of the name itself, and so does a name
    that ends like that already.

    >>> print(shown_name("part.png"), shown_name("\udcff.png"), shown_name("\\xff.png"))
    part.png \xff~1fee893c.png \xff.png
    """
    try:
        known = name.encode("utf-8", "surrogateescape").decode("utf-8")  # as read in another locale
    except UnicodeError:
        known = name
    shown = display_text(known)
    stem, suffix = os.path.splitext(shown)  # noqa: PTH122  # a Path would drop a leading "./"
    if shown == known and not _DIGEST.search(stem):
        return shown
    digest = hashlib.sha256(known.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{stem}~{digest}{suffix}"


class Names:
    """Folder names for reports; two photos of one name get two folders, and none leads out of the output folder.

    A name is passed over where something in the output folder bears it that is not a report of this program.
    """

    def __init__(self, taken: set[str], out: Path | None = None) -> None:
        """Starts from the names that earlier results have; the set grows with each name given.

        Args:
            taken: names that are not given again.
            out: the output folder; None gives names for a new one.
        """
        self._taken, self._out = taken, out

    def fresh(self, photo: Path) -> str:
        """A name not given before, made of the photo's own.

        >>> names = Names(set())
        >>> names.fresh(Path("a/part.png")), names.fresh(Path("b/part.png")), names.fresh(Path("a/...png"))
        ('part', 'part-2', '_')
        """
        stem = "".join(c if c.isprintable() and c not in '/\\:*?"<>|' else "_" for c in photo.stem)
        stem = stem.lstrip(".").encode("utf-8", "replace")[:_LONGEST].decode("utf-8", "ignore").rstrip(". ") or "_"
        name, n = stem, 1
        while name in self._taken or name in _TAKEN or self._is_foreign(name):
            n += 1
            name = f"{stem}-{n}"
        self._taken.add(name)
        return name

    def _is_foreign(self, name: str) -> bool:
        """Whether something bears the name that may not be replaced."""
        from agent.telling.folder import replaceable

        path = None if self._out is None else self._out / name
        return path is not None and os.path.lexists(path) and not replaceable(path)
