"""Scores patches by words alone: the softmax of their similarity to sentences about good and damaged products.

WinCLIP (Jeong et al. 2023); the sentences are in prompts/.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from prompts import load_yaml
from tools.anomaly.clip_features import Embedded, embed, is_pooled, is_resnet
from tools.anomaly.clip_windows import SCALES, association, check_windowed, over_patches, window_embeddings
from tools.anomaly.features import input_format, smoothed, to_pixels, upsampled
from tools.anomaly.tiling import assembled, cut_tiles
from tools.errors import InputError, ModelError
from tools.models.memory import AdaptiveBatch
from tools.profiles.specification import Path
from tools.timing import model_call
from tools.types import RGB, AnomalyMap, FloatMap, Sample

if TYPE_CHECKING:
    from tools.models.loading import Loaded


def sentences(product: str, state: str, defects: Sequence[str] = ()) -> list[str]:
    """Every sentence that says that a product is "normal" or "anomalous"; braces in its name stay braces.

    Sentences of a product's own defects are whole ones that also say how the defect looks: of the prompts that Yong
    (2022) tried on industrial photos, whole sentences with domain definitions told damage apart best.

    Args:
        product: a noun such as "metal nut".
        state: "normal" or "anomalous".
        defects: what may be wrong with it, each a name ("crack") or a name and how it looks ("crack: a dark line");
            for the anomalous state alone.

    Raises:
        InputError: the product or a defect has no name.

    >>> sentences("nut", "normal")[0]
    'a photo of a nut.'
    >>> sentences("nut", "anomalous", ["nick: a small cut"])[-1]
    'the nut in the photo has a nick: a small cut.'
    """
    noun = " ".join(product.split())
    if not noun:
        raise InputError("the product has no name; say what is shown, for instance 'metal nut'.")
    templates = load_yaml("templates")
    states = [_filled(line, product=noun) for line in load_yaml("states")[state]]
    found = [_filled(template, state=line) for line in states for template in templates["photo"]]
    if state == "anomalous":
        for name, meaning in (_defined(defect) for defect in defects):
            lines = templates["defect"] if meaning else templates["defect"][:1]
            found += [_filled(line, product=noun, defect=name, meaning=meaning) for line in lines]
    return found


def _filled(template: str, **values: str) -> str:
    """The template with its placeholders filled at once, so that braces in a value stay as they are.

    >>> _filled("{a} and {b}", a="{b}", b="two")
    '{b} and two'
    """
    return re.sub("|".join(rf"\{{{name}\}}" for name in values), lambda found: values[found[0][1:-1]], template)


def _defined(defect: str) -> tuple[str, str]:
    """A defect's name and how it looks; the latter from prompts/damage.yaml where it is not told, or empty."""
    name, _, meaning = (" ".join(part.split()) for part in defect.partition(":"))
    if not name:
        raise InputError(f"defect '{defect}' has no name; write it as 'crack' or as 'crack: a dark jagged line'.")
    return name, meaning or load_yaml("damage").get(name.lower(), "")


TEMPERATURE = 0.07
"""Of the softmax over {normal, anomalous} (Jeong et al. 2023, WinCLIP, section 3)."""
CACHED_TEXTS = 4096
"""Embeddings of so many texts are kept, the least recently used dropped first."""
TEXT_BATCH = 64
"""Texts that go through the text tower at once."""


@dataclass(frozen=True, eq=False)
class EncodedImages:
    """Photos in the space of the text tower; made once, scored against any words."""

    whole: Tensor
    """(N, D), unit length: each photo as a whole."""
    patches: Tensor
    """(N, h, w, D), unit length: each patch."""
    sizes: tuple[tuple[int, int], ...]
    """(width, height) of each photo in pixels."""
    windows: tuple[Tensor, ...] = ()
    """On the path of windows, for each scale (N, windows, D), unit length."""
    tokens: Tensor | None = None
    """On the path of windows (N, h * w, width), unit length: patches as the transformer leaves them."""
    tiles: tuple[tuple[Tensor, Tensor], ...] = ()
    """On the path of tiles, for each photo its tiles (tiles, D) and their patches (tiles, h, w, D), unit length."""

    def chosen(self, numbers: list[int]) -> EncodedImages:
        """Some of the photos, by number."""
        return EncodedImages(
            self.whole[numbers],
            self.patches[numbers],
            tuple(self.sizes[n] for n in numbers),
            tuple(scale[numbers] for scale in self.windows),
            None if self.tokens is None else self.tokens[numbers],
            tuple(self.tiles[n] for n in numbers) if self.tiles else (),
        )


