"""A product that no embedded model has seen: learned as the documents show it, and judged by what a person edits."""

import re
from pathlib import Path

import pytest

from agent import Inspector
from agent.products.spec import ProductSpec
from nano.world import write_world

SHOWN = Path(__file__).parents[2] / "docs" / "examples" / "circuit_board.yaml"
EDITED = "count of part D"


@pytest.fixture(scope="module")
def boards(tmp_path_factory):
    """The photos of the page, written as its command writes them."""
    folder = tmp_path_factory.mktemp("world") / "photos"
    write_world(folder, seed=7, families=["circuit_board"], count=6)
    return folder / "circuit_board"


@pytest.fixture(scope="module")
def inspector():
    return Inspector("nano", device="cpu")


@pytest.fixture(scope="module")
def product(inspector, boards):
    return inspector.learn("circuit_board", [boards / "train" / "good" / f"{n:03d}.png" for n in range(4)])


def test_it_is_learned_as_the_documents_show_it(product):
    shown = ProductSpec.load(SHOWN)
    assert [rule.name for rule in product.spec.rules] == [rule.name for rule in shown.rules]
    counts = [{r.name: (r.low, r.high) for r in spec.rules if r.kind == "count"} for spec in (product.spec, shown)]
    assert counts[0] == counts[1]
    assert counts[0][EDITED] == (3, 3)


def test_one_number_edited_in_its_file_changes_the_verdict_on_a_good_board(inspector, product, boards, tmp_path):
    path = tmp_path / "circuit_board.yaml"
    product.spec.save(path)
    before = path.read_text()
    start = before.index("# Count of 'part D'")
    edited = before[:start] + before[start:].replace("low: 3", "low: 4", 1).replace("high: 3", "high: 4", 1)
    path.write_text(edited)
    photo = boards / "test" / "good" / "001.png"
    good, bad = (inspector.inspect(photo, product=p) for p in (product, inspector.load(path)))
    assert not good.verdict.anomalous
    assert bad.verdict.anomalous
    assert bad.verdict.score > good.verdict.score + 0.3
    said = " ".join(sentence.text for sentence in bad.explanation)
    assert re.search(r"3 [a-z ]*parts?( \d)?, expected 4|are 3 [a-z ]*parts?( \d)?; there should be 4", said)
    assert "expected 4" not in " ".join(sentence.text for sentence in good.explanation)
