"""Loads every photo of a folder, as a program of its own: a crash or a hang shows by the line that is missing."""

import json
import resource
import sys
import time
from pathlib import Path

from tools.errors import InputError
from tools.images import load_sample


def peak_mib() -> int:
    """The most memory this program has held; what it was started from counts in getrusage, so not by that on Linux."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> (20 if sys.platform == "darwin" else 10)
    high = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(high.split()[1]) >> 10


if __name__ == "__main__":
    for path in sorted(Path(sys.argv[1]).iterdir()):
        start = time.process_time()  # what it takes, whatever else the machine does
        try:
            result, said = "loaded", str(load_sample(path).size)
        except InputError as error:
            result, said = "refused", str(error)
        except BaseException as error:
            result, said = "broke", f"{type(error).__name__}: {error}"
        used = time.process_time() - start
        line = {"name": path.name, "result": result, "said": said, "seconds": used, "peak": peak_mib()}
        print(json.dumps(line), flush=True)
