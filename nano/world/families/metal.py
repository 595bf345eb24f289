"""The machined metal plate: milling marks as they vary, and two bores."""

from __future__ import annotations

import numpy as np

from nano.world.canvas import Spot
from nano.world.shapes import disc, turn
from nano.world.stage import Stage
from nano.world.texture import clouds, waves


def put_up(stage: Stage) -> None:
    """Fills the photo with milled metal."""
    c, canvas = stage.chance, stage.canvas
    stage.settle(turn=180, shift=14)
    plate = stage.part("plate", "grey")
    paint = stage.paint("grey", "metal", "plate", spread=0.16)
    side = canvas.side
    canvas.fill(paint, clouds(c, side, side, cells=4) * np.float32(0.14))
    _mill(stage)
    canvas.owner[:] = plate
    gap = c.uniform(70, 120)
    for end in (-1, 1):
        radius = c.uniform(8, 12)
        x, y = end * gap / 2 + c.uniform(-8, 8), c.uniform(-14, 14)
        bore = stage.part("bore", "black", length=radius * 2, width=radius * 2)
        canvas.press(disc(radius + 3), stage.pose.at(x, y), 2.2, 3.2)
        dark = stage.paint("black", "rubber", ("bore", end))
        stage.draw(disc(radius), x, y, 0, dark, level=-9, rise=-2, bevel=2, part=bore)


def _mill(stage: Stage) -> None:
    """Adds the arcs that a face mill leaves: rings about a far centre, ragged and uneven."""
    c, canvas = stage.chance, stage.canvas
    far = c.uniform(150, 560)
    cosine, sine = turn(c.uniform(0, 360))
    whole = (slice(0, canvas.side), slice(0, canvas.side))
    u, v = canvas.local(whole, Spot(128 + far * cosine, 128 + far * sine))
    pitch = np.float32(1 / c.uniform(3.2, 7.5))
    field = clouds(c, canvas.side, canvas.side, cells=5, octaves=2)
    rings = waves(np.sqrt(u * u + v * v) * pitch + field * np.float32(0.35))
    canvas.height += rings * np.float32(c.uniform(0.16, 0.34))
    shade = 1 + rings * np.float32(c.uniform(0.03, 0.1))
    for channel in range(3):
        canvas.albedo[channel] *= shade
