"""Patch matchers: a planted defect is found where it is, a good part is not, and banks keep what they know."""

import numpy as np
import pytest
import torch

from tools.errors import InputError, ModelError
from tools.images import sample_from_array
from tools.patches import Bank, PatchMemory, PatchScorer, peaks
from tools.patches.text import sentences
from tools.patches.tiles import assembled
from tools.types import Box, Region, ScoreMap

SPOT = Box(88, 22, 104, 38)
TOWERS = ["backbone", "vit_clip", "resnet_clip"]


@pytest.fixture(params=TOWERS, scope="module")
def memory(request, loaded):
    return PatchMemory(loaded(request.param))


def planted(values, *blobs):
    """A map of noise about 0.1 with squares of given height."""
    grid = 0.1 + 0.01 * np.random.default_rng(0).random((60, 80))
    for (x0, y0, x1, y1), height in blobs:
        grid[y0:y1, x0:x1] = height
    return ScoreMap(grid.astype(np.float32), float(grid.max()), "text")


def test_a_reference_scores_nothing_against_a_bank_that_holds_it(memory, good):
    assert memory.score(good[1], memory.bank(good)).raw_score == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("kind", ["backbone", "resnet_clip"])
def test_a_spot_scores_highest_where_it_is(kind, loaded, good, scratched):
    # Not the transformer: attention with random weights spreads a spot over the whole photo.
    memory = PatchMemory(loaded(kind))
    found = memory.score(scratched, memory.bank(good))
    y, x = np.unravel_index(found.raw.argmax(), found.raw.shape)
    around = SPOT.grown(3)
    assert around.x0 <= x <= around.x1
    assert around.y0 <= y <= around.y1


def test_a_spot_scores_higher_than_any_good_part(memory, good, scratched):
    bank = memory.bank(good)
    found = memory.score(scratched, bank)
    assert found.raw_score > 1.5 * max(memory.leave_one_out(bank))
    assert found.values.shape == found.raw.shape == scratched.image.shape[:2]
    assert 0 <= found.values.min() <= found.values.max() <= 1
    assert found.values.max() > 0.5


def test_leave_one_out_is_the_score_against_a_bank_of_the_others(memory, good):
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


@pytest.fixture(params=["vit_clip", "resnet_clip"], scope="module")
def scorer(request, loaded):
    return PatchScorer(loaded(request.param))


def test_words_give_a_probability_for_each_pixel(scorer, good):
    maps = scorer.score(scorer.encode(good), "metal nut")
    assert len(maps) == len(good)
    for found, sample in zip(maps, good, strict=True):
        assert found.values.shape == sample.image.shape[:2]
        assert 0 < found.values.min() <= found.values.max() < 1
        assert found.source == "text"


def test_a_map_is_local_to_the_patches_that_differ(scorer, good, scratched):
    clean, marked = scorer.encode([good[0]]).patches, scorer.encode([scratched]).patches
    change = (clean - marked).norm(dim=-1)[0]
    row, column = np.unravel_index(int(change.argmax()), change.shape)
    height, width = change.shape
    # The spot's middle in the grid of patches, within one patch.
    assert abs(row + 0.5 - 30 / 96 * height) <= 1.5
    assert abs(column + 0.5 - 96 / 128 * width) <= 1.5


def test_the_whole_photo_is_embedded_as_open_clip_does(scorer, good):
    from PIL import Image

    loaded = scorer._loaded
    pixels = torch.stack([loaded.processor.preprocess(Image.fromarray(s.image).resize((64, 64))) for s in good])
    with torch.inference_mode():
        expected = torch.nn.functional.normalize(loaded.model.encode_image(pixels), dim=-1)
    # Both squash to the square; only the resizing filters may round differently.
    assert torch.nn.functional.cosine_similarity(scorer.encode(good).whole, expected).min() > 0.99


