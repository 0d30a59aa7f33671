"""Act as a client, in the words of the tests."""

from __future__ import annotations

from serving import Part

import wstp
from wstp import Expr, Function, Symbol

__all__ = ["EVALUATE", "answers", "ask", "command", "connect", "mapping", "order", "value", "waiting"]

EVALUATE = Symbol("EvaluatePacket")


def command(name: str, *arguments: Expr) -> Function:
    """Return the expression of a command to the server."""
    return Symbol("WSTPServer`" + name)(*arguments)


def connect(server: Part) -> wstp.Link:
    """Connect as a client does, and read the first packet."""
    link = wstp.connect(server.server, mode="uuid", timeout=60)
    packet = link.get(timeout=120)
    assert packet == Symbol("InputNamePacket")("In[1]:= "), packet
    return link


def ask(link: wstp.Link, expression: Expr) -> list[Function]:
    """Evaluate an expression and return every packet up to the answer."""
    link.put(EVALUATE(expression), end_packet=True)
    link.flush(timeout=60)
    return answers(link)


def answers(link: wstp.Link) -> list[Function]:
    """Return every packet up to the next answer."""
    packets = []
    while True:
        packet = link.get(timeout=120)
        assert isinstance(packet, Function)
        packets.append(packet)
        if packet.head == Symbol("ReturnPacket"):
            return packets


def value(link: wstp.Link, expression: Expr) -> Expr:
    """Evaluate an expression and return its value."""
    return ask(link, expression)[-1].args[0]


def order(link: wstp.Link, request: Function) -> Expr:
    """Give a command to the server and return its value."""
    link.put(request, end_packet=True)
    link.flush(timeout=60)
    return answers(link)[-1].args[0]


def mapping(association: Expr) -> dict[str, Expr]:
    """Return an association of strings as a dict."""
    assert isinstance(association, Function), association
    return {rule.args[0]: rule.args[1] for rule in association.args}


def waiting(link: wstp.Link) -> Expr:
    """Return how many clients wait for a kernel of pool P."""
    return mapping(mapping(order(link, command("Pools")))["P"])["Waiting"]
