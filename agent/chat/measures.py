"""Answers from measured parts: how many, which colour, how large, whether present, whether the same."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from agent.chat.case import Case
from agent.chat.records import PartFact, around, likely
from agent.chat.report_answers import MOST, Answer, meant, no_part, nothing_found, of_report
from agent.chat.understanding import Intent, Subject, called, names
from agent.evidence.claims import Sentence, say, translated
from agent.evidence.fusion import log_odds, probability
from agent.evidence.types import Claim, Fact
from agent.products.measurement import FAINT
from agent.report.model import Finding
from agent.report.regions import size_in_words
from agent.rules import CountRule
from tools.types import Box

SURE = 0.8
"""A count that is right with less probability is called unsure."""
SEEN = 10.0
"""CIELAB distance (CIE76) below which two surfaces are hardly told apart by eye at a glance."""
SIMILAR = 1.15
"""Areas in a ratio below this are called alike."""
_EVERYTHING = ("part", "component", "thing", "object", "piece", "item")


def count(case: Case, subject: Subject, focus: Sequence[str]) -> list[Sentence]:
    """How many there are by the measured parts; of another noun, by the detector, which is unsure."""
    if subject.defect and not subject.parts:
        found = case.report.findings
        if not found:
            return nothing_found(case)
        number = len({f.hypothesis or f.what for f in found})
        said = case.line("count_findings", tuple(f.id for f in found), count=number)
        return [said, *of_report(case, "finding")][:MOST]
    if subject.parts:
        return [s for label in subject.parts for s in _count(case, label)]
    if subject.unknown is not None:
        return _by_word(case, subject.unknown)
    return everything(case, subject, focus)


def everything(case: Case, subject: Subject, focus: Sequence[str]) -> list[Sentence]:
    """All parts, with their numbers."""
    del subject, focus
    parts = case.parts()
    numbers = {label: len(likely(parts, label)[0]) for label in dict.fromkeys(p.label for p in parts)}
    told = [case.worded("part_count", found=n, part=called(case, label)) for label, n in numbers.items() if n]
    if not told and (case.product is None or not case.product.spec.parts):
        return [no_part(case, "that")]
    listed = case.listed(told) if told else "-"
    return [
        case.line("count_total", (case.note(listed, box=around(parts)),), count=sum(numbers.values()), parts=listed)
    ]


def _count(case: Case, label: str) -> list[Sentence]:
    """How many there are and should be, in the report's words."""
    found, p = likely(case.parts(), label)
    cites, rule = _count_evidence(case, label, len(found), around(found)), _rule(case, label)
    facts: dict[str, Fact] = {"part": called(case, label), "found": len(found)}
    if rule is None:
        said = [case.line("count", cites, **facts)]
    else:
        expected = {**facts, "expected": rule.expected}
        claim = Claim.check("count", expected, holds=rule.low <= len(found) <= rule.high)
        said = [Sentence(say(claim, case.language), cites)]
    return said if p >= SURE else [*said, case.line("count_unsure", cites)]


def _rule(case: Case, label: str) -> CountRule | None:
    rules = case.product.spec.rules if case.product is not None else ()
    return next((r for r in rules if isinstance(r, CountRule) and r.part == label), None)


def _count_evidence(case: Case, label: str, number: int, box: Box | None) -> tuple[str, ...]:
    """The rule's evidence that states this very count, else a measurement on request."""
    for e in case.report.evidence:
        if e.part == label and e.topic == "count" and e.facts.get("found") == number:
            return (e.id,)
    return (case.note(case.worded("part_count", found=number, part=called(case, label)), box=box, part=label),)


