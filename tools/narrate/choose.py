"""How likely given answers are: token likelihoods over a shared prefix, and a model's bias taken out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tools.narrate.rows import row_scores

if TYPE_CHECKING:
    from tools.loading import Loaded
    from tools.narrate.prefix import Prefixes, Prompt

SEAM = 64
"""A token right after a prompt depends on no more of its last signs."""
CERTAIN = 1e-6
"""Probabilities are kept so far from 0 and 1 before their odds are taken."""


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


def log_likelihoods(
    loaded: Loaded, prefixes: Prefixes, prompts: Sequence[Prompt], options: Sequence[str], *, per_token: bool
) -> list[list[float]]:
    """Natural log-likelihood of each option as the beginning of the answer to each prompt.

    What the prompts share, photos included, is run once and kept; their other words and all options go through in one
    pass behind it. Where a prompt does not end in white space, an option counts with and without a leading space, since
    a model may have learned either.

    Args:
        loaded: the narrator.
        prefixes: what it has run before.
        prompts: conversations about the same photos, in other words.
        options: the answers.
        per_token: the mean over tokens (of an option's likeliest spelling) rather than the sum.

    Returns:
        A list for each prompt, in the order of the options.
    """
    import torch

    tokenizer = loaded.processor.tokenizer
    spellings = [[_spellings(tokenizer, prompt.text, option) for option in options] for prompt in prompts]
    rows = [sorted({ids for spelling in by_option for ids in spelling}) for by_option in spellings]
    with torch.inference_mode():
        scored = row_scores(loaded, prefixes, prompts, rows)
    found = []
    for by_option, ids_of, values in zip(spellings, rows, scored, strict=True):
        scores = dict(zip(ids_of, values, strict=True))
        if per_token:
            found.append([max(scores[ids] / len(ids) for ids in spelling) for spelling in by_option])
        else:
            found.append([_log_sum([scores[ids] for ids in spelling]) for spelling in by_option])
    return found


def _spellings(tokenizer: Any, prompt: str, option: str) -> list[tuple[int, ...]]:
    """The token sequences that say an option right after the prompt."""
    prompt = prompt[-SEAM:]
    forms = [option] if prompt[-1:].isspace() or not prompt else [option, f" {option}"]
    found = dict.fromkeys(_continuation(tokenizer, prompt, form) for form in forms)
    return [ids for ids in found if ids]


def _continuation(tokenizer: Any, prompt: str, form: str) -> tuple[int, ...]:
    """Tokens of a text in its place after the prompt; on its own where a token would straddle the seam."""
    before = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    both = tokenizer(prompt + form, add_special_tokens=False)["input_ids"]
    if both[: len(before)] == before:
        return tuple(both[len(before) :])
    return tuple(tokenizer(form, add_special_tokens=False)["input_ids"])


def _log_sum(values: Sequence[float]) -> float:
    highest = max(values)
    return highest + math.log(sum(math.exp(v - highest) for v in values))
