"""Control messages survive encoding and decoding; what the schema forbids is refused."""

from __future__ import annotations

import dataclasses
import json
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernelbus.bus.channel.frames import MAXIMUM_PAYLOAD
from kernelbus.bus.errors import MessageError, VersionError
from kernelbus.bus.protocol.codec import decode, encode
from kernelbus.bus.protocol.histogram import Histogram
from kernelbus.bus.protocol.messages import (
    Acquire,
    Acquired,
    ChannelReport,
    Heartbeat,
    KeepAlive,
    KernelGone,
    KernelReport,
    Leave,
    Lost,
    Open,
    Opened,
    PoolReport,
    Reclaim,
    Refused,
    Register,
    RegisterAgain,
    Registered,
    Release,
    Told,
    Waiting,
    WhyWaiting,
    WithdrawAbort,
)
from kernelbus.bus.protocol.orders import (
    AccessOrder,
    Answer,
    HostOrder,
    KernelOrder,
    LogLevelOrder,
    Order,
    PartAnswer,
    PoolOrder,
    ReloadOrder,
    SessionOrder,
    StartOrder,
    Traced,
    TraceEvent,
    TraceOrder,
)
from kernelbus.bus.protocol.reports import (
    Counted,
    FrontendReport,
    FrontendStatus,
    GrantStatus,
    HostReport,
    HostStatus,
    KernelStatus,
    LinksAnswer,
    LinksRequest,
    LinkStatus,
    PoolFigures,
    PoolStatus,
    Status,
    StatusRequest,
    Story,
    StoryEvent,
    StoryRequest,
)
from kernelbus.bus.protocol.schema import MAXIMUM_TEXT, Message
from kernelbus.bus.protocol.version import PROTOCOL, Version

POOL = PoolReport("P", True, False, 1, 2, 3, 4, 5, 6, 7, "why")
KERNEL = KernelReport("k", "P", "attached", 3, 2**64 - 1, "In[1]:= ", True, 4, 5)
POOL_STATUS = PoolStatus("P", "paused", True, False, False, 1, 2, 3, 4, 1, 5, 6, 0.25, 7, 8, "why")
HOST_STATUS = HostStatus("h", "0123", "up", "1", 0.5, ["P"], 3, 2)
GRANT = GrantStatus("192.168.7.2", 1e9, "me@here")
FRONTEND_STATUS = FrontendStatus("f", "4567", "up", "1", 0.5, 31415, grants=[GRANT])
LINK_STATUS = LinkStatus("127.0.0.1:5", "f", "attached", "k", "P", 3.0, 4, 5)
FIGURES = PoolFigures("P", 3, 2, 1, 7, 8, Histogram([1] * 17, 5.5))
KERNEL_STATUS = KernelStatus("k", "P", "h", "busy", 10.0, 0.5, "In[1]:= ", "127.0.0.1:5", "p", 1, 2, 3, 4)
EXAMPLES: list[Message] = [
    Heartbeat(),
    Leave(),
    RegisterAgain(),
    Register("id", "host", "é", "1", [POOL, POOL], [KERNEL], []),
    Register("id", "frontend", "f", "1", channels=[ChannelReport(1, "k", "127.0.0.1:5"), ChannelReport(2)]),
    Registered("broker", 0.5),
    Open(2**63, "127.0.0.1:5", "Pool", True, "id"),
    Opened(1, "k", "P", "h"),
    Refused(1, "no-kernel", "no kernel came free"),
    Lost(1, "gone\nfor good"),
    Acquire(1, "P", "client", 30.0, "k", True),
    Acquired(1, KERNEL),
    Release(0, ""),
    KERNEL,
    KernelGone("k", "exited"),
    POOL,
    KeepAlive(2, False),
    Told(2),
    Reclaim("k", "its place is needed"),
    Waiting(2, "a kernel is starting"),
    WhyWaiting(2),
    WithdrawAbort(2),
    StatusRequest(7),
    Status(
        7, "b", "1", "healthy", ["all is well"], 1.5, 2,
        [HOST_STATUS], [FRONTEND_STATUS], [POOL_STATUS], [KERNEL_STATUS], [LINK_STATUS], [FIGURES], [Counted("no-kernel", 2)],
    ),
    FIGURES,
    HostReport(True, False, 1.5, "Linux x86_64", "3.11.7", "Mathics3 10", 2, 0.5, 2**34, 2**33),
    FrontendReport(31415, "", 1.5, 1, 2, 3, 4, 5, "open to all", [GRANT]),
    LinksRequest(3),
    LinksAnswer(3, [LINK_STATUS]),
    StoryRequest(3, "me@here", "k"),
    Story(3, "k", [StoryEvent(1e9, "ready")]),
    StartOrder(1, "me@here", "P", "h"),
    KernelOrder(1, "me@here", "k", "abort"),
    SessionOrder(1, "me@here", "k", "detach"),
    PoolOrder(1, "me@here", "P", "resize", 2),
    HostOrder(1, "me@here", "h", "drain"),
    AccessOrder(1, "me@here", "192.168.7.2", "grant", 60.0),
    ReloadOrder(1, "me@here"),
    LogLevelOrder(1, "me@here", "debug"),
    TraceOrder(1, "me@here", "k", False),
    Traced("k", [TraceEvent(1e9, "to", "EvaluatePacket", 20)], 1),
    PartAnswer(1, False, "busy", ["why"], "host h"),
    Answer(1, False, "busy", [], [PartAnswer(1, True)], "k"),
]
#: Messages that only stand inside others, and the base of the orders.
PARTS = {
    ChannelReport, HostStatus, FrontendStatus, GrantStatus, PoolStatus, KernelStatus, LinkStatus, Counted, Histogram,
    StoryEvent, TraceEvent, Order,
}


