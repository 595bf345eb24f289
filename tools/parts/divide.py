"""Divides a kind of part where its members fall apart alike on every reference: nuts here, washers there.

Looks differ less between two kinds of part than between two photos, so members are compared with the mean of their
own photo. Groups are believed where they stand well apart (silhouette, Rousseeuw 1987), every reference has as many of
either as the others, and the other references alone would divide each reference in the same way: of a few members that
are all alike, noise makes groups too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.parts.describe import Array, Descriptors

APART = 0.34
"""Least mean silhouette of groups."""
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
STABLE = 0.9
"""Share of the members that the other references put into the same group as all references do."""
LEAVES_OUT = 3
"""Photos from which on one can be left out."""
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
        return self.sides_of(vectors(members))

    def sides_of(self, members: Array) -> NDArray[np.intp]:
        """The same of members as `vectors` gives them (N, D)."""
        points = members @ self.basis
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
    from sklearn.metrics import silhouette_score

    shown = [vectors(p) for p in photos if len(p) > 1]
    if len(shown) < max(2, len(photos)) or sum(map(len, shown)) < LEAST:
        return None
    found = _grouped(shown)
    if found is None:
        return None
    divider, labels = found
    owner = np.repeat(np.arange(len(shown)), [len(v) for v in shown])
    apart = float(np.linalg.norm(divider.middles[0] - divider.middles[1])) >= DISTINCT
    if not apart or not _alike(labels, owner) or not _stable(shown, labels, owner):
        return None
    centred = np.concatenate([v - v.mean(axis=0) for v in shown])
    return divider if silhouette_score(centred, labels) >= APART else None


def _grouped(shown: Sequence[Array]) -> tuple[Divider, NDArray[np.intp]] | None:
    """Two groups of the members (N, D) of each photo, and the group of each; None where all of them are one."""
    from sklearn.cluster import KMeans

    means = np.stack([v.mean(axis=0) for v in shown])
    centred = np.concatenate([v - m for v, m in zip(shown, means, strict=True)])
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    basis = axes[:DIMENSIONS].T
    points = centred @ basis
    if float(np.ptp(points, axis=0).max()) < 1e-6 or len(np.unique(points.round(9), axis=0)) <= GROUPS:
        return None
    found = KMeans(GROUPS, n_init=10, random_state=0).fit(points)
    middles, labels = found.cluster_centers_, found.labels_.astype(np.intp)
    usual = (means @ basis).mean(axis=0)
    within = max(float(((points - middles[labels]) ** 2).sum(axis=1).mean()), 1e-6)
    spread = float(((means @ basis - usual) ** 2).sum(axis=1).mean())
    return Divider(basis, middles, usual, max(spread, within), within), labels


def _stable(shown: Sequence[Array], labels: NDArray[np.intp], owner: NDArray[np.intp]) -> bool:
    """Whether the other photos divide the members of each as all photos do, but for a few."""
    if len(shown) < LEAVES_OUT:
        return True
    same = 0
    for n, members in enumerate(shown):
        found = _grouped([v for m, v in enumerate(shown) if m != n])
        if found is None:
            return False
        agreed = found[0].sides_of(members) == labels[owner == n]
        others = found[1] == labels[owner != n]
        same += int(agreed.sum() if others.mean() >= 0.5 else (~agreed).sum())
    return same >= STABLE * len(labels)


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
