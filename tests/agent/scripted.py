"""Perception that says what a test tells it to, so that the agent's own logic is tested without models."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np

from agent.calibration.maps import Calibration, LookMap, Looks, MatcherMap
from agent.state import Budget, Context
from tools.anomaly.damage import ReferenceComparison
from tools.images import sample_from_array
from tools.parts import pose_of
from tools.types import AnomalyMap, Box, Part, Region

SIZE = 64
GOOD = 0.10
"""Raw distance of a good part."""


def photo(seed):
    """A photo that is unlike every other."""
    return sample_from_array(np.random.default_rng(seed).integers(0, 255, (SIZE, SIZE, 3), dtype=np.uint8))


def blob(peak, at=(40, 24)):
    """A map that is low but for one spot."""
    raw = np.full((SIZE, SIZE), GOOD / 2, dtype=np.float32)
    x, y = at
    raw[y - 4 : y + 4, x - 4 : x + 4] = peak
    return AnomalyMap(raw / (raw + GOOD), float((raw / (raw + GOOD)).max()), "reference", raw, float(raw.max()))


def spotted(usual, spot, source):
    """A map of log-odds that are another at one spot."""
    raw = np.full((SIZE, SIZE), usual, dtype=np.float32)
    raw[40:48, 8:16] = spot
    odds = 1 / (1 + np.exp(-raw))
    return AnomalyMap(odds, float(odds.max()), source, raw=raw, raw_score=float(raw.max()))


def parts(label, *scores):
    """Detections in a row."""
    return tuple(
        Part(label, Region(Box(8 * n, 10, 8 * n + 6, 16), s, np.zeros((SIZE, SIZE), bool)))
        for n, s in enumerate(scores)
    )


@dataclass
class Toolbox:
    """The scripted tools, all in one."""

    distance: float = GOOD
    """Of the photo's worst place."""
    found: dict = field(default_factory=dict)
    """Detections by digest of the photo; any other photo has `usual`."""
    usual: tuple = ()
    says_yes: float = 0.5
    """P(yes) to "does it have a defect" about the photo; about a good part it is `bias`."""
    bias: float = 0.5
    named: str = '["product"]'
    """What it lists as parts; the product's own noun shows that it knows the product."""
    asked: list = field(default_factory=list)
    banks: int = 0
    kinds: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(types=(), arrangement=None))
    """What is discovered without words, and by digest of the photo where it is."""
    recurring: dict = field(default_factory=dict)
    explained: dict = field(default_factory=dict)
    """How a good one would have to differ, by digest of the photo."""

    scorer = memory = reference_matcher = grounder = segmenter = vlm = discoverer = property(lambda self: self)

    def describe(self):
        return {}

    def learn(self, references):
        return self.kinds

    def find(self, sample, types):
        return self.recurring.get(sample.digest, ())

    def explain(self, sample, types):
        return self.explained.get(sample.digest)

    def bank(self, samples):
        self.banks += 1
        self.good = [s.image for s in samples]
        return [s.digest for s in samples]

    def leave_one_out(self, bank):
        return [GOOD] * len(bank)

    def median_distances(self, bank):
        return []

    def encode(self, samples):
        return samples

    traced: tuple = ()
    """The tracer's log-odds of (a good part, the photo at its spot); without them there is no tracer."""
    differs: tuple = ()
    """(logical, structural) log-odds of the photo at its spot beside good ones, whose own are 0; without them what the
    tracer tells beside them is worth nothing."""

    @property
    def tracer(self):
        return self if self.traced else None

    def trace(self, samples):
        flaws = [self._flaws(s) for s in samples]
        told = [{"flaws": f, "score": f.own_score, "tokens": s.digest} for s, f in zip(samples, flaws, strict=True)]
        return [SimpleNamespace(uncertainty=0.0, **one) for one in told]

    def damage(self, sample):
        return self._flaws(sample).raw

    def beside(self, tokens, good, size):
        assert tokens not in good and size == (SIZE, SIZE)
        return ReferenceComparison(*(spotted(0.0, value, "differ") for value in self.differs or (0.0, 0.0)))

    def _flaws(self, sample):
        usual, spot = self.traced
        return spotted(usual, spot if sample.digest == photo(99).digest else usual, "tracer")

    def kept(self, encoded):
        return None

    def left_out(self, encoded, *words):
        """Of the scorer, where words are told, or of the tracer."""
        return [0.5] * len(encoded) if words else self._left_out(encoded)

    def _left_out(self, tokens):
        return ((0.0, 0.0),) * len(tokens) if len(tokens) > 1 else ()

    def score(self, shown, against, defects=(), references=None):
        if isinstance(shown, list | tuple):
            plain = np.full((SIZE, SIZE), 0.5, dtype=np.float32)
            return [AnomalyMap(plain, 0.5, "text") for _ in shown]
        return blob(self.distance)

    def ground(self, sample, phrases, threshold=None):
        return tuple(p for p in self.found.get(sample.digest, self.usual) if p.label in phrases)

    def segment(self, encoded, boxes, points=None):
        return ()

    def with_masks(self, encoded, parts):
        return tuple(parts)

    proposes: str = "names"
    """What it is asked for when a product is learned."""

    def answer(self, images, turns, max_new_tokens=64, *, schema=None):
        return self.named if "JSON" in turns[-1].text else "An answer."

    def yes_no(self, images, turns):
        self.asked.append(turns[-1].text)
        about_good = any(np.array_equal(images[0], g[: len(images[0])]) for g in self._crops(images[0].shape))
        p = self.bias if about_good or (images[0] == 128).all() else self.says_yes
        return 1 - p if "good" in turns[-1].text.split("?")[-2] and "as good" in turns[-1].text else p

    def choose(self, images, turns, options, per_token=False):
        return {option: 0.9 if n == 0 else 0.1 / (len(options) - 1) for n, option in enumerate(options)}

    def pose(self, sample):
        return pose_of(np.ones(sample.image.shape[:2], bool), fills=True)

    def _crops(self, shape):
        height, width = shape[:2]
        for image in getattr(self, "good", []):
            for y in range(SIZE - height + 1):
                for x in range(SIZE - width + 1):
                    yield image[y : y + height, x : x + width]


def context(toolbox, **budget):
    """A context with steep, simple maps."""
    steep = MatcherMap(slope=1.0, offset=-2.0, spread=0.2)
    beside = MatcherMap(slope=1.0, offset=-2.0) if toolbox.differs else MatcherMap(slope=0.0)
    yes_no = LookMap(slope=1.0, limit=4.0, sure=0.9, seconds=1.0)
    maps = Calibration(
        looks=Looks(compare=yes_no, ask=yes_no),
        text=steep,
        reference=steep,
        tracer=MatcherMap(slope=1.0, offset=-2.0),
        differ=beside,
        layout=beside,
        rule=MatcherMap(),
        vlm=MatcherMap(limit=4.0),
    )
    return Context(toolbox, maps, Budget(**budget))
