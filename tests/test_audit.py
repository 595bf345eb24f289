"""The audit of dependencies fails where something is vulnerable, and is skipped in words where it cannot be done."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

AUDIT = Path(__file__).parents[1] / ".ci" / "audit.py"
OLD = {"name": "jinja2", "version": "2.4.1", "vulns": [{"id": "PYSEC-2014-8"}]}
CLEAN = {"name": "numpy", "version": "2.4.6", "vulns": []}
BAD = {"name": "pillow", "version": "8.0.0", "vulns": [{"id": "CVE-1"}, {"id": "CVE-2"}]}
UNKNOWN = {"name": "torch", "skip_reason": "not found"}


def audit(folder, control, pins):
    """Runs the audit with a pip-audit that says so of the control and of the pins; text is told as an error."""
    answers = {
        name: [json.dumps({"dependencies": said}), ""] if isinstance(said, list) else ["", said]
        for name, said in (("control", control), ("pins", pins))
    }
    tool = folder / "pip-audit"
    tool.write_text(
        f"#!{sys.executable}\nimport sys\n"
        f"out, err = {answers!r}['control' if 'control' in ' '.join(sys.argv) else 'pins']\n"
        "sys.stdout.write(out), sys.stderr.write(err)\nsys.exit(1 if err else 0)\n"
    )
    tool.chmod(0o755)
    pinned = folder / "constraints.txt"
    pinned.write_text("numpy==2.4.6\n")
    environment = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable, str(AUDIT), str(pinned)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("control", "pins", "status", "said"),
    [
        ([OLD], [CLEAN], 0, "1 pins, 0 vulnerable, 0 unknown"),
        ([OLD], [CLEAN, BAD], 1, "pillow 8.0.0: CVE-1, CVE-2"),
        ([OLD], [CLEAN, UNKNOWN], 1, "does not know them: torch"),
        ([OLD], "ConnectionError: the line went dead", 1, "the service works, but"),
        ("ConnectionError: no such host", [BAD], 0, "skipped, the advisory service cannot be used here"),
        ([UNKNOWN], [CLEAN], 0, "does not know that jinja2==2.4.1 is vulnerable"),
    ],
)
def test_what_the_service_says_decides_and_silence_is_said(tmp_path, control, pins, status, said):
    assert (found := audit(tmp_path, control, pins))[0] == status, found
    assert said in found[1]


def test_a_missing_tool_is_a_failure(tmp_path):
    done = subprocess.run(
        [sys.executable, str(AUDIT), "constraints.txt"], env={"PATH": str(tmp_path)}, capture_output=True, check=False
    )
    assert done.returncode == 1
    assert b"pip install pip-audit" in done.stderr
