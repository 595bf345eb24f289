"""Scores beside references: a planted defect stands out where it is, and banks keep what they know."""

import numpy as np
import pytest
import torch
from checkpoints import plate

from tools.anomaly import Bank, MemoryOptions, PatchMemory
from tools.anomaly.memory_bank import k_centre
from tools.errors import InputError, ModelError
from tools.images import sample_from_array
from tools.models.loading import load_model
from tools.profiles import load_profile
from tools.types import Box

SPOT = Box(88, 22, 104, 38)
TOWERS = ["backbone", "vit_clip", "resnet_clip"]


@pytest.fixture(params=TOWERS, scope="module")
def memory(request, loaded):
    return PatchMemory(loaded(request.param))


def test_a_reference_scores_less_against_a_bank_that_holds_it_than_against_the_others(memory, good):
    bank = memory.bank(good)
    assert memory.score(good[1], bank).raw_score < memory.leave_one_out(bank)[1]


@pytest.fixture(scope="module")
def trained():
    """The features that ship: random ones spread a spot over the whole photo."""
    return load_model(load_profile("nano").role("features"), "features", "cpu")


def test_a_spot_scores_highest_where_it_is(trained, good, scratched):
    memory = PatchMemory(trained)
    found = memory.score(scratched, memory.bank(good))
    y, x = np.unravel_index(found.raw.argmax(), found.raw.shape)
    around = SPOT.grown(3)
    assert around.x0 <= x <= around.x1
    assert around.y0 <= y <= around.y1


@pytest.mark.parametrize("references", [1, 2, 4])
def test_a_spot_scores_higher_than_any_good_part(trained, good, scratched, references):
    memory = PatchMemory(trained)
    good = good[:references]
    bank = memory.bank(good)
    found = memory.score(scratched, bank)
    assert found.raw_score > 1.5 * max(memory.leave_one_out(bank))
    assert found.values.shape == found.raw.shape == scratched.image.shape[:2]
    assert 0 <= found.values.min() <= found.values.max() <= 1
    assert found.values.max() > 0.5


@pytest.mark.parametrize("turns", ["none", "quarters and mirrored"])
def test_leave_one_out_is_the_score_against_a_bank_of_the_others(loaded, good, turns):
    # The learned metric is that of all references, so that it is told apart by the plain one alone.
    memory = PatchMemory(loaded("backbone"), options=MemoryOptions(metric="cosine", turns=turns))
    scores = memory.leave_one_out(memory.bank(good))
    for index, sample in enumerate(good):
        others = good[:index] + good[index + 1 :]
        assert scores[index] == pytest.approx(memory.score(sample, memory.bank(others)).raw_score, abs=1e-4)


def test_a_reference_given_twice_does_not_vouch_for_itself(memory, good):
    once = memory.leave_one_out(memory.bank(good))
    twice = memory.leave_one_out(memory.bank([*good, good[0]]))
    assert twice == pytest.approx([*once, once[0]], abs=1e-5)


def test_a_single_reference_is_compared_with_copies_of_itself(loaded, good):
    memory = PatchMemory(loaded("backbone"))
    bank = memory.bank(good[:1])
    (score,) = memory.leave_one_out(bank)
    assert score > 0.001
    assert len(bank.features) > 1


def test_what_varies_among_good_parts_counts_less_where_the_metric_is_learned(trained):
    rng = np.random.default_rng(0)
    lit = [sample_from_array(np.clip(plate(n) * rng.uniform(0.7, 1.3), 0, 255).astype(np.uint8)) for n in range(5)]
    marked = plate(9)
    marked[22:38, 88:104] = (20, 5, 60)
    contrast = {}
    for metric in ("cosine", "mahalanobis"):
        memory = PatchMemory(trained, options=MemoryOptions(metric=metric))
        bank = memory.bank(lit)
        contrast[metric] = memory.score(sample_from_array(marked), bank).raw_score / max(memory.leave_one_out(bank))
    assert contrast["mahalanobis"] > contrast["cosine"] > 1


def test_a_part_that_lies_the_other_way_round_is_known_where_turns_are_remembered(trained):
    images = [plate(n) for n in range(3)]
    for image in images:
        image[10:20, 20:100] = (200, 30, 30)
        image[60:90, 100:120] = (20, 200, 60)
    turned = sample_from_array(np.ascontiguousarray(np.rot90(images[0], 2)))
    scores = {}
    for turns in ("none", "quarters"):
        memory = PatchMemory(trained, options=MemoryOptions(turns=turns))
        bank = memory.bank([sample_from_array(i) for i in images[1:]])
        scores[turns] = memory.score(turned, bank).raw_score
    assert scores["quarters"] < scores["none"]


def test_a_bank_keeps_to_its_memory_and_still_finds_the_spot(trained, good, scratched):
    assert PatchMemory(trained).bank(good).features.numel() * 4 > 2**20
    small = PatchMemory(trained, options=MemoryOptions(memory_mb=1))
    bank = small.bank(good)
    assert bank.features.numel() * 4 <= 2**20
    assert len(bank.usual) == len(bank.known)
    assert small.score(scratched, bank).raw_score > 1.2 * max(small.leave_one_out(bank))


