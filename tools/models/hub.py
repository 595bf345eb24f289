"""Fetches checkpoints from the Hub or a mirror of it, goes on where a fetch broke off, and checks every digest."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, constants, hf_hub_url, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import http_get, repo_folder_name

from tools.errors import ModelError
from tools.models.checkpoints import PICKLED, WANTED, brief
from tools.profiles.specification import ModelSpec

LARGE = 10 * 2**20
"""Files from so many bytes on are fetched with what already lies of them."""
SPARE = 64 * 2**20
"""Bytes that a fetch leaves free on the disk."""
_SHA1, _SHA256 = 40, 64
"""Lengths of digests in hexadecimal: git's own of a small file, that of the content of a large one."""
_HEX = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
Say = Callable[[str], None]


@dataclass(frozen=True)
class HubFile:
    """One file of a repository at one commit."""

    name: str
    size: int
    """Bytes."""
    digest: str
    """SHA-256 of its content where it is stored as a large file, else git's SHA-1 of it as a blob."""


@dataclass(frozen=True)
class Fetched:
    """A checkpoint that lies in the cache, whole."""

    folder: Path
    commit: str
    """The revision that was resolved; write it as `revision` into a profile to stay with it."""
    size: int
    """Bytes of its files."""


def fetch(spec: ModelSpec, say: Say = lambda _: None) -> Fetched:
    """Fetches what a checkpoint needs of a Hub repository, and nothing else of it.

    HF_HOME, HF_ENDPOINT (a mirror), HF_TOKEN and HF_HUB_OFFLINE mean what they mean to the Hub's own library.

    Raises:
        ModelError: offline, out of reach, no such repository or revision, no safetensors, no room, or damaged.
    """
    if is_offline():
        raise ModelError(f"{spec.source}: offline mode is on (HF_HUB_OFFLINE); unset it, or unpack a bundle instead.")
    commit, files = _listed(spec)
    _check_formats(spec.source, files)
    wanted = [file for file in files if any(fnmatch(file.name, pattern) for pattern in WANTED)]
    store = store_of(spec.source)
    absent = [file for file in wanted if not (store / "blobs" / file.digest).is_file()]
    _check_room(spec.source, store, sum(file.size for file in absent))
    total = sum(file.size for file in wanted)
    say(
        f"{spec.source} at {commit[:12]}: {size_of(total)}, {size_of(total - sum(f.size for f in absent))} already here"
    )
    for file in absent:
        if file.size >= LARGE and len(file.digest) == _SHA256:
            say(f"  {file.name}: {size_of(file.size)}")
            _fetch_large(spec.source, commit, file, store)
    folder = _complete(spec, commit)
    damaged = verify(folder)
    if damaged:
        raise ModelError(
            f"{spec.source}: {damaged[0]} is damaged (its digest differs) and was removed; run the same command again."
        )
    return Fetched(folder, commit, total)


def is_offline() -> bool:
    """Whether the network is ruled out (HF_HUB_OFFLINE)."""
    return bool(constants.HF_HUB_OFFLINE)


def verify(folder: Path) -> list[str]:
    """Removes files of a checkpoint in the Hub's cache that their digest does not fit; gives their names.

    A link that leads out of the repository's own blobs stays, and so does what it leads to.
    """
    damaged: list[str] = []
    if folder.parent.name != "snapshots":
        return damaged
    blobs = (folder.parent.parent / "blobs").resolve()
    for path in sorted(p for p in folder.rglob("*") if p.is_symlink()):
        blob = path.resolve()
        stated = blob.name
        if blob.parent != blobs or not _HEX.fullmatch(stated) or not blob.is_file():
            continue
        if _digest(blob, stated) != stated:
            damaged.append(str(path.relative_to(folder)))
            blob.unlink()
            path.unlink()
    return damaged


def size_of(count: int) -> str:
    """Bytes for people.

    >>> size_of(1_790_000_000), size_of(2_500_000), size_of(900)
    ('1.8 GB', '2.5 MB', '0.9 kB')
    """
    for unit, name in ((1e9, "GB"), (1e6, "MB")):
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count / 1e3:.1f} kB"


def _listed(spec: ModelSpec) -> tuple[str, list[HubFile]]:
    """The commit of a repository's revision and its files."""
    info = _reached(spec, lambda: HfApi().model_info(spec.source, revision=spec.revision, files_metadata=True))
    files = []
    for sibling in info.siblings or ():
        digest = sibling.lfs.sha256 if sibling.lfs is not None else sibling.blob_id
        # The digest becomes a file name in the cache.
        if digest and not _HEX.fullmatch(digest):
            raise ModelError(f"{spec.source}: the Hub states no digest of {sibling.rfilename}; take another mirror.")
        files.append(HubFile(sibling.rfilename, sibling.size or 0, digest or ""))
    if info.sha is None:
        raise ModelError(f"{spec.source}: the Hub states no commit of it; try again, or another mirror.")
    return str(info.sha), files


