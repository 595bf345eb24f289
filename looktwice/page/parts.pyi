"""Components that several tabs share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import ImageData

from gradio.events import Dependency

class Photo(gr.Image):
    """A photo by its path, read by our own reader: it refuses what is no photo in a sentence of ours."""

    def __init__(self, label: str, **more: Any) -> None:
        super().__init__(
            label=label, type="filepath", image_mode=None, sources=["upload", "webcam", "clipboard"], **more
        )

    def preprocess(self, payload: ImageData | None) -> str | None:  # type: ignore[override]
        """The path of the upload, unopened."""
        if payload is not None and payload.path is not None and not (payload.url or "").startswith("data:"):
            return payload.path
        path = super().preprocess(payload)
        return None if path is None else str(path)

    def get_block_name(self) -> str:
        """The browser's half is that of gr.Image."""
        return "image"
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component


class Photos(gr.File):
    """Several photos by their paths."""

    def __init__(self, label: str, **more: Any) -> None:
        super().__init__(label=label, file_count="multiple", type="filepath", file_types=["image"], **more)

    def get_block_name(self) -> str:
        """The browser's half is that of gr.File."""
        return "file"
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component


def paths_of(files: list[Any] | None) -> list[Path]:
    """The paths of uploads, as a gallery (pairs with captions) or a file list gives them."""
    return [Path(f[0] if isinstance(f, list | tuple) else f) for f in files or []]
class _Photo(gr.Image):
    """A photo by its path, opened by our own reader alone: it refuses what is no photo in a sentence of ours."""

    def preprocess(self, payload: ImageData | None) -> str | None:
        """The path of the upload, unopened."""
        if payload is not None and payload.path is not None and not (payload.url or "").startswith("data:"):
            return payload.path
        path = super().preprocess(payload)
        return None if path is None else str(path)
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component

    
class _Good(gr.Gallery):
    """Photos of good ones by their paths, opened by our own reader alone."""

    def preprocess(self, payload: Any) -> Any:
        """Pairs of a path, unopened, and no caption."""
        if payload is None or not payload.root:
            return None
        return [(item.image.path, None) for item in payload.root if getattr(item, "image", None) is not None]
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component

    