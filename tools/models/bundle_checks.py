"""Checks a whole bundle before any of its content is written: names, types, sizes and order of its entries."""

from __future__ import annotations

import re
import tarfile
from pathlib import Path, PurePosixPath
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tools.display_text import display_text
from tools.documents import parse_json
from tools.errors import InputError
from tools.models.checkpoints import brief
from tools.profiles.specification import Role

MANIFEST = "looktwice-bundle.json"
SUFFIXES = frozenset({".safetensors", ".json", ".jinja", ".txt", ".model", ".md"})
"""File types that a bundle may hold: weights, configurations, templates and texts; never code or pickled weights."""
TEXTS = frozenset({"LICENSE", "NOTICE"})
"""Files without a suffix that a bundle may hold."""
MANIFEST_BYTES = 1_000_000
"""Largest accepted manifest."""
_HEADER_BYTES = 65_536
"""Largest accepted extended header, which holds a long name or a large size."""
_MOST_FILES = 2_000
"""Files of one checkpoint."""
MOST_BYTES = 200_000_000_000
"""Bytes of all files of a bundle together; the checkpoints of the largest profile take a tenth."""
_SLUG = r"[A-Za-z0-9](?!\S*\.\.)[A-Za-z0-9._-]{0,95}"
_FOLDER_NAME = re.compile(r"[\w.+-][\w .+-]{0,199}")
_HUB_ID = re.compile(rf"{_SLUG}/{_SLUG}")
_REVISION = re.compile(_SLUG)
_BRANCH = re.compile(rf"{_SLUG}(/{_SLUG}){{0,3}}")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,119}(/[A-Za-z0-9_][A-Za-z0-9._+-]{0,119}){0,3}")
_TYPES = frozenset({tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME})
"""Entries that are accepted: plain files, and the extended headers before them."""


class BundledFile(BaseModel):
    """One file of a bundle."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    size: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class BundledCheckpoint(BaseModel):
    """One checkpoint of a bundle."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: Role
    source: str
    """The Hub id; the folder's name for one that lay in a folder."""
    revision: str | None
    """The commit in the Hub's cache; None for a folder."""
    branch: str = "main"
    """Under which revision the profile asks for it."""
    files: tuple[BundledFile, ...] = Field(max_length=_MOST_FILES)


class BundleManifest(BaseModel):
    """What a bundle holds, its first file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bundle: Literal[1] = 1
    profile: str = Field(max_length=200)
    checkpoints: tuple[BundledCheckpoint, ...]


class Entry(tarfile.TarInfo):
    """An entry of a tar file that is a plain file; anything else is refused by its header."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """See `tarfile.TarInfo.frombuf`; an extended header is refused by its size before it is read.

        Raises:
            InputError: a link, a folder, a device, another special entry, or an extended header that is too large.
        """
        entry = super().frombuf(buf, encoding, errors)
        if entry.type not in _TYPES:
            raise InputError(f"entry '{display_text(entry.name, 80)}' is no plain file; such a bundle is not unpacked.")
        if entry.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) and not 0 <= entry.size <= _HEADER_BYTES:
            raise InputError(f"a header of {entry.size} bytes; at most {_HEADER_BYTES} are accepted.")
        return entry


def acceptable_file(name: str) -> bool:
    """Whether a bundle may hold a file of this name and type.

    >>> acceptable_file("model.safetensors"), acceptable_file("modeling.py"), acceptable_file("../config.json")
    (True, False, False)
    """
    path = PurePosixPath(name)
    return _FILE.fullmatch(name) is not None and (path.suffix in SUFFIXES or path.name in TEXTS)


def folder_name(name: str) -> str:
    """A name for a folder's checkpoint that every reader of bundles accepts."""
    return name if _FOLDER_NAME.fullmatch(name) else "checkpoint"


def check_bundle(bundle: Path, tar: tarfile.TarFile) -> BundleManifest:
    """Read the manifest and check every entry against it; nothing is written.

    Raises:
        InputError: a name leads outside, an entry is not a plain file, is missing, additional, or of another size.
    """
    manifest = _read_manifest(bundle, tar)
    _check_names(bundle, manifest)
    for checkpoint in manifest.checkpoints:
        for file in checkpoint.files:
            next_entry(bundle, tar, checkpoint, file)
    extra = tar.next()
    if extra is not None:
        raise InputError(
            f"{bundle}: entry '{display_text(extra.name, 80)}' is not in its {MANIFEST}; such a bundle is not unpacked."
        )
    return manifest


