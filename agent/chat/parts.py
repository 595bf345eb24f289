"""Parts as a conversation speaks of them: counted, placed and measured, kept as plain data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from agent.rules import Measured
from agent.rules.base import PartCounts
from tools.types import Box


@dataclass(frozen=True)
class PartFact:
    """One part of the photo."""

    label: str
    box: tuple[float, float, float, float]
    """xyxy in pixels."""
    score: float
    """Probability that it is one, in [0, 1]."""
    colour: str | None = None
    lab: tuple[float, float, float] | None = None
    """Mean CIELAB colour."""
    area: float | None = None
    """Square pixels."""
    length: float | None = None
    """Pixels along the main axis."""
    width: float | None = None
    """Pixels across it."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def of_dict(cls, data: dict[str, Any]) -> PartFact:
        """The fact that was kept."""
        lab = data.get("lab")
        return cls(**{**data, "box": tuple(data["box"]), "lab": None if lab is None else tuple(lab)})


def facts_of(measured: Measured) -> tuple[PartFact, ...]:
    """The parts of a photo, surest first."""
    found = []
    for part in sorted(measured.parts, key=lambda p: -p.region.score):
        m, box = part.measures, part.region.box
        rounded = (round(box.x0, 1), round(box.y0, 1), round(box.x1, 1), round(box.y1, 1))
        score = round(float(part.region.score), 4)
        if m is None:
            found.append(PartFact(part.label, rounded, score))
            continue
        lab = (round(m.lab[0], 1), round(m.lab[1], 1), round(m.lab[2], 1))
        sizes = (round(float(m.area)), round(float(m.length), 1), round(float(m.width), 1))
        found.append(PartFact(part.label, rounded, score, m.colour, lab, *sizes))
    return tuple(found)


def likely(parts: Iterable[PartFact], label: str) -> tuple[tuple[PartFact, ...], float]:
    """The parts of a label that are most likely there, surest first, and the probability of exactly so many."""
    found = [p for p in parts if p.label == label]
    counts = PartCounts.from_scores([p.score for p in found])
    number = counts.most_likely
    return tuple(found[:number]), counts.probabilities[number]


def around(parts: Iterable[PartFact]) -> Box | None:
    """What encloses parts; None for none."""
    boxes = [p.box for p in parts]
    if not boxes:
        return None
    return Box(min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes))