def _reached(spec: ModelSpec, ask: Callable[[], Any]) -> Any:
    """What the Hub answers.

    Raises:
        ModelError: it cannot be reached, or has no such repository or revision.
    """
    where, network = constants.ENDPOINT, _network_errors()
    try:
        return ask()
    except GatedRepoError as error:
        raise ModelError(
            f"{spec.source}: its owner wants its terms accepted; do so on {where}/{spec.source}, then set HF_TOKEN."
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelError(f"{spec.source}: {where} has no such repository; correct `source` in the profile.") from error
    except RevisionNotFoundError as error:
        raise ModelError(
            f"{spec.source}: has no revision '{spec.revision}'; correct `revision` in the profile."
        ) from error
    except OSError as error:
        if error.errno == 28:
            raise ModelError(
                f"{spec.source}: the disk is full; free some space and run the same command again."
            ) from error
        told = f"{where} cannot be reached ({brief(error)})"
        raise ModelError(f"{spec.source}: {told}; {_OTHERWISE}") from error
    except network as error:
        told = f"{where} cannot be reached ({brief(error)})"
        raise ModelError(f"{spec.source}: {told}; {_OTHERWISE}") from error
    except (HfHubHTTPError, LocalEntryNotFoundError, ValueError) as error:
        raise ModelError(
            f"{spec.source}: {where} does not answer as it should ({brief(error)}); {_OTHERWISE}"
        ) from error


def _network_errors() -> tuple[type[Exception], ...]:
    """What the Hub's library lets through when a connection fails; it changed its HTTP client between versions."""
    return tuple(import_module(name).TransportError for name in ("httpx", "httpx2") if find_spec(name) is not None)


_OTHERWISE = (
    "check the connection and run the same command again (what arrived is kept), set HF_ENDPOINT to a mirror, or "
    "unpack a bundle."
)


def _check_formats(source: str, files: Iterable[HubFile]) -> None:
    """Refuses a repository without safetensors before anything of it is fetched."""
    names = [file.name for file in files]
    if any(name.endswith(".safetensors") for name in names):
        return
    pickled = [name for name in names if any(fnmatch(name, pattern) for pattern in PICKLED)]
    if pickled:
        raise ModelError(
            f"{source}: has only pickled weights ({pickled[0]}), which can run code when read; take a repository with "
            "safetensors, or convert it where you trust it and name the folder in a profile of your own."
        )
    raise ModelError(f"{source}: has no weights (*.safetensors); correct `source` in the profile.")


def _check_room(source: str, store: Path, needed: int) -> None:
    there = store
    while not there.exists():
        there = there.parent
    free = shutil.disk_usage(there).free
    if needed + SPARE > free:
        raise ModelError(
            f"{source}: needs {size_of(needed)} more in {there}, where {size_of(free)} are free; free some space, or "
            "set HF_HOME to another disk."
        )


def store_of(source: str) -> Path:
    """The folder of a repository in the Hub's cache."""
    return Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=source, repo_type="model")


def _fetch_large(source: str, commit: str, file: HubFile, store: Path) -> None:
    """Fetches one large file behind what lies of it already; the library itself begins such a file anew each time."""
    from huggingface_hub.utils._headers import build_hf_headers

    blob = store / "blobs" / file.digest
    part = blob.with_name(f"{blob.name}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    here = part.stat().st_size if part.exists() else 0
    if here > file.size:
        part.unlink()
        here = 0
    url = hf_hub_url(source, file.name, revision=commit)

    def go_on() -> None:
        with part.open("ab") as stream:
            http_get(url, stream, resume_size=here, headers=build_hf_headers(), expected_size=file.size)

    _reached(ModelSpec(source=source), go_on)
    if _digest(part, file.digest) != file.digest:
        part.unlink()
        raise ModelError(
            f"{source}: {file.name} arrived damaged (its digest differs) and was removed; run the same command again."
        )
    part.rename(blob)


def _complete(spec: ModelSpec, commit: str) -> Path:
    """Fetches the small files, and lays out the folder of the commit."""
    folder = _reached(spec, lambda: snapshot_download(spec.source, revision=spec.revision, allow_patterns=list(WANTED)))
    found = Path(folder)
    if found.name != commit:
        raise ModelError(f"{spec.source}: changed while it was fetched; run the same command again.")
    return found


def _digest(path: Path, like: str) -> str:
    """The digest of a file, of the kind that `like` is."""
    with path.open("rb") as stream:
        if len(like) == _SHA256:
            return hashlib.file_digest(stream, "sha256").hexdigest()
        # Git's blob digest, which the Hub states for small files, and not for security.
        sha1 = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
        sha1.update(stream.read())
        return sha1.hexdigest()
