"""Scores by words, on every path, and the places where maps peak."""

import numpy as np
import pytest
import torch

from tools.anomaly import PatchScorer
from tools.anomaly.clip_scorer import sentences
from tools.anomaly.clip_windows import association
from tools.anomaly.peaks import peaks
from tools.anomaly.tiling import assembled
from tools.errors import InputError, ModelError
from tools.images import sample_from_array
from tools.types import AnomalyMap, Box, Region


def planted(values, *blobs):
    """A map of noise about 0.1 with squares of given height."""
    grid = 0.1 + 0.01 * np.random.default_rng(0).random((60, 80))
    for (x0, y0, x1, y1), height in blobs:
        grid[y0:y1, x0:x1] = height
    return AnomalyMap(grid.astype(np.float32), float(grid.max()), "text")


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


@pytest.mark.parametrize("name", ["{state} {0}", "{product}", "{defect} {meaning}"])
def test_braces_in_a_name_stay_braces(name):
    told = sentences(name, "anomalous", ["{product}: {state}"])
    assert all(name in s for s in told)
    assert told[-1].endswith("has a {product}: {state}.")


def test_a_defect_is_told_in_whole_sentences_with_how_it_looks():
    plain, told = (sentences("nut", "anomalous", d) for d in ((), ("Crack", "nick: a small cut", "zorp")))
    assert told[: len(plain)] == plain
    added = told[len(plain) :]
    assert [s for s in added if "Crack" in s and "parted" in s]
    assert [s for s in added if "nick" in s and "a small cut" in s]
    assert [s for s in added if "zorp" in s] == ["a photo of a nut with a zorp."]
    assert sentences("nut", "normal", ("crack",)) == sentences("nut", "normal")


def test_a_defect_without_a_name_is_refused():
    with pytest.raises(InputError, match="has no name"):
        sentences("nut", "anomalous", [": a line"])


def test_defect_words_move_the_score(scorer, good):
    encoded = scorer.encode(good[:1])
    plain, told = (scorer.score(encoded, "nut", d)[0].image_score for d in ((), ("scratch",)))
    assert plain != told


def test_patches_of_several_layers_are_the_sum_of_each_block_s_value_path(loaded, good):
    from tools.anomaly.clip_features import _value_value, embed
    from tools.anomaly.features import input_format, to_pixels, vit_tokens

    model = loaded("vit_clip")
    visual = model.model.visual
    pixels = to_pixels([good[0].image], input_format(model), model)
    with torch.inference_mode():
        tokens = list(vit_tokens(visual, pixels))
        blocks = visual.transformer.resblocks
        summed = sum(_value_value(b.attn, b.ln_1(t)) for b, t in zip(blocks[-2:], tokens[-3:-1], strict=True))
        expected = visual.ln_post(summed[:, 1:]) @ visual.proj
        grid, (whole, once, _) = embed(visual, pixels, 2).patches, embed(visual, pixels, 1)
        assert torch.allclose(grid.flatten(1, 2), expected, atol=1e-5)
        assert not torch.allclose(grid, once)
        assert torch.equal(whole, embed(visual, pixels, 99)[0])


def brute_association(tokens, windows, known_tokens, known_windows, grid):
    """(1 - cos) / 2 to the nearest reference embedding: patch by patch, window by window."""
    from tools.anomaly.clip_windows import SCALES, window_index

    rows, columns = grid
    total = np.zeros(rows * columns)
    for patch in range(rows * columns):
        values = [(1 - max(float(tokens[patch] @ k) for k in known_tokens)) / 2]
        for n, scale in enumerate(SCALES):
            index = window_index(grid, scale)
            holding = [w for w in range(len(index)) if patch + 1 in index[w, 1:].tolist()]
            unlike = [(1 - max(float(windows[n][w] @ k) for k in known_windows[n])) / 2 for w in holding]
            values.append(len(unlike) / sum(1 / max(u, 1e-6) for u in unlike))
        total[patch] = np.mean(values)
    return total.reshape(grid)


def test_references_join_the_windows_as_winclip_plus_does(loaded, good, scratched):
    scorer = PatchScorer(loaded("vit_clip"), path="windows")
    query, known = scorer.encode([scratched]), scorer.encode(good[:2])
    grid = tuple(query.patches.shape[1:3])
    expected = brute_association(
        query.tokens[0],
        [w[0] for w in query.windows],
        known.tokens.flatten(0, 1),
        [w.flatten(0, 1) for w in known.windows],
        grid,
    )
    found = association(query, known)[0].numpy()
    assert found == pytest.approx(expected, abs=1e-5)
    (words,), (both,) = scorer.score(query, "plate"), scorer.score(query, "plate", references=known)
    assert both.image_score == pytest.approx((words.image_score + found.max()) / 2, abs=1e-5)
    assert both.values.mean() == pytest.approx((words.values.mean() + found.mean()) / 2, abs=0.01)
    assert float(association(known, known).max()) < found.max() / 2


def test_good_photos_are_scored_beside_the_others_where_references_join_in(loaded, good):
    windowed, dense = (PatchScorer(loaded("vit_clip"), path=path) for path in ("windows", "dense"))
    encoded = windowed.encode(good[:3])
    rest = windowed.encode([good[0], good[2]])
    (expected,) = windowed.score(windowed.encode([good[1]]), "plate", references=rest)
    assert windowed.left_out(encoded, "plate")[1] == pytest.approx(expected.own_score, abs=1e-5)
    assert windowed.kept(encoded) is encoded
    plain = dense.encode(good[:3])
    assert dense.left_out(plain, "plate") == [m.own_score for m in dense.score(plain, "plate")]
    assert dense.kept(plain) is None


def test_references_without_windows_are_refused(loaded, good):
    scorer = PatchScorer(loaded("vit_clip"))
    encoded = scorer.encode(good[:1])
    with pytest.raises(InputError, match="path of windows"):
        scorer.score(encoded, "plate", references=encoded)


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
    assert len(peaks(AnomalyMap(np.full((20, 30), 0.3, np.float32), 0.3, "text"))) == 1


def test_the_raw_value_of_a_region_is_read_inside_its_mask():
    raw = np.zeros((10, 10), np.float32)
    raw[2, 3], raw[8, 8] = 0.4, 0.9
    found = AnomalyMap(raw, 0.9, "reference", raw=raw, raw_score=0.9)
    mask = np.zeros((10, 10), bool)
    mask[:5, :5] = True
    assert found.raw_in(Region(Box(0, 0, 10, 10), 1.0, mask)) == pytest.approx(0.4)
    assert found.raw_in(Region(Box(0, 0, 10, 10), 1.0)) == pytest.approx(0.9)


def test_windows_are_embedded_as_a_loop_over_photos_of_their_own_would(loaded, good):
    from tools.anomaly.clip_windows import SCALES, window_embeddings, window_index
    from tools.anomaly.features import input_format, to_pixels

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
    assert AnomalyMap(values, 0.7, "text", of_worst=0.5).own_score_at(there) == pytest.approx(0.6)
    assert AnomalyMap(values, 0.7, "text", of_worst=0.0).own_score_at(there) == pytest.approx(0.7)
