"""A bundle made by an attacker writes nothing outside of its folders, expands to nothing, and is refused whole."""

import copy
import json
import shutil
import tarfile
import tracemalloc

import pytest
from bundles import COMMIT, CONTENT, manifest, tree, write

from tools.errors import InputError
from tools.models.bundle import unpack


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A Hub cache of this test."""
    from huggingface_hub import constants

    folder = tmp_path / "home" / "hub"
    folder.mkdir(parents=True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    return folder


def refused(path, tmp_path, into=None):
    before = tree(tmp_path)
    with pytest.raises(InputError) as caught:
        unpack(path, into)
    assert tree(tmp_path) == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_sound_bundle_is_unpacked(cache, tmp_path):
    unpack(write(tmp_path / "x.tar", manifest()))
    store = cache / "models--a--b"
    assert (store / "refs" / "main").read_text() == COMMIT
    assert {n: (store / "snapshots" / COMMIT / n).read_bytes() for n in CONTENT} == CONTENT


def test_a_sound_bundle_of_a_folder_is_unpacked(cache, tmp_path):
    into = tmp_path / "into"
    unpack(write(tmp_path / "x.tar", manifest(source="my model", revision=None)), into)
    assert {n: (into / "scorer" / n).read_bytes() for n in CONTENT} == CONTENT


@pytest.mark.parametrize("field", ["role", "source", "revision", "branch"])
@pytest.mark.parametrize(
    "value",
    [
        "/tmp/evil",
        "../../../../evil",
        "a/../../evil",
        "..",
        ".",
        "",
        "a\\b",
        "C:\\evil",
        "a\0b",
        "a\nb",
        "~/evil",
        "-x/y;z",
        "x" * 5000,
        "a/b/c/d/e/f",
        "\u202e",
        "scorer\n",
    ],
)
def test_a_name_that_leads_outside_is_refused(cache, tmp_path, field, value):
    refused(write(tmp_path / "x.tar", manifest(**{field: value})), tmp_path)


def test_a_branch_writes_no_file_of_the_user(cache, tmp_path):
    victim = tmp_path / "authorized_keys"
    told = refused(write(tmp_path / "x.tar", manifest(branch=str(victim), revision="evil text")), tmp_path)
    assert "leads outside" in told
    assert not victim.exists()


@pytest.mark.parametrize(
    "name",
    [
        "../evil.json",
        "/tmp/evil.json",
        "a/../../evil.json",
        "run.py",
        "weights.bin",
        "weights.pt",
        "x.pkl",
        "x.so",
        "sitecustomize.PY",
        ".hidden.json",
        "a//b.json",
        "./a.json",
        "config",
        "a\0.json",
        "a/b/c/d/e.json",
    ],
)
def test_a_file_name_or_type_that_is_not_listed_is_refused(cache, tmp_path, name):
    told = manifest()
    told["checkpoints"][0]["files"][0]["name"] = name
    renamed = {name if n == "config.json" else n: c for n, c in CONTENT.items()}
    refused(write(tmp_path / "x.tar", told, {n.replace("\0", "?"): c for n, c in renamed.items()}), tmp_path)


def test_one_file_or_role_twice_is_refused(cache, tmp_path):
    told = manifest()
    told["checkpoints"][0]["files"][1]["name"] = "CONFIG.json"
    refused(write(tmp_path / "x.tar", told), tmp_path)
    told = manifest()
    told["checkpoints"].append(copy.deepcopy(told["checkpoints"][0]))
    assert "twice" in refused(write(tmp_path / "y.tar", told), tmp_path)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_links_devices_and_folders_are_refused(cache, tmp_path, kind):
    entry = tarfile.TarInfo("scorer/config.json")
    entry.type, entry.linkname = kind, "/etc/passwd"
    left = {n: c for n, c in CONTENT.items() if n == "none"}
    assert "no plain file" in refused(write(tmp_path / "x.tar", manifest(), left, entries=[entry]), tmp_path)


def test_a_size_that_differs_and_an_additional_entry_are_refused(cache, tmp_path):
    longer = {**CONTENT, "config.json": b"{}  "}
    assert "4 bytes" in refused(write(tmp_path / "x.tar", manifest(), longer), tmp_path)
    more = {**CONTENT, "more.json": b"{}"}
    assert "more.json" in refused(write(tmp_path / "y.tar", manifest(), more), tmp_path)
    assert "lacks" in refused(write(tmp_path / "z.tar", manifest(), {"config.json": b"{}"}), tmp_path)


def test_a_wrong_digest_leaves_no_file(cache, tmp_path):
    bad = {**CONTENT, "config.json": b"[]"}
    path = write(tmp_path / "x.tar", manifest(), bad)
    with pytest.raises(InputError, match=r"config\.json is damaged"):
        unpack(path)
    assert not [p for p in cache.rglob("*") if p.is_file() or p.is_symlink()]


def test_a_compressed_bundle_is_refused_without_expanding(cache, tmp_path):
    told = json.dumps(manifest()).encode() + b" " * 100_000_000
    path = write(tmp_path / "x.tar", told, mode="w:gz")
    assert path.stat().st_size < 1_000_000
    tracemalloc.start()
    refused(path, tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000_000


def test_a_manifest_or_header_that_is_too_large_is_refused(cache, tmp_path):
    assert "accepted" in refused(write(tmp_path / "x.tar", json.dumps(manifest()).encode() + b" " * 10**6), tmp_path)
    entry = tarfile.TarInfo("scorer/a.json")
    entry.pax_headers = {"comment": "x" * 200_000}
    assert "header" in refused(write(tmp_path / "y.tar", manifest(), entries=[entry]), tmp_path)


@pytest.mark.parametrize("text", [b"[" * 100_000, b"{}", b"NaN", b"\xff", b'{"profile": 1' + b"0" * 9999 + b"}"])
def test_a_manifest_that_is_none_is_refused(cache, tmp_path, text):
    refused(write(tmp_path / "x.tar", text), tmp_path)


def test_a_link_in_the_target_leads_nowhere_else(cache, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (cache / "models--a--b").mkdir()
    (cache / "models--a--b" / "refs").symlink_to(outside)
    path = write(tmp_path / "x.tar", manifest())
    with pytest.raises(InputError, match="a link leads there"):
        unpack(path)
    assert tree(outside) == []
    into = tmp_path / "into"
    into.mkdir()
    (into / "scorer").symlink_to(outside)
    with pytest.raises(InputError, match="a link leads there"):
        unpack(write(tmp_path / "y.tar", manifest(source="own", revision=None)), into)
    assert tree(outside) == []


def test_a_device_or_a_folder_is_no_bundle(cache, tmp_path):
    from pathlib import Path

    for path in (Path("/dev/zero"), tmp_path):
        with pytest.raises(InputError, match="not a regular file"):
            unpack(path)


def test_one_wrong_digest_places_no_other_file(cache, tmp_path):
    bad = {**CONTENT, "sub/more.txt": b"wordz"}
    into = tmp_path / "into"
    with pytest.raises(InputError, match="is damaged"):
        unpack(write(tmp_path / "x.tar", manifest(), bad))
    with pytest.raises(InputError, match="is damaged"):
        unpack(write(tmp_path / "y.tar", manifest(source="own", revision=None), bad), into)
    assert tree(cache) == tree(into) == []


def test_a_file_of_the_user_is_neither_replaced_nor_removed(cache, tmp_path):
    into = tmp_path / "into"
    for mine in (into / "scorer" / "model.safetensors", into / "scorer" / "config.json.part"):
        mine.parent.mkdir(parents=True, exist_ok=True)
        mine.write_text("mine")
    path = write(tmp_path / "x.tar", manifest(source="own", revision=None))
    assert "exists already" in refused(path, tmp_path, into)
    (into / "scorer" / "model.safetensors").unlink()
    for _ in range(2):
        unpack(path, into)
    assert (into / "scorer" / "config.json.part").read_text() == "mine"
    snapshot = cache / "models--a--b" / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("mine")
    assert "exists already" in refused(write(tmp_path / "y.tar", manifest()), tmp_path)


def test_a_bundle_that_unpacks_to_too_much_or_more_than_is_free_is_refused(cache, tmp_path, monkeypatch):
    told = manifest()
    told["checkpoints"][0]["files"][0]["size"] = 10**12
    assert "at most 200,000,000,000" in refused(write(tmp_path / "x.tar", told), tmp_path)
    monkeypatch.setattr("tools.models.bundle.shutil.disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))
    assert "are free" in refused(write(tmp_path / "y.tar", manifest()), tmp_path)


def test_a_bundle_is_packed_beside_a_file_that_bears_a_temporary_name(tmp_path):
    from tools.models.bundle import pack
    from tools.profiles import load_profile

    mine = tmp_path / "nano.tar.part"
    mine.write_text("mine")
    pack(load_profile("nano"), tmp_path / "nano.tar")
    assert mine.read_text() == "mine"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["nano.tar", "nano.tar.part"]


def test_checking_a_checkpoint_removes_damaged_blobs_and_nothing_else(tmp_path):
    from tools.models.hub import verify

    mine = tmp_path / ("c" * 40)
    mine.write_text("mine")
    folder = tmp_path / "models--a--b" / "snapshots" / COMMIT
    blob = tmp_path / "models--a--b" / "blobs" / ("d" * 64)
    for path in (folder, blob.parent, tmp_path / "own"):
        path.mkdir(parents=True)
    blob.write_text("damaged")
    for where in (folder, tmp_path / "own"):
        (where / "a.json").symlink_to(mine)
        (where / "b.json").symlink_to(blob)
    assert verify(tmp_path / "own") == []
    assert blob.exists()
    assert verify(folder) == ["b.json"]
    assert mine.read_text() == "mine"
    assert (folder / "a.json").is_symlink()
    assert not blob.exists()
