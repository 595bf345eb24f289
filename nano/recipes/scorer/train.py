"""The scorer: a small CLIP that names parts, and tells a good place from a damaged one by words.

`python -m nano.recipes.scorer.train --minutes 40` trains it on crops and whole photos of the world.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import torch
from open_clip.model import CLIP
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional

from nano.recipes.cache import MEDLEYS, TRAIN_SEED, medley_scenes, scenes
from nano.recipes.scorer.data import CaptionFacts, Crop, batch_of, captions, fits, sentence
from nano.recipes.training import TrainingRun, arguments, run_of, train
from nano.recipes.vlm.data import ScenePool
from nano.recipes.vocabulary import kept_tokenizer
from nano.world import TRAINED

if TYPE_CHECKING:
    from torch import Tensor

WEIGHTS = "open_clip_model.safetensors"
SIDE = 128
LENGTH = 40
BATCH = 56
MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
TEMPERATURE = 0.07
"""Of {normal, anomalous}, as the patch scorer divides by."""
STATES = ("normal", "anomalous")
SENTENCES = 2
"""Of each state and noun in a step; the patch scorer averages all of them."""


def configuration(vocabulary: int) -> dict[str, Any]:
    """open_clip's architecture: CLIP's modified ResNet with one block a stage, and two text layers."""
    return {
        "embed_dim": 192,
        "vision_cfg": {"image_size": SIDE, "layers": [1, 1, 1, 1], "width": 32, "head_width": 64},
        "text_cfg": {
            "context_length": LENGTH,
            "vocab_size": vocabulary,
            "width": 128,
            "heads": 4,
            "layers": 2,
            "hf_tokenizer_name": "local",
            "tokenizer_kwargs": {"clean": "whitespace"},
        },
    }


def build(vocabulary: int) -> Any:
    """An untrained open_clip model."""
    config = configuration(vocabulary)
    text = {key: value for key, value in config["text_cfg"].items() if key != "tokenizer_kwargs"}
    return CLIP(config["embed_dim"], config["vision_cfg"], text)


class ScorerWithLosses(nn.Module):
    """The scorer with its losses: names, the state of a crop, and the state of each of its patches."""

    def __init__(self, clip: Any, tokenizer: Any, seed: int) -> None:
        super().__init__()
        self.clip = clip
        self._tokenizer, self._seed = tokenizer, seed

    def forward(self, crops: list[Crop], step: int) -> Tensor:
        """The loss of a batch of crops."""
        pixels = (torch.stack([c.pixels for c in crops]) - MEAN[0]) / STD[0]
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        whole, patches = embedded(self.clip.visual, pixels)
        said = captions(crops, self._seed, step)
        return self._named(crops, whole, said) + self._stated(crops, whole, patches, step)

    def texts(self, lines: list[str]) -> Tensor:
        """(T, D) of unit length."""
        ids = self._tokenizer(lines, padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt")
        longest = int(ids["attention_mask"].sum(dim=1).max())
        found: Tensor = functional.normalize(_text(self.clip, ids["input_ids"], longest).float(), dim=-1)
        return found

    def _named(self, crops: list[Crop], whole: Tensor, said: list[CaptionFacts]) -> Tensor:
        """Symmetric cross entropy in which every caption that is true of a crop is a right answer."""
        logits = self.clip.logit_scale.exp().clamp(max=100) * whole @ self.texts([s.line for s in said]).T
        true = torch.tensor([[float(fits(s, c)) for s in said] for c in crops])
        rows = true / true.sum(dim=1, keepdim=True).clamp(min=1)
        columns = (true / true.sum(dim=0, keepdim=True).clamp(min=1)).T
        return functional.cross_entropy(logits, rows) + functional.cross_entropy(logits.T, columns)

    def _stated(self, crops: list[Crop], whole: Tensor, patches: Tensor, step: int) -> Tensor:
        """P(anomalous) as the patch scorer computes it, against the truth, of crops and of their patches."""
        known = [n for n, c in enumerate(crops) if c.damaged is not None]
        nouns = sorted({crops[n].subject for n in known})
        lines = [
            sentence(noun, state, self._seed, step, k) for noun in nouns for state in STATES for k in range(SENTENCES)
        ]
        means = functional.normalize(self.texts(lines).reshape(len(nouns), 2, SENTENCES, -1).mean(dim=2), dim=-1)
        which = torch.tensor([nouns.index(crops[n].subject) for n in known])
        direction = (means[:, 1] - means[:, 0])[which] / TEMPERATURE
        damaged = torch.tensor([float(bool(crops[n].damaged)) for n in known])
        loss = functional.binary_cross_entropy_with_logits((whole[known] * direction).sum(dim=-1), damaged)
        shares = torch.stack([crops[n].shares for n in known]).flatten(1)
        logits = (patches[known].flatten(1, 2) * direction[:, None]).sum(dim=-1)
        weight = 1 + 2 * shares
        return 2 * loss + functional.binary_cross_entropy_with_logits(logits, shares, weight=weight)


def embedded(visual: Any, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Unit embeddings (N, D) of crops and (N, h, w, D) of their patches, read out as the patch scorer does."""
    maps = visual.layer4(visual.layer3(visual.layer2(visual.layer1(visual.stem(pixels)))))
    pool = visual.attnpool
    grid = pool.c_proj(pool.v_proj(maps.permute(0, 2, 3, 1)))
    return functional.normalize(pool(maps).float(), dim=-1), functional.normalize(grid.float(), dim=-1)


