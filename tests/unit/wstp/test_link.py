"""Blocking links under difficulties: slow readers, two writers, threads, strangers, time-outs."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import wstp
from wstp import Features, LinkClosed, LinkTimeout, Message, Ready, Symbol

f = Symbol("f")
BIG = np.arange(8 << 20, dtype=np.float64)  # 64 MB
Run = Callable[..., Future[Any]]


@pytest.fixture
def run() -> Iterator[Run]:
    """Run something in a thread; what it raises comes out of `result()`."""
    with ThreadPoolExecutor(8) as threads:
        yield threads.submit


@pytest.fixture(params=["uuid", "default"])
def pair(request: pytest.FixtureRequest, run: Run) -> Iterator[tuple[wstp.Link, wstp.Link]]:
    with wstp.listen(0, mode=request.param) as listener:
        connecting = run(wstp.connect, listener.port, mode=request.param)
        with listener.accept(20) as accepted, connecting.result(20) as connected:
            yield connected, accepted


def test_sixty_four_megabytes_both_ways(pair: tuple[wstp.Link, wstp.Link], run: Run) -> None:
    one, other = pair
    for source, target in (pair, pair[::-1]):
        source.put(BIG, end_packet=True)
        sending = run(source.flush, 60)
        assert np.array_equal(target.get(60), BIG)
        sending.result(60)
    # Each end writes before it reads, at the same time: neither may wait for the other for ever.
    def exchange(link: wstp.Link) -> Any:
        link.read_ahead = 1 << 30
        link.put(BIG)
        link.flush(60)
        return link.get(60)

    for exchanged in [run(exchange, one), run(exchange, other)]:
        assert np.array_equal(exchanged.result(60), BIG)


def test_a_slow_reader_holds_up_the_writer_and_no_more(pair: tuple[wstp.Link, wstp.Link]) -> None:
    one, other = pair
    other.read_ahead = 1 << 20
    one.put(BIG)
    with pytest.raises(LinkTimeout):
        one.flush(0.3)
    # The flush at the other end reads meanwhile, but not beyond its bound.
    other.put(BIG)
    with pytest.raises(LinkTimeout):
        other.flush(0.5)
    assert 0 < other._machine.unread <= (1 << 20) + (1 << 20)
    with pytest.raises(LinkTimeout):
        one.get(0.0)
    assert not one.closed
    for link in pair:
        link.abort()  # a close would wait for data that nobody reads


def test_what_timed_out_is_written_later(pair: tuple[wstp.Link, wstp.Link], run: Run) -> None:
    one, other = pair
    one.put(BIG)
    one.put("behind")
    with pytest.raises(LinkTimeout):
        one.flush(0.2)
    reading = run(lambda: [other.get(60), other.get(60)])
    one.flush(60)
    array, text = reading.result(60)
    assert np.array_equal(array, BIG)
    assert text == "behind"


def test_one_thread_reads_while_another_writes(pair: tuple[wstp.Link, wstp.Link], run: Run) -> None:
    one, other = pair

    def echo() -> None:
        for _ in range(300):
            other.put(other.get(30))
            other.flush(30)

    def write() -> None:
        for number in range(300):
            one.put(f(number))
            one.flush(30)

    echoing, writing = run(echo), run(write)
    assert [one.get(30) for _ in range(300)] == [f(number) for number in range(300)]
    writing.result(30)
    echoing.result(30)


def test_a_message_takes_what_was_put_before_it_along(pair: tuple[wstp.Link, wstp.Link]) -> None:
    one, other = pair
    one.put(5, end_packet=True)
    one.put_message(3)
    assert other.get(20) == 5
    assert other.wait(20).message


def test_messages_pass_a_data_connection_that_is_stuck(pair: tuple[wstp.Link, wstp.Link]) -> None:
    one, other = pair
    heard: list[Message] = []
    one.on_message = heard.append
    one.put(BIG)
    other.put_message(3, 1)
    with pytest.raises(LinkTimeout):
        one.flush(0.5)
    assert heard == [Message(3, 1)]
    one.put_message(2)
    assert other.wait(20).message
    while (message := other.get_message()) is None:
        other.wait(20)
    assert message == Message(2, 0)
    one.abort()


def test_waiting(pair: tuple[wstp.Link, wstp.Link]) -> None:
    one, other = pair
    assert other.wait(0.01) == Ready(False, False)
    assert not other.ready()
    assert not other.message_ready()
    assert other.get_message() is None
    # Queued data is written when the writer waits for the answer.
    one.put(1)
    one.wait(0.0)
    assert other.wait(20) == Ready(True, False)
    assert other.ready()
    one.put_message(3)
    while not other.wait(20).message:
        pass
    assert other.message_ready()
    assert other.get() == 1
    assert other.get_message() == Message(3, 0)
    one.put_raw([b"FA#DA~A", b"f\n"])
    one.put_raw((b"\xa1\x07\n",))
    one.end_packet()
    one.put([1])
    one.put(f(2)(3))
    one.put(f(8))
    one.flush()
    assert other.next_packet(20) == f(7)
    assert other.next_packet(20) == f(8)
    with pytest.raises(LinkTimeout):
        other.next_packet(0.01)


def test_what_is_part_of_an_expression_is_kept_over_a_timeout(pair: tuple[wstp.Link, wstp.Link]) -> None:
    one, other = pair
    one.put_raw([b"FB#DA~Af\n\xa1\x01\n"])
    one.flush()
    with pytest.raises(LinkTimeout):
        other.get(0.1)
    one.put_raw([b"\xa1\x02\n"])
    one.flush()
    assert other.get(20) == f(1, 2)


def test_closing(pair: tuple[wstp.Link, wstp.Link]) -> None:
    one, other = pair
    assert one.peer_features == Features(textid=one.peer_features.textid)
    assert one.fileno() >= 0
    one.put("last words")
    one.close()
    one.close()
    assert one.closed
    assert one.fileno() == -1
    for action in (lambda: one.put(1), lambda: one.get(), lambda: one.put_message(3)):
        with pytest.raises(LinkClosed):
            action()
    assert other.get(20) == "last words"
    assert other.wait(20).data
    with pytest.raises(LinkClosed, match="by the peer"):
        other.get(20)
    with pytest.raises(LinkClosed):
        other.put(1)
    assert other.closed


def test_closing_while_another_thread_reads(pair: tuple[wstp.Link, wstp.Link], run: Run) -> None:
    one, other = pair
    reading = run(other.get, 30)
    one.close()
    assert isinstance(reading.exception(30), LinkClosed)


def test_last_words_survive_unread_bytes(pair: tuple[wstp.Link, wstp.Link]) -> None:
    one, other = pair
    # A close over unread bytes would reset the connection, and the peer would lose what was written
    # before.
    other.put("never read")
    other.flush()
    assert one.wait(20).data
    other.put("nor this")
    other.flush()
    one.put("last words")
    one.close()
    assert other.get(20) == "last words"
    with pytest.raises(LinkClosed):
        other.get(20)


def test_writing_to_a_peer_that_is_gone(pair: tuple[wstp.Link, wstp.Link]) -> None:
    one, other = pair
    other.close()

    def write() -> None:
        for _ in range(1000):
            one.put(BIG[:1000])
            one.flush(20)

    with pytest.raises(LinkClosed):
        write()


def test_strangers_at_the_port(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "wstp")
    with wstp.listen(0, timeout=0.5) as listener:
        accepting = run(listener.accept, 30)
        address = ("127.0.0.1", listener.port)
        uuid = b"01234567-89ab-4def-8123-456789abcdef"
        with (
            socket.create_connection(address) as browser,
            socket.create_connection(address) as silent,
            socket.create_connection(address) as half,
            socket.create_connection(address) as whole,
            socket.create_connection(address) as message,
        ):
            browser.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            half.sendall(b"id=f" + uuid[1:] + b" connection=mesg")
            whole.sendall(b"id=" + uuid + b" connection=data" + bytes([3]) + bytes(15))
            message.sendall(b"id=" + uuid + b" connection=mesg")
            for connection in (browser, silent, half, message):
                connection.settimeout(20)
                try:
                    assert connection.recv(100) == b""
                except ConnectionResetError:
                    pass
            with wstp.connect(listener.port) as one, accepting.result(30) as other:
                one.put(1)
                one.flush()
                assert other.get(20) == 1
        assert listener.rendezvous.timed_out == 2
        assert listener.rendezvous.refused == 1
    said = caplog.text
    assert "an HTTP request" in said
    assert "said nothing in 0.5 s" in said
    assert "its data connection did not come in 0.5 s" in said
    assert "greeting not complete in 0.5 s" in said


@pytest.mark.parametrize("order", ["data first", "message first"])
def test_halves_in_pieces(order: str, run: Run) -> None:
    with wstp.listen(0) as listener:
        accepting = run(listener.accept, 30)
        address = ("127.0.0.1", listener.port)
        uuid = b"01234567-89ab-4def-8123-456789abcdef"
        greeting = b"Math Link " + wstp.handshake.greeting_lines(6)
        words = {
            "data": b"id=" + uuid + b" connection=data" + bytes([3]) + bytes(15) + greeting + b"\xa1\x09\n",
            "mesg": b"id=" + uuid + b" connection=mesg" + b"\0\0\0\x03\0\0\0\0",
        }
        with socket.create_connection(address) as data, socket.create_connection(address) as message:
            connections = [(data, words["data"]), (message, words["mesg"])]
            for connection, said in connections if order == "data first" else connections[::-1]:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for at in range(0, len(said), 9):
                    connection.sendall(said[at : at + 9])
            with accepting.result(30) as link:
                assert link.get(20) == 9
                while (found := link.get_message()) is None:
                    link.wait(20)
                assert found == Message(3, 0)


def test_many_clients_at_once(run: Run) -> None:
    with wstp.listen(0) as listener:
        connecting = [run(wstp.connect, listener.port) for _ in range(6)]
        links = [listener.accept(30) for _ in range(6)]
        for number, future in enumerate(connecting):
            with future.result(30) as link:
                link.put(number)
                link.flush()
        assert sorted(link.get(20) for link in links) == list(range(6))
        for link in links:
            link.close()


def test_listeners_close_and_time_out() -> None:
    listener = wstp.listen(0)
    with pytest.raises(LinkTimeout, match=str(listener.port)):
        listener.accept(0.05)
    with pytest.raises(OSError, match="in use"):
        wstp.listen(listener.port)
    listener.close()
    with pytest.raises(LinkClosed):
        listener.accept(1)
    with pytest.raises(wstp.ConnectFailed):
        wstp.connect(listener.port, timeout=5)


def test_a_listener_that_never_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        for mode in ("uuid", "default"):
            with pytest.raises(LinkTimeout, match=str(port)):
                wstp.connect(port, mode="uuid" if mode == "uuid" else "default", timeout=0.2)


def test_specifications_that_are_no_tcp_links() -> None:
    for spec in ("-linkmode launch -linkname math", "-linkprotocol SharedMemory -linkname x", "-linkmode connect -linkprotocol TCPIP"):
        with pytest.raises(wstp.LinkSpecError):
            wstp.connect(spec)


def test_a_command_line_says_what_to_do(run: Run) -> None:
    with wstp.listen("-linkmode listen -linkprotocol TCPIP") as listener:
        assert listener.message_port is not None
        argv = ["kernel", "-wstp", "-linkmode", "connect", "-linkprotocol", "TCPIP", "-linkname", listener.link_name]
        connecting = run(wstp.connect, argv)
        with listener.accept(20) as link, connecting.result(20) as other:
            other.put(1)
            other.flush()
            assert link.get(20) == 1


def test_a_handler_may_use_the_link(pair: tuple[wstp.Link, wstp.Link], run: Run) -> None:
    one, other = pair
    done = threading.Event()

    def answer(message: Message) -> None:
        other.put_message(message.code, message.parameter + 1)
        done.set()

    other.on_message = answer
    waiting = run(other.get, 30)
    one.put_message(200, 1)
    assert done.wait(20)
    while (message := one.get_message()) is None:
        one.wait(20)
    assert message == Message(200, 2)
    one.put(1)
    one.flush()
    assert waiting.result(30) == 1
