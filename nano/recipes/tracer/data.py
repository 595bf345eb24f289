"""What the tracer is trained on: groups of photos of one product each, rendered while it learns, and their truth."""

from __future__ import annotations

import multiprocessing
import os
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from nano.recipes.cache import SIZE, TRAIN_SEED
from nano.world import TRAINED, family, render
from nano.world.medley import CROWDED, VARIED, medley
from nano.world.medley_photo import photo
from nano.world.scene import ScenePart

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

GOOD, STRUCTURAL, LOGICAL = 8, 4, 4
"""Photos of a group; of a product without rules the structural ones take the logical ones' place."""
GROUP = GOOD + STRUCTURAL + LOGICAL
HALF = SIZE // 2
PARTS = 40
"""Parts of a photo that are told apart at most."""
FAMILIES = 4
"""Every so many groups one shows a training family, the others medleys."""
SHIFTED = 5
"""Every so many groups of a training family are rendered in another style."""
FIRST = 100_000
"""Photos of the training families from this index on; what is measured lies below."""
MEDLEYS = 900_000
"""Groups show so many medleys from each of `BANDS` on; what is measured lies above."""
BANDS = (VARIED, CROWDED, CROWDED)
"""The medleys of groups in turn."""
HOLDS = 0.5
"""A part holds another whose box has less than this share of its own box's area."""
LONE = 100
"""Kind of a part that is like no other, on the first photo of a group; on the next photos it is one more each."""
HIDDEN = 3
"""Label of a photo whose defect cannot be seen."""


@dataclass(frozen=True, eq=False)
class Groups:
    """G products; every array of one of them alone leaves out the first axis."""

    images: Any
    """(G, GROUP, SIZE, SIZE, 3) uint8."""
    owners: Any
    """(G, GROUP, HALF, HALF) uint8: 0, or 1 + the number of the part that a place is of."""
    items: Any
    """(G, GROUP, HALF, HALF) uint8: whether that part holds no other."""
    defects: Any
    """(G, GROUP, HALF, HALF) uint8: share of a place that is defective, in 255ths."""
    labels: Any
    """(G, GROUP) uint8: 0 good, 1 structural, 2 logical, 3 not to be told."""
    kinds: Any
    """(G, GROUP, PARTS + 1) uint8: the kind of each part; 0 where it is not known."""
    shades: Any
    """(G, GROUP, PARTS + 1) uint8: colours; parts of one kind and two colours are neither alike nor unlike."""


