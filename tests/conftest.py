"""What all tests share: no network, no cache, threads that yield, no time limits on generated examples.

Where several processes share the tests (`pytest -n 2`), each of them takes one thread.
"""

import os

from hypothesis import settings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("LOOKTWICE_CACHE", "off")
os.environ.setdefault("GOMP_SPINCOUNT", "2000")
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
settings.register_profile("steady", deadline=None)
settings.load_profile("steady")
