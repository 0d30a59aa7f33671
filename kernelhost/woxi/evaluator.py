"""The process that evaluates: it has Woxi's state, and a copy of itself for the case of an abort.

Before each evaluation the process forks. The child waits until its parent is gone. If the parent
has answered, it kills the child; if the parent was killed, or Woxi has crashed, the child goes on
with the state from before, and says so with a mark and its process id.

Requests and answers are lines of JSON on a socket. What code prints goes to the process's standard
output as it is printed.
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import json
import os
import re
import signal
import socket
import sys
import time
from typing import Any, Final, NoReturn

__all__ = ["LINE_BREAK", "MARK_SIZE", "evaluate_for_ever"]

#: What stands before the end of a line that was not printed, but made to have the line written.
LINE_BREAK: Final = "\x1e"

#: The bytes of the mark; the process id follows as 8 bytes.
MARK_SIZE: Final = 16

_PR_SET_PDEATHSIG: Final = 1
#: What the value is given to, so that it can be written once more. `%` is not set by every input.
_VALUE: Final = "WSTPServer`Private`value"
_PARSE_ERROR: Final = re.compile(r"--> (\d+):(\d+)")


def evaluate_for_ever(requests: socket.socket, mark: bytes) -> NoReturn:
    """Evaluate what is requested; never return.

    Args:
        requests: the socket for requests and answers.
        mark: what a copy says before its process id when it goes on.
    """
    try:
        _evaluate(requests, mark)
    except OSError:
        os._exit(0)  # nobody is there any more
    finally:
        # Whatever happens, this process does nothing else.
        os._exit(1)


def _evaluate(requests: socket.socket, mark: bytes) -> NoReturn:
    import woxi

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _die_with_parent()
    _end_at_once()
    while True:
        line = _read_line(requests)
        if not line:
            os._exit(0)
        reader, writer = os.pipe()
        parent = os.getpid()
        copy = os.fork()
        if not copy:
            os.close(writer)
            while os.read(reader, 1):
                pass
            os.close(reader)
            # The pipe ends a moment before the parent does.
            while os.getppid() == parent:
                time.sleep(0.0005)
            _die_with_parent()
            requests.sendall(mark + os.getpid().to_bytes(8, "big"))
            continue
        os.close(reader)
        answer = json.dumps(_answer(woxi, json.loads(line))).encode() + b"\n"
        requests.sendall(answer)
        os.kill(copy, signal.SIGKILL)
        os.waitpid(copy, 0)
        os.close(writer)


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _end_at_once() -> None:
    """Have ``Exit[n]`` end the process without what libraries do at its end.

    They were loaded by the process that this one is a copy of, and some crash here: their threads
    are not in the copy.
    """
    library = ctypes.CDLL(None)
    with contextlib.suppress(AttributeError):  # other C libraries than glibc do not have it
        library.on_exit(ctypes.cast(library._exit, ctypes.c_void_p), None)


def _read_line(requests: socket.socket) -> bytes:
    data = bytearray()
    while not data.endswith(b"\n"):
        more = requests.recv(1 << 20)
        if not more:
            return b""
        data += more
    return bytes(data)


def _answer(woxi: Any, request: dict[str, str]) -> dict[str, Any]:
    """Evaluate, and return the value as text and, if it has one, in WXF; or what is wrong."""
    answer: dict[str, Any] = {"text": "", "wxf": "", "warnings": [], "wrong": []}
    wants_value = request["wants"] == "value"
    code = f"{_VALUE} = ({request['code']})" if wants_value else request["code"]
    try:
        found = woxi.evaluate(code, print_to_stdout=True)
    except woxi.WolframError as error:
        place = _PARSE_ERROR.search(str(error))
        answer["wrong"] = [str(error), *([int(place[1]), int(place[2])] if place else [])]
        return answer
    except BaseException as error:
        # A panic of Rust.
        answer["wrong"] = [f"Woxi has failed: {type(error).__name__}: {error}"]
        return answer
    answer.update(text=found.result, warnings=list(found.warnings), picture=bool(found.graphics))
    if found.stdout and not found.stdout.endswith("\n"):
        # The rest of a line waits in Rust's buffer until the line ends.
        woxi.interpret(f'WriteString["stdout", "{LINE_BREAK}\\n"]')
    if wants_value:
        answer["wxf"] = _wxf(woxi)
    return answer


def _wxf(woxi: Any) -> str:
    """Return the last value in WXF as base64; "" if Woxi cannot write it."""
    try:
        text = woxi.evaluate(f"BaseEncode[BinarySerialize[{_VALUE}]]").result
        return text if base64.b64decode(text, validate=True).startswith(b"8:") else ""
    except Exception:
        return ""
