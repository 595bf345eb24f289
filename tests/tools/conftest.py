"""Checkpoints of every class, built once a run, and photos to try the tools on."""

import checkpoints
import checkpoints_language
import checkpoints_vision
import pytest
import torch
from checkpoints import ROLE_OF, plate

from tools.images import sample_from_array
from tools.models.loading import load_model
from tools.profiles import ModelSpec

MODULES = (checkpoints, checkpoints_language, checkpoints_vision)


@pytest.fixture(scope="session")
def folder_of(tmp_path_factory):
    """The folder of a kind of checkpoint, such as "owl"; made when first asked for."""
    made = {}

    def folder(kind):
        if kind not in made:
            made[kind] = tmp_path_factory.mktemp(kind)
            (save,) = {s for module in MODULES if (s := getattr(module, f"save_{kind}", None))}
            save(made[kind])
        return made[kind]

    return folder


@pytest.fixture(scope="session")
def loaded(folder_of):
    """A kind of checkpoint, through the one loader, on the CPU."""
    # Models this small lose more by waiting for threads than they gain.
    torch.set_num_threads(1)
    made = {}

    def load(kind):
        if kind not in made:
            made[kind] = load_model(ModelSpec(source=str(folder_of(kind))), ROLE_OF[kind], "cpu")
        return made[kind]

    return load


@pytest.fixture
def good():
    """Four photos of good parts."""
    return [sample_from_array(plate(seed)) for seed in range(4)]


@pytest.fixture
def scratched():
    """A fifth, with a dark spot about (x, y) = (96, 30)."""
    image = plate(9)
    image[22:38, 88:104] = (20, 5, 60)
    return sample_from_array(image)
