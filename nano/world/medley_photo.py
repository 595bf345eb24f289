"""Photos of medleys: parts laid out afresh on each, strewn or in order, with what was done wrong on purpose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import cos, hypot, inf, radians, sin

from nano.world.camera import Camera, Lamp, lit, photographed
from nano.world.chance import Chance
from nano.world.decor import adorn
from nano.world.families import fasteners
from nano.world.make import parts_of
from nano.world.medley import COLOURS, ODD, Medley, MedleyPart, Sort
from nano.world.scene import ScenePart
from nano.world.shapes import FASTENERS, FORMS, block, disc, marking, outline, path, reach
from nano.world.stage import At, Stage
from nano.world.structural import strike
from tools.types import RGB, Mask

TRIES = 40
"""Places that are tried for a part; the first that keeps the gap is taken, or the one that is freest."""
Lying = tuple[At, float, float]
"""Where a part lies, half its length, along its angle, and half its width, units."""


def strewn(
    c: Chance, lying: Sequence[Lying], part: tuple[float, float, float], room: tuple[float, float], gap: float
) -> At:
    """A place for one more part.

    Args:
        c: drawn from.
        lying: the parts that lie already.
        part: its angle, half its length and half its width.
        room: half of the width and height within which middles lie, units.
        gap: how far parts keep from each other, units; below 0 they may lie over each other.
    """
    angle, along, across = part
    covered = [one for other in lying for one in _rounds(*other)]
    best, most = At(0.0, 0.0, angle), -inf
    for _ in range(TRIES):
        at = At(c.uniform(-room[0], room[0]), c.uniform(-room[1], room[1]), angle)
        here = _rounds(at, along, across)
        free = min((hypot(x - a, y - b) - r - s for x, y, r in here for a, b, s in covered), default=inf)
        if free > most:
            best, most = at, free
        if most >= gap:
            break
    return best


def _rounds(at: At, along: float, across: float) -> list[tuple[float, float, float]]:
    """(x, y, radius) of discs in a line that cover about what the part covers."""
    count = max(1, round(along / across))
    x, y = cos(radians(at.angle)), sin(radians(at.angle))
    steps = [(2 * k - count + 1) * across for k in range(count)]
    squeezed = (along - across) / max(across * (count - 1), 1e-9) if count > 1 else 0.0
    return [(at.x + squeezed * step * x, at.y + squeezed * step * y, across) for step in steps]


@dataclass(frozen=True, eq=False)
class Shot:
    """One photo of a medley and its truth."""

    image: RGB
    mask: Mask
    """The defect's pixels; none of a good one."""
    parts: tuple[ScenePart, ...]
    kinds: tuple[int, ...]
    """Of each of the parts: 0 for the panel, 1 and more for the sorts of the product in their order, or `ODD`."""


def photo(product: Medley, index: int, *, defect: str | None = None, size: int = 160) -> Shot:
    """One photo of it, (size, size); a pure function of its arguments."""
    stage = Stage(product.family, 0, index, defect=defect, size=size, style=product.style)
    stage.bench(*product.benches)
    stage.settle(turn=product.turn, shift=9, scale=0.06)
    if product.panel is not None:
        colour, wide, tall, surface = product.panel
        panel = stage.part("panel", colour)
        paint = stage.paint(colour, surface, "panel")
        paint = replace(paint, grain=paint.grain * product.rough, bump=paint.bump * product.rough)
        stage.draw(block(wide, tall, 8), 0, 0, 0, paint, rise=4, bevel=3, part=panel)
    _adorned(stage, product, At(0.0, 0.0), 90.0, 1 if product.panel is not None else None)
    items, wires = _spoiled(stage, product, _laid_out(stage, product), list(product.wires))
    places = [_put(stage, product, step, item) for step, item in enumerate(items)]
    for a, b, colour in wires:
        if max(a, b) < len(places):
            _wire(stage, places[a], places[b], colour)
    if product.film:
        haze = stage.paint("white", "gloss", "haze")
        stage.draw(block(212, 212, 6), 0, 0, 0, haze, opacity=product.film, rise=None)
    if stage.kind == "structural":
        strike(stage)
    strong = product.style == "shift"
    lamp = Lamp.random(stage.root.fork("lamp"), strong)
    camera = Camera.random(stage.root.fork("camera"), strong)
    image = photographed(lit(stage.canvas, lamp), camera, stage.root.fork("sensor"))
    mask = stage.canvas.marked()
    for number in stage.blamed:
        mask |= stage.canvas.mask(number)
    parts = parts_of(stage)
    return Shot(image, mask, tuple(parts.values()), tuple(_kinds(product, items)[number - 1] for number in parts))


