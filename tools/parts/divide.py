"""Divides a kind of part where its members fall apart alike on every reference: nuts here, washers there.

Looks differ less between two kinds of part than between two photos, so members are compared with the mean of their
own photo. Groups are believed where they stand well apart (silhouette, Rousseeuw 1987) and every reference has as
many of either as the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.parts.describe import Array, Descriptors

APART = 0.5
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
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

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
    if not alike or silhouette_score(centred, found.labels_) < APART:
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
