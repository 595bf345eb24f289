"""Small bundles made in a test, sound or not."""

import hashlib
import io
import json
import tarfile

from tools.models.bundle_checks import MANIFEST

COMMIT = "a" * 40
CONTENT = {"config.json": b"{}", "model.safetensors": b"weights", "sub/more.txt": b"words"}


def manifest(**changes):
    """A manifest of one checkpoint of the Hub's cache; what is given replaces its fields."""
    files = [{"name": n, "size": len(c), "sha256": hashlib.sha256(c).hexdigest()} for n, c in CONTENT.items()]
    stated = {"role": "scorer", "source": "a/b", "revision": COMMIT, "branch": "main", "files": files, **changes}
    return {"bundle": 1, "profile": "mine", "checkpoints": [stated]}


def write(path, told, content=None, mode="w", entries=()):
    """A tar file with this manifest, the files and further entries."""
    with tarfile.open(path, mode) as tar:
        text = told if isinstance(told, bytes) else json.dumps(told).encode()
        add(tar, MANIFEST, text)
        for name, data in (CONTENT if content is None else content).items():
            add(tar, f"scorer/{name}", data)
        for entry in entries:
            tar.addfile(entry)
    return path


def add(tar, name, data):
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    tar.addfile(entry, io.BytesIO(data))


def tree(folder):
    """Every path below a folder."""
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))
