"""Distances between patches: nearest neighbours in a memory bank, whitening, and statistics among the references."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from tools.anomaly.features import smoothed
from tools.anomaly.memory_bank import turned
from tools.models.onednn import linear
from tools.timing import marked

CHUNK = 16384
"""Known patches that are compared at once."""
ROWS = 2048
"""Patches that are compared with them at once; memory is bounded by this times `CHUNK` floats."""
APART = 5 / 32
"""Share of the grid's side within which patches of one photo are neighbours and do not vouch for each other."""


@marked("search")
def nearest(patches: Tensor, known: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The nearest known patches of each patch.

    Args:
        patches: (P, C).
        known: (M, C), M >= 1.
        count: how many of them; all of them where there are fewer.

    Returns:
        Euclidean distances (P, count), nearest first, and which patches they are (P, count).

    >>> import torch
    >>> far, which = nearest(torch.tensor([[0.0, 1.0]]), torch.tensor([[0.0, 4.0], [0.0, 3.0]]), 1)
    >>> far.tolist(), which.tolist()
    ([[2.0]], [[1]])
    """
    pairs = [_nearest(rows, known, count) for rows in torch.split(patches, ROWS)]
    return torch.cat([far for far, _ in pairs]), torch.cat([at for _, at in pairs])


@marked("search")
def elsewhere(grid: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest patch on the same photo that is no neighbour: a plain ground has many, a flaw has none.

    Args:
        grid: (h, w, C), more than a neighbourhood wide.

    Returns:
        Euclidean distances (h * w,), infinite where every patch is a neighbour, and which patches they are (h * w,).
    """
    height, width, _ = grid.shape
    patches = grid.flatten(0, 1)
    squared = patches.square().sum(dim=1)
    row, column = (numbers.to(grid.device) for numbers in _coordinates(height, width))
    values, at = [], []
    for some in torch.split(torch.arange(height * width, device=grid.device), ROWS):
        close = (row[some, None] - row[None]).abs() <= APART * height
        close &= (column[some, None] - column[None]).abs() <= APART * width
        halved = linear(patches[some], patches, squared / -2).masked_fill_(close, -torch.inf)
        most = halved.max(dim=1)
        values.append(squared[some] - 2 * most.values)
        at.append(most.indices)
    return torch.cat(values).clamp(min=0).sqrt(), torch.cat(at)


def _nearest(patches: Tensor, known: Tensor, count: int) -> tuple[Tensor, Tensor]:
    found: list[Tensor] = []
    which: list[Tensor] = []
    for start in range(0, len(known), CHUNK):
        chunk = known[start : start + CHUNK]
        # The patch's own length is the same for all known ones and is added after choosing; the known one's goes
        # through the product as its bias, so that nothing else has to pass over all pairs.
        halved = linear(patches, chunk, chunk.square().sum(dim=1) / -2)
        values, at = halved.topk(min(count, len(chunk)), dim=1)
        found.append(-2 * values)
        which.append(at + start)
    values, at = torch.cat(found, dim=1), torch.cat(which, dim=1)
    if len(found) > 1:
        values, order = values.topk(min(count, values.shape[1]), dim=1, largest=False)
        at = at.gather(1, order)
    return (values + patches.square().sum(dim=1, keepdim=True)).clamp(min=0).sqrt(), at


def _coordinates(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Row and column of each patch, in rows."""
    return (
        torch.arange(height).repeat_interleave(width),
        torch.arange(width).repeat(height),
    )


SHRINK = 1.0
"""How much of the mean variance is added to each direction, so that few references do not make a metric of noise."""


def whitening(differences: Sequence[Tensor]) -> Tensor:
    """The matrix after which Euclidean distance is Mahalanobis distance under the differences of good patches.

    Light, bench and grain move good patches in a few directions; along these a difference says little. The
    covariance is that of a patch's difference from its nearest good one, not of the patches themselves (as within-
    class covariance in relevant component analysis, Bar-Hillel et al. 2003), shrunk towards a sphere.

    Args:
        differences: sets of differences (N, C) that weigh the same each, whatever their sizes.

    Returns:
        float32 (C, C), symmetric; patches are multiplied by it from the right. Mean lengths stay of the same order.
    """
    covariance = torch.stack([d.T @ d / max(1, len(d)) for d in differences]).mean(dim=0).double()
    size = len(covariance)
    middle = covariance.diagonal().mean().clamp(min=1e-12)
    # In units of the mean variance: differences of the usual size in a usual direction keep theirs.
    covariance = covariance / middle + SHRINK * torch.eye(size, dtype=torch.float64, device=covariance.device)
    values, vectors = torch.linalg.eigh(covariance)
    white: Tensor = ((vectors * values.rsqrt()) @ vectors.T).float()
    return white


COMPARED = 24
"""Each reference is compared with at most so many others, so that learning takes time in proportion to their number."""
WORST = 0.01
"""Share of a photo's patches, the worst, whose mean is its score."""
LEVEL = 0.9
"""Quantile of a photo's own patches that counts as its level."""


class ReferenceStatistics(NamedTuple):
    """What the references of a product know of each other."""

    metric: Tensor
    """(C, C), by which patches are multiplied before they are compared."""
    usual: Tensor
    """(R, T * h * w): how far each view's patch lies from the nearest good one, elsewhere or on another reference."""
    left_out: list[float]
    """Score of each reference against the others; of a single one the worst of its copies against it."""


def stands_out(grid: Tensor) -> tuple[float, float]:
    """(mean of the worst patches less the level, level) of one photo's grid (h, w).

    A photo in another light, or on another bench, is a little further from good ones everywhere; its level says so.

    >>> import torch
    >>> stands_out(torch.tensor([[0.0, 0.0], [0.0, 5.0]]))[0] > 0
    True
    """
    values = grid.float().flatten()
    level = float(values.quantile(LEVEL))
    count = max(1, round(WORST * len(values)))
    return float(values.topk(count).values.mean()) - level, level


def within(grid: Tensor, inside: Tensor) -> Tensor:
    """A photo's grid with what lies outside of the product at no more than its median: a bench may look like anything.

    Args:
        grid: (h, w).
        inside: bool (h, w).

    >>> import torch
    >>> within(torch.tensor([[1.0, 2.0, 9.0]]), torch.tensor([[True, True, False]])).tolist()
    [[1.0, 2.0, 2.0]]
    """
    return torch.where(inside, grid, grid.clamp(max=float(grid.median())))


def excess(grid: Tensor, known: Tensor, usual: Tensor, neighbours: int) -> Tensor:
    """How much further each patch of a photo lies from good patches than good patches like it do.

    A patch is explained by the nearest known ones, or by one elsewhere on its own photo: a bench that no reference was
    lying on looks the same all over.

    Args:
        grid: (h, w, C), multiplied by the metric.
        known: (M, C), the same.
        usual: (M,).
        neighbours: so many known patches, the nearest, are averaged.

    Returns:
        float32 (h, w), lightly smoothed, on the CPU; below 0 where a patch is more usual than most.
    """
    far, at = nearest(grid.flatten(0, 1), known, neighbours)
    own, _ = elsewhere(grid)
    return smoothed((torch.minimum(far.mean(dim=1), own) - usual[at].mean(dim=1)).reshape(grid.shape[:2]))


def learn_among(views: Tensor, inside: Tensor, *, mahalanobis: bool, neighbours: int) -> ReferenceStatistics:
    """Compares the references with each other.

    Args:
        views: (R, T, h, w, C) of unit length: T views of each reference, the photo itself first. Of several, the others
            are turned by quarters; of a single one they are copies that are as good as another photo.
        inside: bool (R, T, h, w), where the product is.
        mahalanobis: whether the metric is learned; else it leaves all as it is.
        neighbours: as for `excess`.
    """
    count, _, _, _, width = views.shape
    partners = [_partners(n, count) for n in range(count)]
    metric = torch.eye(width, device=views.device)
    if mahalanobis:
        metric = whitening(_differences(views, partners))
        views = views @ metric
    photos = views[:, 0]
    if count == 1:
        own = torch.stack([elsewhere(view)[0] for view in views[0]])
        known = photos.flatten(0, 2)
        copies = [excess(copy, known, own[0], neighbours) for copy in views[0, 1:]]
        worst = max(stands_out(within(copy, mask))[0] for copy, mask in zip(copies, inside[0, 1:], strict=True))
        return ReferenceStatistics(metric, own.reshape(1, -1), [worst])
    own = torch.stack([elsewhere(photo)[0] for photo in photos])
    far, at = _pairs(views, partners, neighbours)
    usual = torch.minimum(own, far[..., 0].amin(dim=1))
    scores = []
    for number in range(count):
        without = _usual_without(number, own, far[..., 0], partners)
        patches = photos.shape[1] * photos.shape[2]
        values = far[number].transpose(0, 1).flatten(1)
        owners = torch.tensor(partners[number], device=views.device).view(1, -1, 1).expand(patches, -1, far.shape[-1])
        nearest_ones, order = values.topk(min(neighbours, values.shape[1]), dim=1, largest=False)
        rows = owners.flatten(1).gather(1, order)
        columns = at[number].transpose(0, 1).flatten(1).gather(1, order)
        raw = torch.minimum(nearest_ones.mean(dim=1), own[number]) - without[rows, columns].mean(dim=1)
        scores.append(stands_out(within(smoothed(raw.reshape(photos.shape[1:3])), inside[number, 0]))[0])
    return ReferenceStatistics(metric, usual[:, _places(views)], scores)


def _partners(number: int, count: int) -> list[int]:
    """The references that one is compared with: the others, or some of them, evenly spread.

    >>> _partners(1, 4)
    [2, 3, 0]
    """
    many = min(count - 1, COMPARED)
    return [(number + 1 + (n * (count - 1)) // many) % count for n in range(many)]


def _differences(views: Tensor, partners: list[list[int]]) -> list[Tensor]:
    """Differences of patches from the nearest one elsewhere on their photo, and on another reference."""
    photos = views[:, 0].flatten(1, 2)
    inside = [patches - patches[elsewhere(grid)[1]] for grid, patches in zip(views[:, 0], photos, strict=True)]
    found = [torch.cat(inside)]
    if len(photos) > 1:
        across = []
        for patches, others in zip(photos, partners, strict=True):
            known = photos[others].flatten(0, 1)
            across.append(patches - known[nearest(patches, known, 1)[1][:, 0]])
        found.append(torch.cat(across))
    return found


def _pairs(views: Tensor, partners: list[list[int]], neighbours: int) -> tuple[Tensor, Tensor]:
    """Distances (R, J, P, k) of each reference's patches to those of its J partners, and their places (h * w).

    A turned view's patch is given as the place of the patch that it is a view of.
    """
    places = _places(views)
    far, at = [], []
    for number, others in enumerate(partners):
        patches = views[number, 0].flatten(0, 1)
        found = [nearest(patches, views[other].flatten(0, 2), neighbours) for other in others]
        far.append(torch.stack([distances for distances, _ in found]))
        at.append(torch.stack([places[which] for _, which in found]))
    return torch.stack(far), torch.stack(at)


def _places(views: Tensor) -> Tensor:
    """For each patch of T views the place (h * w) of the patch on the photo itself, (T * h * w,)."""
    _, count, height, width, _ = views.shape
    numbers = torch.arange(height * width, device=views.device).reshape(height, width)
    return torch.cat([turned(numbers, view).flatten() for view in range(count)])


def _usual_without(number: int, own: Tensor, far: Tensor, partners: list[list[int]]) -> Tensor:
    """`usual` (R, P) as it would be without one reference."""
    table = torch.tensor(partners, device=far.device)
    others = far.masked_fill((table == number)[:, :, None], torch.inf).amin(dim=1)
    return torch.minimum(own, others)
