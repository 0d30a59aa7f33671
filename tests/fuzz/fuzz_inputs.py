"""Feed wrong input to everything else that a server or a client reads: messages of the bus,
commands, configurations, profiles, keys, journals, advertisements, and files that are none.

Each ends in a value or in the typed error that its reader promises. What is said of it is a line
of bounded length that steers no terminal. A journal loses rows and gains none.

Run: python tests/fuzz/fuzz_inputs.py --seconds 60 [--seed N [--round N]].
"""

from __future__ import annotations

import json
import os
import random
import socket
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from fuzzing import main
from journals import damaged, many_records, record, written

from kernelbus.bus.broker.keeper import Keeper
from kernelbus.bus.broker.sessions import SessionTable
from kernelbus.bus.channel.frames import HEADER_SIZE, decode_frame
from kernelbus.bus.errors import FrameError, MessageError
from kernelbus.bus.plaintext import plain
from kernelbus.bus.protocol import messages, orders, reports
from kernelbus.bus.protocol.codec import decode, encode
from kernelbus.bus.protocol.messages import KernelReport, Open, PoolReport, Register
from kernelbus.bus.protocol.orders import PoolOrder
from kernelbus.bus.protocol.schema import Message
from kernelbus.bus.security.keys import KeysError, KeyStore
from kernelbus.bus.settings import config
from kernelbus.frontend import commands
from kernelbus.frontend.discovery.found import Record, listing
from kernelbus.frontend.discovery.services import BUS_TYPE, POOL_TYPE, server_type, write_text
from kernelbus.shell.clients import discover
from kernelbus.shell.clients.profile import ProfileError, ProfileFile
from wstp import Expr, Symbol
from wstp.packets import packet

#: Nothing that is said of wrong input is longer, in characters.
LONGEST = 4000
#: Texts that steer terminals, forge lines, or are not what is expected.
NASTY = (
    "", "\x1b[2J", "\x1b]0;title\x07", "a\nb", "a\r\nERROR forged", "\x9b1m", "\u202eevil", "\u2066x\u2069", "\ufeff", "\0",
    "\ud800", "é" * 3, "x" * 300, "../../etc/passwd", "%s%n", "{}", "Infinity", "-1", "1e999", "tcp://*:1", "\U000e0041",
)  # fmt: skip
VALUES = (None, True, False, 0, -1, 2**31, 2**63, 2**64, 10**30, 1.5, -0.0, float("nan"), float("inf"), [], {}, [[]], {"": None})

FOLDER = tempfile.TemporaryDirectory(prefix="kernelbus-fuzz-")
HOME = Path(FOLDER.name)
RECORDS = many_records(60)
WHOLE = written(HOME / "whole.sqlite", RECORDS).read_bytes()

POOL = PoolReport("P", True, True, 0, 8, 0, 0, 0, 1, 64)
KERNEL = KernelReport("0123456789abcdef0123456789abcdef", "P", "attached", 1, channel=5, prompt="In[1]:= ", attachments=1)
MESSAGES = [
    encode(message)
    for message in (
        Register("id", "host", "h", "1", [POOL], [KERNEL]),
        Register("id", "frontend", "f", "1"),
        Open(1, "client", "P", False, "", True, False, 0, "", "asked", True, None),
        PoolOrder(1, "me@here", "P", "resize", 1, 2),
        reports.StatusRequest(1, "me@here", True, True),
    )
]
NAMES = [name for module in (messages, orders, reports) for name in module.__all__]
CONFIG = Path(__file__).resolve().parents[2].joinpath("configs", "wstpserver.conf").read_text()
PROFILE = {"Version": 1, "Server": "31415@127.0.0.1", "Kernel": "k" * 32, "Pool": "P", "ResumePoint": 3, "Token": "t"}
KEYS = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7 alpha this one\n# a comment\nyne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID beta\n"


