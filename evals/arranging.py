"""Learns what differences, missing and extra parts cost, on medleys that no model was trained on and nobody measures.

    python -m evals.arranging --minutes 10     # writes tools/parts/prices.yaml, prints the map for calibration files
    python -m evals.arranging --minutes 0      # measures the stored prices alone

The prices are searched for at random from the stored ones: kept is what ranks photos of the same product better and
photos of all products together, by the cost standardised with their own references.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from agent.arranged import USUAL, logarithm
from agent.calibrate import MatcherMap
from evals.calibration import LIMITS, Seen, fitted_map
from evals.metrics.ranking import auroc
from tools.parts.arrange import Layout, arrangement_of
from tools.parts.likeness import Scale, scale_of
from tools.parts.prices import STORED, Prices, priced, prices

if TYPE_CHECKING:
    from tools.parts import Discoverer

FIRST = 5000
"""Of the unseen medleys, those from this number on are fitted on; what costs are worth is fitted on others."""
REFERENCES, GOOD, BAD = 4, 6, 8
"""Photos of each medley."""
BAD_FROM = 100
"""Index of the first defective photo."""
STEP, DIFFERENCE_STEP = 0.35, 0.5
"""Standard deviations of the logarithm by which a price is tried to change, and a usual difference."""
SEED = 1


@dataclass(frozen=True, eq=False)
class Shown:
    """The segments of one medley's photos."""

    references: tuple[Layout, ...]
    photos: tuple[Layout, ...]
    bad: NDArray[np.bool_]
    """(N,): which photos have a logical defect."""
    scale: Scale


def shown(discoverer: Discoverer, number: int) -> Shown | None:
    """A medley as discovery sees it; None where it has no logical defect."""
    from evals.datasets.medleys import REFERENCES_FROM, UNSEEN
    from nano.world.medley import medley, photo

    product = medley(UNSEEN + number)
    kinds = product.family.logical
    if not kinds:
        return None
    plan: list[tuple[int, str | None]] = [(REFERENCES_FROM + n, None) for n in range(REFERENCES)]
    plan += [(n, None) for n in range(GOOD)]
    plan += [(BAD_FROM + n, kinds[n % len(kinds)]) for n in range(BAD)]
    layouts = [_layout(discoverer, photo(product, index, defect=defect, size=256).image) for index, defect in plan]
    bad = np.array([defect is not None for _, defect in plan[REFERENCES:]])
    references, photos = tuple(layouts[:REFERENCES]), tuple(layouts[REFERENCES:])
    return Shown(references, photos, bad, scale_of([r.described for r in references]))


def _layout(discoverer: Discoverer, image: NDArray[np.uint8]) -> Layout:
    """Masks are left out: only costs are compared."""
    from tools.images import sample_from_array
    from tools.parts.discover import layout_of

    sample = sample_from_array(image)
    return replace(layout_of(sample, *discoverer.described(sample)), masks=())


@dataclass(frozen=True)
class Ranked:
    """What prices are worth."""

    single: float
    """AUROC of costs, the mean over products."""
    together: float
    """AUROC of standardised costs over all products."""
    mapped: MatcherMap
    """What a standardised cost is worth."""


def measure(stored: Prices, products: Sequence[Shown]) -> Ranked:
    """How prices rank good and defective photos."""
    own, costs = [], []
    with priced(stored):
        for product in products:
            known = arrangement_of(product.references, product.scale)
            own.append([logarithm(c) for c in known.own_costs])
            costs.append(np.array([logarithm(known.cost(p)) for p in product.photos]))
    level = fmean(c for some in own for c in some)
    spread = float(np.sqrt(fmean(float(np.var(some, ddof=1)) for some in own)))
    plain = MatcherMap(mean=round(level, 4), spread=round(spread, 4), limit=1e9)
    scores = [
        np.array([plain.standardise(c, [*some, *[plain.mean] * USUAL]) for c in found])
        for some, found in zip(own, costs, strict=True)
    ]
    bad, every = np.concatenate([p.bad for p in products]), np.concatenate(scores)
    seen = Seen(every[~bad].tolist(), every[bad].tolist())
    single = fmean(auroc(p.bad, c) for p, c in zip(products, costs, strict=True))
    return Ranked(single, auroc(bad, every), fitted_map(plain, seen, LIMITS["parts"]))


def searched(start: Prices, products: Sequence[Shown], seconds: float) -> Prices:
    """Better prices, after so many seconds of trying."""
    chance = np.random.default_rng(SEED)
    best, found = start, measure(start, products)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        tried = _changed(best, chance)
        ranked = measure(tried, products)
        if ranked.single + ranked.together > found.single + found.together:
            best, found = tried, ranked
            sys.stderr.write(f"single {found.single:.3f}, together {found.together:.3f}\n")
    return best


def _changed(stored: Prices, chance: np.random.Generator) -> Prices:
    """Two prices changed, and one usual difference every other time."""
    names = [n for n in Prices.model_fields if n != "usual"]
    values = stored.model_dump()
    for name in chance.choice(names, 2, replace=False).tolist():
        values[name] = round(values[name] * float(np.exp(chance.normal(0, STEP))), 3)
    for name in ("power", "together"):
        values[name] = max(1.0, values[name])
    if chance.random() < 0.5:
        name = str(chance.choice(list(values["usual"])))
        values["usual"][name] = round(values["usual"][name] * float(np.exp(chance.normal(0, DIFFERENCE_STEP))), 3)
    return Prices.model_validate(values)


def main() -> None:
    """Searches, writes the prices and prints what they are worth."""
    import yaml

    from tools.profiles import load_profile
    from tools.toolbox import Toolbox

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", default="nano")
    parser.add_argument("--first", type=int, default=FIRST, help="of the unseen medleys")
    parser.add_argument("--products", type=int, default=30)
    parser.add_argument("--minutes", type=float, default=10.0, help="of searching; 0 measures the stored prices")
    arguments = parser.parse_args()
    discoverer = Toolbox.open(load_profile(arguments.profile), "cpu").discoverer
    numbers = range(arguments.first, arguments.first + arguments.products)
    products = [p for p in (shown(discoverer, n) for n in numbers) if p is not None]
    stored = prices()
    if arguments.minutes > 0:
        stored = searched(stored, products, 60 * arguments.minutes)
        text = yaml.safe_dump(stored.model_dump(), sort_keys=False)
        STORED.write_text(f"# Written by `python -m evals.arranging`.\n{text}", encoding="utf-8")
    found = measure(stored, products)
    sys.stdout.write(f"{len(products)} products: AUROC {found.single:.3f} singly, {found.together:.3f} together\n")
    sys.stdout.write(yaml.safe_dump({"parts": found.mapped.model_dump()}, sort_keys=False, default_flow_style=None))


if __name__ == "__main__":
    main()
