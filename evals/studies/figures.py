"""Prints the table of figures of a profile, each row beside the command that measures it again.

`python -m evals.studies.figures --profile nano` measures the world and medleys; `--data FOLDER` adds real photos where
the folder holds them: `hazelnut/` in the layout of MVTec AD, `cubes/` with the folders normal and abnormal. A run that
was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent import Inspector
from evals.datasets import open_benchmark
from evals.run.runner import Results, RunSettings, run

if TYPE_CHECKING:
    from evals.datasets.world import Split

SEED = 41
"""Neither the seeds that models learned from nor those that they are checked on."""
METRICS = (
    "image_auroc",
    "image_auroc_logical",
    "image_auroc_structural",
    "image_ap",
    "f1_max",
    "pixel_auroc",
    "aupro",
    "au_spro",
    "seconds_per_image",
)
REAL = (("hazelnut", "mvtec-ad"), ("cubes", "folder"))
"""Folders of real photos and their layout."""


@dataclass(frozen=True)
class BenchmarkRow:
    """One line of the table: a benchmark at a number of references."""

    name: str
    benchmark: str
    shots: int
    limit: int
    split: Split = "heldout"
    root: Path | None = None
    category: str | None = None

    @property
    def seed(self) -> int:
        """Of the references, and of what is rendered."""
        return 0 if self.root else SEED

    def command(self, profile: str, looks: int) -> str:
        """What measures it again."""
        split = f" --split {self.split}" if self.benchmark == "world" else ""
        where = f" --root {self.root}" if self.root else f"{split} --seed {SEED}"
        only = f" --category {self.category}" if self.category else ""
        return (
            f"looktwice eval {self.benchmark}{where}{only} --shots {self.shots} --limit {self.limit} "
            f"--looks {looks} --profile {profile}"
        )


def rows(data: Path | None, limit: int) -> Iterator[BenchmarkRow]:
    """The world and unseen medleys at 0, 1 and 4 references; what of the real photos is there at 1, 4 and 8."""
    splits: tuple[Split, ...] = ("trained", "heldout")
    for split in splits:
        for shots in (0, 1, 4):
            yield BenchmarkRow(f"world, {split} families", "world", shots, limit, split)
    for shots in (0, 1, 4):
        yield BenchmarkRow("medleys, unseen", "medleys", shots, limit)
    for name, layout in REAL if data is not None else ():
        folder = data / name if data is not None else Path(name)
        if not folder.is_dir():
            sys.stderr.write(f"{folder}: not there, left out\n")
            continue
        root, category = (folder.parent, name) if layout == "mvtec-ad" else (folder, None)
        for shots in (1, 4, 8):
            yield BenchmarkRow(name, layout, shots, limit, root=root, category=category)


def measure(inspector: Inspector, row: BenchmarkRow, looks: int, out: Path) -> Results:
    """Runs one row, or what of it is missing."""
    categories = open_benchmark(
        row.benchmark,
        root=row.root,
        categories=[row.category] if row.category else None,
        split=row.split,
        seed=row.seed,
        limit=row.limit,
    )
    settings = RunSettings(
        benchmark=row.benchmark,
        profile=inspector.profile,
        shots=row.shots,
        seed=row.seed,
        limit=row.limit,
        split=row.split,
        style="plain",
        categories=tuple(c.name for c in categories),
        looks=looks,
        words=True,
    )
    folder = out / f"{row.name.replace(', ', '-').replace(' ', '-')}-{row.shots}"

    def tell(done: int, total: int, _: object) -> None:
        sys.stderr.write(f"\r{row.name}, {row.shots} references: {done} of {total}")

    found = run(inspector, categories, settings, folder, tell)
    sys.stderr.write("\n")
    return found


def line(row: BenchmarkRow, results: Results) -> str:
    """A row of the table, in Markdown; a metric that is not defined there is left empty."""
    values = (results.metrics.get(name) for name in METRICS)
    cells = " | ".join("" if value is None else f"{value:.3f}" for value in values)
    return f"| {row.name} | {row.shots} | {results.images} | {cells} |"


def main() -> None:
    """Measures and prints every row, then the commands."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", default="nano")
    parser.add_argument("--data", type=Path, default=None, help="folder of real photos")
    parser.add_argument("--out", type=Path, default=Path("looktwice-figures"))
    parser.add_argument("--limit", type=int, default=132, help="photos of a row, over its families")
    parser.add_argument("--looks", type=int, default=3, help="second looks at most, for each photo")
    parser.add_argument("--only", default="", help="rows whose name begins so")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    inspector = Inspector(options.profile, device=options.device, looks=options.looks)
    chosen = [row for row in rows(options.data, options.limit) if row.name.startswith(options.only)]
    print("| photos | references | images | " + " | ".join(METRICS) + " |")
    print("|" + "---|" * (3 + len(METRICS)))
    for row in chosen:
        print(line(row, measure(inspector, row, options.looks, options.out)), flush=True)
    print()
    for row in chosen:
        print(f"    {row.command(inspector.profile, options.looks)}")


if __name__ == "__main__":
    main()
