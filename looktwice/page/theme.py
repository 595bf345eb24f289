"""How the page looks: system fonts, quiet colours, nothing fetched from anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradio.themes import Base

_ASSETS = Path(__file__).parent / "assets"


def theme() -> Base:
    """The page's theme: blue for what can be done, grey for the rest; verdicts bring their own colours."""
    import gradio as gr

    return gr.themes.Base(
        primary_hue=gr.themes.Color(
            "#eef6fb", "#d6eaf6", "#aed6ee", "#7fbde2", "#3d9bd0", "#0072b2", "#00629a", "#005282", "#00426a",
            "#003352", "#00263d", name="lake",
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
    )  # fmt: skip


def css() -> str:
    """The page's own style."""
    return (_ASSETS / "page.css").read_text(encoding="utf-8")


def head() -> str:
    """What stands in the head of the page: its one script, which is inline."""
    script = (_ASSETS / "page.js").read_text(encoding="utf-8")
    return f"<script>{script}</script>"
