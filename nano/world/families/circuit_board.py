"""The circuit board: one chip, three capacitors with polarity, a connector, a nut in each corner."""

from __future__ import annotations

from nano.world.families.electronics import board, capacitor, chip
from nano.world.families.fasteners import nut
from nano.world.shapes import block, disc
from nano.world.stage import At, Stage
from nano.world.words import plural

CORNERS = [(-86.0, -66.0), (86.0, -66.0), (-86.0, 66.0), (86.0, 66.0)]
CAPACITORS = [(-56.0, 46.0), (-20.0, 46.0), (16.0, 46.0)]
FREE = [(52.0, 44.0), (-56.0, -46.0), (66.0, 10.0)]
CHIP = (-18.0, -6.0)
CONNECTOR = (8.0, -60.0)
GOOD = {"nut": 4, "capacitor": 3, "chip": 1, "connector": 1}


def put_up(stage: Stage) -> None:
    """Draws the board and solders everything on."""
    c, t = stage.chance, stage.trouble
    stage.bench("grey", "white", "brown", "black", "green")
    stage.settle(turn=8, shift=9, scale=0.06)
    board(stage, 208, 168, c.choice(("green", "blue", "red")))
    gone = t.choice(("nut", "capacitor", "chip", "connector")) if stage.wants("missing part") else None
    _nuts(stage, gone)
    _capacitors(stage, gone)
    _chip(stage, gone)
    _connector(stage, gone)


def _blame_missing(stage: Stage, noun: str) -> None:
    left = GOOD[noun] - 1
    words = f"{plural(noun, left)} instead of {GOOD[noun]}" if left else f"no {noun} on the board"
    stage.blame(words, noun, saturation=0.8)


def _nuts(stage: Stage, gone: str | None) -> None:
    out = stage.trouble.fork("nut").integer(0, 3) if gone == "nut" else None
    for step, (x, y) in enumerate(CORNERS):
        at = At(x, y, stage.chance.uniform(0, 60))
        if step == out:
            dark = stage.paint("black", "rubber", "bore")
            stage.draw(disc(5), x, y, 0, dark, level=1, rise=-1)
            stage.mark(disc(13), x, y)
            _blame_missing(stage, "nut")
            continue
        part = stage.part("nut", "grey", length=24.0, width=21.0)
        nut(stage, at, 12, stage.paint("grey", "metal", ("nut", step)), part)


def _capacitors(stage: Stage, gone: str | None) -> None:
    c, t = stage.chance, stage.trouble
    odd = t.fork("capacitor").integer(0, 2)
    spots = [(x + c.uniform(-2, 2), y + c.uniform(-2, 2)) for x, y in CAPACITORS]
    for step, (x, y) in enumerate(spots):
        at = At(x, y, c.uniform(-4, 4))
        if step == odd and gone == "capacitor":
            stage.mark(disc(15), x, y)
            _blame_missing(stage, "capacitor")
            continue
        if step == odd and stage.wants("wrong orientation") and t.fork("which").happens(0.5):
            part = capacitor(stage, At(x, y, at.angle + 180), 13)
            stage.blame("a capacitor with reversed polarity", "capacitor", part)
        elif step == odd and stage.wants("wrong place"):
            part = capacitor(stage, At(*t.choice(FREE), at.angle), 13)
            stage.mark(disc(14), x, y)
            stage.blame("a capacitor outside the row of the others", "capacitor", part, saturation=0.4)
        else:
            capacitor(stage, at, 13)
    if stage.wants("extra part"):
        capacitor(stage, At(*t.choice(FREE), t.uniform(-4, 4)), 13)
        stage.blame("4 capacitors instead of 3", "capacitor", *stage.numbers("capacitor"), saturation=0.25)


def _chip(stage: Stage, gone: str | None) -> None:
    x, y = CHIP[0] + stage.chance.uniform(-4, 4), CHIP[1] + stage.chance.uniform(-3, 3)
    if gone == "chip":
        stage.mark(block(72, 52, 2), x, y)
        _blame_missing(stage, "chip")
        return
    turned = stage.wants("wrong orientation") and stage.fault is None
    part = chip(stage, At(x, y, 180.0 if turned else 0.0), 72, 42, legs=7)
    if turned:
        stage.blame("a chip turned the wrong way round", "chip", part)


def _connector(stage: Stage, gone: str | None) -> None:
    x, y = CONNECTOR[0] + stage.chance.uniform(-5, 5), CONNECTOR[1]
    if gone == "connector":
        stage.mark(block(84, 26, 3), x, y)
        _blame_missing(stage, "connector")
        return
    colour = "white"
    if stage.wants("wrong colour"):
        colour = stage.trouble.choice(("blue", "red", "yellow", "black"))
    part = stage.part("connector", colour, length=84.0, width=26.0)
    paint = stage.paint(colour, "plastic", "connector")
    stage.draw(block(84, 26, 3), x, y, 0, paint, level=3, rise=8, bevel=2, part=part)
    dark = stage.paint("grey", "rubber", "slot")
    for step in range(4):
        terminal = stage.part("terminal", "grey", length=13.0, width=12.0)
        at = x + (step - 1.5) * 19
        stage.draw(block(12, 13, 2), at, y, 0, dark, level=5, rise=0.4, bevel=1, part=terminal)
    if stage.wants("wrong colour"):
        stage.blame(f"a {colour} connector instead of a white one", "connector", part)
