"""Grades conversations: decisions, choices and answers in words, each by category and as a mean with its interval."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from evals import metrics as measures
from evals.metrics.answers import yes_or_no
from evals.metrics.bootstrap import RESAMPLES, Samples, Scored, counted, gathered, resampled
from evals.qa.respondents import AnsweredQuestion, Conversation
from evals.run.results import RunSettings, read_lines
from evals.run.summary import means

if TYPE_CHECKING:
    from evals.metrics.judge import Judge
    from evals.metrics.text import Sbert

JUDGED = "judged.jsonl"
DETECT = "Anomaly Detection"
Metrics = dict[str, float]
T = TypeVar("T")
Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Graders:
    """Models that grade words; what is absent is skipped, and the results say so."""

    sbert: Sbert | None = None
    judge: Judge | None = None
    skipped: tuple[str, ...] = ()
    """Why one is absent, a sentence each."""


@dataclass(frozen=True)
class Graded:
    """Metrics of a run's conversations."""

    metrics: Metrics
    categories: dict[str, Metrics]
    samples: Samples = field(default_factory=dict)
    """Of the bootstrap; two runs over the same photos draw the same ones."""
    notes: tuple[str, ...] = ()


class Grade(BaseModel):
    """One line of judged.jsonl, so that no answer is sent twice."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    number: int
    judge: str
    text: str
    grade: float | None


def grade(lines: Sequence[Conversation], settings: RunSettings, graders: Graders, out: Path) -> Graded:
    """All metrics that the conversations allow.

    An answer that cannot be read counts as wrong, and its share is `unparsable`.

    Raises:
        tools.errors.ModelError: the judge cannot be reached; what it graded before is kept.
    """
    parts = [
        _detection(lines, settings.seed),
        _choices(lines, settings.seed),
        _words(lines, settings.seed, graders, out),
    ]
    categories: dict[str, Metrics] = {}
    for part in parts:
        for name, metrics in part.categories.items():
            categories.setdefault(name, {}).update(metrics)
    told = [r for line in lines for r in line.replies if r.kind != "tell"]
    unread = [r for r in told if r.parsed is None]
    metrics = {k: v for part in parts for k, v in part.metrics.items()}
    notes = tuple(note for part in parts for note in part.notes)
    if told:
        metrics["unparsable"] = len(unread) / len(told)
    if unread:
        examples = "; ".join(repr(r.text[:60]) for r in unread[:3])
        notes += (f"{len(unread)} of {len(told)} answers could not be read and count as wrong, such as {examples}.",)
    return Graded(metrics, categories, {k: v for part in parts for k, v in part.samples.items()}, notes)


def _detection(lines: Sequence[Conversation], seed: int) -> Graded:
    """Yes or no: macro means over the classes, as VisA-D&R reports them."""
    asked: dict[str, list[AnsweredQuestion]] = {}
    for line in lines:
        asked.setdefault(line.category, []).extend(r for r in line.replies if r.kind == "detect")
    groups = {name: scored_replies(found) for name, found in asked.items() if found}
    categories = {name: _of_one_kind(counted(found)) for name, found in groups.items()}
    return Graded(means(categories), categories, _of_one_kind(resampled(groups, seed)) if groups else {})


def _of_one_kind(found: Mapping[str, T]) -> dict[str, T]:
    """Without what is told apart by kinds of anomalies: the questions know but one."""
    return {name: value for name, value in found.items() if not name.endswith("_structural")}


def scored_replies(replies: Sequence[AnsweredQuestion]) -> Scored:
    """An answer that cannot be read is the wrong one; without likelihoods the answer itself is the score."""
    decisions = [(r.parsed if r.parsed is not None else _other(r.truth)) == "yes" for r in replies]
    scores = [float(d) if r.score is None else r.score for r, d in zip(replies, decisions, strict=True)]
    return Scored(
        np.array(["structural" if r.truth == "yes" else "good" for r in replies]),
        np.array(scores, dtype=np.float64),
        np.array(decisions, dtype=np.bool_),
    )


def _other(truth: str | None) -> str:
    return "no" if truth == "yes" else "yes"


def _choices(lines: Sequence[Conversation], seed: int) -> Graded:
    """Accuracy of each topic; of anomaly detection the mean of both classes, as MMAD reports it."""
    return _by_sums(
        lines,
        lambda line: [(_column(r), float(r.parsed == r.truth)) for r in line.replies if r.kind == "choose"],
        _of_topics,
        seed,
    )


def _column(reply: AnsweredQuestion) -> str:
    """The topic; of anomaly detection with what is true."""
    if reply.topic != DETECT or reply.truth is None:
        return reply.topic
    return f"{DETECT}/{yes_or_no(reply.options.get(reply.truth, '')) or 'unknown'}"


def _of_topics(ratios: Mapping[str, float]) -> Metrics:
    found: Metrics = {}
    of_detection = [value for name, value in ratios.items() if name.startswith(DETECT)]
    topics = {name: value for name, value in ratios.items() if not name.startswith(DETECT)}
    if of_detection:
        topics[DETECT] = sum(of_detection) / len(of_detection)
    if f"{DETECT}/yes" in ratios:
        found["recall"] = ratios[f"{DETECT}/yes"]
    found |= {f"accuracy_{name.lower().replace(' ', '_')}": value for name, value in topics.items()}
    return found | {"accuracy": sum(topics.values()) / len(topics)} if topics else found


def _words(lines: Sequence[Conversation], seed: int, graders: Graders, out: Path) -> Graded:
    """ROUGE-L, SBERT and the judge's grade, over all answers and by topic."""
    told = [(line, n, r) for line in lines for n, r in enumerate(line.replies) if r.kind == "tell"]
    if not told:
        return Graded({}, {})
    known = [(line, n, r, r.truth) for line, n, r in told if r.truth is not None]
    if not known:
        return Graded(
            {}, {}, notes=("The benchmark gives no reference answers: answers in words are kept, not graded.",)
        )
    values: dict[str, dict[tuple[str, int], float]] = {
        "rouge_l": {(line.id, n): measures.rouge_l(r.text, truth) for line, n, r, truth in known}
    }
    notes = list(graders.skipped)
    if graders.sbert is not None:
        cosines = graders.sbert.cosines([r.text for *_, r, _ in known], [truth for *_, truth in known])
        values["sbert"] = {(line.id, n): c for (line, n, *_), c in zip(known, cosines, strict=True)}
        notes.append(f"SBERT: {graders.sbert.name}.")
    if graders.judge is not None:
        values["judge"] = _judged(graders.judge, known, out)
        absent = len(known) - len(values["judge"])
        notes.append(f"Judge: {graders.judge.about}" + (f"; {absent} of its answers held no grade." if absent else "."))

    def of_line(line: Conversation) -> list[tuple[str, float]]:
        return [
            (column, found[line.id, n])
            for metric, found in values.items()
            for n, reply in enumerate(line.replies)
            if (line.id, n) in found
            for column in (metric, f"{metric}_{reply.topic}")
        ]

    graded = _by_sums(lines, of_line, dict, seed, pooled=True)
    return Graded(graded.metrics, graded.categories, graded.samples, tuple(notes))