def _laid_out(stage: Stage, product: Medley) -> list[MedleyPart]:
    c = stage.chance
    one = c.choice(("grey", "yellow", "red", "blue"))
    free = c.shuffled(product.homes[0]) if product.order == "scattered" else []
    slide = c.uniform(-10, 10) if product.order == "rows" else 0.0
    if product.order == "strewn":
        return _strewn(stage, product, one)
    items = []
    for sort, count, home in zip(product.sorts, product.counts, product.homes, strict=True):
        places = [free.pop() for _ in range(count)] if product.order == "scattered" else list(home)
        if product.order == "rooms":
            places = c.shuffled(places)
        for place in places:
            j = product.jitter
            x, y = place.x + slide + c.uniform(-j, j), place.y + c.uniform(-j, j)
            at = At(x, y, sort.angle + c.uniform(-1, 1) * sort.turns)
            items.append(MedleyPart(sort, at, one if product.shared else c.choice(sort.colours)))
    return items


def _strewn(stage: Stage, product: Medley, one: str) -> list[MedleyPart]:
    """The larger sorts first, so that the others find room beside them."""
    c = stage.chance
    sorts = [sort for sort, count in zip(product.sorts, product.counts, strict=True) for _ in range(count)]
    angles = [sort.angle + c.uniform(-1, 1) * sort.turns for sort in sorts]
    lying: list[Lying] = []
    items = []
    for sort, angle in sorted(zip(sorts, angles, strict=True), key=lambda each: -each[0].size):
        at = strewn(c, lying, (angle, *reach(sort.form, sort.size)), product.room, product.gap)
        lying.append((at, *reach(sort.form, sort.size)))
        items.append(MedleyPart(sort, at, one if product.shared else c.choice(sort.colours)))
    return items


def _spoiled(
    stage: Stage, product: Medley, items: list[MedleyPart], wires: list[tuple[int, int, str]]
) -> tuple[list[MedleyPart], list[tuple[int, int, str]]]:
    """The items and cables with the logical defect worked in."""
    t = stage.trouble
    k = t.integer(0, len(items) - 1)
    was = items[k]
    spare = _spare(stage, product, items, was)
    first = 2 if product.panel is not None else 1
    if stage.wants("missing part"):
        items = [item for step, item in enumerate(items) if step != k]
        wires = [(a - (a > k), b - (b > k), colour) for a, b, colour in wires if k not in (a, b)]
        stage.mark(disc(was.sort.size + 3), was.at.x, was.at.y)
    elif stage.wants("extra part"):
        sort = was.sort if t.happens(0.7) else _stranger(t, was.sort)
        items = [*items, replace(was, sort=sort, at=At(spare.x, spare.y, was.at.angle))]
        stage.blamed.add(len(items) - 1 + first)
    elif stage.wants("wrong part"):
        others = [sort for sort in product.sorts if sort is not was.sort]
        other = t.choice(others) if others and t.happens(0.6) else _stranger(t, was.sort)
        colour = was.colour if product.shared else t.choice(other.colours)
        items[k] = replace(was, sort=other, colour=colour)
        stage.blamed.add(k + first)
    elif stage.wants("wrong place"):
        items[k] = replace(was, at=At(spare.x, spare.y, was.at.angle))
        stage.mark(disc(was.sort.size + 3), was.at.x, was.at.y)
        stage.blamed.add(k + first)
    elif stage.wants("swapped parts"):
        m = t.choice([step for step, item in enumerate(items) if item.sort is not was.sort])
        items[k], items[m] = replace(was, at=items[m].at), replace(items[m], at=was.at)
        stage.blamed.update((k + first, m + first))
    elif stage.wants("wrong colour"):
        k = t.choice([step for step, item in enumerate(items) if len(item.sort.colours) == 1])
        colour = t.choice([name for name in COLOURS if name not in (items[k].colour, *items[k].sort.colours)])
        items[k] = replace(items[k], colour=colour)
        stage.blamed.add(k + first)
    elif stage.wants("wrong length"):
        items[k] = replace(was, scale=t.choice((0.62, 1.5)))
        stage.blamed.add(k + first)
    elif stage.wants("wrong orientation"):
        k = t.choice([step for step, item in enumerate(items) if item.sort.turned])
        at = items[k].at
        items[k] = replace(items[k], at=at._replace(angle=at.angle + t.choice(items[k].sort.turned)))
        stage.blamed.add(k + first)
    elif stage.wants("broken connection"):
        w = t.integer(0, len(wires) - 1)
        a, b, colour = wires[w]
        elsewhere = [step for step in range(len(items)) if step not in (a, b)]
        wires = [*wires[:w], *([(a, t.choice(elsewhere), colour)] if t.happens(0.6) else []), *wires[w + 1 :]]
        ends = items[a].at, items[b].at
        stage.mark(path([(ends[0].x, ends[0].y), (ends[1].x, ends[1].y)], 9), 0, 0)
    return items, wires


