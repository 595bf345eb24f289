"""Bundles: the checkpoints of a profile as one tar file, for machines without a network."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import stat
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from tools.display_text import display_text
from tools.errors import InputError
from tools.files import write_atomic
from tools.models.bundle_checks import (
    MANIFEST,
    BundledCheckpoint,
    BundledFile,
    BundleManifest,
    Entry,
    acceptable_file,
    below,
    check_bundle,
    folder_name,
    next_entry,
)
from tools.models.checkpoints import brief, locate, weight_files
from tools.models.hub import size_of, store_of
from tools.profiles.catalog import Profile
from tools.profiles.specification import Role, Roles

_CHUNK = 1 << 20
_DAMAGED = (tarfile.TarError, EOFError, ValueError, KeyError, IndexError, OverflowError, RecursionError)
"""What the tar reader raises on damaged content."""


def pack(profile: Profile, bundle: Path) -> BundleManifest:
    """Writes the checkpoints of a profile, as they lie on disk, into one tar file.

    Raises:
        ModelError: one of them is not on disk.
        InputError: the bundle cannot be written.
    """
    checkpoints, folders = [], []
    for name in Roles.model_fields:
        role: Role = name  # type: ignore[assignment]  # the field names are the roles
        if not getattr(getattr(profile.roles, name), "source", ""):
            # Left out, shared with another role, or on a server.
            continue
        spec = profile.role(role)
        folder = locate(spec)
        weight_files(folder)
        files = tuple(
            _file(path, folder)
            for path in sorted(folder.rglob("*"))
            if path.is_file() and acceptable_file(path.relative_to(folder).as_posix())
        )
        in_cache = folder.parent.name == "snapshots"
        checkpoints.append(
            BundledCheckpoint(
                role=role,
                source=spec.source if in_cache else folder_name(folder.name),
                revision=folder.name if in_cache else None,
                branch=spec.revision or "main",
                files=files,
            )
        )
        folders.append(folder)
    manifest = BundleManifest(profile=profile.name, checkpoints=tuple(checkpoints))
    try:
        with tempfile.TemporaryDirectory(prefix=".looktwice-pack-", dir=bundle.parent) as aside:
            whole = Path(aside) / "bundle.tar"
            with tarfile.open(whole, "w", dereference=True) as tar:
                _add(tar, MANIFEST, manifest.model_dump_json(indent=1).encode())
                for checkpoint, folder in zip(checkpoints, folders, strict=True):
                    for file in checkpoint.files:
                        stored = f"{checkpoint.role}/{file.name}"
                        tar.add((folder / file.name).resolve(), stored, recursive=False, filter=_plain)
            whole.replace(bundle)
    except OSError as error:
        raise InputError(f"{bundle}: cannot be written ({error.strerror}); give another file.") from error
    return manifest


def unpack(bundle: Path, into: Path | None = None) -> BundleManifest:
    """Puts the checkpoints of a bundle where profiles find them, once all of them are checked against their digests.

    What came from the Hub's cache goes into this machine's Hub cache, what came from folders into `into`.

    Raises:
        InputError: it cannot be read, is no bundle, is damaged, holds folders and `into` was not given, there is no
            room, or another file lies where one of its files belongs; nothing is placed then.
    """
    try:
        if not stat.S_ISREG(bundle.stat().st_mode):
            raise InputError(f"{bundle}: is not a regular file; give the file that `looktwice models pack` wrote.")
        with tarfile.open(bundle, "r:", tarinfo=Entry) as tar:
            manifest = check_bundle(bundle, tar)
        if into is None and any(c.revision is None for c in manifest.checkpoints):
            raise InputError(f"{bundle}: holds checkpoints of your own; say where they shall lie by --into FOLDER.")
        _unpack(bundle, manifest, into)
    except FileNotFoundError as error:
        raise InputError(f"{bundle}: no such file; give the file that `looktwice models pack` wrote.") from error
    except InputError as error:
        told = str(error)
        raise (error if told.startswith(str(bundle)) else InputError(f"{bundle}: {told}")) from error.__cause__
    except OSError as error:
        raise InputError(
            f"{bundle}: cannot be unpacked ({error.strerror or brief(error)}); free some space."
        ) from error
    except _DAMAGED as error:
        told = display_text(brief(error))
        raise InputError(f"{bundle}: is damaged or no uncompressed bundle ({told}); copy it again.") from error
    return manifest


def _file(path: Path, folder: Path) -> BundledFile:
    return BundledFile(name=path.relative_to(folder).as_posix(), size=path.stat().st_size, sha256=_sha256(path))


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    tar.addfile(entry, io.BytesIO(data))


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """An entry without the packer's user and times, and readable by all."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o644
    entry.mtime = 0
    return entry


