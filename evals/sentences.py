"""Holds the sentences of a report against the world's truth; shares no code with the agent's own checker.

A sentence is checkable where it says something about the product: the verdict, a place that stands out, how many of a
part there are, a broken rule that is stated as a fact. A verdict that is told as probable is held to its probability
(calibration error), not to the truth of one photo. A reading that is told as one ("the part finder counts 4; it is
not sure of that") and what is marked as inferred say nothing about the product that could be false, and do not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tools.types import Mask

if TYPE_CHECKING:
    from agent import InspectionReport
    from agent.report import SentenceOut
    from evals.datasets import Case

TOUCHES = 0.02
"""A box is about a defect where at least this share of it, or of the defect, is inside the other."""
_FOUND = re.compile(r"(\d+) of the part '([^']+)' found where")
_ABSENT = re.compile(r"The part '([^']+)' was not found")
_LISTED = re.compile(r"(\d+) ([a-z][a-z ]*?)(?:,| and |\.|$)")
_UNSAID = (
    "Unsure", "Probably", "Measured, but not sure", "What would settle", "*", "Looked again", "The narrator",
    "Rules on parts", "These measures", "The measures", "'",
)  # fmt: skip
"""Beginnings of sentences that say nothing about the product that could be false."""


@dataclass(frozen=True, eq=False)
class Truth:
    """What is true of one photo."""

    anomalous: bool
    mask: Mask | None
    """(H, W), where its defects are; None where nobody knows."""
    counts: Mapping[str, int]
    """Visible parts by noun; empty where nobody knows."""


def truth_of(case: Case) -> Truth | None:
    """What is true of a case; None where its data set does not count parts, so that sentences cannot be held."""
    if case.counts is None:
        return None
    return Truth(case.label != "good", case.truth(), case.counts())


@dataclass(frozen=True)
class Judged:
    """One checkable sentence, and whether it is true."""

    text: str
    true: bool


def judged(report: InspectionReport, truth: Truth) -> Iterator[Judged]:
    """The checkable sentences of a report, in order."""
    for sentence in report.explanation:
        holds = _true(sentence, report, truth)
        if holds is not None:
            yield Judged(sentence.text, holds)


def _true(sentence: SentenceOut, report: InspectionReport, truth: Truth) -> bool | None:
    """Whether a sentence is true; None where it is not checkable."""
    text = sentence.text
    if text.startswith(("Anomalous,", "Good,")):
        return text.startswith("Anomalous") == truth.anomalous
    if text.startswith("As on the good ones"):
        return _listed(text, truth)
    if text.startswith(_UNSAID) or "slightly" in text:
        return None
    found, absent = _FOUND.search(text), _ABSENT.search(text)
    if found is not None and found[2] in truth.counts:
        return truth.counts[found[2]] == int(found[1])
    if absent is not None and truth.counts:
        return truth.counts.get(absent[1], 0) == 0
    return _placed(sentence, report, truth)


def _listed(text: str, truth: Truth) -> bool | None:
    """Whether all counts of a list are right; None where it lists none of a known noun."""
    said = [(int(n), noun) for n, noun in _LISTED.findall(text.split(":", 1)[1]) if noun in truth.counts]
    return all(truth.counts[noun] == n for n, noun in said) if said else None


def _placed(sentence: SentenceOut, report: InspectionReport, truth: Truth) -> bool | None:
    """Whether what a sentence blames is, in part, where a defect is; without a place, whether there is a defect."""
    if not truth.anomalous:
        return False
    boxes = [e.box for e in report.evidence if e.id in sentence.cites and e.box is not None]
    if truth.mask is None or not boxes:
        return True if truth.anomalous else None
    return any(_touches(box, truth.mask) for box in boxes)


def _touches(box: tuple[float, float, float, float], mask: Mask) -> bool:
    x0, y0, x1, y1 = (round(v) for v in box)
    inside = int(np.count_nonzero(mask[max(y0, 0) : max(y1, 1), max(x0, 0) : max(x1, 1)]))
    area = max((x1 - x0) * (y1 - y0), 1)
    return inside >= TOUCHES * area or inside >= TOUCHES * max(int(mask.sum()), 1)
