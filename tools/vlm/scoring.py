"""Likelihoods of given answers from the token probabilities of a local model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from tools.errors import ModelError
from tools.vlm.prefix_cache import Stem, last_only

if TYPE_CHECKING:
    from tools.models.loading import Loaded
    from tools.vlm.prefix_cache import Prefixes, Prompt


Rows = Sequence[tuple[int, ...]]
"""Tokens of answers."""
MASKS = ("eager", "sdpa")
"""Attention that takes a mask of any shape."""


@dataclass
class _AnswerTree:
    """Prompts' own words, each followed by branches, one an answer; what begins alike is one branch until it parts."""

    ids: list[int] = field(default_factory=list)
    sees: list[list[int]] = field(default_factory=list)
    """Which tokens of the tree each one sees, itself last; so many less one stand before it."""
    _known: dict[tuple[int, int], list[int]] = field(default_factory=dict)

    def grow(self, tokens: Sequence[int], path: list[int]) -> list[int]:
        """Goes on from a path with tokens, and returns the longer path."""
        for token in tokens:
            step = (path[-1] if path else -1, token)
            if step not in self._known:
                self._known[step] = [*path, len(self.ids)]
                self.sees.append(self._known[step])
                self.ids.append(token)
            path = self._known[step]
        return path


def row_scores(
    loaded: Loaded, prefixes: Prefixes, prompts: Sequence[Prompt], rows: Sequence[Rows]
) -> list[list[float]]:
    """Summed log-likelihood of each row of tokens right after its prompt.

    Args:
        loaded: the vlm.
        prefixes: what it has run before.
        prompts: conversations about the same photos.
        rows: for each prompt the answers.

    Raises:
        ModelError: the likelihoods are not numbers.
    """
    stem = prefixes.stem(prompts[0])
    plain = stem is None and bool(prompts[0].digests)
    if plain or not prefixes.able or loaded.model.config._attn_implementation not in MASKS:
        return [_alone(loaded, prompt, ids) for prompt, ids in zip(prompts, rows, strict=True)]
    return _together(loaded, prefixes, stem, prompts, rows)


def _together(
    loaded: Loaded, prefixes: Prefixes, stem: Stem | None, prompts: Sequence[Prompt], rows: Sequence[Rows]
) -> list[list[float]]:
    seen = 0 if stem is None else min([len(stem.ids), *(_same(stem.ids, p.ids) for p in prompts)])
    tree = _AnswerTree()
    asked: list[list[list[int]]] = []
    for prompt, answers in zip(prompts, rows, strict=True):
        path = tree.grow(prompt.ids[seen:], [])
        # The last token of an answer is foretold, and itself foretells nothing that is asked for.
        asked.append([[path[-1], *tree.grow(ids[:-1], path)[len(path) :]] for ids in answers])
    wanted = sorted({n for answers in asked for nodes in answers for n in nodes})
    output = _run(loaded, prefixes, stem, tree, seen, wanted)
    logs = torch.log_softmax(output.float(), dim=-1)
    _check(loaded, logs)
    at = {n: i for i, n in enumerate(wanted)}

    def total(nodes: Sequence[int], ids: Sequence[int]) -> float:
        return float(sum(logs[at[n], token] for n, token in zip(nodes, ids, strict=True)))

    return [[total(*pair) for pair in zip(a, r, strict=True)] for a, r in zip(asked, rows, strict=True)]


def _run(
    loaded: Loaded, prefixes: Prefixes, stem: Stem | None, tree: _AnswerTree, seen: int, wanted: Sequence[int]
) -> Tensor:
    """(wanted, vocabulary): logits at some tokens of the tree."""
    device, dtype, count = loaded.device, loaded.model.dtype, len(tree.ids)
    hidden = torch.finfo(dtype).min
    mask = torch.full((count, seen + count), hidden, dtype=dtype)
    mask[:, :seen] = 0
    for n, path in enumerate(tree.sees):
        mask[n, torch.tensor(path) + seen] = 0
    places = torch.tensor([[len(path) - 1 for path in tree.sees]], device=device) + seen
    given: dict[str, Any] = {"position_ids": prefixes.positions(stem, places)}
    if stem is not None:
        given["past_key_values"] = stem.taken(seen)
    keep = torch.tensor(list(wanted), device=device)
    sparing = bool(last_only(loaded.model))
    output = loaded.model(
        input_ids=torch.tensor([tree.ids], device=device),
        attention_mask=mask[None, None].to(device),
        use_cache=stem is not None,
        **given,
        **({"logits_to_keep": keep} if sparing else {}),
    )
    logits: Tensor = output.logits[0]
    return logits if sparing else logits[keep]


def _alone(loaded: Loaded, prompt: Prompt, rows: Rows) -> list[float]:
    """For one prompt, from its beginning: its answers' further tokens in one batch behind its cache."""
    prefix = loaded.model(**prompt.inputs, use_cache=True, **last_only(loaded.model))
    first = torch.log_softmax(prefix.logits[0, -1].float(), dim=-1)
    _check(loaded, first)
    scores = [float(first[ids[0]]) for ids in rows]
    longer = [n for n, ids in enumerate(rows) if len(ids) > 1]
    if longer:
        rest = _behind(loaded, prefix.past_key_values, [rows[n] for n in longer], shown=bool(prompt.digests))
        for n, score in zip(longer, rest, strict=True):
            scores[n] += score
    return scores


def _behind(loaded: Loaded, cache: Any, rows: Rows, *, shown: bool) -> list[float]:
    """Summed log-likelihood of each row's tokens after its first, in one batch behind the cache.

    The batch needs no attention mask: padding comes last, where no real token looks. Without one a model that
    gives photos positions in two dimensions (Qwen-VL) goes on from those of its last prefix; if that showed no
    photo they are stale, so plain positions are given.
    """
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


def _check(loaded: Loaded, logs: Tensor) -> None:
    if not bool(torch.isfinite(logs).any()):
        raise ModelError(
            f"{loaded.name}: its likelihoods are not numbers; it overflows in {loaded.dtype}; set another dtype."
        )


def _same(a: Sequence[int], b: Sequence[int]) -> int:
    """How many first tokens are the same, and at least one of `b` is left."""
    return next((n for n, (x, y) in enumerate(zip(a, b[:-1], strict=False)) if x != y), min(len(a), len(b) - 1))


SEAM = 64
"""A token right after a prompt depends on no more of its last signs."""


def log_likelihoods(
    loaded: Loaded, prefixes: Prefixes, prompts: Sequence[Prompt], options: Sequence[str], *, per_token: bool
) -> list[list[float]]:
    """Natural log-likelihood of each option as the beginning of the answer to each prompt.

    What the prompts share, photos included, is run once and kept; their other words and all options go through in one
    pass behind it. Where a prompt does not end in white space, an option counts with and without a leading space, since
    a model may have learned either.

    Args:
        loaded: the vlm.
        prefixes: what it has run before.
        prompts: conversations about the same photos, in other words.
        options: the answers.
        per_token: the mean over tokens (of an option's likeliest spelling) rather than the sum.

    Returns:
        A list for each prompt, in the order of the options.
    """
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
