"""Makes the leaderboard of the world: 0, 1 and 4 references; trained and held-out families, and held-out ones shifted.

`python -m evals.leaderboard --profile nano --limit 120` writes the table to docs/leaderboard.md, with the command of each
row. A run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evals.datasets import open_benchmark
from evals.pages import label_of
from evals.provenance import digests
from evals.results import Results, Settings, write_text
from evals.runner import run

if TYPE_CHECKING:
    from agent import Inspector
    from evals.datasets.world import Split

SEED = 20261125
"""Of what is rendered: neither a seed that models learned from nor one that they are checked on."""
METRICS = (
    "image_auroc", "image_auroc_logical", "image_auroc_structural", "f1_max", "f1", "pixel_auroc", "aupro", "au_spro",
    "ece", "seconds_per_image",
)  # fmt: skip
SHOTS = (0, 1, 4)


@dataclass(frozen=True)
class Part:
    """One part of the world."""

    name: str
    split: Split
    style: str


PARTS = (
    Part("trained", "trained", "plain"),
    Part("heldout", "heldout", "plain"),
    Part("shift", "heldout", "shift"),
)
INTRODUCTION = """# Leaderboard of the world

What the whole agent measures on the procedural product world, whose families are described in
[the world's card](../nano/world/README.md). `trained` are families that the embedded models learned from (other photos of
them), `heldout` are products that no model saw while it learned, `shift` are the held-out ones in another palette, light and
ground. Half of the photos are good, the others have logical and structural defects in turn. References are rendered apart
from the cases; with 0 references the inspector knows the product's name and the sentence on what good means.

Figures are means over the families, with 95 % intervals (bootstrap over the photos of each family, 1000 resamples) where
there are any. Thresholds saw no label; F1-max, which looks at labels, says what the ranking could give.
[The protocol](benchmarks/README.md) is that of every benchmark.
"""


def measure(
    inspector: Inspector, part: Part, shots: int, limit: int, looks: int, models: dict[str, str], out: Path
) -> Results:
    """Runs one row, or what of it is missing."""
    categories = open_benchmark(
        "world", root=None, categories=None, split=part.split, seed=SEED, limit=limit, style=part.style
    )
    settings = Settings(
        benchmark="world", profile=inspector.profile, shots=shots, seed=SEED, limit=limit, split=part.split,
        style=part.style, categories=tuple(c.name for c in categories), looks=looks, words=True, models=models,
    )  # fmt: skip

    def tell(done: int, total: int, _: object) -> None:
        sys.stderr.write(f"\r{part.name}, {shots} references: {done} of {total} ")

    found = run(inspector, categories, settings, out / f"{part.name}-{shots}", tell)
    sys.stderr.write("\n")
    return found


def row(part: Part, results: Results) -> str:
    """One line of the table, in Markdown."""
    cells = [part.name, str(results.shots), str(results.images)]
    for name in METRICS:
        value, span = results.metrics.get(name), results.intervals.get(name)
        text = "" if value is None else f"{value:.2f}" if name == "seconds_per_image" else f"{value:.3f}"
        cells.append(f"{text} ({span[0]:.2f}-{span[1]:.2f})" if value is not None and span else text)
    return f"| {' | '.join(cells)} |"


def page(rows: list[tuple[Part, Results]], command: str) -> str:
    """The whole file: the table, the command that made it, the command of each row, and what it was made with."""
    head = ["families", "references", "photos", *(label_of(name) for name in METRICS)]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head), *(row(part, results) for part, results in rows)]
    told = [
        INTRODUCTION,
        f"Made by `{command}`:\n",
        "\n".join(lines),
        "\nA row alone, with its page and predictions:\n",
    ]
    told += [f"    {command_of(part, results.settings)}" for part, results in rows]
    last = next((results.run for _, results in reversed(rows) if results.run is not None), None)
    if last is not None:
        versions = ", ".join(
            f"{name} {last.versions[name]}" for name in ("torch", "transformers") if name in last.versions
        )
        weights = ", ".join(f"{role} `{digest[:12]}`" for role, digest in last.models.items())
        told.append(f"\nOn {last.processor}, {last.device or 'cpu'}, {versions}. Weights: {weights}.")
    return "\n".join(told) + "\n"


def command_of(part: Part, settings: Settings) -> str:
    """What measures a row again."""
    style = f" --style {part.style}" if part.style != "plain" else ""
    return (
        f"looktwice eval world --split {part.split}{style} --shots {settings.shots} --seed {SEED} "
        f"--limit {settings.limit} --looks {settings.looks} --profile {settings.profile}"
    )


def main() -> None:
    """Measures every row and writes the file after each, so that it is there when the run is stopped."""
    from agent import Inspector
    from tools.profiles import resolve_profile

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
    command = f"python -m evals.leaderboard --profile {inspector.profile} --limit {options.limit}"
    if options.looks != parser.get_default("looks"):
        command += f" --looks {options.looks}"
    rows: list[tuple[Part, Results]] = []
    for part in PARTS:
        for shots in options.shots if part.name in options.parts else ():
            rows.append((part, measure(inspector, part, shots, options.limit, options.looks, models, options.out)))
            options.page.parent.mkdir(parents=True, exist_ok=True)
            write_text(options.page, page(rows, command))
    sys.stdout.write(options.page.read_text(encoding="utf-8") if rows else "nothing chosen\n")


if __name__ == "__main__":
    main()
