"""Ask whether a locked dependency has a known vulnerability.

``make lint`` runs this. Where no advisory can be reached it says so and passes: what cannot be
looked up is no finding.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
#: It has all that requirements.lock has; `tests/unit/test_project.py` holds the two together.
LOCK = ROOT / "requirements-dev.lock"


def findings(report: dict[str, Any]) -> tuple[list[str], int]:
    """Read a report of pip-audit (``--format json``).

    Returns:
        The lines to print, and the exit status: 1 if a dependency has a known vulnerability.
    """
    asked = [each for each in report["dependencies"] if "vulns" in each]
    unknown = [each["name"] for each in report["dependencies"] if "vulns" not in each]
    found = [
        f"{each['name']} {each['version']}: {flaw['id']}"
        + (
            f": mended in {', '.join(flaw['fix_versions'])}; change its bound in pyproject.toml"
            " if need be, then `make lock UPGRADE=--upgrade`"
            if flaw["fix_versions"]
            else ": no version mends it yet"
        )
        for each in asked
        for flaw in each["vulns"]
    ]
    if found:
        return found, 1
    if not asked:
        return ["no advisories can be reached from here: the dependencies were not audited"], 0
    lines = [f"{len(asked)} dependencies audited: no known vulnerability"]
    if unknown:
        lines.append(f"no advisories for {', '.join(unknown)}: these were not audited")
    return lines, 0


def main() -> int:
    """Run pip-audit over the lock file, and print what it found.

    Returns:
        The exit status: 0, or 1 if there is a known vulnerability.
    """
    options = ["--require-hashes", "--disable-pip", "--format", "json", "--progress-spinner", "off", "--timeout", "15"]
    ran = subprocess.run(
        [sys.executable, "-m", "pip_audit", "--requirement", str(LOCK), *options],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        lines, status = findings(json.loads(ran.stdout))
    except json.JSONDecodeError:
        # There is no report if the service of advisories does not answer; its last line says why.
        said = ran.stderr.strip().splitlines() or [f"pip-audit ended with status {ran.returncode}"]
        lines, status = [f"the dependencies were not audited: {said[-1]}"], 0
    print("\n".join(lines))
    return status


if __name__ == "__main__":
    sys.exit(main())
