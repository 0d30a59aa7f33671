"""Be an engine: read questions from standard input, have Woxi answer, write to standard output.

:mod:`kernelbus.kernelhost.mathics.engine.process` starts this file as a program, in an interpreter
that imports Woxi and next to nothing else: it is there in some 20 ms, and small. So nothing of
kernelbus is imported here. :mod:`kernelbus.kernelhost.mathics.engine.talk` describes the bytes.

The arguments are: the folder that has Woxi; the filter of system calls in hexadecimal, or ``-``;
the most bytes of data, or 0; and the id of the process that has started this one, with which this
one ends.
"""

import ctypes
import os
import signal
import sys
from typing import Any

__all__ = ["main"]

_PDEATHSIG, _NO_NEW_PRIVS, _SECCOMP, _FILTER = 1, 38, 22, 2


def _confine(program: bytes) -> None:
    """Let this process make no other system calls than the filter allows.

    Raises:
        OSError: the system does not allow filters.
    """

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))

    libc = ctypes.CDLL(None, use_errno=True)
    given = Program(len(program) // 8, program)
    if libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(_SECCOMP, _FILTER, ctypes.byref(given), 0, 0):
        raise OSError(ctypes.get_errno(), "no filter of system calls")


def _read(length: int) -> bytes:
    """Return the next bytes of standard input, less if it has ended."""
    data = bytearray()
    while len(data) < length and (more := os.read(0, length - len(data))):
        data += more
    return bytes(data)


def _line() -> bytes:
    data = bytearray()
    while not data.endswith(b"\n") and (more := os.read(0, 1)):
        data += more
    return bytes(data)


def _write(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


def _answer(woxi: Any, kind: str, text: str) -> "tuple[str, str, str]":
    try:
        if kind == "picture":
            found = woxi.evaluate(text, print_to_stdout=True)
            return "done", found.result, found.graphics or found.svg or ""
        return "done", woxi.interpret(text), ""
    except woxi.WolframError as error:
        return "wrong", str(error), ""
    except BaseException as error:
        # A panic of Rust. What it was about has gone to standard error.
        return "broken", f"{type(error).__name__}: {error}", ""


def main(argv: "list[str]") -> int:
    """Answer questions until there are no more, and return the exit status.

    Returns:
        0; 113: the process cannot be confined; 114: Woxi has failed.
    """
    folder, given, memory, parent = argv
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):
        return 0
    # Only the kernel acts on an interrupt; it kills this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.path.append(folder)
    import woxi

    woxi.set_messages_to_stdout(True)
    # What is made when it is first used is made now, and files are read that it needs.
    woxi.interpret("1 + 1; DateString[]; RandomReal[]")
    if int(memory):
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (int(memory), int(memory)))
    if given != "-":
        try:
            _confine(bytes.fromhex(given))
        except OSError:
            return 113
    while header := _line():
        nonce, kind, seed, length = header.decode().split()
        text = _read(int(length)).decode()
        if seed != "-":
            woxi.seed_rng(int(seed))
        status, value, picture = _answer(woxi, kind, text)
        if status != "broken":
            # Lines are written at their ends: this ends one that has no end.
            woxi.interpret('WriteString["stdout", "\\n"]')
        first, second = value.encode(errors="replace"), picture.encode(errors="replace")
        _write(f"\x04{nonce} {status} {len(first)} {len(second)}\n".encode() + first + second)
        if status == "broken":
            return 114
        woxi.clear_state()
    return 0


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))
