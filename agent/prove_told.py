"""Puts what was told or proposed to the proof: a rule that the references deny is dropped, and said."""

from __future__ import annotations

from collections.abc import Sequence

from agent.claims import say_briefly
from agent.induce import holds
from agent.induce.counts import settled
from agent.rules import AskRule, CountRule, Measured, PresenceRule, Rule, evaluate
from agent.rules.base import count_of

TRUSTED = 0.75
"""A told rule must hold on at least this share of the references, or it cannot be measured, or is not so."""


def kept_told(rules: Sequence[Rule], references: Sequence[Measured]) -> tuple[tuple[Rule, ...], tuple[str, ...]]:
    """The rules that the references bear out, with their support, and a note on each other one.

    Without references all are kept: nothing speaks against them yet.
    """
    if not references:
        return tuple(rules), ()
    kept: list[Rule] = []
    notes: list[str] = []
    for rule in rules:
        if isinstance(rule, AskRule):
            kept.append(rule)
            continue
        obey = sum(_plainly_holds(rule, m) for m in references)
        if obey >= TRUSTED * len(references):
            kept.append(_settled(rule, references).model_copy(update={"support": obey}))
        else:
            notes.append(f"'{say_briefly(rule.claim)}' was not kept as a rule: {_why(rule, references, obey)}.")
    return tuple(kept), tuple(notes)


def _settled(rule: Rule, references: Sequence[Measured]) -> Rule:
    if isinstance(rule, CountRule):
        return settled(rule, references)
    return settled(rule, references) if isinstance(rule, PresenceRule) else rule


def _plainly_holds(rule: Rule, measured: Measured) -> bool:
    return holds(evaluate(rule, measured))


def _why(rule: Rule, references: Sequence[Measured], obey: int) -> str:
    if isinstance(rule, CountRule):
        found = ", ".join(str(count_of(m, rule.part)) for m in references)
        return f"on the references {found} were found"
    return f"{obey} of {len(references)} references obey it"
