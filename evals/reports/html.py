"""The page of a run: one file that holds its tables, curves and pictures, and fetches nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evals.metrics.bootstrap import Scored, counted
from evals.qa.grading import scored_replies
from evals.qa.respondents import Conversation
from evals.reports.charts import HEIGHT, WIDTH, Chart, histogram, reliability, roc_and_pr
from evals.reports.pictures import Cases, Gallery, galleries, thumbnail
from evals.reports.tables import about, label_of, lower_is_better, ordered
from evals.run.results import Prediction, Results
from evals.run.summary import by_category, scored
from prompts import render
from tools.files import write_atomic
from tools.types import Sample

PAGE = "report.html"
HEADLINE = (
    "image_auroc",
    "image_auroc_logical",
    "image_auroc_structural",
    "f1_max",
    "accuracy",
    "f1",
    "recall",
    "pixel_auroc",
    "aupro",
    "au_spro",
    "ece",
    "true_sentences",
    "rouge_l",
    "sbert",
    "judge",
    "unparsable",
    "seconds_per_image",
)
"""Shown large, where they are defined."""
LARGE = 8
BESIDE = (
    "f1_max_threshold",
    "f1_max_logical",
    "f1_max_structural",
    "pixel_ap",
    "au_spro_logical",
    "au_spro_structural",
    "looks_per_image",
)
"""Metrics that the table of categories leaves to results.csv, so that it fits a screen."""
PLAIN = ("seconds_per_image", "looks_per_image", "judge", "f1_max_threshold")
"""Metrics that are not fractions of one, and are not shaded."""
ANSWERS = 24
"""So many answers of a run of questions are shown."""


@dataclass(frozen=True)
class Figure:
    """One metric as the page shows it."""

    name: str
    label: str
    about: str
    value: float
    low: float | None
    high: float | None
    bar: bool
    """Whether it is a fraction, so that a bar shows it."""
    lower: bool


@dataclass(frozen=True)
class Broken:
    """How one defect of one category fared."""

    category: str
    defect: str
    images: int
    found: float
    """Share called anomalous."""
    score: float
    auroc: float | None
    """Against the good photos of its category."""


@dataclass(frozen=True)
class Content:
    """Everything that the page shows besides results."""

    charts: tuple[Chart, ...] = ()
    defects: tuple[Broken, ...] = ()
    galleries: tuple[Gallery, ...] = ()
    answers: tuple[tuple[Conversation, int, str], ...] = ()
    """Conversations, how many of their replies are wrong, and the photo as a data URI or nothing."""


def write_page(results: Results, predictions: Sequence[Prediction], cases: Cases, out: Path) -> Path:
    """Writes report.html of a run over images.

    Args:
        results: what results.json holds.
        predictions: the lines of predictions.jsonl.
        cases: by category and id, to show photos of; those that are absent are left out.
        out: the run's folder, with its maps.
    """
    groups = {name: scored(found) for name, found in by_category(predictions).items()}
    charts = roc_and_pr(groups, results.metrics)
    if groups:
        charts.append(histogram(groups))
    stated = [(p.confidence, p.anomalous == (p.label != "good")) for p in predictions if p.confidence is not None]
    trust = reliability(stated, results.metrics.get("ece"))
    content = Content(
        charts=tuple(charts) + ((trust,) if trust is not None else ()),
        defects=tuple(_defects(predictions)),
        galleries=tuple(galleries(predictions, cases, out / "maps")),
    )
    return _write(results, content, out)


def write_answers_page(
    results: Results, lines: Sequence[Conversation], photos: Mapping[str, Callable[[], Sample]], out: Path
) -> Path:
    """Writes report.html of a run of questions.

    Args:
        results: what results.json holds.
        lines: the lines of predictions.jsonl.
        photos: by the conversation's id, to be shown; those that are absent are left out.
        out: the run's folder.
    """
    groups = {
        name: found
        for name in results.categories
        if (found := _detections([line for line in lines if line.category == name])) is not None
    }
    charts = [*roc_and_pr(groups, results.metrics), histogram(groups)] if groups else []
    worst = sorted(lines, key=_wrong, reverse=True)[:ANSWERS]
    shown = tuple((line, _wrong(line), thumbnail(photos.get(line.id))) for line in worst)
    return _write(results, Content(charts=tuple(charts), answers=shown), out)


def _write(results: Results, content: Content, out: Path) -> Path:
    metrics = [name for name in ordered(list(results.metrics)) if name != "f1_max_threshold"]
    if "image_auroc_logical" not in results.metrics:
        # With one kind of anomalies its own figures are those of all.
        metrics = [name for name in metrics if not name.endswith("_structural")]
    large = [name for name in HEADLINE if name in metrics][:LARGE]
    known = {name for found in results.categories.values() for name in found}
    columns = [name for name in metrics if name in known and name not in BESIDE]
    text = render(
        "report/eval.html.jinja",
        results=results,
        tiles=[_figure(results, name) for name in large],
        figures=[_figure(results, name) for name in metrics],
        columns=[(name, label_of(name), about(name)) for name in columns],
        shades={name: _shades(results, name) for name in columns},
        content=content,
        width=WIDTH,
        height=HEIGHT,
    )
    write_atomic(out / PAGE, text)
    return out / PAGE


def _figure(results: Results, name: str) -> Figure:
    low, high = results.intervals.get(name, (None, None))
    return Figure(
        name, label_of(name), about(name), results.metrics[name], low, high, name not in PLAIN, lower_is_better(name)
    )


def _shades(results: Results, name: str) -> Mapping[str, float]:
    """How good each category is among the others, in [0, 1]; nothing for what is no fraction."""
    if name in PLAIN:
        return {}
    values = {category: found[name] for category, found in results.categories.items() if name in found}
    return {c: 1 - v if lower_is_better(name) else v for c, v in values.items()}


def _defects(predictions: Sequence[Prediction]) -> list[Broken]:
    """Each defect of each category, the least found first."""
    rows: list[Broken] = []
    for category, found in by_category(predictions).items():
        good = [p for p in found if p.label == "good"]
        for defect in sorted({p.defect or p.label for p in found if p.label != "good"}):
            bad = [p for p in found if p.label != "good" and (p.defect or p.label) == defect]
            rows.append(
                Broken(
                    category,
                    defect.replace("_", " "),
                    len(bad),
                    sum(p.anomalous for p in bad) / len(bad),
                    sum(p.score for p in bad) / len(bad),
                    counted(scored([*good, *bad])).get("image_auroc"),
                )
            )
    return sorted(rows, key=lambda row: (row.found, row.score))


def _detections(lines: Sequence[Conversation]) -> Scored | None:
    replies = [reply for line in lines for reply in line.replies if reply.kind == "detect"]
    return scored_replies(replies) if replies else None


def _wrong(line: Conversation) -> int:
    return sum(r.kind != "tell" and r.parsed != r.truth for r in line.replies)
