"""Puts what the narrator proposed to the proof: what the references do not bear out is dropped, and said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from agent.claims import renamed, say_briefly
from agent.induce import Measuring, proved
from agent.learning.prove_told import TRUSTED, settled_on, why_not
from agent.rules import ANY, AskRule, Measured, Rule, contradiction
from prompts import questions
from tools.narrate import Turn
from tools.types import Sample

if TYPE_CHECKING:
    from tools.toolbox import Toolbox

EVEN = 0.5
"""An answer of a higher probability is the narrator's answer."""


def kept_proposed(
    proposed: Sequence[Rule],
    references: Sequence[Measured],
    measuring: Measuring | None,
    *,
    told: Sequence[Rule],
    induced: Sequence[Rule],
    called: Mapping[str, str] | None = None,
) -> tuple[tuple[Rule, ...], tuple[str, ...]]:
    """The proposed rules that the references bear out, with support and doubt, and a note on each other one.

    What was also induced has the measured numbers, places and tolerances in place of the narrator's words.

    Args:
        proposed: rules, proved or not; questions only those that `answered` has kept.
        references: parts of good products.
        measuring: how well things can be measured.
        told: rules that a person gave; they win.
        induced: rules that the references obey by themselves.
        called: what people call parts that have another label, for the notes.
    """
    labels = {ANY, *(label for m in references for label in m.labels)}
    said, measured = {rule.name for rule in told}, {rule.name: rule for rule in induced}
    kept: dict[str, Rule] = {}
    notes: list[str] = []
    for rule in proposed:
        if rule.name in said or rule.name in kept:
            continue
        fault = _fault(rule, references, labels, measuring)
        if fault is None and rule.name in measured:
            kept[rule.name] = measured[rule.name].model_copy(update={"origin": "proposed"})
            continue
        others = [r for r in (*told, *induced, *kept.values()) if r.name != rule.name]
        if fault is None:
            fault = contradiction([*{r.name: r for r in others}.values(), rule])
        if fault is None:
            kept[rule.name] = _proved(rule, references, measuring)
        else:
            notes.append(not_kept(rule, fault, called))
    return tuple(kept.values()), tuple(notes)


def not_kept(rule: Rule, why: str, called: Mapping[str, str] | None = None) -> str:
    """The note on a proposal that became no rule."""
    return f"'{say_briefly(renamed(rule.claim, called or {}))}' was proposed and not kept as a rule: {why}."


def _fault(rule: Rule, references: Sequence[Measured], labels: set[str], measuring: Measuring | None) -> str | None:
    """Why the references do not bear a rule out; None where they do."""
    if isinstance(rule, AskRule):
        return None
    if not labels.issuperset(rule.named):
        return "no photo shows where that is"
    if not proved([rule], references, measuring or Measuring()):
        return why_not(rule, references)
    return None


def _proved(rule: Rule, references: Sequence[Measured], measuring: Measuring | None) -> Rule:
    if isinstance(rule, AskRule):
        return rule
    return settled_on(proved([rule], references, measuring or Measuring())[0], references)


def answered(
    toolbox: Toolbox, rules: Sequence[Rule], references: Sequence[Sample]
) -> tuple[tuple[Rule, ...], tuple[str, ...]]:
    """The rules without the proposed questions that good ones are answered wrongly to, and a note on each of those.

    A question is put to the narrator about every reference, as it will be about photos.
    """
    kept: list[Rule] = []
    notes: list[str] = []
    for rule in rules:
        if not isinstance(rule, AskRule) or rule.origin != "proposed" or not references:
            kept.append(rule)
            continue
        turns = [Turn("user", questions()["ask"].format(question=rule.question), images=1)]
        yes = [toolbox.narrator.yes_no([sample.image], turns) for sample in references]
        right = sum((p > EVEN) == (rule.expected == "yes") for p in yes)
        if right >= TRUSTED * len(references):
            kept.append(rule.model_copy(update={"support": right}))
        else:
            notes.append(not_kept(rule, f"{right} of {len(references)} references obey it"))
    return tuple(kept), tuple(notes)
