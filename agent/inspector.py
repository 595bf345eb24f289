"""The Python interface: learn a product, inspect photos of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Union, Unpack

import numpy as np

from agent.products.spec import Product, ProductSpec
from agent.report.model import InspectionReport
from agent.text_limits import DESCRIPTION, NAME, QUESTION, checked_text
from tools.errors import InputError
from tools.images import in_range, load_sample, range_of, sample_from_array, sample_from_picture
from tools.pixel_values import ValueRange
from tools.types import RGB, Sample

if TYPE_CHECKING:
    from PIL.Image import Image

    from agent.calibration.maps import Calibration
    from agent.chat import Chat
    from agent.inspection_store import InspectionStore
    from agent.products.revision import Check
    from agent.state import Context, InspectionState, Policy, Update
    from tools.profiles.catalog import Profile

Photo = Union[Path, str, RGB, Sample, "Image"]
"""A path, an RGB array (H, W, 3) uint8, a PIL image of any mode, or a sample decoded before."""
OnStep = Callable[[str, "Update"], None]
"""Is told each step's name and what it changed, as the inspection goes."""


class CameraOptions(TypedDict, total=False):
    """What is known of the camera that takes the photos."""

    mm_per_px: float | None
    """Millimetres that a pixel shows."""
    value_range: ValueRange | None
    """Pixel values that become black and white, of photos of more than 8 bits."""


