"""One large hexagon nut with a threaded bore."""

from __future__ import annotations

import numpy as np

from nano.world.chance import Field
from nano.world.shapes import disc, hexagon, without
from nano.world.stage import Stage
from nano.world.texture import waves

RADIUS, BORE = 86.0, 44.0


def put_up(stage: Stage) -> None:
    """Draws the nut flat on the bench, turned by any angle."""
    c = stage.chance
    stage.bench("brown", "white", "green", "blue", "black", "grey")
    stage.settle(turn=180, shift=16, scale=0.1)
    colour = c.choice(("grey", "yellow"))
    part = stage.part("nut", colour, length=RADIUS * 2, width=RADIUS * 1.732)
    bore = stage.part("bore", "black", length=BORE * 2, width=BORE * 2)
    paint = stage.paint(colour, c.choice(("metal", "cast")), "nut", spread=0.14)

    def profile(u: Field, v: Field, d: Field) -> Field:
        r = np.sqrt(u * u + v * v)
        chamfer = np.clip((RADIUS * 0.9 - r) * np.float32(0.6), -6, 0)
        lip = np.clip((r - BORE) * np.float32(0.7), 0, 5)
        edge = np.clip(-d * np.float32(1.2), 0, 3)
        out: Field = np.float32(4) + chamfer + lip + edge
        return out

    def thread(u: Field, v: Field, d: Field) -> Field:
        r = np.sqrt(u * u + v * v)
        out: Field = waves(r * np.float32(0.28)) * np.float32(1.3) + (r - BORE) * np.float32(0.45) + 5
        return out

    stage.draw(without(hexagon(RADIUS), disc(BORE)), 0, 0, 0, paint, profile=profile, part=part)
    stage.draw(without(disc(BORE), disc(BORE - 9)), 0, 0, 0, paint, profile=thread, part=part)
    stage.canvas.claim(disc(BORE - 9), stage.pose, bore)
