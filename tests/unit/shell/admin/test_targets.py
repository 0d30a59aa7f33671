"""The target of a command, and what the command would lose."""

from __future__ import annotations

from dataclasses import replace

import pytest
from statuses import ATTACHED, AWAITED, DETACHED, HOST, KERNEL, POOL, STATUS

from kernelbus.bus.protocol.naming import NotFound
from kernelbus.bus.protocol.reports import HostStatus
from kernelbus.shell.admin import targets


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
