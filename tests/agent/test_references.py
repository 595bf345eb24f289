"""References: each counts once, odd ones are named and left out, many cost little, and progress is told."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scripted import Toolbox, photo

from agent.calibration.maps import Calibration
from agent.products.learn import learn
from agent.products.references import DETAILED, odd_references, representative
from agent.products.spec import MatcherState, Product, ProductSpec
from tools.images import sample_from_array

CALIBRATION = Calibration.of_profile("nano")
GOOD = {
    "reference": (1.32, 1.40, 1.36, 1.43, 1.30),
    "tracer": (-4.5, -4.1, -5.0, -4.6, -4.3),
    "differ": (-3.1, -2.8, -3.6, -3.3, -2.9),
    "layout": (-1.4, -1.1, -0.8, -1.6, -1.2),
    "product": (0.50, 0.52, 0.47, 0.49, 0.51),
}
"""Leave-one-out scores of five good references."""


def scored(**changes):
    """A product with these scores, of which the third reference has others."""
    found = {name: list(scores) for name, scores in GOOD.items()}
    for name, score in changes.items():
        found[name][2] = score
    states = {name: MatcherState(tuple(scores)) for name, scores in found.items()}
    return Product(ProductSpec(name="x", product="x"), tuple(photo(n) for n in range(5)), states=states)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, None),
        ({"tracer": -3.2, "differ": -2.0, "reference": 1.55}, None),
        ({"tracer": 6.0, "differ": 5.0}, "damaged"),
        ({"layout": 8.0}, "parts"),
        ({"product": 0.95}, "something else"),
    ],
)
def test_a_reference_that_the_others_speak_against_is_odd(changes, why):
    found = odd_references(scored(**changes), CALIBRATION)
    assert list(found) == ([] if why is None else [2])
    assert all(why in said for said in found.values())


def test_three_references_are_never_odd():
    product = scored(tracer=9.0, differ=9.0)
    states = {name: MatcherState(state.scores[:3]) for name, state in product.states.items()}
    assert odd_references(replace(product, states=states), CALIBRATION) == {}


def test_a_photo_that_is_given_several_times_counts_once_and_a_note_says_so():
    learned = learn(Toolbox(), "tray", [photo(0), photo(1), photo(0), photo(0), photo(2)])
    assert [r.digest for r in learned.references] == [photo(n).digest for n in range(3)]
    assert "given 3 times" in learned.notes[0] and "counts once" in learned.notes[0]


class Embedder:
    """Embeds a photo by its mean colour."""

    @property
    def embedder(self):
        return self

    def encode(self, samples):
        return torch.tensor(np.stack([s.image.mean((0, 1)) for s in samples]))[:, None, None]


def test_of_many_references_those_that_stand_for_all_come_first_and_one_of_something_else_is_left_out():
    random = np.random.default_rng(0)
    shades = [*(np.repeat([60, 120, 180], 20) + random.integers(-3, 4, 60)), 255]
    many = [sample_from_array(np.full((16, 16, 3), shade + n % 2, np.uint8)) for n, shade in enumerate(shades[:-1])]
    other = sample_from_array(np.full((16, 16, 3), (255, 0, 0), np.uint8))
    kept, notes = representative(Embedder(), [*many, other])
    assert len(kept) == 60 and other not in kept
    assert len(notes) == 1 and other.name in notes[0]
    assert {round(s.image.mean() / 60) for s in kept[:DETAILED]} == {1, 2, 3}
    assert representative(Embedder(), many[:DETAILED]) == (many[:DETAILED], [])
