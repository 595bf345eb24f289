"""What the segmenter is trained on: turned and relit photos, prompts, masks, and which part each place belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy
import torch
from numpy.typing import NDArray
from PIL import Image

from nano.recipes.cache import SIZE, CachedScene, Thing
from tools.types import RGB, Mask

IMAGES, PROMPTS = 4, 8
"""Images in a batch, prompts on each: encoding is dear, decoding is cheap."""
SIDE = 192
"""Pixels along a side of what the model sees."""
FINE = 2
"""Pixels of a cell of a mask."""
COARSE = 8
"""Pixels of a patch."""
LEAST = 12
"""Pixels of a thing, as the model sees it, from which on it may be asked for."""
JITTER = 0.06
"""A box's edges are moved by up to this share of its sides, since a detector's are."""


def things_of(scene: CachedScene) -> list[Thing]:
    """Parts and structural defects; a logical defect is a matter of rules, not of edges."""
    return [*scene.parts, *(d for d in scene.defects if d.kind == "structural")]


def deepest(mask: Mask) -> tuple[int, int]:
    """(x, y) of the pixel that is furthest from a mask's edge."""
    x0, y0, x1, y1 = bounds(mask)
    depth = scipy.ndimage.distance_transform_edt(np.pad(mask[y0:y1, x0:x1], 1))[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return x0 + int(x), y0 + int(y)


def bounds(mask: Mask) -> tuple[int, int, int, int]:
    """The smallest box around a mask that is not empty, x1 and y1 exclusive."""
    ys, xs = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(xs[0]), int(ys[0]), int(xs[-1]) + 1, int(ys[-1]) + 1


@dataclass(frozen=True, eq=False)
class SegmenterBatch:
    """Tensors of one step."""

    pixels: torch.Tensor
    """(B, 3, SIDE, SIDE), normalised."""
    masks: torch.Tensor
    """(B, K, SIDE / FINE, SIDE / FINE) shares of each cell that belong; the first half of K is prompted by boxes."""
    boxes: torch.Tensor
    """(B, K/2, 4)."""
    points: torch.Tensor
    """(B, K/2, 1, 2)."""
    edges: torch.Tensor
    """(B, 2, SIDE / FINE, SIDE / FINE): whether a cell is of any part, and whether it is at the edge of one."""
    owners: torch.Tensor
    """(B, 5, SIDE / COARSE, SIDE / COARSE): whether a patch's middle is of a part, how far (right, down) that part's
    middle is in units of 64 px, and the logarithms of the part's sides in such units."""


class Data:
    """Batches that the step alone decides."""

    def __init__(self, found: Sequence[CachedScene], seed: int, device: str) -> None:
        self._scenes, self._seed, self._device = found, seed, device

    def batch(self, step: int) -> SegmenterBatch:
        """Squares of random scenes, turned and relit, with random prompts."""
        random = np.random.default_rng([self._seed, step])
        pixels, masks, boxes, points, edges, owners = [], [], [], [], [], []
        for _ in range(IMAGES):
            scene = self._scenes[int(random.integers(len(self._scenes)))]
            view = View.random(random)
            image = relit(view.image(scene.image), random)
            seen = [view.mask(thing.mask) for thing in things_of(scene)]
            wanted = [mask for mask in seen if mask.sum() >= LEAST] or [np.ones((SIDE, SIDE), dtype=np.bool_)]
            chosen = [wanted[int(i)] for i in random.integers(len(wanted), size=PROMPTS)]
            pixels.append(normalised(image))
            masks.append(np.stack([shares(m) for m in chosen]))
            boxes.append(np.stack([_jittered(m, random) for m in chosen[: PROMPTS // 2]]))
            points.append(np.stack([_point(m, random) for m in chosen[PROMPTS // 2 :]]))
            drawn = ownership(seen)
            edges.append(edges_of(drawn))
            owners.append(owners_of(drawn))
        arrays = (pixels, masks, boxes, points, edges, owners)
        stacked = (torch.from_numpy(np.stack(x)).to(self._device) for x in arrays)
        return SegmenterBatch(*stacked)


@dataclass(frozen=True)
class View:
    """A square of a photo, turned, and resized to what the model sees."""

    x: int
    y: int
    side: int
    turn: int
    mirror: bool

    @classmethod
    def random(cls, random: np.random.Generator) -> View:
        """Half the time the whole photo."""
        side = SIZE if random.integers(2) else int(random.uniform(0.55, 1.0) * SIZE)
        x, y = (int(v) for v in random.integers(0, SIZE - side + 1, size=2))
        return cls(x, y, side, int(random.integers(4)), bool(random.integers(2)))

    def image(self, image: RGB) -> RGB:
        """(SIDE, SIDE, 3)."""
        cut = Image.fromarray(image[self.y : self.y + self.side, self.x : self.x + self.side])
        return self._turned(np.asarray(cut.resize((SIDE, SIDE), Image.Resampling.BILINEAR)))

    def mask(self, mask: Mask) -> Mask:
        """(SIDE, SIDE)."""
        at = ((np.arange(SIDE) + 0.5) * self.side / SIDE).astype(np.int64)
        return self._turned(mask[np.ix_(self.y + at, self.x + at)])

    def _turned(self, array: NDArray[Any]) -> NDArray[Any]:
        turned = np.rot90(array, self.turn)
        return np.ascontiguousarray(turned[:, ::-1] if self.mirror else turned)


def relit(image: NDArray[Any], random: np.random.Generator) -> NDArray[np.float32]:
    """Values in [0, 1] under another gain, gamma and tint."""
    value = image.astype(np.float32) / 255.0
    gain = random.uniform(0.75, 1.25) * random.uniform(0.9, 1.1, size=3).astype(np.float32)
    lit: NDArray[np.float32] = np.clip(
        value ** np.float32(random.uniform(0.8, 1.25)) * gain.astype(np.float32), 0.0, 1.0
    )
    return lit


def normalised(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """(3, H, W) as the processor makes it from (H, W, 3) in [0, 1]."""
    mean = np.array([0.485, 0.456, 0.406], dtype=np.float32)
    spread = np.array([0.229, 0.224, 0.225], dtype=np.float32)
    return np.ascontiguousarray(((image - mean) / spread).transpose(2, 0, 1))


def shares(mask: Mask) -> NDArray[np.float32]:
    """The share of each cell that belongs: a mask at the decoder's own size."""
    side = SIDE // FINE
    found: NDArray[np.float32] = mask.reshape(side, FINE, side, FINE).mean(axis=(1, 3), dtype=np.float32)
    return found


def ownership(masks: Sequence[Mask]) -> NDArray[np.uint8]:
    """(SIDE, SIDE): 0, or 1 + the number of the smallest mask that a pixel belongs to."""
    drawn = np.zeros((SIDE, SIDE), dtype=np.uint8)
    for n in sorted(range(min(len(masks), 255)), key=lambda n: -int(masks[n].sum())):
        drawn[masks[n]] = 1 + n
    return drawn


def edges_of(drawn: NDArray[np.uint8]) -> NDArray[np.float32]:
    """`Batch.edges` of one photo from `ownership`."""
    cells = drawn[::FINE, ::FINE]
    edge = np.zeros(cells.shape, dtype=np.bool_)
    down, right = cells[1:] != cells[:-1], cells[:, 1:] != cells[:, :-1]
    edge[1:] |= down
    edge[:-1] |= down
    edge[:, 1:] |= right
    edge[:, :-1] |= right
    return np.stack([cells > 0, edge]).astype(np.float32)


def owners_of(drawn: NDArray[np.uint8]) -> NDArray[np.float32]:
    """`Batch.owners` of one photo from `ownership`."""
    middles = np.arange(COARSE // 2, SIDE, COARSE)
    cells = drawn[np.ix_(middles, middles)]
    found = np.zeros((5, *cells.shape), dtype=np.float32)
    for number, place in enumerate(scipy.ndimage.find_objects(drawn), start=1):
        here = cells == number
        if place is None or not here.any():
            continue
        (y0, y1), (x0, x1) = ((float(axis.start), float(axis.stop)) for axis in place)
        rows, columns = np.nonzero(here)
        found[0, here] = 1
        found[1, here] = ((x0 + x1) / 2 - middles[columns]) / 64
        found[2, here] = ((y0 + y1) / 2 - middles[rows]) / 64
        found[3, here], found[4, here] = np.log((x1 - x0) / 64), np.log((y1 - y0) / 64)
    return found


def _jittered(mask: Mask, random: np.random.Generator) -> NDArray[np.float32]:
    box = np.array(bounds(mask), dtype=np.float32)
    sides = np.tile(box[2:] - box[:2], 2)
    moved = box + random.uniform(-JITTER, JITTER, size=4).astype(np.float32) * sides * random.integers(2)
    return np.clip(moved, 0, SIDE).astype(np.float32)


def _point(mask: Mask, random: np.random.Generator) -> NDArray[np.float32]:
    """Half the time the deepest pixel, else any."""
    if random.integers(2):
        return np.array([deepest(mask)], dtype=np.float32)
    ys, xs = np.nonzero(mask)
    n = int(random.integers(len(ys)))
    return np.array([[xs[n], ys[n]]], dtype=np.float32)
