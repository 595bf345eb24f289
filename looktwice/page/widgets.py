"""The page's theme, upload fields and pictures."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.components.gallery import GalleryData
from gradio.data_classes import ImageData
from gradio.themes import Base
from PIL import Image

from tools.drawing import FOOT, HEAT
from tools.types import RGB, AnomalyMap, Mask

_ASSETS = Path(__file__).parent / "assets"


def theme() -> Base:
    """The page's theme: blue for what can be done, grey for the rest; verdicts bring their own colours."""
    return gr.themes.Base(
        primary_hue=gr.themes.Color(
            "#eef6fb",
            "#d6eaf6",
            "#aed6ee",
            "#7fbde2",
            "#3d9bd0",
            "#0072b2",
            "#00629a",
            "#005282",
            "#00426a",
            "#003352",
            "#00263d",
            name="lake",
        ),
        neutral_hue="slate",
        radius_size="md",
        font=["system-ui", "Segoe UI", "Noto Sans", "PingFang SC", "Noto Sans CJK SC", "sans-serif"],
        font_mono=["ui-monospace", "Cascadia Mono", "Noto Sans Mono", "monospace"],
    ).set(
        body_background_fill="#f7f8fa",
        body_background_fill_dark="#0e131a",
        block_background_fill_dark="#161c24",
        button_primary_background_fill="#0072b2",
        button_primary_background_fill_hover="#005282",
        button_primary_background_fill_dark="#0072b2",
        button_primary_text_color="#ffffff",
        button_primary_text_color_dark="#ffffff",
        body_text_color_subdued="#5b6470",
        body_text_color_subdued_dark="#a3adba",
    )


def css() -> str:
    """The page's own style."""
    return (_ASSETS / "page.css").read_text(encoding="utf-8")


def head() -> str:
    """What stands in the head of the page: its one script, which is inline."""
    script = (_ASSETS / "page.js").read_text(encoding="utf-8")
    return f"<script>{script}</script>"


def photo_path(payload: ImageData | None) -> str | None:
    """The path of an upload, unopened: our own reader alone opens it, and refuses what is no photo in a sentence.

    Gradio has made sure before that the path is one of its uploads.
    """
    return None if payload is None else payload.path


def good_paths(payload: GalleryData | None) -> list[tuple[str, None]]:
    """The paths of the uploads of a gallery, unopened, without captions."""
    found = [getattr(item, "image", None) for item in payload.root] if payload is not None else []
    return [(item.path, None) for item in found if item is not None]


def photo(label: str, **more: Any) -> gr.Image:
    """A place for one photo: uploaded, pasted or taken."""
    image = gr.Image(label=label, type="filepath", image_mode=None, sources=["upload", "webcam", "clipboard"], **more)
    image.preprocess = photo_path  # type: ignore[method-assign]
    return image


def gallery(label: str, **more: Any) -> gr.Gallery:
    """A place for photos of good ones, which are shown."""
    good = gr.Gallery(label=label, type="filepath", interactive=True, file_types=["image"], **more)
    good.preprocess = good_paths  # type: ignore[method-assign, assignment]
    return good


def photos(label: str, **more: Any) -> gr.File:
    """A place for many photos, which are listed."""
    return gr.File(label=label, file_count="multiple", type="filepath", file_types=["image"], **more)


def paths_of(files: list[Any] | None) -> list[Path]:
    """The paths of uploads, as a gallery (pairs with captions) or a file list gives them."""
    return [Path(f[0] if isinstance(f, list | tuple) else f) for f in files or []]


SHOWN = 1280
"""The longer side of a photo on the page is at most so many pixels."""
LEAST = 640
"""Maps are drawn so large at least, so that they are smooth on a screen."""


def photo_uri(image: RGB, side: int = SHOWN) -> str:
    """A photo as JPEG, its longer side at most `side` pixels."""
    picture = Image.fromarray(image)
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    return _uri(picture, "JPEG")


def square_uri(image: RGB, side: int) -> str:
    """A crop as JPEG, enlarged or reduced to fit a square of `side` pixels."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return _uri(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS), "JPEG")


def map_uri(score_map: AnomalyMap) -> str | None:
    """A map as a transparent picture, visible where it is in the upper half of its range; None where it is flat."""
    values = score_map.values
    low, high = float(np.median(values)), float(values.max())
    foot = low + FOOT * (high - low)
    if high - foot < 1e-6:
        return None
    scale = LEAST / max(values.shape)
    size = (round(values.shape[1] * scale), round(values.shape[0] * scale))
    fine = np.asarray(Image.fromarray(values).resize(size, Image.Resampling.BILINEAR))
    level = np.clip((fine - foot) / (high - foot), 0.0, 1.0)
    stops = np.linspace(0.0, 1.0, len(HEAT))
    colours = np.asarray(HEAT, dtype=np.float64)
    planes = [np.interp(level, stops, colours[:, c]) for c in range(3)]
    rgba = np.stack([*planes, 255 * np.sqrt(level)], axis=-1)
    return _uri(Image.fromarray(np.rint(rgba).astype(np.uint8), "RGBA"), "PNG")


def mask_uri(mask: Mask, colour: tuple[int, int, int]) -> str:
    """A mask (H, W) as a transparent picture in one colour."""
    rgba = np.zeros((*mask.shape, 4), dtype=np.uint8)
    rgba[mask] = (*colour, 255)
    picture = Image.fromarray(rgba, "RGBA")
    picture.thumbnail((LEAST, LEAST))
    return _uri(picture, "PNG")


def _uri(picture: Image.Image, form: str) -> str:
    stream = io.BytesIO()
    picture.save(stream, format=form, quality=88)
    return f"data:image/{form.lower()};base64," + base64.b64encode(stream.getvalue()).decode("ascii")
