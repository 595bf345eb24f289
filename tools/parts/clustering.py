"""Clusters the segments of all references into part types that recur, and splits types that hold two kinds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

from tools.parts.descriptors import Array, Comparer, Descriptors, joined

SPLIT_APART = 0.25
"""Least mean silhouette of groups. Of two members a photo one lies always on either side of their mean: what tells two
kinds from chance is how far apart they are."""
DISTINCT = 0.4
"""Least distance between the middles of groups, in the unit of `vectors`: what is less is grain."""
DIMENSIONS = 4
"""Principal components in which groups are looked for."""
LAB = 25.0
"""CIELAB units that weigh as much as one unit of shape."""
FEATURES = 3.0
"""Weight of features of unit length."""
SHAPE = (1.0, 1.0, 4.0, 4.0, 1.0)
"""Weights of what is measured of an outline."""
GROUPS = 2
"""A kind is divided into so many at once; each may be divided again."""
ALIKE = 0.75
"""Share of the references on which a group has its usual count."""
LEAST = 6
"""Members in all from which on groups can be told."""
ROUNDS = 5
"""Steps in which a photo's own shift is found."""


@dataclass(frozen=True, eq=False)
class Divider:
    """Tells the groups of a kind apart on any photo."""

    basis: Array
    """(D, K): the principal components of what differs within a photo."""
    middles: Array
    """(G, K): of the groups, from the mean of their photo."""
    usual: Array
    """(K,): mean of the references' own means."""
    spread: float
    """Mean squared distance of the references' own means from it, at least that within a group."""
    within: float
    """Mean squared distance of members from the middle of their group."""

    def sides(self, members: Descriptors) -> NDArray[np.intp]:
        """(N,): the group that each member on one photo is nearest to, in the light of that photo."""
        points = vectors(members) @ self.basis
        tries = [self._settled(points, shift) for shift in (self.usual, points.mean(axis=0))]
        return min(tries, key=lambda found: found[0])[1]

    def _settled(self, points: Array, shift: Array) -> tuple[float, NDArray[np.intp]]:
        """How unlikely the best shift near a first one is, and the sides that it gives."""
        sides = np.zeros(len(points), np.intp)
        for _ in range(ROUNDS):
            sides = np.linalg.norm(points[:, None] - shift - self.middles[None], axis=-1).argmin(axis=1)
            offset = points - self.middles[sides]
            weight = len(points) / self.within, 1.0 / self.spread
            shift = (weight[0] * offset.mean(axis=0) + weight[1] * self.usual) / sum(weight)
        misfit = float(((offset - shift) ** 2).sum()) / self.within
        return misfit + float(((shift - self.usual) ** 2).sum()) / self.spread, sides


def divided(photos: Sequence[Descriptors]) -> Divider | None:
    """What tells groups of a kind apart, or None where it is one kind.

    Args:
        photos: the members found on each reference.
    """
    shown = [vectors(p) for p in photos if len(p) > 1]
    if len(shown) < max(2, len(photos)) or sum(map(len, shown)) < LEAST:
        return None
    means = np.stack([v.mean(axis=0) for v in shown])
    centred = np.concatenate([v - m for v, m in zip(shown, means, strict=True)])
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    basis = axes[:DIMENSIONS].T
    points = centred @ basis
    if float(np.ptp(points, axis=0).max()) < 1e-6:
        return None
    owner = np.repeat(np.arange(len(shown)), [len(v) for v in shown])
    if len(np.unique(points.round(9), axis=0)) <= GROUPS:
        return None
    found = KMeans(GROUPS, n_init=10, random_state=0).fit(points)
    middles = found.cluster_centers_
    alike = _alike(found.labels_, owner) and float(np.linalg.norm(middles[0] - middles[1])) >= DISTINCT
    if not alike or silhouette_score(centred, found.labels_) < SPLIT_APART:
        return None
    usual = (means @ basis).mean(axis=0)
    within = max(float(((points - middles[found.labels_]) ** 2).sum(axis=1).mean()), 1e-6)
    spread = float(((means @ basis - usual) ** 2).sum(axis=1).mean())
    return Divider(basis, middles, usual, max(spread, within), within)


