"""Bind the public C interface of a WSTP (or MathLink) library through ctypes.

The library is a black box: only functions of its documented C interface are called, each with its
prototype, and only over the loopback interface. It can block for ever and can crash its process. So
this module is meant for a child process: `cdriver` has the program for it, and the class with which
tests talk to that program.

This module does not import `wstp`: what it reports is what the library reports.
"""

from __future__ import annotations

import contextlib
import ctypes as c
import hashlib
import queue
from collections.abc import Sequence
from ctypes import POINTER, byref
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["CLibrary", "CLibraryError", "CLink", "CLinkServer", "FlatToken"]

FlatToken = list[str | int]
"""One token of an expression in prefix order.

It is ``["F", n]``, ``["#", name]``, ``['"', text]``, ``["i", digits]``, ``["r", repr of a machine
real]`` or ``["R", text of an arbitrary-precision real]``.
"""

TOKEN_END, TOKEN_FUNCTION, TOKEN_STRING, TOKEN_SYMBOL, TOKEN_REAL, TOKEN_INTEGER = 13, 70, 34, 35, 42, 43

NUMBER_TYPES: dict[str, Any] = {
    "Integer8": c.c_ubyte,
    "Integer16": c.c_short,
    "Integer32": c.c_int,
    "Integer64": c.c_int64,
    "Real32": c.c_float,
    "Real64": c.c_double,
}
NUMPY_TYPES: dict[str, npt.DTypeLike] = {
    "Integer8": np.uint8,
    "Integer16": np.int16,
    "Integer32": np.int32,
    "Integer64": np.int64,
    "Real32": np.float32,
    "Real64": np.float64,
}
UNIT_TYPES: dict[str, Any] = {"UTF8": c.c_ubyte, "UCS2": c.c_ushort, "UTF16": c.c_ushort, "UTF32": c.c_uint}

LINK = c.c_void_p
INT_OUT = POINTER(c.c_int)
LINK_HANDLER = c.CFUNCTYPE(None, c.c_void_p, LINK)
MESSAGE_HANDLER = c.CFUNCTYPE(None, LINK, c.c_int, c.c_int)


class CLibraryError(Exception):
    """A call of the library failed; `code` is its error number, the text its own message."""

    def __init__(self, call: str, code: int, message: str) -> None:
        super().__init__(f"{call}: error {code}: {message}")
        self.code = code
        self.message = message


