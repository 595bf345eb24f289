"""The documents: what is generated is up to date, what is shown runs, every link leads somewhere."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from looktwice.examples import examples
from tools.errors import InputError
from tools.images import load_sample, sample_from_array

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"])


def shown(name):
    """An example of the documents as a module."""
    spec = importlib.util.spec_from_file_location(f"shown_{name}", DOCS / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def wood():
    return next(e for e in examples() if e.name == "wood")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_link_leads_to_a_file(page):
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
    assert [t for t in targets if "://" not in t and not (page.parent / t).exists()] == []


def test_what_is_generated_is_up_to_date():
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, DOCS / "generate.py", "--check"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
        check=False,
    )
    assert done.stderr == ""
    assert done.returncode == 0


def test_the_rules_page_has_every_kind_and_every_field():
    from typing import get_args

    from agent.rules import Rule

    page = (DOCS / "rules.md").read_text()
    for kind in get_args(get_args(Rule)[0]):
        name = kind.model_fields["kind"].default
        part = page.split(f"## {name}\n")[1].split("\n## ")[0]
        own = set(kind.model_fields) - {"kind", "part", "origin", "support", "doubt"}
        assert [field for field in own if f"| `{field}` |" not in part] == []
        assert f"kind: {name}" in part


def test_the_site_builds_without_a_warning(tmp_path):
    pytest.importorskip("material", reason="the documentation's packages are not installed")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    pages = {p.relative_to(tmp_path / "site").as_posix() for p in (tmp_path / "site").rglob("*.html")}
    assert {"index.html", "rules.html", "security.html", "extend/matcher.html", "benchmarks/index.html"} <= pages
    outside = re.findall(
        r'(?:src|href)="(https?://[^"]+\.(?:css|js|woff2?))"', (tmp_path / "site/index.html").read_text()
    )
    assert outside == []


def test_the_tool_that_is_shown_tells_a_blurred_photo(wood):
    from scipy.ndimage import gaussian_filter

    meter = shown("tool").FocusMeter()
    sharp = load_sample(wood.references[0])
    blurred = sample_from_array(gaussian_filter(sharp.image, (2, 2, 0)))
    assert meter.measure(blurred).variance < meter.measure(sharp).variance / 4
    assert meter.measure(blurred).mean_grey == pytest.approx(meter.measure(sharp).mean_grey, abs=0.01)


def test_the_matcher_that_is_shown_gives_evidence_that_rises_with_the_difference_and_is_limited(wood):
    from types import SimpleNamespace

    from agent.calibration.maps import Calibration
    from agent.matchers.base import MatchInput, PhotoInputs, ReferenceInputs
    from agent.products.spec import Product, ProductSpec
    from agent.rules import MeasuredParts
    from agent.state import Context, Glance

    matcher, spec = shown("matcher").MeanColour(), ProductSpec(name="board", product="board")
    good = tuple(load_sample(r) for r in wood.references)
    state = matcher.fit(ReferenceInputs(None, spec, good))
    product = Product(spec, references=good, states={matcher.name: state})

    def llr(sample):
        scores = {matcher.name: matcher.score(PhotoInputs(None, product, sample), state)}
        glance = Glance((), (), MeasuredParts(()), scores=scores)
        (found,) = matcher.evidence(MatchInput(sample, product, glance, (), Context(SimpleNamespace(), Calibration())))
        return found.llr

    tinted = [
        sample_from_array(np.clip(good[0].image.astype(int) + np.array([k, 0, -k]), 0, 255).astype(np.uint8))
        for k in (40, 90)
    ]
    assert llr(good[0]) < 0 < llr(tinted[0]) < llr(tinted[1]) < matcher.default_map.limit
    assert matcher.fit(ReferenceInputs(None, spec, good[:1])).scores == ()
    assert matcher.score(PhotoInputs(None, product, good[0]), None) is None


def test_the_data_set_that_is_shown_is_measured_like_any_other(wood, tmp_path):
    from PIL import Image

    from evals.datasets.base import Category

    rows = ["file,label,split", "a.png,good,train", "b.png,good,train", "c.png,good,test", "d.png,structural,test"]
    for name, source in zip("abcd", (*wood.references[:2], *wood.photos[:2]), strict=True):
        Image.open(source).save(tmp_path / f"{name}.png")
    (tmp_path / "photos.csv").write_text("\n".join(rows))
    (category,) = shown("dataset").open_table(tmp_path)
    assert isinstance(category, Category)
    assert [case.label for case in category.cases] == ["good", "structural"]
    assert {r.name for r in category.references(2, 0)} == {"a.png", "b.png"}
    assert category.cases[1].photo().name == "d.png"
    (tmp_path / "photos.csv").write_text("file,label,split\na.png,fine,train\n")
    with pytest.raises(InputError, match=r"line 2: label 'fine'; accepted are good, logical, structural"):
        shown("dataset").open_table(tmp_path)


def test_the_profile_that_is_shown_inspects(wood):
    from looktwice import Inspector

    inspector = Inspector(str(DOCS / "examples" / "model.yaml"), looks=0)
    report = inspector.inspect(wood.photos[0], references=wood.references[:2])
    assert inspector.profile == "turned"
    assert 0 < report.verdict.score < 1
    assert report.models["features"]["name"] == "features"
