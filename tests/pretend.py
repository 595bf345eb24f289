"""An inspector without models, so that runs, pages and comparisons are tested in seconds: brightness is the score."""

from types import SimpleNamespace

import numpy as np
from PIL import Image

from evals.qa.respondents import GivenAnswer
from evals.run.results import RunSettings
from tools.errors import InputError


class Inspector:
    """Calls a photo anomalous by its brightest pixel; remembers what it was told."""

    profile = "pretend"

    def __init__(self):
        self.learned, self.inspected = [], []

    def learn(self, name, references, *, describe="", product=None):
        self.learned.append((name, [r.digest for r in references], describe, product))
        return SimpleNamespace(name=name, good=list(references))

    def inspect(self, photo, *, product=None):
        self.inspected.append(photo.name)
        values = photo.image.max(axis=2).astype(np.float32) / 255
        score = float(values.max())
        return SimpleNamespace(
            verdict=SimpleNamespace(score=score, anomalous=score > 0.5, confidence=max(score, 1 - score)),
            looks=(),
            glance=SimpleNamespace(map=SimpleNamespace(values=values)),
            models={"scorer": {"device": "cpu"}},
            explanation=(),
        )


class Respondent:
    """Says what a function of the question says; refuses photos that it cannot read."""

    name = "vlm"

    def __init__(self, says):
        self.says, self.met = says, []

    def meet(self, item):
        item.photo()
        self.met.append(item.id)
        return SimpleNamespace(answer=lambda question: GivenAnswer(*self.says(item, question)))


def settings(**changes):
    plain = {
        "benchmark": "folder",
        "profile": "pretend",
        "shots": 1,
        "seed": 0,
        "limit": None,
        "split": "all",
        "style": "plain",
        "categories": ("parts",),
        "looks": 0,
        "words": False,
    }
    return RunSettings(**{**plain, **changes})


def picture(path, value=40, spot=None, size=(32, 24)):
    """A plain photo, with a bright square where `spot` is its brightness."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.full((size[1], size[0], 3), value, dtype=np.uint8)
    if spot is not None:
        image[4:8, 10:20] = spot
    Image.fromarray(image).save(path)
    return path


def mask(path, value=255, size=(32, 24)):
    """A mask of the same square."""
    path.parent.mkdir(parents=True, exist_ok=True)
    grey = np.zeros(size[::-1], dtype=np.uint8)
    grey[4:8, 10:20] = value
    Image.fromarray(grey).save(path)
    return path


def parts_folder(root, good=8, bad=4, masks=True):
    """A plain folder whose bad photos have a bright spot; one is too dark to be found."""
    for n in range(good):
        picture(root / "good" / f"{n}.png", 30 + n)
    for n in range(bad):
        picture(root / "bad" / f"b{n}.png", 30, spot=100 if n == 0 else 200 + n)
        if masks:
            mask(root / "masks" / f"b{n}.png")
    return root


def refuse(*_):
    raise InputError("this must not be read")
