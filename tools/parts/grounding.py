"""Finds parts by the words for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tools.errors import ModelError
from tools.timing import model_call
from tools.types import Box, Part, Region, Sample

if TYPE_CHECKING:
    from tools.models.loading import Loaded

THRESHOLD = 0.25
"""Least confidence of a detection where the caller names none."""
OVERLAP = 0.5
"""Of two boxes of one phrase that overlap more than this (IoU), the surer one stays."""
SENTENCE_MODELS = ("grounding-dino", "mm-grounding-dino")
"""Model types that read all phrases as one sentence."""
QUERY_MODELS = ("owlvit", "owlv2")
"""Model types that take each phrase as a query."""
_STOP = ". "


@dataclass(frozen=True, eq=False)
class _Detections:
    """What one forward pass says of all Q boxes."""

    scores: NDArray[np.float32]
    """(Q,) in [0, 1]."""
    texts: NDArray[np.int64]
    """(Q,): index of the phrase that each box goes to."""
    boxes: NDArray[np.float32]
    """(Q, 4), xyxy in pixels; may leave the photo."""


class Grounder:
    """Zero-shot detection from words.

    Grounding DINO (Liu et al. 2023) reads all phrases as one sentence and scores a box against each of its
    tokens; OWL-ViT and OWLv2 (Minderer et al. 2022, 2023) score a box against each phrase. A box goes to one
    phrase, the best fitting.
    """

    def __init__(self, loaded: Loaded) -> None:
        """Takes a detector with its processor.

        Raises:
            ModelError: the model is of another family.
        """
        kind = loaded.model.config.model_type
        if kind not in (*SENTENCE_MODELS, *QUERY_MODELS):
            raise ModelError(
                f"{loaded.name}: a model of type '{kind}' cannot ground phrases; accepted are "
                f"{', '.join((*SENTENCE_MODELS, *QUERY_MODELS))}."
            )
        self._loaded = loaded
        self._reads_sentences = kind in SENTENCE_MODELS

    def ground(self, sample: Sample, phrases: Sequence[str], threshold: float | None = None) -> tuple[Part, ...]:
        """Boxes of whatever the phrases name, surest first.

        Args:
            sample: a photo of any size.
            phrases: nouns such as "hex nut"; empty and repeated ones are ignored, full stops do not count.
            threshold: least confidence in [0, 1]; 0.25 by default.

        Returns:
            Parts whose label is the phrase exactly as given, with boxes inside the photo and without masks;
            none where there is no phrase or nothing was found.
        """
        said: dict[str, str] = {}
        for phrase in phrases:
            said.setdefault(cleaned(phrase), phrase)
        said.pop("", None)
        least = THRESHOLD if threshold is None else threshold
        found: list[Part] = []
        for chunk in self._chunks(list(said)):
            detected = self._detect_sentence(sample, chunk) if self._reads_sentences else self._detect(sample, chunk)
            for which, text in enumerate(chunk):
                mine = (detected.texts == which) & (detected.scores >= least)
                found.extend(_parts(said[text], detected.scores[mine], detected.boxes[mine], sample.size))
        return tuple(sorted(found, key=lambda part: -part.region.score))

    def _chunks(self, texts: Sequence[str]) -> Iterator[list[str]]:
        """Texts in their order, as many at once as the model takes."""
        if not self._reads_sentences:
            if texts:
                yield list(texts)
            return
        limit = self._token_limit()
        chunk: list[str] = []
        for text in texts:
            if chunk and self._length([*chunk, text]) > limit:
                yield chunk
                chunk = []
            chunk.append(text)
        if chunk:
            yield chunk

    def _token_limit(self) -> int:
        config = self._loaded.model.config
        return int(min(getattr(config, "max_text_len", 256), self._loaded.processor.tokenizer.model_max_length))

    def _length(self, texts: Sequence[str]) -> int:
        return len(self._loaded.processor.tokenizer(_sentence(texts))["input_ids"])

    def _detect(self, sample: Sample, texts: Sequence[str]) -> _Detections:
        """A forward pass of a model that takes each phrase as a query of its own."""
        output, _ = self._run(sample, [list(texts)])
        scores, which = torch.sigmoid(output.logits[0].float().cpu()[:, : len(texts)]).max(dim=1)
        return _Detections(scores.numpy(), which.numpy(), self._boxes(output, sample, {}))

    def _detect_sentence(self, sample: Sample, texts: Sequence[str]) -> _Detections:
        """A forward pass of a model that reads one sentence.

        A box goes to the phrase whose tokens fit best on the mean, since two phrases may share a token; its
        confidence is that of the phrase's best token, as in the model's own post-processing.
        """
        output, ids = self._run(sample, _sentence(texts))
        tokens = torch.sigmoid(output.logits[0].float().cpu())
        spans = self._spans(texts)
        best = torch.stack([tokens[:, s].max(dim=1).values if s else tokens[:, 0] * 0 for s in spans], dim=1)
        mean = torch.stack([tokens[:, s].mean(dim=1) if s else tokens[:, 0] * 0 for s in spans], dim=1)
        which = mean.argmax(dim=1)
        scores = best.gather(1, which[:, None])[:, 0]
        boxes = self._boxes(output, sample, {"input_ids": ids, "text_threshold": 1.0})
        return _Detections(scores.numpy(), which.numpy(), boxes)

    @model_call
    def _run(self, sample: Sample, text: str | list[list[str]]) -> tuple[Any, Any]:
        """The model's output for one photo, and the token ids of the text."""
        loaded = self._loaded
        inputs = loaded.processor(images=sample.image, text=text, return_tensors="pt", truncation=True)
        pixels = inputs["pixel_values"].to(loaded.device, loaded.dtype)
        others = {k: v.to(loaded.device) for k, v in inputs.items() if k != "pixel_values"}
        names = tuple(others)

        def run(pixels: Tensor, *others: Tensor) -> tuple[Tensor, Tensor]:
            found = loaded.model(pixel_values=pixels, **dict(zip(names, others, strict=True)))
            return found.logits, found.pred_boxes

        with torch.inference_mode():
            found = run(pixels, *others.values())
        return SimpleNamespace(logits=found[0], pred_boxes=found[1]), inputs["input_ids"]

    def _boxes(self, output: Any, sample: Sample, options: dict[str, Any]) -> NDArray[np.float32]:
        """Boxes (Q, 4) of all queries in pixels, as the model's own processor undoes its resizing and padding."""
        width, height = sample.size
        (result,) = self._loaded.processor.post_process_grounded_object_detection(
            output, threshold=-1.0, target_sizes=[(height, width)], **options
        )
        boxes: NDArray[np.float32] = result["boxes"].float().cpu().numpy()
        return boxes

    def _spans(self, texts: Sequence[str]) -> list[list[int]]:
        """For each phrase of the sentence the places of its tokens; empty for one that was cut off."""
        tokenizer = self._loaded.processor.tokenizer
        told = tokenizer(_sentence(texts), return_offsets_mapping=True, truncation=True)
        spans, start = [], 0
        for text in texts:
            end = start + len(text)
            spans.append([i for i, (a, b) in enumerate(told["offset_mapping"]) if a < b and a < end and b > start])
            start = end + len(_STOP)
        return spans


def cleaned(phrase: str) -> str:
    """A phrase as detectors were trained on it: lower case, no full stops, single spaces.

    >>> cleaned(" Hex nut, M2.5. ")
    'hex nut, m2 5'
    """
    return " ".join(phrase.lower().replace(".", " ").replace("\u3002", " ").split())


def _sentence(texts: Sequence[str]) -> str:
    return "".join(text + _STOP for text in texts).strip()


def _parts(
    phrase: str, scores: NDArray[np.float32], boxes: NDArray[np.float32], size: tuple[int, int]
) -> Iterator[Part]:
    """Boxes of one phrase inside the photo, surest first, less those that a surer one covers."""
    kept: list[Box] = []
    for index in np.argsort(-scores, kind="stable").tolist():
        box = Box(*(float(v) for v in boxes[index])).clipped(*size)
        if min(box.width, box.height) >= 1 and all(box.iou(other) <= OVERLAP for other in kept):
            kept.append(box)
            yield Part(phrase, Region(box, float(scores[index])))
