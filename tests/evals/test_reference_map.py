"""The fit of the reference matcher's map and of the tracer's levels, and the study on real photos."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from agent import Inspector
from agent.calibration.maps import MatcherMap
from evals.fit.matcher_maps import MatcherScores
from evals.fit.reference_map import ProductScores, fit
from evals.studies.real_photos import AGENT, Draw, measure, photo_sets, table

PLAIN = MatcherMap(spread=0.07, offset=0.0, limit=1e9)


def test_the_map_separates_what_is_separate_and_real_photos_weigh_as_much_as_rendered_ones():
    draw = np.random.default_rng(0)
    rendered = MatcherScores(list(draw.normal(0, 1, 60)), list(draw.normal(0, 1, 60)))
    real = MatcherScores(list(draw.normal(0, 1, 20)), list(draw.normal(5, 1, 20)))
    traced = [[-6.0, -6.4], [-7.0, -7.2], [-5.0, -5.8]]
    fitted, levels = fit(ProductScores(rendered, real, traced, [0.02, 0.03, 0.04]), PLAIN)
    assert fitted.llr(6.0) > 1.0
    assert fitted.llr(-1.0) < 0.0
    blind, _ = fit(ProductScores(rendered, rendered, traced, [0.02, 0.03, 0.04]), PLAIN)
    assert blind.llr(6.0) < fitted.llr(6.0)
    assert -7.0 < levels.mean < -5.0 and levels.trust([-6.2, -6.4]) == 1.0
    assert levels.uncertainty == 0.03 and levels.trust([-6.2], [0.03]) == 1.0 > levels.trust([-6.2], [0.1])


def test_sets_of_both_layouts_are_found_and_every_set_has_its_row(tmp_path):
    for name in (
        "hazelnut/train/good/0",
        "hazelnut/test/good/1",
        "hazelnut/test/hole/2",
        "cubes/normal/0",
        "cubes/abnormal/1",
    ):
        path = tmp_path / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 32)).save(path)
    for n in range(20):
        Image.new("RGB", (32, 32), (n, 0, 0)).save(tmp_path / f"cubes/normal/x{n:02d}.png")
    found = {photos.name: photos for photos in photo_sets(tmp_path)}
    assert (len(found["hazelnut"].references), len(found["hazelnut"].good), len(found["hazelnut"].bad)) == (1, 1, 1)
    assert not set(found["cubes"].references) & set(found["cubes"].good)


def test_draws_of_a_set_are_averaged_and_what_was_not_measured_is_a_dash():
    def draw(name, seed, value, pixels=None):
        return Draw(name, (2, 8), 4, seed, {AGENT: value, "rules": 0.5}, pixels, pixels, 1.0)

    text = table([draw("hazelnut", 0, 0.9, 0.8), draw("hazelnut", 1, 0.7, 0.8), draw("cubes", 0, 1.0)])
    assert "| hazelnut | 2 + 8 | 4 | 2 | 0.800 | 0.500 | 0.800 | 0.800 | 1.00 |" in text
    assert "| cubes | 2 + 8 | 4 | 1 | 1.000 | 0.500 | - | - | 1.00 |" in text
    assert "| **mean** | | 4 | | **0.900** | **0.500** | **0.800** |" in text
    blind = Draw("cubes", (2, 8), 4, 0, {AGENT: 1.0}, None, None, 1.0)
    assert "| **mean** | | 4 | | **0.950** | **-** |" in table([draw("hazelnut", 0, 0.9), blind])


@pytest.mark.data
def test_with_one_reference_the_agent_ranks_real_photos_as_well_as_its_best_matcher():
    root = os.environ.get("LOOKTWICE_DATA")
    if root is None or not (Path(root) / "aliens").is_dir():
        pytest.skip("set LOOKTWICE_DATA to the folder that holds aliens/ with normal/ and abnormal/")
    (aliens,) = (photos for photos in photo_sets(Path(root)) if photos.name == "aliens")
    few = replace(aliens, good=aliens.good[:4], bad=aliens.bad[:4])
    found = dict(measure(Inspector("nano", device="cpu"), few, shots=1, seed=0).image_auroc)
    assert found.pop(AGENT) >= max(found.values()) - 0.01