def said(text: str, keep: str = "") -> None:
    """Insist that a text about wrong input is short, and steers nothing."""
    assert len(text) <= LONGEST, len(text)
    assert text == plain(text, keep), ascii(text)


def one_line(text: str) -> None:
    """Insist that a text is one line, so that no refusal forges another."""
    assert len(text.splitlines()) == 1, ascii(text)


def nested(rng: random.Random) -> object:
    """Return a value that is no fit for anything."""
    kind = rng.random()
    if kind < 0.4:
        return rng.choice(VALUES)
    if kind < 0.8:
        return rng.choice(NASTY)
    if kind < 0.9:
        return [nested(rng) for _ in range(rng.randrange(4))]
    return {str(nested(rng)): nested(rng) for _ in range(rng.randrange(3))}


def altered(rng: random.Random, value: object) -> object:
    """Return a value of JSON with something in it replaced."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        found = dict(value)
        key = rng.choice(sorted(found))
        kind = rng.random()
        if kind < 0.15:
            del found[key]
        elif kind < 0.3:
            found[str(rng.choice(NASTY))] = nested(rng)
        else:
            found[key] = altered(rng, found[key])
        return found
    if isinstance(value, list) and value and rng.random() < 0.8:
        at = rng.randrange(len(value))
        return value[:at] + [altered(rng, value[at])] * rng.choice((0, 1, 1, 3)) + value[at + 1 :]
    return nested(rng)


def bent(rng: random.Random, data: bytes) -> bytes:
    """Return bytes with some of them changed."""
    found = bytearray(data)
    for _ in range(rng.choice((0, 1, 1, 2, 8))):
        at = rng.randrange(len(found) + 1)
        match rng.randrange(4):
            case 0:
                found[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                del found[at : at + rng.choice((1, 3, 40))]
            case 2:
                found[at:at] = rng.choice(NASTY).encode("utf-8", "surrogatepass")
            case 3:
                del found[at:]
    return bytes(found)


def as_json(rng: random.Random, value: object) -> bytes:
    """Return altered JSON, most of it still JSON."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        value = altered(rng, value)
    if rng.random() < 0.05:
        depth = rng.choice((100, 100_000))
        return b"[" * depth + b"]" * depth
    data = json.dumps(value).encode()
    return bent(rng, data) if rng.random() < 0.2 else data


def check_control_message(rng: random.Random, data: bytes) -> None:
    """Decode an altered message of the bus, and write it again."""
    content = json.loads(rng.choice(MESSAGES))
    if rng.random() < 0.3:
        content["message"] = rng.choice(NAMES)
    if rng.random() < 0.3:
        content["protocol"] = str(rng.choice((*NASTY, "1.0", "1.99", "2.0", "99999999999999999999.1")))
    if rng.random() < 0.02:
        content["pools"] = [{"pool": f"P{number}"} for number in range(40_000)]
    try:
        message = decode(as_json(rng, content))
    except MessageError as error:
        said(plain(str(error)))
    else:
        assert isinstance(message, Message)
        assert isinstance(encode(message), bytes)
    with suppress(MessageError):
        decode(data)


def check_frame(rng: random.Random, data: bytes) -> None:
    """Decode a frame of random bytes."""
    try:
        decode_frame(data[: rng.choice((HEADER_SIZE, HEADER_SIZE, 3))], data[HEADER_SIZE:])
    except FrameError as error:
        said(str(error))


class _Target:
    """A link that carries nothing out."""

    kernel = pool = ""
    replaceable = False
    resume_point = 0

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *arguments: None


