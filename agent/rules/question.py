"""The ask rule: what cannot be measured is asked of the language model, as a question for yes or no."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from agent.evidence.types import Claim
from agent.rules.base import ANY, MeasuredParts, RuleBase, RuleOutcome


class AskRule(RuleBase):
    """A question about the photo, or about the crop of a part, that has one answer for every good product."""

    kind: Literal["ask"] = "ask"
    part: str = Field(default=ANY, min_length=1)
    """Whose crop is shown; "any" shows the whole photo."""
    question: str = Field(min_length=3)
    expected: Literal["yes", "no"] = "yes"

    @property
    def name(self) -> str:
        """ "answer to ...", with the question."""
        return f"answer to {self.question}"

    @property
    def claim(self) -> Claim:
        """The question and its answer."""
        return Claim("rule_ask", {"question": self.question, "expected": self.expected})

    def evaluate(self, measured: MeasuredParts) -> RuleOutcome | None:
        """Nothing: measured parts do not answer a question; `agent.matchers.questions` puts it to the vlm."""
        del measured
        return None
