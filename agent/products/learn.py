"""Learns a product: names or discovers its parts, measures them on every reference, keeps the rules that all obey."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from agent.calibration.maps import Calibration
from agent.matchers.base import NEGLIGIBLE, ReferenceInputs
from agent.matchers.registry import matchers
from agent.products.appearance_names import appearance_names
from agent.products.description import Description, read_words
from agent.products.measurement import evident_count, find_parts, threshold_for, trusted
from agent.products.proposals import ProposedPart, names_of, proposed_parts
from agent.products.references import DETAILED, distinct, odd_references, representative
from agent.products.rule_proposals import ideas_on
from agent.products.spec import PartSpec, Product, ProductSpec, reference_paths
from agent.products.validation import TRUSTED, kept_proposed, kept_told
from agent.rules import ANY, CountRule, MeasuredParts, Rule, contradiction
from agent.rules.base import count_of
from agent.rules.induction import Measuring, induce, leave_one_out, odd_one
from tools.images import range_of
from tools.types import Sample

if TYPE_CHECKING:
    from tools.parts import PartTypes
    from tools.toolbox import Toolbox

Stage = Literal["parts", "rules", "surfaces"]
"""Stages of learning, in order: which parts there are, which rules the references obey, what surfaces look like."""
OnStage = Callable[[Stage], None]
"""Is told each stage of learning as it begins."""
CLUTTER = 6
"""A discovered kind of which there are more on average, and not the same number on every reference, is background."""


@dataclass(frozen=True, eq=False)
class _DiscoveredParts:
    """The parts that a product is known by, and where they are on each reference."""

    spec: ProductSpec
    measured: tuple[MeasuredParts, ...]
    types: PartTypes | None


def learn(
    toolbox: Toolbox,
    name: str,
    references: Sequence[Sample],
    *,
    describe: str = "",
    product: str | None = None,
    calibration: Calibration | None = None,
    on_stage: OnStage | None = None,
) -> Product:
    """What is known of a product from photos of good ones and a sentence.

    The same photo counts once. Of many references, `DETAILED` stand for all in everything but the memory bank, so that
    the cost of one more is small. A reference that the others speak against is left out, and all is learned again.

    Args:
        toolbox: loaded tools.
        name: what the product is called in files and reports.
        references: photos of good ones; may be empty.
        describe: what good means; what it says of parts becomes rules.
        product: the noun that models are told; `name` in lower case by default.
        calibration: how well things can be measured, which matchers count, and which references are odd; cautious
            values, all matchers and all references by default.
        on_stage: told each stage as it begins.
    """
    noun = (product or name.replace("_", " ").replace("-", " ")).lower()
    draft, tell = ProductSpec(name=name, product=noun, normal=describe), on_stage or (lambda stage: None)
    chosen, notes = distinct(references)
    chosen, others = representative(toolbox, chosen)
    learned = _learned(toolbox, draft, chosen, calibration, tell)
    odd = odd_references(learned, calibration) if calibration is not None else {}
    if odd:
        notes += [
            f"{learned.references[n].name} was left out of the references: compared with the others, {why}."
            for n, why in odd.items()
        ]
        chosen = [r for n, r in enumerate(learned.references) if n not in odd]
        learned = _learned(toolbox, draft, chosen, calibration, tell)
    read = [f"{r.name}: {note}." for r in chosen for note in r.notes]
    return replace(learned, notes=(*notes, *others, *read, *learned.notes))


def _learned(
    toolbox: Toolbox,
    draft: ProductSpec,
    references: Sequence[Sample],
    calibration: Calibration | None,
    tell: OnStage,
) -> Product:
    """The product of these references, each of which is kept unless it breaks a rule that all others obey."""
    known_by = calibration or Calibration()
    detection, measuring = known_by.detection, known_by.measuring
    tell("parts")
    told = read_words(draft.normal)
    known = {label.split()[-1] for label in told.parts}
    first, more = references[:DETAILED], references[DETAILED:]
    listed = proposed_parts(toolbox.vlm, first[:2], draft.product, described=toolbox.proposes == "rules")
    proposed = [part for part in listed if part.label.split()[-1] not in known]
    draft = draft.model_copy(update={"references": reference_paths(references), "value_range": range_of(references)})
    seen = _seen(toolbox, draft, first, told, proposed, detection)
    seen, first, odd = _without_odd_one(seen, first, measuring)
    tell("rules")
    ideas = ideas_on(toolbox, seen.spec, first, told.left)
    left = tuple(clause for clause in told.left if clause not in ideas.read)
    notes = [f"not turned into a rule: '{clause}'" for clause in left]
    found = _rules(seen, told, ideas.rules, measuring)
    kept = (*first, *more)
    spec = seen.spec.model_copy(update={"references": reference_paths(kept), "unruled": left})
    spec = _with_rules(spec, found, seen.measured, measuring)
    notes += [*ideas.notes, *odd, *found.notes]
    tell("surfaces")
    return remember(toolbox, spec, kept, seen.measured, tuple(notes), types=seen.types, calibration=calibration)


def remember(
    toolbox: Toolbox,
    spec: ProductSpec,
    references: Sequence[Sample],
    measured: tuple[MeasuredParts, ...] = (),
    notes: tuple[str, ...] = (),
    *,
    types: PartTypes | None = None,
    calibration: Calibration | None = None,
) -> Product:
    """Puts a specification and its references together: what every matcher keeps of them, and discovered types.

    A matcher that can never count beside references by the calibration keeps nothing, which saves its time.
    """
    if not references:
        return Product(spec, notes=notes, models=toolbox.describe())
    first, more = tuple(references[:DETAILED]), tuple(references[DETAILED:])
    inputs = ReferenceInputs(toolbox, spec, first, more)
    counting = [m for m in matchers() if calibration is None or m.map_in(calibration).largest >= NEGLIGIBLE]
    states = {matcher.name: matcher.fit(inputs) for matcher in counting}
    if types is None:
        types = toolbox.discoverer.learn(first)
    parts = measured or tuple(known_parts(toolbox, r, spec, types) for r in first)
    return Product(
        spec,
        references=tuple(references),
        parts=parts,
        types=types,
        states={name: state for name, state in states.items() if state is not None},
        notes=notes,
        models=toolbox.describe(),
    )


def rescaled(
    toolbox: Toolbox, product: Product, references: Sequence[Sample]
) -> tuple[ProductSpec, tuple[MeasuredParts, ...]]:
    """The specification with the detector's thresholds found anew on references, and their parts by those."""
    spec = product.spec
    raw = tuple(find_parts(toolbox, r, spec, product.types) for r in references)
    named = [part.label for part in spec.parts if part.phrase is not None]
    counts = _counts(named, [rule for rule in spec.rules if rule.origin == "told"], raw)
    parts = tuple(_with_threshold(part, counts.get(part.label), raw) for part in spec.parts)
    spec = spec.model_copy(update={"parts": parts})
    return spec, tuple(_of_spec(m, spec) for m in raw)


