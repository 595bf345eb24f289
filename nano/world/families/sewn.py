"""A seam, as cloth and leather have it: a row of stitches in a shallow fold."""

from __future__ import annotations

from nano.world.canvas import Spot
from nano.world.shapes import block
from nano.world.stage import Stage

PITCH, STITCH = 13.0, 8.5


def seam(stage: Stage, colour: str, on: str) -> None:
    """Sews thread of a colour on cloth of another; "open seam" leaves stitches out and parts the fold."""
    c, t, canvas = stage.root.fork("seam"), stage.trouble, stage.canvas
    spot = Spot(128 + c.uniform(-50, 50), 128 + c.uniform(-50, 50), c.uniform(-25, 25) + 90 * c.integer(0, 1))
    part = stage.part("seam", colour, width=4.0)
    under = int(canvas.owner[0, 0])
    canvas.press(block(420, 9), spot, 1.8, 4)
    paint = stage.paint(colour, "rubber", "thread")
    open_from = t.integer(-5, 3) if stage.wants("open seam") else None
    open_to = open_from + t.integer(2, 4) if open_from is not None else 0
    for step in range(-14, 15):
        at = spot.at(step * PITCH, 0)
        if open_from is not None and open_from <= step < open_to:
            continue
        canvas.draw(block(STITCH, 3.6, 1.6), at, paint, level=0.2, rise=2.2, bevel=1.8, part=part)
    if open_from is not None:
        length = (open_to - open_from) * PITCH
        middle = spot.at((open_from + open_to - 1) / 2 * PITCH, 0)
        gap = block(length, 4.0, 2.0)
        lining = stage.paint("white" if "black" in (colour, on) else "black", "rubber", "gap")
        canvas.draw(gap, middle, lining, level=-3, rise=-2, bevel=1.5, within=under)
        canvas.mark(block(length, 6.5, 2), middle)
        stage.blame("open|seam", "seam", severity="moderate")
