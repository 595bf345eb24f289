"""Results as CSV, as a row of a leaderboard, and names of metrics for people."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

from evals.run.results import Results
from prompts import load_yaml
from tools.display_text import csv_text

LEADERBOARD = (
    "image_auroc",
    "image_auroc_logical",
    "image_auroc_structural",
    "f1_max",
    "accuracy",
    "precision",
    "recall",
    "f1",
    "pixel_auroc",
    "aupro",
    "au_spro",
    "true_sentences",
    "rouge_l",
    "sbert",
    "judge",
    "seconds_per_image",
)


UNDEFINED = "not defined"
"""What stands in place of a metric that has no value, such as an AUROC of good photos alone."""
RANKING = ("image_auroc", "image_ap", "f1_max", "precision", "recall", "f1")
"""Metrics that need good and anomalous images."""


def with_undefined(results: Results) -> list[str]:
    """Names of the metrics in order, those of ranking also where they are not defined."""
    ranked = RANKING if "accuracy" in results.metrics else ()
    return ordered(list(dict.fromkeys([*results.metrics, *ranked])))


def value_of(metrics: Mapping[str, float], name: str) -> float | str:
    """A metric's value; a word where one of ranking is not defined, nothing where another one was not measured."""
    return metrics.get(name, UNDEFINED if name in RANKING else "")


def label_of(metric: str) -> str:
    """What people call a metric.

    >>> label_of("image_auroc"), label_of("rouge_l_low_level")
    ('Image AUROC', 'ROUGE-L, low level')
    """
    known = load_yaml("metrics")
    if metric in known:
        return str(known[metric]["label"])
    base = max((name for name in known if metric.startswith(f"{name}_")), key=len, default="")
    rest = metric.removeprefix(f"{base}_").replace("_", " ")
    return f"{known[base]['label']}, {rest}" if base else rest


def about(metric: str) -> str:
    """What a metric says, in a sentence; empty where that is not known."""
    known = load_yaml("metrics")
    return str(known[metric]["about"]) if metric in known else ""


def lower_is_better(metric: str) -> bool:
    """Whether less of it is better."""
    return bool(load_yaml("metrics").get(metric, {}).get("low", False))


def ordered(metrics: Sequence[str]) -> list[str]:
    """In the order of prompts/metrics.yaml, those that it does not know beside what they are a part of."""
    places = {name: n for n, name in enumerate(load_yaml("metrics"))}

    def place(metric: str) -> tuple[int, str]:
        base = max((name for name in places if metric == name or metric.startswith(f"{name}_")), key=len, default="")
        return places.get(base, len(places)), metric

    return sorted(metrics, key=place)


def csv_of(results: Results) -> str:
    """A line a metric: its mean, the interval where there is one, and each category's value."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["metric", "mean", "low_95", "high_95", *map(csv_text, results.categories)])
    for name in with_undefined(results):
        low, high = results.intervals.get(name, ("", ""))
        values = [value_of(found, name) for found in results.categories.values()]
        writer.writerow([csv_text(name), value_of(results.metrics, name), low, high, *values])
    return stream.getvalue()


def leaderboard_head(metrics: Sequence[str]) -> str:
    """The first two lines of a leaderboard in Markdown."""
    names = ["benchmark", "by", "profile", "references", "images", *(label_of(m) for m in metrics)]
    return f"| {' | '.join(names)} |\n|{'---|' * len(names)}"


def leaderboard_row(results: Results, metrics: Sequence[str]) -> str:
    """One line of it; a metric that is not defined is left empty, an interval stands behind its metric."""
    run = results.settings
    cells = [run.benchmark, run.by, run.profile, str(results.shots), str(results.images)]
    for name in metrics:
        value = results.metrics.get(name)
        span = results.intervals.get(name)
        text = "" if value is None else f"{value:.3f}"
        cells.append(text + (f" ({span[0]:.3f} to {span[1]:.3f})" if value is not None and span else ""))
    return f"| {' | '.join(cells)} |"


def leaderboard(results: Results) -> str:
    """A leaderboard of one run, to be joined with others."""
    shown = [name for name in LEADERBOARD if name in results.metrics]
    return f"{leaderboard_head(shown)}\n{leaderboard_row(results, shown)}\n"
