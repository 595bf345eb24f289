"""Second looks that measure anew: turned and mirrored views, comparison with a reference, and a recount of parts."""

from __future__ import annotations

import numpy as np
from PIL import Image

from agent.calibration.maps import log_of_excess
from agent.crops import CropPair, crop_box, crop_pair
from agent.evidence.claims import place_in_words, renamed, say_briefly
from agent.evidence.fusion import by_hypothesis, probability
from agent.evidence.types import Claim, Evidence, Fact, Look
from agent.looks.base import LookInput, LookResult, weight
from agent.looks.questions import answered
from agent.matchers.base import tracer_share
from agent.products.learn import known_parts
from agent.rules import Rule, RuleOutcome, evaluate
from tools import anomaly
from tools.images import sample_from_array
from tools.types import FloatMap, Region, Sample


def compare(again: LookInput) -> LookResult:
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


def nearer(again: LookInput, pair: CropPair) -> float:
    """Standard deviations by which the enlarged place differs more than good ones do from each other there."""
    memory = again.context.toolbox.memory
    bank = memory.bank([sample_from_array(np.ascontiguousarray(place)) for place in pair.good])
    usual = memory.leave_one_out(bank)
    score = memory.score(sample_from_array(np.ascontiguousarray(pair.crop)), bank).own_score
    logs = [log_of_excess(s, usual) for s in usual]
    return again.context.calibration.near.standardise(log_of_excess(score, usual), logs)


def zoom(again: LookInput) -> LookResult:
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
    mean: FloatMap = np.mean([before.raw, np.rot90(tracer.damage(turned), -1)], axis=0)
    tracer_map, usual = again.context.calibration.tracer, again.product.scores("tracer")
    trust = tracer_share(again.product, again.context.calibration)

    def worth(values: FloatMap, region: Region) -> float:
        return trust * tracer_map.llr(tracer_map.standardise(region.highest(values), usual))

    found: list[Evidence] = []
    for weighed, region in again.places():
        delta = worth(mean, region) - worth(before.raw, region)
        llr = again.looks.zoom.llr(delta)
        place = place_in_words(region.box, *again.sample.size)
        claim = Claim(
            "looked_zoom", {"place": place, "views": len(anomaly.MIRRORS), "delta": f"{delta:+.1f}", **weight(llr)}
        )
        found.append(
            Evidence("structural", claim, llr, "tracer", weighed.name, part=None, region=region, look=again.id)
        )
    aimed = again.hypothesis
    look = Look(
        again.id,
        aimed.name,
        "zoom",
        aimed.region.box,
        "other views",
        probability(aimed.llr),
        probability(aimed.llr + found[0].llr),
        None,
        found[0].llr,
        answer=float(found[0].claim.facts["delta"]),
        menu=aimed.menu,
        calls=1,
    )
    return LookResult(look, tuple(found))


ENLARGED, TURNED, RELIT = 1.05, 3.0, 0.92
"""By how much the view is nearer, by how many degrees turned, and the exponent of its light."""


def recount(again: LookInput) -> LookResult:
    """What changes when parts are found a second time: a rule that is broken by chance is not broken twice.

    All rules are measured in the same view, so that one look speaks about all of them.
    """
    product, toolbox = again.product, again.context.toolbox
    anew = known_parts(toolbox, nearer_view(again.sample), product.spec, product.types)
    weighed = {w.name: w for w in by_hypothesis(again.evidence) if w.kind == "logical"}
    found: list[Evidence] = []
    for rule in product.spec.rules:
        before, after = evaluate(rule, again.glance.measured), evaluate(rule, anew)
        if rule.name in weighed and before is not None and after is not None:
            found.append(_found(again, rule, before, after))
    found.sort(key=lambda e: e.hypothesis != again.hypothesis.name)
    aimed, added = again.hypothesis, found[0].llr if found else 0.0
    look = Look(
        again.id,
        aimed.name,
        "recount",
        aimed.region.box,
        "parts found anew",
        probability(aimed.llr),
        probability(aimed.llr + added),
        None,
        added,
        answer=float(len(anew.parts)),
        menu=aimed.menu,
        calls=1,
    )
    return LookResult(look, tuple(found))


def _found(again: LookInput, rule: Rule, before: RuleOutcome, after: RuleOutcome) -> Evidence:
    """The change of one rule's log-odds, as evidence."""
    llr = again.looks.recount.llr(after.log_odds - before.log_odds)
    named = renamed(after.claim, again.product.spec.called)
    brief: Fact = say_briefly(named)
    claim = Claim("looked_recount", {**named.facts, "brief": brief, **weight(llr)})
    return Evidence("logical", claim, llr, "rule", rule.name, part=rule.part, look=again.id)


def nearer_view(sample: Sample) -> Sample:
    """The photo a little enlarged, turned and relit; its margin is filled with the colour of its edge."""
    image = Image.fromarray(sample.image)
    width, height = image.size
    edge = np.median(sample.image[[0, -1]].reshape(-1, 3), axis=0)
    turned = image.rotate(TURNED, Image.Resampling.BICUBIC, fillcolor=tuple(int(v) for v in edge))
    w, h = int(width / ENLARGED), int(height / ENLARGED)
    x, y = (width - w) // 2, (height - h) // 2
    near = turned.crop((x, y, x + w, y + h)).resize((width, height), Image.Resampling.BICUBIC)
    relit = (np.asarray(near, dtype=np.float32) / 255) ** RELIT
    return sample_from_array(np.rint(255 * relit).astype(np.uint8))
