"""An HTTP server for what a process shows of itself: metrics, and the web page.

Each request is answered by a WSGI application in a thread of its own. Threads touch nothing of the
event loop's: what they need they have the loop fetch for them (:class:`Loop`), and a loop that is
too busy to begin with it in time is a :class:`LoopBusy`. One request is one connection, and there
are at most so many at once; a client that does not ask, or does not read, is dropped.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import socket
import threading
from collections.abc import Awaitable, Callable, Iterable
from socketserver import TCPServer, ThreadingMixIn
from types import TracebackType
from typing import Any, TypeVar
from wsgiref.simple_server import ServerHandler, WSGIRequestHandler, WSGIServer

from kernelbus.bus.errors import BusError

__all__ = ["HERE", "Application", "HttpError", "HttpServer", "Loop", "LoopBusy"]

_log = logging.getLogger("kernelbus.server")

#: A WSGI application.
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

#: The key of a request's environment that says whether a program of this machine asks.
HERE = "kernelbus.here"

#: Seconds in which the event loop must begin with what is asked of it.
PATIENCE = 5.0
#: Seconds after which a client that does not ask, or does not read, is dropped.
_CLIENT_PATIENCE = 10.0
#: Seconds between two checks whether the server is to end.
_POLL = 0.1
#: Requests that are answered at once.
_MOST = 64
_FULL = b"HTTP/1.0 503 Service Unavailable\r\nContent-Type: text/plain\r\n\r\ntoo many requests at once: try again\n"
_STOPPED = "the broker is stopping"
#: Characters of the longest request line, and bytes of a request's body that are read.
_LONGEST = 8192
_MOST_BODY = 65536

_Result = TypeVar("_Result")


class HttpError(BusError):
    """The port cannot be had; the text names it."""


class LoopBusy(BusError):
    """The event loop is blocked, or has ended: nothing that could be said would be true."""


class Loop:
    """The event loop, for threads. Make it on the loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def fetch(self, ask: Callable[[], Awaitable[_Result]], patience: float = 0.0) -> _Result:
        """Run `ask` on the loop and return its result.

        Args:
            ask: is called on the loop.
            patience: seconds that it may take once it has begun.

        Raises:
            LoopBusy: it has not begun in :data:`PATIENCE` seconds, or takes too long.
        """
        begun = threading.Event()

        async def run() -> _Result:
            begun.set()
            return await ask()

        running = run()
        try:
            result = asyncio.run_coroutine_threadsafe(running, self._loop)
        except RuntimeError:  # it is closed
            running.close()
            raise LoopBusy(_STOPPED) from None
        try:
            if begun.wait(PATIENCE):
                return result.result(PATIENCE + patience)
        except concurrent.futures.CancelledError:
            raise LoopBusy(_STOPPED) from None
        except concurrent.futures.TimeoutError:
            pass
        result.cancel()
        raise LoopBusy(f"the broker has not answered in {PATIENCE:g} s")


class _Answering(ServerHandler):
    server_software = "kernelbus"

    def log_exception(
        self, exc_info: tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]
    ) -> None:
        error = exc_info[1]
        if not isinstance(error, OSError):  # a client that has gone, or does not read
            _log.error("a request over HTTP has failed: %r", error, exc_info=error)


class _Handler(WSGIRequestHandler):
    timeout = _CLIENT_PATIENCE

    def handle(self) -> None:
        """Answer one request."""
        self.raw_requestline = self.rfile.readline(_LONGEST + 1)
        if len(self.raw_requestline) > _LONGEST:
            self.requestline = self.request_version = self.command = ""
            self.send_error(414)
            return
        if not self.parse_request():  # what is wrong has been said
            return
        # What is not read would reset the connection, and the client would not see the answer.
        length = self.headers.get("Content-Length", "")
        if length.isascii() and length.isdigit():
            self.rfile.read(min(int(length), _MOST_BODY))
        answering = _Answering(self.rfile, self.wfile, self.get_stderr(), self.get_environ(), multithread=True)  # type: ignore[arg-type]
        answering.request_handler = self  # type: ignore[attr-defined]
        application = self.server.get_app()  # type: ignore[attr-defined]
        answering.run(application)

    def get_environ(self) -> dict[str, Any]:
        peer, own = self.client_address[0], self.connection.getsockname()[0]
        # An address of loopback may be another of them than the one that is connected to.
        here = peer == own or peer.removeprefix("::ffff:").startswith("127.") or peer == "::1"
        return {**super().get_environ(), HERE: here}

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are no events."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], family: socket.AddressFamily) -> None:
        self.address_family = family
        self._places = threading.BoundedSemaphore(_MOST)
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        # HTTPServer's looks up the name of the machine, which takes long where there is no DNS.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._places.acquire(blocking=False):
            request.setblocking(False)
            try:
                request.send(_FULL)
            except OSError:
                pass  # it is told nothing then
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._places.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes or keeps silent is no event; anything else would be a fault."""
        _log.debug("a request over HTTP from %s was given up", client_address[0], exc_info=True)


class HttpServer:
    """Answers requests with a WSGI application.

    Args:
        application: is called in a thread of each request.
        what: what it serves, for errors.
    """

    def __init__(self, application: Application, what: str) -> None:
        self._application = application
        self._what = what
        self._server: _Server | None = None

    async def listen(self, interface: str, port: int) -> str:
        """Begin to listen, and return the address, without a path.

        Raises:
            HttpError: the port is taken, or the interface is not of this machine.
        """
        loop = asyncio.get_running_loop()
        try:
            ((family, _, _, _, address), *_) = await loop.getaddrinfo(
                interface, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )
            self._server = _Server((str(address[0]), port), family)
        except OSError as error:
            raise HttpError(f"cannot serve {self._what} on port {port} of {interface}: {error.strerror or error}") from None
        self._server.set_app(self._application)
        shown = f"[{interface}]" if ":" in interface else interface
        return f"http://{shown}:{self._server.server_port}"

    async def run(self) -> None:
        """Answer until cancelled."""
        server = self._server
        assert server is not None
        threading.Thread(target=server.serve_forever, args=(_POLL,), name=self._what, daemon=True).start()
        try:
            await asyncio.Event().wait()
        finally:
            # This waits for one poll, not for requests.
            server.shutdown()
            server.server_close()
