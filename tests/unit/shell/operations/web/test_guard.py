"""Who may look at the web page: by address, by token, by the name that was asked for."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from kernelbus.bus.settings.config import AccessConfig
from kernelbus.bus.settings.networks import parse_network
from kernelbus.shell.operations.web.guard import Guard, Refusal, Request, host_of, request_of

TOKEN = "4mUTFBbIHgLVzgWM0G9AFOBKiQ5DqlKM"
HERE = Request("GET", "127.0.0.1", True, "127.0.0.1:9470")
ELSEWHERE = Request("GET", "10.0.0.7", False, "10.0.0.1:9470")


def guard(config: AccessConfig | None = None, token: str = TOKEN, until: float = 0.0) -> Guard:
    """Return a guard that knows of a grant for 10.0.0.7 `until` then."""
    access = config or AccessConfig()
    networks = [parse_network("10.0.0.0/24")]
    names = ["alpha", "alpha.local"]
    return Guard(names, lambda: access, lambda: networks, lambda: token, lambda address, now: address == "10.0.0.7" and now < until)


def code(refusal: Refusal | None) -> int:
    return int(refusal.status.split()[0]) if refusal else 200


def basic(token: str) -> str:
    return "Basic " + base64.b64encode(f"anyone:{token}".encode()).decode()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "get", ""])
def test_nothing_can_be_done_but_look(method: str) -> None:
    refusal = guard().refuse(replace(HERE, method=method), 0.0)
    assert refusal is not None and refusal.headers == (("Allow", "GET, HEAD"),)
    assert code(refusal) == 405
    assert guard().refuse(replace(HERE, method="HEAD"), 0.0) is None


def test_a_grant_opens_it_as_it_opens_a_link() -> None:
    granting = guard(until=60.0)
    assert code(granting.refuse(ELSEWHERE, 59.0)) == 200
    assert code(granting.refuse(replace(ELSEWHERE, address="10.0.0.8"), 59.0)) == 401
    assert code(granting.refuse(ELSEWHERE, 60.0)) == 401
    assert code(guard(AccessConfig(deny=("10.0.0.0/24",)), until=60.0).refuse(ELSEWHERE, 1.0)) == 403
    assert code(granting.refuse(replace(ELSEWHERE, method="POST"), 1.0)) == 405


@pytest.mark.parametrize(
    ("host", "right"),
    [
        ("127.0.0.1", True), ("127.0.0.1:9470", True), ("localhost:1", True), ("LOCALHOST.", True), ("[::1]:9470", True),
        ("[fe80::1%eth0]:9470", True), ("alpha:9470", True), ("alpha.local", True), ("192.168.1.10:80", True),
        ("evil.example", False), ("evil.example:9470", False), ("127.0.0.1.evil.example", False), ("localhost.evil.example", False),
        ("", False), ("alpha@evil.example", False), ("evil.example#127.0.0.1", False), ("[::1", True), ("a:b:c", False),
    ],
)  # fmt: skip
def test_a_name_that_leads_here_from_elsewhere_is_refused(host: str, right: bool) -> None:
    assert code(guard().refuse(replace(HERE, host=host), 0.0)) == (200 if right else 421)
    assert code(guard().refuse(replace(HERE, host=None), 0.0)) == 400


def test_pages_of_elsewhere_fetch_nothing_and_may_be_followed_from() -> None:
    for site, mode, right in (
        ("cross-site", "no-cors", 403), ("same-site", "cors", 403), ("same-origin", "cors", 200), ("none", "navigate", 200),
        ("cross-site", "navigate", 200),
    ):  # fmt: skip
        assert code(guard().refuse(replace(HERE, fetch_site=site, fetch_mode=mode), 0.0)) == right, (site, mode)


def test_who_needs_the_token_for_a_link_needs_it_here() -> None:
    guarded = guard()
    refusal = guarded.refuse(ELSEWHERE, 0.0)
    assert refusal is not None and dict(refusal.headers)["WWW-Authenticate"].startswith("Basic realm=")
    assert code(refusal) == 401
    for given, right in (
        (basic(TOKEN), 200), (f"Bearer {TOKEN}", 200), (basic("wrong"), 401), ("Basic %%%", 401), ("Basic", 401), (f"Digest {TOKEN}", 401),
    ):  # fmt: skip
        assert code(guarded.refuse(replace(ELSEWHERE, authorization=given), 0.0)) == right, given
    # The fifth wrong one of a minute.
    guarded.refuse(replace(ELSEWHERE, authorization=basic("wrong")), 1.0)
    refusal = guarded.refuse(replace(ELSEWHERE, authorization=basic(TOKEN)), 2.0)
    assert code(refusal) == 429
    assert code(guarded.refuse(replace(ELSEWHERE, authorization=basic(TOKEN)), 61.0)) == 200
    # Another network may not even try; a server without a token takes none.
    assert code(guarded.refuse(replace(ELSEWHERE, address="203.0.113.9"), 0.0)) == 403
    assert code(guard(token="").refuse(replace(ELSEWHERE, authorization=basic("")), 0.0)) == 401


def test_the_configuration_may_change() -> None:
    present = [AccessConfig()]
    guarded = Guard([], lambda: present[0], lambda: [], lambda: TOKEN, lambda *_: False)
    assert guarded.refuse(HERE, 0.0) is None
    present[0] = replace(present[0], anonymous=())
    assert code(guarded.refuse(HERE, 0.0)) == 401


def test_what_an_environment_says() -> None:
    environ = {"REQUEST_METHOD": "GET", "REMOTE_ADDR": "::1", "HTTP_HOST": "a", "HTTP_SEC_FETCH_SITE": "none"}
    assert request_of(environ, True) == Request("GET", "::1", True, "a", None, "none", None)
    assert host_of("[fe80::1%25eth0]:80") == "fe80::1"
