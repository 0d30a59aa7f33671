"""What a server says of a kernel that somebody may come back to."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from kernel_player import KernelPlayer, packet

from kernelbus.shell.address import Address
from kernelbus.shell.clients.presence import Presence, _presence, find_kernel
from kernelbus.shell.clients.session import SessionError
from wstp import Expr, Function, Symbol

KERNEL = "AbCdEfGhIjKlMnOpQrStUv"


def table(key: str, state: str, **more: Expr) -> Function:
    entries = {"State": state, "Evaluations": 3, "Idle": 2.5, "Busy": Symbol("False")} | more
    rules = Symbol("Association")(*(Symbol("Rule")(name, value) for name, value in entries.items()))
    return Symbol("Association")(Symbol("Rule")(key, rules))


@pytest.mark.parametrize("key", [KERNEL, KERNEL[:8]])
def test_a_kernel_is_found_by_its_id_or_what_is_shown_of_it(key: str) -> None:
    assert _presence(table(key, "detached"), KERNEL) == Presence("detached", False, 3, 2.5)
    busy = _presence(table(key, "attached", Busy=Symbol("True"), Evaluations=1), KERNEL)
    assert str(busy) == "attached, evaluating, after 1 evaluation"


@pytest.mark.parametrize("answer", [table(KERNEL[:8], "ending"), table("another1", "detached"), Symbol("$Failed"), 7])
def test_a_kernel_that_ends_or_is_not_known_is_not_there(answer: Expr) -> None:
    assert _presence(answer, KERNEL) is None


def test_a_server_that_cannot_be_reached_is_named() -> None:
    with pytest.raises(SessionError, match="cannot reach a server: cannot connect to 1@127"):
        find_kernel(Address("127.0.0.1", 1), KERNEL)


@pytest.mark.parametrize("given", [False, True])
def test_who_asks_leaves_no_kernel_behind_and_asks_for_none(given: bool, play: Callable[..., KernelPlayer]) -> None:
    # A server may give the link a kernel, and keeps one whose id it has told.
    server = play()
    server.kernels = {"another1": {}, **({KERNEL[::-1]: {"State": "attached"}} if given else {})}
    assert find_kernel(Address("127.0.0.1", server.port), KERNEL) is None
    assert server.ended.wait(10)
    lets_go = [packet("WSTPServer`KeepAlive", Symbol("False"))]
    assert server.commands == [packet("WSTPServer`Kernels"), *(lets_go if given else [])]
