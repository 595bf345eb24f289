"""Measures the whole agent on real photos beside plain matchers, with 1, 4 and 8 references and several seeds.

    python -m evals.studies.real_photos PHOTOS --shots 1 4 8 --seeds 1 --out docs/benchmarks/real.md

PHOTOS holds the sets hazelnut, leather, cookie (MVTec layout), aliens and cubes (folders normal and abnormal). Each
seed draws other references. Columns: the whole agent; its reference matcher alone; and a plain nearest-neighbour
matcher on the same backbone (strides 8 and 16, 3 x 3 mean, maximum, and mean of the top 1 %), as a floor.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

from agent import Inspector
from evals.metrics.ranking import auroc
from tools.files import write_atomic
from tools.image_files import find_images
from tools.images import load_sample
from tools.types import Sample

if TYPE_CHECKING:
    from tools.toolbox import Toolbox

MVTEC, FOLDERS = ("hazelnut", "leather", "cookie"), ("aliens", "cubes")
MOST = 16
"""Good and anomalous photos of the sets in two folders that are measured."""
COLUMNS = ("whole agent", "reference matcher", "plain, maximum", "plain, top 1 %")


@dataclass(frozen=True)
class PhotoSet:
    """One real product."""

    name: str
    references: tuple[Path, ...]
    """Photos of good parts, of which references are drawn."""
    good: tuple[Path, ...]
    bad: tuple[Path, ...]


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


def measure(inspector: Inspector, photos: PhotoSet, shots: int, seed: int) -> tuple[dict[str, float], float]:
    """AUROC by column, and seconds a photo of the whole agent.

    Args:
        inspector: whose first and second looks are measured.
        photos: one set.
        shots: references.
        seed: of the draw of references.
    """
    draw = np.random.default_rng(seed).permutation(len(photos.references))[:shots]
    references = [load_sample(photos.references[n]) for n in draw]
    samples = [load_sample(path) for path in (*photos.good, *photos.bad)]
    labels = np.array([False] * len(photos.good) + [True] * len(photos.bad))
    product = inspector.learn(photos.name, references)
    began = time.perf_counter()
    scores = {COLUMNS[0]: [inspector.inspect(s, product=product).verdict.score for s in samples]}
    seconds = (time.perf_counter() - began) / len(samples)
    toolbox = inspector.context.toolbox
    matcher = toolbox.reference_matcher
    scores[COLUMNS[1]] = [matcher.score(s, product.states["reference"].data).own_score for s in samples]
    plain = _plain(toolbox, references, samples)
    scores[COLUMNS[2]], scores[COLUMNS[3]] = [p[0] for p in plain], [p[1] for p in plain]
    return {name: auroc(labels, np.array(values)) for name, values in scores.items()}, seconds


def _plain(toolbox: Toolbox, references: Sequence[Sample], samples: Sequence[Sample]) -> list[tuple[float, float]]:
    """(maximum, mean of the top 1 %) of the distances to the nearest patch of any reference."""
    model: Any = toolbox.model("backbone").model

    def patches(sample: Sample) -> torch.Tensor:
        image = np.asarray(Image.fromarray(sample.image).resize((256, 256), Image.Resampling.BICUBIC))
        pixels = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
        with torch.inference_mode():
            stages = model(pixels)
            fine, coarse = (functional.avg_pool2d(stages[n], 3, 1, 1) for n in (1, 3))
            coarse = functional.interpolate(coarse, fine.shape[-2:], mode="bilinear", align_corners=False)
            return functional.normalize(torch.cat([fine, coarse], 1), dim=1)[0].flatten(1).T

    bank = torch.cat([patches(r) for r in references])
    found = []
    for sample in samples:
        distance = (2 - 2 * (patches(sample) @ bank.T).amax(1)).clamp_min(0).sqrt()
        top = distance.topk(max(1, len(distance) // 100)).values
        found.append((float(distance.max()), float(top.mean())))
    return found


def table(rows: Sequence[tuple[PhotoSet, int, dict[str, float], float]], shots: Sequence[int]) -> str:
    """The rows in Markdown, the mean over sets last for each number of references."""
    lines = [
        f"| set | photos | references | {' | '.join(COLUMNS)} | seconds a photo |",
        "|---" * (len(COLUMNS) + 4) + "|",
    ]
    for count in shots:
        some = [row for row in rows if row[1] == count]
        for photos, _, found, seconds in some:
            values = " | ".join(f"{found[c]:.3f}" for c in COLUMNS)
            number = f"{len(photos.good)} + {len(photos.bad)}"
            lines.append(f"| {photos.name} | {number} | {count} | {values} | {seconds:.2f} |")
        means = " | ".join(f"**{fmean(found[c] for _, _, found, _ in some):.3f}**" for c in COLUMNS)
        lines.append(f"| mean | | {count} | {means} | |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path)
    parser.add_argument("--profile", default="nano")
    parser.add_argument("--shots", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--seeds", type=int, default=1, help="draws of references; figures are means over them")
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    inspector = Inspector(options.profile)
    rows = []
    for count in options.shots:
        for photos in photo_sets(options.root):
            found = [measure(inspector, photos, count, seed) for seed in range(options.seeds)]
            means = {c: fmean(values[c] for values, _ in found) for c in COLUMNS}
            rows.append((photos, count, means, fmean(seconds for _, seconds in found)))
            sys.stderr.write(f"{photos.name}, {count} references: {means}\n")
    text = table(rows, options.shots)
    sys.stdout.write(text)
    if options.out is not None:
        call = f"python -m evals.studies.real_photos PHOTOS --shots {' '.join(map(str, options.shots))}"
        head = (
            f"# Real photos\n\nImage AUROC, profile `{options.profile}`, mean over {options.seeds} draws of "
            f"references, by\n`{call} --seeds {options.seeds}`.\nPhotos are good + anomalous ones; the module "
            "explains the columns.\n\n"
        )
        write_atomic(options.out, head + text)


if __name__ == "__main__":
    main()
