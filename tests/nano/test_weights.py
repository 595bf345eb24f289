"""The shipped checkpoints are small, plain, and do what their cards say."""

import json

import pytest
from safetensors import safe_open

from nano.recipes.check import KEY, WEIGHTS, check, shipped

ROLES = shipped()


@pytest.mark.parametrize("role", ROLES)
def test_a_checkpoint_does_what_it_did_when_it_was_stored(role):
    result = check(role)
    assert result.passed, result


@pytest.mark.parametrize("role", ROLES)
def test_a_card_names_its_figures_their_command_and_its_licence(role):
    text = (WEIGHTS / role / "README.md").read_text(encoding="utf-8")
    figures = json.loads((WEIGHTS / role / "metrics.json").read_text(encoding="utf-8"))
    assert KEY in figures
    assert "python -m nano.recipes." in text
    for part in ("**Data.**", "**Training.**", "**Limits.**", "Apache-2.0"):
        assert part in text


@pytest.mark.parametrize("role", ROLES)
def test_weights_are_half_precision_and_nothing_else_is_executable(role):
    files = list((WEIGHTS / role).iterdir())
    assert {f.suffix for f in files} <= {".safetensors", ".json", ".md", ".jinja", ".txt"}
    for path in (f for f in files if f.suffix == ".safetensors"):
        with safe_open(path, framework="pt") as weights:
            kinds = {weights.get_slice(key).get_dtype() for key in weights.keys()}  # noqa: SIM118
        assert kinds <= {"F16", "I64"}


def test_all_weights_together_stay_below_sixty_megabytes():
    assert sum(f.stat().st_size for f in WEIGHTS.rglob("*") if f.is_file()) < 60e6
