"""Looks up every pinned dependency among the known vulnerabilities, by pip-audit.

A machine whose advisory service cannot be reached, or knows nothing, is told apart from one where nothing was found:
a release that is known to be vulnerable is looked up first. Exit status 0: audited and clean, or skipped with the
reason; 1: something is vulnerable, or a pin could not be audited though the service works.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

CONTROL = "jinja2==2.4.1"
"""Has been known to be vulnerable since 2014; a service that does not say so cannot be believed about others."""
SECONDS = 300.0


def audited(requirements: Path) -> list[dict[str, Any]] | str:
    """What pip-audit says of each pin; or why it says nothing."""
    command = ["pip-audit", "--requirement", str(requirements), "--no-deps", "--disable-pip", "--format", "json"]
    try:
        done = subprocess.run(  # noqa: S603
            [*command, "--progress-spinner", "off"], capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except FileNotFoundError:
        return "pip-audit is not installed"
    except subprocess.TimeoutExpired:
        return f"no answer within {SECONDS:g} s"
    try:
        found: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        last = done.stderr.strip().splitlines()[-1:] or ["no output"]
        return f"pip-audit ended with status {done.returncode}: {last[0][:300]}"
    return found


def vulnerable(dependencies: list[dict[str, Any]]) -> list[str]:
    """Pins with their advisories, a line each."""
    return [
        f"{d['name']} {d['version']}: {', '.join(v['id'] for v in d['vulns'])}" for d in dependencies if d.get("vulns")
    ]


def main(requirements: Path) -> int:
    """Prints what was found; the exit status."""
    with tempfile.TemporaryDirectory() as folder:
        control = Path(folder) / "control.txt"
        control.write_text(CONTROL + "\n", encoding="utf-8")
        known = audited(control)
    if known == "pip-audit is not installed":
        print("audit: pip-audit is not installed; `pip install pip-audit`.", file=sys.stderr)
        return 1
    if isinstance(known, str) or not vulnerable(known):
        why = known if isinstance(known, str) else f"it does not know that {CONTROL} is vulnerable"
        print(f"audit: skipped, the advisory service cannot be used here ({why}).")
        return 0
    found = audited(requirements)
    if isinstance(found, str):
        print(f"audit: the service works, but {requirements} was not audited ({found}).", file=sys.stderr)
        return 1
    bad, unknown = vulnerable(found), [d["name"] for d in found if "skip_reason" in d]
    for line in bad:
        print(f"audit: {line}", file=sys.stderr)
    if unknown:
        print(f"audit: not audited, since the service does not know them: {', '.join(unknown)}", file=sys.stderr)
    print(f"audit: {len(found)} pins, {len(bad)} vulnerable, {len(unknown)} unknown.")
    return 1 if bad or unknown else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
