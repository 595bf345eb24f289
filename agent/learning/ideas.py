"""What the narrator proposes once the parts of a product are known: rules by the photos, and by the person's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.claims import say_briefly
from agent.learning.propose_clauses import from_clauses
from agent.learning.propose_rules import proposed_rules
from agent.learning.prove_proposed import answered, not_kept
from agent.rules import Rule
from agent.spec import ProductSpec
from tools.types import Sample

if TYPE_CHECKING:
    from tools.toolbox import Toolbox


@dataclass(frozen=True)
class Ideas:
    """Rules that are to be proved, and what became of the rest."""

    rules: tuple[Rule, ...] = ()
    read: tuple[str, ...] = ()
    """Clauses of the person's sentence that a question of these asks for."""
    notes: tuple[str, ...] = ()


def ideas_on(toolbox: Toolbox, spec: ProductSpec, references: Sequence[Sample], left: Sequence[str]) -> Ideas:
    """Rules that the narrator gives for a product; its questions have been put to every reference.

    Without references only what asks for the person's own words is among them: nothing could bear out the rest.

    Args:
        toolbox: its narrator is asked, where its profile says that it can.
        spec: names the product, its parts, and what a person said of it.
        references: photos of good ones; may be empty.
        left: clauses of what the person said that no pattern reads.
    """
    if toolbox.proposes != "rules" or not (references or left):
        return Ideas()
    narrator = toolbox.narrator
    names = {p.called or p.label: p.label for p in spec.parts if p.phrase is not None or p.called is not None}
    clauses = from_clauses(narrator, left, spec.product, names)
    if not references:
        unproved = (not_kept(r, "no photo of a good one bears it out", spec.called) for r in clauses.others)
        return Ideas(
            tuple(clauses.faithful.values()), tuple(clauses.faithful), (*_as_asked(clauses.faithful), *unproved)
        )
    images = [reference.image for reference in references]
    seen, faults = proposed_rules(narrator, images, spec.product, names, spec.normal)
    rules, denied = answered(toolbox, (*clauses.faithful.values(), *seen, *clauses.others), references)
    kept = {rule.name for rule in rules}
    read = {clause: rule for clause, rule in clauses.faithful.items() if rule.name in kept}
    return Ideas(rules, tuple(read), (*_as_asked(read), *faults, *denied))


def _as_asked(read: Mapping[str, Rule]) -> tuple[str, ...]:
    return tuple(f"'{clause}' is put to the narrator: {say_briefly(rule.claim)}" for clause, rule in read.items())
