"""A peer that reads late, and reads nothing after message 9, as the C library on Linux does."""

from __future__ import annotations

import select
import socket
import uuid
from typing import Self

from wstp import NEED_DATA, Expr, Features
from wstp.connecting import Connecting
from wstp.handshake import Connector, Mode
from wstp.machine import LinkMachine

__all__ = ["LateReader"]

TIMEOUT = 60.0


class LateReader:
    """The connecting end of a link in UUID mode, on bare sockets; each call waits for one thing.

    Attributes:
        data: the data connection.
        message: the message connection.
    """

    def __init__(self, port: int) -> None:
        name = str(uuid.uuid4())
        connecting = Connecting(port, "uuid", name)
        self._machine = LinkMachine(Connector(Mode.UUID, name), features=Features(textid="Mar  1 2018"))
        connecting.machine = self._machine
        self.data = socket.create_connection(("127.0.0.1", port), TIMEOUT)
        self.message: socket.socket | None = None
        while not self._machine.active:
            for buffer in self._machine.data_to_send():
                self.data.sendall(buffer)
            if self.message is None and connecting.message_endpoint() is not None:
                self.message = socket.create_connection(("127.0.0.1", port), TIMEOUT)
                self.message.sendall(self._machine.message_introduction)
            else:
                self._machine.receive_data(self.data.recv(1 << 16))
        for buffer in self._machine.data_to_send():
            self.data.sendall(buffer)

    def read_to_the_end(self) -> list[Expr]:
        """Read the data connection until it ends, and return its expressions."""
        while chunk := self.data.recv(1 << 16):
            self._machine.receive_data(chunk)
        read: list[Expr] = []
        while (expression := self._machine.next_expression()) is not NEED_DATA:
            read.append(expression)
        return read

    @property
    def message_waits(self) -> bool:
        """Tell whether the message connection has something to read, or has ended."""
        return bool(select.select([self.message], [], [], 0.0)[0])

    def read_message(self) -> bytes:
        """Read the message connection until it ends, and return what it had."""
        assert self.message is not None
        read = b""
        while chunk := self.message.recv(1 << 10):
            read += chunk
        return read

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.data.close()
        if self.message is not None:
            self.message.close()
