"""Validates rules that a person stated or a model proposed on the references; what they deny is dropped and noted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from agent.evidence.claims import renamed, say_briefly
from agent.rules import ANY, AskRule, CountRule, MeasuredParts, PresenceRule, Rule, contradiction, obeys
from agent.rules.base import count_of
from agent.rules.induction import Measuring, proved
from agent.rules.induction.counts import settled
from prompts import questions
from tools.types import Sample
from tools.vlm import Turn

if TYPE_CHECKING:
    from tools.toolbox import Toolbox

TRUSTED = 0.75
"""A told rule must hold on at least this share of the references, or it cannot be measured, or is not so."""


def kept_told(
    rules: Sequence[Rule], references: Sequence[MeasuredParts]
) -> tuple[tuple[Rule, ...], tuple[Rule, ...], tuple[str, ...]]:
    """The rules that the references bear out, with their support, the other ones, and a note on each of those.

    Without references all are kept: nothing speaks against them yet.
    """
    if not references:
        return tuple(rules), (), ()
    kept: list[Rule] = []
    denied: list[Rule] = []
    notes: list[str] = []
    for rule in rules:
        if isinstance(rule, AskRule):
            kept.append(rule)
            continue
        obey = _obeying(rule, references)
        if obey >= TRUSTED * len(references):
            kept.append(settled_on(rule, references).model_copy(update={"support": obey}))
        else:
            denied.append(rule)
            notes.append(f"'{say_briefly(rule.claim)}' was not kept as a rule: {why_not(rule, references)}.")
    return tuple(kept), tuple(denied), tuple(notes)


def settled_on(rule: Rule, references: Sequence[MeasuredParts]) -> Rule:
    """The rule with what measuring it costs on good parts, where its kind knows that."""
    if isinstance(rule, CountRule):
        return settled(rule, references)
    return settled(rule, references) if isinstance(rule, PresenceRule) else rule


def why_not(rule: Rule, references: Sequence[MeasuredParts]) -> str:
    """What speaks against a rule, in a clause."""
    if isinstance(rule, CountRule):
        found = ", ".join(str(count_of(m, rule.part)) for m in references)
        return f"on the references {found} were found"
    return f"{_obeying(rule, references)} of {len(references)} references obey it"


def _obeying(rule: Rule, references: Sequence[MeasuredParts]) -> int:
    return sum(obeys(m, rule) for m in references)


EVEN = 0.5
"""An answer of a higher probability is the language model's answer."""


def kept_proposed(
    proposed: Sequence[Rule],
    references: Sequence[MeasuredParts],
    measuring: Measuring | None,
    *,
    told: Sequence[Rule],
    induced: Sequence[Rule],
    called: Mapping[str, str] | None = None,
) -> tuple[tuple[Rule, ...], tuple[str, ...]]:
    """The proposed rules that the references bear out, with support and doubt, and a note on each other one.

    What was also induced has the measured numbers, places and tolerances in place of the language model's words.

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


def _fault(
    rule: Rule, references: Sequence[MeasuredParts], labels: set[str], measuring: Measuring | None
) -> str | None:
    """Why the references do not bear a rule out; None where they do."""
    if isinstance(rule, AskRule):
        return None
    if not labels.issuperset(rule.named):
        return "no photo shows where that is"
    if not proved([rule], references, measuring or Measuring()):
        return why_not(rule, references)
    return None


def _proved(rule: Rule, references: Sequence[MeasuredParts], measuring: Measuring | None) -> Rule:
    if isinstance(rule, AskRule):
        return rule
    return settled_on(proved([rule], references, measuring or Measuring())[0], references)


def answered(
    toolbox: Toolbox, rules: Sequence[Rule], references: Sequence[Sample]
) -> tuple[tuple[Rule, ...], tuple[str, ...]]:
    """The rules without the proposed questions that good ones are answered wrongly to, and a note on each of those.

    A question is put to the language model about every reference, as it will be about photos.
    """
    kept: list[Rule] = []
    notes: list[str] = []
    for rule in rules:
        if not isinstance(rule, AskRule) or rule.origin != "proposed" or not references:
            kept.append(rule)
            continue
        turns = [Turn("user", questions()["ask"].format(question=rule.question), images=1)]
        yes = [toolbox.vlm.yes_no([sample.image], turns) for sample in references]
        right = sum((p > EVEN) == (rule.expected == "yes") for p in yes)
        if right >= TRUSTED * len(references):
            kept.append(rule.model_copy(update={"support": right}))
        else:
            notes.append(not_kept(rule, f"{right} of {len(references)} references obey it"))
    return tuple(kept), tuple(notes)
