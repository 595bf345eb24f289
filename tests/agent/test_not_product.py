"""A photo that does not show the product is called so; a good photo never is."""

import numpy as np
import pytest
from scripted import SIZE, Toolbox, context, photo

from agent import Inspector
from agent.calibration.levels import ProductDistance
from agent.calibration.maps import Calibration
from agent.evidence.claims import say
from agent.evidence.fusion import by_hypothesis, not_product
from agent.evidence.types import Claim, Evidence
from agent.graph import build_graph
from agent.matchers.product import blank
from agent.state import InspectionState, Request
from nano.world import FAMILIES, render
from tools.images import sample_from_array


def level(value, noise=0.0, side=256):
    """An even photo with the noise of a camera."""
    draw = np.random.default_rng(1).normal(value, noise, (side, side, 3))
    return np.clip(np.rint(draw), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("image", "claim"),
    [
        (level(0), "photo_black"),
        (level(4, noise=4), "photo_black"),
        (level(255), "photo_white"),
        (level(252, noise=4), "photo_white"),
        (level(120), "photo_uniform"),
        (level(120, noise=6), "photo_uniform"),
    ],
)
def test_a_photo_without_content_is_told_by_its_grey_levels(image, claim):
    assert blank(image) == claim


@pytest.mark.parametrize("value", [40, 128, 250])
@pytest.mark.parametrize("noise", [0, 6, 20])
def test_light_that_falls_off_and_noise_of_a_camera_are_no_content(value, noise):
    down, right = np.mgrid[-1:1:256j, -1:1:256j]
    corners = value * (1 - 0.18 * (down**2 + right**2)) + np.random.default_rng(2).normal(0, noise, (256, 256))
    assert blank(np.repeat(np.clip(corners, 0, 255)[..., None], 3, axis=2).astype(np.uint8)) is not None


def test_a_spot_on_an_even_photo_is_content():
    image = level(120, noise=2)
    image[100:120, 100:120] = 160
    assert blank(image) is None


@pytest.mark.parametrize("family", FAMILIES)
def test_a_rendered_product_has_content(family):
    assert [blank(render(family, seed=3, index=n, defect=None).image) for n in range(2)] == [None, None]


def inspected(shown, references=3, **options):
    request = Request(shown, references=tuple(photo(n) for n in range(references)))
    return InspectionState(**build_graph().invoke(request, context=context(Toolbox(), looks=0, **options)))


@pytest.mark.parametrize("references", [0, 3])
@pytest.mark.parametrize(
    ("value", "reason"), [(0, "The photo is black. Check the camera."), (255, "The photo is white.")]
)
def test_the_report_says_first_that_the_photo_shows_no_product_and_why(references, value, reason):
    state = inspected(sample_from_array(level(value, side=SIZE)), references)
    assert (state.verdict.anomalous, state.verdict.told) == (True, "not_product") and state.verdict.score >= 0.97
    first, second = (s.text for s in state.explanation)
    assert first == "Not this product." and second.startswith(reason)


def test_an_even_photo_is_a_product_where_a_reference_is_even_too():
    shown, even = (sample_from_array(level(value, side=SIZE)) for value in (120, 121))
    request = Request(shown, references=(even, photo(1)))
    state = InspectionState(**build_graph().invoke(request, context=context(Toolbox(), looks=0)))
    assert not state.verdict.not_product


def test_a_person_can_overrule_it():
    state = inspected(sample_from_array(level(0, side=SIZE)))
    found = next(e for e in state.evidence if e.claim.topic == "photo")
    ignored = Evidence("structural", Claim("looks_like", {"name": "x"}), -9.0, "user", found.hypothesis)
    assert not_product(by_hypothesis(state.evidence)) and not not_product(by_hypothesis([*state.evidence, ignored]))


def test_limits_rise_with_the_distances_among_the_references():
    limits = ProductDistance(least=0.8, factor=1.25, alone=0.9)
    assert [limits.limit(r) for r in ([0.5, 0.6], [0.7, 0.8], [])] == [0.8, 1.0, 0.9]


@pytest.fixture(scope="module")
def inspector():
    return Inspector("nano", looks=0)


def rendered(family, index):
    return sample_from_array(render(family, seed=5, index=index, defect=None).image)


def test_a_photo_of_another_product_is_not_this_product_and_a_good_one_is(inspector):
    gears = inspector.learn("gear", [rendered("gear", n) for n in range(3)])
    other, good = (inspector.inspect(rendered(f, 9), product=gears) for f in ("wood", "gear"))
    assert other.verdict.told == "not_product" and other.verdict.anomalous and other.verdict.score >= 0.97
    assert [s.text for s in other.explanation] == ["Not this product.", "This does not look like the product."]
    assert {f.topic for f in other.findings} == {"photo"}
    assert good.verdict.told != "not_product" and "photo" not in {e.topic for e in good.evidence}


def test_a_calibration_without_a_limit_never_says_so():
    unfitted = Calibration.of_profile("nano").model_copy(update={"product_distance": None})
    plain = Inspector("nano", looks=0, calibration=unfitted)
    report = plain.inspect(rendered("wood", 9), references=[rendered("gear", 0), rendered("gear", 1)])
    assert report.verdict.told != "not_product"


@pytest.mark.parametrize("language", ["en", "de", "zh"])
def test_every_language_says_what_is_wrong_with_the_photo(language):
    texts = {say(Claim(f"photo_{key}", {}), language) for key in ("black", "white", "uniform", "unlike")}
    assert len(texts) == 4
