"""The vlm: a small LLaVA that looks at a picture, or at a picture beside its reference, and answers.

`python -m nano.recipes.vlm.train --minutes 40` trains it on the world's questions.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional
from transformers import (
    CLIPImageProcessor,
    FocalNetConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
)

from nano.recipes.cache import TRAIN_SEED, scenes
from nano.recipes.training import TrainingRun, arguments, run_of, save_folder, train
from nano.recipes.vlm.data import FAINT, GRID, PATCH, SIDE, ScenePool, Turns, Views, VlmExample, batch_of, views_of
from nano.recipes.vlm.evaluate import report
from nano.recipes.vocabulary import END, IMAGE, START, kept_tokenizer
from nano.world import TRAINED

if TYPE_CHECKING:
    from torch import Tensor

LENGTH = 640
WIDTH = 192
BATCH = 20
"""Conversations in a step."""
PICTURES = 40
"""Pictures in a step of the tower alone."""
ALONE = 110
"""So many steps the tower learns to see before anything is said; from then on every third step."""
MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
LANGUAGE = ("vlm.model.language_model.", "vlm.lm_head.")
"""Names of what `--language` carries over."""
TEMPLATE = (
    "{{ '" + START + "' }}{% for message in messages %}{{ message.role.capitalize() + ':' }}"
    "{% if message.content is string %}{{ ' ' + message.content }}{% else %}"
    "{% for part in message.content %}{% if part.type == 'image' %}{{ '" + IMAGE + "' }}"
    "{% else %}{{ ' ' + part.text }}{% endif %}{% endfor %}{% endif %}"
    "{% if message.role == 'assistant' %}{{ '" + END + "' }}{% endif %}{{ '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)


def build(folder: Path) -> tuple[Any, Any]:
    """(model, processor), from nothing.

    The vision tower is a FocalNet: on few pictures its convolutions learn what a plain ViT does not.
    """
    tokenizer = kept_tokenizer(folder, LENGTH, frame=False)
    size = len(tokenizer)
    ids = {"pad_token_id": 0, "bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    vision = FocalNetConfig(
        image_size=SIDE,
        patch_size=4,
        embed_dim=48,
        hidden_sizes=[96, WIDTH],
        depths=[1, 2, 3],
        mlp_ratio=3.0,
        focal_levels=[2, 2, 2],
        focal_windows=[3, 3, 3],
        use_conv_embed=True,
        hidden_size=WIDTH,
    )
    text = LlamaConfig(
        vocab_size=size,
        hidden_size=WIDTH,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=6,
        max_position_embeddings=LENGTH,
        tie_word_embeddings=True,
        **ids,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=tokenizer.convert_tokens_to_ids(IMAGE),
        image_seq_length=GRID**2,
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        tie_word_embeddings=True,
        **ids,
    )
    model = LlavaForConditionalGeneration(config)
    _initialise(model)
    model.generation_config.pad_token_id, model.generation_config.eos_token_id = 0, tokenizer.eos_token_id
    images = CLIPImageProcessor(
        size={"height": SIDE, "width": SIDE}, do_center_crop=False, image_mean=list(MEAN), image_std=list(STD)
    )
    processor = LlavaProcessor(
        images,
        tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="full",
        chat_template=TEMPLATE,
        image_token=IMAGE,
    )
    return model, processor


def _initialise(model: Any) -> None:
    """Matrices of the projector and the language model start as Xavier does."""
    for part in (model.model.multi_modal_projector, model.model.language_model):
        for module in part.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)


class VlmWithHeads(nn.Module):
    """The language model with linear heads that exist only while it learns.

    From each image token two tell whether its patch is defective, and which parts it shows; one tells from the
    language model's state at each token of the reference whether the same patch of the first picture is
    defective. They give the towers a dense reason to see and to compare, which a yes or a no gives too slowly.
    """

    def __init__(self, vlm: Any, nouns: int) -> None:
        super().__init__()
        self.vlm = vlm
        self.seen, self.shown, self.differs = nn.Linear(WIDTH, 1), nn.Linear(WIDTH, nouns + 1), nn.Linear(WIDTH, 1)

    def features(self, pixels: Tensor) -> Tensor:
        """(N, 64, WIDTH): the image tokens as the language model gets them."""
        return torch.stack(tuple(self.vlm.model.get_image_features(pixels, return_dict=True).pooler_output))

    def look(self, views: Views) -> Tensor:
        """The loss of the tower alone."""
        features = self.features((views.pixels - MEAN[0]) / STD[0]).float()
        shown = functional.cross_entropy(self.shown(features).flatten(0, 1), views.nouns.flatten(0, 1))
        return _dense(self.seen(features)[..., 0], (views.defects.flatten(1) > FAINT).float()) + 0.5 * shown

    def forward(self, batch: VlmBatch) -> Tensor:
        """The loss of what is said, and of where two pictures differ; the tower is taken as it is."""
        with torch.no_grad():
            seen = self.vlm.model.vision_tower(batch.pixels, output_hidden_states=True).hidden_states[-1]
        features = self.vlm.model.multi_modal_projector(seen)
        embeds = self.vlm.model.get_input_embeddings()(batch.ids)
        places = batch.ids == self.vlm.config.image_token_id
        embeds = embeds.masked_scatter(places[..., None], features.to(embeds.dtype))
        states = self.vlm.model.language_model(inputs_embeds=embeds, attention_mask=batch.mask).last_hidden_state
        answers = batch.labels[:, 1:] != -100
        logits = self.vlm.lm_head(states[:, :-1][answers]).float()
        loss = functional.cross_entropy(logits, batch.labels[:, 1:][answers])
        if batch.images == 2:
            seconds = states[places].reshape(-1, 2, GRID**2, WIDTH)[:, 1]
            loss = loss + 2 * _dense(self.differs(seconds)[..., 0], batch.defects.reshape(-1, 2, GRID**2)[:, 0])
        return loss


def _dense(logits: Tensor, truth: Tensor) -> Tensor:
    """Cross entropy in which defective patches, being rare, weigh more."""
    weight = 1 + 3 * truth
    return functional.binary_cross_entropy_with_logits(logits.float(), truth, weight=weight)


class VlmBatch:
    """Tensors of one step; all examples have the same number of pictures."""

    def __init__(self, examples: Sequence[VlmExample], processor: Any) -> None:
        self.images = len(examples[0].pictures)
        pixels = torch.stack([p for e in examples for p in e.pictures])
        self.pixels = (pixels - MEAN[0]) / STD[0]
        self.defects = (torch.stack([d for e in examples for d in e.defects]).flatten(1) > FAINT).float()
        rows = [encoded(processor, e.turns, self.images) for e in examples]
        longest = max(len(ids) for ids, _ in rows)
        self.ids = torch.tensor([ids + [0] * (longest - len(ids)) for ids, _ in rows])
        self.labels = torch.tensor([labels + [-100] * (longest - len(labels)) for _, labels in rows])
        self.mask = (torch.arange(longest)[None] < torch.tensor([len(ids) for ids, _ in rows])[:, None]).long()


def messages(turns: Turns, images: int) -> list[dict[str, Any]]:
    """A conversation in the form that chat templates take; the last answer is left out where it is empty."""
    said: list[dict[str, Any]] = []
    for number, (question, answer) in enumerate(turns):
        shown = [{"type": "image"}] * (images if number == 0 else 0)
        said.append({"role": "user", "content": [*shown, {"type": "text", "text": question}]})
        if answer:
            said.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
    return said


def encoded(processor: Any, turns: Turns, images: int) -> tuple[list[int], list[int]]:
    """(token ids, labels): the answers and their end tokens are to be learned, the rest is -100."""
    tokenizer = processor.tokenizer
    ids: list[int] = []
    labels: list[int] = []
    before = ""
    for n in range(len(turns)):
        history = messages([*turns[:n], (turns[n][0], "")], images)
        prompt = processor.apply_chat_template(history, add_generation_prompt=True, tokenize=False)
        fresh = prompt[len(before) :].replace(IMAGE, IMAGE * GRID**2)
        answer = [*tokenizer.encode(turns[n][1], add_special_tokens=False), tokenizer.eos_token_id]
        asked = tokenizer.encode(fresh, add_special_tokens=False)
        ids += asked + answer
        labels += [-100] * len(asked) + answer
        before = f"{prompt} {turns[n][1]}{END}"
    return ids[:LENGTH], labels[:LENGTH]


def carry_over(learner: VlmWithHeads, checkpoint: Path, folder: Path) -> None:
    """Takes the language model of an earlier training with the same vocabulary, and notes how long that took."""
    kept = torch.load(checkpoint, map_location="cpu", weights_only=True)
    words = {k: v for k, v in kept["model"].items() if k.startswith(LANGUAGE)}
    learner.load_state_dict(words, strict=False)
    noted = {"steps": kept["step"], "seconds": kept["seconds"]}
    (folder / "carried.json").write_text(json.dumps(noted) + "\n", encoding="utf-8")


def main() -> None:
    """Trains, saves model and processor, measures and writes the card."""
    parser = arguments("vlm", minutes=40)
    parser.add_argument("--language", type=Path, help="a checkpoint whose language model is carried over")
    options = parser.parse_args()
    run: TrainingRun = run_of("vlm", options)
    if not run.evaluate_only:
        torch.manual_seed(run.seed)
        model, processor = build(run.folder)
        pool = ScenePool(scenes(TRAINED, seed=TRAIN_SEED, per_family=options.per_family))
        learner = VlmWithHeads(model, len(pool.nouns)).to(run.device)
        model.set_attn_implementation("eager")
        if options.language is not None:
            carry_over(learner, options.language, run.folder)

        def loss(step: int) -> Tensor:
            alone = step < ALONE or step % 3 == 0
            with torch.autocast(run.device, dtype=torch.bfloat16):
                result: Tensor = (
                    learner.look(views_of(pool, PICTURES, run.seed, step))
                    if alone
                    else learner(VlmBatch(batch_of(pool, BATCH, run.seed, step), processor))
                )
            return result

        train(run, learner, loss, rate=1e-3)
        save_folder(model, run.out)
        processor.save_pretrained(run.out)
    report(run)


if __name__ == "__main__":
    main()