def _spare(stage: Stage, product: Medley, items: Sequence[MedleyPart], part: MedleyPart) -> At:
    """A place where no part lies."""
    t = stage.trouble
    if product.order == "strewn":
        lying = [(item.at, *reach(item.sort.form, item.sort.size)) for item in items]
        return strewn(t, lying, (part.at.angle, *reach(part.sort.form, part.sort.size)), product.room, product.gap)
    return t.choice(product.spares) if product.spares else At(t.uniform(-92, 92), t.choice((-92.0, 92.0)))


def _kinds(product: Medley, items: Sequence[MedleyPart]) -> list[int]:
    """The kind of every part that was put up, by its number."""
    colours = [item.colour for item in items]
    found = [0] if product.panel is not None else []
    for item in items:
        fits = item.colour == max(colours, key=colours.count) if product.shared else item.colour in item.sort.colours
        good = fits and item.scale == 1.0 and item.sort in product.sorts
        found.append(1 + product.sorts.index(item.sort) if good else ODD)
    return found


def _stranger(t: Chance, sort: Sort) -> Sort:
    """Another sort of part of about that size."""
    form = t.choice([form for form in FORMS if form != sort.form])
    return replace(sort, form=form, colours=(t.choice(COLOURS),), mark=None if form in FASTENERS else sort.mark)


def _adorned(stage: Stage, product: Medley, at: At, reach: float, within: int | None, *, part: bool = False) -> None:
    """The product's patterns for parts, or those for what they lie on."""
    for number, decor in enumerate(product.patterns):
        if decor.on_parts == part:
            adorn(stage, decor, number, at, reach, within)


def _put(stage: Stage, product: Medley, step: int, item: MedleyPart) -> At:
    sort, at, size = item.sort, item.at, item.sort.size * item.scale
    part = stage.part(sort.noun, item.colour, length=2 * size, width=2 * size)
    paint = stage.paint(item.colour, sort.surface, (sort.noun, step))
    if sort.form == "nut":
        fasteners.nut(stage, at, size, paint, part)
    elif sort.form == "washer":
        fasteners.washer(stage, at, size, paint, part)
    elif sort.form == "bolt":
        fasteners.bolt(stage, at, 2 * size, paint, part)
    elif sort.form == "cap":
        fasteners.cap(stage, at, size, paint, part)
    else:
        stage.draw(outline(sort.form, size, product.number), *at, paint, rise=3, bevel=2, part=part)
    if sort.mark is not None:
        ink = stage.paint(sort.ink, "paper", ("ink", sort.noun))
        spot = stage.pose.at(*at)
        stage.canvas.draw(marking(sort.mark, size), spot, ink, rise=None, within=part)
    _adorned(stage, product, at, size, part, part=True)
    return at


def _wire(stage: Stage, a: At, b: At, colour: str) -> None:
    c = stage.chance
    middle = ((a.x + b.x) / 2 + c.uniform(-12, 12), (a.y + b.y) / 2 + c.uniform(-12, 12))
    cable = path([(a.x, a.y), middle, (b.x, b.y)], 6)
    stage.draw(cable, 0, 0, 0, stage.paint(colour, "rubber", "cable"), rise=2, bevel=2)
