"""`looktwice eval`: runs a benchmark, or compares two runs."""

from __future__ import annotations

import dataclasses
import gc
import json as json_format
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from agent import Inspector
from evals.datasets import open_benchmark
from evals.datasets.mmad import open_mmad
from evals.datasets.questions import PhotoQuestions, of_categories, spread
from evals.datasets.registry import QUESTIONED, data_folder
from evals.datasets.visa import open_visa_dr
from evals.run.compare import compare
from evals.run.results import Results, RunSettings
from looktwice.cli.options import ModelOptions
from looktwice.cli.output import writable_folder
from tools.display_text import display_text
from tools.errors import InputError, ModelError
from tools.files import write_atomic
from tools.profiles import resolve_profile
from tools.profiles.catalog import digests

if TYPE_CHECKING:
    from evals.qa.grading import Graders
    from evals.qa.respondents import By
GAIN = "gain.md"
RESULTS_FOLDER = Path("results")
"""The folder of all runs, where the page looks for them; each has its own folder in it."""


@dataclass(frozen=True)
class DataOptions:
    """Which photos of a benchmark are taken."""

    root: Annotated[Path | None, typer.Option(help="Folder of the data set; world and medleys need none.")] = None
    category: Annotated[list[str] | None, typer.Option(help="A category; repeat for several.")] = None
    shots: Annotated[
        int | None,
        typer.Option(min=0, help="References for each category; 4, but 1 on pairs and mmad, 0 on visa-dr."),
    ] = None
    limit: Annotated[int | None, typer.Option(min=2, help="Cases over all categories.")] = None
    seed: Annotated[int, typer.Option(help="Of the references, and of rendered images; of the first medley.")] = 0
    split: Annotated[Literal["trained", "heldout", "all"], typer.Option(help="Families of the world.")] = "heldout"
    style: Annotated[Literal["plain", "shift"], typer.Option(help="Style of the world.")] = "plain"
    words: Annotated[bool, typer.Option(help="Give the data set's sentence on what good means.")] = True


@dataclass(frozen=True)
class GradingOptions:
    """Who answers the questions of a benchmark, and what grades the answers."""

    by: Annotated[
        Literal["both", "vlm", "agent", "narrator"],
        typer.Option(
            help="On visa-dr and mmad: who answers, the bare language model (vlm, or by its older name narrator), "
            "the whole agent, or both in turn."
        ),
    ] = "both"
    sbert: Annotated[str, typer.Option(help="Folder or Hub id of the sentence encoder that grades answers.")] = ""
    judge: Annotated[str, typer.Option(help="Address of an OpenAI-compatible server that grades answers.")] = ""
    judge_model: Annotated[str, typer.Option(help="The judge's model.")] = ""


def ask(
    bench: str, data: DataOptions, grading: GradingOptions, models: ModelOptions, out: Path, *, json: bool
) -> dict[str, Results]:
    """Runs one or both respondents, each in a folder of its own; of both, writes what the agent gains as one table.

    Raises:
        tools.errors.InputError: the data set is not what it should be, or a folder holds another run.
        tools.errors.ModelError: a checkpoint is missing, or the judge cannot be reached.
    """
    from evals.qa.respondents import respondent
    from evals.qa.runner import answer_all

    shots = data.shots if data.shots is not None else {"mmad": 1}.get(bench, 0)
    items = _items(bench, data, shots)
    graders = _graders(bench, grading)
    profile = resolve_profile(models.profile)
    weights = digests(profile)
    found: dict[str, Results] = {}
    for by in _who(grading.by):
        settings = RunSettings(
            benchmark=bench,
            profile=profile.name,
            shots=shots,
            seed=data.seed,
            limit=data.limit,
            split="test",
            style="plain",
            categories=tuple(sorted({item.category for item in items})),
            looks=models.looks if by == "agent" else 0,
            words=False,
            by=by,
            models=weights if by == "agent" else {"vlm": weights.get("vlm", "")},
        )
        with Progress(f"asking the {by}") as progress:
            found[by] = answer_all(
                respondent(by, models.profile, models.device, models.looks),
                items,
                settings,
                out / by,
                graders=graders,
                device=models.device,
                progress=progress.tell,
            )
        # The language model's weights go before the agent's own copy comes.
        gc.collect()
    if len(found) == 2:
        _gain(found, out, json=json)
    return found


