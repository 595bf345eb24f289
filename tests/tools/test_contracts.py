"""Every class that a profile may name: loaded by its folder through the one loader, and driven through its tool."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from checkpoints import ROLE_OF, plate
from PIL import Image
from safetensors.torch import load_file

from tools.anomaly import PatchMemory, PatchScorer
from tools.images import sample_from_array
from tools.parts import Grounder, Segmenter
from tools.types import Box
from tools.vlm import LocalVLM, Turn

CLASSES = {
    "siglip": "CustomTextCLIP",
    "dinov2": "Dinov2Backbone",
    "dinov3": "DINOv3ViTBackbone",
    "owlv2": "Owlv2ForObjectDetection",
    "mm_dino": "MMGroundingDinoForObjectDetection",
    "sam2": "Sam2Model",
    "sam2_film": "Sam2Model",
    "llava_next": "LlavaNextForConditionalGeneration",
    "llava_onevision": "LlavaOnevisionForConditionalGeneration",
    "qwen3_vl": "Qwen3VLForConditionalGeneration",
    "smolvlm": "SmolVLMForConditionalGeneration",
    "internvl": "InternVLForConditionalGeneration",
}
VLMS = ["llava", "llava_next", "llava_onevision", "qwen_vl", "qwen3_vl", "smolvlm", "internvl"]
ONE = [Turn("user", "What is it?", images=1)]
TWO = [Turn("user", "Look.", 1), Turn("assistant", "I see."), Turn("user", "And beside it?", 1)]
BOTH = [Turn("system", "You inspect parts."), Turn("user", "Compare them.", 2)]
NONE = [Turn("user", "Just words?")]
OPTIONS = ["Yes", "a metal nut", "no"]
SHOWN = {
    # (height, width) of the photos shown: tokens of photos that each class must make of them.
    # 32 x 40 is 4 x 5 patches; tiles of 64 x 32 leave 4 x 6 of them, with a newline a row, behind the whole's 16.
    "llava": {((32, 40),): 16, ((32, 40), (60, 30)): 32},
    "llava_next": {((32, 40),): 16 + 4 * 6 + 4, ((64, 64),): 16 + 8 * 8 + 8, ((32, 40), (60, 30)): 44 + 16 + 8 * 4 + 8},
    # One photo in tiles as LLaVA-NeXT; of several each is shown once, with one newline.
    "llava_onevision": {((32, 40),): 16 + 4 * 6 + 4, ((64, 64),): 16 + 8 * 8 + 8, ((32, 40), (60, 30)): 2 * 17},
    # Patches in squares of 2 x 2; 60 x 30 is rounded to 64 x 32.
    "qwen_vl": {((32, 32),): 4, ((64, 64),): 16, ((32, 32), (60, 30)): 4 + 8},
    "qwen3_vl": {((32, 32),): 4, ((64, 64),): 16, ((32, 32), (60, 30)): 4 + 8},
    # Four tokens a tile: 2 x 2 tiles (2 x 1 of the tall one) and the whole.
    "smolvlm": {((64, 64),): 4 * 5, ((64, 64), (60, 30)): 4 * 5 + 4 * 3},
    # Four tokens a tile: one of a small photo, four and the whole of a larger one, two and the whole of a tall one.
    "internvl": {((32, 32),): 4, ((64, 64),): 4 * 5, ((32, 32), (60, 30)): 4 + 4 * 3},
}


def shown(sizes):
    return [plate(n, size) for n, size in enumerate(sizes)]


def inputs_of(loaded, images, turns):
    """What the model's own processor makes of a conversation."""
    left = (Image.fromarray(image) for image in images)
    messages = [
        {
            "role": turn.role,
            "content": [{"type": "image", "image": next(left)} for _ in range(turn.images)]
            + [{"type": "text", "text": turn.text}],
        }
        for turn in turns
    ]
    return loaded.processor.apply_chat_template(
        messages, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
    )


def log_probabilities(loaded, inputs, ids):
    """(L, V) at each place of prompt and further tokens, in one pass: no cache, no batch."""
    whole = torch.cat([inputs["input_ids"], torch.tensor([ids], dtype=torch.long)], dim=1)
    kinds = {k: v for k, v in inputs.items() if k not in ("input_ids", "attention_mask", "mm_token_type_ids")}
    if "mm_token_type_ids" in inputs:
        kinds["mm_token_type_ids"] = torch.nn.functional.pad(inputs["mm_token_type_ids"], (0, len(ids)))
    with torch.inference_mode():
        logits = loaded.model(input_ids=whole, attention_mask=torch.ones_like(whole), **kinds).logits[0]
    return torch.log_softmax(logits.double(), dim=-1)


