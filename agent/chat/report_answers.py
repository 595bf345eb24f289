"""Answers from the report alone: the verdict, why, where, how sure, what to do, which rules and parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from agent.chat.case import Case
from agent.chat.records import likely, line, worded
from agent.chat.understanding import Intent, Subject, called, strongest, where
from agent.evidence.claims import Sentence, SentenceRole, in_words, renamed, say_briefly
from agent.report.model import Finding
from tools.types import Box

Answer = Callable[[Case, Subject, Sequence[str]], list[Sentence]]
"""(case, what the clause is about, ids spoken of last) to sentences."""
SHOWN = 5
"""At most so many things are listed."""
THIN = 0.7
"""A verdict that is right with less probability is called thin."""
FEW = 8
"""With fewer good photos, more of them would help."""


def cited(case: Case) -> tuple[str, ...]:
    """What the verdict rests on: the findings, or all that was weighed."""
    found = case.report.findings or tuple(e for e in case.report.evidence if not e.id.startswith("M"))
    return tuple(f.id for f in found)


def meant(case: Case, subject: Subject, focus: Sequence[str]) -> tuple[Finding, ...]:
    """The evidence that a clause means: named, of a part, in a place, spoken of last, or the strongest."""
    evidence = [e for e in case.report.evidence if not e.id.startswith("M") or e.id in subject.evidence]
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


def verdict_word(case: Case) -> str:
    """Good or anomalous."""
    return worded("anomalous" if case.report.verdict.anomalous else "good")


def verdict(case: Case, subject: Subject, focus: Sequence[str]) -> list[Sentence]:
    """Good or not, by which score, and what speaks most for it."""
    del subject, focus
    v, cites = case.report.verdict, cited(case)
    key = "verdict_anomalous" if v.anomalous else "verdict_good"
    facts = {
        "name": case.name,
        "score": f"{v.score:.2f}",
        "threshold": f"{v.threshold:.2f}",
        "confidence": f"{v.confidence:.2f}",
    }
    said = [line(key, cites, **facts)]
    best = strongest(case)
    if best is not None and v.anomalous:
        said.append(line("strongest_for", (best.id,), what=best.what))
    if v.confidence < THIN:
        said.append(line("verdict_thin", cites))
    return said


def why(case: Case, subject: Subject, focus: Sequence[str]) -> list[Sentence]:
    """The report's own sentences, of all or of a part or place that was named."""
    named = set(subject.evidence) | {e.id for e in case.report.evidence if e.part in subject.parts}
    told = [Sentence(s.text, s.cites) for s in case.report.explanation]
    if not subject.empty and (subject.parts or subject.evidence):
        found = meant(case, subject, focus)
        about = [s for s in told[1:] if set(s.cites) & named and len(s.cites) <= SHOWN]
        first = [f for f in found if f.id not in {c for s in about for c in s.cites}][:SHOWN]
        listed = [line("found_at", (f.id,), **_placed(f, case)) if f.box else _plain(f) for f in first]
        return about[:SHOWN] + listed[: max(1, SHOWN - len(about))]
    return told[:SHOWN]


def place(case: Case, subject: Subject, focus: Sequence[str]) -> list[Sentence]:
    """Where findings lie, or where the parts of a kind lie."""
    for label in subject.parts:
        found, _ = likely(case.parts(), label)
        if found:
            return [_parts_at(case, label, [Box(*p.box) for p in found])]
        told = [e for e in case.report.evidence if e.part == label and e.box is not None]
        if told:
            return [line("found_at", (told[0].id,), **_placed(told[0], case))]
        return [_absent(case, label)]
    chosen = [f for f in meant(case, subject, focus) if not subject.unknown]
    located = _one_a_box([f for f in chosen if f.box is not None])
    if located:
        return [line("found_at", (f.id,), **_placed(f, case)) for f in located[:3]]
    if subject.unknown:
        return [no_part(case, subject.unknown)]
    return [line("no_place", (f.id,), what=f.what) for f in chosen[:1]] or [line("nothing_located", cited(case))]


def sure(case: Case, subject: Subject, focus: Sequence[str]) -> list[Sentence]:
    """Score, confidence, what speaks most for and against, and what would make it surer."""
    v = case.report.verdict
    said = verdict(case, subject, focus)[:1]
    weighed = [e for e in case.report.evidence if not e.id.startswith("M")]
    best = max(weighed, key=lambda e: e.llr, default=None)
    worst = min(weighed, key=lambda e: e.llr, default=None)
    if best is not None and best.llr > 0:
        said.append(line("strongest_for", (best.id,), what=best.what))
    if worst is not None and worst.llr < 0:
        said.append(line("strongest_against", (worst.id,), what=worst.what))
    if v.confidence < THIN:
        said.append(line("verdict_thin", cited(case)))
    count = len(case.report.references)
    if v.confidence < 0.9 and count < FEW:
        said.append(line("settle_references", are="is" if count == 1 else "are", count=count))
    return said


