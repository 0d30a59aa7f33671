"""What a kernel said while nobody was attached."""

from __future__ import annotations

import pytest

from kernelbus.shell.pool.missed import Missed, MissedReader
from kernelbus.shell.pool.said import KernelDied, KernelMessage
from wstp import Symbol


def packet(name: str, *args: object) -> object:
    return Symbol(name)(*args)


def read(*packets: object) -> list[Missed]:
    reader = MissedReader()
    for each in packets:
        reader.take(each)  # type: ignore[arg-type]
    return reader.found


def test_prints_messages_results_and_questions() -> None:
    found = read(
        packet("InputNamePacket", "In[1]:= "),
        packet("TextPacket", "1\n"),
        packet("MessagePacket", Symbol("System`Power"), "infy"),
        packet("TextPacket", "Power::infy: Oh."),
        packet("OutputNamePacket", "Out[1]= "),
        packet("ReturnTextPacket", "x"),
        packet("ReturnPacket", "kernelbus b55dcef5-0f40-4f66-86a4-e31de3531141"),  # asked by a client for itself
        packet("ReturnPacket", [1]),
        packet("InputPacket", "how much? "),
    )
    assert found == [
        Missed("print", "1\n"),
        Missed("message", KernelMessage("Power", "infy", "Power::infy: Oh.")),
        Missed("result", "x", "Out[1]"),
        Missed("result", [1]),
        Missed("question", "how much? "),
    ]
    assert str(found[2]) == "Out[1]= x"
    assert str(found[1]) == "Power::infy: Oh."


def test_the_server_says_that_the_kernel_is_gone() -> None:
    with pytest.raises(KernelDied, match=r"^it ended$"):
        read(packet("MessagePacket", Symbol("WSTPServer`Kernel"), "ended"), packet("TextPacket", "WSTPServer`Kernel::ended: it ended"))


def test_what_the_server_waits_for_is_not_of_the_kernel() -> None:
    waits = packet("MessagePacket", Symbol("WSTPServer`ConnectKernel"), "waiting")
    text = packet("TextPacket", "WSTPServer`ConnectKernel::waiting: busy")
    assert read(waits, text, packet("TextPacket", "said")) == [Missed("print", "said")]