def group(number: int) -> Groups:
    """The photos of one product."""
    if number % FAMILIES == 0:
        name = TRAINED[number // FAMILIES % len(TRAINED)]
        return family_group(name, FIRST + GROUP * (number // FAMILIES // len(TRAINED)))
    return medley_group(number % MEDLEYS + BANDS[number % len(BANDS)])


def medley_group(number: int) -> Groups:
    """Photos of a medley."""
    product = medley(number)
    rows = []
    for index, (label, defect) in enumerate(_plan(product.family.logical, product.family.structural, number)):
        shot = photo(product, index, defect=defect, size=SIZE)
        rows.append(_row(shot.image, shot.parts, shot.mask, label, [k if k < 0 else 1 + k for k in shot.kinds], index))
    return _stacked(rows)


def family_group(name: str, first: int, seed: int = TRAIN_SEED) -> Groups:
    """Photos of a family from an index on."""
    about = family(name)
    nouns = list(about.nouns)
    style = "shift" if first // GROUP % SHIFTED == 0 else "plain"
    rows = []
    for step, (label, defect) in enumerate(_plan(about.logical, about.structural, first // GROUP)):
        scene = render(name, seed=seed, index=first + step, defect=defect, size=SIZE, style=style)
        kinds = [1 + nouns.index(p.noun) if p.noun in nouns and label != 2 else 0 for p in scene.parts]
        rows.append(_row(scene.image, scene.parts, scene.anomaly_mask, label, kinds))
    return _stacked(rows)


def _plan(logical: Sequence[str], structural: Sequence[str], turn: int) -> Iterator[tuple[int, str | None]]:
    """(label, defect) of each photo; groups begin at another defect each, so that all are shown."""
    for _ in range(GOOD):
        yield 0, None
    count = STRUCTURAL + (0 if logical else LOGICAL)
    for step in range(count):
        yield 1, structural[(turn * count + step) % len(structural)]
    for step in range(GROUP - GOOD - count):
        yield 2, logical[(turn * LOGICAL + step) % len(logical)]


def _row(
    image: NDArray[np.uint8],
    parts: Sequence[ScenePart],
    mask: NDArray[np.bool_],
    label: int,
    kinds: Sequence[int],
    row: int = 0,
) -> Groups:
    """One photo of a group: `kinds` below 0 are of parts like no other, which get a kind of their own."""
    shown = list(zip(parts, kinds, strict=True))[:PARTS]
    owners, items = (np.zeros((HALF, HALF), np.uint8) for _ in range(2))
    told, shades = (np.zeros(PARTS + 1, np.uint8) for _ in range(2))
    held = leaves([p for p, _ in shown])
    for number, (part, kind) in enumerate(shown, start=1):
        here = part.mask[::2, ::2]
        owners[here], told[number] = number, kind if kind >= 0 else LONE + row
        shades[number] = sum(str(part.attributes.get("colour", "")).encode()) % 256
        if part in held:
            items[here] = 1
    shares = mask.reshape(HALF, 2, HALF, 2).mean(axis=(1, 3))
    if label and not mask.any():
        label = HIDDEN
    return Groups(image, owners, items, (255 * shares).astype(np.uint8), np.uint8(label), told, shades)


def leaves(parts: Sequence[ScenePart]) -> list[ScenePart]:
    """The parts within whose box no much smaller part lies: what is held, not what holds."""
    boxes = [part.box for part in parts]
    return [
        part
        for part, box in zip(parts, boxes, strict=True)
        if not any(
            other.area < HOLDS * box.area and box.x0 <= x <= box.x1 and box.y0 <= y <= box.y1
            for other in boxes
            for x, y in [other.centre]
        )
    ]


def _stacked(rows: Sequence[Groups]) -> Groups:
    return Groups(**{f.name: np.stack([getattr(row, f.name) for row in rows]) for f in fields(Groups)})


class GroupPool:
    """The latest groups, kept where the model is, while other processes render new ones."""

    def __init__(self, device: str, seed: int, *, room: int, workers: int | None = None) -> None:
        """Starts to render.

        Args:
            device: where groups are kept.
            seed: decides which groups come first.
            room: groups that are kept; a new one takes the place of the oldest.
            workers: processes that render; by default one fewer than there are processors.
        """
        self._device, self._room = device, room
        self._kept: dict[str, Tensor] = {}
        self.seen = 0
        self._lock, self._closed = threading.Lock(), threading.Event()
        context = multiprocessing.get_context("spawn")
        self._queue, self._enough = context.Queue(maxsize=64), context.Event()
        workers = workers or max(1, (os.cpu_count() or 2) - 1)
        self._processes = [
            context.Process(target=_render, args=(self._queue, self._enough, 4_000 * seed + n, workers), daemon=True)
            for n in range(workers)
        ]
        for process in self._processes:
            process.start()
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._keeper.start()

    def sample(self, count: int, random: np.random.Generator) -> Groups:
        """Some of the groups that are kept, as tensors.

        Raises:
            RuntimeError: nothing was rendered for two minutes.
        """
        self._wait(min(count, self._room))
        with self._lock:
            chosen = torch.from_numpy(random.integers(min(self.seen, self._room), size=count)).to(self._device)
            return Groups(**{name: kept[chosen] for name, kept in self._kept.items()})

    def close(self) -> None:
        """Stops rendering: each process ends its group, which is taken in, since a pipe that is cut off never ends."""
        self._enough.set()
        for process in self._processes:
            process.join(timeout=30)
            process.terminate()
        self._closed.set()

    def _wait(self, count: int) -> None:
        start = time.monotonic()
        while self.seen < count:
            if time.monotonic() - start > 120:
                raise RuntimeError("Nothing was rendered for two minutes; are the rendering processes alive?")
            time.sleep(0.05)

    def _keep(self) -> None:
        while not self._closed.is_set():
            try:
                found = self._queue.get(timeout=1)
            except queue.Empty:
                continue
            except (EOFError, OSError):
                return
            with self._lock:
                for f in fields(Groups):
                    array = torch.from_numpy(getattr(found, f.name))
                    if f.name not in self._kept:
                        shape = (self._room, *array.shape)
                        self._kept[f.name] = torch.zeros(shape, dtype=torch.uint8, device=self._device)
                    self._kept[f.name][self.seen % self._room] = array.to(self._device)
                self.seen += 1


def _render(into: Any, enough: Any, number: int, step: int) -> None:
    torch.set_num_threads(1)
    while not enough.is_set():
        into.put(group(number))
        number += step


@dataclass(frozen=True, eq=False)
class TracerBatch:
    """Tensors of G groups whose photos were turned and relit alike, in another order each."""

    pixels: Tensor
    """(G * GROUP, 3, side, side), normalised."""
    edges: Tensor
    """(G * GROUP, 2, side / 2, side / 2): whether a place is of any part, and whether it is at the edge of one."""
    items: Tensor
    """(G * GROUP, side / 2, side / 2): whether a place is of a part that no other lies on."""
    defects: Tensor
    """(G * GROUP, side / 2, side / 2): share that is defective."""
    owners: Tensor
    """(G * GROUP, side / 2, side / 2), int64, as in `Groups`."""
    inside: Tensor
    """(G * GROUP, side / 2, side / 2), bool: whether a place was on the photo before it was turned."""
    labels: Tensor
    """(G, GROUP), as in `Groups`."""
    kinds: Tensor
    """(G, GROUP, PARTS + 1)."""
    shades: Tensor
    """(G, GROUP, PARTS + 1)."""


MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def augmented(groups: Groups, side: int = SIZE) -> TracerBatch:
    """Groups turned by any angle, mirrored, nearer or farther, and relit, (side, side) each; a multiple of 32."""
    count, device = len(groups.labels), groups.labels.device
    turns = torch.where(
        torch.rand(count, device=device) < 0.5,
        torch.randint(4, (count,), device=device) * (torch.pi / 2),
        torch.rand(count, device=device) * (2 * torch.pi),
    )
    zoom = torch.empty(count, device=device).uniform_(0.75, 1.3)
    mirror = torch.randint(2, (count,), device=device) * 2.0 - 1
    cos, sin = turns.cos() / zoom, turns.sin() / zoom
    zero = torch.zeros_like(cos)
    matrix = torch.stack([torch.stack([cos * mirror, -sin, zero], 1), torch.stack([sin * mirror, cos, zero], 1)], 1)
    matrix = matrix.repeat_interleave(GROUP, dim=0)
    images = groups.images.flatten(0, 1).permute(0, 3, 1, 2).float() / 255
    pixels = _warped(images, matrix, side, "bilinear")
    owners = _warped(groups.owners.flatten(0, 1)[:, None].float(), matrix, side // 2, "nearest")[:, 0].long()
    items = _warped(groups.items.flatten(0, 1)[:, None].float(), matrix, side // 2, "nearest")[:, 0]
    defects = _warped(groups.defects.flatten(0, 1)[:, None].float() / 255, matrix, side // 2, "bilinear")[:, 0]
    edge = torch.zeros_like(owners, dtype=torch.bool)
    down, right = owners[:, 1:] != owners[:, :-1], owners[:, :, 1:] != owners[:, :, :-1]
    edge[:, 1:] |= down
    edge[:, :-1] |= down
    edge[:, :, 1:] |= right
    edge[:, :, :-1] |= right
    edges = torch.stack([(owners > 0).float(), edge.float()], dim=1)
    grid = functional.affine_grid(matrix, [len(matrix), 1, side // 2, side // 2], align_corners=False)
    inside = (grid.abs() <= 1).all(dim=-1)
    relit = _relit(pixels, count)
    return TracerBatch(relit, edges, items, defects, owners, inside, groups.labels, groups.kinds, groups.shades)


def _warped(maps: Tensor, matrix: Tensor, side: int, mode: str) -> Tensor:
    grid = functional.affine_grid(matrix, [len(maps), 1, side, side], align_corners=False)
    return functional.grid_sample(maps, grid, mode=mode, padding_mode="reflection", align_corners=False)


def _relit(pixels: Tensor, groups: int) -> Tensor:
    """Other light, colours and noise: much for a product, little for each of its photos; normalised."""
    count, device = len(pixels), pixels.device

    def drawn(low: float, high: float, spread: float, channels: int) -> Tensor:
        common = torch.empty(groups, channels, device=device).uniform_(low, high).repeat_interleave(GROUP, dim=0)
        own = torch.empty(count, channels, device=device).uniform_(1 - spread, 1 + spread)
        return (common * own)[:, :, None, None]

    lit = pixels.clamp(1e-3, 1) ** drawn(0.8, 1.25, 0.06, 1) * drawn(0.75, 1.25, 0.08, 1) * drawn(0.9, 1.1, 0.03, 3)
    order = torch.stack([torch.randperm(3, device=device) for _ in range(groups)])
    plain = torch.arange(3, device=device).expand(groups, 3)
    order = torch.where(torch.rand(groups, 1, device=device) < 0.3, order, plain).repeat_interleave(GROUP, dim=0)
    lit = lit.gather(1, order[:, :, None, None].expand_as(lit))
    noisy = (torch.rand(groups, device=device) < 0.3).float() * torch.empty(groups, device=device).uniform_(0.005, 0.03)
    lit = (lit + torch.randn_like(lit) * noisy.repeat_interleave(GROUP)[:, None, None, None]).clamp(0, 1)
    mean, deviation = (torch.tensor(v, device=device).view(1, 3, 1, 1) for v in (MEAN, DEVIATION))
    return ((lit - mean) / deviation).contiguous(memory_format=torch.channels_last)