def _prototypes() -> dict[str, tuple[Any, list[Any]]]:
    """Return (result, arguments) of every function used, by its name without ``ML`` or ``WS``."""
    table: dict[str, tuple[Any, list[Any]]] = {
        "NewParameters": (c.c_void_p, [c.c_ulong, c.c_ulong]),
        "ReleaseParameters": (None, [c.c_void_p]),
        "Initialize": (c.c_void_p, [c.c_void_p]),
        "Deinitialize": (None, [c.c_void_p]),
        "SetEnvIDString": (c.c_int, [c.c_void_p, c.c_char_p]),
        "GetLinkedEnvIDString": (c.c_int, [LINK, POINTER(c.c_void_p)]),
        "OpenArgcArgv": (LINK, [c.c_void_p, c.c_int, POINTER(c.c_char_p), INT_OUT]),
        "OpenString": (LINK, [c.c_void_p, c.c_char_p, INT_OUT]),
        "NewLinkServerWithPortAndInterface": (
            c.c_void_p,
            [c.c_void_p, c.c_ushort, c.c_char_p, c.c_void_p, INT_OUT],
        ),
        "RegisterCallbackFunctionWithLinkServer": (None, [c.c_void_p, LINK_HANDLER]),
        "PortFromLinkServer": (c.c_ushort, [c.c_void_p, INT_OUT]),
        "ShutdownLinkServer": (None, [c.c_void_p]),
        "LinkName": (c.c_void_p, [LINK]),
        "ReleaseLinkName": (None, [LINK, c.c_void_p]),
        "Close": (None, [LINK]),
        "ErrorMessage": (c.c_void_p, [LINK]),
        "ReleaseErrorMessage": (None, [LINK, c.c_void_p]),
        "SetMessageHandler": (c.c_int, [LINK, MESSAGE_HANDLER]),
        "MessageReady": (c.c_int, [LINK]),
        "GetMessage": (c.c_int, [LINK, POINTER(c.c_int), POINTER(c.c_int)]),
        "PutMessage": (c.c_int, [LINK, c.c_int]),
        "PutMessageWithArg": (c.c_int, [LINK, c.c_int, c.c_int]),
        "PutType": (c.c_int, [LINK, c.c_int]),
        "PutNext": (c.c_int, [LINK, c.c_int]),
        "PutArgCount": (c.c_int, [LINK, c.c_int]),
        "PutComposite": (c.c_int, [LINK, c.c_int]),
        "PutFunction": (c.c_int, [LINK, c.c_char_p, c.c_int]),
        "PutString": (c.c_int, [LINK, c.c_char_p]),
        "PutSymbol": (c.c_int, [LINK, c.c_char_p]),
        "PutByteString": (c.c_int, [LINK, c.c_char_p, c.c_int]),
        "PutByteSymbol": (c.c_int, [LINK, c.c_char_p, c.c_int]),
        "PutRealNumberAsString": (c.c_int, [LINK, c.c_char_p]),
        "PutRealNumberAsByteString": (c.c_int, [LINK, c.c_char_p]),
        "PutSize": (c.c_int, [LINK, c.c_int]),
        "PutData": (c.c_int, [LINK, c.c_char_p, c.c_int]),
        "GetArgCount": (c.c_int, [LINK, INT_OUT]),
        "GetFunction": (c.c_int, [LINK, POINTER(c.c_void_p), INT_OUT]),
        "GetString": (c.c_int, [LINK, POINTER(c.c_void_p)]),
        "ReleaseString": (None, [LINK, c.c_void_p]),
        "GetNumberAsString": (c.c_int, [LINK, POINTER(c.c_void_p)]),
        "GetNumberAsByteString": (c.c_int, [LINK, POINTER(c.c_void_p), POINTER(c.c_long), c.c_long]),
        "GetSymbol": (c.c_int, [LINK, POINTER(c.c_void_p)]),
        "ReleaseSymbol": (None, [LINK, c.c_void_p]),
        "GetByteString": (c.c_int, [LINK, POINTER(c.c_void_p), INT_OUT, c.c_long]),
        "ReleaseByteString": (None, [LINK, c.c_void_p, c.c_int]),
        "TransferExpression": (c.c_int, [LINK, LINK]),
    }
    for name in ("Activate", "Connect", "Ready", "Flush", "NextPacket", "NewPacket", "EndPacket", "GetNext", "GetType",
                 "GetRawType", "Error", "ClearError"):  # fmt: skip
        table[name] = (c.c_int, [LINK])
    for name, number in NUMBER_TYPES.items():
        data, dims, heads = POINTER(number), POINTER(c.c_int), POINTER(c.c_char_p)
        # PutReal32 takes its number as a C double, as old C declarations had it.
        table[f"Put{name}"] = (c.c_int, [LINK, c.c_double if name == "Real32" else number])
        table[f"Get{name}"] = (c.c_int, [LINK, data])
        table[f"Put{name}List"] = (c.c_int, [LINK, data, c.c_int])
        table[f"Get{name}List"] = (c.c_int, [LINK, POINTER(data), INT_OUT])
        table[f"Release{name}List"] = (None, [LINK, data, c.c_int])
        table[f"Put{name}Array"] = (c.c_int, [LINK, data, dims, heads, c.c_int])
        table[f"Get{name}Array"] = (c.c_int, [LINK, POINTER(data), POINTER(dims), POINTER(heads), INT_OUT])
        table[f"Release{name}Array"] = (None, [LINK, data, dims, heads, c.c_int])
    for name, unit in UNIT_TYPES.items():
        # The UCS-2 and UTF-32 readers give one length, the other two give units and characters.
        lengths = [INT_OUT] if name in {"UCS2", "UTF32"} else [INT_OUT, INT_OUT]
        for what in ("String", "Symbol"):
            table[f"Put{name}{what}"] = (c.c_int, [LINK, POINTER(unit), c.c_int])
            table[f"Get{name}{what}"] = (c.c_int, [LINK, POINTER(POINTER(unit)), *lengths])
            table[f"Release{name}{what}"] = (None, [LINK, POINTER(unit), c.c_int])
        table[f"GetNumberAs{name}String"] = (c.c_int, [LINK, POINTER(POINTER(unit)), *lengths])
        table[f"PutRealNumberAs{name}String"] = (c.c_int, [LINK, POINTER(unit), c.c_int])
        table[f"Put{name}Function"] = (c.c_int, [LINK, POINTER(unit), c.c_int, c.c_int])
    return table


