"""What the language model is trained on: pictures, conversations about them, and where the pictures differ."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

import prompts
from nano.recipes.cache import SIZE, CachedScene, Thing
from tools.types import Box, Mask

SIDE, PATCH = 128, 16
GRID = SIDE // PATCH
LEAST = 64.0
"""A crop is never smaller than this many pixels of a 256-pixel photo, as the inspector's own crops are not."""
REFERENCES = 4
"""Good parts among which the one that looks most alike is shown, as the inspector chooses its reference."""
FAINT = 0.08
"""A patch counts as defective from this share of it on."""
SHORT = {"chipping": "chip", "open seam": "tear"}
"""Defects that the menu in prompts/defects.yaml calls otherwise."""

Turns = list[tuple[str, str]]
"""Questions and answers in turn."""


@dataclass(frozen=True, eq=False)
class VlmExample:
    """One conversation about one picture, or about a picture beside its reference."""

    pictures: list[Tensor]
    """(3, SIDE, SIDE) in [0, 1]."""
    defects: list[Tensor]
    """(GRID, GRID) for each picture: the share of each patch that is defective."""
    turns: Turns
    yes: bool | None = None
    """Whether there is a defect, where the first question asks for a yes or a no about it."""


@dataclass(eq=False)
class ScenePool:
    """Scenes by family, and which of them are good."""

    scenes: Sequence[CachedScene]
    good: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    bad: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    small: dict[int, NDArray[np.float32]] = field(default_factory=dict)
    """Good photos at a quarter of their size, by which references are chosen."""
    known: dict[int, NDArray[np.uint8]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Sorts the scenes once."""
        for n, scene in enumerate(self.scenes):
            (self.bad if scene.defects else self.good)[scene.family].append(n)

    @cached_property
    def nouns(self) -> list[str]:
        """What parts are called, in order."""
        return sorted({p.name for s in self.scenes for p in s.parts})

    def labels(self, n: int) -> NDArray[np.uint8]:
        """(SIZE, SIZE): 0 for the background, else 1 + the place of the part's noun in `nouns`."""
        if n not in self.known:
            drawn = np.zeros((SIZE, SIZE), dtype=np.uint8)
            for part in self.scenes[n].parts:
                drawn[part.mask] = 1 + self.nouns.index(part.name)
            self.known[n] = drawn
        return self.known[n]

    def families(self) -> list[str]:
        """Names, in order."""
        return sorted(self.good)

    def thumbnail(self, n: int) -> NDArray[np.float32]:
        """(64, 64, 3) in [0, 255]."""
        if n not in self.small:
            image = np.asarray(self.scenes[n].image, dtype=np.float32)
            self.small[n] = image.reshape(SIZE // 4, 4, SIZE // 4, 4, 3).mean(axis=(1, 3), dtype=np.float32)
        return self.small[n]


def square(box: Box, rng: np.random.Generator, spread: float = 1.0) -> Box:
    """A square about a box with about twice its size, moved inside the photo; `spread` 0 gives the exact one."""
    factor = 2.0 * float(np.exp(rng.uniform(-0.3, 0.35) * spread))
    side = min(max(factor * max(box.width, box.height), LEAST), SIZE)
    x, y = (c + float(rng.uniform(-0.12, 0.12)) * spread * side for c in box.centre)
    x0, y0 = (min(max(c - side / 2, 0.0), SIZE - side) for c in (x, y))
    return Box(round(x0), round(y0), round(x0 + side), round(y0 + side))


def picture(scene: CachedScene, box: Box, rng: np.random.Generator | None = None, mirror: bool = False) -> Tensor:
    """(3, SIDE, SIDE) in [0, 1], relit a little where there is a generator."""
    x0, y0, x1, y1 = (int(v) for v in box)
    cut = torch.from_numpy(scene.image[y0:y1, x0:x1].copy()).permute(2, 0, 1)[None].float() / 255
    pixels = functional.interpolate(cut, (SIDE, SIDE), mode="bilinear", antialias=True)[0]
    if rng is not None:
        light = rng.uniform(0.85, 1.15) * rng.uniform(0.94, 1.06, (3, 1, 1))
        pixels = pixels ** float(rng.uniform(0.85, 1.2)) * torch.from_numpy(light).float()
    return (pixels.flip(2) if mirror else pixels).clamp(0, 1)


def shares(scene: CachedScene, box: Box, mirror: bool = False) -> Tensor:
    """(GRID, GRID) share of each patch that any defect covers."""
    mask: Mask = np.zeros((SIZE, SIZE), dtype=np.bool_)
    for defect in scene.defects:
        mask |= defect.mask
    x0, y0, x1, y1 = (int(v) for v in box)
    cut = torch.from_numpy(mask[y0:y1, x0:x1].astype(np.float32))[None, None]
    grid = functional.adaptive_max_pool2d(functional.interpolate(cut, (SIDE // 2, SIDE // 2), mode="area"), GRID)[0, 0]
    return grid.flip(1) if mirror else grid


def reference(pool: ScenePool, scene: CachedScene, box: Box, rng: np.random.Generator) -> CachedScene:
    """The most alike at that place of a few good photos, never the scene itself."""
    known = pool.good[scene.family]
    few = [known[int(i)] for i in rng.choice(len(known), size=min(REFERENCES + 1, len(known)), replace=False)]
    few = [n for n in few if pool.scenes[n] is not scene][:REFERENCES]
    x0, y0, x1, y1 = (int(v) // 4 for v in box)
    cut = np.asarray(scene.image[4 * y0 : 4 * y1, 4 * x0 : 4 * x1], dtype=np.float32)
    here = cut.reshape(y1 - y0, 4, x1 - x0, 4, 3).mean(axis=(1, 3), dtype=np.float32)
    return pool.scenes[min(few, key=lambda n: float(np.abs(pool.thumbnail(n)[y0:y1, x0:x1] - here).mean()))]


def suspect(pool: ScenePool, family: str, yes: bool, rng: np.random.Generator, spread: float = 1.0) -> tuple[int, Box]:
    """A scene and a square on it: about a defect, or where another scene has one, or about a good part."""
    bad = pool.bad[family]
    n = bad[int(rng.integers(len(bad)))]
    box = pool.scenes[n].defects[0].box
    if yes:
        return n, square(box, rng, spread)
    good = pool.good[family]
    n = good[int(rng.integers(len(good)))]
    parts = pool.scenes[n].parts
    if rng.random() < 0.3 and parts:
        box = parts[int(rng.integers(len(parts)))].box
    return n, square(box, rng, spread)


def compared(pool: ScenePool, family: str, yes: bool, rng: np.random.Generator, spread: float = 1.0) -> VlmExample:
    """A suspect place beside the same place on a good part; both polarities of the question."""
    n, box = suspect(pool, family, yes, rng, spread)
    scene = pool.scenes[n]
    other = reference(pool, scene, box, rng)
    mirror = bool(spread and rng.integers(2))
    relit = rng if spread else None
    pictures = [picture(s, box, relit, mirror) for s in (scene, other)]
    negated = bool(rng.integers(2)) if spread else False
    name = "compare_good" if negated else "compare"
    turns = [(prompts.questions()[name].format(product=scene.product), "Yes" if yes != negated else "No")]
    if spread and rng.random() < 0.3:
        turns.append((prompts.questions()["describe_defect"].format(product=scene.product), worded(scene, yes, rng)))
    return VlmExample(pictures, [shares(scene, box, mirror), torch.zeros(GRID, GRID)], turns, yes)


def worded(scene: CachedScene, yes: bool, rng: np.random.Generator) -> str:
    """What is wrong, as the world says it or as the menu of defects does."""
    if not yes:
        return "Nothing, it is good."
    defect: Thing = scene.defects[0]
    if defect.kind == "structural" and rng.random() < 0.35:
        return SHORT.get(defect.name, defect.name)
    return next(answer for name, _, answer in scene.questions if name == "describe_defect")


def cropped(pool: ScenePool, family: str, yes: bool, rng: np.random.Generator) -> VlmExample:
    """A question about one crop without a reference."""
    n, box = suspect(pool, family, yes, rng)
    scene = pool.scenes[n]
    mirror = bool(rng.integers(2))
    asked = prompts.questions()
    ask = str(rng.choice(["detect", "detect_good", "describe_defect"]))
    answer = worded(scene, yes, rng) if ask == "describe_defect" else "Yes" if yes == (ask == "detect") else "No"
    turns = [(asked[ask].format(product=scene.product), answer)]
    return VlmExample([picture(scene, box, rng, mirror)], [shares(scene, box, mirror)], turns)


def whole(pool: ScenePool, family: str, yes: bool, rng: np.random.Generator) -> VlmExample:
    """A conversation about a whole photo, half the time with what the other tools found."""
    known = (pool.bad if yes else pool.good)[family]
    scene = pool.scenes[known[int(rng.integers(len(known)))]]
    answers: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for name, question, answer in scene.questions:
        answers[name].append((question, answer))
    opening = str(rng.choice(["detect", "detect_good", "describe", "describe_defect", "count", "list_parts"]))
    turns = [answers[opening][int(rng.integers(len(answers[opening])))]]
    story = [name for name in ("describe_defect", "locate", "cause", "consequence", "advise") if name in answers]
    if yes and opening in ("detect", "describe", "describe_defect"):
        turns += [answers[name][0] for name in story[:] if name != opening and rng.random() < 0.5]
    elif rng.random() < 0.4:
        turns.append(answers["count"][int(rng.integers(len(answers["count"])))])
    if rng.random() < 0.5:
        turns[0] = (f"{evidence(answers, yes)} {turns[0][0]}", turns[0][1])
    box = Box(0, 0, SIZE, SIZE)
    return VlmExample([picture(scene, box, rng)], [shares(scene, box)], turns)


def evidence(answers: dict[str, list[tuple[str, str]]], yes: bool) -> str:
    """What tools would report on a scene, as a line of evidence."""
    if not yes:
        return prompts.questions()["evidence"].format(evidence="Nothing deviates from the good parts.")
    place = answers["locate"][0][1].rstrip(".").lower()
    told = f"{answers['describe_defect'][0][1].rstrip('.')} ({place})."
    return prompts.questions()["evidence"].format(evidence=told)


def batch_of(pool: ScenePool, size: int, seed: int, step: int) -> list[VlmExample]:
    """Even steps compare, odd ones ask about single pictures; the step alone decides which."""
    rng = np.random.default_rng([seed, step])
    families = pool.families()
    made = []
    for _ in range(size):
        family, yes = families[int(rng.integers(len(families)))], bool(rng.integers(2))
        kind = compared if step % 2 == 0 else cropped if rng.random() < 0.4 else whole
        made.append(kind(pool, family, yes, rng))
    return made


@dataclass(frozen=True, eq=False)
class Views:
    """Pictures alone, and what each of their patches shows."""

    pixels: Tensor
    """(N, 3, SIDE, SIDE) in [0, 1]."""
    defects: Tensor
    """(N, GRID, GRID) share of each patch that is defective."""
    nouns: Tensor
    """(N, GRID * GRID, 1 + nouns): how much of each patch is background, and each part."""


def views_of(pool: ScenePool, size: int, seed: int, step: int) -> Views:
    """Crops about defects and the like, a sixth of them whole photos; the step alone decides which."""
    rng = np.random.default_rng([seed, step, 2])
    families = pool.families()
    pixels, defects, nouns = [], [], []
    for _ in range(size):
        family = families[int(rng.integers(len(families)))]
        n, box = suspect(pool, family, bool(rng.random() < 0.65), rng, 2.0)
        scene, mirror = pool.scenes[n], bool(rng.integers(2))
        box = Box(0, 0, SIZE, SIZE) if rng.random() < 0.16 else box
        pixels.append(picture(scene, box, rng, mirror))
        defects.append(shares(scene, box, mirror))
        nouns.append(_nouns(pool, n, box, mirror))
    return Views(torch.stack(pixels), torch.stack(defects), torch.stack(nouns))


def _nouns(pool: ScenePool, n: int, box: Box, mirror: bool) -> Tensor:
    """(GRID * GRID, 1 + nouns) shares, from four samples a patch."""
    x0, y0, x1, y1 = (int(v) for v in box)
    fine = 2 * GRID
    rows, columns = (np.linspace(a, b - 1, fine + 1)[:-1] + (b - a) / fine / 2 for a, b in ((y0, y1), (x0, x1)))
    drawn = pool.labels(n)[rows.astype(int)[:, None], columns.astype(int)[None, :]]
    drawn = drawn[:, ::-1] if mirror else drawn
    shown = functional.one_hot(torch.from_numpy(drawn.astype(np.int64)), 1 + len(pool.nouns)).float()
    return shown.reshape(GRID, 2, GRID, 2, -1).mean(dim=(1, 3)).flatten(0, 1)
