"""Measures how tightly regions are bounded, and whether their descriptions agree with those of true masks.

    python -m evals.studies.descriptions PHOTOS --out docs/benchmarks/descriptions.md

Rendered products with known masks are always measured. PHOTOS holds hazelnut, leather and cookie (MVTec layout with
masks) and steel (a folder for each defect type, photos with YOLO boxes beside them); sets that are absent are left out.
Each photo is inspected with 4 references (steel has none). Its strongest structural region is the prediction before
refinement; `tools.describe.RegionDescriber` bounds it. Both it and the true mask are then described. Of the true mask
those pieces count that the region touches; photos whose region touches none count with an overlap of 0, and are not
described.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import binary_dilation, find_objects, label

from agent.evidence.fusion import by_hypothesis
from evals.datasets.masks import fitted_mask
from evals.run.ground_truth import mask_iou
from nano.world import HELDOUT, family, render
from tools.describe import RegionDescriber, RegionDescription, describe
from tools.files import write_atomic
from tools.image_files import find_images
from tools.images import load_sample, sample_from_array
from tools.parts.masks import box_of
from tools.types import Mask, Region, Sample

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent import Inspector
    from agent.report.model import InspectionReport

REFERENCES = 4
MVTEC, BOXED, WORLD = ("hazelnut", "leather", "cookie"), "steel", "world"
SEED = 61
"""Of rendered photos; the parameters were chosen on seed 21."""
FIRST_DEFECT = 400_000
"""Index of the first rendered photo with a defect; good ones have lower ones."""
OF_BOXES = ("position", "brightness", "tint")
"""Attributes that can be told from a box about a defect."""
LENGTH = 1.5
"""Lengths agree within this factor."""


@dataclass(frozen=True)
class DescribedCase:
    """One photo with what is true of it."""

    read: Callable[[], tuple[Sample, Mask]]
    """Reads the photo and the mask of its defects."""
    references: tuple[Sample, ...]
    product: str


@dataclass
class Agreement:
    """How often an attribute is stated, and stated alike."""

    predicted: int = 0
    """Stated of the predicted region."""
    both: int = 0
    """Stated of the true mask too."""
    alike: int = 0


@dataclass
class SetFigures:
    """Figures of one set of photos."""

    before: list[float] = field(default_factory=list)
    """Overlap (IoU) of each photo's region with the true mask."""
    after: list[float] = field(default_factory=list)
    touched: list[bool] = field(default_factory=list)
    """Whether the region before refinement touches a defect."""
    seconds: list[float] = field(default_factory=list)
    """Of processor time, to refine, align and describe a region."""
    attributes: dict[str, Agreement] = field(default_factory=lambda: defaultdict(Agreement))


