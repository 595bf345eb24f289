"""Answers from the report alone, in its own sentences: the verdict, why, where, how sure, what to do, which rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from agent.chat.case import ASKED, Case
from agent.chat.records import PartFact, around, likely
from agent.chat.understanding import Intent, Subject, called, strongest
from agent.evidence.claims import Sentence, SentenceRole, renamed, say_briefly, tell
from agent.report.model import Finding
from agent.report.statements import ENOUGH
from tools.types import Box

Answer = Callable[[Case, Subject, Sequence[str]], list[Sentence]]
"""(case, what the clause is about, ids spoken of last) to sentences."""
MOST = 3
"""An answer has at most so many of the report's sentences."""
SHOWN = 5
"""At most so many rules are listed."""


def cited(case: Case) -> tuple[str, ...]:
    """What the verdict rests on: the findings, or all that was weighed."""
    found = case.report.findings or tuple(e for e in case.report.evidence if not e.id.startswith(ASKED))
    return tuple(f.id for f in found)


def meant(case: Case, subject: Subject, focus: Sequence[str]) -> tuple[Finding, ...]:
    """The evidence that a clause means: named, of a part, in a place, spoken of last, or the strongest."""
    evidence = [e for e in case.report.evidence if not e.id.startswith(ASKED) or e.id in subject.evidence]
    if subject.evidence:
        return tuple(e for e in evidence if e.id in subject.evidence)
    if subject.parts:
        return tuple(e for e in evidence if e.part in subject.parts)
    if focus and not subject.defect:
        found = tuple(e for e in case.report.evidence if e.id in focus)
        if found:
            return found
    if case.report.findings:
        return case.report.findings
    best = strongest(case)
    return (best,) if best is not None else ()


def of_report(case: Case, *roles: SentenceRole) -> list[Sentence]:
    """The report's first sentences in these roles, the first role first."""
    told = [Sentence(s.text, s.cites) for role in roles for s in case.report.explanation if s.role == role]
    return told[:MOST]


def verdict_of(case: Case) -> Sentence:
    """The verdict as the report tells it, which is its first sentence."""
    first = case.report.explanation[0]
    return Sentence(first.text, first.cites)


def verdict_after(case: Case, before: Sentence, cites: tuple[str, ...]) -> Sentence:
    """The verdict after something has changed, and whether it is another one."""
    now = verdict_of(case)
    key = "verdict_same" if now.text == before.text else "verdict_now"
    return case.line(key, cites or now.cites, verdict=now.text)


def verdict(case: Case, subject: Subject, focus: Sequence[str]) -> list[Sentence]:
    """Good or not, and the worst finding, or what was compared."""
    del subject, focus
    return [verdict_of(case), *of_report(case, "finding", "comparison")[:1]]


def why(case: Case, subject: Subject, focus: Sequence[str]) -> list[Sentence]:
    """What was found and what it was compared with, of all or of a part or place that was named."""
    if subject.parts or subject.evidence:
        found = meant(case, subject, focus)
        named = {f.id for f in found}
        told = [Sentence(s.text, s.cites) for s in case.report.explanation[1:] if named & set(s.cites)]
        known = {i for s in told for i in s.cites}
        return [*told, *case.told(f for f in found if f.id not in known)][:MOST]
    return of_report(case, "finding", "comparison", "limit", "fine") or [verdict_of(case)]


def place(case: Case, subject: Subject, focus: Sequence[str]) -> list[Sentence]:
    """Where findings lie, or where the parts of a kind lie."""
    for label in subject.parts:
        found, _ = likely(case.parts(), label)
        if found:
            return [_parts_at(case, label, found)]
        told = [e for e in case.report.evidence if e.part == label]
        return case.told(told[:1]) or [_absent(case, label)]
    chosen = [f for f in meant(case, subject, focus) if not subject.unknown]
    if subject.unknown:
        return [no_part(case, subject.unknown)]
    return case.told([f for f in chosen if f.box is not None] or chosen[:1])[:MOST] or [case.line("nothing_located")]


def sure(case: Case, subject: Subject, focus: Sequence[str]) -> list[Sentence]:
    """The verdict with how sure it is, and what would make it surer, or else what it rests on."""
    del subject, focus
    first, settling = verdict_of(case), of_report(case, "settle")
    more = ENOUGH - len(case.report.references)
    if not settling and case.report.verdict.told in ("probably_good", "probably_anomalous") and more > 0:
        way = "way_references" if case.report.references else "way_first_references"
        ways = tell(way, {"more": more}, case.language)
        settling = [Sentence(tell("settle", {"ways": ways}, case.language), first.cites)]
    return [first, *(settling or of_report(case, "finding", "comparison")[:1])]