CODECS = {"UTF8": "utf-8", "UCS2": "utf-16-le", "UTF16": "utf-16-le", "UTF32": "utf-32-le"}
WIDTHS = {"UTF8": 1, "UCS2": 2, "UTF16": 2, "UTF32": 4}


class CLibrary:
    """One loaded library and one environment in it.

    Args:
        path: the shared library, exporting its functions with the prefix ``WS`` or ``ML``.
        environment_id: the id to announce in the greeting (``-envid``); None for the library's own,
            which is empty.
    """

    def __init__(self, path: str, environment_id: str | None = None) -> None:
        with contextlib.suppress(OSError):
            # A library of 2015 calls libuuid and does not name it among the libraries it needs.
            c.CDLL("libuuid.so.1", mode=c.RTLD_GLOBAL)
        self._library = c.CDLL(path)
        self._prefix = "WS" if hasattr(self._library, "WSInitialize") else "ML"
        self._functions: dict[str, Any] = {}
        self.handlers: list[Any] = []
        for name, (result, arguments) in _prototypes().items():
            function = getattr(self._library, self._prefix + name, None)
            if function is None:
                continue
            function.restype = result
            function.argtypes = arguments
            self._functions[name] = function
        self.environment = self("Initialize", None)
        if not self.environment:
            raise CLibraryError("Initialize", 0, f"{path} could not be initialised")
        if environment_id is not None:
            self("SetEnvIDString", self.environment, environment_id.encode())

    def __call__(self, name: str, *arguments: Any) -> Any:
        """Call a function by its name without prefix, and return its result without a check."""
        return self._functions[name](*arguments)

    def open(self, arguments: Sequence[str]) -> CLink:
        """Open a link from an argument list, as ``-linkmode listen -linkprotocol TCPIP``.

        The link is still to be activated.
        """
        argv = (c.c_char_p * (len(arguments) + 2))(b"driver", *[a.encode() for a in arguments], None)
        error = c.c_int(0)
        link = self("OpenArgcArgv", self.environment, len(arguments) + 1, argv, byref(error))
        if not link:
            raise CLibraryError("OpenArgcArgv", error.value, " ".join(arguments))
        return CLink(self, link)

    def open_string(self, specification: str) -> CLink:
        """Open a link from one string, as a C program passes it to ``WSOpenString``."""
        error = c.c_int(0)
        link = self("OpenString", self.environment, specification.encode(), byref(error))
        if not link:
            raise CLibraryError("OpenString", error.value, specification)
        return CLink(self, link)

    def link_server(self, port: int = 0, interface: str = "127.0.0.1") -> CLinkServer:
        """Start a link server: one port that takes any number of UUID-mode links."""
        error = c.c_int(0)
        server = self(
            "NewLinkServerWithPortAndInterface",
            self.environment,
            port,
            interface.encode(),
            None,
            byref(error),
        )
        if not server:
            raise CLibraryError("NewLinkServerWithPortAndInterface", error.value, f"{port}@{interface}")
        return CLinkServer(self, server)