def test_there_is_an_example_of_every_message() -> None:
    defined = {*Message.__subclasses__(), *Order.__subclasses__()}
    # `slots=True` makes a class anew; the class as written stays a subclass of its base until it is
    # collected.
    ours = {cls for cls in defined if cls.__module__.startswith("kernelbus.")}
    names = {cls.__name__ for cls in ours} - {cls.__name__ for cls in PARTS}
    assert {type(message).__name__ for message in EXAMPLES} == names


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: type(message).__name__)
def test_a_message_comes_back_as_it_was(message: Message) -> None:
    for payload in (encode(message), bytearray(encode(message)), memoryview(encode(message))):
        assert decode(payload) == message
        assert type(decode(payload)) is type(message)


def values(hint: Any) -> st.SearchStrategy[Any]:
    if hint is bool:
        return st.booleans()
    if hint is int:
        return st.integers(0, 2**64 - 1)
    if hint is float:
        return st.floats(0, allow_nan=False, allow_infinity=False)
    if hint is str:
        return st.text(st.characters(), max_size=30)
    if get_origin(hint) is list:
        return st.lists(values(get_args(hint)[0]), max_size=3)
    if get_origin(hint) is Literal:
        return st.sampled_from(get_args(hint))
    if get_origin(hint) is UnionType:
        return st.none() | values(next(inner for inner in get_args(hint) if inner is not type(None)))
    return messages_of(hint)


def messages_of(cls: Any) -> st.SearchStrategy[Any]:
    hints = get_type_hints(cls)
    return st.builds(cls, **{field.name: values(hints[field.name]) for field in dataclasses.fields(cls)})


@given(message=st.sampled_from(sorted({type(message) for message in EXAMPLES}, key=lambda cls: cls.__name__)).flatmap(messages_of))
@settings(max_examples=150)
def test_any_content_comes_back_as_it_was(message: Message) -> None:
    assert decode(encode(message)) == message


def test_half_a_surrogate_pair_passes() -> None:
    message = Release(1, "\ud800 and so on")
    assert decode(encode(message)) == message


def test_texts_too_long_for_the_schema_are_cut_before_they_are_sent() -> None:
    """A refusal that quotes a megabyte, or a kernel id of that length, must not be lost."""
    long = "x" * 10**6
    refused = decode(encode(Refused(1, "no-kernel", long)))
    assert isinstance(refused, Refused)
    assert refused.text == "x" * (MAXIMUM_TEXT - 1) + "…"
    register = decode(encode(Register("id", "host", "h", "1", [dataclasses.replace(POOL, failing=long)])))
    assert isinstance(register, Register)
    assert len(register.pools[0].failing) == MAXIMUM_TEXT
    exactly = Lost(1, "é" * MAXIMUM_TEXT)
    assert decode(encode(exactly)) == exactly


