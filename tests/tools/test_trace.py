"""Traces have the photo's size, and depend on the photo alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from checkpoints import plate

from tools.errors import ModelError
from tools.images import sample_from_array
from tools.patches.trace import PhotoTracer


@pytest.fixture
def tracer(loaded):
    return PhotoTracer(loaded("tracer"))


def test_maps_have_the_photos_size_and_hold_probabilities(tracer):
    (found,) = tracer.trace([sample_from_array(plate(1, (90, 140)))])
    for values in (found.edges, found.parts, found.items, found.flaws.values):
        assert values.shape == (90, 140)
        assert values.dtype == np.float32
        assert 0 <= values.min() <= values.max() <= 1


def test_photos_are_traced_alike_alone_and_together(tracer):
    one, other = sample_from_array(plate(1)), sample_from_array(plate(2, (64, 200)))
    together, alone = tracer.trace([one, other]), tracer.trace([other])
    np.testing.assert_allclose(together[1].flaws.raw, alone[0].flaws.raw, atol=1e-5)


def test_the_photos_score_is_the_mean_log_odds_where_it_looks_worst(tracer):
    (found,) = tracer.trace([sample_from_array(plate(3))])
    flaws = found.flaws
    assert flaws.source == "tracer"
    assert flaws.raw.mean() < flaws.raw_score <= flaws.raw.max() + 1e-4
    assert flaws.image_score == pytest.approx(1 / (1 + np.exp(-flaws.raw_score)), abs=1e-5)


def test_traces_that_are_no_numbers_are_refused(loaded):
    spoiled = loaded("tracer")
    model = type(spoiled.model)(spoiled.model.config).eval()
    torch.nn.init.constant_(model.read_out.bias, float("nan"))
    with pytest.raises(ModelError, match="not finite"):
        PhotoTracer(replace(spoiled, model=model)).trace([sample_from_array(plate(1))])


@pytest.mark.parametrize("axis", [0, 1])
def test_a_mirrored_photo_has_mirrored_traces(tracer, axis):
    photo = plate(4, (96, 128))
    (plain,), (mirrored,) = (tracer.trace([sample_from_array(p)]) for p in (photo, np.flip(photo, axis).copy()))
    np.testing.assert_allclose(np.flip(mirrored.items, axis), plain.items, atol=1e-4)
    np.testing.assert_allclose(np.flip(mirrored.flaws.raw, axis), plain.flaws.raw, atol=1e-3)
