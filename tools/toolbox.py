"""The tools of one profile, each loaded when it is first used."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING

from tools import anomaly, defects, models, parts, vlm
from tools.errors import ModelError
from tools.parts.descriptors import CROP
from tools.profiles.catalog import Profile, readiness
from tools.profiles.specification import FeaturesSpec, Proposes, Role, VLMSpec

if TYPE_CHECKING:
    from tools.anomaly import PatchMemory, PatchScorer, PhotoTracer, ReferenceMatcher
    from tools.defects import RegionEmbedder
    from tools.models import Loaded
    from tools.models.memory import Rung
    from tools.parts import Discoverer, Grounder, Segmenter
    from tools.parts.parameters import PartParameters
    from tools.vlm import LocalVLM, ServerVLM


PATCH = 8
"""Pixels of what a network sees of a photo that a defect must cover, each way, to be relied on to be seen."""
EMBEDDED = 96
"""Side of a photo as it is embedded, in pixels."""
SIDE = 256
"""Side of what a network sees of a photo where the profile states none, in pixels."""


class Toolbox:
    """One tool a role; a model that two roles share is loaded once."""

    def __init__(
        self, profile: Profile, device: str = "auto", *, part_parameters: PartParameters | None = None
    ) -> None:
        """Prefer `Toolbox.open`, which knows that the checkpoints are on disk."""
        self._profile = profile
        self._part_parameters = part_parameters
        self._device = device
        self._models: dict[Role, Loaded] = {}
        self._served: ServerVLM | None = None
        self._lighter: list[Rung] = []

    @classmethod
    def open(cls, profile: Profile, device: str = "auto", *, part_parameters: PartParameters | None = None) -> Toolbox:
        """A toolbox that loads nothing yet, but knows that its checkpoints are on disk.

        Args:
            profile: names the checkpoints.
            device: "auto", "cpu", "cuda", ...
            part_parameters: fitted parameters of the discoverer, which cannot be used without them.

        Raises:
            ModelError: a checkpoint is missing; the message says which and how to get it.
        """
        absent = [state for state in readiness(profile) if not state.ready]
        if absent:
            raise ModelError(
                f"profile '{profile.name}', {absent[0].role}: {absent[0].missing} All of it: `looktwice models pull "
                f"{profile.name}`."
            )
        return cls(profile, device, part_parameters=part_parameters)

    @cached_property
    def scorer(self) -> PatchScorer:
        """Scores patches by words."""
        spec = self._profile.roles.scorer
        return anomaly.PatchScorer(self.model("scorer"), path=spec.path, layers=spec.layers)

    @cached_property
    def memory(self) -> PatchMemory:
        """Scores patches against references."""
        spec = self._profile.roles.features
        options = anomaly.MemoryOptions(spec.metric, spec.neighbours, spec.foreground, spec.turns, spec.memory_mb)
        model = self.model(spec.shared or "features")
        return anomaly.PatchMemory(model, side=_side(spec), cache=anomaly.default_bank_cache(), options=options)

    @cached_property
    def embedder(self) -> PatchMemory:
        """Embeds whole photos at a small size, to tell which of many are alike."""
        spec = self._profile.roles.features
        return anomaly.PatchMemory(self.model(spec.shared or "features"), side=None if spec.shared else EMBEDDED)

    @cached_property
    def reference_matcher(self) -> ReferenceMatcher:
        """Scores photos against references: on the pretrained backbone where the profile has one, else by `memory`."""
        spec = self._profile.roles.backbone
        if spec is None:
            return self.memory
        return anomaly.TwoScaleMatcher(self.model("backbone"), side=spec.image_size)

    @cached_property
    def region_embedder(self) -> RegionEmbedder:
        """Embeds regions for types of defects: on the pretrained backbone, else on the features of `memory`."""
        if self._profile.roles.backbone is not None:
            return defects.RegionEmbedder(self.model("backbone"))
        return defects.RegionEmbedder(self.model(self._profile.roles.features.shared or "features"))

    @cached_property
    def grounder(self) -> Grounder:
        """Finds parts by words."""
        return parts.Grounder(self.model("grounder"))

    @cached_property
    def segmenter(self) -> Segmenter:
        """Gives parts their masks."""
        return parts.Segmenter(self.model("segmenter"))

    @cached_property
    def discoverer(self) -> Discoverer:
        """Finds parts without words.

        Raises:
            ValueError: the toolbox was opened without part parameters.
        """
        if self._part_parameters is None:
            raise ValueError("the discoverer needs fitted parameters; open the toolbox with `part_parameters`.")
        spec = self._profile.roles.features
        looks = anomaly.PatchMemory(self.model(spec.shared or "features"), side=None if spec.shared else CROP, batch=64)
        return parts.Discoverer(parts.Proposer(self.segmenter, self.tracer), looks, self._part_parameters)

    @cached_property
    def vlm(self) -> LocalVLM:
        """Answers in words."""
        spec: VLMSpec = self._profile.roles.vlm
        if spec.served is not None:
            self._served = vlm.ServerVLM(spec.served, image_size=spec.image_size)
            return self._served
        loaded = self.model("vlm")
        return vlm.MemoryFallbackVLM(loaded, self._lighter, image_size=spec.image_size, told=self._replaced)

    @property
    def proposes(self) -> Proposes:
        """What the language model is asked for when a product is learned."""
        return self._profile.roles.vlm.proposes

    @cached_property
    def tracer(self) -> PhotoTracer | None:
        """Traces edges and damage; None where the profile has no model for it."""
        return anomaly.PhotoTracer(self.model("tracer")) if self._profile.roles.tracer is not None else None

    def smallest_px(self, size: tuple[int, int]) -> float:
        """Side of the smallest defect that can be relied on to be seen, in pixels of a photo of (width, height)."""
        spec = self._profile.roles.backbone or self._profile.roles.features
        return PATCH * math.sqrt(size[0] * size[1]) / (spec.image_size or SIDE)

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
            described["vlm"] = self._served.describe()
        return described

    def model(self, role: Role) -> Loaded:
        """The model of a role, loaded if it was not.

        Raises:
            ModelError: it cannot be loaded, or there is no memory for it.
        """
        if role not in self._models:
            rungs = models.ladder(self._profile.role(role), role, models.resolve_device(self._device))
            self._models[role], left = models.load_lightest_needed(rungs, role)
            if role == "vlm":
                self._lighter = left
        return self._models[role]

    def _replaced(self, loaded: Loaded | None) -> None:
        """Gives the language model's model up, or takes the one in its place."""
        if loaded is None:
            self._models.pop("vlm", None)
        else:
            self._models["vlm"] = loaded


def _side(spec: FeaturesSpec) -> int | None:
    """The input side that a profile asks for; a CLIP's own tower has but the one that it was built for."""
    return None if spec.shared else spec.image_size