def expression(rng: random.Random, depth: int = 0) -> Expr:
    """Return an argument of a command, or what is none."""
    match rng.randrange(8 if depth < 3 else 5):
        case 0:
            return rng.choice((0, -1, 2**63, 10**99, 10**100, 10**5000, 1.5, float("nan")))
        case 1 | 2:
            return rng.choice(("P", "k" * 32, *(text for text in NASTY if text != "\ud800")))
        case 3:
            return Symbol(rng.choice(("True", "False", "None", "Automatic", "x`y")))
        case 4:
            return rng.choice((b"bytes", 3 + 4j, []))  # type: ignore[return-value]
        case 5:
            name = rng.choice(("Pool", "Wait", "Resume", "Parallel", "KeepAlive", "Profile", *NASTY[:3]))
            return Symbol("Rule")(name, expression(rng, depth + 1))
        case 6:
            return [expression(rng, depth + 1) for _ in range(rng.randrange(3))]
        case _:
            return Symbol("Association")(*(expression(rng, depth + 1) for _ in range(rng.randrange(3))))


def check_command(rng: random.Random, data: bytes) -> None:
    """Carry out a command with arguments of any kind, and one that cannot be read."""
    name = rng.choice((*commands.COMMANDS, "Nothing", "\x1b[2J", "x" * 1000))
    arguments = []
    for _ in range(rng.randrange(4)):
        with suppress(Exception):  # an argument that cannot be sent
            packet("f", argument := expression(rng))
            arguments.append(argument)
    try:
        whole = encoded(commands.CONTEXT + name, arguments)
    except (TypeError, ValueError, NotImplementedError):
        return
    for sent in (whole, bent(rng, whole), data):
        try:
            found = commands.read(sent)
            commands.asks_for_kernel(found)
            commands.needs_no_kernel(found)
            commands.gives_token(found)
            commands.run(_Target(), found)  # type: ignore[arg-type]
        except commands.CommandRefused as refused:
            said(plain(str(refused)))
            one_line(str(refused))


def encoded(head: str, arguments: list[Expr]) -> bytes:
    """Return an expression as bytes."""
    from wstp import write_expression

    return b"".join(bytes(piece) for piece in write_expression(Symbol(head)(*arguments)))


def check_configuration(rng: random.Random, data: bytes) -> None:
    """Load an altered configuration."""
    if rng.random() < 0.5:
        text = bent(rng, CONFIG.encode()).decode("utf-8", "replace")
    else:
        limits = {"Links": 3, "Window": 9}
        whole = {"Pools": {"P": {"MinimumKernelNumber": 1}}, "Limits": limits, "Access": {"Allow": ["attached"]}}
        text = as_json(rng, whole).decode("utf-8", "replace")
    try:
        config.loads(text)
    except config.ConfigError as error:
        for problem in error.problems:
            said(plain(problem))


def check_files(rng: random.Random, data: bytes) -> None:
    """Read as a configuration, a profile and keys what is no file, or has anything in it."""
    folder = HOME / "files"
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / "it.json"
    with suppress(FileNotFoundError):
        path.unlink()
    kind = rng.choice(("pipe", "device", "folder", "socket", "huge", "link", "loop", "closed", "bytes", "bytes", "profile", "profile"))
    listening = socket.socket(socket.AF_UNIX)
    match kind:
        case "pipe":
            os.mkfifo(path, 0o600)
        case "device":
            path.symlink_to(rng.choice(("/dev/zero", "/dev/random", "/dev/null", "/dev/tty")))
        case "folder":
            path.symlink_to(HOME)
        case "socket":
            listening.bind(str(path))
        case "huge":
            with open(path, "wb") as file:
                file.truncate(1 << 40)
        case "link":
            path.symlink_to("nowhere")
        case "loop":
            path.symlink_to(path)
        case "closed":
            path.write_bytes(data)
            path.chmod(0o000)
        case "bytes":
            path.write_bytes(data)
        case "profile":
            path.write_bytes(as_json(rng, PROFILE))
    try:
        read_all(rng, path, data)
    finally:
        listening.close()


