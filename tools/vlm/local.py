"""A vision-language model that runs in this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

from tools.errors import InputError, ModelError
from tools.timing import model_call
from tools.types import RGB
from tools.vlm.answers import Turn, normalised
from tools.vlm.image_cache import with_pictures
from tools.vlm.prefix_cache import Prefixes, Prompt
from tools.vlm.schema import Grammars, Schema
from tools.vlm.scoring import log_likelihoods

if TYPE_CHECKING:
    from tools.models.loading import Loaded

YES = ("Yes", "yes")
"""Forms of agreement."""
NO = ("No", "no")
"""Forms of denial."""


class LocalVLM:
    """Greedy answers and likelihoods of answers, from any image-text-to-text model with a chat template.

    Of several photos at a time (`tools.together`) one asks after the other: beginnings of prompts are kept photo by
    photo, so that forwards are not joined.
    """

    def __init__(self, loaded: Loaded, *, image_size: int | None = None) -> None:
        """Takes a model with its processor.

        Args:
            loaded: the model and its processor.
            image_size: photos are scaled down until their longer side has so many pixels; None for no limit.

        Raises:
            ModelError: the processor has no chat template.
        """
        if getattr(loaded.processor, "chat_template", None) is None:
            raise ModelError(
                f"{loaded.name}: its processor has no chat template, so that nobody knows how it is spoken to; copy "
                "chat_template.jinja from the original checkpoint."
            )
        self._loaded = loaded
        self._image_size = image_size
        self._prefixes = Prefixes(loaded)
        self._grammars = Grammars(loaded)
        self._processor, self._pictures = with_pictures(loaded.processor)

    @model_call
    def answer(
        self, images: Sequence[RGB], turns: Sequence[Turn], max_new_tokens: int = 64, *, schema: Schema | None = None
    ) -> str:
        """What the model says next, greedily, so that the same question gets the same answer.

        Args:
            images: photos of the whole conversation, in the order in which its turns show them.
            turns: the conversation; the last turn is the user's.
            max_new_tokens: the answer is cut after so many tokens.
            schema: hold the answer to this JSON Schema, where the model's tokens can be held to one; one that is cut
                short is the beginning of such an answer.

        Raises:
            InputError: no turns, the last is not the user's, or they show another number of photos.
        """
        prompt = self._prompt(images, turns)
        with torch.inference_mode():
            begun = self._begun(prompt)
            ids = self._loaded.model.generate(
                **begun,
                max_new_tokens=max_new_tokens,
                do_sample=False,
                temperature=None,
                top_p=None,
                top_k=None,
                pad_token_id=_padding(self._loaded.processor.tokenizer),
                logits_processor=self._grammars.holding(schema) if schema is not None else [],
            )
        if "past_key_values" in begun:
            self._prefixes.go_on(prompt, ids[0].tolist(), begun["past_key_values"])
        said = self._loaded.processor.tokenizer.decode(ids[0, len(prompt.ids) :], skip_special_tokens=True)
        return str(said).strip()

    def _begun(self, prompt: Prompt) -> dict[str, Any]:
        """What an answer starts from: all but the last token run and taken from what is kept, where that can be."""
        stem = self._prefixes.stem(prompt, whole=True) if prompt.digests else None
        if stem is None:
            return prompt.inputs
        self._prefixes.set_positions(stem)
        told = {k: v for k, v in prompt.inputs.items() if k in ("input_ids", "attention_mask")}
        return {**told, "past_key_values": stem.taken(len(prompt.ids) - 1)}

    def choose(
        self, images: Sequence[RGB], turns: Sequence[Turn], options: Sequence[str], *, per_token: bool = False
    ) -> dict[str, float]:
        """How likely each option is as the beginning of the answer, given that it is one of them.

        Args:
            images: as for `answer`.
            turns: as for `answer`.
            options: different answers, none empty.
            per_token: compare the mean log-likelihood of an option's tokens rather than the sum, so that long
                options are not at a disadvantage.

        Returns:
            Probabilities by option, in the order given; they add up to 1.

        Raises:
            InputError: as `answer`; or no option, an empty one, or one twice.
        """
        if not options or len(set(options)) < len(options) or not all(o.strip() for o in options):
            raise InputError(f"options {list(options)}: give at least one, each different and none empty.")
        (likelihoods,) = self._likelihoods(images, [turns], options, per_token)
        return dict(zip(options, normalised(likelihoods), strict=True))

    def yes_no(self, images: Sequence[RGB], turns: Sequence[Turn]) -> float:
        """P(yes) against P(no), each summed over its forms (Yes, yes; No, no).

        Raises:
            InputError: as `answer`.
        """
        (p,) = self.yes_no_each(images, [turns])
        return p

    def yes_no_each(self, images: Sequence[RGB], conversations: Sequence[Sequence[Turn]]) -> list[float]:
        """P(yes) of several questions about the same photos, in one pass behind the photos.

        Args:
            images: as for `answer`; the same ones for every conversation.
            conversations: such as a question in two phrasings of opposite polarity; at least one.

        Raises:
            InputError: as `answer`.
        """
        found = self._likelihoods(images, conversations, (*YES, *NO), per_token=False)
        return [sum(normalised(likelihoods)[: len(YES)]) for likelihoods in found]

    @model_call
    def _likelihoods(
        self, images: Sequence[RGB], conversations: Sequence[Sequence[Turn]], options: Sequence[str], per_token: bool
    ) -> list[list[float]]:
        prompts = [self._prompt(images, turns) for turns in conversations]
        return log_likelihoods(self._loaded, self._prefixes, prompts, options, per_token=per_token)

    def _prompt(self, images: Sequence[RGB], turns: Sequence[Turn]) -> Prompt:
        """The conversation as the model's own template writes it, up to where the answer begins."""
        _check(images, turns)
        digests = tuple(_digest(image) for image in images)
        inputs = self._inputs(images, turns, digests)
        text = self._loaded.processor.apply_chat_template(
            [_message(turn, [None] * turn.images) for turn in turns], add_generation_prompt=True, tokenize=False
        )
        ids = tuple(inputs["input_ids"][0].tolist())
        return Prompt(inputs, ids, digests, str(text))

    def _inputs(self, images: Sequence[RGB], turns: Sequence[Turn], digests: tuple[str, ...]) -> dict[str, Any]:
        """What the model's forward takes, on its device."""
        self._pictures.digests = digests
        shown = [self._fitted(image) for image in images]
        messages, taken = [], 0
        for turn in turns:
            messages.append(_message(turn, shown[taken : taken + turn.images]))
            taken += turn.images
        made: Mapping[str, Any] = self._processor.apply_chat_template(
            messages, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
        )
        device, dtype = self._loaded.device, self._loaded.dtype
        return {k: v.to(device, dtype) if v.is_floating_point() else v.to(device) for k, v in made.items()}

    def _fitted(self, image: RGB) -> Any:
        """A PIL image, scaled down to the limit."""
        picture = Image.fromarray(image)
        if self._image_size is not None and max(picture.size) > self._image_size:
            picture.thumbnail((self._image_size, self._image_size), Image.Resampling.LANCZOS)
        return picture


def _message(turn: Turn, images: Sequence[Any]) -> dict[str, Any]:
    """A turn as chat templates take it, photos before text."""
    shown = [{"type": "image"} if image is None else {"type": "image", "image": image} for image in images]
    return {"role": turn.role, "content": [*shown, {"type": "text", "text": turn.text}]}


def _digest(image: RGB) -> str:
    """Of a photo's pixels and size."""
    return sha256(repr(image.shape).encode() + np.ascontiguousarray(image).tobytes()).hexdigest()


def _check(images: Sequence[RGB], turns: Sequence[Turn]) -> None:
    if not turns or turns[-1].role != "user":
        raise InputError("a conversation must end with a turn of the user; add the question as the last turn.")
    told = sum(turn.images for turn in turns)
    if told != len(images):
        raise InputError(f"the turns show {told} photos, but {len(images)} were given; make both agree.")


def _padding(tokenizer: Any) -> int | None:
    padding: int | None = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    return padding
