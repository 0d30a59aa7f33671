"""What one client's flood costs: its window, and a turn at a time. Counted, without sockets."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest

import kernelbus.frontend.link
from kernelbus.bus.channel.channel import ChannelOptions, Data, Ended, EndReason
from kernelbus.bus.channel.frames import Frame, Kind
from kernelbus.bus.channel.multiplexer import Multiplexer
from kernelbus.bus.protocol.messages import Open
from kernelbus.bus.protocol.reports import Status
from kernelbus.bus.protocol.schema import Message as BusMessage
from kernelbus.bus.rounds import Rounds, Worker
from kernelbus.bus.settings.config import Config
from kernelbus.bus.turns import STEP_BYTES
from kernelbus.frontend.commands import read
from kernelbus.frontend.enquiries import Enquiries
from kernelbus.frontend.link import ClientLink, LinkServer, LinkState, _grace
from wstp import OURS, Message, Symbol, Tracker
from wstp.packets import encode_packet, packet
from wstp.relay import RelayLink
from wstp.tracker import Head

pytestmark = pytest.mark.asyncio

HELP = encode_packet(packet("WSTPServer`Help"))
KERNELS = encode_packet(packet("WSTPServer`Kernels"))
IDENTITY = encode_packet(packet("WSTPServer`KernelID"))
EVALUATE = encode_packet(packet("EvaluatePacket", 1))
ATOM = b"\xa0\x01\n"
ABORT = Message(3)
STATUS = Status(1, "b", "1", "healthy", [], 2.0, 1, [], [], [], [])
#: What a connection holds before it is congested.
HIGH_WATER = 512 * 1024


class Relay(RelayLink):
    """A client's link without sockets: what is written piles up until the test reads it."""

    name = "10.0.0.1:5"
    peer_features = OURS
    read_to_the_end = True
    leaves = False

    def __init__(self) -> None:
        self.bytes_in = self.bytes_out = 0
        self.unread = bytearray()
        self.most = 0
        self.reading = True
        self.aborted = self.closed = False

    def window(self) -> int | None:
        return None

    def round_trip(self) -> float | None:
        return None

    @property
    def congested(self) -> bool:
        return len(self.unread) > HIGH_WATER

    @property
    def written(self) -> int:
        return self.bytes_out

    def acknowledged(self) -> int:
        return 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.bytes_out += len(data)
        self.unread += data
        self.most = max(self.most, len(self.unread))

    def pause(self, soon: bool = False) -> None:
        self.reading = False

    def resume(self) -> None:
        self.reading = True

    def close(self, linger: float = 0.0) -> None:
        self.closed = True


