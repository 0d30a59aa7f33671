"""Feed wrong input to a server that runs: malformed text of every kind to an embedded kernel,
commands of any shape, and messages of the bus.

A packet that cannot be read is answered by a message and `$Failed`, or by its value where it can be
read after all; the kernel is the same all the while. A command is answered once. The broker goes on
whatever reaches it. The log has no traceback.

Run: python tests/fuzz/fuzz_server.py --seconds 60 [--seed N [--round N]].
"""

from __future__ import annotations

import json
import random
import secrets
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import zmq
from asking import answers, command, order, value
from fuzz_inputs import MESSAGES, NAMES, NASTY, as_json, bent, encoded, expression
from fuzzing import main
from malformed import head, text
from serving import Part, write_config

import wstp
from kernelbus.bus.channel.frames import Flag, Frame, Kind, Lane, control_frame, encode_header
from kernelbus.bus.client import AdminClient
from kernelbus.frontend.commands import COMMANDS, CONTEXT
from wstp import Symbol
from wstp.lexer import encode_count

WAIT = 60.0
#: A text's lead and encoding, and how its characters become bytes.
LEADS = (b'"', b"#", b"+", b"*")
ENCODINGS = (b"A", b"B", b"C", b"D", b"E", b"F", b"Z")
PIECES = (
    b"abc", b"12a4", b"12", b"-7", b"1e5", b"1.5`20.*^3", b"\xff\xfe", b"\x00\xdc", b"\x00\xd8a\x00", b"\x00\x00\x00a", b"\xed\xa0\x80",
    b"", b"\\", b"\\:00", b"\\:d83d", b"\\.e9", b"xx.yy", b"1.", b"`", b"*^", b"+-1", b"\xc3", b"\xf4\x90\x80\x80", b"x\0y",
    b"9" * 400, b"]\n]",
)  # fmt: skip


class Server:
    """A server, and a session on its embedded kernel."""

    def __init__(self, stack: ExitStack) -> None:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kernelbus-fuzz-")))
        pools = {"M": {"MinimumKernelNumber": 1, "MaximumKernelNumber": 3}}
        self.endpoint = f"ipc://{folder}/bus"
        config = write_config(folder / "c.conf", Pools=pools, Bus={"Endpoint": self.endpoint}, EnableAutomaticKernelConnection=False)
        self.part = stack.enter_context(Part("serve", "-p", "0", "-c", config))
        self.link = stack.enter_context(wstp.connect(self.part.server, mode="uuid", timeout=WAIT))
        assert isinstance(order(self.link, command("ConnectKernel")), str)
        assert self.link.get(WAIT).head == Symbol("InputNamePacket")
        self.pid = value(self.link, Symbol("ToExpression")("kept = 12345; $ProcessID"))
        self.client = AdminClient(self.endpoint, secrets.token_bytes, sender="fuzz@here", timeout=WAIT)
        stack.callback(self.client.close)

    def check(self) -> None:
        """Insist that the session is there, and that nothing was broken."""
        assert value(self.link, Symbol("ToExpression")("{kept, $ProcessID}")) == [12345, self.pid]
        assert not self.part.logged("Traceback"), "\n".join(self.part.log[-40:])


