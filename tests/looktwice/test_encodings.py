"""File names of any bytes and terminals of any encoding give whole results and valid JSON."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from batch_driver import batch, lines, photo, run
from command_line import looktwice as here

from agent.report.files import write_report
from agent.report.model import InspectionReport
from looktwice.batch.records import shown_name
from looktwice.examples import examples

MAIN = "from looktwice.cli import main; main()"
RAW = os.fsdecode(b"\xff.png")
LITERAL = "\\xff.png"


def looktwice(*arguments, **environment):
    """The command line on raw bytes; arguments may hold names that are not UTF-8."""
    return subprocess.run(
        [sys.executable, "-c", MAIN, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=300,
        check=False,
        env={**os.environ, **environment},
    )


@pytest.fixture
def wood(tmp_path):
    """Bytes of a photo of a good part."""
    return next(e for e in examples() if e.name == "wood").photos[0].read_bytes()


def in_a_process(*arguments, encoding):
    """The command line in a process whose locale has no other characters than ASCII."""
    result = looktwice(*arguments, LC_ALL="C", PYTHONIOENCODING=encoding, PYTHONUTF8="0")
    return result.returncode, result.stdout.decode(encoding), result.stderr.decode(encoding)


@pytest.mark.parametrize("folder", [False, True])
def test_a_name_that_is_not_utf_8_gives_whole_reports_and_json(tmp_path, wood, folder):
    inside, out = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    (inside / RAW).write_bytes(wood)
    call = here if folder else in_a_process
    status, said, complaints, *_ = call(
        "inspect", inside if folder else inside / RAW, "--out", out, "--json", "--profile", "nano", encoding="utf-8"
    )
    assert status in (0, 1, 3), complaints
    (line,) = said.splitlines()
    assert json.loads(line)["image"].endswith(shown_name(f"{inside}/{RAW}")[-16:])
    (written,) = out.glob("*/report.json")
    assert json.loads(written.read_bytes().decode("utf-8"))["image"] == json.loads(line)["image"]
    for name in ("report.html", "overlay.png"):
        assert (written.parent / name).stat().st_size > 0
    (written.parent / "report.html").read_bytes().decode("utf-8")


@pytest.mark.parametrize(
    ("encoding", "call", "ways"),
    [("ascii", in_a_process, 1), ("ascii", here, 3), ("cp1252", here, 2), ("utf-8", here, 1)],
)
def test_a_terminal_of_another_encoding_does_not_end_the_run(tmp_path, wood, encoding, call, ways):
    (tmp_path / "\u00e9\u4e2d.png").write_bytes(wood)
    (tmp_path / RAW).write_text("no photo")
    (tmp_path / "\u4e2d-text.png").write_text("no photo")
    photos = sorted(tmp_path.iterdir())
    for more in (("--json",), (), ("--out", tmp_path / "out"))[:ways]:
        status, told, complaints = call("inspect", *photos, *more, "--profile", "nano", encoding=encoding)
        assert status == 2, complaints
        assert "Traceback" not in complaints
        assert "1 inspected" in complaints
        if "--json" in more:
            assert json.loads(told)["image"].endswith("\u00e9\u4e2d.png")


def test_a_reference_whose_name_is_not_utf_8_is_told_in_characters(tmp_path, wood):
    (tmp_path / RAW).write_bytes(wood)
    (tmp_path / "a.png").write_bytes(wood)
    arguments = ("--ref", tmp_path / RAW, "--json", "--out", tmp_path / "out", "--profile", "nano")
    result = here("inspect", tmp_path / "a.png", *arguments)
    assert result.returncode in (0, 1, 3), result.stderr
    assert json.loads(result.stdout)["references"] == ["\\xff.png"]


def test_two_names_that_would_be_shown_alike_have_a_row_and_a_report_each(tmp_path):
    photo(tmp_path / "in" / RAW, 10)
    photo(tmp_path / "in" / LITERAL, 10)
    for _ in range(2):
        tally = run(batch(tmp_path / "in", tmp_path / "out"))
        assert (tally.kinds + tally.before) == {"anomalous": 2}
        rows = lines(tmp_path / "out")
        assert sorted(row["file"] for row in rows) == [LITERAL, "\\xff~1fee893c.png"]
        assert len({row["folder"] for row in rows}) == 2
        assert all((tmp_path / "out" / row["folder"] / "report.json").stat().st_size for row in rows)


def test_no_literal_name_takes_the_shown_name_of_another():
    raw = shown_name(RAW)
    assert len({raw, shown_name(raw), shown_name(shown_name(raw)), shown_name(LITERAL)}) == 4
    assert shown_name("a/\u00e9 b.png") == "a/\u00e9 b.png"


def test_texts_that_utf_8_cannot_hold_are_escaped_in_a_report(tmp_path, monkeypatch):
    from agent import Inspector

    example = next(e for e in examples() if e.name == "wood")
    report = Inspector("nano", looks=0).inspect(example.photos[0])
    spoiled = report.model_copy(update={"answer": "\udcff \ud800"}).with_pixels_of(report)
    folder = write_report(spoiled, tmp_path / "out")
    read = InspectionReport.model_validate(
        json.loads((folder / "report.json").read_text(encoding="utf-8")) | {"answer": None}
    )
    assert read.verdict == report.verdict
    (folder / "report.html").read_text(encoding="utf-8")
