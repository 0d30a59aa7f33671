"""Clients' links on a real frontend, with a host that the test controls."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace

import pytest
import pytest_asyncio
from bus_parts import Bus, Part, until
from late_reader import LateReader

import kernelbus.frontend.link
import wstp
import wstp.aio
from kernelbus.bus.channel.channel import Data, Ended, EndReason, Event
from kernelbus.bus.channel.multiplexer import ChannelHandle
from kernelbus.bus.protocol.messages import (
    Acquire,
    Acquired,
    KeepAlive,
    KernelReport,
    Opened,
    Register,
    Release,
    Told,
)
from kernelbus.bus.protocol.orders import AccessOrder
from kernelbus.bus.protocol.schema import Message
from kernelbus.bus.security.proof import client_proof, server_proof
from kernelbus.bus.settings.config import AccessConfig, BusConfig, Config
from kernelbus.bus.settings.networks import parse_network
from kernelbus.frontend.access import TRIES
from kernelbus.frontend.link import TRANSITIONS, LinkState
from kernelbus.frontend.server import Frontend, PortError
from wstp import Expr, Function, MessageCode, Symbol, encode_message
from wstp.packets import encode_packet, packet

pytestmark = pytest.mark.asyncio


class End:
    """A kernel's end of a channel."""

    handle: ChannelHandle
    ended: Ended | None = None
    got = b""

    def channel_event(self, event: Event) -> None:
        if isinstance(event, Data):
            self.got += event.payload
        if isinstance(event, Ended):
            self.ended = event
            self.handle.end(EndReason.ANSWER)

    def channel_closed(self) -> None:
        pass


class Host(Part):
    """A host that sends a kernel's prompt at once; the test says when it reports it attached."""

    def __init__(self, bus: Bus) -> None:
        self.asked: list[Acquire] = []
        self.ends: list[End] = []
        self.released: list[int] = []
        self.said: list[Message] = []
        self.attached: list[KernelReport] = []
        super().__init__(bus, "host", bus.connect)

    def control(self, message: Message) -> None:
        match message:
            case Acquire(channel):
                self.asked.append(message)
                end = End()
                end.handle = self.multiplexer.open(channel, end)
                self.ends.append(end)
                end.handle.send(encode_packet(packet("InputNamePacket", f"of {len(self.asked)}")))
            case Release(channel):
                self.released.append(channel)
            case KeepAlive() | Told():
                self.said.append(message)

    def describe(self) -> Register:
        return replace(super().describe(), kernels=list(self.attached))

    def say_attached(self, number: int) -> None:
        channel = self.asked[number].channel
        report = KernelReport(f"kernel-{number}", "P", "attached", 1, channel, attachments=1)
        self.attached.append(report)
        self.membership.send(Acquired(channel, report))


@pytest_asyncio.fixture
async def host() -> AsyncIterator[Host]:
    bus = Bus("call")
    await bus.start()
    made = Host(bus)
    bus.parts.append(made)
    await until(lambda: made.ups)
    yield made
    await bus.stop()


@contextlib.asynccontextmanager
async def serving(frontend: Frontend) -> AsyncIterator[int]:
    """Run a frontend that has joined its broker; give its port."""
    port = await frontend.listen("127.0.0.1", 0)
    running = asyncio.get_running_loop().create_task(frontend.run())
    try:
        await frontend.membership.wait_until_up(20)
        yield port
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_data_of_a_dropped_channel_is_not_given_to_the_next(host: Host) -> None:
    """Over ZeroMQ data may overtake the message that its channel is open, on another lane."""
    frontend = Frontend(Config(), host.bus.connect, name="f", version="1", where="the test's broker")
    async with serving(frontend) as port:
        async with await wstp.aio.connect(port, mode="uuid") as link:
            await until(lambda: host.asked)
            # The prompt is there before the channel is reported open; the client asks for another
            # kernel.
            link.put(Symbol("WSTPServer`ConnectKernel")(), end_packet=True)
            await link.flush(20)
            await until(lambda: len(host.asked) == 2)
            assert host.released == [host.asked[0].channel]
            host.say_attached(1)
            said = [await link.next_packet(20), await link.next_packet(20)]
            assert said == [packet("ReturnPacket", "kernel-1"), packet("InputNamePacket", "of 2")]
        await frontend.close()


