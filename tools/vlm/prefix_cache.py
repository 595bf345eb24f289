"""Keys and values of prompts' beginnings, kept, so that a second question about a photo runs only its own words."""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from inspect import signature
from typing import TYPE_CHECKING, Any

import torch

from tools.vlm.image_cache import TEXT, Sight

if TYPE_CHECKING:
    from tools.models.loading import Loaded

CAPACITY = 4
"""Beginnings that are kept, the last used first."""
BYTES = 1 << 30
"""Together they take at most so much memory; the last one is kept in any case."""
LEAST = 8
"""A shared beginning of fewer tokens is not worth taking up."""


@dataclass(frozen=True, eq=False)
class Prompt:
    """A conversation as the model takes it."""

    inputs: dict[str, Any]
    """Of the processor, batch size 1, on the model's device."""
    ids: tuple[int, ...]
    """The same tokens as plain numbers."""
    digests: tuple[str, ...]
    """Of the photos, in their order."""
    text: str
    """As the chat template writes it."""


@dataclass(frozen=True, eq=False)
class Stem:
    """A beginning of a prompt that has been run."""

    ids: tuple[int, ...]
    digests: tuple[str, ...]
    """Of the photos inside it."""
    cache: Any
    """transformers' cache of keys and values; never written to: `taken` gives one to go on with."""
    delta: Any = None
    """What a model that gives photos positions in two dimensions (Qwen-VL) adds to positions after them."""

    @property
    def bytes(self) -> int:
        """Memory of its keys and values."""
        layers = (x for layer in self.cache.layers for x in (layer.keys, layer.values))
        return sum(int(x.numel() * x.element_size()) for x in layers)

    def taken(self, length: int) -> Any:
        """A cache of the first tokens, to go on with; it shares memory, since a growing cache writes nowhere."""
        cache = copy.copy(self.cache)
        cache.layers = [copy.copy(layer) for layer in self.cache.layers]
        for layer in cache.layers:
            layer.keys, layer.values = layer.keys[..., :length, :], layer.values[..., :length, :]
        return cache


