"""Runs anomalib's PatchCore or WinCLIP on photos in a folder; `looktwice bench peers` starts it where anomalib is.

It imports nothing of LookTwice, so that the environment need not have it.

    python -P peers_anomalib.py FOLDER CONTENDER
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

CORESET = 0.1
"""Share of the patches that anomalib's PatchCore keeps unless told otherwise."""


def main() -> None:
    """Scores all photos, one at a time, and writes scores, maps and what it cost."""
    folder, contender = Path(sys.argv[1]), sys.argv[2]
    task = json.loads((folder / "task.json").read_text(encoding="utf-8"))
    start = time.perf_counter()
    learn = {"winclip": _winclip, "winclip-plus": _winclip, "patchcore": _patchcore, "patchcore-all": _patchcore}
    prepare = learn[contender](folder, task, contender)
    scores, maps, seconds = [], [], []
    for name in task["families"]:
        shown = np.load(folder / f"{name}.npz")
        score = prepare(shown["references"], task["nouns"][name])
        found = []
        score(shown["photos"][0])
        for photo in shown["photos"][: task["limit"]]:
            began = time.perf_counter()
            found.append(score(photo))
            seconds.append(time.perf_counter() - began)
        scores += [s for s, _ in found]
        maps += [m for _, m in found]
    np.savez(folder / f"{contender}.npz", scores=np.array(scores), maps=np.stack(maps).astype(np.float32))
    about = {
        "seconds": float(np.median(seconds)),
        "peak_mib": _peak_mib(),
        "whole": time.perf_counter() - start,
        "version": version("anomalib"),
    }
    (folder / f"{contender}.json").write_text(json.dumps(about), encoding="utf-8")


Score = Callable[[Any], tuple[float, Any]]
Prepare = Callable[[Any, str], Score]


def _patchcore(folder: Path, task: dict[str, Any], contender: str) -> Prepare:
    """PatchCore on the traced backbone; its own pooling, memory, coreset and image score."""
    import torch

    torch_model: Any = import_module("anomalib.models.image.patchcore.torch_model")
    jit: Any = torch.jit
    backbone = jit.load(str(folder / "features.pt")).eval()
    names = [str(n) for n in range(task["stages"])]

    class NamedStages(torch.nn.Module):
        def forward(self, pixels: Any) -> dict[str, Any]:
            return dict(zip(names, backbone(pixels), strict=True))

    def prepare(references: Any, _: str) -> Score:
        model = torch_model.PatchcoreModel(layers=["layer1"], backbone="resnet18", pre_trained=False)
        model.layers, model.feature_extractor = names, NamedStages()
        model.train()
        for photo in references:
            model(_pixels(photo, task["features"]))
        if contender == "patchcore-all":
            model.memory_bank = torch.vstack(model.embedding_store)
        else:
            model.subsample_embedding(CORESET)
        model.eval()

        def score(photo: Any) -> tuple[float, Any]:
            with torch.inference_mode():
                found = model(_pixels(photo, task["features"]))
            return float(found.pred_score), _sized(found.anomaly_map[0], photo)

        return score

    return prepare


def _winclip(folder: Path, task: dict[str, Any], contender: str) -> Prepare:
    """WinCLIP on the very weights of ours, with words alone or with the references too."""
    import torch

    torch_model: Any = import_module("anomalib.models.image.winclip.torch_model")
    torch_model.BACKBONE, torch_model.PRETRAINED = task["scorer"]["name"], None
    model = torch_model.WinClipModel()
    model.clip.load_state_dict(import_module("safetensors.torch").load_file(folder / "scorer.safetensors"))
    model.eval()
    _sequence_first(model)

    def prepare(references: Any, noun: str) -> Score:
        plus = contender == "winclip-plus"
        model.setup(noun, torch.cat([_pixels(photo, task["scorer"]) for photo in references]) if plus else None)

        def score(photo: Any) -> tuple[float, Any]:
            with torch.inference_mode():
                found = model(_pixels(photo, task["scorer"]))
            return float(found.pred_score), _sized(found.anomaly_map, photo)

        return score

    return prepare


def _sequence_first(model: Any) -> None:
    """Has its windows attend within themselves: it hands them over as open_clip before 2.26 took them."""
    transformer, of_windows = model.clip.visual.transformer, model._get_window_embeddings

    def windows(tokens: Any, masks: Any) -> Any:
        transformer.batch_first = False
        try:
            return of_windows(tokens, masks)
        finally:
            transformer.batch_first = True

    model._get_window_embeddings = windows


def _pixels(photo: Any, form: dict[str, Any]) -> Any:
    """(1, 3, height, width), resized and normalised as ours are."""
    import torch
    from PIL import Image

    height, width = form["size"]
    small = np.asarray(Image.fromarray(photo).resize((width, height), Image.Resampling.BICUBIC))
    values = (small.astype(np.float32) / 255 - np.float32(form["mean"])) / np.float32(form["std"])
    return torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1))[None])


def _sized(found: Any, photo: Any) -> Any:
    """(H, W) of the photo."""
    from torch.nn import functional

    grid = found.reshape(1, 1, *found.shape[-2:]).float()
    return functional.interpolate(grid, photo.shape[:2], mode="bilinear", align_corners=False)[0, 0].numpy()


def _peak_mib() -> float | None:
    """Largest resident memory of this program; getrusage would count what the process was before it became this one."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return None
    line = next(line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
