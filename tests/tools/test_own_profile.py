"""A user's own profile, all roles of the field's real classes and none of nano's, through the whole agent."""

import json

import pytest
from checkpoints import plate

from agent import Inspector
from tools.images import sample_from_array

PROFILES = {
    "published": {
        "scorer": ("siglip", ""),
        "features": ("dinov2", ", layers: [stage2, stage4], image_size: 112"),
        "grounder": ("mm_dino", ""),
        "segmenter": ("sam2_film", ""),
        "vlm": ("llava_onevision", ", image_size: 64"),
    },
    "quantised": {
        "scorer": ("vit_clip", ", path: windows"),
        "features": ("dinov3", ""),
        "grounder": ("owlv2", ""),
        "segmenter": ("sam2", ""),
        "vlm": ("qwen3_vl", ", quantisation: 8bit"),
    },
    "shared": {
        "scorer": ("vit_clip", ""),
        "features": (None, ""),
        "grounder": ("dino", ""),
        "segmenter": ("sam", ""),
        "vlm": ("smolvlm", ", limits: {cpu_gib: 0.0001}"),
    },
}


@pytest.fixture
def write(folder_of, tmp_path):
    """The YAML file of one of these profiles."""

    def profile(name):
        lines = [f"name: {name}", "about: a test", "roles:"]
        for role, (kind, more) in PROFILES[name].items():
            source = "shared: scorer" if kind is None else f"source: {folder_of(kind)}{more}"
            lines.append(f"  {role}: {{{source}}}")
        path = tmp_path / f"{name}.yaml"
        path.write_text("\n".join(lines) + "\n")
        return path

    return profile


def spotted():
    image = plate(9)
    image[22:38, 88:104] = (20, 5, 60)
    return image


def checked(report, name):
    told = json.loads(report.to_json())
    assert 0 <= report.verdict.score <= 1
    assert report.explanation
    known = {f.id for f in report.findings} | {e for s in report.explanation for e in s.cites}
    assert all(set(s.cites) <= known for s in report.explanation)
    assert "nano" not in json.dumps(told["models"])
    assert set(told["models"]) <= set(PROFILES[name])
    return told


@pytest.mark.parametrize("name", ["published", "quantised"])
def test_a_profile_of_one_s_own_inspects_with_references(write, name):
    inspector = Inspector(profile=write(name), device="cpu", looks=1)
    product = inspector.learn("plate", [plate(n) for n in range(2)])
    told = checked(inspector.inspect(spotted(), product=product, question="Is it scratched?"), name)
    assert {"scorer", "segmenter", "vlm"} <= set(told["models"])
    assert told["models"]["vlm"]["quantisation"] == ("8bit" if name == "quantised" else "none")
    assert told["answer"] is not None


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_of_one_s_own_inspects_without_references(write, name):
    inspector = Inspector(profile=write(name), device="cpu", looks=1)
    checked(inspector.inspect(sample_from_array(spotted()), normal="two bolts"), name)