def test_similarity_is_the_cosine_of_both_towers(scorer, good):
    loaded, texts = scorer._loaded, ["a photo of a nut.", "a damaged bolt"]
    found = scorer.similarity(good, texts)
    with torch.inference_mode():
        text = torch.nn.functional.normalize(loaded.model.encode_text(loaded.processor.tokenizer(texts)), dim=-1)
    assert isinstance(found, np.ndarray)
    assert np.allclose(found, (scorer.encode(good).whole @ text.T).numpy(), atol=1e-5)
    assert scorer.similarity(good, []).shape == (len(good), 0)


def test_texts_are_embedded_once(loaded, good, monkeypatch):
    scorer = PatchScorer(loaded("vit_clip"))
    encoded = scorer.encode(good[:1])
    first = scorer.score(encoded, "nut")[0].image_score
    monkeypatch.setattr(loaded("vit_clip").model, "encode_text", None)
    assert scorer.score(encoded, "nut")[0].image_score == first


def test_a_lower_temperature_decides_more(loaded, good):
    spreads = []
    for temperature in (0.07, 0.01):
        scorer = PatchScorer(loaded("vit_clip"), temperature=temperature)
        values = scorer.score(scorer.encode(good[:1]), "nut")[0].values
        spreads.append(abs(values - 0.5).max())
    assert spreads[1] > spreads[0]


def test_a_batch_gives_what_each_photo_gives_alone(scorer, good):
    together = [m.image_score for m in scorer.score(scorer.encode(good), "nut")]
    alone = [scorer.score(scorer.encode([s]), "nut")[0].image_score for s in good]
    assert together == pytest.approx(alone, abs=1e-5)


@pytest.mark.parametrize("product", ["", "  \n"])
def test_a_product_without_a_name_is_refused(loaded, good, product):
    scorer = PatchScorer(loaded("vit_clip"))
    with pytest.raises(InputError, match="no name"):
        scorer.score(scorer.encode(good[:1]), product)


def test_braces_in_a_name_stay_braces():
    assert all("{state} {0}" in s for s in sentences("{state} {0}", "normal"))


def test_a_checkpoint_that_cannot_score_words_is_refused(loaded):
    with pytest.raises(ModelError, match="cannot score patches by words"):
        PatchScorer(loaded("backbone"))


def test_a_planted_blob_is_the_first_peak():
    (first, *_) = peaks(planted(None, ((50, 10, 62, 18), 0.9)))
    assert first.box == Box(50, 10, 62, 18)
    assert first.mask.sum() == 12 * 8
    assert first.score == pytest.approx(0.9)


def test_peaks_come_best_first_and_a_faint_one_keeps_its_own_extent():
    found = peaks(planted(None, ((5, 5, 15, 15), 0.6), ((50, 30, 70, 50), 0.95)))
    assert [r.box for r in found] == [Box(50, 30, 70, 50), Box(5, 5, 15, 15)]


def test_no_more_peaks_than_asked_for():
    blobs = [((x, 10, x + 6, 16), 0.5 + x / 200) for x in (5, 25, 45, 65)]
    assert len(peaks(planted(None, *blobs), limit=2)) == 2
    assert len(peaks(planted(None, *blobs), limit=10)) == 4


def test_a_flat_map_still_has_the_place_of_its_maximum():
    assert len(peaks(ScoreMap(np.full((20, 30), 0.3, np.float32), 0.3, "text"))) == 1


def test_the_raw_value_of_a_region_is_read_inside_its_mask():
    raw = np.zeros((10, 10), np.float32)
    raw[2, 3], raw[8, 8] = 0.4, 0.9
    found = ScoreMap(raw, 0.9, "reference", raw=raw, raw_score=0.9)
    mask = np.zeros((10, 10), bool)
    mask[:5, :5] = True
    assert found.raw_in(Region(Box(0, 0, 10, 10), 1.0, mask)) == pytest.approx(0.4)
    assert found.raw_in(Region(Box(0, 0, 10, 10), 1.0)) == pytest.approx(0.9)


