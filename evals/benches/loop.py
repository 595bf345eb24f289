"""The loop: seconds of each step of an inspection and of its model calls, and what a second question costs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from agent import Inspector, Product
from evals.benches.full_size import random_onevision
from tools.timing import clocked
from tools.vlm import LocalVLM, Turn

if TYPE_CHECKING:
    from tools.models.loading import Loaded
    from tools.types import RGB
Size = Literal["none", "large"]
QUESTIONS = (
    "Does the part in the image have any defects? Answer with Yes or No.",
    "Is the part in the image good and free of defects? Answer with Yes or No.",
    "Is there a scratch on the part? Answer with Yes or No.",
    "Is every part of the product in its place? Answer with Yes or No.",
)
"""Put to one photo, one after the other."""
SEED = 0
SIDE = 384
"""Pixels along each side of the photo that the questions are about."""


@dataclass(frozen=True)
class StepRow:
    """One step of the loop, median over the photos."""

    name: str
    seconds: float
    model_seconds: float
    """Of them inside models."""
    search_seconds: float
    """Of them in the search for nearest neighbours among the references' patches, a product on the model's device."""
    calls: int
    """Calls of a model."""


@dataclass(frozen=True)
class QuestionRow:
    """What questions about one photo cost one vlm."""

    model: str
    tokens: int
    """Of the first question's prompt, the photo included."""
    first: float
    """Seconds."""
    second: float
    """Seconds, median of the further questions."""
    uncached: float
    """Seconds of the last question when nothing was kept."""
    answer_first: float
    """Seconds of an answer of four tokens, to a photo not seen before; the model's first work, so warming is in it."""
    answer_second: float
    differs: float
    """Difference of P(yes) between both ways."""

    @property
    def ratio(self) -> float:
        """Second over first."""
        return self.second / self.first


@dataclass(frozen=True)
class LoopBench:
    """What `bench_loop` measured."""

    device: str
    threads: int
    photos: int
    seconds: float
    """An inspection, mean."""
    search: float
    """Share of it that is the search among the references' patches."""
    outside: float
    """Share of it that is neither a model call nor that search."""
    steps: tuple[StepRow, ...]
    questions: tuple[QuestionRow, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        values = asdict(self)
        for row, question in zip(values["questions"], self.questions, strict=True):
            row["ratio"] = question.ratio
        return values


def bench_loop(
    photos: Sequence[Any],
    product_of: Callable[[Inspector], Product],
    *,
    size: Size = "large",
    profile: str = "nano",
    device: str = "auto",
    repeat: int = 3,
    small: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> LoopBench:
    """Times inspections step by step, and first and further questions.

    Args:
        photos: to inspect, as `Inspector.inspect` takes them.
        product_of: learns the product that they show.
        size: "large" adds a language model of LLaVA-OneVision 0.5 B's size with random weights.
        profile: of the inspector.
        device: "auto", "cpu", "cuda", ...
        repeat: photos that questions are put to, of which the median counts.
        small: shrinks the large language model, to try the bench itself.
        say: told what is being measured.

    Raises:
        tools.errors.InputError: no such device.
    """
    inspector = Inspector(profile, device=device)
    say("learning")
    product = product_of(inspector)
    # Not one of the photos, since what was seen last is kept.
    inspector.inspect(product.references[0], product=product)
    say("inspections")
    runs = [_inspection(inspector, photo, product) for photo in photos]
    steps = _steps(runs)
    whole = sum(sum(row.seconds for row in run) for run in runs)
    inside, search = (sum(sum(spent(row) for row in run) for run in runs) for spent in (_in_models, _in_search))
    toolbox = inspector._context.toolbox
    say("questions to the language model of the profile")
    asked = [_questions(toolbox.model("vlm"), repeat)]
    if size == "large":
        say("questions to a large language model")
        asked.append(_questions(random_onevision(toolbox.model("vlm").device, small=small), repeat))
    return LoopBench(
        toolbox.model("vlm").device,
        torch.get_num_threads(),
        len(photos),
        whole / len(photos),
        search / whole,
        1 - (inside + search) / whole,
        steps,
        tuple(asked),
    )


def _inspection(inspector: Inspector, photo: Any, product: Product) -> list[StepRow]:
    """One inspection, step by step; what lies between and after the steps is the row "between"."""
    rows: list[StepRow] = []
    start = time.perf_counter()
    with clocked() as clock:
        last = StepRow("", 0.0, 0.0, 0.0, 0)

        def ended(name: str, update: Any) -> None:
            nonlocal last
            now = StepRow("", 0.0, clock.seconds["model"], clock.seconds["search"], clock.calls["model"])
            seconds = float(update["seconds"][name])
            rows.append(
                StepRow(
                    name,
                    seconds,
                    now.model_seconds - last.model_seconds,
                    now.search_seconds - last.search_seconds,
                    now.calls - last.calls,
                )
            )
            last = now

        inspector.inspect(photo, product=product, on_step=ended)
    whole = time.perf_counter() - start
    return [*rows, StepRow("between", whole - sum(row.seconds for row in rows), 0.0, 0.0, 0)]


def _in_models(row: StepRow) -> float:
    return row.model_seconds


def _in_search(row: StepRow) -> float:
    return row.search_seconds


def _steps(runs: Sequence[Sequence[StepRow]]) -> tuple[StepRow, ...]:
    """For each step the median over the photos of its sums; a step that a photo did not need counts as nothing."""
    names = list(dict.fromkeys(row.name for run in runs for row in run))
    found = []
    for name in names:
        of = [[row for row in run if row.name == name] for run in runs]
        found.append(
            StepRow(
                name,
                median(sum(r.seconds for r in rows) for rows in of),
                median(sum(r.model_seconds for r in rows) for rows in of),
                median(sum(r.search_seconds for r in rows) for rows in of),
                round(median(sum(r.calls for r in rows) for rows in of)),
            )
        )
    return tuple(found)


def _questions(loaded: Loaded, repeat: int) -> QuestionRow:
    """First and further questions, with what is kept and without."""
    vlm = LocalVLM(loaded)
    rng = np.random.default_rng(SEED)
    photos = [rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8) for _ in range(repeat + 1)]
    turns = [[Turn("user", q, images=1)] for q in QUESTIONS]
    answer_first, answer_second = (_answered(vlm, photos[-1], turns[n]) for n in (0, 2))
    spent = [[_spent(vlm, photo, t) for t in turns] for photo in photos[:-1]]
    alone = _spent(LocalVLM(loaded), photos[repeat - 1], turns[-1])
    tokens = len(vlm._prompt([photos[0]], turns[0]).ids)
    return QuestionRow(
        loaded.name,
        tokens,
        median(of[0][0] for of in spent),
        median(s for of in spent for s, _ in of[1:]),
        alone[0],
        answer_first,
        answer_second,
        abs(spent[-1][-1][1] - alone[1]),
    )


def _spent(vlm: LocalVLM, photo: RGB, turns: Any) -> tuple[float, float]:
    start = time.perf_counter()
    p = vlm.yes_no([photo], turns)
    return time.perf_counter() - start, p


def _answered(vlm: LocalVLM, photo: RGB, turns: Any) -> float:
    start = time.perf_counter()
    vlm.answer([photo], turns, max_new_tokens=4)
    return time.perf_counter() - start
