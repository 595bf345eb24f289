"""What the recipes build is what the tools load, and training reads it as the tools do."""

from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional

from nano.recipes.scorer import train as scorer
from nano.recipes.scorer.evaluate import auroc
from nano.recipes.training import save_folder
from nano.recipes.vlm import train
from nano.recipes.vlm.evaluate import rouge_l
from nano.recipes.vocabulary import kept_tokenizer
from tools.images import sample_from_array
from tools.models.loading import load_model
from tools.profiles.specification import ModelSpec


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scorer")
    torch.manual_seed(0)
    tokenizer = kept_tokenizer(folder / "kept", scorer.LENGTH, frame=True)
    model = scorer.build(len(tokenizer))
    scorer.save(model, tokenizer, SimpleNamespace(out=folder / "out"))
    return folder / "out", model, tokenizer


def test_the_scorer_is_trained_on_what_the_patch_scorer_reads(clip_folder):
    from tools.anomaly import PatchScorer

    folder, _, tokenizer = clip_folder
    loaded = load_model(ModelSpec(source=str(folder)), "scorer", "cpu")
    image = torch.randint(0, 256, (scorer.SIDE, scorer.SIDE, 3), dtype=torch.uint8)
    read = PatchScorer(loaded).encode([sample_from_array(image.numpy())])
    pixels = (image.permute(2, 0, 1)[None].float() / 255 - scorer.MEAN[0]) / scorer.STD[0]
    with torch.no_grad():
        whole, patches = scorer.embedded(loaded.model.visual, pixels)
    assert torch.allclose(whole, read.whole, atol=1e-3)
    assert torch.allclose(patches, read.patches, atol=1e-3)
    learner = scorer.ScorerWithLosses(loaded.model, tokenizer, 1)
    lines = ["a photo of a bolt.", "a nut that is damaged in one place"]
    with torch.no_grad():
        expected = functional.normalize(loaded.model.encode_text(loaded.processor.tokenizer(lines)), dim=-1)
        assert torch.allclose(learner.texts(lines), expected, atol=1e-4)


def test_a_conversation_is_taught_in_the_tokens_in_which_it_is_asked(tmp_path):
    _, processor = train.build(tmp_path)
    turns = [("Is it good?", "No"), ("Where is the defect?", "Upper left.")]
    ids, labels = train.encoded(processor, turns, images=2)
    asked = processor.apply_chat_template(
        train.messages([turns[0], (turns[1][0], "")], 2), add_generation_prompt=True, tokenize=False
    )
    tokens = processor.tokenizer.encode(asked.replace("<image>", "<image>" * 64), add_special_tokens=False)
    assert ids[: len(tokens)] == tokens
    taught = [i for i in labels if i != -100]
    assert processor.tokenizer.decode(taught, skip_special_tokens=True).split() == ["No", "Upper", "left."]
    assert taught.count(processor.tokenizer.eos_token_id) == 2


def test_the_vlm_answers_through_the_tool_that_asks_it(tmp_path):
    from tools.vlm import LocalVLM, Turn

    torch.manual_seed(0)
    model, processor = train.build(tmp_path / "kept")
    save_folder(model, tmp_path / "out")
    processor.save_pretrained(tmp_path / "out")
    tool = LocalVLM(load_model(ModelSpec(source=str(tmp_path / "out")), "vlm", "cpu"))
    crops = [torch.randint(0, 256, (70, 90, 3), dtype=torch.uint8).numpy() for _ in range(2)]
    assert 0 < tool.yes_no(crops, [Turn("user", "Is it good?", images=2)]) < 1
    assert isinstance(tool.answer(crops[:1], [Turn("user", "Is it good?", images=1)], 4), str)


def test_measures_know_their_limits():
    assert rouge_l("There is a dent.", "there is a dent") == 1.0
    assert rouge_l("", "there is a dent") == 0.0
    assert auroc([0.1, 0.9, 0.5], [False, True, False]) == 1.0