def _who(by: str) -> tuple[By, ...]:
    return ("vlm", "agent") if by == "both" else ("vlm" if by == "narrator" else cast("By", by),)


def _items(bench: str, data: DataOptions, shots: int) -> list[PhotoQuestions]:
    root = data_folder(bench, data.root)
    if bench == "visa-dr" and shots:
        raise InputError(f"--shots is {shots}, but visa-dr is zero-shot; leave it out, or use visa for references.")
    items = open_mmad(root, shots) if bench == "mmad" else open_visa_dr(root)
    return spread(of_categories(items, data.category), data.limit)


def _graders(bench: str, asked: GradingOptions) -> Graders:
    """Those that are there; one that was asked for by name must be."""
    from evals.metrics.judge import Judge
    from evals.metrics.text import SBERT, Sbert
    from evals.qa.grading import Graders

    if bench == "mmad":
        return Graders()
    skipped: list[str] = []
    sbert = None
    try:
        sbert = Sbert.open(asked.sbert or SBERT)
    except ModelError as error:
        if asked.sbert:
            raise
        skipped.append(f"sbert is left out: {error}")
    judge = Judge.open(asked.judge, asked.judge_model) if asked.judge else None
    if judge is None:
        skipped.append("judge is left out: no server was named by --judge.")
    return Graders(sbert, judge, tuple(skipped))


def _gain(found: dict[str, Results], out: Path, *, json: bool) -> None:
    """Writes and prints the table of both respondents, with the agent's gain and its interval."""
    from evals.reports import label_of, ordered

    differences = {d.metric: d for d in compare(out / "vlm", out / "agent").differences}
    rows = [differences[name] for name in ordered(list(differences))]
    head = ("metric", "bare language model", "whole agent", "gain", "95 % interval")
    told = [
        (
            label_of(d.metric),
            f"{d.first:.3f}",
            f"{d.second:.3f}",
            f"{d.change:+.3f}",
            f"{d.low:+.3f} to {d.high:+.3f}" if d.low is not None and d.high is not None else "",
        )
        for d in rows
    ]
    lines = [f"| {' | '.join(cells)} |" for cells in (head, ("---",) * len(head), *told)]
    images = found["agent"].images
    title = f"{found['agent'].benchmark}, profile {found['agent'].profile}, {images} photos\n\n"
    write_atomic(out / GAIN, title + "\n".join(lines) + "\n")
    if not json:
        table = Table(*head, title=escape(f"what the agent gains; {out / GAIN}"))
        for cells in told:
            table.add_row(*(escape(display_text(cell)) for cell in cells))
        Console(highlight=False).print(table)


COMPARE = "compare"


def evaluate(
    bench: Annotated[
        str,
        typer.Argument(
            help="world, medleys, mvtec-ad, mvtec-loco, visa, pairs, folder, visa-dr or mmad; or 'compare', and then "
            "the folders of two runs."
        ),
    ],
    runs: Annotated[list[Path] | None, typer.Argument(help="With 'compare': the folders of two runs.")] = None,
    *,
    data: DataOptions,
    grading: GradingOptions,
    models: ModelOptions,
    json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of this run; one that was stopped goes on there. By default results/BENCH."),
    ] = None,
) -> None:
    """Measure the inspector on a benchmark; writes results, predictions and a page, and resumes."""
    if bench == COMPARE:
        _compare(runs or [], json=json)
        return
    if runs:
        raise InputError(f"'{runs[0]}' follows the benchmark '{bench}'; only 'compare' takes folders of runs.")
    out = writable_folder(out or RESULTS_FOLDER / bench)
    if bench in QUESTIONED:
        for name, found in ask(bench, data, grading, models, out, json=json).items():
            _shown(found, out / name, json=json)
        return
    _shown(_run(bench, data, models, out), out, json=json)


