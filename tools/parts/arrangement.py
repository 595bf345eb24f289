"""Explains the parts of a photo by those of a good one, whatever they are called: what differs, is missing or extra.

Types need a part to be counted alike on every reference; this needs no types. The parts of each reference are looked
for on the photo among all of its segments, one for each, so that a part that was cut in two there is still found
whole. What recurs badly among the references costs little where it is missing, and a pair costs only what it differs
by beyond what the references differ by among themselves. Several references are several explanations of a photo; the
cheapest wins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import permutations
from statistics import fmean
from typing import Literal

import numpy as np
import scipy
from numpy.typing import NDArray

from tools.parts.alignment import Overlaid, overlaid
from tools.parts.descriptors import NAMES, Array, Descriptors, Scale, differences
from tools.parts.masks import box_of, moved_to
from tools.parts.parameters import AssignmentCosts
from tools.parts.pose import ProductPose
from tools.types import Box, Mask

Kind = Literal["missing", "extra", "differs"]
HEADINGS = ("axis", "lighter side")
"""Ways in which two segments that look alike may lie differently."""
LOOKS = (*(n for n in NAMES if n != "place"), *HEADINGS)
"""What two segments differ by wherever they lie."""
_LOOK = [n for n, name in enumerate(NAMES) if name != "place"]
OVER = 0.5
"""Segments of one photo that overlap by more of the smaller are one part seen twice."""
FARTHEST = 8.0
"""That a part lies another way counts for so many times its usual difference at most: it is still that part."""
MOST = 8
"""So many references explain a photo at most: the first ones."""


@dataclass(frozen=True, eq=False)
class Layout:
    """The segments of one photo that may be parts, that of the product itself left out."""

    described: Descriptors
    scores: Array
    """(N,) in [0, 1]: strength of the outline."""
    nested: Array
    """(N, N): intersection over the smaller."""
    items: tuple[int, ...]
    """Segments that are taken for single things, none of which overlaps another much."""
    masks: tuple[Mask, ...]
    """(h, w) each, at the working size."""
    pose: ProductPose
    """Of the product, in pixels of the working size."""
    digest: str
    """Of the photo."""


@dataclass(frozen=True, eq=False)
class Misfit:
    """One part that a good product explains badly, or not at all."""

    kind: Kind
    cost: float
    """Above 0; what it adds to the cost of the photo."""
    box: Box
    """Where it is, or ought to be, on the photo, in pixels of the working size."""
    mask: Mask | None
    """(h, w) of the segment; of what is missing, the shape of its counterpart where it ought to be."""
    counterpart: Box | None
    """On the reference, in pixels of its working size; None of what is extra."""
    most: str = ""
    """What differs most, one of `LOOKS`, or "place"; empty unless `kind` is "differs"."""


@dataclass(frozen=True, eq=False)
class Explanation:
    """The cheapest explanation of a photo by a reference."""

    reference: str
    """Digest of that reference."""
    cost: float
    """Of the photo, as those of the references are told."""
    misfits: tuple[Misfit, ...]
    """Dearest first."""
    size: tuple[int, int]
    """(width, height) of the photo's masks, in which boxes are told."""


@dataclass(frozen=True, eq=False)
class _Pair:
    """What two photos' segments differ by."""

    looks: Array
    """(N, M, 14), in the order of `LOOKS`."""
    away: Array
    """(N, M): distance, once one photo lies over the other."""
    over: Overlaid