class PatchScorer:
    """Zero-shot, text-guided scores from a CLIP model.

    Each of the states in prompts/states.yaml is put into each template of prompts/templates.yaml, and the
    embeddings of a class are averaged, as in WinCLIP (Jeong et al. 2023, section 4.1). Patches are read out along the
    value path of the last layers, which keeps them in the space of the text tower (`tools.anomaly.clip_features`). The
    path of windows is WinCLIP's own and far dearer; the path of tiles reads overlapping tiles of the photo, each by the
    dense path.
    """

    def __init__(
        self,
        loaded: Loaded,
        *,
        batch: int = 8,
        temperature: float = TEMPERATURE,
        path: Path = "dense",
        layers: int = 1,
    ) -> None:
        """Takes an open_clip model.

        Args:
            loaded: model and (preprocess, tokenizer).
            batch: photos that go through the image tower at once.
            temperature: of the softmax over {normal, anomalous}; smaller is more decided.
            path: how places are read: "dense", "windows" or "tiles".
            layers: of a transformer, so many of the last blocks give the patches of the dense path.

        Raises:
            ModelError: the model has no image tower of a known kind, or of one that has no windows.
        """
        visual = getattr(loaded.model, "visual", None)
        if visual is None or not (hasattr(visual, "transformer") or is_resnet(visual) or is_pooled(visual)):
            raise ModelError(
                f"{loaded.name}: {type(visual or loaded.model).__name__} cannot score patches by words; accepted are "
                "open_clip models whose image tower is a VisionTransformer, a ModifiedResNet or a SigLIP's."
            )
        if getattr(visual, "attn_pool", None) is not None:
            raise ModelError(
                f"{loaded.name}: its image tower pools by attention (CoCa), so that its patches do not live in the "
                "space of the text tower; choose a CLIP without an attentional pool."
            )
        if path == "windows":
            check_windowed(visual, loaded.name)
        self._loaded = loaded
        self._path = path
        self._layers = layers
        self._batch = AdaptiveBatch(batch)
        self._temperature = temperature
        self._form = input_format(loaded)
        self._texts: OrderedDict[str, Tensor] = OrderedDict()

    @model_call
    def encode(self, samples: Sequence[Sample]) -> EncodedImages:
        """Runs the image tower once over photos of any sizes.

        Raises:
            InputError: no photo.
            ModelError: the embeddings are not finite numbers.
        """
        if not samples:
            raise InputError("no photo was given to score; give at least one.")
        wholes, grids, windows, tokens = [], [], [], []
        with torch.inference_mode():
            for embedded, scales in self._batch.over([s.image for s in samples], self._embedded_with_windows):
                if scales and embedded.tokens is not None:
                    windows.append(scales)
                    tokens.append(embedded.tokens)
                wholes.append(embedded.whole)
                grids.append(embedded.patches)
            tiles = tuple(self._tiles(s.image) for s in samples) if self._path == "tiles" else ()
        joined = tuple(torch.cat(batches) for batches in zip(*windows, strict=True))
        sizes = tuple(s.size for s in samples)
        of_patches = torch.cat(tokens) if tokens else None
        encoded = EncodedImages(torch.cat(wholes), torch.cat(grids), sizes, joined, of_patches, tiles)
        self._check(encoded.whole)
        return encoded

    def _tiles(self, image: RGB) -> tuple[Tensor, Tensor]:
        """Embeddings (tiles, D) of a photo's tiles and (tiles, h, w, D) of their patches."""
        tiles = cut_tiles(image)
        pairs = list(self._batch.over(tiles, lambda cut: self._embedded_images(self._pixels(cut))))
        return torch.cat([pair.whole for pair in pairs]), torch.cat([pair.patches for pair in pairs])

    def _embedded_with_windows(self, images: Sequence[RGB]) -> tuple[Embedded, list[Tensor]]:
        """Photos with their patches and, on the path of windows, for each scale the windows' (N, windows, D)."""
        pixels, visual = self._pixels(images), self._loaded.model.visual
        embedded = self._embedded_images(pixels)
        if self._path != "windows" or embedded.tokens is None:
            return embedded, []
        found = window_embeddings(visual, pixels)
        return embedded, [functional.normalize(scale.float(), dim=-1) for scale in found]

    def _pixels(self, images: Sequence[RGB]) -> Tensor:
        return to_pixels(images, self._form, self._loaded)

    def _embedded_images(self, pixels: Tensor) -> Embedded:
        """Photos and their patches, float32 of unit length."""
        visual, layers = self._loaded.model.visual, self._layers

        def run(pixels: Tensor) -> list[Tensor]:
            return [e for e in embed(visual, pixels, layers) if e is not None]

        found = run(pixels)
        whole, patches, *tokens = (functional.normalize(e.float(), dim=-1) for e in found)
        return Embedded(whole, patches, tokens[0] if tokens else None)

    def score(
        self,
        encoded: EncodedImages,
        product: str,
        defects: Sequence[str] = (),
        references: EncodedImages | None = None,
    ) -> list[AnomalyMap]:
        """How anomalous each photo and each of its pixels looks, by words.

        Args:
            encoded: photos from `encode`.
            product: what is shown, a noun such as "metal nut".
            defects: what may be wrong with it, as `sentences` takes them.
            references: good photos on the path of windows: WinCLIP+, whose map is the mean of the words' and of the
                association with them, and whose image score is that of the photo and of the worst association.

        Returns:
            One map a photo. On the dense path a pixel is P(anomalous) of its patch, the image score the mean of
            P(anomalous) of the whole photo and the map's maximum. On the path of windows a pixel is the harmonic
            mean of P(anomalous) of the photo and of the windows of each scale about it, the image score that of
            the photo (WinCLIP, section 4.2). On the path of tiles the log-odds of the tiles and of their patches are
            averaged, a pixel is the probability of how far it stands above the photo's median, the image score the
            map's maximum.

        Raises:
            InputError: the product has no name, or references on another path than that of windows.
        """
        if references is not None and not (encoded.windows and references.windows):
            raise InputError("references join the words on the path of windows alone; set the scorer's `path` to it.")
        classes = self._classes(product, defects)
        with torch.inference_mode():
            whole = self._anomalous(encoded.whole, classes)
            if encoded.windows:
                grids = self._over_windows(encoded, whole, classes)
                if references is not None:
                    associated = association(encoded, references)
                    grids = (grids + associated) / 2
                    whole = (whole + associated.amax(dim=(1, 2))) / 2
                return [
                    AnomalyMap(upsampled(grid.cpu(), size), p, "text", of_worst=0.0 if references is None else 0.5)
                    for p, grid, size in zip(whole.tolist(), grids, encoded.sizes, strict=True)
                ]
            if encoded.tiles:
                return [
                    self._over_tiles(*t, classes, size) for t, size in zip(encoded.tiles, encoded.sizes, strict=True)
                ]
            patches = self._anomalous(encoded.patches, classes)
        maps = []
        for p, grid, size in zip(whole.tolist(), patches, encoded.sizes, strict=True):
            values = upsampled(smoothed(grid), size)
            maps.append(AnomalyMap(values, (p + float(values.max())) / 2, "text", of_worst=0.5))
        return maps

    def kept(self, references: EncodedImages) -> EncodedImages | None:
        """What `score` takes of good photos: all on the path of windows, nothing on the others.

        Nothing of a single one either, since nothing would say what a good photo scores beside it.
        """
        return references if references.windows and len(references.sizes) > 1 else None

    def left_out(self, references: EncodedImages, product: str, defects: Sequence[str] = ()) -> list[float]:
        """Own image score of each good photo, as `score` gives it beside the others; by words alone without others."""
        count = len(references.sizes)
        if not references.windows or count == 1:
            return [found.own_score for found in self.score(references, product, defects)]
        alone = [references.chosen([n]) for n in range(count)]
        others = [references.chosen([k for k in range(count) if k != n]) for n in range(count)]
        pairs = zip(alone, others, strict=True)
        return [self.score(one, product, defects, references=rest)[0].own_score for one, rest in pairs]

    def _anomalous(self, embeddings: Tensor, classes: Tensor) -> Tensor:
        """P(anomalous) of embeddings (..., D)."""
        return torch.softmax(embeddings @ classes.T / self._temperature, dim=-1)[..., 1]

    def _over_windows(self, encoded: EncodedImages, whole: Tensor, classes: Tensor) -> Tensor:
        """(N, h, w): the harmonic mean of the photo's score and of both scales' at each patch."""
        rows, columns = (int(side) for side in encoded.patches.shape[1:3])
        inverse = whole.reciprocal()[:, None, None]
        for scale, windows in zip(SCALES, encoded.windows, strict=True):
            inverse = inverse + over_patches(self._anomalous(windows, classes), (rows, columns), scale).reciprocal()
        return (1 + len(SCALES)) / inverse

    def _over_tiles(self, whole: Tensor, patches: Tensor, classes: Tensor, size: tuple[int, int]) -> AnomalyMap:
        """The map of one photo from its tiles (tiles, D) and their patches (tiles, h, w, D)."""
        direction = (classes[1] - classes[0]) / self._temperature
        odds = assembled(whole @ direction, patches @ direction)
        values = upsampled((odds - odds.median()).sigmoid(), size)
        return AnomalyMap(values, float(values.max()), "text")

    def similarity(self, samples: Sequence[Sample], texts: Sequence[str]) -> FloatMap:
        """Cosine between photos and texts.

        Returns:
            float32 (N, T) in [-1, 1].
        """
        whole = self.encode(samples).whole
        if not texts:
            return np.zeros((len(samples), 0), dtype=np.float32)
        cosines: FloatMap = (whole @ self._embedded(texts).T).cpu().numpy()
        return cosines

    def _classes(self, product: str, defects: Sequence[str]) -> Tensor:
        """(2, D): the mean embedding of "normal" and of "anomalous", each of unit length."""
        told = [sentences(product, state, defects) for state in ("normal", "anomalous")]
        means = [self._embedded(lines).mean(dim=0) for lines in told]
        return functional.normalize(torch.stack(means), dim=-1)

    def _embedded(self, texts: Sequence[str]) -> Tensor:
        """(T, D) of unit length; only texts not seen lately go through the text tower."""
        fresh = [t for t in dict.fromkeys(texts) if t not in self._texts]
        made: dict[str, Tensor] = {}
        for start in range(0, len(fresh), TEXT_BATCH):
            chunk = fresh[start : start + TEXT_BATCH]
            made |= zip(chunk, self._embedded_texts(chunk), strict=True)
        for text in dict.fromkeys(texts):
            made[text] = self._texts.pop(text) if text in self._texts else made[text]
            self._texts[text] = made[text]
        while len(self._texts) > CACHED_TEXTS:
            self._texts.popitem(last=False)
        embeddings = torch.stack([made[t] for t in texts])
        self._check(embeddings)
        return embeddings

    @model_call
    def _embedded_texts(self, texts: Sequence[str]) -> Tensor:
        tokenizer = self._loaded.processor[1]
        with torch.inference_mode():
            embedded = self._loaded.model.encode_text(tokenizer(list(texts)).to(self._loaded.device))
            return functional.normalize(embedded.float(), dim=-1)

    def _check(self, embeddings: Tensor) -> None:
        if not bool(torch.isfinite(embeddings).all()):
            raise ModelError(
                f"{self._loaded.name}: its embeddings are not finite numbers, so its weights are damaged or overflow "
                f"in {self._loaded.dtype}; fetch the checkpoint again or choose another profile."
            )
