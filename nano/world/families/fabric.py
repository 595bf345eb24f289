"""The woven cloth, with a seam across it."""

from __future__ import annotations

import numpy as np

from nano.world.canvas import Spot
from nano.world.families.sewn import seam
from nano.world.stage import Stage
from nano.world.texture import clouds, speckle, upsampled, waves

COLOURS = ("blue", "grey", "green", "red", "white", "purple", "black", "orange")


def put_up(stage: Stage) -> None:
    """Fills the photo with cloth."""
    c, canvas = stage.chance, stage.canvas
    stage.bench("brown", "black")
    side = canvas.side
    colour = c.choice(COLOURS)
    cloth = stage.part("cloth", colour)
    paint = stage.paint(colour, "rubber", "cloth", spread=0.2)
    folds = clouds(c, side, side, cells=2, octaves=2)
    canvas.fill(paint, folds * np.float32(0.1))
    whole = (slice(0, side), slice(0, side))
    u, v = canvas.local(whole, Spot(0, 0, c.uniform(-20, 20)))
    stray = upsampled(c.grid(14, 14), side, side) * np.float32(0.5)
    pitch = np.float32(1 / c.uniform(3.4, 5.2))
    warp, weft = waves(u * pitch + stray), waves(v * pitch + stray)
    over = waves((u + v) * pitch * np.float32(0.5)) > 0
    weave = np.where(over, warp, weft)
    uneven = upsampled(c.grid(side // 5, 3), side, side) + upsampled(c.grid(3, side // 5), side, side)
    shade = 1 + weave * np.float32(0.16) + uneven * np.float32(0.07) + speckle(c, side, side) * np.float32(0.06)
    for channel in range(3):
        canvas.albedo[channel] *= shade
    canvas.height += weave * np.float32(0.34) + folds * np.float32(5)
    canvas.owner[:] = cloth
    seam(stage, c.choice([name for name in ("white", "yellow", "black", "red") if name != colour]), on=colour)
