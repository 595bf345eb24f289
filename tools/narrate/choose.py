"""How likely given answers are: token likelihoods over a shared prefix, and a model's bias taken out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from inspect import signature
from typing import TYPE_CHECKING, Any

from tools.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

    from tools.loading import Loaded

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
    loaded: Loaded, inputs: dict[str, Any], prompt: str, options: Sequence[str], *, per_token: bool
) -> list[float]:
    """Natural log-likelihood of each option as the beginning of the answer.

    The prefix, photos included, is run once; the options' further tokens go through in one batch behind its
    cache. Where the prompt does not end in white space, an option counts with and without a leading space,
    since a model may have learned either.

    Args:
        loaded: the narrator.
        inputs: of the prefix, batch size 1.
        prompt: the same as text.
        options: the answers.
        per_token: the mean over tokens (of an option's likeliest spelling) rather than the sum.
    """
    import torch

    tokenizer = loaded.processor.tokenizer
    spellings = [_spellings(tokenizer, prompt, option) for option in options]
    rows = sorted({ids for spelling in spellings for ids in spelling})
    with torch.inference_mode():
        scores = dict(zip(rows, _row_scores(loaded, inputs, rows), strict=True))
    if per_token:
        return [max(scores[ids] / len(ids) for ids in spelling) for spelling in spellings]
    return [_log_sum([scores[ids] for ids in spelling]) for spelling in spellings]


def _spellings(tokenizer: Any, prompt: str, option: str) -> list[tuple[int, ...]]:
    """The token sequences that say an option right after the prompt."""
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


def _row_scores(loaded: Loaded, inputs: dict[str, Any], rows: Sequence[tuple[int, ...]]) -> list[float]:
    """Summed log-likelihood of each row of tokens after the prefix."""
    import torch

    prefix = loaded.model(**inputs, use_cache=True, **_last_only(loaded.model))
    first = torch.log_softmax(prefix.logits[0, -1].float(), dim=-1)
    if not bool(torch.isfinite(first).any()):
        raise ModelError(
            f"{loaded.name}: its likelihoods are not numbers; it overflows in {loaded.dtype}; set another dtype."
        )
    scores = [float(first[ids[0]]) for ids in rows]
    longer = [n for n, ids in enumerate(rows) if len(ids) > 1]
    if longer:
        shown = any(values.is_floating_point() for values in inputs.values())
        rest = _rest_scores(loaded, prefix.past_key_values, [rows[n] for n in longer], shown=shown)
        for n, score in zip(longer, rest, strict=True):
            scores[n] += score
    return scores


def _last_only(model: Any) -> dict[str, int]:
    """Spares the prefix, thousands of tokens for a photo, its likelihoods over the whole vocabulary but the last."""
    return {"logits_to_keep": 1} if "logits_to_keep" in signature(model.forward).parameters else {}


def _rest_scores(loaded: Loaded, cache: Any, rows: Sequence[tuple[int, ...]], *, shown: bool) -> list[float]:
    """Summed log-likelihood of each row's tokens after its first, in one batch behind the cache.

    The batch needs no attention mask: padding comes last, where no real token looks. Without one a model that
    gives photos positions in two dimensions (Qwen-VL) goes on from those of its last prefix; if that showed no
    photo they are stale, so plain positions are given.
    """
    import torch

    longest, seen = max(map(len, rows)) - 1, cache.get_seq_length()
    fed = torch.zeros(len(rows), longest, dtype=torch.long, device=loaded.device)
    wanted, real = fed.clone(), fed.clone()
    for n, ids in enumerate(rows):
        fed[n, : len(ids) - 1] = torch.tensor(ids[:-1])
        wanted[n, : len(ids) - 1] = torch.tensor(ids[1:])
        real[n, : len(ids) - 1] = 1
    cache.batch_repeat_interleave(len(rows))
    places = {} if shown else {"position_ids": torch.arange(seen, seen + longest, device=fed.device).expand_as(fed)}
    output = loaded.model(input_ids=fed, past_key_values=cache, use_cache=True, **places)
    scores: Tensor = torch.log_softmax(output.logits.float(), dim=-1).gather(2, wanted[..., None])[..., 0]
    return [float(total) for total in (scores * real).sum(dim=1)]


def _log_sum(values: Sequence[float]) -> float:
    highest = max(values)
    return highest + math.log(sum(math.exp(v - highest) for v in values))
