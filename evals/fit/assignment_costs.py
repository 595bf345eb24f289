"""Learns what differences, missing and extra parts cost, on unseen medleys and on the training families.

    python -m evals.fit.assignment_costs --minutes 30             # writes `assignment_costs` of the profile
    python -m evals.fit.assignment_costs --minutes 0              # the stored costs on the medleys they were fitted on
    python -m evals.fit.assignment_costs --minutes 0 --first 5100         # and on others

From the stored costs on, each is tried higher and lower: kept is what ranks photos of the same product better and
photos of all products together, by the cost standardised with their own references. No held-out family is looked at.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from agent.calibration.maps import Calibration, MatcherMap
from agent.matchers.arrangement import USUAL, logarithm
from evals.datasets.world import MEDLEY_REFERENCES_FROM, UNSEEN
from evals.fit.calibration_files import as_yaml, calibration_file, write_entries
from evals.fit.matcher_maps import LIMITS, MatcherScores, fitted_map
from evals.metrics.ranking import auroc
from nano.world import TRAINED, family, render
from nano.world.medley import medley
from nano.world.medley_photo import photo
from tools.images import sample_from_array
from tools.parts.arrangement import Layout, arrangement_of
from tools.parts.descriptors import Scale, scale_of
from tools.parts.discovery import layout_of
from tools.parts.parameters import AssignmentCosts
from tools.profiles import load_profile
from tools.toolbox import Toolbox

if TYPE_CHECKING:
    from tools.parts import Discoverer

FIRST = 5000
"""Of the unseen medleys, those from this number on are fitted on; what costs are worth is fitted on others."""
REFERENCES, GOOD, BAD = 4, 6, 8
"""Photos of each medley."""
BAD_FROM = 100
"""Index of the first defective photo."""
FAMILY_SETS, FAMILY_GOOD, FAMILY_BAD, FAMILY_SEED = 2, 8, 3, 7
"""Sets of photos of each training family: good ones, and bad ones of each logical defect."""
STEP = 1.5
"""Costs are tried so many times as high and as low at first; where none is better, nearer ones are tried."""
NEARER = 0.6
"""Power of that step."""
SEED = 1


@dataclass(frozen=True, eq=False)
class MedleySegments:
    """The segments of one medley's photos."""

    references: tuple[Layout, ...]
    photos: tuple[Layout, ...]
    bad: NDArray[np.bool_]
    """(N,): which photos have a logical defect."""
    scale: Scale


def shown(discoverer: Discoverer, number: int) -> MedleySegments | None:
    """A medley as discovery sees it; None where it has no logical defect."""
    product = medley(UNSEEN + number)
    kinds = product.family.logical
    if not kinds:
        return None
    plan: list[tuple[int, str | None]] = [(MEDLEY_REFERENCES_FROM + n, None) for n in range(REFERENCES)]
    plan += [(n, None) for n in range(GOOD)]
    plan += [(BAD_FROM + n, kinds[n % len(kinds)]) for n in range(BAD)]
    layouts = [_layout(discoverer, photo(product, index, defect=defect, size=256).image) for index, defect in plan]
    bad = np.array([defect is not None for _, defect in plan[REFERENCES:]])
    return _shown(layouts, bad)


def shown_family(discoverer: Discoverer, name: str) -> list[MedleySegments]:
    """A training family as discovery sees it, in sets of photos that have references of their own."""
    found = []
    for turn in range(FAMILY_SETS):
        plan: list[tuple[int, str | None]] = [(1_000_000 + REFERENCES * turn + n, None) for n in range(REFERENCES)]
        plan += [(FAMILY_GOOD * turn + n, None) for n in range(FAMILY_GOOD)]
        for number, defect in enumerate(family(name).logical):
            plan += [(2_000_000 + 1000 * turn + 100 * number + n, defect) for n in range(FAMILY_BAD)]
        images = [render(name, seed=FAMILY_SEED, index=index, defect=defect).image for index, defect in plan]
        bad = np.array([defect is not None for _, defect in plan[REFERENCES:]])
        found.append(_shown([_layout(discoverer, image) for image in images], bad))
    return found


def _shown(layouts: Sequence[Layout], bad: NDArray[np.bool_]) -> MedleySegments:
    references = tuple(layouts[:REFERENCES])
    return MedleySegments(references, tuple(layouts[REFERENCES:]), bad, scale_of([r.described for r in references]))