class CLinkServer:
    """One link server of the library."""

    def __init__(self, library: CLibrary, handle: int) -> None:
        self._library = library
        self._handle = handle
        # WaitForNewLinkFromLinkServer notices a client that comes while it waits only half a minute
        # later; a callback is called at once.
        self._clients: queue.Queue[int] = queue.Queue()
        handler = LINK_HANDLER(lambda _, link: self._clients.put(link))
        library.handlers.append(handler)
        library("RegisterCallbackFunctionWithLinkServer", handle, handler)

    @property
    def port(self) -> int:
        """Return the port on which it listens."""
        error = c.c_int(0)
        return int(self._library("PortFromLinkServer", self._handle, byref(error)))

    def accept(self) -> CLink:
        """Wait for the next client; its link is still to be activated."""
        return CLink(self._library, self._clients.get())

    def close(self) -> None:
        """Shut the server down."""
        self._library("ShutdownLinkServer", self._handle)


class CLink:
    """One link of the library: its calls by name (`call`), and some that combine several."""

    def __init__(self, library: CLibrary, handle: int) -> None:
        self._library = library
        self.handle = handle
        # A handler takes the messages; a thread of the library calls it. MessageReady and
        # GetMessage would race with that thread for the bytes of the connection. Then messages are
        # lost, or have the code of one and the parameter of another.
        self._messages: queue.Queue[tuple[int, int]] = queue.Queue()
        handler = MESSAGE_HANDLER(lambda _, code, parameter: self._messages.put((code, parameter)))
        library.handlers.append(handler)  # the library keeps its address
        self.call("SetMessageHandler", handler)

    def call(self, name: str, *arguments: Any) -> int:
        """Call ``name(link, *arguments)``.

        Raises:
            CLibraryError: the call returned 0.
        """
        result = int(self._library(name, self.handle, *arguments))
        if result == 0:
            raise self.error(name)
        return result

    def error(self, call: str) -> CLibraryError:
        """Return the link's error as an exception, without clearing it."""
        return CLibraryError(call, int(self._library("Error", self.handle)), self.error_message)

    @property
    def error_message(self) -> str:
        """Return the text of the link's error."""
        pointer = self._library("ErrorMessage", self.handle)
        text = c.string_at(pointer).decode() if pointer else ""
        if pointer:
            self._library("ReleaseErrorMessage", self.handle, pointer)
        return text

    @property
    def name(self) -> str:
        """Return the link's name: ``port@host,port@host`` for a listening link."""
        pointer = self._library("LinkName", self.handle)
        text = c.string_at(pointer).decode()
        self._library("ReleaseLinkName", self.handle, pointer)
        return text

    @property
    def peer_environment_id(self) -> str:
        """Return the id that the peer announced in its greeting."""
        pointer = c.c_void_p()
        self.call("GetLinkedEnvIDString", byref(pointer))
        return c.string_at(pointer.value).decode() if pointer.value else ""

    def ready(self) -> bool:
        """Tell whether there is data to read now."""
        return bool(self._library("Ready", self.handle))

    def close(self) -> None:
        """Close the link; the library sends message 9."""
        self._library("Close", self.handle)

    # -- messages

    def message(self, timeout: float) -> tuple[int, int] | None:
        """Return (code, parameter) of the next urgent message; None if none came in `timeout` s."""
        try:
            return self._messages.get(timeout=timeout)
        except queue.Empty:
            return None

    def take_message(self) -> tuple[int, int] | None:
        """Return (code, parameter) of an urgent message that is unread; None if there is none.

        Only for when the thread that calls the handler has slept through it.
        """
        if not self._library("MessageReady", self.handle):
            return None
        code, parameter = c.c_int(), c.c_int()
        self.call("GetMessage", byref(code), byref(parameter))
        return code.value, parameter.value

    # -- putting

    def put(self, name: str, *arguments: Any) -> None:
        """Put a value by the name of its call without ``Put``, as ``put("UTF8String", "text")``.

        The text of the ``UTF8``, ``UCS2``, ``UTF16`` and ``UTF32`` calls is a str. That of the
        8-bit calls (``String``, ``Symbol``, ``Function``, ``ByteString``, ...) is a str of code
        points below 256. ``...List`` takes a sequence. ``...Array`` takes a (nested) sequence or
        numpy array and, if wanted, the heads of its dimensions.
        """
        for unit in UNIT_TYPES:
            if name.startswith(unit) or name.startswith(f"RealNumberAs{unit}"):
                # Without a byte order mark the library takes UTF-16 and UTF-32 for big-endian.
                mark = "\ufeff" if unit in {"UTF16", "UTF32"} else ""
                data = (mark + arguments[0]).encode(CODECS[unit], "surrogatepass")
                units = len(data) // WIDTHS[unit]
                buffer = (UNIT_TYPES[unit] * (units + 1)).from_buffer_copy(data + bytes(WIDTHS[unit]))
                self.call(f"Put{name}", buffer, units, *arguments[1:])
                return
        for number, kind in NUMPY_TYPES.items():
            if name == f"{number}List":
                values = np.ascontiguousarray(arguments[0], dtype=kind)
                self.call(f"Put{name}", values.ctypes.data_as(POINTER(NUMBER_TYPES[number])), values.size)
                return
            if name == f"{number}Array":
                self._put_array(number, np.ascontiguousarray(arguments[0], dtype=kind), arguments[1:])
                return
        if name in {"ByteString", "ByteSymbol", "Data"}:
            data = arguments[0].encode("latin-1")
            self.call(f"Put{name}", data, len(data))
            return
        self.call(f"Put{name}", *[a.encode("latin-1") if isinstance(a, str) else a for a in arguments])

    def _put_array(self, number: str, values: npt.NDArray[Any], rest: tuple[Any, ...]) -> None:
        dims = (c.c_int * values.ndim)(*values.shape)
        heads = (c.c_char_p * values.ndim)(*[h.encode() for h in rest[0]]) if rest and rest[0] else None
        data = values.ctypes.data_as(POINTER(NUMBER_TYPES[number]))
        self.call(f"Put{number}Array", data, dims, heads, values.ndim)

    def put_flat(self, tokens: Sequence[FlatToken]) -> None:
        """Put the tokens of an expression one by one, in the library's preferred calls."""
        for kind, value in tokens:
            if kind == "F":
                self.call("PutType", TOKEN_FUNCTION)
                self.call("PutArgCount", value)
            elif kind == "#":
                self.put("UTF8Symbol", value)
            elif kind == '"':
                self.put("UTF8String", value)
            elif kind == "i":
                self.put_integer(int(value))
            elif kind == "r":
                self.put("Real64", float(value))
            else:
                # PutRealNumberAsString and the calls like it corrupt a text with a precision
                # (1.5`20).
                self.call("PutNext", TOKEN_REAL)
                self.put("String", value)

    def put_integer(self, value: int) -> None:
        """Put an integer of any size."""
        if -(2**31) <= value < 2**31:
            self.put("Integer32", value)
        elif -(2**63) <= value < 2**63:
            self.put("Integer64", value)
        else:
            # The C interface has no call for this: put an integer token whose data is text.
            self.call("PutNext", TOKEN_INTEGER)
            self.put("String", str(value))

    # -- getting

    def get_flat(self) -> list[FlatToken]:
        """Read one expression token by token (GetNext), and return its tokens in prefix order."""
        tokens: list[FlatToken] = []
        missing = 1
        while missing:
            tokens.append(self._token())
            missing -= 1
            if tokens[-1][0] == "F":
                missing += 1 + int(tokens[-1][1])
        return tokens

    def _token(self) -> FlatToken:
        kind = int(self._library("GetNext", self.handle))
        if kind == TOKEN_FUNCTION:
            count = c.c_int(0)
            self.call("GetArgCount", byref(count))
            return ["F", count.value]
        if kind == TOKEN_SYMBOL:
            return ["#", self.get_text("UTF8Symbol")]
        if kind == TOKEN_STRING:
            return ['"', self.get_text("UTF8String")]
        if kind == TOKEN_INTEGER:
            return ["i", self.get_text("NumberAsUTF8String")]
        if kind == TOKEN_REAL:
            # The raw type tells a machine number (a byte above 0x80) from one that is sent as text
            # ('*').
            if int(self._library("GetRawType", self.handle)) == TOKEN_REAL:
                return ["R", self.get_text("NumberAsUTF8String")]
            return ["r", repr(float(self.get_number("Real64")))]
        raise self.error(f"GetNext returned {kind}")

    def get_number(self, kind: str) -> int | float:
        """Read the next number as one of `NUMBER_TYPES`."""
        value = NUMBER_TYPES[kind]()
        self.call(f"Get{kind}", byref(value))
        result: int | float = value.value
        return result

    def get_text(self, name: str) -> str:
        """Read the next text by the name of a call without ``Get``, such as ``UTF8String``."""
        unit = next((u for u in UNIT_TYPES if u in name), None)
        if unit is None:
            return self._get_bytes(name)
        pointer = POINTER(UNIT_TYPES[unit])()
        units, characters = c.c_int(0), c.c_int(0)
        lengths = [byref(units)] if unit in {"UCS2", "UTF32"} else [byref(units), byref(characters)]
        self.call(f"Get{name}", byref(pointer), *lengths)
        data = c.string_at(pointer, units.value * WIDTHS[unit])
        self._library(f"Release{name.removeprefix('NumberAs')}", self.handle, pointer, units.value)
        if unit in {"UTF16", "UTF32"} and data[: WIDTHS[unit]] == "\ufeff".encode(CODECS[unit]):
            data = data[WIDTHS[unit] :]
        return data.decode(CODECS[unit], "surrogatepass")

    def _get_bytes(self, name: str) -> str:
        pointer = c.c_void_p()
        released = name.removeprefix("NumberAs")
        if released == "ByteString":
            length = c.c_int(0) if name == released else c.c_long(0)
            self.call(f"Get{name}", byref(pointer), byref(length), 0x1A)
            text = c.string_at(pointer.value or 0, length.value)
            self._library("ReleaseByteString", self.handle, pointer, length.value)
        else:
            self.call(f"Get{name}", byref(pointer))
            text = c.string_at(pointer.value or 0)
            self._library(f"Release{released}", self.handle, pointer)
        return text.decode("latin-1")

    def get_array(self, kind: str) -> tuple[npt.NDArray[Any], list[str]]:
        """Read the next expression as an array; return (a copy of it, its dimensions' heads)."""
        data = POINTER(NUMBER_TYPES[kind])()
        dims = POINTER(c.c_int)()
        heads = POINTER(c.c_char_p)()
        depth = c.c_int(0)
        self.call(f"Get{kind}Array", byref(data), byref(dims), byref(heads), byref(depth))
        shape = [dims[i] for i in range(depth.value)]
        names = [(heads[i] or b"").decode() for i in range(depth.value)]
        values = np.ctypeslib.as_array(data, shape=tuple(shape)).copy() if 0 not in shape else np.empty(shape)
        self._library(f"Release{kind}Array", self.handle, data, dims, heads, depth)
        return values.astype(NUMPY_TYPES[kind], copy=False), names

    def get_list(self, kind: str) -> npt.NDArray[Any]:
        """Read the next expression as a flat list of numbers."""
        data = POINTER(NUMBER_TYPES[kind])()
        count = c.c_int(0)
        self.call(f"Get{kind}List", byref(data), byref(count))
        values = np.ctypeslib.as_array(data, shape=(count.value,)).copy() if count.value else np.empty(0)
        self._library(f"Release{kind}List", self.handle, data, count)
        return values.astype(NUMPY_TYPES[kind], copy=False)


def digest(values: npt.NDArray[Any]) -> str:
    """Return the SHA-256 of an array's bytes, for the comparison of large arrays."""
    return hashlib.sha256(np.ascontiguousarray(values).data).hexdigest()
