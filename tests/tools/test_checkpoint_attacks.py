"""A checkpoint made by an attacker runs no code, asks no question, and is loaded from the file whose digest is told."""

import json
import shutil

import pytest
import torch
from checkpoints import ROLE_OF
from safetensors.torch import load_file

from tools.errors import ModelError
from tools.models.loading import load_model
from tools.profiles import ModelSpec

CODE = "open({path!r}, 'w').write('ran')\nclass Own:\n    pass\nclass OwnTokenizer:\n    pass\n"


@pytest.fixture
def copied(folder_of, tmp_path):
    """A copy of a checkpoint with a file of code, and the file that this code would write."""

    def copy(kind):
        folder = shutil.copytree(folder_of(kind), tmp_path / kind)
        (folder / "theirs.py").write_text(CODE.format(path=str(tmp_path / "ran")))
        return folder, tmp_path / "ran"

    return copy


def changed(path, change):
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def refused(folder, role, monkeypatch):
    asked = []
    monkeypatch.setattr("builtins.input", lambda *a: asked.append(a) or "y")
    with pytest.raises(ModelError) as caught:
        load_model(ModelSpec(source=str(folder)), role, "cpu")
    assert asked == []
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_tokenizer_of_a_scorer_runs_no_code(copied, monkeypatch):
    folder, ran = copied("vit_clip")
    own = {"AutoTokenizer": ["theirs.OwnTokenizer", None]}
    changed(folder / "tokenizer_config.json", lambda c: c.update(auto_map=own, tokenizer_class="OwnTokenizer"))
    assert "auto_map" in refused(folder, "scorer", monkeypatch)
    changed(
        folder / "open_clip_config.json",
        lambda c: c["model_cfg"]["text_cfg"].update(tokenizer_kwargs={"trust_remote_code": True}),
    )
    assert "trust_remote_code" in refused(folder, "scorer", monkeypatch)
    assert not ran.exists()


def test_a_text_tower_in_another_folder_is_not_asked_about(copied, monkeypatch, tmp_path):
    folder, ran = copied("vit_clip")
    other = tmp_path / "text"
    other.mkdir()
    (other / "config.json").write_text(json.dumps({"model_type": "own", "auto_map": {"AutoConfig": "theirs.Own"}}))
    shutil.copy(folder / "theirs.py", other)
    changed(folder / "open_clip_config.json", lambda c: c["model_cfg"]["text_cfg"].update(hf_model_name=str(other)))
    assert "hf_model_name" in refused(folder, "scorer", monkeypatch)
    assert not ran.exists()


def test_the_checked_weights_are_loaded_and_not_a_pickle_beside_them(copied):
    folder, _ = copied("vit_clip")
    (folder / "open_clip_model.safetensors").rename(folder / "model.safetensors")
    stored = load_file(folder / "model.safetensors")
    torch.save({k: torch.zeros_like(v) for k, v in stored.items()}, folder / "open_clip_pytorch_model.bin")
    held = load_model(ModelSpec(source=str(folder)), "scorer", "cpu").model.state_dict()
    assert all(torch.equal(stored[k], held[k]) for k in stored)


@pytest.mark.parametrize("kind", ["llava", "sam", "owl", "backbone"])
@pytest.mark.parametrize(
    "setting",
    [
        {"auto_map": {"AutoProcessor": "theirs.Own"}},
        {"inner": {"auto_map": {"AutoModel": "theirs.Own"}}},
        {"list": [{"trust_remote_code": True}]},
        {"attn_implementation": "someone/kernel"},
        {"use_pretrained_backbone": True},
        {"backbone": "someone/repository"},
    ],
)
def test_no_json_of_a_checkpoint_asks_for_code_from_elsewhere(copied, monkeypatch, kind, setting):
    folder, ran = copied(kind)
    path = next(p for n in ("processor_config.json", "preprocessor_config.json") if (p := folder / n).exists())
    changed(path, lambda c: c.update(setting))
    refused(folder, ROLE_OF[kind], monkeypatch)
    assert not ran.exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c["model_cfg"].update(evil=1),
        lambda c: c["model_cfg"]["vision_cfg"].update(timm_model_name="hf-hub:someone/model"),
        lambda c: c["model_cfg"]["vision_cfg"].update(timm_model_name="local-dir:/tmp"),
        lambda c: c["model_cfg"]["text_cfg"].update(act_kwargs={"approximate": ["x"]}),
        lambda c: c["model_cfg"].update(vision_cfg=[1]),
        lambda c: c["preprocess_cfg"].update(evil=1),
        lambda c: c.update(preprocess_cfg=3),
    ],
)
def test_a_field_that_open_clip_does_not_know_is_refused(copied, monkeypatch, change):
    folder, _ = copied("vit_clip")
    changed(folder / "open_clip_config.json", change)
    refused(folder, "scorer", monkeypatch)


def test_an_adapter_beside_a_checkpoint_is_refused(copied, monkeypatch):
    folder, _ = copied("llava")
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "someone/model"}')
    assert "adapter" in refused(folder, "vlm", monkeypatch)


@pytest.mark.parametrize("name", ["../other.safetensors", "/tmp/x.safetensors", "pytorch_model.bin"])
def test_an_index_names_safetensors_of_its_folder_alone(copied, monkeypatch, name):
    folder, _ = copied("sam")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": name}}))
    assert "same folder" in refused(folder, "segmenter", monkeypatch)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a": NaN}', '{"a": 1' + "0" * 500 + "}", "\x00"])
def test_a_configuration_that_is_no_plain_json_is_refused(copied, monkeypatch, text):
    folder, _ = copied("sam")
    (folder / "config.json").write_text(text)
    refused(folder, "segmenter", monkeypatch)


def test_a_tokenizer_without_limit_is_still_read(copied):
    folder, _ = copied("llava")
    changed(folder / "tokenizer_config.json", lambda c: c.update(model_max_length=int(1e30)))
    load_model(ModelSpec(source=str(folder)), "vlm", "cpu")
