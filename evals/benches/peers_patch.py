"""Patch scoring beside anomalib's, each contender in a process of its own, on the same photos and the same weights."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import open_clip
import torch
from safetensors.torch import save_file

import evals
from evals.benches.patch import random_clip
from evals.benches.peers_data import ContenderScores, PeerRow, ProductPhotos, Skipped, Split, metrics_of
from tools.anomaly.features import input_format, stages

if TYPE_CHECKING:
    from tools.models.loading import Loaded
    from tools.toolbox import Toolbox

RANDOM = "ViT-B-16-plus-240"
"""WinCLIP's own architecture, with random weights where the profile's scorer has no windows."""
FEW = 2
"""Photos on which random weights are timed; how well they score says nothing."""
ROOT = Path(evals.__file__).parents[1]


@dataclass(frozen=True)
class Contender:
    """One way to score patches."""

    key: str
    who: str
    peer: bool
    references: bool
    windows: bool
    """Runs on the weights of the scorer's windows, which may be random."""


CONTENDERS = (
    Contender("memory", "looktwice, reference memory", False, True, False),
    Contender("patchcore", "anomalib, PatchCore (coreset 0.1)", True, True, False),
    Contender("patchcore-all", "anomalib, PatchCore (all patches)", True, True, False),
    Contender("words", "looktwice, words", False, False, False),
    Contender("windows", "looktwice, WinCLIP's windows", False, False, True),
    Contender("winclip", "anomalib, WinCLIP", True, False, True),
    Contender("windows-plus", "looktwice, WinCLIP's windows and references", False, True, True),
    Contender("winclip-plus", "anomalib, WinCLIP+", True, True, True),
)


def patch_rows(
    products: Sequence[ProductPhotos],
    split: Split,
    toolbox: Toolbox,
    profile: str,
    *,
    peer: str,
    model: str = RANDOM,
    contenders: Sequence[Contender] = CONTENDERS,
    say: Callable[[str], None] = lambda _: None,
) -> Iterator[PeerRow | Skipped]:
    """Measures every contender that can be had.

    Args:
        products: what to show them.
        split: of the products, for the rows.
        toolbox: of the profile; its features and scorer are the weights of all.
        profile: its name or file, for the processes.
        peer: the Python of an environment that has anomalib.
        model: open_clip architecture for the windows where the profile's scorer has none.
        contenders: whom to measure.
        say: told what is being measured.
    """
    absent = missing_peer(peer) if any(c.peer for c in contenders) else ""
    with TemporaryDirectory(prefix="looktwice-peers-") as name:
        folder = Path(name)
        windows = any(c.windows for c in contenders)
        random_weights = _write(folder, products, toolbox, profile, model if windows else None)
        for contender in contenders:
            if contender.peer and absent:
                yield Skipped(contender.who, absent)
                continue
            say(f"{contender.who} on {split} families")
            shown = [_few(products[0])] if contender.windows and random_weights else products
            _task(folder, shown, contender.windows and random_weights)
            failed = _run(folder, contender, peer)
            yield (
                Skipped(contender.who, failed)
                if failed
                else _row(folder, contender, split, shown, random_weights and contender.windows)
            )


