"""A report as a piece of the page: verdict, photo with layers, findings beside the reference, explanation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from agent.report.files import mark_of
from looktwice.page.widgets import map_uri, mask_uri, photo_uri, square_uri
from looktwice.page.words import Words
from prompts import render
from tools.drawing import PALETTE
from tools.mask_encoding import Rle, decode_rle

if TYPE_CHECKING:
    from agent.report.model import Finding, InspectionReport

CROP = 360
"""Side of a close-up, in pixels."""


@dataclass(frozen=True)
class Mark:
    """A place on the photo, with everything that was measured there."""

    ids: str
    left: float
    top: float
    width: float
    height: float
    """All in percent of the photo."""
    colour: str
    label: str
    found: bool
    """Whether it is a finding, and so always drawn; other places show when they are cited."""
    mask: str | None = None
    absent: bool = False
    """Whether a part is missing there; its place is dashed."""
    below: bool = False
    """Whether its label stands below it, since another one's would cover it."""


@dataclass(frozen=True)
class Group:
    """Findings of one place, with a close-up of it beside a good part."""

    ids: str
    colour: str
    findings: tuple[Finding, ...]
    told: str
    """The sentence that tells of it."""
    crop: str | None
    reference: str | None
    reference_name: str | None


def state_of(report: InspectionReport) -> str:
    """ "good", "anomalous" or "unsure": the verdict in the word that is shown."""
    return report.verdict.word


def report_html(report: InspectionReport, words: Words) -> str:
    """The report as HTML, every value escaped, every picture inside."""
    groups = _groups(report)
    return render(
        "page/report.html.jinja",
        report=report,
        photo_name=Path(report.image).name,
        state=state_of(report),
        colour="unsure" if report.verdict.unchecked and state_of(report) == "good" else state_of(report),
        words=words,
        photo=photo_uri(report.sample.image),
        map=map_uri(report.glance.map),
        marks=marks_of(report, groups),
        groups=groups,
        sentences=[(s.text, s.cites) for s in report.explanation[1:]],
    )


def _groups(report: InspectionReport) -> tuple[Group, ...]:
    """The findings by place, strongest first."""
    places: dict[tuple[float, ...] | str, list[Finding]] = {}
    for finding in report.findings:
        places.setdefault(finding.box or finding.id, []).append(finding)
    return tuple(_group(report, n, tuple(found)) for n, found in enumerate(places.values()))


def _group(report: InspectionReport, number: int, found: tuple[Finding, ...]) -> Group:
    box, crop, reference, name = found[0].box, None, None, None
    if box is not None:
        pair = report.beside_reference(found[0])
        crop = square_uri(pair.crop, CROP)
        reference = None if pair.reference is None else square_uri(pair.reference, CROP)
        name = pair.reference_name
    ids = " ".join(f.id for f in found)
    told = next((t for f in found if (t := report.told(f)) != f.what), found[0].what)
    colour = _hex(PALETTE[number % len(PALETTE)])
    return Group(ids, colour, found, told, crop, reference, name)


def marks_of(report: InspectionReport, groups: Sequence[Group]) -> tuple[Mark, ...]:
    """Every place that anything cites, findings first."""
    found = {f.id: g for g in groups for f in g.findings}
    places: dict[tuple[float, float, float, float], list[Finding]] = {}
    for item in (*report.findings, *report.evidence):
        if item.box is not None and item not in places.setdefault(item.box, []):
            places[item.box].append(item)
    marks = sorted((_mark(report, box, items, found) for box, items in places.items()), key=lambda m: not m.found)
    return tuple(replace(m, below=_covered(m, marks[:n])) for n, m in enumerate(marks))


def _covered(mark: Mark, before: Sequence[Mark]) -> bool:
    """Whether the label of a finding would lie on that of one drawn before, and fits below."""
    near = any(abs(m.left - mark.left) < 15 and abs(m.top - mark.top) < 5 for m in before if m.found)
    return mark.found and near and mark.top + mark.height < 92


def _mark(
    report: InspectionReport, box: tuple[float, float, float, float], items: list[Finding], found: dict[str, Group]
) -> Mark:
    group = next((found[i.id] for i in items if i.id in found), None)
    colour = group.colour if group is not None else "#56b4e9"
    mask = next((i.mask for i in items if i.mask is not None), None) if group is not None else None
    picture = None
    if mask is not None:
        pixels = decode_rle(Rle(size=mask["size"], counts=mask["counts"]))
        picture = mask_uri(pixels, _rgb(colour)) if pixels.any() else None
    label = mark_of(items[0])
    ids, absent = _unique(i.id for i in items), any(i.absent for i in items)
    return Mark(ids, *_percent(box, report.size), colour, label, group is not None, picture, absent)


def _percent(box: tuple[float, float, float, float], size: tuple[int, int]) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = box
    width, height = size
    return (
        round(100 * x0 / width, 2),
        round(100 * y0 / height, 2),
        round(100 * (x1 - x0) / width, 2),
        round(100 * (y1 - y0) / height, 2),
    )


def _unique(ids: Iterable[str]) -> str:
    return " ".join(dict.fromkeys(ids))


def _hex(colour: tuple[int, int, int]) -> str:
    return "#" + "".join(f"{v:02x}" for v in colour)


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
