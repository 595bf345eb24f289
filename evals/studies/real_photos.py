"""Measures the whole agent and its matchers on real photos, beside plain matchers, with 1, 4 and 8 references.

    python -m evals.studies.real_photos PHOTOS --shots 1 4 8 --seeds 1 --out docs/benchmarks/real.md

PHOTOS holds the sets hazelnut, leather, cookie (MVTec layout), aliens and cubes (folders normal and abnormal), and
weights/resnet50v2/weights where that network is to be measured. Each seed draws other references. A draw of a set is
a line of RUNS (real_photos.jsonl by default) once it is measured, and is read from there when the command runs again.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean

import numpy as np
from PIL import Image

from agent import Inspector
from agent.report.model import InspectionReport
from evals.datasets.masks import fitted_mask
from evals.metrics.ranking import auroc
from evals.metrics.region import Regions
from evals.studies.plain_matcher import Network, efficientnet_lite0, plain_scores, resnet50_v2
from tools.files import write_atomic
from tools.image_files import find_images
from tools.images import load_sample, sample_from_array
from tools.types import Sample

MVTEC, FOLDERS = ("hazelnut", "leather", "cookie"), ("aliens", "cubes")
MOST = 16
"""Good and anomalous photos of the sets in two folders that are measured."""
AGENT, REFERENCE = "whole agent", "reference matcher"
SOURCES = {"tracer": "damage", "differ": "surfaces and layout", "parts": "parts", "rule": "rules"}
"""Columns of the other matchers by the source of their evidence; a matcher that is not trusted on a set has none."""
RESNET = Path("weights") / "resnet50v2" / "weights"
SIDES = (256, 700, 2000, 4000)
"""Pixels along the sides of the photos that are timed."""


@dataclass(frozen=True)
class PhotoSet:
    """One real product."""

    name: str
    references: tuple[Path, ...]
    """Photos of good parts, of which references are drawn."""
    good: tuple[Path, ...]
    bad: tuple[Path, ...]


@dataclass(frozen=True)
class Draw:
    """What was measured with one draw of references."""

    name: str
    photos: tuple[int, int]
    """Good and anomalous ones."""
    shots: int
    seed: int
    image_auroc: Mapping[str, float]
    """By column."""
    pixel_auroc: float | None
    """Of the whole agent's map; None without masks."""
    aupro: float | None
    seconds: float
    """A photo, second looks included."""


@dataclass
class _Scores:
    """Scores of the photos of one set, by column, and their maps against the masks."""

    columns: dict[str, list[float]] = field(default_factory=dict)
    regions: Regions = field(default_factory=Regions)
    masks: int = 0

    def add(self, report: InspectionReport, path: Path) -> None:
        """Add the report on one photo."""
        found = {AGENT: report.verdict.score}
        for item in report.evidence:
            column = SOURCES.get(item.source)
            if item.look is None and column is not None:
                found[column] = max(found.get(column, -np.inf), item.llr)
        for column, score in found.items():
            self.columns.setdefault(column, []).append(score)
        mask = path.parents[2] / "ground_truth" / path.parent.name / f"{path.stem}_mask.png"
        if path.parent.name == "good" or mask.is_file():
            truth = np.zeros(report.glance.map.values.shape, np.bool_)
            self.regions.add(report.glance.map.values, fitted_mask(mask, report.sample) if mask.is_file() else truth)
            self.masks += mask.is_file()


def photo_sets(root: Path) -> Iterator[PhotoSet]:
    """The sets that are below a folder."""
    for name in MVTEC:
        if (root / name).is_dir():
            test = tuple(find_images(root / name / "test"))
            good = tuple(p for p in test if p.parent.name == "good")
            references = tuple(find_images(root / name / "train" / "good"))
            yield PhotoSet(name, references, good, tuple(p for p in test if p not in good))
    for name in FOLDERS:
        if (root / name).is_dir():
            normal, abnormal = (tuple(find_images(root / name / kind)) for kind in ("normal", "abnormal"))
            yield PhotoSet(name, normal[: -MOST or None], normal[-MOST:], abnormal[:MOST])


def measure(
    inspector: Inspector, photos: PhotoSet, shots: int, seed: int, networks: Mapping[str, Network] | None = None
) -> Draw:
    """Inspect the photos of a set with one draw of references.

    Args:
        inspector: whose first and second looks are measured.
        photos: one set.
        shots: references.
        seed: of the draw of references.
        networks: of plain matchers, by name.
    """
    draw = np.random.default_rng(seed).permutation(len(photos.references))[:shots]
    references = [load_sample(photos.references[n]) for n in draw]
    paths = (*photos.good, *photos.bad)
    samples = [load_sample(path) for path in paths]
    labels = np.array([False] * len(photos.good) + [True] * len(photos.bad))
    product = inspector.learn(photos.name, references)
    scores, seconds = _Scores(), 0.0
    for path, sample in zip(paths, samples, strict=True):
        began = time.perf_counter()
        report = inspector.inspect(sample, product=product)
        seconds += time.perf_counter() - began
        scores.add(report, path)
    matcher, bank = inspector.context.toolbox.reference_matcher, product.states["reference"].data
    scores.columns[REFERENCE] = [matcher.score(s, bank).own_score for s in samples]
    for name, network in (networks or {}).items():
        both = np.array(plain_scores(network, references, samples))
        scores.columns[f"{name}, maximum"] = both[:, 0].tolist()
        scores.columns[f"{name}, top 1 %"] = both[:, 1].tolist()
    whole = {c: round(auroc(labels, np.array(v)), 4) for c, v in scores.columns.items() if len(v) == len(samples)}
    pixels = (scores.regions.pixel_auroc(), scores.regions.aupro()) if scores.masks else (None, None)
    count = len(photos.good), len(photos.bad)
    return Draw(photos.name, count, len(references), seed, whole, *pixels, seconds / len(samples))


