"""What a step of an inspection took in, chose and found, as data and in a line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from agent.evidence.fusion import anomaly_llr, by_hypothesis
from agent.evidence.types import Evidence, Hypothesis, Look, Verdict
from agent.state import Glance, Update
from tools.display_text import display_text

LISTED = 4
"""So many hypotheses are shown after a step, the strongest."""


def traced(step: str, update: Update) -> dict[str, Any]:
    """A step as a flat record for a line of JSON: its name, its seconds, and what it changed.

    Args:
        step: name of the step.
        update: what it changed in the state.
    """
    record: dict[str, Any] = {"step": step, "seconds": round(sum(update.get("seconds", {}).values()), 4)}
    if "sample" in update:
        record |= {"image": update["sample"].name, "size": list(update["sample"].size)}
        record["references"] = [good.name for good in update.get("good", ())]
    if "product" in update:
        record |= {"product": update["product"].name, "rules": len(update["product"].spec.rules)}
    if "glance" in update and step == "glance":
        record |= _glance(update["glance"])
    if update.get("evidence"):
        record |= _evidence(update["evidence"])
    if "hypothesis" in update:
        record |= _hypothesis(update["hypothesis"])
    for look in update.get("looks", []):
        record |= _look(look)
    if "verdict" in update:
        record |= _verdict(update["verdict"])
    if "explanation" in update:
        record["sentences"] = len(update["explanation"])
    return record


def in_a_line(record: Mapping[str, Any]) -> str:
    """A record for people: the step, its seconds, then what it says."""
    said = "; ".join(f"{key} {_short(value)}" for key, value in record.items() if key not in ("step", "seconds"))
    return f"{record['step']:<10} {record['seconds']:6.2f} s  {said}"


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_short(v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(f"({_short(v)})" if isinstance(v, Mapping) else _short(v) for v in value) or "none"
    return display_text(str(value))


def _glance(glance: Glance) -> dict[str, Any]:
    maps = {m.source: round(m.own_score, 4) for m in glance.maps}
    return {"maps": maps, "places": [len(p) for p in glance.peaks], "parts": len(glance.measured.parts)}


def _evidence(evidence: list[Evidence]) -> dict[str, Any]:
    strongest = {w.name: round(w.llr, 3) for w in by_hypothesis(evidence)[:LISTED]}
    return {"evidence": len(evidence), "strongest": strongest, "llr": round(anomaly_llr(evidence), 3)}


def _hypothesis(hypothesis: Hypothesis | None) -> dict[str, Any]:
    if hypothesis is None:
        return {"look": "no more"}
    menu = [{"action": o.action, "value": round(o.value, 4)} | ({"p": o.p} if o.p else {}) for o in hypothesis.menu]
    box = [round(v) for v in hypothesis.region.box]
    return {"hypothesis": hypothesis.name, "action": hypothesis.action, "box": box, "menu": menu}


def _look(look: Look) -> dict[str, Any]:
    facts = {
        "id": look.id, "hypothesis": look.hypothesis, "action": look.action, "question": look.question,
        "reference": look.reference, "answer": round(look.answer, 4), "p_before": round(look.p_yes, 4),
        "p_after": round(look.p_yes_debiased, 4), "llr": round(look.llr, 4), "calls": look.calls,
    }  # fmt: skip
    return {key: value for key, value in facts.items() if value is not None}


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "verdict": verdict.word, "anomalous": verdict.anomalous, "score": round(verdict.score, 4),
        "threshold": round(verdict.threshold, 4), "kinds": list(cast("tuple[str, ...]", verdict.kinds)),
    }  # fmt: skip
