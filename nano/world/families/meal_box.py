"""The meal box: two tomatoes and an egg on the left, rice above salad on the right."""

from __future__ import annotations

import numpy as np

from nano.world.canvas import Paint, Spot
from nano.world.shapes import blob, block, disc, ellipse
from nano.world.stage import At, Stage
from nano.world.words import plural

TOP, BOTTOM = -70.0, 70.0
SHARE = 0.6
"""Of the right side that is rice."""


def put_up(stage: Stage) -> None:
    """Draws the box and what is in it."""
    c, t = stage.chance, stage.trouble
    stage.bench("brown", "grey", "white", "blue")
    stage.settle(turn=6, shift=9)
    colour = c.choice(("black", "white", "grey"))
    box = stage.part("box", colour, length=212.0, width=164.0)
    paint = stage.paint(colour, "plastic", "box")
    stage.draw(block(212, 164, 16), 0, 0, 0, paint, rise=9, bevel=3, part=box)
    side = -1.0 if stage.wants("swapped parts") else 1.0
    for x in (-51, 51):
        stage.canvas.press(block(94, 144, 12), stage.pose.at(x, 0), 7.5, 3)
    share = SHARE + c.uniform(-0.035, 0.035)
    if stage.wants("wrong fill"):
        share += t.choice((-0.26, -0.2, 0.18, 0.24))
        line, good = (TOP + (BOTTOM - TOP) * part for part in (share, SHARE))
        stage.mark(block(90, abs(line - good)), 51, (line + good) / 2)
        words = "too little rice and too much salad" if share < SHARE else "too much rice and too little salad"
        stage.blame(words, "rice", saturation=0.8)
    _right(stage, 51 * side, TOP + (BOTTOM - TOP) * share)
    _left(stage, -51 * side)
    if side < 0:
        stage.blame("both sides of the box exchanged", "rice", *range(2, len(stage.actors) + 1))


def _right(stage: Stage, x: float, line: float) -> None:
    rice = stage.part("rice", "white", width=90.0, length=line - TOP)
    salad = stage.part("salad", "green", width=90.0, length=BOTTOM - line)
    _heap(stage, x, TOP, line, rice, stage.paint("white", "food", "rice"), bits=(1.5, 4.2))
    _heap(stage, x, line, BOTTOM, salad, stage.paint("green", "food", "salad", spread=0.2), bits=(5.0, 8.0))


def _heap(
    stage: Stage, x: float, top: float, bottom: float, part: int, paint: Paint, *, bits: tuple[float, float]
) -> None:
    """Food that fills the side from top to bottom: a bed and loose bits upon it."""
    c = stage.root.fork("heap", part)
    tall = bottom - top
    stage.draw(block(90, tall, 6), x, (top + bottom) / 2, 0, paint, level=2, rise=4, bevel=6, part=part)
    long, wide = bits[1], bits[0]
    for step in range(46):
        at = (x + c.uniform(-42, 42), top + 4 + (tall - 8) * c.uniform(0, 1), c.uniform(0, 180))
        light = np.float32(c.uniform(0.75, 1.2))
        r, g, b = (float(value * light) for value in paint.colour)
        bit = Paint((min(r, 1), min(g, 1), min(b, 1)), paint.gloss)
        shape = ellipse(long, wide) if step % 2 else blob(c, wide * 1.4, 0.3, long / wide / 1.6, 4)
        stage.draw(shape, *at, bit, level=5, rise=1.6, bevel=1.6, part=part)


def _left(stage: Stage, x: float) -> None:
    c, t = stage.chance, stage.trouble
    spots = c.shuffled([(-20.0, -44.0), (20.0, -40.0), (-20.0, 4.0), (22.0, 6.0), (-20.0, 48.0), (21.0, 48.0)])
    spots = [(x + px + c.uniform(-3, 3), py + c.uniform(-3, 3)) for px, py in spots]
    gone = t.fork("gone").integer(0, 2) if stage.wants("missing part") else None
    odd = t.fork("odd").integer(0, 1) if stage.wants("wrong colour") else None
    for step in range(2):
        if step != gone:
            _tomato(stage, spots[step], step, "green" if step == odd else "red")
    if odd is not None:
        stage.blame("a green tomato instead of a red one", "tomato", stage.numbers("tomato")[odd])
    if gone != 2:
        at = (-x + t.uniform(-14, 14), t.uniform(-46, 10)) if stage.wants("wrong place") else spots[2]
        _egg(stage, At(*at, c.uniform(0, 180)))
        if stage.wants("wrong place"):
            stage.blame("an egg on the side of the rice", "egg", stage.numbers("egg")[0])
    if gone is not None:
        noun, had = ("egg", 0) if gone == 2 else ("tomato", 1)
        stage.mark(block(90, 140, 10), x, 0)
        words = "no egg in the box" if had == 0 else f"{plural(noun, had)} instead of 2"
        stage.blame(words, noun, saturation=1000 / 12600)
    if stage.wants("extra part"):
        if t.fork("which").happens(0.5):
            _tomato(stage, spots[3], 3, "red")
            stage.blame("3 tomatoes instead of 2", "tomato", *stage.numbers("tomato"), saturation=1 / 3)
        else:
            _egg(stage, At(*spots[3], t.uniform(0, 180)))
            stage.blame("2 eggs instead of 1", "egg", *stage.numbers("egg"), saturation=0.5)


def _tomato(stage: Stage, at: tuple[float, float], step: int, colour: str) -> None:
    part = stage.part("tomato", colour, length=37.0, width=37.0)
    paint = stage.paint(colour, "gloss", ("tomato", step))
    stage.draw(disc(18.5), *at, 0, paint, level=2, rise=9, bevel=18, part=part)
    stem = stage.paint("green", "food", "stem")
    stage.draw(blob(stage.root.fork("stem", step), 4.0, 0.5, 1.0, 4), *at, 0, stem, level=11, rise=1, part=part)


def _egg(stage: Stage, at: At) -> None:
    part = stage.part("egg", "white", length=46.0, width=35.0)
    stage.draw(ellipse(23, 17.5), *at, stage.paint("white", "gloss", "egg"), level=2, rise=4, bevel=6, part=part)
    yolk = stage.paint("yellow", "gloss", "yolk")
    here: Spot = stage.pose.at(*at)
    stage.canvas.draw(disc(9.5), here.at(4, 0), yolk, level=6, rise=1.2, bevel=4, part=part)