def test_windows_are_embedded_as_a_loop_over_photos_of_their_own_would(loaded, good):
    from tools.patches.pixels import input_format, to_pixels
    from tools.patches.windows import SCALES, window_embeddings, window_index

    model = loaded("vit_clip")
    visual = model.model.visual
    pixels = to_pixels([s.image for s in good[:2]], input_format(model), model)
    with torch.inference_mode():
        found = window_embeddings(visual, pixels)
        tokens = visual._embeds(pixels)
        for scale, embedded in zip(SCALES, found, strict=True):
            windows = window_index(visual.grid_size, scale)
            assert embedded.shape[:2] == (2, len(windows))
            for n, index in ((0, 0), (1, len(windows) - 1)):
                pooled, _ = visual._pool(visual.transformer(tokens[n : n + 1, windows[index]]))
                torch.testing.assert_close(embedded[n, index], (pooled @ visual.proj)[0], atol=1e-4, rtol=0)


def test_the_path_of_windows_gives_probabilities_and_the_photos_own_score(loaded, good, scratched):
    dense, windowed = PatchScorer(loaded("vit_clip")), PatchScorer(loaded("vit_clip"), path="windows")
    (found,) = windowed.score(windowed.encode([scratched]), "plate")
    assert found.values.shape == scratched.image.shape[:2]
    assert 0 < found.values.min() < found.values.max() < 1
    (other,) = dense.score(dense.encode([scratched]), "plate")
    assert found.image_score == pytest.approx(2 * other.image_score - other.values.max(), abs=1e-5)


def test_a_tower_without_windows_is_refused(loaded):
    with pytest.raises(ModelError, match="dense"):
        PatchScorer(loaded("resnet_clip"), path="windows")


@pytest.mark.parametrize("size", [(17, 16), (64, 48), (600, 300)])
def test_the_path_of_tiles_covers_photos_of_any_size(loaded, size):
    scorer = PatchScorer(loaded("resnet_clip"), path="tiles")
    photo = sample_from_array(np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
    (found,) = scorer.score(scorer.encode([photo]), "plate")
    assert found.values.shape == (size[1], size[0])
    assert 0 < found.values.min() <= 0.5 <= found.values.max() < 1
    assert found.image_score == found.values.max()


def test_a_tile_that_says_more_raises_its_own_place_alone():
    whole, patches = torch.zeros(49), torch.zeros(49, 4, 4)
    whole[0] = 2.0
    found = assembled(whole, patches)
    assert found[:8, :8].tolist() == [[1.0] * 8] * 8
    assert float(found[16:, 16:].abs().max()) == 0.0


def test_a_place_stands_in_for_the_worst_as_far_as_the_score_rests_on_it():
    values = np.zeros((4, 4), dtype=np.float32)
    values[0, 0], values[3, 3] = 0.8, 0.6
    there = Region(Box(3, 3, 4, 4), 0.6)
    assert ScoreMap(values, 0.7, "text", of_worst=0.5).own_score_at(there) == pytest.approx(0.6)
    assert ScoreMap(values, 0.7, "text", of_worst=0.0).own_score_at(there) == pytest.approx(0.7)


def test_a_kept_bank_is_found_again_without_encoding(loaded, good, tmp_path, monkeypatch):
    made = PatchMemory(loaded("backbone"), shelf=tmp_path).bank(good)
    again = PatchMemory(loaded("backbone"), shelf=tmp_path)
    monkeypatch.setattr(again, "encode", lambda _: pytest.fail("the references were encoded again"))
    assert again.bank(good).digest == made.digest


def test_a_damaged_kept_bank_is_made_again(loaded, good, tmp_path):
    made = PatchMemory(loaded("backbone"), shelf=tmp_path).bank(good)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-100])
    assert PatchMemory(loaded("backbone"), shelf=tmp_path).bank(good).digest == made.digest


def test_a_bank_is_made_where_none_can_be_kept(loaded, good, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    made = PatchMemory(loaded("backbone"), shelf=tmp_path / "file" / "banks").bank(good)
    assert made.references == tuple(g.digest for g in good)
