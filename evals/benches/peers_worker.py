"""Runs one of our own patch scorers on photos in a folder; a process of its own, so that its peak memory is its own.

python -m evals.benches.peers_worker FOLDER CONTENDER
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tools.images import sample_from_array
from tools.types import AnomalyMap, Sample

Score = Callable[[Sample], AnomalyMap]
Prepare = Callable[[list[Sample], str], Score]


def main() -> None:
    """Scores all photos, one at a time, and writes scores, maps and what it cost."""
    folder, contender = Path(sys.argv[1]), sys.argv[2]
    task = json.loads((folder / "task.json").read_text(encoding="utf-8"))
    start = time.perf_counter()
    prepare = {"memory": _memory, "words": _words, "windows": _windows, "windows-plus": _windows}[contender](
        folder, task, contender
    )
    scores, maps, seconds = [], [], []
    for name in task["families"]:
        shown = np.load(folder / f"{name}.npz")
        score = prepare([sample_from_array(r) for r in shown["references"]], task["nouns"][name])
        photos = [sample_from_array(p) for p in shown["photos"][: task["limit"]]]
        score(photos[0])
        for photo in photos:
            began = time.perf_counter()
            found = score(photo)
            seconds.append(time.perf_counter() - began)
            scores.append(found.own_score)
            maps.append(found.raw if found.raw is not None else found.values)
    np.savez(folder / f"{contender}.npz", scores=np.array(scores), maps=np.stack(maps).astype(np.float32))
    about = {"seconds": float(np.median(seconds)), "peak_mib": _peak_mib(), "whole": time.perf_counter() - start}
    (folder / f"{contender}.json").write_text(json.dumps(about), encoding="utf-8")


def _toolbox(task: dict[str, Any]) -> Any:
    from tools.profiles import resolve_profile
    from tools.toolbox import Toolbox

    return Toolbox.open(resolve_profile(task["profile"]), "cpu")


def _memory(_: Path, task: dict[str, Any], __: str) -> Prepare:
    """The profile's memory of reference patches; nothing is taken from what earlier runs kept."""
    from tools.anomaly import PatchMemory

    made = _toolbox(task).memory
    memory = PatchMemory(made._loaded, side=made._side, options=made._options)

    def prepare(references: list[Sample], _: str) -> Score:
        bank = memory.bank(references)
        return lambda photo: memory.score(photo, bank)

    return prepare


def _words(_: Path, task: dict[str, Any], __: str) -> Prepare:
    """The profile's scorer by words alone, on the profile's own path."""
    scorer = _toolbox(task).scorer
    return lambda _references, noun: lambda photo: scorer.score(scorer.encode([photo]), noun)[0]


def _windows(folder: Path, task: dict[str, Any], contender: str) -> Prepare:
    """WinCLIP's path of windows, on the weights that the peer is given."""
    from safetensors.torch import load_file

    from evals.benches.patch import random_clip
    from tools.anomaly import PatchScorer

    loaded = random_clip(task["scorer"]["name"], "cpu")
    loaded.model.load_state_dict(load_file(folder / "scorer.safetensors"))
    scorer = PatchScorer(loaded, path="windows")

    def prepare(references: list[Sample], noun: str) -> Score:
        good = scorer.encode(references) if contender == "windows-plus" else None
        return lambda photo: scorer.score(scorer.encode([photo]), noun, references=good)[0]

    return prepare


def _peak_mib() -> float | None:
    """Largest resident memory of this program; getrusage would count what the process was before it became this one."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return None
    line = next(line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
