"""The last steps: fuse the evidence into a verdict, and explain it in sentences that cite it."""

from __future__ import annotations

import math
from collections.abc import Iterator

from langgraph.runtime import Runtime

from agent.crops import crop_box, crop_pair
from agent.evidence.claims import Sentence, backed, say_verdict, tell
from agent.evidence.fusion import WeighedHypothesis, by_hypothesis, probability
from agent.evidence.types import Evidence, Kind, Verdict, appended
from agent.matchers.base import is_single, tracer_share
from agent.matchers.questions import Familiar, familiar_with
from agent.report.inference import Inference, kind_of, name_of, story_in_words, story_of, tell_inferred
from agent.report.statements import (
    borne_out,
    holds,
    in_question,
    may_be_stated,
    tell_held,
    tell_hypothesis,
    tell_settling,
    tell_unfamiliar,
)
from agent.state import Context, InspectionState, OutOfOrderError, Update, need_product, need_sample
from tools.vlm import Turn

RELIABLE = 0.5
"""A report says so where the tracer's evidence counts less than this on a product."""
CARRIES = 1.0
"""A kind carries the verdict when one of its hypotheses is worth at least this log-likelihood ratio."""


def judge(state: InspectionState, runtime: Runtime[Context]) -> Update:
    """Adds what speaks about one hypothesis and mixes the hypotheses; the order of images is kept."""
    context = runtime.context
    product = need_product(state)
    log_odds, line = context.log_odds(state.evidence, product), context.threshold(product)
    score = probability(log_odds)
    anomalous = log_odds > line
    kinds = _kinds(state.evidence) if anomalous else ()
    confidence, threshold = score if anomalous else 1 - score, probability(line)
    stated = not anomalous or any(may_be_stated(w, product) for w in by_hypothesis(state.evidence))
    return Update(verdict=Verdict(anomalous, score, confidence, kinds, threshold, stated))


def _kinds(evidence: list[Evidence]) -> tuple[Kind, ...]:
    worth: dict[Kind, float] = {}
    for hypothesis in by_hypothesis(evidence):
        worth[hypothesis.kind] = max(worth.get(hypothesis.kind, -math.inf), hypothesis.llr)
    strongest = max(worth.values())
    carrying = [kind for kind, llr in worth.items() if llr >= CARRIES or llr == strongest]
    return tuple(sorted(carrying))


def explain(state: InspectionState, runtime: Runtime[Context]) -> Update:
    """The verdict, what speaks for it, what it may mean, what holds, and where it is in doubt what would settle it."""
    if state.verdict is None:
        raise OutOfOrderError("`explain` needs `judge` to have run")
    context = runtime.context
    named, familiar, story = _asked(state, state.verdict, context)
    evidence = [*state.evidence, *named]
    sentences = _told(state, state.verdict, evidence, context)
    if familiar is not None and not familiar.known:
        sentences.append(tell_unfamiliar(familiar, _leading(state.evidence), context.language))
    leading = _leading(evidence)
    if state.verdict.word == "anomalous" and may_be_stated(leading, need_product(state)):
        sentences += tell_inferred(leading, need_sample(state), story, context.language)
    elif state.verdict.word != "good":
        sentences.append(
            tell_settling(in_question(evidence, state.verdict), need_product(state), need_sample(state), context)
        )
    sentences += _maybe(_unreliable(evidence, state, context))
    update = Update(explanation=backed(_once(sentences), evidence), evidence=named)
    if state.question and state.answer is None:
        turns = [Turn("user", state.question, images=1)]
        update["answer"] = context.toolbox.narrator.answer([need_sample(state).image], turns)
    return update


def _leading(evidence: list[Evidence]) -> WeighedHypothesis:
    return by_hypothesis(evidence)[0]


def _asked(
    state: InspectionState, verdict: Verdict, context: Context
) -> tuple[list[Evidence], Familiar | None, Inference]:
    """(the name of the defect as evidence, whether the narrator knows the product, what lies behind the finding).

    The narrator is asked of an anomaly that is not in doubt, and believed only where it knows the product.
    """
    leading, sample, product = _leading(state.evidence), need_sample(state), need_product(state)
    if verdict.word != "anomalous" or not may_be_stated(leading, product):
        return [], None, Inference()
    usual = story_of(kind_of(leading.evidence[0]), context.language)
    region = next((e.region for e in leading.evidence if e.region is not None), None)
    if region is None:
        return [], None, usual
    narrator = context.toolbox.narrator
    pair = crop_pair(sample, crop_box(region.box, sample), product.references)
    familiar = familiar_with(context, product, sample)
    if not familiar.known:
        return [], familiar if leading.kind == "structural" else None, usual
    named: list[Evidence] = []
    claim = name_of(narrator, pair, product) if leading.kind == "structural" else None
    if claim is not None:
        evidence = Evidence("structural", claim, 0.0, "narrator", leading.name, region=region)
        if not any((e.source, e.hypothesis, e.claim) == ("narrator", leading.name, claim) for e in state.evidence):
            named = appended([evidence], state.evidence)
        usual = story_of(str(claim.facts["name"]), context.language)
    if not context.calibration.prose:
        return named, familiar, usual
    told = list(tell_hypothesis(leading, sample, context.language, sure=True))
    found = " ".join(s.text for s in told[:1])
    known = [*leading.evidence, *named]
    return named, familiar, story_in_words(narrator, product, sample, known, found, usual, context.language)


def _told(state: InspectionState, verdict: Verdict, evidence: list[Evidence], context: Context) -> list[Sentence]:
    """The verdict, citing what carries it; the hypotheses that do; and the rules that hold."""
    weighed = by_hypothesis(evidence)
    told = in_question(evidence, verdict)
    language, sample, product = context.language, need_sample(state), need_product(state)
    cited = told if verdict.word != "good" else weighed
    sentences = [Sentence(say_verdict(verdict, language), tuple(e.id for w in cited for e in w.evidence))]
    for hypothesis in told:
        sure = verdict.told == "anomalous" and borne_out(hypothesis, product)
        sentences += tell_hypothesis(hypothesis, sample, language, sure=sure)
    names = {w.name for w in told}
    held = [w.evidence[0] for w in weighed if w.name not in names and holds(w.evidence[0])]
    return [*sentences, *_maybe(tell_held(held, product, language))]


def _unreliable(evidence: list[Evidence], state: InspectionState, context: Context) -> Sentence | None:
    """That parts and layout hardly count on this product; cites what the verdict rests on instead."""
    product, calibration = need_product(state), context.calibration
    single, unreliable = is_single(product, calibration), tracer_share(product, calibration) < RELIABLE
    if not (single or unreliable):
        return None
    cites = tuple(item.id for item in evidence if item.source == "reference")[:1]
    return Sentence(tell("unreliable_models" if unreliable else "single_reference", language=context.language), cites)


def _maybe(sentence: Sentence | None) -> Iterator[Sentence]:
    if sentence is not None:
        yield sentence


def _once(sentences: list[Sentence]) -> list[Sentence]:
    """Sentences of the same words as one that cites all that they cite, where the first of them stood."""
    cited: dict[str, dict[str, None]] = {}
    for sentence in sentences:
        cited.setdefault(sentence.text, {}).update(dict.fromkeys(sentence.cites))
    return [Sentence(text, tuple(cites)) for text, cites in cited.items()]
