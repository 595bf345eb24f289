"""How far the language model leans towards yes, and what is left of its answers once the leaning is taken out.

`python -m evals.studies.yes_bias --profile nano --split trained` asks it about places of the world's photos, half of
them damaged, and prints a table: one phrasing or two of opposite polarity; as said, less what it says of an image
without content, or less what it says of a good part. No rule, map or threshold of the agent has a part in it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

import numpy as np
import scipy
from numpy.typing import NDArray

from agent.crops import CropPair, crop_box, crop_pair
from agent.evidence.fusion import probability
from agent.looks.questions import Both, without_content
from agent.looks.questions import asked as asked_both
from evals.datasets.world import Split, open_world
from evals.metrics.calibration import calibration_error
from evals.metrics.ranking import auroc
from tools.files import write_atomic
from tools.parts.masks import box_of
from tools.profiles import resolve_profile
from tools.toolbox import Toolbox
from tools.types import Box, Sample

if TYPE_CHECKING:
    from evals.datasets import BenchmarkCase, Category
    from tools.vlm import LocalVLM

SEED = 41
"""Neither the seeds that models learned from nor those that they are checked on."""


@dataclass(frozen=True)
class PlaceAnswers:
    """What the language model said of one place, as log-odds of a defect: in the plain phrasing, and in the opposite
    one."""

    good: bool
    odds: Both
    usual: Both
    """Of what should carry no news: a good part, or an image without content."""


@dataclass(frozen=True)
class BiasFigures:
    """One way to read the answers."""

    yes_on_good: float
    """Share of good places of which a defect is called likelier than none."""
    yes_on_bad: float
    auroc: float
    ece: float
    """Of the probability of a defect."""


WAYS: Mapping[str, tuple[tuple[int, ...], bool]] = MappingProxyType(
    {
        "one phrasing, raw": ((0,), False),
        "the opposite phrasing, raw": ((1,), False),
        "two phrasings, raw": ((0, 1), False),
        "one phrasing, debiased": ((0,), True),
        "two phrasings, debiased": ((0, 1), True),
    }
)
"""Which phrasings count, and whether what carries no news is taken off."""


def figures(asked: Sequence[PlaceAnswers], way: str) -> BiasFigures:
    """What a way to read the answers is worth; of places of both kinds."""
    phrasings, debiased = WAYS[way]
    odds = [float(np.mean([a.odds[n] - (a.usual[n] if debiased else 0.0) for n in phrasings])) for a in asked]
    bad, p = np.array([not a.good for a in asked]), np.array([probability(o) for o in odds])
    return BiasFigures(
        float((p[~bad] > 0.5).mean()),
        float((p[bad] > 0.5).mean()),
        auroc(bad, np.asarray(odds)),
        calibration_error(p.tolist(), bad.tolist()),
    )


def fitted_share(asked: Sequence[PlaceAnswers]) -> float:
    """The share of what is said of what carries no news that is worth taking off, in [0, 1].

    Logistic regression of whether there is a defect on both answers: the share is what the second one gets of the
    first one's slope, both classes weighing the same.
    """
    said, usual = (
        np.array([np.mean(pair) for pair in pairs]) for pairs in ([a.odds for a in asked], [a.usual for a in asked])
    )
    bad = np.array([not a.good for a in asked])
    weights = np.where(bad, 0.5 / bad.mean(), 0.5 / (1 - bad.mean()))

    def loss(x: NDArray[np.float64]) -> float:
        at = x[0] * said + x[1] * usual + x[2]
        return float((weights * np.logaddexp(0, np.where(bad, -at, at))).mean() + 1e-3 * float(x @ x))

    slope, of_usual, _ = scipy.optimize.minimize(loss, np.zeros(3)).x.tolist()
    return min(max(-of_usual / slope, 0.0), 1.0) if slope > 0 else 1.0


def places(category: Category) -> Iterator[tuple[BenchmarkCase, Sample, Box]]:
    """The damaged place of each photo with structural damage, and as many places of good photos, of the same boxes."""
    good = [case for case in category.cases if case.label == "good"]
    damaged = [case for case in category.cases if case.label == "structural"]
    for case, sound in zip(damaged, good, strict=False):
        truth = case.gt_mask()
        if truth is None or not truth.any():
            continue
        for shown in (case, sound):
            sample = shown.photo()
            yield shown, sample, crop_box(box_of(truth).clipped(*sample.size), sample)


def ask(vlm: LocalVLM, category: Category, shots: int) -> Iterator[tuple[PlaceAnswers, PlaceAnswers]]:
    """The same answers beside what is said of an image without content, and of a good part; the latter with references.

    Without references the crop alone is shown, and of both the image without content is what carries no news.
    """
    references = tuple(category.references(shots, SEED)) if shots else ()
    for case, sample, box in places(category):
        pair = crop_pair(sample, box, references)
        odds, empty = asked_both(vlm, pair, category.product), _of(vlm, without_content(pair), category)
        usual = empty if pair.beside is None else _of(vlm, pair.beside, category)
        good = case.label == "good"
        yield PlaceAnswers(good, odds, empty), PlaceAnswers(good, odds, usual)


def _of(vlm: LocalVLM, pair: CropPair, category: Category) -> Both:
    return asked_both(vlm, pair, category.product)


def table(title: str, grey: Sequence[PlaceAnswers], good: Sequence[PlaceAnswers], *, beside: bool) -> str:
    """Markdown: a line a way."""
    head = ("how the answer is read", "yes on good places", "yes on damaged places", "AUROC", "ECE")
    lines = [title, "", f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for way, (_, debiased) in WAYS.items():
        told = [(" by an image without content" if debiased else "", grey)]
        told += [(" by a good part", good)] if debiased and beside else []
        for suffix, asked in told:
            found = figures(asked, way)
            values = (found.yes_on_good, found.yes_on_bad, found.auroc, found.ece)
            lines.append(f"| {way}{suffix} | {' | '.join(f'{v:.3f}' for v in values)} |")
    what = "a good part" if beside else "an image without content"
    sound = [float(np.mean(a.usual)) for a in good if a.good]
    lines += [
        "",
        f"Of what is said of {what} (log-odds {np.mean(sound):.2f}, standard deviation {np.std(sound):.2f}), the "
        f"share {fitted_share(good):.2f} is worth taking off on these places.",
    ]
    return "\n".join(lines)


def main() -> None:
    """Asks and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", default="nano")
    parser.add_argument("--split", choices=("trained", "heldout"), nargs="+", default=["trained", "heldout"])
    parser.add_argument("--shots", type=int, nargs="+", default=[0, 4])
    parser.add_argument("--images", type=int, default=16, help="photos of each family, half of them good")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, default=None, help="file for the tables, in Markdown")
    options = parser.parse_args()
    vlm = Toolbox.open(resolve_profile(options.profile), options.device).vlm
    tables = []
    for split in options.split:
        categories = open_world(split=cast("Split", split), seed=SEED, per_category=options.images)
        for shots in options.shots:
            pairs = [pair for category in categories for pair in ask(vlm, category, shots)]
            grey, good = [a for a, _ in pairs], [b for _, b in pairs]
            title = f"{options.profile}, {split} families, {shots} references, {len(pairs)} places"
            tables.append(table(title, grey, good, beside=shots > 0))
            sys.stdout.write(f"{tables[-1]}\n\n")
            sys.stdout.flush()
    if options.out is not None:
        write_atomic(options.out, "\n\n".join(tables) + "\n")


if __name__ == "__main__":
    main()
