"""The page's pieces without a browser: order of turns, stopping, escaping, names, files, passwords, words."""

import csv
import io
import json
import os
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command_line import looktwice

from agent.events import StepEvent, Suspicion
from agent.products.spec import Product, ProductSpec
from looktwice.page.app import PageSettings, refuse_exposure
from looktwice.page.engine import FairQueue
from looktwice.page.logins import password_check
from looktwice.page.progress import Live, StopFlag, Stopped, WorkFailure, WorkResult, streamed
from looktwice.page.sessions import Visits, VisitTurn
from looktwice.page.tabs.batch import BatchRow, as_coco, as_csv, as_html, table_html, unique
from looktwice.page.tabs.evals import PredictionLine, read_run, run_html, runs_in, worst
from looktwice.page.words import LANGUAGES, words_in
from looktwice.products import ProductStore, parse, safe_name
from prompts import load_yaml, ready_made, render
from tools.errors import InputError
from tools.images import sample_from_array

EVIL = "<script>alert('x')</script>"
WORDS = words_in("en")


def test_turns_are_given_in_order_of_arrival_and_places_are_told():
    line, order, places = FairQueue(), [], {}
    opened = threading.Event()

    def visitor(n):
        with line.turn(lambda ahead: places.setdefault(n, ahead)):
            if n == 0:
                opened.wait(10)
            order.append(n)

    threads = []
    for n in range(9):
        threads.append(threading.Thread(target=visitor, args=(n,)))
        threads[-1].start()
        while line.waiting < n + 1:
            time.sleep(0.005)
    while len(places) < 8:
        time.sleep(0.01)
    opened.set()
    [t.join(10) for t in threads]
    assert order == list(range(9))
    assert places == {n: n for n in range(1, 9)}


def test_progress_shows_what_each_step_found_and_where_is_looked_again():
    live, aimed = Live(WORDS), {"hypothesis": "region 1", "kind": "structural", "action": "zoom", "value": 0.1}
    live.step(StepEvent(step="intake", seconds=0.1, image="part.png", size=(200, 100), references=("good.png",)))
    live.step(StepEvent(step="propose", seconds=0.0))
    live.step(StepEvent(step="glance", seconds=0.5, places=(2, 1), parts=4))
    live.step(StepEvent(step="suspect", seconds=0.0, suspected=Suspicion(**aimed, box=(1, 2, 3, 4), menu=())))
    found = [step.found for step in live.steps]
    assert found == ["200 x 100 pixels, 1 good photos", "", "3 places stand out, 4 parts", "open: region 1"]
    assert (live.now, "is-looking" in live.html()) == ("look_again", False)
    live.shows(sample_from_array(np.zeros((100, 200, 3), np.uint8)))
    assert "left:100.0%" not in live.html() and "left:0.5%" in live.html()
    live.step(StepEvent(step="suspect", seconds=0.0))
    assert (live.now, live.steps[-1].found) == ("judge", "decided, no second look is worth its time")


def test_who_leaves_the_line_holds_nobody_up():
    line = FairQueue()

    def gone(ahead):
        raise KeyError(ahead)

    with line.turn():
        with pytest.raises(KeyError), line.turn(gone):
            pass
        assert line.waiting == 1
    with line.turn():
        pass


def test_stopping_ends_the_work_at_its_next_word():
    stop, reached = StopFlag(), []

    def work(say):
        for n in range(1000):
            say(n)
            reached.append(n)
            time.sleep(0.01)

    stream = streamed(work, stop)
    assert next(stream) == 0
    stop.set()
    *_, last = stream
    assert isinstance(last, Stopped)
    assert len(reached) < 100


def test_a_reader_that_goes_away_stops_the_work():
    stop = StopFlag()
    ended = threading.Event()

    def work(say):
        try:
            while True:
                say(1)
                time.sleep(0.005)
        finally:
            ended.set()

    stream = streamed(work, stop)
    next(stream)
    stream.close()
    assert ended.wait(5)


