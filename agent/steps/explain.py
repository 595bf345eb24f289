"""Says what was found, why, and what it rests on; a sentence without evidence is not printed."""

from __future__ import annotations

from collections.abc import Iterator

from langgraph.runtime import Runtime

from agent.claims import Sentence, backed, in_words, say, verdict_claim
from agent.context import Context
from agent.evidence import Claim, Evidence, Verdict
from agent.fuse import Weighed, by_hypothesis
from agent.state import InspectionState, OutOfOrderError, Update, need_sample
from tools.narrate import Turn

NOTABLE = 0.5
"""A hypothesis is told on its own when its log-likelihood ratio is at least this."""


def explain(state: InspectionState, runtime: Runtime[Context]) -> Update:
    """Claims first: the verdict, what speaks for it hypothesis by hypothesis, then what is as expected."""
    if state.verdict is None:
        raise OutOfOrderError("`explain` needs `judge` to have run")
    weighed = by_hypothesis(state.evidence)
    sentences = [*_head(state.verdict, weighed), *_body(weighed, state.verdict)]
    update = Update(explanation=backed(sentences, state.evidence))
    if state.question:
        turns = [Turn("user", state.question, images=1)]
        update["answer"] = runtime.context.toolbox.narrator.answer([need_sample(state).image], turns)
    return update


def _head(verdict: Verdict, weighed: tuple[Weighed, ...]) -> Iterator[Sentence]:
    """The verdict, citing what carries it."""
    if not weighed:
        return
    carrying = [w for w in weighed if w.llr >= NOTABLE] if verdict.anomalous else list(weighed)
    cites = tuple(e.id for w in carrying or weighed[:1] for e in w.evidence)
    yield Sentence(say(verdict_claim(verdict)), cites)


def _body(weighed: tuple[Weighed, ...], verdict: Verdict) -> Iterator[Sentence]:
    """Each notable hypothesis in full; of the others the nearest place, and the rules that hold."""
    told: set[str] = set()
    for hypothesis in weighed:
        if hypothesis.llr >= NOTABLE and verdict.anomalous:
            told.add(hypothesis.name)
            yield from (Sentence(say(e.claim), (e.id,)) for e in hypothesis.evidence)
    if not verdict.anomalous:
        nearest = next((w for w in weighed if w.kind == "structural"), None)
        if nearest is not None:
            told.add(nearest.name)
            yield from (Sentence(say(e.claim), (e.id,)) for e in nearest.evidence)
    held = [w.evidence[0] for w in weighed if w.name not in told and _holds(w.evidence[0])]
    if held:
        names = in_words([f"'{e.part}'" for e in held])
        yield Sentence(say(Claim("parts_as_expected", {"parts": names})), tuple(e.id for e in held))


def _holds(evidence: Evidence) -> bool:
    return evidence.source == "rule" and evidence.claim.key in ("count_as_expected", "part_present")
