"""Products whose parts are known by number alone, as discovery would see their photos."""

import numpy as np

from agent.calibration.maps import Calibration
from tools.parts.arrangement import Layout
from tools.parts.descriptors import Descriptors, Scale
from tools.parts.pose import ProductPose

SIDE = 100
SORTS = 3
SCALE = Scale(0.5, 0.5)
PARAMETERS = Calibration.of_profile("nano").part_parameters
COSTS, SIMILARITY = PARAMETERS.costs, PARAMETERS.similarity


def product(seed):
    """Places (N, 2) and sorts (N,) of the parts of a product: five at least, a place apart at least."""
    random = np.random.default_rng(seed)
    grid = np.array([(x, y) for x in (-0.4, 0.0, 0.4) for y in (-0.4, 0.0, 0.4)]) + 0.03
    chosen = random.permutation(9)[: random.integers(5, 9)]
    sorts = np.concatenate([np.arange(SORTS), random.integers(0, SORTS, len(chosen) - SORTS)])
    return grid[chosen], sorts


def layout(places, sorts, seed, *, colours=None, kinds=None, headings=None, turn=0.0, scores=None):
    """What a photo of those parts would be seen as; `turn` in radians turns the product, not its frame.

    `kinds` are what a tracer takes the parts for, by number, where there is one; `headings` are where each points, in
    radians.
    """
    random = np.random.default_rng(seed)
    sorts, n = np.asarray(sorts), len(sorts)
    cos, sin = np.cos(turn), np.sin(turn)
    seen = np.asarray(places) @ np.array([[cos, sin], [-sin, cos]]) + random.normal(0, 0.005, (n, 2))
    looks = np.eye(8)[sorts]
    shape = np.zeros((n, 5))
    shape[:, 0] = -4 + sorts + random.normal(0, 0.02, n)
    shape[:, 1] = 0.5 * sorts
    colour = np.zeros((n, 3))
    colour[:, 0] = 50 + random.normal(0, 1, n)
    colour[:, 1] = 20.0 * np.asarray(sorts if colours is None else colours)
    masks = []
    for x, y in seen:
        mask = np.zeros((SIDE, SIDE), np.bool_)
        column, row = int(SIDE / 2 + x * SIDE / 2), int(SIDE / 2 + y * SIDE / 2)
        mask[row - 4 : row + 4, column - 4 : column + 4] = True
        masks.append(mask)
    pose = ProductPose(np.ones((SIDE, SIDE), np.bool_), (SIDE / 2, SIDE / 2), 0.0, SIDE / 2, True)
    described = Descriptors(
        shape,
        colour,
        colour,
        seen,
        looks,
        looks,
        np.zeros((n, 0)) if kinds is None else np.eye(8)[kinds],
        np.zeros((n, 2, 2)) if headings is None else pointing(np.asarray(headings) + turn),
    )
    scores = np.full(n, 0.9) if scores is None else np.asarray(scores)
    return Layout(described, scores, np.eye(n), tuple(range(n)), tuple(masks), pose, f"photo {seed}")


def pointing(headings):
    """(N, 2, 2) of parts of which each is long, and lighter to one side."""
    axis, side = (np.stack([np.cos(k * headings), np.sin(k * headings)], axis=-1) for k in (2, 1))
    return np.stack([axis, side], axis=1)


def references(places, sorts, count=4, **more):
    return [layout(places, sorts, 1000 + n, turn=0.1 * n, **more) for n in range(count)]
