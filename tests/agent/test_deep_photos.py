"""Photos of more than 8 bits in an inspection: the range of the product holds for each photo."""

import numpy as np
import pytest
from scripted import Toolbox, context, photo

from agent import Inspector
from agent.graph import build_graph
from agent.products.spec import ProductSpec
from agent.report.model import InspectionReport
from agent.state import InspectionState, Request
from tests.tools.deep_photos import png_of_16_bits
from tools.errors import InputError
from tools.images import load_sample


@pytest.fixture
def paths(tmp_path):
    """Three references and a photo, of 12 bits; the photo has a few hot pixels."""
    found = []
    for n in range(4):
        deep = photo(n).image.astype(np.uint16) * 16
        deep[0, :3] = 65_000 if n == 3 else deep[0, :3]
        found.append(tmp_path / f"{n}.png")
        found[-1].write_bytes(png_of_16_bits(deep))
    return found


def inspected(request, **options):
    return InspectionState(**build_graph().invoke(request, context=context(Toolbox(), looks=0, **options)))


def test_the_references_give_the_range_in_which_a_photo_is_inspected(paths):
    state = inspected(Request(paths[3], references=tuple(paths[:3])))
    assert [s.value_range for s in (*state.good, state.sample)] == [(0, 4095)] * 4
    assert state.product.spec.value_range == (0, 4095)
    assert np.abs(state.sample.image[1:].astype(int) - photo(3).image[1:]).max() <= 1
    report = InspectionReport.of_state(state, models={}, profile="nano", smallest_px=30.2)
    assert report.value_range == (0, 4095)
    assert report.photo_notes == report.notes[:1]
    assert "less than about 30 pixels may be missed" in report.notes[0]


def test_a_product_keeps_its_range_and_photos_unlike_it_are_noted(paths, tmp_path):
    product = inspected(Request(paths[0], references=tuple(paths[:3]))).product
    product.spec.save(tmp_path / "x.yaml")
    assert ProductSpec.load(tmp_path / "x.yaml").value_range == (0, 4095)
    dark = tmp_path / "dark.png"
    dark.write_bytes(png_of_16_bits(photo(3).image.astype(np.uint16)))
    assert load_sample(dark).value_range == (0, 255)
    state = inspected(Request(dark, product))
    assert state.sample.value_range == (0, 4095)
    report = InspectionReport.of_state(state, models={}, profile="nano")
    assert "unlike the references' (0 to 4095)" in report.notes[0]


@pytest.mark.parametrize("value_range", [(4095, 0), (0, float("nan")), (1, 1)])
def test_an_empty_range_is_refused(value_range, tmp_path):
    with pytest.raises(InputError, match="give the lower value first"):
        Inspector("nano", value_range=value_range)
    (tmp_path / "x.yaml").write_text(f"name: x\nproduct: x\nvalue_range: {list(value_range)}\n".replace("nan", ".nan"))
    with pytest.raises(InputError, match="value_range"):
        ProductSpec.load(tmp_path / "x.yaml")


def test_an_option_that_an_inspector_does_not_have_is_refused():
    with pytest.raises(TypeError, match="no option 'rnage'"):
        Inspector("nano", rnage=(0, 1))
