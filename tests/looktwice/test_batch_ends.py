"""What a batch cannot go on with ends it: removed results, a full disk; a wall clock that jumps does not."""

import errno
import os
import shutil
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from batch_driver import batch, files, lines, photo, run
from command_line import looktwice

from looktwice.batch.records import InspectionJob, Journal, PhotoOutcome, ResultLine
from looktwice.cli.output import given_text
from tools.errors import InputError


@pytest.fixture
def folder(tmp_path):
    """Twelve good photos."""
    for n in range(12):
        photo(tmp_path / "in" / f"{n:02d}.png", 200 + n)
    return tmp_path / "in"


def moved(out):
    out.rename(out.with_name("elsewhere"))


def gone(out):
    # Renamed first: another worker may write into the folder while its files are removed one by one.
    moved(out)
    shutil.rmtree(out.with_name("elsewhere"))


def replaced(out):
    moved(out)
    out.mkdir()


def results_alone(out):
    (out / "results.jsonl").unlink()


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("attack", [gone, moved, replaced, results_alone])
def test_a_run_whose_results_are_taken_away_says_so_and_stops(folder, tmp_path, capsys, attack, workers):
    told = []

    def after_three(outcome):
        told.append(outcome)
        if len(told) == 3:
            attack(tmp_path / "out")

    with pytest.raises(InputError, match="removed or replaced"):
        run(batch(folder, tmp_path / "out"), workers=workers, on_outcome=after_three)
    assert len(told) == 3
    assert capsys.readouterr().err == ""
    if attack is replaced:
        assert not list((tmp_path / "out").glob("*.jsonl"))


def test_results_that_are_taken_away_after_the_last_photo_are_missed(folder, tmp_path):
    told = []

    def after_all(outcome):
        told.append(outcome)
        if len(told) == 12:
            gone(tmp_path / "out")

    with pytest.raises(InputError, match="removed or replaced"):
        run(batch(folder, tmp_path / "out"), on_outcome=after_all)


def test_another_file_at_the_path_of_the_results_is_noticed(tmp_path):
    journal = Journal(tmp_path / "results.jsonl")
    line = ResultLine.of(PhotoOutcome(InspectionJob(Path("a.png"), "a.png", None), "refused", "0" * 64, error="no"))
    journal.append(line)
    (tmp_path / "results.jsonl").rename(tmp_path / "old")
    (tmp_path / "results.jsonl").write_text("")
    with pytest.raises(InputError, match=r"results\.jsonl: was removed or replaced"):
        journal.append(line)
    journal.close()
    assert (tmp_path / "results.jsonl").read_text() == ""


def no_room(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_at_a_line_is_said_once_and_stops_the_run_and_the_next_call_goes_on(
    folder, tmp_path, monkeypatch, capsys
):
    real, calls, told = os.write, [], []

    def full(descriptor, data):
        if b'"file"' in bytes(data):
            calls.append(1)
            if len(calls) > 3:
                no_room()
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(InputError, match=r"No space left on device\).*the run stops"):
        run(batch(folder, tmp_path / "out"), on_outcome=told.append)
    monkeypatch.undo()
    assert len(told) == 3
    assert capsys.readouterr().err == ""
    assert run(batch(folder, tmp_path / "out")).kinds == {"good": 9}
    assert len(set(files(tmp_path / "out"))) == 12


@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_at_a_report_is_said_once_and_stops_the_run(folder, tmp_path, monkeypatch, capsys, workers):
    out = tmp_path / "out"
    monkeypatch.setenv("BATCH_DRIVER_FULL", "1")
    told = []
    with pytest.raises(InputError, match="No space left on device"):
        run(batch(folder, out), workers=workers, on_outcome=told.append)
    assert told == []
    assert lines(out) == lines(out, "failures.jsonl") == []
    assert capsys.readouterr().err == ""
    monkeypatch.undo()
    assert run(batch(folder, out)).kinds == {"good": 12}


def test_a_log_that_cannot_be_written_is_said_once(folder, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "log.jsonl").mkdir()
    assert run(batch(folder, tmp_path / "out")).kinds == {"good": 12}
    assert capsys.readouterr().err.count("log.jsonl") == 1


def test_a_wall_clock_that_jumps_gives_no_photo_up(folder, tmp_path, monkeypatch):
    photo(folder / "hang.png")
    real, jump = time.time, []
    monkeypatch.setattr(time, "time", lambda: real() + sum(jump))

    def after_each(_):
        jump.append(3600 * (24 if len(jump) % 3 else -48))  # back two days, and on by one and one more

    tally = run(batch(folder, tmp_path / "out"), workers=2, slow=0.5, patience=12.0, on_outcome=after_each)
    assert tally.kinds == {"good": 12, "failed": 1}
    (failed,) = lines(tmp_path / "out", "failures.jsonl")
    assert (failed["file"], "took longer than 12 s" in failed["error"]) == ("hang.png", True)


@pytest.mark.parametrize("command", ["inspect", "inspect --out out", "chat", "learn"])
def test_a_text_that_is_too_long_or_no_text_is_refused_before_any_work(tmp_path, command):
    name, *more = command.split()
    photo(tmp_path / "a.png")
    for option, most in (("--normal", 10_000), ("--question", 2_000), ("--describe", 10_000)):
        if (option == "--describe") != (name == "learn") or (option, name) == ("--question", "chat"):
            continue
        arguments = ("tray", tmp_path / "a.png") if name == "learn" else (tmp_path / "a.png",)
        where = [str(tmp_path / "out") if m == "out" else m for m in more]
        for text, said in (("x" * (most + 1), "at most"), (os.fsdecode(b"\xff"), "not UTF-8")):
            result = looktwice(name, *arguments, option, text, *where, "--profile", "nano")
            assert (result.returncode, result.stdout) == (2, "")
            assert result.stderr.startswith(f"looktwice: {option}: ")
            assert said in result.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_a_text_in_the_bytes_of_another_locale_is_understood():
    assert given_text("--normal", "two \udcc3\udca9", 10) == "two \u00e9"
