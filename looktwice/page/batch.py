"""A batch as rows: each photo's verdict in short, and the files that it is handed on as."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from looktwice.page.words import Words
from prompts import render
from tools.display_text import csv_text


@dataclass(frozen=True)
class Row:
    """One photo of a batch."""

    name: str
    """Unique in the batch."""
    thumb: str | None
    """A data URI, or None where the photo could not be read."""
    report: dict[str, Any] | None
    """The report's JSON, or None where the photo was refused."""
    refused: str = ""
    """Why, in a sentence."""

    @property
    def score(self) -> float | None:
        """The anomaly score, in [0, 1]."""
        return None if self.report is None else float(self.report["verdict"]["score"])

    @property
    def finding(self) -> str:
        """The strongest finding in a few words."""
        findings = self.report["findings"] if self.report is not None else []
        return str(findings[0]["what"]) if findings else ""

    def state(self, threshold: float) -> str:
        """ "good" or "anomalous" at a threshold, or "refused"."""
        if self.score is None:
            return "refused"
        return "anomalous" if self.score >= threshold else "good"


def unique(names: Sequence[str]) -> list[str]:
    """The names, a second one of the same name with a number.

    >>> unique(["a.png", "b.png", "a.png"])
    ['a.png', 'b.png', 'a-2.png']
    """
    taken: set[str] = set()
    found = []
    for name in names:
        path, n, fresh = Path(name), 1, name
        while fresh in taken:
            n += 1
            fresh = f"{path.stem}-{n}{path.suffix}"
        taken.add(fresh)
        found.append(fresh)
    return found


def table_html(rows: Sequence[Row], words: Words, *, threshold: float, shown: str, told: str = "") -> str:
    """The rows as a table, every value escaped; `shown` is "all" or a state."""
    states = [row.state(threshold) for row in rows]
    counts = {state: states.count(state) for state in ("anomalous", "good", "refused")}
    kept = [(row, s) for row, s in zip(rows, states, strict=True) if shown in ("all", s)]
    kept.sort(key=lambda pair: -1.0 if pair[0].score is None else -pair[0].score)
    return render("page/batch.html.jinja", rows=kept, counts=counts, words=words, told=told)


def as_csv(rows: Sequence[Row], threshold: float) -> str:
    """A line a photo; no value is a formula to a spreadsheet, or breaks a line."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("photo", "verdict", "score", "confidence", "kinds", "top_finding", "refused"))
    for row in rows:
        verdict = row.report["verdict"] if row.report is not None else {}
        cells = (
            row.name, row.state(threshold), row.score, verdict.get("confidence"), "+".join(verdict.get("kinds", [])),
            row.finding, row.refused,
        )  # fmt: skip
        writer.writerow([csv_text(cell) if isinstance(cell, str) else cell for cell in cells])
    return stream.getvalue()


def as_json(rows: Sequence[Row], threshold: float) -> str:
    """All reports and the threshold."""
    photos = [
        {"photo": r.name, "verdict": r.state(threshold), "refused": r.refused or None, "report": r.report} for r in rows
    ]
    return json.dumps({"threshold": threshold, "photos": photos}, ensure_ascii=False, indent=1)


def as_html(rows: Sequence[Row], words: Words, threshold: float, css: str) -> str:
    """A page that stands alone."""
    table = table_html(rows, words, threshold=threshold, shown="all")
    return render("page/batch_page.html.jinja", table=table, css=css, language=words.language)


def as_coco(rows: Sequence[Row]) -> str:
    """Findings with a place as COCO annotations; boxes are x, y, width, height, masks compressed run lengths."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    kinds = {"logical": 1, "structural": 2}
    for number, row in enumerate((r for r in rows if r.report is not None), start=1):
        report = row.report or {}
        width, height = report["size"]
        images.append({"id": number, "file_name": row.name, "width": width, "height": height})
        for finding in report["findings"]:
            if finding["box"] is None:
                continue
            x0, y0, x1, y1 = finding["box"]
            annotation = {
                "id": len(annotations) + 1, "image_id": number, "category_id": kinds[finding["kind"]], "iscrowd": 0,
                "bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0), "score": finding["score"],
                "segmentation": finding["mask"] or [], "description": finding["what"],
            }  # fmt: skip
            annotations.append(annotation)
    categories = [{"id": n, "name": kind} for kind, n in kinds.items()]
    return json.dumps({"images": images, "annotations": annotations, "categories": categories}, ensure_ascii=False)