def test_a_failing_model_is_told_from_bad_input():
    def broken(say):
        raise MemoryError("out of memory")

    def refused(say):
        raise InputError("the photo is empty; give another.")

    (inside,) = streamed(broken, StopFlag())
    (outside,) = streamed(refused, StopFlag())
    assert isinstance(inside, WorkFailure) and inside.inside and "MemoryError" in inside.reason
    assert isinstance(outside, WorkFailure) and not outside.inside
    assert [type(x) for x in streamed(lambda say: 3, StopFlag())] == [WorkResult]


def test_user_text_is_escaped_in_every_template():
    chat = render("page/chat.html.jinja", words=WORDS, log=[VisitTurn("user", ((EVIL, (EVIL,)),))])
    trouble = render("page/trouble.html.jinja", kind="note", title=EVIL, text=EVIL)
    rows = [BatchRow(EVIL, None, None, EVIL)]
    table = table_html(rows, WORDS, threshold=0.5, shown="all", told=EVIL)
    page = as_html(rows, WORDS, 0.5, "body {}")
    for html in (chat, trouble, table, page):
        assert "<script" not in html
        assert "&lt;script" in html


def test_names_that_mean_something_elsewhere_are_made_harmless():
    assert safe_name("../../etc/passwd") == "passwd"
    assert not set("<>/\\&\"'") & set(safe_name(EVIL + ".png"))
    assert unique(["a.png", "a.png", "a-2.png"]) == ["a.png", "a-2.png", "a-2-2.png"]


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "CON", EVIL, "x" * 61])
def test_a_products_name_cannot_lead_out_of_the_folder(tmp_path, name):
    with pytest.raises(InputError):
        ProductStore(tmp_path).path(name)


def test_an_uploaded_product_cannot_name_photos_from_elsewhere(tmp_path):
    text = "name: spy\nproduct: spy\nreferences: [/etc/hostname.png]\n"
    with pytest.raises(InputError, match="outside"):
        ProductStore(tmp_path / "products").write("spy", text)
    assert not (tmp_path / "products" / "spy.yaml").exists()


def test_products_that_were_learned_come_first_and_ready_made_ones_can_be_read_and_kept_as_ones_own(tmp_path):
    store = ProductStore(tmp_path / "products")
    assert store.names() == list(ready_made()) and "bottle" in store.names()
    assert store.read("bottle").name == "bottle" and store.file("bottle").parent != store.folder
    store.write("bottle", store.text("bottle").replace("version: 1", "version: 1  # mine"))
    assert store.names()[0] == "bottle" and len(store.names()) == len(ready_made())
    assert "mine" in store.text("bottle") and store.file("bottle").parent == store.folder
    with pytest.raises(InputError, match="learn it first"):
        store.text("kettle")


def test_a_project_with_its_products_and_photos_can_be_moved(tmp_path):
    project, elsewhere = tmp_path / "project", tmp_path / "elsewhere.png"
    inside = [project / "products" / "tray.photos" / "a.png", project / "photos" / "b.png"]
    spec = ProductSpec(name="tray", product="tray", references=(*inside, elsewhere))
    ProductStore(project / "products").keep(Product(spec))
    project.rename(tmp_path / "moved")
    read = ProductSpec.load(tmp_path / "moved" / "products" / "tray.yaml").references
    assert read == (Path("tray.photos/a.png"), Path("../photos/b.png"), elsewhere)


def test_faults_of_a_product_file_name_line_and_field_and_no_folder():
    with pytest.raises(InputError, match="tray: line 3: field weight") as caught:
        parse("name: tray\nproduct: tray\nweight: 3\n", "tray")
    assert "/tmp" not in str(caught.value)


def test_two_photos_of_one_name_are_both_kept(tmp_path):
    store = ProductStore(tmp_path / "products")
    for n in (1, 2):
        (tmp_path / str(n)).mkdir()
        (tmp_path / str(n) / "good.png").write_bytes(bytes([n]))
    kept = store.keep_photos("tray", [tmp_path / "1" / "good.png", tmp_path / "2" / "good.png"])
    assert [p.read_bytes() for p in kept] == [b"\1", b"\2"]


