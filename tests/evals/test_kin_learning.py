"""Learning the networks that tell kinds of parts: the pairs that they see, and that what is stored was learned."""

import numpy as np
import pytest
import torch

from evals import kin
from evals.kin_network import PairNetwork
from evals.likeness import Labelled
from tools.parts.describe import Descriptors
from tools.parts.kin import Layers, looks

SORTS, EACH = 3, 3


def photo(seed, sort_at):
    """Nine parts of three kinds that differ in shape and features, and one segment that is none."""
    rng = np.random.default_rng(seed)
    sorts = np.repeat(np.arange(SORTS), EACH)
    noise = lambda *size: rng.normal(0, 0.05, size)  # noqa: E731
    count = len(sorts) + 1
    at = np.vstack([sort_at[sorts], rng.normal(0, 1, (1, sort_at.shape[1]))])
    units = at / np.linalg.norm(at, axis=1, keepdims=True)
    described = Descriptors(
        shape=at[:, :5] + noise(count, 5),
        colour=at[:, :3] * 20 + noise(count, 3),
        contrast=at[:, 3:6] * 20 + noise(count, 3),
        place=rng.uniform(-1, 1, (count, 2)),
        inside=units + noise(*units.shape),
        edge=units + noise(*units.shape),
        kind=np.zeros((count, 0)),
        heading=np.zeros((count, 2, 2)),
    )
    nouns = np.array([*(f"sort {s}" for s in sorts), ""])
    nested = np.eye(count)
    nested[0, 1] = nested[1, 0] = 0.9
    return Labelled(described, nouns, nested)


def product(seed):
    at = np.random.default_rng(seed).normal(0, 1, (SORTS, 8))
    return [photo(10 * seed + n, at) for n in range(3)]


def test_pairs_are_of_a_part_and_another_segment_and_within_a_photo_of_two_that_lie_apart():
    photos = product(0)
    across, within = (kin.pairs_of(photos, which) for which in ("across", "within"))
    parts, all_ = SORTS * EACH, SORTS * EACH + 1
    assert len(across.same) == 3 * (all_**2 - 1)
    assert len(within.same) == 3 * (all_ * (all_ - 1) // 2 - 1)
    assert across.same.sum() == 3 * SORTS * EACH**2
    assert within.same.sum() == 3 * (SORTS * EACH * (EACH - 1) // 2 - 1)
    assert across.parts.sum() == 3 * parts**2
    assert len(across.looks) == 3 * all_


def test_what_is_stored_says_of_pairs_what_was_learned():
    photos = product(1)
    pairs = kin.pairs_of(photos, "across")
    torch.manual_seed(0)
    network = PairNetwork(*((v.mean(axis=0), v.std(axis=0) + 0.1) for v in (pairs.looks, pairs.values))).eval()
    told = network(pairs.looks, pairs.one, pairs.other, pairs.values).detach().numpy()
    weights = network.stored()
    layers = Layers(*(tuple(weights[f"{part}.{n}"] for n in range(4)) for part in ("embed", "compare")))
    one, other = photos[0].described, photos[1].described
    count = len(one)
    here = (pairs.one < count) & (pairs.other >= count) & (pairs.other < 2 * count)
    values = np.zeros((count, count, pairs.values.shape[1]))
    values[pairs.one[here], pairs.other[here] - count] = pairs.values[here]
    odds = layers.odds(one, other, values)[pairs.one[here], pairs.other[here] - count]
    np.testing.assert_allclose(odds, np.clip(told[here], -6, 6), atol=1e-3)
    assert looks(one).shape == (count, pairs.looks.shape[1])


def test_kinds_of_new_products_are_told_apart_after_learning_on_others(monkeypatch):
    monkeypatch.setattr(kin, "EPOCHS", 20)
    for which in ("across", "within"):
        weights = kin.learned([kin.pairs_of(product(n), which) for n in range(2, 14)])
        layers = Layers(*(tuple(weights[f"{part}.{n}"] for n in range(4)) for part in ("embed", "compare")))
        one = product(50)[0]
        values = kin.differences(one.described, one.described, kin.scale_of([one.described]))[..., kin.KNOWN]
        odds = layers.odds(one.described, one.described, values)
        parts = one.nouns != ""
        same = (one.nouns[:, None] == one.nouns[None]) & parts & ~np.eye(len(parts), dtype=bool)
        unlike = (one.nouns[:, None] != one.nouns[None]) & parts & parts[:, None]
        assert odds[same].mean() > odds[unlike].mean() + 2, which


def test_segments_are_kept_on_disk_and_read_again_as_they_were(monkeypatch, tmp_path):
    monkeypatch.setattr(kin, "CACHE", tmp_path / "kin")
    made = product(3)
    first = kin._kept("one", lambda: made)
    again = kin._kept("one", lambda: pytest.fail("made twice"))
    for a, b, c in zip(made, first, again, strict=True):
        assert (a.nouns == b.nouns).all()
        np.testing.assert_allclose(b.described.inside, a.described.inside, atol=1e-6)
        np.testing.assert_array_equal(b.described.shape, c.described.shape)
    assert [p.name for p in (tmp_path / "kin").iterdir()] == ["one.npz"]
