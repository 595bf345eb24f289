"""The one loader: every class by its folder; whatever is missing, unsafe, damaged or misplaced in one sentence."""

import json
import shutil

import pytest
import torch
from checkpoints import ROLE_OF
from safetensors.torch import load_file, save_file

from tools.errors import InputError, ModelError
from tools.models.loading import load_model
from tools.profiles import ModelSpec
from tools.profiles.specification import FeaturesSpec

CLASSES = {
    "vit_clip": "CLIP",
    "resnet_clip": "CLIP",
    "backbone": "ResNetBackbone",
    "owl": "OwlViTForObjectDetection",
    "dino": "GroundingDinoForObjectDetection",
    "sam": "SamModel",
    "llava": "LlavaForConditionalGeneration",
    "qwen_vl": "Qwen2_5_VLForConditionalGeneration",
    "preact": "PreActResNet",
    "tracer": "Tracer",
}


def refusal(folder, role):
    with pytest.raises(ModelError) as caught:
        load_model(ModelSpec(source=str(folder)), role, "cpu")
    message = str(caught.value)
    assert folder.name in message
    assert "\n" not in message
    return message


@pytest.fixture
def copied(folder_of, tmp_path):
    """A copy of a checkpoint that a test may spoil."""

    def copy(kind):
        return shutil.copytree(folder_of(kind), tmp_path / kind)

    return copy


def weights_of(folder):
    (path,) = folder.glob("*.safetensors")
    return path


@pytest.mark.parametrize("kind", CLASSES)
def test_each_class_is_loaded_by_its_folder_ready_to_run(loaded, kind):
    found = loaded(kind)
    assert type(found.model).__name__ == CLASSES[kind]
    assert not found.model.training
    assert not any(p.requires_grad for p in found.model.parameters())
    assert {p.dtype for p in found.model.parameters() if p.is_floating_point()} == {torch.float32}
    assert (found.device, found.dtype) == ("cpu", torch.float32)


@pytest.mark.parametrize("kind", CLASSES)
def test_loading_writes_nothing_and_leaves_logging_as_it_was(folder_of, kind, capfd):
    import logging

    before = (list(logging.getLogger().handlers), logging.root.manager.disable)
    load_model(ModelSpec(source=str(folder_of(kind))), ROLE_OF[kind], "cpu")
    assert capfd.readouterr() == ("", "")
    assert (list(logging.getLogger().handlers), logging.root.manager.disable) == before


def test_the_weights_are_those_on_disk(loaded, folder_of):
    stored = load_file(weights_of(folder_of("backbone")))
    held = loaded("backbone").model.state_dict()
    assert stored.keys() == held.keys()
    assert all(torch.equal(stored[k], held[k]) for k in stored)


def test_half_precision_on_disk_is_widened_on_a_cpu_and_kept_when_asked(copied):
    folder = copied("backbone")
    path = weights_of(folder)
    save_file({k: v.half() if v.is_floating_point() else v for k, v in load_file(path).items()}, path)
    assert load_model(ModelSpec(source=str(folder)), "features", "cpu").dtype == torch.float32
    kept = load_model(ModelSpec(source=str(folder), dtype="bfloat16"), "features", "cpu")
    assert next(kept.model.parameters()).dtype == torch.bfloat16


def test_the_digest_is_that_of_the_weights(copied, loaded):
    folder = copied("backbone")
    same = load_model(ModelSpec(source=str(folder)), "features", "cpu")
    assert same.digest == loaded("backbone").digest
    path = weights_of(folder)
    save_file({k: v + 1 if v.is_floating_point() else v for k, v in load_file(path).items()}, path)
    assert load_model(ModelSpec(source=str(folder)), "features", "cpu").digest != same.digest


def test_a_profile_may_name_the_stages_of_a_backbone(folder_of):
    spec = FeaturesSpec(source=str(folder_of("backbone")), layers=("stage2",))
    maps = load_model(spec, "features", "cpu").model(torch.zeros(1, 3, 64, 64)).feature_maps
    assert len(maps) == 1


