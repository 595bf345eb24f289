"""Says what was found, why, and what it rests on; a sentence without evidence is not printed."""

from __future__ import annotations

from collections.abc import Iterator

from langgraph.runtime import Runtime

from agent.claims import Sentence, backed, in_words, say, say_briefly, verdict_claim
from agent.context import Context
from agent.evidence import Claim, Evidence, Verdict
from agent.fuse import by_hypothesis, carrying
from agent.state import InspectionState, OutOfOrderError, Update, need_sample
from tools.narrate import Turn

LISTED = 5
"""So many of the rules that hold are named; the others are counted."""
TOLD_FIRST = ("count", "total", "presence", "part")
"""Beginnings of the keys of claims that come before others."""


def explain(state: InspectionState, runtime: Runtime[Context]) -> Update:
    """Claims first: the verdict, what speaks for it hypothesis by hypothesis, then what is as expected."""
    if state.verdict is None:
        raise OutOfOrderError("`explain` needs `judge` to have run")
    sentences = [*_head(state.verdict, state.evidence), *_body(state.verdict, state.evidence)]
    update = Update(explanation=backed(sentences, state.evidence))
    if state.question:
        turns = [Turn("user", state.question, images=1)]
        update["answer"] = runtime.context.toolbox.narrator.answer([need_sample(state).image], turns)
    return update


def _head(verdict: Verdict, evidence: list[Evidence]) -> Iterator[Sentence]:
    """The verdict, citing what carries it; a good part is good by all that was measured."""
    told = carrying(evidence) if verdict.anomalous else by_hypothesis(evidence)
    yield Sentence(say(verdict_claim(verdict)), tuple(e.id for w in told for e in w.evidence))


def _body(verdict: Verdict, evidence: list[Evidence]) -> Iterator[Sentence]:
    """What carries an anomaly, in full; of a good part the nearest place; and the rules that hold."""
    weighed = by_hypothesis(evidence)
    told = carrying(evidence) if verdict.anomalous else tuple(w for w in weighed if w.kind == "structural")[:1]
    for hypothesis in told:
        yield from (Sentence(say(e.claim), (e.id,)) for e in hypothesis.evidence)
    names = {w.name for w in told}
    held = [w.evidence[0] for w in weighed if w.name not in names and _holds(w.evidence[0])]
    if held:
        yield _as_expected(held)


def _as_expected(held: list[Evidence]) -> Sentence:
    """The few rules that hold which say most to a person: what is there and how many, then where and how."""
    told: dict[str, Evidence] = {}
    for item in sorted(held, key=lambda e: (not e.claim.key.startswith(TOLD_FIRST), e.llr)):
        told.setdefault(say_briefly(item.claim).removesuffix(", as expected").removesuffix(" as expected"), item)
    listed, more = list(told)[:LISTED], len(told) - LISTED
    key = "parts_as_expected_and_more" if more > 0 else "parts_as_expected"
    claim = Claim(key, {"parts": ", ".join(listed) if more > 0 else in_words(listed), "more": more})
    return Sentence(say(claim), tuple(e.id for e in held))


def _holds(evidence: Evidence) -> bool:
    return evidence.source == "rule" and evidence.claim.key.endswith(("_as_expected", "_present"))