def advice(case: Case, subject: Subject, focus: Sequence[str]) -> list[Sentence]:
    """What to do, marked as inferred."""
    del subject, focus
    told = _inferred(case, ("advice",))
    best, v = strongest(case), case.report.verdict
    if v.anomalous and told:
        return told
    if best is None:
        return [line("do_good", cited(case))]
    if v.confidence < THIN:
        return [line("do_unsure", (best.id,), what=best.what)]
    if v.anomalous:
        said = [line("do_anomalous", (best.id,), what=best.what)]
        known = case.product is not None and case.product.name != "product"
        return [*said, line("do_teach", product=case.report.product)] if known else said
    return [line("do_good", cited(case))]


def cause(case: Case, subject: Subject, focus: Sequence[str]) -> list[Sentence]:
    """What the report infers of the cause; nothing is made up."""
    del subject, focus
    if not case.report.verdict.anomalous:
        return [line("cause_none")]
    return _inferred(case, ("cause",)) or [line("cause_unknown")]


def consequence(case: Case, subject: Subject, focus: Sequence[str]) -> list[Sentence]:
    """What the report infers of the consequence."""
    del subject, focus
    if not case.report.verdict.anomalous:
        return [line("do_good", cited(case))]
    return _inferred(case, ("consequence",)) or [line("consequence_unknown")]


def kind(case: Case, subject: Subject, focus: Sequence[str]) -> list[Sentence]:
    """Structural or logical, and what it was taken for where the language model was sure."""
    if not case.report.findings:
        best = strongest(case)
        return [line("nothing_found", (best.id,), what=best.what)] if best is not None else [line("kind_none")]
    found = meant(case, subject, focus) or case.report.findings
    said = []
    named = [e for e in case.report.evidence if e.topic == "defect_name" and e.hypothesis == found[0].hypothesis]
    first = next((f for f in found if f.llr > 0), found[0])
    said.append(line(f"kind_{first.kind}", (first.id,)))
    if named:
        said.append(_plain(named[0]))
    elif first.kind == "structural":
        said.append(line("kind_unknown", (first.id,), what=first.what))
    else:
        said.append(_plain(first))
    return said


def rules(case: Case, subject: Subject, focus: Sequence[str]) -> list[Sentence]:
    """What a good product obeys."""
    del focus
    known = case.product.spec.rules if case.product is not None else ()
    if case.product is None or not known:
        return [line("rules_none")]
    names = case.product.spec.called
    about = [r for r in known if set(r.named) & set(subject.parts)]
    if about:
        told = "; ".join(say_briefly(renamed(r.claim, names)) for r in about[: 2 * SHOWN])
        return [line("rules_part", part=called(case, subject.parts[0]), rules=told)]
    first = sorted(known, key=lambda r: r.kind not in ("count", "presence"))[:SHOWN]
    told = "; ".join(say_briefly(renamed(r.claim, names)) for r in first)
    return [line("rules_head", count=len(known), rules=told)]


def no_part(case: Case, asked: str) -> Sentence:
    """That a noun is no known part, and which are known."""
    parts = case.product.spec.parts if case.product is not None else ()
    known = dict.fromkeys([*(p.called or p.label for p in parts), *(p.label for p in case.kept_parts() or ())])
    if not known:
        return line("no_parts")
    return line("no_part", asked=asked, parts=", ".join(known))


def _parts_at(case: Case, label: str, boxes: Sequence[Box]) -> Sentence:
    told = [worded("part_place", place=where(b, case), x=round(b.centre[0]), y=round(b.centre[1])) for b in boxes]
    name = called(case, label)
    shown = told if len(told) <= 2 * SHOWN else [*told[: 2 * SHOWN], "..."]
    key = "part_at_one" if len(boxes) == 1 else "part_at"
    box = Box(min(b.x0 for b in boxes), min(b.y0 for b in boxes), max(b.x1 for b in boxes), max(b.y1 for b in boxes))
    noted = case.note(worded("part_count", count=len(boxes), part=name), box=box, part=label)
    return line(key, (noted,), part=name, count=len(boxes), places=in_words(shown))


def _absent(case: Case, label: str) -> Sentence:
    about = [e.id for e in case.report.evidence if e.part == label]
    name = called(case, label)
    return line("count_none", tuple(about[:1]) or (case.note(worded("part_count", count=0, part=name)),), part=name)


def _placed(finding: Finding, case: Case) -> dict[str, str | int]:
    box = Box(*(finding.box or (0, 0, 0, 0)))
    what = finding.what[:1].upper() + finding.what[1:]
    return {"what": what, "x": round(box.centre[0]), "y": round(box.centre[1]), "place": where(box, case)}


def _plain(finding: Finding) -> Sentence:
    return Sentence(f"{finding.what[:1].upper()}{finding.what[1:]}.", (finding.id,))


def _one_a_box(findings: Sequence[Finding]) -> list[Finding]:
    """The first finding of each place."""
    found: dict[object, Finding] = {}
    for f in findings:
        found.setdefault(f.box, f)
    return list(found.values())


def _inferred(case: Case, roles: Sequence[SentenceRole]) -> list[Sentence]:
    """Sentences of the report that infer that."""
    return [Sentence(s.text, s.cites) for s in case.report.explanation if s.role in roles]


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
