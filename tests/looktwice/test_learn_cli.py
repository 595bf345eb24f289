"""`looktwice learn`: words alone, photos, and a product file edited, tested and revised."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import looktwice

from agent.products.spec import ProductSpec
from looktwice.examples import examples


@pytest.fixture
def kit(tmp_path):
    words = "two short screws, one long screw; it looks nice"
    result = looktwice("learn", "kit", "--describe", words, "--profile", "nano", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    return tmp_path, result.stdout


def test_words_alone_become_a_file_and_what_is_no_rule_is_listed(kit):
    folder, said = kit
    text = (folder / "products" / "kit.yaml").read_text()
    assert "groups: [1, 2]" in text
    assert "unruled: [it looks nice]" in text
    assert "not turned into a rule: 'it looks nice'" in said


def test_nothing_to_learn_from_is_refused(tmp_path):
    result = looktwice("learn", "kit", cwd=tmp_path)
    assert result.returncode == 2
    assert "--describe" in result.stderr


def test_an_edit_that_breaks_the_file_is_named_with_its_line(kit):
    folder, _ = kit
    good = looktwice("learn", "kit", "--edit", cwd=folder, EDITOR="sed -i 's/high: 3/high: 4/'", VISUAL="")
    assert good.returncode == 0, good.stderr
    assert "high 3 -> 4" in good.stdout
    bad = looktwice("learn", "kit", "--edit", cwd=folder, EDITOR="sed -i 's/high: 4/high: none/'", VISUAL="")
    assert bad.returncode == 2
    assert "field rules.0.high" in bad.stderr
    assert "line" in bad.stderr


def test_without_an_editor_it_says_what_to_set(kit):
    folder, _ = kit
    result = looktwice("learn", "kit", "--edit", cwd=folder, EDITOR="", VISUAL="")
    assert result.returncode == 2
    assert "EDITOR" in result.stderr


def test_the_schema_is_json_and_nothing_else(tmp_path):
    result = looktwice("learn", "--schema", cwd=tmp_path)
    assert json.loads(result.stdout)["title"] == "ProductSpec"


def test_two_ways_of_revising_at_once_are_refused(tmp_path):
    result = looktwice("learn", "kit", "--add", "--reject", "x.png", cwd=tmp_path)
    assert result.returncode == 2
    assert "exclude each other" in result.stderr


def test_photos_of_a_defect_are_kept_as_examples_beside_the_product(tmp_path):
    wood = next(e for e in examples() if e.name == "wood")
    assert looktwice("learn", "wood", *wood.references, "--profile", "nano", cwd=tmp_path).returncode == 0
    hole = next(path for path in wood.photos if path.stem == "hole")
    taught = looktwice("learn", "wood", hole, "--defect", "hole", "--profile", "nano", cwd=tmp_path)
    assert (taught.returncode, "hole: 1 example" in taught.stdout) == (0, True), taught.stderr
    assert (tmp_path / "products" / "wood.defects.safetensors").stat().st_size > 0
    alone = looktwice("learn", "wood", hole, "--mask", hole, "--profile", "nano", cwd=tmp_path)
    assert alone.returncode == 2 and "--defect" in alone.stderr


def test_a_test_says_of_each_photo_which_rules_fire(kit):
    folder, _ = kit
    (example, *_) = examples()
    result = looktwice("learn", "kit", "--test", example.photos[0], "--profile", "nano", cwd=folder)
    assert result.returncode == 0, result.stderr
    assert "rules fire" in result.stdout
    assert "screw" in result.stdout


def test_a_product_is_replaced_only_with_force_and_then_kept_as_a_copy(kit):
    folder, _ = kit
    file = folder / "products" / "kit.yaml"
    before = file.read_bytes()
    again = ("learn", "kit", "--describe", "three nuts", "--profile", "nano")
    refused = looktwice(*again, cwd=folder)
    assert refused.returncode == 2 and "--force" in refused.stderr
    assert "rules from 0 references" in refused.stderr and "kit.yaml.bak" in refused.stderr
    assert file.read_bytes() == before
    assert looktwice(*again, "--force", cwd=folder).returncode == 0
    assert file.read_bytes() != before
    assert (folder / "products" / "kit.yaml.bak").read_bytes() == before
    second = file.read_bytes()
    third = looktwice(*again[:3], "four nuts", *again[4:], "--force", cwd=folder)
    assert "learning from words: finding parts (1 of 3)" in third.stderr
    assert (folder / "products" / "kit.yaml.bak").read_bytes() == before
    assert (folder / "products" / "kit.yaml.bak2").read_bytes() == second


def test_of_two_calls_that_learn_one_name_at_once_one_is_refused(tmp_path):
    from tools.files import exclusive

    (tmp_path / "products").mkdir()
    with exclusive(tmp_path / "products" / "kit.yaml"):
        result = looktwice("learn", "kit", "--describe", "three nuts", "--profile", "nano", cwd=tmp_path)
    assert result.returncode == 2 and "another program" in result.stderr
    assert not (tmp_path / "products" / "kit.yaml").exists()


def test_a_kill_while_a_product_file_is_written_leaves_a_whole_one(kit):
    folder, _ = kit
    file = folder / "products" / "kit.yaml"
    write = (
        "from pathlib import Path; from agent.products.spec import ProductSpec; import sys\n"
        "spec = ProductSpec.load(Path(sys.argv[1]))\nprint('go', flush=True)\nwhile True: spec.save(Path(sys.argv[1]))"
    )
    for wait in (0.01, 0.02, 0.05, 0.08, 0.13):
        writer = subprocess.Popen(
            [sys.executable, "-c", write, str(file)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        writer.stdout.readline()
        time.sleep(wait)
        writer.kill()
        writer.wait()
        writer.stdout.close()
        assert ProductSpec.load(file).parts
