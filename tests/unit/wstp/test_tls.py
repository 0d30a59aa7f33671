"""Links under TLS, through a real proxy over loopback; which certificates are refused, and how."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tlsproxy import TlsProxy, make_certificate

import wstp
import wstp.aio
from wstp.tls import CertificateRefused, Tls, TlsFailed


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificate(tmp_path_factory.mktemp("certificates"), "lab", "DNS:localhost", "IP:127.0.0.1")


@pytest.fixture(scope="module")
def tls(certificate: tuple[Path, Path]) -> Tls:
    return Tls(str(certificate[0]))


@pytest.fixture
def listener() -> Iterator[wstp.Listener]:
    with wstp.listen() as made:
        yield made


@pytest.fixture
def proxy(certificate: tuple[Path, Path], listener: wstp.Listener) -> Iterator[TlsProxy]:
    with TlsProxy(certificate, listener.port) as made:
        yield made


def joined(proxy: TlsProxy, listener: wstp.Listener, tls: Tls, host: str = "127.0.0.1") -> tuple[wstp.Link, wstp.Link]:
    """Return both ends of a link through the proxy, the one under TLS first."""
    with ThreadPoolExecutor() as pool:
        accepted = pool.submit(listener.accept, 60)
        return wstp.connect(f"{proxy.port}@{host}", mode="uuid", timeout=60, tls=tls), accepted.result()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_both_connections_are_under_tls(proxy: TlsProxy, listener: wstp.Listener, tls: Tls, host: str) -> None:
    near, far = joined(proxy, listener, tls, host)
    with near, far:
        near.put([1, "two"])
        near.put_message(wstp.MessageCode.ABORT, 3)
        near.flush()
        assert far.get(timeout=60) == [1, "two"]
        while (message := far.get_message()) is None:
            far.wait(timeout=60)
        assert (message.code, message.parameter) == (wstp.MessageCode.ABORT, 3)
    assert proxy.connections == 2


def test_much_both_ways_at_once(proxy: TlsProxy, listener: wstp.Listener, tls: Tls) -> None:
    text = "x" * 8_000_000
    near, far = joined(proxy, listener, tls)
    with near, far:
        # Neither side can send all of it before the other reads: both read while they write.
        writers = [threading.Thread(target=lambda link=link: (link.put(text), link.flush(timeout=100))) for link in (near, far)]
        for writer in writers:
            writer.start()
        assert far.get(timeout=100) == text
        assert near.get(timeout=100) == text
        for writer in writers:
            writer.join(100)
            assert not writer.is_alive()


def test_what_was_written_before_the_end_arrives(proxy: TlsProxy, listener: wstp.Listener, tls: Tls) -> None:
    for closer, reader in ((0, 1), (1, 0)):
        ends = joined(proxy, listener, tls)
        ends[closer].put("y" * 1_000_000)
        closing = threading.Thread(target=ends[closer].close)
        closing.start()
        assert ends[reader].get(timeout=60) == "y" * 1_000_000
        with pytest.raises(wstp.LinkClosed):
            ends[reader].get(timeout=60)
        ends[reader].close()
        closing.join(60)


def test_a_connection_that_is_cut_is_lost_and_not_closed(proxy: TlsProxy, listener: wstp.Listener, tls: Tls) -> None:
    near, far = joined(proxy, listener, tls)
    far.put("half")
    far.flush()
    assert near.get(timeout=60) == "half"
    proxy.cut()
    with pytest.raises(wstp.LinkLost):
        near.get(timeout=60)
    near.abort()
    far.abort()


@pytest.mark.asyncio
class TestAsynchronous:
    """The same with `wstp.aio`, on the event loop's own TLS."""

    @staticmethod
    async def joined(proxy: TlsProxy, listener: wstp.Listener, tls: Tls) -> tuple[wstp.aio.Link, wstp.Link]:
        accepted = asyncio.create_task(asyncio.to_thread(listener.accept, 60))
        return await wstp.aio.connect(f"{proxy.port}@localhost", mode="uuid", timeout=60, tls=tls), await accepted

    async def test_data_and_messages_go_both_ways(self, proxy: TlsProxy, listener: wstp.Listener, tls: Tls) -> None:
        near, far = await self.joined(proxy, listener, tls)
        text = "x" * 4_000_000
        near.put([text, 1])
        near.put_message(wstp.MessageCode.ABORT, 3)
        far.put([text, 2])
        writing = asyncio.create_task(asyncio.to_thread(far.flush, timeout=100))
        flushed = asyncio.create_task(near.flush(timeout=100))
        assert await near.get(timeout=100) == [text, 2]
        assert await asyncio.to_thread(far.get, timeout=100) == [text, 1]
        await asyncio.gather(writing, flushed)

        def message() -> wstp.Message:
            while (found := far.get_message()) is None:
                far.wait(timeout=60)
            return found

        assert (await asyncio.to_thread(message)).parameter == 3
        assert proxy.connections == 2
        await near.close()
        far.close()

    @pytest.mark.parametrize("first", ["near", "far"])
    async def test_what_was_written_before_the_end_arrives(
        self, proxy: TlsProxy, listener: wstp.Listener, tls: Tls, first: str
    ) -> None:
        near, far = await self.joined(proxy, listener, tls)
        (near if first == "near" else far).put("y" * 1_000_000)
        closing = asyncio.create_task(near.close() if first == "near" else asyncio.to_thread(far.close))
        if first == "near":
            assert await asyncio.to_thread(far.get, timeout=60) == "y" * 1_000_000
            with pytest.raises(wstp.LinkClosed):
                await asyncio.to_thread(far.get, timeout=60)
            far.close()
        else:
            assert await near.get(timeout=60) == "y" * 1_000_000
            with pytest.raises(wstp.LinkClosed):
                await near.get(timeout=60)
            await near.close()
        await closing

    async def test_a_connection_that_is_cut_is_lost_and_not_closed(self, proxy: TlsProxy, listener: wstp.Listener, tls: Tls) -> None:
        near, far = await self.joined(proxy, listener, tls)
        far.put("half")
        far.flush()
        assert await near.get(timeout=60) == "half"
        proxy.cut()
        with pytest.raises(wstp.LinkLost):
            await near.get(timeout=60)
        near.abort()
        far.abort()

    async def test_a_certificate_that_nobody_vouches_for(self, proxy: TlsProxy) -> None:
        with pytest.raises(CertificateRefused, match=f"the certificate of {proxy.port}@localhost is refused: self-signed certificate"):
            await wstp.aio.connect(f"{proxy.port}@localhost", mode="uuid", timeout=60, tls=Tls())

    async def test_a_server_that_does_not_speak_tls(self, tls: Tls) -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(10)
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            writer.close()

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(TlsFailed, match=f"no TLS connection to {port}@127.0.0.1: what it says is not TLS"):
                await wstp.aio.connect(f"{port}@127.0.0.1", mode="uuid", timeout=60, tls=tls)


