"""What a .NET/Link program calls in the kernel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from kernelbus.kernelhost.mathics.evaluation.loading import Loaded
from kernelbus.kernelhost.mathics.library.netlink import CONTEXT, open_package
from kernelbus.kernelhost.mathics.packets.mainloop import MainLoop
from wstp import Expr, Function, Symbol

S = Symbol
NETLINK = "NETLink`Package`"
NO_NET = [
    S("MessagePacket")(S("InstallNET"), "nonet"),
    S("TextPacket")("InstallNET::nonet: This kernel cannot call .NET. Programs that call the kernel need no InstallNET.\n"),
]
RETURNED = S("ReturnPacket")


class Client:
    """Send expressions as .NET/Link does, with or without a packet around them."""

    def __init__(self, loaded: Loaded) -> None:
        self.sent: list[Function] = []
        self._loop = MainLoop(loaded, self)

    def send(self, *packets: Expr, last: bool = False) -> None:
        self.sent += packets

    def put(self, expression: Expr) -> list[Function]:
        self.sent.clear()
        self._loop.handle(expression)
        return list(self.sent)

    def __call__(self, expression: Expr) -> Any:
        *_, answer = self.put(S("EvaluatePacket")(expression))
        assert answer.head == RETURNED
        return answer.args[0]

    def code(self, text: str) -> list[Function]:
        return self.put(S("EvaluatePacket")(S("ToExpression")(text)))


@pytest.fixture
def client(loaded: Loaded) -> Iterator[Client]:
    made = Client(loaded)
    path = loaded.definitions.get_context_path()
    assert made.code('Needs["NETLink`"]') == [RETURNED(S("Null"))]
    yield made
    loaded.definitions.set_context_path(path)


def test_the_package_is_on_the_path(client: Client, loaded: Loaded) -> None:
    open_package(loaded.definitions)
    assert loaded.definitions.get_context_path().count(CONTEXT) == 1
    assert client(S("ToString")(S("InstallNET"))) == "InstallNET"
    assert client(S("Context")(S("EvaluateToImage"))) == "JLink`"


def test_the_version_for_which_it_looks(client: Client) -> None:
    value = S("ToString")(S("ToExpression")("JLink`Information`$VersionNumber"), S("Rule")(S("FormatType"), S("InputForm")))
    assert float(client(value)) > 2.1


#: What EnableObjectReferences sends behind InstallNET, as far as its sorts go.
DEFINITIONS = [
    f'Begin["{NETLINK}"]',
    S(f"{NETLINK}netlinkDefineExternal")("nVal[obj_?NETObjectQ]", "{obj}", 12),
    S(f"{NETLINK}netlinkDefineExternal")("noop[]", "{}", 90),
    S("MapThread")(S("Function")(S("Slot")(1)), [["_Integer", "_"], [1, 2]]),
    "End[]",
    S("End"),
]


def test_definitions_of_calls_into_net_get_no_answer(client: Client) -> None:
    assert client.code('InstallNET["31415@127.0.0.1"]') == [*NO_NET, RETURNED(S("$Failed"))]
    for definition in DEFINITIONS:
        assert client.put(definition) == []
    # Behind them, all is as before.
    assert client.code("2 + 2") == [RETURNED(4)]
    assert client.put(S("End")) == [RETURNED(S("End"))]
    assert client.put("End[]") == [RETURNED("End[]")]


def test_a_packet_ends_definitions_that_are_not_complete(client: Client) -> None:
    for definition in DEFINITIONS[:3]:
        assert client.put(definition) == []
    assert client.code("2 + 2") == [RETURNED(4)]
    assert client.put(S("Plus")(2, 3)) == [RETURNED(5)]


@pytest.mark.parametrize("code", ['NETNew["System.Object"]', f'{NETLINK}createInstanceDefs["System.Object", "x", o, True, False]'])
def test_what_calls_net_fails_and_says_so(client: Client, code: str) -> None:
    assert client.code(code) == [*NO_NET, RETURNED(S("$Failed"))]


def test_what_needs_no_net_works(client: Client) -> None:
    assert client.code("NETBlock[1 + 1]") == [RETURNED(2)]
    assert client.code("NETObjectQ[x]") == [RETURNED(S("False"))]


@pytest.mark.parametrize(
    ("form", "value"),
    [("InputForm", "x^2"), ("OutputForm", " 2\nx"), ("Expr", S("Power")(S("x"), 2))],
)
@pytest.mark.parametrize("given", ["x^2", S("Power")(S("x"), 2)])
def test_the_class_mathkernel_computes(client: Client, given: Expr, form: str, value: Expr) -> None:
    false = S("False")
    assert client(S(f"{NETLINK}computeWrapper")(given, form, 0, "Automatic", 0, 0, 0, false, false)) == value


def test_the_class_mathkernel_typesets(client: Client) -> None:
    false = S("False")
    image = client(S(f"{NETLINK}computeWrapper")("x^2", "StandardForm", 0, "Automatic", 0, 0, 0, false, false))
    assert image.startswith("GIF8")