def known_parts(toolbox: Toolbox, sample: Sample, spec: ProductSpec, types: PartTypes | None) -> MeasuredParts:
    """The parts of a photo that the specification speaks of, each scored by how likely it is one."""
    return _of_spec(find_parts(toolbox, sample, spec, types), spec)


def _of_spec(raw: MeasuredParts, spec: ProductSpec) -> MeasuredParts:
    labels = {part.label for part in spec.parts}
    return replace(raw, parts=tuple(p for p in trusted(raw, spec).parts if p.label in labels))


def reproved(product: Product, measuring: Measuring | None = None) -> tuple[ProductSpec, tuple[str, ...]]:
    """The specification with its induced rules learned anew from the references, and notes; told rules stay told.

    For references that were added: tolerances, support and the scores of good ones change with them. What was proposed
    is proved anew, and dropped where they no longer bear it out; so is what a person stated and could not be checked.
    """
    told = Description(rules=(*(r for r in product.spec.rules if r.origin == "told"), *product.spec.unchecked))
    proposed = [r for r in product.spec.rules if r.origin == "proposed"]
    seen = _DiscoveredParts(product.spec, product.parts, product.types)
    found = _rules(seen, told, proposed, measuring)
    return _with_rules(product.spec, found, product.parts, measuring), found.notes


