"""Finds facts of one report that contradict each other; a report of a sound program has none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

from agent.evidence.claims import say_subject, sentence_templates, tell
from agent.evidence.fusion import NOTABLE
from agent.evidence.types import PROBABLE, Claim
from agent.report.model import Finding, InspectionReport
from tools.mask_encoding import Rle, decode_rle
from tools.types import Box

if TYPE_CHECKING:
    from agent.report.model import SentenceOut

ROUNDING = 1.15
"""Sizes and shares in sentences are rounded, and measured along a region's own axes."""
LEAST_PRODUCT = 0.02
"""No product covers less than this share of its photo."""
_SHARE = re.compile(r"\((\d+(?:\.\d+)?) % ")
_SMALL, _LARGE = re.compile(r"\b(?:small|slight|minor|tiny)\b"), re.compile(r"\b(?:large|severe|huge|extensive)\b")
SMALL_PERCENT, LARGE_PERCENT = 5.0, 1.0
"""Nothing small covers more of the product than the first, and nothing large less than the second."""
_LABEL = re.compile(r"part [A-Z]{1,2}")
"""Labels of discovered parts."""
_NUMBER = re.compile(r"\d+")


def contradictions(report: InspectionReport) -> list[str]:
    """What a report says twice and differently, a clause each; empty where all agrees.

    Args:
        report: in English, as it was made or read from a file.
    """
    return list(
        chain(_of_verdict(report), _of_counts(report), _of_places(report), _of_sentences(report), _of_limits(report))
    )


def _of_verdict(report: InspectionReport) -> Iterator[str]:
    verdict = report.verdict
    other = verdict.told == "not_product"
    if not other and (verdict.score > verdict.threshold) != verdict.anomalous:
        line = f"{verdict.score} is the score and {verdict.threshold} the threshold"
        yield f"anomalous is {verdict.anomalous}, but {line}"
    if (verdict.word == "unsure") == (verdict.confidence >= PROBABLE):
        yield f"the verdict is {verdict.word} with a confidence of {verdict.confidence}"
    if verdict.word != "unsure" and (verdict.word == "anomalous") != verdict.anomalous:
        yield f"the verdict is {verdict.word}, but anomalous is {verdict.anomalous}"
    if verdict.told is not None and not other and verdict.told.removeprefix("probably_") != verdict.word:
        yield f"the verdict is {verdict.word}, but is told as {verdict.told}"
    if bool(report.findings) and not verdict.anomalous:
        yield "the part is good, but has findings for an anomaly"
    if verdict.anomalous and not verdict.kinds:
        yield "the part is anomalous, but of no kind"


def _of_counts(report: InspectionReport) -> Iterator[str]:
    """A part that is both missing and counted, and rules that hold or are broken unlike their numbers."""
    counted: dict[str, dict[int, str]] = {}
    for item in (e for e in report.evidence if e.look is None and e.source != "user"):
        found, expected = item.facts.get("found"), item.facts.get("expected")
        if item.topic == "presence" and item.part is not None:
            counted.setdefault(item.part, {}).setdefault(int(item.status == "holds"), item.id)
        if item.topic in ("count", "total") and isinstance(found, int):
            numbers = [int(n) for n in _NUMBER.findall(str(expected))]
            if numbers and item.status in ("holds", "broken"):
                fits = min(numbers) <= found <= max(numbers)
                if fits != (item.status == "holds"):
                    yield f"{item.id}: {found} of {expected} {item.part} {item.status}"
            if item.topic == "count" and item.part is not None:
                counted.setdefault(item.part, {}).setdefault(found, item.id)
    for part, numbers_by_id in counted.items():
        if 0 in numbers_by_id and len(numbers_by_id) > 1:
            yield f"'{part}' is both missing and found: {numbers_by_id}"


