"""The compartment tray: bolts left, nuts upper right, washers and a cap lower right."""

from __future__ import annotations

from nano.world.families import fasteners
from nano.world.families.fasteners import METALS
from nano.world.shapes import block
from nano.world.stage import At, Stage
from nano.world.words import plural

LEFT, UPPER, LOWER = (-51.0, 0.0, 88.0, 144.0), (50.0, -38.0, 92.0, 68.0), (50.0, 38.0, 92.0, 68.0)
"""Compartments: middle x and y, width, height."""
ROOM = {"bolt": LEFT, "nut": UPPER, "washer": LOWER, "cap": LOWER}
GOOD = {"bolt": 2, "nut": 3, "washer": 2, "cap": 1}
OTHER_CAPS = ("blue", "green", "black", "yellow")


def put_up(stage: Stage) -> None:
    """Draws the tray and fills it."""
    c = stage.chance
    stage.bench("grey", "brown", "white", "green", "black")
    stage.settle()
    colour = c.choice(("grey", "blue", "black"))
    tray = stage.part("tray", colour)
    paint = stage.paint(colour, "plastic", "tray")
    stage.draw(block(208, 166, 12), 0, 0, 0, paint, rise=7, bevel=3, part=tray)
    for x, y, wide, tall in (LEFT, UPPER, LOWER):
        stage.canvas.press(block(wide, tall, 8), stage.pose.at(x, y), 5.5, 2.5)
    metal = c.choice(METALS)
    rows = [(-51 + c.uniform(-7, 7), y + c.uniform(-8, 8), c.uniform(-22, 22)) for y in (-36, 36)]
    upper, lower = _slots(stage, -38), _slots(stage, 38)
    items = [("bolt", x, y, angle) for x, y, angle in rows]
    items += [("nut", x, y, c.uniform(0, 60)) for x, y in upper[:3]]
    items += [("washer", x, y, 0.0) for x, y in lower[:2]] + [("cap", *lower[2], 0.0)]
    items, odd = _spoiled(stage, items, upper[3], lower[3])
    for step, item in enumerate(items):
        _put(stage, step, item, metal, odd)


def _slots(stage: Stage, middle: float) -> list[tuple[float, float]]:
    c = stage.chance
    spots = [(x + c.uniform(-3, 3), middle + y + c.uniform(-3, 3)) for x in (20, 50, 80) for y in (-17, 17)]
    return c.shuffled(spots)


Item = tuple[str, float, float, float]


def _spoiled(
    stage: Stage, items: list[Item], upper: tuple[float, float], lower: tuple[float, float]
) -> tuple[list[Item], int | None]:
    """The items with the logical defect worked in, and the step of one that looks odd itself."""
    t = stage.trouble
    odd: int | None = None
    if stage.wants("missing part"):
        gone = t.integer(0, len(items) - 1)
        noun = items[gone][0]
        _blame_room(stage, noun, f"{plural(noun, GOOD[noun] - 1)} instead of {GOOD[noun]}", part_area=300)
        items = items[:gone] + items[gone + 1 :]
    elif stage.wants("extra part"):
        noun = t.choice(("bolt", "nut", "washer", "cap"))
        where = {"bolt": (-51.0, 0.0), "nut": upper}.get(noun, lower)
        words = f"{plural(noun, GOOD[noun] + 1)} instead of {GOOD[noun]}"
        stage.blame(words, noun, *_numbers(items, noun), len(items) + 2, saturation=1 / (GOOD[noun] + 1))
        items = [*items, (noun, *where, t.uniform(-9, 9))]
    elif stage.wants("swapped parts"):
        a, b = t.integer(2, 4), t.integer(5, 7)
        one, two = items[a][0], items[b][0]
        items[a], items[b] = (two, *items[a][1:]), (one, *items[b][1:])
        stage.blame(f"a {two} among the nuts and a {one} in the lower right compartment", two, a + 2, b + 2)
    elif stage.wants("wrong place"):
        a = t.integer(2, 6)
        noun, angle = items[a][0], items[a][3]
        room, where = ("lower right", lower) if noun == "nut" else ("upper right", upper)
        items[a] = (noun, *where, angle)
        stage.blame(f"a {noun} in the {room} compartment, where it does not belong", noun, a + 2)
    elif stage.wants("wrong colour"):
        odd = 7
    elif stage.wants("wrong length", "bend"):
        odd = t.integer(0, 1)
        bent = stage.wants("bend")
        words = "bent|bolt" if bent else "one bolt shorter than the other"
        stage.blame(words, "bolt", odd + 2, severity="moderate" if bent else "severe")
    return items, odd


def _numbers(items: list[Item], noun: str) -> list[int]:
    return [step + 2 for step, item in enumerate(items) if item[0] == noun]


def _blame_room(stage: Stage, noun: str, words: str, part_area: float) -> None:
    x, y, wide, tall = ROOM[noun]
    stage.mark(block(wide, tall, 8), x, y)
    stage.blame(words, noun, saturation=part_area / (wide * tall))


def _put(stage: Stage, step: int, item: Item, metal: str, odd: int | None) -> None:
    noun, at = item[0], At(*item[1:])
    key = (noun, step)
    if noun == "bolt":
        short = step == odd and stage.wants("wrong length")
        length = 48.0 if short else 70.0
        part = stage.part("bolt", metal, length=length, width=15.0)
        bent = stage.trouble.sign() * 13 if step == odd and stage.wants("bend") else 0.0
        fasteners.bolt(stage, at, length, stage.paint(metal, "metal", key), part, bent=bent)
    elif noun == "nut":
        part = stage.part("nut", metal, length=28.0, width=24.0)
        fasteners.nut(stage, at, 14.0, stage.paint(metal, "metal", key), part)
    elif noun == "washer":
        part = stage.part("washer", metal, length=27.0, width=27.0)
        fasteners.washer(stage, at, 13.5, stage.paint(metal, "metal", key), part)
    else:
        colour = stage.trouble.choice(OTHER_CAPS) if step == odd else "red"
        part = stage.part("cap", colour, length=25.0, width=25.0)
        fasteners.cap(stage, at, 12.5, stage.paint(colour, "gloss", key), part)
        if step == odd:
            stage.blame(f"a {colour} cap instead of a red one", "cap", part)
