"""Bundles changed at random: unpacked or refused in one sentence, and nothing is written outside of the target."""

import json
import random
import sys
import tarfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))

from bundles import CONTENT, add, manifest, tree

from tools.errors import LookTwiceError
from tools.models.bundle import unpack
from tools.models.bundle_checks import MANIFEST

MUTATIONS = 500
VALUES = [
    None,
    "",
    "..",
    "../x",
    "/x",
    "a/../b",
    "x\0",
    0,
    -1,
    2**70,
    1.5,
    True,
    [],
    {},
    "a" * 999,
    "\ud800",
    "*",
    "a b",
]


def changed_manifest(chance):
    """A manifest with a few fields replaced, removed or added."""
    told = manifest(**chance.choice([{"source": "own", "revision": None}, {}]))
    for _ in range(chance.randint(1, 3)):
        at = told
        while isinstance(at, dict | list) and at:
            key = chance.choice(list(at) if isinstance(at, dict) else range(len(at)))
            if isinstance(at[key], dict | list) and chance.random() < 0.8:
                at = at[key]
                continue
            how = chance.random()
            if how < 0.7:
                at[key] = chance.choice(VALUES)
            elif how < 0.85:
                del at[key]
            elif isinstance(at, dict):
                at[chance.choice(["more", "path", "name"])] = chance.choice(VALUES)
            break
    return told


def write_changed(path, chance):
    """A bundle with a changed manifest, changed bytes, or both."""
    told = changed_manifest(chance) if chance.random() < 0.6 else manifest(source="own", revision=None)
    with tarfile.open(
        path, "w", format=chance.choice([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
    ) as tar:
        add(tar, MANIFEST, json.dumps(told).encode())
        for name, data in CONTENT.items():
            if chance.random() < 0.95:
                add(tar, f"scorer/{name}", data)
    data = bytearray(path.read_bytes())
    for _ in range(chance.choice([0, 1, 3, 20])):
        data[chance.randrange(min(len(data), 5000))] = chance.randrange(256)
    if chance.random() < 0.1:
        del data[chance.randrange(len(data)) :]
    path.write_bytes(data)


def test_changed_bundles_are_refused_or_stay_in_their_folders(tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "in" / "hub"))
    monkeypatch.chdir(tmp_path)
    chance = random.Random(7)
    bundle, outcomes = tmp_path / "x.tar", {"unpacked": 0, "refused": 0}
    for number in range(MUTATIONS):
        write_changed(bundle, chance)
        try:
            unpack(bundle, tmp_path / "in" / "own")
        except LookTwiceError as error:
            assert "\n" not in str(error)
            outcomes["refused"] += 1
        except Exception as error:
            pytest.fail(f"mutation {number}: {type(error).__name__}: {error}")
        else:
            outcomes["unpacked"] += 1
        assert [p for p in tree(tmp_path) if p.split("/")[0] not in ("in", "x.tar")] == []
    assert min(outcomes.values()) > 0
