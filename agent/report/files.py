"""Writes a report's folder (photo with findings, page, JSON) and replaces only folders that it wrote."""

from __future__ import annotations

import base64
import contextlib
import io
import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from agent.crops import crop_box
from prompts import render, strings
from tools.drawing import overlay
from tools.errors import InputError
from tools.mask_encoding import decode_rle
from tools.types import RGB, Box, Region

if TYPE_CHECKING:
    from agent.report.model import Finding, InspectionReport

MARKER = ".looktwice-report"
"""A file that says that a report was written into its folder."""
REPORT_FILES = ("report.json", "report.html", "overlay.png")
_WRITTEN = frozenset({MARKER, *REPORT_FILES})
_MARKS = frozenset({MARKER, "report.json"})
"""One of these is in every report's folder."""


def replaceable(folder: Path) -> bool:
    """Whether a folder can be removed without loss: it is empty, or a report and nothing else.

    A report that an earlier version wrote has no marker; it counts where it holds report.json and no foreign name.
    """
    try:
        if folder.is_symlink() or not folder.is_dir():
            return False
        with os.scandir(folder) as entries:
            found = {entry.name: entry.is_dir(follow_symlinks=False) for entry in entries}
    except OSError:
        return False
    return not found or (found.keys() <= _WRITTEN and not any(found.values()) and not found.keys().isdisjoint(_MARKS))


def remove_report(folder: Path) -> bool:
    """Remove a report's folder if it is replaceable; whether nothing bears its name afterwards.

    Each file is removed by its name, so a foreign file that comes meanwhile keeps the folder.
    """
    if replaceable(folder):
        with contextlib.suppress(OSError):
            for name in _WRITTEN:
                (folder / name).unlink(missing_ok=True)
            folder.rmdir()
    return not os.path.lexists(folder)


def open_report(folder: Path) -> None:
    """Make a folder ready for a report: mark it, and remove the files of the report that it holds.

    Raises:
        InputError: it holds a file of a report's name that this program did not write.
        OSError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    marker = folder / MARKER
    there = [name for name in REPORT_FILES if os.path.lexists(folder / name)]
    if there and not marker.is_file() and not replaceable(folder):
        raise InputError(
            f"{folder / there[0]}: stands in a folder that is not a report of this program; give a folder without it."
        )
    for name in there:
        (folder / name).unlink()
    if not os.path.lexists(marker):
        marker.touch()


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
    regions = [_region(box, f) for box, f in shown.items()]
    labels = [mark_of(f) for f in shown.values()]
    score_map = report.glance.map if report.verdict.anomalous else None
    return overlay(report.sample.image, regions, labels=labels, score_map=score_map)


def mark_of(finding: Finding) -> str:
    """What stands beside the place of a finding: its id, and what people call its part, if it is about one."""
    part = str(finding.facts.get("part", "")).removeprefix("the ")
    return finding.id if part in ("", "any", "a part") else f"{finding.id} {part}"


def _region(box: tuple[float, float, float, float], finding: Finding) -> Region:
    """The place of a finding; of a missing or an extra part also its outline."""
    outlined = finding.mask is not None and finding.kind == "logical" and finding.topic != "layout"
    mask = decode_rle(finding.mask) if outlined else None  # type: ignore[arg-type]
    return Region(Box(*box), finding.score, mask, finding.absent)


def page(report: InspectionReport, drawn: RGB) -> str:
    """The report as one self-contained HTML page, every value escaped."""
    return render(
        "report/page.html.jinja",
        report=report,
        words=strings(report.language),
        photo=_data_uri(report.sample.image),
        overlay=_data_uri(drawn),
        close_ups=[_close_up(report, finding) for finding in _by_crop(report).values()],
    )


def _by_crop(report: InspectionReport) -> dict[Box, Finding]:
    """The first finding of each crop, strongest first; several findings of one place need one picture."""
    found: dict[Box, Finding] = {}
    for finding in report.findings:
        if finding.box is not None:
            found.setdefault(crop_box(Box(*finding.box), report.sample), finding)
    return found


def _close_up(report: InspectionReport, finding: Finding) -> dict[str, str]:
    """The place of a finding, beside the same place on the reference that matches it best."""
    pair = report.beside_reference(finding)
    close_up = {"id": finding.id, "what": report.told(finding), "crop": _data_uri(pair.crop, CROP_PX)}
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
