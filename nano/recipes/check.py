"""Reproduces, in seconds, the figure that each shipped checkpoint stores of itself.

`python -m nano.recipes.check` checks all folders; `--store ROLE...` stores the figure of a new checkpoint.
It looks at freshly rendered photos through the very tools that users' photos go through.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np

import prompts
from nano.recipes.cache import EVALUATION_SEED
from nano.world import TRAINED, Scene, family, render
from tools.anomaly import PatchMemory, PatchScorer
from tools.anomaly.damage import PhotoTracer
from tools.errors import ModelError
from tools.images import sample_from_array
from tools.models.loading import load_model
from tools.parts import Grounder, Segmenter
from tools.profiles.specification import ModelSpec, Role
from tools.types import RGB, Box
from tools.vlm import LocalVLM, Turn

if TYPE_CHECKING:
    from tools.models.loading import Loaded

WEIGHTS = Path(__file__).parent.parent / "weights"
KEY = "check"
"""Name of the stored figure in metrics.json."""
TOLERANCE = 0.03
"""Processors and thread counts round differently; a wrong or damaged checkpoint is further off than this."""
FIRST = 900
"""Photos from this index on, which no other figure looks at."""


@dataclass(frozen=True)
class CheckResult:
    """One figure, stored and measured again."""

    role: Role
    name: str
    """What is measured."""
    value: float
    """Measured now, in [0, 1]."""
    stored: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether both agree."""
        return abs(self.value - self.stored) <= self.tolerance


def check(role: Role, folder: Path | None = None) -> CheckResult:
    """Measures a checkpoint's figure again.

    Args:
        role: which of them.
        folder: the checkpoint; the shipped one by default.

    Raises:
        ModelError: the checkpoint cannot be loaded, or stores no figure.
    """
    folder = folder or WEIGHTS / role
    path = folder / "metrics.json"
    stored = json.loads(path.read_text(encoding="utf-8")).get(KEY) if path.is_file() else None
    if stored is None:
        raise ModelError(f"{path}: stores no figure '{KEY}'; run `python -m nano.recipes.check --store {role}`.")
    name, _ = _FIGURES[role]
    return CheckResult(role, name, figure(role, folder), float(stored), TOLERANCE)


def shipped() -> tuple[Role, ...]:
    """The roles that weights lie here for."""
    return tuple(role for role in get_args(Role) if (WEIGHTS / role).is_dir())


def figure(role: Role, folder: Path) -> float:
    """The figure of a checkpoint, in [0, 1], on 22 photos.

    Raises:
        ModelError: the checkpoint cannot be loaded.
    """
    return _FIGURES[role][1](load_model(ModelSpec(source=str(folder)), role, "cpu"))


def store(role: Role, folder: Path | None = None) -> float:
    """Measures a checkpoint's figure and writes it beside the others in metrics.json."""
    folder = folder or WEIGHTS / role
    path = folder / "metrics.json"
    kept = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    kept[KEY] = round(figure(role, folder), 4)
    path.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    return float(kept[KEY])


def scenes() -> Iterator[Scene]:
    """A good photo and one with a structural defect of each training family."""
    for number, name in enumerate(TRAINED):
        defects = family(name).structural
        yield render(name, seed=EVALUATION_SEED, index=FIRST)
        yield render(name, seed=EVALUATION_SEED, index=FIRST + 1, defect=defects[number % len(defects)])


def cut(image: RGB, box: Box, factor: float) -> RGB:
    """A square about a box, a factor larger than its longer side, moved inside the photo."""
    height, width = image.shape[:2]
    side = min(max(factor * max(box.width, box.height), 20.0), height, width)
    cx, cy = box.centre
    x0, y0 = (int(min(max(c - side / 2, 0.0), end - side)) for c, end in ((cx, width), (cy, height)))
    return np.ascontiguousarray(image[y0 : y0 + int(side), x0 : x0 + int(side)])