def missing_peer(python: str) -> str:
    """Why anomalib cannot be run, or nothing."""
    asked = [python, "-P", "-c", "import anomalib, open_clip, safetensors"]
    try:
        ended = subprocess.run(asked, capture_output=True, text=True, timeout=300, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{python} cannot be run ({error}); give the Python of an environment with anomalib by --peer"
    if ended.returncode:
        last = (ended.stderr.strip().splitlines() or ["no message"])[-1]
        return f"{python} has no anomalib ({last}); `pip install 'anomalib[vlm]'` there, or give another by --peer"
    return ""


def _write(folder: Path, products: Sequence[ProductPhotos], toolbox: Toolbox, profile: str, model: str | None) -> bool:
    """Writes photos and weights for the processes, of windows where `model` is given; says whether these are random."""
    for product in products:
        np.savez(
            folder / f"{product.name}.npz",
            references=np.stack([r.image for r in product.good]),
            photos=np.stack([p.sample.image for p in product.photos]),
        )
    features = toolbox.memory._loaded
    form = _form(features, toolbox.memory._side)
    stages = _trace(features, form["size"], folder / "features.pt")
    shared: dict[str, Any] = {"profile": profile, "stages": stages, "features": form}
    is_random = False
    if model is not None:
        scorer, is_random = _windowed(toolbox, model)
        weights = {k: v.contiguous().clone() for k, v in scorer.model.state_dict().items()}
        save_file(weights, folder / "scorer.safetensors")
        shared["scorer"] = {**_form(scorer, None), "name": scorer.name}
    (folder / "shared.json").write_text(json.dumps(shared), encoding="utf-8")
    return is_random


def _windowed(toolbox: Toolbox, model: str) -> tuple[Loaded, bool]:
    """The profile's scorer where it has windows and open_clip knows its architecture, else one of random weights."""
    scorer = toolbox.model("scorer")
    visual: Any = scorer.model.visual
    for known in (scorer.name, model) if hasattr(visual, "conv1") and hasattr(visual, "patch_dropout") else ():
        if known in open_clip.list_models():
            made = random_clip(known, scorer.device)
            stored = scorer.model.state_dict()
            if {k: v.shape for k, v in made.model.state_dict().items()} == {k: v.shape for k, v in stored.items()}:
                made.model.load_state_dict(stored)
                return made, False
    return random_clip(model, "cpu"), True


def _form(loaded: Loaded, side: int | None) -> dict[str, Any]:
    form = input_format(loaded, side)
    return {"size": form.size, "mean": form.mean, "std": form.std}


def _trace(loaded: Loaded, size: tuple[int, int], path: Path) -> int:
    """Writes the backbone's stages as a program that needs none of our classes; says how many there are."""

    class Stages(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = loaded.model

        def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return tuple(m.float() for m in stages(loaded, pixels))

    photo = torch.zeros(1, 3, *size, dtype=loaded.dtype, device=loaded.device)
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        jit: Any = torch.jit
        program: Any = jit.trace(Stages().eval(), photo, check_trace=False)
        program.save(str(path))
        return len(program(photo))


def _few(product: ProductPhotos) -> ProductPhotos:
    return replace(product, photos=product.photos[:FEW])


def _task(folder: Path, products: Sequence[ProductPhotos], few: bool) -> None:
    """What the next process is to score."""
    shared = json.loads((folder / "shared.json").read_text(encoding="utf-8"))
    names = [p.name for p in products]
    shared |= {"families": names, "nouns": {p.name: p.noun for p in products}, "limit": FEW if few else None}
    (folder / "task.json").write_text(json.dumps(shared), encoding="utf-8")


def _run(folder: Path, contender: Contender, peer: str) -> str:
    """Runs a contender; says why it failed, or nothing."""
    own = [sys.executable, "-m", "evals.benches.peers_worker"]
    theirs = [peer, "-P", str(Path(__file__).with_name("peers_anomalib.py"))]
    paths = {"PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))}
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | ({} if contender.peer else paths)
    ended = subprocess.run(  # noqa: S603
        [*(theirs if contender.peer else own), str(folder), contender.key],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    return "" if ended.returncode == 0 else (ended.stderr.strip().splitlines() or ["no message"])[-1]


def _row(
    folder: Path, contender: Contender, split: Split, products: Sequence[ProductPhotos], is_random: bool
) -> PeerRow:
    about = json.loads((folder / f"{contender.key}.json").read_text(encoding="utf-8"))
    with np.load(folder / f"{contender.key}.npz") as found:
        scores, maps = found["scores"], found["maps"]
    said, start = [], 0
    for product in products:
        end = start + len(product.photos)
        said.append(ContenderScores(scores[start:end].tolist(), maps=list(maps[start:end])))
        start = end
    metrics = {} if is_random else metrics_of(products, said)
    version = f"anomalib {about['version']}" if contender.peer else ""
    notes = [n for n in (version, "random weights: speed and memory alone" if is_random else "") if n]
    shots = len(products[0].references) if contender.references else 0
    return PeerRow(
        "patches", contender.who, split, shots, start, metrics, about["seconds"], about["peak_mib"], "; ".join(notes)
    )
