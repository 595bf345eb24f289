"""The student is taught the teacher's own geometry, and what is saved is what the patch memory reads."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from nano.recipes.features import teacher, train
from nano.recipes.training import save_folder
from tools.anomaly import PatchMemory
from tools.images import sample_from_array
from tools.models.loading import load_model
from tools.models.preact_resnet import unit
from tools.profiles.specification import ModelSpec

SEED = 7


def pictures(count):
    return np.random.default_rng(SEED).integers(0, 256, (count, train.SIDE, train.SIDE, 3), dtype=np.uint8)


def write_norm(folder, name, norm):
    parts = {
        "gamma": norm.weight,
        "beta": norm.bias,
        "running_mean": norm.running_mean,
        "running_var": norm.running_var,
    }
    for part, values in parts.items():
        np.save(folder / f"resnetv24_{name}_{part}.npy", values.detach().numpy())


def write_arrays(model, folder):
    """One .npy a layer, counted from nought within each stage, a block's projection after its own convolutions."""
    for name in ("batchnorm0", "batchnorm1"):
        write_norm(folder, name, model.bn0 if name == "batchnorm0" else model.bn1)
    np.save(folder / "resnetv24_conv0_weight.npy", model.conv0.weight.detach().numpy())
    for number, stage in enumerate(model.stages, start=1):
        norms = [n for block in stage for n in (block.bn1, block.bn2, block.bn3)]
        convs = [c for block in stage for c in (block.conv1, block.conv2, block.conv3, block.project) if c is not None]
        for n, norm in enumerate(norms):
            write_norm(folder, f"stage{number}_batchnorm{n}", norm)
        for n, conv in enumerate(convs):
            np.save(folder / f"resnetv24_stage{number}_conv{n}_weight.npy", conv.weight.detach().numpy())


def random_teacher():
    torch.manual_seed(SEED)
    return teacher.ResNet50V2().eval()


@pytest.fixture(scope="module")
def learned():
    """A teacher, its principal directions of a few pictures, and the student that begins as it."""
    teaching = random_teacher()
    bases = train.principal(teaching, pictures(6))
    return teaching, bases, train.begun(teaching, bases).eval()


def test_a_teacher_is_read_back_from_its_arrays(tmp_path):
    model = random_teacher()
    write_arrays(model.net, tmp_path)
    read = teacher.load_teacher(str(tmp_path))
    pixels = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        for one, other, side in zip(model(pixels), read(pixels), (8, 4), strict=True):
            assert torch.equal(one, other)
            assert one.shape[-2:] == (side, side)


def test_a_teacher_that_misses_an_array_is_refused(tmp_path):
    write_arrays(random_teacher().net, tmp_path)
    (tmp_path / "resnetv24_stage3_conv0_weight.npy").unlink()
    with pytest.raises(FileNotFoundError, match="stage3_conv0"):
        teacher.load_teacher(str(tmp_path))


def test_the_student_begins_with_the_teachers_own_fine_map(learned):
    teaching, bases, student = learned
    pixels = train.normalised(pictures(1))
    with torch.no_grad():
        fine, _ = teaching(pixels)
        said = student(pixels).feature_maps[0]
    wanted = torch.einsum("nchw,ck->nkhw", fine, bases[0])
    assert functional.cosine_similarity(said, wanted, dim=1).min() > 0.999


def test_directions_keep_the_cosines_between_places(learned):
    teaching, bases, _ = learned
    with torch.no_grad():
        stage = unit(teaching(train.normalised(pictures(1)))[0])
    whole = functional.normalize(stage[0].flatten(1), dim=0)
    kept = functional.normalize(torch.einsum("ck,cn->kn", bases[0], whole), dim=0)
    assert (whole.T @ whole - kept.T @ kept).abs().mean() < 0.02


class Few:
    """A cropper of few pictures."""

    def __getitem__(self, number):
        return pictures(4)[number % 4]


def test_only_the_last_stage_of_a_student_that_inherits_learns_and_it_comes_closer(learned):
    teaching, bases, _ = learned
    student = train.begun(teaching, bases)
    lesson = train.Distillation(student, teaching, bases, Few())
    frozen = student.stages[1][0].conv1.weight.clone()
    torch.nn.init.normal_(student.heads[1].weight, std=0.05)
    optimiser = torch.optim.Adam([p for p in student.parameters() if p.requires_grad], lr=1e-3)
    losses = []
    for _ in range(6):
        loss = lesson.loss(0, "cpu")
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    assert torch.equal(frozen, student.stages[1][0].conv1.weight)


def test_of_another_teacher_everything_is_learned():
    class Two(torch.nn.Module):
        def forward(self, pixels):
            return functional.avg_pool2d(pixels, 8).repeat(1, 90, 1, 1), functional.avg_pool2d(pixels, 16).repeat(
                1, 90, 1, 1
            )

    bases = [torch.eye(270)[:, :width] for width in train.COMPONENTS]
    student = train.begun(Two(), bases)
    loss = train.Distillation(student, Two(), bases, Few()).loss(0, "cpu")
    loss.backward()
    assert student.conv0.weight.grad.abs().sum() > 0


def test_what_is_saved_is_what_the_patch_memory_reads(tmp_path, learned):
    _, _, student = learned
    save_folder(student, tmp_path)
    train._write_preprocessor(tmp_path)
    memory = PatchMemory(load_model(ModelSpec(source=str(tmp_path)), "features", "cpu"))
    picture = pictures(1)
    read = memory.encode([sample_from_array(picture[0])])
    with torch.no_grad():
        fine = unit(student(train.normalised(picture)).feature_maps[0])
    assert read.shape == (1, 32, 32, sum(train.COMPONENTS))
    mine = read[0, ..., : train.COMPONENTS[0]].permute(2, 0, 1)
    assert functional.cosine_similarity(mine, fine[0], dim=0).min() > 0.99


@pytest.mark.data
def test_arrays_are_read_as_the_published_outputs_want_it():
    """SqueezeNet 1.1 comes with three pairs of input and output; one way of reading arrays serves both networks."""
    root = os.environ.get("LOOKTWICE_DATA")
    if not root:
        pytest.skip("set LOOKTWICE_DATA to the folder that holds weights/squeezenet1.1")
    folder = Path(root) / "weights" / "squeezenet1.1"
    model = squeezenet(folder)
    for number in range(3):
        given, wanted = pair(folder, number)
        with torch.no_grad():
            assert (model(given) - wanted).abs().max() < 1e-3


def squeezenet(folder):
    """SqueezeNet 1.1 with its arrays, read by the function that reads the teacher's."""
    from torchvision.models import squeezenet1_1

    model = squeezenet1_1(weights=None).eval()
    convolutions = [m for m in model.modules() if isinstance(m, torch.nn.Conv2d)]
    for number, layer in enumerate(convolutions):
        teacher._conv(layer, folder / "weights", f"squeezenet0_conv{number}")
        layer.bias.data = torch.from_numpy(np.load(folder / "weights" / f"squeezenet0_conv{number}_bias.npy"))
    return model


def pair(folder, number):
    given, wanted = (np.load(folder / "test_data_set" / str(number) / f"{name}_0.npy") for name in ("input", "output"))
    return torch.from_numpy(given), torch.from_numpy(wanted).reshape(1, -1)
