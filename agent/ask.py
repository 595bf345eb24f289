"""Puts a rule's question to the narrator, about the photo or a part's crop, with its bias taken out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from agent.calibrate import Calibration
from agent.crop import crop_box, cut
from agent.evidence import Claim, Evidence, Fact
from agent.fuse import log_odds, probability
from agent.product import Product
from agent.rules import ANY, AskRule, Measured
from prompts import questions
from tools.narrate import Turn, debias
from tools.types import RGB, Region, Sample

if TYPE_CHECKING:
    from tools.narrate import Narrator


def answer_to(
    rule: AskRule,
    sample: Sample,
    measured: Measured,
    product: Product,
    narrator: Narrator,
    calibration: Calibration,
) -> Evidence:
    """What the narrator says of the photo, against what it says of a good one (of a grey photo where none is known)."""
    region = _region(rule, measured)
    shown = _shown(sample, region)
    good: RGB = np.full_like(shown, 128)
    if product.references:
        known = product.parts[0] if product.parts else Measured(())
        good = _shown(product.references[0], _region(rule, known))
    turns = [Turn("user", questions()["ask"].format(question=rule.question), images=1)]
    said, usual = (narrator.yes_no([image], turns) for image in (shown, good))
    # Of a good one the expected answer is right, so that its own answer, not evenness, is what even odds would be.
    sign = -1.0 if rule.expected == "yes" else 1.0
    broken = probability(sign * log_odds(debias(said, usual)))
    wrong = {"yes": "no", "no": "yes"}[rule.expected]
    facts: dict[str, Fact] = {
        "question": rule.question,
        "expected": rule.expected,
        "found": wrong if broken > 0.5 else rule.expected,
        "p": f"{said:.2f}",
    }
    claim = Claim.check("ask", facts, holds=broken <= 0.5)
    llr = calibration.narrator.llr(log_odds(broken))
    part = None if rule.part == ANY else rule.part
    return Evidence("logical", claim, llr, "narrator", rule.name, part=part, region=region)


def _region(rule: AskRule, measured: Measured) -> Region | None:
    """The surest part that the question is about; None for the whole photo, or where the part was not found."""
    found = measured.of(rule.part) if rule.part != ANY else ()
    return found[0].region if found else None


def _shown(sample: Sample, region: Region | None) -> RGB:
    return sample.image if region is None else cut(sample, crop_box(region.box, sample))
