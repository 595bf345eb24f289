"""Likelihoods of given answers from token probabilities, and the removal of a model's bias towards one answer."""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from prompts import load_yaml
from tools.errors import ModelError
from tools.vlm.prefix_cache import Stem, last_only

if TYPE_CHECKING:
    from torch import Tensor

    from tools.models.loading import Loaded
    from tools.vlm.prefix_cache import Prefixes, Prompt


@dataclass(frozen=True)
class Turn:
    """What one side says."""

    role: Literal["system", "user", "assistant"]
    text: str
    images: int = 0
    """So many of the conversation's photos stand before the text; they are taken in their order."""


Rows = Sequence[tuple[int, ...]]
"""Tokens of answers."""
MASKS = ("eager", "sdpa")
"""Attention that takes a mask of any shape."""


@dataclass
class _Tree:
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
        loaded: the narrator.
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
    import torch

    seen = 0 if stem is None else min([len(stem.ids), *(_same(stem.ids, p.ids) for p in prompts)])
    tree = _Tree()
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
    loaded: Loaded, prefixes: Prefixes, stem: Stem | None, tree: _Tree, seen: int, wanted: Sequence[int]
) -> Tensor:
    """(wanted, vocabulary): logits at some tokens of the tree."""
    import torch

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
    import torch

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


def _check(loaded: Loaded, logs: Tensor) -> None:
    import torch

    if not bool(torch.isfinite(logs).any()):
        raise ModelError(
            f"{loaded.name}: its likelihoods are not numbers; it overflows in {loaded.dtype}; set another dtype."
        )


def _same(a: Sequence[int], b: Sequence[int]) -> int:
    """How many first tokens are the same, and at least one of `b` is left."""
    return next((n for n, (x, y) in enumerate(zip(a, b[:-1], strict=False)) if x != y), min(len(a), len(b) - 1))


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