def _judged(
    judge: Judge, known: Sequence[tuple[Conversation, int, AnsweredQuestion, str]], out: Path
) -> dict[tuple[str, int], float]:
    """Grades by (conversation, number); what the same judge has graded in an earlier session is not sent again."""
    path = out / JUDGED
    before = {(g.id, g.number): g for g in read_lines(path, Grade) if g.judge == judge.about}
    found: dict[tuple[str, int], float] = {}
    with path.open("a", encoding="utf-8") as stream:
        for line, number, reply, truth in known:
            given = before.get((line.id, number))
            if given is None or given.text != reply.text:
                value = judge.grade(reply.question, truth, reply.text)
                given = Grade(id=line.id, number=number, judge=judge.about, text=reply.text, grade=value)
                stream.write(given.model_dump_json() + "\n")
                stream.flush()
            if given.grade is not None:
                found[line.id, number] = given.grade
    return found


def _by_sums(
    lines: Sequence[Conversation],
    of_line: Callable[[Conversation], list[tuple[str, float]]],
    finish: Callable[[Mapping[str, float]], Metrics],
    seed: int,
    *,
    pooled: bool = False,
) -> Graded:
    """Means of values by column, for each category and over all; photos are drawn anew for the bootstrap.

    Args:
        lines: the conversations.
        of_line: columns and values of one.
        finish: makes metrics of the columns' means.
        seed: of the resamples.
        pooled: the overall figure is over all values rather than the mean over the categories.
    """
    groups: dict[str, list[list[tuple[str, float]]]] = {}
    for line in lines:
        if values := of_line(line):
            groups.setdefault(line.category, []).append(values)
    if not groups:
        return Graded({}, {})
    columns = sorted({column for found in groups.values() for values in found for column, _ in values})
    rng = np.random.default_rng(seed)
    totals = {name: _totals(found, columns, rng) for name, found in groups.items()}

    def overall(draw: int) -> Metrics:
        pairs = [(sums[draw], counts[draw]) for sums, counts in totals.values()]
        if pooled:
            return finish(_ratios(columns, sum(s for s, _ in pairs), sum(c for _, c in pairs)))
        return means({str(n): finish(_ratios(columns, s, c)) for n, (s, c) in enumerate(pairs)})

    categories = {name: finish(_ratios(columns, sums[0], counts[0])) for name, (sums, counts) in totals.items()}
    return Graded(overall(0), categories, gathered([overall(draw) for draw in range(1, RESAMPLES + 1)]))


def _totals(
    photos: Sequence[Sequence[tuple[str, float]]], columns: Sequence[str], rng: np.random.Generator
) -> tuple[Array, Array]:
    """Sums and counts of each column, (1 + resamples, columns): of all photos, then of each resample."""
    sums, counts = np.zeros((2, len(photos), len(columns)))
    for row, values in enumerate(photos):
        for column, value in values:
            sums[row, columns.index(column)] += value
            counts[row, columns.index(column)] += 1
    drawn = rng.multinomial(len(photos), np.full(len(photos), 1 / len(photos)), RESAMPLES)
    weights = np.vstack([np.ones((1, len(photos))), drawn])
    return weights @ sums, weights @ counts


def _ratios(columns: Sequence[str], sums: Array, counts: Array) -> dict[str, float]:
    return {c: float(s / n) for c, s, n in zip(columns, sums, counts, strict=True) if n > 0}
