"""A batch with an inspector that takes milliseconds and breaks where a photo's name says so; also run as a program."""

import errno
import json
import os
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from agent.products.spec import Product, ProductSpec
from agent.report.model import InspectionReport, VerdictOut
from looktwice.batch.manifest import RunManifest
from looktwice.batch.observers import EventLog
from looktwice.batch.run import BatchPlan, SignalStop, run_batch
from looktwice.batch.start import How, starter
from looktwice.batch.workers import Work
from tools.images import load_sample
from tools.types import Sample


def lines(out, name="results.jsonl"):
    return [json.loads(text) for text in (out / name).read_text().splitlines()]


def files(out, name="results.jsonl"):
    return sorted(line["file"] for line in lines(out, name))


def answers(out):
    """The lines but for times, by file."""
    found = {line["file"]: line for line in lines(out)}
    for line in found.values():
        line["seconds"] = line["report"]["seconds"] = None
        for look in line["report"]["looks"]:
            look["seconds"] = None
    return {name: json.dumps(line) for name, line in found.items()}


class Report(InspectionReport):
    """Written as a folder of one file, without drawing anything."""

    def save(self, folder):
        if "BATCH_DRIVER_FULL" in os.environ:
            raise OSError(errno.ENOSPC, "No space left on device")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "report.json").write_text(self.to_json())
        return folder


class QuickInspector:
    """Calls a photo anomalous when it is dark; a photo's name can make it fail."""

    profile = "quick"

    def __init__(self, profile="quick", *, slow=0.0):
        self.slow = slow

    def warm(self):
        pass

    def learn(self, name, references, **_):
        return Product(ProductSpec(name=name, product=name))

    def inspect(self, photo, **_):
        sample = photo if isinstance(photo, Sample) else load_sample(photo)
        time.sleep(self.slow)
        name = sample.path.name
        if "raise" in name:
            raise ValueError("the segmenter answered nonsense")
        if "memory" in name:
            raise MemoryError
        if "die" in name:
            os.kill(os.getpid(), 9)
        if "once" in name and not (sample.path.parent.parent / "died").exists():
            (sample.path.parent.parent / "died").touch()
            os.kill(os.getpid(), 9)
        if "hang" in name:
            time.sleep(60)
        score = 1 - float(sample.image.mean()) / 255
        return Report(
            image=str(sample.path),
            size=sample.size,
            product="quick",
            profile="quick",
            references=(),
            verdict=VerdictOut(
                anomalous=score > 0.5,
                score=score,
                confidence=1.0,
                kinds=(),
                word="anomalous" if score > 0.5 else "good",
            ),
            findings=(),
            evidence=(),
            explanation=(),
            looks=(),
            answer=None,
            notes=(),
            models={},
            seconds={"total": self.slow, "glance": self.slow},
        )


def photo(path, grey=200):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((16, 16, 3), grey, dtype=np.uint8)).save(path)
    return path


def manifest(**options):
    return RunManifest(options=options, product={}, models={}, versions={})


def batch(folder, out, *, options=None, **more):
    out.mkdir(exist_ok=True)
    return BatchPlan((folder,) if isinstance(folder, Path) else tuple(folder), out, manifest(**(options or {})), **more)


def run(
    made,
    *,
    workers=1,
    slow=0.0,
    stop=None,
    on_outcome=lambda _: None,
    patience=60.0,
    reports="all",
    observer=None,
):
    opener = partial(QuickInspector, "quick", slow=slow)
    product = Product(ProductSpec(name="quick", product="quick"))
    work = Work(opener, product, "", "", made.out, reports)
    start = starter(opener(), work, How(workers, patience), print)
    with stop or SignalStop() as asked:
        return run_batch(made, start, stop=asked, observer=observer or EventLog(made.out), on_outcome=on_outcome)


if __name__ == "__main__":
    made = batch(Path(sys.argv[1]), Path(sys.argv[2]))
    tally = run(made, workers=int(sys.argv[3]), slow=float(sys.argv[4]))
    sys.exit(tally.status)