def test_a_missing_folder_is_named(tmp_path):
    assert "no such folder" in refusal(tmp_path / "none", "vlm")


def test_an_unknown_hub_id_is_not_fetched_but_named_with_the_command(monkeypatch):
    with pytest.raises(ModelError, match="hf download nobody/has-this-one"):
        load_model(ModelSpec(source="nobody/has-this-one"), "segmenter", "cpu")


@pytest.mark.parametrize("kind", ["sam", "vit_clip"])
def test_a_missing_configuration_is_named(copied, kind):
    folder = copied(kind)
    for config in ("config.json", "open_clip_config.json"):
        (folder / config).unlink(missing_ok=True)
    assert "config.json" in refusal(folder, ROLE_OF[kind])


def test_pickled_weights_are_refused_with_how_to_convert_them(copied):
    folder = copied("sam")
    weights_of(folder).rename(folder / "pytorch_model.bin")
    message = refusal(folder, "segmenter")
    assert "pytorch_model.bin" in message
    assert "save_file" in message


def test_a_pickle_that_open_clip_would_prefer_is_not_read(copied):
    folder = copied("vit_clip")
    weights_of(folder).rename(folder / "other.safetensors")
    (folder / "open_clip_pytorch_model.bin").write_bytes(b"a pickle")
    assert "open_clip_model.safetensors" in refusal(folder, "scorer")


def test_code_of_its_own_is_refused(copied):
    folder = copied("llava")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModel": "theirs.Model"}}))
    assert "auto_map" in refusal(folder, "vlm")


@pytest.mark.parametrize(
    ("kind", "role"),
    [
        ("sam", "vlm"),
        ("llava", "grounder"),
        ("owl", "segmenter"),
        ("dino", "features"),
        ("backbone", "scorer"),
        ("vit_clip", "features"),
    ],
)
def test_a_checkpoint_of_another_class_is_refused_with_what_it_is(folder_of, kind, role):
    folder = folder_of(kind)
    message = refusal(folder, role)
    assert role in message
    stated = "open_clip" if kind == "vit_clip" else json.loads((folder / "config.json").read_text())["model_type"]
    assert stated in message


@pytest.mark.parametrize("kind", ["sam", "vit_clip"])
@pytest.mark.parametrize("spoil", [lambda data: data[: len(data) // 2], lambda data: b"no safetensors at all"])
def test_damaged_weights_are_refused(copied, kind, spoil):
    folder = copied(kind)
    path = weights_of(folder)
    path.write_bytes(spoil(path.read_bytes()))
    assert "damaged" in refusal(folder, ROLE_OF[kind])


@pytest.mark.parametrize("kind", ["sam", "vit_clip"])
def test_weights_that_are_no_numbers_are_said_to_be_so(copied, kind):
    folder = copied(kind)
    path = weights_of(folder)
    tensors = load_file(path)
    name = next(k for k, v in tensors.items() if v.ndim > 1)
    tensors[name].view(-1)[3] = float("nan")
    save_file(tensors, path, {"format": "pt"})
    assert name in refusal(folder, ROLE_OF[kind])


def test_running_statistics_that_are_no_numbers_are_refused_too(copied):
    folder = copied("backbone")
    path = weights_of(folder)
    tensors = load_file(path)
    name = next(k for k in tensors if k.endswith("running_var"))
    tensors[name][0] = float("nan")
    save_file(tensors, path, {"format": "pt"})
    assert name in refusal(folder, "features")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c["model_cfg"]["text_cfg"].update(hf_model_name="nobody/text"), "nobody/text"),
        (lambda c: c["model_cfg"].pop("text_cfg"), "text_cfg"),
        (lambda c: c.update(model_cfg=None), "model_cfg"),
    ],
)
def test_a_scorer_that_is_not_all_in_its_folder_is_refused_and_the_network_not_asked(copied, monkeypatch, change, said):
    import socket

    asked = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *_, **__: asked.append(host))
    folder = copied("vit_clip")
    path = folder / "open_clip_config.json"
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config))
    assert said in refusal(folder, "scorer")
    assert asked == []


