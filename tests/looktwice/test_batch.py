"""A batch loses nothing: it goes on where it stopped, keeps faults with their photos, and writes whole lines only."""

import errno
import json
import os
import sys
import threading
import time
import unicodedata
import urllib.request
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import batch_driver
from batch_driver import QuickInspector, batch, files, lines, photo, run

from agent.products.spec import Product, ProductSpec
from evals.run.results import RunSettings, claimed
from looktwice.batch.benchmark import bench_batch
from looktwice.batch.command import BatchSubject, inspect_many
from looktwice.batch.inputs import Watch
from looktwice.batch.observers import Counters
from looktwice.batch.records import (
    BatchOptions,
    InspectionJob,
    Journal,
    Names,
    PhotoOutcome,
    ResultLine,
    count_in_words,
    exit_status,
    kind_of,
)
from looktwice.batch.run import SignalStop, Tally
from looktwice.batch.start import chosen_workers
from looktwice.batch.workers import keeping_freed_memory
from looktwice.cli.output import Speaker
from tools.errors import InputError
from tools.files import is_device_name

SETTINGS = """{"benchmark": "world", "profile": "nano", "shots": 4, "seed": 0, "limit": 2, "split": "heldout",
"style": "plain", "categories": ["tray"], "looks": 3, "words": true}"""


@pytest.fixture
def folder(tmp_path):
    """Six good photos, one dark one and a text that is called a photo."""
    inside = tmp_path / "in"
    for n in range(6):
        photo(inside / f"{n}.png", 200 + n)
    photo(inside / "deep" / "dark.png", 10)
    (inside / "text.png").write_text("hello")
    return inside


def test_each_photo_has_one_line_with_its_report_or_why_there_is_none(folder, tmp_path):
    tally = run(batch(folder, tmp_path / "out"))
    found = {line["file"]: line for line in lines(tmp_path / "out")}
    assert sorted(found) == [*(f"{n}.png" for n in range(6)), "deep/dark.png", "text.png"]
    assert found["deep/dark.png"]["report"]["verdict"]["anomalous"]
    assert found["text.png"]["status"] == "refused"
    assert "holds text" in found["text.png"]["error"]
    assert tally.kinds == {"good": 6, "anomalous": 1, "refused": 1}
    assert tally.status == 2


def test_exit_status_is_one_with_an_anomalous_photo_and_zero_without(folder, tmp_path):
    (folder / "text.png").unlink()
    assert run(batch(folder, tmp_path / "a")).status == 1
    (folder / "deep" / "dark.png").unlink()
    assert run(batch(folder, tmp_path / "b")).status == 0


@pytest.mark.parametrize(
    ("changes", "kind"),
    [({"word": "unsure"}, "unsure"), ({"word": "good", "unchecked": ["number of screws"]}, "unchecked")],
)
def test_exit_status_is_three_where_a_photo_is_undecided_or_not_fully_checked(changes, kind):
    verdict = {"anomalous": False, "score": 0.4, "confidence": 0.6, "kinds": [], **changes}
    assert kind_of("inspected", {"verdict": verdict}) == kind
    assert exit_status({"good": 9, kind: 1}) == 3
    assert exit_status({kind: 9, "anomalous": 1}) == 1
    assert exit_status({kind: 1, "anomalous": 1, "failed": 1}) == 2
    assert Tally(before=Counter({kind: 1})).status == 3
    assert count_in_words({"good": 9, kind: 1}) == "10 inspected, 0 anomalous, 1 undecided or not fully checked"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_second_call_does_nothing_again_and_keeps_the_exit_status(folder, tmp_path, workers):
    out = tmp_path / "out"
    run(batch(folder, out), workers=workers)
    before = (out / "results.jsonl").read_bytes()
    told = []
    tally = run(batch(folder, out), workers=workers, on_outcome=told.append)
    assert told == []
    assert (out / "results.jsonl").read_bytes() == before
    assert tally.before == {"good": 6, "anomalous": 1, "refused": 1}
    assert tally.status == 2


def test_a_photo_whose_content_changed_is_inspected_again_and_another_name_too(folder, tmp_path):
    out = tmp_path / "out"
    run(batch(folder, out))
    photo(folder / "3.png", 20)
    (folder / "copy.png").write_bytes((folder / "2.png").read_bytes())
    tally = run(batch(folder, out))
    assert sum(tally.kinds.values()) == 2
    assert files(out).count("3.png") == 2
    assert files(out).count("copy.png") == 1


def test_a_folder_that_was_moved_goes_on(folder, tmp_path):
    run(batch(folder, tmp_path / "out"))
    folder.rename(tmp_path / "moved")
    assert not run(batch(tmp_path / "moved", tmp_path / "out")).kinds


