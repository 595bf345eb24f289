"""Names for parts that were discovered without words: those that the narrator lists and the detector finds there."""

from __future__ import annotations

from collections.abc import Sequence

from agent.learning.prove_told import TRUSTED
from agent.rules import Measured
from tools.types import Part

HERE = 0.5
"""A part and a detection whose boxes overlap more than this (IoU) are one thing."""
LEAST = 2
"""References on which a name must fit; on one alone a name for nothing fits by chance."""
SEVERAL = 2
"""Kinds of one product that must bear names, for the narrator to know it."""
FOUND = 0.5
"""How sure a part or a detection must be to count."""


def names_of(
    kinds: Sequence[str], discovered: Sequence[Measured], labels: Sequence[str], detected: Sequence[Measured]
) -> dict[str, str]:
    """Which discovered kinds bear which names.

    A kind bears a name when, on most references, each of its parts lies where the detector finds the name, and nothing
    else does. No name is given twice, and no kind two names. A single name is none: the one thing that a photo shows is
    found by any noun.

    Args:
        kinds: labels of the discovered kinds.
        discovered: their parts on each reference.
        labels: names that may fit, best first.
        detected: what the detector finds by those names, on the same references.

    Returns:
        Names by the labels of the kinds that have one.
    """
    named: dict[str, str] = {}
    least = max(LEAST, TRUSTED * len(discovered))
    for label in labels:
        fits = {kind: _fits(kind, discovered, label, detected) for kind in kinds if kind not in named}
        best = max(fits, key=lambda kind: fits[kind], default=None)
        if best is not None and fits[best] >= least:
            named[best] = label
    return named if len(named) >= SEVERAL else {}


def _fits(kind: str, discovered: Sequence[Measured], label: str, detected: Sequence[Measured]) -> int:
    """On how many references the parts of a kind and the detections of a name are the same things."""
    pairs = zip(discovered, detected, strict=True)
    return sum(_same(_sure(parts.of(kind)), _sure(boxes.of(label))) for parts, boxes in pairs)


def _sure(parts: Sequence[Part]) -> list[Part]:
    return [part for part in parts if part.region.score >= FOUND]


def _same(parts: Sequence[Part], boxes: Sequence[Part]) -> bool:
    """Whether there are some, as many of both, and each part lies where one detection is, and each at another."""
    if not parts or len(parts) != len(boxes):
        return False
    places = [max(range(len(boxes)), key=lambda n: part.region.box.iou(boxes[n].region.box)) for part in parts]
    here = all(p.region.box.iou(boxes[n].region.box) > HERE for p, n in zip(parts, places, strict=True))
    return here and len(set(places)) == len(boxes)