def _seen(
    toolbox: Toolbox,
    draft: ProductSpec,
    references: Sequence[Sample],
    told: Description,
    proposed: Sequence[ProposedPart],
    detection: float,
) -> _DiscoveredParts:
    """Parts that were discovered, and named ones that the detector can be trusted with.

    What words ground must be borne out by the references: of a told part its number, where parts were discovered. The
    language model's own names are parts where nothing was discovered; elsewhere they name what was.
    """
    parts = _phrased(told, proposed, detection)
    labels = [part.label for part in parts]
    looks = {part.label: part.look for part in parts}
    named = draft.model_copy(update={"parts": parts})
    if not references:
        return _DiscoveredParts(named.model_copy(update={"parts": parts}), (), None)
    raw = tuple(find_parts(toolbox, r, named) for r in references)
    counts = _counts(labels, told.rules, raw)
    scaled = tuple(_with_threshold(p, counts[p.label], raw) for p in parts if counts[p.label] or p.label in told.parts)
    spec = named.model_copy(update={"parts": scaled})
    believed = tuple(trusted(_only(m, scaled), spec) for m in raw)
    types = toolbox.discoverer.learn(references)
    kinds = [t.label for t in types.types if _countable(t.counts)]
    steady = tuple(p for p in scaled if _steady(p.label, counts[p.label], believed))
    kept = tuple(p for p in (steady if kinds else scaled) if p.label in told.parts) or (() if kinds else steady)
    found = tuple(MeasuredParts(toolbox.discoverer.find(r, types)) for r in references) if kinds else believed
    words = names_of(kinds, found, [p.label for p in steady if p not in kept], believed)
    called = {**appearance_names(kinds, found), **words}
    more = tuple(PartSpec(label=k, called=called.get(k), look=looks.get(words.get(k, ""))) for k in kinds)
    both = named.model_copy(update={"parts": (*kept, *more)})
    together = tuple(
        MeasuredParts((*_only(m, kept).parts, *_only(f, more).parts)) for m, f in zip(believed, found, strict=True)
    )
    return _DiscoveredParts(both, together, types)


def _phrased(told: Description, proposed: Sequence[ProposedPart], detection: float) -> tuple[PartSpec, ...]:
    """Parts that words name, the told ones first; no two are looked for by the same words."""
    found = [PartSpec(label=label, phrase=label, threshold=detection) for label in told.parts]
    taken = {*told.parts, *(part.label for part in proposed)}
    for part in proposed:
        words = " ".join(re.findall(r"[\w-]+", part.phrase.lower()))
        phrase = words if words and words not in taken else part.label
        taken.add(phrase)
        found.append(PartSpec(label=part.label, phrase=phrase, look=part.look or None, threshold=detection))
    return tuple(found)


def _counts(labels: Sequence[str], rules: Sequence[Rule], raw: tuple[MeasuredParts, ...]) -> dict[str, int | None]:
    """How many of each named part a good product has: as told, else as its detections show; None where neither says."""
    wanted = {rule.part: rule.low for rule in rules if isinstance(rule, CountRule) and rule.low == rule.high}
    return {label: wanted.get(label) or evident_count(_scores(label, raw)) for label in labels}


def _countable(counts: Sequence[int]) -> bool:
    """Whether a discovered kind is one of parts: of few, or of as many on each of several references.

    >>> _countable((2, 3)), _countable((12, 12, 12)), _countable((25, 24, 25)), _countable((12,))
    (True, True, False, False)
    """
    few = 0 < sum(counts) / len(counts) <= CLUTTER
    return few or (len(counts) > 1 and min(counts) == max(counts) > 0)


def _steady(label: str, count: int | None, measured: tuple[MeasuredParts, ...]) -> bool:
    """Whether the references agree on the count of a part that nobody told; a name for nothing finds any number."""
    return sum(count_of(m, label) == count for m in measured) >= TRUSTED * len(measured)


def _only(measured: MeasuredParts, parts: Sequence[PartSpec]) -> MeasuredParts:
    labels = {p.label for p in parts}
    return MeasuredParts(tuple(p for p in measured.parts if p.label in labels))


def _without_odd_one(
    seen: _DiscoveredParts, references: Sequence[Sample], measuring: Measuring | None
) -> tuple[_DiscoveredParts, Sequence[Sample], tuple[str, ...]]:
    """What is left when a reference that breaks what all others agree on is put aside, and a warning that names it.

    Parts without names are too unsure to call a reference bad by.
    """
    if any(part.phrase is None for part in seen.spec.parts):
        return seen, references, ()
    odd = odd_one(seen.measured, lambda m: induce(m, measuring))
    if odd is None:
        return seen, references, ()
    number, rule = odd
    note = f"{references[number].name} was left out: it breaks what the other references agree on ({rule})"
    rest = [r for n, r in enumerate(references) if n != number]
    measured = tuple(m for n, m in enumerate(seen.measured) if n != number)
    # What was discovered showed the odd one as well.
    return replace(seen, measured=measured, types=None), rest, (note,)