def test_results_inside_the_inspected_folder_are_not_inspected(folder):
    out = folder / "out"
    run(batch(folder, out))
    photo(out / "0" / "overlay.png")
    assert not run(batch(folder, out)).kinds


def test_a_folder_of_other_options_is_refused_with_what_differs(folder, tmp_path):
    run(batch(folder, tmp_path / "out", options={"looks": 3}))
    with pytest.raises(InputError, match="--looks 3 there, 1 here"):
        run(batch(folder, tmp_path / "out", options={"looks": 1}))


def test_results_without_a_manifest_are_left_alone(folder, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "results.jsonl").write_text("mine\n")
    with pytest.raises(InputError, match=r"no manifest\.json"):
        run(batch(folder, tmp_path / "out"))
    assert (tmp_path / "out" / "results.jsonl").read_text() == "mine\n"


def test_a_batch_and_an_eval_run_are_not_mixed_in_one_folder(folder, tmp_path):
    settings = RunSettings.model_validate_json(SETTINGS)
    run(batch(folder, tmp_path / "batch"))
    with pytest.raises(InputError, match="holds the results of a batch"), claimed(tmp_path / "batch", settings):
        pass
    with claimed(tmp_path / "eval", settings):
        (tmp_path / "eval" / "predictions.jsonl").touch()
    with pytest.raises(InputError, match="holds a run of `looktwice eval`"):
        run(batch(folder, tmp_path / "eval"))


def test_two_runs_do_not_write_into_one_folder(folder, tmp_path):
    out = tmp_path / "out"
    seen = []

    def second(_):
        if not seen:
            with pytest.raises(InputError, match="another run writes"):
                run(batch(folder, out))
            seen.append(True)

    run(batch(folder, out), on_outcome=second)
    assert seen


def test_a_torn_last_line_is_cut_off_and_made_again(folder, tmp_path):
    out = tmp_path / "out"
    run(batch(folder, out))
    whole = (out / "results.jsonl").read_bytes()
    (out / "results.jsonl").write_bytes(whole[:-20])
    tally = run(batch(folder, out))
    assert sum(tally.kinds.values()) == 1
    assert len(files(out)) == len(set(files(out))) == 8