def _run(bench: str, data: DataOptions, models: ModelOptions, out: Path) -> Results:
    """Inspect the photos of a benchmark."""
    from evals.run.runner import run

    split = "all" if bench == "world" and data.category else data.split
    categories = open_benchmark(
        bench,
        root=data.root,
        categories=data.category,
        split=split,
        seed=data.seed,
        limit=data.limit,
        style=data.style,
    )
    inspector = Inspector(models.profile, device=models.device, looks=models.looks)
    settings = RunSettings(
        benchmark=bench,
        profile=inspector.profile,
        shots=data.shots if data.shots is not None else {"pairs": 1}.get(bench, 4),
        seed=data.seed,
        limit=data.limit,
        split=split,
        style=data.style,
        categories=tuple(c.name for c in categories),
        looks=models.looks,
        words=data.words,
        models=digests(resolve_profile(models.profile)),
    )
    with Progress("inspecting") as progress:
        return run(inspector, categories, settings, out, lambda done, total, _: progress.tell(done, total))


class Progress:
    """Says on standard error how far a run is and when it will end: a bar on a terminal, else a line now and then."""

    EVERY = 30.0
    """Seconds between two lines."""

    def __init__(self, what: str) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._bar = Bar(
            TextColumn(what),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("ends in"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._what = what
        self._task = self._bar.add_task(what, total=None)
        self._begun: tuple[float, int] | None = None
        self._told = 0.0

    def __enter__(self) -> Progress:
        """Shows the bar."""
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Takes it away."""
        self._bar.stop()

    def tell(self, done: int, total: int) -> None:
        """So many photos of all are done; those of an earlier session do not count for the speed."""
        now = time.monotonic()
        if self._begun is None:
            self._begun = (now, done)
            self._bar.reset(self._task, total=total, completed=done)
        self._bar.update(self._task, total=total, completed=done)
        if self._console.is_terminal or now - self._told < self.EVERY:
            return
        self._told = now
        since, first = self._begun
        left = f", ends in {(now - since) / (done - first) * (total - done):.0f} s" if done > first else ""
        self._console.print(f"{self._what}: {done} of {total}{left}")


def _shown(results: Results, out: Path, *, json: bool) -> None:
    """The results as JSON, or as a table with the place of the page."""
    if json:
        typer.echo(results.model_dump_json())
        return
    console = Console(highlight=False)
    _print(console, results)
    for note in results.notes:
        console.print(f"note: {note}", markup=False)
    console.print(f"{results.images} photos; page: {out / 'report.html'}", markup=False, soft_wrap=True)


def _print(console: Console, results: Results) -> None:
    from evals.reports.tables import value_of, with_undefined

    table = Table()
    for head in ("metric", "mean", "95 % interval", *results.categories):
        table.add_column(escape(display_text(head)), no_wrap=head == "metric")
    for name in with_undefined(results):
        span = results.intervals.get(name)
        cells = (value_of(values, name) for values in (results.metrics, *results.categories.values()))
        mean, *each = (value if isinstance(value, str) else f"{value:.3f}" for value in cells)
        table.add_row(escape(display_text(name)), mean, f"{span[0]:.3f} to {span[1]:.3f}" if span else "", *each)
    console.print(table)


def _compare(runs: list[Path], *, json: bool) -> None:
    """Two runs over the same photos, with a paired bootstrap."""
    from evals.reports import ordered

    if len(runs) != 2:
        raise InputError(f"compare takes the folders of two runs, {len(runs)} were given: looktwice eval compare A B.")
    found = compare(*runs)
    by_name = {d.metric: d for d in found.differences}
    rows = [by_name[name] for name in ordered(list(by_name))]
    if json:
        told = {"images": found.images, "notes": list(found.notes)}
        typer.echo(json_format.dumps(told | {"differences": [dataclasses.asdict(row) for row in rows]}))
        return
    table = Table(title=escape(display_text(f"A: {runs[0]}, B: {runs[1]}")), title_justify="left")
    for head in ("metric", "A", "B", "B - A", "95 % interval", "p", ""):
        table.add_column(head, no_wrap=True)
    for row in rows:
        span = f"{row.low:+.3f} to {row.high:+.3f}" if row.low is not None and row.high is not None else ""
        p = "" if row.p is None else f"{row.p:.3f}"
        sure = "sure" if row.sure else ""
        table.add_row(
            escape(display_text(row.metric)),
            f"{row.first:.3f}",
            f"{row.second:.3f}",
            f"{row.change:+.3f}",
            span,
            p,
            sure,
        )
    console = Console(highlight=False)
    console.print(table)
    for note in found.notes:
        console.print(f"note: {display_text(note)}", markup=False)
    console.print(f"{found.images} photos in both; paired bootstrap, 1000 resamples", markup=False)
