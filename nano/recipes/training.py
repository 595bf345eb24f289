"""The training loop of the recipes, and the model card that each writes."""

from __future__ import annotations

import argparse
import csv
import json
import math
import sys
import time
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nano.recipes.cache import PER_FAMILY


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


WEIGHTS = Path(__file__).parent.parent / "weights"
SAVE_EVERY = 120.0
"""Seconds between checkpoints."""


@dataclass(frozen=True)
class TrainingRun:
    """How long to train, where, and from which seed."""

    role: str
    minutes: float
    seed: int
    device: str
    folder: Path
    """Checkpoints and the curve; kept out of version control."""
    out: Path
    """The finished checkpoint, in the format that the loader reads."""
    evaluate_only: bool


def arguments(role: str, minutes: float) -> argparse.ArgumentParser:
    """The options of every recipe; a recipe may add its own."""
    parser = argparse.ArgumentParser(prog=f"python -m nano.recipes.{role}")
    parser.add_argument("--minutes", type=float, default=minutes, help="stop after so many minutes of training")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--checkpoints", type=Path, default=Path("out/train") / role)
    parser.add_argument("--out", type=Path, default=WEIGHTS / role)
    parser.add_argument("--start", type=Path, help="finished checkpoint to begin with where no training can resume")
    parser.add_argument("--evaluate-only", action="store_true", help="measure what stands in --out")
    parser.add_argument("--per-family", type=int, default=PER_FAMILY, help="rendered scenes of each training family")
    return parser


def run_of(role: str, options: argparse.Namespace) -> TrainingRun:
    """The run that parsed options describe."""
    device = options.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    options.checkpoints.mkdir(parents=True, exist_ok=True)
    return TrainingRun(
        role, options.minutes, options.seed, device, options.checkpoints, options.out, options.evaluate_only
    )


def train(
    run: TrainingRun,
    model: nn.Module,
    loss_of: Callable[[int], torch.Tensor],
    *,
    rate: float,
    decay: float = 0.05,
    clip: float = 1.0,
) -> tuple[int, float]:
    """Trains until the minutes are over, from the last checkpoint where there is one.

    Args:
        run: where and how long.
        model: trained in place.
        loss_of: the loss of one batch; the step alone decides which, so that a seed fixes the order.
        rate: peak learning rate; a short warm-up, then a cosine down to a twentieth over the minutes.
        decay: AdamW's weight decay, on matrices only.
        clip: largest gradient norm.

    Returns:
        (steps, seconds) trained in all, over every resumption.
    """
    groups = [
        {"params": [p for p in model.parameters() if p.requires_grad and p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in model.parameters() if p.requires_grad and p.ndim <= 1], "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98))
    step, before = _resume(run, model, optimiser)
    start = saved = time.monotonic()
    first, mean = step, math.nan
    model.train()
    while (elapsed := time.monotonic() - start) < run.minutes * 60:
        share = elapsed / (run.minutes * 60)
        for group in optimiser.param_groups:
            cosine = 0.05 + 0.95 * (1 + math.cos(math.pi * share)) / 2
            group["lr"] = rate * min(1.0, (step - first + 1) / 100) * cosine
        loss = loss_of(step)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimiser.step()
        step += 1
        mean = loss.item() if math.isnan(mean) else 0.98 * mean + 0.02 * loss.item()
        if step % 50 == 0:
            _log(run, step, before + elapsed, mean)
        if time.monotonic() - saved > SAVE_EVERY:
            _save(run, model, optimiser, step, before + time.monotonic() - start)
            saved = time.monotonic()
    seconds = before + time.monotonic() - start
    _save(run, model, optimiser, step, seconds)
    model.eval()
    return step, seconds


def _resume(run: TrainingRun, model: nn.Module, optimiser: torch.optim.Optimizer) -> tuple[int, float]:
    path = run.folder / "last.pt"
    if not path.exists():
        return 0, 0.0
    kept = torch.load(path, map_location=run.device, weights_only=True)
    model.load_state_dict(kept["model"])
    optimiser.load_state_dict(kept["optimiser"])
    return int(kept["step"]), float(kept["seconds"])


def _save(run: TrainingRun, model: nn.Module, optimiser: torch.optim.Optimizer, step: int, seconds: float) -> None:
    aside = run.folder / "last.pt.part"
    kept = {"model": model.state_dict(), "optimiser": optimiser.state_dict(), "step": step, "seconds": seconds}
    torch.save(kept, aside)
    aside.rename(run.folder / "last.pt")


def _log(run: TrainingRun, step: int, seconds: float, loss: float) -> None:
    path = run.folder / "curve.csv"
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        if new:
            writer.writerow(["step", "seconds", "loss"])
        writer.writerow([step, round(seconds, 1), round(loss, 5)])
    sys.stderr.write(f"{run.role}: step {step}, {seconds:.0f} s, loss {loss:.4f}\n")


def trained(run: TrainingRun) -> tuple[int, float]:
    """(steps, seconds) of the last checkpoint, (0, 0) without one."""
    path = run.folder / "last.pt"
    if not path.exists():
        return 0, 0.0
    kept = torch.load(path, map_location="cpu", weights_only=True)
    return int(kept["step"]), float(kept["seconds"])
