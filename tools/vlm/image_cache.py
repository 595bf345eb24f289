"""Caches of processed photos and of the vision tower's outputs, so that each photo is encoded once."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Sequence
from inspect import signature
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from tools.models.loading import Loaded

PHOTOS = 16
"""Encoded photos that are kept, the last used first."""
TEXT = ("input_ids", "attention_mask", "mm_token_type_ids", "token_type_ids", "position_ids")
"""Inputs of the language model; all others belong to the photos."""


class Sight:
    """Encoded photos of one model; the last used are kept."""

    def __init__(self, loaded: Loaded, photos: int = PHOTOS) -> None:
        """Takes the model.

        Args:
            loaded: the language model's model.
            photos: so many encodings are kept.
        """
        self._model = loaded.model
        self._photos = photos
        self._kept: OrderedDict[tuple[str, ...], Any] = OrderedDict()
        forward = signature(loaded.model.forward).parameters
        encode = getattr(loaded.model, "get_image_features", None)
        self.able = encode is not None and "mm_encoder_outputs" in forward
        """Whether this class takes photos that were encoded before (transformers' `mm_encoder_outputs`)."""
        self._takes = frozenset(signature(encode).parameters) if encode is not None else frozenset()

    def encode(self, inputs: dict[str, Any], digests: Sequence[str]) -> dict[str, Any] | None:
        """The photos of a prompt as forward takes them, each encoded once; None where the class cannot.

        Args:
            inputs: the processor's, with the pixels of all photos.
            digests: of the photos, in their order.
        """
        if not self.able or not digests:
            return None
        pixels = {k: v for k, v in inputs.items() if k not in TEXT and k in self._takes}
        single = [self._one(pixels, n, len(digests)) for n in range(len(digests))]
        if any(one is None for one in single):
            return {"image": self._found((*digests, ""), pixels)}
        return {"image": _joined([self._found((d,), one or {}) for one, d in zip(single, digests, strict=True)])}

    def _one(self, pixels: dict[str, Any], number: int, count: int) -> dict[str, Any] | None:
        """The inputs of one photo of several; None where they cannot be told apart."""
        if count == 1:
            return pixels
        grid, values = pixels.get("image_grid_thw"), pixels["pixel_values"]
        if grid is not None:
            ends = grid.prod(dim=1).cumsum(0).tolist()
            start = ends[number - 1] if number else 0
            return {"pixel_values": values[start : ends[number]], "image_grid_thw": grid[number : number + 1]}
        # LLaVA-OneVision encodes a photo among others in another way than one alone.
        if "batch_num_images" in pixels or values.shape[0] != count:
            return None
        return {k: v[number : number + 1] for k, v in pixels.items()}

    def _found(self, key: tuple[str, ...], pixels: dict[str, Any]) -> Any:
        if key not in self._kept:
            made = self._model.get_image_features(**pixels, return_dict=True)
            made.hidden_states = made.attentions = made.last_hidden_state = None
            self._kept[key] = made
            while len(self._kept) > self._photos:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]


def _joined(rows: Sequence[Any]) -> Any:
    """Several photos' encodings as one; features of deeper layers (Qwen3-VL) are joined layer by layer."""
    if len(rows) == 1:
        return rows[0]
    joined = type(rows[0])()
    joined.pooler_output = _together([row.pooler_output for row in rows])
    deep: Sequence[Any] | None = getattr(rows[0], "deepstack_features", None)
    if deep is not None:
        joined.deepstack_features = [_together([row.deepstack_features[n] for row in rows]) for n in range(len(deep))]
    return joined


def _together(features: Sequence[Any]) -> Any:
    """Features of several photos in a row: as a tensor where a class gives one, else as one list of all photos'."""
    if isinstance(features[0], torch.Tensor):
        return torch.cat(list(features))
    return [feature for of_photo in features for feature in of_photo]


PROMPTS = 4
"""Sets of photos that are kept, the last used first."""


class Pictures:
    """Stands before a processor's image processor, and does each set of photos once."""

    def __init__(self, image_processor: Any, prompts: int = PROMPTS) -> None:
        """Takes the image processor; all that it can besides is passed on."""
        self._real = image_processor
        self._prompts = prompts
        self._kept: OrderedDict[tuple[object, ...], Any] = OrderedDict()
        self.digests: tuple[str, ...] = ()
        """Of the photos of the next call."""

    def __call__(self, images: Any, *args: Any, **kwargs: Any) -> Any:
        """What the image processor makes of the photos whose digests were set."""
        key = (*self.digests, repr(args), repr(sorted(kwargs.items(), key=lambda item: item[0])))
        if key not in self._kept:
            self._kept[key] = self._real(images, *args, **kwargs)
            while len(self._kept) > self._prompts:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        found = copy.copy(self._kept[key])
        # A processor may take things out of what it gets.
        found.data = dict(found.data)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_real"], name)


def with_pictures(processor: Any) -> tuple[Any, Pictures]:
    """The same processor, with its image processor behind a `Pictures`; the given one is left as it is."""
    made, pictures = copy.copy(processor), Pictures(processor.image_processor)
    made.image_processor = pictures
    return made, pictures
