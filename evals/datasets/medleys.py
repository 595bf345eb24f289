"""Products that nobody makes and no model has seen, rendered as they are measured.

What is fitted or measured on them says what a method does with a product that is new to all of its models.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import cycle, islice
from typing import TYPE_CHECKING

from evals.datasets.base import Case, Category, Label, alternating
from tools.types import Mask, Sample

if TYPE_CHECKING:
    from nano.world.medley_photo import Shot

UNSEEN = 1_000_000
"""Recipes train on the first few thousand medleys; from this number on none was trained on."""
REFERENCES_FROM = 1_000_000
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
    return [_category(UNSEEN + first + n, per_category) for n in range(count)]


def _category(number: int, cases: int) -> Category:
    from nano.world.medley import medley

    family = medley(number).family
    kinds: list[tuple[Label, str]] = [("logical", d) for d in family.logical]
    # Every medley can have every structural defect; they start at another one each, so that a few cases show all.
    turned = [family.structural[(number + k) % len(family.structural)] for k in range(len(family.structural))]
    kinds += [("structural", d) for d in turned]
    plan: list[tuple[Label, str | None]] = [("good", None)] * (cases // 2)
    plan += list(islice(cycle(alternating(kinds)), cases - cases // 2))

    def references(shots: int, seed: int) -> list[Sample]:
        return [_photo(number, REFERENCES_FROM + 1000 * seed + n, None)() for n in range(shots)]

    return Category(
        family.name,
        "product",
        "",
        references,
        tuple(
            Case(
                f"{index:04d}-{defect or 'good'}", label, _photo(number, index, defect), _truth(number, index, defect),
                defect=defect or "",
            )
            for index, (label, defect) in enumerate(plan)
        ),
    )  # fmt: skip


def _photo(number: int, index: int, defect: str | None) -> Callable[[], Sample]:
    def take() -> Sample:
        from tools.images import sample_from_array

        return sample_from_array(_shot(number, index, defect).image)

    return take


def _truth(number: int, index: int, defect: str | None) -> Callable[[], Mask | None]:
    return lambda: _shot(number, index, defect).mask


@lru_cache(maxsize=4)
def _shot(number: int, index: int, defect: str | None) -> Shot:
    """A photo with its truth, kept for the moment in which both are asked for."""
    from nano.world.medley import medley
    from nano.world.medley_photo import photo

    return photo(medley(number), index, defect=defect, size=SIDE)
