"""Traces edges of parts and damage on a photo, with neither words nor references."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tools.calls import model_call
from tools.errors import ModelError
from tools.types import FloatMap, Sample, ScoreMap

if TYPE_CHECKING:
    from torch import Tensor

    from tools.loading import Loaded

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's photos, by channel."""
MIRRORS: tuple[list[int], ...] = ([], [2], [3], [2, 3])
"""Axes along which a photo is mirrored; what the views say is averaged, which is steadier than any of them."""
STEP = 32
"""Sides are brought to multiples of this."""
WORST = 12
"""The image score is the mean log-odds over so many places (of half the input's resolution) that look worst."""


@dataclass(frozen=True, eq=False)
class Traces:
    """What was traced on one photo, at the photo's size."""

    edges: FloatMap
    """(H, W), probability that one part ends and another begins there."""
    parts: FloatMap
    """(H, W), probability that a place is of a part or product rather than of what it lies on."""
    items: FloatMap
    """(H, W), probability that a place is of a part that no other lies on."""
    flaws: ScoreMap
    """Probability of damage at each place; its own unit is log-odds."""


class PhotoTracer:
    """One verb: trace photos."""

    def __init__(self, loaded: Loaded) -> None:
        """Takes a loaded tracer."""
        self._loaded = loaded
        self._last: tuple[str, Traces] | None = None

    def trace(self, samples: Sequence[Sample]) -> tuple[Traces, ...]:
        """Traces photos of any sizes, each brought to the model's size along its longer side.

        Several steps ask for the same photo one after the other, so what was traced last is kept.

        Raises:
            ModelError: the weights are damaged.
        """
        return tuple(self._one(sample) for sample in samples)

    def _one(self, sample: Sample) -> Traces:
        last = self._last
        if last is None or last[0] != sample.digest:
            last = self._last = (sample.digest, self._traced(sample))
        return last[1]

    def _traced(self, sample: Sample) -> Traces:
        import torch

        parts, edges, flaws, items = (_mean_of_views(logits) for logits in self._said(sample))
        if not bool(torch.isfinite(flaws).all()):
            raise ModelError(f"{self._loaded.name}: what it traces is not finite; fetch the checkpoint again.")
        raw = _at_size(flaws, sample.size)
        score = float(flaws.flatten().topk(min(WORST, flaws.numel())).values.mean())
        whole = ScoreMap(_sigmoid(raw), float(_sigmoid(np.float32(score))), "tracer", raw=raw, raw_score=score)
        at_edge, of_part, of_item = (_at_size(m.sigmoid(), sample.size) for m in (edges, parts, items))
        return Traces(at_edge, of_part, of_item, whole)

    @model_call
    def _said(self, sample: Sample) -> tuple[Tensor, ...]:
        """Logits (views, h, w) of the photo's mirrored views, each map of the model's in its order, on the CPU."""
        import torch

        pixels = self._pixels(sample).to(self._loaded.device, self._loaded.dtype)
        views = torch.cat([pixels.flip(axes) for axes in MIRRORS])
        with torch.inference_mode():
            said = self._loaded.model(views.contiguous(memory_format=torch.channels_last))
        return tuple(logits.float().cpu() for logits in said)

    def _pixels(self, sample: Sample) -> Tensor:
        """(1, 3, h, w), the longer side at the model's size, both at multiples of 32."""
        import torch
        from PIL import Image

        width, height = sample.size
        scale = self._loaded.model.config.image_size / max(width, height)
        across, down = (max(STEP, round(v * scale / STEP) * STEP) for v in (width, height))
        resized = np.asarray(Image.fromarray(sample.image).resize((across, down), Image.Resampling.BICUBIC))
        values = torch.from_numpy(resized.copy()).permute(2, 0, 1).float() / 255
        return ((values - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(DEVIATION).view(3, 1, 1))[None]


def _mean_of_views(logits: Tensor) -> Tensor:
    """(views, h, w) in the order of `MIRRORS`, each mirrored back, as their mean (h, w)."""
    import torch

    # The axes of a map are one fewer than those of the photos that were mirrored: no channels.
    back = [view.flip([axis - 2 for axis in axes]) for view, axes in zip(logits, MIRRORS, strict=True)]
    return torch.stack(back).mean(dim=0)


def _at_size(grid: Tensor, size: tuple[int, int]) -> FloatMap:
    from tools.patches.pixels import upsampled

    return upsampled(grid, size)


def _sigmoid(values: FloatMap | np.float32) -> FloatMap:
    from scipy.special import expit

    found: FloatMap = expit(values)
    return found
