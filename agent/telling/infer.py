"""What a finding may mean: how bad it is, where it may come from, what it may lead to and what to do.

None of this is observed. It is said only of a verdict that is not in doubt, and always marked as inference.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, cast

from agent.claims import Sentence, tell
from agent.evidence import Evidence, Fact
from agent.fuse import Weighed
from agent.telling.statements import share_of
from prompts import in_language
from tools.types import Sample

Severity = Literal["minor", "moderate", "severe"]
SMALL, LARGE = 0.003, 0.08
"""Shares of the photo below and above which a place counts as minor and as severe."""
_KINDS = {
    "presence": "missing", "place": "place", "turn": "direction", "heading": "direction",
    "size": "size", "ranks": "size", "colour": "colour", "same": "colour", "match": "colour", "beside": "place",
    "touching": "contact", "level": "contact", "whole": "broken", "proportion": "proportion",
}  # fmt: skip
"""What a claim's topic is about, in prompts/report/inferences.yaml."""
_DIFFERS = {
    "missing": "missing", "extra": "extra", "place": "place", "size": "size", "shape": "size", "colour": "colour",
}  # fmt: skip
"""The same for how a part differs from its counterpart on a reference."""


@dataclass(frozen=True)
class Story:
    """What lies behind a finding and what comes of it, each a clause or nothing."""

    cause: str | None = None
    consequence: str | None = None
    advice: str | None = None


def kind_of(evidence: Evidence) -> str | None:
    """What a finding is about: "missing", "extra", ...; None for a place that nobody has named."""
    claim = evidence.claim
    if claim.aspect is not None:
        return _DIFFERS.get(claim.aspect)
    if claim.topic in ("count", "total", "each"):
        found, expected = str(claim.facts.get("found", "")), str(claim.facts.get("expected", ""))
        digits = [word for word in expected.split() if word.isdigit()]
        if not found.isdigit() or not digits:
            return None
        return "missing" if int(found) < int(digits[0]) else "extra"
    return None if claim.topic is None else _KINDS.get(claim.topic)


def story_of(kind: str | None, language: str) -> Story:
    """The usual story of a kind of finding; empty for one that has none."""
    known = cast("dict[str, dict[str, str]]", in_language("report/inferences", language))
    return Story(**known[kind]) if kind in known else Story()


def severity_of(weighed: Weighed, sample: Sample) -> tuple[Severity, str, dict[str, Fact]]:
    """(how bad, the frame that says why, its facts): by what is missing, or by how large the place is."""
    if weighed.kind == "logical":
        missing = any(kind_of(e) in ("missing", "extra", "contact", "broken") for e in weighed.evidence)
        return ("severe", "why_rule", {}) if missing else ("moderate", "why_form", {})
    box = next(e.region.box for e in weighed.evidence if e.region is not None)
    share = share_of(box, sample)
    word: Severity = "minor" if share < SMALL else "severe" if share > LARGE else "moderate"
    return word, "why_share", {"share": f"{100 * share:.1f}"}


def tell_inferred(weighed: Weighed, sample: Sample, story: Story, language: str) -> Iterator[Sentence]:
    """Severity, cause, consequence and advice, each marked, each citing the finding that it is inferred from."""
    cites = tuple(e.id for e in weighed.evidence)
    word, frame, facts = severity_of(weighed, sample)
    said = {"severity": tell(word, language=language), "why": tell(frame, facts, language)}
    yield Sentence(tell("severity", said, language), cites)
    for key in ("cause", "consequence", "advice"):
        text = getattr(story, key)
        if text:
            yield Sentence(tell(key, {key: text}, language), cites)
