"""What is typed into the admin shell, what it means, and what would be lost by it."""

from __future__ import annotations

import argparse
from dataclasses import replace

import pytest

from kernelbus.bus.protocol.naming import NotFound
from kernelbus.bus.protocol.reports import (
    FrontendStatus,
    HostStatus,
    KernelStatus,
    LinkStatus,
    PoolStatus,
    Status,
)
from kernelbus.shell.admin import targets
from kernelbus.shell.admin.live import shares
from kernelbus.shell.admin.parsing import Parser, commands_of, positive, seconds

KERNEL = KernelStatus("abcdefgh01234567890123", "Main", "alpha", "ready", 100.0, 7.0)
ATTACHED = replace(KERNEL, kernel="abcxyz0001234567890123", state="busy", client="10.0.0.5:53211", attachments=1, cpu=5.0)
DETACHED = replace(KERNEL, kernel="detached01234567890123", state="detached", attachments=2, profile="nightly", cpu=2.0)
AWAITED = replace(KERNEL, kernel="awaited001234567890123", state="awaited", host="beta", attachments=1)
POOL = PoolStatus("Main", "serving", True, True, False, 1, 0, 1, 1, 1, 1, 2, 3.0, 1, 8)
HOST = HostStatus("alpha", "84aceb4b", "up", "0.1.0", 0.1, ["Main"], 3, 2, separate=True)
STATUS = Status(
    1, "alpha", "0.1.0", "healthy", [], 9.0, 1, [HOST, HostStatus("beta", "11aceb4b", "lost", "0.1.0", 99.0, [], 0, 0)],
    [FrontendStatus("alpha", "2d6491ae", "up", "0.1.0", 0.1)], [POOL], [KERNEL, ATTACHED, DETACHED, AWAITED],
    [LinkStatus("10.0.0.5:53211", "alpha", "attached", ATTACHED.kernel, "Main", 7.0, 1, 2)],
)  # fmt: skip


# ---- lines -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "commands"),
    [
        ("kernels; pools", ["kernels", "pools"]),
        ("", []),
        (" ; ;; ", []),
        ("# nothing", []),
        ("pools # all of them; kernels", ["pools"]),
        ("pools;# all", ["pools"]),
        ("show a#b", ["show a#b"]),
        ("kernels | grep 'a;b'; pools", ["kernels | grep 'a;b'", "pools"]),
        ('show "the # one"', ['show "the # one"']),
        ("show 'unfinished; x", ["show 'unfinished; x"]),
    ],
)
def test_lines_are_parted(line: str, commands: list[str]) -> None:
    assert commands_of(line) == commands


@pytest.mark.parametrize("given", ["-abcdefgh", "--bcdefgh", "-h4hq_-Z3", "-yab", "-ab", "---", "abc", "-maximum"])
def test_an_id_is_no_option(given: str) -> None:
    parser = Parser(allow_abbrev=False)
    parser.add_argument("-n", "--number")
    parser.add_argument("-y", "--yes", action="store_true")
    parser.add_argument("--maximum")
    parser.add_argument("id")
    assert parser.parse_args([given, "--maximum", "3"]).id == given
    told = parser.parse_args(["-n4", given, "--maximum=3", "-y"])
    assert (told.number, told.id, told.maximum, told.yes) == ("4", given, "3", True)
    with pytest.raises(SystemExit):
        parser.parse_args([given, "--nonsense"])


def test_numbers() -> None:
    assert (seconds("0.5"), positive("3")) == (0.5, 3)
    for read, texts in ((seconds, ("0", "-1", "x", "inf", "nan")), (positive, ("0", "-1", "1.5", "٣", "9" * 20))):
        for text in texts:
            with pytest.raises(argparse.ArgumentTypeError):
                read(text)


# ---- what is meant -----------------------------------------------------------------------------


