"""The fastener bag: a long and a short bolt, two nuts and two washers in a clear bag."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nano.world.chance import Field
from nano.world.families import fasteners
from nano.world.shapes import block
from nano.world.stage import At, Stage
from nano.world.texture import clouds
from nano.world.words import plural

WIDE, TALL = 158.0, 200.0
LONG, SHORT = 88.0, 54.0
GOOD = {"bolt": 2, "nut": 2, "washer": 2}


def put_up(stage: Stage) -> None:
    """Draws the bag, what is in it, and the film over it."""
    c = stage.chance
    stage.bench("grey", "brown", "blue", "green", "black")
    stage.settle(turn=14, shift=9, scale=0.06)
    bag = stage.part("bag", "white", length=TALL, width=WIDE)
    film = replace(stage.paint("white", "gloss", "film"), gloss=0.35)
    stage.draw(block(WIDE, TALL, 6), 0, 0, 0, film, opacity=0.34, rise=1.2, bevel=2, part=bag)
    metal = c.choice(fasteners.METALS)
    for step, item in enumerate(_spoiled(stage, _packed(stage))):
        _put(stage, step, item, metal)
    _cover(stage)


Item = tuple[str, At, float]
"""Noun, place and size (a bolt's length, a nut's or washer's radius)."""


def _packed(stage: Stage) -> list[Item]:
    """Bolts slanted in their halves, small parts in places of their own."""
    c = stage.chance
    side = c.sign()
    lean = c.uniform(-12, 12)
    items: list[Item] = [
        ("bolt", At(side * (-28 + c.uniform(-4, 4)), 8 + c.uniform(-6, 6), 90 + lean), LONG),
        ("bolt", At(side * (4 + c.uniform(-4, 4)), 24 + c.uniform(-12, 8), 90 + lean + c.uniform(-6, 6)), SHORT),
    ]
    places = c.shuffled([(46.0, -44.0), (46.0, -10.0), (46.0, 24.0), (46.0, 58.0)])
    small = ["nut", "nut", "washer", "washer"]
    for noun, (x, y) in zip(small, places, strict=True):
        at = At(side * (x + c.uniform(-4, 4)), y + c.uniform(-3, 3), c.uniform(0, 60))
        items.append((noun, at, 14.0 if noun == "nut" else 13.0))
    return items


def _spoiled(stage: Stage, items: list[Item]) -> list[Item]:
    """The items with the logical defect worked in; part numbers are steps + 2."""
    t = stage.trouble
    if stage.wants("missing part"):
        gone = t.integer(0, len(items) - 1)
        noun = items[gone][0]
        stage.mark(block(WIDE - 12, TALL - 50, 6), 0, 12)
        area = {"bolt": 620.0, "nut": 400.0, "washer": 380.0}[noun]
        words = f"{plural(noun, GOOD[noun] - 1)} instead of {GOOD[noun]}"
        stage.blame(words, noun, saturation=area / ((WIDE - 12) * (TALL - 50)))
        return items[:gone] + items[gone + 1 :]
    if stage.wants("extra part"):
        noun = t.choice(("nut", "washer"))
        side = 1 if items[0][1].x < 0 else -1
        where = At(side * t.uniform(-6, 14), t.uniform(-52, -42), t.uniform(0, 60))
        same = [step + 2 for step, item in enumerate(items) if item[0] == noun]
        words = f"{plural(noun, GOOD[noun] + 1)} instead of {GOOD[noun]}"
        stage.blame(words, noun, *same, len(items) + 2, saturation=1 / 3)
        return [*items, (noun, where, 14.0 if noun == "nut" else 13.0)]
    if stage.wants("wrong length"):
        both = t.choice((LONG, SHORT))
        stage.blame(f"two {'long' if both == LONG else 'short'} bolts", "bolt", 2, 3, saturation=0.5)
        return [(noun, at, both if noun == "bolt" else size) for noun, at, size in items]
    if stage.wants("wrong count"):
        more, less = t.choice((("nut", "washer"), ("washer", "nut")))
        spot = t.choice([step for step, item in enumerate(items) if item[0] == less])
        items[spot] = (more, items[spot][1], 14.0 if more == "nut" else 13.0)
        small = [step + 2 for step, item in enumerate(items) if item[0] != "bolt"]
        stage.blame(f"three {more}s and one {less} instead of two each", more, *small, saturation=0.25)
    return items


def _put(stage: Stage, step: int, item: Item, metal: str) -> None:
    noun, at, size = item
    t = stage.trouble
    odd = step == t.fork("odd").integer(2, 5)
    colour = metal
    if odd and stage.wants("wrong colour"):
        colour = "yellow" if metal == "grey" else "grey"
    part = stage.part(noun, colour, length=size if noun == "bolt" else size * 2, width=15.0)
    paint = stage.paint(colour, "metal", (noun, step))
    if noun == "bolt":
        bent = 0.0
        if stage.wants("bend") and step == t.fork("bent").integer(0, 1):
            bent = t.sign() * 13
            stage.blame("bent|bolt", "bolt", part, severity="moderate")
        fasteners.bolt(stage, at, size, paint, part, bent=bent)
    elif noun == "nut":
        fasteners.nut(stage, at, size, paint, part)
    else:
        fasteners.washer(stage, at, size, paint, part)
    if odd and stage.wants("wrong colour"):
        tone = {"grey": "a steel", "yellow": "a brass"}
        stage.blame(f"{tone[colour]} {noun} among parts of {tone[metal][2:]}", noun, part)


def _cover(stage: Stage) -> None:
    """Wrinkled film over everything, and the strip that closes the bag."""
    canvas = stage.canvas
    covered = canvas.cover(block(WIDE, TALL, 6), stage.pose)
    if covered is not None:
        window, _, _, _, coverage = covered
        wrinkles: Field = clouds(stage.root.fork("wrinkles"), coverage.shape[0], coverage.shape[1], cells=6, octaves=2)
        canvas.height[window] += np.abs(wrinkles) * coverage * np.float32(2.6)
        canvas.gloss[window] += coverage * np.float32(0.12)
    white = stage.paint("white", "gloss", "haze")
    stage.draw(block(WIDE, TALL, 6), 0, 0, 0, white, opacity=0.07, rise=None)
    strip = stage.paint(stage.root.fork("strip").choice(("blue", "red", "green")), "gloss", "strip")
    bag = stage.numbers("bag")[0]
    stage.draw(block(WIDE, 5, 1), 0, -TALL / 2 + 18, 0, strip, rise=None, opacity=0.8, within=bag)
    stage.draw(block(WIDE - 4, 2), 0, -TALL / 2 + 27, 0, white, rise=None, opacity=0.5, within=bag)
