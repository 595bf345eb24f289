"""Renders scenes once and keeps them on disk, so that every recipe trains many epochs on the same photos."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from nano.world import HELDOUT, family, render
from nano.world.medley import medley
from nano.world.medley_photo import photo
from nano.world.scene import ScenePart
from tools.types import RGB, Box, Mask

ROOT = Path("out/cache")
SIZE = 256
TRAIN_SEED, EVALUATION_SEED = 1, 2
PER_FAMILY = 1200
"""Scenes of each training family that a recipe renders."""
MEDLEY = "medley"
"""Family of every medley's scenes."""
BLOCK = 1800
"""Medleys that are rendered and kept together."""
MEDLEYS, PER_MEDLEY = 2 * BLOCK, 6
"""Medleys that a recipe renders, and photos of each."""


Shown = tuple[RGB, dict[str, Any]]
"""A photo and its truth as a line of JSON."""


@dataclass(frozen=True, eq=False)
class Thing:
    """A part or a defect of a cached scene."""

    name: str
    """A part's noun, or a defect's name."""
    words: str
    """A part's colour and noun, or a defect in words."""
    box: Box
    kind: str
    """"part", "logical" or "structural"."""
    bits: str

    @property
    def mask(self) -> Mask:
        """Its pixels, (SIZE, SIZE)."""
        x0, y0, x1, y1 = (int(v) for v in self.box)
        mask = np.zeros((SIZE, SIZE), dtype=np.bool_)
        count = (x1 - x0) * (y1 - y0)
        packed = np.frombuffer(base64.b64decode(self.bits), dtype=np.uint8)
        mask[y0:y1, x0:x1] = np.unpackbits(packed, count=count).reshape(y1 - y0, x1 - x0)
        return mask


@dataclass(frozen=True, eq=False)
class CachedScene:
    """One rendered photo and its truth."""

    image: RGB
    family: str
    product: str
    index: int
    parts: tuple[Thing, ...]
    defects: tuple[Thing, ...]
    questions: tuple[tuple[str, str, str], ...]
    """(name, question, answer)."""


def scenes(names: Sequence[str], *, seed: int, per_family: int, evaluation: bool = False) -> list[CachedScene]:
    """Half of each family good (even indices), the others over all its defects; rendered where not on disk yet.

    Raises:
        ValueError: a held-out family was asked for outside of an evaluation.
    """
    if not evaluation and set(names) & set(HELDOUT):
        raise ValueError(f"held-out families are never trained on: {sorted(set(names) & set(HELDOUT))}")
    wanted = [(name, seed, per_family) for name in names if not _folder(name, seed, per_family).exists()]
    if wanted:
        with get_context("spawn").Pool(2) as pool:
            pool.starmap(_render_family, wanted, chunksize=1)
    return [scene for name in names for scene in _read(_folder(name, seed, per_family), name, family(name).product)]


def medley_scenes(first: int, count: int, per_medley: int = PER_MEDLEY) -> list[CachedScene]:
    """Photos of medleys by number, a third of them good and the others with a structural defect each."""
    found: list[CachedScene] = []
    for start in range(first, first + count, BLOCK):
        found += _medley_block(start, min(BLOCK, first + count - start), per_medley)
    return found


def _medley_block(first: int, count: int, per_medley: int) -> list[CachedScene]:
    folder = ROOT / f"medleys-{first}-{count}-{per_medley}"
    if not folder.exists():
        wanted = [(number, per_medley) for number in range(first, first + count)]
        with get_context("spawn").Pool(2) as pool:
            shots = pool.imap(_medley_shots, wanted, chunksize=4)
            _kept(folder, count * per_medley, (shot for several in shots for shot in several))
    return _read(folder, MEDLEY, "product")


def _medley_shots(wanted: tuple[int, int]) -> list[Shown]:
    number, per_medley = wanted
    product = medley(number)
    found = []
    for index in range(per_medley):
        defect = product.family.structural[(number + index) % len(product.family.structural)] if index % 3 else None
        shot = photo(product, index, defect=defect, size=SIZE)
        defects = [_thing(defect, f"a {defect}", shot.mask, "structural")] if defect and shot.mask.any() else []
        found.append((shot.image, {"parts": _things(shot.parts), "defects": defects, "questions": []}))
    return found


def _kept(final: Path, count: int, shown: Iterable[Shown]) -> None:
    """Writes photos and their truth aside and puts them in place when they are whole."""
    aside = final.with_name(final.name + ".part")
    aside.mkdir(parents=True, exist_ok=True)
    images = np.lib.format.open_memmap(aside / "images.npy", mode="w+", dtype=np.uint8, shape=(count, SIZE, SIZE, 3))
    with (aside / "truth.jsonl").open("w", encoding="utf-8") as stream:
        for index, (image, truth) in enumerate(shown):
            images[index] = image
            stream.write(json.dumps(truth) + "\n")
    images.flush()
    aside.rename(final)


def _folder(name: str, seed: int, per_family: int) -> Path:
    return ROOT / f"{name}-{seed}-{per_family}"


def _render_family(name: str, seed: int, per_family: int) -> None:
    _kept(_folder(name, seed, per_family), per_family, _family_shots(name, seed, per_family))


def _family_shots(name: str, seed: int, per_family: int) -> Iterator[Shown]:
    about = family(name)
    for index in range(per_family):
        defect = about.defects[(index // 2) % len(about.defects)] if index % 2 else None
        scene = render(name, seed=seed, index=index, defect=defect, size=SIZE)
        defects = [_thing(d.name, d.words, d.mask, d.kind) for d in scene.defects]
        asked = [(q.name, q.question, q.answer) for q in scene.questions]
        yield scene.image, {"parts": _things(scene.parts), "defects": defects, "questions": asked}


def _things(parts: Iterable[ScenePart]) -> list[dict[str, Any]]:
    return [
        _thing(p.noun, f"{p.attributes.get('colour', '')} {p.noun}".strip(), p.mask, "part")
        for p in parts
        if p.mask.any()
    ]


def _thing(name: str, words: str, mask: Mask, kind: str) -> dict[str, Any]:
    ys, xs = np.nonzero(mask)
    x0, y0, x1, y1 = int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1
    bits = base64.b64encode(np.packbits(mask[y0:y1, x0:x1]).tobytes()).decode("ascii")
    return {"name": name, "words": words, "box": (x0, y0, x1, y1), "kind": kind, "bits": bits}


def _read(folder: Path, name: str, product: str) -> list[CachedScene]:
    images = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False)
    found = []
    for index, line in enumerate((folder / "truth.jsonl").read_text(encoding="utf-8").splitlines()):
        truth = json.loads(line)
        parts, defects = (
            tuple(Thing(**{**item, "box": Box(*item["box"])}) for item in truth[key]) for key in ("parts", "defects")
        )
        asked = tuple((n, q, a) for n, q, a in truth["questions"])
        found.append(CachedScene(images[index], name, product, index, parts, defects, asked))
    return found
