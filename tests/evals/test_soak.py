"""A short soak with the embedded models: nothing is left open, and memory does not grow with every photo."""

import pytest

from evals.benches.memory import SoakBench, bench_soak
from tools.errors import InputError


def test_a_short_soak_of_photos_and_questions_leaves_no_file_open_and_hardly_any_memory():
    found = bench_soak(images=12, turns=4)
    assert found.end_files <= found.warm_files
    assert found.growth < 0.1
    assert found.end_seconds > 0


def test_too_few_photos_are_refused():
    with pytest.raises(InputError, match="12 or more"):
        bench_soak(images=3)


def test_growth_is_a_share_of_what_was_held_when_warm():
    found = SoakBench("nano", 100, 0, 200.0, 206.0, 1.0, 1.1, 9, 9, 0.0, 0.0, 5.0)
    assert found.growth == pytest.approx(0.03)
    assert found.slowdown == pytest.approx(0.1)