def test_a_host_with_thousands_of_kernels_can_register() -> None:
    kernels = [dataclasses.replace(KERNEL, kernel=f"{number:032x}") for number in range(5000)]
    payload = encode(Register("id", "host", "h", "1", [POOL], kernels))
    assert len(payload) < MAXIMUM_PAYLOAD
    register = decode(payload)
    assert isinstance(register, Register)
    assert register.kernels == kernels


# ---------------------------------------------------------------------- what is refused

OPEN = {"message": "Open", "client": "a", "channel": 1}
REGISTER = {"message": "Register", "peer": "p", "role": "host", "name": "n", "version": "1"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"GET / HTTP/1.1", "not JSON"),
        (b"\xff\xfe\xfd", "not JSON"),
        # Which of the two it is depends on the longest integer that this process allows, which
        # tests of the embedded kernel change.
        (b'{"message": "Open", "client": "a", "channel": ' + b"9" * 5000 + b"}", "not JSON|channel: Must be"),
        (b"[" * 200_000, "not JSON"),
        (b'{"a":' * 200_000, "not JSON"),
        (b"[]", "'message' is missing"),
        (b"3", "'message' is missing"),
        ({}, "'message' is missing"),
        ({"message": 3}, "'message' is missing"),
        ({"message": "Frobnicate"}, "unknown control message 'Frobnicate'"),
        ({"message": "Message"}, "unknown control message 'Message'"),
        ({"message": "ChannelReport", "channel": 1}, "unknown control message 'ChannelReport'"),
        ({"message": "Open", "client": "a"}, "Open: channel: Missing"),
        ({**OPEN, "channel": "1"}, "Open: channel: Not a valid integer"),
        ({**OPEN, "channel": 1.5}, "Open: channel: Not a valid integer"),
        ({**OPEN, "channel": True}, "Open: channel: Not a valid integer"),
        ({**OPEN, "channel": -1}, "Open: channel: Must be greater"),
        ({**OPEN, "channel": 2**64}, "Open: channel: Must be greater"),
        ({**OPEN, "client": 7}, "Open: client: Not a valid string"),
        ({**OPEN, "client": None}, "Open: client: Field may not be null"),
        ({**OPEN, "client": "a" * 4097}, "Open: client: Longer than maximum"),
        ({**OPEN, "parallel": "yes"}, "Open: parallel: Not a valid boolean"),
        ({**OPEN, "colour": 1}, "Open: colour: Unknown"),
        ({"message": "Heartbeat", "now": 1}, "Heartbeat: now: Unknown"),
        ({"message": "Registered", "broker": "b", "heartbeat_interval": -1}, "Registered: heartbeat_interval: Must be greater"),
        ({"message": "Registered", "broker": "b", "heartbeat_interval": float("nan")}, "Registered: heartbeat_interval: Special"),
        ({"message": "Registered", "broker": "b", "heartbeat_interval": "soon"}, "Registered: heartbeat_interval: Not a valid number"),
        ({**REGISTER, "pools": {}}, "Register: pools: Not a valid list"),
        ({**REGISTER, "pools": [1]}, "Register: pools.0"),
        ({**REGISTER, "channels": [{"channel": 1}, {"kernel": "k"}]}, "Register: channels.1.channel: Missing"),
        ({**REGISTER, "kernels": [{"kernel": "k", "pool": "p", "state": "s", "serial": 1, "size": 2}]}, "kernels.0.size: Unknown"),
        ({"message": "Acquired", "channel": 1, "kernel": "k"}, "Acquired: kernel"),
    ],
)
def test_what_the_schema_refuses_is_named(content: object, words: str) -> None:
    payload = content if isinstance(content, bytes) else json.dumps(content).encode()
    with pytest.raises(MessageError, match=words) as error:
        decode(payload)
    assert len(str(error.value)) < 300


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: type(message).__name__)
def test_each_key_that_has_no_default_is_needed(message: Any) -> None:
    for field in dataclasses.fields(message):
        content = json.loads(encode(message))
        del content[field.name]
        payload = json.dumps(content).encode()
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            with pytest.raises(MessageError, match=f"{type(message).__name__}: {field.name}: Missing"):
                decode(payload)
        else:
            assert type(decode(payload)) is type(message)


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: type(message).__name__)
def test_each_key_of_the_wrong_type_is_named(message: Any) -> None:
    for field in dataclasses.fields(message):
        content = json.loads(encode(message))
        content[field.name] = {"neither": "this"}
        with pytest.raises(MessageError, match=f"{type(message).__name__}: {field.name}"):
            decode(json.dumps(content).encode())