def test_visitors_have_things_of_their_own_that_go_when_they_go():
    visits = Visits()
    one, two = visits.of("1"), visits.of("2")
    one.log.append(VisitTurn("user", (("secret", ()),)))
    (one.folder / "a.csv").write_text("secret")
    assert two.log == [] and one.folder != two.folder
    visits.leave("1")
    assert not one.folder.exists()
    assert visits.of("1").log == []
    visits.close()
    assert not two.folder.exists()


def _report(name, score):
    return {
        "verdict": {"score": score, "confidence": 0.9, "kinds": ["structural"]},
        "size": [100, 50],
        "findings": [
            {"kind": "structural", "box": [10, 20, 30, 45], "score": 0.9, "mask": None, "what": "=HYPERLINK(1)"},
        ],
        "image": name,
    }


def test_a_batch_as_csv_runs_no_formula_and_as_coco_has_boxes_of_width_and_height():
    rows = [BatchRow("=cmd.png", None, _report("x", 0.7)), BatchRow("broken.png", None, None, "no image")]
    lines = list(csv.DictReader(io.StringIO(as_csv(rows, 0.5))))
    assert [line["verdict"] for line in lines] == ["anomalous", "refused"]
    assert lines[0]["photo"] == "'=cmd.png" and lines[0]["top_finding"].startswith("'=")
    coco = json.loads(as_coco(rows))
    assert coco["annotations"][0]["bbox"] == [10, 20, 20, 25]
    near = dict(_report("x", 0.7)["findings"][0], what="a stain", score=0.95, hypothesis="region 1")
    other = dict(near, box=[60, 5, 70, 10], kind="logical", what="no nut", hypothesis="count of nut")
    several = {**_report("y", 0.9), "findings": [dict(near, score=0.6, what="a spot"), near, other]}
    one, two = json.loads(as_coco([BatchRow("y.png", None, several)]))["annotations"]
    assert (one["description"], one["score"], one["bbox"]) == ("a spot; a stain", 0.95, [10, 20, 20, 25])
    assert (two["description"], two["category_id"]) == ("no nut", 1)
    assert coco["images"] == [{"id": 1, "file_name": "=cmd.png", "width": 100, "height": 50}]
    assert [row.state(0.8) for row in rows] == ["good", "refused"]


def test_a_batch_shows_unsure_as_unsure_and_says_what_was_not_checked():
    open_one, partly = _report("x", 0.6), _report("y", 0.1)
    open_one["verdict"]["word"] = "unsure"
    partly["verdict"] |= {"word": "good", "unchecked": ["number of screws", "=HYPERLINK(1)"]}
    rows = [BatchRow("a.png", None, open_one), BatchRow("b.png", None, partly)]
    lines = list(csv.DictReader(io.StringIO(as_csv(rows, 0.5))))
    assert [line["verdict"] for line in lines] == ["unsure", "good"]
    assert [line["unchecked"] for line in lines] == ["", "number of screws; =HYPERLINK(1)"]
    assert [row.state(0.9) for row in rows] == ["unsure", "good"]
    table = table_html(rows, WORDS, threshold=0.5, shown="all")
    assert "is-good" not in table and "is-anomalous" not in table
    assert "Not fully checked: number of screws" in table
    assert "b<span" not in table_html(rows, WORDS, threshold=0.5, shown="unsure") and "data-open" not in table
    opening = table_html([replace(rows[0], page=Path("a.html")), rows[1]], WORDS, threshold=0.5, shown="unsure")
    assert 'data-open="0">a<span class="lt-ending">.png</span></button>' in opening


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
@pytest.mark.parametrize("before", ["", " ", "\n", "\r", "\r\n", "\t", "\u00a0 ", "\u2028"])
def test_no_cell_of_a_batch_is_a_formula_or_breaks_its_line(before, sign):
    text = f"{before}{sign}HYPERLINK(1)\rnext\nline"
    report = _report("x", 0.7)
    report["findings"][0]["what"] = text
    report["verdict"]["kinds"] = [text]
    told = as_csv([BatchRow(text, None, report), BatchRow("b.png", None, None, text)], 0.5)
    assert len(told.splitlines()) == 3 and "\r" not in told
    first, second = csv.DictReader(io.StringIO(told))
    for cell in (first["photo"], first["top_finding"], first["kinds"], second["refused"]):
        assert cell.startswith("'") and "HYPERLINK" in cell


