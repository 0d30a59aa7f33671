"""What `make lint` says of vulnerabilities in dependencies."""

from __future__ import annotations

from typing import Any

from audit import findings

CLEAN = {"name": "numpy", "version": "2.4.6", "vulns": []}
UNKNOWN = {"name": "odd", "skip_reason": "Dependency not found"}


def flawed(*fix_versions: str) -> dict[str, Any]:
    flaw = {"id": "CVE-2030-1", "fix_versions": list(fix_versions), "aliases": [], "description": ""}
    return {"name": "requests", "version": "2.0", "vulns": [flaw]}


def test_a_vulnerability_fails_and_names_the_version_that_mends_it() -> None:
    lines, status = findings({"dependencies": [CLEAN, flawed("2.1", "3.0"), UNKNOWN]})
    assert status == 1
    assert lines == [
        "requests 2.0: CVE-2030-1: mended in 2.1, 3.0; change its bound in pyproject.toml"
        " if need be, then `make lock UPGRADE=--upgrade`"
    ]


def test_a_vulnerability_that_no_version_mends_fails_too() -> None:
    assert findings({"dependencies": [flawed()]}) == (["requests 2.0: CVE-2030-1: no version mends it yet"], 1)


def test_what_was_not_audited_is_named() -> None:
    assert findings({"dependencies": [CLEAN, UNKNOWN]}) == (
        ["1 dependencies audited: no known vulnerability", "no advisories for odd: these were not audited"],
        0,
    )


def test_it_says_so_where_no_advisories_can_be_reached() -> None:
    (line,), status = findings({"dependencies": [UNKNOWN]})
    assert status == 0
    assert "the dependencies were not audited" in line