def _of_places(report: InspectionReport) -> Iterator[str]:
    """Boxes outside the photo, masks outside their box, and shares and words of size that contradict the mask."""
    width, height = report.size
    by_id = {item.id: item for item in (*report.evidence, *report.findings)}
    for item in report.evidence:
        if item.box is not None and not (0 <= item.box[0] < item.box[2] <= width + 1 and item.box[3] <= height + 1):
            yield f"{item.id}: the box {item.box} is not on the photo of {width} x {height}"
    for sentence in (s for s in report.explanation if s.role == "finding"):
        places = [by_id[i] for i in sentence.cites if i in by_id and by_id[i].mask is not None]
        found = _SHARE.search(sentence.text)
        if found is not None and places:
            yield from _of_share(sentence, float(found[1]), places[0], width * height)


def _of_share(sentence: SentenceOut, percent: float, item: Finding, photo: int) -> Iterator[str]:
    mask = item.mask or {}
    area = float(decode_rle(Rle(size=mask["size"], counts=mask["counts"])).sum())
    box = Box(*item.box) if item.box is not None else Box(0, 0, *mask["size"][::-1])
    if area > ROUNDING * box.area + 4:
        yield f"{item.id}: its mask of {area:.0f} px is larger than its box of {box.area:.0f} px"
    product = area / max(percent / 100, 1e-9)
    if percent >= 1 and not LEAST_PRODUCT * photo / ROUNDING <= product <= photo * ROUNDING * 1.5:
        yield f"'{sentence.text}': {percent} % of the product, but the mask has {area:.0f} of {photo} px"
    if percent > SMALL_PERCENT and _SMALL.search(sentence.text):
        yield f"'{sentence.text}': what is small covers {percent} %"
    if percent < LARGE_PERCENT and _LARGE.search(sentence.text):
        yield f"'{sentence.text}': what is large covers {percent} %"


def _of_sentences(report: InspectionReport) -> Iterator[str]:
    """Citations of nothing, numbers of references, and what is said to be as it should be and is not."""
    by_id = {item.id: item for item in report.evidence}
    looks = {look.id for look in report.looks}
    count = len(report.references)
    for item in report.evidence:
        if item.look is not None and item.look not in looks:
            yield f"{item.id} comes from the look {item.look}, which the report does not have"
    for sentence in report.explanation:
        if not sentence.cites or not by_id.keys() >= set(sentence.cites):
            yield f"'{sentence.text}' cites {sentence.cites}, which is no evidence of the report"
        if sentence.role == "fine":
            wrong = [i for i in sentence.cites if i in by_id and by_id[i].status != "holds"]
            yield from (f"'{sentence.text}' cites {i}, which does not hold" for i in wrong)
        stated = re.search(r"(\d+) reference photos", sentence.text)
        if sentence.role == "comparison" and stated is not None and int(stated[1]) != count:
            yield f"'{sentence.text}', but there are {count} references"
        if sentence.role == "comparison" and "No defect found" in sentence.text and report.verdict.word != "good":
            yield f"'{sentence.text}', but the verdict is {report.verdict.word}"


def _of_limits(report: InspectionReport) -> Iterator[str]:
    """What is said not to have counted, or not to have been checked, and weighs all the same."""
    said = {sentence.text for sentence in report.explanation if sentence.role == "limit"}
    if report.language == "en" and tell("single_reference") in said:
        parts = [e for e in report.evidence if e.kind == "logical" and _of_discovered(e)]
        weighing = [e for e in parts if abs(e.llr) >= NOTABLE]
        yield from (f"'{e.what}' ({e.id}) weighs {e.llr}, but is said not to count" for e in weighing)
    for item in report.evidence:
        if item.topic is None or item.part is None or item.source != "rule" or not item.llr:
            continue
        key = f"rule_{item.topic}"
        facts = {name: fact for name, fact in item.facts.items() if name != "found"}
        about = say_subject(Claim(key, facts, item.topic)) if key in sentence_templates() else None
        if about in report.verdict.unchecked:
            yield f"'{item.what}' ({item.id}) was checked, but the verdict says that '{about}' was not"


def _of_discovered(item: Finding) -> bool:
    """Whether evidence on parts and layout comes from what was discovered on the references, without words."""
    return item.source in ("parts", "differ") or (
        item.source == "rule" and _LABEL.fullmatch(item.part or "") is not None
    )
