"""Discovers the parts of a product that nobody named: segments that recur on its references, in types."""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from tools.errors import InputError
from tools.parts.arrangement import Arrangement, Explanation, Layout, arrangement_of
from tools.parts.clustering import Divider, ReferenceSegments, divided, likeliest, recurring
from tools.parts.descriptors import Array, Comparer, Descriptors, Scale, describe, scale_of
from tools.parts.masks import box_of, enlarged
from tools.parts.measurement import measure, scaled
from tools.parts.parameters import PartParameters, PartSimilarity
from tools.parts.pose import ProductPose
from tools.parts.proposals import Proposals, Proposer
from tools.types import Mask, Part, Region, Sample

if TYPE_CHECKING:
    from tools.anomaly import PatchMemory

OTHER = "other"
"""Label of what was found and is of no type."""
ONE = 0.5
"""Two masks that overlap more than this (IoU) are one part, of the likelier type."""
STEEP = 6.0
"""Log-odds from half a fall below the line between parts and phantoms to half a fall above."""
KEPT = 13
"""Photos whose segments are kept for the moment: references are learned from and then looked at."""
CLEAR = 0.5
"""Least strength of the outline of a segment that is told as "other"."""


@dataclass(frozen=True, eq=False)
class PartType:
    """One kind of part."""

    label: str
    count: int
    """How many a good product has."""
    counts: tuple[int, ...]
    """How many were found on each reference by what the others show."""

    @property
    def sureness(self) -> float:
        """How sure it is that the type recurs, in [0, 1]: the share of references whose count is the usual one."""
        return float(np.mean([n == self.count for n in self.counts]))


@dataclass(frozen=True, eq=False)
class Branch:
    """Where a segment of a kind goes: to a type, or to one of several branches."""

    label: str = ""
    divider: Divider | None = None
    groups: tuple[Branch, ...] = ()

    def labels(self, members: Descriptors) -> list[str]:
        """The label of each of the segments of this kind on one photo."""
        if self.divider is None or not len(members):
            return [self.label] * len(members)
        sides = self.divider.sides(members)
        found = [""] * len(members)
        for side, group in enumerate(self.groups):
            mine = np.flatnonzero(sides == side)
            for n, label in zip(mine.tolist(), group.labels(members.of(mine)), strict=True):
                found[n] = label
        return found


@dataclass(frozen=True, eq=False)
class Finder:
    """Examples of a kind of segment, and how like them a segment must be."""

    examples: tuple[Descriptors, ...]
    """Of each reference that shows it."""
    threshold: float
    """Log-odds at which a segment is as likely of this kind as not."""
    fall: float
    """Log-odds between the last part and the first phantom on the references."""
    branch: Branch

    def odds(self, seen: ReferenceSegments, comparer: Comparer) -> Array:
        """(N,): log-odds of each segment: its likeness to the nearest example on each reference, and its outline."""
        likes = [comparer.across(seen.described, examples).max(axis=1) for examples in self.examples]
        found: Array = np.mean(likes, axis=0) + seen.prior
        return found

    def probability(self, odds: float) -> float:
        """How sure a segment is one, one half at the threshold."""
        return float(1.0 / (1.0 + np.exp(-STEEP / max(self.fall, 1.0) * (odds - self.threshold))))


@dataclass(frozen=True, eq=False)
class PartTypes:
    """What recurs on the references of a product."""

    types: tuple[PartType, ...] = ()
    """Surest first."""
    finders: tuple[Finder, ...] = ()
    """What finds them."""
    scale: Scale = field(default_factory=lambda: Scale(1.0, 1.0))
    """Feature distances that are usual on this product."""
    arrangement: Arrangement | None = None
    """How the references' parts lie and differ, without types; None where types were made by hand."""

    @property
    def labels(self) -> tuple[str, ...]:
        """ "part A", "part B", ..., surest first."""
        return tuple(t.label for t in self.types)


