"""The options of a link's sockets."""

from __future__ import annotations

import socket

from wstp.sockets import is_tcp, quick_acknowledge, set_up


def test_a_connection_is_quick_and_watched() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as one:
        other, _ = server.accept()
        with other:
            assert one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 0
            set_up(one)
            assert one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
            assert one.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0


def test_a_connection_that_is_closed_is_no_error() -> None:
    closed = socket.socket()
    closed.close()
    quick_acknowledge(closed)


def test_a_unix_socket_needs_no_options() -> None:
    one, other = socket.socketpair()
    with one, other, socket.socket() as tcp:
        set_up(one)
        assert not is_tcp(one) and is_tcp(tcp)
