"""A batch removes nothing that this program did not write, whatever its output folder holds."""

import json
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from batch_driver import batch, lines, photo, run

from agent.report.files import open_report, remove_report, replaceable
from looktwice.batch.records import BatchOptions, Names
from looktwice.batch.workers import save_whole
from looktwice.cli.inspect import DecisionOptions, OutputOptions, ProductOptions, inspect
from looktwice.cli.options import ModelOptions
from looktwice.cli.output import refuse_nested
from tools.errors import InputError

EXAMPLES = Path(__file__).parents[2] / "looktwice" / "examples"


def listing(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_an_output_folder_that_is_or_contains_an_input_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    wood = tmp_path / "w"
    shutil.copytree(EXAMPLES / "wood", wood)
    before = listing(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(wood)
    for out in (wood, tmp_path, Path(), Path("w/../w"), tmp_path / "link"):
        with pytest.raises(InputError, match="--out is the input folder"):
            inspect(
                [Path("w")], ProductOptions(), OutputOptions(out=out), ModelOptions(), DecisionOptions(), BatchOptions()
            )
    (tmp_path / "link").unlink()
    assert listing(tmp_path) == before
    refuse_nested(wood / "out", [wood])


def test_a_folder_that_bears_a_photos_stem_stays_and_the_report_gets_another_name(tmp_path):
    inside, out = tmp_path / "in", tmp_path / "out"
    photo(inside / "good.png")
    photo(inside / "file.png")
    photo(inside / "link.png")
    photo(out / "good" / "mine.png")
    (out / "file").write_text("mine")
    photo(tmp_path / "elsewhere" / "mine.png")
    (out / "link").symlink_to(tmp_path / "elsewhere")
    before = listing(out)
    run(batch(inside, out))
    after = listing(out)
    assert {name: after.get(name) for name in before} == before
    assert (tmp_path / "elsewhere" / "mine.png").exists()
    assert {line["folder"] for line in lines(out)} == {"good-2", "file-2", "link-2"}


def test_part_folders_of_others_stay_and_those_of_a_killed_run_go(tmp_path):
    photo(tmp_path / "in" / "a.png")
    out = tmp_path / "out"
    photo(out / ".mine.part" / "mine.png")
    (out / ".left.part").mkdir()
    (out / ".left.part" / "report.json").write_text("{")
    run(batch(tmp_path / "in", out))
    assert (out / ".mine.part" / "mine.png").exists()
    assert not (out / ".left.part").exists()


def test_a_part_folder_in_the_way_costs_that_report_and_stays(tmp_path):
    photo(tmp_path / "in" / "a.png")
    photo(tmp_path / "out" / ".a.part" / "mine.png")
    assert run(batch(tmp_path / "in", tmp_path / "out")).kinds == {"failed": 1}
    assert (tmp_path / "out" / ".a.part" / "mine.png").exists()


@pytest.mark.parametrize(
    ("names", "ours"),
    [
        ([], True),
        (["report.json", "report.html", "overlay.png"], True),
        ([".looktwice-report"], True),
        ([".looktwice-report", "report.json", "notes.txt"], False),
        (["overlay.png"], False),
        (["photo.png"], False),
    ],
)
def test_a_folder_is_replaced_only_if_it_is_a_report_and_nothing_else(tmp_path, names, ours):
    folder = tmp_path / "part"
    folder.mkdir()
    for name in names:
        (folder / name).write_text("x")
    assert replaceable(folder) is ours
    assert remove_report(folder) is ours
    assert ours or sorted(p.name for p in folder.iterdir()) == sorted(names)
    assert Names(set(), tmp_path).fresh(Path("part.png")) == ("part" if ours else "part-2")


def test_a_report_on_another_photo_of_that_name_is_kept(tmp_path):
    for name in ("hole/000.png", "good/000.png"):
        folder = Names(set(), tmp_path).fresh(Path(name), name)
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "report.json").write_text(json.dumps({"schema": "looktwice/1", "image": name}))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["000", "000-2"]
    again = [Names(set(), tmp_path).fresh(Path(name), name) for name in ("hole/000.png", "good/000.png")]
    assert again == ["000", "000-2"]


def test_a_report_is_not_saved_over_foreign_files_or_through_links(tmp_path):
    mine = tmp_path / "mine.png"
    mine.write_text("mine")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "overlay.png").symlink_to(mine)
    (folder / "photo.png").write_text("mine")
    with pytest.raises(InputError, match="not a report of this program"):
        open_report(folder)
    (folder / ".looktwice-report").touch()
    open_report(folder)
    assert not (folder / "overlay.png").exists()
    assert mine.read_text() == "mine"
    assert (folder / "photo.png").read_text() == "mine"


def test_a_folder_that_appears_meanwhile_is_refused_in_one_sentence(tmp_path):
    photo(tmp_path / "part" / "mine.png")
    with pytest.raises(InputError, match="is not a report of this program and stays"):
        save_whole(None, tmp_path / "part")
    assert (tmp_path / "part" / "mine.png").exists()