@pytest.mark.parametrize("kind", ["sam", "backbone", "vit_clip"])
def test_weights_that_lack_a_tensor_are_refused_rather_than_drawn_at_random(copied, kind):
    folder = copied(kind)
    path = weights_of(folder)
    tensors = load_file(path)
    del tensors[next(k for k, v in tensors.items() if v.ndim > 1)]
    save_file(tensors, path, {"format": "pt"})
    refusal(folder, ROLE_OF[kind])


def test_a_missing_shard_is_named(copied):
    folder = copied("sam")
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": weights_of(folder).name}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "model-00001-of-00002.safetensors" in refusal(folder, "segmenter")


def test_a_processor_that_is_missing_is_refused(copied):
    folder = copied("llava")
    for path in folder.glob("*.json"):
        if path.name not in ("config.json", "generation_config.json"):
            path.unlink()
    refusal(folder, "vlm")


def test_a_device_that_is_not_there_is_refused(folder_of):
    with pytest.raises(InputError, match=r"accepted are auto.*cpu"):
        load_model(ModelSpec(source=str(folder_of("sam"))), "segmenter", "cuda:99")


@pytest.mark.parametrize("bits", ["4bit", "8bit"])
def test_a_quantised_vlm_is_smaller_and_still_answers(folder_of, bits):
    import numpy as np

    from tools.vlm import LocalVLM, Turn

    spec = ModelSpec(source=str(folder_of("llava")), quantisation=bits)
    found = load_model(spec, "vlm", "cpu")
    assert any(p.dtype in (torch.uint8, torch.int8) for p in found.model.parameters())
    p = LocalVLM(found).yes_no([np.zeros((32, 32, 3), np.uint8)], [Turn("user", "good?", 1)])
    assert 0 < p < 1


@pytest.mark.parametrize(
    ("role", "device", "supported", "expected"),
    [
        ("scorer", "cuda", True, torch.bfloat16),
        ("features", "cuda:0", True, torch.bfloat16),
        ("features", "cuda", False, torch.float32),
        ("vlm", "cuda", False, torch.float16),
        ("segmenter", "cuda", True, torch.float32),
        ("scorer", "cpu", True, torch.float32),
    ],
)
def test_a_gpu_takes_half_the_bits_where_the_role_bears_it(monkeypatch, role, device, supported, expected):
    from tools.models.loading import _dtype

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: supported)
    assert _dtype(ModelSpec(source="x"), role, device) is expected


@pytest.mark.parametrize("path", ["dense", "windows"])
def test_half_the_bits_score_words_nearly_as_all_of_them_do(folder_of, good, path):
    from tools.anomaly import PatchScorer

    maps = []
    for dtype in ("float32", "bfloat16"):
        spec = ModelSpec(source=str(folder_of("vit_clip")), dtype=dtype)
        scorer = PatchScorer(load_model(spec, "scorer", "cpu"), path=path)
        maps.append(scorer.score(scorer.encode(good[:1]), "metal nut")[0])
    assert maps[1].values.dtype == maps[0].values.dtype
    assert abs(maps[1].values - maps[0].values).max() < 0.02


@pytest.mark.parametrize("kind", ["sam", "dino"])
def test_photos_that_must_not_be_changed_raise_no_warning(folder_of, good, kind):
    import warnings

    from tools.parts import Grounder, Segmenter

    found = load_model(ModelSpec(source=str(folder_of(kind))), ROLE_OF[kind], "cpu")
    good[0].image.setflags(write=False)
    torch.set_warn_always(True)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message=".*not writable", append=True)
            if kind == "sam":
                Segmenter(found).encode(good[0])
            else:
                Grounder(found).ground(good[0], ["nut"])
    finally:
        torch.set_warn_always(False)
