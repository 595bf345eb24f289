"""The juice bottle: filled to a line, with a label whose fruit must be the juice's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nano.world.canvas import Profile, Spot
from nano.world.chance import Field
from nano.world.shapes import Shape, block, disc, ellipse, joined, moved, path
from nano.world.stage import At, Stage

JUICES = {"orange": "orange", "red": "cherry", "yellow": "lemon", "purple": "grape"}
LINE = -44.0
"""Where the juice ends, in the bottle's frame."""
LABEL = At(0.0, 22.0)


def put_up(stage: Stage) -> None:
    """Draws the bottle upright against a wall."""
    c, t = stage.chance, stage.trouble
    stage.bench("grey", "white", "blue", "pink", "brown")
    stage.settle(turn=4, shift=13, scale=0.06)
    stage.pose = Spot(stage.pose.x, 136 + (stage.pose.y - 128) / 3, stage.pose.angle, stage.pose.scale)
    juice = c.choice(tuple(JUICES))
    glass = replace(stage.paint("grey", "gloss", "glass", spread=0.15), gloss=0.9)
    outline = joined(moved(block(84, 150, 20), 0, 20), moved(block(34, 60, 8), 0, -66))
    bottle = stage.part("bottle", "grey", length=190.0, width=84.0)
    stage.draw(outline, 0, 0, 0, glass, opacity=0.45, profile=_round(42, 9), part=bottle)
    line = LINE + c.uniform(-3.5, 3.5)
    if stage.wants("wrong fill"):
        line = _misfilled(stage, line)
    _pour(stage, juice, line)
    if not _missing(stage, "cap"):
        cap = stage.part("cap", "white", length=40.0, width=20.0)
        lid = stage.paint("white", "plastic", "cap")
        stage.draw(block(40, 20, 4), 0, -98, 0, lid, profile=_round(20, 11), part=cap)
    elif stage.wants("missing part"):
        stage.mark(block(40, 20, 4), 0, -98)
        stage.blame("no cap on the bottle", "cap")
    stage.keep_ground()
    at = At(LABEL.x + c.uniform(-2, 2), LABEL.y + c.uniform(-3, 3), c.uniform(-1.2, 1.2))
    if stage.wants("wrong place"):
        at = At(at.x, at.y + t.choice((-34.0, 34.0)), t.sign() * t.uniform(8, 16))
    if _missing(stage, "label"):
        stage.mark(block(70, 64, 3), *at)
        stage.blame("no label on the bottle", "label")
    else:
        _label(stage, at, juice)


def _missing(stage: Stage, noun: str) -> bool:
    """Whether this is the part that the defect leaves out."""
    gone = stage.trouble.fork("gone").choice(("cap", "label"))
    return stage.wants("missing part") and gone == noun


def _round(half: float, rise: float) -> Profile:
    """A standing cylinder of that half width."""

    def profile(u: Field, v: Field, d: Field) -> Field:
        t = np.clip(u / half, -1, 1)
        out: Field = np.sqrt(1 - t * t) * np.float32(rise) + np.clip(-d, 0, 3)
        return out

    return profile


def _misfilled(stage: Stage, line: float) -> float:
    t = stage.trouble
    low = t.happens(0.5)
    wrong = line + (t.uniform(16, 34) if low else -t.uniform(13, 20))
    stage.mark(block(78, abs(wrong - line), 2), 0, (wrong + line) / 2)
    stage.blame("too little juice in the bottle" if low else "too much juice in the bottle", "juice")
    return wrong


def _pour(stage: Stage, juice: str, line: float) -> None:
    part = stage.part("juice", juice, length=92 - line, width=76.0)
    paint = replace(stage.paint(juice, "gloss", "juice", spread=0.12), gloss=0.5)
    tall = 92 - line
    body: Shape = moved(block(76, tall, 14), 0, 92 - tall / 2)
    stage.draw(body, 0, 0, 0, paint, opacity=0.88, rise=None, part=part)
    stage.draw(ellipse(36, 3.5), 0, line + 2, 0, paint, opacity=0.6, rise=None)


def _label(stage: Stage, at: At, juice: str) -> None:
    t = stage.trouble
    fruit = juice
    paper = stage.paint("white", "paper", "label")
    part = stage.part("label", "white", length=70.0, width=64.0)
    stage.draw(block(70, 64, 3), *at, paper, level=1.0, profile=_round(42, 9), part=part)
    if stage.wants("label mismatch"):
        fruit = t.choice([name for name in JUICES if name != juice])
    if stage.wants("extra part"):
        second = stage.part("label", "white", length=70.0, width=64.0)
        low = At(at.x + t.uniform(-14, 14), at.y + 40, t.uniform(-14, 14))
        stage.draw(block(70, 64, 3), *low, paper, level=2.0, profile=_round(42, 9), part=second)
        stage.blame("two labels instead of one", "label", part, second, saturation=0.5)
        _print(stage, low, juice, second)
    _print(stage, at, fruit, part)
    if stage.wants("label mismatch"):
        picture = stage.numbers("fruit")[0]
        words = f"a {JUICES[fruit]} on the label of {JUICES[juice]} juice"
        stage.blame(words, "label", picture, stage.numbers("juice")[0], saturation=0.05)
    if stage.wants("wrong place"):
        stage.blame("a label that sits askew and off its place", "label", part)


def _print(stage: Stage, at: At, fruit: str, label: int) -> None:
    """The fruit, two lines of text and a bar code."""
    frame = stage.pose.at(*at)
    ink = stage.paint("black", "paper", "ink")
    picture = stage.part("fruit", fruit, length=26.0, width=26.0)
    colour = stage.paint(fruit, "paper", "fruit")
    green = stage.paint("green", "paper", "leaf")

    def stamp(shape: Shape, x: float, y: float, who: int | None = None) -> None:
        here = frame.at(x, y)
        paint = ink if who is None else colour
        stage.canvas.draw(shape, here, paint, rise=None, part=who, within=label)

    slipped = stage.wants("misprint")
    if slipped:
        stage.blame("slipped|label", "label", severity="moderate")
    for shape in _fruit(fruit):
        stamp(shape, 0, -12, picture)
    stage.canvas.draw(path([(0, -8), (5, -16)], 2.4), frame.at(0, -14), green, rise=None)
    for row, wide in ((9, 46), (15, 34)):
        stamp(block(wide, 3), 0, row)
    for step in range(9):
        stamp(block(1.2 + step % 3, 8), -20 + step * 5, 25)
    if slipped:
        shift = stage.trouble.sign() * stage.trouble.uniform(7, 10)
        for x, y, shape in ((shift, -8, _fruit(fruit)[0]), (shift, 12, block(46, 3)), (shift, 18, block(34, 3))):
            stage.canvas.mark(shape, frame.at(x, y))
            stage.canvas.draw(shape, frame.at(x, y), colour, rise=None, opacity=0.75)


def _fruit(name: str) -> list[Shape]:
    if name == "red":
        return [moved(disc(7.5), -7, 3), moved(disc(7.5), 8, 4)]
    if name == "yellow":
        return [ellipse(15, 10)]
    if name == "purple":
        return [moved(disc(5), x, y) for x, y in ((-7, -5), (0, -5), (7, -5), (-3.5, 2), (3.5, 2), (0, 9))]
    return [disc(12)]
