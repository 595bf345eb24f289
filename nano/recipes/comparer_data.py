"""What the comparer learns from: photos of medleys and of the training families, good and bad, in episodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nano.recipes import cache
from nano.world.medley import medley, photo

SIDE = 160
"""Pixels across a photo, as the comparer sees it."""
CELLS = 20
"""Cells across its map."""
GOOD, BAD = 6, 8
"""Photos of each medley; as many again are their twins: good, with the same parts in the same order, taken anew."""
TWINS = GOOD + BAD
NORMAL, STRUCTURAL, LOGICAL = 0, 1, 2


@dataclass(frozen=True, eq=False)
class Photos:
    """All photos of some products."""

    images: Sequence[NDArray[np.uint8]]
    """By product: (N, SIDE, SIDE, 3)."""
    kinds: Sequence[NDArray[np.uint8]]
    """By product: (N,), of NORMAL, STRUCTURAL and LOGICAL."""
    masks: Sequence[NDArray[np.float16]]
    """By product: (N, CELLS, CELLS), the largest share of a quarter of each cell that is defective."""
    twins: int = 0
    """How many photos after each of the first its twin stands; 0 where there are none."""


def medleys(first: int, count: int) -> Photos:
    """Medleys by number, rendered where not on disk yet."""
    folder = cache.ROOT / f"medley-{first}-{count}-twins"
    if not folder.exists():
        aside = folder.with_suffix(".part")
        aside.mkdir(parents=True, exist_ok=True)
        shape = (count, 2 * TWINS)
        images = np.lib.format.open_memmap(aside / "images.npy", "w+", np.uint8, (*shape, SIDE, SIDE, 3))
        kinds = np.lib.format.open_memmap(aside / "kinds.npy", "w+", np.uint8, shape)
        masks = np.lib.format.open_memmap(aside / "masks.npy", "w+", np.float16, (*shape, CELLS, CELLS))
        with get_context("spawn").Pool(2) as pool:
            for k, found in enumerate(pool.imap(_rendered, range(first, first + count), chunksize=4)):
                images[k], kinds[k], masks[k] = found
        for array in (images, kinds, masks):
            array.flush()
        aside.rename(folder)
    return replace(_opened(folder), twins=TWINS)


def _opened(folder: Path) -> Photos:
    images, kinds, masks = (
        np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in ("images", "kinds", "masks")
    )
    return Photos(images, kinds, masks)


def _rendered(number: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float16]]:
    """All photos of one medley: good ones, logical and structural defects in turn, then the twins of all."""
    product = medley(number)
    logical, structural = product.family.logical, product.family.structural
    images, kinds, masks = [], [], []
    for index in range(GOOD + BAD):
        defect, kind = None, NORMAL
        if index >= GOOD:
            step = (index - GOOD) // 2
            kind = LOGICAL if index % 2 == 0 else STRUCTURAL
            defect = logical[(number + step) % len(logical)] if kind == LOGICAL else None
            defect = defect or structural[(number * 4 + step) % len(structural)]
        shot = photo(product, index, defect=defect, size=SIDE)
        images.append(shot.image)
        kinds.append(kind)
        masks.append(cells(shot.mask))
    for index in range(TWINS):
        shot = photo(product, index, size=SIDE, take=1)
        images.append(shot.image)
        kinds.append(NORMAL)
        masks.append(cells(shot.mask))
    return np.stack(images), np.array(kinds, np.uint8), np.stack(masks)


def cells(mask: NDArray[np.bool_]) -> NDArray[np.float16]:
    """A mask (S, S) on the map's grid, (CELLS, CELLS)."""
    quarters = np.asarray(
        Image.fromarray(mask.astype(np.uint8) * 255).resize((CELLS * 2, CELLS * 2), Image.Resampling.BOX), np.float32
    )
    grid: NDArray[np.float16] = (quarters.reshape(CELLS, 2, CELLS, 2).max(axis=(1, 3)) / 255).astype(np.float16)
    return grid


