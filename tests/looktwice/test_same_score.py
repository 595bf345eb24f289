"""A verdict depends on the photo, the product and the options, not on where it is asked for."""

import json
from functools import partial
from pathlib import Path

import pytest
from command_line import looktwice
from PIL import Image

from looktwice import Inspector
from looktwice.batch.command import BatchSubject, inspect_many
from looktwice.batch.records import BatchOptions
from looktwice.cli.output import Speaker
from looktwice.examples import examples
from looktwice.page.engine import Engine
from looktwice.products import ProductStore


@pytest.fixture
def photos(tmp_path):
    """A photo and a reference, small ones."""
    wood = next(e for e in examples() if e.name == "wood")
    paths = tmp_path / "photo.png", tmp_path / "good.png"
    for path, source in zip(paths, (wood.photos[-1], wood.references[0]), strict=True):
        Image.open(source).convert("RGB").resize((64, 64)).save(path)
    return paths


def test_python_the_page_a_batch_and_the_command_line_give_one_photo_the_same_verdict(photos, tmp_path, monkeypatch):
    (photo, good), inspector, asked = photos, Inspector("nano"), {}
    by_python = inspector.inspect(photo, references=[good], normal="one board")
    engine = Engine(lambda: inspector, ProductStore(tmp_path / "products"))
    by_page, _ = engine.inspect(
        photo,
        product=None,
        references=[good],
        normal="one board",
        on_step=lambda *_: None,
        on_place=lambda ahead: None,
    )
    (tmp_path / "batch").mkdir()
    learn = partial(Inspector.learn, name="product", references=[good], describe="one board")
    subject = BatchSubject(learn, references=(good,), normal="one board")
    opener = partial(lambda profile: inspector, "nano")
    inspect_many([photo], tmp_path / "batch", opener, subject, BatchOptions(), Speaker(json=False))
    by_batch = json.loads((tmp_path / "batch" / "results.jsonl").read_text())["report"]

    def opened(*arguments, **options):
        asked.update(Inspector(*arguments, **options)._made_with)
        return inspector

    monkeypatch.setattr("looktwice.cli.inspect.Inspector", opened)
    called = looktwice("inspect", photo, "--ref", good, "--normal", "one board", "--json", "--profile", "nano")
    by_call = json.loads(called.stdout)

    assert asked == inspector._made_with
    plain = [json.loads(report.to_json()) for report in (by_python, by_page)]
    for name in ("verdict", "evidence", "explanation", "references", "product"):
        assert all(report[name] == plain[0][name] for report in (plain[1], by_batch, by_call)), name
    assert {Path(report["image"]).name for report in (*plain, by_batch, by_call)} == {"photo.png"}
