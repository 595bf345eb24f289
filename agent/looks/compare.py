"""Compares a place, enlarged, with the same place on good parts: by features, and by the narrator's yes or no."""

from __future__ import annotations

from math import sqrt

import numpy as np

from agent.calibrate import log_of_excess
from agent.crop import CropPair, crop_box, crop_pair
from agent.evidence import Claim, Evidence
from agent.looks.base import Again, Found, weight
from agent.looks.narrator import answered
from tools.images import sample_from_array

SPREAD = 0.4
"""Standard deviation of a good place's score (log of its ratio to the good ones'), where few references say so."""
WORTH = 4.0
"""How many references that counts for."""


def compare(again: Again) -> Found:
    """The crop beside the same place, aligned, on every reference; what is not worth its time is not asked."""
    pair = crop_pair(again.sample, crop_box(again.hypothesis.region.box, again.sample), again.product.references)
    aimed, near = again.hypothesis, again.looks.near
    if aimed.kind != "structural" or near.gain == 0 or len(pair.good) < 2:
        return answered(again, pair, (), 0.0)
    deviation = nearer(again, pair)
    llr = near.llr(deviation)
    facts = {
        "place": again.place,
        "sd": f"{abs(deviation):.1f}",
        "side": "above" if deviation >= 0 else "below",
        **weight(llr),
    }
    claim = Claim("looked_near", facts)
    found = Evidence("structural", claim, llr, "reference", aimed.name, region=aimed.region, look=again.id)
    return answered(again, pair, (found,), deviation)


def nearer(again: Again, pair: CropPair) -> float:
    """Standard deviations by which the enlarged place differs more than good ones do from each other there."""
    memory = again.context.toolbox.memory
    bank = memory.bank([sample_from_array(np.ascontiguousarray(place)) for place in pair.good])
    usual = memory.leave_one_out(bank)
    score = memory.score(sample_from_array(np.ascontiguousarray(pair.crop)), bank).own_score
    logs = [log_of_excess(s, usual) for s in usual]
    mean = sum(logs) / len(logs)
    scatter = sum((x - mean) ** 2 for x in logs)
    spread = sqrt((scatter + WORTH * SPREAD**2) / (len(logs) - 1 + WORTH) * (1 + 1 / len(logs)))
    return (log_of_excess(score, usual) - mean) / spread
