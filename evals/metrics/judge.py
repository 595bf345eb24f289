"""A language model that grades an answer against the reference answer, on any OpenAI-compatible server."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from typing import cast

from openai import OpenAI, OpenAIError

from prompts import load_yaml
from tools.errors import InputError, ModelError

KEY = "LOOKTWICE_JUDGE_KEY"
"""Environment variable of the server's key; OPENAI_API_KEY counts too, and a local server needs none."""
MOST = 10.0
_GRADE = re.compile(r"^\W*(?:score|grade|rating)\s*[:=]?\W*(\d+(?:\.\d+)?)(?:\s*(?:/|out of)\s*10)?\W*$", re.IGNORECASE)
_BARE = re.compile(r"^\W*(\d+(?:\.\d+)?)(?:\s*(?:/|out of)\s*10)?\W*$")


def grade_of(text: str) -> float | None:
    """The grade that a judge gave on the last line that holds one; None where there is none in [0, 10].

    >>> grade_of("The place is right.\\nScore: 7"), grade_of("8/10"), grade_of("**Score: 6.5**"), grade_of("7 or 8")
    (7.0, 8.0, 6.5, None)
    """
    for line in reversed(text.strip().splitlines()):
        found = _GRADE.match(line.strip()) or _BARE.match(line.strip())
        if found is not None:
            grade = float(found.group(1))
            return grade if grade <= MOST else None
    return None


@dataclass(frozen=True, eq=False)
class Judge:
    """Grades from 0 to 10 with the prompt of prompts/judge.yaml, at temperature 0."""

    client: OpenAI
    model: str
    server: str

    @classmethod
    def open(cls, server: str, model: str) -> Judge:
        """A judge at a server; nothing is sent yet. The key is read from the environment.

        Raises:
            tools.errors.InputError: no model was named, or the address is none.
        """
        if not model:
            raise InputError("a judge needs the name of its model; give it by --judge-model.")
        if not re.match(r"https?://", server):
            raise InputError(f"judge '{server}' is no address; give one such as http://localhost:8000/v1.")
        key = os.environ.get(KEY) or os.environ.get("OPENAI_API_KEY") or "none"
        return cls(OpenAI(base_url=server, api_key=key, timeout=120.0, max_retries=3), model, server)

    @property
    def about(self) -> str:
        """Model and prompt, as a result names them."""
        text = "".join(f"{key}\n{value}\n" for key, value in sorted(_prompt().items()))
        return f"{self.model}, prompts/judge.yaml {hashlib.sha256(text.encode()).hexdigest()[:12]}"

    def grade(self, question: str, reference: str, answer: str) -> float | None:
        """The grade in [0, 10]; None where the judge's answer holds none.

        Raises:
            tools.errors.ModelError: the server cannot be reached, or refuses.
        """
        prompt = _prompt()
        try:
            said = self.client.chat.completions.create(
                model=self.model,
                temperature=0,
                messages=[
                    {"role": "system", "content": prompt["system"]},
                    {
                        "role": "user",
                        "content": prompt["user"].format(question=question, reference=reference, answer=answer),
                    },
                ],
            )
        except OpenAIError as error:
            first = " ".join(str(error).split())[:120]
            raise ModelError(
                f"judge {self.server}: {first}; check the address, the model's name and the key in {KEY}; what was "
                "graded before is kept."
            ) from error
        return grade_of(said.choices[0].message.content or "") if said.choices else None


def _prompt() -> dict[str, str]:
    return cast("dict[str, str]", load_yaml("judge"))
