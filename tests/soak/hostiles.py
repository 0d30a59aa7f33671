"""Clients that do harm, by mistake or on purpose; none of it may cost another client an answer.

Each harm is bounded in time. What malformed text gives is checked, since it is promised.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator

from actors import Actor
from asking import EVALUATE, command
from customers import GONE, code
from floods import FLOODS
from malformed import ARGUMENTS, FAILED, head
from record import WRONG, Record
from sites import Site

import wstp
from wstp import Function, Symbol

__all__ = ["Hostile"]

#: How long a harm goes on, in seconds.
_LEAST, _MOST = 0.5, 6.0
#: Idle connections, and links without a kernel, at once.
_IDLE, _LINKS = 300, 40


class Hostile(Actor):
    """A client that does harm at random."""

    def __init__(self, name: str, site: Site, record: Record) -> None:
        super().__init__(name, site, record)
        self.harms: dict[str, Callable[[], None]] = {
            "idle connections": self.idle,
            "links without a kernel": self.links,
            "kernels for nobody": self.take_kernels,
            "garbage": self.garbage,
            "malformed text": self.malformed,
            "While[True] and close": self.work_for_nobody,
            "Input[] and killed": self.ask_nobody,
            "output that nobody reads": self.unread,
        }
        # They are made once: some are megabytes.
        self.floods = {name: flood.data() for name, flood in FLOODS.items()}

    def act(self) -> None:
        """Do some harm."""
        kind = self.random.choice([*self.harms, *self.floods])
        self.record.count(f"harm: {kind}")
        try:
            if kind in self.floods:
                self.flood(kind)
            else:
                self.harms[kind]()
        except (wstp.WSTPError, OSError) as error:
            # It may be refused, cut off or kept waiting; it has no right to anything.
            self.record.error(f"hostile, {kind}", str(error))
        self.pause(0, 2)

    @property
    def port(self) -> int:
        """The port of a frontend."""
        return self.random.choice(self.site.fronts).port

    @contextlib.contextmanager
    def link(self, kernel: str = "none", pool: str = "M") -> Iterator[wstp.Link]:
        """Have a link: as it comes ("none"), with a kernel, or with one that was let go again."""
        link = wstp.connect(self.port, timeout=30)
        try:
            if kernel != "none":
                rule = Symbol("Rule")
                link.put(command("ConnectKernel", rule("Pool", pool), rule("KeepAlive", Symbol("False"))), end_packet=True)
                link.flush(timeout=30)
                # The prompt of an automatic kernel may come before.
                while (packet := link.next_packet(70)).head != Symbol("ReturnPacket"):
                    pass
                if packet == FAILED:
                    raise ConnectionRefusedError("there is no kernel for it")
                while link.next_packet(70).head != Symbol("InputNamePacket"):
                    pass
            if kernel == "let go":
                link.put(command("CloseKernel"), end_packet=True)
                link.flush(timeout=30)
                link.next_packet(30)
            yield link
        finally:
            link.abort()

    def flood(self, name: str) -> None:
        """Send as much as the server takes, and read nothing."""
        flood, rest = FLOODS[name], memoryview(self.floods[name])
        until = time.monotonic() + self.random.uniform(_LEAST, _MOST)
        kernel = {"awaited": "none", "attached": "attached", "detached": "let go"}[flood.kernel]
        with self.link(kernel, self.random.choice("MS")) as link:
            number = link.message_fileno() if flood.message else link.fileno()
            with socket.socket(fileno=os.dup(number)) as connection:
                while time.monotonic() < until:
                    _, writable, _ = select.select([], [connection] if rest else [], [], 0.05)
                    if writable:
                        rest = rest[connection.send(rest[: 2**16]) :]

    def idle(self) -> None:
        """Open connections and say nothing, or only the beginning."""
        with contextlib.ExitStack() as stack:
            port = self.port
            for number in range(_IDLE):
                connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), 10))
                if number % 3 == 0:
                    connection.sendall(b"id=01234567-89ab-4def-8123-%012x connection=data" % self.random.getrandbits(48))
            self.pause(_LEAST, _MOST)

    def links(self) -> None:
        """Open links, have no kernel, and stay."""
        with contextlib.ExitStack() as stack:
            for _ in range(_LINKS):
                stack.enter_context(self.link())
            self.pause(_LEAST, _MOST)

    def take_kernels(self) -> None:
        """Ask for more kernels than there are, and use none."""
        with contextlib.ExitStack() as stack:
            for _ in range(20):
                link = stack.enter_context(wstp.connect(self.port, timeout=30))
                link.put(command("ConnectKernel", Symbol("Rule")("Pool", self.random.choice("MS"))), end_packet=True)
                link.flush(timeout=10)
            self.pause(_LEAST, _MOST)

    def garbage(self) -> None:
        """Send random bytes on new connections, and on a link, and hang up in any way."""
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", self.port), 10) as connection:
                connection.sendall(self.random.randbytes(self.random.randrange(1, 300)))
                if self.random.random() < 0.5:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with self.link(self.random.choice(["none", "attached"])) as link:
            link.put_raw([self.random.randbytes(self.random.randrange(1, 3000))])
            link.flush(timeout=10)
            self.pause(0, 1)

    def malformed(self) -> None:
        """Send what cannot be read to an embedded kernel: it says so, and goes on."""
        with self.link("attached") as link:
            link.put(EVALUATE(code("kept = 12345")), end_packet=True)
            answer(link)
            for argument, tag, words in self.random.sample(ARGUMENTS, 5):
                link.put_raw([head(b"EvaluatePacket") + argument, b"]"])
                link.flush(timeout=30)
                texts, value = answer(link)
                if value != Symbol("$Failed") or words not in texts or f"Kernel::{tag}" not in texts:
                    self.complain(f"malformed text ({words}) gives {value} and {texts!r}")
            link.put(EVALUATE(code("kept + 1")), end_packet=True)
            if (value := answer(link)[1]) != 12346:
                self.complain(f"after malformed text kept + 1 is {value}")

    def complain(self, text: str) -> None:
        self.fault(WRONG, text)

    def work_for_nobody(self) -> None:
        """Have kernels work for ever, and close the links."""
        for _ in range(4):
            with contextlib.suppress(*GONE):
                link = wstp.connect(self.port, timeout=30)
                link.put(EVALUATE(code("While[True]")), end_packet=True)
                link.flush(timeout=10)
                self.pause(0, 0.5)
                link.close()

    def ask_nobody(self) -> None:
        """Have kernels ask, and vanish."""
        for _ in range(4):
            link = wstp.connect(self.port, timeout=30)
            try:
                link.put(EVALUATE(code("Input[]")), end_packet=True)
                link.flush(timeout=10)
                with contextlib.suppress(wstp.LinkTimeout):
                    while link.next_packet(2).head != Symbol("InputPacket"):
                        pass
            finally:
                link.abort()

    def unread(self) -> None:
        """Have a kernel say much, and do not read it."""
        with self.link("attached", "S") as link:
            link.put(EVALUATE(Symbol("Count")("x" * 40_000, 2000)), end_packet=True)
            link.flush(timeout=10)
            self.pause(_LEAST, _MOST)


def answer(link: wstp.Link) -> tuple[str, object]:
    """Return what is said before the next answer, and its value."""
    said = ""
    while True:
        packet = link.next_packet(120)
        match packet:
            case Function(head=Symbol(name="ReturnPacket"), args=(value,)):
                return said, value
            case Function(head=Symbol(name="TextPacket"), args=(str(text),)):
                said += text
            case Function(head=Symbol(name="MessagePacket"), args=(Symbol(name=name), str())) if name.startswith("WSTPServer`"):
                raise ConnectionAbortedError(str(link.next_packet(30).args[0]))
