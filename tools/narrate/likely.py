"""Likelihoods of answers from what a server tells: candidates for the first token, or answers that were drawn."""

from __future__ import annotations

import math
import string
from collections.abc import Sequence

from prompts import load_yaml
from tools.narrate.turn import Turn

SMOOTHING = 0.5
"""Added to each option's count of drawn answers (Jeffreys' prior), so that what was never drawn is not impossible."""
ALIKE = 2
"""Options whose first so many letters are the same may begin with the same token."""


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
