"""Finds all parts anew in a nearer, slightly turned and relit view, and measures every rule on them again."""

from __future__ import annotations

import numpy as np
from PIL import Image

from agent.claims import renamed, say_briefly
from agent.evidence import Claim, Evidence, Fact, Look
from agent.fuse import by_hypothesis, probability
from agent.learning.learn import known_parts
from agent.looks.base import Again, Found, weight
from agent.rules import Outcome, Rule, evaluate
from tools.images import sample_from_array
from tools.types import Sample

ENLARGED, TURNED, RELIT = 1.05, 3.0, 0.92
"""By how much the view is nearer, by how many degrees turned, and the exponent of its light."""


def recount(again: Again) -> Found:
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
        again.id, aimed.name, "recount", aimed.region.box, "parts found anew", probability(aimed.llr),
        probability(aimed.llr + added), None, added, answer=float(len(anew.parts)), menu=aimed.menu, calls=1,
    )  # fmt: skip
    return Found(look, tuple(found))


def _found(again: Again, rule: Rule, before: Outcome, after: Outcome) -> Evidence:
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
