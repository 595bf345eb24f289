"""Every sentence that reports on a folder of real photos say, held against labels and masks where there are any.

`python -m evals.studies.report_sentences ROOT --each 12 --out told.md` inspects the products under ROOT, a folder each,
and writes for each photo its score and its sentences, and after them each distinct sentence once, numbers, names of
parts and places left out, with how often it was said. A sentence that is stated as a fact is false where it contradicts
the photo's folder, or blames a place that no mask touches; it is marked. What only the eye can tell is not counted.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from agent import InspectionReport, Inspector
from agent.report.consistency import contradictions
from evals.datasets.masks import read_mask
from evals.run.ground_truth import Truth, judged
from tools.documents import parse_json
from tools.errors import InputError
from tools.files import read_text, write_atomic
from tools.image_files import find_images
from tools.images import load_sample

REFERENCES = 8
"""Good photos that are compared with, the first by name."""
LARGEST_LABEL = 1_000_000
"""Bytes of the largest label.json."""
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")
_LAST_COMMA = re.compile(r",(\s*[}\]])")
_PLACE = re.compile(r"\b(?:(?:upper|lower) (?:left|middle|right)|(?:left|right) side|centre)\b")
_QUOTED = re.compile(r"'[^']*'|\bpart [A-Z]{1,2}\b")


@dataclass(frozen=True)
class PhotoFolder:
    """One product's photos."""

    name: str
    references: tuple[Path, ...]
    photos: tuple[Path, ...]
    normal: str = ""
    """What good means, where the data set says it."""


def products(root: Path, each: int) -> Iterator[PhotoFolder]:
    """The products under a folder, by name: `train/good` and `test`, or `normal` and `abnormal`, or a pair of photos.

    Of two folders of photos, half of those that are shown are from each, evenly spread. A pair is `normal.png`, the one
    reference, and `abnormal.png`, with a `label.json` that says what good means.

    Args:
        root: folder of products.
        each: at most so many photos of a product.

    Raises:
        tools.errors.InputError: no folder, or none of such products.
    """
    found = [_product(folder, each) for folder in _folders(root)]
    if not found:
        raise InputError(
            f"{root}: holds no product; give a folder of folders with train/good and test, or normal and "
            "abnormal, photos."
        )
    yield from found


def _folders(root: Path) -> list[Path]:
    if not root.is_dir():
        raise InputError(f"{root} is not a folder; give the folder that holds the products.")
    inside = sorted(path for path in root.rglob("*") if path.is_dir())
    return [path for path in inside if _kind(path) is not None]


def _kind(folder: Path) -> str | None:
    if (folder / "train" / "good").is_dir() and (folder / "test").is_dir():
        return "mvtec"
    if (folder / "normal").is_dir() and (folder / "abnormal").is_dir():
        return "folders"
    return "pair" if (folder / "label.json").is_file() and (folder / "normal.png").is_file() else None