@dataclass(frozen=True, eq=False)
class Arrangement:
    """How the parts of a product lie on its references, and how much they differ there."""

    layouts: tuple[Layout, ...]
    scale: Scale
    costs: AssignmentCosts
    usual: Array
    """(14,): mean differences of a part between good photos, in the order of `LOOKS`."""
    place: float
    """The same of its place; very large where parts may lie anywhere."""
    among: dict[tuple[int, int], Array]
    """Unlikeness (N, M) of the segments of every two references."""
    own_costs: tuple[float, ...] = field(default=())
    """Cost of each reference, explained by the others; empty of a single one."""

    def explain(self, layout: Layout) -> Explanation:
        """The cheapest explanation of a photo by a reference, and what it costs.

        The cost is the mean over those by all references but one, so that it compares with what each of them costs.
        """
        pairs = [_compared(layout, other, self.scale, self.costs) for other in self.layouts]
        unlike = [_unlike(pair, self.usual, self.place, self.costs) for pair in pairs]
        tries = [self._explained(layout, n, u, range(len(self.layouts))) for n, u in enumerate(unlike)]
        which = min(range(len(tries)), key=lambda n: tries[n].cost)
        return self._told(layout, which, pairs[which], tries[which], self._cost(layout, unlike))

    def cost(self, layout: Layout) -> float:
        """What the explanation of a photo costs, without it."""
        pairs = (_compared(layout, other, self.scale, self.costs) for other in self.layouts)
        return self._cost(layout, [_unlike(pair, self.usual, self.place, self.costs) for pair in pairs])

    def cost_without(self, layout: Layout, n: int, unlike: Mapping[int, Array]) -> float:
        """Least cost of a photo, explained by the references but one; 0 where that was the only one.

        Args:
            layout: of the photo, or of that one reference.
            n: which is left out.
            unlike: (N, M) how unlike the photo's segments and those of each other reference are.
        """
        others = [m for m in range(len(self.layouts)) if m != n]
        return min((self._explained(layout, m, unlike[m], others).cost for m in others), default=0.0)

    def _cost(self, layout: Layout, unlike: Sequence[Array]) -> float:
        if len(unlike) == 1:
            return self._explained(layout, 0, unlike[0], [0]).cost
        left_out = [self.cost_without(layout, n, dict(enumerate(unlike))) for n in range(len(unlike))]
        return fmean(left_out)

    def _parts(self, n: int, believed: Sequence[int]) -> tuple[list[int], Array, Array]:
        """Segments of a reference that are parts; (N,) what the nearest on the other references cost; how many show it.

        The last is a share of the other references, with one more imagined that does.
        """
        layout, stored = self.layouts[n], self.costs
        nearest = [self.among[n, m].min(axis=1, initial=stored.dearest * 2) for m in believed if m != n]
        recurs, share = np.zeros(len(layout.scores)), np.ones(len(layout.scores))
        if nearest:
            share = (1 + (np.stack(nearest) <= stored.dearest / 2).sum(axis=0)) / (1 + len(nearest))
            # Of three other references or more, one may be off.
            kept = np.sort(np.stack(nearest), axis=0)[: max(1, len(nearest) - (len(nearest) > 2))]
            recurs = kept.mean(axis=0)
        bonus = np.zeros(len(recurs))
        bonus[list(layout.items)] = stored.item
        most = np.full(len(recurs), min(stored.loose, stored.dearest))
        most[list(layout.items)] = stored.dearest
        order = np.argsort(recurs - stored.outline * layout.scores - bonus, kind="stable")
        return apart([k for k in order.tolist() if recurs[k] < most[k]], layout.nested), recurs, share

    def _explained(self, layout: Layout, n: int, unlike: Array, believed: Sequence[int]) -> _Explained:
        """The parts of one reference, each given the segment that is most like it, and what is left of either."""
        stored = self.costs
        parts, recurs, share = self._parts(n, believed)
        rest = unlike[:, parts] - stored.clear * layout.scores[:, None]
        rest = np.where(unlike[:, parts] > stored.dearest + 1, np.inf, rest)
        pairs: list[tuple[int, int, float]] = []
        while rest.size and np.isfinite(rest.min()):
            a, b = np.unravel_index(int(rest.argmin()), rest.shape)
            known = stored.known * recurs[parts[b]]
            pairs.append((int(a), parts[b], max(0.0, float(unlike[a, parts[b]] - known))))
            rest[:, b] = np.inf
            rest[layout.nested[a] > OVER] = np.inf
            rest[a] = np.inf
        used, taken = {b for _, b, _ in pairs}, [a for a, _, _ in pairs]
        scores = self.layouts[n].scores
        missing = [(b, self._missing(share[b], scores[b])) for b in parts if b not in used]
        extra = [
            (a, stored.extra * min(1.0, float(layout.scores[a]) + 0.2))
            for a in layout.items
            if all(layout.nested[a, k] <= OVER for k in taken)
        ]
        return _Explained(tuple(pairs), tuple(missing), tuple(extra), stored.together)

    def _missing(self, share: float, outline: float) -> float:
        """Price of a part of a reference that nothing stands for."""
        stored = self.costs
        return float(stored.missing * share**stored.recurring * min(1.0, outline + 0.3))

    def _told(self, layout: Layout, n: int, pair: _Pair, found: _Explained, cost: float) -> Explanation:
        good = self.layouts[n]
        differ = [
            Misfit(
                "differs", cost, box_of(layout.masks[a]), layout.masks[a], box_of(good.masks[b]), self._most(pair, a, b)
            )
            for a, b, cost in found.pairs
            if cost > 0
        ]
        height, width = layout.pose.mask.shape
        missing = []
        for b, price in found.missing:
            place = _place(good, b, layout, pair.over)
            shape = moved_to(good.masks[b], place, (width, height))
            missing.append(Misfit("missing", price, place, shape, box_of(good.masks[b])))
        extra = [Misfit("extra", cost, box_of(layout.masks[a]), layout.masks[a], None) for a, cost in found.extra]
        misfits = tuple(sorted((*differ, *missing, *extra), key=lambda m: -m.cost))
        return Explanation(good.digest, cost, misfits, (width, height))

    def _most(self, pair: _Pair, a: int, b: int) -> str:
        """What a pair differs by most."""
        stored = self.costs
        looks, turned = np.split(pair.looks[a, b] / self.usual, [-len(HEADINGS)])
        shares = np.append(looks / len(looks), stored.headings * np.minimum(turned, FARTHEST) / len(turned))
        place = stored.places * float(pair.away[a, b]) / self.place
        return "place" if place > shares.max() else LOOKS[int(shares.argmax())]


