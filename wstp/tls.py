"""TLS around the connections of a link, for servers behind a proxy that ends it.

The server's end of a link is plain: a proxy such as stunnel stands before it. So TLS is a matter of
the two TCP connections, and the protocol is the same inside. :class:`Tls` says whom to trust;
`wstp.connect(..., tls=...)` puts a :class:`TlsConnection` around each connection;
`wstp.aio.connect(..., tls=...)` uses the event loop's own TLS.

A connection is closed with TLS's own closing alert, which the proxy passes on as the end of the
stream: what was written before it arrives. A connection that ends without that alert was cut.

A program that does not use TLS does not import this module, which imports `ssl`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Sequence

from wstp.errors import ConnectFailed

__all__ = ["CertificateRefused", "Tls", "TlsConnection", "TlsFailed"]

# Bytes of one reading of the socket, and of text that is encrypted at once.
_READ = 1 << 16
_WRITE = 1 << 18


class TlsFailed(ConnectFailed):
    """No TLS connection could be made; the text names port@host and says why."""


class CertificateRefused(TlsFailed):
    """The server's certificate does not show that it is the server that was meant.

    Attributes:
        fault: what is wrong with it, in OpenSSL's words.
    """

    def __init__(self, text: str, fault: str) -> None:
        super().__init__(text)
        self.fault = fault


class Tls:
    """Whom to trust: certificates are always checked, and so is that they are for the host.

    Args:
        ca_file: a file of certificates (PEM) to trust, and no others. A server's certificate that
            signs itself can be in it. None: those that this machine trusts; the environment
            variables `SSL_CERT_FILE` and `SSL_CERT_DIR` name others.

    Raises:
        TlsFailed: the file cannot be used.
    """

    def __init__(self, ca_file: str | None = None) -> None:
        self._ca_file = ca_file
        try:
            self._context = ssl.create_default_context(cafile=ca_file)
        except ssl.SSLError as error:
            raise TlsFailed(f"{ca_file}: this is not a file of certificates (PEM): {_reason(error)}") from None
        except OSError as error:
            raise TlsFailed(f"{ca_file}: the certificates cannot be read: {error.strerror}") from None
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2

    def wrap(self, connection: socket.socket, host: str, port: int) -> TlsConnection:
        """Make the handshake on a connected socket within the time-out that the socket has.

        Args:
            connection: it belongs to the result, also when this fails.
            host: the name or the address that the certificate must be for.
            port: for errors.

        Raises:
            CertificateRefused: the certificate is not trusted, or not for `host`.
            TlsFailed: the other end does not speak TLS, or no version that is spoken here.
            OSError: the connection cannot be used (`TimeoutError`: not in time).
        """
        made = TlsConnection(connection, self._context, _subject(host))
        try:
            made.handshake()
        except ssl.SSLError as error:
            made.close()
            raise self.refusal(error, host, port) from None
        except BaseException:
            made.close()
            raise
        return made

    async def create_connection(self, protocol: asyncio.BufferedProtocol, host: str, port: int) -> None:
        """Connect, and make the handshake; then `protocol` has the connection.

        Args:
            protocol: it gets a transport of the event loop's own.
            host: the name or the address to connect to, and that the certificate must be for.
            port: the port.

        Raises:
            CertificateRefused, TlsFailed, OSError: as :meth:`wrap`.
        """
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: protocol, host, port, ssl=self._context, server_hostname=_subject(host))
        except ssl.SSLError as error:
            raise self.refusal(error, host, port) from None

    def refusal(self, error: ssl.SSLError, host: str, port: int) -> TlsFailed:
        """Say what an error of the handshake with port@host means, and what to do."""
        where = f"{port}@{host}"
        if not isinstance(error, ssl.SSLCertVerificationError):
            return TlsFailed(f"no TLS connection to {where}: {_reason(error)}")
        fault = error.verify_message.rstrip(".")
        advice = f"{self._ca_file or 'the certificates that this machine trusts'} (--ca-file) must have the one that signed it"
        if "Hostname mismatch" in error.verify_message or "IP address mismatch" in error.verify_message:
            advice = "use a name that is in it"
        elif "expired" in error.verify_message or "not yet valid" in error.verify_message:
            advice = "the server needs another, if the clock here is right"
        return CertificateRefused(f"the certificate of {where} is refused: {fault}: {advice}", fault)


def _subject(host: str) -> str:
    """Return what a certificate is for: a scope of an address is of this machine alone."""
    return host.partition("%")[0]


def _reason(error: ssl.SSLError) -> str:
    """Say what OpenSSL says, in words without capitals and underscores."""
    reason = (error.reason or str(error)).lower().replace("_", " ")
    if reason in ("wrong version number", "record layer failure", "packet length too long"):
        return f"what it says is not TLS ({reason})"
    return reason


class TlsConnection:
    """One TCP connection under TLS, with the methods of a socket that a link needs.

    One thread may read while another writes. A write that the system does not take at once raises
    `BlockingIOError`, and must be repeated with the same bytes, and perhaps more behind them.
    """

    def __init__(self, connection: socket.socket, context: ssl.SSLContext, host: str) -> None:
        self.family = connection.family
        self._socket = connection
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        # OpenSSL's object is not for two threads at once. Never held while waiting on the socket,
        # except by a socket with a time-out, which one thread uses.
        self._lock = threading.Lock()
        self._unsent = b""  #: encrypted, and not taken by the system yet
        self._accepted = 0  #: bytes of text in that, which are to be called written once it is sent

    def handshake(self) -> None:
        """Make the handshake; raises `ssl.SSLError` or OSError."""
        while True:
            try:
                self._object.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._send_all()
                self._receive()
            except ssl.SSLError:
                # Tell the other side why.
                with contextlib.suppress(OSError):
                    self._send_all()
                raise
        self._send_all()

    # ------------------------------------------------------------------ reading

    def recv(self, size: int) -> bytes:
        """Return all that one reading of the socket brings; b"" at the end.

        Nothing stays behind that `select` would not show; so it may be more than `size` bytes.

        Raises:
            BlockingIOError: nothing has come.
            OSError: the connection was cut, or what came is not TLS.
        """
        while True:
            with self._lock:
                try:
                    return self._read()
                except ssl.SSLWantReadError:
                    pass
                except ssl.SSLZeroReturnError:
                    return b""
                except ssl.SSLError as error:
                    raise ConnectionResetError(f"the connection was cut: {_reason(error)}") from None
                self._receive()

    def _read(self) -> bytes:
        pieces = [self._object.read(_READ)]
        while pieces[-1]:
            try:
                pieces.append(self._object.read(_READ))
            except ssl.SSLWantReadError:
                break
            except ssl.SSLZeroReturnError:
                pieces.append(b"")
        if not pieces[-1] and len(pieces) > 1:
            # The alert came with the last bytes. Have `select` show that there is an end to read.
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RD)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _receive(self) -> None:
        chunk = self._socket.recv(_READ)
        if chunk:
            self._incoming.write(chunk)
        else:
            self._incoming.write_eof()

    # ------------------------------------------------------------------ writing

    def send(self, data: bytes | bytearray | memoryview) -> int:
        """Write bytes; return how many. As :meth:`sendmsg`."""
        return self.sendmsg([data])

    def sendmsg(self, buffers: Sequence[bytes | bytearray | memoryview]) -> int:
        """Write the beginning of what stands in `buffers`, and return how many bytes that is.

        Raises:
            BlockingIOError: the system does not take all of it yet.
            OSError: the connection is gone.
        """
        with self._lock:
            if not self._accepted:
                text, size = [], 0
                for buffer in buffers:
                    piece = memoryview(buffer).cast("B")[: _WRITE - size]
                    text.append(piece)
                    size += len(piece)
                try:
                    self._accepted = self._object.write(b"".join(text)) if size else 0
                except ssl.SSLError as error:
                    raise BrokenPipeError(f"the connection has ended: {_reason(error)}") from None
            self._send_some()
            written, self._accepted = self._accepted, 0
            return written

    def sendall(self, data: bytes | bytearray | memoryview) -> None:
        """Write all bytes, within the socket's time-out."""
        view = memoryview(data)
        while view:
            view = view[self.sendmsg([view]) :]

    def _send_some(self) -> None:
        """Send what is encrypted; raises BlockingIOError as long as some of it is left."""
        self._unsent += self._outgoing.read()
        while self._unsent:
            self._unsent = self._unsent[self._socket.send(self._unsent) :]

    def _send_all(self) -> None:
        self._socket.sendall(self._outgoing.read())

    # ------------------------------------------------------------------ the end, and the rest

    def shutdown(self, how: int) -> None:
        """End what is written by the closing alert; with SHUT_RDWR end the connection, too."""
        with self._lock, contextlib.suppress(ssl.SSLError, OSError):
            try:
                # It wants to read the other side's alert, which comes, or not, when it likes.
                self._object.unwrap()
            except ssl.SSLWantReadError:
                pass
            finally:
                self._send_some()
        if how != socket.SHUT_WR:
            self._socket.shutdown(how)

    def settimeout(self, seconds: float | None) -> None:
        """As a socket's."""
        self._socket.settimeout(seconds)

    def setblocking(self, flag: bool) -> None:
        """As a socket's."""
        self._socket.setblocking(flag)

    def setsockopt(self, level: int, option: int, value: int | bytes) -> None:
        """As a socket's."""
        self._socket.setsockopt(level, option, value)

    def fileno(self) -> int:
        """Return the descriptor for `select`; -1 once closed."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
