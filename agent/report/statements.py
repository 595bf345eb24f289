"""Sentences on findings: a place and what it looks like, a broken rule, what was compared, what holds, what to do."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from agent.evidence.claims import (
    MOST_CITED,
    Sentence,
    in_words,
    place_in_words,
    renamed,
    say_at,
    say_briefly,
    say_subject,
    strongest,
    tell,
    tells_place,
)
from agent.evidence.fusion import NOTABLE, WeighedHypothesis, by_hypothesis, probability
from agent.evidence.types import Evidence, Verdict
from agent.matchers.registry import matcher_of
from agent.products.spec import Product
from agent.report.regions import plain_region_in_words, region_in_words
from agent.rules import Rule
from agent.state import Context
from tools.describe import DescribedRegion
from tools.types import Sample

ASSERTED = 0.8
"""Probability of a hypothesis, taken alone, from which on a finding is stated as a fact."""
FAR = 2.0
"""Log-likelihood ratio from which on it is said that no reference shows a place."""
MOST = 3
"""Findings that are told; the others stand in the evidence."""
LISTED = 3
"""So many of the rules that hold, and of what was not checked, are named."""
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
    rules = [w for w in against if w.kind == "logical" and w.llr >= NOTABLE][:MOST]
    found = places if verdict.word == "good" else [*places, *rules]
    return tuple(sorted(found, key=lambda w: -w.llr)) or weighed[:1]


def tell_hypothesis(
    weighed: WeighedHypothesis,
    sample: Sample,
    examined: Mapping[str, DescribedRegion],
    language: str,
    *,
    certain: bool,
    open_verdict: bool = False,
) -> Sentence:
    """One sentence on what one hypothesis found.

    Args:
        weighed: the hypothesis.
        sample: the photo.
        examined: what regions look like, by hypothesis.
        language: of the report.
        certain: whether it may be stated as a fact.
        open_verdict: whether the verdict is open, so that even a place is only possible.
    """
    first = next((e for e in weighed.evidence if e.look is None), weighed.evidence[0])
    text = (
        tell_place(weighed, sample, examined, language, possible=open_verdict)
        if any(e.claim.topic == "patch" for e in weighed.evidence)
        else tell_rule(first, language, sample, certain=certain)
    )
    cites = strongest(e for e in weighed.evidence if e.claim.topic != "defect_name")
    return Sentence(text, cites, "finding", certain)


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


def tell_place(
    weighed: WeighedHypothesis,
    sample: Sample,
    examined: Mapping[str, DescribedRegion],
    language: str,
    *,
    possible: bool,
) -> str:
    """What a place looks like, where it is and how large; its box alone where nothing else was measured."""
    known = examined.get(weighed.name)
    region = next(e.region for e in weighed.evidence if e.region is not None)
    said = (
        plain_region_in_words(region.box, sample.size, language)
        if known is None
        else region_in_words(known.description, place_in_words(known.region.box, *sample.size), language)
    )
    frame = "possible" if weighed.llr >= NOTABLE else "most_unusual"
    return tell(frame, {"finding": said[:1].lower() + said[1:]}, language) if possible else said


def tell_rule(evidence: Evidence, language: str, sample: Sample, *, certain: bool) -> str:
    """A broken rule with its place: in a sentence where it is certain, else as a possibility."""
    place = None if evidence.region is None else place_in_words(evidence.region.box, *sample.size)
    if certain:
        return say_at(evidence.claim, place, language)
    said = say_briefly(evidence.claim, language)
    placed = place is not None and not tells_place(evidence.claim, said, place, language)
    return tell("rule_possible_at" if placed else "rule_possible", {"brief": said, "place": place or ""}, language)


def tell_compared(found: Sequence[WeighedHypothesis], product: Product, language: str) -> Sentence | None:
    """That no reference shows what was found, where a place is told and what compares it says so clearly."""
    count = len(product.references)
    against = [e for w in found if w.kind == "structural" for e in w.evidence if e.llr >= NOTABLE and _compares(e)]
    if not count or not against or max(w.llr for w in found if w.kind == "structural") < FAR:
        return None
    key = "unlike_references" if count > 1 else "unlike_reference"
    return Sentence(tell(key, {"references": count}, language), strongest(against), "comparison")


def _compares(evidence: Evidence) -> bool:
    """Whether evidence comes from comparing the photo with the references."""
    matcher = matcher_of(evidence.source, evidence.hypothesis)
    return matcher is not None and matcher.compares


def tell_nothing(evidence: Sequence[Evidence], held: Sequence[Evidence], product: Product, language: str) -> Sentence:
    """That no defect was found, and what was compared with how many references.

    Args:
        evidence: all of it.
        held: rules on parts that hold.
        product: its references were compared with.
        language: of the report.
    """
    count = len(product.references)
    key = ("nothing_alone", "nothing_reference", "nothing_references")[min(count, 2)]
    surface = strongest(e for e in evidence if e.kind == "structural") or strongest(evidence)
    parts = strongest(held)[:1] if count >= COMPARED else ()
    cites = (*surface[: MOST_CITED - len(parts)], *parts)
    return Sentence(tell(key + ("_parts" if parts else ""), {"references": count}, language), cites, "comparison")


def tell_held(held: Sequence[Evidence], product: Product, language: str) -> Sentence | None:
    """The few rules that hold which say most to a person: what is there and how many, then where and how.

    Only parts that words name are named, and only where several references say what may vary.
    """
    listed = dict(list(_listed(held, product, language).items())[:LISTED])
    if not listed:
        return None
    cites = tuple(item.id for item in listed.values())
    return Sentence(tell("held_named", {"parts": in_words(listed, language)}, language), cites, "fine")


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


def holds(evidence: Evidence) -> bool:
    """Whether a rule is kept, as far as was measured."""
    matcher = matcher_of(evidence.source, evidence.hypothesis)
    return evidence.claim.holds and matcher is not None and matcher.checks


LONGEST_CLAUSE = 60
"""Characters of a person's clause that are quoted."""


