"""Evaluate code in a Mathics3 that a test process has loaded, as a client would."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kernelbus.kernelhost.mathics.evaluation.loading import Loaded
from kernelbus.kernelhost.mathics.packets.mainloop import MainLoop
from wstp import Expr, Function, Symbol

__all__ = ["Evaluate", "LoadedClient"]

#: Takes code; returns its value, and the texts of the messages on the way.
Evaluate = Callable[[str], tuple[Any, list[str]]]


class LoadedClient:
    """Evaluate code; see :data:`Evaluate`."""

    def __init__(self, loaded: Loaded) -> None:
        self.sent: list[Function] = []
        self._loop = MainLoop(loaded, self)

    def send(self, *packets: Expr, last: bool = False) -> None:
        self.sent += packets

    def __call__(self, code: str) -> tuple[Any, list[str]]:
        self.sent.clear()
        self._loop.handle(Symbol("EvaluatePacket")(Symbol("ToExpression")(code)))
        texts = [str(packet.args[0]) for packet in self.sent if packet.head == Symbol("TextPacket")]
        return self.sent[-1].args[0], texts
