"""Looks at the photo in turned and mirrored views: damage is damage in all of them, a chance likeness is not."""

from __future__ import annotations

import numpy as np

from agent.claims import place_in_words
from agent.evidence import Claim, Evidence, Look
from agent.fuse import probability
from agent.looks.base import Again, Found, weight
from tools.images import sample_from_array
from tools.patches.augment import laid
from tools.types import FloatMap, Region

VIEWS = 8
"""Four quarters, mirrored or not; the first is what the first look saw."""


def zoom(again: Again) -> Found:
    """The mean of what the tracer reads in all views, at every place that is in question.

    All places are seen at once, so that one look speaks about all of them; its answer is the change at the place that
    it was aimed at.
    """
    tracer = again.context.toolbox.tracer
    before = again.glance.map_of("tracer")
    if tracer is None or before is None or before.raw is None:
        raise ValueError("other views are looked at by the tracer, which this profile lacks")
    views = [tracer.trace([sample_from_array(view)])[0].flaws.raw for view in laid(again.sample.image, VIEWS)[1:]]
    mean = np.mean([before.raw, *(_back(v, n) for n, v in enumerate(views, start=1) if v is not None)], axis=0)
    found: list[Evidence] = []
    for weighed, region in again.places():
        delta = highest(mean, region) - highest(before.raw, region)
        llr = again.looks.zoom.llr(delta)
        place = place_in_words(region.box, *again.sample.size)
        claim = Claim("looked_zoom", {"place": place, "views": VIEWS - 1, "delta": f"{delta:+.1f}", **weight(llr)})
        found.append(
            Evidence("structural", claim, llr, "tracer", weighed.name, part=None, region=region, look=again.id)
        )
    aimed = again.hypothesis
    look = Look(
        again.id, aimed.name, "zoom", aimed.region.box, "other views", probability(aimed.llr),
        probability(aimed.llr + found[0].llr), None, found[0].llr, answer=float(found[0].claim.facts["delta"]),
        menu=aimed.menu, calls=VIEWS - 1,
    )  # fmt: skip
    return Found(look, tuple(found))


def _back(view: FloatMap, number: int) -> FloatMap:
    """A map of one of the eight ways in which `laid` lays a photo, laid back as the photo is.

    >>> photo = np.arange(12, dtype=np.float32).reshape(3, 4)
    >>> all((_back(view, n) == photo).all() for n, view in enumerate(laid(photo, 8)))
    True
    """
    upright = np.rot90(view, -(number % 4))
    return upright[:, ::-1] if number >= 4 else upright


def highest(values: FloatMap, region: Region) -> float:
    """The largest value inside a region's mask, or its box."""
    if region.mask is not None and region.mask.any():
        return float(values[region.mask].max())
    x0, y0, x1, y1 = (int(v) for v in region.box)
    return float(values[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)].max())
