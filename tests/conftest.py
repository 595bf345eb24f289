"""What all tests share: no network, an empty cache, models, threads that yield, no time limits on generated examples.

Where several processes share the tests (`pytest -n 2`), each of them takes one thread, and all share the cache, as do
the programs that tests start: weights are converted and references encoded once a run.
"""

import os
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

import tools.models

os.environ.setdefault("HF_HUB_OFFLINE", "1")
if "LOOKTWICE_CACHE" not in os.environ:
    _cache = tempfile.TemporaryDirectory(prefix="looktwice-tests-")  # is removed with the process that made it
    os.environ["LOOKTWICE_CACHE"] = _cache.name
os.environ.setdefault("GOMP_SPINCOUNT", "2000")
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
WEIGHTS = Path(__file__).parents[1] / "nano" / "weights"
settings.register_profile("steady", deadline=None)
settings.load_profile("steady")


@pytest.fixture(scope="session", autouse=True)
def shipped_models_loaded_once():
    """Keeps the embedded models of this process: they never change, and most tests open an inspector of their own."""
    kept = {}

    def load_once(rungs, role):
        from tools.models.memory import load_lightest_needed

        if not Path(rungs[0].spec.source).is_relative_to(WEIGHTS):
            return load_lightest_needed(rungs, role)
        key = (role, repr(rungs))
        if key not in kept:
            kept[key] = load_lightest_needed(rungs, role)
        loaded, lighter = kept[key]
        return loaded, list(lighter)

    tools.models.load_lightest_needed = load_once
    yield
    del tools.models.load_lightest_needed


def pytest_collection_finish():
    """Has every report that the embedded models make in a test checked for facts that contradict each other."""
    model = sys.modules.get("agent.report.model")
    if model is None or hasattr(model.InspectionReport.of_state, "checked"):
        return
    from agent.report.consistency import contradictions

    made = model.InspectionReport.of_state.__func__

    def of_state(cls, state, **options):
        report = made(cls, state, **options)
        if options.get("profile") == "nano":
            assert contradictions(report) == []
        return report

    of_state.checked = True
    model.InspectionReport.of_state = classmethod(of_state)
