"""The world's ground truth as the agent would measure it, and a check of report sentences against it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import skimage

from agent.calibration.maps import Calibration
from agent.products.learn import known_parts, learn
from agent.rules import MeasuredParts
from agent.rules.induction import Measuring
from nano.world import Scene, render
from nano.world import family as family_of
from tools.images import sample_from_array
from tools.parts import measure, pose_of
from tools.profiles import resolve_profile
from tools.toolbox import Toolbox
from tools.types import Mask, Part, Region

if TYPE_CHECKING:
    from agent import InspectionReport
    from agent.report.model import Finding, SentenceOut
    from evals.datasets import BenchmarkCase
SMALLEST = 12
"""Parts of fewer visible pixels are not seen."""


def measured_truth(scene: Scene) -> MeasuredParts:
    """The visible parts of a rendered scene, each sure, measured in coordinates of the whole product's outline."""
    seen = [part for part in scene.parts if int(part.mask.sum()) >= SMALLEST]
    if not seen:
        return MeasuredParts(())
    pose = pose_of(skimage.morphology.convex_hull_image(np.logical_or.reduce([part.mask for part in seen])))
    return MeasuredParts(
        tuple(Part(p.noun, Region(p.box, 1.0, p.mask), pose.placed(measure(scene.image, p.mask))) for p in seen)
    )


SEED = 6
"""Of the references from which the tools learn which parts there are."""
SHOWN = 0.3
"""A part shows a thing where their masks overlap so much (IoU) at least."""


def seen_by(
    profile: str, family: str, shots: int, *, words: bool = False
) -> tuple[Callable[[Scene], MeasuredParts], Measuring]:
    """A function from a scene to the parts that the profile's tools see, and how well they measure.

    Names or kinds of parts are learned from good photos of another seed, so that every set of references speaks of the
    same kinds. A kind that was discovered bears the noun that it shows on those photos, so that rules on it can be held
    against the family's own.

    Args:
        profile: whose tools look.
        family: of the world.
        shots: references; at least four are learned from.
        words: whether the family's description is told, so that its parts are looked for by words too.
    """
    calibration = Calibration.of_profile(profile)
    toolbox = Toolbox.open(resolve_profile(profile), part_parameters=calibration.part_parameters)
    good = [render(family, seed=SEED, index=n, defect=None) for n in range(max(4, shots))]
    product = learn(
        toolbox,
        family,
        [sample_from_array(s.image) for s in good],
        describe=family_of(family).normal if words else "",
        product=good[0].product,
        calibration=calibration,
    )
    labels = [p.label for p in product.spec.parts]
    discovered = [p.label for p in product.spec.parts if p.phrase is None]
    nouns = nouns_of(discovered, good, product.parts, taken=[label for label in labels if label not in discovered])

    def sight(scene: Scene) -> MeasuredParts:
        seen = known_parts(toolbox, sample_from_array(scene.image), product.spec, product.types)
        return replace(seen, parts=tuple(replace(p, label=nouns.get(p.label, p.label)) for p in seen.parts))

    return sight, calibration.measuring


def nouns_of(
    labels: Sequence[str], scenes: Sequence[Scene], seen: Sequence[MeasuredParts], taken: Sequence[str] = ()
) -> dict[str, str]:
    """The noun that each discovered kind mostly shows; of several kinds that show one, the kind that counts it best.

    Args:
        labels: of the kinds.
        scenes: photos whose parts are known.
        seen: what tools see on them.
        taken: nouns that words find already.
    """
    best: dict[str, tuple[int, str]] = {}
    for label in labels:
        shown = [_noun(part, scene) for scene, m in zip(scenes, seen, strict=True) for part in m.of(label)]
        noun = max(sorted(set(shown)), key=shown.count, default="")
        if not noun or 2 * shown.count(noun) < len(shown) or noun in taken:
            continue
        exact = sum(
            len(m.of(label)) == sum(p.noun == noun for p in scene.parts) for scene, m in zip(scenes, seen, strict=True)
        )
        best[noun] = max(best.get(noun, (-1, "")), (exact, label), key=lambda found: found[0])
    return {label: noun for noun, (_, label) in best.items()}


def _noun(part: Part, scene: Scene) -> str:
    """The noun of the thing that a part shows, "" for none."""
    iou, noun = max(((mask_iou(part.region.mask, p.mask), p.noun) for p in scene.parts), default=(0.0, ""))
    return noun if iou >= SHOWN else ""


def mask_iou(one: Mask | None, other: Mask) -> float:
    """Intersection over union of two masks; 0 where the one is not known."""
    return 0.0 if one is None else float((one & other).sum() / max(int((one | other).sum()), 1))


TOUCHES = 0.02
"""A box is about a defect where at least this share of it, or of the defect, is inside the other."""


@dataclass(frozen=True, eq=False)
class Truth:
    """What is true of one photo."""

    anomalous: bool
    mask: Mask | None
    """(H, W), where its defects are; None where nobody knows."""
    counts: Mapping[str, int]
    """Visible parts by noun; empty where nobody knows."""


def truth_of(case: BenchmarkCase) -> Truth | None:
    """What is true of a case; None where its data set does not count parts, so that sentences cannot be held."""
    if case.counts is None:
        return None
    return Truth(case.label != "good", case.gt_mask(), case.counts())


@dataclass(frozen=True)
class CheckedSentence:
    """One checkable sentence, and whether it is true."""

    text: str
    true: bool


def judged(report: InspectionReport, truth: Truth) -> Iterator[CheckedSentence]:
    """The checkable sentences of a report, in order."""
    for sentence in report.explanation:
        holds = _true(sentence, report, truth)
        if holds is not None:
            yield CheckedSentence(sentence.text, holds)


def _true(sentence: SentenceOut, report: InspectionReport, truth: Truth) -> bool | None:
    """Whether a sentence is true; None where it is not checkable, such as an inference or what is only possible."""
    cited = [e for e in report.evidence if e.id in sentence.cites]
    if sentence.role == "fine":
        return _counted(cited, truth)
    if not sentence.certain:
        return None
    if sentence.role == "verdict":
        return report.verdict.anomalous == truth.anomalous
    counted = _counted(cited[:1], truth)
    return counted if counted is not None else _placed(cited, truth)


def _counted(cited: Sequence[Finding], truth: Truth) -> bool | None:
    """Whether all counts are right; None where no part of a known noun is counted."""
    counts = {
        e.part: 0 if e.topic == "presence" else e.facts.get("found")
        for e in cited
        if e.part in truth.counts and (e.topic == "count" or (e.topic == "presence" and e.status == "broken"))
    }
    return all(str(truth.counts[part]) == str(found) for part, found in counts.items() if part) if counts else None


def _placed(cited: Sequence[Finding], truth: Truth) -> bool:
    """Whether what a sentence blames is, in part, where a defect is; without a place, whether there is a defect."""
    if not truth.anomalous:
        return False
    boxes = [e.box for e in cited if e.box is not None]
    if truth.mask is None or not boxes:
        return True
    return any(_touches(box, truth.mask) for box in boxes)


def _touches(box: tuple[float, float, float, float], mask: Mask) -> bool:
    x0, y0, x1, y1 = (round(v) for v in box)
    inside = int(np.count_nonzero(mask[max(y0, 0) : max(y1, 1), max(x0, 0) : max(x1, 1)]))
    area = max((x1 - x0) * (y1 - y0), 1)
    return inside >= TOUCHES * area or inside >= TOUCHES * max(int(mask.sum()), 1)
