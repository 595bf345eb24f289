"""A product as the inspector holds it: its specification and what was measured on its references."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from agent.rules import Measured, Rule, obeys
from agent.spec import ProductSpec
from tools.types import Sample

if TYPE_CHECKING:
    from tools.parts import PartTypes
    from tools.patches import EncodedImages
    from tools.patches.reference import Bank
    from tools.patches.trace import Tokens


@dataclass(frozen=True, eq=False)
class Product:
    """What inspecting needs to know of a product; made once by `learn`, shared by all inspections."""

    spec: ProductSpec
    references: tuple[Sample, ...] = ()
    parts: tuple[Measured, ...] = ()
    """Parts of each reference, in the same order."""
    types: PartTypes | None = None
    """Kinds of parts that were discovered on the references; None where words name the parts."""
    bank: Bank | None = None
    """Patch memory of the references; None without references."""
    windows: EncodedImages | None = None
    """The references as the scorer sees them, where its path of windows joins them to the words; else None."""
    reference_scores: tuple[float, ...] = ()
    """Leave-one-out patch score of each reference, in the memory's own unit."""
    text_scores: tuple[float, ...] = ()
    """Text-guided score of each reference, in [0, 1]."""
    tracer_scores: tuple[float, ...] = ()
    """The tracer's score of each reference, in log-odds; empty without a tracer."""
    tokens: tuple[tuple[Tokens, ...], ...] = ()
    """The references as photos are shown beside them; empty without a tracer."""
    beside_scores: tuple[tuple[float, float], ...] = ()
    """(logical, structural) log-odds of each reference beside the others; empty of a single one."""
    notes: tuple[str, ...] = field(default=())
    """What was left out while learning, and why; shown to the user."""

    @property
    def name(self) -> str:
        """Name of the product."""
        return self.spec.name

    def shows(self, rule: Rule) -> bool:
        """Whether most references obey a rule. One that they break is what a person wants whatever they show."""
        return rule.name in self._shown

    @cached_property
    def _shown(self) -> frozenset[str]:
        enough = len(self.parts) / 2
        return frozenset(r.name for r in self.spec.rules if sum(obeys(m, r) for m in self.parts) >= enough)

    def save(self, path: Path) -> None:
        """Writes the specification (YAML); the memory is rebuilt from the references when it is loaded."""
        self.spec.save(path)
