"""How a link begins: the introductions and the greeting (PROTOCOL.md sections 2 to 4). No I/O.

These machines take bytes and give bytes; they open no connection and know no time. The owner of the
sockets passes bytes to `receive()`, writes what `data_to_send()` returns, and closes connections
that do not get ready in time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from wstp.errors import LimitExceeded, LocalProtocolError, RemoteProtocolError, UnsupportedVersion
from wstp.features import OURS, Features
from wstp.limits import DEFAULT_LIMITS, Limits

__all__ = [
    "CLIENT_PREAMBLE",
    "SERVER_PREAMBLE",
    "Acceptor",
    "Connector",
    "Greeting",
    "Introduction",
    "Mode",
    "greeting_lines",
    "port_answer",
]

CLIENT_PREAMBLE = (3).to_bytes(4, "little") + bytes(12)
# A link server sends it on the data connection once both connections of a UUID-mode link are there.
SERVER_PREAMBLE = CLIENT_PREAMBLE

_UUID_DASHES = frozenset((8, 13, 18, 23))
_HEX = frozenset(b"0123456789abcdefABCDEF")
_INTRODUCTION_SIZE = 55
_DIGITS = frozenset(b"0123456789")


class Mode(Enum):
    """The two ways to make a link: through a link server (UUID) or peer to peer (DEFAULT)."""

    UUID = "uuid"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Introduction:
    """What a new connection says it is.

    Attributes:
        mode: UUID or DEFAULT.
        uuid: the id that both connections of a UUID-mode link name, in lower case; None in default
            mode.
        role: "data" or "message".
    """

    mode: Mode
    uuid: str | None
    role: str


def _looks_like(data: bytes) -> str:
    """Return in a few words what the first bytes of a connection seem to be."""
    methods = (b"GET ", b"POST ", b"HEAD ", b"PUT ", b"OPTIONS ", b"DELETE ", b"CONNECT ", b"PRI ", b"PATCH ")
    if any(data.startswith(method[: max(3, len(data))]) for method in methods):
        return "an HTTP request"
    if data.startswith(b"\x16\x03"):
        return "a TLS handshake"
    if data.startswith(b"SSH-"):
        return "an SSH client"
    if data.startswith(b"\xff\x00\x00\x00\x00\x00\x00\x00"):
        return "a ZeroMQ peer"
    if data.startswith(b"Math"):
        return "a WSTP greeting without an introduction"
    if data.startswith((b"PROXY ", b"\r\n\r\n\x00\r\nQUIT\n")):
        return "the PROXY protocol of a load balancer"
    if not data:
        return "nothing"
    return f"unknown bytes {data[:16]!r}"


def _same_prefix(data: bytes, start: int, expected: bytes, offset: int, what: str) -> bool:
    """Tell whether all of `expected` stands at `start`; raise at the first byte that differs."""
    part = data[start : start + len(expected)]
    if expected.startswith(part):
        return len(part) == len(expected)
    wrong = next(at for at, byte in enumerate(part) if byte != expected[at])
    raise RemoteProtocolError(f"not {what}: byte {part[wrong]:#04x}", offset + start + wrong)


def port_answer(port: int) -> bytes:
    """Return the listener's answer to a default-mode peer that asks for the message port."""
    return b"msg_port=%dY" % port