class Discoverer:
    """Finds part types on references, and parts of those types on a photo."""

    def __init__(self, proposer: Proposer, memory: PatchMemory, parameters: PartParameters) -> None:
        """Takes what proposes segments, the patch features that describe them, and fitted parameters."""
        self._proposer = proposer
        self._memory = memory
        self._parameters = parameters
        self._kept: dict[str, tuple[Proposals, Descriptors]] = {}

    def learn(self, references: Sequence[Sample]) -> PartTypes:
        """Types of parts that recur on the references, surest first.

        Args:
            references: photos of good ones; of a single one, types are what it shows twice or more.

        Raises:
            InputError: no reference.
        """
        if not references:
            raise InputError("no reference was given; part types are discovered on one or more photos of good ones.")
        unique = list({r.digest: r for r in references}.values())
        shown = [(r, *self.described(r)) for r in unique]
        segments = [seen_of(proposals, described) for _, proposals, described in shown]
        types = types_of(segments, self._parameters.similarity)
        layouts = [layout_of(*s) for s in shown]
        return replace(types, arrangement=arrangement_of(layouts, types.scale, self._parameters.costs))

    def explain(self, sample: Sample, types: PartTypes) -> Explanation | None:
        """How a good product would have to differ to be this one; None where `types` know no arrangement."""
        if types.arrangement is None:
            return None
        return types.arrangement.explain(layout_of(sample, *self.described(sample)))

    def find(self, sample: Sample, types: PartTypes) -> tuple[Part, ...]:
        """Parts of the types, and what else stands out as a thing, as "other"; surest first.

        Returns:
            Parts with mask, measures (in product coordinates) and a score in [0, 1]: how sure it is that type, one
            half at the line between parts and phantoms; of an "other" how clear its outline is.
        """
        proposals, described = self.described(sample)
        found = assigned(seen_of(proposals, described), types, self._parameters.similarity)
        return tuple(_part(label, score, proposals.masks[n], proposals, sample.size) for n, label, score in found)

    def pose(self, sample: Sample) -> ProductPose:
        """Where the product is on a photo and how it stands."""
        return self._proposer.pose(sample)

    def described(self, sample: Sample) -> tuple[Proposals, Descriptors]:
        """The segments of a photo, and what they look like."""
        if sample.digest not in self._kept:
            proposals = self._proposer.propose(sample)
            described = describe(proposals.image, proposals.masks, proposals.pose, self._memory, proposals.kinds)
            while len(self._kept) >= KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[sample.digest] = proposals, described
        return self._kept[sample.digest]


def layout_of(sample: Sample, proposals: Proposals, described: Descriptors) -> Layout:
    """A photo's segments as they are compared with a reference's: all but the product's own."""
    parts = list(range(1, len(proposals.masks)))
    _, nested = proposals.overlaps()
    items = tuple(n - 1 for n in proposals.items)
    return Layout(
        described.of(parts),
        proposals.scores[1:],
        nested[1:, 1:],
        items,
        proposals.masks[1:],
        proposals.pose,
        sample.digest,
    )


def seen_of(proposals: Proposals, described: Descriptors) -> ReferenceSegments:
    """A photo's segments as types are made of them."""
    return ReferenceSegments(described, proposals.scores, *proposals.overlaps())


def types_of(seen: Sequence[ReferenceSegments], similarity: PartSimilarity) -> PartTypes:
    """Types from the segments of the references, surest first."""
    scale = scale_of([s.described for s in seen])
    kinds = recurring(seen, Comparer(similarity, scale))
    leaves: list[tuple[float, str, tuple[int, ...]]] = []
    finders = []
    for kind in kinds:
        members = [s.described.of(f) for s, f in zip(seen, kind.found, strict=True)]
        branch = _branch(members, kind.fall, leaves)
        examples = tuple(s.described.of(m) for s, m in zip(seen, kind.members, strict=True) if m)
        finders.append(Finder(examples, kind.threshold, kind.fall, branch))
    counted = [(label, counts, _usual(counts), fall) for fall, label, counts in leaves]
    counted.sort(key=lambda c: (-float(np.mean([n == c[2] for n in c[1]])), -c[3]))
    names = {label: name(n) for n, (label, *_) in enumerate(counted)}
    types = tuple(PartType(names[label], usual, counts) for label, counts, usual, _ in counted)
    return PartTypes(types, tuple(replace(f, branch=_renamed(f.branch, names)) for f in finders), scale)