def advice(case: Case, subject: Subject, focus: Sequence[str]) -> list[Sentence]:
    """What to do, marked as inferred."""
    del subject, focus
    inferred, v = of_report(case, "advice"), case.report.verdict
    if inferred:
        return inferred
    key = "do_unsure" if v.word == "unsure" else "do_anomalous" if v.anomalous else "do_good"
    said = [Sentence(tell("advice", {"advice": case.worded(key)}, case.language), verdict_of(case).cites)]
    if v.word == "unsure":
        return said + of_report(case, "settle")
    known = v.anomalous and case.product is not None and case.product.name != "product"
    return [*said, case.line("do_teach", product=case.report.product)] if known else said


def cause(case: Case, subject: Subject, focus: Sequence[str]) -> list[Sentence]:
    """What the report infers of the cause; nothing is made up."""
    del subject, focus
    if not case.report.verdict.anomalous:
        return [case.line("cause_none")]
    return of_report(case, "cause") or [case.line("cause_unknown")]


def consequence(case: Case, subject: Subject, focus: Sequence[str]) -> list[Sentence]:
    """What the report infers of the consequence."""
    if not case.report.verdict.anomalous:
        return advice(case, subject, focus)
    return of_report(case, "consequence") or [case.line("consequence_unknown")]


def nothing_found(case: Case) -> list[Sentence]:
    """That nothing was found, as the report tells it."""
    return of_report(case, "comparison") or of_report(case, "finding")[:1] or [case.line("kind_none")]


def kind(case: Case, subject: Subject, focus: Sequence[str]) -> list[Sentence]:
    """What it was taken for or looks like, and whether it concerns the surface or the parts."""
    if not case.report.findings:
        return nothing_found(case)
    found = meant(case, subject, focus) or case.report.findings
    first = next((f for f in found if f.llr > 0), found[0])
    named = [e for e in case.report.evidence if e.topic == "defect_name" and e.hypothesis == found[0].hypothesis]
    return [*case.told(named[:1]), *case.told([first]), case.line(f"kind_{first.kind}", (first.id,))]


def rules(case: Case, subject: Subject, focus: Sequence[str]) -> list[Sentence]:
    """What a good product obeys."""
    del focus
    known = case.product.spec.rules if case.product is not None else ()
    if case.product is None or not known:
        return [case.line("rules_none")]
    names = case.product.spec.called
    about = [r for r in known if set(r.named) & set(subject.parts)]
    first = sorted(
        about or known, key=lambda r: (r.kind not in ("count", "presence"), r.kind in ("size", "proportion"))
    )
    told = "; ".join(say_briefly(renamed(r.claim, names), case.language) for r in first[:SHOWN])
    if about:
        return [case.line("rules_part", part=called(case, subject.parts[0]), rules=told)]
    return [case.line("rules_head", count=len(known), rules=told)]


def no_part(case: Case, asked: str) -> Sentence:
    """That a noun is no known part, and which are known."""
    parts = case.product.spec.parts if case.product is not None else ()
    known = dict.fromkeys([*(p.called or p.label for p in parts), *(p.label for p in case.kept_parts() or ())])
    if not known:
        return case.line("no_parts")
    return case.line("no_part", asked=asked, parts=", ".join(known))


def _parts_at(case: Case, label: str, found: Sequence[PartFact]) -> Sentence:
    name, number = called(case, label), len(found)
    at = Counter(case.place(Box(*p.box)) for p in found)
    noted = case.note(case.worded("part_count", found=number, part=name), box=around(found), part=label)
    places = case.listed(p if n == 1 else case.worded("place_count", count=n, place=p) for p, n in at.items())
    return case.line("places", (noted,), found=number, part=name, places=places)


def _absent(case: Case, label: str) -> Sentence:
    name = called(case, label)
    noted = case.note(case.worded("part_count", found=0, part=name), part=label)
    return case.line("count", (noted,), found=0, part=name)


ANSWERS: dict[Intent, Answer] = {
    "verdict": verdict,
    "why": why,
    "where": place,
    "sure": sure,
    "do": advice,
    "cause": cause,
    "consequence": consequence,
    "kind": kind,
    "rules": rules,
}
