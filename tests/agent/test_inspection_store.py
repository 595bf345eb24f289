"""An inspection in a store resumes after its last step; nothing but listed types is read from the store."""

import os
import pickle
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace

import numpy as np
import ormsgpack
import pytest
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from scripted import GOOD, Toolbox, context, parts, photo

from agent import Inspector
from agent.calibration.maps import Calibration
from agent.inspection_store import INSPECTIONS, STATES, InspectionStore
from agent.products.learn import learn
from agent.report.model import InspectionReport
from agent.state import Request
from agent.state_serializer import StateSerializer
from tools.errors import InputError
from tools.images import sample_from_array
from tools.types import AnomalyMap, Box, Region

FIRST_LOOK = ["intake", "propose", "glance", "match"]
ENDING = ["judge", "explain"]


class StoppedError(Exception):
    """A fault in the middle of a step."""


class Counting(Toolbox):
    """Scripted tools that count their calls, and fail while they are told to."""

    fails = ""
    calls = 0

    def encode(self, samples):
        self.calls += 1
        return self._unless_failing("encode", samples)

    def yes_no(self, images, turns):
        return self._unless_failing("yes_no", super().yes_no(images, turns))

    def describe(self):
        return {"vlm": {"name": "scripted"}} if self.asked else {}

    def _unless_failing(self, name, value):
        if self.fails == name:
            raise StoppedError(name)
        return value


class Bench:
    """A product, a photo of it, and an inspector's store; each call of `new` is another process."""

    def __init__(self, path, **identity):
        self.path, self.identity = path, identity
        self.new()

    def new(self, **identity):
        self.toolbox = Counting(distance=1.8 * GOOD, says_yes=0.9, usual=parts("bolt", 0.97), named='["bolt"]')
        self.context = context(self.toolbox, looks=1)
        self.product = learn(self.toolbox, "tray", [photo(n) for n in range(3)], describe="one bolt")
        self.store = InspectionStore(self.path, {**self.identity, **identity})
        self.learning, self.toolbox.calls = self.toolbox.calls, 0
        return self

    def inspect(self, sample=None, stop_after=None, **asked):
        """(names of the steps that were told, the report), or the names alone where it was stopped."""
        request = Request(sample or photo(99), asked.pop("product", self.product), **asked)
        steps, ended = self.store.steps(request, self.context), []
        for step in steps:
            ended.append(step)
            if len(ended) == stop_after:
                steps.close()
                return [name for name, *_ in ended], None
        state = ended[-1][2]
        report = InspectionReport.of_state(state, models=state.models, profile="scripted")
        return [name for name, *_ in ended], report


def told(report):
    """All that a report says but for times."""
    looks = [look.model_copy(update={"seconds": 0.0}) for look in report.looks]
    return report.model_copy(update={"seconds": {}, "looks": tuple(looks)}).to_json()


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path / "inspections.sqlite", weights="a")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    names, report = Bench(tmp_path_factory.mktemp("whole") / "inspections.sqlite").inspect()
    assert names == [*FIRST_LOOK, "suspect", "look_again", "suspect", *ENDING]
    return names, report


@pytest.mark.parametrize("after", range(1, 9))
def test_one_that_was_stopped_goes_on_after_its_last_step_and_reports_the_same(bench, whole, after):
    names, report = whole
    assert bench.inspect(stop_after=after) == (names[:after], None)
    rest, resumed = bench.new().inspect()
    # A step that had ended when it was stopped is not made again; whether it was kept by then is a race.
    assert rest in (names[after:], names[after + 1 :] if after < 8 else [ENDING[-1]])
    assert told(resumed) == told(report)
    assert (resumed.glance.map.values == report.glance.map.values).all()
    assert set(resumed.seconds) == set(report.seconds)


@pytest.mark.parametrize(("fault", "ended"), [("encode", 2), ("yes_no", 5)])
def test_one_that_failed_in_a_step_makes_that_step_again(bench, whole, fault, ended):
    names, report = whole
    bench.toolbox.fails = fault
    with pytest.raises(StoppedError):
        bench.inspect()
    bench.toolbox.fails = ""
    rest, resumed = bench.inspect()
    assert rest == names[ended:]
    assert told(resumed) == told(report)


