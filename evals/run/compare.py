"""Compares two runs over the same images: differences with a paired bootstrap, so that luck in the images cancels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evals.metrics.bootstrap import Samples, between, macro, resampled
from evals.qa.grading import Graders, grade
from evals.qa.respondents import Conversation
from evals.run.results import PREDICTIONS, Prediction, Results, RunSettings, read_lines, read_results
from evals.run.summary import by_category, scored
from tools.errors import InputError


@dataclass(frozen=True)
class Difference:
    """One metric in both runs."""

    metric: str
    first: float
    second: float
    low: float | None
    """95 % interval of second - first; None for metrics that the bootstrap does not resample."""
    high: float | None
    p: float | None
    """Two-sided: how often a resample puts the difference on the other side of 0, or at it."""

    @property
    def change(self) -> float:
        """Second less first."""
        return self.second - self.first

    @property
    def sure(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


@dataclass(frozen=True)
class Comparison:
    """Two runs beside each other, over the images that both have."""

    first: Results
    second: Results
    images: int
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]


def compare(first: Path, second: Path) -> Comparison:
    """Reads two results folders and compares them.

    Raises:
        tools.errors.InputError: a folder holds no finished run, the benchmarks differ, they share no image, or they do
            not agree on what is true of one.
    """
    results = read_results(first), read_results(second)
    one, other = results
    if one.benchmark != other.benchmark:
        raise InputError(
            f"{first} is of benchmark {one.benchmark}, {second} of {other.benchmark}; compare runs of one benchmark."
        )
    questioned = one.benchmark in ("visa-dr", "mmad")
    sampled = (_conversations if questioned else _predictions)(first, second, one.settings)
    differences = [
        _difference(name, sampled.figures[0][name], sampled.figures[1][name], sampled.samples)
        for name in sampled.figures[0]
        if name in sampled.figures[1]
    ]
    shared = {d.metric for d in differences}
    alone = [name for name in one.metrics if name in other.metrics and name not in shared]
    differences += [Difference(n, one.metrics[n], other.metrics[n], None, None, None) for n in alone]
    return Comparison(one, other, sampled.images, tuple(differences), tuple(_notes(one, other, sampled.images)))


@dataclass(frozen=True, eq=False)
class _Sampled:
    """Figures and resamples of both runs."""

    figures: tuple[dict[str, float], dict[str, float]]
    samples: tuple[Samples, Samples]
    images: int


def _predictions(first: Path, second: Path, settings: RunSettings) -> _Sampled:
    """Runs of the inspector over images."""
    read = [{(p.category, p.id): p for p in read_lines(f / PREDICTIONS, Prediction)} for f in (first, second)]
    keys = _common(read[0].keys(), read[1].keys(), first, second)
    differing = next((key for key in keys if read[0][key].label != read[1][key].label), None)
    if differing is not None:
        raise InputError(
            f"{'/'.join(differing)} is {read[0][differing].label} in {first}, {read[1][differing].label} in {second}; "
            "compare runs over one copy of the data set."
        )
    groups = [{n: scored(g) for n, g in by_category([found[key] for key in keys]).items()} for found in read]
    samples = [resampled(group, settings.seed) for group in groups]
    return _Sampled((macro(groups[0]), macro(groups[1])), (samples[0], samples[1]), len(keys))


def _conversations(first: Path, second: Path, settings: RunSettings) -> _Sampled:
    """Runs of respondents over questions; grades of models are not given again, so that they have no interval."""
    read = [{(c.category, c.id): c for c in read_lines(f / PREDICTIONS, Conversation)} for f in (first, second)]
    keys = _common(read[0].keys(), read[1].keys(), first, second)
    graded = [grade([found[key] for key in keys], settings, Graders(), first) for found in read]
    return _Sampled((graded[0].metrics, graded[1].metrics), (graded[0].samples, graded[1].samples), len(keys))


def _common(
    one: Iterable[tuple[str, str]], other: Iterable[tuple[str, str]], first: Path, second: Path
) -> list[tuple[str, str]]:
    keys = sorted(set(one) & set(other))
    if not keys:
        raise InputError(
            f"{first} and {second} share no image; compare runs over the same images (same --seed, --limit)."
        )
    return keys


def _difference(name: str, one: float, other: float, samples: tuple[Samples, Samples]) -> Difference:
    if name not in samples[0] or name not in samples[1]:
        return Difference(name, one, other, None, None, None)
    changes: NDArray[np.float64] = samples[1][name] - samples[0][name]
    low, high = between(changes)
    known = changes[~np.isnan(changes)]
    beyond = min(float((known <= 0).mean()), float((known >= 0).mean()))
    return Difference(name, one, other, low, high, min(1.0, max(2 * beyond, 1 / len(known))))


def _notes(one: Results, other: Results, images: int) -> list[str]:
    notes = []
    if not images == one.images == other.images:
        notes.append(
            f"Compared over the {images} images that both have (of {one.images} and {other.images}); metrics without "
            "an interval are over each run's own images."
        )
    for name in RunSettings.model_fields:
        here, there = getattr(one.settings, name), getattr(other.settings, name)
        if here != there and name not in ("models", "categories"):
            notes.append(f"{name}: {here} and {there}.")
    if one.settings.models and other.settings.models:
        changed = sorted(r for r, d in other.settings.models.items() if one.settings.models.get(r) != d)
        if changed:
            notes.append(f"Other weights: {', '.join(changed)}.")
    return notes