class Server(LinkServer):
    """A frontend whose broker is the test. A round has one turn, and a turn so many steps."""

    def __init__(self, steps: int = 8, automatic: bool = False) -> None:
        self.config = Config(enable_automatic_kernel_connection=automatic)
        self.frames: list[Frame] = []
        self.multiplexer = Multiplexer(self.frames.append, ChannelOptions())
        ticks = itertools.count(0.0, 0.001)
        self.rounds = Rounds(lambda: next(ticks), turn=1000.0, steps=steps, round=0.001)
        self.enquiries: Enquiries[ClientLink] = Enquiries()
        self.requests: list[Open] = []
        self.enquired = 0
        self.channels = 0
        self.relay = Relay()
        self.link = ClientLink(self, self.relay)
        self.link.link_active(self.relay)

    def new_channel(self) -> int:
        self.channels += 1
        return self.channels

    def request_kernel(self, link: ClientLink, request: Open) -> None:
        self.requests.append(request)

    def request_status(self, link: ClientLink) -> None:
        answer, ask = self.enquiries.ask(link, link.changed - 1e9, 1.0)
        self.enquired += ask
        if answer is None:
            told, _ = self.enquiries.told(STATUS, 1.0)
            for asker in told:
                asker.told_status(STATUS)
        else:
            link.told_status(answer)

    def tell_broker(self, message: BusMessage) -> None: ...
    def channel_done(self, channel: int, text: str) -> None: ...
    def channel_forgotten(self, channel: int) -> None: ...
    def link_idle(self, link: ClientLink, idle: bool) -> None: ...
    def link_gone(self, link: ClientLink) -> None: ...

    def say(self, data: bytes) -> None:
        self.relay.bytes_in += len(data)
        self.link.link_data(self.relay, data)

    async def written(self) -> None:
        """Wait until something has been written to the client."""
        while not self.relay.unread:  # noqa: ASYNC110 - the relay tells nobody
            await asyncio.sleep(0)

    async def settle(self, worker: Worker | None = None, most: int = 20_000) -> int:
        """Let the link, or another, have its turns until it has none; return how many rounds."""
        rounds = 0
        while self.rounds.waits(worker or self.link):
            await asyncio.sleep(0)
            rounds += 1
            assert rounds < most
        return rounds

    def heads(self) -> dict[str, int]:
        """Read what the client was sent: how many packets of each head."""
        found: dict[str, int] = {}
        for mark in Tracker().feed(bytes(self.relay.unread)):
            if isinstance(mark, Head):
                found[str(mark.name)] = found.get(str(mark.name), 0) + 1
        self.relay.unread.clear()
        return found

    def sent(self, kind: Kind) -> list[Frame]:
        return [frame for frame in self.frames if frame.kind is kind]


@pytest.mark.parametrize("command", [HELP, KERNELS, encode_packet(packet("WSTPServer`Hlep"))])
async def test_a_client_that_does_not_read_costs_its_window(command: bytes) -> None:
    server, count = Server(), 4_000
    server.say(command * count)
    answered = 0
    while True:
        await server.settle()
        assert server.relay.most < HIGH_WATER + 4096
        answered += server.heads()["ReturnPacket"]
        if answered == count:
            break
        assert not server.relay.reading
        server.link.link_drained(server.relay)
    assert server.relay.reading
    assert server.enquired <= 1, "one answer of the broker serves all"


async def test_what_needs_a_kernel_is_refused_by_few_messages_for_many_expressions() -> None:
    server, count = Server(), 10_000
    server.say(ATOM * count)
    await server.settle()
    found = server.heads()
    assert found["ReturnPacket"] == count
    assert found["MessagePacket"] == found["TextPacket"] <= count * len(ATOM) // STEP_BYTES + 1


async def test_a_flood_before_there_is_a_kernel_waits_as_it_came() -> None:
    server = Server(automatic=True)
    server.say(ATOM * 50_000)
    await server.settle()
    assert server.link.state is LinkState.OPENING
    assert not server.relay.reading
    assert len(server.link._intake._pieces) <= 64
    assert not server.relay.unread


@pytest.mark.parametrize("flood", [ATOM, b"]", EVALUATE])
async def test_a_flood_for_a_kernel_passes_in_turns_of_bounded_size(flood: bytes) -> None:
    server = Server(automatic=True)
    server.link.opened("kernel", "P", 0)
    server.say(flood * 20_000)
    first = sum(len(frame.payload) for frame in server.sent(Kind.DATA))
    assert first <= 8 * STEP_BYTES, "what passes in the first round"
    rounds = await server.settle()
    assert rounds >= len(flood) * 20_000 // (8 * STEP_BYTES)
    total = b"".join(bytes(frame.payload) for frame in server.sent(Kind.DATA))
    assert total == flood * 20_000


@pytest.mark.parametrize("flood", [ATOM, EVALUATE])
async def test_a_flood_of_a_kernel_passes_in_turns_and_its_end_behind_it(flood: bytes) -> None:
    server = Server(automatic=True)
    server.link.opened("kernel", "P", 0)
    server.link.channel_event(Data(0, flood * 60_000))
    server.link.channel_event(Ended(EndReason.KERNEL_ENDED, "bye"))
    await server.written()
    assert len(server.relay.unread) <= 16 * STEP_BYTES, "what passes in a round"
    assert not server.relay.closed
    await server.settle(server.link._incoming)
    assert server.relay.unread == flood * 60_000
    assert server.relay.closed