def _scorer(loaded: Loaded) -> float:
    scorer, right, count = PatchScorer(loaded), 0, 0
    for scene in scenes():
        nouns = list(family(scene.family).nouns)
        crops = [sample_from_array(cut(scene.image, p.box, 1.3)) for p in scene.parts]
        best = np.asarray(scorer.similarity(crops, [f"a photo of a {n}." for n in nouns])).argmax(axis=1).tolist()
        right += sum(nouns[b] == p.noun for b, p in zip(best, scene.parts, strict=True))
        count += len(crops)
    return right / count


def _features(loaded: Loaded) -> float:
    memory, inside, count = PatchMemory(loaded), 0.0, 0
    for scene in scenes():
        if not scene.defects:
            continue
        references = [render(scene.family, seed=EVALUATION_SEED, index=FIRST + 2 + n).image for n in range(2)]
        found = memory.score(sample_from_array(scene.image), memory.bank([sample_from_array(r) for r in references]))
        values = found.values
        inside += float((values < values[scene.anomaly_mask].max()).mean())
        count += 1
    return inside / count


def _grounder(loaded: Loaded) -> float:
    grounder, found, count = Grounder(loaded), 0, 0
    for scene in scenes():
        parts = grounder.ground(sample_from_array(scene.image), family(scene.family).nouns)
        for true in scene.parts:
            found += any(p.label == true.noun and p.region.box.iou(true.box) >= 0.5 for p in parts)
            count += 1
    return found / count


def _segmenter(loaded: Loaded) -> float:
    segmenter, overlaps = Segmenter(loaded), list[float]()
    for scene in scenes():
        results = segmenter.segment(segmenter.encode(sample_from_array(scene.image)), [p.box for p in scene.parts])
        for result, part in zip(results, scene.parts, strict=True):
            overlaps.append(float((result.mask & part.mask).sum() / max(1, (result.mask | part.mask).sum())))
    return float(np.mean(overlaps))


def _vlm(loaded: Loaded) -> float:
    vlm, said = LocalVLM(loaded), list[float]()
    for scene in scenes():
        if scene.defects:
            other = render(scene.family, seed=EVALUATION_SEED, index=FIRST + 2).image
            crops = [cut(image, scene.defects[0].box, 2.0) for image in (scene.image, other)]
            question = prompts.questions()["compare"].format(product=scene.product)
            said.append(vlm.yes_no(crops, [Turn("user", question, images=2)]))
    return float(np.mean(said))


def _tracer(loaded: Loaded) -> float:
    tracer, ranks = PhotoTracer(loaded), list[float]()
    for scene in scenes():
        struck = [d for d in scene.defects if d.kind == "structural"]
        if struck:
            (traces,) = tracer.trace([sample_from_array(scene.image)])
            values = traces.flaws.values
            ranks.append(float((values[~struck[0].mask] < values[struck[0].mask].mean()).mean()))
    return float(np.mean(ranks))


_FIGURES: dict[Role, tuple[str, Callable[[Loaded], float]]] = {
    "scorer": ("share of parts that are named rightly", _scorer),
    "features": ("share of pixels less anomalous than the defect's worst", _features),
    "grounder": ("share of parts found by their noun (IoU 0.5)", _grounder),
    "segmenter": ("mean IoU of masks from true boxes", _segmenter),
    "vlm": ("mean P(yes) beside a good part, of defects", _vlm),
    "tracer": ("share of sound pixels less suspect than the damage", _tracer),
}


def main() -> None:
    """Checks every shipped checkpoint, or stores the figures of some."""
    parser = argparse.ArgumentParser(prog="python -m nano.recipes.check")
    parser.add_argument("--store", nargs="+", choices=get_args(Role), default=[], help="store instead of checking")
    wanted: list[Role] = parser.parse_args().store
    for role in wanted:
        sys.stdout.write(f"{role}: stored {store(role):.4f}\n")
    if wanted:
        return
    results = [check(role) for role in shipped()]
    for r in results:
        outcome = "ok" if r.passed else "DIFFERS"
        sys.stdout.write(f"{r.role}: {r.name} {r.value:.4f}, stored {r.stored:.4f}: {outcome}\n")
    sys.exit(0 if all(r.passed for r in results) else 1)


if __name__ == "__main__":
    main()