def test_a_finished_one_is_read_and_no_tool_runs(bench, whole):
    _, first = bench.inspect()
    names, again = bench.new().inspect()
    assert names == ["explain"]
    assert (bench.toolbox.calls, bench.toolbox.asked) == (0, [])
    assert again.to_json() == first.to_json()
    assert told(again) == told(whole[1])
    assert again.models == {"vlm": {"name": "scripted"}}


def test_a_product_learned_on_the_way_is_learned_again_and_the_photo_is_not_looked_at_again(bench):
    asked = {"product": None, "references": tuple(photo(n) for n in range(3)), "normal": "one bolt"}
    names, first = bench.inspect(**asked)
    assert names[1] == "propose"
    names, again = bench.new().inspect(**asked)
    assert (names, bench.toolbox.calls) == (["explain"], bench.learning)
    assert again.to_json() == first.to_json()


def other_photo(bench):
    return bench.inspect(photo(98))


def other_question(bench):
    return bench.inspect(question="How many?")


def other_product(bench):
    spec = bench.product.spec.model_copy(update={"rules": ()})
    return bench.inspect(product=replace(bench.product, spec=spec))


def other_references(bench):
    return bench.inspect(product=replace(bench.product, references=bench.product.references[:2]))


def other_weights(bench):
    return bench.new(weights="b").inspect()


@pytest.mark.parametrize("other", [other_photo, other_question, other_product, other_references, other_weights])
def test_what_decides_the_report_must_be_the_same(bench, other):
    bench.inspect(stop_after=5)
    names, _ = other(bench.new())
    assert names[0] == "intake"


def test_an_inspection_keeps_its_last_states_and_a_store_its_last_inspections(bench, monkeypatch):
    monkeypatch.setattr("agent.inspection_store.INSPECTIONS", 3)
    for seed in range(90, 95):
        bench.inspect(photo(seed))
    with sqlite3.connect(bench.path) as connection:
        states = connection.execute("SELECT COUNT(*) FROM checkpoints GROUP BY thread_id").fetchall()
    connection.close()
    assert states == [(STATES,)] * 3
    assert INSPECTIONS >= 100
    assert bench.inspect(photo(94))[0] == ["explain"]
    assert bench.inspect(photo(90))[0][0] == "intake"


def test_a_database_of_another_program_is_refused_before_any_work(tmp_path):
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE invoices (id INTEGER)")
    connection.close()
    with pytest.raises(InputError, match="another program"):
        InspectionStore(path, {})


OPTIONS = [
    {"looks": 1},
    {"prior": 0.1},
    {"false_alarm": 0.02},
    {"policy": "none"},
    {"debias": False},
    {"language": "zh"},
    {"calibration": Calibration.of_profile("default")},
]


def test_every_option_calibration_and_weights_of_an_inspector_must_be_the_same(tmp_path, monkeypatch):
    def thread(**options):
        return Inspector("nano", store=tmp_path / "inspections.sqlite", **options)._store.thread(Request(photo(99)))

    names = [thread(), *(thread(**options) for options in OPTIONS)]
    assert len(set(names)) == len(names)
    assert thread() == names[0]
    monkeypatch.setattr("agent.inspector_options.digests", lambda profile: {"tracer": "0" * 64})
    assert thread() not in names


def test_an_inspector_takes_its_store_to_another_process(tmp_path):
    inspector = Inspector("nano", store=tmp_path / "inspections.sqlite")
    assert pickle.loads(pickle.dumps(inspector))._store.path == inspector._store.path


KILLED = """
import os, signal, sys
from tests_wood import inspected
inspected(sys.argv[1], lambda name, update: os.kill(os.getpid(), signal.SIGKILL) if name == "match" else None)
"""
WOOD = """
from agent import Inspector
from looktwice.examples import examples

def inspected(store, on_step=None):
    wood = next(e for e in examples() if e.name == "wood")
    inspector = Inspector("nano", store=store)
    product = inspector.learn("wood", wood.references[:2], describe=wood.normal)
    return inspector.inspect(wood.photos[-1], product=product, on_step=on_step)
"""


