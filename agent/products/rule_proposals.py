"""Asks the vision-language model for rules: from the references, and for sentences that no pattern reads."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from agent.evidence.claims import say_briefly
from agent.products.description import singular
from agent.products.proposals import asked, listed
from agent.products.rule_schema import READ, Words, known_words, rules_schema
from agent.products.spec import ProductSpec
from agent.products.validation import answered, not_kept
from agent.rules import AskRule, CountRule, MatchRule, Rule, contradiction
from prompts import questions
from tools.types import RGB, Sample

if TYPE_CHECKING:
    from tools.toolbox import Toolbox
    from tools.vlm import LocalVLM

SHOWN = 2
"""So many references are shown at most; a rule is proved on all of them."""
TOKENS = 768
"""An answer is cut after so many tokens."""
QUOTED = 3
"""So many faults are told at a time."""
LONGEST = 300
"""A fault is told in so many characters at most."""


def proposed_rules(
    vlm: LocalVLM, images: Sequence[RGB], product: str, names: Mapping[str, str], said: str = ""
) -> tuple[tuple[Rule, ...], tuple[str, ...]]:
    """Rules that the language model gives for good products, none of them proved, and what was wrong with others.

    Args:
        vlm: is asked about all photos at once.
        images: photos of good ones, one or more; the first few are shown.
        product: what it is called.
        names: by what people call a part: its label.
        said: what a person says of good ones.
    """
    words, shown = questions(), images[:SHOWN]
    told = words["good_is"].format(said=said) if said else ""
    question = words["propose_rules"].format(product=product, told=told, form=_form(names))
    rules, fault = asked(
        vlm, shown, question, rules_schema(list(names)), lambda answer: read_rules(answer, names), tokens=TOKENS
    )
    return rules, (f"proposed, not kept: {fault}.",) if fault else ()


def rules_of_clause(vlm: LocalVLM, clause: str, product: str, names: Mapping[str, str]) -> tuple[Rule, ...]:
    """Rules by which the language model says what a person has said; none where it finds no way to say it."""
    question = questions()["rules_of_clause"].format(product=product, clause=clause, form=_form(names))
    schema = rules_schema(list(names))
    return asked(vlm, [], question, schema, lambda answer: read_rules(answer, names), tokens=TOKENS)[0]


def _form(names: Mapping[str, str]) -> str:
    """How an answer is written, in words: what the schema says, for models that see no schema."""
    words = questions()
    known = {key: ", ".join(some) for key, some in known_words(list(names)).items()}
    return (words["rules_form"] if names else words["rules_form_ask"]).format(**known)


def read_rules(answer: str, names: Mapping[str, str]) -> tuple[tuple[Rule, ...], str | None]:
    """(rules in the JSON of an answer, what is wrong with others or None); they agree with each other.

    >>> good = '{"kind": "count", "part": "cap", "low": 1, "high": 1}'
    >>> bad = '{"kind": "count", "part": "bolt", "low": 3, "high": 2}'
    >>> rules, fault = read_rules(f'{{"rules": [{good}, {bad}]}}', {"cap": "part A", "bolt": "bolt"})
    >>> [rule.name for rule in rules], fault
    (['count of part A'], 'rule 2: high (2) is below low (3); give a range such as low: 2, high: 3')
    """
    items, fault = listed(answer, "rules")
    if fault is not None:
        return (), fault
    words, kept, faults = known_words(list(names)), dict[str, Rule](), []
    for number, item in enumerate(items, start=1):
        try:
            rule = _labelled(_read(item, words), names)
        except ValueError as error:
            faults.append(f"rule {number}: {error}")
            continue
        found = contradiction([*(r for n, r in kept.items() if n != rule.name), rule])
        if found is None:
            kept.setdefault(rule.name, rule)
        else:
            faults.append(f"rule {number}: {found}")
    for name, told in _holes(list(kept.values())):
        del kept[name]
        faults.append(told)
    return tuple(kept.values()), "; ".join(faults[:QUOTED]) or None


def _read(item: object, words: Words) -> Rule:
    """One rule of an answer.

    Raises:
        ValueError: it is none; the message says why, in a clause.
    """
    try:
        return READ.validate_python(item, context=words).rule()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(at) for at in first["loc"][1:])
        told = f"{field}: {first['msg']}".removeprefix(": ").replace("Value error, ", "")
        raise ValueError(told[:LONGEST]) from error


def _labelled(rule: Rule, names: Mapping[str, str]) -> Rule:
    """The rule with the product's own labels in place of what people call its parts."""
    fields = [name for name in ("part", "other") if hasattr(rule, name)]
    return rule.model_copy(update={name: names.get(getattr(rule, name), getattr(rule, name)) for name in fields})