class Inspector:
    """Inspects photos with the models of one profile; they are loaded when first needed."""

    def __init__(
        self,
        profile: str = "auto",
        *,
        device: str = "auto",
        looks: int = 3,
        prior: float = 0.5,
        false_alarm: float | None = None,
        calibration: Calibration | None = None,
        policy: Policy = "fixed",
        debias: bool = True,
        language: str = "en",
        store: Path | str | None = None,
        **camera: Unpack[CameraOptions],
    ) -> None:
        """Chooses the models; nothing is loaded or downloaded yet.

        Args:
            profile: "nano", "edge", "standard", "auto" (the best that is on disk), or a YAML file of your own.
            device: "auto", "cpu", "cuda", ...
            looks: second looks at most, for each photo.
            prior: probability of an anomaly before looking, in (0, 1).
            false_alarm: share of good parts that may be called anomalous, in (0, 1), such as 0.02; by default a part
                is anomalous when that is likelier than not.
            calibration: what each matcher's score is worth; the profile's own maps by default.
            policy: how second looks are chosen: "fixed" takes what is worth most for its time, "chosen" lets the
                language model pick from what is worth its time, "none" takes none.
            debias: whether the language model's leaning is taken out of its yes and no; off only to measure what that
                gives.
            language: of the explanation, such as "en"; `agent.evidence.claims.languages()` lists them.
            store: SQLite file that keeps the latest 100 inspections. One that was stopped goes on after its last step
                when it is called again with the same photo, product and options, also by another process; a finished
                one is read. Weights, profile and calibration must be the same.
            camera: `mm_per_px`, millimetres that a pixel of the photos shows, such as 0.05, so that sizes are told in
                millimetres; `value_range`, the pixel values that become black and white in photos of more than 8 bits,
                such as (0, 4095) for a camera of 12 bits, by default a product's own, found on its references.

        Raises:
            tools.errors.InputError: prior, false_alarm, looks, policy, language, mm_per_px or value_range out of range,
                or the store cannot be used.
            tools.errors.ModelError: no such profile, or its checkpoints are not on disk.
        """
        from agent.calibration.maps import Calibration
        from agent.evidence.claims import languages
        from agent.graph import build_graph
        from agent.state import POLICIES, Budget, Context
        from tools.profiles import resolve_profile
        from tools.toolbox import Toolbox

        mm_per_px, value_range = camera.get("mm_per_px"), camera.get("value_range")
        if unknown := camera.keys() - CameraOptions.__annotations__:
            raise TypeError(f"an Inspector takes no option '{min(unknown)}'")
        _check_numbers(prior, false_alarm, looks, camera)
        if policy not in POLICIES:
            raise InputError(f"the policy is '{policy}'; give one of: {', '.join(POLICIES)}.")
        if language not in languages():
            raise InputError(f"no reports are written in '{language}'; there are: {', '.join(languages())}.")
        chosen = resolve_profile(profile)
        self.profile = chosen.name
        maps = calibration or Calibration.of_profile(chosen.name)
        self._context = Context(
            Toolbox.open(chosen, device, part_parameters=maps.part_parameters),
            maps,
            Budget(looks=looks),
            prior,
            false_alarm,
            policy,
            debias,
            language,
            chosen.name,
            mm_per_px,
            value_range,
        )
        self._graph = build_graph()
        self._made_with = {
            "profile": profile,
            "device": device,
            "looks": looks,
            "prior": prior,
            "false_alarm": false_alarm,
            "calibration": calibration,
            "policy": policy,
            "debias": debias,
            "language": language,
            "store": store,
            "mm_per_px": mm_per_px,
            "value_range": value_range,
        }
        self._store = None if store is None else self._opened_store(store, chosen)

    def _opened_store(self, path: Path | str, profile: Profile) -> InspectionStore:
        from agent.inspection_store import InspectionStore
        from tools.profiles.catalog import digests

        options = {key: value for key, value in self._made_with.items() if key not in ("calibration", "store")}
        identity = {
            "version": version("looktwice"),
            "options": options,
            "profile": profile.model_dump(mode="json"),
            "weights": digests(profile),
            "calibration": self._context.calibration.model_dump(mode="json"),
        }
        return InspectionStore(path, identity)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle what the inspector was made with; another process loads its models when it first needs them."""
        return _opened, (self._made_with,)

    def warm(self) -> None:
        """Loads all models now rather than when each is first needed, so that every report names the same ones.

        Raises:
            tools.errors.ModelError: a checkpoint is damaged, or of the wrong class.
        """
        tools = self._context.toolbox
        for tool in ("scorer", "reference_matcher", "grounder", "segmenter", "discoverer", "vlm", "tracer"):
            getattr(tools, tool)

    @property
    def context(self) -> Context:
        """Tools, maps and limits of this inspector."""
        return self._context

    def learn(
        self, name: str, references: Iterable[Photo], *, describe: str = "", product: str | None = None
    ) -> Product:
        """Learns what good ones look like.

        Args:
            name: of the product, for files and reports.
            references: photos of good ones.
            describe: what good means; what it says of parts ("two red bolts on the left") becomes rules.
            product: the noun that models are told; the name by default.

        Raises:
            tools.errors.InputError: no name, a text is too long, or a reference cannot be read.
        """
        from agent.products.learn import learn

        if not name.strip():
            raise InputError("the product has an empty name; give one, such as 'tray'.")
        checked_text("product name", name, NAME)
        checked_text("product", product or "", NAME)
        checked_text("description", describe, DESCRIPTION)
        samples = self._in_range([_sample(r) for r in references], None)
        return learn(
            self._context.toolbox,
            name,
            samples,
            describe=describe,
            product=product,
            calibration=self._context.calibration,
        )

    def load(self, path: Path | str) -> Product:
        """A product from its YAML file; its references are read again and remembered.

        Raises:
            tools.errors.InputError: the file or one of its references cannot be read.
        """
        from agent.products.learn import remember

        spec = ProductSpec.load(Path(path))
        found = [r if r.is_absolute() else Path(path).parent / r for r in spec.references]
        wanted = self._context.value_range or spec.value_range
        samples = self._in_range([_sample(r) for r in found], wanted)
        spec = spec.model_copy(update={"value_range": wanted or range_of(samples)})
        return remember(self._context.toolbox, spec, samples, calibration=self._context.calibration)

    def _in_range(self, samples: Sequence[Sample], value_range: ValueRange | None) -> list[Sample]:
        """Photos of one product, those of more than 8 bits in the range that is given, stated, or found on them."""
        wanted = value_range or self._context.value_range or range_of(samples)
        return [in_range(sample, wanted) for sample in samples]

    def check(self, photo: Photo, product: Product) -> tuple[Check, ...]:
        """How a photo stands to every rule of a product, the strongest first.

        Raises:
            tools.errors.InputError: the photo cannot be read.
        """
        from agent.products.revision import check

        (sample,) = self._in_range([_sample(photo)], product.spec.value_range)
        return check(self._context.toolbox, product, sample)

    def add(self, product: Product, photos: Iterable[Photo]) -> tuple[Product, tuple[str, ...]]:
        """Takes photos that were false alarms as references: all rules are proved again; says what changed.

        Raises:
            tools.errors.InputError: a photo cannot be read, or is a reference already.
        """
        from agent.products.revision import add

        samples = self._in_range([_sample(p) for p in photos], product.spec.value_range)
        return add(self._context.toolbox, product, samples, self._context.calibration)

    def reject(self, product: Product, photos: Iterable[Photo], describe: str = "") -> tuple[Product, tuple[str, ...]]:
        """Learns from photos of bad ones that were missed, and from what is wrong with them; says what changed.

        Raises:
            tools.errors.InputError: a photo cannot be read, or the words contradict the product's rules.
        """
        from agent.products.revision import reject

        checked_text("description", describe, DESCRIPTION)
        samples = self._in_range([_sample(p) for p in photos], product.spec.value_range)
        return reject(self._context.toolbox, product, samples, describe)

    def inspect(
        self,
        photo: Photo,
        *,
        product: Product | None = None,
        references: Sequence[Photo] = (),
        normal: str = "",
        question: str = "",
        on_step: OnStep | None = None,
    ) -> InspectionReport:
        """Inspects one photo.

        Args:
            photo: what to inspect.
            product: learned before; else it is learned from `references` and `normal`, once for the same ones.
            references: photos of good ones.
            normal: what good means, in a sentence.
            question: something to answer about the photo besides the verdict.
            on_step: told about each step as it ends; what it raises stops the inspection there and reaches the caller.

        Raises:
            tools.errors.InputError: the photo or a reference cannot be read, or a text is too long.
        """
        final: InspectionState | None = None
        for name, update, state in self.steps(
            photo, product=product, references=references, normal=normal, question=question
        ):
            final = state
            if on_step is not None:
                on_step(name, update)
        if final is None:
            raise RuntimeError("the graph ended without a state")
        return self._report(final)

    def steps(
        self,
        photo: Photo,
        *,
        product: Product | None = None,
        references: Sequence[Photo] = (),
        normal: str = "",
        question: str = "",
    ) -> Iterator[tuple[str, Update, InspectionState]]:
        """Inspects one photo step by step: each step's name, what it changed, and the state after it.

        The next step runs when the next item is asked for. Arguments and errors are those of `inspect`. With a store
        the first item is the first step that the store does not have, or the last step of a finished inspection.
        """
        from agent.graph import run_steps
        from agent.state import Request
        from agent.steps.first_look import decoded

        checked_text("description of a good part", normal, DESCRIPTION)
        checked_text("question", question, QUESTION)
        request = Request(_photo(photo), product, tuple(_photo(r) for r in references), normal, question)
        if self._store is None:
            return run_steps(self._graph, request, self._context)
        # What is kept is known by its pixels, so that photos are decoded before the first step.
        sample, good = decoded(request, self._context.value_range)
        kept = replace(request, photo=sample, references=() if product is not None else good)
        return self._store.steps(kept, self._context)

    def _report(self, state: InspectionState) -> InspectionReport:
        sample = state.sample
        return InspectionReport.of_state(
            state,
            models=dict(state.models),
            profile=self.profile,
            language=self._context.language,
            smallest_px=None if sample is None else self._context.toolbox.smallest_px(sample.size),
        )

    def chat(
        self,
        report: InspectionReport,
        *,
        product: Product | None = None,
        store: Path | str | None = None,
        thread: str = "chat",
    ) -> Chat:
        """A conversation about a report, fresh or read from a file.

        Args:
            report: what is spoken about; its photo is read again where a question asks for a look.
            product: that the photo was inspected with; by default the one that a fresh report was made with.
            store: SQLite file that keeps the conversation; None for memory.
            thread: its name in the store; a thread that is there goes on.

        Raises:
            tools.errors.InputError: the store cannot be used, or the thread is about another photo.
        """
        from agent.chat import Chat
        from agent.chat.case import Case

        case = Case(
            self._context,
            report,
            product,
            lambda sample, known: self.inspect(sample, product=known),
            self._report,
        )
        return Chat(case, lambda: self._context.toolbox.vlm, store=store, thread=thread)


def _check_numbers(prior: float, false_alarm: float | None, looks: int, camera: CameraOptions) -> None:
    """Refuse options of an inspector that are out of range."""
    mm_per_px, value_range = camera.get("mm_per_px"), camera.get("value_range")
    if not 0 < prior < 1:
        raise InputError(f"prior is {prior}; give a probability between 0 and 1, such as 0.5.")
    if false_alarm is not None and not 0 < false_alarm < 1:
        raise InputError(f"the false-alarm rate is {false_alarm}; give a share between 0 and 1, such as 0.02.")
    if mm_per_px is not None and not (math.isfinite(mm_per_px) and mm_per_px > 0):
        raise InputError(f"mm_per_px is {mm_per_px}; give millimetres for each pixel, such as 0.05.")
    if value_range is not None and not -math.inf < value_range[0] < value_range[1] < math.inf:
        low, high = value_range
        raise InputError(f"the range is {low:g} to {high:g}; give the lower value first, such as 0 4095.")
    if looks < 0:
        raise InputError(f"looks is {looks}; give 0 or more second looks.")


def _opened(made_with: dict[str, Any]) -> Inspector:
    return Inspector(**made_with)


def _photo(photo: Photo) -> Path | Sample:
    from PIL import Image

    if isinstance(photo, Image.Image):
        return sample_from_picture(photo)
    if isinstance(photo, np.ndarray):
        return sample_from_array(photo)
    if not isinstance(photo, Sample | Path | str):
        raise InputError(
            f"a photo was given as {type(photo).__name__}; accepted are a path, a PIL image, a uint8 array (H, W, 3) "
            "and a Sample. cv2.imread returns None for a file that it cannot read."
        )
    return photo if isinstance(photo, Sample) else Path(photo)


def _sample(photo: Photo) -> Sample:
    item = _photo(photo)
    return item if isinstance(item, Sample) else load_sample(item)
