"""Fits the distance above which a photo does not show the product, on rendered products.

    python -m evals.fit.product_distance --profile nano --products 2

writes `product_distance` of agent/calibration/nano.yaml. Good photos of a product must stay below its limit by the
factor `MARGIN`; photos of products of other families should lie above it. No label of a test set is read.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from agent.calibration.levels import ProductDistance
from evals.fit.calibration_files import calibration_file, write_entries
from nano.world import FAMILIES, TRAINED, render
from tools.images import sample_from_array
from tools.profiles import resolve_profile
from tools.toolbox import Toolbox
from tools.types import Sample

SHOTS = (1, 2, 4)
"""References of a product."""
GOOD, OTHERS = 6, 10
"""Good photos of a product that are compared with its references, and photos of other families."""
MARGIN = 1.05
"""A limit lies at least so many times higher than any good photo."""
LEAST = np.arange(0.6, 1.0, 0.02).round(2).tolist()
FACTOR = np.arange(1.25, 1.5, 0.05).round(2).tolist()
"""Limits that are tried; two references understate how much good photos differ, so that no smaller factor is."""
SEED = 11


@dataclass(frozen=True)
class ProductDistances:
    """Median distances of photos from the references of one product."""

    references: tuple[float, ...]
    """From each other; empty for a single one."""
    good: tuple[float, ...]
    other: tuple[float, ...]
    """Of photos of other families."""


def measured(toolbox: Toolbox, products: int) -> Iterator[ProductDistances]:
    """Distances on rendered products of the training families.

    Args:
        toolbox: of a profile whose reference matcher measures median distances.
        products: of each family.
    """
    matcher = toolbox.reference_matcher
    strangers = {name: _photos(name, SEED + 100, 1)[0] for name in FAMILIES}
    for family, number in itertools.product(TRAINED, range(products)):
        photos = _photos(family, SEED + number, max(SHOTS) + GOOD)
        others = [sample for name, sample in strangers.items() if name != family][:OTHERS]
        for count in SHOTS:
            bank = matcher.bank(photos[:count])
            distances = [matcher.score(s, bank).median_distance or 0.0 for s in (*photos[max(SHOTS) :], *others)]
            references = tuple(matcher.median_distances(bank))
            yield ProductDistances(references, tuple(distances[:GOOD]), tuple(distances[GOOD:]))


def _photos(family: str, seed: int, count: int) -> list[Sample]:
    return [sample_from_array(render(family, seed=seed, index=n, defect=None).image) for n in range(count)]


def fitted(found: Sequence[ProductDistances]) -> ProductDistance:
    """The limits that tell most other photos apart while every good photo lies below them by `MARGIN`.

    Args:
        found: of products with one and with several references.
    """
    alone = MARGIN * max(g for d in found if not d.references for g in d.good)
    several = [d for d in found if d.references]
    tried = [ProductDistance(least=a, factor=b, alone=round(alone, 2)) for a in LEAST for b in FACTOR]
    kept = [t for t in tried if all(MARGIN * max(d.good) <= t.limit(d.references) for d in several)]
    # Of equal ones the higher floor, which real photos need that differ more than their references do.
    return max(kept, key=lambda t: (sum(o > t.limit(d.references) for d in several for o in d.other), t.least))


def main() -> None:
    """Fit and write the limits of one profile."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", default="nano")
    parser.add_argument("--products", type=int, default=2, help="products of each family")
    options = parser.parse_args()
    found = list(measured(Toolbox.open(resolve_profile(options.profile)), options.products))
    limits = fitted(found)
    for kind in ("good", "other"):
        above = [x > limits.limit(d.references) for d in found for x in getattr(d, kind)]
        sys.stderr.write(f"{kind}: {sum(above)} of {len(above)} photos are above the limit\n")
    command = f"python -m evals.fit.product_distance --profile {options.profile} --products {options.products}"
    target = calibration_file(options.profile)
    write_entries(target, {"product_distance": limits.model_dump()}, "Product distance", command)
    sys.stderr.write(f"{target}: written\n")


if __name__ == "__main__":
    main()
