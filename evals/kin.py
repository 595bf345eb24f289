"""Learns the networks that tell whether two segments are of one kind, from unseen medleys and the training families.

    python -m evals.kin                        # writes tools/parts/kin.safetensors, prints what it is worth
    python -m evals.kin --evaluate-only        # the stored networks, on medleys that they did not learn from

Photos are rendered and cut into segments once and kept under out/cache/kin, so that a run that was stopped goes on
there. No held-out family is looked at.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from evals.datasets.medleys import SIDE, UNSEEN
from evals.kin_network import PairNetwork
from evals.likeness import OVER, Labelled, labelled
from evals.metrics.ranking import auroc
from nano.world import TRAINED, render
from nano.world.medley import Medley, medley, photo
from tools.parts.describe import Descriptors
from tools.parts.kin import STORED, Kin, looks, stored_kin
from tools.parts.likeness import KNOWN, Comparer, differences, likeness, scale_of

if TYPE_CHECKING:
    from tools.parts import Discoverer

CACHE = Path("out/cache/kin")
LEARNED, MEASURED = range(20_000, 30_000), range(30_000, 40_000)
"""Numbers of unseen medleys that are learned from, and measured on."""
SHOTS, SEED = 5, 77
FAMILY_PHOTOS, SHOWN = 24, 4
"""Photos of each training family, and how many are taken for one product at a time."""
EPOCHS, AT_ONCE, PAIRS = 8, 4, 3000
"""Products a step, and at most so many pairs of each."""
RATE, DECAY = 2e-3, 0.05
LEAST = 1e-3
"""Added to the spread of each input."""
HARD = 2.0
"""How much more a pair of two kinds of part weighs than one of a part and anything else."""
Which = Literal["across", "within"]


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of segments of one product, of which one at least is a part."""

    looks: NDArray[np.float32]
    """(S, D): of all segments."""
    one: NDArray[np.intp]
    other: NDArray[np.intp]
    values: NDArray[np.float32]
    """(P, K): what each pair differs by."""
    same: NDArray[np.bool_]
    parts: NDArray[np.bool_]
    """(P,): whether both are parts."""


def products(discoverer: Discoverer, numbers: Sequence[int], count: int) -> Iterator[list[Labelled]]:
    """So many medleys whose parts' names tell their kinds apart; of those with one kind of part every fourth."""
    for number in numbers:
        if count == 0:
            return
        product = medley(UNSEEN + number)
        kinds = len(product.sorts)
        if len({s.noun for s in product.sorts}) < kinds or (kinds < 2 and number % 4 != 3):
            continue
        count -= 1
        yield _kept(f"medley-{number}", partial(_medley, discoverer, product))


def family_products(discoverer: Discoverer, name: str) -> Iterator[list[Labelled]]:
    """A training family's good photos, a few at a time."""

    def seen() -> list[Labelled]:
        scenes = (render(name, seed=SEED, index=n, defect=None) for n in range(FAMILY_PHOTOS))
        return [labelled(discoverer, s.image, [(p.noun, p.mask) for p in s.parts]) for s in scenes]

    photos = _kept(name, seen)
    for start in range(0, len(photos), SHOWN):
        yield photos[start : start + SHOWN]


def _medley(discoverer: Discoverer, product: Medley) -> list[Labelled]:
    shots = [photo(product, n, size=SIDE) for n in range(SHOTS)]
    return [labelled(discoverer, s.image, [(p.noun, p.mask) for p in s.parts]) for s in shots]


def _kept(name: str, make: Callable[[], list[Labelled]]) -> list[Labelled]:
    """What is on disk, or is made now and written there."""
    path = CACHE / f"{name}.npz"
    if not path.exists():
        arrays: dict[str, Any] = {}
        for n, shown in enumerate(make()):
            arrays |= {f"{n}.{f.name}": np.float32(getattr(shown.described, f.name)) for f in fields(Descriptors)}
            arrays |= {f"{n}.nouns": shown.nouns, f"{n}.nested": np.float32(shown.nested)}
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.npz")
        np.savez(part, **arrays)
        part.replace(path)
        sys.stderr.write(f"{name}\n")
    with np.load(path, allow_pickle=False) as read:
        photos = 1 + max(int(key.split(".")[0]) for key in read.files)
        return [
            Labelled(
                Descriptors(**{f.name: read[f"{n}.{f.name}"].astype(np.float64) for f in fields(Descriptors)}),
                read[f"{n}.nouns"],
                read[f"{n}.nested"].astype(np.float64),
            )
            for n in range(photos)
        ]


def pairs_of(photos: Sequence[Labelled], which: Which) -> Pairs:
    """The pairs of one product, of different photos or of the same."""
    scale = scale_of([p.described for p in photos])
    starts = np.cumsum([0, *(len(p.described) for p in photos)])
    found = []
    for n, one in enumerate(photos):
        for m in [n] if which == "within" else range(n + 1, len(photos)):
            other = photos[m]
            known = (one.nouns != "")[:, None] | (other.nouns != "")[None]
            if which == "within":
                known &= np.triu(np.ones_like(known), 1) & (one.nested <= OVER)
            a, b = np.nonzero(known)
            values = differences(one.described, other.described, scale)[a, b][:, KNOWN].astype(np.float32)
            both = (one.nouns[a] != "") & (other.nouns[b] != "")
            found.append((starts[n] + a, starts[m] + b, values, both & (one.nouns[a] == other.nouns[b]), both))
    columns = [np.concatenate(column) for column in zip(*found, strict=True)]
    return Pairs(np.concatenate([looks(p.described) for p in photos]), *columns)