def next_entry(bundle: Path, tar: tarfile.TarFile, checkpoint: BundledCheckpoint, file: BundledFile) -> tarfile.TarInfo:
    """The next entry of a bundle, which must be this file.

    Raises:
        InputError: it is another one, or has another size.
    """
    entry, name = tar.next(), f"{checkpoint.role}/{file.name}"
    if entry is None or entry.name != name:
        raise InputError(f"{bundle}: lacks {name}; copy it again.")
    if entry.size != file.size or entry.issparse() or not entry.isreg():
        raise InputError(f"{bundle}: {name} has {entry.size} bytes, its {MANIFEST} says {file.size}; copy it again.")
    if entry.offset_data + entry.size > bundle.stat().st_size:
        raise InputError(f"{bundle}: is cut short in {name}, so it is damaged; copy it again.")
    return entry


def below(root: Path, path: Path) -> Path:
    """A path that lies below a folder, also where a link stands in its way.

    Raises:
        InputError: it does not.
    """
    if not path.parent.resolve().is_relative_to(root.parent.resolve() / root.name):
        raise InputError(f"{path}: lies outside {root}, because a link leads there; remove the link and try again.")
    return path


def _read_manifest(bundle: Path, tar: tarfile.TarFile) -> BundleManifest:
    entry = tar.next()
    if entry is None or entry.name != MANIFEST or not entry.isreg() or entry.issparse():
        raise InputError(f"{bundle}: is no bundle (it begins with no {MANIFEST}); `looktwice models pack` writes one.")
    if entry.size > MANIFEST_BYTES:
        raise InputError(f"{bundle}: its {MANIFEST} has {entry.size} bytes; at most {MANIFEST_BYTES} are accepted.")
    stream = tar.extractfile(entry)
    text = b"" if stream is None else stream.read(MANIFEST_BYTES)
    try:
        return BundleManifest.model_validate(parse_json(text.decode("utf-8"), MANIFEST))
    except (InputError, ValueError, ValidationError) as error:
        told = display_text(brief(error))
        raise InputError(f"{bundle}: its {MANIFEST} cannot be read ({told}); pack it again.") from error


def _check_names(bundle: Path, manifest: BundleManifest) -> None:
    """Refuse a manifest with a name that is not of its one accepted form, or with one name twice."""
    if display_text(manifest.profile) != manifest.profile:
        raise _refused(bundle, "profile", manifest.profile)
    total = sum(file.size for checkpoint in manifest.checkpoints for file in checkpoint.files)
    if total > MOST_BYTES:
        raise InputError(
            f"{bundle}: unpacks to {total:,} bytes; at most {MOST_BYTES:,} are accepted; pack fewer checkpoints."
        )
    taken: set[str] = set()
    for checkpoint in manifest.checkpoints:
        in_cache = checkpoint.revision is not None
        if not (_HUB_ID if in_cache else _FOLDER_NAME).fullmatch(checkpoint.source):
            raise _refused(bundle, "source", checkpoint.source)
        if checkpoint.revision is not None and not _REVISION.fullmatch(checkpoint.revision):
            raise _refused(bundle, "revision", checkpoint.revision)
        if not _BRANCH.fullmatch(checkpoint.branch):
            raise _refused(bundle, "branch", checkpoint.branch)
        if checkpoint.role in taken:
            raise _refused(bundle, "role that is given twice", checkpoint.role)
        taken.add(checkpoint.role)
        _check_files(bundle, checkpoint)


def _check_files(bundle: Path, checkpoint: BundledCheckpoint) -> None:
    taken: set[PurePosixPath] = set()
    for file in checkpoint.files:
        path = PurePosixPath(file.name.lower())
        if not acceptable_file(file.name):
            raise _refused(bundle, "file", file.name)
        if path in taken:
            raise _refused(bundle, "file that is given twice", file.name)
        taken.add(path)
    for path in taken:
        if any(parent in taken for parent in path.parents):
            raise _refused(bundle, "file below another file", str(path))


def _refused(bundle: Path, field: str, value: str) -> InputError:
    shown = display_text(value, 80)
    return InputError(
        f"{bundle}: names '{shown}' as {field}, which leads outside or is not of an accepted form (letters, digits, "
        f". _ -; files end in {', '.join(sorted(SUFFIXES))}); such a bundle is not unpacked."
    )
