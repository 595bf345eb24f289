"""What each stage of an inspection contributes: one first look at every photo, judged in several ways."""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, cast

from pydantic import BaseModel, ConfigDict

from agent import Inspector
from agent.calibration.maps import Calibration
from agent.graph import build_first_look, build_loop
from agent.report.model import InspectionReport
from agent.state import Context, InspectionState, Policy, Request
from agent.tracing import private_tracing
from evals.datasets import BenchmarkCase, Category
from evals.datasets.base import Label
from evals.datasets.world import open_medleys, open_world
from evals.metrics import ranking_metrics
from evals.metrics.calibration import bins, calibration_error, plot
from evals.reports import label_of
from evals.run.ground_truth import Truth, judged, truth_of
from evals.run.results import RunSettings, claimed, read_lines
from evals.run.summary import means
from nano.world import HELDOUT, TRAINED
from tools.files import write_atomic
from tools.profiles import resolve_profile
from tools.profiles.catalog import digests

COLUMNS = (
    "image_auroc",
    "image_auroc_logical",
    "image_auroc_structural",
    "f1_max",
    "f1",
    "accuracy",
    "ece",
    "true_sentences",
    "looks_per_image",
    "seconds_per_image",
)
"""Of the table, in their order."""


class Judgement(BaseModel):
    """What one way to judge said of one photo."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    score: float
    anomalous: bool
    looks: int
    seconds: float
    """The first look, shared by all ways, and what followed it."""
    true: int
    """Checkable sentences that are true."""
    false: tuple[str, ...]
    """Those that are not."""


class PhotoLine(BaseModel):
    """One photo, judged in every way."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    category: str
    id: str
    label: Label
    rows: dict[str, Judgement]
    """By the name of the way."""


def metrics_of(lines: Sequence[PhotoLine], row: str) -> dict[str, float]:
    """The figures of one way to judge, in [0, 1], seconds and numbers of looks apart.

    Ranking and decisions are means over the categories, as `looktwice eval` has them; the others are over all photos.
    Calibration is that of the score as a probability of "anomalous".
    """
    by_category: dict[str, list[PhotoLine]] = defaultdict(list)
    for line in lines:
        by_category[line.category].append(line)
    found = means(
        {
            name: ranking_metrics(
                [x.label for x in some], [x.rows[row].score for x in some], [x.rows[row].anomalous for x in some]
            )
            for name, some in by_category.items()
        }
    )
    said = [line.rows[row] for line in lines]
    true, false = sum(s.true for s in said), sum(len(s.false) for s in said)
    return found | {
        "ece": calibration_error([s.score for s in said], [line.label != "good" for line in lines]),
        "looks_per_image": sum(s.looks for s in said) / len(said),
        "seconds_per_image": sum(s.seconds for s in said) / len(said),
        **({"true_sentences": true / (true + false)} if true + false else {}),
    }


SEED = 41
"""Neither the seeds that models learned from nor those that they are checked on."""
Where = Literal["heldout", "trained", "shift", "medleys"]
LINES = "photos.jsonl"


@dataclass(frozen=True)
class AblationVariant:
    """One way to judge what the first look measured."""

    name: str
    policy: Policy = "none"
    rules: bool = True
    leaning: float | None = None
    """Share of the language model's leaning that is taken out of its answers; None for what the profile has."""


ROWS = (
    AblationVariant("glance only", rules=False),
    AblationVariant("+ rules"),
    AblationVariant("+ second look, fixed, raw yes/no", "fixed", leaning=0.0),
    AblationVariant("+ second look, chosen, raw yes/no", "chosen", leaning=0.0),
    AblationVariant("+ second look, chosen, debiased", "chosen", leaning=1.0),
    AblationVariant("+ second look, fixed, debiased", "fixed", leaning=1.0),
    AblationVariant("default of the profile", "fixed"),
)