@dataclass(frozen=True)
class Unchecked:
    """What a person stated of good parts and an inspection did not check."""

    denied: tuple[Rule, ...]
    """Rules that the references do not bear out."""
    unmeasured: tuple[Rule, ...]
    """Rules that this photo gave nothing to measure by."""
    clauses: tuple[str, ...]
    """What no rule says, in the person's words."""
    called: Mapping[str, str]
    """What people call parts that have another label."""

    @classmethod
    def of(cls, product: Product, evidence: Sequence[Evidence]) -> Unchecked:
        """What an inspection of a product that found this evidence left unchecked."""
        spec = product.spec
        measured = {item.hypothesis for item in evidence if item.source != "user"}
        # Of a part that is missing nothing else can be checked, and that it is missing is told.
        missing = {
            item.part
            for item in evidence
            if item.claim.status == "broken" and (item.claim.topic == "presence" or item.claim.facts.get("found") == 0)
        }
        open_rules = (rule for rule in spec.rules if rule.origin == "told" and rule.name not in measured)
        told = tuple(rule for rule in open_rules if rule.part not in missing)
        # What stands in brackets says why there is no rule.
        clauses = (clause.partition(" (")[0] for clause in spec.unruled)
        quoted = tuple(textwrap.shorten(clause, LONGEST_CLAUSE, placeholder=" ...") for clause in clauses)
        return cls(spec.unchecked, told, quoted, spec.called)

    def rules(self, language: str) -> tuple[str, ...]:
        """What the rules are about, each once."""
        claims = (renamed(rule.claim, self.called) for rule in (*self.denied, *self.unmeasured))
        return tuple(dict.fromkeys(say_subject(claim, language) for claim in claims))

    def phrases(self, language: str) -> tuple[str, ...]:
        """All of it, in a few words each."""
        return (*self.rules(language), *self.clauses)


def tell_unchecked(unchecked: Unchecked, evidence: Sequence[Evidence], language: str) -> Sentence | None:
    """One sentence on what was not checked; cites what the verdict rests on instead. None where all was checked."""
    items = [tell("unchecked_rule", {"about": about}, language) for about in unchecked.rules(language)]
    items += [tell("unchecked_words", {"words": clause}, language) for clause in unchecked.clauses]
    if not items:
        return None
    more = len(items) - LISTED
    listed = [*items[:LISTED], *([tell("unchecked_more", {"more": more}, language)] if more > 0 else [])]
    frame = "unchecked"
    if not unchecked.clauses and not (unchecked.denied and unchecked.unmeasured):
        frame = "unchecked_on_references" if unchecked.denied else "unchecked_on_photo"
    return Sentence(tell(frame, {"items": in_words(listed, language)}, language), strongest(evidence)[:1], "limit")


ENOUGH = 8
"""References from which on more of them hardly narrow what is usual."""
WAYS = 2
"""So many ways to settle a verdict are named."""
RENDERED = "nano"
"""The profile whose models know rendered products alone."""


def tell_settling(open_ones: Sequence[WeighedHypothesis], product: Product, context: Context) -> Sentence:
    """One sentence on what would settle an open verdict; cites the hypotheses that are undecided, at least one."""
    ways = list(_ways(open_ones[0].evidence, product, context))[:WAYS]
    said = tell("settle", {"ways": in_words(ways, context.language, "or")}, context.language)
    return Sentence(said, strongest(e for w in open_ones for e in w.evidence), "settle")


def _ways(leading: Sequence[Evidence], product: Product, context: Context) -> Iterator[str]:
    language, count = context.language, len(product.references)
    if not count:
        yield tell("way_first_references", language=language)
    elif count < ENOUGH:
        yield tell("way_references", {"more": ENOUGH - count}, language)
    if not product.spec.normal:
        yield tell("way_words", language=language)
    if any(e.region is not None for e in leading):
        yield tell("way_nearer", language=language)
    if context.profile == RENDERED:
        yield tell("way_profile", language=language)