def _product(folder: Path, each: int) -> PhotoFolder:
    kind = _kind(folder)
    if kind == "pair":
        normal = folder / "normal.png"
        return PhotoFolder(folder.name, (normal,), (folder / "abnormal.png", normal), _normal(folder / "label.json"))
    if kind == "mvtec":
        good = find_images(folder / "train" / "good")[:REFERENCES]
        return PhotoFolder(folder.name, tuple(good), tuple(spread(find_images(folder / "test"), each)))
    good, bad = find_images(folder / "normal"), find_images(folder / "abnormal")
    shown = (*spread(good[REFERENCES:], each // 2), *spread(bad, each - each // 2))
    return PhotoFolder(folder.name, tuple(good[:REFERENCES]), shown)


def _normal(label: Path) -> str:
    """What good means; files of this kind end their lists with commas, which JSON does not know."""
    text = _LAST_COMMA.sub(r"\1", read_text(label, limit=LARGEST_LABEL, what="label file"))
    stated = parse_json(text, str(label))
    if not isinstance(stated, dict):
        raise InputError(f"{label}: holds no JSON object; give a copy of the file as it was published.")
    return str(stated.get("reference_normal_standards", ""))


def spread(paths: Sequence[Path], count: int) -> list[Path]:
    """So many of them, evenly spread; all of fewer.

    >>> [p.name for p in spread([Path(str(n)) for n in range(10)], 3)]
    ['0', '3', '6']
    """
    many = min(count, len(paths))
    return [paths[n * len(paths) // many] for n in range(many)]


def inspected(inspector: Inspector, shown: PhotoFolder) -> Iterator[tuple[Path, InspectionReport]]:
    """The report of each photo."""
    product = inspector.learn(shown.name, shown.references, describe=shown.normal)
    for photo in shown.photos:
        sys.stderr.write(f"{shown.name}: {photo.name}\n")
        yield photo, inspector.inspect(photo, product=product)


def truth_of(photo: Path) -> Truth | None:
    """What the folders of a data set say of a photo; None for a pair, whose defect they do not show."""
    kind = photo.parent.name
    if kind in ("good", "normal"):
        return Truth(False, None, {})
    if kind == "abnormal":
        return Truth(True, None, {})
    if photo.parent.parent.name != "test":
        return None
    folder = photo.parent.parent.parent / "ground_truth" / kind
    masks = find_images(folder) if folder.is_dir() else []
    found = [path for path in masks if path.stem in (photo.stem, f"{photo.stem}_mask")]
    return Truth(True, read_mask(found[0], lambda: load_sample(photo))() if found else None, {})


def frame(text: str) -> str:
    """A sentence without its numbers, names and places, so that the same words are one sentence.

    >>> frame("Possibly: a darker spot, lower left, about 12 x 9 px.")
    'Possibly: a darker spot, PLACE, about # x # px.'
    """
    return _NUMBER.sub("#", _PLACE.sub("PLACE", _QUOTED.sub("'...'", text)))


def written(shown: PhotoFolder, reports: Sequence[tuple[Path, InspectionReport]]) -> Iterator[str]:
    """Markdown: a heading and a list for each photo."""
    for photo, report in reports:
        verdict, truth = report.verdict, truth_of(photo)
        false = [] if truth is None else [j.text for j in judged(report, truth) if not j.true]
        yield f"**{shown.name}, {photo.parent.name}/{photo.name}.** Score {verdict.score:.2f}."
        yield ""
        yield from (f"- {s.text}{' (false)' if s.text in false else ''}" for s in report.explanation)
        yield ""


@dataclass
class Totals:
    """Sentences over all photos."""

    said: Counter[str] = field(default_factory=Counter)
    """By frame."""
    words: list[int] = field(default_factory=list)
    """Of each report."""
    verdicts: Counter[tuple[str, bool]] = field(default_factory=Counter)
    """By the sentence that tells one, and whether its side is right."""
    true: int = 0
    checked: int = 0
    contradictions: list[str] = field(default_factory=list)
    """Within single reports."""

    def add(self, photo: Path, report: InspectionReport) -> None:
        """Counts the sentences of one report."""
        texts = [sentence.text for sentence in report.explanation]
        self.said.update(frame(text) for text in texts)
        self.words.append(sum(len(text.split()) for text in texts))
        truth = truth_of(photo)
        checked = [] if truth is None else list(judged(report, truth))
        if truth is not None:
            self.verdicts[texts[0], report.verdict.anomalous == truth.anomalous] += 1
        self.checked += len(checked)
        self.true += sum(j.true for j in checked)

    def lines(self) -> Iterator[str]:
        """Markdown."""
        share = f", {self.true / self.checked:.3f}" if self.checked else ""
        yield f"{self.true} of {self.checked} sentences that are stated as facts are true{share}."
        yield from (f"- Contradiction in {clause}" for clause in self.contradictions)
        middle, most = np.percentile(self.words, [50, 95])
        yield f"A report has {middle:.0f} words in the median, {most:.0f} at the 95th percentile."
        yield ""
        yield "| verdict | photos | right |"
        yield "|---|---|---|"
        for told in sorted({told for told, _ in self.verdicts}):
            right = self.verdicts[told, True]
            yield f"| {told} | {right + self.verdicts[told, False]} | {right} |"
        yield ""
        yield f"{self.said.total()} sentences on {len(self.words)} photos, {len(self.said)} of them distinct:"
        yield ""
        yield from (f"- {count} x {text}" for text, count in self.said.most_common())


def main() -> None:
    """Inspects and writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, help="folder of the products")
    parser.add_argument("--profile", default="nano")
    parser.add_argument("--looks", type=int, default=3, help="second looks at most, for each photo")
    parser.add_argument("--each", type=int, default=10, help="photos of each product")
    parser.add_argument("--out", type=Path, default=Path("out/told.md"))
    options = parser.parse_args()
    inspector = Inspector(options.profile, looks=options.looks)
    lines: list[str] = []
    totals = Totals()
    for shown in products(options.root, options.each):
        reports = list(inspected(inspector, shown))
        lines += written(shown, reports)
        for photo, report in reports:
            totals.add(photo, report)
            totals.contradictions += [f"{photo.name}: {clause}" for clause in contradictions(report)]
    lines += totals.lines()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(options.out, "\n".join(lines) + "\n")
    sys.stdout.write("\n".join([*list(totals.lines())[:2], str(options.out)]) + "\n")


if __name__ == "__main__":
    main()
