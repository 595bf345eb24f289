"""Second looks that ask the vision-language model about a crop: yes or no by token likelihoods, its bias removed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from agent.calibration.maps import Leaning
from agent.crops import CropPair, crop_box, crop_pair
from agent.evidence.fusion import log_odds, probability
from agent.evidence.types import Claim, Evidence, Look
from agent.looks.base import LookInput, LookResult, weight
from prompts import questions
from tools.types import Region
from tools.vlm import Turn

if TYPE_CHECKING:
    from tools.vlm import LocalVLM

GREY = 128
"""Level of an image without content."""
SAID_ALONE = 2
"""Questions about a place: two phrasings."""
CERTAIN = 1e-6
"""A likelihood is kept so far from 0 and 1."""


@dataclass(frozen=True)
class Answer:
    """P(defect) of a place."""

    raw: float
    """As said, the mean of both polarities in log-odds."""
    debiased: float
    """After what was said of a good place (of a grey image where none is known)."""
    calls: int
    """Questions that it took."""

    def used(self, debias: bool) -> float:
        """The one that counts."""
        return self.debiased if debias else self.raw


Both = tuple[float, float]
"""Log-odds of a defect, as they are said in the plain phrasing and in the opposite one."""


def asked(vlm: LocalVLM, pair: CropPair, product: str) -> Both:
    """Asks of a place whether it has a defect, and whether it is good: beside a good part where the pair has one.

    Args:
        vlm: who is asked; two questions.
        pair: the place, and the same place on a good part where there is one.
        product: noun for the question.
    """
    shown = [pair.crop] if pair.reference is None else [pair.crop, pair.reference]
    key: Literal["compare", "detect"] = "detect" if pair.reference is None else "compare"
    plain, opposite = (
        log_odds(vlm.yes_no(shown, [Turn("user", questions()[k].format(product=product), images=len(shown))]), CERTAIN)
        for k in (key, f"{key}_good")
    )
    return plain, -opposite


def without_content(pair: CropPair) -> CropPair:
    """The same pair with grey in the place of every photo."""
    reference = None if pair.reference is None else np.full_like(pair.reference, GREY)
    return replace(pair, crop=np.full_like(pair.crop, GREY), reference=reference)


def p_defect(vlm: LocalVLM, pair: CropPair, product: str, leaning: Leaning) -> Answer:
    """Asks in two phrasings of opposite polarity, of the place and, if that is worth it, of one that carries no news.

    Contextual calibration (Zhao et al. 2021, section 5) with a good part beside a good part in the place of the
    content-free text.

    Args:
        vlm: who is asked; two or four questions.
        pair: the place, and the same place on good parts where there are any.
        product: noun for the question.
        leaning: how much of what the language model says of what carries no news is taken off.
    """
    said = sum(asked(vlm, pair, product)) / 2
    if not leaning.weight:
        return Answer(probability(said), probability(said), SAID_ALONE)
    empty = sum(asked(vlm, pair.beside or without_content(pair), product)) / 2
    return Answer(
        probability(said), probability(leaning.taken_out(said, empty, beside=pair.beside is not None)), 2 * SAID_ALONE
    )


def ask(again: LookInput) -> LookResult:
    """Whether the crop alone shows a defect."""
    pair = crop_pair(again.sample, crop_box(again.hypothesis.region.box, again.sample), ())
    return answered(again, pair, (), 0.0)


def answered(again: LookInput, pair: CropPair, more: Sequence[Evidence], answer: float) -> LookResult:
    """The language model's answer on a place as a look, beside what else the look measured.

    Args:
        again: what is known.
        pair: the place, beside a good part or not.
        more: evidence of the same look.
        answer: what else was measured, in its own unit.
    """
    looks, aimed = again.looks, again.hypothesis
    which = looks.compare if pair.reference is not None else looks.ask
    found, raw, debiased, calls = list(more), probability(aimed.llr), probability(aimed.llr), 0
    if which.gain > 0:
        said = p_defect(again.context.toolbox.vlm, pair, again.product.spec.product, again.context.calibration.leaning)
        raw, debiased, calls = said.raw, said.debiased, said.calls
        llr = which.llr(log_odds(said.used(again.context.debias)))
        region = Region(aimed.region.box, said.debiased, aimed.region.mask)
        claim = _claim(again, pair, said, llr)
        found.append(Evidence(aimed.kind, claim, llr, "vlm", aimed.name, part=aimed.part, region=region, look=again.id))
        answer = answer if more else log_odds(said.used(again.context.debias))
    if not calls:
        debiased = probability(aimed.llr + sum(e.llr for e in found))
    key = "compare" if pair.reference is not None else "detect"
    question = questions()[key].format(product=again.product.spec.product) if calls else "beside good parts"
    look = Look(
        again.id,
        aimed.name,
        aimed.action,
        pair.box,
        question,
        raw,
        debiased,
        pair.reference_name,
        sum(e.llr for e in found),
        answer=answer,
        menu=aimed.menu,
        calls=calls + (2 if more else 0),
    )
    return LookResult(look, tuple(found))


def _claim(again: LookInput, pair: CropPair, said: Answer, llr: float) -> Claim:
    facts = {"place": again.place, "raw": f"{said.raw:.2f}", "debiased": f"{said.debiased:.2f}", **weight(llr)}
    as_said = "" if said.calls > SAID_ALONE else "_as_said"
    if pair.reference_name is None:
        return Claim(f"looked_ask{as_said}", facts)
    return Claim(f"looked_compare{as_said}", {**facts, "reference": pair.reference_name})
