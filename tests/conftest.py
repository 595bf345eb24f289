"""What all tests share: no network, an empty cache, threads that yield, no time limits on generated examples.

Where several processes share the tests (`pytest -n 2`), each of them takes one thread, and all share the cache, as do
the programs that tests start: weights are converted and references encoded once a run.
"""

import os
import tempfile

from hypothesis import settings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
if "LOOKTWICE_CACHE" not in os.environ:
    _cache = tempfile.TemporaryDirectory(prefix="looktwice-tests-")  # is removed with the process that made it
    os.environ["LOOKTWICE_CACHE"] = _cache.name
os.environ.setdefault("GOMP_SPINCOUNT", "2000")
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
settings.register_profile("steady", deadline=None)
settings.load_profile("steady")
