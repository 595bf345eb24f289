"""A whole profile at full size with random weights: seconds per stage, memory, and which profile fits which memory."""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from math import prod
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import yaml
from safetensors import safe_open

from agent import Inspector
from agent.products.learn import learn
from evals.benches.full_size import shapes, write_random
from tools.errors import InputError, ModelError
from tools.images import sample_from_array
from tools.models.checkpoints import locate, weight_files
from tools.models.loading import HALVED, resolve_device
from tools.models.logging_filters import quiet
from tools.profiles import Profile, Role, load_profile
from tools.profiles.specification import Roles

if TYPE_CHECKING:
    from tools.toolbox import Toolbox

GPUS = (8, 12, 16, 24, 48, 80)
"""Memory of common GPUs in GiB."""
SPARE, SPARE_GIB = 1.2, 1.0
"""What a model computes comes on top of its weights: a fifth of them and 1 GiB, a rule of thumb."""
BYTES = {"float32": 4.0, "bfloat16": 2.0, "8bit": 1.0, "4bit": 0.5 + 1 / 64 + 4 / (64 * 256)}
"""Bytes of a weight; of 4 bits with one scale of 8 bits in 64 weights, and one of 32 bits in 256 scales (QLoRA, 3)."""
FORMS = ("float32", "bfloat16", "8bit", "4bit")
"""Forms of the language model; scorer and features are in bfloat16 beside all but the first, the others in float32."""


@dataclass(frozen=True)
class Weights:
    """How many weights one checkpoint has."""

    role: Role
    source: str
    matrices: int
    """In the linear layers that are quantised."""
    others: int

    def gib(self, form: str) -> float:
        """GiB of its weights in one of `FORMS` of the profile."""
        if self.role == "vlm":
            rest = "float32" if form == "float32" else "bfloat16"
            return (self.matrices * BYTES[form] + self.others * BYTES[rest]) / 2**30
        kept = "bfloat16" if form != "float32" and self.role in HALVED else "float32"
        return (self.matrices + self.others) * BYTES[kept] / 2**30


def profile_weights(profile: Profile) -> list[Weights]:
    """The weights of each role's own checkpoint, from its files where they lie here, else from its known architecture.

    A checkpoint of which neither is there is left out.
    """
    found = []
    for name in Roles.model_fields:
        role: Role = name  # type: ignore[assignment]  # the field names are the roles
        if not getattr(getattr(profile.roles, name), "source", ""):
            continue
        spec = profile.role(role)
        try:
            matrices, others = _counted(_of_files(locate(spec)))
        except ModelError:
            try:
                matrices, others = _counted(_of_architecture(spec.source))
            except InputError:
                continue
        found.append(Weights(role, getattr(profile.roles, name).source, matrices, others))
    return found


def smallest_gpu(gib: float) -> int | None:
    """The smallest of `GPUS` that holds weights and what is computed; None where none does.

    >>> smallest_gpu(3.5), smallest_gpu(16.0), smallest_gpu(100.0)
    (8, 24, None)
    """
    needed = gib * SPARE + SPARE_GIB
    return next((size for size in GPUS if needed <= size), None)


def _counted(tensors: Iterable[tuple[str, tuple[int, ...]]]) -> tuple[int, int]:
    """Weights of matrices that bitsandbytes quantises, and of all else."""
    matrices = others = 0
    for name, shape in tensors:
        quantised = (
            len(shape) == 2 and name.endswith(".weight") and not any(part in name for part in ("embed", "lm_head"))
        )
        matrices += prod(shape) * quantised
        others += prod(shape) * (not quantised)
    return matrices, others


def _of_files(folder: Path) -> Iterable[tuple[str, tuple[int, ...]]]:
    for path in weight_files(folder):
        with safe_open(path, framework="pt") as file:
            yield from ((name, tuple(file.get_slice(name).get_shape())) for name in list(file.keys()))


def _of_architecture(source: str) -> Iterable[tuple[str, tuple[int, ...]]]:
    return shapes(source)


TINY = "tiny"
"""The profile of the same classes that a test can afford."""
REFERENCES = 2
"""Photos of good ones that the bench's product is learned from."""
LOOKS = 1
"""Second looks of the bench's inspections."""
SIDE = (480, 640)
"""(height, width) of the bench's photos in pixels."""
SMALL = (96, 128)
"""The same for the profile `tiny`."""
DECODED = 32
"""Tokens of the answer by which decoding is timed."""