def _holes(rules: Sequence[Rule]) -> Iterator[tuple[str, str]]:
    """Names of mappings that say nothing for a number which a count of the same answer allows, and what they lack."""
    counts = {rule.part: rule for rule in rules if isinstance(rule, CountRule)}
    for rule in rules:
        if isinstance(rule, MatchRule) and rule.by == "count" and rule.other in counts:
            count = counts[rule.other]
            lacking = [str(n) for n in range(count.low, count.high + 1) if str(n) not in rule.mapping]
            if lacking:
                yield (
                    rule.name,
                    f"'{rule.name}' has no colour for {', '.join(lacking)}, but '{count.name}' allows {count.expected}",
                )


MOST = 4
"""So many clauses are put to the language model at most."""
_DENIES = frozenset(("no", "not", "never", "without", "nor", "none", "neither", "nothing", "cannot", "isn't", "aren't"))
_EMPTY = frozenset(
    (
        "a",
        "an",
        "the",
        "this",
        "that",
        "these",
        "those",
        "it",
        "its",
        "is",
        "are",
        "was",
        "were",
        "be",
        "been",
        "do",
        "does",
        "has",
        "have",
        "there",
        "any",
        "some",
        "and",
        "or",
    )
)
"""Words that a statement and its question need not share."""


@dataclass(frozen=True)
class FromClauses:
    """What became of the clauses that no pattern reads."""

    faithful: Mapping[str, Rule]
    """By clause: the question that asks for it."""
    others: tuple[Rule, ...] = ()
    """Rules that say something else, or say it of a part that may not be meant."""


def from_clauses(vlm: LocalVLM, clauses: Sequence[str], product: str, names: Mapping[str, str]) -> FromClauses:
    """The language model's rules for each clause, told apart by whether they ask for nothing but what the person says.

    Args:
        vlm: is shown the words alone.
        clauses: what a person said of good ones; the first few are asked about.
        product: what it is called.
        names: by what people call a part: its label.
    """
    faithful: dict[str, Rule] = {}
    others: list[Rule] = []
    for clause in clauses[:MOST]:
        for rule in rules_of_clause(vlm, clause, product, names):
            if clause not in faithful and asks_for(rule, clause):
                faithful[clause] = rule
            else:
                others.append(rule)
    return FromClauses(faithful, tuple(others))


def asks_for(rule: Rule, clause: str) -> bool:
    """Whether a rule is a question in the words of a clause, and expects yes to what the clause says yes to.

    >>> asks_for(AskRule(question="Does the ribbon look festive?"), "the ribbon looks festive")
    True
    >>> asks_for(AskRule(question="Does the label show scratches?"), "the label shows no scratches")
    False
    >>> asks_for(AskRule(question="Is the ribbon red?"), "the ribbon looks festive")
    False
    """
    if not isinstance(rule, AskRule):
        return False
    asked, there = _words(rule.question), _words(clause)
    same = asked - _DENIES == there - _DENIES != set()
    return same and (rule.expected == "no") == (bool(asked & _DENIES) != bool(there & _DENIES))


def _words(text: str) -> set[str]:
    """Words of substance in the singular, and those that deny."""
    found = re.findall(r"\d+|[a-z][a-z'-]*", text.lower())
    return (
        {word if word in _DENIES else singular(word) for word in found} - {singular(word) for word in _EMPTY} - _EMPTY
    )


@dataclass(frozen=True)
class Ideas:
    """Rules that are to be proved, and what became of the rest."""

    rules: tuple[Rule, ...] = ()
    read: tuple[str, ...] = ()
    """Clauses of the person's sentence that a question of these asks for."""
    notes: tuple[str, ...] = ()


def ideas_on(toolbox: Toolbox, spec: ProductSpec, references: Sequence[Sample], left: Sequence[str]) -> Ideas:
    """Rules that the language model gives for a product; its questions have been put to every reference.

    Without references only what asks for the person's own words is among them: nothing could bear out the rest.

    Args:
        toolbox: its language model is asked, where its profile says that it can.
        spec: names the product, its parts, and what a person said of it.
        references: photos of good ones; may be empty.
        left: clauses of what the person said that no pattern reads.
    """
    if toolbox.proposes != "rules" or not (references or left):
        return Ideas()
    vlm = toolbox.vlm
    names = {p.called or p.label: p.label for p in spec.parts if p.phrase is not None or p.called is not None}
    clauses = from_clauses(vlm, left, spec.product, names)
    if not references:
        unproved = (not_kept(r, "no photo of a good one bears it out", spec.called) for r in clauses.others)
        return Ideas(
            tuple(clauses.faithful.values()), tuple(clauses.faithful), (*_as_asked(clauses.faithful), *unproved)
        )
    images = [reference.image for reference in references]
    seen, faults = proposed_rules(vlm, images, spec.product, names, spec.normal)
    rules, denied = answered(toolbox, (*clauses.faithful.values(), *seen, *clauses.others), references)
    kept = {rule.name for rule in rules}
    read = {clause: rule for clause, rule in clauses.faithful.items() if rule.name in kept}
    return Ideas(rules, tuple(read), (*_as_asked(read), *faults, *denied))


def _as_asked(read: Mapping[str, Rule]) -> tuple[str, ...]:
    return tuple(f"'{clause}' is put to the language model: {say_briefly(rule.claim)}" for clause, rule in read.items())
