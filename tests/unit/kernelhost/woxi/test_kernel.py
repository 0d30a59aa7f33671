"""A Woxi kernel and its host: the packets of its clients, and what is said where Woxi is missing.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator

import pytest
from host_parts import Events, make_kernel, until

import wstp
from kernelbus.bus.settings.config import PoolConfig
from kernelbus.kernelhost.woxi.kernel import _incomplete
from wstp import BigReal, Expr, Function, MessageCode, Symbol

pytestmark = pytest.mark.timeout(120)


class Client:
    """A program at the other end of a kernel's link."""

    def __init__(self, link: wstp.Link) -> None:
        self.link = link

    def ask(self, packet: Function, last: str = "ReturnPacket") -> list[tuple[str, Expr]]:
        self.link.put(packet, end_packet=True)
        self.link.flush()
        return self.read(last)

    def read(self, last: str) -> list[tuple[str, Expr]]:
        found: list[tuple[str, Expr]] = []
        while not found or found[-1][0] != last:
            packet = self.link.next_packet(timeout=60)
            found.append((packet.head.name, packet.args[-1]))
        return found

    def value(self, expression: Expr) -> Expr:
        return self.ask(Symbol("EvaluatePacket")(expression))[-1][1]


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    pytest.importorskip("woxi")
    with wstp.listen(0, mode="default", host="127.0.0.1") as listener:
        name = f"{listener.port}@127.0.0.1"
        words = ["-wstp", "-linkmode", "connect", "-linkprotocol", "TCPIP", "-linkname", name, "-run", "start = 7"]
        process = subprocess.Popen([sys.executable, "-m", "kernelbus.kernelhost.woxi.__main__", *words])
        with listener.accept(timeout=60) as link:
            made = Client(link)
            assert made.read("InputNamePacket") == [("InputNamePacket", "In[1]:= ")]
            yield made
            assert made.ask(Symbol("EvaluatePacket")(Symbol("Set")(Symbol("x"), 1)))
        assert process.wait(60) == 0


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        (Symbol("Plus")(2, 2), 4),
        (Symbol("start"), 7),
        (Symbol("ToString")(Symbol("ToExpression")("{1, 1/2}"), Symbol("InputForm")), "{1, 1/2}"),
        # As J/Link's evaluateToInputForm asks.
        (
            Symbol("ToString")(
                Symbol("ToExpression")('{"a\\nb", 1/2}'),
                Symbol("Rule")(Symbol("FormatType"), Symbol("InputForm")),
                Symbol("Rule")(Symbol("PageWidth"), Symbol("Infinity")),
            ),
            '{"a\\nb", 1/2}',
        ),
        (Symbol("Hold")(Symbol("Plus")(1, 1)), Symbol("Hold")(Symbol("Plus")(1, 1))),
        (Symbol("ToExpression")("f[p`x, y]"), Symbol("f")(Symbol("p`x"), Symbol("y"))),
        (None, Symbol("Null")),
        ({"a": 1}, Symbol("Association")(Symbol("Rule")("a", 1))),
        (Symbol("SetPrecision")(Symbol("Rational")(1, 4), 20), BigReal("0.25`20.")),
        ("é\"\\\n", "é\"\\\n"),
    ],
)  # fmt: skip
def test_values_come_as_expressions(client: Client, expression: Expr, value: Expr) -> None:
    assert client.value(expression) == value


def test_what_woxi_cannot_write_comes_as_text_after_a_message(client: Client) -> None:
    assert client.ask(Symbol("EvaluatePacket")(Symbol("Blank")())) == [
        ("MessagePacket", "text"),
        ("TextPacket", "Kernel::text: The result is sent as text, since Woxi has no other form for it.\n"),
        ("ReturnPacket", "_"),
    ]


def test_prints_and_messages_come_before_the_answer(client: Client) -> None:
    code = Symbol("ToExpression")('Print["a"]; 1/0')
    names = [name for name, _ in client.ask(Symbol("EvaluatePacket")(code))]
    assert names == ["TextPacket", "MessagePacket", "TextPacket", "ReturnPacket"]
    assert client.value(Symbol("Throw")(1)).head == Symbol("Hold")


def test_text_is_entered(client: Client) -> None:
    def enter(text: str) -> list[tuple[str, Expr]]:
        return client.ask(Symbol("EnterTextPacket")(text), "InputNamePacket")

    (_, label), (_, text), (_, prompt) = enter("40 + 2")
    assert (label, text, prompt) == ("Out[1]= ", "42", "In[2]:= ")
    client.value(Symbol("Plus")(1, 1))
    assert enter("% + 1")[1] == ("ReturnTextPacket", "43"), "what was evaluated meanwhile is not the last output"
    assert enter("x = 3;") == [("InputNamePacket", "In[4]:= ")]
    assert [name for name, _ in enter("f[1,")] == ["MessagePacket", "TextPacket", "SyntaxPacket", "InputNamePacket"]
    assert enter("Out[1]")[1] == ("ReturnTextPacket", "42")


def test_an_abort_is_obeyed(client: Client) -> None:
    client.link.put(Symbol("EvaluatePacket")(Symbol("ToExpression")('Print["on"]; While[True]')), end_packet=True)
    client.link.flush()
    assert client.read("TextPacket") == [("TextPacket", "on\n")]
    client.link.put_message(MessageCode.ABORT)
    assert client.read("ReturnPacket") == [("ReturnPacket", Symbol("$Aborted"))]
    assert client.value(Symbol("start")) == 7


@pytest.mark.parametrize("code", ["f[1,", "{1", "2 +", '"ab', "(* a", "a ->", 'f["a]"'])
def test_code_that_may_go_on(code: str) -> None:
    assert _incomplete(code)


@pytest.mark.parametrize("code", ["2 +* 3", "f[1]]", '"a[" b]', "(* [ *) 1 2]"])
def test_code_that_may_not(code: str) -> None:
    assert not _incomplete(code)


def test_a_host_has_it_ready_and_ends_it() -> None:
    pytest.importorskip("woxi")
    events = Events()

    async def main() -> None:
        kernel = make_kernel(PoolConfig("W", kernel_path="woxi"), events)
        await kernel.start()
        await until(lambda: kernel.serving)
        kernel.end("it was told to")
        await until(lambda: "ended" in events.names)

    asyncio.run(main())
    assert [event for event in events.told if event[0] not in ("busy", "idle")] == [("ready", ""), ("ended", "it was told to")]


def test_without_woxi_the_pool_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    events = Events()

    async def main() -> None:
        await make_kernel(PoolConfig("W", kernel_path="woxi"), events).start()

    asyncio.run(main())
    assert events.told == [("ended", "could not be started: Woxi is not installed: pip install 'kernelbus[engine]'")]
