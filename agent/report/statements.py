"""Sentences on findings: a place with what every matcher measured there, a broken rule, what holds, what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from agent.evidence.claims import Sentence, in_words, place_in_words, say, say_briefly, tell
from agent.evidence.fusion import NOTABLE, WeighedHypothesis, by_hypothesis, probability
from agent.evidence.types import Evidence, Fact, Verdict
from agent.matchers.registry import matcher_of, place_matchers
from agent.products.spec import Product
from agent.state import Context
from tools.types import Box, Sample

if TYPE_CHECKING:
    from agent.matchers.questions import Familiar

ASSERTED = 0.8
"""Probability of a hypothesis, taken alone, from which on a broken rule is stated as a fact."""
FAR = 2.0
"""Log-likelihood ratio from which on a place stands out, and not only slightly."""
SLIGHT_SD = 1.5
"""Standard deviations from which on a reading is not called usual, whatever the others say."""
MOST = 3
"""Hypotheses that are told one by one; the others stand in the evidence."""
LISTED = 5
"""So many of the rules that hold are named; the others are counted."""
TOLD_FIRST = ("count", "total", "presence")
"""Topics of claims that come before others."""
COMPARED = 2
"""References from which on it is named which rules hold; with fewer, too little is known of what may vary."""


def in_question(evidence: Sequence[Evidence], verdict: Verdict) -> tuple[WeighedHypothesis, ...]:
    """The hypotheses that are told one by one: what carries an anomaly, or what comes nearest to it.

    A rule that holds is never among them, unless nothing else was measured.
    """
    weighed = by_hypothesis(evidence)
    against = [w for w in weighed if w.kind == "structural" or not holds(w.evidence[0])]
    strong = [w for w in against if w.llr >= NOTABLE]
    if verdict.word == "anomalous" and strong:
        return tuple(strong[:MOST])
    places = [w for w in against if w.kind == "structural"][:1]
    rules = [w for w in against if w.kind == "logical"][:MOST]
    found = places if verdict.word == "good" else [*places, *rules]
    return tuple(sorted(found, key=lambda w: -w.llr)) or weighed[:1]


def tell_hypothesis(weighed: WeighedHypothesis, sample: Sample, language: str, *, sure: bool) -> Iterator[Sentence]:
    """What was measured about one hypothesis, and what each second look at it added.

    Args:
        weighed: the hypothesis.
        sample: the photo.
        language: of the report.
        sure: whether the verdict itself is not in doubt; else nothing is asserted.
    """
    glanced = [e for e in weighed.evidence if e.look is None and e.claim.topic != "defect_name"]
    places = [e for e in glanced if e.claim.topic == "patch"]
    if places:
        yield tell_place(weighed, places, language)
        yield from (Sentence(say(e.claim, language), (e.id,)) for e in glanced if e not in places)
    else:
        yield from (tell_rule(e, weighed, sample, language, sure=sure) for e in glanced[:1])
    yield from (Sentence(say(e.claim, language), (e.id,)) for e in weighed.evidence if e not in glanced)


def asserted(weighed: WeighedHypothesis) -> bool:
    """Whether a hypothesis is likely enough to be stated, and to infer anything from."""
    return probability(weighed.llr) >= ASSERTED


def borne_out(weighed: WeighedHypothesis, product: Product) -> bool:
    """Whether a broken rule may be stated as a fact at all, however likely it is.

    Without references nothing has shown that the part finder knows what the words name; and how many there are of parts
    that it discovered by itself, and which of them are unlike their counterparts, it gets wrong too often; so does
    whatever reads the layout as a whole.
    """
    first = weighed.evidence[0]
    counted = first.claim.topic in ("count", "total", "arrangement", "layout")
    named = {part.label for part in product.spec.parts if part.phrase is not None}
    return bool(product.references) and (not counted or first.part in named)


def may_be_stated(weighed: WeighedHypothesis, product: Product) -> bool:
    """Whether a hypothesis may be stated as a fact: it is likely enough, and a rule is borne out."""
    return asserted(weighed) and (weighed.kind == "structural" or borne_out(weighed, product))


def tell_place(weighed: WeighedHypothesis, glanced: Sequence[Evidence], language: str) -> Sentence:
    """One sentence on a place: its size, where it is, and how far each matcher's reading is from the usual."""
    first = glanced[0]
    clauses = [_clause(e, language) for e in glanced]
    before = sum(e.llr for e in glanced)
    highest = max(float(e.claim.facts["sd"]) for e in glanced)
    frame = "place_mixed" if highest >= SLIGHT_SD else "place_none"
    if before >= NOTABLE:
        frame = "place_far" if before >= FAR else "place_slight"
    facts: dict[str, Fact] = {**first.claim.facts, "clauses": "; ".join(clauses)}
    return Sentence(tell(frame, facts, language), tuple(e.id for e in glanced))