class Acceptor:
    """Read the introduction of one connection that was accepted on the first port.

    Attributes:
        asks_port: whether a default-mode peer asks for the message port (`Y`); it names one itself
            otherwise (`N`).
        introduction: what the connection says it is; None until it has.
        complete: whether the whole introduction has come, and on a UUID data connection the 16-byte
            preamble too.
        trailing: the bytes after the introduction. They belong to the greeting; on a message
            connection they are messages.
    """

    def __init__(
        self, message_port: int | None = None, modes: Iterable[str] = ("uuid", "default"), own_port: bool = False
    ) -> None:
        """Start.

        Args:
            message_port: the port to name to a default-mode peer that asks for one.
            modes: the modes that are accepted.
            own_port: whether such a peer gets a port of its own. Then it is not answered here;
                `port_answer()` makes the answer.
        """
        self._message_port = message_port
        self._own_port = own_port
        self.asks_port = False
        self._modes = frozenset(modes)
        self._buffer = b""
        self._out = b""
        self._error: RemoteProtocolError | None = None
        self.introduction: Introduction | None = None
        self.complete = False
        self.trailing = b""

    @property
    def looks_like(self) -> str:
        """Return what the bytes seem to be, for the log, when the connection is no WSTP link."""
        return _looks_like(self._buffer[:64])

    def receive(self, data: bytes | bytearray | memoryview) -> None:
        """Take the connection's next bytes.

        Raises:
            RemoteProtocolError: a byte can be in no introduction. Every later call raises it too.
        """
        if self._error is not None:
            raise self._error
        if self.complete:
            self.trailing += bytes(data)
            return
        self._buffer += bytes(data)
        try:
            self._advance()
        except RemoteProtocolError as error:
            self._error = error
            raise

    def data_to_send(self) -> bytes:
        """Return the bytes to write on this connection now, and forget them."""
        out, self._out = self._out, b""
        return out

    def _advance(self) -> None:
        buffer = self._buffer
        if not buffer:
            return
        if buffer[0] == ord("i") and "uuid" in self._modes:
            self._uuid(buffer)
        elif buffer[0] == ord("n") and "default" in self._modes:
            self._default(buffer)
        else:
            raise RemoteProtocolError(f"not a WSTP introduction: {self.looks_like}", 0)

    def _uuid(self, buffer: bytes) -> None:
        if not _same_prefix(buffer, 0, b"id=", 0, "a WSTP introduction"):
            return
        for at, byte in enumerate(buffer[3:39]):
            if (byte != ord("-")) if at in _UUID_DASHES else (byte not in _HEX):
                raise RemoteProtocolError("the introduction's id is not a UUID", 3 + at)
        if len(buffer) <= 39 or not _same_prefix(buffer, 39, b" connection=", 0, "a WSTP introduction"):
            return
        if len(buffer) <= 51:
            return
        role = {ord("d"): b"data", ord("m"): b"mesg"}.get(buffer[51])
        if role is None:
            raise RemoteProtocolError("the introduction names neither a data nor a message connection", 51)
        if not _same_prefix(buffer, 51, role, 0, "connection=data or connection=mesg"):
            return
        if self.introduction is None:
            uuid = buffer[3:39].decode("ascii").lower()
            self.introduction = Introduction(Mode.UUID, uuid, "data" if role == b"data" else "message")
        end = _INTRODUCTION_SIZE
        if role == b"data":
            if not _same_prefix(buffer, end, CLIENT_PREAMBLE, 0, "the preamble 3 0 0 0"):
                return
            end += len(CLIENT_PREAMBLE)
        self._finish(end)

    def _default(self, buffer: bytes) -> None:
        question = b"need_msg_port"
        if not _same_prefix(buffer, 0, question, 0, "a WSTP introduction") or len(buffer) == len(question):
            return
        answer = buffer[len(question)]
        if answer not in b"YN":
            raise RemoteProtocolError("need_msg_port is followed by neither Y nor N", len(question))
        self.asks_port = answer == ord("Y")
        if not self._own_port:
            if not self.asks_port:
                self._out += b"OKY"
            elif self._message_port is None:
                raise LocalProtocolError("a default-mode peer asks for the message port, and there is none")
            else:
                self._out += port_answer(self._message_port)
        self.introduction = Introduction(Mode.DEFAULT, None, "data")
        self._finish(len(question) + 1)

    def _finish(self, end: int) -> None:
        self.complete = True
        self.trailing = self._buffer[end:]
        self._buffer = self._buffer[:end]


