"""The last steps: fuse the evidence into a verdict, and explain it in sentences that cite it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from langgraph.runtime import Runtime

from agent.crops import crop_box, crop_pair
from agent.evidence.claims import MOST_CITED, Sentence, SentenceRole, backed, say, say_verdict, strongest, tell
from agent.evidence.fusion import WeighedHypothesis, by_hypothesis, not_product, probability
from agent.evidence.types import Evidence, Kind, Verdict, appended
from agent.matchers.base import is_single, tracer_share
from agent.matchers.questions import familiar_with
from agent.products.defects import is_stated, type_evidence
from agent.products.spec import Product
from agent.report.examination import examine
from agent.report.inference import Inference, kind_of, name_of, story_in_words, story_of, tell_inferred
from agent.report.statements import (
    Unchecked,
    holds,
    in_question,
    may_be_stated,
    tell_compared,
    tell_held,
    tell_hypothesis,
    tell_nothing,
    tell_settling,
    tell_unchecked,
)
from agent.state import Context, InspectionState, OutOfOrderError, Update, need_glance, need_product, need_sample
from tools.describe import DescribedRegion
from tools.vlm import Turn

RELIABLE = 0.5
"""Where the tracer's evidence counts less than this on a product, a report says so and states no anomaly as sure."""
LONGEST, LONGEST_GOOD = 90, 30
"""Words of an explanation at most, and of that of a good part."""
SPARED: tuple[SentenceRole, ...] = ("consequence", "fine", "finding")
"""What an explanation that is too long leaves out, in this order; the first finding stays."""
CARRIES = 1.0
"""A kind carries the verdict when one of its hypotheses is worth at least this log-likelihood ratio."""


def judge(state: InspectionState, runtime: Runtime[Context]) -> Update:
    """Adds what speaks about one hypothesis and mixes the hypotheses; the order of images is kept."""
    context = runtime.context
    product = need_product(state)
    log_odds, line = context.log_odds(state.evidence, product), context.threshold(product)
    score = probability(log_odds)
    other = bool(not_product(by_hypothesis(state.evidence)))
    anomalous = log_odds > line or other
    kinds = _kinds(state.evidence) if anomalous else ()
    confidence, threshold = score if anomalous else 1 - score, probability(line)
    reliable = tracer_share(product, context.calibration) >= RELIABLE
    stated = not anomalous or (reliable and any(may_be_stated(w, product) for w in by_hypothesis(state.evidence)))
    unchecked = Unchecked.of(product, state.evidence).phrases(context.language)
    return Update(verdict=Verdict(anomalous, score, confidence, kinds, threshold, stated, unchecked, other))


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
    if state.verdict.not_product:
        return Update(
            explanation=tuple(_tell_not_product(state.evidence, context.language)), **_answered(state, context)
        )
    told = in_question(state.evidence, state.verdict) if state.verdict.word != "good" else ()
    examined = examine(told, need_sample(state), need_product(state), need_glance(state), context)
    named, story = _inferred(state, state.verdict, examined, context)
    evidence = [*state.evidence, *named]
    sentences = _told(state, state.verdict, evidence, examined, context)
    sentences += _limits(state, evidence, context)
    leading = _leading(evidence, need_product(state))
    if state.verdict.word == "anomalous" and may_be_stated(leading, need_product(state)):
        sentences += tell_inferred(leading, story, context.language)
    elif state.verdict.word != "good":
        sentences.append(tell_settling(told, need_product(state), context))
    limit = LONGEST_GOOD if state.verdict.word == "good" else LONGEST
    told_in_full = shortened(backed(_once(sentences), evidence), limit)
    return Update(explanation=told_in_full, evidence=named, examined=examined, **_answered(state, context))


def _answered(state: InspectionState, context: Context) -> Update:
    """The language model's answer to a question that is open."""
    if not state.question or state.answer is not None:
        return Update()
    turns = [Turn("user", state.question, images=1)]
    return Update(answer=context.toolbox.vlm.answer([need_sample(state).image], turns))


def _tell_not_product(evidence: list[Evidence], language: str) -> Iterator[Sentence]:
    """That the photo does not show the product, and why."""
    found = [w.evidence[0] for w in not_product(by_hypothesis(evidence))]
    yield Sentence(tell("verdict_not_product", language=language), strongest(found), "verdict", certain=True)
    yield from (Sentence(say(item.claim, language), (item.id,), "finding", certain=True) for item in found)


def shortened(sentences: Sequence[Sentence], limit: int) -> tuple[Sentence, ...]:
    """The sentences without the least needed ones, until at most `limit` words remain.

    Args:
        sentences: of a report, in order.
        limit: words in all; scripts without spaces count a sentence as one word.
    """
    kept = list(sentences)
    for role in SPARED:
        for sentence in [s for s in reversed(kept) if s.role == role]:
            first = next(s for s in kept if s.role == role)
            if sum(len(s.text.split()) for s in kept) <= limit:
                return tuple(kept)
            if role != "finding" or sentence is not first:
                kept.remove(sentence)
    return tuple(kept)


