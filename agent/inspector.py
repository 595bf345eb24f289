"""The Python interface: learn a product, inspect photos of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from agent.cache import PRODUCTS, BoundedCache, ProductCache
from agent.inspector_options import CameraOptions, check_numbers, identity_of
from agent.photo_input import Photo, References, references_of, sample_of
from agent.product_revisions import ProductRevisions
from agent.products.files import lessons_file, product_file
from agent.products.spec import Product, ProductSpec
from agent.report.model import InspectionReport
from agent.text_limits import DESCRIPTION, NAME, QUESTION, checked_text
from tools.errors import InputError
from tools.images import in_range, range_of
from tools.models.forked_process import prepare_forked_process
from tools.pixel_values import ValueRange

if TYPE_CHECKING:
    from agent.calibration.maps import Calibration
    from agent.chat import Chat
    from agent.inspection_store import InspectionStore
    from agent.products.learn import OnStage
    from agent.state import Context, InspectionState, Policy, Update
    from tools.profiles.catalog import Profile
    from tools.types import Sample

OnStep = Callable[[str, "Update"], None]
"""Is told each step's name and what it changed, as the inspection goes."""


class Inspector(ProductRevisions):
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
        from agent.products.product_cache import LearnedProducts
        from agent.state import POLICIES, Budget, Context
        from tools.profiles import resolve_profile
        from tools.toolbox import Toolbox

        mm_per_px, value_range = camera.get("mm_per_px"), camera.get("value_range")
        if unknown := camera.keys() - CameraOptions.__annotations__:
            raise TypeError(f"an Inspector takes no option '{min(unknown)}'")
        check_numbers(prior, false_alarm, looks, camera)
        if policy not in POLICIES:
            raise InputError(f"the policy is '{policy}'; give one of: {', '.join(POLICIES)}.")
        if language not in languages():
            raise InputError(f"no reports are written in '{language}'; there are: {', '.join(languages())}.")
        chosen = resolve_profile(profile)
        self.profile = chosen.name
        maps = calibration or Calibration.of_profile(chosen.name)
        self._learned = LearnedProducts.of_user(lambda: {"device": device, **identity_of(chosen, maps)})
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
            ProductCache(self._learned),
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
        self._loaded: BoundedCache[Product] = BoundedCache(PRODUCTS)
        self._store = None if store is None else self._opened_store(store, chosen)

    def _opened_store(self, path: Path | str, profile: Profile) -> InspectionStore:
        from agent.inspection_store import InspectionStore

        options = {key: value for key, value in self._made_with.items() if key not in ("calibration", "store")}
        identity = {
            "version": version("looktwice"),
            "options": options,
            **identity_of(profile, self._context.calibration),
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
        tools = self.context.toolbox
        for tool in ("scorer", "reference_matcher", "grounder", "segmenter", "discoverer", "vlm", "tracer"):
            getattr(tools, tool)

    @property
    def context(self) -> Context:
        """Tools, maps and limits of this inspector, ready for the process that asks.

        Raises:
            tools.errors.ModelError: the process was forked from one that uses a GPU.
        """
        if prepare_forked_process():
            # Another thread of the parent may have held the cache's lock.
            self._context = replace(self._context, cache=ProductCache(self._learned))
        return self._context

    def learn(
        self,
        name: str,
        references: References,
        *,
        describe: str = "",
        product: str | None = None,
        on_stage: OnStage | None = None,
    ) -> Product:
        """Learns what good ones look like; what was learned of the same photos and words before is read from the cache.

        Args:
            name: of the product, for files and reports.
            references: photos of good ones: a folder, a path, a pattern such as "good/*.png", or a list of photos.
            describe: what good means; what it says of parts ("two red bolts on the left") becomes rules.
            product: the noun that models are told; the name by default.
            on_stage: told each stage of learning ("parts", "rules", "surfaces") as it begins; none is, where the
                product is read from the cache.

        Raises:
            tools.errors.InputError: no name, a text is too long, or a reference cannot be read.
        """
        from agent.steps.first_look import learned_product

        if not name.strip():
            raise InputError("the product has an empty name; give one, such as 'tray'.")
        checked_text("product name", name, NAME)
        checked_text("product", product or "", NAME)
        checked_text("description", describe, DESCRIPTION)
        samples = self._samples(references)
        return learned_product(self.context, samples, describe, name=name, noun=product, on_stage=on_stage)

    async def alearn(
        self, name: str, references: References, *, describe: str = "", product: str | None = None
    ) -> Product:
        """`learn` in a thread, so that an event loop goes on meanwhile."""
        return await asyncio.to_thread(self.learn, name, references, describe=describe, product=product)

    def load(self, path: Path | str) -> Product:
        """A product from its YAML file; what its references show is read from the cache, or measured again.

        Raises:
            tools.errors.InputError: the file or one of its references cannot be read.
        """
        from agent.matchers.registry import added_matchers
        from agent.products.defects import with_lessons
        from agent.products.learn import remember

        spec = ProductSpec.load(Path(path))
        wanted = self._context.value_range or spec.value_range
        samples = self._samples([Path(path).absolute().parent / r for r in spec.references], wanted)
        spec = spec.model_copy(update={"value_range": wanted or range_of(samples)})
        context, stated = self.context, spec.model_dump(mode="json", exclude={"references"})

        def measured() -> Product:
            return remember(context.toolbox, spec, samples, calibration=context.calibration)

        known = context.cache.product({"file": stated, "matchers": added_matchers()}, samples, measured)
        return with_lessons(known, Path(path), context)

    def inspect(
        self,
        photo: Photo,
        *,
        product: Product | Path | str | None = None,
        references: References = (),
        normal: str = "",
        question: str = "",
        on_step: OnStep | None = None,
    ) -> InspectionReport:
        """Inspects one photo.

        Args:
            photo: what to inspect: a path, bytes, an open file, a PIL image, a NumPy array (H, W) or (H, W, C) in RGB,
                or a torch tensor (C, H, W).
            product: learned before, or the name or path of its file; else it is learned from `references` and
                `normal`, once for the same ones.
            references: photos of good ones, as `learn` takes them.
            normal: what good means, in a sentence.
            question: something to answer about the photo besides the verdict.
            on_step: told about each step as it ends; what it raises stops the inspection there and reaches the caller.

        Raises:
            tools.errors.InputError: the photo or a reference cannot be read, there is no such product, or a text is too
                long.
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

    async def ainspect(self, photo: Photo, **options: Any) -> InspectionReport:
        """`inspect`, with its arguments, in a thread, so that an event loop goes on meanwhile."""
        return await asyncio.to_thread(self.inspect, photo, **options)

    def steps(
        self,
        photo: Photo,
        *,
        product: Product | Path | str | None = None,
        references: References = (),
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
        # The photo is decoded before anything is learned, so that one that cannot be read costs nothing.
        photo, known = sample_of(photo), self._product(product)
        good = () if known is not None else tuple(sample_of(item) for item in references_of(references))
        request = Request(photo, known, good, normal=normal, question=question)
        if self._store is None:
            return run_steps(self._graph, request, self.context)
        # What is kept is known by its pixels, in the range of the product.
        sample, good = decoded(request, self._context.value_range)
        return self._store.steps(replace(request, photo=sample, references=() if known else good), self.context)

    def _samples(self, references: References, value_range: ValueRange | None = None) -> list[Sample]:
        """Photos of one product, those of more than 8 bits in the range that is given, stated, or found on them."""
        samples = [sample_of(item) for item in references_of(references)]
        wanted = value_range or self._context.value_range or range_of(samples)
        return [in_range(sample, wanted) for sample in samples]

    def _product(self, product: Product | Path | str | None) -> Product | None:
        """The product that is meant; one that is given by name or path is read once, until its file changes."""
        if not isinstance(product, str | Path):
            return product
        path = product_file(str(product)).resolve()
        found = [file.stat() for file in (path, lessons_file(path)) if file.exists()]
        state = " ".join(f"{file.st_mtime_ns} {file.st_size}" for file in found)
        return self._loaded.get(f"{path} {state}", lambda: self.load(path))

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
            self.context,
            report,
            product,
            lambda sample, known: self.inspect(sample, product=known),
            self._report,
        )
        return Chat(case, lambda: self.context.toolbox.vlm, store=store, thread=thread)


def _opened(made_with: dict[str, Any]) -> Inspector:
    return Inspector(**made_with)
