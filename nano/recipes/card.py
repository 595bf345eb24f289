"""Saves finished checkpoints: fp16 safetensors, a stored figure to check, and a model card."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Card:
    """What a model card says; every figure stands beside the command that measures it."""

    title: str
    architecture: str
    data: str
    training: str
    figures: Mapping[str, float]
    command: str
    limits: str


def save_folder(model: Any, folder: Path) -> None:
    """Saves a transformers model as fp16 safetensors with its configuration; the model itself stays float32."""
    from copy import deepcopy

    deepcopy(model).half().save_pretrained(folder)


def write_card(folder: Path, card: Card) -> None:
    """Writes README.md, and metrics.json with the same figures."""
    rows = "\n".join(f"| {name} | {value:.3f} |" for name, value in card.figures.items())
    text = f"""# {card.title}

{card.architecture}

**Data.** {card.data}

**Training.** {card.training}

**Figures**, measured by `{card.command}`:

| figure | value |
|---|---|
{rows}

**Limits.** {card.limits}

**Licence.** Apache-2.0.
"""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "README.md").write_text(text, encoding="utf-8")
    figures = {name: round(value, 4) for name, value in card.figures.items()}
    (folder / "metrics.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