def test_all_that_is_called_so_is_found() -> None:
    found = targets.called(STATUS, "alpha")
    assert [host.id for host in found.hosts] == ["84aceb4b"] and [part.id for part in found.frontends] == ["2d6491ae"]
    assert not found.kernels and not found.pools
    assert targets.called(STATUS, "Main").pools == [POOL]
    assert targets.called(STATUS, "2d6").frontends == STATUS.frontends
    assert targets.called(STATUS, "10.0.0.5:53211").links == STATUS.links
    assert targets.called(STATUS, "abcd").kernels == [KERNEL]
    assert targets.called(STATUS, "awa").kernels == [AWAITED]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("abc", "2 kernels begin with abc: abcdefgh, abcxyz00; write more of it"),
        ("Mian", 'nothing is called Mian: did you mean "Main"?'),
        ("abcdefgx", 'nothing is called abcdefgx: did you mean "abcdefgh"?'),
        ("ab", "nothing is called ab"),
    ],
)
def test_what_is_not_found_offers_the_nearest(text: str, told: str) -> None:
    with pytest.raises(NotFound) as caught:
        targets.called(STATUS, text)
    assert str(caught.value).startswith(told)


def test_kernels_sessions_pools_and_hosts() -> None:
    assert targets.kernel_of(STATUS, "abcx") is ATTACHED
    assert targets.session_of(STATUS, "awaited") is AWAITED
    assert targets.pool_of(STATUS, "Main") is POOL
    assert targets.host_of(STATUS, "84aceb4b") is HOST
    for find, text in ((targets.kernel_of, "awaited"), (targets.session_of, "abcd"), (targets.pool_of, "Maim"), (targets.host_of, "gamma")):
        with pytest.raises(NotFound, match="there is no "):
            find(STATUS, text)


def test_a_host_that_came_back_is_meant_and_not_what_was_lost() -> None:
    back = HostStatus("beta", "22aceb4b", "up", "0.1.0", 0.1, [], 0, 0)
    assert targets.host_of(replace(STATUS, hosts=[*STATUS.hosts, back]), "beta") is back
    assert targets.host_of(STATUS, "beta").state == "lost"


# ---- what would be lost ------------------------------------------------------------------------


def test_what_would_be_lost() -> None:
    assert targets.closing_kernel(KERNEL) == ""
    told = "kernel abcxyz00 of pool Main has client 10.0.0.5:53211 and evaluates; the client loses its session."
    assert targets.closing_kernel(ATTACHED) == told
    assert targets.closing_kernel(DETACHED) == (
        "kernel detached of pool Main has a session (nightly) without a client since 7.0 s; nobody can go back to it then."
    )
    assert targets.closing_session(AWAITED) == "Session awaited0 of pool Main waits for its host beta."
    assert targets.closing_session(DETACHED) == targets.closing_kernel(DETACHED)
    told = "Pool Main refuses whoever wants a kernel until it is resumed, and 2 requests that wait now. Sessions go on: 2."
    assert targets.draining_pool(POOL) == told
    assert targets.draining_host(HOST) == "Host alpha starts no more kernels, and ends when it has no session left; now: 2 sessions."
    assert "has none when its sessions have ended" in targets.draining_host(replace(HOST, separate=False))
    assert targets.evicting_host(STATUS, HOST) == "Host alpha ends, and with it 3 kernels and 2 sessions; with a client: 1."
    assert targets.evicting_host(STATUS, STATUS.hosts[1]) == ""


def test_what_clients_have_named_moves_no_cursor_of_who_is_asked() -> None:
    assert "\x1b" not in targets.closing_kernel(replace(DETACHED, profile="\x1b[2J"))


# ---- who uses the processors -------------------------------------------------------------------


def test_shares_of_the_processors() -> None:
    young = replace(KERNEL, kernel="young", created=1.0, cpu=0.5)
    found = replace(KERNEL, kernel="found", created=900.0, cpu=50.0)
    after = replace(STATUS, kernels=[KERNEL, replace(ATTACHED, cpu=8.0), replace(DETACHED, cpu=1.0), AWAITED, young, found])
    told = {row.kernel: row.share for row in shares(STATUS, after, 2.0)}
    assert told == {ATTACHED.kernel: 1.5, "young": 0.25, "found": 0.0, DETACHED.kernel: 0.0, KERNEL.kernel: 0.0}
    assert list(told)[:3] == [ATTACHED.kernel, "young", "found"], "who uses most comes first"
