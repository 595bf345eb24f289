"""Measures the language model on photos that it was not trained on, and writes its card."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

import prompts
from nano.recipes.cache import EVALUATION_SEED, CachedScene, scenes
from nano.recipes.cache import PER_FAMILY as SCENES
from nano.recipes.check import KEY, figure
from nano.recipes.scorer.evaluate import auroc
from nano.recipes.training import Card, TrainingRun, trained, write_card
from nano.recipes.vlm.data import ScenePool, compared
from nano.world import HELDOUT, TRAINED
from tools.models.loading import load_model
from tools.profiles.specification import ModelSpec
from tools.types import RGB
from tools.vlm import LocalVLM, Turn

if TYPE_CHECKING:
    from torch import Tensor

PER_FAMILY = 40
PAIRS = 16
"""Pairs of crops of each family, half of them defective."""
TALKS = 4
"""Photos of each family that are described, half of them defective."""


def report(run: TrainingRun) -> None:
    """Measures the folder through the tool that uses it, and writes README.md and metrics.json."""
    vlm = LocalVLM(load_model(ModelSpec(source=str(run.out)), "vlm", "cpu"))
    figures: dict[str, float] = {}
    for kind, names in (("trained", TRAINED), ("held-out", HELDOUT)):
        pool = ScenePool(scenes(names, seed=EVALUATION_SEED, per_family=PER_FAMILY, evaluation=True))
        by_kind = [compare_auroc(vlm, pool, name) for name in names]
        figures[f"defective or good beside a reference, AUROC, {kind} families"] = float(np.mean(by_kind))
        figures |= {f"{name}, {kind} families": value for name, value in talked(vlm, pool, names).items()}
    figures[KEY] = figure("vlm", run.out)
    write_card(run.out, _card(run, figures))


def compare_auroc(vlm: LocalVLM, pool: ScenePool, name: str) -> float:
    """Of P(yes) to `compare` less P(yes) to `compare_good`, in log-odds, on exact crops beside a good part's."""
    rng = np.random.default_rng(EVALUATION_SEED)
    scores, truth = [], []
    for n in range(PAIRS):
        example = compared(pool, name, n % 2 == 0, rng, spread=0)
        crops = [_bytes(p) for p in example.pictures]
        product = pool.scenes[pool.good[name][0]].product
        said = [
            vlm.yes_no(crops, [Turn("user", prompts.questions()[key].format(product=product), images=2)])
            for key in ("compare", "compare_good")
        ]
        scores.append(_log_odds(said[0]) - _log_odds(said[1]))
        truth.append(n % 2 == 0)
    return auroc(scores, truth)


def talked(vlm: LocalVLM, pool: ScenePool, names: Sequence[str]) -> dict[str, float]:
    """Descriptions and lists of parts against the truth, with and without evidence in the prompt."""
    plain, told, valid, exact = [], [], [], []
    for name in names:
        for scene in (pool.scenes[n] for n in (*pool.good[name][: TALKS // 2], *pool.bad[name][: TALKS // 2])):
            question, answer = _asked(scene, "describe")
            plain.append(rouge_l(vlm.answer([scene.image], [Turn("user", question, images=1)], 96), answer))
            line = prompts.questions()["evidence"].format(evidence=_found(scene))
            said = vlm.answer([scene.image], [Turn("user", f"{line} {question}", images=1)], 96)
            told.append(rouge_l(said, answer))
            question, answer = _asked(scene, "list_parts")
            listed = _parsed(vlm.answer([scene.image], [Turn("user", question, images=1)]))
            valid.append(listed is not None)
            exact.append(listed == json.loads(answer))
    return {
        "description, ROUGE-L": float(np.mean(plain)),
        "description with evidence, ROUGE-L": float(np.mean(told)),
        "list of parts is valid JSON": float(np.mean(valid)),
        "list of parts is right": float(np.mean(exact)),
    }


def _asked(scene: CachedScene, name: str) -> tuple[str, str]:
    return next((question, answer) for key, question, answer in scene.questions if key == name)


def _found(scene: CachedScene) -> str:
    if not scene.defects:
        return "Nothing deviates from the good parts."
    place = _asked(scene, "locate")[1].rstrip(".").lower()
    return f"{_asked(scene, 'describe_defect')[1].rstrip('.')} ({place})."


def _parsed(said: str) -> list[str] | None:
    """The list of strings that was said, or None where it is none."""
    try:
        listed = json.loads(said)
    except ValueError:
        return None
    return listed if isinstance(listed, list) and all(isinstance(item, str) for item in listed) else None


def rouge_l(said: str, truth: str) -> float:
    """F1 of the longest common subsequence of words (Lin 2004), case and punctuation aside.

    >>> rouge_l("a dark scratch", "There is a dark scratch.")
    0.75
    """
    a, b = (["".join(c for c in w if c.isalnum()) for w in text.lower().split()] for text in (said, truth))
    if not a or not b:
        return 0.0
    row = [0] * (len(b) + 1)
    for word in a:
        before = 0
        for n, other in enumerate(b, start=1):
            before, row[n] = row[n], before + 1 if word == other else max(row[n], row[n - 1])
    return 2 * row[-1] / (len(a) + len(b))


def _bytes(picture: Tensor) -> RGB:
    return (picture.permute(1, 2, 0) * 255).round().byte().numpy()


def _log_odds(p: float) -> float:
    kept = min(max(p, 1e-6), 1 - 1e-6)
    return float(np.log(kept / (1 - kept)))


def _carried(run: TrainingRun) -> str:
    """Where the language model began, if not from nothing."""
    path = run.folder / "carried.json"
    if not path.is_file():
        return ""
    noted = json.loads(path.read_text(encoding="utf-8"))
    return (
        f", its language model carried over from {noted['steps']} steps ({noted['seconds']:.0f} seconds) behind "
        "a plain ViT tower that learned little"
    )


def _card(run: TrainingRun, figures: dict[str, float]) -> Card:
    steps, seconds = trained(run)
    return Card(
        title="LookTwice nano language model",
        architecture=(
            "LLaVA: a FocalNet vision tower (three stages up to width 192, 128 px, 64 tokens an image), a two-layer "
            "projector and a Llama of four layers of width 192 over a byte-level BPE. 3.6 million parameters, fp16."
        ),
        data=(
            f"Conversations about {SCENES * len(TRAINED):,} rendered scenes of {len(TRAINED)} families "
            f"({', '.join(TRAINED)}; seed 1): the questions of prompts/questions.yaml in both polarities, on whole "
            "photos, on crops, and on crops beside the same place on a good part, half of the photos' with evidence "
            "in the prompt. Nothing outside this repository."
        ),
        training=(
            f"{steps} steps in {seconds:.0f} seconds on one shared CPU thread (AdamW, 1e-3, cosine, bfloat16 "
            f"autocast){_carried(run)}: at first, and then every third step, the tower alone on 40 pictures, else 20 "
            "conversations. Linear heads, dropped afterwards, had to tell from each image token whether its patch is "
            "defective and which parts it shows, and from each token of the reference whether the same patch of the "
            "first picture is defective."
        ),
        figures=figures,
        command="python -m nano.recipes.vlm.train --evaluate-only",
        limits=(
            "It speaks in the sentences of this world and knows no other: of products that it was not trained on its "
            "descriptions guess, and its lists of parts are well formed but another product's. Its yes and no beside a "
            "reference carry over to other families, but are wrong often: take them for weak evidence."
        ),
    )