def by_hand(loaded, images, turns, text):
    """Log-likelihood of a text after the prompt, token by token."""
    ids = loaded.processor.tokenizer(text, add_special_tokens=False).input_ids
    assert len(ids) == len(text)
    told = log_probabilities(loaded, inputs_of(loaded, images, turns), ids)
    start = len(told) - len(ids)
    return sum(float(told[start + n - 1, token]) for n, token in enumerate(ids))


@pytest.mark.parametrize("kind", CLASSES)
def test_each_class_is_loaded_by_its_folder_with_the_weights_that_lie_there(loaded, folder_of, kind):
    found = loaded(kind)
    assert type(found.model).__name__ == CLASSES[kind]
    assert found.spec.source == str(folder_of(kind))
    stored = {}
    for path in folder_of(kind).glob("*.safetensors"):
        stored |= load_file(path)
    ours = {p.double().sum().item() for p in found.model.parameters() if p.ndim > 1}
    # Names differ (DINOv2 is stored without a prefix, SAM 2 with a memory), so values are compared.
    theirs = {v.double().sum().item() for v in stored.values() if v.ndim > 1}
    assert len(ours - theirs) <= 0.02 * len(ours)


@pytest.mark.parametrize("kind", VLMS)
@pytest.mark.parametrize(("turns", "sizes"), [(ONE, [(32, 40)]), (TWO, [(32, 40), (60, 30)]), (NONE, [])])
def test_options_of_several_tokens_get_the_likelihood_computed_token_by_token(loaded, kind, turns, sizes):
    images, vlm = shown(sizes), LocalVLM(loaded(kind))
    # A photo before, since a model may remember where the last one lay.
    vlm.yes_no([plate(9, (40, 32))], ONE)
    found = vlm.choose(images, turns, OPTIONS)
    # A prompt that ends in white space is not followed by more of it.
    forms = ("",) if vlm._prompt(images, turns).text[-1].isspace() else ("", " ")
    spelled = [[by_hand(loaded(kind), images, turns, form + o) for form in forms] for o in OPTIONS]
    weights = [math.fsum(math.exp(v - max(map(max, spelled))) for v in row) for row in spelled]
    assert list(found) == OPTIONS
    for option, weight in zip(OPTIONS, weights, strict=True):
        assert math.log(found[option]) == pytest.approx(math.log(weight / math.fsum(weights)), abs=1e-3)


@pytest.mark.parametrize("kind", VLMS)
def test_an_answer_is_greedy_and_the_same_each_time(loaded, kind):
    images, vlm = shown([(32, 40)]), LocalVLM(loaded(kind))
    said = [vlm.answer(images, ONE, max_new_tokens=3) for _ in range(2)]
    ids = []
    inputs, stops = inputs_of(loaded(kind), images, ONE), loaded(kind).model.generation_config.eos_token_id
    for _ in range(3):
        ids.append(int(log_probabilities(loaded(kind), inputs, ids)[-1].argmax()))
        if ids[-1] == stops:
            break
    expected = loaded(kind).processor.tokenizer.decode(ids, skip_special_tokens=True).strip()
    assert said == [expected, expected]


@pytest.mark.parametrize(("kind", "sizes", "count"), [(k, s, n) for k, row in SHOWN.items() for s, n in row.items()])
def test_a_photo_takes_as_many_tokens_as_its_class_says(loaded, kind, sizes, count):
    config = loaded(kind).model.config
    mark = getattr(config, "image_token_id", None) or config.image_token_index
    ids = LocalVLM(loaded(kind))._prompt(shown(sizes), ONE if len(sizes) == 1 else TWO).ids
    assert ids.count(mark) == count


@pytest.mark.parametrize("kind", VLMS)
def test_photos_of_different_sizes_matter_each_in_its_place(loaded, kind):
    vlm = LocalVLM(loaded(kind))
    dark, light = np.full((32, 32, 3), 20, np.uint8), np.full((48, 40, 3), 235, np.uint8)
    told = [vlm.choose(pair, BOTH, OPTIONS) for pair in ([dark, light], [light, dark], [dark, dark])]
    for one, other in ((0, 1), (0, 2)):
        assert list(told[one].values()) != pytest.approx(list(told[other].values()), rel=1e-4)


