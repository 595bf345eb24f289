"""Measures how often few examples name the type of a defect, and whether one of an untaught type is noticed.

    python -m evals.studies.defect_types --steel STEEL --out docs/benchmarks/types.md

Rendered defects of held-out products have true masks; STEEL holds a folder for each defect type, photos with YOLO boxes
beside them. Of each set the lessons are drawn anew for each seed, the rest is the test. The sharpness and the limit of
`tools.defects.classifier` were chosen on rendered defects of training products (`--fit`), never on these sets.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from agent import Inspector
from evals.metrics.calibration import ece
from evals.metrics.ranking import auroc
from nano.world import HELDOUT, TRAINED, family, render
from tools.defects import DefectLesson, DefectLessons, RegionEmbedder, classify
from tools.defects.lessons import Embedding
from tools.files import read_text, write_atomic
from tools.image_files import find_images
from tools.images import load_sample, sample_from_array
from tools.types import Mask, Sample

SEED = 77
"""Of the rendered photos; their indices step so that products differ."""
STEP, FIRST = 13, 5
LARGEST_BOXES = 100_000
"""Bytes of a file of boxes."""
SHARPEST = (2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 16.0, 24.0)
"""Candidates for the sharpness."""


@dataclass(frozen=True, eq=False)
class EmbeddedDefects:
    """Embedded regions with their types; types are told apart within one product."""

    name: str
    product: NDArray[np.str_]
    """(N,)"""
    defect: NDArray[np.str_]
    """(N,)"""
    embeddings: Embedding
    """(N, D)."""


@dataclass(frozen=True)
class TypeFigures:
    """What few examples give on one set, means over products and seeds."""

    name: str
    regions: int
    shots: int
    accuracy: float
    macro_f1: float
    calibration_error: float
    unknown_auroc: float
    linear_probe: float
    """Accuracy of a logistic regression on the same embeddings."""


def rendered(families: Sequence[str], each: int) -> Iterator[tuple[str, str, Sample, Mask]]:
    """(product, type, photo, mask) of structural defects of rendered products."""
    for name in families:
        for defect in family(name).structural:
            for number in range(each):
                scene = render(name, seed=SEED, index=FIRST + STEP * number, defect=defect)
                yield name, defect, sample_from_array(scene.image), scene.defects[0].mask


def boxed(root: Path) -> Iterator[tuple[str, str, Sample, Mask]]:
    """(product, type, photo, mask of all boxes) of a folder for each type, with YOLO boxes beside the photos."""
    for path in find_images(root):
        sample = load_sample(path)
        width, height = sample.size
        mask: Mask = np.zeros((height, width), dtype=np.bool_)
        for line in read_text(path.with_suffix(".txt"), limit=LARGEST_BOXES, what="file of boxes").splitlines():
            x, y, w, h = (float(value) for value in line.split()[1:5])
            rows, columns = ((y - h / 2) * height, (y + h / 2) * height), ((x - w / 2) * width, (x + w / 2) * width)
            mask[round(max(rows[0], 0)) : round(rows[1]) + 1, round(max(columns[0], 0)) : round(columns[1]) + 1] = True
        if mask.any():
            yield root.name, path.parent.name, sample, mask


def embedded(
    name: str, regions: Iterator[tuple[str, str, Sample, Mask]], embedder: RegionEmbedder, say: Callable[[str], None]
) -> EmbeddedDefects:
    """A set with its embeddings."""
    products, defects, embeddings = list[str](), list[str](), list[Embedding]()
    for product, defect, sample, mask in regions:
        products.append(product)
        defects.append(defect)
        embeddings.append(embedder.embed(sample, mask))
        if len(defects) % 50 == 0:
            say(f"{name}: {len(defects)} regions")
    return EmbeddedDefects(name, np.array(products), np.array(defects), np.stack(embeddings))


def lessons_of(found: EmbeddedDefects, rows: Sequence[int]) -> DefectLessons:
    """Rows of a set as lessons."""
    return DefectLessons(
        "",
        tuple(DefectLesson(str(found.defect[n]), str(n), str(n), (0, 0, 1, 1), found.embeddings[n]) for n in rows),
    )


def drawn(found: EmbeddedDefects, product: str, shots: int, seed: int) -> tuple[list[int], list[int]]:
    """(rows of the lessons, rows of the test) of one product."""
    rng = np.random.default_rng(seed)
    rows = np.flatnonzero(found.product == product)
    taught: list[int] = []
    for defect in np.unique(found.defect[rows]):
        own = rows[found.defect[rows] == defect]
        taught += rng.choice(own, min(shots, len(own) - 1), replace=False).tolist()
    return taught, [int(n) for n in rows if n not in set(taught)]


def measure(found: EmbeddedDefects, shots: int, seeds: int) -> TypeFigures:
    """What so many examples of each type give."""
    accuracy, macro, error, unknown, probes = ([] for _ in range(5))
    for product in np.unique(found.product):
        for seed in range(seeds):
            taught, tested = drawn(found, str(product), shots, seed)
            lessons, truth = lessons_of(found, taught), found.defect[tested]
            estimates = [classify(found.embeddings[n], lessons) for n in tested]
            named = np.array([estimate.best[0] for estimate in estimates])
            accuracy.append(float((named == truth).mean()))
            macro.append(float(f1_score(truth, named, average="macro")))
            error.append(ece([e.best[1] for e in estimates], (named == truth).tolist()))
            unknown.append(_unknown(found, taught, tested))
            probe = LogisticRegression(C=10, max_iter=500).fit(found.embeddings[taught], found.defect[taught])
            probes.append(float((probe.predict(found.embeddings[tested]) == truth).mean()))
    figures = [fmean(values) for values in (accuracy, macro, error, unknown, probes)]
    return TypeFigures(found.name, len(found.defect), shots, *figures)


def _unknown(found: EmbeddedDefects, taught: Sequence[int], tested: Sequence[int]) -> float:
    """AUROC of regions of a type that was not taught over those of taught ones, each type left out in turn."""
    areas = []
    for defect in np.unique(found.defect[list(taught)]):
        lessons = lessons_of(found, [n for n in taught if found.defect[n] != defect])
        if len(lessons.types) > 1:
            unlike = [-classify(found.embeddings[n], lessons).likeness for n in tested]
            areas.append(auroc(found.defect[list(tested)] == defect, np.array(unlike)))
    return fmean(areas)


def fit(found: EmbeddedDefects, shots: Sequence[int], seeds: int) -> tuple[float, float]:
    """(sharpness of least log loss, likeness above which 90 % of regions of taught types lie)."""
    losses, alike = {sharpness: list[float]() for sharpness in SHARPEST}, list[float]()
    for product in np.unique(found.product):
        for count in shots:
            for seed in range(seeds):
                taught, tested = drawn(found, str(product), count, seed)
                lessons = lessons_of(found, taught)
                for sharpness, loss in losses.items():
                    estimates = [classify(found.embeddings[n], lessons, sharpness=sharpness) for n in tested]
                    truth = found.defect[tested]
                    loss += [-np.log(e.probabilities[str(t)] + 1e-9) for e, t in zip(estimates, truth, strict=True)]
                alike += [classify(found.embeddings[n], lessons).likeness for n in tested]
    return min(losses, key=lambda s: fmean(losses[s])), float(np.quantile(alike, 0.1))


def page(figures: Sequence[TypeFigures], command: str, seeds: int) -> str:
    """The figures as a page of the documentation."""
    lines = [
        "# Types of defects from few examples",
        "",
        f"Profile `nano`, by `{command}`;",
        f"means over products and {seeds} draws of the lessons. Regions are given: true masks of rendered products,",
        "boxes of steel. Unknown: AUROC of regions of a type that was left out of the lessons. The linear probe",
        "(logistic regression) uses the same embeddings.",
        "",
        "| set | regions | lessons a type | accuracy | macro F1 | ECE | unknown | linear probe |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {f.name} | {f.regions} | {f.shots} | **{f.accuracy:.3f}** | {f.macro_f1:.3f} | {f.calibration_error:.3f} | "
        f"{f.unknown_auroc:.3f} | {f.linear_probe:.3f} |"
        for f in figures
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steel", type=Path, default=None)
    parser.add_argument("--profile", default="nano")
    parser.add_argument("--each", type=int, default=7, help="rendered photos of each product and type")
    parser.add_argument("--shots", type=int, nargs="+", default=[1, 3, 5, 10])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--fit", action="store_true", help="print sharpness and limit of training products instead")
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    embedder = Inspector(options.profile).context.toolbox.region_embedder

    def say(text: str) -> None:
        sys.stderr.write(f"{text}\n")

    if options.fit:
        found = embedded("world, training products", rendered(TRAINED, options.each), embedder, say)
        sharpness, alike = fit(found, options.shots, options.seeds)
        sys.stdout.write(f"sharpness {sharpness:g}, limit {alike:.2f}, {len(found.defect)} regions\n")
        return
    sets = [embedded("world, held-out products", rendered(HELDOUT, options.each), embedder, say)]
    if options.steel is not None:
        sets.append(embedded("steel", boxed(options.steel), embedder, say))
    figures = [
        measure(found, shots, options.seeds)
        for found in sets
        for shots in options.shots
        if shots < np.unique(found.defect, return_counts=True)[1].max()
    ]
    text = page(figures, f"python -m evals.studies.defect_types --steel STEEL --each {options.each}", options.seeds)
    sys.stdout.write(text)
    if options.out is not None:
        write_atomic(options.out, text)


if __name__ == "__main__":
    main()