def cases(root: Path | None, each: int, world: int) -> Iterator[tuple[str, DescribedCase]]:
    """(set, case) of everything that is measured.

    Args:
        root: folder of the real photos, or None.
        each: photos of a set at most, the same number of each defect type.
        world: rendered photos.
    """
    for number in range(world):
        name = HELDOUT[number * len(HELDOUT) // world]
        good = tuple(_good(name))
        yield WORLD, DescribedCase(partial(_rendered, name, number), good, family(name).product)
    for name in MVTEC if root is not None else ():
        if root is not None and (root / name).is_dir():
            paths = find_images(root / name / "train" / "good")
            draw = np.random.default_rng(0).permutation(len(paths))[:REFERENCES]
            references = tuple(load_sample(paths[n]) for n in draw)
            for photo, mask in _masked(root / name)[:each]:
                yield name, DescribedCase(partial(_read, photo, mask), references, name)
    if root is not None and (root / BOXED).is_dir():
        for photo in _by_turns([find_images(folder) for folder in sorted((root / BOXED).iterdir())])[:each]:
            yield BOXED, DescribedCase(partial(_boxed, photo), (), "steel surface")


_WORLD_REFERENCES: dict[str, list[Sample]] = {}


def _good(name: str) -> list[Sample]:
    """Rendered references of a family; the same objects for the same family."""
    if name not in _WORLD_REFERENCES:
        scenes = (render(name, seed=SEED, index=n) for n in range(REFERENCES))
        _WORLD_REFERENCES[name] = [sample_from_array(scene.image) for scene in scenes]
    return _WORLD_REFERENCES[name]


def _rendered(name: str, number: int) -> tuple[Sample, Mask]:
    defects = family(name).structural
    scene = render(name, seed=SEED, index=FIRST_DEFECT + number, defect=defects[number % len(defects)])
    return sample_from_array(scene.image), scene.anomaly_mask


def _masked(folder: Path) -> list[tuple[Path, Path]]:
    """(photo, mask) of the anomalous test photos that have a mask, defect types by turns."""
    types = sorted(path for path in (folder / "test").iterdir() if path.is_dir() and path.name != "good")
    pairs = {
        photo: folder / "ground_truth" / kind.name / f"{photo.stem}_mask.png"
        for kind in types
        for photo in find_images(kind)
    }
    ordered = _by_turns([[p for p in find_images(kind) if pairs[p].is_file()] for kind in types])
    return [(photo, pairs[photo]) for photo in ordered]


def _by_turns(lists: Sequence[Sequence[Path]]) -> list[Path]:
    """The first of each list, then the second of each, and so on."""
    longest = max((len(paths) for paths in lists), default=0)
    return [paths[n] for n in range(longest) for paths in lists if n < len(paths)]


def _read(photo: Path, mask: Path) -> tuple[Sample, Mask]:
    sample = load_sample(photo)
    return sample, fitted_mask(mask, sample)


def _boxed(photo: Path) -> tuple[Sample, Mask]:
    """A photo with the boxes of its YOLO file (class, middle and size as shares of the photo) as a mask."""
    sample = load_sample(photo)
    width, height = sample.size
    mask = np.zeros((height, width), np.bool_)
    for line in photo.with_suffix(".txt").read_text(encoding="utf-8").splitlines():
        x, y, w, h = (float(value) for value in line.split()[1:5])
        rows = slice(round((y - h / 2) * height), round((y + h / 2) * height))
        mask[rows, round((x - w / 2) * width) : round((x + w / 2) * width)] = True
    return sample, mask


def strongest_region(report: InspectionReport) -> Region | None:
    """Where the strongest structural hypothesis of a report lies."""
    found = by_hypothesis(report.state.evidence) if report.state is not None else ()
    regions = (item.region for w in found if w.kind == "structural" for item in w.evidence)
    return next((region for region in regions if region is not None and region.mask is not None), None)


def measure(inspector: Inspector, listed: Sequence[tuple[str, DescribedCase]]) -> dict[str, SetFigures]:
    """Figures by set."""
    figures: dict[str, SetFigures] = defaultdict(SetFigures)
    describers: dict[tuple[str, ...], RegionDescriber] = {}
    for name, case in listed:
        key = tuple(reference.digest for reference in case.references)
        if key not in describers:
            describers[key] = RegionDescriber(case.references)
        sample, truth = case.read()
        normal = "" if case.references else f"A {case.product} without defects."
        report = inspector.inspect(sample, references=case.references, normal=normal)
        region = strongest_region(report)
        if region is not None and region.mask is not None:
            _add(figures[name], sample, truth, region, report, describers[key], boxes=name == BOXED)
        sys.stderr.write(f"{name}: {len(figures[name].after)} photos, IoU {fmean(figures[name].after or [0]):.3f}\n")
    return figures


def _add(
    figures: SetFigures,
    sample: Sample,
    truth: Mask,
    region: Region,
    report: InspectionReport,
    describer: RegionDescriber,
    *,
    boxes: bool,
) -> None:
    """Adds one photo."""
    began = time.process_time()
    found = describer.describe(sample, region, report.glance.maps)
    refined = found.region
    figures.seconds.append(time.process_time() - began)
    figures.before.append(_overlap(region, truth, boxes=boxes))
    figures.after.append(_overlap(refined, truth, boxes=boxes))
    figures.touched.append(bool(region.mask is not None and (region.mask & truth).any()))
    touched = touched_pieces(truth, refined)
    if touched.any():
        true = describe(sample, Region(box_of(touched), 1.0, touched), found.reference, found.alignment)
        compare(found.description, true, figures.attributes, OF_BOXES if boxes else None)


def _overlap(region: Region, truth: Mask, *, boxes: bool) -> float:
    """IoU with the true mask; of boxes the best of the region's box with any of them."""

    if not boxes:
        return mask_iou(region.mask, truth)
    found = 0.0
    for rows, columns in find_objects(label(truth)[0]):
        mask = np.zeros_like(truth)
        mask[rows, columns] = True
        found = max(found, region.box.iou(box_of(mask)))
    return found


def touched_pieces(truth: Mask, region: Region) -> Mask:
    """The pieces of a true mask that a region touches; pieces up to 6 pixels apart are one."""

    pieces, _ = label(binary_dilation(truth, iterations=3))
    touched = np.unique(pieces[truth & region.mask]) if region.mask is not None else np.zeros(0, int)
    found: Mask = truth & np.isin(pieces, touched[touched > 0])
    return found


def compare(
    predicted: RegionDescription,
    true: RegionDescription,
    attributes: dict[str, Agreement],
    names: Sequence[str] | None = None,
) -> None:
    """Adds how the description of a predicted region agrees with that of the true mask.

    Args:
        predicted: of the predicted region.
        true: of the true mask.
        attributes: what is added to, by attribute; "length" is within a factor of 1.5.
        names: attributes that are compared; all by default.
    """
    expected = true.stated()
    for name, attribute in predicted.stated().items():
        if names is None or name in names:
            attributes[name].predicted += 1
            attributes[name].both += name in expected
            attributes[name].alike += name in expected and expected[name].value == attribute.value
    if names is None:
        ratio = predicted.length_px / true.length_px
        attributes["length"].predicted += 1
        attributes["length"].both += 1
        attributes["length"].alike += 1 / LENGTH <= ratio <= LENGTH


def joined(figures: Sequence[SetFigures]) -> SetFigures:
    """Several sets as one."""
    whole = SetFigures()
    for some in figures:
        whole.before += some.before
        whole.after += some.after
        whole.touched += some.touched
        whole.seconds += some.seconds
        for name, agreement in some.attributes.items():
            for what in ("predicted", "both", "alike"):
                value = getattr(whole.attributes[name], what) + getattr(agreement, what)
                setattr(whole.attributes[name], what, value)
    return whole


def overlaps(figures: dict[str, SetFigures]) -> str:
    """The table of overlaps in Markdown; the mean over photos of all masked real sets is last."""
    lines = ["| set | photos | region touches a defect | mean IoU before | mean IoU after |", "|---|---|---|---|---|"]
    masked = joined([figures[name] for name in MVTEC if name in figures])
    for name, some in [*figures.items(), ("hazelnut, leather and cookie", masked)]:
        if some.before:
            shown = f"{name} (boxes)" if name == BOXED else name
            means = f"{fmean(some.before):.3f} | **{fmean(some.after):.3f}**"
            lines.append(f"| {shown} | {len(some.before)} | {sum(some.touched)} | {means} |")
    return "\n".join(lines) + "\n"


def agreements(figures: dict[str, SetFigures]) -> str:
    """The table of attributes in Markdown, rendered beside real photos."""
    groups = [joined([f for n, f in figures.items() if (n == WORLD) is rendered]) for rendered in (True, False)]
    names = sorted({name for group in groups for name in group.attributes})
    lines = [
        "| attribute | rendered | | real | |",
        "|---|---|---|---|---|",
        "| | both state | alike | both state | alike |",
    ]
    for name in [n for n in names if n != "length"] + ["length"] * ("length" in names):
        cells = [group.attributes[name] for group in groups]
        lines.append(f"| {name} | " + " | ".join(f"{a.both} | {_share(a.alike, a.both)}" for a in cells) + " |")
    totals = [[a for n, a in group.attributes.items() if n != "length"] for group in groups]
    both, alike, predicted = ([sum(getattr(a, w) for a in t) for t in totals] for w in ("both", "alike", "predicted"))
    whole = " | ".join(f"**{b}** | **{_share(a, b)}**" for a, b in zip(alike, both, strict=True))
    strict = " | ".join(f"{p} | {_share(a, p)}" for a, p in zip(alike, predicted, strict=True))
    return (
        "\n".join(
            [*lines, f"| all but length | {whole} |", f"| all, what only the prediction states as unlike | {strict} |"]
        )
        + "\n"
    )


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.3f}" if whole else "-"