@pytest.mark.parametrize("kind", ["llava_onevision", "qwen3_vl", "smolvlm"])
def test_a_template_writes_the_system_and_each_turn_in_order(loaded, kind):
    turns = [*BOTH[:1], *TWO]
    prompt = LocalVLM(loaded(kind))._prompt(shown([(32, 40)] * sum(t.images for t in turns)), turns).text
    places = [prompt.index(text) for text in ("You inspect parts.", "Look.", "I see.", "And beside it?")]
    assert places == sorted(places)
    assert prompt.rstrip().lower().endswith(("assistant", "assistant:"))


@pytest.mark.parametrize("kind", ["owl", "owlv2", "dino", "mm_dino"])
@pytest.mark.parametrize("size", [(90, 120), (64, 40)])
def test_a_detector_s_boxes_lie_where_its_numbers_say(loaded, monkeypatch, kind, size):
    """One query is sure of a box about the photo's middle quarter; OWLv2 counts in the square that it pads to."""
    model, (height, width) = loaded(kind).model, size
    side = (max(size), max(size)) if kind == "owlv2" else (width, height)
    box = torch.tensor([width / 2 / side[0], height / 2 / side[1], width / 4 / side[0], height / 4 / side[1]])

    def forward(**given):
        sentence = kind in ("dino", "mm_dino")
        logits = torch.full((1, 3, 256 if sentence else 2), -9.0)
        logits[0, 0, : given["input_ids"].shape[-1] if sentence else 1] = 2.0
        return SimpleNamespace(logits=logits, pred_boxes=box.expand(1, 3, 4))

    monkeypatch.setattr(model, "forward", forward)
    (found,) = Grounder(loaded(kind)).ground(sample_from_array(plate(0, size)), ["nut", "bolt"])
    expected = (3 * width / 8, 3 * height / 8, 5 * width / 8, 5 * height / 8)
    assert list(found.region.box) == pytest.approx(expected, abs=0.6)
    assert found.region.score == pytest.approx(1 / (1 + math.exp(-2)), abs=1e-3)


@pytest.mark.parametrize("kind", ["owlv2", "mm_dino"])
def test_a_detector_finds_the_same_twice_on_photos_of_different_sizes(loaded, kind):
    grounder = Grounder(loaded(kind))
    for size in ((90, 120), (64, 40)):
        photo = sample_from_array(plate(1, size))
        found, again = (grounder.ground(photo, ["metal nut", "bolt"], threshold=0.0) for _ in range(2))
        assert [(p.label, p.region.box) for p in found] == [(p.label, p.region.box) for p in again]
        assert {p.label for p in found} <= {"metal nut", "bolt"}
        assert all(0 <= p.region.box.x0 < p.region.box.x1 <= size[1] for p in found)


@pytest.mark.parametrize("kind", ["sam", "sam2", "sam2_film"])
@pytest.mark.parametrize("size", [(96, 128), (100, 60)])
def test_a_mask_lies_where_its_box_lies(loaded, monkeypatch, kind, size):
    """The decoder is taken over by one that fills the box that it gets, in the encoder's own pixels."""
    segmenter = Segmenter(loaded(kind))
    encoded = segmenter.encode(sample_from_array(plate(2, size)))

    def forward(input_boxes, **_):
        cells = 64
        across, down = (cells / side for side in encoded.input_size)
        masks = torch.full((1, input_boxes.shape[1], 3, cells, cells), -9.0)
        for n, (x0, y0, x1, y1) in enumerate(input_boxes[0].tolist()):
            masks[0, n, :, round(y0 * down) : round(y1 * down), round(x0 * across) : round(x1 * across)] = 9.0
        return SimpleNamespace(pred_masks=masks, iou_scores=torch.full((1, input_boxes.shape[1], 3), 0.9))

    monkeypatch.setattr(loaded(kind).model, "forward", forward)
    boxes = [Box(8, 20, 40, 60), Box(30, 50, 56, 90)]
    for box, found in zip(boxes, segmenter.segment(encoded, boxes), strict=True):
        assert found.mask.shape == size
        rows, columns = np.flatnonzero(found.mask.any(1)), np.flatnonzero(found.mask.any(0))
        edges = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
        assert list(edges) == pytest.approx(list(box), abs=2.5)