async def test_what_a_lost_kernel_has_said_is_written_first() -> None:
    server = Server(automatic=True)
    server.link.opened("kernel", "P", 0)
    server.link.channel_event(Data(0, EVALUATE * 20_000))
    server.link.lost("its host is gone")
    await server.settle(server.link._incoming)
    assert server.relay.unread.startswith(EVALUATE * 20_000)
    assert b"its host is gone" in server.relay.unread and server.relay.closed


async def test_a_command_is_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[Any] = []
    monkeypatch.setattr(kernelbus.frontend.link, "read", lambda data: decoded.append(data) or read(data))
    server = Server(automatic=True)
    server.say(IDENTITY)
    for _ in range(5):
        server.link._proceed()
        await server.settle()
    assert not server.relay.unread, "it waits for the kernel"
    server.link.opened("kernel", "P", 0)
    await server.settle()
    assert server.heads() == {"ReturnPacket": 1}
    assert len(decoded) == 1


@pytest.mark.parametrize("argument", [10**101, Symbol("List")(*range(10_000)), "x" * 2**15])
async def test_a_command_that_takes_long_to_decode_is_refused(argument: Any) -> None:
    server = Server()
    server.say(encode_packet(packet("WSTPServer`Help", argument)))
    await server.settle()
    assert b"::command: " in server.relay.unread or server.link.state is LinkState.CLOSING


async def test_a_message_that_is_repeated_is_passed_on_once() -> None:
    server = Server(automatic=True)
    server.link.opened("kernel", "P", 0)
    server.say(EVALUATE)
    await server.settle()
    for _ in range(10_000):
        server.link.link_message(server.relay, ABORT)
    assert len(server.sent(Kind.URGENT)) == 1
    server.say(EVALUATE)
    await server.settle()
    server.link.link_message(server.relay, ABORT)
    assert len(server.sent(Kind.URGENT)) == 2, "for what came since"


async def test_a_message_stays_behind_data_that_waits_for_its_turn() -> None:
    server = Server(steps=1, automatic=True)
    server.link.opened("kernel", "P", 0)
    server.say(EVALUATE * 1000)
    assert server.rounds.waits(server.link)
    server.link.link_message(server.relay, ABORT)
    server.link.link_message(server.relay, Message(2))
    assert not server.sent(Kind.URGENT)
    await server.settle()
    handle = server.link._handle
    assert handle is not None
    assert [sent.offset for sent in handle.channel._urgent_out] == [len(EVALUATE) * 1000] * 2


NAMED = encode_packet(packet("WSTPServer`Reconnect", "its id"))


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ([], [("", "automatic")]),
        ([EVALUATE], [("", "asked")]),
        ([NAMED], [("its id", "asked")]),
        ([KERNELS], [("", "automatic")]),
        ([KERNELS, NAMED], [("its id", "asked")]),
    ],
    ids=["silent", "evaluates", "names a kernel", "looks", "looks and names a kernel"],
)
async def test_a_first_word_decides_which_kernel_is_requested(said: list[bytes], asked: list[tuple[str, str]]) -> None:
    server = Server(automatic=True)
    assert server.requests == []
    for word in said:
        server.say(word)
        await server.settle()
    if said == [KERNELS]:
        await asyncio.sleep(4 * _grace(None))
        assert server.requests == [], "whoever looks may have no need of a kernel"
    while not server.requests:  # noqa: ASYNC110 - the server tells nobody
        await asyncio.sleep(0)
    # Whatever else the client is given time for is over by then.
    await asyncio.sleep(2 * _grace(None))
    assert [(request.kernel, request.demand) for request in server.requests] == asked


async def test_a_client_far_away_has_more_time_for_its_first_word() -> None:
    assert _grace(None) == _grace(0.0) <= 0.01 < _grace(0.01) < _grace(0.1) == _grace(100.0) <= 0.05