def _layout(discoverer: Discoverer, image: NDArray[np.uint8]) -> Layout:
    """Masks are left out: only costs are compared."""
    sample = sample_from_array(image)
    return replace(layout_of(sample, *discoverer.described(sample)), masks=())


@dataclass(frozen=True)
class Ranked:
    """How well costs rank photos."""

    single: float
    """AUROC of costs, the mean over products."""
    together: float
    """AUROC of standardised costs over all products."""
    mapped: MatcherMap
    """What a standardised cost is worth."""


def measure(stored: AssignmentCosts, products: Sequence[MedleySegments]) -> Ranked:
    """How costs rank good and defective photos."""
    own, costs = [], []
    for product in products:
        known = arrangement_of(product.references, product.scale, stored)
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
    seen = MatcherScores(every[~bad].tolist(), every[bad].tolist())
    single = fmean(auroc(p.bad, c) for p, c in zip(products, costs, strict=True))
    return Ranked(single, auroc(bad, every), fitted_map(plain, seen, LIMITS["parts"]))


def searched(start: AssignmentCosts, sets: Sequence[Sequence[MedleySegments]], seconds: float) -> AssignmentCosts:
    """Better costs, after so many seconds of trying each higher and lower.

    Args:
        start: the costs to begin with.
        sets: products, of which each set counts as much as the others.
        seconds: to try for.
    """
    chance = np.random.default_rng(SEED)
    best, found, step = start, worth(start, sets), STEP
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        before = found
        changes = [(name, factor) for name in (*_SINGLE, *start.usual) for factor in (step, 1 / step)]
        for number in chance.permutation(len(changes)).tolist():
            tried = _changed(best, *changes[number])
            value = worth(tried, sets)
            if value > found:
                best, found = tried, value
                sys.stderr.write(f"{found:.4f}, {changes[number][0]} x {changes[number][1]:.2f}\n")
            if time.monotonic() >= end:
                break
        step = step if found > before else step**NEARER
    return best


def worth(stored: AssignmentCosts, sets: Sequence[Sequence[MedleySegments]]) -> float:
    """How well costs rank photos: AUROC of each product and of all together, summed over sets of products."""
    found = [measure(stored, products) for products in sets]
    return sum(ranked.single + ranked.together for ranked in found)


_SINGLE = tuple(f.name for f in fields(AssignmentCosts) if f.name != "usual")


def _changed(stored: AssignmentCosts, name: str, factor: float) -> AssignmentCosts:
    """Costs of which one is so many times as high."""
    values = asdict(stored)
    group = values["usual"] if name in values["usual"] else values
    group[name] = round(group[name] * factor, 3)
    for power in ("power", "together"):
        values[power] = max(1.0, values[power])
    return AssignmentCosts(**values)


def main() -> None:
    """Searches, writes the costs and prints how well they rank."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", default="nano")
    parser.add_argument("--first", type=int, default=FIRST, help="of the unseen medleys")
    parser.add_argument("--products", type=int, default=55)
    parser.add_argument("--minutes", type=float, default=10.0, help="of searching; 0 measures the stored costs")
    arguments = parser.parse_args()
    maps = Calibration.of_profile(arguments.profile)
    toolbox = Toolbox.open(load_profile(arguments.profile), "cpu", part_parameters=maps.part_parameters)
    discoverer, stored = toolbox.discoverer, maps.assignment_costs
    numbers = range(arguments.first, arguments.first + arguments.products)
    products = [p for p in (shown(discoverer, n) for n in numbers) if p is not None]
    if arguments.minutes > 0:
        families = [p for name in TRAINED if family(name).is_logical for p in shown_family(discoverer, name)]
        stored = searched(stored, [products, families], 60 * arguments.minutes)
        command = (
            f"python -m evals.fit.assignment_costs --products {arguments.products} --minutes {arguments.minutes:g}"
        )
        entries = {"assignment_costs": asdict(stored)}
        write_entries(
            calibration_file(arguments.profile), entries, "Assignment costs", f"{command}, from the costs before."
        )
    found = measure(stored, products)
    sys.stdout.write(f"{len(products)} products: AUROC {found.single:.3f} singly, {found.together:.3f} together\n")
    sys.stdout.write(as_yaml({"parts": found.mapped.model_dump()}))


if __name__ == "__main__":
    main()
