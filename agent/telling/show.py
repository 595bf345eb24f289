"""Writes a report for people: the photo with what was found drawn on it, and a page that explains it."""

from __future__ import annotations

import base64
import io
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from agent.crop import crop_box, crop_pair
from agent.telling.folder import open_report
from prompts import render, strings
from tools.draw import overlay
from tools.errors import InputError
from tools.types import RGB, Box, Region

if TYPE_CHECKING:
    from agent.report import Finding, InspectionReport

CROP_PX = 220
"""Side of a crop shown on the page, in pixels."""


def write_report(report: InspectionReport, folder: Path) -> Path:
    """Writes report.json, report.html, overlay.png and a marker; an earlier report in the folder is replaced.

    Raises:
        tools.errors.InputError: the folder cannot be written, or holds foreign files of these names.
    """
    try:
        open_report(folder)
        (folder / "report.json").write_bytes(_encoded(report.to_json() + "\n"))
        drawn = draw_report(report)
        # Photos hold few long repeats: looking for runs alone is five times as quick, and the files are smaller.
        Image.fromarray(drawn).save(folder / "overlay.png", compress_level=1, compress_type=zlib.Z_RLE)
        (folder / "report.html").write_bytes(_encoded(page(report, drawn)))
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be written ({error.strerror}); give --out a folder that you may write to."
        ) from error
    return folder


def _encoded(text: str) -> bytes:
    """UTF-8, with escapes for what it cannot hold."""
    return text.encode("utf-8", "backslashreplace")


def draw_report(report: InspectionReport) -> RGB:
    """The photo with its findings (and, on an anomalous one, the map) drawn on it."""
    shown = {f.box: f for f in report.findings if f.box is not None}
    regions = [Region(Box(*box), f.score) for box, f in shown.items()]
    labels = [f"{f.id} {f.part or f.kind}" for f in shown.values()]
    score_map = report.glance.map if report.verdict.anomalous else None
    return overlay(report.sample.image, regions, labels=labels, score_map=score_map)


def page(report: InspectionReport, drawn: RGB) -> str:
    """The report as one self-contained HTML page, every value escaped."""
    return render(
        "report/page.html.jinja",
        report=report,
        words=strings("en"),
        photo=_data_uri(report.sample.image),
        overlay=_data_uri(drawn),
        close_ups=[_close_up(report, f, box) for box, f in _by_crop(report).items()],
    )


def _by_crop(report: InspectionReport) -> dict[Box, Finding]:
    """The first finding of each crop, strongest first; several findings of one place need one picture."""
    found: dict[Box, Finding] = {}
    for finding in report.findings:
        if finding.box is not None:
            found.setdefault(crop_box(Box(*finding.box), report.sample), finding)
    return found


def _close_up(report: InspectionReport, finding: Finding, box: Box) -> dict[str, str]:
    """The place of a finding, beside the same place on the nearest good part."""
    pair = crop_pair(report.sample, box, report.good)
    close_up = {"id": finding.id, "what": finding.what, "crop": _data_uri(pair.crop, CROP_PX)}
    if pair.reference is not None and pair.reference_name is not None:
        close_up |= {"reference": _data_uri(pair.reference, CROP_PX), "name": pair.reference_name}
    return close_up


def _data_uri(image: RGB, side: int | None = None) -> str:
    picture = Image.fromarray(image)
    if side is not None:
        picture = picture.resize((side, side), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    picture.save(stream, format="JPEG", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
