"""What all tests share: no network, no cache, no time limits on generated examples."""

import os

from hypothesis import settings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("LOOKTWICE_CACHE", "off")
settings.register_profile("steady", deadline=None)
settings.load_profile("steady")
