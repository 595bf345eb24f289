"""A photo is compared with references as a set: their order and their batches change nothing."""

import numpy as np
import pytest
import torch
from checkpoints import plate

from tools.errors import InputError
from tools.images import sample_from_array
from tools.patches.comparer import Seen
from tools.patches.comparison import PhotoComparer


@pytest.fixture(scope="module")
def comparer(loaded):
    return PhotoComparer(loaded("comparer"), batch=2)


def photos(*seeds):
    return [sample_from_array(plate(seed)) for seed in seeds]


def test_a_map_has_the_size_of_its_photo_and_holds_probabilities(comparer):
    found = comparer.compare(photos(9)[0], comparer.see(photos(1, 2, 3)))
    assert found.places.values.shape == (96, 128)
    assert 0 <= found.places.values.min() <= found.places.values.max() <= 1
    assert np.isfinite([found.structural, found.logical]).all()


def test_the_order_of_the_references_does_not_matter(comparer):
    one, other = (comparer.compare(photos(9)[0], comparer.see(photos(*seeds))) for seeds in ((1, 2, 3), (3, 1, 2)))
    assert one.structural == pytest.approx(other.structural, abs=1e-4)
    assert one.logical == pytest.approx(other.logical, abs=1e-4)


def test_photos_are_seen_alike_alone_and_in_batches(comparer):
    together, alone = comparer.see(photos(1, 2, 3)), comparer.see(photos(3))
    torch.testing.assert_close(together.embedded[2:], alone.embedded, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(together.sums[2:], alone.sums, atol=1e-4, rtol=1e-4)


def test_each_query_is_compared_with_its_own_references(comparer):
    model, seen = comparer._loaded.model, comparer.see(photos(1, 2, 3, 4))
    both = model(Seen(*(x[:2] for x in seen)), Seen(*(x[[2, 3, 1, 3]] for x in seen)))
    second = model(Seen(*(x[1:2] for x in seen)), Seen(*(x[[1, 3]] for x in seen)))
    torch.testing.assert_close(both.logits[1:], second.logits, atol=1e-4, rtol=1e-4)


def test_what_lies_on_a_reference_is_explained_by_it(comparer):
    """Attention finds the same patch again, so that less is left than of another photo."""
    model, seen = comparer._loaded.model, comparer.see([*photos(1), sample_from_array(255 - plate(7))])
    with torch.inference_mode():
        same, other = (model._explained(seen.embedded[n : n + 1], seen.embedded[None, :1]) for n in (0, 1))
    assert same.abs().mean() < other.abs().mean()


def test_nothing_to_see_is_refused(comparer):
    with pytest.raises(InputError, match="no photo"):
        comparer.see([])