def test_a_line_that_the_disk_takes_half_of_is_taken_back(tmp_path, monkeypatch):
    journal = Journal(tmp_path / "results.jsonl")
    line = ResultLine.of(PhotoOutcome(InspectionJob(Path("a.png"), "a.png", None), "refused", "0" * 64, error="no"))
    journal.append(line)
    real, calls = os.write, []

    def half(file, data):
        if calls:
            raise OSError(errno.ENOSPC, "No space left on device")
        calls.append(1)
        return real(file, data[: len(data) // 2])

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(OSError, match="No space left"):
        journal.append(line)
    monkeypatch.undo()
    assert list(journal.lines()) == [line]
    journal.append(line)
    assert list(journal.lines()) == [line, line]
    journal.close()


def test_a_report_that_cannot_be_written_costs_that_photo(folder, tmp_path, monkeypatch):
    real = batch_driver.Report.save

    def full(self, target):
        if "2.png" in self.image:
            target.mkdir(parents=True, exist_ok=True)
            (target / "report.json").write_text("{")
            raise OSError(errno.EIO, "Input/output error")
        return real(self, target)

    monkeypatch.setattr(batch_driver.Report, "save", full)
    tally = run(batch(folder, tmp_path / "out"))
    assert tally.kinds["failed"] == 1
    assert files(tmp_path / "out", "failures.jsonl") == ["2.png"]
    assert not (tmp_path / "out" / "2").exists()
    assert not list((tmp_path / "out").glob(".*.part"))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_model_that_raises_and_want_of_memory_stay_with_their_photos(folder, tmp_path, workers):
    photo(folder / "raise.png")
    photo(folder / "memory.png")
    tally = run(batch(folder, tmp_path / "out"), workers=workers)
    failed = {line["file"]: line["error"] for line in lines(tmp_path / "out", "failures.jsonl")}
    assert sorted(failed) == ["memory.png", "raise.png"]
    assert "the segmenter answered nonsense" in failed["raise.png"]
    assert "MemoryError" in failed["memory.png"]
    assert tally.kinds == {"good": 6, "anomalous": 1, "refused": 1, "failed": 2}
    events = lines(tmp_path / "out", "log.jsonl")
    assert any("Traceback" in event.get("detail", "") for event in events)


def test_what_failed_is_tried_again_and_leaves_no_second_line(folder, tmp_path):
    photo(folder / "raise.png")
    run(batch(folder, tmp_path / "out"))
    tally = run(batch(folder, tmp_path / "out"))
    assert tally.kinds == {"failed": 1}
    assert files(tmp_path / "out", "failures.jsonl") == ["raise.png"]
    assert "raise.png" not in files(tmp_path / "out")


def test_a_photo_that_is_gone_when_its_turn_comes_fails_alone_and_is_inspected_when_it_is_back(folder, tmp_path):
    inputs = [folder / "0.png", folder / "gone.png", folder / "1.png"]
    tally = run(batch(inputs, tmp_path / "out"))
    assert tally.kinds == {"good": 2, "failed": 1}
    assert "no such file" in lines(tmp_path / "out", "failures.jsonl")[0]["error"]
    photo(folder / "gone.png")
    assert run(batch(inputs, tmp_path / "out")).kinds == {"good": 1}


def test_a_process_that_dies_costs_one_photo_at_most(folder, tmp_path):
    photo(folder / "die.png")
    photo(folder / "once.png")
    tally = run(batch(folder, tmp_path / "out"), workers=2)
    failed = lines(tmp_path / "out", "failures.jsonl")
    assert [line["file"] for line in failed] == ["die.png"]
    assert "signal 9" in failed[0]["error"]
    assert tally.kinds == {"good": 7, "anomalous": 1, "refused": 1, "failed": 1}
    assert len(files(tmp_path / "out")) == len(set(files(tmp_path / "out")))


def test_a_photo_that_takes_for_ever_is_given_up(folder, tmp_path):
    photo(folder / "hang.png")
    begun = time.monotonic()
    tally = run(batch(folder, tmp_path / "out"), workers=2, patience=10.0)
    assert time.monotonic() - begun < 55
    failed = lines(tmp_path / "out", "failures.jsonl")
    assert [line["file"] for line in failed] == ["hang.png"]
    assert "--patience" in failed[0]["error"]
    assert tally.kinds["good"] == 6


def test_one_process_and_several_give_the_same_lines_but_for_times(folder, tmp_path):
    run(batch(folder, tmp_path / "one"))
    run(batch(folder, tmp_path / "two"), workers=2)

    def answers(out):
        found = {}
        for line in lines(out):
            line["seconds"] = None
            if line["report"]:
                line["report"]["seconds"] = None
            found[line["file"]] = json.dumps(line)
        return found

    assert answers(tmp_path / "one") == answers(tmp_path / "two")


def test_no_more_photos_are_read_ahead_than_a_runner_has_room_for(tmp_path, monkeypatch):
    for n in range(40):
        photo(tmp_path / "in" / f"{n:02}.png")
    from looktwice.batch import workers as serial

    real, decoded, most = serial.decode, [], []
    monkeypatch.setattr(serial, "decode", lambda job: decoded.append(job) or real(job))
    run(batch(tmp_path / "in", tmp_path / "out"), slow=0.01, on_outcome=lambda _: most.append(len(decoded)))
    ahead = [read - n for n, read in enumerate(most, 1)]
    assert max(ahead) <= 1 + serial.AHEAD + serial.BEHIND + 1


def test_a_stop_ends_between_two_photos_and_the_next_call_goes_on(folder, tmp_path):
    stop = SignalStop()
    tally = run(batch(folder, tmp_path / "out"), stop=stop, on_outcome=lambda _: stop.ask())
    assert 1 <= sum(tally.kinds.values()) < 8
    run(batch(folder, tmp_path / "out"))
    assert len(files(tmp_path / "out")) == len(set(files(tmp_path / "out"))) == 8


def test_photos_that_come_later_are_inspected_once_they_are_whole(tmp_path):
    photo(tmp_path / "in" / "first.png")

    def come():
        time.sleep(0.4)
        photo(tmp_path / "in" / "later.png", 10)

    thread = threading.Thread(target=come)
    thread.start()
    tally = run(batch(tmp_path / "in", tmp_path / "out", watch=0.1, idle=2.5))
    thread.join()
    assert files(tmp_path / "out") == ["first.png", "later.png"]
    assert tally.status == 1


def test_a_file_that_still_grows_is_not_taken(tmp_path):
    now = [0.0]
    watch = Watch([tmp_path], tmp_path / "out", every=1.0, clock=lambda: now[0])

    def look():
        now[0] += 2
        return [found.name for found in watch.look()]

    path = tmp_path / "a.png"
    path.write_bytes(b"1")
    assert look() == []
    path.write_bytes(b"12")
    assert look() == []
    assert look() == ["a.png"]
    assert look() == []
    path.write_bytes(b"changed")
    assert look() == []
    assert look() == ["a.png"]


def test_names_of_report_folders_never_lead_out_and_never_collide():
    names = Names({"part"})
    given = [
        names.fresh(Path(p))
        for p in (
            "x/part.png",
            "x/Part.png",
            "x/PART-2.png",
            "e\u0301.png",
            "\u00e9.png",
            "CON.png",
            "nul.txt.png",
            "com1.png",
            "..png",
            "...png",
            ".png",
            "a\nb.png",
            "manifest.json.png",
            "é" * 200 + ".png",
            "con:1.png",
            "-rf.png",
            ".lock.png",
        )
    ]
    assert len({unicodedata.normalize("NFC", name).casefold() for name in given}) == len(given)
    assert "part" not in given
    assert not any(is_device_name(name) for name in given)
    for name in given:
        assert Path(name).name == name
        assert not name.startswith(".")
        assert name.isprintable()
        assert len(name.encode()) < 200


@pytest.mark.parametrize(("reports", "written"), [("all", 7), ("anomalous", 1), ("none", 0)])
def test_folders_are_written_of_the_photos_asked_for(folder, tmp_path, reports, written):
    run(batch(folder, tmp_path / "out"), reports=reports)
    assert len(list((tmp_path / "out").glob("*/report.json"))) == written
    assert sum(line["folder"] is not None for line in lines(tmp_path / "out")) == written


def test_counters_are_served_while_a_run_lasts():
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    counters = Counters(port)
    counters.outcome(
        PhotoOutcome(InspectionJob(Path("a.png"), "a.png", None), "refused", None, error="no", seconds={"decode": 0.5})
    )
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    assert 'looktwice_photos_total{kind="refused"} 1.0' in text
    assert 'looktwice_stage_seconds_total{stage="decode"} 0.5' in text
    with pytest.raises(InputError, match="--metrics-port"):
        Counters(port)
    from looktwice.batch.run import Tally

    counters.ended(Tally())


def test_processes_are_chosen_for_a_small_model_on_a_cpu_with_many_photos():
    assert chosen_workers(3, "cuda", "edge", 1) == 3
    assert chosen_workers(None, "cuda", "nano", 1000) == 1
    assert chosen_workers(None, "cpu", "nano", 3) == 1
    assert chosen_workers(None, "cpu", "edge", 1000) == 1
    with pytest.raises(InputError, match="--workers"):
        chosen_workers(0, "cpu", "nano", 1)


def test_the_bench_says_how_many_times_as_fast_a_batch_is():
    found = bench_batch(partial(batch_driver.QuickInspector, slow=0.1), images=24, workers=2)
    assert 1.2 < found.ratio < 2.5
    assert found.seconds["glance"] > 0
    assert 0.6 < found.efficiency < 1.3
    with pytest.raises(InputError, match="16 or more"):
        bench_batch(batch_driver.QuickInspector, images=3)


def test_memory_settings_reach_processes_that_start_meanwhile_and_leave_the_users_alone(monkeypatch):
    monkeypatch.setenv("MALLOC_TOP_PAD_", "7")
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    with keeping_freed_memory():
        assert int(os.environ["MALLOC_TRIM_THRESHOLD_"]) > 2**30
        assert os.environ["MALLOC_TOP_PAD_"] == "7"
    assert "MALLOC_TRIM_THRESHOLD_" not in os.environ
    assert os.environ["MALLOC_TOP_PAD_"] == "7"


def test_what_a_call_learns_is_known_by_its_photos_and_words_and_a_named_product_by_its_file(tmp_path):
    photos = [photo(tmp_path / f"{n}.png", n) for n in range(2)]
    file = tmp_path / "kit.yaml"

    def digest(named, normal="two bolts", **fields):
        ProductSpec(name="kit", product="kit", **fields).save(file)
        return BatchSubject(lambda _: None, file if fields else None, tuple(named), normal).digest()

    assert digest(photos) == digest(photos) != digest(photos[:1])
    assert digest(photos) != digest(photos, "three bolts")
    clean = digest(photos, defects=("hole",))
    assert clean == digest(photos, defects=("hole",)) != digest(photos, defects=("dent",))
    assert clean != digest(photos, defects=("hole",), references=(photos[0],))
    with pytest.raises(InputError, match=r"none\.png"):
        digest([tmp_path / "none.png"])


def test_a_finished_batch_is_told_again_without_opening_an_inspector(folder, tmp_path, capsys):
    (folder / "text.png").unlink()

    def called(opener):
        subject = BatchSubject(lambda _: Product(ProductSpec(name="quick", product="quick")))
        (tmp_path / "out").mkdir(exist_ok=True)
        return inspect_many([folder], tmp_path / "out", opener, subject, BatchOptions(), Speaker(json=False))

    first = called(partial(QuickInspector, "nano"))
    closed = partial(lambda *_: pytest.fail("it opened an inspector"), "nano")
    assert called(closed) == first == 1
    assert "7 inspected, 1 anomalous, 0 refused, 0 failed (7 of them before)" in capsys.readouterr().err
    photo(folder / "new.png", 10)
    assert called(partial(QuickInspector, "nano")) == 1
    assert "8 inspected, 2 anomalous, 0 refused, 0 failed (7 of them before)" in capsys.readouterr().err
