"""Answers from measured parts: how many, which colour, how large, whether present, whether the same."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from agent.chat.case import Case
from agent.chat.records import PartFact, around, likely, line, worded
from agent.chat.report_answers import Answer, meant, no_part
from agent.chat.understanding import Intent, Subject, called, names, strongest, where
from agent.evidence.claims import Sentence, in_words
from agent.evidence.fusion import log_odds, probability
from agent.evidence.types import Fact
from agent.products.measurement import FAINT
from agent.report.model import Finding
from agent.rules import CountRule
from tools.types import Box

SURE = 0.8
"""A count is told without its probability from this probability on."""
SEEN = 10.0
"""CIELAB distance (CIE76) below which two surfaces are hardly told apart by eye at a glance."""
SIMILAR = 1.15
"""Areas in a ratio below this are called alike."""
_EVERYTHING = (
    "part",
    "component",
    "thing",
    "object",
    "piece",
    "item",
    "parts",
    "components",
    "things",
    "objects",
    "pieces",
    "items",
)


def count(case: Case, subject: Subject, focus: Sequence[str]) -> list[Sentence]:
    """How many there are by the measured parts; of another noun, by the detector, and what that is worth."""
    if subject.defect and not subject.parts:
        found = case.report.findings
        cites = tuple(f.id for f in found) or tuple(e.id for e in meant(case, Subject(), ()))
        if not cites:
            return [line("kind_none")]
        what = "; ".join(dict.fromkeys(f.what for f in found)) or case.report.evidence[0].what
        if not found:
            return [line("nothing_found", cites, what=meant(case, Subject(), ())[0].what)]
        number = len({f.hypothesis or f.what for f in found})
        things = "thing speaks" if number == 1 else "things speak"
        return [line("count_findings", cites, count=number, things=things, what=what)]
    if subject.parts:
        return [s for label in subject.parts for s in _count(case, label)]
    if subject.unknown is not None:
        return _by_word(case, subject.unknown)
    del focus
    return everything(case, subject, ())


def everything(case: Case, subject: Subject, focus: Sequence[str]) -> list[Sentence]:
    """All parts, with their numbers."""
    del subject, focus
    parts = case.parts()
    labels = dict.fromkeys(p.label for p in parts)
    numbers = {label: len(likely(parts, label)[0]) for label in labels}
    told = [worded("part_count", count=n, part=called(case, label)) for label, n in numbers.items() if n]
    if not told:
        return [no_part(case, "that")] if case.product is None or not case.product.spec.parts else _none_found(case)
    noted = case.note(in_words(told), box=around(parts))
    return [line("count_total", (noted,), count=sum(numbers.values()), parts=in_words(told))]


def _none_found(case: Case) -> list[Sentence]:
    return [line("count_total", (case.note(worded("part_count", count=0, part="any")),), count=0, parts="-")]


def _count(case: Case, label: str) -> list[Sentence]:
    name = called(case, label)
    found, p = likely(case.parts(), label)
    cites = _count_evidence(case, label, len(found), around(found))
    key = {0: "count_none", 1: "count_one"}.get(len(found), "count")
    said = [line(key, cites, count=len(found), part=name)]
    rule = _rule(case, label)
    if rule is not None:
        said.append(line("count_expected", cites, expected=rule.expected))
    if p < SURE:
        said.append(line("count_unsure", cites, count=len(found), p=f"{p:.2f}"))
    return said


def _rule(case: Case, label: str) -> CountRule | None:
    rules = case.product.spec.rules if case.product is not None else ()
    return next((r for r in rules if isinstance(r, CountRule) and r.part == label), None)


def _count_evidence(case: Case, label: str, number: int, box: Box | None) -> tuple[str, ...]:
    """The rule's evidence that states this very count, else a measurement on request."""
    stated = f"{number} {label}"
    for e in case.report.evidence:
        if e.part == label and (e.what == stated or e.what.startswith((f"{stated},", f"{stated} "))):
            return (e.id,)
    return (case.note(worded("part_count", count=number, part=called(case, label)), box=box, part=label),)


def _by_word(case: Case, noun: str) -> list[Sentence]:
    """What the detector marks by a word, beside what it marks on good photos."""
    detector, worth = case.context.toolbox.grounder, case.context.calibration.detection

    def marked(sample: object) -> list[Box]:
        found = detector.ground(sample, [noun], threshold=FAINT)  # type: ignore[arg-type]
        return [p.region.box for p in found if probability(log_odds(p.region.score) - log_odds(worth)) > 0.5]

    boxes = marked(case.sample())
    usual = [len(marked(s)) for s in case.good()]
    enclosing = around([PartFact(noun, (b.x0, b.y0, b.x1, b.y1), 1.0) for b in boxes])
    noted = case.note(worded("part_count", count=len(boxes), part=noun), box=enclosing, source="text")
    if usual:
        told = ", ".join(str(n) for n in usual)
        return [line("count_by_words", (noted,), part=noun, count=len(boxes), usual=told)]
    return [line("count_by_words_alone", (noted,), part=noun, count=len(boxes))]


