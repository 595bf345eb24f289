"""What the inspector believes and why: evidence, looks, hypotheses and the verdict."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from tools.types import Box, Region

Kind = Literal["logical", "structural"]
LESSONS = "lessons"
"""Source of evidence on the type of a defect, by examples that a person taught; it weighs nothing in the verdict."""
Status = Literal["holds", "broken", "unknown"]
Topic = Literal[
    "count",
    "total",
    "presence",
    "each",
    "whole",
    "place",
    "turn",
    "heading",
    "beside",
    "touching",
    "level",
    "proportion",
    "colour",
    "same",
    "size",
    "ranks",
    "match",
    "ask",
    "arrangement",
    "layout",
    "patch",
    "defect_name",
    "photo",
]
Aspect = Literal["missing", "extra", "place", "size", "shape", "colour", "turn", "look"]
Fact = str | int | float
Action = Literal["zoom", "compare", "ask", "recount"]
"""Ways to look again: turned and mirrored views, beside a good part, a question, parts found again."""
Word = Literal["good", "unsure", "anomalous"]
Told = Literal["good", "probably_good", "unsure", "probably_anomalous", "anomalous", "not_product"]
_PROBABLY: dict[Literal["good", "anomalous"], Told] = {"good": "probably_good", "anomalous": "probably_anomalous"}
PROBABLE, SURE = 0.7, 0.95
"""A verdict that is right with less probability than the first is told as "unsure"; from the second on, as a fact."""


@dataclass(frozen=True)
class Claim:
    """One statement as data: which sentence says it, the facts that fill it, and what decisions read of it."""

    key: str
    """Name of the sentence in prompts/report/sentences.yaml; no decision reads it."""
    facts: dict[str, Fact]
    topic: Topic | None = None
    """What it is about; None where no decision depends on it."""
    status: Status | None = None
    """Whether a rule or the arrangement of parts holds; None for what is no such check."""
    aspect: Aspect | None = None
    """In which way a part differs from its counterpart on a reference, for the topic "arrangement"."""

    @classmethod
    def check(cls, topic: Topic, facts: dict[str, Fact], *, holds: bool) -> Claim:
        """The outcome of a rule; its sentence is named `TOPIC_as_expected` or `TOPIC_differs`."""
        return cls(f"{topic}_{'as_expected' if holds else 'differs'}", facts, topic, "holds" if holds else "broken")

    @property
    def holds(self) -> bool:
        """Whether it says that a rule or the arrangement is as on good parts."""
        return self.status == "holds"


@dataclass(frozen=True, eq=False)
class Evidence:
    """One measured reason for or against the part; only ever appended."""

    kind: Kind
    claim: Claim
    llr: float
    """Calibrated log-likelihood ratio, natural log: above 0 speaks for an anomaly."""
    source: str
    """The tool it comes from: "text", "reference", "tracer", "differ", "language model", "rule" or "parts"; or
    "user", who asked that the hypothesis be ignored, or counted again."""
    hypothesis: str
    """What it speaks about ("region 1", "count of bolt"); evidence of one hypothesis adds up."""
    part: str | None = None
    region: Region | None = None
    look: str | None = None
    """Id of the second look that it came from, or None for the first glance."""
    shown: bool = False
    """Whether the references show the same; what they deny and a person wants nevertheless stands on its own."""
    id: str = ""
    """"E1", "E2", ... in the order of finding; given by `appended`."""


def appended(new: Iterable[Evidence], to: Sequence[Evidence]) -> list[Evidence]:
    """New evidence with the ids that follow those already given."""
    return [replace(item, id=f"E{len(to) + n}") for n, item in enumerate(new, start=1)]


@dataclass(frozen=True)
class Option:
    """One way to look again, as it stood on the menu."""

    action: Action
    value: float
    """Expected change of the verdict's probability per second of compute."""
    p: float | None = None
    """How likely the language model was to choose it, its leaning taken out; None where it was not asked."""


@dataclass(frozen=True)
class Hypothesis:
    """A possible defect that a second look could settle."""

    name: str
    kind: Kind
    region: Region
    llr: float
    """What the evidence says of it so far."""
    action: Action
    value: float
    """Expected change of the verdict's probability per second of compute."""
    part: str | None = None
    menu: tuple[Option, ...] = ()
    """What else could have been done, and why this was chosen."""


@dataclass(frozen=True, eq=False)
class Look:
    """One second look: where, what was asked, what was answered before and after debiasing."""

    id: str
    hypothesis: str
    action: Action
    box: Box
    """Of the crop, xyxy in pixels of the photo."""
    question: str
    p_yes: float
    """As the model said it, in [0, 1]."""
    p_yes_debiased: float
    """After the same question on a good part (or on an empty image), in [0, 1]."""
    reference: str | None
    """Name of the reference shown beside the crop."""
    llr: float
    """What the look added to its hypothesis."""
    answer: float = 0.0
    """What was measured, in the look's own unit: a change of log-odds, standard deviations, square pixels."""
    menu: tuple[Option, ...] = ()
    """What could have been done instead."""
    calls: int = 0
    """Runs of a model that it took."""
    seconds: float = 0.0


@dataclass(frozen=True)
class Verdict:
    """Good or not, and how sure."""

    anomalous: bool
    score: float
    """Posterior probability of an anomaly, in (0, 1); it never saturates, so it still ranks."""
    confidence: float
    """Probability that the verdict is right, in (0, 1); at least 0.5 unless a false-alarm rate moved the threshold."""
    kinds: tuple[Kind, ...]
    """Kinds of anomaly that carry the verdict; empty for a good part."""
    threshold: float = 0.5
    """The score above which a part is called anomalous, in (0, 1)."""
    stated: bool = True
    """Whether the models know such photos and anything that an anomaly rests on may be stated as a fact; always of a
    good part."""
    unchecked: tuple[str, ...] = ()
    """What a person stated of good parts and this inspection did not check, in a few words each: "number of screws"."""
    not_product: bool = False
    """Whether the photo does not show the product: it has no content, or is unlike all references."""

    @property
    def word(self) -> Word:
        """The verdict in a word; "unsure" where the evidence is thin. `anomalous` still says which side it is on."""
        if self.confidence < PROBABLE:
            return "unsure"
        return "anomalous" if self.anomalous else "good"

    @property
    def told(self) -> Told:
        """The verdict as it is told: what is but probable is not stated as a fact."""
        if self.not_product:
            return "not_product"
        word = self.word
        sure = self.confidence >= SURE and self.stated
        return word if word == "unsure" or sure else _PROBABLY[word]