def timed(inspector: Inspector, photos: PhotoSet, side: int) -> tuple[float, float]:
    """(seconds of a first look, of a whole inspection) at a size, with four references; photos are decoded already."""
    scaled = [_scaled(path, side) for path in (*photos.references[:4], *photos.bad[:3])]
    product = inspector.learn(photos.name, scaled[:4])
    inspector.inspect(scaled[4], product=product)
    reports = [inspector.inspect(sample, product=product).seconds for sample in scaled[5:]]
    first = fmean(sum(r.get(step, 0.0) for step in ("intake", "propose", "glance", "match")) for r in reports)
    return first, fmean(r["total"] for r in reports)


def _scaled(path: Path, side: int) -> Sample:
    picture = Image.fromarray(load_sample(path).image)
    return sample_from_array(np.asarray(picture.resize((side, side), Image.Resampling.BICUBIC)))


def table(draws: Sequence[Draw]) -> str:
    """The means over draws in Markdown, a row for each set and number of references, and for each number their mean."""
    columns = list(dict.fromkeys(c for d in draws for c in d.image_auroc))
    columns.sort(key=lambda c: (c != AGENT, c != REFERENCE))
    heads = ("set", "photos", "references", "draws", *columns, "pixel AUROC", "AUPRO", "seconds a photo")
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for count in sorted({d.shots for d in draws}):
        rows = []
        for name in dict.fromkeys(d.name for d in draws if d.shots == count):
            some = [d for d in draws if (d.name, d.shots) == (name, count)]
            values = [_mean([d.image_auroc.get(c) for d in some]) for c in columns]
            rows.append([*values, _mean([d.pixel_auroc for d in some]), _mean([d.aupro for d in some])])
            seconds = fmean(d.seconds for d in some)
            photos = " + ".join(map(str, some[0].photos))
            told = " | ".join(_told(v) for v in rows[-1])
            lines.append(f"| {name} | {photos} | {count} | {len(some)} | {told} | {seconds:.2f} |")
        # A matcher that does not count on every set has no mean that compares with the others'.
        by_column = enumerate(zip(*rows, strict=True))
        means = [_mean(c) if None not in c or n >= len(columns) else None for n, c in by_column]
        lines.append(f"| **mean** | | {count} | | {' | '.join(f'**{_told(m)}**' for m in means)} | |")
    return "\n".join(lines) + "\n"


def _mean(values: Sequence[float | None]) -> float | None:
    """Mean of what is known; None where nothing is."""
    known = [v for v in values if v is not None]
    return fmean(known) if known else None


def _told(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _networks(root: Path) -> dict[str, Network]:
    found = {"Lite0": efficientnet_lite0()}
    if (root / RESNET).is_dir():
        found["ResNet50-v2"] = resnet50_v2(root / RESNET)
    return found


def main() -> None:
    """Measure what is not measured yet, print, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path)
    parser.add_argument("--profile", default="nano")
    parser.add_argument("--shots", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--seeds", type=int, default=1, help="draws of references; figures are means over them")
    parser.add_argument("--sides", type=int, nargs="*", default=list(SIDES), help="sizes that are timed, in pixels")
    parser.add_argument("--runs", type=Path, default=Path("real_photos.jsonl"))
    parser.add_argument("--out", type=Path, default=None, help="page whose part under '## Measured' is replaced")
    options = parser.parse_args()
    lines = options.runs.read_text(encoding="utf-8").splitlines() if options.runs.is_file() else []
    draws = [Draw(**json.loads(line)) for line in lines]
    inspector, networks = Inspector(options.profile), _networks(options.root)
    for seed in range(options.seeds):
        for count in options.shots:
            for photos in photo_sets(options.root):
                shots = min(count, len(photos.references))
                if all((d.name, d.shots, d.seed) != (photos.name, shots, seed) for d in draws):
                    draws.append(measure(inspector, photos, shots, seed, networks))
                    with options.runs.open("a", encoding="utf-8") as runs:
                        runs.write(json.dumps(asdict(draws[-1])) + "\n")
                    sys.stderr.write(f"{photos.name}, {shots} references: {draws[-1].image_auroc}\n")
    text = table(draws)
    if options.sides:
        first = next(photo_sets(options.root))
        rows = [(side, *timed(inspector, first, side)) for side in options.sides]
        text += "\n| pixels along each side | seconds of the first look | seconds of the whole agent |\n|---|---|---|\n"
        text += "".join(f"| {side} | {glance:.2f} | {whole:.2f} |\n" for side, glance, whole in rows)
    sys.stdout.write(text)
    if options.out is not None:
        before, mark, _ = options.out.read_text(encoding="utf-8").partition("## Measured\n")
        write_atomic(options.out, f"{before}{mark or '## Measured'}\n{text}")


if __name__ == "__main__":
    main()