def present(case: Case, subject: Subject, focus: Sequence[str]) -> list[Sentence]:
    """Whether a part is there; without a name, whether any part that belongs is missing."""
    del focus
    if subject.defect and not subject.parts:
        return _defect(case, subject)
    if not subject.parts:
        if subject.unknown is not None and subject.unknown.split()[-1] not in _EVERYTHING:
            return _by_word(case, subject.unknown)
        return _missing(case)
    said = []
    for label in subject.parts:
        found, _ = likely(case.parts(), label)
        cites, rule = _count_evidence(case, label, len(found), around(found)), _rule(case, label)
        facts: dict[str, Fact] = {"count": len(found), "part": called(case, label)}
        expected = rule is not None and not rule.low <= len(found) <= rule.high
        key = ("present_expected" if found else "absent_expected") if expected else ("present" if found else "absent")
        said.append(line(key, cites, **facts, expected=rule.expected if rule is not None else ""))
    return said


def _defect(case: Case, subject: Subject) -> list[Sentence]:
    """Whether something stands out, and whether it was taken for what was asked; nothing is named without evidence."""
    found = [e for e in case.report.findings if e.kind == "structural"]
    if not found:
        best = strongest(case)
        return [line("nothing_found", (best.id,), what=best.what)] if best is not None else [line("kind_none")]
    named = next((e for e in case.report.evidence if subject.defect in e.what.lower().split() and e.llr >= 0), None)
    if named is not None:
        return [line("defect_named", (named.id,), what=named.what)]
    return [line("defect_unnamed", (found[0].id,), defect=subject.defect or "", what=found[0].what)]


def _missing(case: Case) -> list[Sentence]:
    """Parts whose count lies below what belongs."""
    said = []
    for rule in case.product.spec.rules if case.product is not None else ():
        if not isinstance(rule, CountRule) or rule.part == "any":
            continue
        found, _ = likely(case.parts(), rule.part)
        if len(found) < rule.low:
            cites = _count_evidence(case, rule.part, len(found), around(found))
            name = called(case, rule.part)
            key = "present_expected" if found else "absent_expected"
            said.append(line(key, cites, count=len(found), part=name, expected=rule.expected))
    if said:
        return said
    held = tuple(e.id for e in case.report.evidence if e.source == "rule" and e.llr <= 0)
    if not held:
        return everything(case, Subject(), ())
    return [line("nothing_missing", held)]


def colour(case: Case, subject: Subject, focus: Sequence[str]) -> list[Sentence]:
    """Colours of parts, or of the pixels of a place or finding."""
    if subject.parts:
        return [_colours(case, label) for label in subject.parts]
    if subject.unknown is not None and subject.place is None:
        return [no_part(case, subject.unknown)]
    box = subject.place
    if box is None:
        found = [f for f in meant(case, subject, focus) if f.box is not None]
        box = Box(*found[0].box) if found and found[0].box is not None else None
    if box is None:
        return [no_part(case, "that")]
    return [_colour_at(case, box, subject.words or where(box, case))]


def _colours(case: Case, label: str) -> Sentence:
    found, _ = likely(case.parts(), label)
    name = called(case, label)
    seen = [(p, p.colour, p.lab) for p in found if p.colour is not None and p.lab is not None]
    if not found:
        return line("count_none", _count_evidence(case, label, 0, None), part=name)
    if not seen:
        return line("no_measures", _count_evidence(case, label, len(found), around(found)), part=name)
    told = Counter(colour for _, colour, _ in seen)
    noted = case.note(f"{name}: {in_words(f'{n} {c}' for c, n in told.items())}", box=around(found), part=label)
    if len(seen) == 1:
        return line("colour_one", (noted,), part=name, colour=seen[0][1], lab=_lab(seen[0][2]))
    return line("colours", (noted,), part=name, colours=in_words(_are(n, c) for c, n in told.items()))


def _are(number: int, colour: str) -> str:
    return f"{number} {'is' if number == 1 else 'are'} {colour}"


def _colour_at(case: Case, box: Box, words: str) -> Sentence:
    import numpy as np
    from skimage.color import rgb2lab

    from tools.parts.measurement import colour_name

    sample = case.sample()
    x0, y0, x1, y1 = (int(v) for v in box.clipped(*sample.size))
    lab = rgb2lab(sample.image[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)]).reshape(-1, 3)
    mean = tuple(float(v) for v in np.mean(lab, axis=0))
    colour = colour_name((mean[0], mean[1], mean[2]))
    noted = case.note(f"{colour} on average, {words}", box=box, kind="structural")
    return line("colour_place", (noted,), place=words, colour=colour, lab=_lab((mean[0], mean[1], mean[2])))


