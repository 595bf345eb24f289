"""`looktwice eval visa-dr` and `mmad`: questions, put to the bare narrator and to the whole agent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

if TYPE_CHECKING:
    from evals.asking import By
    from evals.datasets.questions import Item
    from evals.grades import Graders
    from evals.results import Results

GAIN = "gain.md"


@dataclass(frozen=True)
class Asked:
    """What the command line said."""

    bench: str
    root: Path | None
    categories: list[str] | None
    shots: int
    limit: int | None
    seed: int
    by: Literal["both", "narrator", "agent"]
    sbert: str
    judge: str
    judge_model: str
    profile: str
    device: str
    looks: int


def ask(asked: Asked, out: Path, *, json: bool) -> dict[str, Results]:
    """Runs one or both respondents, each in a folder of its own; of both, writes what the agent gains as one table.

    Raises:
        tools.errors.InputError: the data set is not what it should be, or a folder holds another run.
        tools.errors.ModelError: a checkpoint is missing, or the judge cannot be reached.
    """
    import gc

    from evals.answered import answer_all
    from evals.asking import respondent
    from evals.results import Settings
    from looktwice.cli.eval import Progress
    from tools.profiles import resolve_profile
    from tools.profiles.digests import digests

    items = _items(asked)
    graders = _graders(asked)
    profile = resolve_profile(asked.profile)
    models = digests(profile)
    found: dict[str, Results] = {}
    for by in _who(asked.by):
        settings = Settings(
            benchmark=asked.bench, profile=profile.name, shots=asked.shots, seed=asked.seed, limit=asked.limit,
            split="test", style="plain", categories=tuple(sorted({item.category for item in items})),
            looks=asked.looks if by == "agent" else 0, words=False, by=by,
            models=models if by == "agent" else {"narrator": models.get("narrator", "")},
        )  # fmt: skip
        with Progress(f"asking the {by}") as progress:
            found[by] = answer_all(
                respondent(by, asked.profile, asked.device, asked.looks), items, settings, out / by,
                graders=graders, device=asked.device, progress=progress.tell,
            )  # fmt: skip
        # The narrator's weights go before the agent's own copy comes.
        gc.collect()
    if len(found) == 2:
        _gain(found, out, json=json)
    return found


def _who(by: str) -> tuple[By, ...]:
    return ("narrator", "agent") if by == "both" else (cast("By", by),)


def _items(asked: Asked) -> list[Item]:
    from evals.datasets.mmad import open_mmad
    from evals.datasets.questions import of_categories, spread
    from evals.datasets.registry import data_folder
    from evals.datasets.visa_dr import open_visa_dr
    from tools.errors import InputError

    root = data_folder(asked.bench, asked.root)
    if asked.bench == "visa-dr" and asked.shots:
        raise InputError(
            f"--shots is {asked.shots}, but visa-dr is zero-shot; leave it out, or use visa for references."
        )
    items = open_mmad(root, asked.shots) if asked.bench == "mmad" else open_visa_dr(root)
    return spread(of_categories(items, asked.categories), asked.limit)


def _graders(asked: Asked) -> Graders:
    """Those that are there; one that was asked for by name must be."""
    from evals.grades import Graders
    from evals.metrics.judge import Judge
    from evals.metrics.text import SBERT, Sbert
    from tools.errors import ModelError

    if asked.bench == "mmad":
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
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from evals.compare import compare
    from evals.pages import label_of, ordered
    from tools.display_text import display_text
    from tools.files import write_atomic

    differences = {d.metric: d for d in compare(out / "narrator", out / "agent").differences}
    rows = [differences[name] for name in ordered(list(differences))]
    head = ("metric", "bare narrator", "whole agent", "gain", "95 % interval")
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