def read_all(rng: random.Random, path: Path, data: bytes) -> None:
    """Read a path as everything that is read."""
    try:
        config.load(path)
    except config.ConfigError as error:
        for problem in error.problems:
            said(plain(problem))
    try:
        profile = ProfileFile(str(path)).read()
    except ProfileError as error:
        said(plain(str(error)))
    else:
        assert profile.kernel
    for name in ("allowed-keys", "machine.key"):
        place = HOME / "keys" / name
        place.parent.mkdir(mode=0o700, exist_ok=True)
        with suppress(FileNotFoundError):
            place.unlink()
        os.rename(path, place) if not path.is_symlink() and name == "machine.key" and path.exists() else place.symlink_to(path)
        store = KeyStore(place.parent)
        for look in (store.pair, lambda store=store: store.entries()):
            try:
                look()
            except KeysError as error:
                said(plain(str(error)))
        with suppress(FileNotFoundError):
            place.unlink()


def check_keys(rng: random.Random, data: bytes) -> None:
    """Read a damaged list of allowed keys."""
    store = KeyStore(HOME / "keys")
    store.folder.mkdir(mode=0o700, exist_ok=True)
    store.allowed_file.write_bytes(bent(rng, KEYS.encode()))
    store.allowed_file.chmod(0o600)
    try:
        for entry in store.entries().values():
            said(plain(entry.name))
    except KeysError as error:
        said(plain(str(error)))
    finally:
        store.allowed_file.unlink()


def check_advertisements(rng: random.Random, data: bytes) -> None:
    """List what others advertise, and show it."""
    found = []
    for _ in range(rng.randrange(1, 5)):
        entries = [
            (key, rng.choice((*NASTY, "31415@192.0.2.1", "0@::1", "99999@x", "1", "wstp")).encode("utf-8", "replace").decode())
            for key in ("linkname", "protocol", "pool", "server", "ready", "maximum", "default", "key", rng.choice(NASTY[:7]) or "k")
        ]
        try:
            text = write_text([(key, value) for key, value in entries if key.isascii() and rng.random() < 0.8])
        except (ValueError, UnicodeError):
            text = b""
        addresses = [rng.choice(("192.0.2.1", "127.0.0.1", "::1", "fe80::1", "fd00::1", "224.0.0.1", "x", *NASTY)) for _ in range(3)]
        kind = rng.choice((server_type("wstpserver"), POOL_TYPE, BUS_TYPE))
        label, host = rng.choice((*NASTY, "WSTPServer-Instance-a")), rng.choice((*NASTY, "alpha.local."))
        text = bent(rng, text) if rng.random() < 0.5 else text
        found.append(Record(kind, label, host, rng.randrange(-1, 70_000), tuple(addresses), text, rng.random() < 0.5))
    shown = listing(found, "wstpserver")
    said(discover._server_table(shown.servers), keep="\n")
    said(discover._broker_table(shown), keep="\n")
    json.dumps(discover._as_json(shown))


def check_journal(rng: random.Random, data: bytes) -> None:
    """Start with a damaged journal: whole rows are read, no other, and it is written again."""
    folder = Path(tempfile.mkdtemp(dir=HOME))
    path = folder / "journal.sqlite"
    path.write_bytes(damaged(WHOLE, rng) if rng.random() < 0.9 else data)
    if rng.random() < 0.3:
        path.with_name(path.name + "-wal").write_bytes(data)
    keeper = Keeper(path, 0.0, 1000.0)
    assert set(keeper.records) <= set(RECORDS), "rows that were never written"
    table = SessionTable()
    table.restore([record("new-one")], 1000.0)
    for each in keeper.records[:3]:
        table.restore([each], 1000.0)
    keeper.write(table, 1.0, 1001.0)
    assert not keeper.problem, keeper.problem
    keeper.close()
    for each in sorted(folder.iterdir()):
        each.unlink()
    folder.rmdir()


CHECKS = (
    check_control_message, check_frame, check_command, check_configuration, check_files, check_keys, check_advertisements, check_journal,
)  # fmt: skip


def make(rng: random.Random) -> bytes:
    """Return the bytes of a round."""
    return rng.randbytes(rng.choice((0, 3, 70, 200, 5000)))


if __name__ == "__main__":
    sys.exit(main("Feed wrong input to what a server reads.", CHECKS, make))
