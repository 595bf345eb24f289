"""What is published: a wheel made from the source distribution, installed elsewhere, inspects without a network."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

from prompts import ready_made

ROOT = Path(__file__).parents[2]
MOST_MIB = 60
"""The embedded models may take so much, and little comes beside them."""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    pytest.importorskip("build", reason="the package `build` is not installed")
    pytest.importorskip("hatchling", reason="the package `hatchling` is not installed")
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return next(out.glob("*.whl")), next(out.glob("*.tar.gz"))


@pytest.fixture(scope="module")
def python(built, tmp_path_factory):
    """A Python with the wheel installed; the packages that it needs are lent by this environment, LookTwice is not."""
    home = tmp_path_factory.mktemp("elsewhere") / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
    there = home / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", there, "install", "--quiet", "--no-deps", "--no-index", built[0]]
    subprocess.run(pip, check=True)
    (packages,) = home.glob("lib/python*/site-packages")
    # A folder named in a .pth file is searched after the environment's own, and the .pth files within it are not read.
    (packages / "lent.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return there


def ran(python, *words, cwd):
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "LOOKTWICE"))}
    environment |= {"HF_HUB_OFFLINE": "1", "LOOKTWICE_CACHE": "off", "https_proxy": "http://127.0.0.1:9"}
    return subprocess.run([python, *words], capture_output=True, text=True, cwd=cwd, env=environment, check=False)


@pytest.mark.slow
def test_the_wheel_holds_weights_words_and_examples_and_is_small(built):
    wheel, source = built
    names = set(zipfile.ZipFile(wheel).namelist())
    weights = {p.relative_to(ROOT).as_posix() for p in (ROOT / "nano/weights").rglob("*.safetensors")}
    assert len(weights) >= 6
    assert weights | {"prompts/states.yaml", "looktwice/examples/examples.yaml", "agent/calibration/nano.yaml"} <= names
    assert {f"prompts/products/{name}.yaml" for name in ready_made()} <= names
    assert wheel.stat().st_size < MOST_MIB * 2**20
    assert [n for n in names if n.startswith(("tests/", "docs/", "out/"))] == []
    with tarfile.open(source) as archive:
        kept = {n.partition("/")[2] for n in archive.getnames()}
    assert {"LICENSE", "NOTICE", "README.md", "pyproject.toml", "tests/test_house.py"} <= kept


@pytest.mark.slow
def test_the_size_that_is_stated_is_that_of_the_wheel(built):
    stated = re.search(r"The wheel weighs (\d+) MB", (ROOT / "docs" / "packaging.md").read_text())
    assert abs(built[0].stat().st_size / 1e6 - int(stated.group(1))) < 4


@pytest.mark.slow
def test_the_installed_package_inspects_the_shipped_photos_from_outside_of_the_repository(python, tmp_path):
    where = ran(python, "-c", "import looktwice, nano; print(looktwice.__file__, nano.__file__)", cwd=tmp_path)
    assert where.stdout.count(str(python.parent.parent)) == 2, where.stderr
    script = python.parent / "looktwice"
    done = ran(python, script, "demo", "--out", "reports", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    reports = [json.loads(p.read_text()) for p in tmp_path.glob("reports/*/report.json")]
    assert len(reports) >= 6
    told = {
        p.parent.name: json.loads(p.read_text())["verdict"]["anomalous"] for p in tmp_path.glob("reports/*/report.json")
    }
    assert not told["wood-good"]
    assert told["wood-hole"]
    assert all(p.with_name("overlay.png").exists() for p in tmp_path.glob("reports/*/report.json"))


def test_the_container_copies_every_room_and_its_user_is_not_root():
    text = (ROOT / "Dockerfile").read_text()
    rooms = {p.parent.name for p in ROOT.glob("*/__init__.py") if p.parent.name not in ("docs", "tests")}
    assert {f"COPY {room} {room}" for room in rooms} <= set(text.splitlines())
    last = text.split("FROM ")[-1]
    assert re.search(r"^USER [1-9]\d*$", last, re.MULTILINE)


def test_the_container_file_is_linted():
    linter = shutil.which("hadolint", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if linter is None:
        pytest.skip("hadolint is not installed")
    done = subprocess.run([linter, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert done.stdout + done.stderr == ""


def test_the_workflow_does_what_the_script_of_the_repository_does():
    import yaml

    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]
    assert [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step] == [".ci/run"]
