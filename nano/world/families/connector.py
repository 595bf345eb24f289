"""The connector pair: two terminal blocks, one cable whose colour follows the number of terminals."""

from __future__ import annotations

from nano.world.canvas import Paint
from nano.world.shapes import block, disc, moved, path
from nano.world.stage import Stage
from nano.world.words import number

CABLE = {3: "yellow", 4: "blue", 5: "red"}
PITCH = 26.0
LEFT, RIGHT = -82.0, 82.0


def put_up(stage: Stage) -> None:
    """Draws both connectors and the cable between them."""
    c = stage.chance
    stage.bench("grey", "brown", "black", "green", "white")
    stage.settle(turn=9, shift=10)
    count = c.integer(3, 5)
    row = c.integer(0, count - 1)
    drift = c.uniform(-8, 8)
    other, right_row = count, row
    if stage.wants("wrong count"):
        other = stage.trouble.choice([n for n in CABLE if n != count])
        right_row = min(row, other - 1)
    if stage.wants("wrong place"):
        right_row = stage.trouble.choice([n for n in range(count) if n != row])
    _connector(stage, LEFT, 0, count)
    gone = stage.wants("missing part") and stage.trouble.happens(0.5)
    if gone:
        stage.mark(block(44, count * PITCH + 12, 4), RIGHT, drift)
        stage.blame("one connector instead of two", "connector")
    else:
        first = len(stage.actors) + 1
        _connector(stage, RIGHT, drift, other)
        if stage.wants("wrong count"):
            words = f"{number(count)} terminals on the left but {number(other)} on the right"
            stage.blame(words, "terminal", first, *range(first + 1, len(stage.actors) + 1))
    start = (LEFT + 24, _row(row, count))
    end = (RIGHT - 24, drift + _row(right_row, other))
    _wire(stage, start, end, count, missing=stage.wants("missing part") and not gone)


def _row(row: int, count: int) -> float:
    return (row - (count - 1) / 2) * PITCH


def _connector(stage: Stage, x: float, y: float, count: int) -> None:
    side = 1 if x > 0 else -1
    white = stage.paint("white", "plastic", "housing")
    tall = count * PITCH + 10
    part = stage.part("connector", "white", length=tall, width=46.0)
    stage.draw(block(46, tall, 4), x, y, 0, white, rise=9, bevel=2.5, part=part)
    dark = stage.paint("black", "rubber", "slot")
    lever = stage.paint("orange", "plastic", "lever")
    steel = stage.paint("grey", "metal", "screw")
    for row in range(count):
        at = y + _row(row, count)
        stage.draw(block(20, 15, 2), x + side * 7, at, 0, lever, level=9, rise=2.4, bevel=1.5, part=part)
        terminal = stage.part("terminal", "black", length=13.0, width=13.0)
        stage.draw(block(13, 14, 2), x - side * 14, at, 0, dark, level=3, rise=0.5, bevel=1, part=terminal)
        stage.draw(disc(3.6), x - side * 14, at, 0, steel, level=4, rise=1, bevel=1, part=terminal)


def _wire(stage: Stage, start: tuple[float, float], end: tuple[float, float], count: int, missing: bool) -> None:
    c, t = stage.chance, stage.trouble
    sag = (c.uniform(-22, 22), c.uniform(-22, 22))
    points = _curve((start[0] - 10, start[1]), (end[0] + 10, end[1]), sag)
    rope = path(points, 8.5)
    if missing:
        stage.mark(path(points, 14), 0, 0)
        stage.blame("no cable between the connectors", "cable", saturation=0.5)
        return
    colour = CABLE[count]
    if stage.wants("wrong colour"):
        colour = t.choice([name for name in CABLE.values() if name != colour])
    paint = stage.paint(colour, "gloss", "cable")
    number_ = stage.part("cable", colour, width=8.5, length=end[0] - start[0])
    if stage.wants("broken connection"):
        at = t.integer(3, 6)
        for half in (points[:at], points[at + 1 :]):
            stage.draw(path(half, 8.5), 0, 0, 0, paint, level=2, rise=5, bevel=4.2, part=number_)
        stage.mark(path(points[at - 1 : at + 2], 11), 0, 0)
        stage.blame("a cut cable", "cable", saturation=0.4)
        return
    stage.draw(rope, 0, 0, 0, paint, level=2, rise=5, bevel=4.2, part=number_)
    if stage.wants("wrong colour"):
        words = f"a {colour} cable at {number(count)} terminals, where it must be {CABLE[count]}"
        stage.blame(words, "cable", number_)
    if stage.wants("wrong place"):
        stage.mark(moved(block(30, 22), 0, 0), end[0], end[1])
        stage.blame("a cable that ends at different terminals left and right", "cable", number_, saturation=0.3)
    if stage.wants("extra part"):
        _second(stage, start, end, number_, paint)


def _second(stage: Stage, start: tuple[float, float], end: tuple[float, float], first: int, paint: Paint) -> None:
    t = stage.trouble
    count = len(stage.numbers("terminal")) // 2
    row = round(start[1] / PITCH + (count - 1) / 2)
    shift = _row(t.choice([n for n in range(count) if n != row]), count) - start[1]
    points = _curve((start[0] - 10, start[1] + shift), (end[0] + 10, end[1] + shift), (t.uniform(-9, 9), 0))
    extra = stage.part("cable", CABLE[count], width=8.5, length=end[0] - start[0])
    stage.draw(path(points, 8.5), 0, 0, 0, paint, level=2, rise=5, bevel=4.2, part=extra)
    stage.blame("two cables instead of one", "cable", first, extra, saturation=0.5)


def _curve(a: tuple[float, float], b: tuple[float, float], sag: tuple[float, float]) -> list[tuple[float, float]]:
    """Nine points of a cubic Bezier curve that leaves and arrives level."""
    third = (b[0] - a[0]) / 3
    p = [a, (a[0] + third, a[1] + sag[0]), (b[0] - third, b[1] + sag[1]), b]
    points = []
    for step in range(9):
        t = step / 8
        r = 1 - t
        w = (r * r * r, 3 * t * r * r, 3 * t * t * r, t * t * t)
        points.append(
            (
                sum(k * q[0] for k, q in zip(w, p, strict=True)),
                sum(k * q[1] for k, q in zip(w, p, strict=True)),
            )
        )
    return points
