"""Asks the narrator which rules good products obey; what it answers is proved by whoever asked, never believed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from pydantic import ValidationError

from agent.learning.asked import asked, listed
from agent.learning.proposal import READ, Words, known_words, rules_schema
from agent.rules import CountRule, MatchRule, Rule, contradiction
from prompts import questions
from tools.types import RGB

if TYPE_CHECKING:
    from tools.narrate import Narrator

SHOWN = 2
"""So many references are shown at most; a rule is proved on all of them."""
TOKENS = 768
"""An answer is cut after so many tokens."""
QUOTED = 3
"""So many faults are told at a time."""
LONGEST = 300
"""A fault is told in so many characters at most."""


def proposed_rules(
    narrator: Narrator, images: Sequence[RGB], product: str, names: Mapping[str, str], said: str = ""
) -> tuple[tuple[Rule, ...], tuple[str, ...]]:
    """Rules that the narrator gives for good products, none of them proved, and what was wrong with others.

    Args:
        narrator: is asked about all photos at once.
        images: photos of good ones, one or more; the first few are shown.
        product: what it is called.
        names: by what people call a part: its label.
        said: what a person says of good ones.
    """
    words, shown = questions(), images[:SHOWN]
    told = words["good_is"].format(said=said) if said else ""
    question = words["propose_rules"].format(product=product, told=told, form=_form(names))
    rules, fault = asked(
        narrator, shown, question, rules_schema(list(names)), lambda answer: read_rules(answer, names), tokens=TOKENS
    )
    return rules, (f"proposed, not kept: {fault}.",) if fault else ()


def rules_of_clause(narrator: Narrator, clause: str, product: str, names: Mapping[str, str]) -> tuple[Rule, ...]:
    """Rules by which the narrator says what a person has said; none where it finds no way to say it."""
    question = questions()["rules_of_clause"].format(product=product, clause=clause, form=_form(names))
    schema = rules_schema(list(names))
    return asked(narrator, [], question, schema, lambda answer: read_rules(answer, names), tokens=TOKENS)[0]


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
