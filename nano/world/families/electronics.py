"""Boards, chips and capacitors as several families use them."""

from __future__ import annotations

from dataclasses import replace

from nano.world.canvas import Paint
from nano.world.shapes import block, disc, path
from nano.world.stage import At, Stage


def board(stage: Stage, wide: float, tall: float, colour: str) -> int:
    """A printed board with traces that run anywhere."""
    part = stage.part("board", colour, length=wide, width=tall)
    paint = stage.paint(colour, "plastic", "board")
    r, g, b = paint.colour
    stage.draw(block(wide, tall, 5), 0, 0, 0, paint, rise=3, bevel=1, part=part)
    trace = Paint((min(1, r * 1.5 + 0.02), min(1, g * 1.5 + 0.02), min(1, b * 1.5 + 0.02)), 0.4)
    c = stage.root.fork("traces")
    for _ in range(12):
        x, y = c.uniform(-wide / 2, wide / 2), c.uniform(-tall / 2, tall / 2)
        side = c.sign()
        line = [(0.0, 0.0), (c.uniform(14, 40) * side, 0.0)]
        corner = line[1][0] + 12 * side
        line += [(corner, c.sign() * 12), (corner + c.uniform(8, 26) * side, line[1][1] + 12)]
        stage.canvas.draw(path(line[:3], 1.6), stage.pose.at(x, y), trace, rise=None, within=part)
        stage.canvas.draw(disc(2.2), stage.pose.at(x, y), trace, rise=None, within=part)
    return part


def chip(stage: Stage, at: At, wide: float, tall: float, *, legs: int = 0) -> int:
    """A black chip; a pale dot in its upper left corner tells which way round it is."""
    part = stage.part("chip", "black", length=max(wide, tall), width=min(wide, tall))
    frame = stage.pose.at(*at)
    steel = stage.paint("grey", "metal", "leg")
    for step in range(legs):
        x = (step - (legs - 1) / 2) * wide / legs
        stage.canvas.draw(block(wide / legs * 0.5, tall + 10, 1), frame.at(x, 0), steel, level=3, rise=1, part=part)
    body = stage.paint("black", "plastic", ("chip", at.x, at.y))
    stage.canvas.draw(block(wide, tall, 1.5), frame, body, level=3, rise=5, bevel=1.5, part=part)
    pale = stage.paint("white", "paper", "print")
    stage.canvas.draw(disc(2.9), frame.at(-wide / 2 + 6, -tall / 2 + 6), pale, rise=None, part=part)
    for row in range(2):
        text = block(wide * (0.42 - 0.12 * row), 2.2)
        stage.canvas.draw(text, frame.at(3 - 2 * row, 1 + 5 * row), pale, rise=None, opacity=0.6, part=part)
    return part


def capacitor(stage: Stage, at: At, radius: float) -> int:
    """A round capacitor from above; its dark stripe is the negative side."""
    part = stage.part("capacitor", "grey", length=radius * 2, width=radius * 2)
    frame = stage.pose.at(*at)
    silver = replace(stage.paint("white", "metal", ("capacitor", at.x, at.y)), gloss=0.6)
    stage.canvas.draw(disc(radius), frame, silver, level=3, rise=9, bevel=3.5, part=part)
    dark = stage.paint("black", "paper", "stripe")
    stage.canvas.draw(block(radius * 0.62, radius * 1.5), frame.at(-radius * 0.62, 0), dark, rise=None, within=part)
    return part
