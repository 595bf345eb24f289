"""A product: its specification (normal description, parts, rules), and what was measured on its references."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, StringConstraints, field_validator, model_validator

from agent.rules import ANY, MeasuredParts, Rule, contradiction, obeys
from agent.text_limits import DESCRIPTION
from tools.pixel_values import ValueRange
from tools.types import Sample

if TYPE_CHECKING:
    from tools.defects import DefectLessons
    from tools.parts import PartTypes

MOST_PARTS = 200
"""Parts of one product; more would take the grounder minutes for a photo."""
MOST_RULES = 2_000
"""Rules of one product."""
MOST_REFERENCES = 10_000
"""Reference photos of one product."""
Text = Annotated[str, StringConstraints(max_length=DESCRIPTION)]


class PartSpec(BaseModel):
    """One kind of part: what people call it and what the grounder is asked for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: str = Field(min_length=1, max_length=200)
    phrase: str | None = Field(default=None, min_length=1, max_length=200)
    """Words for the grounder, usually the label; none for a part that was discovered without words."""
    called: str | None = Field(default=None, min_length=1, max_length=40)
    """What it is called, where that is not its label: by what it looks like, until a person names it."""
    look: str | None = Field(default=None, min_length=1, max_length=200)
    """How a good one looks, in the language model's words; no rule checks it."""
    threshold: float = Field(default=0.5, gt=0, lt=1)
    """Detection score that is worth one half; found on the references."""