@dataclass(frozen=True)
class RoleCost:
    """What one model takes."""

    role: str
    source: str
    quantisation: str
    parameters: int
    weights_mib: float
    """Of its tensors as they are loaded."""
    load_seconds: float


@dataclass(frozen=True)
class ModelsBench:
    """What `bench_models` measured."""

    profile: str
    variant: str
    """How the language model is held: "as written", "bfloat16" or "4bit"."""
    device: str
    threads: int
    roles: tuple[RoleCost, ...]
    learn_seconds: float
    """For a product of two references, the models loaded."""
    steps: dict[str, float]
    """Seconds by step of the second inspection, "total" among them; the first one warms up."""
    tokens_per_second: float
    """Of the language model's greedy decoding."""
    bandwidth_gbs: float
    """1e9 bytes a second that the device reads and writes, measured by copying."""
    of_bandwidth: float
    """Weights of the language model that are read for a token, times tokens a second, over the bandwidth."""
    peak_mib: float
    """Most memory that the process held; of a GPU its own."""

    @property
    def inspections_per_minute(self) -> float:
        """Of photos of a product that is learned."""
        return 60 / self.steps["total"]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {**asdict(self), "inspections_per_minute": self.inspections_per_minute}


def bench_models(
    profile: str = "edge",
    *,
    device: str = "auto",
    say: Callable[[str], None] = lambda _: None,
) -> list[ModelsBench]:
    """Writes a profile's checkpoints with random weights, loads them by the one loader, and inspects.

    On a GPU the language model is measured in bfloat16 and in 4 bits, on a CPU as the profile says.

    Args:
        profile: a shipped profile whose language model is local, or "tiny".
        device: "auto", "cpu", "cuda", ...
        say: told what is being done.

    Raises:
        InputError: no such profile, a served language model, or no such device.
    """
    there = resolve_device(device)
    with tempfile.TemporaryDirectory(prefix="looktwice-bench-") as folder:
        written = _written(profile, Path(folder), say)
        variants: dict[str, dict[str, Any]] = {"as written": {}}
        if there.startswith("cuda"):
            variants = {"bfloat16": {"quantisation": None, "dtype": "bfloat16"}, "4bit": {"quantisation": "4bit"}}
        return [_measured(_with(written, change), name, there, say) for name, change in variants.items()]


def _written(name: str, folder: Path, say: Callable[[str], None]) -> Profile:
    """The profile with each checkpoint written anew, with random weights, into a folder."""
    shipped = load_profile("edge" if name == TINY else name)
    if shipped.roles.vlm.served is not None:
        raise InputError(
            f"profile '{name}': its language model is on a server, which the bench does not start; take standard."
        )
    changed: dict[str, Any] = {}
    wanted: list[tuple[str, Path]] = []
    for role in Roles.model_fields:
        spec = getattr(shipped.roles, role)
        source = getattr(spec, "source", "")
        if source:
            wanted.append((f"{TINY}/{role}" if name == TINY else source, folder / role))
            changed[role] = spec.model_copy(update={"source": str(folder / role)})
    say(f"{name}: random weights for {', '.join(source for source, _ in wanted)}")
    # In a process of its own, so that making weights does not count as memory of using them.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        pool.submit(_write_all, wanted).result()
    return shipped.model_copy(update={"name": name, "roles": shipped.roles.model_copy(update=changed), "home": folder})


def _write_all(wanted: list[tuple[str, Path]]) -> None:
    with quiet():
        for source, folder in wanted:
            write_random(source, folder)


def _with(profile: Profile, change: dict[str, Any]) -> Profile:
    vlm = profile.roles.vlm.model_copy(update=change)
    return profile.model_copy(update={"roles": profile.roles.model_copy(update={"vlm": vlm})})