def test_distances_are_the_same_however_many_are_compared_at_once(monkeypatch):
    from tools.anomaly import pairwise_distance as module

    draw = torch.Generator().manual_seed(0)
    grid, known = torch.randn(12, 9, 5, generator=draw), torch.randn(70, 5, generator=draw)
    patches = grid.flatten(0, 1)
    every = torch.cdist(patches, known)
    plain = (*module.nearest(patches, known, 3), *module.elsewhere(grid))
    assert torch.allclose(plain[0], every.topk(3, dim=1, largest=False).values, atol=1e-4)
    rows, columns = torch.arange(108) // 9, torch.arange(108) % 9
    close = ((rows[:, None] - rows).abs() <= module.APART * 12) & (
        (columns[:, None] - columns).abs() <= module.APART * 9
    )
    own = torch.cdist(patches, patches).masked_fill(close, torch.inf).amin(dim=1)
    assert torch.allclose(plain[2], own, atol=1e-4)
    monkeypatch.setattr(module, "ROWS", 10)
    monkeypatch.setattr(module, "CHUNK", 16)
    for a, b in zip(plain, (*module.nearest(patches, known, 3), *module.elsewhere(grid)), strict=True):
        assert torch.allclose(a.float(), b.float(), atol=1e-5)


def test_greedy_centres_leave_nothing_far():
    points = torch.cat([torch.randn(40, 3, generator=torch.Generator().manual_seed(n)) / 20 + 5 * n for n in range(6)])
    centres = points[k_centre(points, 6)]
    assert torch.cdist(points, centres).amin(dim=1).max() < 1


def lying(seed, bench):
    """A plate on a bench of some colour."""
    image = np.empty((128, 128, 3), np.uint8)
    image[:] = np.clip(np.array(bench) + np.random.default_rng(seed).normal(0, 3, (128, 128, 1)), 0, 255)
    image[24:104, 24:104] = plate(seed, (80, 80))
    return image


def test_what_lies_on_the_bench_beside_the_product_is_not_scored(trained):
    good = [sample_from_array(lying(n, (30, 40 + 20 * n, 60))) for n in range(3)]
    beside, upon = lying(7, (30, 70, 60)), lying(7, (30, 70, 60))
    beside[2:9, 50:57] = (15, 50, 45)
    upon[60:67, 60:67] = (15, 50, 45)
    scores = {}
    for foreground in (True, False):
        memory = PatchMemory(trained, options=MemoryOptions(foreground=foreground))
        bank = memory.bank(good)
        scores[foreground] = [memory.score(sample_from_array(image), bank).raw_score for image in (beside, upon)]
    assert scores[True][1] > 2 * scores[True][0]
    assert scores[False][0] > scores[True][0]


def test_references_of_other_shapes_are_refused_by_name_and_of_other_sizes_are_not(loaded, good):
    memory = PatchMemory(loaded("backbone"))
    with pytest.raises(InputError, match=r"disagree in shape: .* 128 x 96 pixels, .* 200 x 50"):
        memory.bank([*good, sample_from_array(np.full((50, 200, 3), 120, np.uint8))])
    memory.bank([*good, sample_from_array(plate(7, (192, 256)))])


def test_a_bank_of_another_recipe_is_not_used(loaded, good):
    bank = PatchMemory(loaded("backbone"), options=MemoryOptions(metric="cosine")).bank(good)
    with pytest.raises(ModelError, match="cosine"):
        PatchMemory(loaded("backbone")).score(good[0], bank)


def test_photos_of_another_size_than_the_references_are_scored_at_their_own(loaded, good):
    memory = PatchMemory(loaded("backbone"))
    other = sample_from_array(np.full((50, 200, 3), 120, np.uint8))
    assert memory.score(other, memory.bank(good)).values.shape == (50, 200)


def test_encode_gives_unit_features_of_each_patch(loaded, good):
    features = PatchMemory(loaded("backbone")).encode(good)
    assert features.shape[0] == len(good)
    assert torch.allclose(features.norm(dim=-1), torch.ones(features.shape[:3]), atol=1e-4)


def test_a_bank_comes_back_from_disk_as_it_was(loaded, good, scratched, tmp_path):
    memory = PatchMemory(loaded("backbone"))
    bank = memory.bank(good)
    bank.save(tmp_path / "banks" / "a.safetensors")
    back = Bank.load(tmp_path / "banks" / "a.safetensors")
    assert back.digest == bank.digest
    assert memory.leave_one_out(back) == memory.leave_one_out(bank)
    assert memory.score(scratched, back).raw_score == memory.score(scratched, bank).raw_score


def test_a_file_that_is_no_bank_is_refused(tmp_path):
    path = tmp_path / "bank.safetensors"
    path.write_bytes(b"no bank")
    for wrong in (path, tmp_path / "none.safetensors"):
        with pytest.raises(InputError, match="safetensors: no bank"):
            Bank.load(wrong)


def test_a_bank_of_another_model_is_named_and_not_used(loaded, good):
    bank = PatchMemory(loaded("vit_clip")).bank(good)
    with pytest.raises(ModelError, match="made by model"):
        PatchMemory(loaded("backbone")).score(good[0], bank)


def test_no_reference_is_refused(loaded):
    with pytest.raises(InputError, match="no reference"):
        PatchMemory(loaded("backbone")).bank([])


def test_a_kept_bank_is_found_again_without_encoding(loaded, good, tmp_path, monkeypatch):
    made = PatchMemory(loaded("backbone"), cache=tmp_path).bank(good)
    again = PatchMemory(loaded("backbone"), cache=tmp_path)
    monkeypatch.setattr(again, "encode", lambda _: pytest.fail("the references were encoded again"))
    assert again.bank(good).digest == made.digest


def test_a_damaged_kept_bank_is_made_again(loaded, good, tmp_path):
    made = PatchMemory(loaded("backbone"), cache=tmp_path).bank(good)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-100])
    assert PatchMemory(loaded("backbone"), cache=tmp_path).bank(good).digest == made.digest


def test_a_bank_is_made_where_none_can_be_kept(loaded, good, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    made = PatchMemory(loaded("backbone"), cache=tmp_path / "file" / "banks").bank(good)
    assert made.references == tuple(g.digest for g in good)
