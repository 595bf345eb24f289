"""Products that nobody makes: parts, colours and order drawn by number, to learn seeing from rather than products.

A family of the world shows one product many times. Whoever learns only from those learns the products. Each medley
has parts, an order and a freedom of its own, so that what can be learned from many of them is what a part is, where it
ends, and what damage looks like on anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from nano.world.camera import Camera, photographed
from nano.world.chance import Chance
from nano.world.decor import Decor, adorn, decors
from nano.world.families import fasteners
from nano.world.forms import FASTENERS, FORMS, LONG, MADE, MARKS, SIDED, marking, outline
from nano.world.light import Lamp, lit
from nano.world.make import parts_of
from nano.world.scene import Family, ScenePart, Style
from nano.world.shapes import block, disc, path
from nano.world.stage import At, Stage
from nano.world.structural import PAINTERS, strike
from tools.types import RGB, Mask

COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white", "grey")
SURFACES = ("plastic", "gloss", "metal", "cast", "rubber", "paper", "food", "mat", "wood")
LOGICAL = (
    "missing part", "extra part", "wrong part", "wrong place", "swapped parts", "wrong colour", "wrong length",
    "wrong orientation",
)  # fmt: skip
STRUCTURAL = tuple(PAINTERS)
VARIED = 2_000_000
"""Medleys from this number on have more forms: half of their sorts of parts are of a form that no other product has."""
ODD = -1
"""Kind of a part that is like no good one of its product."""
Order = Literal["fixed", "rooms", "scattered", "rows", "array", "alone"]


@dataclass(frozen=True)
class Sort:
    """One sort of part of a medley."""

    form: str
    size: float
    """Reach from its middle, units."""
    surface: str
    colours: tuple[str, ...]
    """Each part takes any of them; one colour where colour is part of being good."""
    turns: float
    """Within how many degrees of its own angle it lies."""
    angle: float
    mark: str | None = None
    """One of `MARKS`, or none."""
    ink: str = "white"
    """Colour of the mark."""

    @property
    def noun(self) -> str:
        """What its parts are called."""
        return self.form

    @property
    def turned(self) -> tuple[float, ...]:
        """Angles by which a part of it can lie visibly wrong; none where good ones lie any way."""
        if self.turns > 20:
            return ()
        shows = self.mark is not None and self.ink not in self.colours
        if shows or self.form in SIDED:
            return (90.0, 180.0, 270.0)
        return (90.0,) if self.form in LONG else ()


@dataclass(frozen=True)
class Item:
    """One part of one product."""

    sort: Sort
    at: At
    colour: str
    scale: float = 1.0


@dataclass(frozen=True)
class Medley:
    """One product: what holds for every good one of it."""

    number: int
    benches: tuple[str, ...]
    panel: tuple[str, float, float, str] | None
    """Colour, width, height and surface of what the parts lie on."""
    film: bool
    turn: float
    sorts: tuple[Sort, ...]
    counts: tuple[int, ...]
    order: Order
    homes: tuple[tuple[At, ...], ...]
    """Places of each sort, more than it has parts where they are free."""
    spares: tuple[At, ...]
    """Places that stay empty."""
    jitter: float
    shared: bool
    """All parts take one colour, whichever it is this time."""
    wires: tuple[tuple[int, int, str], ...]
    """Pairs of parts that a cable of that colour joins."""
    patterns: tuple[Decor, ...]
    rough: float
    """How much coarser than usual what the parts lie on is."""
    style: Style
    family: Family = field(repr=False)


def medley(number: int) -> Medley:
    """The product of that number."""
    c = Chance("medley", number)
    forms = FORMS if number < VARIED else (*FORMS, *MADE * (len(FORMS) // len(MADE)))
    order: Order = c.choice(("fixed", "fixed", "rooms", "scattered", "rows", "array", "alone"))
    alone = order == "alone"
    pitch = c.uniform(150, 240) if alone else c.choice((42.0, 50.0, 62.0))
    if order == "array":
        sorts, counts, cells = _array(c, forms)
    else:
        cells = [At(0.0, 0.0)] if alone else _cells(c, pitch)
        sorts = tuple(_sort(c, pitch, forms) for _ in range(min(c.choice((1, 1, 2, 2, 3, 3, 4)), len(cells))))
        counts = (1,) if alone else _counts(c, len(sorts), len(cells))
    spare = cells[sum(counts) :]
    if order == "rooms":
        cells = sorted(cells, key=lambda at: (at.x > 0, at.y)) if c.happens(0.5) else sorted(cells, key=lambda a: a.y)
        spare = cells[sum(counts) :]
    homes, start = [], 0
    for count in counts:
        homes.append(tuple(cells[start : start + count]))
        start += count
    if order == "scattered":
        homes = [tuple(cells)] * len(sorts)
        spare = []
    shared = c.happens(0.2)
    wires: list[tuple[int, int, str]] = []
    if order == "fixed" and sum(counts) >= 4 and c.happens(0.35):
        ends = c.shuffled(range(sum(counts)))
        wires = [(ends[2 * k], ends[2 * k + 1], c.choice(COLOURS)) for k in range(c.integer(1, 2))]
    colour = c.choice(COLOURS)
    fills = c.happens(0.15)
    sides = (520.0, 520.0) if fills else (c.uniform(196, 216), c.uniform(160, 216))
    panel = (colour, *sides, c.choice(SURFACES)) if fills or c.happens(0.6) else None
    jitters = (0.3, 0.8, 1.5) if order == "array" else (0.5, 3.0, 6.0)
    nouns = ("panel", *dict.fromkeys(sort.noun for sort in sorts))
    logical = [d for d in LOGICAL if _possible(d, order, sorts, counts, shared)] + ["broken connection"] * bool(wires)
    targets = dict.fromkeys(STRUCTURAL, nouns if panel else nouns[1:])
    return Medley(
        number, tuple(c.shuffled(COLOURS)[: c.choice((1, 2, 4))]), panel, c.happens(0.15),
        c.choice((2.0, 8.0, 15.0, 180.0)), sorts, counts, order, tuple(homes), tuple(spare),
        c.choice(jitters), shared, tuple(wires), decors(c), c.choice((0.7, 1.0, 1.8, 3.0)),
        c.choice(("plain", "plain", "plain", "shift")),
        Family(f"medley-{number}", "medley", "", nouns, (), tuple(logical), STRUCTURAL, targets),
    )  # fmt: skip


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
        stage.draw(block(212, 212, 6), 0, 0, 0, stage.paint("white", "gloss", "haze"), opacity=0.2, rise=None)
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


def _cells(c: Chance, pitch: float) -> list[At]:
    """Places on a loose grid, in random order."""
    across = int(150 // pitch) + 1
    half = (across - 1) / 2
    stagger = c.uniform(0, 0.5) * pitch if c.happens(0.3) else 0.0
    grid = [
        At((k - half) * pitch + (row % 2) * stagger - stagger / 2, (row - half) * pitch)
        for row in range(across)
        for k in range(across)
    ]
    return c.shuffled(grid)


def _array(c: Chance, forms: Sequence[str]) -> tuple[tuple[Sort, ...], tuple[int, ...], list[At]]:
    """Many small parts of one sort in lines, with a few larger ones above or below them, and places for all.

    Returns:
        Sorts, how many of each, and places in the order of the sorts, spare ones last.
    """
    pitch = c.uniform(15, 28)
    columns, rows = c.integer(3, min(9, int(170 // pitch))), c.choice((1, 1, 2, 2, 3, 4))
    beside = c.integer(0, 3)
    lift = c.sign() * c.uniform(0.2, 0.5) * (130 - rows * pitch) if beside else 0.0
    grid = [
        At((k - (columns - 1) / 2) * pitch, (row - (rows - 1) / 2) * pitch + lift)
        for row in range(rows)
        for k in range(columns)
    ]
    small = _sort(c, 1.25 * pitch, [c.choice(("disc", "disc", "bar", "capsule", "hexagon", "ring", "cap", "oval"))])
    gaps = c.shuffled(grid)[: c.choice((0, 0, 1, 2))]
    held = [at for at in grid if at not in gaps]
    middle = -lift / abs(lift) * (rows * pitch / 2 + 12) / 2 - lift / 4 if lift else 0.0
    others = [At((k - (beside - 1) / 2) * 58, middle) for k in range(beside)]
    sorts = [small, *(_sort(c, 54, forms) for _ in range(min(beside, 2)))]
    counts = [len(held), *([1, beside - 1] if beside > 1 else [1] * beside)]
    ends = [At(-(columns + 1) / 2 * pitch, lift), At((columns + 1) / 2 * pitch, lift)]
    return tuple(sorts), tuple(counts), [*held, *others, *gaps, *ends]


def _sort(c: Chance, pitch: float, forms: Sequence[str]) -> Sort:
    form = forms[0] if len(forms) == 1 else c.choice(forms)
    free = c.happens(0.25)
    colours = tuple(c.shuffled(COLOURS)[: c.integer(2, 4)] if free else [c.choice(COLOURS)])
    size = pitch * c.uniform(0.22, 0.36) * (1.7 if form == "bolt" else 1.0)
    marked = form not in FASTENERS and c.happens(0.35)
    mark, ink = c.choice(MARKS), c.choice(COLOURS)
    return Sort(
        form, size, c.choice(SURFACES), colours, c.choice((4, 20, 180)), c.choice((0, 45, 90)),
        mark if marked else None, ink,
    )  # fmt: skip


def _counts(c: Chance, sorts: int, room: int) -> tuple[int, ...]:
    most = max(1, min(5, (room - 2) // sorts))
    return tuple(c.integer(1, most) for _ in range(sorts))


def _possible(defect: str, order: Order, sorts: tuple[Sort, ...], counts: tuple[int, ...], shared: bool) -> bool:
    if defect in ("wrong place", "swapped parts"):
        return order != "scattered" and (defect == "wrong place" or len(sorts) > 1)
    if defect == "wrong colour":
        return any(len(sort.colours) == 1 for sort in sorts) and (not shared or sum(counts) > 2)
    if defect == "wrong orientation":
        return any(sort.turned for sort in sorts)
    return True


def _laid_out(stage: Stage, product: Medley) -> list[Item]:
    c = stage.chance
    one = c.choice(("grey", "yellow", "red", "blue"))
    free = c.shuffled(product.homes[0]) if product.order == "scattered" else []
    slide = c.uniform(-10, 10) if product.order == "rows" else 0.0
    items = []
    for sort, count, home in zip(product.sorts, product.counts, product.homes, strict=True):
        places = [free.pop() for _ in range(count)] if product.order == "scattered" else list(home)
        if product.order == "rooms":
            places = c.shuffled(places)
        for place in places:
            j = product.jitter
            x, y = place.x + slide + c.uniform(-j, j), place.y + c.uniform(-j, j)
            at = At(x, y, sort.angle + c.uniform(-1, 1) * sort.turns)
            items.append(Item(sort, at, one if product.shared else c.choice(sort.colours)))
    return items


def _spoiled(
    stage: Stage, product: Medley, items: list[Item], wires: list[tuple[int, int, str]]
) -> tuple[list[Item], list[tuple[int, int, str]]]:
    """The items and cables with the logical defect worked in."""
    t = stage.trouble
    k = t.integer(0, len(items) - 1)
    was = items[k]
    spare = t.choice(product.spares) if product.spares else At(t.uniform(-92, 92), t.choice((-92.0, 92.0)))
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


def _kinds(product: Medley, items: Sequence[Item]) -> list[int]:
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


def _put(stage: Stage, product: Medley, step: int, item: Item) -> At:
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
