"""Questions, dialogs and the interrupt menu through the whole server, with or without a client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from asking import EVALUATE, answers, connect, order, value
from serving import Part, wait_until, write_config

import wstp
from wstp import Expr, Function, MessageCode, Symbol

pytestmark = pytest.mark.timeout(180)

S = Symbol
TEXT, ENTER = S("TextPacket"), S("EnterTextPacket")
MENU = S("MenuPacket")(1, "Interrupt> ")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Part]:
    config = write_config(tmp_path_factory.mktemp("dialogs") / "c.conf", Pools={"Mathics": {"MinimumKernelNumber": 1}})
    with Part("serve", "-p", "0", "-l", "debug", "-c", config) as part:
        yield part


def code(text: str) -> Function:
    return S("ToExpression")(text)


def put(link: wstp.Link, packet: Expr) -> None:
    link.put(packet, end_packet=True)
    link.flush(timeout=10)


def take(link: wstp.Link, *packets: Function) -> None:
    assert [link.get(timeout=30) for _ in packets] == list(packets)


def test_input(server: Part) -> None:
    with connect(server) as link:
        put(link, ENTER('Input["n? "]^2'))
        take(link, S("InputPacket")("n? "))
        put(link, ENTER("12"))
        take(link, S("OutputNamePacket")("Out[1]= "), S("ReturnTextPacket")("144"), S("InputNamePacket")("In[2]:= "))
        put(link, EVALUATE(code("StringLength[InputString[]]")))
        take(link, S("InputStringPacket")("? "))
        put(link, TEXT("four"))
        take(link, S("ReturnPacket")(4))
        assert value(link, code("1 + 1")) == 2


def test_a_dialog(server: Part) -> None:
    with connect(server) as link:
        put(link, ENTER("1 + Dialog[]"))
        take(link, S("BeginDialogPacket")(1), S("InputNamePacket")("(Dialog) In[2]:= "))
        put(link, ENTER("Return[41]"))
        take(
            link,
            S("EndDialogPacket")(1),
            S("OutputNamePacket")("Out[1]= "),
            S("ReturnTextPacket")("42"),
            S("InputNamePacket")("In[2]:= "),
        )


def test_the_interrupt_menu(server: Part) -> None:
    with connect(server) as link:
        for number in range(3):
            put(link, EVALUATE(code("While[True]")))
            link.put_message(MessageCode.INTERRUPT)
            take(link, MENU)
            put(link, EVALUATE(number))
            take(link, S("ReturnPacket")(number))
            put(link, "a")
            take(link, S("ReturnPacket")(S("$Aborted")))
        assert value(link, 7) == 7


@pytest.mark.parametrize("asking", ["Input[]", "InputString[]", "Dialog[]", "Interrupt[]"])
def test_an_abort_while_a_client_is_asked(asking: str, server: Part) -> None:
    with connect(server) as link:
        put(link, EVALUATE(code(asking)))
        link.get(timeout=30)
        link.put_message(MessageCode.ABORT)
        assert answers(link)[-1] == S("ReturnPacket")(S("$Aborted"))


def test_what_is_printed_comes_before_what_follows_is_computed(server: Part, tmp_path: Path) -> None:
    flags = [tmp_path / str(number) for number in range(3)]
    files = "{" + ", ".join(f'"{flag}"' for flag in flags) + "}"
    with connect(server) as link:
        put(link, EVALUATE(code(f'Do[WriteString["stdout", i]; Print[i]; While[!FileExistsQ[{files}[[i]]], Pause[0.01]], {{i, 3}}]')))
        for number, flag in enumerate(flags, 1):
            take(link, TEXT(str(number)), TEXT(f"{number}\n"))
            assert not link.ready()
            flag.touch()
        take(link, S("ReturnPacket")(S("Null")))


def test_an_answer_is_waited_for_while_no_client_is_there(server: Part) -> None:
    with connect(server) as link:
        identity = value(link, code("WSTPServer`$KernelID"))
        put(link, EVALUATE(code("x = Input[]; y = InputString[]; x + 1")))
        take(link, S("InputPacket")("? "))
    with connect(server) as link:
        order(link, S("WSTPServer`Disconnect")())
        wait_until(lambda: order(link, S("WSTPServer`ConnectKernel")(identity)) == identity, "the kernel is free")
        put(link, ENTER("6"))
        # The question may be asked again, for a client that does not know it.
        while (packet := link.get(timeout=30)) != S("InputStringPacket")("? "):
            assert packet == S("InputPacket")("? ")
        put(link, TEXT("later"))
        while (packet := link.get(timeout=30)).head != S("ReturnPacket"):
            assert packet == S("InputStringPacket")("? ")
        assert packet == S("ReturnPacket")(7)
        assert value(link, S("y")) == "later"
