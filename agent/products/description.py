"""Reads what a person says about good products: sentences become parts and rules, the rest is listed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from agent.rules import (
    ColourRule,
    CountRule,
    EachRule,
    MatchRule,
    PositionRule,
    RanksRule,
    RelationRule,
    Rule,
    SameRule,
    Zone,
)
from prompts import load_yaml

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_NUMBER = r"(?:\d{1,3}|" + "|".join(_NUMBERS) + r")\b"
_WORD = rf"(?!{_NUMBER})[a-z-]+"
_AFTER = (
    r"(?=\s*(?:[,;.:]|$)|\s+(?:and|or|in|on|at|with|of|for|side|each|above|below|beside|between|near|from|whose|that|"
    r"lies?|is|are|has|have|sits?|stands?|holds?|shows?|joins?|connects?|touch\w*)\b)"
)
_COUNTED = re.compile(rf"(?<!for )(?<!than )\b({_NUMBER})\s+((?:{_WORD}\s+){{0,2}}?{_WORD}){_AFTER}", re.IGNORECASE)
_FILLER = (
    r"\b(?:please|kindly|thanks?|always|exactly|precisely|only|just|whole|complete|entire|intact|clean|undamaged|unbroken|"
    r"perfect|good|proper|nice|normal|fresh|sound|flawless|faultless)\b(?!-)"
)
_FILLERS = re.compile(rf"{_FILLER}(?:\s*,(?=\s*{_FILLER}))?", re.IGNORECASE)
"""Words of politeness and quality; they are no part of what a part is called."""
_IRREGULAR = {"batteries": "battery", "knives": "knife", "leaves": "leaf", "cherries": "cherry", "berries": "berry"}
_LAYOUT = ("compartment", "row", "column", "side", "half", "cell", "pocket", "corner", "edge", "place", "way", "of")
"""Nouns that say where things are; they are counted in words and are no parts."""
_LENGTHS = ("long", "longer", "short", "shorter")
_SIDES = {"left": "left", "right": "right", "upper": "top", "top": "top", "lower": "bottom", "bottom": "bottom"}
PLACES = ("left", "right", *(f"{row}{column}" for row in ("upper", "lower") for column in ("", " left", " right")))
"""The halves and quarters of a product in words."""
_PLACED = re.compile(
    r"\b(?:in|on|at|near)\s+(?:the|its)\s+((?:upper|lower|top|bottom)?\s?(?:left|right)?)\s*"
    r"(?:side|half|edge|row|corner|compartment|part|third)?\b"
)
_HOLDER = re.compile(
    r"(?:the|its)\s+((?:upper|lower|top|bottom)?\s?(?:left|right)?)\s*(?:one|side|half|compartment|row|part)\s+"
    rf"(?:holds?|has|contains?|(?={_NUMBER}))",
    re.IGNORECASE,
)
_CLAUSE = re.compile(
    r"[;.]\s*|,\s+(?=the\b|all\b(?!\s+of)|both\b|each\b|every\b)|\s+(?:and|while)\s+(?=the\b|all\b|both\b)"
)
_SUBJECT = r"(?:the|all|both|every|each|its)\s+(?:one\s+|parts?\s+)?([a-z-]+(?:\s[a-z-]+)?)"
_BESIDE = re.compile(
    rf"{_SUBJECT}\s+(?:is|are|lies|lie|sits|sit)?\s*(left of|right of|above|below)\s+(?:the\s+)?([a-z-]+)",
    re.IGNORECASE,
)
_JOINS = re.compile(
    rf"(?:{_SUBJECT}|(?:{_NUMBER})\s+([a-z-]+))\s+(?:joins?|connects?|touch(?:es)?)\s+(?:the\s+)?(both|{_NUMBER})?\s*"
    r"([a-z-]+)",
    re.IGNORECASE,
)
_ALIKE = re.compile(r"\b(?:the same|one|equal)\s+(colour|color|metal|length|size)\b|\bequally (long)\b", re.IGNORECASE)
_COLOUR_OF = re.compile(
    r"the\s+([a-z-]+)(?:\s+on the\s+[a-z-]+)?\s+(?:has|have|is of|shows)\s+the colou?r of the\s+([a-z-]+)",
    re.IGNORECASE,
)


_DENIED = re.compile(r"\b(?:without|no|free (?:of|from))\s+(.+)$", re.IGNORECASE)
"""What follows says what is not there."""
_BETWEEN = frozenset({"a", "an", "any", "visible", "other", "or", "and", "nor", "surface", "defect", "damage"})


@dataclass(frozen=True)
class Description:
    """What a description says."""

    parts: tuple[str, ...] = ()
    """Labels of all parts that it names, in the order of first mention."""
    rules: tuple[Rule, ...] = ()
    left: tuple[str, ...] = ()
    """Clauses that became no rule."""


@dataclass
class _Draft:
    counts: dict[str, int] = field(default_factory=dict)
    lengths: dict[str, dict[str, int]] = field(default_factory=dict)
    rules: dict[str, Rule] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)

    @property
    def labels(self) -> list[str]:
        return list(self.counts)

    def add(self, *rules: Rule) -> bool:
        for rule in rules:
            self.rules.setdefault(rule.name, rule)
        return bool(rules)


def read_words(text: str) -> Description:
    """Parts and rules that a description states; whatever it says beyond them is listed.

    Counts, colours, places, lengths, sides, contacts, colours that are shared and colours that go with a number are
    understood, in plain English; nothing is known of any product.

    >>> told = read_words("Two short bolts, one long bolt, three red nuts; it looks nice.")
    >>> [rule.name for rule in told.rules], told.left
    (['count of bolt', 'lengths of bolt', 'count of red nut', 'colour of red nut'], ('it looks nice',))
    """
    draft = _Draft()
    clauses = [" ".join(c.split()).strip(" ,") for c in _CLAUSE.split(" ".join(text.split()))]
    clauses = [plain for c in clauses if (plain := _plain(_without_denials(c)))]
    counted = [_count(draft, clause) for clause in clauses]
    _merge_lengths(draft)
    for clause, found in zip(clauses, counted, strict=True):
        understood = [draft.add(*rules) for rules in _readings(draft, clause)]
        if not found and not any(understood):
            draft.left.append(clause)
        else:
            draft.left += [part for part in clause.split(", ") if not _says(draft, part)]
    mentioned = [label for rule in draft.rules.values() for label in rule.named]
    parts = tuple(dict.fromkeys([*draft.labels, *mentioned]))
    return Description(parts, tuple(_in_order(draft)), tuple(draft.left))


def _plain(clause: str) -> str:
    """The clause as a plain statement: "should be" is "is"."""
    clause = re.sub(r"\b(?:should|must|shall|has to|have to|needs to)\s+be\b", "is", clause, flags=re.IGNORECASE)
    return re.sub(r"\b(?:should|must|shall|has to|have to|needs to)\s+(?=[a-z])", "", clause, flags=re.IGNORECASE)


def _without_denials(clause: str) -> str:
    """A clause without its words that there is no damage, for which surfaces are checked anyway.

    What is left is empty where it only names the product.

    >>> _without_denials("an even board without scratches, holes or stains"), _without_denials("two bolts, no dents")
    ('', 'two bolts')
    >>> _without_denials("a bottle without a cap")
    'a bottle without a cap'
    """
    denied = _DENIED.search(clause)
    words = () if denied is None else re.findall(r"[a-z]+", denied[1].lower())
    kinds = {singular(word) for word in words} - _BETWEEN
    if denied is None or not words or not kinds <= load_yaml("damage").keys():
        return clause
    rest = clause[: denied.start()].strip(" ,")
    return rest if re.search(rf"\b{_NUMBER}", rest, re.IGNORECASE) else ""


def _says(draft: _Draft, part: str) -> bool:
    """Whether a part of an understood clause says something by itself, or nothing that could be a rule."""
    if len(part.split()) < 4 or re.search(rf"\b{_NUMBER}", part, re.IGNORECASE):
        return True
    return any(_readings(draft, part))


def _in_order(draft: _Draft) -> Iterator[Rule]:
    """Counts first, each followed by what else is said of that part."""
    rest = dict(draft.rules)
    for label, count in draft.counts.items():
        yield CountRule(part=label, low=count, high=count)
        for name in [n for n, r in rest.items() if r.part == label]:
            yield rest.pop(name)
    yield from rest.values()


def _count(draft: _Draft, clause: str) -> bool:
    """Takes the counts of a clause into the draft."""
    found = {k: n for k, n in counted_parts(clause).items() if k.split()[-1] not in _LAYOUT}
    holder = re.match(r"(?:each|every)\s+([a-z-]+)\s+(?:holds?|has|contains?|carries)\b", clause, re.IGNORECASE)
    if holder is not None or re.match(r"(?:each|every)\b", clause, re.IGNORECASE):
        return _each(draft, holder[1].lower() if holder is not None else "side", found)
    for label, count in found.items():
        first, _, noun = label.partition(" ")
        if first in _LENGTHS and noun:
            of = draft.lengths.setdefault(noun, {})
            of["long" if first.startswith("long") else "short"] = count
            draft.counts.setdefault(noun, 0)
        else:
            draft.counts.setdefault(label, count)
            colour = colour_in(first)
            if colour is not None and noun:
                draft.add(ColourRule(part=label, colour=colour))
    return bool(found)


def _each(draft: _Draft, holder: str, found: dict[str, int]) -> bool:
    """ "Each plate holds two screws"; where the holder is no part, nothing is counted."""
    if holder in _LAYOUT:
        return False
    return draft.add(*(EachRule(part=holder, other=label, low=n, high=n) for label, n in found.items()))


def _merge_lengths(draft: _Draft) -> None:
    """Long and short ones of a kind are one kind with lengths."""
    for noun, of in draft.lengths.items():
        draft.counts[noun] = sum(of.values())
        groups = tuple(of[k] for k in ("long", "short") if of.get(k))
        if len(groups) > 1 or groups[0] > 1:
            draft.add(RanksRule(part=noun, groups=groups))


def _readings(draft: _Draft, clause: str) -> Iterator[tuple[Rule, ...]]:
    yield tuple(_mapping(draft, clause))
    yield tuple(_places(draft, clause))
    yield tuple(_colours(draft, clause))
    yield tuple(_alike(draft, clause))
    yield tuple(_beside(clause))
    yield tuple(_joins(clause))


def _mapping(draft: _Draft, clause: str) -> Iterator[Rule]:
    """ "The cable is yellow for three terminals, blue for four and red for five"."""
    subject = re.match(_SUBJECT.replace("(?:\\s[a-z-]+)?", "") + r"\s+(?:is|are)\s", clause, re.IGNORECASE)
    pairs = re.findall(rf"\b([a-z]+)\s+(?:for|with|at)\s+({_NUMBER})(?:\s+([a-z-]+))?", clause, re.IGNORECASE)
    mapping = {str(number(n)): colour for word, n, _ in pairs if (colour := colour_in(word)) is not None}
    other = next((singular(noun.lower()) for _, _, noun in pairs if noun and noun not in ("and", "or")), None)
    if subject is not None and other is not None and len(mapping) > 1:
        yield MatchRule(part=singular(subject[1].lower()), other=other, by="count", mapping=mapping)


def _places(draft: _Draft, clause: str) -> Iterator[Rule]:
    """ "The bolts lie on the left side", "the upper right one holds three nuts"."""
    holder = _HOLDER.match(clause)
    if holder is not None and (zone := zone_in(holder[1])) is not None:
        yield from (PositionRule(part=label, zone=zone) for label in _known(draft, clause))
        return
    for place in _PLACED.finditer(clause.lower()):
        if (zone := zone_in(place[1])) is not None:
            words = re.split(r"\b(?:whose|with|its|so that)\b", clause.lower()[: place.start()])
            before = _known(draft, words[0]) if len(words) == 1 else []
            subject = re.match(
                rf"the\s+([a-z-]+)\s+(?:is|are|lies?|sits?|stands?)?\s*{re.escape(place[0])}", clause.lower()
            )
            if not before and subject is not None and subject[1] not in _LAYOUT:
                before = [singular(subject[1])]
            yield from (PositionRule(part=label, zone=zone) for label in before[-1:])


def _colours(draft: _Draft, clause: str) -> Iterator[Rule]:
    """ "All pins are yellow"."""
    found = re.search(_SUBJECT + r"\s+(?:is|are)\s+(?:all\s+)?([a-z]+)$", clause, re.IGNORECASE)
    if found is not None and (colour := colour_in(found[2])) is not None:
        for label in _known(draft, found[1]) or [singular(found[1].lower().split()[-1])]:
            yield ColourRule(part=label, colour=colour)


def _alike(draft: _Draft, clause: str) -> Iterator[Rule]:
    """ "All of the same metal", "both bolts are equally long", "the fruit has the colour of the juice"."""
    of = _COLOUR_OF.search(clause)
    if of is not None:
        yield SameRule(part=singular(of[1].lower()), others=(singular(of[2].lower()),))
        return
    found = _ALIKE.search(clause)
    if found is None:
        return
    labels = _known(draft, clause) or (draft.labels if "all" in clause.lower() else [])
    if (found[1] or found[2]).lower() in ("length", "size", "long"):
        groups = ((label, draft.counts.get(label, 0)) for label in labels)
        yield from (RanksRule(part=label, groups=(count,)) for label, count in groups if count > 1)
    elif labels:
        yield SameRule(part=labels[0], others=tuple(labels[1:]))


def _beside(clause: str) -> Iterator[Rule]:
    """ "The rice is above the salad"."""
    for subject, side, other in _BESIDE.findall(clause):
        part = singular(subject.lower().split()[0])
        if part != singular(other.lower()):
            yield RelationRule(part=part, relation=side.lower(), other=singular(other.lower()))


def _joins(clause: str) -> Iterator[Rule]:
    """ "One cable joins both connectors"."""
    for named, counted, many, other in _JOINS.findall(clause):
        part, to = singular((named or counted).lower().split()[0]), singular(other.lower())
        count = 2 if many.lower() == "both" else number(many) if many else 1
        if part != to and to not in ("same", "other", "each", "others"):
            yield RelationRule(part=part, relation="touching", other=to, low=count, high=count)


def _known(draft: _Draft, text: str) -> list[str]:
    """Labels that a text mentions, in the order of their places in it."""
    words = [singular(w) for w in re.findall(r"[a-z-]+", text.lower())]
    joined = " " + " ".join(words) + " "
    places = {label: joined.find(f" {label.split()[-1]} ") for label in draft.labels}
    return sorted((label for label, at in places.items() if at >= 0), key=lambda label: places[label])


def zone_in(words: str) -> Zone | None:
    """The half or quarter of the product that words name, such as one of `PLACES`; None where they name none."""
    sides = {_SIDES[w] for w in words.lower().split() if w in _SIDES}
    if not sides:
        return None
    return Zone(
        right=0.0 if "left" in sides else None,
        left=0.0 if "right" in sides else None,
        bottom=0.0 if "top" in sides else None,
        top=0.0 if "bottom" in sides else None,
    )


def colour_in(word: str) -> str | None:
    """The basic colour that a word names, as in `tools.parts.measurement.COLOURS`; None for another word."""
    from tools.parts.measurement import COLOURS

    name = {"gray": "grey", "violet": "purple"}.get(word.lower(), word.lower())
    return name if name in COLOURS else None


def counted_parts(sentence: str) -> dict[str, int]:
    """Counts that a sentence states, by singular noun phrase.

    Only numbers count: "a box with two lids" says two lids, and nothing of how many boxes.

    >>> counted_parts("A box with two bolts, three red nuts and one washer.")
    {'bolt': 2, 'red nut': 3, 'washer': 1}
    >>> counted_parts("One whole hazelnut please.")
    {'hazelnut': 1}
    """
    found: dict[str, int] = {}
    for count, phrase in _COUNTED.findall(_FILLERS.sub(" ", sentence)):
        *adjectives, noun = phrase.lower().split()
        found[" ".join([*adjectives, singular(noun)])] = number(count)
    return found


def number(word: str) -> int:
    """A number in digits or in words up to twelve.

    >>> number("three"), number("12")
    (3, 12)
    """
    return int(word) if word.isdigit() else _NUMBERS.index(word.lower())


def singular(noun: str) -> str:
    """The singular of a regular English noun, and of the irregular ones that parts lists use.

    >>> singular("switches"), singular("glass"), singular("tomatoes")
    ('switch', 'glass', 'tomato')
    """
    if noun in _IRREGULAR:
        return _IRREGULAR[noun]
    if noun.endswith(("ches", "shes", "xes", "sses", "toes")):
        return noun[:-2]
    if noun.endswith("s") and not noun.endswith(("ss", "us", "is")):
        return noun[:-1]
    return noun
