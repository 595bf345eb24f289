"""Outlines a place with the segmenter, by its box and summit, and measures its contrast to what surrounds it."""

from __future__ import annotations

import math

import numpy as np

from agent.evidence import Claim, Evidence, Look
from agent.fuse import probability
from agent.looks.base import Again, Found, weight
from tools.parts.segment import box_of
from tools.types import RGB, Mask, Part, Region

RING = 5
"""Pixels about an outline that count as its surroundings."""


def segment(again: Again) -> Found:
    """The outline's area and extent in pixels, and its contrast in CIELAB; damage is small beside what it is on."""
    aimed, sample = again.hypothesis, again.sample
    segmenter = again.context.toolbox.segmenter
    (outlined,) = segmenter.with_masks(segmenter.encode(sample), [Part("place", aimed.region)])
    mask = outlined.region.mask if outlined.region.mask is not None else aimed.region.mask
    inside = mask if mask is not None else np.zeros(sample.image.shape[:2], dtype=np.bool_)
    contrast = contrast_of(sample.image, inside)
    answer = math.log(inside.size / max(int(inside.sum()), 1))
    llr = again.looks.segment.llr(answer)
    box = outlined.region.box
    facts = {
        "place": again.place, "area": int(inside.sum()), "width": round(box.width), "height": round(box.height),
        "contrast": f"{contrast:.1f}", **weight(llr),
    }  # fmt: skip
    region = Region(box, aimed.region.score, inside)
    evidence = Evidence(
        aimed.kind, Claim("looked_segment", facts), llr, "segmenter", aimed.name, part=aimed.part, region=region,
        look=again.id,
    )  # fmt: skip
    look = Look(
        again.id, aimed.name, "segment", box, "outline", probability(aimed.llr), probability(aimed.llr + llr), None,
        llr, answer=answer, menu=aimed.menu, calls=1,
    )  # fmt: skip
    return Found(look, (evidence,))


def contrast_of(image: RGB, mask: Mask) -> float:
    """Distance in CIELAB between the mean colours inside a mask and in a ring about it; 0 where either is empty."""
    from scipy.ndimage import binary_dilation
    from skimage.color import rgb2lab

    if not mask.any():
        return 0.0
    box = box_of(mask)
    rows = slice(max(int(box.y0) - RING, 0), int(box.y1) + RING)
    columns = slice(max(int(box.x0) - RING, 0), int(box.x1) + RING)
    inside = mask[rows, columns]
    ring = binary_dilation(inside, iterations=RING) & ~inside
    if not ring.any():
        return 0.0
    lab = rgb2lab(image[rows, columns])
    return float(np.linalg.norm(lab[inside].mean(axis=0) - lab[ring].mean(axis=0)))
