"""Grained leather, with a seam across it."""

from __future__ import annotations

import numpy as np

from nano.world.canvas import Spot
from nano.world.families.sewn import seam
from nano.world.stage import Stage
from nano.world.texture import clouds, sampled, upsampled

COLOURS = ("brown", "black", "red", "grey", "white", "blue")


def put_up(stage: Stage) -> None:
    """Fills the photo with leather."""
    c, canvas = stage.chance, stage.canvas
    stage.bench("white", "grey")
    side = canvas.side
    colour = c.choice(COLOURS)
    hide = stage.part("leather", colour)
    paint = stage.paint(colour, "gloss", "hide", spread=0.22)
    canvas.fill(type(paint)(paint.colour, 0.28), clouds(c, side, side, cells=3) * np.float32(0.16))
    whole = (slice(0, side), slice(0, side))
    u, v = canvas.local(whole, Spot(0, 0, c.uniform(20, 70)))
    cell = np.float32(1 / c.uniform(4.5, 7.5))
    bend = clouds(c, side, side, cells=6, octaves=1) * np.float32(0.8)
    pebbles = 1 - np.abs(sampled(c.grid(64, 64), u * cell + bend, v * cell - bend)) * np.float32(1.6)
    pores = 1 - np.abs(upsampled(c.grid(90, 90), side, side)) * np.float32(1.5)
    grain = np.minimum(pebbles, np.float32(0.55)) + pores * np.float32(0.25)
    wrinkles = np.minimum(np.abs(clouds(c, side, side, cells=5, octaves=2)) * 7, 1)
    shade = np.float32(0.86) + grain * np.float32(0.16) + (wrinkles - 1) * np.float32(0.07)
    for channel in range(3):
        canvas.albedo[channel] *= shade
    canvas.height += grain * np.float32(1.1) + wrinkles * np.float32(0.5)
    canvas.owner[:] = hide
    seam(stage, c.choice([name for name in ("white", "yellow", "black", "orange") if name != colour]), on=colour)
