"""The bench of patch scoring, on a small architecture of full kind."""

import pytest

from evals.benches.memory import bench_memory
from evals.benches.parts import bench_parts
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


def test_memory_is_measured_after_a_tenth_and_at_the_end():
    found = bench_memory("ViT-S-32-alt", images=2, device="cpu")
    assert 0 < found.warm_mib <= found.end_mib
    assert found.as_dict()["growth_mib"] == found.end_mib - found.warm_mib


def test_the_photo_is_encoded_once_whatever_the_number_of_parts():
    found = bench_parts(repeat=1, device="cpu", small=True)
    assert [row.parts for row in found.rows] == [1, 10, 40, 16]
    assert [row.encodings for row in found.rows] == [1, 1, 1, 1]
    assert all(row.seconds > 0 and row.peak_mib > 0 for row in found.rows)
    assert found.ground_seconds > 0
    assert found.ratio == pytest.approx(found.rows[-1].seconds / found.rows[-2].seconds)


def test_the_loop_is_timed_step_by_step_and_a_second_question_costs_less():
    from evals.benches.loop import bench_loop
    from looktwice.examples import examples

    example = next(e for e in examples() if e.name == "wood")
    found = bench_loop(example.photos[:1], lambda i: i.learn("wood", example.references[:1]), repeat=2, small=True)
    steps = {row.name: row for row in found.steps}
    assert {"intake", "glance", "match", "judge", "explain"} <= set(steps)
    assert steps["glance"].calls > 0
    assert steps["judge"].calls == 0
    assert all(0 <= row.model_seconds <= row.seconds + 1e-3 for row in found.steps)
    assert 0 <= found.outside < 1
    assert [q.model for q in found.questions] == ["vlm", "llava-onevision-0.5b (random)"]
    assert all(q.differs < 1e-5 for q in found.questions)
