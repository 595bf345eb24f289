"""Rules as the language model is asked to write them: words and whole numbers, which become rules of the product's
own kinds.

Only what a photo shows plainly can be proposed; tolerances come from measuring the references.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationInfo, model_validator

from agent.products.description import PLACES, zone_in
from agent.rules import AskRule, ColourRule, CountRule, MatchRule, PositionRule, PresenceRule, RelationRule, Rule
from agent.rules.relation import Relation

MOST_RULES = 12
"""At most so many rules are taken from one answer."""
Words = Mapping[str, Sequence[str]]
"""By field: the words that may stand there."""


class _Worded(BaseModel):
    """What is written in the language model's words; "part", "other", "place" and "colour" take known words alone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="after")
    def _known(self, info: ValidationInfo) -> Self:
        words: Words = info.context or {}
        for field in type(self).model_fields:
            if field in words and getattr(self, field) not in words[field]:
                known = ", ".join(words[field]) or "none"
                raise ValueError(f"{field} '{getattr(self, field)}' is not known; the choice is: {known}")
        return self


class RuleProposal(_Worded, ABC):
    """A rule as the language model writes it."""

    @abstractmethod
    def rule(self) -> Rule:
        """The same as a rule of the product.

        Raises:
            ValueError: it contradicts itself.
        """


class CountProposal(RuleProposal):
    """So many."""

    kind: Literal["count"]
    part: str
    low: int = Field(ge=0, le=200)
    high: int = Field(ge=0, le=200)

    def rule(self) -> Rule:
        """See `Proposal.rule`."""
        return CountRule(part=self.part, low=self.low, high=self.high, origin="proposed")


class PresenceProposal(RuleProposal):
    """One at least."""

    kind: Literal["presence"]
    part: str

    def rule(self) -> Rule:
        """See `Proposal.rule`."""
        return PresenceRule(part=self.part, origin="proposed")


class PositionProposal(RuleProposal):
    """A half or a quarter of the product."""

    kind: Literal["position"]
    part: str
    place: str

    def rule(self) -> Rule:
        """See `Proposal.rule`."""
        return PositionRule(part=self.part, zone=zone_in(self.place), origin="proposed")


class RelationProposal(RuleProposal):
    """How two kinds stand to each other."""

    kind: Literal["relation"]
    part: str
    relation: Relation
    other: str

    def rule(self) -> Rule:
        """See `Proposal.rule`."""
        return RelationRule(part=self.part, relation=self.relation, other=self.other, origin="proposed")


class ColourProposal(RuleProposal):
    """One colour, on every product."""

    kind: Literal["colour"]
    part: str
    colour: str

    def rule(self) -> Rule:
        """See `Proposal.rule`."""
        return ColourRule(part=self.part, colour=self.colour, origin="proposed")


class Pair(_Worded):
    """One line of a mapping."""

    when: str = Field(pattern=r"^([0-9]{1,2}|[a-z]{3,8})$")
    """A number in digits, or a colour."""
    colour: str


class MatchProposal(RuleProposal):
    """A colour that goes with the number or the colour of another kind."""

    kind: Literal["match"]
    part: str
    other: str
    by: Literal["count", "colour"]
    mapping: list[Pair] = Field(min_length=2, max_length=8)

    def rule(self) -> Rule:
        """See `Proposal.rule`."""
        keys = [pair.when for pair in self.mapping]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise ValueError(f"the mapping of '{self.part}' says two things for {', '.join(twice)}; keep one")
        mapping = {pair.when: pair.colour for pair in self.mapping}
        return MatchRule(part=self.part, other=self.other, by=self.by, mapping=mapping, origin="proposed")


class AskProposal(RuleProposal):
    """A question about the photo that has one answer for every good product."""

    kind: Literal["ask"]
    question: str = Field(pattern=r'^[^"\\]{8,100}\?$')
    expected: Literal["yes", "no"]

    def rule(self) -> Rule:
        """See `Proposal.rule`."""
        return AskRule(question=self.question, expected=self.expected, origin="proposed")


OfParts = CountProposal | PresenceProposal | PositionProposal | RelationProposal | ColourProposal | MatchProposal
AnyProposal = Annotated[OfParts | AskProposal, Field(discriminator="kind")]
READ: TypeAdapter[RuleProposal] = TypeAdapter(AnyProposal)
"""Reads one proposal."""


class WithParts(BaseModel):
    """The answer where parts are known."""

    model_config = ConfigDict(extra="forbid")
    rules: list[AnyProposal] = Field(max_length=MOST_RULES)


class WithoutParts(BaseModel):
    """The answer where none is: questions alone."""

    model_config = ConfigDict(extra="forbid")
    rules: list[AskProposal] = Field(max_length=MOST_RULES)


def known_words(labels: Sequence[str]) -> Words:
    """The words that may stand in the fields of a proposal."""
    from tools.parts.measurement import COLOURS

    return {"part": tuple(labels), "other": tuple(labels), "place": PLACES, "colour": tuple(COLOURS)}


def rules_schema(labels: Sequence[str]) -> dict[str, Any]:
    """The JSON Schema of an answer, with the words that are known as the only ones; of no part, questions alone."""
    schema = (WithParts if labels else WithoutParts).model_json_schema()
    words = known_words(labels)
    for model in schema["$defs"].values():
        for field in model["properties"]:
            if field in words:
                model["properties"][field] = {"type": "string", "enum": list(words[field])}
    listed = schema["properties"]["rules"]
    if "oneOf" in listed["items"]:
        # Kinds exclude each other by their name alone, which grammars do not see; "any of" says the same here.
        listed["items"] = {"anyOf": listed["items"]["oneOf"]}
    return schema
