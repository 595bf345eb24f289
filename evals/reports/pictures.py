"""Photos of a run as small pictures: the worst mistakes, and what maps found, each with its truth drawn in."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy
from PIL import Image

from evals.datasets import BenchmarkCase
from evals.run.anomaly_maps import StoredMap, kept_map
from evals.run.results import Prediction
from tools.errors import InputError
from tools.types import RGB, FloatMap, Mask, Sample

SIDE = 300
"""Longer side of a picture, in pixels."""
EACH = 6
"""So many false alarms, misses and findings are shown."""
SPAN = (0.01, 0.9)
"""Values of a map that are drawn cold and warmest."""
HEAT = ((255, 190, 40), (255, 110, 0), (225, 20, 40))
"""Colours from the lowest that is drawn to the highest."""
DIMMED, OPAQUE = 0.75, 0.9
"""Of the grey photo below a map, and of the map's colour at its warmest."""
TRUTH = (0, 200, 160)
"""Colour of the truth's outline."""
Cases = Mapping[tuple[str, str], BenchmarkCase]


@dataclass(frozen=True)
class Picture:
    """A photo and its map."""

    title: str
    note: str
    photo: str
    """Data URI; the truth is outlined where it is known."""
    map: str
    """Data URI; empty where there is none."""


@dataclass(frozen=True)
class Gallery:
    """Pictures of one kind."""

    title: str
    note: str
    pictures: tuple[Picture, ...]


def galleries(predictions: Sequence[Prediction], cases: Cases, maps: Path) -> list[Gallery]:
    """The highest false alarms, the lowest misses, and of what was found the surest of each defect."""
    alarms = sorted((p for p in predictions if p.label == "good" and p.anomalous), key=lambda p: -p.score)
    misses = sorted((p for p in predictions if p.label != "good" and not p.anomalous), key=lambda p: p.score)
    found = sorted((p for p in predictions if p.label != "good" and p.anomalous), key=lambda p: -p.score)
    first_of = {(p.category, p.defect): p for p in reversed(found)}
    distinct = sorted(first_of.values(), key=lambda p: -p.score)
    told = (
        ("Worst false alarms", f"Good photos called anomalous: {len(alarms)}; the highest scores.", alarms),
        ("Worst misses", f"Anomalous photos called good: {len(misses)}; the lowest scores.", misses),
        ("Found", f"Anomalous photos called so: {len(found)}; the surest of each defect.", distinct),
    )
    made = [Gallery(title, note, tuple(_pictures(chosen, cases, maps))) for title, note, chosen in told]
    return [gallery for gallery in made if gallery.pictures]


def _pictures(chosen: Sequence[Prediction], cases: Cases, maps: Path) -> list[Picture]:
    made: list[Picture] = []
    for prediction in chosen:
        case = cases.get((prediction.category, prediction.id))
        if case is None or len(made) == EACH:
            continue
        try:
            photo = case.photo()
        except InputError:
            continue
        kept = kept_map(maps, prediction.category, prediction.id)
        what = prediction.defect.replace("_", " ") or ("good" if prediction.label == "good" else prediction.label)
        note = f"{what}, score {prediction.score:.3f}"
        shown = _outlined(_small(photo.image), kept.truth if kept is not None else None)
        title = f"{prediction.category}/{prediction.id}"
        made.append(Picture(title, note, data_uri(shown), _heated(photo.image, kept)))
    return made


def _heated(image: RGB, kept: StoredMap | None) -> str:
    if kept is None or kept.values.shape != image.shape[:2]:
        return ""
    small = _small(image)
    grey = np.asarray(Image.fromarray(small).convert("L").convert("RGB"), dtype=np.float64) * DIMMED
    height, width = small.shape[:2]
    values = np.asarray(Image.fromarray(kept.values).resize((width, height), Image.Resampling.BILINEAR))
    level = heat_of(values)[..., None]
    stops = np.linspace(0.0, 1.0, len(HEAT))
    colour = np.stack([np.interp(level[..., 0], stops, [c[n] for c in HEAT]) for n in range(3)], axis=-1)
    share = OPAQUE * np.sqrt(level)
    drawn = np.rint((1 - share) * grey + share * colour).astype(np.uint8)
    return data_uri(_outlined(drawn, kept.truth))


def heat_of(values: FloatMap) -> FloatMap:
    """How warm a map is drawn, in [0, 1]: by its log-odds between 0.01 and 0.9, the same for all pictures.

    >>> heat_of(np.array([0.0, 0.01, 0.9, 1.0], dtype=np.float32)).round(2).tolist()
    [0.0, 0.0, 1.0, 1.0]
    """
    kept = np.clip(values.astype(np.float64), 1e-6, 1 - 1e-6)
    odds = np.log(kept / (1 - kept))
    low, high = (float(np.log(p / (1 - p))) for p in SPAN)
    warm: FloatMap = np.clip((odds - low) / (high - low), 0.0, 1.0).astype(np.float32)
    return warm


def _outlined(image: RGB, truth: Mask | None) -> RGB:
    """The truth's outline, two pixels wide, on a small picture."""
    if truth is None or not truth.any():
        return image
    height, width = image.shape[:2]
    grey = Image.fromarray(truth.astype(np.uint8) * 255).resize((width, height), Image.Resampling.BOX)
    inside = np.asarray(grey) > 32
    edge = scipy.ndimage.binary_dilation(inside) & ~scipy.ndimage.binary_erosion(inside)
    drawn = image.copy()
    drawn[edge] = TRUTH
    return drawn


def _small(image: RGB) -> RGB:
    picture = Image.fromarray(image)
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    if max(picture.size) < SIDE:
        scale = SIDE / max(picture.size)
        picture = picture.resize((round(picture.width * scale), round(picture.height * scale)))
    return np.asarray(picture).copy()


def thumbnail(photo: Callable[[], Sample] | None) -> str:
    """A photo as a small data URI; nothing where there is none or it cannot be read."""
    if photo is None:
        return ""
    try:
        return data_uri(_small(photo().image))
    except InputError:
        return ""


def data_uri(image: RGB) -> str:
    """A picture that a page holds in itself."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, format="JPEG", quality=82)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