class Connector:
    """Introduce the connecting side of a link, on its data connection.

    Attributes:
        message_introduction: the bytes that introduce the message connection (none in default
            mode).
        message_port: the port that the listener named, in default mode, when it was asked for one.
        done: whether the introduction is over and the greeting is next.
        trailing: the bytes after the introduction.
    """

    def __init__(self, mode: Mode, uuid: str | None = None, knows_message_port: bool = False) -> None:
        """Start; UUID mode needs `uuid`, 36 characters, which the caller makes at random."""
        self._mode = mode
        self._buffer = b""
        self._error: RemoteProtocolError | None = None
        self._expects_port = not knows_message_port
        self.message_introduction = b""
        self.message_port: int | None = None
        self.done = False
        self.trailing = b""
        if mode is Mode.UUID:
            if uuid is None or len(uuid) != 36:
                raise LocalProtocolError("UUID mode needs a uuid of 36 characters")
            name = uuid.encode("ascii")
            self._out = b"id=" + name + b" connection=data" + CLIENT_PREAMBLE
            self.message_introduction = b"id=" + name + b" connection=mesg"
        else:
            self._out = b"need_msg_port" + (b"N" if knows_message_port else b"Y")

    @property
    def opens_message(self) -> bool:
        """Tell whether the message connection may be opened now.

        It may at once in UUID mode, and after the listener's answer in default mode.
        """
        return self._mode is Mode.UUID or self.done

    def data_to_send(self) -> bytes:
        """Return the bytes to write on the data connection now, and forget them."""
        out, self._out = self._out, b""
        return out

    def receive(self, data: bytes | bytearray | memoryview) -> None:
        """Take the data connection's next bytes.

        Raises:
            RemoteProtocolError: the peer does not answer as a WSTP listener does. Every later call
                raises it too.
        """
        if self._error is not None:
            raise self._error
        if self.done:
            self.trailing += bytes(data)
            return
        self._buffer += bytes(data)
        try:
            self._advance()
        except RemoteProtocolError as error:
            self._error = error
            raise

    def _advance(self) -> None:
        buffer = self._buffer
        if self._mode is Mode.UUID:
            if _same_prefix(buffer, 0, SERVER_PREAMBLE, 0, "a link server's preamble"):
                self._finish(len(SERVER_PREAMBLE))
        elif not self._expects_port:
            if _same_prefix(buffer, 0, b"OKY", 0, "a listener's OKY"):
                self._finish(3)
        elif _same_prefix(buffer, 0, b"msg_port=", 0, "a listener's msg_port"):
            at = 9
            while at < len(buffer) and buffer[at] in _DIGITS and at < 15:
                at += 1
            if at == len(buffer):
                return
            port = int(buffer[9:at] or b"0")
            if buffer[at] != ord("Y") or not 0 < port < 65536:
                raise RemoteProtocolError("msg_port= is not followed by a port and Y", at)
            self.message_port = port
            self._finish(at + 1)

    def _finish(self, end: int) -> None:
        self.done = True
        self.trailing = self._buffer[end:]
        self._buffer = b""


_OPENING = b"Math Link "
_NAME = b"Math Link"
_CLOSING_LINE = b"Support6digitAsciiUnicode"
# The version that we say to a peer of each version. A peer of version 5 that is told 5 sends common
# symbols and strings by number, in tables of thousands of names. Told 4, it sends the same tokens
# as version 6, byte for byte.
_ANSWERS = {6: 6, 5: 4}


def _quoted(text: str) -> str:
    quote = '"' if "'" in text else "'"
    if quote in text:
        raise LocalProtocolError("an envid cannot hold both kinds of quotes")
    return f"{quote}{text}{quote}"


