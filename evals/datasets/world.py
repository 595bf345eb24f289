"""The nano world and medleys (products that no model has seen), rendered as they are measured; no files, any seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import cycle, islice
from typing import Literal

from evals.datasets.base import BenchmarkCase, Category, Label, alternating
from evals.metrics.region import TruthRegion
from nano.world import FAMILIES, HELDOUT, TRAINED, family, render
from nano.world.medley import medley
from nano.world.medley_photo import Shot, photo
from tools.errors import InputError
from tools.images import sample_from_array
from tools.types import Mask, Sample

UNSEEN = 1_000_000
"""Recipes train on the first few thousand medleys; from this number on none was trained on."""
MEDLEY_REFERENCES_FROM = 1_000_000
"""References are photos from this index on, so that none is a case."""
SIDE = 256
"""Pixels along a side of a photo."""


def open_medleys(*, first: int, count: int, per_category: int) -> list[Category]:
    """Medleys from a number on, each with half of its cases good and the others over its defects.

    Args:
        first: counted from the first that no model was trained on.
        count: how many.
        per_category: cases of each.
    """
    return [_medley_category(UNSEEN + first + n, per_category) for n in range(count)]


def _medley_category(number: int, cases: int) -> Category:
    family = medley(number).family
    kinds: list[tuple[Label, str]] = [("logical", d) for d in family.logical]
    # Every medley can have every structural defect; they start at another one each, so that a few cases show all.
    turned = [family.structural[(number + k) % len(family.structural)] for k in range(len(family.structural))]
    kinds += [("structural", d) for d in turned]
    plan: list[tuple[Label, str | None]] = [("good", None)] * (cases // 2)
    plan += list(islice(cycle(alternating(kinds)), cases - cases // 2))

    def references(shots: int, seed: int) -> list[Sample]:
        return [_medley_photo(number, MEDLEY_REFERENCES_FROM + 1000 * seed + n, None)() for n in range(shots)]

    return Category(
        family.name,
        "product",
        "",
        references,
        tuple(
            BenchmarkCase(
                f"{index:04d}-{defect or 'good'}",
                label,
                _medley_photo(number, index, defect),
                _medley_mask(number, index, defect),
                defect=defect or "",
            )
            for index, (label, defect) in enumerate(plan)
        ),
    )


def _medley_photo(number: int, index: int, defect: str | None) -> Callable[[], Sample]:
    def take() -> Sample:
        return sample_from_array(_shot(number, index, defect).image)

    return take


def _medley_mask(number: int, index: int, defect: str | None) -> Callable[[], Mask | None]:
    return lambda: _shot(number, index, defect).mask


@lru_cache(maxsize=4)
def _shot(number: int, index: int, defect: str | None) -> Shot:
    """A photo with its truth, kept for the moment in which both are asked for."""
    return photo(medley(number), index, defect=defect, size=SIDE)


Split = Literal["trained", "heldout", "all"]
REFERENCES_FROM = 1_000_000
"""References are rendered from this index on, so that none is a case."""


def open_world(
    *, split: Split, seed: int, per_category: int, style: str = "plain", categories: list[str] | None = None
) -> list[Category]:
    """Families of a split, each with half of its cases good and the others over all of its defects.

    Raises:
        tools.errors.InputError: an unknown family.
    """
    names = {"trained": TRAINED, "heldout": HELDOUT, "all": FAMILIES}[split]
    for name in categories or []:
        if name not in FAMILIES:
            raise InputError(f"family '{name}' is not in the world; there are: {', '.join(FAMILIES)}.")
    return [_category(name, seed, per_category, style) for name in categories or names]


def _category(name: str, seed: int, count: int, style: str) -> Category:
    about = family(name)
    kinds: list[tuple[Label, str]] = [("logical", d) for d in about.logical] + [
        ("structural", d) for d in about.structural
    ]
    bad = count - count // 2
    plan: list[tuple[Label, str | None]] = [("good", None)] * (count // 2)
    plan += list(islice(cycle(alternating(kinds)), bad))

    def references(shots: int, reference_seed: int) -> list[Sample]:
        return [_photo(name, seed + reference_seed, REFERENCES_FROM + n, None, style)() for n in range(shots)]

    cases = tuple(
        BenchmarkCase(
            f"{index:04d}-{defect or 'good'}",
            label,
            _photo(name, seed, index, defect, style),
            _truth(name, seed, index, defect, style),
            _regions(name, seed, index, defect, style),
            defect or "",
            counts=_counts(name, seed, index, defect, style),
        )
        for index, (label, defect) in enumerate(plan)
    )
    return Category(name, about.product, about.normal, references, cases)


def _photo(name: str, seed: int, index: int, defect: str | None, style: str) -> Callable[[], Sample]:
    def render_photo() -> Sample:
        return sample_from_array(render(name, seed=seed, index=index, defect=defect, style=style).image)

    return render_photo


def _truth(name: str, seed: int, index: int, defect: str | None, style: str) -> Callable[[], Mask | None]:
    def render_truth() -> Mask | None:
        return render(name, seed=seed, index=index, defect=defect, style=style).anomaly_mask

    return render_truth


def _regions(name: str, seed: int, index: int, defect: str | None, style: str) -> Callable[[], tuple[TruthRegion, ...]]:
    def render_regions() -> tuple[TruthRegion, ...]:
        defects = render(name, seed=seed, index=index, defect=defect, style=style).defects if defect else ()
        return tuple(TruthRegion(d.mask, d.saturation) for d in defects)

    return render_regions


def _counts(name: str, seed: int, index: int, defect: str | None, style: str) -> Callable[[], Mapping[str, int]]:
    def render_counts() -> Mapping[str, int]:
        shown = [part.noun for part in render(name, seed=seed, index=index, defect=defect, style=style).parts]
        return {noun: shown.count(noun) for noun in family(name).nouns}

    return render_counts
