"""The evals tab: runs in the results folder, their tables and worst mistakes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError
from sklearn.metrics import precision_recall_curve, roc_curve

from looktwice.page.context import PageContext
from looktwice.page.words import Words
from prompts import render
from tools.errors import InputError

WORST = 12
SIZE = 220
"""Side of a chart, in its own units."""
Points = NDArray[np.float64]


class Result(BaseModel):
    """What the page reads of results.json; other fields are left alone."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    benchmark: str
    profile: str
    shots: int
    metrics: dict[str, float | None]
    categories: dict[str, dict[str, float | None]] = {}
    images: int = 0


class PredictionLine(BaseModel):
    """What the page reads of a line of predictions.jsonl."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    category: str
    id: str
    label: str
    score: float
    anomalous: bool


@dataclass(frozen=True)
class RunSummary:
    """One run."""

    name: str
    result: Result
    lines: tuple[PredictionLine, ...]


def runs_in(folder: Path) -> list[str]:
    """Names of the runs in a folder: "." of its own, and of those below it, one or two levels deep."""
    found = {p.parent for depth in (".", "*", "*/*") for p in folder.glob(f"{depth}/results.json")}
    return sorted(str(p.relative_to(folder)) for p in found)


def read_run(folder: Path, name: str) -> RunSummary:
    """A run by its name.

    Raises:
        tools.errors.InputError: there is none of that name, or a file of it has a fault.
    """
    if name not in runs_in(folder):
        raise InputError(f"run '{name}' is not in {folder.name}; choose one of the list.")
    at = folder / name
    try:
        result = Result.model_validate_json((at / "results.json").read_text(encoding="utf-8"))
        path = at / "predictions.jsonl"
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        lines = tuple(_lines(text))
    except (OSError, ValidationError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"run '{name}' cannot be read ({reason}); make it again with looktwice eval.") from error
    return RunSummary(name, result, lines)


def _lines(text: str) -> list[PredictionLine]:
    """The predictions that have a score; a refused image has none, and a torn last line is left out."""
    found = []
    for line in text.splitlines():
        try:
            data = json.loads(line)
        except ValueError:
            continue
        if isinstance(data, dict) and isinstance(data.get("score"), int | float):
            found.append(PredictionLine.model_validate(data))
    return found


def roc(lines: Sequence[PredictionLine]) -> Points | None:
    """(n, 2) of false-alarm rate and found share; None without both kinds of photo."""
    truth = _truth(lines)
    if truth.size == 0 or truth.all() or not truth.any():
        return None
    x, y, _ = roc_curve(truth, [line.score for line in lines])
    return np.stack([x, y], axis=-1)


def precision_recall(lines: Sequence[PredictionLine]) -> Points | None:
    """(n, 2) of recall and precision; None without both kinds of photo."""
    truth = _truth(lines)
    if truth.size == 0 or truth.all() or not truth.any():
        return None
    precision, recall, _ = precision_recall_curve(truth, [line.score for line in lines])
    return np.stack([recall, precision], axis=-1)


def _truth(lines: Sequence[PredictionLine]) -> NDArray[np.bool_]:
    return np.array([line.label != "good" for line in lines], dtype=np.bool_)


def worst(lines: Sequence[PredictionLine]) -> list[PredictionLine]:
    """The photos whose verdict is wrong, those that were surest first."""
    wrong = [line for line in lines if line.anomalous != (line.label != "good")]
    return sorted(wrong, key=lambda line: line.score if line.anomalous else 1 - line.score, reverse=True)[:WORST]


def run_html(run: RunSummary, other: RunSummary | None, words: Words) -> str:
    """The run as HTML, every value escaped."""
    names = [name for name, value in run.result.metrics.items() if value is not None]
    rows = [(name, run.result.metrics[name], other.result.metrics.get(name) if other else None) for name in names]
    runs = [run, *([other] if other else [])]
    return render(
        "page/evals.html.jinja",
        run=run,
        other=other,
        rows=rows,
        words=words,
        roc=[_path(roc(r.lines)) for r in runs],
        pr=[_path(precision_recall(r.lines)) for r in runs],
        bars=_bars(run.lines),
        size=SIZE,
        mistakes=worst(run.lines),
        columns=[
            n
            for n in ("image_auroc", "image_auroc_logical", "image_auroc_structural", "f1_max", "pixel_auroc", "aupro")
            if n in names
        ],
    )


def _path(points: Points | None) -> str:
    """The curve as an SVG path; empty where there is none."""
    if points is None:
        return ""
    steps = [f"{x * SIZE:.1f},{(1 - y) * SIZE:.1f}" for x, y in points]
    return "M" + " L".join(steps)


def _bars(lines: Sequence[PredictionLine], bins: int = 20) -> list[tuple[float, float, float]]:
    """For each bin of the score: its left edge, and the heights of good and anomalous photos, as shares of the most."""
    truth = _truth(lines)
    scores = np.array([line.score for line in lines])
    if not lines:
        return []
    good, bad = (np.histogram(scores[truth == kind], bins=bins, range=(0, 1))[0] for kind in (False, True))
    most = max(1, int(good.max()), int(bad.max()))
    return [(n / bins, float(g) / most, float(b) / most) for n, (g, b) in enumerate(zip(good, bad, strict=True))]


def build_evals_tab(page: PageContext) -> tuple[Callable[[], Any], list[gr.Dropdown]]:
    """Builds the tab, which reads runs in one folder and nothing else; gives what lists them, and its lists."""
    words, folder = page.words, page.results
    names = runs_in(folder)
    with gr.Row(equal_height=True):
        first = gr.Dropdown(names, value=None, label=words["evals_run"], elem_id="run", scale=4)
        second = gr.Dropdown(names, value=None, label=words["evals_other"], elem_id="other-run", scale=4)
        again = gr.Button(words["refresh"], scale=1, min_width=90, elem_id="refresh")
    shown = gr.HTML(
        page.box("note", "", words["evals_choose"] if names else words["evals_none"]),
        elem_id="evals",
        apply_default_css=False,
        js_on_load=None,
    )

    def show(name: str | None, other: str | None) -> str:
        if not name:
            return page.box("note", "", words["evals_choose"] if runs_in(folder) else words["evals_none"])
        try:
            beside = read_run(folder, other) if other and other != name else None
            return run_html(read_run(folder, name), beside, words)
        except InputError as error:
            return page.trouble(str(error))

    def listed() -> tuple[Any, Any]:
        found = runs_in(folder)
        return gr.update(choices=found), gr.update(choices=found)

    hidden: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    first.change(show, [first, second], [shown], **hidden)
    second.change(show, [first, second], [shown], **hidden)
    again.click(listed, None, [first, second], **hidden)
    return listed, [first, second]
