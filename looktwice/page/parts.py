"""Components that several tabs share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import ImageData


class _Photo(gr.Image):
    """A photo by its path, opened by our own reader alone: it refuses what is no photo in a sentence of ours."""

    def preprocess(self, payload: ImageData | None) -> str | None:
        """The path of the upload, unopened."""
        if payload is not None and payload.path is not None and not (payload.url or "").startswith("data:"):
            return payload.path
        path = super().preprocess(payload)
        return None if path is None else str(path)


class _Good(gr.Gallery):
    """Photos of good ones by their paths, opened by our own reader alone."""

    def preprocess(self, payload: Any) -> Any:
        """Pairs of a path, unopened, and no caption."""
        if payload is None or not payload.root:
            return None
        return [(item.image.path, None) for item in payload.root if getattr(item, "image", None) is not None]


def photo(label: str, **more: Any) -> gr.Image:
    """A place for one photo: uploaded, pasted or taken."""
    return _Photo(label=label, type="filepath", image_mode=None, sources=["upload", "webcam", "clipboard"], **more)


def gallery(label: str, **more: Any) -> gr.Gallery:
    """A place for photos of good ones, which are shown."""
    return _Good(label=label, type="filepath", interactive=True, file_types=["image"], **more)


def photos(label: str, **more: Any) -> gr.File:
    """A place for many photos, which are listed."""
    return gr.File(label=label, file_count="multiple", type="filepath", file_types=["image"], **more)


def paths_of(files: list[Any] | None) -> list[Path]:
    """The paths of uploads, as a gallery (pairs with captions) or a file list gives them."""
    return [Path(f[0] if isinstance(f, list | tuple) else f) for f in files or []]
