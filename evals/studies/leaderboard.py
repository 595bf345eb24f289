"""Makes the leaderboard of the world: 0, 1 and 4 references; trained and held-out families, and held-out ones shifted.

`python -m evals.studies.leaderboard --profile nano --limit 120` writes docs/leaderboard.md: the table and its commands.
A run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent import Inspector
from evals.datasets import open_benchmark
from evals.reports import label_of
from evals.run.results import Results, RunSettings
from evals.run.runner import run
from prompts import render
from tools.files import write_atomic
from tools.profiles import resolve_profile
from tools.profiles.catalog import digests

if TYPE_CHECKING:
    from evals.datasets.world import Split

SEED = 20261125
"""Of what is rendered: neither a seed that models learned from nor one that they are checked on."""
METRICS = (
    "image_auroc",
    "image_auroc_logical",
    "image_auroc_structural",
    "f1_max",
    "f1",
    "pixel_auroc",
    "aupro",
    "au_spro",
    "ece",
    "seconds_per_image",
)
SHOTS = (0, 1, 4)


@dataclass(frozen=True)
class WorldSplit:
    """One part of the world."""

    name: str
    split: Split
    style: str


PARTS = (
    WorldSplit("trained", "trained", "plain"),
    WorldSplit("heldout", "heldout", "plain"),
    WorldSplit("shift", "heldout", "shift"),
)


def measure(
    inspector: Inspector, part: WorldSplit, shots: int, limit: int, looks: int, models: dict[str, str], out: Path
) -> Results:
    """Runs one row, or what of it is missing."""
    categories = open_benchmark(
        "world", root=None, categories=None, split=part.split, seed=SEED, limit=limit, style=part.style
    )
    settings = RunSettings(
        benchmark="world",
        profile=inspector.profile,
        shots=shots,
        seed=SEED,
        limit=limit,
        split=part.split,
        style=part.style,
        categories=tuple(c.name for c in categories),
        looks=looks,
        words=True,
        models=models,
    )

    def tell(done: int, total: int, _: object) -> None:
        sys.stderr.write(f"\r{part.name}, {shots} references: {done} of {total} ")

    found = run(inspector, categories, settings, out / f"{part.name}-{shots}", tell)
    sys.stderr.write("\n")
    return found


def row(part: WorldSplit, results: Results) -> str:
    """One line of the table, in Markdown."""
    cells = [part.name, str(results.shots), str(results.images)]
    for name in METRICS:
        value, span = results.metrics.get(name), results.intervals.get(name)
        text = "" if value is None else f"{value:.2f}" if name == "seconds_per_image" else f"{value:.3f}"
        cells.append(f"{text} ({span[0]:.2f}-{span[1]:.2f})" if value is not None and span else text)
    return f"| {' | '.join(cells)} |"


def page(rows: list[tuple[WorldSplit, Results]], command: str) -> str:
    """The whole file: the table, the command that made it, the command of each row, and what it was made with."""
    head = ["families", "references", "photos", *(label_of(name) for name in METRICS)]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head), *(row(part, results) for part, results in rows)]
    return render(
        "report/leaderboard.md.jinja",
        command=command,
        table="\n".join(lines),
        commands=[command_of(part, results.settings) for part, results in rows],
        run=next((results.run for _, results in reversed(rows) if results.run is not None), None),
    )


def command_of(part: WorldSplit, settings: RunSettings) -> str:
    """What measures a row again."""
    style = f" --style {part.style}" if part.style != "plain" else ""
    return (
        f"looktwice eval world --split {part.split}{style} --shots {settings.shots} --seed {SEED} "
        f"--limit {settings.limit} --looks {settings.looks} --profile {settings.profile}"
    )


def main() -> None:
    """Measures every row and writes the file after each, so that it is there when the run is stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", default="nano")
    parser.add_argument("--limit", type=int, default=120, help="photos of a row, over its families")
    parser.add_argument("--looks", type=int, default=3, help="second looks at most, for each photo")
    parser.add_argument("--shots", type=int, nargs="*", default=list(SHOTS))
    parser.add_argument("--parts", nargs="*", default=[part.name for part in PARTS], choices=[p.name for p in PARTS])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, default=Path("out/leaderboard"), help="runs; one that was stopped goes on")
    parser.add_argument("--page", type=Path, default=Path("docs/leaderboard.md"))
    options = parser.parse_args()
    models = digests(resolve_profile(options.profile))
    inspector = Inspector(options.profile, device=options.device, looks=options.looks)
    command = f"python -m evals.studies.leaderboard --profile {inspector.profile} --limit {options.limit}"
    if options.looks != parser.get_default("looks"):
        command += f" --looks {options.looks}"
    rows: list[tuple[WorldSplit, Results]] = []
    for part in PARTS:
        for shots in options.shots if part.name in options.parts else ():
            rows.append((part, measure(inspector, part, shots, options.limit, options.looks, models, options.out)))
            options.page.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(options.page, page(rows, command))
    sys.stdout.write(options.page.read_text(encoding="utf-8") if rows else "nothing chosen\n")


if __name__ == "__main__":
    main()