def _alike(labels: NDArray[np.intp], owner: NDArray[np.intp]) -> bool:
    """Whether each group has one usual count, 1 or more, on all photos but a quarter at most."""
    photos = int(owner.max()) + 1
    counts = np.zeros((photos, int(labels.max()) + 1), np.intp)
    np.add.at(counts, (owner, labels), 1)
    for column in counts.T.tolist():
        usual = max(column, key=lambda n: (column.count(n), n))
        if usual == 0 or column.count(usual) < ALIKE * photos:
            return False
    return True


def vectors(members: Descriptors) -> Array:
    """(N, D): all that tells members of one kind apart, on one scale."""
    parts = [
        members.shape * np.array(SHAPE),
        members.contrast / LAB,
        members.colour / LAB,
        members.inside * FEATURES,
        members.edge * FEATURES,
    ]
    found: Array = np.concatenate(parts, axis=1)
    return found


MOST = 30
"""Counts above this are not tried."""
LOW, HIGH = -1.0, 6.0
"""Log-odds below and above which differences say nothing."""
OVER = 0.5
"""Of two segments of one kind that overlap by more than this share of the smaller, the likelier one counts."""
TWIN = 0.5
"""Kinds whose segments overlap more than this (IoU), for more than half of them, are one kind."""
FALL = 1.5
"""Least fall in log-odds from the last of a kind to the next segment for a kind to be believed."""
WHOLE = 1.05
"""A kind that explains as much as its halves is not divided."""
APART = 0.9
"""Segments that are less likely than 1 - APART of one kind are not joined."""
OUTLINE = 2.0
"""Log-odds that a segment of the strongest outline has above one of the weakest."""


@dataclass(frozen=True, eq=False)
class ReferenceSegments:
    """The segments of one reference."""

    described: Descriptors
    scores: Array
    """(N,) in [0, 1]: strength of the outline."""
    iou: Array
    """(N, N)."""
    nested: Array
    """(N, N): intersection over the smaller."""

    @property
    def prior(self) -> Array:
        """(N,): log-odds by the outline alone, 0 at an even one."""
        found: Array = OUTLINE * (self.scores - 0.5)
        return found


@dataclass(frozen=True, eq=False)
class Kind:
    """A kind of segment that recurs."""

    members: tuple[tuple[int, ...], ...]
    """Its examples on each reference."""
    count: int
    """How many a good product has."""
    fall: float
    """Log-odds between the last of them and the next segment, over the references."""
    threshold: float
    """Log-odds at which a segment is as likely of the kind as not."""
    found: tuple[tuple[int, ...], ...]
    """What is found on each reference by the others."""


def recurring(seen: Sequence[ReferenceSegments], comparer: Comparer) -> tuple[Kind, ...]:
    """Kinds that recur, surest first; of a single reference, what it shows twice or more."""
    tree = _Kinds(seen, comparer)
    found = sorted(tree.best(), key=lambda k: -k.fall * np.sqrt(k.count))
    kept: list[Kind] = []
    for kind in found:
        if not any(_one_kind(kind, other, seen) for other in kept):
            kept.append(kind)
    return tuple(kept)


def likeliest(scores: Array, nested: Array, least: float) -> list[int]:
    """Segments by falling score down to `least`, without those that overlap a likelier one."""
    kept: list[int] = []
    for n in np.argsort(-scores, kind="stable").tolist():
        if scores[n] < least:
            break
        if all(nested[n, k] <= OVER for k in kept):
            kept.append(n)
    return kept


