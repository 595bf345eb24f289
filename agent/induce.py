"""Learns a product: names its parts, measures them on every reference, and keeps the rules that all obey."""

from __future__ import annotations

import json
from collections.abc import Sequence
from statistics import fmean, pstdev
from typing import TYPE_CHECKING

from agent.confidence import evident_count, threshold_for
from agent.measure import find_parts, trusted
from agent.product import Product
from agent.rules import CountRule, Measured, PartCounts, Rule, evaluate
from agent.spec import PartSpec, ProductSpec, counted_parts, singular
from prompts import questions
from tools.narrate import Turn
from tools.types import Sample

if TYPE_CHECKING:
    from tools.toolbox import Toolbox

FEW = 9
"""Up to so many references, counts that differ among them are taken to differ by more among others."""
WIDEST = 1
"""An induced count whose references differ by more than this says too little to be a rule."""
TRUSTED = 0.75
"""A told count must be found on at least this share of the references, or the detector cannot be trusted with it."""
PART_LIMIT = 12
"""At most so many kinds of parts are taken from the narrator."""


def learn(
    toolbox: Toolbox,
    name: str,
    references: Sequence[Sample],
    *,
    describe: str = "",
    product: str | None = None,
    example: Sample | None = None,
    detection: float = 0.5,
) -> Product:
    """What is known of a product from photos of good ones and a sentence.

    Args:
        toolbox: loaded tools.
        name: what the product is called in files and reports.
        references: photos of good ones; may be empty.
        describe: what good means; counts in it ("two bolts") become rules.
        product: the noun that models are told; `name` in lower case by default.
        example: a photo to read part names from where there is no reference.
        detection: detection score worth one half, for parts that no reference has shown.
    """
    noun = (product or name.replace("_", " ").replace("-", " ")).lower()
    told = counted_parts(describe)
    shown = list(references[:2]) or ([example] if example is not None and not told else [])
    proposed = [label for label in _named_parts(toolbox, shown, noun) if label not in told]
    parts = tuple(PartSpec(label=label, phrase=label, threshold=detection) for label in [*told, *proposed])
    draft = ProductSpec(
        name=name,
        product=noun,
        normal=describe,
        parts=parts,
        references=tuple(r.path for r in references if r.path is not None),
    )
    raw = tuple(find_parts(toolbox, r, draft) for r in references)
    counts = {label: told.get(label) or evident_count(_scores(label, raw)) for label in (*told, *proposed)}
    scaled = draft.model_copy(update={"parts": tuple(_with_threshold(p, counts[p.label], raw) for p in parts)})
    measured = tuple(trusted(m, scaled) for m in raw)
    rules, notes = _rules(told, proposed, measured)
    kept = {rule.part for rule in rules}
    spec = scaled.model_copy(update={"rules": rules, "parts": tuple(p for p in scaled.parts if p.label in kept)})
    return remember(toolbox, spec, references, measured, notes)


def remember(
    toolbox: Toolbox,
    spec: ProductSpec,
    references: Sequence[Sample],
    measured: tuple[Measured, ...] = (),
    notes: tuple[str, ...] = (),
) -> Product:
    """Puts a specification and its references together: patch memory and leave-one-out scores."""
    if not references:
        return Product(spec, notes=notes)
    bank = toolbox.memory.bank(references)
    return Product(
        spec,
        references=tuple(references),
        parts=measured or tuple(trusted(find_parts(toolbox, r, spec), spec) for r in references),
        bank=bank,
        reference_scores=tuple(toolbox.memory.leave_one_out(bank)),
        text_scores=tuple(m.own_score for m in toolbox.scorer.score(toolbox.scorer.encode(references), spec.product)),
        notes=notes,
    )


def _scores(label: str, measured: tuple[Measured, ...]) -> list[list[float]]:
    """Detection scores of one kind of part on each reference."""
    return [[p.region.score for p in m.of(label)] for m in measured]


def _with_threshold(part: PartSpec, count: int | None, raw: tuple[Measured, ...]) -> PartSpec:
    """The part with the score that separates parts from phantoms on the references, where a count says which."""
    if not raw or not count:
        return part
    return part.model_copy(update={"threshold": round(threshold_for(count, _scores(part.label, raw)), 4)})


def _named_parts(toolbox: Toolbox, samples: Sequence[Sample], product: str) -> list[str]:
    """Part names that the narrator gives on the photos, in the order of first mention, singular."""
    question = questions()["list_parts"].format(product=product)
    names: list[str] = []
    for sample in samples:
        answer = toolbox.narrator.answer([sample.image], [Turn("user", question, images=1)], max_new_tokens=64)
        names += [n for n in parsed_names(answer) if n not in names]
    return names[:PART_LIMIT]


def parsed_names(answer: str) -> list[str]:
    """Names in a JSON list that a model wrote; anything else in the answer names nothing.

    >>> parsed_names('["bolts", "Nut", 3]')
    ['bolt', 'nut']
    >>> parsed_names("I see two bolts.")
    []
    """
    start, end = answer.find("["), answer.rfind("]")
    try:
        items = json.loads(answer[start : end + 1]) if 0 <= start < end else []
    except json.JSONDecodeError:
        return []
    names = [singular(" ".join(i.lower().split())) for i in items if isinstance(i, str)]
    return [n for n in dict.fromkeys(names) if 0 < len(n) <= 40]


def _rules(
    told: dict[str, int], proposed: Sequence[str], measured: tuple[Measured, ...]
) -> tuple[tuple[Rule, ...], tuple[str, ...]]:
    """Told counts that the references obey, counts that they all share, and notes on what was left out."""
    rules: list[Rule] = []
    notes: list[str] = []
    for label, count in told.items():
        rule = _proved(CountRule(part=label, low=count, high=count, origin="told"), measured)
        if measured and rule.support < TRUSTED * len(measured):
            found = ", ".join(str(n) for n in _counts(label, measured))
            notes.append(f"'{count} {label}' was not kept as a rule: on the references {found} were found.")
        else:
            rules.append(rule)
    for label in proposed:
        counts = _counts(label, measured)
        if not counts or max(counts) == 0 or max(counts) - min(counts) > WIDEST:
            continue
        low, high = usual_range(counts)
        rules.append(_proved(CountRule(part=label, low=low, high=high, origin="induced"), measured))
    return tuple(rules), tuple(notes)


def usual_range(counts: Sequence[int]) -> tuple[int, int]:
    """The counts that good parts may have, given those of a few.

    Where n of them already differ, the next one lies beyond them with a probability of about 2 / (n + 1); the range of
    a few is therefore one wider on both sides.

    >>> usual_range([2, 2, 2]), usual_range([1, 2, 1, 2]), usual_range([1, 2] * 6)
    ((2, 2), (0, 3), (1, 2))
    """
    low, high = min(counts), max(counts)
    return (low, high) if low == high or len(counts) > FEW else (max(0, low - 1), high + 1)


def _counts(label: str, measured: tuple[Measured, ...]) -> list[int]:
    """The most likely count of a part on each reference."""
    return [PartCounts.from_scores([p.region.score for p in m.of(label)]).most_likely for m in measured]


def _proved(rule: CountRule, measured: tuple[Measured, ...]) -> CountRule:
    """The rule with its support and the log-odds that measuring it costs on good parts."""
    if not measured:
        return rule
    outcomes = [evaluate(rule, m) for m in measured]
    return rule.model_copy(
        update={
            "support": sum(o.claim.key == "count_as_expected" for o in outcomes),
            "baseline": round(fmean(o.log_odds for o in outcomes), 4),
            "spread": round(pstdev(o.log_odds for o in outcomes), 4),
        }
    )