def _unpack(bundle: Path, manifest: BundleManifest, into: Path | None) -> None:
    """Write every file into a temporary folder beside its place and check it; then move all of them into place."""
    with ExitStack() as stack, tarfile.open(bundle, "r:", tarinfo=Entry) as tar:
        tar.next()
        moves: list[tuple[Path, BundledCheckpoint, BundledFile]] = []
        roots: dict[Path, Path] = {}
        for checkpoint in manifest.checkpoints:
            root = _root(checkpoint, into)
            if root not in roots:
                _check_room(bundle, manifest, root)
                root.mkdir(parents=True, exist_ok=True)
                aside = stack.enter_context(tempfile.TemporaryDirectory(prefix=".looktwice-unpack-", dir=root))
                roots[root] = Path(aside)
            for file in checkpoint.files:
                _check_place(bundle, checkpoint, file, root)
                stream = tar.extractfile(next_entry(bundle, tar, checkpoint, file))
                if stream is None:
                    raise InputError(f"{bundle}: lacks {checkpoint.role}/{file.name}; copy it again.")
                moves.append((roots[root] / str(len(moves)), checkpoint, file))
                _write(bundle, stream, file, moves[-1][0])
        for checked, checkpoint, file in moves:
            _place(checked, checkpoint, file, _root(checkpoint, into))
        for checkpoint in manifest.checkpoints:
            if checkpoint.revision is not None:
                _refer(checkpoint, checkpoint.revision)


def _root(checkpoint: BundledCheckpoint, into: Path | None) -> Path:
    """The folder below which a checkpoint is written: the Hub's cache, or the one that the user named."""
    return store_of(checkpoint.source).parent if checkpoint.revision is not None or into is None else into


def _check_room(bundle: Path, manifest: BundleManifest, root: Path) -> None:
    needed = sum(file.size for checkpoint in manifest.checkpoints for file in checkpoint.files)
    there = root
    while not there.exists():
        there = there.parent
    free = shutil.disk_usage(there).free
    if needed > free:
        raise InputError(f"{bundle}: needs {size_of(needed)} in {root}, where {size_of(free)} are free; make room.")


def _check_place(bundle: Path, checkpoint: BundledCheckpoint, file: BundledFile, root: Path) -> None:
    """Refuse a place outside of the folder, and one where a file lies that this program did not write.

    Raises:
        InputError: a link leads elsewhere, or another file lies there.
    """
    if checkpoint.revision is None:
        place = below(root / checkpoint.role, root / checkpoint.role / file.name)
        ours = place.is_file() and not place.is_symlink() and _sha256(place) == file.sha256
    else:
        store = store_of(checkpoint.source)
        below(store, store / "blobs" / file.sha256)
        below(store, store / "refs" / checkpoint.branch)
        place = below(store, store / "snapshots" / checkpoint.revision / file.name)
        ours = place.is_symlink() or (place.is_file() and _sha256(place) == file.sha256)
    if os.path.lexists(place) and not ours:
        raise InputError(
            f"{bundle}: {display_text(str(place))} exists already and differs; move it, or give another --into FOLDER."
        )


def _place(checked: Path, checkpoint: BundledCheckpoint, file: BundledFile, root: Path) -> None:
    """Move one checked file into place, under its digest where it belongs to the Hub's cache."""
    if checkpoint.revision is None:
        place = root / checkpoint.role / file.name
        place.parent.mkdir(parents=True, exist_ok=True)
        checked.replace(place)
        return
    store = store_of(checkpoint.source)
    blob, link = store / "blobs" / file.sha256, store / "snapshots" / checkpoint.revision / file.name
    for path in (blob, link):
        path.parent.mkdir(parents=True, exist_ok=True)
    checked.replace(blob)
    if link.is_symlink():
        link.unlink()
    if not link.exists():
        link.symlink_to(blob)


def _write(bundle: Path, stream: IO[bytes], file: BundledFile, path: Path) -> None:
    """Write one file and check its digest."""
    digest = hashlib.sha256()
    with path.open("xb") as out:
        for chunk in _chunks(stream):
            digest.update(chunk)
            out.write(chunk)
    if digest.hexdigest() != file.sha256:
        raise InputError(f"{bundle}: {file.name} is damaged (its digest differs); copy the bundle again.")


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK):
        yield chunk


def _refer(checkpoint: BundledCheckpoint, revision: str) -> None:
    """Lets the branch or tag that a profile asks for stand for the commit."""
    store = store_of(checkpoint.source)
    reference = below(store, store / "refs" / checkpoint.branch)
    reference.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(reference, revision)