class _Kinds:
    """The tree of kinds over all references' segments."""

    def __init__(self, seen: Sequence[ReferenceSegments], comparer: Comparer) -> None:
        self._seen = seen
        self._sizes = [len(s.scores) for s in seen]
        self._starts = np.cumsum([0, *self._sizes])
        self._owner = np.repeat(np.arange(len(seen)), self._sizes)
        described = joined([s.described for s in seen])
        self._odds = comparer.across(described, described)
        self._links = self._linked(comparer)

    def best(self) -> list[Kind]:
        """The kinds that explain most."""
        total = len(self._owner)
        members: dict[int, list[int]] = {n: [n] for n in range(total)}
        worth: dict[int, tuple[float, list[Kind]]] = {n: (0.0, []) for n in range(total)}
        node = total - 1
        for step, (a, b, distance, _) in enumerate(self._links.tolist()):
            node, one, other = total + step, int(a), int(b)
            members[node] = members.pop(one) + members.pop(other)
            (w, k), (v, m) = worth.pop(one), worth.pop(other)
            kind = self._kind(np.array(members[node])) if distance <= APART else None
            whole = kind.count * kind.fall * WHOLE if kind is not None else -1.0
            worth[node] = (whole / WHOLE, [kind]) if kind is not None and whole >= w + v else (w + v, k + m)
        return worth[node][1]

    def _linked(self, comparer: Comparer) -> Array:
        """Average linkage; segments that overlap on one photo are neither like nor unlike."""
        odds = (self._odds + self._odds.T) / 2
        for n, seen in enumerate(self._seen):
            start, end = self._starts[n], self._starts[n + 1]
            odds[start:end, start:end] = np.where(seen.nested > OVER, 0.0, comparer.within(seen.described))
        distance = scipy.special.expit(-odds)
        np.fill_diagonal(distance, 0.0)
        if len(distance) < 2:
            return np.zeros((0, 4))
        found: Array = scipy.cluster.hierarchy.linkage(
            scipy.spatial.distance.squareform(distance, checks=False), "average"
        )
        return found

    def _kind(self, members: NDArray[np.intp]) -> Kind | None:
        """What a node is worth as a kind; None where it does not recur."""
        owners = self._owner[members]
        if len(np.unique(owners)) < max(2 if len(self._seen) > 1 else 1, len(self._seen) / 2):
            return None
        central = self._odds[np.ix_(members, members)].mean(axis=1)
        examples: list[NDArray[np.intp]] = []
        for n, seen in enumerate(self._seen):
            mine = members[owners == n] - self._starts[n]
            score = central[owners == n] + seen.prior[mine]
            examples.append(mine[likeliest(score, seen.nested[np.ix_(mine, mine)], -np.inf)])
        scored = [self._scores(n, examples) for n in range(len(self._seen))]
        ranked = np.stack([self._ranked(s, v) for s, v in zip(scored, self._seen, strict=True)])
        count, fall, threshold = evident(ranked)
        if fall < FALL or (len(self._seen) == 1 and count < 2):
            return None
        found = [tuple(likeliest(s, v.nested, threshold)) for s, v in zip(scored, self._seen, strict=True)]
        return Kind(tuple(tuple(e.tolist()) for e in examples), count, fall, threshold, tuple(found))

    def _scores(self, n: int, examples: Sequence[NDArray[np.intp]]) -> Array:
        """(N,): log-odds of each segment of a reference by the examples on the others."""
        rows = slice(self._starts[n], self._starts[n + 1])
        others = [m for m in range(len(self._seen)) if (m != n or len(self._seen) == 1) and len(examples[m])]
        if not others:
            return np.full(self._sizes[n], LOW)
        likes = [self._odds[rows][:, self._starts[m] + examples[m]] for m in others]
        if len(self._seen) == 1:
            likes = [np.where(np.arange(self._sizes[n])[:, None] == examples[n][None], -np.inf, likes[0])]
        found: Array = np.mean([like.max(axis=1) for like in likes], axis=0) + self._seen[n].prior
        return found

    def _ranked(self, scores: Array, seen: ReferenceSegments) -> Array:
        """The best scores, each of a segment of its own, padded."""
        kept = scores[likeliest(scores, seen.nested, LOW)][: MOST + 1]
        return np.concatenate([kept, np.full(MOST + 1 - len(kept), LOW)])


def evident(ranked: Array) -> tuple[int, float, float]:
    """The count at which scores fall furthest, that fall, and the score half way.

    One reference of four or more may be off: the fall is the second least, and half the least where that is above 0.

    Args:
        ranked: (R, MOST + 1), falling along each row.
    """
    clipped = np.clip(ranked, LOW, HIGH)
    falls = np.sort(clipped[:, :-1] - clipped[:, 1:], axis=0)
    worth = falls[1 if len(ranked) > 3 else 0] + 0.5 * falls[0]
    best = int(worth.argmax())
    half = (clipped[:, best] + clipped[:, best + 1]) / 2
    return best + 1, float(worth[best]), float(np.median(half))


def _one_kind(kind: Kind, other: Kind, seen: Sequence[ReferenceSegments]) -> bool:
    """Whether most of a kind's segments are those of another."""
    pairs = [(s.iou, a, b) for s, a, b in zip(seen, kind.found, other.found, strict=True) if a]
    hits = [bool(b) and bool((iou[n, list(b)] > TWIN).any()) for iou, a, b in pairs for n in a]
    return not hits or float(np.mean(hits)) > 0.5