def _text(clip: Any, ids: Tensor, longest: int) -> Tensor:
    """`encode_text` without the columns that are padding in every row: attention is causal, so they change nothing."""
    tokens = clip.token_embedding(ids[:, :longest]) + clip.positional_embedding[:longest]
    states = clip.ln_final(clip.transformer(tokens, attn_mask=clip.attn_mask[:longest, :longest]))
    pooled: Tensor = states[torch.arange(len(ids)), ids[:, :longest].argmax(dim=1)] @ clip.text_projection
    return pooled


def save(clip: Any, tokenizer: Any, run: TrainingRun) -> None:
    """The model in half precision, its architecture and its tokenizer, in open_clip's folder format."""
    run.out.mkdir(parents=True, exist_ok=True)
    state = {k: v.half() if v.is_floating_point() else v for k, v in clip.state_dict().items()}
    save_file({k: v.contiguous() for k, v in state.items()}, run.out / WEIGHTS, {"format": "pt"})
    preprocess = {"mean": list(MEAN), "std": list(STD), "interpolation": "bilinear", "resize_mode": "squash"}
    about = {"model_cfg": configuration(len(tokenizer)), "preprocess_cfg": preprocess}
    (run.out / "open_clip_config.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    tokenizer.save_pretrained(run.out)


def main() -> None:
    """Trains, saves, measures and writes the card."""
    options = arguments("scorer", minutes=40).parse_args()
    run: TrainingRun = run_of("scorer", options)
    if not run.evaluate_only:
        torch.manual_seed(run.seed)
        tokenizer = kept_tokenizer(run.folder, LENGTH, frame=True, start=options.start)
        clip = build(len(tokenizer))
        if options.start is not None:
            clip.load_state_dict(load_file(options.start / WEIGHTS))
        clip.visual.to(memory_format=torch.channels_last)
        learner = ScorerWithLosses(clip, tokenizer, run.seed).to(run.device)
        pool = ScenePool([*scenes(TRAINED, seed=TRAIN_SEED, per_family=options.per_family), *medley_scenes(0, MEDLEYS)])

        def loss(step: int) -> Tensor:
            crops = batch_of(pool, BATCH, run.seed, step)
            with torch.autocast(run.device, dtype=torch.bfloat16):
                result: Tensor = learner(crops, step)
            return result

        train(run, learner, loss, rate=1e-3)
        save(clip, tokenizer, run)
    from nano.recipes.scorer.evaluate import report

    report(run)


if __name__ == "__main__":
    main()