class Prefixes:
    """The beginnings that one model has run; a sliding window or a recurrent state cannot be cut, so it keeps none."""

    def __init__(self, loaded: Loaded, *, capacity: int = CAPACITY, limit: int = BYTES) -> None:
        """Takes the model.

        Args:
            loaded: the language model's model.
            capacity: so many beginnings are kept for each lane.
            limit: bytes that they may take together.
        """
        self.sight = Sight(loaded)
        self._loaded = loaded
        config: Any = loaded.model.config
        self._photo = int(getattr(config, "image_token_id", 0) or getattr(config, "image_token_index", -1))
        """The token that stands for a piece of a photo."""
        self._capacity, self._limit = capacity, limit
        self._stems: list[Stem] = []
        """Least lately used first."""
        self.able = True
        """Whether the model's cache can be cut."""

    def stem(self, prompt: Prompt, *, whole: bool = False) -> Stem | None:
        """The beginning of a prompt up to and with its last photo, run if it has not been.

        Args:
            prompt: the conversation.
            whole: up to its last token but one instead, for an answer that is to be gone on with.

        Returns:
            What has been run; it may reach further than asked. None where nothing can be kept.
        """
        end = len(prompt.ids) - 1 if whole else self._after_photos(prompt.ids)
        if not self.able or end < LEAST:
            return None
        found = self._found(prompt)
        if found is not None and len(found.ids) >= end:
            return found
        with torch.inference_mode():
            return self.keep(self._run(prompt, found, end))

    def keep(self, stem: Stem) -> Stem | None:
        """Keeps a beginning in the place of those that it goes on from; None where it cannot be cut."""
        if not all(type(layer).__name__ == "DynamicLayer" for layer in stem.cache.layers):
            self.able = False
            logging.getLogger(__name__).warning(
                "%s: its cache of keys and values cannot be cut (sliding window or recurrent state), so every question "
                "runs the photo again.",
                self._loaded.name,
            )
            return None
        kept = [s for s in self._stems if not (s.ids == stem.ids[: len(s.ids)] and _agree(s, stem))]
        self._stems = [*kept, stem][-self._capacity :]
        while len(self._stems) > 1 and sum(s.bytes for s in self._stems) > self._limit:
            del self._stems[0]
        return stem

    def go_on(self, prompt: Prompt, ids: Sequence[int], cache: Any) -> None:
        """Keeps what an answer has run, its own words included, for the next turn of the conversation."""
        place = self._rope()
        self.keep(
            Stem(tuple(ids[: cache.get_seq_length()]), prompt.digests, cache, getattr(place, "rope_deltas", None))
        )

    @property
    def bytes(self) -> int:
        """Memory of all that is kept."""
        return sum(s.bytes for s in self._stems)

    def positions(self, stem: Stem | None, places: Any) -> Any:
        """Positions of tokens behind a beginning, (1, N) or, for models with photos in two dimensions, (3, 1, N)."""
        if self._rope() is None:
            return places
        shifted = places if stem is None or stem.delta is None else places + stem.delta.to(places.device)
        return shifted[None].expand(3, -1, -1)

    def set_positions(self, stem: Stem) -> None:
        """Puts back what the model remembers of where the last photo lay, which another prompt may have changed."""
        place = self._rope()
        if place is not None:
            place.rope_deltas = stem.delta

    def _found(self, prompt: Prompt) -> Stem | None:
        """The longest beginning that was run, cut to what is the same; whole photos only."""
        best, longest = None, LEAST - 1
        for stem in self._stems:
            length = _shared(stem.ids, prompt.ids[:-1])
            length = self._whole_photos(stem, prompt, length)
            if length > longest:
                best, longest = stem, length
        if best is None:
            return None
        self._stems.remove(best)
        self._stems.append(best)
        photos = best.digests if self._photo in best.ids[:longest] else ()
        return Stem(best.ids[:longest], photos, best.taken(longest), best.delta)

    def _whole_photos(self, stem: Stem, prompt: Prompt, length: int) -> int:
        """So much of what is shared shows the same photos; where they differ it ends before the first."""
        before = prompt.ids[:length]
        first = before.index(self._photo) if self._photo in before else None
        if first is None:
            return length
        same = stem.digests == prompt.digests[: len(stem.digests)]
        complete = self._after_photos(stem.ids) <= length
        if same and complete and (len(stem.digests) == len(prompt.digests) or self._rope() is None):
            return length
        return first

    def _run(self, prompt: Prompt, found: Stem | None, end: int) -> Stem:
        """Runs the prompt up to a token, from what was found on."""
        done = len(found.ids) if found is not None else 0
        shown = len(found.digests) if found is not None else 0
        more = shown < len(prompt.digests)
        if more and done and (self._rope() is not None or (shown and not self.sight.able)):
            found, done, shown = None, 0, 0
        given: dict[str, Any] = {k: v[:, done:end] for k, v in prompt.inputs.items() if k in TEXT}
        given["attention_mask"] = prompt.inputs["attention_mask"][:, :end]
        if found is not None:
            given["past_key_values"] = found.taken(done)
        if more:
            given |= self._photos(prompt, shown)
        elif found is not None:
            places = torch.arange(done, end, device=self._loaded.device)[None]
            given["position_ids"] = self.positions(found, places)
        output = self._loaded.model(**given, use_cache=True, **last_only(self._loaded.model))
        place = self._rope()
        delta = place.rope_deltas if place is not None else None
        if found is not None and not more:
            delta = found.delta
        return Stem(prompt.ids[:end], prompt.digests, output.past_key_values, delta)

    def _photos(self, prompt: Prompt, shown: int) -> dict[str, Any]:
        """The photos that a prompt shows beyond the first ones, encoded before where the class allows."""
        encoded = self.sight.encode(prompt.inputs, prompt.digests)
        if encoded is None:
            return {k: v for k, v in prompt.inputs.items() if k not in TEXT}
        extra = {k: prompt.inputs[k] for k in ("image_grid_thw",) if k in prompt.inputs}
        if not shown:
            return {"mm_encoder_outputs": encoded, **extra}
        rest = copy.copy(encoded["image"])
        rest.pooler_output = rest.pooler_output[shown:]
        return {"mm_encoder_outputs": {"image": rest}, **extra}

    def _after_photos(self, ids: Sequence[int]) -> int:
        """Where the text after the last photo begins; 0 without a photo."""
        return len(ids) - ids[::-1].index(self._photo) if self._photo in ids else 0

    def _rope(self) -> Any:
        """The module that remembers where the last photo lay; None for models that count positions plainly."""
        base = getattr(self._loaded.model, "model", None)
        return base if hasattr(base, "rope_deltas") else None


def last_only(model: Any) -> dict[str, int]:
    """Spares a prompt, thousands of tokens for a photo, its likelihoods over the whole vocabulary but the last."""
    return {"logits_to_keep": 1} if "logits_to_keep" in signature(model.forward).parameters else {}


def _shared(a: Sequence[int], b: Sequence[int]) -> int:
    """How many first tokens are the same."""
    return next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _agree(a: Stem, b: Stem) -> bool:
    return a.digests == b.digests[: len(a.digests)]
