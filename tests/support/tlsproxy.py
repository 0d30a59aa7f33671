"""A proxy that speaks TLS before a plain port, and certificates for it, made with `openssl`.

As stunnel does, it passes on the end of each direction by itself.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest

__all__ = ["TlsProxy", "make_certificate"]


def make_certificate(folder: Path, name: str, *subjects: str, days: int = 1) -> tuple[Path, Path]:
    """Make a certificate that signs itself for subjects as `DNS:lab.example`, and its key.

    With `days` below 0, the certificate is over.
    """
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl on this machine, to make certificates with")
    made = folder / f"{name}.crt", folder / f"{name}.key"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", f"/CN={name}"]
    words += ["-addext", f"subjectAltName={','.join(subjects)}", "-out", str(made[0]), "-keyout", str(made[1])]
    subprocess.run(words, check=True, capture_output=True, timeout=60)
    if days < 0:
        again = ["openssl", "x509", "-in", made[0], "-signkey", made[1], "-days", str(days), "-out", made[0]]
        subprocess.run(again, check=True, capture_output=True, timeout=60)
    return made


class TlsProxy:
    """Listens at a port of loopback, and passes everything on to another; use it with `with`."""

    def __init__(self, certificate: tuple[Path, Path], target: int) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*certificate)
        self.connections = 0
        self._target = target
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self._open: list[socket.socket] = []

    def __enter__(self) -> TlsProxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        # It wakes the thread that accepts; to close alone would not.
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.cut()

    def cut(self) -> None:
        """End all connections without TLS's own farewell."""
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                outer = self._server.accept()[0]
                self.connections += 1
                threading.Thread(target=self._serve, args=(outer,), daemon=True).start()

    def _serve(self, outer: socket.socket) -> None:
        with contextlib.suppress(OSError), outer, socket.create_connection(("127.0.0.1", self._target)) as inner:
            self._open += [outer, inner]
            _Pump(outer, inner, self.context).run()


class _Pump:
    """One connection: TLS outside, plain inside."""

    def __init__(self, outer: socket.socket, inner: socket.socket, context: ssl.SSLContext) -> None:
        self.outer, self.inner = outer, inner
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.lock = threading.Lock()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)

    def run(self) -> None:
        """Pass on until both directions have ended, each in a thread of its own."""
        while not self._shake_hands():
            self._receive()
        self.outer.sendall(self.outgoing.read())
        outward = threading.Thread(target=self._outward, daemon=True)
        outward.start()
        try:
            while self._inward():
                self._receive()
            self.inner.shutdown(socket.SHUT_WR)
        except OSError:
            # Cut at one end, it is cut at the other.
            with contextlib.suppress(OSError):
                self.inner.shutdown(socket.SHUT_RDWR)
        outward.join()

    def _shake_hands(self) -> bool:
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            self.outer.sendall(self.outgoing.read())
            return False
        except ssl.SSLError as error:
            self.outer.sendall(self.outgoing.read())
            raise ConnectionError from error
        return True

    def _receive(self) -> None:
        chunk = self.outer.recv(1 << 16)
        with self.lock:
            self.incoming.write(chunk) if chunk else self.incoming.write_eof()

    def _inward(self) -> bool:
        """Pass on what came; return whether more may come."""
        while True:
            try:
                with self.lock:
                    data = self.tls.read(1 << 16)
            except ssl.SSLWantReadError:
                return True
            except ssl.SSLZeroReturnError:
                return False
            except ssl.SSLError as error:
                raise ConnectionError from error
            if not data:
                return False
            self.inner.sendall(data)

    def _outward(self) -> None:
        with contextlib.suppress(OSError, ssl.SSLError):
            more = True
            while more:
                chunk = self.inner.recv(1 << 16)
                with self.lock:
                    if chunk:
                        self.tls.write(chunk)
                    else:
                        more = False
                        with contextlib.suppress(ssl.SSLWantReadError):
                            self.tls.unwrap()
                    data = self.outgoing.read()
                self.outer.sendall(data)