def test_the_page_starts_without_the_proxies_of_the_machine(monkeypatch):
    seen = []

    def stopped(*_):
        seen.append([name for name in os.environ if name.lower().endswith("_proxy")])
        raise InputError("enough")

    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    monkeypatch.setattr("looktwice.page.PageSettings", stopped, raising=False)
    assert looktwice("ui", "--profile", "nano").returncode == 2
    assert seen == [[]] and os.environ["ALL_PROXY"] == "socks5://127.0.0.1:9"


def test_other_machines_are_let_in_only_with_a_password_or_in_so_many_words(tmp_path):
    for host in ("0.0.0.0", "::", "192.168.1.5", "example.org"):
        with pytest.raises(InputError, match="--auth"):
            refuse_exposure(PageSettings(host=host))
    refuse_exposure(PageSettings(host="127.0.0.1"))
    refuse_exposure(PageSettings(host="0.0.0.0", exposed=True))
    refuse_exposure(PageSettings(host="0.0.0.0", auth=tmp_path))


def test_passwords_are_checked_and_a_readable_file_of_them_is_refused(tmp_path):
    path = tmp_path / "people"
    path.write_text("# who\nann:secret words\nbob: other words\n")
    path.chmod(0o600)
    check = password_check(path)
    assert check("ann", "secret words") and check("bob", "other words")
    assert not check("ann", "other words") and not check("eve", "") and not check("", "")
    path.chmod(0o644)
    with pytest.raises(InputError, match="chmod 600"):
        password_check(path)
    path.chmod(0o600)
    path.write_text("nobody\n")
    with pytest.raises(InputError, match="line 1"):
        password_check(path)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_word_with_the_same_facts(language):
    import string

    english, other = load_yaml("strings/en"), load_yaml(f"strings/{language}")
    assert set(other) == set(english)
    facts = [
        {k: {f for _, f, _, _ in string.Formatter().parse(v) if f} for k, v in t.items()} for t in (english, other)
    ]
    assert facts[0] == facts[1]


def test_an_eval_run_is_read_and_drawn_beside_another_with_its_worst_mistakes_first(tmp_path):
    rng = np.random.default_rng(0)
    for name, shift in (("a", 0.4), ("b", 0.1)):
        (tmp_path / name).mkdir()
        lines = [
            {
                "category": EVIL,
                "id": f"{n}",
                "label": "good" if n % 2 else "logical",
                "extra": 1,
                "score": float(np.clip(rng.random() * 0.6 + (0 if n % 2 else shift), 0, 1)),
                "anomalous": n % 3 == 0,
            }
            for n in range(40)
        ]
        torn = json.dumps(lines[0])[:20]
        (tmp_path / name / "predictions.jsonl").write_text("\n".join([*map(json.dumps, lines), torn]))
        told = {
            "benchmark": "world",
            "profile": "nano",
            "shots": 4,
            "metrics": {"image_auroc": 0.8, "ece": None},
            "categories": {EVIL: {"image_auroc": 0.8}},
        }
        (tmp_path / name / "results.json").write_text(json.dumps(told))
    assert runs_in(tmp_path) == ["a", "b"] and runs_in(tmp_path / "a") == ["."]
    assert read_run(tmp_path / "a", ".").lines == read_run(tmp_path, "a").lines
    run = read_run(tmp_path, "a")
    assert len(run.lines) == 40
    html = run_html(run, read_run(tmp_path, "b"), WORDS)
    assert html.count("<path") == 4 and "<script" not in html and "+0.000" in html
    with pytest.raises(InputError):
        read_run(tmp_path, "../a")


def test_worst_mistakes_are_the_surest_wrong_ones():
    def line(name, label, score):
        return PredictionLine(category="c", id=name, label=label, score=score, anomalous=score > 0.5)

    lines = [line("a", "good", 0.9), line("b", "logical", 0.02), line("c", "good", 0.6), line("d", "logical", 0.9)]
    assert [found.id for found in worst(lines)] == ["b", "a", "c"]
