"""Names discovered parts by what they look like, until a person names them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent.rules import MeasuredParts
from tools.types import Measures

LONG = 2.2
"""A part is long where its length is so many times its width."""
ROUND = 1.25
"""A part is round where its length is at most so many times its width, and it fills its extents as a disc does."""
DISC = (0.7, 0.86)
"""Share of length times width that such a part covers; a square covers more."""
LARGER = 1.6
"""Two parts of one look are called small and large where their areas differ so much."""
SIDE = 0.18
"""A part lies to one side of the product where its place is this far from the middle, in product units."""


@dataclass(frozen=True)
class PartLook:
    """Median measures of one kind of part over the references."""

    label: str
    colour: str
    shape: str
    area: float
    place: str

    @property
    def short(self) -> str:
        """Colour and shape."""
        return " ".join(word for word in (self.shape, self.colour, "part") if word)


def appearance_names(labels: Sequence[str], measured: Sequence[MeasuredParts]) -> dict[str, str]:
    """A name for each kind of part by colour and shape, with size or place where that is not enough to tell them apart.

    Args:
        labels: of the kinds.
        measured: parts of the references.

    Returns:
        Names that differ, by label; kinds that no reference shows have none.
    """
    looks = [look for label in labels if (look := _look(label, measured)) is not None]
    names: dict[str, str] = {}
    for short in dict.fromkeys(look.short for look in looks):
        alike = [look for look in looks if look.short == short]
        names |= {look.label: name for look, name in zip(alike, _told_apart(alike), strict=True)}
    return names


def _told_apart(alike: Sequence[PartLook]) -> list[str]:
    """Names of kinds that share colour and shape."""
    if len(alike) == 1:
        return [alike[0].short]
    small, large = min(look.area for look in alike), max(look.area for look in alike)
    ways: list[Callable[[PartLook], str]] = [lambda look: f"{look.place} {look.short}"]
    if len(alike) == 2 and large >= LARGER * small:
        ways.insert(0, lambda look: f"{'small' if look.area == small else 'large'} {look.short}")
    for way in ways:
        found = [way(look) for look in alike]
        if len(set(found)) == len(found):
            return found
    return [f"{look.short} {n}" for n, look in enumerate(alike, start=1)]


def _look(label: str, measured: Sequence[MeasuredParts]) -> PartLook | None:
    found = [part.measures for parts in measured for part in parts.of(label) if part.measures is not None]
    if not found:
        return None
    return PartLook(
        label,
        statistics.mode(m.colour for m in found),
        _shape(
            statistics.median(m.length / max(m.width, 1e-6) for m in found),
            statistics.median(m.area / max(m.length * m.width, 1e-6) for m in found),
        ),
        statistics.median(m.relative_area or m.area for m in found),
        _place(found),
    )


def _shape(ratio: float, filled: float) -> str:
    if ratio >= LONG:
        return "long"
    return "round" if ratio <= ROUND and DISC[0] <= filled <= DISC[1] else ""


def _place(found: Sequence[Measures]) -> str:
    places = [m.place for m in found if m.place is not None]
    if not places:
        return "middle"
    x, y = (statistics.median(place[axis] for place in places) for axis in (0, 1))
    row = "upper" if y < -SIDE else "lower" if y > SIDE else ""
    column = "left" if x < -SIDE else "right" if x > SIDE else ""
    return " ".join(word for word in (row, column) if word) or "middle"
