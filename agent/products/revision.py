"""Revises a product: false alarms become references, misses become rules or words, and what changed is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from agent.calibration.maps import Calibration
from agent.evidence.claims import renamed, say, say_briefly
from agent.evidence.fusion import NOTABLE
from agent.evidence.types import Claim
from agent.products.description import read_words
from agent.products.learn import known_parts, remember, reproved, rescaled
from agent.products.references import DETAILED
from agent.products.spec import PartSpec, Product, ProductSpec, reference_paths
from agent.products.validation import answered
from agent.rules import ANY, Rule, contradiction, evaluate
from prompts import load_yaml, questions
from tools.errors import InputError
from tools.types import Sample
from tools.vlm import Turn

if TYPE_CHECKING:
    from tools.toolbox import Toolbox

MISSED = 0.0
"""A rule that was broken on a missed photo, if weakly, says at least this (log-odds); below it does not point there."""

FIRM = 0.0002
"""Doubt that is left in a rule which a person has vouched for."""


@dataclass(frozen=True)
class Check:
    """How one photo stands to one rule."""

    rule: str
    fires: bool
    """Whether the rule speaks for an anomaly."""
    log_odds: float
    """What it says, natural log, before it is set against what good ones score."""
    claim: Claim
    """What was found and expected."""

    @property
    def sentence(self) -> str:
        """The claim in plain words."""
        return say(self.claim)


def check(toolbox: Toolbox, product: Product, sample: Sample) -> tuple[Check, ...]:
    """How a photo stands to every rule of a product, the strongest first; what cannot be measured is left out."""
    measured = known_parts(toolbox, sample, product.spec, product.types)
    outcomes = [(rule.name, evaluate(rule, measured)) for rule in product.spec.rules]
    found = [
        Check(name, o.log_odds >= NOTABLE and not o.holds, o.log_odds, renamed(o.claim, product.spec.called))
        for name, o in outcomes
        if o is not None
    ]
    return tuple(sorted(found, key=lambda c: -c.log_odds))


def add(
    toolbox: Toolbox, product: Product, samples: Sequence[Sample], calibration: Calibration | None = None
) -> tuple[Product, tuple[str, ...]]:
    """The product with more references, everything proved again, and what changed.

    Raises:
        tools.errors.InputError: a photo is a reference already.
    """
    known = {r.digest: r.name for r in product.references}
    for sample in samples:
        if sample.digest in known:
            raise InputError(f"{sample.name}: is a reference already ({known[sample.digest]}); give other photos.")
    references = (*product.references, *samples)
    if len(references) > DETAILED:
        references = (*samples, *product.references)  # so that the new ones are among those that rules are learned from
    scaled, parts = rescaled(toolbox, product, references[:DETAILED])
    rules, doubted = answered(toolbox, scaled.rules, references[:DETAILED])
    wider = replace(product, spec=scaled.model_copy(update={"rules": rules}), references=references, parts=parts)
    spec, denied = reproved(wider, None if calibration is None else calibration.measuring)
    notes = (*doubted, *denied)
    spec = spec.model_copy(update={"references": reference_paths(references)})
    learned = remember(toolbox, spec, references, wider.parts, notes, types=product.types, calibration=calibration)
    return learned, (f"{len(samples)} references more, {len(references)} now", *changes(product.spec, spec), *notes)


def reject(
    toolbox: Toolbox, product: Product, samples: Sequence[Sample], words: str = ""
) -> tuple[Product, tuple[str, ...]]:
    """The product after misses: told rules where words say what is wrong, firmer rules where one pointed at it.

    What no rule can say becomes a word for a defect, which the language model may then choose.
    """
    spec = product.spec
    said: list[str] = []
    if words:
        spec, left = _with_words(spec, words)
        said += changes(product.spec, spec)
        spec, more = _with_defects(spec, left)
        said += more
    else:
        for sample in samples:
            spec, more = _from_miss(toolbox, replace(product, spec=spec), sample)
            said += more
    return replace(product, spec=spec), tuple(said)


def _with_words(spec: ProductSpec, words: str) -> tuple[ProductSpec, tuple[str, ...]]:
    """The specification with the rules that words state, in place of those on the same matter."""
    told = read_words(words)
    names = {rule.name for rule in told.rules}
    rules = (*told.rules, *(r for r in spec.rules if r.name not in names))
    fault = contradiction(rules)
    if fault is not None:
        raise InputError(f"these words contradict the product's rules: {fault}.")
    known = {p.label for p in spec.parts}
    named = {label for rule in told.rules for label in rule.named} - known - {ANY}
    parts = (*spec.parts, *(PartSpec(label=label, phrase=label) for label in sorted(named)))
    return spec.model_copy(update={"rules": rules, "parts": parts}), told.left


def _with_defects(spec: ProductSpec, words: Sequence[str]) -> tuple[ProductSpec, list[str]]:
    fresh = tuple(w.lower() for w in words if w.lower() not in spec.defects)
    if not fresh:
        return spec, []
    return spec.model_copy(update={"defects": (*spec.defects, *fresh)}), [f"defect word added: {w}" for w in fresh]


def _from_miss(toolbox: Toolbox, product: Product, sample: Sample) -> tuple[ProductSpec, list[str]]:
    """Vouches for the rule that pointed at a miss, or takes the language model's word for what it shows."""
    found = [c for c in check(toolbox, product, sample) if c.log_odds > MISSED and c.claim.status == "broken"]
    if found:
        name = found[0].rule
        rules = tuple(r.model_copy(update={"doubt": FIRM}) if r.name == name else r for r in product.spec.rules)
        note = f"{sample.name}: '{name}' was broken ({say_briefly(found[0].claim)}); it is no longer doubted"
        return product.spec.model_copy(update={"rules": rules}), [note]
    options: list[str] = [*load_yaml("defects")["structural"], *product.spec.defects]
    question = questions()["describe_defect"].format(product=product.spec.product)
    likely = toolbox.vlm.choose([sample.image], [Turn("user", question, images=1)], options)
    word = max(likely, key=lambda option: likely[option])
    spec, _ = _with_defects(product.spec, (word,))
    return spec, [
        f"{sample.name}: no rule points at what is wrong; the language model takes it for a {word}. "
        "Say it with --describe to make it a rule."
    ]


def changes(before: ProductSpec, after: ProductSpec) -> tuple[str, ...]:
    """What differs between the rules of two specifications and in how surely parts are found, a sentence each."""
    old, new = ({rule.name: rule for rule in spec.rules} for spec in (before, after))
    gone = [f"rule dropped: {say_briefly(r.claim)}" for name, r in old.items() if name not in new]
    fresh = [f"rule added: {say_briefly(r.claim)}" for name, r in new.items() if name not in old]
    changed = [line for name, r in new.items() if name in old and (line := _change(old[name], r)) is not None]
    scores = {part.label: part.threshold for part in before.parts}
    scaled = [
        f"part changed: {part.label}: threshold {scores[part.label]:g} -> {part.threshold:g}"
        for part in after.parts
        if scores.get(part.label, part.threshold) != part.threshold
    ]
    return (*gone, *fresh, *changed, *scaled)


def _change(old: Rule, new: Rule) -> str | None:
    """The fields of one rule that changed, apart from what was counted in proving it."""
    skipped = {"support", "doubt", "baseline", "spread", "origin"}
    was, now = (rule.model_dump(mode="json", exclude=skipped) for rule in (old, new))
    fields = [f"{key} {was[key]} -> {now[key]}" for key in now if was.get(key) != now[key]]
    return f"rule changed: {new.name}: {'; '.join(fields)}" if fields else None