def _leading(evidence: list[Evidence], product: Product) -> WeighedHypothesis:
    """The strongest hypothesis that may be stated as a fact, or the strongest of all where none may."""
    weighed = by_hypothesis(evidence)
    return next((w for w in weighed if may_be_stated(w, product)), weighed[0])


def _inferred(
    state: InspectionState, verdict: Verdict, examined: Mapping[str, DescribedRegion], context: Context
) -> tuple[list[Evidence], Inference]:
    """(the name of the defect as evidence, what lies behind the finding).

    Examples that a person taught name it. Without any, the language model is asked of an anomaly that is not in doubt,
    and believed only where it knows the product.
    """
    sample, product = need_sample(state), need_product(state)
    leading, typed = _leading(state.evidence, product), type_evidence(state, examined, product, context)
    if verdict.word != "anomalous" or not may_be_stated(leading, product):
        return typed, Inference()
    usual = story_of(kind_of(leading.evidence[0]), context.language)
    if product.lessons is not None:
        names = [str(e.claim.facts["name"]) for e in typed if e.hypothesis == leading.name and is_stated(e.claim)]
        return typed, story_of(names[0], context.language) if names else usual
    region = next((e.region for e in leading.evidence if e.region is not None), None)
    if region is None or not familiar_with(context, product, sample).known:
        return [], usual
    vlm = context.toolbox.vlm
    pair = crop_pair(sample, crop_box(region.box, sample), product.references)
    named: list[Evidence] = []
    claim = name_of(vlm, pair, product) if leading.kind == "structural" else None
    if claim is not None:
        evidence = Evidence("structural", claim, 0.0, "vlm", leading.name, region=region)
        if not any((e.source, e.hypothesis, e.claim) == ("vlm", leading.name, claim) for e in state.evidence):
            named = appended([evidence], state.evidence)
        usual = story_of(str(claim.facts["name"]), context.language)
    if not context.calibration.prose:
        return named, usual
    found = tell_hypothesis(leading, sample, examined, context.language, certain=True).text
    known = [*leading.evidence, *named]
    return named, story_in_words(vlm, product, sample, known, found, usual, context.language)


def _told(
    state: InspectionState,
    verdict: Verdict,
    evidence: list[Evidence],
    examined: Mapping[str, DescribedRegion],
    context: Context,
) -> list[Sentence]:
    """The verdict, what is wrong and where, what it was compared with, and what is as it should be."""
    weighed = by_hypothesis(evidence)
    found = in_question(evidence, verdict) if verdict.word != "good" else ()
    language, sample, product = context.language, need_sample(state), need_product(state)
    cited = [e for w in found or weighed for e in w.evidence]
    certain = verdict.told in ("good", "anomalous")
    sentences = [Sentence(say_verdict(verdict, language), strongest(cited), "verdict", certain)]
    sentences += _maybe(tell_unchecked(Unchecked.of(product, state.evidence), evidence, language))
    facts = {w.name for w in found if verdict.told == "anomalous" and may_be_stated(w, product)}
    for hypothesis in sorted(found, key=lambda w: w.name not in facts):
        open_verdict = verdict.word == "unsure"
        sentences.append(
            tell_hypothesis(
                hypothesis, sample, examined, language, certain=hypothesis.name in facts, open_verdict=open_verdict
            )
        )
    names = {w.name for w in found}
    held = [w.evidence[0] for w in weighed if w.name not in names and holds(w.evidence[0]) and w.llr != 0]
    if _not_counted(product, context):
        held = []
    compared = tell_compared(found, product, language) if found else tell_nothing(evidence, held, product, language)
    return [*sentences, *_maybe(compared), *_maybe(tell_held(held, product, language))]


def _not_counted(product: Product, context: Context) -> str | None:
    """The frame that says why parts and layout hardly count on this product; None where they do."""
    if tracer_share(product, context.calibration) < RELIABLE:
        return "unreliable_models"
    return "single_reference" if is_single(product, context.calibration) else None


def _limits(state: InspectionState, evidence: list[Evidence], context: Context) -> Iterator[Sentence]:
    """That parts and layout hardly count on this product, and that time ended the looks; cite what counted instead."""
    frame, budget = _not_counted(need_product(state), context), context.budget
    if frame is not None:
        cites = tuple(item.id for item in evidence if item.source == "reference")[:1]
        yield Sentence(tell(frame, language=context.language), cites, "limit")
    if state.looks_ended and budget.seconds is not None:
        said = tell("looks_ended", {"seconds": f"{budget.seconds:g}"}, context.language)
        yield Sentence(said, strongest(evidence)[:1], "limit")


def _maybe(sentence: Sentence | None) -> Iterator[Sentence]:
    if sentence is not None:
        yield sentence


def _once(sentences: list[Sentence]) -> list[Sentence]:
    """Sentences of the same words as one that cites all that they cite, where the first of them stood."""
    cited: dict[str, dict[str, None]] = {}
    for sentence in sentences:
        cited.setdefault(sentence.text, {}).update(dict.fromkeys(sentence.cites))
    firsts = {s.text: s for s in reversed(sentences)}
    return [replace(firsts[text], cites=tuple(cites)[:MOST_CITED]) for text, cites in cited.items()]