NOTES = """## Notes

- Parameters were chosen on rendered photos of another seed and on defects pasted on good photos
  (`evals.fit.pasted_defects`), never on these masks.
- On those photos the difference to an aligned reference bounds regions no better than the colour of the surroundings,
  since good products differ from each other. It is not used. The masks of the embedded segmenter did not help either.
- A description cannot be better than its region: where the strongest region lies elsewhere (crumbs beside a cookie), it
  describes that.
- An attribute that the true mask leaves open is no contradiction: annotated masks often reach beyond what differs.
"""


def page(figures: dict[str, SetFigures], call: str, profile: str) -> str:
    """The page in Markdown."""
    seconds = median(joined(list(figures.values())).seconds or [0.0])
    return (
        f"# Descriptions of regions\n\nProfile `{profile}`, by `{call}`; the module explains what is compared.\n\n"
        "## How tightly regions are bounded\n\nOverlap (IoU) of the strongest structural region with the true mask, as "
        "the maps bound it and refined. Where the\nregion is elsewhere the overlap is 0 before and after.\n\n"
        f"{overlaps(figures)}\nTo refine, align and describe a region takes {seconds:.2f} s of processor time "
        "(median).\n\n"
        "## Whether descriptions agree\n\nAttributes of the refined region beside those of the true mask, where both "
        "state one. Length agrees within a factor of\n1.5.\n\n"
        f"{agreements(figures)}\n{NOTES}"
    )


def main() -> None:
    """Measure, print, and write the page."""
    from agent import Inspector

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, nargs="?", default=None)
    parser.add_argument("--profile", default="nano")
    parser.add_argument("--world", type=int, default=40, help="rendered photos")
    parser.add_argument("--each", type=int, default=20, help="photos of each real set at most")
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    inspector = Inspector(options.profile, looks=0)
    figures = measure(inspector, list(cases(options.root, options.each, options.world)))
    call = f"python -m evals.studies.descriptions PHOTOS --world {options.world} --each {options.each}"
    text = page(figures, call, options.profile)
    sys.stdout.write(text)
    if options.out is not None:
        write_atomic(options.out, text)


if __name__ == "__main__":
    main()
