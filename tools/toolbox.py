"""The tools of one profile, each loaded when it is first used."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from tools.profiles.profile import Profile
from tools.profiles.spec import FeaturesSpec, NarratorSpec, Role

if TYPE_CHECKING:
    from tools.loading import Loaded
    from tools.narrate import Narrator
    from tools.narrate.served import ServedNarrator
    from tools.parts import Discoverer, Grounder, Segmenter
    from tools.patches import PatchMemory, PatchScorer
    from tools.patches.trace import PhotoTracer


class Toolbox:
    """One tool a role; a model that two roles share is loaded once."""

    def __init__(self, profile: Profile, device: str = "auto") -> None:
        """Prefer `Toolbox.open`, which knows that the checkpoints are on disk."""
        self._profile = profile
        self._device = device
        self._models: dict[Role, Loaded] = {}
        self._served: ServedNarrator | None = None

    @classmethod
    def open(cls, profile: Profile, device: str = "auto") -> Toolbox:
        """A toolbox that loads nothing yet, but knows that its checkpoints are on disk.

        Raises:
            ModelError: a checkpoint is missing; the message says which and how to get it.
        """
        from tools.errors import ModelError
        from tools.profiles.ready import readiness

        absent = [state for state in readiness(profile) if not state.ready]
        if absent:
            raise ModelError(f"profile '{profile.name}', {absent[0].role}: {absent[0].missing}")
        return cls(profile, device)

    @cached_property
    def scorer(self) -> PatchScorer:
        """Scores patches by words."""
        from tools.patches import PatchScorer

        spec = self._profile.roles.scorer
        return PatchScorer(self._model("scorer"), path=spec.path, layers=spec.layers)

    @cached_property
    def memory(self) -> PatchMemory:
        """Scores patches against references."""
        from tools.patches import MemoryOptions, PatchMemory
        from tools.patches.shelf import default_shelf

        spec = self._profile.roles.features
        options = MemoryOptions(spec.metric, spec.neighbours, spec.foreground, spec.turns, spec.memory_mb)
        model = self._model(spec.shared or "features")
        return PatchMemory(model, side=_side(spec), shelf=default_shelf(), options=options)

    @cached_property
    def grounder(self) -> Grounder:
        """Finds parts by words."""
        from tools.parts import Grounder

        return Grounder(self._model("grounder"))

    @cached_property
    def segmenter(self) -> Segmenter:
        """Gives parts their masks."""
        from tools.parts import Segmenter

        return Segmenter(self._model("segmenter"))

    @cached_property
    def discoverer(self) -> Discoverer:
        """Finds parts without words."""
        from tools.parts import Discoverer, Proposer
        from tools.parts.describe import CROP
        from tools.patches import PatchMemory

        spec = self._profile.roles.features
        looks = PatchMemory(self._model(spec.shared or "features"), side=None if spec.shared else CROP, batch=64)
        return Discoverer(Proposer(self.segmenter, self.tracer), looks)

    @cached_property
    def narrator(self) -> Narrator:
        """Answers in words."""
        from tools.narrate import Narrator
        from tools.narrate.served import ServedNarrator

        spec: NarratorSpec = self._profile.roles.narrator
        if spec.served is not None:
            self._served = ServedNarrator(spec.served, image_size=spec.image_size)
            return self._served
        return Narrator(self._model("narrator"), image_size=spec.image_size)

    @cached_property
    def tracer(self) -> PhotoTracer | None:
        """Traces edges and damage; None where the profile has no model for it."""
        from tools.patches.trace import PhotoTracer

        return PhotoTracer(self._model("tracer")) if self._profile.roles.tracer is not None else None

    def describe(self) -> dict[str, dict[str, str]]:
        """Name, class, digest, device and dtype of each model loaded so far, by role, as a report states them."""
        described = {
            str(role): {
                "name": loaded.name,
                "class": type(loaded.model).__name__,
                "digest": loaded.digest,
                "device": loaded.device,
                "dtype": str(loaded.dtype).removeprefix("torch."),
                "quantisation": loaded.spec.quantisation or "none",
            }
            for role, loaded in self._models.items()
        }
        if self._served is not None:
            described["narrator"] = self._served.describe()
        return described

    def _model(self, role: Role) -> Loaded:
        from tools.loading import load_model

        if role not in self._models:
            self._models[role] = load_model(self._profile.role(role), role, self._device)
        return self._models[role]


def _side(spec: FeaturesSpec) -> int | None:
    """The input side that a profile asks for; a CLIP's own tower has but the one that it was built for."""
    return None if spec.shared else spec.image_size
