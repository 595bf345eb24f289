"""What good photos say of each other: which differences count, and how far good patches and photos usually lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tools.patches.metric import whitening
from tools.patches.nearest import elsewhere, nearest
from tools.patches.pixels import smoothed

if TYPE_CHECKING:
    from torch import Tensor

COMPARED = 24
"""Each reference is compared with at most so many others, so that learning takes time in proportion to their number."""
WORST = 0.01
"""Share of a photo's patches, the worst, whose mean is its score."""
LEVEL = 0.9
"""Quantile of a photo's own patches that counts as its level."""


class Among(NamedTuple):
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
    import torch

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
    import torch

    far, at = nearest(grid.flatten(0, 1), known, neighbours)
    own, _ = elsewhere(grid)
    return smoothed((torch.minimum(far.mean(dim=1), own) - usual[at].mean(dim=1)).reshape(grid.shape[:2]))


def learn_among(views: Tensor, inside: Tensor, *, mahalanobis: bool, neighbours: int) -> Among:
    """Compares the references with each other.

    Args:
        views: (R, T, h, w, C) of unit length: T views of each reference, the photo itself first. Of several, the others
            are turned by quarters; of a single one they are copies that are as good as another photo.
        inside: bool (R, T, h, w), where the product is.
        mahalanobis: whether the metric is learned; else it leaves all as it is.
        neighbours: as for `excess`.
    """
    import torch

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
        return Among(metric, own.reshape(1, -1), [worst])
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
    return Among(metric, usual[:, _places(views)], scores)


def _partners(number: int, count: int) -> list[int]:
    """The references that one is compared with: the others, or some of them, evenly spread.

    >>> _partners(1, 4)
    [2, 3, 0]
    """
    many = min(count - 1, COMPARED)
    return [(number + 1 + (n * (count - 1)) // many) % count for n in range(many)]


def _differences(views: Tensor, partners: list[list[int]]) -> list[Tensor]:
    """Differences of patches from the nearest one elsewhere on their photo, and on another reference."""
    import torch

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
    import torch

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
    import torch

    from tools.patches.augment import turned

    _, count, height, width, _ = views.shape
    numbers = torch.arange(height * width, device=views.device).reshape(height, width)
    return torch.cat([turned(numbers, view).flatten() for view in range(count)])


def _usual_without(number: int, own: Tensor, far: Tensor, partners: list[list[int]]) -> Tensor:
    """`usual` (R, P) as it would be without one reference."""
    import torch

    table = torch.tensor(partners, device=far.device)
    others = far.masked_fill((table == number)[:, :, None], torch.inf).amin(dim=1)
    return torch.minimum(own, others)
