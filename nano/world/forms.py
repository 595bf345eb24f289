"""Forms that parts of medleys have, and marks that are printed on them."""

from __future__ import annotations

from nano.world.chance import Chance
from nano.world.shapes import Shape, blob, block, disc, ellipse, gear, hexagon, joined, moved, polygon, ring

FASTENERS = ("nut", "washer", "bolt", "cap")
FORMS = (
    *FASTENERS, "disc", "oval", "bar", "hexagon", "ring", "gear", "triangle", "cross", "elbow", "capsule", "tee",
    "wedge", "lozenge", "star", "patch",
)  # fmt: skip
SIDED = ("bolt", "triangle", "elbow", "tee", "wedge")
"""Forms that look another way when they are turned by any angle."""
LONG = ("oval", "bar", "capsule", "lozenge", "patch")
"""Forms that look another way when they are turned by 90 degrees; a patch is as ragged whichever way it lies."""
MARKS = ("dot", "stripe", "half", "corner")
"""What is printed on a part off its middle, so that it shows which way round the part is."""


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
    """Of a part of a form other than a fastener; `number` of the product decides how its patches are ragged."""
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
