"""The student is taught the teacher's own geometry, and what is saved is what the patch memory reads."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional

from nano.recipes import features, teacher
from nano.recipes.card import save_folder
from nano.recipes.loop import Run
from tools.images import sample_from_array
from tools.loading import load_model
from tools.patches import PatchMemory
from tools.profiles.spec import ModelSpec

SEED = 7


def pictures(count):
    return np.random.default_rng(SEED).integers(0, 256, (count, features.SIDE, features.SIDE, 3), dtype=np.uint8)


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


@pytest.fixture(scope="module")
def learned():
    """A small teacher's maps, a few pictures, and the targets made of them."""
    torch.manual_seed(SEED)
    maps = torch.nn.ModuleList([torch.nn.Conv2d(3, 160, 8, 8), torch.nn.Conv2d(3, 160, 16, 16)])
    shown = pictures(4)
    teaching = Both(maps)
    described = features.targets(teaching, features.fitted(teaching, shown), shown)
    return maps, shown, features.Targets(shown, (described[0], described[1]))


class Both(torch.nn.Module):
    def __init__(self, maps):
        super().__init__()
        self.maps = maps

    def forward(self, pixels):
        return tuple(stage(pixels) for stage in self.maps)


def test_a_teacher_is_read_back_from_its_arrays(tmp_path):
    torch.manual_seed(SEED)
    model = teacher.ResNet50V2().eval()
    write_arrays(model, tmp_path)
    read = teacher.load_teacher(str(tmp_path))
    pixels = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        for one, other, side in zip(model(pixels), read(pixels), (8, 4), strict=True):
            assert torch.equal(one, other)
            assert one.shape[-2:] == (side, side)


def test_a_teacher_that_misses_an_array_is_refused(tmp_path):
    write_arrays(teacher.ResNet50V2(), tmp_path)
    (tmp_path / "resnetv24_stage3_conv0_weight.npy").unlink()
    with pytest.raises(FileNotFoundError, match="stage3_conv0"):
        teacher.load_teacher(str(tmp_path))


def test_targets_keep_the_grids_and_the_components(learned):
    _, shown, made = learned
    for maps, width, stride in zip(made.maps, features.COMPONENTS, (8, 16), strict=True):
        assert maps.shape == (len(shown), width, features.SIDE // stride, features.SIDE // stride)


def test_pictures_are_added_to_those_that_were_described_in_the_same_terms(tmp_path, monkeypatch):
    torch.manual_seed(SEED)
    maps = torch.nn.ModuleList([torch.nn.Conv2d(3, 160, 8, 8), torch.nn.Conv2d(3, 160, 16, 16)])
    monkeypatch.setattr(features, "load_teacher", lambda source: Both(maps))
    monkeypatch.setattr(features, "scenes", lambda *_, **__: [SimpleNamespace(image=p) for p in pictures(3)])
    run = Run("features", 0.0, SEED, "cpu", tmp_path, tmp_path, False)
    few = features.prepared(run, "a teacher", tmp_path, 4, 1)
    more = features.prepared(run, "a teacher", tmp_path, 6, 1)
    again = features.prepared(run, "a teacher", tmp_path, 6, 1)
    assert len(more.pictures) == 6
    assert np.array_equal(more.pictures[:4], few.pictures) and np.array_equal(more.maps[0][:4], few.maps[0])
    assert np.array_equal(more.maps[1], again.maps[1])
    whole = features.targets(
        Both(maps), features._kept_bases(tmp_path / "bases.safetensors", None, None), more.pictures
    )
    assert np.allclose(whole[0], more.maps[0], atol=1e-3)


def test_a_student_that_says_the_targets_has_no_loss_mirrored_or_not(learned):
    _, _, made = learned

    class Perfect(torch.nn.Module):
        def forward(self, pixels):
            plain = features.normalised(made.pictures)
            out = []
            for maps in made.maps:
                signed = torch.from_numpy(maps).float()
                both = torch.cat([signed.relu(), (-signed).relu()], dim=1)
                rows = []
                for p in pixels:
                    gaps = [(p - q).abs().sum() for q in (*plain, *plain.flip(-1))]
                    n = int(torch.stack(gaps).argmin())
                    rows.append(both[n] if n < len(plain) else both[n - len(plain)].flip(-1))
                out.append(torch.stack(rows))
            return SimpleNamespace(feature_maps=out)

    for step in range(4):
        assert float(features.loss_of(Perfect(), made, 1, step)) < 1e-3


def test_a_seed_and_a_step_fix_the_loss(learned):
    _, _, made = learned
    torch.manual_seed(SEED)
    student = features.build_student().eval()
    with torch.no_grad():
        first, again, other = (float(features.loss_of(student, made, 1, step)) for step in (0, 0, 1))
    assert first == again
    assert first != other


def test_what_is_saved_is_what_the_patch_memory_reads(tmp_path):
    torch.manual_seed(SEED)
    student = features.build_student().eval()
    save_folder(student, tmp_path)
    features._write_preprocessor(tmp_path)
    memory = PatchMemory(load_model(ModelSpec(source=str(tmp_path)), "features", "cpu"))
    picture = pictures(1)
    read = memory.encode([sample_from_array(picture[0])])
    expected = teacher.embed(lambda pixels: student(pixels).feature_maps, features.normalised(picture))
    assert read.shape == (1, 32, 32, 2 * sum(features.COMPONENTS))
    assert functional.cosine_similarity(read[0], expected[0].permute(1, 2, 0), dim=-1).min() > 0.99