def test_an_inspection_whose_process_is_killed_resumes_in_another_and_reports_the_same(tmp_path, monkeypatch):
    (tmp_path / "tests_wood.py").write_text(WOOD)
    monkeypatch.syspath_prepend(tmp_path)
    store, names = tmp_path / "inspections.sqlite", []
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    killed = subprocess.run([sys.executable, "-c", KILLED, store], env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    from tests_wood import inspected

    resumed = inspected(store, lambda name, update: names.append(name))
    assert set(names).isdisjoint(FIRST_LOOK[:3]) and names[-1] == "explain"
    whole = inspected(None)
    assert told(resumed) == told(whole)
    names.clear()
    assert inspected(store, lambda name, update: names.append(name)).to_json() == resumed.to_json()
    assert names == ["explain"]


@pytest.mark.parametrize("table", ["checkpoints", "writes"])
@pytest.mark.parametrize("value", [None, "", b"", b"\xc1", b"\x80", b"{}", b"[1]", b"null", 7])
def test_a_damaged_store_is_one_sentence_or_inspects_anew(bench, whole, table, value):
    bench.inspect(stop_after=4)
    column = {"checkpoints": "checkpoint", "writes": "value"}[table]
    with sqlite3.connect(bench.path) as connection:
        connection.execute(f"UPDATE {table} SET {column} = ?", (value,))
    connection.close()
    try:
        _, report = bench.new().inspect()
    except InputError as error:
        assert "inspections.sqlite" in str(error)
    else:
        assert told(report) == told(whole[1])


def serializer():
    return StateSerializer([photo(99)], None)


def test_values_come_back_as_they_were():
    mask = np.zeros((5, 7), bool)
    mask[1, 2:4] = True
    found = AnomalyMap(np.arange(6, dtype=np.float32).reshape(2, 3), 0.5, "reference", raw_score=1.5)
    values = {"map": found, "regions": (Region(Box(0, 1, 2.5, 3), 0.25, mask),), "photo": photo(99), "n": np.float32(2)}
    back = serializer().loads_typed(serializer().dumps_typed(values))
    (region,) = back["regions"]
    assert (region.box, region.score) == (Box(0, 1, 2.5, 3), 0.25) and type(region.box) is Box
    assert (region.mask == mask).all() and region.mask.dtype == bool
    assert (back["map"].values == found.values).all() and back["map"].raw_score == 1.5
    back["map"].values[0, 0] = 9.0
    assert back["photo"].digest == photo(99).digest and back["n"] == 2.0


def forged(*fields, code=1):
    return "looktwice-state", ormsgpack.packb(ormsgpack.Ext(code, ormsgpack.packb(list(fields))))


@pytest.mark.parametrize(
    "data",
    [
        forged("Popen", {"args": "true"}),
        forged("os.system", {"command": "true"}),
        forged("Box", {"x0": 0, "y0": 0, "x1": 0, "y1": 0, "command": 1}),
        forged("|O8", [1], b"12345678", code=2),
        forged("|b1", [1 << 40], b"1", code=2),
        forged("<f4", [1 << 40], b"1234", code=2),
        forged(1, 2, 3, code=9),
        ("looktwice-state", ormsgpack.packb(ormsgpack.Ext(3, b"0" * 64))),
        ("looktwice-state", ormsgpack.packb(ormsgpack.Ext(4, b""))),
        ("pickle", b"cos\nsystem\n(S'true'\ntR."),
        JsonPlusSerializer().dumps_typed({"photo": sample_from_array(np.zeros((16, 16, 3), np.uint8))}),
    ],
)
def test_a_forged_state_builds_nothing(data):
    with pytest.raises((ValueError, TypeError)):
        serializer().loads_typed(data)


def test_a_type_that_is_not_listed_is_not_written():
    with pytest.raises(TypeError, match="Counting"):
        serializer().dumps_typed(Counting())