async def test_a_link_whose_kernel_says_what_cannot_be_read_is_closed(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    async with attached(host) as (_, link, end):
        end.handle.send(b"\x00\x01")
        with pytest.raises((wstp.LinkClosed, wstp.LinkLost)):
            await link.next_packet(20)
    assert "what its kernel says cannot be read" in caplog.text


async def test_a_kernel_for_which_nobody_waits_is_given_back(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that is made again can cross the refusal of the first, and then be met."""
    frontend = Frontend(Config(), host.bus.connect, name="f", version="1", where="the test's broker")
    said: list[Message] = []
    monkeypatch.setattr(frontend.membership, "send", said.append)
    frontend._control(Opened(77, "kernel", "P", "host"))
    assert said == [Release(77, "nobody waits for it any more")]
    await frontend.close()


@pytest.mark.parametrize(
    ("command", "said", "reason"),
    [
        ("KeepAlive[False]", KeepAlive, EndReason.CLOSE_KERNEL),
        ("KernelID[]", Told, EndReason.DETACHED),
    ],
)
async def test_what_a_client_says_of_its_kernel_outlives_the_broker(
    host: Host, command: str, said: type[Message], reason: EndReason
) -> None:
    """It is said again to the next broker, and the channel's end says it too."""
    frontend = Frontend(Config(bus=BusConfig(heartbeat_timeout=1.0)), host.bus.connect, name="f", version="1", where="the test's broker")
    async with serving(frontend) as port:
        async with await wstp.aio.connect(port, mode="uuid") as link:
            await until(lambda: host.asked)
            host.say_attached(0)
            name, _, argument = command.rstrip("]").partition("[")
            link.put(packet("EvaluatePacket", 1), end_packet=True)
            link.put(Symbol(f"WSTPServer`{name}")(*([Symbol(argument)] if argument else [])), end_packet=True)
            await link.flush(20)
            await until(lambda: [type(each) for each in host.said] == [said])
            await host.bus.kill()
            await host.bus.start()
            await until(lambda: host.said[1:] == host.said[:1])
        await until(lambda: host.ends[0].ended)
        assert host.ends[0].ended is not None
        assert host.ends[0].ended.reason is reason
        await frontend.close()


async def test_a_link_without_a_kernel_refuses_expressions_and_answers_commands(host: Host) -> None:
    config = Config(enable_automatic_kernel_connection=False)
    frontend = Frontend(config, host.bus.connect, name="f", version="1", where="the test's broker")
    port = await frontend.listen("127.0.0.1", 0)
    async with await wstp.aio.connect(port, mode="uuid") as link:
        await until(lambda: [own.state for own in frontend._links] == [LinkState.ALONE])
        link.put(packet("EvaluatePacket", 1), end_packet=True)
        link.put(Symbol("WSTPServer`KernelID")(), end_packet=True)
        await link.flush(20)
        heads = [await link.next_packet(20) for _ in range(4)]
        assert [str(answer.head) for answer in heads] == ["MessagePacket", "TextPacket", "ReturnPacket", "ReturnPacket"]
        assert heads[2:] == [packet("ReturnPacket", Symbol("$Failed")), packet("ReturnPacket", Symbol("None"))]
        assert "no kernel is attached" in heads[1].args[0]
        (own,) = frontend._links
        with pytest.raises(AssertionError, match="alone to attached"):
            own.state = LinkState.ATTACHED
    await until(lambda: own.state is LinkState.ENDED)
    assert frontend.open_links == 0
    assert host.asked == []
    await frontend.close()


async def test_a_link_without_an_answer_of_the_broker_is_closed_with_a_reason(host: Host) -> None:
    frontend = Frontend(Config(), host.bus.connect, name="f", version="1", where="the test's broker")
    port = await frontend.listen("127.0.0.1", 0)
    async with await wstp.aio.connect(port, mode="uuid") as link:
        await until(lambda: [own.state for own in frontend._links] == [LinkState.OPENING])
        (own,) = frontend._links
        await until(lambda: own.channel in frontend._channels)
        frontend._unanswered(frontend._channels[own.channel][1])
        assert own.state is LinkState.CLOSING
        assert await link.next_packet(20) == packet("MessagePacket", Symbol("WSTPServer`ConnectKernel"), "nobroker")
    await until(lambda: own.state is LinkState.ENDED)
    await frontend.close()


TOKEN = "the token of the tests"
AUTHENTICATE = Symbol("WSTPServer`Authenticate")


@contextlib.asynccontextmanager
async def locked(host: Host, token: str = TOKEN) -> AsyncIterator[tuple[Frontend, wstp.aio.Link]]:
    """Connect to a frontend that wants its token from everybody."""
    access = AccessConfig(anonymous=())
    frontend = Frontend(Config(access=access), host.bus.connect, name="f", version="1", where="the test's broker", token=lambda: token)
    async with serving(frontend) as port:
        async with await wstp.aio.connect(port, mode="uuid") as link:
            await until(lambda: [own.state for own in frontend._links] == [LinkState.LOCKED])
            yield frontend, link
        await until(lambda: not frontend._links)
        await frontend.close()


async def say(link: wstp.aio.Link, *expressions: Expr) -> None:
    for expression in expressions:
        link.put(expression, end_packet=True)
    await link.flush(20)


async def test_nothing_is_carried_out_before_the_token(host: Host) -> None:
    async with locked(host) as (_, link):
        link.put_message(3)
        await say(link, packet("EvaluatePacket", 1), Symbol("WSTPServer`ConnectKernel")(), Symbol("WSTPServer`Help")())
        for _ in range(3):
            assert await link.next_packet(20) == packet("MessagePacket", AUTHENTICATE, "token")
            (told,) = (await link.next_packet(20)).args
            assert "this server needs its token first; send WSTPServer`Authenticate[" in str(told)
            assert await link.next_packet(20) == packet("ReturnPacket", Symbol("$Failed"))
        assert host.asked == []
        await say(link, AUTHENTICATE(TOKEN))
        assert await link.next_packet(20) == packet("ReturnPacket", Symbol("True"))
        await until(lambda: host.asked)
        host.say_attached(0)
        assert await link.next_packet(20) == packet("InputNamePacket", "of 1")
        await say(link, AUTHENTICATE("whatever"))
        assert await link.next_packet(20) == packet("ReturnPacket", Symbol("True"))


async def test_what_comes_with_the_token_is_carried_out_after_it(host: Host) -> None:
    async with locked(host) as (_, link):
        await say(link, AUTHENTICATE(TOKEN), Symbol("WSTPServer`ConnectKernel")())
        assert await link.next_packet(20) == packet("ReturnPacket", Symbol("True"))
        await until(lambda: host.asked)
        host.say_attached(0)
        assert await link.next_packet(20) == packet("ReturnPacket", "kernel-0")
        assert len(host.asked) == 1, "no other kernel was asked for"


async def answer(link: wstp.aio.Link) -> Expr:
    return (await link.next_packet(20)).args[0]


async def refused(link: wstp.aio.Link) -> Expr:
    tag = (await link.next_packet(20)).args[1]
    assert [(await link.next_packet(20)).head for _ in range(2)] == [Symbol("TextPacket"), Symbol("ReturnPacket")]
    return tag


async def test_both_ends_prove_that_they_know_the_token(host: Host) -> None:
    mine = "0123456789abcdef"
    async with locked(host) as (_, link):
        await say(link, AUTHENTICATE("Proof", "x"), AUTHENTICATE("Challenge", "short"))
        assert [await refused(link), await refused(link)] == ["args", "args"], "there is nothing to prove yet"
        await say(link, AUTHENTICATE("Challenge", mine))
        first = await answer(link)
        await say(link, AUTHENTICATE("Challenge", mine))
        number = str(await answer(link))
        assert len(number) >= 16 and number != first
        await say(link, AUTHENTICATE("Proof", client_proof(TOKEN, mine, str(first))))
        assert await refused(link) == "token", "a number counts once, the last"
        await say(link, AUTHENTICATE("Proof", client_proof(TOKEN, mine, number)))
        assert await refused(link) == "args"
        await say(link, AUTHENTICATE("Challenge", mine))
        number = str(await answer(link))
        await say(link, AUTHENTICATE("Proof", client_proof(TOKEN, mine, number)))
        assert await answer(link) == server_proof(TOKEN, mine, number)
        await until(lambda: host.asked)
        host.say_attached(0)
        assert await link.next_packet(20) == packet("InputNamePacket", "of 1")
        await say(link, AUTHENTICATE("Challenge", mine))
        assert await refused(link) == "args", "nothing is locked"


async def test_wrong_proofs_are_wrong_tokens(host: Host) -> None:
    async with locked(host, token="") as (_, link):
        await say(link, AUTHENTICATE("Challenge", "0123456789abcdef"))
        number = str(await answer(link))
        await say(link, AUTHENTICATE("Proof", client_proof("", "0123456789abcdef", number)))
        assert await refused(link) == "token", "without a token nobody gets in"


async def test_wrong_tokens(host: Host) -> None:
    async with locked(host) as (_, link):
        for arguments in ((), (1,), (TOKEN, TOKEN)):
            await say(link, AUTHENTICATE(*arguments))
            assert await link.next_packet(20) == packet("MessagePacket", AUTHENTICATE, "args")
            assert [(await link.next_packet(20)).head for _ in range(2)] == [Symbol("TextPacket"), Symbol("ReturnPacket")]
        for _ in range(TRIES):
            await say(link, AUTHENTICATE(TOKEN[:-1]))
            assert await link.next_packet(20) == packet("MessagePacket", AUTHENTICATE, "token")
            assert "is not the server's token" in str((await link.next_packet(20)).args[0])
            assert await link.next_packet(20) == packet("ReturnPacket", Symbol("$Failed"))
        await say(link, AUTHENTICATE(TOKEN))
        assert await link.next_packet(20) == packet("MessagePacket", AUTHENTICATE, "wait")
        assert "too many wrong tokens came from 127.0.0.1" in str((await link.next_packet(20)).args[0])
        with pytest.raises(wstp.LinkClosed):
            await link.next_packet(20)
    assert host.asked == []


async def test_a_server_without_a_token_takes_none(host: Host) -> None:
    async with locked(host, token="") as (_, link):
        await say(link, AUTHENTICATE(""))
        assert await link.next_packet(20) == packet("MessagePacket", AUTHENTICATE, "token")


async def test_who_waits_is_told_what_to_do(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kernelbus.frontend.lock._REMIND", 0.05)
    monkeypatch.setattr("kernelbus.frontend.lock._SECONDS", 0.3)
    async with locked(host) as (_, link):
        assert await link.next_packet(20) == packet("MessagePacket", AUTHENTICATE, "token")
        assert "needs its token first" in str((await link.next_packet(20)).args[0])
        assert await link.next_packet(20) == packet("MessagePacket", AUTHENTICATE, "token")
        assert "no token came in 0.3 s" in str((await link.next_packet(20)).args[0])
        with pytest.raises(wstp.LinkClosed):
            await link.next_packet(20)


@pytest.mark.parametrize("sent", [[packet("EvaluatePacket", n) for n in range(30)], [packet("EvaluatePacket", "x" * 100_000)]])
async def test_a_locked_link_costs_little(host: Host, sent: list[Function]) -> None:
    async with locked(host) as (frontend, link):
        with suppress(wstp.WSTPError):
            await say(link, *sent)
            while await link.next_packet(20):
                pass
        await until(lambda: not frontend._links)
        assert host.asked == []


async def test_a_connection_that_is_not_allowed_is_cut(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    access = AccessConfig(deny=("127.0.0.0/8",))
    frontend = Frontend(Config(access=access), host.bus.connect, name="f", version="1", where="the test's broker")
    port = await frontend.listen("127.0.0.1", 0)
    with pytest.raises(wstp.WSTPError):
        await wstp.aio.connect(port, mode="uuid", timeout=20)
    assert "is refused: it comes from a network that is not in Access/Allow, or is in Access/Deny" in caplog.text
    assert frontend._census.refused and frontend._census.accepted == 0
    # What is read again holds for the next connection.
    frontend._configure(Config(access=AccessConfig()))
    await (await wstp.aio.connect(port, mode="uuid", timeout=20)).close()
    await until(lambda: not frontend._links)
    await frontend.close()


async def test_a_grant_lets_in_without_a_token(host: Host) -> None:
    async with locked(host) as (frontend, _):
        done = frontend._grant(AccessOrder(3, "me@here", "127.0.0.1", "grant", 60.0))
        assert (done.request, done.ok, done.lines) == (3, True, ["127.0.0.1 needs no token for 60 s"])
        ((granted,),) = [[grant.network for grant in frontend._grants()]]
        assert granted == "127.0.0.1"
        async with await wstp.aio.connect(frontend.port, mode="uuid") as another:
            await until(lambda: host.asked)
            host.say_attached(0)
            assert (await another.next_packet(20)).head == Symbol("InputNamePacket")
        assert frontend._grant(AccessOrder(4, "me@here", "127.0.0.1", "revoke")).ok
        again = frontend._grant(AccessOrder(5, "me@here", "127.0.0.1", "revoke"))
        assert (again.ok, again.code) == (False, "no-grant")
        refused = frontend._grant(AccessOrder(6, "me@here", "203.0.113.7", "grant", 60.0))
        assert (refused.ok, refused.code) == (False, "access")
        assert frontend._grants() == []


async def test_where_it_is_reached(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address is advertised if programs of its network may connect."""
    lan = tuple(map(parse_network, ("127.0.0.0/8", "192.168.7.0/24", "203.0.113.0/24")))
    monkeypatch.setattr("kernelbus.frontend.server.attached_networks", lambda: lan)
    frontend = Frontend(Config(), host.bus.connect, name="f", version="1", where="the test's broker")
    asked = ["127.0.0.1", "::1", "192.168.7.1", "203.0.113.1", "192.168.9.1", "8.8.8.8"]
    assert list(filter(frontend.reachable, asked)) == ["127.0.0.1", "::1", "192.168.7.1", "192.168.9.1"]


async def test_a_place_where_it_cannot_listen_is_named_with_what_helps(host: Host) -> None:
    frontend = Frontend(Config(), host.bus.connect, name="f", version="1", where="the test's broker")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortError) as error:
            await frontend.listen("127.0.0.1", port)
        assert str(error.value) == (
            f"cannot listen on port {port} of 127.0.0.1: Address already in use; another server or program has it: end that, or name "
            "another port with --port"
        )
    for elsewhere in ("192.0.2.1", "nosuch.invalid"):
        with pytest.raises(PortError, match=f"of {elsewhere}: [A-Z][a-z ]+; --interface takes an address or a name of this machine"):
            await frontend.listen(elsewhere, 0)


@pytest.mark.parametrize("reads", [False, True])
async def test_what_a_client_has_taken_when_the_frontend_shuts_down(host: Host, reads: bool) -> None:
    frontend = Frontend(Config(), host.bus.connect, name="f", version="1", where="the test's broker")
    async with serving(frontend) as port:
        client = await asyncio.to_thread(LateReader, port)
        await until(lambda: host.asked)
        host.say_attached(0)
        await until(lambda: [own.state for own in frontend._links] == [LinkState.ATTACHED])
        prompt = len(encode_packet(packet("InputNamePacket", "of 1")))
        await until(lambda: [own.bytes_out for own in frontend._links] == [prompt])
        closing = asyncio.create_task(frontend.close(30.0 if reads else 0.4))
        if reads:
            assert await asyncio.to_thread(client.read_to_the_end) == [packet("InputNamePacket", "of 1")]
            client.data.close()
        await closing
        assert frontend.open_links == 0
        # It may not have read what its machine has: that may be sent twice, and is never lost.
        await until(lambda: host.ends[0].ended)
        assert host.ends[0].ended == Ended(EndReason.UNUSED, "the frontend is shutting down", prompt if reads else 0)
        with client:
            assert await asyncio.to_thread(client.read_message) == encode_message(MessageCode.CLOSING)


@contextlib.asynccontextmanager
async def attached(host: Host) -> AsyncIterator[tuple[Frontend, wstp.aio.Link, End]]:
    """Connect to a frontend, and have the host's kernel attached, whose prompt has been read."""
    frontend = Frontend(Config(), host.bus.connect, name="f", version="1", where="the test's broker")
    async with serving(frontend) as port:
        async with await wstp.aio.connect(port, mode="uuid") as link:
            await until(lambda: host.asked)
            host.say_attached(0)
            assert await link.next_packet(20) == packet("InputNamePacket", "of 1")
            yield frontend, link, host.ends[0]
        await frontend.close()


async def test_a_packet_under_way_finishes_before_the_frontend_ends(host: Host) -> None:
    async with attached(host) as (frontend, link, end):
        text, later = encode_packet(packet("TextPacket", "x" * 1000)), encode_packet(packet("TextPacket", "later"))
        end.handle.send(text[:500])
        (own,) = frontend._links
        await until(lambda: not own._output.idle)
        closing = asyncio.create_task(frontend.close(60.0))
        await until(lambda: own.state is LinkState.CLOSING)
        end.handle.send(text[500:] + later)
        assert await link.next_packet(20) == packet("TextPacket", "x" * 1000)
        with pytest.raises(wstp.LinkClosed):
            await link.next_packet(20)
        await link.close()
        await closing
        await until(lambda: end.ended)
        prompt = len(encode_packet(packet("InputNamePacket", "of 1")))
        assert end.ended == Ended(EndReason.UNUSED, "the frontend is shutting down", prompt + len(text)), "`later` was not taken"


@pytest.mark.parametrize("half", ["FB#GA~DList\n\"HD~Eabc", "FB#GA~DList\n"])
async def test_a_client_learns_why_its_kernel_is_lost_in_the_middle_of_a_packet(host: Host, half: str) -> None:
    async with attached(host) as (frontend, link, end):
        end.handle.send(half.encode())
        (own,) = frontend._links
        await until(lambda: not own._output.idle)
        own.lost("its host is gone")
        with pytest.raises(wstp.PacketFault):
            await link.next_packet(20)
        assert await link.next_packet(20) == packet("MessagePacket", Symbol("WSTPServer`ConnectKernel"), "lost")
        assert "its host is gone" in str(await link.next_packet(20))
        with pytest.raises(wstp.LinkClosed):
            await link.next_packet(20)


@pytest.mark.parametrize("comes", [True, False])
async def test_what_a_client_leaves_behind_is_done_only_by_a_kernel_that_comes_soon(
    host: Host, monkeypatch: pytest.MonkeyPatch, comes: bool
) -> None:
    monkeypatch.setattr(kernelbus.frontend.link, "_LEFT_WORK", 600.0 if comes else 0.01)
    frontend = Frontend(Config(), host.bus.connect, name="f", version="1", where="the test's broker")
    async with serving(frontend) as port:
        async with await wstp.aio.connect(port, mode="uuid") as link:
            await until(lambda: host.asked)
            await say(link, Symbol("EvaluatePacket")(7))
            # It has been read, and reading is paused: the kernel is asked for anew.
            await until(lambda: len(host.asked) == 2)
            link.abort()
        if comes:
            await until(lambda: all(own._link.leaves for own in frontend._links))
            host.say_attached(0)
            await until(lambda: host.ends[-1].ended)
            assert host.ends[-1].got == encode_packet(Symbol("EvaluatePacket")(7))
            assert host.ends[-1].ended is not None and host.ends[-1].ended.reason is EndReason.CLIENT_LOST
        else:
            await until(lambda: host.released)
            assert host.released == [host.asked[0].channel]
        await until(lambda: not frontend._links)
        await frontend.close()


async def test_every_state_of_a_link_can_end() -> None:
    assert TRANSITIONS.keys() == set(LinkState)
    for state in LinkState:
        reached, new = {state}, {state}
        while new:
            new = {after for before in new for after in TRANSITIONS[before]} - reached
            reached |= new
        assert LinkState.ENDED in reached
    assert not TRANSITIONS[LinkState.ENDED]
