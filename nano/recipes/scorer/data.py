"""What the scorer is trained on: crops, what is true of each, and captions that say some of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor
from torch.nn import functional

import prompts
from nano.recipes.cache import MEDLEY, SIZE, CachedScene, Thing
from nano.recipes.vlm.data import ScenePool, picture, shares, square, suspect
from tools.types import Box

GRID = 4
"""Patches along a side."""
GENERAL = ("part", "product", "object", "item")
"""Nouns that fit everything, so that a state is learned apart from its noun."""
FROM_MEDLEYS = 0.5
"""Share of the crops that show products that nobody makes, where the pool has any."""
LEAST_DAMAGE = 12
"""Defective pixels in a crop of a part, below which it is neither called damaged nor good."""


@dataclass(frozen=True, eq=False)
class Crop:
    """A crop and what is true of it."""

    pixels: Tensor
    """(3, 128, 128) in [0, 1]."""
    subject: str
    """What is shown: a part's noun or the product."""
    colour: str | None
    damaged: bool | None
    """None where words about damage would be neither right nor wrong."""
    defect: str | None
    shares: Tensor
    """(GRID, GRID) whether each patch is defective."""


@dataclass(frozen=True)
class CaptionFacts:
    """A caption and what it says; None is not said."""

    line: str
    subject: str
    colour: str | None
    damaged: bool | None
    defect: str | None


def fits(said: CaptionFacts, crop: Crop) -> bool:
    """Whether everything that a caption says is true of a crop."""
    return (
        said.subject == crop.subject
        and said.colour in (None, crop.colour)
        and said.damaged in (None, crop.damaged)
        and said.defect in (None, crop.defect)
    )


def around(box: Box, factor: float) -> Box:
    """A square about a part, a factor larger than its longer side, moved inside the photo."""
    side = min(max(factor * max(box.width, box.height), 20.0), SIZE)
    x0, y0 = (min(max(c - side / 2, 0.0), SIZE - side) for c in box.centre)
    return Box(round(x0), round(y0), round(x0 + side), round(y0 + side))


def structural(scene: CachedScene) -> Thing | None:
    """Its structural defect, if it has one."""
    return next((d for d in scene.defects if d.kind == "structural"), None)


def of_part(scene: CachedScene, part: Thing, factor: float, rng: np.random.Generator | None) -> Crop:
    """A part with a little of its surroundings."""
    box = around(part.box, factor)
    defect = structural(scene)
    x0, y0, x1, y1 = (int(v) for v in box)
    hurt = 0 if defect is None else int(defect.mask[y0:y1, x0:x1].sum())
    damaged = None if 0 < hurt < LEAST_DAMAGE else hurt > 0
    mirror = bool(rng is not None and rng.integers(2))
    colour = part.words.removesuffix(part.name).strip() or None
    name = defect.name if defect is not None and damaged else None
    return Crop(picture(scene, box, rng, mirror), part.name, colour, damaged, name, _cells(scene, box, mirror))


def of_place(scene: CachedScene, box: Box, rng: np.random.Generator | None) -> Crop:
    """A place on a product, or all of it; a logical defect says nothing about its surface."""
    defect = structural(scene)
    cells = shares(scene, box)
    mirror = bool(rng is not None and rng.integers(2))
    hurt = float(cells.max()) > 0
    damaged = None if scene.defects and defect is None else hurt
    name = defect.name if defect is not None and hurt else None
    return Crop(picture(scene, box, rng, mirror), scene.product, None, damaged, name, _cells(scene, box, mirror))


def _cells(scene: CachedScene, box: Box, mirror: bool) -> Tensor:
    fine = shares(scene, box, mirror)[None, None]
    return (functional.adaptive_max_pool2d(fine, GRID)[0, 0] > 0.08).float()


def batch_of(pool: ScenePool, size: int, seed: int, step: int) -> list[Crop]:
    """Parts, places and whole photos; the step alone decides which."""
    rng = np.random.default_rng([seed, step])
    families = [name for name in pool.families() if name != MEDLEY]
    made: list[Crop] = []
    while len(made) < size:
        family, kind = families[int(rng.integers(len(families)))], rng.random()
        if MEDLEY in pool.good and rng.random() < FROM_MEDLEYS:
            family = MEDLEY
        yes = bool(rng.integers(2))
        if kind < 0.45:
            known = (pool.bad if rng.random() < 0.4 else pool.good)[family]
            scene = pool.scenes[known[int(rng.integers(len(known)))]]
            nouns = sorted({p.name for p in scene.parts})
            noun = nouns[int(rng.integers(len(nouns)))] if nouns else ""
            parts = [p for p in scene.parts if p.name == noun]
            if parts:
                made.append(of_part(scene, parts[int(rng.integers(len(parts)))], float(rng.uniform(1.05, 1.6)), rng))
            continue
        n, box = suspect(pool, family, yes, rng)
        scene = pool.scenes[n]
        if kind > 0.85:
            box = Box(0, 0, SIZE, SIZE)
        elif structural(scene) is None and scene.defects:
            box = square(scene.defects[0].box, rng)
        made.append(of_place(scene, box, rng))
    return made


def captions(crops: Sequence[Crop], seed: int, step: int) -> list[CaptionFacts]:
    """One caption a crop, of its name, colour, state or defect, and the opposite state of each crop that has one."""
    rng = np.random.default_rng([seed, step, 1])
    templates: list[str] = prompts.load_yaml("templates")["photo"]
    found: dict[str, CaptionFacts] = {}
    for crop in crops:
        for said in _about(crop, rng):
            template = templates[int(rng.integers(len(templates)))] if rng.random() < 0.6 else "{state}"
            line = template.replace("{state}", said.line)
            found.setdefault(line, CaptionFacts(line, said.subject, said.colour, said.damaged, said.defect))
    return list(found.values())


def _about(crop: Crop, rng: np.random.Generator) -> list[CaptionFacts]:
    noun = crop.subject
    kind = rng.random()
    if crop.damaged is not None and kind < 0.5:
        return [_state(noun, damaged, rng) for damaged in (True, False)]
    if crop.defect is not None and kind < 0.7:
        return [CaptionFacts(f"{noun} with a {crop.defect}", noun, None, True, crop.defect)]
    if crop.colour is not None and kind < 0.85:
        return [CaptionFacts(f"{crop.colour} {noun}", noun, crop.colour, None, None)]
    return [CaptionFacts(noun, noun, None, None, None)]


def _state(noun: str, damaged: bool, rng: np.random.Generator) -> CaptionFacts:
    states: list[str] = prompts.load_yaml("states")["anomalous" if damaged else "normal"]
    line = states[int(rng.integers(len(states)))].replace("{product}", noun)
    return CaptionFacts(line, noun, None, None if line == noun else damaged, None)


def sentence(noun: str, state: str, seed: int, step: int, number: int) -> str:
    """One of the sentences by which the patch scorer says a state; a tenth of them speak of a part or a product."""
    rng = np.random.default_rng([seed, step, number, len(noun), state == "normal"])
    states: list[str] = prompts.load_yaml("states")[state]
    templates: list[str] = prompts.load_yaml("templates")["photo"]
    word = GENERAL[int(rng.integers(len(GENERAL)))] if rng.random() < 0.1 else noun
    line = states[int(rng.integers(len(states)))].replace("{product}", word)
    return templates[int(rng.integers(len(templates)))].replace("{state}", line)
