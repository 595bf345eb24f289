"""The references of a product: each counts once, the most representative come first, and odd ones are found."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from agent.calibration.maps import Calibration
from agent.evidence.types import Kind
from agent.matchers.registry import matchers
from agent.products.spec import Product
from tools.types import Sample

if TYPE_CHECKING:
    from tools.toolbox import Toolbox

DETAILED = 12
"""References, the first ones, from which parts, rules and surfaces are learned; the memory bank takes all of them."""
FEWEST = 4
"""References from which on one can be called odd: three others must agree."""
ODD: dict[Kind, float] = {"structural": 3.5, "logical": 5.0}
"""Log-likelihood ratio from which on a reference is left out: of good ones of twelve rendered products, beside three or
four others, the layout reaches 4, their surfaces 2."""
WHY: dict[Kind, str] = {
    "structural": "its surface looks damaged or different",
    "logical": "its parts, or where they lie, are different",
}
"""Why a reference is left out, by the kind of anomaly that it shows."""
NEAR = 4
"""References that one of many is compared with, the nearest by embedding."""
FAR = 3.0
"""One of many is of something else where these are farther than the median of all by this factor."""


def distinct(references: Sequence[Sample]) -> tuple[list[Sample], list[str]]:
    """Each photo once, and a note on those that were given several times."""
    by_pixels: dict[str, list[Sample]] = {}
    for sample in references:
        by_pixels.setdefault(sample.digest, []).append(sample)
    notes = []
    for same in by_pixels.values():
        if len(same) > 1:
            names = ", ".join(dict.fromkeys(sample.name for sample in same))
            notes.append(f"{names}: the same photo was given {len(same)} times as a reference; it counts once.")
    return [same[0] for same in by_pixels.values()], notes


def representative(toolbox: Toolbox, references: Sequence[Sample]) -> tuple[list[Sample], list[str]]:
    """The references with those first that stand for all of them, and notes on those of something else, left out.

    As they are where there are no more than `DETAILED`. Each next one is that which brings all others nearest to those
    chosen (greedy k-medoids on embeddings).
    """
    if len(references) <= DETAILED:
        return list(references), []
    embedded = toolbox.embedder.encode(references).flatten(1, 2).mean(dim=1).cpu().numpy().astype(np.float64)
    apart = np.linalg.norm(embedded[:, None] - embedded[None], axis=2)
    nearest = np.sort(apart, axis=1)[:, 1 : NEAR + 1].mean(axis=1)
    kept = np.flatnonzero(nearest <= FAR * np.median(nearest))
    left_out = sorted(set(range(len(references))) - set(kept.tolist()))
    notes = [
        f"{references[n].name} was left out of the references: it looks like something else than the other "
        f"{len(kept)} show."
        for n in left_out
    ]
    among = apart[np.ix_(kept, kept)]
    away, first = np.full(len(kept), among.max()), list[int]()
    for _ in range(min(DETAILED, len(kept))):
        first.append(int(np.maximum(away - among, 0).sum(axis=1).argmax()))
        away = np.minimum(away, among[first[-1]])
    order = [int(kept[n]) for n in (*first, *(n for n in range(len(kept)) if n not in first))]
    return [references[n] for n in order], notes


def odd_references(product: Product, calibration: Calibration) -> dict[int, str]:
    """References that the others speak against, and why, in a clause.

    Each reference's leave-one-out scores are weighed as those of a photo of a product that is known by the others. Less
    than half of the references are ever odd.
    """
    compared = [m for m in matchers() if len(product.scores(m.name)) >= FEWEST and m.map_in(calibration).slope]
    count = min((len(product.scores(m.name)) for m in compared), default=0)
    worth: dict[int, tuple[float, str]] = {}
    for n in range(count):
        others = _without(product, n)
        by_kind: dict[Kind, float] = {}
        for matcher in compared:
            llr = matcher.weigh(product.scores(matcher.name)[n], others, calibration)[1]
            share = matcher.share(others, calibration)
            by_kind[matcher.kind] = by_kind.get(matcher.kind, 0.0) + max(0.0, llr) * share
        kind = max(by_kind, key=lambda k: by_kind[k] - ODD[k])
        worth[n] = by_kind[kind] - ODD[kind], WHY[kind]
        distances, limits = product.scores("product"), calibration.product_distance
        if limits is not None and len(distances) == count and distances[n] > limits.limit(others.scores("product")):
            worth[n] = math.inf, "it shows something else"
    worst = sorted(worth, key=lambda n: -worth[n][0])[: (count - 1) // 2]
    return {n: worth[n][1] for n in worst if worth[n][0] >= 0}


def _without(product: Product, number: int) -> Product:
    """The product as its matchers' scores would be without one reference."""

    def rest(scores: Sequence[float]) -> tuple[float, ...]:
        return tuple(s for n, s in enumerate(scores) if n != number)

    known = {name: replace(state, scores=rest(state.scores)) for name, state in product.states.items()}
    return replace(product, states=known, references=product.references[:-1])