@dataclass(frozen=True)
class _Explained:
    """Indices of segments on the photo and on the reference, and what each costs."""

    pairs: tuple[tuple[int, int, float], ...]
    missing: tuple[tuple[int, float], ...]
    extra: tuple[tuple[int, float], ...]
    power: float
    """Of the sum."""

    @property
    def cost(self) -> float:
        costs = (c for *_, c in (*self.pairs, *self.missing, *self.extra))
        return float(sum(c**self.power for c in costs) ** (1 / self.power))


def arrangement_of(layouts: Sequence[Layout], scale: Scale, costs: AssignmentCosts) -> Arrangement:
    """What the references show of how parts lie and how much they differ.

    Args:
        layouts: of the references, one or more.
        scale: feature distances that are usual on this product.
        costs: of differences, and of missing and extra parts.
    """
    shown = tuple(layouts[:MOST])
    pairs = {(n, m): _compared(shown[n], shown[m], scale, costs) for n, m in permutations(range(len(shown)), 2)}
    usual, place = _usual(shown, pairs, costs)
    among = {key: _unlike(pair, usual, place, costs) for key, pair in pairs.items()}
    plain = Arrangement(shown, scale, costs, usual, place, among)
    if len(shown) < 2:
        return plain
    own_costs = tuple(
        plain.cost_without(shown[n], n, {m: among[n, m] for m in range(len(shown)) if m != n})
        for n in range(len(shown))
    )
    return replace(plain, own_costs=own_costs)