def _by_word(case: Case, noun: str) -> list[Sentence]:
    """What the detector marks by a word, beside what it marks on good photos."""
    detector, worth = case.context.toolbox.grounder, case.context.calibration.detection

    def marked(sample: object) -> list[Box]:
        found = detector.ground(sample, [noun], threshold=FAINT)  # type: ignore[arg-type]
        return [p.region.box for p in found if probability(log_odds(p.region.score) - log_odds(worth)) > 0.5]

    boxes = marked(case.sample())
    usual = ", ".join(str(len(marked(s))) for s in case.good())
    enclosing = around([PartFact(noun, (b.x0, b.y0, b.x1, b.y1), 1.0) for b in boxes])
    counted = case.worded("part_count", found=len(boxes), part=noun)
    noted = (case.note(counted, box=enclosing, source="text"),)
    if usual:
        return [case.line("count_by_words", noted, part=noun, count=len(boxes), usual=usual)]
    return [case.line("count_by_words_alone", noted, part=noun, count=len(boxes))]


def present(case: Case, subject: Subject, focus: Sequence[str]) -> list[Sentence]:
    """Whether a part is there, by its number; without a name, whether any part that belongs is missing."""
    if subject.parts:
        return count(case, subject, focus)
    if subject.defect:
        return _defect(case, subject.defect)
    if subject.unknown is not None and subject.unknown.split()[-1].removesuffix("s") not in _EVERYTHING:
        return _by_word(case, subject.unknown)
    return _missing(case)


def _defect(case: Case, defect: str) -> list[Sentence]:
    """What was found, and whether it was taken for what was asked; nothing is named without evidence."""
    found = [e for e in case.report.findings if e.kind == "structural"]
    if not found:
        return nothing_found(case)
    named = [e for e in case.report.evidence if e.topic == "defect_name" and e.facts.get("name") == defect]
    if named:
        return case.told([*named[:1], found[0]])
    return [*case.told(found[:1]), case.line("named_unsure", (found[0].id,), defect=defect)]


def _missing(case: Case) -> list[Sentence]:
    """Parts whose count lies below what belongs."""
    said = []
    for rule in case.product.spec.rules if case.product is not None else ():
        if isinstance(rule, CountRule) and rule.part != "any" and len(likely(case.parts(), rule.part)[0]) < rule.low:
            said += _count(case, rule.part)
    held = tuple(e.id for e in case.report.evidence if e.source == "rule" and e.llr <= 0)
    if said or not held:
        return said[:MOST] or everything(case, Subject(), ())
    return [case.line("nothing_missing", held)]


def colour(case: Case, subject: Subject, focus: Sequence[str]) -> list[Sentence]:
    """Colours of parts, or of the pixels of a place or finding."""
    if subject.parts:
        return [_colours(case, label) for label in subject.parts]
    if subject.unknown is not None and subject.place is None:
        return [no_part(case, subject.unknown)]
    if subject.place is not None:
        return [_colour_at(case, subject.place, None)]
    found = [f for f in meant(case, subject, focus) if f.box is not None]
    return [_colour_at(case, Box(*(found[0].box or ())), found[0])] if found else [no_part(case, "that")]


def _colours(case: Case, label: str) -> Sentence:
    found, _ = likely(case.parts(), label)
    name = called(case, label)
    seen = [p for p in found if p.colour is not None and p.lab is not None]
    if not seen:
        return _unmeasured(case, label, found)
    told = Counter(str(translated({"colour": p.colour or ""}, case.language)["colour"]) for p in seen)
    colours = case.listed(f"{n} {c}" for c, n in told.items())
    measured: dict[str, Fact] = {"lab": "; ".join(_lab(p.lab) for p in seen if p.lab is not None)}
    noted = case.note(f"{name}: {colours}", box=around(found), part=label, facts=measured)
    if len(seen) == 1:
        return case.line("colour_one", (noted,), part=name, colour=seen[0].colour or "")
    return case.line("colours", (noted,), part=name, found=len(seen), colours=colours)


def _unmeasured(case: Case, label: str, found: Sequence[PartFact]) -> Sentence:
    """That there is none of a kind of parts, or that it was not measured."""
    cites = _count_evidence(case, label, len(found), around(found))
    return case.line("no_measures" if found else "count", cites, part=called(case, label), found=len(found))


