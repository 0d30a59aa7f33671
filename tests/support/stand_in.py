"""A kernel for tests: a WSTP program that answers at once and does what a test asks of it.

| evaluated | answer |
|---|---|
| `Say["text", n]` | n TextPackets, then Null |
| `Count["text", n]` | the same, each text behind its number and a space |
| `Wait[]` | `$Aborted`, when message 3 comes |
| `Stubborn[]` | `$Aborted`, when SIGINT comes; it ignores message 3 |
| `Deaf[]` | none, ever; it ignores message 3 and SIGINT |
| `Hoard[n]` | Null; n bytes more are in use from now on |
| `Grow[x]` | `{x, n}`; n is how often it was asked to grow, this time included |
| `Exit[n]` | TextPacket["bye"], then the process exits with status n |
| `Daemon[n]` | the id of a process of its own session, whose parent has ended, with n bytes |
| `Pid[]`, `Arguments[]` | the process id, the command line |
| `Defined[]` | the names that were Set |
| `Zeros[n]` | n machine reals |
| `Size[array]` | the number of its leaves |
| `Tell[code]` | Null, after message `code` was sent to the client |
| `Switch[Get[file], ...]` | an initialisation, which `initialise()` carries out |
| `Switch[ToExpression[code], ...]` | the same |
| `Await["file"]` | the text of that file, once it has one |
| `Nonsense[]` | bytes that are no tokens |
| `Early[]` | a ReturnPacket that ends before its argument, then Null |
| `Question["text"]` | the client's answer to an InputStringPacket |
| anything else | itself |

Options: `-noprompt` sends no prompts. `-exitatonce n` writes a line and exits with status n.
`-silent` never connects. `-uuid` connects in UUID mode. `-await file` connects when there is such a
file. `-licences folder n` runs only while fewer than n others run with that folder.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "src"))

import wstp
from wstp import Expr, Function, Message, MessageCode, Symbol

HOARD: list[np.ndarray] = []
GROWN: list[Expr] = []


def main(arguments: list[str]) -> int:
    if "-exitatonce" in arguments:
        print("no licence for this machine", flush=True)
        return int(arguments[arguments.index("-exitatonce") + 1])
    if "-licences" in arguments:
        at = arguments.index("-licences")
        if not licensed(arguments[at + 1], int(arguments[at + 2])):
            print("Mathematica 99.0 Kernel for Nowhere\n\nMathematica cannot find a valid password.\n", flush=True)
            return 1
    if "-silent" in arguments:
        print("thinking", flush=True)
        time.sleep(600)
    if "-await" in arguments:
        while not os.path.exists(arguments[arguments.index("-await") + 1]):
            time.sleep(0.01)
    name = arguments[arguments.index("-linkname") + 1]
    limits = wstp.Limits(total_size=2**32, token_size=2**31)
    link = wstp.connect(name, mode="uuid" if "-uuid" in arguments else "default", timeout=10, limits=limits)
    try:
        return serve(link, arguments)
    except (wstp.LinkClosed, wstp.LinkLost):
        return 0


def licensed(folder: str, number: int) -> bool:
    """Take one of a number of licences until the process ends; tell whether one was free."""
    for each in range(number):
        descriptor = os.open(os.path.join(folder, str(each)), os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
        else:
            return True
    return False


def serve(link: wstp.Link, arguments: list[str]) -> int:
    line = 1
    aborts: list[int] = []
    terminated: list[int] = []

    def note(message: Message) -> None:
        # An abort is for the packet that is being evaluated or read.
        {MessageCode.ABORT: aborts, MessageCode.TERMINATE: terminated}.get(MessageCode(message.code), []).append(message.code)

    link.on_message = note
    defined: list[str] = []
    prompts = "-noprompt" not in arguments
    if prompts:
        put(link, "InputNamePacket", f"In[{line}]:= ")
    while True:
        packet = link.get()
        if terminated:
            return 0
        match packet:
            case Function(head=Symbol(name="EvaluatePacket"), args=(Function(head=Symbol(name="Exit"), args=(int(status),)),)):
                put(link, "TextPacket", "bye")
                link.close()
                return status
            case Function(head=Symbol(name="EvaluatePacket"), args=(Function(head=Symbol(name="Quit")),)):
                link.close()
                return 0
            case Function(head=Symbol(name="EvaluatePacket"), args=(expression,)):
                put(link, "ReturnPacket", evaluate(link, expression, arguments, defined, aborts))
                aborts.clear()
            case Function(head=Symbol(name="EnterTextPacket"), args=(text,)):
                put(link, "ReturnTextPacket", text)
                line += 1
                if prompts:
                    put(link, "InputNamePacket", f"In[{line}]:= ")
            case _:
                pass  # as kernels do


def evaluate(link: wstp.Link, expression: Expr, arguments: list[str], defined: list[str], aborts: list[int]) -> Expr:
    match expression:
        case Function(head=Symbol(name="CompoundExpression"), args=parts):
            for part in parts:
                if isinstance(part, Function) and part.head == Symbol("Set"):
                    defined.append(f"{part.args[0].name}={part.args[1]}")  # type: ignore[union-attr]
            return Symbol("Null")
        case Function(head=Symbol(name="Switch"), args=(Function(head=Symbol(name=kind), args=(str(given),)), *_)):
            return initialise(link, kind, given, defined)
        case Function(head=Symbol(name="Say"), args=(text, int(times))):
            for _ in range(times):
                put(link, "TextPacket", text)
            return Symbol("Null")
        case Function(head=Symbol(name="Nonsense")):
            link.put_raw([b"\x01\x02"])
            return Symbol("Null")
        case Function(head=Symbol(name="Early")):
            link.put_raw([b"FA#OA~LReturnPacket\n]"])
            return Symbol("Null")
        case Function(head=Symbol(name="Count"), args=(str(text), int(times))):
            for number in range(times):
                put(link, "TextPacket", f"{number} {text}")
            return Symbol("Null")
        case Function(head=Symbol(name="Flow"), args=(str(text),)):
            while not aborts:
                put(link, "TextPacket", text)
                link.wait(0)
            return Symbol("$Aborted")
        case Function(head=Symbol(name="Wait")):
            while not aborts:
                link.wait(0.1)
            return Symbol("$Aborted")
        case Function(head=Symbol(name="Hoard"), args=(int(count),)):
            HOARD.append(np.ones(count, np.uint8))
            return Symbol("Null")
        case Function(head=Symbol(name="Grow"), args=(item,)):
            GROWN.append(item)
            return [item, len(GROWN)]
        case Function(head=Symbol(name="Daemon"), args=(int(count),)):
            return daemon(count)
        case Function(head=Symbol(name="Stubborn")):
            try:
                while True:
                    time.sleep(600)
            except KeyboardInterrupt:
                return Symbol("$Aborted")
        case Function(head=Symbol(name="Deaf")):
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            while True:
                time.sleep(600)
        case Function(head=Symbol(name="Pid")):
            return os.getpid()
        case Function(head=Symbol(name="Arguments")):
            return list(arguments)
        case Function(head=Symbol(name="Defined")):
            return list(defined)
        case Function(head=Symbol(name="Zeros"), args=(int(count),)):
            return np.zeros(count)
        case Function(head=Symbol(name="Size"), args=(np.ndarray() as array,)):
            return array.size
        case Function(head=Symbol(name="Await"), args=(str(file),)):
            while not (os.path.exists(file) and os.path.getsize(file)) and not aborts:
                link.wait(0.02)
            if aborts:
                return Symbol("$Aborted")
            with open(file) as opened:
                return opened.read()
        case Function(head=Symbol(name="Question"), args=(text,)):
            put(link, "InputStringPacket", text)
            answer = link.get()
            assert isinstance(answer, Function)
            return answer.args[0]
        case Function(head=Symbol(name="Tell"), args=(int(code),)):
            link.put_message(code, 7)
            return Symbol("Null")
        case _:
            return expression


def daemon(count: int) -> int:
    code = f"kept = bytearray(b'x') * {count}; import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    shell = 'setsid "$1" -c "$2" &'
    started = subprocess.Popen(["bash", "-c", shell, "bash", sys.executable, code], stdout=subprocess.PIPE)
    assert started.stdout is not None
    pid = int(started.stdout.readline())
    started.wait()
    return pid


def initialise(link: wstp.Link, kind: str, given: str, defined: list[str]) -> Expr:
    """Carry out an initialisation, one command a line.

    The commands are `say TEXT`, `exit N`, `hang`, `fail`, `abort` and `define NAME`.
    """
    if kind == "Get":
        try:
            with open(given) as file:
                given = file.read()
        except OSError:
            put(link, "MessagePacket", Symbol("Get"), "noopen")
            put(link, "TextPacket", f"Get::noopen: Cannot open {given}.\n")
            return "gave $Failed"
    for line in given.splitlines():
        word, _, rest = line.partition(" ")
        match word:
            case "say":
                put(link, "TextPacket", rest + "\n")
            case "exit":
                link.close()
                os._exit(int(rest))
            case "hang":
                time.sleep(600)
            case "fail":
                return "gave $Failed"
            case "abort":
                return Symbol("$Aborted")
            case "define":
                defined.append(rest)
    return "done"


def put(link: wstp.Link, head: str, *arguments: Expr) -> None:
    link.put(Symbol(head)(*arguments), end_packet=True)
    link.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
