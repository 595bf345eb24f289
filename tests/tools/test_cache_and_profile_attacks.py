"""A cache that cannot be written stops nothing; a profile is read within limits."""

import logging
import os
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from tools.anomaly.bank_cache import BankCache
from tools.anomaly.memory_bank import Bank
from tools.errors import ModelError
from tools.profiles import load_profile


def bank():
    return Bank(torch.zeros(1, 1, 2, 3), torch.eye(3), torch.zeros(2), ("a",), (0.0,), "m", None, "r")


@pytest.mark.parametrize("error", [SafetensorError("I/O error: No space left on device"), OSError(28, "No space left")])
def test_a_full_cache_is_said_once_and_stops_nothing(tmp_path, monkeypatch, caplog, error):
    def full(*_):
        raise error

    monkeypatch.setattr("tools.anomaly.memory_bank.save_file", full)
    monkeypatch.setattr(BankCache, "_told", False)
    cache = BankCache(tmp_path / "banks")
    with caplog.at_level(logging.WARNING):
        cache.keep(bank())
        cache.keep(bank())
    assert len([r for r in caplog.records if "cannot be kept" in r.message]) == 1
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_a_cache_folder_that_is_a_file_stops_nothing(tmp_path):
    (tmp_path / "banks").write_text("a file")
    cache = BankCache(tmp_path / "banks")
    cache.keep(bank())
    assert cache.find("m", None, "r", ["a"], "cpu") is None


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x, x]\nb: &b [*a, *a]\nroles: *b\n",
        "[" * 5000,
        "rank: .nan\nroles: {}\n",
        "name: a\nname: b\n",
        "gpu_gib: .inf\n",
        "rank: 1" + "0" * 5000,
        "!!python/object/apply:os.system [id]",
        "x: " + "y" * 2_000_000,
        "\x00",
    ],
)
def test_a_profile_that_overreaches_is_refused_in_one_sentence(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ModelError) as caught:
        load_profile(path)
    assert "\n" not in str(caught.value)


def test_a_profile_that_is_a_device_or_a_queue_is_refused_and_does_not_wait(tmp_path):
    link, queue = tmp_path / "zero.yaml", tmp_path / "queue.yaml"
    link.symlink_to(Path("/dev/zero"))
    os.mkfifo(queue)
    for path in (link, queue):
        with pytest.raises(ModelError, match="not a regular file"):
            load_profile(path)


def test_a_cache_drops_banks_and_no_file_of_the_user(tmp_path, monkeypatch):
    monkeypatch.setattr("tools.anomaly.bank_cache.KEPT", 1)
    mine = tmp_path / "my-model.safetensors"
    mine.write_text("mine")
    old = tmp_path / f"{'a' * 64}.safetensors"
    old.write_text("old")
    for path in (mine, old):
        os.utime(path, (1, 1))
    BankCache(tmp_path).keep(bank())
    assert mine.read_text() == "mine"
    assert not old.exists()