# ---------------------------------------------------------------------- other versions


def written(protocol: str | None, **content: object) -> bytes:
    """Return a message as a program of this version of the protocol writes it."""
    return json.dumps({**content, **({} if protocol is None else {"protocol": protocol})}).encode()


def test_each_message_says_its_version() -> None:
    assert json.loads(encode(Heartbeat()))["protocol"] == str(PROTOCOL)


def test_what_a_later_version_has_added_is_passed_over() -> None:
    later = str(Version(PROTOCOL.major, PROTOCOL.minor + 1))
    kernel = {"kernel": "k", "pool": "p", "state": "s", "serial": 1, "colour": {"deep": 1}}
    register = decode(written(later, **{**REGISTER, "kernels": [kernel], "flavour": [1]}))
    assert isinstance(register, Register)
    assert register.kernels == [KernelReport("k", "p", "s", 1)]
    answer = decode(written(later, message="Answer", request=1, ok=True, parts=[{"request": 1, "ok": True, "new": 1}]))
    assert answer == Answer(1, True, parts=[PartAnswer(1, True)])
    with pytest.raises(MessageError, match="channel: Missing"):
        decode(written(later, message="Open", client="a", colour=1))
    with pytest.raises(MessageError, match="unknown control message 'Frobnicate'") as error:
        decode(written(later, message="Frobnicate", request=7))
    assert (error.value.later, error.value.request) == (True, 7)


@pytest.mark.parametrize("version", [None, str(PROTOCOL), str(Version(PROTOCOL.major, 0))])
def test_what_the_same_or_an_earlier_version_cannot_have_is_refused(version: str | None) -> None:
    with pytest.raises(MessageError, match="Open: colour: Unknown"):
        decode(written(version, **OPEN, colour=1))
    with pytest.raises(MessageError, match="unknown") as error:
        decode(written(version, message="Frobnicate"))
    assert not error.value.later


@pytest.mark.parametrize("version", [Version(PROTOCOL.major + 1, 0), Version(PROTOCOL.major - 1, 7)])
def test_another_major_version_is_refused_in_one_line_that_names_both(version: Version) -> None:
    with pytest.raises(VersionError) as error:
        decode(written(str(version), **REGISTER))
    text = f"version {version} of the bus protocol, and this program speaks {PROTOCOL}: upgrade the older of the two"
    assert (str(error.value), error.value.sender) == (text, "n")


@pytest.mark.parametrize("version", ["", "1", "x.y", "1.0.0", "99999.0", 1.0, None, {"major": 1}])
def test_a_version_that_is_none_is_refused(version: object) -> None:
    with pytest.raises(VersionError, match="no known version"):
        decode(json.dumps({**OPEN, "protocol": version}).encode())


def test_a_name_or_key_without_end_does_not_fill_the_log() -> None:
    for content in ({"message": "x" * 10**6}, {**OPEN, "x" * 10**6: 1}):
        with pytest.raises(MessageError) as error:
            decode(json.dumps(content).encode())
        assert len(str(error.value)) < 300


def test_a_list_that_would_take_long_to_check_is_refused_before_that() -> None:
    for key, count in (("pools", 40_000), ("kernels", 40_000), ("channels", 10**6)):
        content = {"message": "Register", "peer": "p", "role": "host", "name": "h", "version": "1", key: [{}] * count}
        with pytest.raises(MessageError, match=f"Register: {key} has {count} entries, and (1000|20000) at most are allowed"):
            decode(json.dumps(content).encode())
