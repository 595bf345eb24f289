"""Types of defects: what a person teaches by photos, and what type a region of a later photo is likely to be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from agent.evidence.fusion import by_hypothesis
from agent.evidence.types import LESSONS, Claim, Evidence, appended
from agent.products.files import lessons_file
from agent.products.spec import Product
from agent.report.examination import examine
from agent.state import Context, InspectionState, need_glance, need_sample
from agent.text_limits import checked_text
from tools.defects import DefectLesson, DefectLessons, TypeEstimate, classify, leave_one_out
from tools.defects.lessons import LONGEST_NAME
from tools.describe import DescribedRegion
from tools.errors import InputError
from tools.images import load_sample
from tools.parts.masks import box_of
from tools.types import Mask, Sample

if TYPE_CHECKING:
    from collections.abc import Callable

STATED = 0.7
"""One type is stated from this probability on; below it, the two likeliest are."""
MASKED = 0.5
"""Share of the largest value of a mask file from which on a pixel is part of the defect."""


def with_lessons(product: Product, path: Path, context: Context) -> Product:
    """The product with the lessons that lie beside its file, if any.

    Raises:
        InputError: they are damaged, or were embedded by another backbone.
    """
    file = lessons_file(path)
    if not file.exists():
        return product
    return replace(product, lessons=DefectLessons.load(file, context.toolbox.region_embedder.model))


def teach(
    inspect: Callable[[Sample], InspectionState],
    context: Context,
    product: Product,
    defect: str,
    samples: Sequence[Sample],
    masks: Sequence[Path] = (),
) -> tuple[Product, tuple[str, ...]]:
    """The product with photos as examples of a type of defect, and what was learned, a sentence each.

    Args:
        inspect: finds the region of a photo that has no mask.
        context: embeds the regions.
        product: as learned.
        defect: name of the type.
        samples: photos that show the defect.
        masks: a file for each photo, in the same order, that marks its region; none lets the inspection find them.

    Raises:
        InputError: no name, a photo without a region, masks that do not fit the photos, or a photo that is taught as
            another type already.
    """
    name = " ".join(defect.split()).lower()
    checked_text("type of defect", name, LONGEST_NAME)
    if not name:
        raise InputError("the type of defect has an empty name; give one, such as 'scratch'.")
    if masks and len(masks) != len(samples):
        raise InputError(f"there are {len(masks)} masks for {len(samples)} photos; give one for each photo, or none.")
    embedder, lessons = context.toolbox.region_embedder, []
    for number, sample in enumerate(samples):
        mask = _read_mask(masks[number], sample) if masks else _found_mask(sample, product, inspect, context)
        box = box_of(mask)
        place = (float(box.x0), float(box.y0), float(box.x1), float(box.y1))
        lessons.append(DefectLesson(name, sample.name, sample.digest, place, embedder.embed(sample, mask)))
    known = (product.lessons or DefectLessons(embedder.model)).added(lessons)
    count = sum(lesson.defect == name for lesson in known.lessons)
    said = [f"{name}: {count} {'example' if count == 1 else 'examples'}; types: {', '.join(known.types)}"]
    right = leave_one_out(known)
    if right is not None and len(known.types) > 1:
        said.append(f"each example named by the others: {right:.0%} right")
    return replace(product, lessons=known), tuple(said)


def _read_mask(path: Path, sample: Sample) -> Mask:
    """(H, W) the region that a mask file marks."""
    grey = load_sample(path).image.max(axis=2)
    mask: Mask = grey >= max(1.0, MASKED * float(grey.max()))
    if mask.shape != sample.image.shape[:2]:
        raise InputError(
            f"{path}: is {mask.shape[1]} x {mask.shape[0]} pixels, its photo {sample.size[0]} x {sample.size[1]}; give "
            "a mask of the photo's size."
        )
    return mask


def _found_mask(
    sample: Sample, product: Product, inspect: Callable[[Sample], InspectionState], context: Context
) -> Mask:
    """(H, W) the strongest place of an inspection that speaks for an anomaly, bounded tightly."""
    state = inspect(sample)
    weighed = by_hypothesis(state.evidence)
    places = [w for w in weighed if w.llr > 0 and any(e.claim.topic == "patch" for e in w.evidence)][:1]
    examined = examine(places, sample, product, need_glance(state), context)
    region = next((found.region for found in examined.values()), None)
    if region is None:
        raise InputError(
            f"{sample.name}: no place on it stands out, so that there is no region to learn; mark it with --mask FILE."
        )
    if region.mask is not None and region.mask.any():
        return region.mask
    mask: Mask = np.zeros(sample.image.shape[:2], dtype=np.bool_)
    mask[int(region.box.y0) : int(region.box.y1) + 1, int(region.box.x0) : int(region.box.x1) + 1] = True
    return mask


def type_evidence(
    state: InspectionState, examined: Mapping[str, DescribedRegion], product: Product, context: Context
) -> list[Evidence]:
    """What type each examined place is likely to be, by the lessons of the product; empty without lessons."""
    if product.lessons is None:
        return []
    sample, embedder = need_sample(state), context.toolbox.region_embedder
    found: list[Evidence] = []
    for hypothesis, described in examined.items():
        mask = described.region.mask
        if mask is None or not mask.any():
            continue
        claim = _claim(classify(embedder.embed(sample, mask), product.lessons), product.lessons)
        evidence = Evidence("structural", claim, 0.0, LESSONS, hypothesis, region=described.region)
        if not any((e.source, e.hypothesis, e.claim) == (LESSONS, hypothesis, claim) for e in state.evidence):
            found.append(evidence)
    return list(appended(found, state.evidence))


def is_stated(claim: Claim) -> bool:
    """Whether a claim on a type is sure enough to state one type."""
    return claim.status != "unknown" and "second" not in claim.facts


def _claim(estimate: TypeEstimate, lessons: DefectLessons) -> Claim:
    """An estimate as a statement."""
    (name, p), *others = estimate.probabilities.items()
    nearest = lessons.lessons[estimate.nearest]
    facts: dict[str, str | int | float] = {"name": name, "p": round(p, 4), "lesson": nearest.photo}
    if len(lessons.types) > 1 and not estimate.known:
        return Claim("type_unlike", {**facts, "name": nearest.defect}, "defect_name", "unknown")
    if p < STATED and others:
        return Claim("type_open", {**facts, "second": others[0][0]}, "defect_name")
    return Claim("type_likely", facts, "defect_name")