def _colour_at(case: Case, box: Box, finding: Finding | None) -> Sentence:
    """The mean colour of a place: of a finding's mask where it has one, else of the box."""
    import numpy as np
    from skimage.color import rgb2lab

    from tools.mask_encoding import decode_rle
    from tools.parts.measurement import colour_name

    sample = case.sample()
    x0, y0, x1, y1 = (int(v) for v in box.clipped(*sample.size))
    pixels = sample.image[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)].reshape(-1, 3)
    mask = None if finding is None or finding.mask is None else decode_rle(finding.mask)  # type: ignore[arg-type]
    if mask is not None and mask.any():
        pixels = sample.image[mask]
    lightness, a, b = (float(v) for v in np.mean(rgb2lab(pixels[None])[0], axis=0))
    told, words = colour_name((lightness, a, b)), case.place(box)
    facts: dict[str, Fact] = {"lab": _lab((lightness, a, b))}
    noted = case.note(f"{told}, {words}", box=box, kind="structural", facts=facts)
    return case.line("colour_place", (noted,), place=words, colour=told)


def _lab(lab: tuple[float, float, float]) -> str:
    return ", ".join(f"{v:.0f}" for v in lab)


def size(case: Case, subject: Subject, focus: Sequence[str]) -> list[Sentence]:
    """Sizes of parts, of a finding, or of the photo."""
    if subject.parts:
        return [_sizes(case, label) for label in subject.parts]
    if subject.unknown is not None:
        return [no_part(case, subject.unknown)]
    found = [f for f in meant(case, subject, focus) if f.box is not None and (f.kind == "structural" or f.part)]
    if not found:
        width, height = case.report.size
        return [case.line("size_photo", width=width, height=height)]
    if found[0].topic == "patch" and found[0].llr > 0:
        return case.told(found[:1])
    box = Box(*(found[0].box or ()))
    measured = size_in_words(box.width, box.height, case.language, case.context.mm_per_px)
    return [case.line("size_place", (found[0].id,), place=case.place(box), size=measured)]


def _sizes(case: Case, label: str) -> Sentence:
    found, _ = likely(case.parts(), label)
    name = called(case, label)
    measured = [p for p in found if p.length is not None and p.width is not None]
    if not measured:
        return _unmeasured(case, label, found)
    scale = case.context.mm_per_px
    told = case.listed(size_in_words(p.length or 0.0, p.width or 0.0, case.language, scale) for p in measured)
    noted = case.note(f"{name}: {told}", box=around(measured), part=label)
    if len(measured) == 1:
        return case.line("size_one", (noted,), part=name, size=told)
    return case.line("sizes", (noted,), part=name, found=len(measured), sizes=told)


def same(case: Case, subject: Subject, focus: Sequence[str]) -> list[Sentence]:
    """Whether two parts are alike in kind, colour and area."""
    pair = _pair(case, subject, focus)
    if pair is None:
        known = dict.fromkeys(called(case, label) for label in names(case).values())
        return [case.line("same_which", parts=", ".join(known) or "-")]
    a, b = pair
    first, second = called(case, a.label), called(case, b.label)
    noted = (
        case.note(f"{first} (1)", box=Box(*a.box), part=a.label, facts=_measures(a)),
        case.note(f"{second} (2)", box=Box(*b.box), part=b.label, facts=_measures(b)),
    )
    alike = a.label == b.label
    key = "same_kind" if alike else "other_kind"
    said = [case.line(key, noted, part=first, first=first, second=second)]
    if a.lab is not None and b.lab is not None:
        key = "other_shade" if a.colour == b.colour else "other_colour"
        key = "same_colour" if math.dist(a.lab, b.lab) < SEEN else key
        said.append(case.line(key, noted, first=a.colour or "", second=b.colour or ""))
    if a.area and b.area:
        ratio, larger = max(a.area, b.area) / min(a.area, b.area), a if a.area > b.area else b
        where = case.place(Box(*larger.box)) if alike else called(case, larger.label)
        said.append(
            case.line("same_size" if ratio < SIMILAR else "other_size", noted, ratio=f"{ratio:.1f}", larger=where)
        )
    return said


def _measures(part: PartFact) -> dict[str, Fact]:
    """What the details state of a part."""
    return {"lab": "" if part.lab is None else _lab(part.lab), "area": part.area or 0.0}


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
