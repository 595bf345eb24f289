"""What a step of an inspection took in, chose and found, as plain data: for traces, the page and LangGraph Studio."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from agent.evidence.fusion import anomaly_llr, by_hypothesis
from agent.evidence.types import Action, Hypothesis, Kind
from agent.report.model import Finding, LookOut, OptionOut, SentenceOut, VerdictOut
from agent.state import Update
from tools.display_text import display_text

LISTED = 4
"""So many hypotheses are shown after a step, the strongest."""


class Suspicion(BaseModel):
    """The hypothesis to look at again, and how."""

    model_config = ConfigDict(frozen=True)

    hypothesis: str
    kind: Kind
    action: Action
    value: float
    """Expected change of the verdict's probability per second of compute."""
    box: tuple[float, float, float, float]
    """xyxy in pixels of the photo."""
    menu: tuple[OptionOut, ...]

    @classmethod
    def of(cls, hypothesis: Hypothesis) -> Suspicion:
        """The plain data of a hypothesis."""
        x0, y0, x1, y1 = (round(v, 1) for v in hypothesis.region.box)
        return cls(
            hypothesis=hypothesis.name,
            kind=hypothesis.kind,
            action=hypothesis.action,
            value=round(hypothesis.value, 5),
            box=(x0, y0, x1, y1),
            menu=tuple(OptionOut.of(option) for option in hypothesis.menu),
        )


class StepEvent(BaseModel):
    """One step that has ended; a field is None where the step does not speak of it."""

    model_config = ConfigDict(frozen=True)

    step: str
    seconds: float
    image: str | None = None
    size: tuple[int, int] | None = None
    """(width, height) of the photo in pixels."""
    references: tuple[str, ...] | None = None
    """Names of the reference photos."""
    product: str | None = None
    part_types: int | None = None
    """Part types of the product."""
    rules: int | None = None
    maps: dict[str, float] | None = None
    """Image score of each matcher, in its own unit."""
    places: tuple[int, ...] | None = None
    """How many places stand out on each map."""
    parts: int | None = None
    """Parts found on the photo."""
    evidence: tuple[Finding, ...] | None = None
    """New evidence, without masks."""
    strongest: dict[str, float] | None = None
    """Log-likelihood ratios of the strongest hypotheses by the new evidence."""
    llr: float | None = None
    """Log-likelihood ratio of an anomaly by the new evidence."""
    suspected: Suspicion | None = None
    """None after the step `suspect` where no second look is worth its time."""
    looks: tuple[LookOut, ...] | None = None
    verdict: VerdictOut | None = None
    explanation: tuple[SentenceOut, ...] | None = None
    answer: str | None = None

    @classmethod
    def of(cls, step: str, update: Update) -> StepEvent:
        """The event of a step.

        Args:
            step: name of the step.
            update: what it changed in the state.
        """
        found: dict[str, Any] = {"step": step, "seconds": round(sum(update.get("seconds", {}).values()), 4)}
        if "sample" in update:
            found |= {"image": update["sample"].name, "size": update["sample"].size}
            found["references"] = tuple(sample.name for sample in update.get("good", ()))
        if "product" in update:
            spec = update["product"].spec
            found |= {"product": spec.name, "part_types": len(spec.parts), "rules": len(spec.rules)}
        if step == "glance":
            glance = update["glance"]
            found["maps"] = {m.source: round(m.own_score, 4) for m in glance.maps}
            found |= {"places": tuple(map(len, glance.peaks)), "parts": len(glance.measured.parts)}
        if update.get("evidence"):
            weighed = by_hypothesis(update["evidence"])
            worth = {w.name: w.llr for w in weighed}
            found["evidence"] = tuple(Finding.of(e, worth[e.hypothesis], masked=False) for e in update["evidence"])
            found["strongest"] = {w.name: round(w.llr, 3) for w in weighed[:LISTED]}
            found["llr"] = round(anomaly_llr(update["evidence"]), 3)
        hypothesis = update.get("hypothesis")
        if hypothesis is not None:
            found["suspected"] = Suspicion.of(hypothesis)
        if "looks" in update:
            found["looks"] = tuple(LookOut.of(look) for look in update["looks"])
        if "verdict" in update:
            found["verdict"] = VerdictOut.of(update["verdict"])
        if "explanation" in update:
            found["explanation"] = tuple(SentenceOut(text=s.text, cites=s.cites) for s in update["explanation"])
        return cls(**found, answer=update.get("answer"))

    def as_record(self) -> dict[str, Any]:
        """The fields that the step speaks of, as JSON values."""
        return self.model_dump(mode="json", exclude_none=True)

    def in_a_line(self) -> str:
        """The event for people: the step, its seconds, then what it found; evidence and sentences are counted."""
        record = self.as_record()
        record |= {name: len(record[name]) for name in ("evidence", "explanation") if name in record}
        if self.step == "suspect":
            record.setdefault("suspected", "none")
        found = "; ".join(f"{key} {_short(value)}" for key, value in record.items() if key not in ("step", "seconds"))
        return f"{self.step:<10} {self.seconds:6.2f} s  {found}"


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_short(v)}" for k, v in value.items() if v is not None)
    if isinstance(value, list | tuple):
        return ", ".join(f"({_short(v)})" if isinstance(v, Mapping) else _short(v) for v in value) or "none"
    return display_text(str(value))