def _lab(lab: tuple[float, float, float]) -> str:
    return ", ".join(f"{v:.0f}" for v in lab)


def size(case: Case, subject: Subject, focus: Sequence[str]) -> list[Sentence]:
    """Sizes of parts, of a finding, or of the photo, in pixels."""
    if subject.parts:
        return [_sizes(case, label) for label in subject.parts]
    if subject.unknown is not None:
        return [no_part(case, subject.unknown)]
    found = [f for f in meant(case, subject, focus) if f.box is not None and (f.kind == "structural" or f.part)]
    if not found:
        width, height = case.report.size
        return [line("size_photo", width=width, height=height)]
    return [_size_of(case, found[0])]


def _sizes(case: Case, label: str) -> Sentence:
    found, _ = likely(case.parts(), label)
    name = called(case, label)
    measured = [p for p in found if p.length is not None and p.width is not None and p.area is not None]
    if not found:
        return line("count_none", _count_evidence(case, label, 0, None), part=name)
    if not measured:
        return line("no_measures", _count_evidence(case, label, len(found), around(found)), part=name)
    told = [f"{p.length:.0f} x {p.width:.0f}" for p in measured]
    noted = case.note(f"{name}: {in_words(told)} px", box=around(measured), part=label)
    if len(measured) == 1:
        length, _, width = told[0].partition(" x ")
        area = f"{measured[0].area:.0f}"
        return line("size_one", (noted,), part=name, length=length, width=width, area=area)
    return line("sizes", (noted,), part=name, count=len(measured), sizes=in_words(told))


def _size_of(case: Case, finding: Finding) -> Sentence:
    from tools.mask_encoding import decode_rle

    box, share = Box(*(finding.box or (0, 0, 0, 0))), ""
    if finding.mask is not None:
        area = int(decode_rle(finding.mask).sum())  # type: ignore[arg-type]
        percent = 100 * area / (case.report.size[0] * case.report.size[1])
        share = worded("size_share", area=area, percent=f"{percent:.1f}")
    what = finding.what[:1].upper() + finding.what[1:]
    return line("size_region", (finding.id,), what=what, width=round(box.width), height=round(box.height), share=share)


def same(case: Case, subject: Subject, focus: Sequence[str]) -> list[Sentence]:
    """Whether two parts are alike in kind, colour and area."""
    pair = _pair(case, subject, focus)
    if pair is None:
        return [line("same_which", parts=", ".join(dict.fromkeys(names(case).values())) or "-")]
    a, b = pair
    noted = (
        case.note(f"{called(case, a.label)}, first of two compared", box=Box(*a.box), part=a.label),
        case.note(f"{called(case, b.label)}, second of two compared", box=Box(*b.box), part=b.label),
    )
    first, second = called(case, a.label), called(case, b.label)
    alike = a.label == b.label
    said = [line("same_kind", noted, part=first) if alike else line("other_kind", noted, first=first, second=second)]
    if a.lab is not None and b.lab is not None:
        distance = math.dist(a.lab, b.lab)
        key = "same_colour" if distance < SEEN else "other_colour"
        said.append(line(key, noted, distance=f"{distance:.0f}", first=a.colour or "", second=b.colour or ""))
    if a.area and b.area:
        ratio = max(a.area, b.area) / min(a.area, b.area)
        larger = ("first" if a.area > b.area else "second") if alike else (first if a.area > b.area else second)
        key = "same_size" if ratio < SIMILAR else "other_size"
        said.append(line(key, noted, ratio=f"{ratio:.2f}", larger=f"'{larger}'" if not alike else larger))
    return said


def _pair(case: Case, subject: Subject, focus: Sequence[str]) -> tuple[PartFact, PartFact] | None:
    """The two parts that are compared: both named, two of one kind, or the one spoken of and the one named."""
    parts = case.parts()
    found = {label: likely(parts, label)[0] for label in subject.parts}
    first = [facts[0] for facts in found.values() if facts]
    if len(first) > 1:
        return first[0], first[1]
    if len(subject.parts) == 1:
        (ones,) = found.values()
        spoken = [e.part for e in case.report.evidence if e.id in focus and e.part not in (None, *subject.parts)]
        for label in spoken:
            others = likely(parts, str(label))[0]
            if ones and others:
                return others[0], ones[0]
        if len(ones) > 1:
            by_side = sorted(ones, key=lambda p: p.box[0] + p.box[2])
            return by_side[0], by_side[-1]
    return None


ANSWERS: dict[Intent, Answer] = {
    "count": count,
    "parts": everything,
    "present": present,
    "colour": colour,
    "size": size,
    "same": same,
}
