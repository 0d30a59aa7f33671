"""Serve one link in this process: what is answered, and the exit status."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import wstp
from kernelbus.kernelhost.mathics.evaluation.loading import Loaded
from kernelbus.kernelhost.mathics.packets import intake
from kernelbus.kernelhost.mathics.start.options import parse_options
from kernelbus.kernelhost.mathics.start.server import serve
from wstp import Function, MessageCode, Symbol

S = Symbol
WAIT = 60.0


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the kernel time: it would exit this process if it did not end soon after its link."""
    monkeypatch.setattr(intake, "GRACE", WAIT)


def served(loaded: Loaded, converse: Callable[[wstp.Link], None], *words: str) -> int:
    """Serve a link while a peer converses on another thread; return the exit status."""
    failures: list[BaseException] = []
    with wstp.listen(0, mode="default") as listener:

        def peer() -> None:
            with listener.accept(WAIT) as link:
                try:
                    converse(link)
                except BaseException as error:
                    failures.append(error)

        thread = threading.Thread(target=peer)
        thread.start()
        name = f"{listener.port}@127.0.0.1"
        options = parse_options([*words, "-linkmode", "connect", "-linkprotocol", "TCPIP", "-linkname", name])
        status = serve(loaded, wstp.connect(list(options.link)), options)
        thread.join()
    if failures:
        raise failures[0]
    return status


def put(link: wstp.Link, code: str) -> None:
    link.put(S("EvaluatePacket")(S("ToExpression")(code)), end_packet=True)
    link.flush(WAIT)


@pytest.mark.parametrize(("code", "status"), [("Quit[]", 0), ("Exit[7]", 7), ("Exit[256 + 3]", 3)])
def test_the_kernel_ends(code: str, status: int, loaded: Loaded) -> None:
    def converse(link: wstp.Link) -> None:
        assert link.next_packet(WAIT) == Function("InputNamePacket", "In[1]:= ")
        put(link, code)
        with pytest.raises(wstp.LinkClosed):
            link.next_packet(WAIT)

    assert served(loaded, converse) == status


@pytest.mark.parametrize(
    ("how", "code", "status"),
    [
        *(("close", code, 0) for code in ("1 + 1", "While[True]", "Input[]")),
        *(("abort", code, 3) for code in ("1 + 1", "While[True]", "Input[]")),
        *(("terminate", code, 0) for code in ("1 + 1", "While[True]", "Input[]")),
        *(("nonsense", code, 4) for code in ("1 + 1", "Input[]")),
    ],
)
def test_the_peer_ends(how: str, code: str, status: int, loaded: Loaded) -> None:
    ends: dict[str, Callable[[wstp.Link], None]] = {
        "close": wstp.Link.close,
        "abort": wstp.Link.abort,
        "terminate": lambda link: link.put_message(MessageCode.TERMINATE),
        "nonsense": lambda link: link.put_raw([b"\x01\x02\x03"]) or link.flush(WAIT),
    }

    def converse(link: wstp.Link) -> None:
        assert link.next_packet(WAIT).head == S("InputNamePacket")
        put(link, f'Print["go"]; {code}')
        assert link.next_packet(WAIT) == Function("TextPacket", "go\n")
        if how == "nonsense":
            # The kernel is idle or waits for an answer: nothing is being sent when the link breaks.
            assert link.next_packet(WAIT).head == S("InputPacket" if code == "Input[]" else "ReturnPacket")
        ends[how](link)
        if how in ("terminate", "nonsense"):
            while True:
                try:
                    link.next_packet(WAIT)
                except wstp.WSTPError:
                    return

    assert served(loaded, converse) == status


def test_files_and_code_come_before_the_first_prompt(loaded: Loaded, tmp_path: Path) -> None:
    file = tmp_path / "init.m"
    file.write_text('Print["file"]\n')

    def converse(link: wstp.Link) -> None:
        assert [link.next_packet(WAIT) for _ in range(2)] == [Function("TextPacket", f"{name}\n") for name in ("file", "code")]
        put(link, "1 + 1")
        assert link.next_packet(WAIT) == Function("ReturnPacket", 2)

    assert served(loaded, converse, "-run", 'Print["code"]', "-initfile", str(file), "-noprompt") == 0


def test_an_abort_stops_the_evaluation_only(loaded: Loaded) -> None:
    def converse(link: wstp.Link) -> None:
        link.next_packet(WAIT)
        put(link, "While[True]")
        link.put_message(MessageCode.ABORT)
        assert link.next_packet(WAIT) == Function("ReturnPacket", S("$Aborted"))
        put(link, "1 + 1")
        assert link.next_packet(WAIT) == Function("ReturnPacket", 2)

    assert served(loaded, converse) == 0