@pytest.mark.parametrize("kind", ["sam2", "sam2_film"])
def test_sam_2_takes_boxes_and_points_and_gives_masks_of_the_photo(loaded, kind):
    segmenter = Segmenter(loaded(kind))
    encoded = segmenter.encode(sample_from_array(plate(3, (80, 112))))
    boxes = [Box(10, 10, 60, 50), Box(50, 20, 100, 70)]
    plain = segmenter.segment(encoded, boxes)
    pointed = segmenter.segment(encoded, boxes, [(20.0, 20.0), None], background=[(5.0, 5.0)])
    assert [m.mask.shape for m in (*plain, *pointed)] == [(80, 112)] * 4
    assert all(0 <= m.iou <= 1 for m in plain)
    assert [m.iou for m in plain] != pytest.approx([m.iou for m in pointed], abs=1e-6)
    again = segmenter.segment(encoded, boxes)
    assert all((a.mask == b.mask).all() for a, b in zip(plain, again, strict=True))


def test_what_follows_a_part_through_a_film_is_left_out_of_sam_2(loaded, folder_of):
    (path,) = folder_of("sam2_film").glob("*.safetensors")
    names = {name for name, _ in loaded("sam2_film").model.named_parameters()}
    assert [name for name in load_file(path) if name.startswith("memory_attention")]
    assert not [name for name in names if name.startswith("memory_")]


@pytest.mark.parametrize("kind", ["dinov2", "dinov3", "siglip", "backbone"])
def test_a_backbone_s_features_show_where_a_photo_differs_from_references(loaded, kind, good, scratched):
    memory = PatchMemory(loaded(kind))
    found = memory.score(scratched, memory.bank(good))
    assert found.values.shape == scratched.image.shape[:2]
    y, x = np.unravel_index(int(found.values.argmax()), found.values.shape)
    assert (x, y) == (pytest.approx(96, abs=22), pytest.approx(30, abs=22))
    assert found.own_score > memory.score(good[0], memory.bank(good[1:])).own_score


@pytest.mark.parametrize("kind", ["vit_clip", "resnet_clip", "siglip"])
def test_a_scorer_s_photos_and_words_are_those_of_open_clip_itself(loaded, kind, good):
    found, scorer = loaded(kind), PatchScorer(loaded(kind))
    with torch.inference_mode():
        pixels = scorer._pixels([s.image for s in good])
        images = torch.nn.functional.normalize(found.model.encode_image(pixels), dim=-1)
        texts = found.processor.tokenizer(["metal nut", "red bolt"])
        words = torch.nn.functional.normalize(found.model.encode_text(texts), dim=-1)
    np.testing.assert_allclose(scorer.similarity(good, ["metal nut", "red bolt"]), images @ words.T, atol=1e-5)


def test_a_patch_of_siglip_is_what_its_pool_makes_of_that_patch_alone(loaded, good):
    """So a photo of one patch would be read as that patch is; checked by hand for one place of one photo."""
    found, scorer = loaded("siglip").model.visual, PatchScorer(loaded("siglip"))
    encoded = scorer.encode(good[:2])
    assert encoded.patches.shape == (2, 10, 10, 64)
    with torch.inference_mode():
        tokens = found.trunk.forward_features(scorer._pixels([good[1].image]))
        row, column, before = 3, 7, found.trunk.num_prefix_tokens
        pooled = found.trunk.attn_pool(tokens[:, before + 10 * row + column][:, None])
        expected = torch.nn.functional.normalize(found.trunk.fc_norm(pooled), dim=-1)[0]
    np.testing.assert_allclose(encoded.patches[1, row, column], expected, atol=1e-5)


def test_siglip_scores_places_by_words(loaded, good, scratched):
    scorer = PatchScorer(loaded("siglip"))
    maps = scorer.score(scorer.encode([good[0], scratched]), "metal nut")
    assert [m.values.shape for m in maps] == [(96, 128)] * 2
    assert all(0 <= m.values.min() < m.values.max() <= 1 for m in maps)
    assert np.abs(maps[0].values - maps[1].values).max() > 0.01


@pytest.mark.parametrize("kind", sorted(ROLE_OF))
def test_every_kind_of_checkpoint_is_a_folder_of_safetensors_and_json(folder_of, kind):
    names = [path.name for path in folder_of(kind).iterdir()]
    assert any(name.endswith(".safetensors") for name in names)
    (config,) = [n for n in names if n in ("config.json", "open_clip_config.json")]
    assert json.loads((folder_of(kind) / config).read_text())
    assert not [n for n in names if n.endswith((".bin", ".pt", ".py"))]