def _branch(members: Sequence[Descriptors], fall: float, leaves: list[tuple[float, str, tuple[int, ...]]]) -> Branch:
    """A kind as one type, or divided as often as it falls apart; `leaves` gains (fall, label, counts)."""
    divider = divided(members)
    if divider is None:
        label = str(len(leaves))
        leaves.append((fall, label, tuple(len(m) for m in members)))
        return Branch(label)
    sides = [divider.sides(m) for m in members]
    groups = [
        [m.of(np.flatnonzero(s == side)) for m, s in zip(members, sides, strict=True)]
        for side in range(len(divider.middles))
    ]
    return Branch(divider=divider, groups=tuple(_branch(group, fall, leaves) for group in groups))


def _renamed(branch: Branch, names: dict[str, str]) -> Branch:
    return Branch(names.get(branch.label, ""), branch.divider, tuple(_renamed(h, names) for h in branch.groups))


def _usual(counts: Sequence[int]) -> int:
    """The most frequent count; of several the larger."""
    return max(counts, key=lambda n: (counts.count(n), n))


def assigned(seen: ReferenceSegments, types: PartTypes, similarity: PartSimilarity) -> list[tuple[int, str, float]]:
    """(segment, label, score) of each part, surest first: the likelier kind takes a segment, then come the others."""
    comparer = Comparer(similarity, types.scale)
    offers: list[tuple[float, int, int]] = []
    for which, finder in enumerate(types.finders):
        odds = finder.odds(seen, comparer)
        offers += [(float(odds[n]), n, which) for n in likeliest(odds, seen.nested, finder.threshold)]
    taken: list[int] = []
    members: dict[int, list[tuple[int, float]]] = {}
    for odds_of, n, which in sorted(offers, key=lambda offer: -offer[0]):
        if all(seen.iou[n, k] <= ONE for k in taken):
            taken.append(n)
            members.setdefault(which, []).append((n, types.finders[which].probability(odds_of)))
    found: list[tuple[int, str, float]] = []
    for which, mine in members.items():
        labels = types.finders[which].branch.labels(seen.described.of([n for n, _ in mine]))
        found += [(n, label, score) for (n, score), label in zip(mine, labels, strict=True)]
    for n in np.argsort(-seen.scores, kind="stable").tolist():
        if seen.scores[n] >= CLEAR and n != 0 and all(seen.nested[n, k] <= ONE for k in taken if k != 0):
            taken.append(n)
            found.append((n, OTHER, float(seen.scores[n])))
    return sorted(found, key=lambda item: -item[2])


def _part(label: str, score: float, mask: Mask, proposals: Proposals, size: tuple[int, int]) -> Part:
    """A part of a photo of (width, height), measured at the working size."""
    large = enlarged(mask, size)
    scale = math.sqrt(large.size / mask.size)
    measures = scaled(proposals.pose.placed(measure(proposals.image, mask)), scale)
    return Part(label, Region(box_of(large), score, large), measures)


def name(number: int) -> str:
    """Of a type by its place: "part A" to "part Z", then "part AA", ...

    >>> name(0), name(26)
    ('part A', 'part AA')
    """
    letters = ""
    while number >= 0:
        letters = string.ascii_uppercase[number % 26] + letters
        number = number // 26 - 1
    return f"part {letters}"
