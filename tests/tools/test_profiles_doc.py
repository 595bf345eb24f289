"""The document on profiles: what it shows is accepted, and what may be written is named in it."""

import re
from pathlib import Path

import pytest

from tools.profiles import available_profiles, load_profile
from tools.profiles.specification import FeaturesSpec, Limits, ScorerSpec, ServedSpec

DOCUMENT = (Path(__file__).parents[2] / "docs" / "profiles.md").read_text()
SHOWN = re.findall(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL)


@pytest.mark.parametrize("text", SHOWN)
def test_every_profile_that_is_shown_can_be_read(text, tmp_path):
    (tmp_path / "shown.yaml").write_text(text)
    profile = load_profile(tmp_path / "shown.yaml")
    assert f"name: {profile.name}" in text


def test_at_least_one_of_each_kind_is_shown():
    assert len(SHOWN) == 3
    assert any("limits:" in text for text in SHOWN)
    assert any("served:" in text for text in SHOWN)


@pytest.mark.parametrize("spec", [FeaturesSpec, ScorerSpec, ServedSpec, Limits])
def test_every_option_is_named(spec):
    assert [name for name in spec.model_fields if name not in DOCUMENT] == []


def test_every_shipped_profile_has_a_word_on_whom_it_is_for():
    assert all(load_profile(name).about for name in available_profiles())
