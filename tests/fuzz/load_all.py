"""Loads every photo of a folder, as a program of its own: a crash or a hang shows by the line that is missing."""

import json
import resource
import sys
import time
from pathlib import Path

from tools.errors import InputError
from tools.images import load_sample

if __name__ == "__main__":
    for path in sorted(Path(sys.argv[1]).iterdir()):
        start = time.process_time()  # what it takes, whatever else the machine does
        try:
            result, said = "loaded", str(load_sample(path).size)
        except InputError as error:
            result, said = "refused", str(error)
        except BaseException as error:
            result, said = "broke", f"{type(error).__name__}: {error}"
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 if sys.platform != "darwin" else 1 << 20)
        line = {"name": path.name, "result": result, "said": said, "seconds": time.process_time() - start, "peak": peak}
        print(json.dumps(line), flush=True)