@dataclass(frozen=True)
class _ValidatedRules:
    """Rules that photos are judged by, those that a person stated and the references do not bear out, and notes."""

    kept: tuple[Rule, ...]
    unchecked: tuple[Rule, ...]
    notes: tuple[str, ...]


def _rules(
    seen: _DiscoveredParts, told: Description, proposed: Sequence[Rule], measuring: Measuring | None
) -> _ValidatedRules:
    """Told and proposed rules that the references bear out, then whatever else they share; notes on what was dropped.

    A part of which another number was told than was found is not measured rightly, or not at all: no rule speaks of it.
    """
    labels = {part.label for part in seen.spec.parts} | {ANY}
    blind = [rule for rule in told.rules if seen.measured and not labels.issuperset(rule.named)]
    kept, dropped, notes = kept_told([rule for rule in told.rules if rule not in blind], seen.measured)
    notes = (*notes, *(f"'{rule.name}' was not kept as a rule: no photo shows where that is." for rule in blind))
    if contradiction(kept) is not None:
        raise_contradiction(kept)
    names = {rule.name for rule in kept}
    denied = {r.part for r in told.rules if isinstance(r, CountRule) and r.name not in names}
    believed = tuple(MeasuredParts(tuple(p for p in m.parts if p.label not in denied)) for m in seen.measured)
    induced: list[Rule] = []
    for rule in induce(believed, measuring):
        # Unsure detections can make the likeliest total another number than the likeliest counts add up to.
        if rule.name not in names and contradiction((*kept, *induced, rule)) is None:
            induced.append(rule)
    borne, more = kept_proposed(proposed, believed, measuring, told=kept, induced=induced, called=seen.spec.called)
    names = {rule.name for rule in borne}
    rules = (*kept, *borne, *(rule for rule in induced if rule.name not in names))
    return _ValidatedRules(rules, (*dropped, *blind), (*notes, *more))


def raise_contradiction(rules: Sequence[Rule]) -> None:
    """Refuses rules that contradict each other.

    Raises:
        tools.errors.InputError: always, with what contradicts what.
    """
    from tools.errors import InputError

    raise InputError(f"the description contradicts itself: {contradiction(rules)}.")


def _with_rules(
    spec: ProductSpec, found: _ValidatedRules, measured: tuple[MeasuredParts, ...], measuring: Measuring | None
) -> ProductSpec:
    """The specification with its rules, the parts they speak of, and what good ones score by leave-one-out."""
    rules = found.kept
    named = {label for rule in rules for label in rule.named} - {ANY}
    parts = tuple(p for p in spec.parts if p.label in named)
    told = {r.name for r in rules if r.origin == "told"}
    fixed = tuple(r for r in rules if r.origin != "induced")
    listed = {"parts": parts, "rules": rules, "unchecked": found.unchecked}
    dumped = {key: [item.model_dump() for item in items] for key, items in listed.items()}
    checked = ProductSpec.model_validate({**spec.model_dump(), **dumped})
    named_too = len({checked.by_words(r) for r in rules}) > 1

    def usual(by_words: bool | None) -> tuple[float, ...]:
        """Scores of good ones by all rules, or by those of one sort."""

        def learned(some: Sequence[MeasuredParts]) -> tuple[Rule, ...]:
            induced = {r.name: r for r in induce(some, measuring) if r.name not in told}
            found = (*induced.values(), *(r for r in fixed if r.name not in induced))
            return tuple(r for r in found if by_words is None or checked.by_words(r) == by_words)

        return tuple(round(s, 3) for s in leave_one_out(measured, learned))

    apart = {"good_scores": usual(False), "named_scores": usual(True)} if named_too else {"good_scores": usual(None)}
    return checked.model_copy(update={"named_scores": (), **apart})


def _scores(label: str, measured: tuple[MeasuredParts, ...]) -> list[list[float]]:
    """Detection scores of one kind of part on each reference."""
    return [[p.region.score for p in m.of(label)] for m in measured]


def _with_threshold(part: PartSpec, count: int | None, raw: tuple[MeasuredParts, ...]) -> PartSpec:
    """The part with the score that separates parts from phantoms on the references, where a count says which."""
    if not raw or not count:
        return part
    return part.model_copy(update={"threshold": round(threshold_for(count, _scores(part.label, raw)), 4)})
