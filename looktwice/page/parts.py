"""Components that several tabs share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components.gallery import GalleryData
from gradio.data_classes import ImageData


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