def greeting_lines(version: int, features: Features = OURS) -> bytes:
    """Return what follows `Math Link ` in the greeting that one side sends in this version."""
    lines = (
        f"{version}\n-libraryid '!&*' -decoders 0\n-numericsid {features.numericsid}"
        f" -tokens {','.join(map(str, features.tokens))} -textid '{features.textid}'"
        f" -formats {','.join(map(str, features.formats))}\n-envid {_quoted(features.envid)}\n"
    )
    if version > 4:
        lines += "-symboldicts 1 -stringdicts 1\n"
    if version > 5:
        lines += _CLOSING_LINE.decode() + "\n"
    return lines.encode()


class Greeting:
    """Exchange the greeting (section 4), which is the same in both modes.

    Both sides say `Math Link`. A library says its version when it has read that, and goes on when
    it has read the peer's. We choose our version by the peer's, so we say ours second: 6 to version
    6 and 4 to version 5. Two such sides would wait for each other. So our listening side says the
    space before its version at once. To a connecting side of ours, that space alone is the sign
    that it has to speak first.

    >>> ours, theirs = Greeting(), Greeting(listening=True)
    >>> ours.receive(theirs.data_to_send())
    >>> theirs.receive(ours.data_to_send())
    >>> ours.receive(theirs.data_to_send())
    >>> ours.done, theirs.done, theirs.peer.version
    (True, True, 6)

    Attributes:
        done: whether the peer's greeting is complete; tokens follow it.
        peer: what the peer announced; meaningful once `done`.
        trailing: the token bytes after the peer's greeting.
    """

    def __init__(
        self,
        features: Features = OURS,
        limits: Limits = DEFAULT_LIMITS,
        *,
        listening: bool = False,
        speaks_first: bool = False,
    ) -> None:
        """Start; the first words are in `data_to_send()`.

        Args:
            features: what to announce.
            limits: bounds on what the peer may send.
            listening: whether this is the side that accepted the link.
            speaks_first: whether to say version 6 at once. It is for a peer that is known to speak
                it, as one of ours does.
        """
        self._limits = limits
        self._announced = features
        self._listening = listening
        self._buffer = b""
        self._line_start = 0
        self._scan = 0
        self._quote = 0
        self._error: RemoteProtocolError | LimitExceeded | None = None
        self._found: dict[str, str] = {}
        self._out = _OPENING if listening else _NAME
        self._peer_version = 0
        self._version = 0
        _quoted(features.envid)
        if speaks_first:
            self._say(6)
        self.done = False
        self.peer = Features(tokens=(), formats=(1,))
        self.trailing = b""

    def data_to_send(self) -> bytes:
        """Return the bytes to write on the data connection now, and forget them."""
        out, self._out = self._out, b""
        return out

    def receive(self, data: bytes | bytearray | memoryview) -> None:
        """Take the data connection's next bytes.

        Raises:
            RemoteProtocolError: the bytes are no greeting. Every later call raises it too.
            LimitExceeded: the greeting is longer than `Limits.greeting_size`. Likewise.
        """
        if self._error is not None:
            raise self._error
        if self.done:
            self.trailing += bytes(data)
            return
        self._buffer += bytes(data)
        try:
            self._advance()
        except (RemoteProtocolError, LimitExceeded) as error:
            self._error = error
            raise

    def _advance(self) -> None:
        buffer = self._buffer
        if not _same_prefix(buffer, 0, _OPENING, 0, "a WSTP greeting"):
            return
        if not self._peer_version and not self._read_version(buffer[len(_OPENING) :]):
            return
        if self._scan == 0:
            start = len(_OPENING) + 1
            if len(buffer) <= start:
                return
            if buffer[start] != ord("\n"):
                raise self._unsupported(buffer[len(_OPENING) :])
            self._scan = self._line_start = start + 1
        while self._scan < len(buffer):
            byte = buffer[self._scan]
            if self._scan == self._line_start and byte not in b"-S":
                raise RemoteProtocolError(f"a greeting line begins with byte {byte:#04x}", self._scan)
            self._scan += 1
            if self._scan > self._limits.greeting_size:
                raise LimitExceeded(f"greeting longer than {self._limits.greeting_size} bytes (greeting_size)")
            if self._quote:
                if byte == self._quote:
                    self._quote = 0
            elif byte in b"'\"" and buffer[self._scan - 2] == ord(" "):
                self._quote = byte
            elif byte == ord("\n") and self._line(buffer[self._line_start : self._scan - 1]):
                self.trailing = buffer[self._scan :]
                self._buffer = b""
                self.peer = self._features()
                self.done = True
                return

    def _read_version(self, text: bytes) -> bool:
        """Read the peer's version, and say ours; tell whether the peer's has come."""
        if not text:
            if not self._listening:
                self._say(6)
            return False
        version = text[0] - ord("0")
        if version not in _ANSWERS:
            raise self._unsupported(text)
        if self._version and self._version != _ANSWERS[version]:
            raise RemoteProtocolError(f"the peer waited to hear our version, then said Math Link {version}", len(_OPENING))
        self._peer_version = version
        self._say(_ANSWERS[version])
        return True

    def _say(self, version: int) -> None:
        if not self._version:
            self._version = version
            self._out += (b"" if self._listening else b" ") + greeting_lines(version, self._announced)

    @staticmethod
    def _unsupported(text: bytes) -> RemoteProtocolError:
        """Return the error for a version that is neither 5 nor 6; `text` begins with it."""
        word = text.split(b"\n")[0][:20]
        if not word[:1].isdigit():
            return RemoteProtocolError(f"not a WSTP greeting: byte {text[0]:#04x} where a version is due", len(_OPENING))
        name = word.decode("ascii", "backslashreplace")
        return UnsupportedVersion(f"the peer speaks Math Link {name}; this side speaks Math Link 5 and 6", name)

    def _line(self, line: bytes) -> bool:
        """Read one line; tell whether it was the last."""
        start, self._line_start = self._line_start, self._scan
        if line == _CLOSING_LINE and self._version > 4:
            return True
        if not line.startswith(b"-"):
            raise RemoteProtocolError(f"not a greeting line: {line[:40]!r}", start)
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise RemoteProtocolError("a greeting line is not UTF-8", start + error.start) from None
        at = 0
        while at < len(text):
            space = text.find(" ", at)
            key = text[at : space if space >= 0 else len(text)]
            if not key.startswith("-") or len(key) < 2:
                raise RemoteProtocolError(f"not a greeting option: {key[:40]!r}", start)
            at = len(text) if space < 0 else space + 1
            if at < len(text) and text[at] in "'\"":
                end = text.find(text[at], at + 1)
                if end < 0:
                    raise RemoteProtocolError(f"no closing quote after {key[:40]!r}", start)
                self._found[key[1:]] = text[at + 1 : end]
                at = end + 1
            else:
                end = text.find(" ", at)
                end = len(text) if end < 0 else end
                self._found[key[1:]] = text[at:end]
                at = end
            if at < len(text):
                if text[at] != " ":
                    raise RemoteProtocolError(f"no space after the value of {key[:40]!r}", start)
                at += 1
        return self._version == 4 and line.startswith(b"-envid")

    def _numbers(self, key: str) -> tuple[int, ...]:
        text = self._found.get(key, "")
        words = text.split(",") if text else []
        if not all(word.isascii() and word.isdigit() and len(word) <= 3 for word in words):
            raise RemoteProtocolError(f"greeting option -{key} is not a list of numbers: {text[:60]!r}")
        return tuple(int(word) for word in words)

    def _features(self) -> Features:
        return Features(
            numericsid=self._found.get("numericsid", ""),
            tokens=self._numbers("tokens"),
            formats=self._numbers("formats") or (1,),
            textid=self._found.get("textid", ""),
            envid=self._found.get("envid", ""),
            version=self._peer_version,
        )
