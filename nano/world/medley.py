"""Products that nobody makes: parts, colours and order drawn by number, to learn seeing from rather than products.

A family of the world shows one product many times. Whoever learns only from those learns the products. Each medley
has parts, an order and a freedom of its own, so that what can be learned from many of them is what a part is, where it
ends, and what damage looks like on anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from nano.world.chance import Chance
from nano.world.decor import Decor, decors
from nano.world.scene import Family, Style
from nano.world.shapes import FASTENERS, FORMS, LONG, MADE, MARKS, SIDED, reach
from nano.world.stage import At
from nano.world.structural import PAINTERS

COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white", "grey")
SURFACES = ("plastic", "gloss", "metal", "cast", "rubber", "paper", "food", "mat", "wood")
LOGICAL = (
    "missing part",
    "extra part",
    "wrong part",
    "wrong place",
    "swapped parts",
    "wrong colour",
    "wrong length",
    "wrong orientation",
)
STRUCTURAL = tuple(PAINTERS)
VARIED = 2_000_000
"""Medleys from this number on have more forms: half of their sorts of parts are of a form that no other product has."""
ODD = -1
"""Kind of a part that is like no good one of its product."""
CROWDED = 3_000_000
"""Those from this number on have such forms too, and lie closer: strewn, or in places hardly larger than the parts."""
Order = Literal["fixed", "rooms", "scattered", "rows", "array", "alone", "strewn"]
ORDERS: tuple[Order, ...] = ("fixed", "fixed", "rooms", "scattered", "rows", "array", "alone")
CROWDED_ORDERS: tuple[Order, ...] = ("strewn", "strewn", "strewn", "fixed", "rooms", "scattered", "rows", "array")


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
class MedleyPart:
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
    film: float
    """Opacity of what lies over all; 0 where nothing does."""
    turn: float
    sorts: tuple[Sort, ...]
    counts: tuple[int, ...]
    order: Order
    homes: tuple[tuple[At, ...], ...]
    """Places of each sort, more than it has parts where they are free."""
    spares: tuple[At, ...]
    """Places that stay empty."""
    jitter: float
    room: tuple[float, float]
    """Half of the width and height within which the middles of strewn parts lie."""
    gap: float
    """How far strewn parts keep from each other."""
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
    crowded = number >= CROWDED
    order: Order = c.choice(CROWDED_ORDERS if crowded else ORDERS)
    alone = order == "alone"
    pitch = c.uniform(150, 240) if alone else c.uniform(26, 46) if crowded else c.choice((42.0, 50.0, 62.0))
    if order == "array":
        sorts, counts, cells = _array(c, forms)
    else:
        cells = [At(0.0, 0.0)] if alone else _cells(c, pitch, c.integer(3, 5) if crowded else int(150 // pitch) + 1)
        sorts = tuple(
            _sort(c, _larger(c, pitch, order) if crowded else pitch, forms)
            for _ in range(min(c.choice((1, 1, 2, 2, 3, 3, 4)), len(cells)))
        )
        counts = (1,) if alone else _counts(c, len(sorts), len(cells), 7 if crowded else 5)
    if order == "rooms":
        cells = sorted(cells, key=lambda at: (at.x > 0, at.y)) if c.happens(0.5) else sorted(cells, key=lambda a: a.y)
    spare = cells[sum(counts) :]
    homes, start = [], 0
    for count in counts:
        homes.append(tuple(cells[start : start + count]))
        start += count
    if order in ("scattered", "strewn"):
        homes = [tuple(cells)] * len(sorts)
        spare = []
    shared = c.happens(0.2)
    wires = _wires(c, sum(counts)) if order == "fixed" else ()
    colour = c.choice(COLOURS)
    fills = c.happens(0.15)
    sides = (520.0, 520.0) if fills else (c.uniform(196, 216), c.uniform(160, 216))
    panel = (colour, *sides, c.choice(SURFACES)) if fills or c.happens(0.6) else None
    nouns = ("panel", *dict.fromkeys(sort.noun for sort in sorts))
    logical = [d for d in LOGICAL if _possible(d, order, sorts, counts, shared)] + ["broken connection"] * bool(wires)
    targets = dict.fromkeys(STRUCTURAL, nouns if panel else nouns[1:])
    benches = tuple(c.shuffled(COLOURS)[: c.choice((1, 2, 4))])
    film = c.uniform(0.1, 0.4) * c.happens(0.3) if crowded else 0.2 * c.happens(0.15)
    gap = Chance("medley", number, "gap").uniform(-1.5, 5)
    return Medley(
        number,
        benches,
        panel,
        film,
        c.choice((2.0, 8.0, 15.0, 180.0)),
        sorts,
        counts,
        order,
        tuple(homes),
        tuple(spare),
        c.choice((0.3, 0.8, 1.5) if order == "array" else (0.5, 3.0, 6.0)),
        _room(number, sorts, counts),
        gap,
        shared,
        wires,
        decors(c),
        c.choice((0.7, 1.0, 1.8, 3.0)),
        c.choice(("plain", "plain", "plain", "shift")),
        Family(f"medley-{number}", "medley", "", nouns, (), tuple(logical), STRUCTURAL, targets),
    )


def _wires(c: Chance, parts: int) -> tuple[tuple[int, int, str], ...]:
    """One or two wires between parts that have no other; mostly none."""
    if parts < 4 or not c.happens(0.35):
        return ()
    ends = c.shuffled(range(parts))
    return tuple((ends[2 * k], ends[2 * k + 1], c.choice(COLOURS)) for k in range(c.integer(1, 2)))


def _cells(c: Chance, pitch: float, across: int) -> list[At]:
    """Places on a loose grid of so many across and down, in random order."""
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
        form,
        size,
        c.choice(SURFACES),
        colours,
        c.choice((4, 20, 180)),
        c.choice((0, 45, 90)),
        mark if marked else None,
        ink,
    )


def _larger(c: Chance, pitch: float, order: Order) -> float:
    """The pitch that fits the parts of a crowded product: they nearly touch, and strewn ones are of many sizes."""
    return c.uniform(30, 80) if order == "strewn" else pitch * c.uniform(1.1, 1.4)


def _counts(c: Chance, sorts: int, room: int, most: int) -> tuple[int, ...]:
    most = max(1, min(most, (room - 2) // sorts))
    return tuple(c.integer(1, most) for _ in range(sorts))


def _room(number: int, sorts: Sequence[Sort], counts: Sequence[int]) -> tuple[float, float]:
    """Room for so many parts, of which they cover between a third and three fifths."""
    c = Chance("medley", number, "room")
    spans = [reach(sort.form, sort.size) for sort in sorts]
    area = sum(count * 4 * along * across for count, (along, across) in zip(counts, spans, strict=True))
    side, stretch = (area / c.uniform(0.33, 0.6)) ** 0.5 / 2, c.uniform(0.75, 1.33)
    return min(92.0, side * stretch), min(92.0, side / stretch)


def _possible(defect: str, order: Order, sorts: tuple[Sort, ...], counts: tuple[int, ...], shared: bool) -> bool:
    if defect in ("wrong place", "swapped parts"):
        return order not in ("scattered", "strewn") and (defect == "wrong place" or len(sorts) > 1)
    if defect == "wrong colour":
        return any(len(sort.colours) == 1 for sort in sorts) and (not shared or sum(counts) > 2)
    if defect == "wrong orientation":
        return any(sort.turned for sort in sorts)
    return True
