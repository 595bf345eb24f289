"""Runs a benchmark of questions; conversations are written as they end, so that a run resumes."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from evals import reports
from evals.datasets.questions import BenchmarkQuestion, PhotoQuestions
from evals.metrics.answers import option_letter, yes_or_no
from evals.metrics.bootstrap import intervals
from evals.qa.grading import Graders, grade
from evals.qa.respondents import AnsweredQuestion, Conversation, Respondent, replies_of
from evals.run.results import (
    PREDICTIONS,
    REFUSED,
    RESULTS,
    Refusal,
    Results,
    RunSettings,
    claimed,
    now,
    read_lines,
    record,
    write_lines,
)
from tools.display_text import display_text
from tools.errors import InputError
from tools.files import write_atomic

RESPONSES = "responses.json"
Progress = Callable[[int, int], None]


def answer_all(
    respondent: Respondent,
    items: Sequence[PhotoQuestions],
    settings: RunSettings,
    out: Path,
    *,
    graders: Graders | None = None,
    device: str = "",
    progress: Progress | None = None,
) -> Results:
    """Asks about every photo that has no conversation yet, grades all, and writes results.json.

    Raises:
        tools.errors.InputError: `out` holds another run, or conversations about other photos, or another program runs
            in it.
        tools.errors.ModelError: the judge cannot be reached; what was asked and graded is kept.
    """
    with claimed(out, settings):
        return _answer_all(respondent, items, settings, out, graders or Graders(), device, progress)


def _answer_all(
    respondent: Respondent,
    items: Sequence[PhotoQuestions],
    settings: RunSettings,
    out: Path,
    graders: Graders,
    device: str,
    progress: Progress | None,
) -> Results:
    started = now()
    done = {line.id: line for line in read_lines(out / PREDICTIONS, Conversation)}
    foreign = done.keys() - {item.id for item in items}
    if foreign:
        raise InputError(
            f"{out} holds conversations about {len(foreign)} photos that this benchmark does not have, such as "
            f"{min(foreign)}; give another --out folder, or the benchmark that it was begun with."
        )
    refused: list[Refusal] = []
    with (out / PREDICTIONS).open("a", encoding="utf-8") as stream:
        for item in items:
            if item.id in done:
                continue
            try:
                line = converse(respondent, item)
            except InputError as error:
                refused.append(Refusal(category=item.category, id=item.id, why=display_text(str(error))))
                continue
            stream.write(line.model_dump_json() + "\n")
            stream.flush()
            done[item.id] = line
            if progress is not None:
                progress(len(done) + len(refused), len(items))
    write_lines(out / REFUSED, refused)
    lines = [done[item.id] for item in items if item.id in done]
    write_atomic(out / RESPONSES, json.dumps(_responses(lines), indent=1, ensure_ascii=False) + "\n")
    graded = grade(lines, settings, graders, out)
    seconds = math.fsum(line.seconds for line in lines)
    about = record(device=device, models=settings.models, seed=settings.seed, started=started, seconds=seconds)
    notes = graded.notes
    if refused:
        notes = (*notes, f"{len(refused)} photos could not be used; they are listed under `refused`.")
    results = Results(
        benchmark=settings.benchmark,
        profile=settings.profile,
        shots=settings.shots,
        metrics=graded.metrics | {"seconds_per_image": seconds / len(lines) if lines else 0.0},
        categories=graded.categories,
        images=len(lines),
        settings=settings,
        intervals=intervals(graded.samples),
        refused=tuple(refused),
        notes=notes,
        run=about,
    )
    write_atomic(out / RESULTS, results.model_dump_json(indent=2) + "\n")
    _write_shown(results, lines, items, out)
    return results


def _write_shown(results: Results, lines: Sequence[Conversation], items: Sequence[PhotoQuestions], out: Path) -> None:
    write_atomic(out / "results.csv", reports.csv_of(results))
    write_atomic(out / "leaderboard.md", reports.leaderboard(results))
    reports.write_answers_page(results, lines, {item.id: item.photo for item in items}, out)


def converse(respondent: Respondent, item: PhotoQuestions) -> Conversation:
    """Asks about one photo, and reads what is meant.

    Raises:
        tools.errors.InputError: the photo or a template cannot be read.
    """
    start = time.perf_counter()
    said = replies_of(respondent, item)
    seconds = time.perf_counter() - start
    replies = tuple(
        AnsweredQuestion(
            kind=q.kind,
            topic=q.topic,
            question=q.text,
            truth=q.truth,
            text=_encodable(s.text),
            parsed=_parsed(q, s.text),
            score=s.score,
            options=dict(q.options),
        )
        for q, s in zip(item.questions, said, strict=True)
    )
    return Conversation(category=item.category, id=item.id, replies=replies, seconds=round(seconds, 4))


def _encodable(text: str) -> str:
    """What a model said, with escapes for what UTF-8 cannot hold, such as half of a surrogate pair."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _parsed(question: BenchmarkQuestion, text: str) -> str | None:
    if question.kind == "detect":
        return yes_or_no(text)
    return option_letter(text, question.options) if question.kind == "choose" else None


def _responses(lines: Sequence[Conversation]) -> list[dict[str, object]]:
    """The answers in words in the shape in which the benchmark's own scripts write them."""
    return [
        {
            "image": f"VisA/{line.id.removeprefix('reason/')}",
            "questions": [r.question for r in line.replies],
            "responses": [r.text for r in line.replies],
        }
        for line in lines
        if any(r.kind == "tell" for r in line.replies)
    ]
