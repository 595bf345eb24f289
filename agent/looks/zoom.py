"""Looks at the photo turned on its side: damage is damage whichever way it lies, a chance likeness is not."""

from __future__ import annotations

import numpy as np

from agent.claims import place_in_words
from agent.evidence import Claim, Evidence, Look
from agent.fuse import probability
from agent.looks.base import Again, Found, weight
from tools.images import sample_from_array
from tools.patches.trace import MIRRORS
from tools.types import FloatMap, Region


def zoom(again: Again) -> Found:
    """The mean of what the tracer reads of the photo and of the photo turned by a quarter, at every place in question.

    The tracer takes the mean over mirrored views, so that the two together are all eight ways to lay a photo. All
    places are seen at once, so that one look speaks about all of them. Its answer is by how much the reading at the
    place that it was aimed at is worth more or less: a mean of views is below the highest of them, which takes nothing
    from damage that is beyond doubt.
    """
    tracer = again.context.toolbox.tracer
    before = again.glance.map_of("tracer")
    if tracer is None or before is None or before.raw is None:
        raise ValueError("other views are looked at by the tracer, which this profile lacks")
    turned = sample_from_array(np.ascontiguousarray(np.rot90(again.sample.image)))
    there = tracer.trace([turned])[0].flaws.raw
    mean: FloatMap = before.raw if there is None else np.mean([before.raw, np.rot90(there, -1)], axis=0)
    tracer_map, usual = again.context.calibration.tracer, again.product.tracer_scores

    def worth(values: FloatMap, region: Region) -> float:
        return tracer_map.llr(tracer_map.standardise(highest(values, region), usual))

    found: list[Evidence] = []
    for weighed, region in again.places():
        delta = worth(mean, region) - worth(before.raw, region)
        llr = again.looks.zoom.llr(delta)
        place = place_in_words(region.box, *again.sample.size)
        claim = Claim("looked_zoom", {"place": place, "views": len(MIRRORS), "delta": f"{delta:+.1f}", **weight(llr)})
        found.append(
            Evidence("structural", claim, llr, "tracer", weighed.name, part=None, region=region, look=again.id)
        )
    aimed = again.hypothesis
    look = Look(
        again.id, aimed.name, "zoom", aimed.region.box, "other views", probability(aimed.llr),
        probability(aimed.llr + found[0].llr), None, found[0].llr, answer=float(found[0].claim.facts["delta"]),
        menu=aimed.menu, calls=1,
    )  # fmt: skip
    return Found(look, tuple(found))


def highest(values: FloatMap, region: Region) -> float:
    """The largest value inside a region's mask, or its box."""
    if region.mask is not None and region.mask.any():
        return float(values[region.mask].max())
    x0, y0, x1, y1 = (int(v) for v in region.box)
    return float(values[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)].max())
