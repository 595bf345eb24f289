"""Bundles: the checkpoints of a profile as one tar file, for machines without a network."""

from __future__ import annotations

import hashlib
import io
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from tools.bundle_checks import (
    MANIFEST,
    BundledCheckpoint,
    BundledFile,
    Entry,
    Manifest,
    acceptable_file,
    below,
    check_bundle,
    folder_name,
    next_entry,
)
from tools.checkpoint import brief, locate, weight_files
from tools.display_text import display_text
from tools.errors import InputError
from tools.files import write_atomic
from tools.hub import store_of
from tools.profiles.profile import Profile
from tools.profiles.spec import Role, Roles

_CHUNK = 1 << 20
_DAMAGED = (tarfile.TarError, EOFError, ValueError, KeyError, IndexError, OverflowError, RecursionError)
"""What the tar reader raises on damaged content."""


def pack(profile: Profile, bundle: Path) -> Manifest:
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
    manifest = Manifest(profile=profile.name, checkpoints=tuple(checkpoints))
    try:
        partial = bundle.with_name(f"{bundle.name}.part")
        with tarfile.open(partial, "w", dereference=True) as tar:
            _add(tar, MANIFEST, manifest.model_dump_json(indent=1).encode())
            for checkpoint, folder in zip(checkpoints, folders, strict=True):
                for file in checkpoint.files:
                    tar.add(
                        (folder / file.name).resolve(), f"{checkpoint.role}/{file.name}", recursive=False, filter=_plain
                    )
        partial.replace(bundle)
    except OSError as error:
        raise InputError(f"{bundle}: cannot be written ({error.strerror}); give another file.") from error
    return manifest


def unpack(bundle: Path, into: Path | None = None) -> Manifest:
    """Puts the checkpoints of a bundle where profiles find them, each file checked against its digest.

    What came from the Hub's cache goes into this machine's Hub cache, what came from folders into `into`.

    Raises:
        InputError: it cannot be read, is no bundle, is damaged, or holds folders and `into` was not given.
    """
    try:
        if not stat.S_ISREG(bundle.stat().st_mode):
            raise InputError(f"{bundle}: is not a regular file; give the file that `looktwice models pack` wrote.")
        with tarfile.open(bundle, "r:", tarinfo=Entry) as tar:
            manifest = check_bundle(bundle, tar)
        if into is None and any(c.revision is None for c in manifest.checkpoints):
            raise InputError(f"{bundle}: holds checkpoints of your own; say where they shall lie by --into FOLDER.")
        with tarfile.open(bundle, "r:", tarinfo=Entry) as tar:
            tar.next()
            for checkpoint in manifest.checkpoints:
                for file in checkpoint.files:
                    _place(bundle, tar, checkpoint, file, into)
                if checkpoint.revision is not None:
                    _refer(checkpoint, checkpoint.revision)
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
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return BundledFile(name=path.relative_to(folder).as_posix(), size=path.stat().st_size, sha256=digest)


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


def _place(
    bundle: Path, tar: tarfile.TarFile, checkpoint: BundledCheckpoint, file: BundledFile, into: Path | None
) -> None:
    """Writes one file, under its digest where it belongs to the Hub's cache."""
    stream = tar.extractfile(next_entry(bundle, tar, checkpoint, file))
    if stream is None:
        raise InputError(f"{bundle}: lacks {checkpoint.role}/{file.name}; copy it again.")
    if checkpoint.revision is None:
        if into is not None:
            folder = into / checkpoint.role
            _write(bundle, stream, file, below(folder, folder / file.name))
        return
    store = store_of(checkpoint.source)
    blob = below(store, store / "blobs" / file.sha256)
    link = below(store, store / "snapshots" / checkpoint.revision / file.name)
    _write(bundle, stream, file, blob)
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(blob)


def _write(bundle: Path, stream: IO[bytes], file: BundledFile, path: Path) -> None:
    """Writes a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.part")
    digest = hashlib.sha256()
    partial.unlink(missing_ok=True)
    with partial.open("xb") as out:
        for chunk in _chunks(stream):
            digest.update(chunk)
            out.write(chunk)
    if digest.hexdigest() != file.sha256:
        partial.unlink()
        raise InputError(f"{bundle}: {file.name} is damaged (its digest differs); copy the bundle again.")
    partial.replace(path)


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK):
        yield chunk


def _refer(checkpoint: BundledCheckpoint, revision: str) -> None:
    """Lets the branch or tag that a profile asks for stand for the commit."""
    store = store_of(checkpoint.source)
    reference = below(store, store / "refs" / checkpoint.branch)
    reference.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(reference, revision)
