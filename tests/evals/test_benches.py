"""The bench of patch scoring, on a small architecture of full kind."""

import pytest

from evals.benches.patch import bench_patch
from tools.errors import InputError


def test_every_path_is_timed_singly_and_in_a_batch_and_the_windows_cost_more():
    found = bench_patch("ViT-S-32-alt", batch=2, repeat=1, device="cpu")
    ours = [row for row in found.rows if row.name.startswith("looktwice")]
    assert [(row.name.split(", ")[1], row.batch) for row in ours] == [
        ("dense", 1),
        ("dense", 2),
        ("windows", 1),
        ("windows", 2),
    ]
    assert all(row.seconds > 0 and row.of_peak > 0 for row in ours)
    assert ours[2].gflop > 3 * ours[0].gflop
    assert found.peak_gflops > 0


def test_an_unknown_architecture_is_named():
    with pytest.raises(InputError, match="ViT-X-99"):
        bench_patch("ViT-X-99")