def learned(shown: Sequence[Pairs]) -> dict[str, NDArray[np.float32]]:
    """The weights of one network, as they are stored."""
    import torch
    from torch.nn.functional import softplus

    torch.manual_seed(0)
    chance = np.random.default_rng(0)
    ranges = [np.concatenate([getattr(p, name) for p in shown]) for name in ("looks", "values")]
    network = PairNetwork(*((r.mean(axis=0), r.std(axis=0) + LEAST) for r in ranges))
    network.train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    steps = EPOCHS * -(-len(shown) // AT_ONCE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    for epoch in range(EPOCHS):
        order = chance.permutation(len(shown))
        for start in range(0, len(order), AT_ONCE):
            losses = []
            for number in order[start : start + AT_ONCE].tolist():
                pairs = shown[number]
                some = chance.permutation(len(pairs.same))[:PAIRS]
                signs = torch.from_numpy(np.where(pairs.same[some], 1.0, -1.0).astype(np.float32))
                weights = torch.from_numpy(_weights(pairs)[some])
                odds = network(pairs.looks, pairs.one[some], pairs.other[some], pairs.values[some])
                losses.append((weights * softplus(-signs * odds)).sum() / weights.sum())
            optimiser.zero_grad()
            torch.stack(losses).mean().backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
        sys.stderr.write(f"epoch {epoch + 1} of {EPOCHS}\n")
    return network.stored()


def _weights(pairs: Pairs) -> NDArray[np.float32]:
    """Pairs of one kind weigh as much as all others together."""
    same = pairs.same / max(int(pairs.same.sum()), 1)
    rest = np.where(pairs.same, 0.0, np.where(pairs.parts, HARD, 1.0))
    found: NDArray[np.float32] = (same + rest / max(float(rest.sum()), 1e-9)).astype(np.float32)
    return found


def figures(shown: Sequence[Sequence[Labelled]], kin: Kin | None) -> dict[Which, float]:
    """AUROC of pairs of one kind of part against pairs of two kinds, the mean over products that have both."""
    found: dict[Which, list[float]] = {"across": [], "within": []}
    for photos in shown:
        comparer = Comparer(likeness(), scale_of([p.described for p in photos]), kin)
        for which, values in found.items():
            same, odds = _parts_told(photos, comparer, which)
            if 0 < same.sum() < len(same):
                values.append(auroc(same, odds))
    return {which: fmean(values) for which, values in found.items()}


def _parts_told(
    photos: Sequence[Labelled], comparer: Comparer, which: Which
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """(whether they are of one kind, log-odds that they are) of every two parts."""
    same, odds = [], []
    for n, one in enumerate(photos):
        for other in [one] if which == "within" else photos[n + 1 :]:
            both = (one.nouns != "")[:, None] & (other.nouns != "")[None]
            if which == "within":
                both &= np.triu(np.ones_like(both), 1) & (one.nested <= OVER)
            seen = one.described, other.described
            told = comparer.within(seen[0]) if which == "within" else comparer.across(*seen)
            same.append((one.nouns[:, None] == other.nouns[None])[both])
            odds.append(told[both])
    return np.concatenate(same), np.concatenate(odds)


def main() -> None:
    """Learns, writes and measures."""
    from safetensors.numpy import save_file

    from tools.profiles import load_profile
    from tools.toolbox import Toolbox

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--products", type=int, default=330, help="medleys to learn from")
    parser.add_argument("--measured", type=int, default=60, help="other medleys to measure on")
    parser.add_argument("--evaluate-only", action="store_true", help="measure the stored networks")
    arguments = parser.parse_args()
    toolbox = Toolbox.open(load_profile("nano"), "cpu")
    if not arguments.evaluate_only:
        shown = [*products(toolbox.discoverer, LEARNED, arguments.products)]
        shown += [p for name in TRAINED for p in family_products(toolbox.discoverer, name)]
        arrays: dict[str, NDArray[np.float16]] = {}
        for which in get_args(Which):
            weights = learned([pairs_of(photos, which) for photos in shown])
            arrays |= {f"{which}.{name}": value.astype(np.float16) for name, value in weights.items()}
        save_file(arrays, STORED, metadata={"features": toolbox.model("features").digest})
        stored_kin.cache_clear()
    other = list(products(toolbox.discoverer, MEASURED, arguments.measured))
    for told, kin in (("without", None), ("with", stored_kin())):
        found = figures(other, kin)
        sys.stdout.write(f"{told}: " + ", ".join(f"{which} {value:.4f}" for which, value in found.items()) + "\n")


if __name__ == "__main__":
    main()
