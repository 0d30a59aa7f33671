"""The administrators' client, against a broker that answers as each test needs."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zmq

from kernelbus.bus import client as client_module
from kernelbus.bus.channel.frames import control_frame, decode_frame, encode_header
from kernelbus.bus.client import AdminClient, BrokerUnreachable, OrderRefused, dialable
from kernelbus.bus.protocol.codec import decode, encode
from kernelbus.bus.protocol.orders import (
    Answer,
    KernelOrder,
    PartAnswer,
    ReloadOrder,
    Traced,
    TraceEvent,
    TraceOrder,
)
from kernelbus.bus.protocol.reports import Status, StatusRequest, Story, StoryEvent, StoryRequest
from kernelbus.bus.protocol.schema import Message
from kernelbus.bus.security.curve import Introduction
from kernelbus.bus.security.keys import KeyStore
from kernelbus.bus.settings.config import Config

Answers = Callable[[Message], list[Message | bytes | list[bytes]]]
ORDER = KernelOrder(0, "", "abcdef", "abort")


class FakeBroker:
    """A ROUTER that answers each message with what `answers` returns for it."""

    def __init__(self, endpoint: str, answers: Answers) -> None:
        self.heard: list[Message] = []
        self.identities: list[bytes] = []
        self.trouble: list[Exception] = []
        self._answers = answers
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.bind(endpoint)
        self.endpoint = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                if not self._socket.poll(10):
                    continue
                identity, header, payload = self._socket.recv_multipart()
                message = decode(decode_frame(header, payload).payload)
                self.heard.append(message)
                self.identities.append(identity)
                for answer in self._answers(message):
                    if isinstance(answer, list):
                        self._socket.send_multipart([identity, *answer])
                        continue
                    frame = control_frame(answer if isinstance(answer, bytes) else encode(answer))
                    self._socket.send_multipart([identity, encode_header(frame), frame.payload])
        except Exception as error:
            self.trouble.append(error)
        finally:
            self._socket.close()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(10)
        self._context.term()
        assert not self.trouble


@contextlib.contextmanager
def broker(answers: Answers, endpoint: str = "tcp://127.0.0.1:*") -> Iterator[FakeBroker]:
    fake = FakeBroker(endpoint, answers)
    try:
        yield fake
    finally:
        fake.close()


def admin(endpoint: str, timeout: float = 20.0, patience: float = 0.0) -> AdminClient:
    return AdminClient(endpoint, secrets.token_bytes, sender="ann@lab", timeout=timeout, patience=patience)


def status(request: int) -> Status:
    return Status(request, "lab", "0.1.0", "healthy", [], 1.0, 0)


def obedient(message: Message) -> list[Message | bytes | list[bytes]]:
    match message:
        case StatusRequest(request):
            return [status(request)]
        case StoryRequest(request, _, kernel):
            return [Story(request, kernel + "xyz", [StoryEvent(1.0, "began")])]
        case TraceOrder(request, _, kernel, on):
            traced = Traced(kernel, [TraceEvent(2.0, "to", "EvaluatePacket", 12)], 3)
            # What is still under way for an earlier trace may come first.
            return [Traced("another", []), Answer(request, True, target=kernel), *[traced] * on]
    return [Answer(message.request, True, lines=["done"], target="abcdef")]  # type: ignore[attr-defined]


def test_what_is_asked_and_answered() -> None:
    with broker(obedient) as fake, admin(fake.endpoint) as client:
        assert client.status(links=True, over=True).broker == "lab"
        assert client.story("abc").events == [StoryEvent(1.0, "began")]
        assert client.order(ORDER).lines == ["done"]
        assert fake.heard == [
            StatusRequest(1, "ann@lab", True, True),
            StoryRequest(2, "ann@lab", "abc"),
            KernelOrder(3, "ann@lab", "abcdef", "abort"),
        ]
        assert len(set(fake.identities)) == 1, "one connection is enough"
        assert len(fake.identities[0]) == 17 and fake.identities[0][16] == 0, "of the control lane"


def test_refusals_say_what_the_broker_said() -> None:
    def refuse(message: Message) -> list[Message | bytes | list[bytes]]:
        good, bad = PartAnswer(1, True, part="host a"), PartAnswer(1, False, "draining", ["it drains"], "host b")
        parts = [good, bad, PartAnswer(1, False, "gone", [], "host c")]
        return [Answer(message.request, False, "draining", ["not all"], parts)]  # type: ignore[attr-defined]

    with broker(refuse) as fake, admin(fake.endpoint) as client:
        with pytest.raises(OrderRefused, match=r"^not all; host b: it drains; host c: gone$") as caught:
            client.order(ORDER)
        assert caught.value.answer.code == "draining"
        with pytest.raises(OrderRefused):
            client.status()
        with pytest.raises(OrderRefused):
            client.story("abc")
        assert len(set(fake.identities)) == 1, "a refusal is an answer, and no reason to connect anew"


def test_what_answers_an_earlier_request_is_passed_over() -> None:
    late: list[Message] = []

    def answers(message: Message) -> list[Message | bytes | list[bytes]]:
        if isinstance(message, KernelOrder):
            late.append(Answer(message.request, True, lines=["late"]))
            return [Answer(message.request, False, "busy", ["not now"])]
        return [*late, status(message.request)]  # type: ignore[attr-defined]

    with broker(answers) as fake, admin(fake.endpoint) as client:
        with pytest.raises(OrderRefused, match="not now"):
            client.order(ORDER)
        assert client.status().broker == "lab"


def test_after_a_time_out_the_connection_is_another() -> None:
    def answers(message: Message) -> list[Message | bytes | list[bytes]]:
        return [] if isinstance(message, ReloadOrder) else obedient(message)

    with broker(answers) as fake, admin(fake.endpoint, 0.3, 0.1) as client:
        with pytest.raises(BrokerUnreachable, match=r"has not answered in 0\.4 s: it is stuck, or of another version"):
            client.order(ReloadOrder(0, ""))
        client._timeout = 20.0
        assert client.status().broker == "lab"
        assert len(set(fake.identities)) == 2


def test_nobody_listens_is_said_at_once_and_the_next_request_tries_again() -> None:
    with broker(obedient) as fake:
        endpoint = fake.endpoint
    with admin(endpoint, timeout=60) as client:
        begun = time.monotonic()
        for _ in range(2):
            with pytest.raises(BrokerUnreachable, match=rf"^no broker at {endpoint}: is the server running"):
                client.status()
        assert time.monotonic() - begun < 60
        with broker(obedient, endpoint):
            assert client.status().broker == "lab"
        with pytest.raises(BrokerUnreachable):
            client.status()
        with broker(obedient, endpoint):
            assert client.status().broker == "lab"


def test_a_broker_that_was_restarted_between_two_requests_is_asked_again() -> None:
    with broker(obedient) as fake, admin(fake.endpoint) as client:
        endpoint = fake.endpoint
        assert client.status().broker == "lab"
        fake.close()
        with broker(obedient, endpoint):
            assert client.status().broker == "lab"


def test_a_broker_that_goes_before_it_answers_is_noticed_at_once() -> None:
    with broker(lambda message: []) as fake, admin(fake.endpoint, timeout=60) as client:
        closer = threading.Timer(0, lambda: (_until(lambda: fake.heard), fake.close()))
        closer.start()
        begun = time.monotonic()
        with pytest.raises(BrokerUnreachable, match="went away before it had answered"):
            client.order(ORDER)
        assert time.monotonic() - begun < 60
        closer.join()


def test_an_ipc_path(tmp_path: object) -> None:
    with broker(obedient, f"ipc://{tmp_path}/bus") as fake, admin(fake.endpoint) as client:
        assert client.status().broker == "lab"
    with admin(f"ipc://{tmp_path}/none") as client, pytest.raises(BrokerUnreachable, match="no broker at ipc://"):
        client.status()


def test_what_listens_is_no_broker() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 4)
                connection.close()

        threading.Thread(target=greet, daemon=True).start()
        endpoint = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with admin(endpoint) as client, pytest.raises(BrokerUnreachable, match="is no broker"):
            client.status()
        server.shutdown(socket.SHUT_RDWR)


def test_what_listens_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, admin(f"tcp://127.0.0.1:{server.getsockname()[1]}", 0.3) as client:
        with pytest.raises(BrokerUnreachable) as told:
            client.status()
        assert "does not speak as a broker does" in str(told.value)


def test_an_endpoint_that_makes_no_sense() -> None:
    with admin("tcp://127.0.0.1") as client, pytest.raises(BrokerUnreachable, match="cannot be used"):
        client.status()


def _newer(message: Message) -> list[Message | bytes | list[bytes]]:
    return [json.dumps({"message": "Status", "request": 1, "temperature": 3}).encode()]


def _frame_of_another_version(message: Message) -> list[Message | bytes | list[bytes]]:
    frame = control_frame(encode(status(1)))
    return [[b"\x09" + encode_header(frame)[1:], bytes(frame.payload)]]


@pytest.mark.parametrize("answers", [_newer, _frame_of_another_version])
def test_a_broker_of_another_version(answers: Answers) -> None:
    with broker(answers) as fake, admin(fake.endpoint) as client:
        with pytest.raises(BrokerUnreachable) as told:
            client.status()
        assert "is of another version of kernelbus: it sent " in str(told.value)


def test_a_trace_is_renewed_and_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "TRACE_RENEWAL", 0.05)
    with broker(obedient) as fake, admin(fake.endpoint) as client:
        trace = client.trace("abcdef", wait=20)
        told = list(itertools.islice((traced for traced in trace if traced), 4))
        trace.close()
        assert told == [Traced("abcdef", [TraceEvent(2.0, "to", "EvaluatePacket", 12)], 3)] * 4
        _until(lambda: fake.heard[-1] == TraceOrder(fake.heard[-1].request, "ann@lab", "abcdef", False))  # type: ignore[attr-defined]
        assert len(fake.heard) >= 5
        # What was still under way affects neither the next request nor another trace.
        assert client.status().broker == "lab"
        other = client.trace("fedcba", wait=20)
        assert next(traced for traced in other if traced).kernel == "fedcba"
        other.close()


def test_a_trace_where_nothing_passes_says_so() -> None:
    def silent(message: Message) -> list[Message | bytes | list[bytes]]:
        return [Answer(message.request, True, target="abcdefgh")]  # type: ignore[attr-defined]

    with broker(silent) as fake, admin(fake.endpoint) as client:
        trace = client.trace("abc", wait=0.05)
        assert [next(trace), next(trace)] == [None, None]
        trace.close()
        _until(lambda: len(fake.heard) == 2)
        assert fake.heard[1] == TraceOrder(2, "ann@lab", "abcdefgh", False), "by the whole id"


def test_a_trace_ends_with_its_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "TRACE_RENEWAL", 0.05)

    def once(message: Message) -> list[Message | bytes | list[bytes]]:
        assert isinstance(message, TraceOrder)
        return [Answer(message.request, message.request == 1, "unknown-kernel", ["there is no kernel abcdef"], target="abcdef")]

    with broker(once) as fake, admin(fake.endpoint) as client, pytest.raises(OrderRefused, match="there is no kernel abcdef"):
        list(client.trace("abcdef", wait=0.05))


def test_a_trace_ends_with_its_broker() -> None:
    with broker(obedient) as fake, admin(fake.endpoint) as client:
        trace = client.trace("abcdef", wait=20)
        assert next(trace) is not None
        fake.close()
        with pytest.raises(BrokerUnreachable, match="went away"):
            list(trace)


@pytest.mark.parametrize(
    ("bound", "dialled"),
    [
        ("tcp://0.0.0.0:31416", "tcp://127.0.0.1:31416"),
        ("tcp://*:31416", "tcp://127.0.0.1:31416"),
        ("tcp://localhost:31416", "tcp://127.0.0.1:31416"),
        ("tcp://[::]:31416", "tcp://[::1]:31416"),
        ("tcp://10.0.0.5:31416", "tcp://10.0.0.5:31416"),
        ("ipc:///run/bus", "ipc:///run/bus"),
    ],
)
def test_a_wildcard_is_dialled_on_this_machine(bound: str, dialled: str) -> None:
    assert dialable(bound) == dialled


def _until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_keys_that_were_made_after_the_broker_started_are_no_obstacle(tmp_path: Path) -> None:
    """On loopback a broker without keys is asked without, whatever a handshake ends in."""
    KeyStore(tmp_path / "keys").new()
    config = dataclasses.replace(Config(), bus=dataclasses.replace(Config().bus, keys=str(tmp_path / "keys")))
    broker = FakeBroker("tcp://127.0.0.1:0", lambda message: [Answer(1, True)])
    try:
        for _ in range(30):
            introduction = Introduction(broker.endpoint, config)
            with AdminClient(broker.endpoint, secrets.token_bytes, sender="me", timeout=60, introduction=introduction) as client:
                assert client.order(ORDER).ok
    finally:
        broker.close()
