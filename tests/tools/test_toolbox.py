"""Profiles and the toolbox: five roles from a YAML file, each loaded when it is first used."""

import logging

import pytest
from checkpoints import plate

from tools.errors import ModelError
from tools.profiles import available_profiles, load_profile, readiness, resolve_profile
from tools.toolbox import Toolbox
from tools.vlm import Turn

KINDS = {"scorer": "vit_clip", "features": "backbone", "grounder": "owl", "segmenter": "sam", "vlm": "llava"}


@pytest.fixture
def own_profile(folder_of, tmp_path):
    """A user's profile whose sources are relative to its own file."""

    def write(**changed):
        lines = {role: f"{{source: models/{role}}}" for role in KINDS} | changed
        (tmp_path / "models").mkdir(exist_ok=True)
        for role, kind in KINDS.items():
            link = tmp_path / "models" / role
            if not link.exists():
                link.symlink_to(folder_of(kind), target_is_directory=True)
        text = "name: tiny\nroles:\n" + "".join(f"  {role}: {line}\n" for role, line in lines.items())
        (tmp_path / "tiny.yaml").write_text(text)
        return tmp_path / "tiny.yaml"

    return write


def test_every_tool_of_a_profile_does_its_work(own_profile, good):
    tools = Toolbox.open(load_profile(own_profile()), "cpu")
    sample = good[0]
    assert tools.scorer.score(tools.scorer.encode([sample]), "metal nut")[0].values.shape == sample.image.shape[:2]
    assert tools.memory.score(sample, tools.memory.bank(good)).source == "reference"
    found = tools.grounder.ground(sample, ["bolt", "nut"], threshold=0.0)
    masked = tools.segmenter.with_masks(tools.segmenter.encode(sample), found)
    assert [p.label for p in masked] == [p.label for p in found]
    assert 0 < tools.vlm.yes_no([sample.image], [Turn("user", "Good?", 1)]) < 1
    described = tools.describe()
    assert set(described) == set(KINDS)
    assert all(len(d["digest"]) == 64 and d["device"] == "cpu" and d["dtype"] == "float32" for d in described.values())


def test_nothing_is_loaded_before_it_is_used(own_profile, good):
    tools = Toolbox.open(load_profile(own_profile()), "cpu")
    assert tools.describe() == {}
    first = tools.memory
    assert tools.memory is first
    assert set(tools.describe()) == {"features"}


def test_features_may_be_the_image_tower_of_the_scorer(own_profile, good):
    tools = Toolbox.open(load_profile(own_profile(features="{shared: scorer}")), "cpu")
    assert tools.memory.bank(good).model == tools.scorer._loaded.digest
    assert set(tools.describe()) == {"scorer"}


def test_relative_sources_are_relative_to_the_profile(own_profile, tmp_path, monkeypatch):
    path = own_profile()
    monkeypatch.chdir("/")
    assert load_profile(path).role("scorer").source == str(tmp_path / "models" / "scorer")


def test_a_missing_checkpoint_is_said_before_anything_is_loaded(own_profile):
    profile = load_profile(own_profile(grounder="{source: models/none}"))
    assert [s.role for s in readiness(profile) if not s.ready] == ["grounder"]
    with pytest.raises(ModelError, match=r"'tiny', grounder.*no such folder"):
        Toolbox.open(profile)


def test_a_hub_id_that_is_not_in_the_cache_is_named_with_its_command(own_profile):
    (state,) = [s for s in readiness(load_profile(own_profile(vlm="{source: nobody/model}"))) if not s.ready]
    assert state.source == "nobody/model"
    assert "hf download nobody/model" in state.missing


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"scorer": "{source: a, quantisation: 4bit}"}, "scorer"),
        ({"features": "{source: a, shared: scorer}"}, "either `source` or `shared"),
        ({"vlm": "{source: a, dtype: float8}"}, "vlm.dtype"),
        ({"poet": "{source: a}"}, "poet"),
        ({"grounder": "{source: ''}"}, "grounder.source"),
    ],
)
def test_a_profile_that_says_something_odd_is_refused_by_its_place(own_profile, changed, said):
    path = own_profile(**changed)
    with pytest.raises(ModelError, match=said) as caught:
        load_profile(path)
    assert "tiny.yaml" in str(caught.value)


def test_a_file_that_is_no_yaml_or_not_there_is_refused(tmp_path):
    (tmp_path / "bad.yaml").write_text("roles: [")
    with pytest.raises(ModelError, match="not valid YAML"):
        load_profile(tmp_path / "bad.yaml")
    with pytest.raises(ModelError, match="cannot be read"):
        load_profile(tmp_path / "none.yaml")


def test_an_unknown_name_is_refused_with_those_there_are():
    with pytest.raises(ModelError, match=r"accepted are auto, .*nano"):
        load_profile("giant")


def test_the_shipped_profiles_are_valid_and_auto_prefers_the_strongest():
    ranks = [load_profile(name).rank for name in available_profiles()]
    assert {"nano", "edge", "standard"} <= set(available_profiles())
    assert len(set(ranks)) == len(ranks)
    assert load_profile("standard").rank == max(ranks)
    assert load_profile("nano").role("scorer").source.endswith("/nano/weights/scorer")


def auto_with(monkeypatch, ready, gpu_gib):

    from tools.profiles import RoleState
    from tools.profiles import selection as choose

    monkeypatch.setattr(choose.models, "gpu_gib", lambda: gpu_gib)
    monkeypatch.setattr(
        choose, "readiness", lambda profile: [RoleState("scorer", "x", profile.name in ready, "no such folder")]
    )
    return choose


@pytest.mark.parametrize(
    ("ready", "gpu_gib", "expected"),
    [
        ({"nano", "edge", "standard"}, 24.0, "standard"),
        ({"nano", "edge", "standard"}, 8.0, "edge"),
        ({"nano", "edge", "standard"}, None, "edge"),
        ({"nano"}, 80.0, "nano"),
    ],
)
def test_auto_takes_the_best_that_is_on_disk_and_fits_and_says_why(monkeypatch, caplog, ready, gpu_gib, expected):
    auto_with(monkeypatch, ready, gpu_gib)
    with caplog.at_level(logging.INFO, "looktwice"):
        assert resolve_profile("auto").name == expected
    (line,) = [r.message for r in caplog.records if r.name == "looktwice"]
    assert f"profile {expected}" in line
    assert "\n" not in line


def test_the_choice_of_auto_is_read_on_standard_error_without_any_logging_set_up(monkeypatch, capsys):
    auto_with(monkeypatch, {"nano"}, None)
    log = logging.getLogger("looktwice")
    # pytest's own handlers sit at the root.
    monkeypatch.setattr(log, "propagate", False)
    before = (list(log.handlers), log.level)
    resolve_profile("auto")
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("profile nano: ")
    assert printed.err.count("\n") == 1
    assert (list(log.handlers), log.level) == before


def test_auto_with_nothing_on_disk_says_what_each_misses(monkeypatch):
    auto_with(monkeypatch, set(), None)
    with pytest.raises(ModelError, match=r"no profile is ready.*looktwice doctor"):
        resolve_profile()


def test_a_profile_is_the_same_whatever_the_photo(own_profile, good):
    tools = Toolbox.open(load_profile(own_profile()), "cpu")
    assert tools.vlm.answer([plate(0)], [Turn("user", "?", 1)], 2) == tools.vlm.answer(
        [plate(0)], [Turn("user", "?", 1)], 2
    )
