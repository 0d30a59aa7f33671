"""The open links of a kernel."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import wstp
from kernelbus.kernelhost.mathics.links.table import Entry, LinkFailure, Links
from wstp import Expr, MessageCode, Symbol

F = Symbol("f")


class Calm:
    """Hold no aborts back, and raise one when told to."""

    def __init__(self) -> None:
        self.error: BaseException | None = None

    @property
    @contextlib.contextmanager
    def masked(self) -> Iterator[None]:
        yield
        self.check()

    def check(self) -> None:
        if self.error is not None:
            raise self.error


class Stop(BaseException):
    """An abort."""


@pytest.fixture
def held() -> Calm:
    return Calm()


@pytest.fixture
def links(held: Calm) -> Iterator[Links]:
    made = Links(held)
    yield made
    held.error = None
    for entry in made.all():
        made.close(entry)


@pytest.fixture
def pair(links: Links) -> tuple[Entry, Entry]:
    here = links.listen("")
    there = links.connect(here.name)
    links.activate(here)
    links.activate(there)
    return here, there


def test_two_links_of_one_kernel_talk(links: Links, pair: tuple[Entry, Entry]) -> None:
    here, there = pair
    assert links.ready([here]) == [False]
    links.write(there, F(1, "x"))
    links.write(there, F(2))
    assert links.ready([here], 5) == [True]
    assert [links.read(here), links.read(here)] == [F(1, "x"), F(2)]
    assert [entry.number for entry in links.all()] == [2, 3]
    assert links.get(2) is here


def test_a_link_whose_peer_has_gone(links: Links, pair: tuple[Entry, Entry]) -> None:
    here, there = pair
    links.write(there, 5)
    links.close(there)
    assert links.ready([here], 5) == [True]
    assert links.read(here) == 5
    with pytest.raises(LinkFailure, match="closed") as failure:
        links.read(here)
    assert failure.value.tag == "linkd"
    assert links.get(there.number) is None


def test_nobody_listens(links: Links) -> None:
    with pytest.raises(LinkFailure, match="refused") as failure:
        links.connect("1@127.0.0.1")
    assert failure.value.tag == "linkc"
    with pytest.raises(LinkFailure):
        links.listen("no name@")
    taken = links.listen("").name.partition("@")[0]
    with pytest.raises(LinkFailure, match=r"^Address already in use$"):
        links.listen(taken)


def test_what_a_pool_forbids_is_said_as_it_is(links: Links, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise PermissionError("not allowed in this pool")

    monkeypatch.setattr("socket.socket.bind", forbidden)
    with pytest.raises(PermissionError, match="not allowed in this pool"):
        links.listen("")
    monkeypatch.undo()
    monkeypatch.setattr("subprocess.Popen", forbidden)
    with pytest.raises(PermissionError, match="not allowed in this pool"):
        links.launch("true")


def test_nothing_comes(links: Links, pair: tuple[Entry, Entry], held: Calm) -> None:
    with pytest.raises(LinkFailure, match=r"in 0\.1 s"):
        links.read(pair[0], 0.1)
    held.error = Stop()
    with pytest.raises(Stop):
        links.read(pair[0])


def test_a_listener_is_closed_before_anybody_comes(links: Links) -> None:
    entry = links.listen("")
    assert not links.connected(entry)
    links.close(entry)
    with pytest.raises(LinkFailure):
        links.activate(entry)


PROGRAM = """
import sys, wstp
with wstp.connect(sys.argv[sys.argv.index("-linkname") + 1], mode="default") as link:
    link.put(wstp.Symbol("hello")(*sys.argv[1:3]), end_packet=True)
    link.flush()
    link.get()
"""


def test_a_program_is_started_and_ended(links: Links, tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    entry = links.launch(f"{sys.executable} {script} a")
    assert links.read(entry, 60) == Symbol("hello")("a", "-linkmode")
    links.close(entry)
    assert entry.process is not None
    assert entry.process.poll() is not None


@pytest.mark.parametrize(("command", "why"), [("/no/such/program", "No such file"), ("", "no program"), ("'", "quotation")])
def test_a_program_cannot_be_started(links: Links, command: str, why: str) -> None:
    with pytest.raises(LinkFailure, match=why) as failure:
        links.launch(command)
    assert failure.value.tag == "linke"
    assert links.all() == []


def test_a_program_that_does_not_connect(links: Links) -> None:
    with pytest.raises(LinkFailure, match="ended with status 0"):
        links.activate(links.launch("true"))


def test_a_call_is_answered_and_its_requests_are(links: Links) -> None:
    entry = links.listen("")

    def program() -> None:
        with wstp.connect(entry.name, mode="default") as link:
            for _ in range(2):
                call = link.get(60)
                link.put(F("ask"), end_packet=True)
                assert link.get(60) == "told"
                link.put(call, end_packet=True)
                link.flush()

    thread = threading.Thread(target=program)
    thread.start()

    def answer(said: Expr) -> Expr | None:
        return "told" if said == F("ask") else None

    assert links.transact(entry, 7, answer) == 7
    assert links.transact(entry, 8, answer) == 8
    thread.join()


def test_an_aborted_call_is_told_and_its_answer_dropped(links: Links, held: Calm) -> None:
    entry = links.listen("")
    heard: list[int] = []

    def program() -> None:
        with wstp.connect(entry.name, mode="default") as link:
            assert link.get(60) == 1
            while (message := link.get_message()) is None:
                link.wait(0.05)
            heard.append(message.code)
            link.put("late", end_packet=True)
            link.flush()
            assert link.get(60) == 2
            link.put("second", end_packet=True)
            link.flush()

    thread = threading.Thread(target=program)
    thread.start()
    links.activate(entry)
    threading.Timer(0.3, lambda: setattr(held, "error", Stop())).start()
    with pytest.raises(Stop):
        links.transact(entry, 1, lambda said: None)
    held.error = None
    assert links.transact(entry, 2, lambda said: None) == "second"
    thread.join()
    assert heard == [MessageCode.ABORT]
