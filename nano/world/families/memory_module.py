"""The memory module: four chips the same way round, two capacitors, a row of contacts."""

from __future__ import annotations

from nano.world.families.electronics import board, capacitor, chip
from nano.world.shapes import block
from nano.world.stage import At, Stage
from nano.world.words import plural

WIDE, TALL = 220.0, 104.0
CHIPS, CAPACITORS = 4, 2


def put_up(stage: Stage) -> None:
    """Draws the module on the bench."""
    c = stage.chance
    stage.bench("grey", "white", "brown", "black", "blue")
    stage.settle(turn=12, shift=9, scale=0.06)
    ground = board(stage, WIDE, TALL, c.choice(("green", "blue", "black")))
    _contacts(stage, ground)
    _chips(stage)
    _capacitors(stage)


def _contacts(stage: Stage, ground: int) -> None:
    gold = stage.paint("yellow", "gloss", "gold")
    strip = stage.part("contact", "yellow", length=200.0, width=14.0)
    for step in range(25):
        x = (step - 12) * 8.0
        if step == 15:
            continue
        stage.draw(block(5.4, 14, 1), x, TALL / 2 - 9, 0, gold, level=3, rise=0.8, bevel=0.8, part=strip, within=ground)
    dark = stage.paint("black", "rubber", "notch")
    stage.draw(block(5, 10, 2), 24, TALL / 2 - 4, 0, dark, level=-1, rise=0, part=0)


def _chips(stage: Stage) -> None:
    c, t = stage.chance, stage.trouble
    spots = [At(x + c.uniform(-1.5, 1.5), -10 + c.uniform(-1.5, 1.5)) for x in (-82, -40, 40, 82)]
    odd = t.fork("chip").integer(0, CHIPS - 1)
    gone = stage.wants("missing part") and t.fork("gone").happens(0.6)
    for step, at in enumerate(spots):
        if gone and step == odd:
            stage.mark(block(36, 50, 2), *at)
            stage.blame(f"{plural('chip', CHIPS - 1)} instead of {CHIPS}", "chip", saturation=0.9)
            continue
        here = at
        if step == odd and stage.wants("wrong orientation"):
            here = At(at.x, at.y, 180)
        if step == odd and stage.wants("wrong place"):
            here = At(at.x + t.sign() * 6, at.y - t.uniform(8, 13), t.sign() * t.uniform(10, 18))
        part = chip(stage, here, 36, 50)
        if step == odd and stage.wants("wrong orientation"):
            stage.blame("a chip turned the wrong way round", "chip", part)
        if step == odd and stage.wants("wrong place"):
            stage.blame("a chip that sits askew beside its place", "chip", part)
    if stage.wants("extra part") and t.fork("extra").happens(0.5):
        chip(stage, At(0, 4), 36, 50)
        stage.blame("5 chips instead of 4", "chip", *stage.numbers("chip"), saturation=0.2)


def _capacitors(stage: Stage) -> None:
    c, t = stage.chance, stage.trouble
    spots = [At(-9 + c.uniform(-2, 2), -36 + c.uniform(-1, 1)), At(11 + c.uniform(-2, 2), -36 + c.uniform(-1, 1))]
    gone = None
    if stage.wants("missing part") and stage.fault is None:
        gone = t.fork("capacitor").integer(0, CAPACITORS - 1)
        stage.mark(block(22, 22, 9), *spots[gone])
        stage.blame("1 capacitor instead of 2", "capacitor", saturation=0.6)
    for step, at in enumerate(spots):
        if step != gone:
            capacitor(stage, at, 8.5)
    if stage.wants("extra part") and stage.fault is None:
        capacitor(stage, At(t.uniform(-6, 6), t.uniform(-10, 10)), 8.5)
        stage.blame("3 capacitors instead of 2", "capacitor", *stage.numbers("capacitor"), saturation=0.33)
