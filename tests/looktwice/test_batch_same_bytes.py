"""nano's answers are the same bytes in one process, in two and on Ray, but for times; takes minutes."""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from batch_driver import answers

LONG = os.environ.get("LOOKTWICE_LONG") == "1"
WOOD = Path(__file__).parents[2] / "looktwice" / "examples" / "wood"


def inspected(folder, out, *options):
    code = "from looktwice.cli import main; main()"
    references = [str(p) for p in sorted((WOOD / "good").glob("*.png"))[:3]]
    command = [sys.executable, "-c", code, "inspect", str(folder), "--ref", *references, "--profile", "nano"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    environment.pop("OMP_NUM_THREADS", None)
    done = subprocess.run([*command, "--out", str(out), *options], env=environment, timeout=600, check=False)
    assert done.returncode == 1
    return answers(out)


@pytest.mark.skipif(not LONG, reason="takes minutes; set LOOKTWICE_LONG=1")
def test_processes_and_clusters_answer_alike(tmp_path):
    (tmp_path / "in").mkdir()
    for path in [*WOOD.glob("*.png"), WOOD / "good" / "003.png"]:
        shutil.copy(path, tmp_path / "in" / path.name)
    one = inspected(tmp_path / "in", tmp_path / "one", "--workers", "1")
    assert len(one) == 4
    assert inspected(tmp_path / "in", tmp_path / "two", "--workers", "2") == one
    if find_spec("ray") is not None:
        assert inspected(tmp_path / "in", tmp_path / "far", "--workers", "2", "--ray", "local") == one
