"""What is printed, cut or sewn on good products: lines, rings, dashes, dots and words, none of which is damage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from nano.world.canvas import Paint
from nano.world.chance import Chance
from nano.world.colours import PALETTE, linear
from nano.world.shapes import Shape, block, disc, path, ring, turn
from nano.world.stage import At, Stage

Drawn = Iterator[tuple[Shape, At]]


@dataclass(frozen=True)
class Decor:
    """One pattern; the same on every good one, or drawn anew on each."""

    kind: str
    colour: str
    opacity: float
    """Of its ink in [0, 1]; 0 where it is only cut."""
    depth: float
    """How deep it is cut, in units; below 0 it stands out."""
    width: float
    """Of its strokes, units."""
    count: int
    anew: bool
    on_parts: bool
    """On every part, or else on what they lie on."""


def decors(c: Chance) -> tuple[Decor, ...]:
    """None to three patterns for a product."""
    return tuple(_decor(c) for _ in range(c.choice((0, 0, 1, 1, 2, 3))))


def _decor(c: Chance) -> Decor:
    cut = c.happens(0.45)
    return Decor(
        c.choice(tuple(_DRAWN)),
        c.choice(sorted(PALETTE["plain"])),
        0.0 if cut and c.happens(0.5) else c.uniform(0.35, 1.0),
        c.uniform(0.4, 2.0) * c.sign() if cut else 0.0,
        c.uniform(1.0, 3.2),
        c.integer(2, 9),
        c.happens(0.35),
        c.happens(0.4),
    )


def adorn(stage: Stage, decor: Decor, number: int, at: At, reach: float, within: int | None) -> None:
    """Draws a pattern about a place, inside one part or, where `within` is None, on the bench.

    Args:
        stage: what is put up.
        decor: which pattern.
        number: of the pattern among the product's, which decides where its strokes lie.
        at: its middle and angle in the product's frame.
        reach: how far it goes from there, units.
        within: the part that it stays inside of.
    """
    root = stage.root if decor.anew else Chance("medley", stage.family.name)
    paint = Paint(linear(PALETTE[stage.style][decor.colour]), 0.2)
    frame = stage.pose.at(*at)
    for shape, place in _strokes(decor, root.fork("decor", number), reach):
        spot = frame.at(*place)
        if decor.depth:
            stage.canvas.press(shape, spot, decor.depth, 0.8, within)
        if decor.opacity:
            stage.canvas.draw(shape, spot, paint, rise=None, opacity=decor.opacity, within=within)


@dataclass(frozen=True)
class _Frame:
    """Where a pattern lies, and its measures in units."""

    x: float
    y: float
    angle: float
    pitch: float
    width: float
    count: int
    reach: float


def _strokes(decor: Decor, c: Chance, reach: float) -> Drawn:
    """Shapes and where they go, about the pattern's own middle."""
    angle, x, y = c.choice((0.0, 90.0, c.uniform(0, 180))), c.uniform(-0.5, 0.5) * reach, c.uniform(-0.5, 0.5) * reach
    frame = _Frame(x, y, angle, c.uniform(2.2, 5.0) * decor.width, decor.width, decor.count, reach)
    return _DRAWN[decor.kind](frame, c)


def _lines(f: _Frame, c: Chance) -> Drawn:
    length = c.uniform(0.6, 2.4) * f.reach
    for k in range(f.count):
        yield block(length, f.width), _off(f, k * f.pitch, f.angle)


def _rings(f: _Frame, c: Chance) -> Drawn:
    for k in range(min(f.count, 5)):
        radius = f.reach * c.uniform(0.2, 0.3) + k * f.pitch
        yield ring(radius, max(radius - f.width, 0.3)), At(0.0, 0.0)


def _dashes(f: _Frame, c: Chance) -> Drawn:
    del c
    for k in range(-3 * f.count, 3 * f.count + 1):
        yield block(f.pitch * 0.65, f.width * 1.3), _off(replace(f, angle=f.angle + 90), k * f.pitch, f.angle)


def _dots(f: _Frame, c: Chance) -> Drawn:
    del c
    n, step = f.count, f.pitch * 1.6
    for k in range(n * 2):
        yield disc(f.width * 0.8), _off(f, (k % n) * step, f.angle, (k // n) * step)


def _paths(f: _Frame, c: Chance) -> Drawn:
    for _ in range(f.count):
        side, a = c.sign(), c.uniform(0.15, 0.5) * f.reach
        start = At(c.uniform(-1, 1) * f.reach, c.uniform(-1, 1) * f.reach)
        yield path([(0.0, 0.0), (a * side, 0.0), ((a + 10) * side, c.sign() * 10)], f.width * 0.8), start
        yield disc(f.width * 1.2), start


def _words(f: _Frame, c: Chance) -> Drawn:
    for row in range(min(f.count, 4)):
        left = 0.0
        for _ in range(c.integer(2, 5)):
            wide = c.uniform(2, 7) * f.width
            yield block(wide, f.width), At(f.x + left + wide / 2, f.y + row * f.pitch)
            left += wide + f.width


def _waves(f: _Frame, c: Chance) -> Drawn:
    for k in range(min(f.count, 5)):
        bend = c.uniform(4, 14)
        knots = [(t * f.reach * 0.7, bend * (1 if t % 2 else -1)) for t in range(-2, 3)]
        yield path(knots, f.width * 0.8), At(f.x, f.y + k * f.pitch * 1.5, f.angle)


def _off(f: _Frame, beside: float, facing: float, along: float = 0.0) -> At:
    """A place so far beside the pattern's middle, along the normal of its angle, and so far along it."""
    c, s = turn(f.angle)
    return At(f.x - s * beside + c * along, f.y + c * beside + s * along, facing)


_DRAWN: dict[str, Callable[[_Frame, Chance], Drawn]] = {
    "lines": _lines,
    "rings": _rings,
    "dashes": _dashes,
    "dots": _dots,
    "paths": _paths,
    "words": _words,
    "waves": _waves,
}
