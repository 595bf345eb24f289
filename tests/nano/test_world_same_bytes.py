"""Same arguments, same bytes: twice, in another process, and on a processor with fewer instructions."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nano.world import FAMILIES, family, render

ROOT = Path(__file__).parents[2]
PINNED = Path(__file__).with_name("world_digests.json")


def digests() -> dict[str, str]:
    """A digest of pixels, masks and words for each family and style."""
    found = {}
    for name in FAMILIES:
        for style in ("plain", "shift"):
            scene = render(name, seed=11, index=7, defect=family(name).structural[-1], style=style)
            total = hashlib.sha256(scene.image.tobytes() + np.packbits(scene.anomaly_mask).tobytes())
            total.update(repr([(p.noun, p.box, p.attributes) for p in scene.parts]).encode())
            total.update(repr(scene.questions).encode())
            found[f"{name}/{style}"] = total.hexdigest()[:16]
    return found


@pytest.fixture(scope="module")
def here():
    return digests()


def test_two_calls_give_the_same_scene(here):
    assert digests() == here


def test_a_processor_without_wide_vectors_gives_the_same_scenes(here):
    code = "import json; from tests.nano.test_world_same_bytes import digests; print(json.dumps(digests()))"
    plain = {**os.environ, "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3 AVX512F AVX512CD AVX512_SKX", "PYTHONHASHSEED": "7"}
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=plain, cwd=ROOT, check=True
    )
    assert json.loads(result.stdout) == here


def test_scenes_are_those_that_the_weights_were_trained_on(here):
    """Pinned from another run; after a deliberate change of the world: python -m tests.nano.test_world_same_bytes."""
    assert here == json.loads(PINNED.read_text())


def test_style_seed_and_index_each_change_the_photo():
    base = {"family": "gear", "seed": 1, "index": 1, "style": "plain"}
    photos = [render(**{**base, **change}).image for change in ({}, {"seed": 2}, {"index": 2}, {"style": "shift"})]
    assert len({photo.tobytes() for photo in photos}) == 4


@pytest.mark.parametrize("name", FAMILIES)
def test_a_defect_changes_nothing_else(name):
    kind = family(name)
    bad = render(name, seed=3, index=2, defect=kind.structural[0])
    good = render(name, seed=3, index=2)
    far = np.abs(bad.image.astype(int) - good.image.astype(int)).max(axis=2)[:8, :8]
    assert far.max() < 40 and [p.noun for p in bad.parts] == [p.noun for p in good.parts]


if __name__ == "__main__":
    PINNED.write_text(json.dumps(digests(), indent=1) + "\n")
