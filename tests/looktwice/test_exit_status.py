"""Exit status 1 means anomalous and nothing else; a fault of the program exits with 70 and keeps its traceback."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import looktwice as here

import looktwice.cli.doctor

MAIN = "from looktwice.cli import main; main()"
DOCTOR = "import looktwice.cli.doctor as say\ndef broken():\n    {}\nsay._device = broken\n" + MAIN


def call(code, *arguments, stdout=subprocess.PIPE, **environment):
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize(
    ("breaks", "said"),
    [
        ("raise KeyError('x\\n\\x1b[31m')", "KeyError"),
        ("raise EOFError", "EOFError"),
        ("raise SystemExit('text')", "SystemExit"),
        ("raise SystemExit(1)", "SystemExit"),
        ("raise BaseException('of a library')", "BaseException"),
        ("raise MemoryError", "MemoryError"),
    ],
)
def test_an_exception_that_nobody_foresaw_exits_with_70_and_one_sentence(tmp_path, monkeypatch, breaks, said):
    def broken():
        exec(breaks)

    monkeypatch.setattr(looktwice.cli.doctor, "_device", broken)
    result = here("doctor", XDG_CACHE_HOME=str(tmp_path))
    assert result.returncode == 70
    (line,) = result.stderr.splitlines()
    assert said in line
    assert "\x1b" not in line
    kept = Path(re.search(r"traceback is in (\S+);", line)[1])
    assert kept.is_relative_to(tmp_path)
    assert "Traceback" in kept.read_text()
    assert kept.stat().st_mode & 0o077 == 0


def test_an_import_that_fails_at_the_start_exits_with_70(tmp_path):
    code = f"import sys\nsys.modules['looktwice.cli.bench'] = None\n{MAIN}"
    result = call(code, "--version", XDG_CACHE_HOME=str(tmp_path))
    assert result.returncode == 70
    assert "looktwice.cli.bench" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_traceback_goes_to_the_temporary_folder_and_at_last_to_standard_error(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    code = DOCTOR.format("raise KeyError('x')")
    result = call(code, "doctor", XDG_CACHE_HOME=str(blocked), TMPDIR=str(temporary))
    assert result.returncode == 70
    assert len(list(temporary.glob("traceback-*.txt"))) == 1
    none = "import tempfile\ndef mkstemp(**_):\n    raise OSError(28, 'full')\ntempfile.mkstemp = mkstemp\n"
    result = call(none + code, "doctor", XDG_CACHE_HOME=str(blocked))
    assert result.returncode == 70
    assert "Traceback" in result.stderr


def test_wrong_calls_and_inputs_still_exit_with_2_and_an_interrupt_with_130(tmp_path):
    assert call(MAIN, "nosuch").returncode == 2
    assert call(MAIN, "inspect", tmp_path / "none.png", "--profile", "nano").returncode == 2
    result = call(DOCTOR.format("raise KeyboardInterrupt"), "doctor")
    assert result.returncode == 130
    assert result.stderr == "looktwice: stopped; what was finished is kept.\n"


def test_a_reader_that_goes_away_is_neither_good_nor_anomalous_nor_a_traceback():
    gone, output = os.pipe()
    os.close(gone)
    for arguments in (["--help"], ["models", "list", "nano"]):
        result = call(MAIN, *arguments, stdout=output)
        assert (result.returncode, result.stderr) == (141, "")
    os.close(output)


def test_a_fault_exits_with_70_where_standard_error_is_closed(tmp_path):
    code = "import os\nos.close(2)\nimport sys\nsys.stderr = None\n" + DOCTOR.format("raise KeyError('x')")
    assert call(code, "doctor", XDG_CACHE_HOME=str(tmp_path)).returncode == 70
