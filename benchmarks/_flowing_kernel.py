"""A kernel that says much, and notes when it hears an abort.

`EvaluatePacket[Flow[n]]` is answered by text packets of `n` bytes without end, and by
`ReturnPacket[$Aborted]` once an abort has come; `EvaluatePacket[Heard[]]` by the time of the last
abort (CLOCK_MONOTONIC), and anything else by `ReturnPacket[Null]`.
"""

from __future__ import annotations

import select
import sys
import threading
import time

import wstp
from wstp import Function, Message, Symbol
from wstp.packets import encode_packet, packet


class Ear(threading.Thread):
    """Notes when a message comes, whatever the main thread does.

    Attributes:
        heard: when the last message that the main thread has taken came; 0: none has.
    """

    def __init__(self, link: wstp.Link) -> None:
        super().__init__(daemon=True)
        self.heard = 0.0
        self._came = 0.0
        self._taken = threading.Event()
        self._number = link.message_fileno()
        link.on_message = self._take

    def run(self) -> None:
        while True:
            select.select([self._number], [], [])
            self._came = time.monotonic()
            self._taken.wait(0.1)
            self._taken.clear()

    def _take(self, message: Message) -> None:
        now = time.monotonic()
        self.heard = self._came if now - self._came < 10 else now
        self._came = 0.0
        self._taken.set()


def flow(link: wstp.Link, ear: Ear, size: int) -> None:
    """Send text packets until an abort comes."""
    text = encode_packet(packet("TextPacket", "x" * size))
    before = ear.heard
    while ear.heard == before:
        link.put_raw([text])
        link.flush()
        link.wait(0)


def main(arguments: list[str]) -> int:
    """Serve the link that the arguments name until it closes."""
    name = arguments[arguments.index("-linkname") + 1]
    with wstp.connect(name, mode="default", timeout=10, limits=wstp.Limits(total_size=2**32, token_size=2**30)) as link:
        ear = Ear(link)
        ear.start()
        link.put(Symbol("InputNamePacket")("In[1]:= "), end_packet=True)
        try:
            while True:
                asked = link.get()
                assert isinstance(asked, Function)
                match asked.args[0]:
                    case Function(head=Symbol(name="Flow"), args=(int(size),)):
                        flow(link, ear, size)
                        link.put(Symbol("ReturnPacket")(Symbol("$Aborted")), end_packet=True)
                    case Function(head=Symbol(name="Heard")):
                        link.put(Symbol("ReturnPacket")(ear.heard), end_packet=True)
                    case _:
                        link.put(Symbol("ReturnPacket")(Symbol("Null")), end_packet=True)
                link.flush()
        except (wstp.LinkClosed, wstp.LinkLost):
            return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
