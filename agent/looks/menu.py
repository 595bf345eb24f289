"""Lets the narrator choose from a closed menu of ways to look again, by likelihood: no tool calling is needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np

from agent.crop import crop_box, cut
from agent.evidence import Hypothesis, Option
from prompts import load_yaml
from tools.narrate import Turn
from tools.types import Sample

if TYPE_CHECKING:
    from tools.narrate import Narrator


def choose(narrator: Narrator, hypothesis: Hypothesis, sample: Sample, product: str) -> Hypothesis:
    """The hypothesis with the action that the narrator is likeliest to choose, beside what it says of a grey image.

    Args:
        narrator: who chooses; two questions.
        hypothesis: with the menu of what is possible.
        sample: the photo; the crop of the place is shown.
        product: noun for the question.
    """
    options: Sequence[Option] = hypothesis.menu
    if len(options) < 2:
        return hypothesis
    words = cast("dict[str, str]", load_yaml("menu")["actions"])
    question = str(load_yaml("menu")["question"]).format(
        product=product, options=" ".join(f"{words[o.action]}." for o in options)
    )
    turns = [Turn("user", question, images=1)]
    crop = np.ascontiguousarray(cut(sample, crop_box(hypothesis.region.box, sample)))
    said, empty = (
        narrator.choose([image], turns, [words[o.action] for o in options], per_token=True)
        for image in (crop, np.full_like(crop, 128))
    )
    odds = [said[words[o.action]] / max(empty[words[o.action]], 1e-9) for o in options]
    menu = tuple(replace(o, p=odd / sum(odds)) for o, odd in zip(options, odds, strict=True))
    best = max(menu, key=lambda o: o.p or 0.0)
    return replace(hypothesis, action=best.action, value=best.value, menu=menu)