def _clause(evidence: Evidence, language: str) -> str:
    key = place_matchers()[evidence.source].clause(int(evidence.claim.facts["references"]))
    deviation = float(evidence.claim.facts["sd"])
    side = tell("above" if deviation >= 0 else "below", language=language)
    return tell(key, {**evidence.claim.facts, "sd": f"{abs(deviation):.1f}", "side": side}, language)


def tell_rule(evidence: Evidence, weighed: WeighedHypothesis, sample: Sample, language: str, *, sure: bool) -> Sentence:
    """A broken rule, stated as a fact where it is likely enough, else as a reading; with its place."""
    place = None if evidence.region is None else place_in_words(evidence.region.box, *sample.size)
    at: dict[str, Fact] = {} if place is None else {"place": place}
    suffix = "" if place is None else "_at"
    if sure and asserted(weighed):
        text = tell(f"rule_asserted{suffix}", {"said": say(evidence.claim, language), **at}, language)
    elif (evidence.claim.topic, evidence.claim.status) == ("count", "broken"):
        text = tell(f"count_measured{suffix}", {**evidence.claim.facts, **at}, language)
    else:
        brief = say_briefly(evidence.claim, language)
        suffix = "" if place is not None and place in brief else suffix
        text = tell(f"rule_measured{suffix}", {"brief": brief, **at}, language)
    return Sentence(text, (evidence.id,))


def tell_held(held: Sequence[Evidence], product: Product, language: str) -> Sentence | None:
    """The few rules that hold which say most to a person: what is there and how many, then where and how.

    Only parts that words name are named, and only where several references say what may vary; the others are counted.
    """
    told = _listed(held, product, language)
    listed, more = list(told)[:LISTED], len(held) - len(list(told)[:LISTED])
    cites = tuple(e.id for e in held)
    if not held:
        return None
    if not listed:
        return Sentence(tell("held_counted", {"more": len(held)}, language), cites)
    facts: dict[str, Fact] = {"parts": ", ".join(listed) if more > 0 else in_words(listed, language), "more": more}
    return Sentence(tell("held_named_and_more" if more > 0 else "held_named", facts, language), cites)


def _listed(held: Sequence[Evidence], product: Product, language: str) -> dict[str, Evidence]:
    """The rules that are worth naming, by what is said of them."""
    named = {p.label for p in product.spec.parts if p.phrase is not None}
    if len(product.references) < COMPARED:
        return {}
    told: dict[str, Evidence] = {}
    for item in sorted(held, key=lambda e: (e.claim.topic not in TOLD_FIRST, e.llr)):
        if item.part in named and item.claim.facts.get("found") != 0:
            said = say_briefly(item.claim, language)
            told.setdefault(said.removesuffix(", as expected").removesuffix(" as expected"), item)
    return told


def tell_unfamiliar(familiar: Familiar, weighed: WeighedHypothesis, language: str) -> Sentence:
    """That the narrator does not know the product, and what shows it."""
    why = tell("unfamiliar_silent", language=language)
    if familiar.strange:
        why = tell("unfamiliar_parts", {"parts": in_words(familiar.strange, language)}, language)
    return Sentence(tell("unfamiliar", {"why": why}, language), tuple(e.id for e in weighed.evidence))


def holds(evidence: Evidence) -> bool:
    """Whether a rule is kept, as far as was measured."""
    matcher = matcher_of(evidence.source, evidence.hypothesis)
    return evidence.claim.holds and matcher is not None and matcher.checks


def share_of(box: Box, sample: Sample) -> float:
    """Area of a box over that of the photo, in [0, 1]."""
    width, height = sample.size
    return box.area / (width * height)


ENOUGH = 8
"""References from which on more of them hardly narrow what is usual."""
RENDERED = "nano"
"""The profile whose models know rendered products alone."""


def tell_settling(
    open_ones: Sequence[WeighedHypothesis], product: Product, sample: Sample, context: Context
) -> Sentence:
    """One sentence, which cites the hypotheses that are undecided; at least one."""
    cites = tuple(e.id for w in open_ones for e in w.evidence)
    ways = list(_ways(open_ones[0].evidence, product, sample, context))
    return Sentence(tell("settle", {"ways": in_words(ways, context.language, "or")}, context.language), cites)


def _ways(leading: Sequence[Evidence], product: Product, sample: Sample, context: Context) -> Iterator[str]:
    language, count = context.language, len(product.references)
    if not count:
        yield tell("way_first_references", language=language)
    elif count < ENOUGH:
        yield tell("way_references", {"more": ENOUGH - count, "references": count}, language)
    if not product.spec.normal:
        yield tell("way_words", language=language)
    region = next((e.region for e in leading if e.region is not None), None)
    if region is not None:
        yield tell("way_nearer", {"place": place_in_words(region.box, *sample.size)}, language)
    if context.profile == RENDERED:
        yield tell("way_profile", language=language)
