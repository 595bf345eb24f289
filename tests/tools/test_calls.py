"""Time inside models is told from all other time."""

import threading

import pytest

from tools.timing import clocked, marked, model_call


@pytest.fixture
def now(monkeypatch):
    """The time, which passes only where a test lets it."""
    passed = [0.0]
    monkeypatch.setattr("tools.timing.perf_counter", lambda: passed[0])
    return passed


@pytest.fixture
def model(now):
    @model_call
    def run(seconds=2.0):
        now[0] += seconds
        return "answer"

    return run


@pytest.fixture
def search(now):
    @marked("search")
    def run():
        now[0] += 1.0

    return run


def test_only_what_is_marked_is_counted_and_by_its_kind(now, model, search):
    with clocked() as clock:
        assert model() == "answer"
        search()
        now[0] += 5.0
    assert clock.seconds == {"model": 2.0, "search": 1.0}
    assert clock.calls == {"model": 1, "search": 1}


def test_what_runs_inside_a_model_call_is_the_models(model, search):
    @model_call
    def both():
        model()
        search()

    with clocked() as clock:
        both()
    assert clock.calls == {"model": 1}
    assert clock.seconds == {"model": 3.0, "search": 0.0}


def test_a_call_that_fails_is_counted_and_the_next_one_too(now, model):
    @model_call
    def broken():
        now[0] += 1.0
        raise ValueError("no")

    with clocked() as clock:
        with pytest.raises(ValueError, match="no"):
            broken()
        model()
    assert clock.calls["model"] == 2
    assert clock.seconds["model"] == 3.0


def test_nothing_is_counted_outside_nor_for_another_thread(model):
    with clocked() as clock:
        other = threading.Thread(target=model)
        other.start()
        other.join()
    model()
    assert clock.calls["model"] == 0