def _usual(
    shown: Sequence[Layout], pairs: dict[tuple[int, int], _Pair], stored: AssignmentCosts
) -> tuple[Array, float]:
    """Mean differences of things between references, pooled with the stored ones."""
    before = np.array([stored.usual[n] for n in LOOKS])
    looks: list[Array] = []
    away: list[float] = []
    for (n, _), pair in pairs.items():
        items = list(shown[n].items)
        for a, b in _partners(_unlike(pair, before, stored.place, stored)[items], stored.dearest):
            looks.append(pair.looks[items[a], b])
            away.append(float(pair.away[items[a], b]))
    if not away:
        return before, stored.place
    n_pairs = len(away) ** 0.5
    mean = np.minimum(np.mean(looks, axis=0), 3 * before)
    usual = (mean * n_pairs + before * stored.worth) / (n_pairs + stored.worth)
    middle = float(np.median(away))
    if middle > stored.free:
        return usual, 50 * stored.place
    return usual, (1.3 * middle * n_pairs + stored.place * stored.worth) / (n_pairs + stored.worth)


def _partners(unlike: Array, most: float) -> list[tuple[int, int]]:
    """Pairs by least total unlikeness, each thing with one segment at most."""
    rows, columns = scipy.optimize.linear_sum_assignment(unlike)
    return [(a, b) for a, b in zip(rows.tolist(), columns.tolist(), strict=True) if unlike[a, b] <= most]


def _compared(one: Layout, other: Layout, scale: Scale, costs: AssignmentCosts) -> _Pair:
    values = differences(one.described, other.described, scale)[..., _LOOK]
    before = np.array([costs.usual[n] for n in LOOKS if n not in HEADINGS])
    items, others = list(one.items), list(other.items)
    unlike = np.minimum((values[np.ix_(items, others)] / before).mean(axis=-1), 6.0)
    over = overlaid(one.described.of(items), other.described.of(others), unlike)
    moved = over.to(one.described.place)
    away = np.linalg.norm(moved[:, None] - other.described.place[None], axis=-1)
    return _Pair(np.concatenate([values, _turned(one.described, other.described, over)], axis=-1), away, over)


def _turned(one: Descriptors, other: Descriptors, over: Overlaid) -> Array:
    """(N, M, 2): how differently segments lie once one photo lies over the other, in the order of `HEADINGS`."""
    turn = over.turn / max(abs(over.turn), 1e-9)
    a, b = (d.heading[..., 0] + 1j * d.heading[..., 1] for d in (one, other))
    found: Array = np.abs((a * np.array([turn**2, turn]))[:, None] - b[None])
    return found


def _unlike(pair: _Pair, usual: Array, place: float, stored: AssignmentCosts) -> Array:
    """(N, M): how unlike each pair is, looks and places together, in units of what good ones differ by."""
    ratios, turned = np.split(pair.looks / usual, [-len(HEADINGS)], axis=-1)
    looks = (ratios**stored.power).mean(axis=-1) ** (1 / stored.power)
    lying = stored.headings * np.minimum(turned, FARTHEST).mean(axis=-1)
    found: Array = looks + lying + stored.places * pair.away / place
    return np.minimum(found, 2 * stored.dearest)


def apart(order: Sequence[int], nested: NDArray[np.float64]) -> list[int]:
    """Segments in order, without those that overlap an earlier one."""
    kept: list[int] = []
    for n in order:
        if all(nested[n, k] <= OVER for k in kept):
            kept.append(n)
    return kept


def _place(good: Layout, segment: int, layout: Layout, over: Overlaid) -> Box:
    """Where a reference's segment would be on the photo, in pixels of the photo's working size."""
    x, y = good.described.place[segment].tolist()
    px, py = layout.pose.point(over.back((x, y)))
    box = box_of(good.masks[segment])
    grown = layout.pose.unit / good.pose.unit / max(abs(over.turn), 1e-6)
    half = box.width * grown / 2, box.height * grown / 2
    height, width = layout.pose.mask.shape
    return Box(px - half[0], py - half[1], px + half[0], py + half[1]).clipped(width, height)
