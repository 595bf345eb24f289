"""The bench of whole profiles on its tiny one, and what is computed of memory beside what is measured."""

import json

import pytest
import torch

from evals.benches.full_size import known_sources, shapes, write_random
from evals.benches.models import FORMS, bench_models, profile_weights, smallest_gpu
from tools.errors import InputError
from tools.models.loading import load_model
from tools.profiles import ModelSpec, load_profile

PUBLISHED = {
    # Millions of parameters, as the models' papers and cards state them.
    "timm/vit_base_patch16_plus_clip_240.laion400m_e31": 208,
    "timm/vit_large_patch14_clip_336.openai": 428,
    "facebook/dinov2-large": 304,
    "IDEA-Research/grounding-dino-tiny": 172,
    "IDEA-Research/grounding-dino-base": 233,
    "facebook/sam-vit-base": 94,
    "llava-hf/llava-onevision-qwen2-0.5b-ov-hf": 894,
    "llava-hf/llava-onevision-qwen2-7b-ov-hf": 8030,
}


@pytest.fixture(scope="module")
def tiny():
    torch.set_num_threads(1)
    (found,) = bench_models("tiny", device="cpu")
    return found


def test_a_profile_is_inspected_with_from_end_to_end(tiny):
    assert [cost.role for cost in tiny.roles] == ["scorer", "grounder", "segmenter", "vlm"]
    assert {"glance", "judge", "explain", "total"} <= set(tiny.steps)
    parts = sum(seconds for step, seconds in tiny.steps.items() if step != "total")
    assert tiny.steps["total"] == pytest.approx(parts, abs=0.01)
    assert tiny.inspections_per_minute == pytest.approx(60 / tiny.steps["total"])
    assert tiny.peak_mib > sum(cost.weights_mib for cost in tiny.roles)
    assert 0 < tiny.of_bandwidth < 1
    assert json.loads(json.dumps(tiny.as_dict()))["variant"] == "as written"


@pytest.mark.parametrize("source", PUBLISHED)
def test_architectures_have_as_many_parameters_as_published(source):
    count = sum(torch.Size(shape).numel() for _, shape in shapes(source))
    assert count / 1e6 == pytest.approx(PUBLISHED[source], rel=0.005)


def test_every_checkpoint_of_a_shipped_profile_can_be_made_at_full_size():
    for name in ("edge", "standard", "server"):
        roles = load_profile(name).roles
        sources = [getattr(getattr(roles, role), "source", "") for role in type(roles).model_fields]
        assert set(filter(None, sources)) <= set(known_sources())


def test_an_unknown_architecture_and_a_served_vlm_are_refused():
    with pytest.raises(InputError, match="not known to the bench"):
        shapes("nobody/model")
    with pytest.raises(InputError, match="on a server"):
        bench_models("server", device="cpu")


@pytest.mark.parametrize(
    ("form", "how"), [("bfloat16", {"dtype": "bfloat16"}), ("8bit", {"quantisation": "8bit", "dtype": "bfloat16"})]
)
def test_computed_memory_is_what_a_loaded_model_takes(tmp_path, form, how):
    write_random("tiny/vlm", tmp_path / "vlm")
    profile = load_profile("edge")
    vlm = profile.roles.vlm.model_copy(update={"source": str(tmp_path / "vlm")})
    profile = profile.model_copy(update={"roles": profile.roles.model_copy(update={"vlm": vlm})})
    (weights,) = [w for w in profile_weights(profile) if w.role == "vlm"]
    model = load_model(ModelSpec(source=str(tmp_path / "vlm"), **how), "vlm", "cpu").model
    measured = sum(p.numel() * p.element_size() for p in model.parameters())
    assert weights.gib(form) * 2**30 == pytest.approx(measured, rel=0.05)


def test_fewer_bits_need_a_smaller_gpu():
    weights = profile_weights(load_profile("standard"))
    totals = [sum(w.gib(form) for w in weights) for form in FORMS]
    assert totals == sorted(totals, reverse=True)
    assert [smallest_gpu(total) for total in totals] == [48, 24, 16, 12]
