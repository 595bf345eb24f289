"""What was learned is read from the user's cache: whole, for the same photos and words, or not at all."""

from pathlib import Path

import numpy as np
import pytest
import torch

from agent.cache import ProductCache
from agent.products.product_cache import KEPT, LearnedProducts, program_digest
from agent.products.spec import MatcherState, Product, ProductSpec, reference_paths
from tools.anomaly import Tokens
from tools.images import sample_from_array


def photo(grey, path=None):
    return sample_from_array(np.full((16, 16, 3), grey, np.uint8), path)


def learned(*references):
    values = {n: torch.arange(6, dtype=kind).reshape(2, 3) for n, kind in enumerate((torch.float32, torch.bfloat16))}
    states = {
        "differ": MatcherState((0.5, 1 / 3), [Tokens(values[0], (1, 2)), Tokens(values[1], (1, 2))]),
        "layout": MatcherState(),
    }
    spec = ProductSpec(name="tray", product="tray", good_scores=(0.1,), references=reference_paths(references))
    return Product(spec, references=references, states=states, notes=("a note",))


@pytest.fixture
def kept(tmp_path):
    return LearnedProducts(tmp_path / "products", lambda: {"weights": "a"})


def test_a_product_is_learned_once_for_the_same_photos_words_and_weights(tmp_path, kept):
    good, times = [photo(10, Path("a.png")), photo(20, Path("b\udcff.png"))], []

    def learn():
        times.append(1)
        return learned(*good)

    kept.get({"normal": "x"}, good, learn)
    found = LearnedProducts(tmp_path / "products", lambda: {"weights": "a"}).get({"normal": "x"}, good, learn)
    assert len(times) == 1
    assert (found.spec, found.notes, found.references) == (learned(*good).spec, ("a note",), tuple(good))
    assert found.scores("differ") == (0.5, 1 / 3)
    first, second = found.states["differ"].data
    assert first.size == (1, 2) and first.values.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert second.values.dtype == torch.bfloat16
    for asked, references, weights in (
        ({"normal": "y"}, good, "a"),
        ({"normal": "x"}, good[::-1], "a"),
        ({"normal": "x"}, good, "b"),
    ):
        LearnedProducts(tmp_path / "products", lambda w=weights: {"weights": w}).get(asked, references, learn)
    assert len(times) == 4


@pytest.mark.parametrize("spoil", [lambda content: b"", lambda content: content[:-1], lambda content: content + b"x"])
def test_a_damaged_file_is_learned_again(tmp_path, kept, spoil):
    good = [photo(10, Path("a.png"))]
    again = learned(*good)
    kept.get({}, good, lambda: learned(*good))
    (file,) = (tmp_path / "products").iterdir()
    file.write_bytes(spoil(file.read_bytes()))
    assert kept.get({}, good, lambda: again) is again
    assert kept.get({}, good, lambda: pytest.fail("it was not kept")).notes == again.notes


def test_a_product_that_cannot_be_kept_is_used_all_the_same(tmp_path, kept):
    good = [photo(10, Path("a.png"))]
    foreign = Product(learned(*good).spec, references=tuple(good), states={"x": MatcherState(data=object())})
    assert kept.get({}, good, lambda: foreign) is foreign
    (tmp_path / "file").write_text("in the way")
    assert LearnedProducts(tmp_path / "file", dict).get({}, good, lambda: foreign) is foreign


def test_the_cache_is_bounded_and_is_not_used_without_a_folder(tmp_path, kept):
    good = [photo(10, Path("a.png"))]
    for number in range(KEPT + 3):
        kept.get({"number": number}, good, lambda: learned(*good))
    assert len(list((tmp_path / "products").iterdir())) == KEPT
    off = LearnedProducts(None, dict)
    assert [off.get({}, good, lambda n=n: n) for n in (1, 2)] == [1, 2]


def test_the_same_pixels_at_another_path_are_named_by_the_path_that_was_given(kept):
    first, second = photo(10, Path("a.png")), photo(10, Path("b.png"))
    for cache in (ProductCache(kept), ProductCache(kept), ProductCache()):
        for sample in (first, second):
            found = cache.product({}, [sample], lambda sample=sample: learned(sample))
            assert found.references == (sample,) and found.spec.references == (sample.path.absolute(),)


def test_another_version_of_the_program_learns_anew(tmp_path):
    digests = set()
    for text in ("x = 1", "x = 2"):
        (tmp_path / text[-1] / "agent").mkdir(parents=True)
        (tmp_path / text[-1] / "agent" / "a.py").write_text(text)
        digests.add(program_digest(tmp_path / text[-1]))
    assert len(digests) == 2