def _measured(profile: Profile, variant: str, device: str, say: Callable[[str], None]) -> ModelsBench:
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()
    path = profile.home / f"{profile.name}.yaml"
    path.write_text(yaml.safe_dump(profile.model_dump(mode="json", exclude_none=True)), encoding="utf-8")
    inspector = Inspector(str(path), device=device, looks=LOOKS)
    toolbox = inspector.context.toolbox
    say(f"{profile.name}, {variant}: loading")
    roles = tuple(_loaded(toolbox, profile, role) for role in Roles.model_fields if _own(profile, role))
    say(f"{profile.name}, {variant}: an inspection")
    learned, steps = _inspected(inspector, SMALL if profile.name == TINY else SIDE, say)
    say(f"{profile.name}, {variant}: decoding")
    speed = _decoding(toolbox)
    bandwidth = _bandwidth(device)
    return ModelsBench(
        profile.name,
        variant,
        device,
        torch.get_num_threads(),
        roles,
        learned,
        steps,
        speed,
        bandwidth,
        speed * _read_for_a_token(toolbox) / bandwidth / 1e9,
        _peak(device),
    )


def _own(profile: Profile, role: str) -> bool:
    return bool(getattr(getattr(profile.roles, role), "source", ""))


def _loaded(toolbox: Toolbox, profile: Profile, role: str) -> RoleCost:
    start = time.perf_counter()
    known: Role = role  # type: ignore[assignment]  # the field names are the roles
    loaded = toolbox.model(known)
    seconds = time.perf_counter() - start
    tensors = list(loaded.model.parameters())
    return RoleCost(
        role,
        Path(profile.role(known).source).name,
        loaded.spec.quantisation or "none",
        sum(p.numel() for p in tensors),
        sum(p.numel() * p.element_size() for p in tensors) / 2**20,
        seconds,
    )


def _inspected(
    inspector: Inspector, side: tuple[int, int], say: Callable[[str], None]
) -> tuple[float, dict[str, float]]:
    """Seconds of learning, and of each step of an inspection of a photo of noise with a dark spot."""
    rng = np.random.default_rng(0)
    photos = [rng.normal(128, 20, (*side, 3)).clip(0, 255).astype(np.uint8) for _ in range(REFERENCES + 2)]
    for photo in photos[REFERENCES:]:
        photo[side[0] // 2 : 5 * side[0] // 8, side[1] // 2 : 5 * side[1] // 8] = 20
    start = time.perf_counter()
    # Not by `Inspector.learn`, which reads what was learned before from the cache.
    samples = [sample_from_array(photo) for photo in photos[:REFERENCES]]
    context = inspector.context
    product = learn(context.toolbox, "plate", samples, describe="two bolts", calibration=context.calibration)
    learned = time.perf_counter() - start
    inspector.inspect(photos[REFERENCES], product=product)
    began = time.perf_counter()
    report = inspector.inspect(
        photos[REFERENCES + 1],
        product=product,
        on_step=lambda name, _: say(f"{name}, ended after {time.perf_counter() - began:.1f} s"),
    )
    return learned, {name: float(value) for name, value in report.seconds.items()}


def _decoding(toolbox: Toolbox) -> float:
    """Tokens a second of greedy decoding, the prefix taken off: a long answer less a short one."""
    model, processor = toolbox.model("vlm").model, toolbox.model("vlm").processor
    ids = processor.tokenizer("Describe it.", return_tensors="pt").to(toolbox.model("vlm").device)

    def seconds(count: int) -> float:
        start = time.perf_counter()
        with torch.inference_mode():
            model.generate(
                **ids, min_new_tokens=count, max_new_tokens=count, do_sample=False, pad_token_id=0, use_cache=True
            )
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return time.perf_counter() - start

    seconds(2)
    short, long = seconds(2), seconds(2 + DECODED)
    return DECODED / max(long - short, 1e-9)


def _read_for_a_token(toolbox: Toolbox) -> int:
    """Bytes of weights that decoding a token reads: all of the language model's but its table of embeddings."""
    model = toolbox.model("vlm").model
    table = model.get_input_embeddings().weight
    head = model.get_output_embeddings().weight
    language = model.model.language_model
    read = sum(p.numel() * p.element_size() for p in language.parameters() if p is not table)
    return int(read + head.numel() * head.element_size())


def _bandwidth(device: str) -> float:
    """1e9 bytes a second, of copying 256 MiB: each byte is read and written; the best of five."""
    source = torch.ones(2**26, device=device)
    target = torch.empty_like(source)
    best = float("inf")
    for _ in range(6):
        start = time.perf_counter()
        target.copy_(source)
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return 2 * source.numel() * source.element_size() / best / 1e9


def _peak(device: str) -> float:
    """Most MiB held since the variant began (GPU), or by the process so far (CPU)."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