def token(rng: random.Random) -> bytes:
    """Return the token of a text, most of them wrong in some way."""
    data = rng.choice(PIECES) + (rng.choice(PIECES) if rng.random() < 0.3 else rng.randbytes(rng.randrange(5)))
    encoding = rng.choice(ENCODINGS)
    width = {b"C": 2, b"E": 2, b"F": 4}.get(encoding, 1)
    count = rng.choice((len(data) // width, len(data), len(data) + 1, 0, 10**6))
    return text(rng.choice(LEADS), encoding, encode_count(count), data)


def packet(rng: random.Random) -> bytes:
    """Return a packet to evaluate with something malformed in it."""
    inner = token(rng)
    match rng.randrange(6):
        case 0:
            inner = head(b"List", 2) + b"\xe4\1\0\0\0\n" + inner
        case 1:
            inner = head(b"List") * rng.choice((3, 300)) + inner
        case 2:
            inner = b"FA" + inner + b"\xe4\1\0\0\0\n"
        case 3:
            inner = head(b"Hold") + inner
        case 4:
            inner = text(b"+", b"A", encode_count(1_000_001), b"7" * 1_000_001) if rng.random() < 0.02 else inner
    return head(b"EvaluatePacket") + inner + b"]"


def check_text(rng: random.Random, data: bytes) -> None:
    """Have the kernel read what cannot be read; each packet is answered once."""
    link = SERVER.link
    for _ in range(10):
        sent = packet(rng)
        link.put_raw([sent])
        link.flush(WAIT)
        try:
            found = answers(link)
        except wstp.PacketFault as fault:
            # What it says back may not be readable by a strict reader; the packet ends all the
            # same.
            raise AssertionError(f"the answer to {sent[:200]!r} cannot be read: {fault}") from fault
        for each in found[:-1]:
            assert each.head in (Symbol("MessagePacket"), Symbol("TextPacket")), each
    SERVER.check()


def check_commands(rng: random.Random, data: bytes) -> None:
    """Give commands of any shape over a link of their own; each is answered once."""
    with wstp.connect(SERVER.part.server, mode="uuid", timeout=WAIT) as link:
        sent = 0
        for _ in range(10):
            # Not those that change what the link has, and not what a password would be.
            name = rng.choice([name for name in COMMANDS if name not in ("ConnectKernel", "Reconnect", "Authenticate")] + ["Nothing"])
            try:
                whole = encoded(CONTEXT + name, [expression(rng) for _ in range(rng.randrange(3))])
            except (TypeError, ValueError, NotImplementedError):
                continue
            link.put_raw([whole, b"]"])
            sent += 1
        link.put(command("PoolName"), end_packet=True)
        link.flush(WAIT)
        for _ in range(sent + 1):
            answers(link)


@contextmanager
def dealer(lane: Lane) -> Iterator[zmq.Socket[bytes]]:
    """Connect to the broker as a part does, or as none does."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context.instance()
    with context.socket(zmq.DEALER) as connection:
        connection.setsockopt(zmq.LINGER, 2000)
        connection.setsockopt(zmq.IDENTITY, secrets.token_bytes(16) + bytes([lane]))
        connection.connect(SERVER.endpoint)
        yield connection


def check_bus(rng: random.Random, data: bytes) -> None:
    """Register as nobody, order nonsense, send frames of no channel; the broker answers others."""
    with dealer(rng.choice((Lane.CONTROL, Lane.BULK))) as connection:
        for _ in range(rng.randrange(1, 12)):
            content = json.loads(rng.choice(MESSAGES))
            if rng.random() < 0.3:
                content["message"] = rng.choice(NAMES)
            payload = as_json(rng, content)
            frame = control_frame(payload)
            if rng.random() < 0.4:
                numbers = [rng.choice((0, 1, 2**32, 2**64 - 1)) for _ in range(6)]
                frame = Frame(rng.choice((*Kind, 77)), *numbers, rng.choice((*Flag, 5)), data)
            parts = [encode_header(frame), bytes(frame.payload)]
            if rng.random() < 0.2:
                parts = rng.choice(([data], [parts[0]], [*parts, data], [bent(rng, parts[0]), parts[1]], [b"", b""]))
            connection.send_multipart(parts)
        connection.send_multipart([bent(rng, rng.choice(NASTY).encode("utf-8", "surrogatepass"))])
    assert SERVER.client.status().broker
    SERVER.check()


def check_pieces(rng: random.Random, data: bytes) -> None:
    """Open connections with anything, and leave them in the middle of it."""
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", SERVER.part.port), 10) as connection:
            connection.sendall(bent(rng, b"id=01234567-89ab-4def-8123-456789abcdef connection=data" + data))
            if rng.random() < 0.3:
                time.sleep(0.01)
    SERVER.check()


CHECKS = (check_text, check_commands, check_bus, check_pieces)


def make(rng: random.Random) -> bytes:
    """Return the bytes of a round."""
    return rng.randbytes(rng.choice((0, 3, 70, 3000)))


if __name__ == "__main__":
    with ExitStack() as stack:
        SERVER = Server(stack)
        status = main("Feed wrong input to a server.", CHECKS, make)
    sys.exit(status)
