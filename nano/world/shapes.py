"""Outlines as signed distances (negative inside, in units of a 256-unit photo), and the forms of medley parts."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise

import numpy as np

from nano.world.chance import Chance, Field
from nano.world.texture import upsampled


@dataclass(frozen=True)
class Shape:
    """An outline about its own origin."""

    reach: tuple[float, float]
    """Half extents (x, y) of a box that holds it."""
    distance: Callable[[Field, Field], Field]
    """Signed distance at local (u, v)."""


def turn(degrees: float) -> tuple[float, float]:
    """(cosine, sine), rounded so that every libm gives the same numbers."""
    angle = math.radians(degrees)
    return round(math.cos(angle), 9), round(math.sin(angle), 9)


def disc(radius: float) -> Shape:
    """A filled circle."""
    return Shape((radius, radius), lambda u, v: np.sqrt(u * u + v * v) - radius)


def ellipse(a: float, b: float) -> Shape:
    """A filled ellipse with half axes a and b; distances are approximate away from its edge."""
    small = min(a, b)
    return Shape((a, b), lambda u, v: (np.sqrt((u / a) * (u / a) + (v / b) * (v / b)) - 1) * small)


def block(width: float, height: float, corner: float = 0.0) -> Shape:
    """A rectangle with rounded corners."""

    def distance(u: Field, v: Field) -> Field:
        x = np.abs(u) - (width / 2 - corner)
        y = np.abs(v) - (height / 2 - corner)
        ox, oy = np.maximum(x, 0), np.maximum(y, 0)
        out: Field = np.sqrt(ox * ox + oy * oy) + np.minimum(np.maximum(x, y), 0) - corner
        return out

    return Shape((width / 2, height / 2), distance)


def hexagon(radius: float) -> Shape:
    """A regular hexagon whose corners lie at `radius`, flat sides up and down."""
    inner = radius * 0.866025404

    def distance(u: Field, v: Field) -> Field:
        x, y = np.abs(u), np.abs(v)
        return np.maximum(x * np.float32(0.866025404) + y * np.float32(0.5), y) - inner

    return Shape((radius, radius), distance)


def polygon(points: Sequence[tuple[float, float]]) -> Shape:
    """A convex polygon, corners in order (either way round)."""
    area = sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(points, [*points[1:], points[0]], strict=True))
    side = 1.0 if area > 0 else -1.0

    def distance(u: Field, v: Field) -> Field:
        planes = []
        for (x0, y0), (x1, y1) in zip(points, [*points[1:], points[0]], strict=True):
            length = math.sqrt((x1 - x0) * (x1 - x0) + (y1 - y0) * (y1 - y0))
            nx, ny = side * (y1 - y0) / length, -side * (x1 - x0) / length
            planes.append(u * nx + v * ny - (x0 * nx + y0 * ny))
        return reduce(np.maximum, planes)

    reach = max(abs(x) for x, _ in points), max(abs(y) for _, y in points)
    return Shape(reach, distance)


def path(points: Sequence[tuple[float, float]], width: float) -> Shape:
    """A line of round pen strokes through the points."""

    def distance(u: Field, v: Field) -> Field:
        nearest: Field | None = None
        for (x0, y0), (x1, y1) in pairwise(points):
            dx, dy = x1 - x0, y1 - y0
            square = max(dx * dx + dy * dy, 1e-6)
            t = np.clip(((u - x0) * dx + (v - y0) * dy) / square, 0, 1)
            a, b = u - x0 - t * dx, v - y0 - t * dy
            here: Field = a * a + b * b
            nearest = here if nearest is None else np.minimum(nearest, here)
        assert nearest is not None
        out: Field = np.sqrt(nearest) - width / 2
        return out

    reach = max(abs(x) for x, _ in points) + width, max(abs(y) for _, y in points) + width
    return Shape(reach, distance)


def blob(chance: Chance, radius: float, rough: float = 0.35, stretch: float = 1.0, knots: int = 6) -> Shape:
    """A round patch with a ragged edge; `rough` is how far it strays, as a fraction of the radius."""
    grid = chance.grid(knots, knots)

    def distance(u: Field, v: Field) -> Field:
        x = u / stretch
        stray = upsampled(grid, *u.shape) * np.float32(radius * rough)
        return np.sqrt(x * x + v * v) - radius + stray

    return Shape((radius * stretch * (1 + rough), radius * (1 + rough)), distance)


def gear(teeth: int, root: float, tip: float, fill: float = 0.5) -> Shape:
    """A spur gear; the plane is folded by reflections until one half tooth is left."""
    folds, span = [0.0], teeth
    while span > 1:
        half = (span + 1) // 2
        folds.append(180.0 * half / teeth)
        span = half
    base = 3.14159265 * root / teeth * fill * 1.25
    end = 3.14159265 * tip / teeth * fill * 0.75
    slope = (base - end) / (tip - root)
    norm = math.sqrt(1 + slope * slope)

    def distance(u: Field, v: Field) -> Field:
        x, y = u, np.abs(v)
        for degrees in folds[1:]:
            c, s = turn(degrees)
            over = np.maximum(y * c - x * s, 0) * 2
            x, y = x + over * s, y - over * c
        flank = (np.abs(y) - base + (x - root) * slope) / norm
        tooth = np.maximum(np.maximum(flank, x - tip), root * 0.8 - x)
        out: Field = np.minimum(np.sqrt(u * u + v * v) - root, tooth)
        return out

    return Shape((tip, tip), distance)


def moved(shape: Shape, x: float, y: float, degrees: float = 0.0) -> Shape:
    """The same outline elsewhere in the local frame."""
    c, s = turn(degrees)
    rx, ry = shape.reach
    reach = abs(x) + abs(rx * c) + abs(ry * s), abs(y) + abs(rx * s) + abs(ry * c)

    def distance(u: Field, v: Field) -> Field:
        p, q = u - x, v - y
        return shape.distance(p * c + q * s, q * c - p * s)

    return Shape(reach, distance)


def joined(*shapes: Shape) -> Shape:
    """Whatever any of the shapes covers."""
    reach = max(s.reach[0] for s in shapes), max(s.reach[1] for s in shapes)
    return Shape(reach, lambda u, v: reduce(np.minimum, [s.distance(u, v) for s in shapes]))


def without(shape: Shape, *cuts: Shape) -> Shape:
    """The shape less the cuts."""
    return Shape(
        shape.reach,
        lambda u, v: reduce(np.maximum, [shape.distance(u, v), *(-c.distance(u, v) for c in cuts)]),
    )


def ring(outer: float, inner: float) -> Shape:
    """A flat ring."""
    return without(disc(outer), disc(inner))


FASTENERS = ("nut", "washer", "bolt", "cap")
FORMS = (
    *FASTENERS,
    "disc",
    "oval",
    "bar",
    "hexagon",
    "ring",
    "gear",
    "triangle",
    "cross",
    "elbow",
    "capsule",
    "tee",
    "wedge",
    "lozenge",
    "star",
    "patch",
)
MADE = ("plate", "comb", "jag", "union", "bite", "lump")
"""Forms of which every product has its own: a plate with other holes, a comb with other teeth."""
SIDED = ("bolt", "triangle", "elbow", "tee", "wedge")
"""Forms that look another way when they are turned by any angle."""
LONG = ("oval", "bar", "capsule", "lozenge", "patch")
"""Forms that look another way when they are turned by 90 degrees; a patch is as ragged whichever way it lies."""
MARKS = ("dot", "stripe", "half", "corner")
"""What is printed on a part off its middle, so that it shows which way round the part is."""


def reach(form: str, size: float) -> tuple[float, float]:
    """About how far a part of that size reaches from its middle, along its angle and across."""
    if form == "bolt":
        return size, 7.5
    along, across = {"oval": (1.25, 0.75), "bar": (1.2, 0.45), "capsule": (1.2, 0.5), "lozenge": (1.3, 0.7)}.get(
        form, (1.0, 1.0)
    )
    return size * along, size * across


def marking(mark: str, size: float) -> Shape:
    """What is printed on a part of that reach."""
    marks = {
        "dot": moved(disc(size * 0.24), -size * 0.4, -size * 0.1),
        "stripe": moved(block(size * 0.3, size * 3), size * 0.4, 0),
        "half": moved(block(size * 2, size * 4), size, 0),
        "corner": moved(polygon([(0.0, 0.0), (size * 1.2, 0.0), (0.0, size * 1.2)]), -size, -size),
    }
    return marks[mark]


def outline(form: str, size: float, number: int) -> Shape:
    """Of a part of a form other than a fastener; `number` of the product decides about patches and `MADE` forms."""
    if form in MADE:
        return _MAKERS[form](Chance("medley", number, form), size)
    shapes = {
        "disc": disc(size),
        "oval": ellipse(size * 1.25, size * 0.75),
        "bar": block(size * 2.4, size * 0.9, 2),
        "hexagon": hexagon(size),
        "ring": ring(size, size * 0.6),
        "gear": gear(9, size * 0.75, size * 1.05),
        "triangle": polygon([(-size, -size * 0.8), (size, -size * 0.8), (0.0, size)]),
        "cross": joined(block(size * 2, size * 0.7), block(size * 0.7, size * 2)),
        "elbow": joined(block(size * 2, size * 0.7), moved(block(size * 0.7, size * 1.4), -size * 0.65, size * 0.6)),
        "capsule": block(size * 2.4, size, size * 0.5),
        "tee": joined(block(size * 2, size * 0.6), moved(block(size * 0.6, size * 1.5), 0, size * 0.7)),
        "wedge": polygon([(-size, -size * 0.5), (size, -size), (size, size), (-size, size * 0.5)]),
        "lozenge": polygon([(-size * 1.3, 0.0), (0.0, -size * 0.7), (size * 1.3, 0.0), (0.0, size * 0.7)]),
        "star": joined(*(moved(block(size * 2, size * 0.4, size * 0.1), 0, 0, 60.0 * k) for k in range(3))),
        "patch": blob(Chance("medley", number, "patch"), size * 0.9, rough=0.5, stretch=1.2, knots=4),
    }
    return shapes[form]


def _plate(c: Chance, size: float) -> Shape:
    """A plate with none to four holes."""
    wide, tall = size * c.uniform(1.2, 2.4), size * c.uniform(0.7, 2.0)
    holes = [
        moved(disc(min(wide, tall) * c.uniform(0.1, 0.2)), c.uniform(-0.32, 0.32) * wide, c.uniform(-0.32, 0.32) * tall)
        for _ in range(c.integer(0, 4))
    ]
    return without(block(wide, tall, min(wide, tall) * c.choice((0.0, 0.1, 0.3))), *holes)


def _comb(c: Chance, size: float) -> Shape:
    """A body with legs on one side or both."""
    wide, tall, legs = size * c.uniform(1.2, 2.3), size * c.uniform(0.5, 1.2), c.integer(2, 7)
    leg = block(wide / legs * c.uniform(0.3, 0.6), size * c.uniform(0.3, 0.6))
    sides = c.choice(((1.0,), (1.0, -1.0), (1.0, -1.0)))
    places = [(((k + 0.5) / legs - 0.5) * wide, side * tall / 2) for k in range(legs) for side in sides]
    return joined(block(wide, tall, size * c.choice((0.0, 0.15))), *(moved(leg, x, y) for x, y in places))


def _jag(c: Chance, size: float) -> Shape:
    """A convex outline of three to seven corners."""
    count = c.integer(3, 7)
    start, stretch = c.uniform(0, 360), c.uniform(0.55, 1.0)
    turns = [turn(start + 360 * (k + c.uniform(-0.28, 0.28)) / count) for k in range(count)]
    return polygon([(1.15 * size * x, 1.15 * size * stretch * y) for x, y in turns])


def _union(c: Chance, size: float) -> Shape:
    """Two to four bars and discs in one piece."""
    pieces = []
    for _ in range(c.integer(2, 4)):
        bar = block(size * c.uniform(0.9, 2.0), size * c.uniform(0.35, 0.8), size * c.choice((0.0, 0.15)))
        piece = bar if c.happens(0.7) else disc(size * c.uniform(0.35, 0.65))
        pieces.append(moved(piece, c.uniform(-0.4, 0.4) * size, c.uniform(-0.4, 0.4) * size, c.uniform(0, 180)))
    return joined(*pieces)


def _bite(c: Chance, size: float) -> Shape:
    """A disc, an oval or a block out of which pieces are cut at the edge."""
    whole = c.choice((disc(size), ellipse(size * 1.2, size * 0.8), block(size * 1.9, size * 1.6, size * 0.2)))
    cuts = []
    for _ in range(c.integer(1, 3)):
        x, y = turn(c.uniform(0, 360))
        cut = c.choice((disc(size * c.uniform(0.3, 0.5)), block(size * 0.7, size * 0.5)))
        cuts.append(moved(cut, size * x, size * y, c.uniform(0, 180)))
    return without(whole, *cuts)


def _lump(c: Chance, size: float) -> Shape:
    """A ragged patch."""
    return blob(c, size * 0.9, rough=c.uniform(0.25, 0.6), stretch=c.uniform(1.0, 1.7), knots=c.integer(3, 6))


_MAKERS: dict[str, Callable[[Chance, float], Shape]] = {
    "plate": _plate,
    "comb": _comb,
    "jag": _jag,
    "union": _union,
    "bite": _bite,
    "lump": _lump,
}