def families(names: Sequence[str], *, seed: int, per_family: int, evaluation: bool = False) -> Photos:
    """The world's own families, from the renders that other recipes share, made smaller."""
    folder = cache.ROOT / f"small-{'-'.join(name[:3] for name in names)}-{seed}-{per_family}"
    if not folder.exists():
        aside = folder.with_suffix(".part")
        aside.mkdir(parents=True, exist_ok=True)
        shape = (len(names), per_family)
        images = np.lib.format.open_memmap(aside / "images.npy", "w+", np.uint8, (*shape, SIDE, SIDE, 3))
        kinds = np.lib.format.open_memmap(aside / "kinds.npy", "w+", np.uint8, shape)
        masks = np.lib.format.open_memmap(aside / "masks.npy", "w+", np.float16, (*shape, CELLS, CELLS))
        for k, name in enumerate(names):
            scenes = cache.scenes([name], seed=seed, per_family=per_family, evaluation=evaluation)
            for n, scene in enumerate(scenes):
                images[k, n] = shrunk(scene.image)
                mask = np.zeros((cache.SIZE, cache.SIZE), np.bool_)
                for defect in scene.defects:
                    mask |= defect.mask
                    kinds[k, n] = LOGICAL if defect.kind == "logical" else STRUCTURAL
                masks[k, n] = cells(mask)
        for array in (images, kinds, masks):
            array.flush()
        aside.rename(folder)
    return _opened(folder)


def shrunk(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A photo at the comparer's size."""
    return np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BOX))


@dataclass(frozen=True, eq=False)
class Episode:
    """Good photos of one product and others to be told apart."""

    references: NDArray[np.uint8]
    """(R, SIDE, SIDE, 3)."""
    queries: NDArray[np.uint8]
    """(Q, SIDE, SIDE, 3)."""
    kinds: NDArray[np.uint8]
    """(Q,)."""
    masks: NDArray[np.float32]
    """(Q, CELLS, CELLS)."""


def episode(
    photos: Photos, product: int, rng: np.random.Generator, references: int, queries: int, *, twins: bool = False
) -> Episode:
    """Half of the queries good; the whole episode turned, mirrored and recoloured alike.

    With `twins`, the references are twins of the queries, of good and of bad ones alike: what differs is then easily
    seen, which is where learning starts.
    """
    kinds = np.asarray(photos.kinds[product])
    chosen = _chosen(photos, kinds, rng, references, queries, twins)
    images = np.stack([photos.images[product][n] for n in chosen])
    masks = np.stack([photos.masks[product][n] for n in chosen[references:]]).astype(np.float32)
    turns, mirror, order = int(rng.integers(4)), bool(rng.integers(2)), rng.permutation(3)
    images, masks = np.rot90(images, turns, (1, 2)), np.rot90(masks, turns, (1, 2))
    if mirror:
        images, masks = images[:, :, ::-1], masks[:, :, ::-1]
    if rng.random() < 0.7:
        images = images[..., order]
    if rng.random() < 0.5:
        curve = (np.linspace(0, 1, 256)[:, None] ** rng.uniform(0.7, 1.4, (1, 3)) * 255).astype(np.uint8)
        images = np.stack([curve[images[..., channel], channel] for channel in range(3)], axis=-1)
    images = np.ascontiguousarray(images)
    return Episode(images[:references], images[references:], kinds[chosen[references:]], np.ascontiguousarray(masks))


def _chosen(
    photos: Photos, kinds: NDArray[np.uint8], rng: np.random.Generator, references: int, queries: int, twins: bool
) -> NDArray[np.int64]:
    """Numbers of the references, then of the queries, half of them good."""
    good, bad = rng.permutation(np.flatnonzero(kinds == NORMAL)), rng.permutation(np.flatnonzero(kinds != NORMAL))
    half = queries // 2
    if not twins:
        return np.concatenate([good[: references + half], bad[: queries - half]])
    asked = np.concatenate([good[good < photos.twins][:half], bad[: queries - half]])
    return np.concatenate([rng.permutation(asked + photos.twins)[:references], asked])
