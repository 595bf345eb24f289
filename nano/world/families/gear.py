"""The gear: sixteen teeth, a hub with a keyed bore, five holes in the web."""

from __future__ import annotations

from nano.world.shapes import block, disc, gear, joined, moved, ring, turn, without
from nano.world.stage import Stage

TEETH = 16


def put_up(stage: Stage) -> None:
    """Draws one gear somewhere near the middle, turned by any angle."""
    c = stage.chance
    stage.bench("brown", "white", "green", "blue", "black")
    stage.settle(turn=180, shift=16, scale=0.1)
    colour = "grey"
    part = stage.part("gear", colour, length=176.0, width=176.0)
    paint = stage.paint(colour, c.choice(("metal", "cast")), "gear", spread=0.14)
    bore = joined(disc(13), moved(block(8, 10), 0, -13))
    spokes = []
    for step in range(5):
        cosine, sine = turn(72 * step + 18)
        spokes.append(moved(disc(9.5), 41 * cosine, 41 * sine))
    outline = without(gear(TEETH, 72, 88), bore, *spokes)
    stage.draw(outline, 0, 0, 0, paint, rise=8, bevel=2, part=part)
    groove = c.uniform(58, 61)
    stage.canvas.press(ring(groove, groove - 3), stage.pose, 1.6, 1.4, part)
    hub = without(disc(25), bore)
    stage.draw(hub, 0, 0, 0, paint, level=8, rise=2.5, bevel=2, part=part)
    hole = stage.part("bore", "black", length=26.0, width=26.0)
    stage.canvas.claim(disc(13), stage.pose, hole)
