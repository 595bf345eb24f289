"""Forms that parts of medleys have, and marks that are printed on them."""

from __future__ import annotations

from collections.abc import Callable

from nano.world.chance import Chance
from nano.world.shapes import (
    Shape,
    blob,
    block,
    disc,
    ellipse,
    gear,
    hexagon,
    joined,
    moved,
    polygon,
    ring,
    turn,
    without,
)  # fmt: skip

FASTENERS = ("nut", "washer", "bolt", "cap")
FORMS = (
    *FASTENERS, "disc", "oval", "bar", "hexagon", "ring", "gear", "triangle", "cross", "elbow", "capsule", "tee",
    "wedge", "lozenge", "star", "patch",
)  # fmt: skip
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
    "plate": _plate, "comb": _comb, "jag": _jag, "union": _union, "bite": _bite, "lump": _lump,
}  # fmt: skip