def opened(where: Where, limit: int, products: int, first: int = 0) -> list[Category]:
    """The photos to judge.

    Args:
        where: families of the world that models learned, or held-out ones, these in other light too; or medleys.
        limit: photos over all families, two of each at least.
        products: medleys.
        first: the first medley, counted from the first that no model was trained on.
    """
    if where == "medleys":
        return open_medleys(first=first, count=products, per_category=max(2, limit // products))
    families = TRAINED if where == "trained" else HELDOUT
    return open_world(
        split="trained" if where == "trained" else "heldout",
        seed=SEED,
        per_category=max(2, limit // len(families)),
        style="shift" if where == "shift" else "plain",
    )


def measure(inspector: Inspector, categories: Sequence[Category], shots: int, out: Path) -> list[PhotoLine]:
    """Judges every photo that has no line yet in every way; returns the lines of all."""
    done = read_lines(out / LINES, PhotoLine)
    known = {(line.category, line.id) for line in done}
    total, first = sum(len(c.cases) for c in categories), build_first_look()
    with (out / LINES).open("a", encoding="utf-8") as stream:
        for category in categories:
            cases = [case for case in category.cases if (category.name, case.id) not in known]
            references = category.references(shots, SEED) if shots and cases else []
            if not cases:
                continue
            product = inspector.learn(category.name, references, describe=category.normal, product=category.product)
            for case in cases:
                with private_tracing():
                    state = InspectionState(**first.invoke(Request(case.photo(), product), context=inspector.context))
                line = PhotoLine(
                    category=category.name,
                    id=case.id,
                    label=case.label,
                    rows={row.name: _judged(row, state, case, inspector.context) for row in ROWS},
                )
                stream.write(line.model_dump_json() + "\n")
                stream.flush()
                done.append(line)
                sys.stderr.write(f"\r{len(done)} of {total} photos ")
    sys.stderr.write("\n")
    return done


def _judged(row: AblationVariant, state: InspectionState, case: BenchmarkCase, context: Context) -> Judgement:
    """The verdict, the sentences that the truth can be held against, and what it took, in one way to judge."""
    start = time.perf_counter()
    as_in_row = replace(context, policy=row.policy, calibration=_maps(row, context.calibration))
    with private_tracing():
        final = InspectionState(**build_loop().invoke(_started(state, row), context=as_in_row))
    spent = sum(state.seconds.values()) + time.perf_counter() - start
    report = InspectionReport.of_state(final, models={}, profile="")
    # Of medleys parts have no names that a report could use.
    truth = truth_of(case) or Truth(case.label != "good", case.gt_mask(), {})
    sentences = list(judged(report, truth))
    return Judgement(
        score=report.verdict.score,
        anomalous=report.verdict.anomalous,
        looks=len(report.looks),
        seconds=round(spent, 4),
        true=sum(j.true for j in sentences),
        false=tuple(j.text for j in sentences if not j.true),
    )


def _maps(row: AblationVariant, maps: Calibration) -> Calibration:
    """The maps, with the row's share of the leaning."""
    if row.leaning is None:
        return maps
    return maps.model_copy(update={"leaning": maps.leaning.model_copy(update={"weight": row.leaning})})


def _started(state: InspectionState, row: AblationVariant) -> InspectionState:
    """The state after the first look, without rules where the row has none."""
    evidence = state.evidence if row.rules else [e for e in state.evidence if e.kind == "structural"]
    return replace(state, evidence=list(evidence), seconds={})


def table(lines: Sequence[PhotoLine], names: Sequence[str]) -> Iterator[str]:
    """Markdown, a line a way to judge, those that every photo was judged in."""
    yield "| | " + " | ".join(label_of(name) for name in COLUMNS) + " |"
    yield "|" + "---|" * (1 + len(COLUMNS))
    for name in names:
        metrics = metrics_of(lines, name)
        cells = ("" if key not in metrics else f"{metrics[key]:.3f}" for key in COLUMNS)
        yield f"| {name} | " + " | ".join(cells) + " |"


def main() -> None:
    """Measures what is not measured yet, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", default="nano")
    parser.add_argument("--split", choices=("heldout", "trained", "shift", "medleys"), default="heldout")
    parser.add_argument("--shots", type=int, default=0)
    parser.add_argument("--limit", type=int, default=60, help="photos, over all families")
    parser.add_argument("--products", type=int, default=8, help="medleys, where they are what is measured")
    parser.add_argument("--first", type=int, default=0, help="the first medley; from 5000 on looks were fitted on them")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, default=Path("out/ablation"), help="runs; one that was stopped goes on")
    options = parser.parse_args()
    where, out = cast("Where", options.split), options.out / f"{options.split}-{options.shots}"
    categories = opened(where, options.limit, options.products, options.first)
    inspector = Inspector(options.profile, device=options.device)
    settings = RunSettings(
        benchmark="ablation",
        profile=inspector.profile,
        shots=options.shots,
        seed=SEED,
        limit=options.limit,
        split=where,
        style="shift" if where == "shift" else "plain",
        categories=tuple(c.name for c in categories),
        looks=inspector.context.budget.looks,
        words=True,
        models=digests(resolve_profile(options.profile)),
    )
    with claimed(out, settings):
        lines = measure(inspector, categories, options.shots, out)
        names = [row.name for row in ROWS]
        shown = "\n".join([f"{where}, {options.shots} references, {len(lines)} photos", "", *table(lines, names)])
        _write(out, lines, names, shown)
    sys.stdout.write(f"{shown}\n")


def _write(out: Path, lines: Sequence[PhotoLine], names: Sequence[str], shown: str) -> None:
    """table.md; reliability.svg; false.txt, the sentences that the truth denies, by row."""
    write_atomic(out / "table.md", shown + "\n")
    truths = [line.label != "good" for line in lines]
    curves = {name: bins([line.rows[name].score for line in lines], truths) for name in names}
    write_atomic(out / "reliability.svg", plot(curves))
    wrong = (
        f"{name}: {line.category}/{line.id}: {t}" for name in names for line in lines for t in line.rows[name].false
    )
    write_atomic(out / "false.txt", "\n".join(wrong) + "\n")


if __name__ == "__main__":
    main()