class TestRefused:
    def test_a_certificate_that_nobody_vouches_for(self, proxy: TlsProxy) -> None:
        with pytest.raises(CertificateRefused) as raised:
            wstp.connect(f"{proxy.port}@127.0.0.1", mode="uuid", timeout=60, tls=Tls())
        assert str(raised.value) == (
            f"the certificate of {proxy.port}@127.0.0.1 is refused: self-signed certificate: "
            "the certificates that this machine trusts (--ca-file) must have the one that signed it"
        )
        assert raised.value.fault == "self-signed certificate"

    def test_a_certificate_of_another_host(self, tmp_path: Path, listener: wstp.Listener) -> None:
        other = make_certificate(tmp_path, "other", "DNS:other.example")
        with TlsProxy(other, listener.port) as proxy, pytest.raises(CertificateRefused) as raised:
            wstp.connect(f"{proxy.port}@localhost", mode="uuid", timeout=60, tls=Tls(str(other[0])))
        assert str(raised.value).startswith(f"the certificate of {proxy.port}@localhost is refused: Hostname mismatch")
        assert str(raised.value).endswith(": use a name that is in it")

    def test_a_certificate_whose_time_is_over(self, tmp_path: Path, listener: wstp.Listener) -> None:
        old = make_certificate(tmp_path, "old", "DNS:localhost", days=-1)
        with TlsProxy(old, listener.port) as proxy, pytest.raises(CertificateRefused, match="has expired: the server needs another"):
            wstp.connect(f"{proxy.port}@localhost", mode="uuid", timeout=60, tls=Tls(str(old[0])))

    def test_a_server_that_does_not_speak_tls(self, tls: Tls) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]

            def answer() -> None:
                with server.accept()[0] as connection:
                    connection.recv(10)
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

            thread = threading.Thread(target=answer)
            thread.start()
            with pytest.raises(TlsFailed, match=f"no TLS connection to {port}@127.0.0.1: what it says is not TLS"):
                wstp.connect(f"{port}@127.0.0.1", mode="uuid", timeout=60, tls=tls)
            thread.join()

    def test_a_server_that_says_nothing_in_time(self, tls: Tls) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(wstp.LinkTimeout):
            wstp.connect(f"{server.getsockname()[1]}@127.0.0.1", mode="uuid", timeout=0.2, tls=tls)

    def test_files_that_have_no_certificates(self, tmp_path: Path) -> None:
        with pytest.raises(TlsFailed, match=r"none\.pem: the certificates cannot be read: No such file"):
            Tls(str(tmp_path / "none.pem"))
        (tmp_path / "bad.pem").write_text("no certificate")
        with pytest.raises(TlsFailed, match=r"bad.pem: this is not a file of certificates \(PEM\)"):
            Tls(str(tmp_path / "bad.pem"))
