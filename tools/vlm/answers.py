"""Turns of a conversation, and probabilities of given answers; nothing here loads a model."""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from prompts import load_yaml

CERTAIN = 1e-6
"""Probabilities are kept so far from 0 and 1 before their odds are taken."""
SMOOTHING = 0.5
"""Added to each option's count of drawn answers (Jeffreys' prior), so that what was never drawn is not impossible."""
ALIKE = 2
"""Options whose first so many letters are the same may begin with the same token."""


@dataclass(frozen=True)
class Turn:
    """What one side says."""

    role: Literal["system", "user", "assistant"]
    text: str
    images: int = 0
    """So many of the conversation's photos stand before the text; they are taken in their order."""


def debias(p: float, p_reference: float) -> float:
    """A probability with the model's leaning taken out: the difference of the log-odds.

    Follows contextual calibration (Zhao et al. 2021, section 5), with a good part, or an image without
    content, in the place of their content-free text.

    Args:
        p: P(yes) about what is inspected.
        p_reference: P(yes) to the same question where the true answer should carry no news.

    Returns:
        A probability; 0.5 where both are the same.

    >>> debias(0.9, 0.9), round(debias(0.9, 0.5), 6)
    (0.5, 0.9)
    """
    return 1 / (1 + math.exp(_log_odds(p_reference) - _log_odds(p)))


def _log_odds(p: float) -> float:
    kept = min(max(p, CERTAIN), 1 - CERTAIN)
    return math.log(kept / (1 - kept))


def normalised(log_likelihoods: Sequence[float]) -> list[float]:
    """Probabilities in proportion to likelihoods.

    >>> normalised([math.log(3.0), 0.0])
    [0.75, 0.25]
    """
    highest = max(log_likelihoods)
    weights = [math.exp(v - highest) for v in log_likelihoods]
    return [w / sum(weights) for w in weights]


def from_candidates(candidates: Sequence[tuple[str, float]], options: Sequence[str]) -> list[float]:
    """Log-likelihood of each option from the likeliest first tokens of the answer.

    Args:
        candidates: (token, natural log-probability) of the likeliest first tokens.
        options: answers that differ in their first token.

    Returns:
        For each option the log of the summed probability of the tokens that begin it or that it begins; for an option
        without any that of the least likely candidate, since it cannot be likelier than that.

    >>> told = [("Yes", math.log(0.6)), (" No", math.log(0.2)), ("Nothing", math.log(0.1))]
    >>> [round(math.exp(v), 3) for v in from_candidates(told, ["Yes", "No", "Maybe"])]
    [0.6, 0.2, 0.1]
    """
    least = min(value for _, value in candidates)
    found = []
    for option in options:
        mass = math.fsum(math.exp(value) for token, value in candidates if _begins(token, option))
        found.append(math.log(mass) if mass > 0 else least)
    return found


def from_samples(answers: Sequence[str], options: Sequence[str]) -> list[float]:
    """Log of each option's smoothed share of the drawn answers that begin with it; upper and lower case count apart.

    >>> [round(math.exp(v), 3) for v in from_samples(["Yes.", "Yes", "no", "Yesterday"], ["Yes", "No"])]
    [0.833, 0.167]
    """
    counts = [sum(_opens(answer, option) for answer in answers) for option in options]
    total = sum(counts) + SMOOTHING * len(options)
    return [math.log((count + SMOOTHING) / total) for count in counts]


def tell_apart(turns: Sequence[Turn], options: Sequence[str]) -> tuple[list[Turn], list[str]]:
    """The conversation and the answers to listen for: the options themselves, or letters where options begin alike.

    One token decides, so that options which may share their first are asked for by letter.
    """
    begun = [option.strip()[:ALIKE].lower() for option in options]
    if len(set(begun)) == len(begun) or len(options) > len(string.ascii_uppercase):
        return list(turns), list(options)
    letters = string.ascii_uppercase[: len(options)]
    listed = "\n".join(f"{letter}. {option}" for letter, option in zip(letters, options, strict=True))
    asked = load_yaml("served")["letters"].format(question=turns[-1].text, options=listed)
    last = Turn(turns[-1].role, asked, turns[-1].images)
    return [*turns[:-1], last], list(letters)


def _begins(token: str, option: str) -> bool:
    """Whether a token is a beginning of an option, or the option with something after it that is no letter."""
    said = token.replace("\u2581", " ").replace("\u0120", " ").strip()
    wanted = option.strip()
    if not said:
        return False
    return wanted.startswith(said) or _opens(said, wanted)


def _opens(answer: str, option: str) -> bool:
    said, wanted = answer.strip(), option.strip()
    return said.startswith(wanted) and not said[len(wanted) : len(wanted) + 1].isalnum()