class ProductSpec(BaseModel):
    """Everything about a product that is known in words and numbers; YAML, without loss."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    name: str = Field(min_length=1, max_length=80)
    product: str = Field(min_length=1, max_length=200)
    """The noun that a model is told: "compartment tray"."""
    normal: str = Field(default="", max_length=DESCRIPTION)
    """What good means, in the user's words."""
    defects: tuple[Text, ...] = Field(default=(), max_length=200)
    """What may be wrong with its surface, for the matcher by words and for the language model's choice of a name: names
    ("crack"), or names and how they look ("crack: a dark jagged line"); misses that were rejected are added."""
    parts: tuple[PartSpec, ...] = Field(default=(), max_length=MOST_PARTS)
    rules: tuple[Rule, ...] = Field(default=(), max_length=MOST_RULES)
    unruled: tuple[Text, ...] = Field(default=(), max_length=200)
    """What was said of good ones and no rule checks."""
    unchecked: tuple[Rule, ...] = Field(default=(), max_length=MOST_RULES)
    """Rules that a person stated and the references do not bear out; reports name them as not checked."""
    references: tuple[Path, ...] = Field(default=(), max_length=MOST_REFERENCES)
    """Photos of good ones, relative to the folder of this file where they lie below it."""
    value_range: tuple[FiniteFloat, FiniteFloat] | None = None
    """The pixel values that become black and white, of photos of more than 8 bits, such as [0, 4095]; found on the
    references where nobody states it. Photos of 8 bits are taken as they are."""
    good_scores: tuple[FiniteFloat, ...] = Field(default=(), max_length=MOST_REFERENCES)
    """What the most surprising rule says of each reference when the rules are learned from the others (log-odds)."""
    named_scores: tuple[FiniteFloat, ...] = Field(default=(), max_length=MOST_REFERENCES)
    """The same of rules on parts that words find, where there are rules on other parts, too: another tool finds those,
    and the one is not to be mistrusted for what the other misses. `good_scores` then leaves them out."""

    @field_validator("parts")
    @classmethod
    def _labels_differ(cls, parts: tuple[PartSpec, ...]) -> tuple[PartSpec, ...]:
        labels = [p.label for p in parts]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice or ANY in labels:
            raise ValueError(
                f"part '{(twice or [ANY])[0]}' is listed twice or has a reserved name; rename or remove it"
            )
        return parts

    @field_validator("value_range")
    @classmethod
    def _range_rises(cls, value_range: ValueRange | None) -> ValueRange | None:
        if value_range is not None and not value_range[0] < value_range[1]:
            raise ValueError("the range is empty; give the lower value first, such as [0, 4095]")
        return value_range

    @field_validator("rules")
    @classmethod
    def _rules_agree(cls, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        found = contradiction(rules)
        if found is not None:
            raise ValueError(found)
        return rules

    @model_validator(mode="after")
    def _rules_speak_of_parts(self) -> ProductSpec:
        labels = {p.label for p in self.parts} | {ANY}
        for number, rule in enumerate(self.rules, start=1):
            for label in rule.named:
                if label not in labels:
                    known = ", ".join(sorted(labels - {ANY})) or "none"
                    raise ValueError(
                        f"rule {number}, '{rule.name}', speaks of part '{label}', but the parts are: {known}; "
                        "correct the name, or add the part"
                    )
        return self

    @property
    def called(self) -> dict[str, str]:
        """What people call parts that have another label, by label."""
        return {part.label: part.called for part in self.parts if part.called is not None}

    def by_words(self, rule: Rule) -> bool:
        """Whether a rule speaks of nothing but parts that words find."""
        phrased = {p.label for p in self.parts if p.phrase is not None}
        labels = set(rule.named) - {ANY}
        return bool(labels) and labels <= phrased

    def usual(self, rule: Rule) -> tuple[float, ...]:
        """What the most surprising rule of the same sort says of each reference, left out; empty where nothing does."""
        return self.named_scores if self.named_scores and self.by_words(rule) else self.good_scores

    @classmethod
    def schema_text(cls) -> str:
        """The JSON Schema of the file, for editors."""
        import json

        return json.dumps(cls.model_json_schema(), indent=2)

    def save(self, path: Path) -> None:
        """Writes the specification as YAML: each rule under a line that says it in words.

        Raises:
            InputError: the file cannot be written.
        """
        from agent.products.files import write_spec

        write_spec(self, path)

    @classmethod
    def load(cls, path: Path) -> ProductSpec:
        """Reads a specification.

        Raises:
            InputError: no such file, too large, not YAML, or a field is wrong; the message names line and field.
        """
        from agent.products.files import read_spec

        return read_spec(path)


def reference_paths(references: Sequence[Sample]) -> tuple[Path, ...]:
    """Where reference photos lie, as absolute paths; those that were given as pixels are left out."""
    return tuple(sample.path.absolute() for sample in references if sample.path is not None)


@dataclass(frozen=True, eq=False)
class MatcherState:
    """What a matcher keeps of the references of a product."""

    scores: tuple[float, ...] = ()
    """Leave-one-out score of each reference, in the matcher's own unit; may be empty for a single one."""
    data: Any = None
    """What it scores photos against, such as a memory bank."""


@dataclass(frozen=True, eq=False)
class Product:
    """What inspecting needs to know of a product; made once by `learn`, shared by all inspections."""

    spec: ProductSpec
    references: tuple[Sample, ...] = ()
    parts: tuple[MeasuredParts, ...] = ()
    """Parts of each reference, in the same order."""
    types: PartTypes | None = None
    """Kinds of parts that were discovered on the references; None where words name the parts."""
    states: Mapping[str, MatcherState] = field(default_factory=dict)
    """What each matcher keeps of the references, by its name; empty without references."""
    lessons: DefectLessons | None = None
    """Examples of types of defects that a person taught; None without any."""
    notes: tuple[str, ...] = field(default=())
    """What was left out while learning, and why; shown to the user."""
    models: Mapping[str, dict[str, str]] = field(default_factory=dict)
    """The models that were loaded when it had been learned, by role, as `Toolbox.describe` tells them."""

    @property
    def name(self) -> str:
        """Name of the product."""
        return self.spec.name

    def scores(self, matcher: str) -> tuple[float, ...]:
        """Leave-one-out scores of the references, in the unit of a matcher; empty where it keeps none."""
        return self.states[matcher].scores if matcher in self.states else ()

    def shows(self, rule: Rule) -> bool:
        """Whether most references obey a rule. One that they break is what a person wants whatever they show."""
        return rule.name in self._shown

    @cached_property
    def _shown(self) -> frozenset[str]:
        enough = len(self.parts) / 2
        return frozenset(r.name for r in self.spec.rules if sum(obeys(m, r) for m in self.parts) >= enough)

    def save(self, path: Path) -> None:
        """Writes the specification (YAML), and the examples of defects beside it.

        The memory is rebuilt from the references when it is loaded.
        """
        from agent.products.files import lessons_file

        self.spec.save(path)
        if self.lessons is not None:
            self.lessons.save(lessons_file(path))
