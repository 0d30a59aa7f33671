"""Clients that use kernels as programs do, and know what each answer must be.

A customer has one session at a time. It breaks links, half sends, does not read, leaves and comes
back, through any frontend, while others kill what is in between. It counts the packets that it
has read and names the next one when it comes back (``"Resume" -> n``), so that each packet must
come exactly once. The kernel counts what it was asked to do, so that a request that was carried
out and whose answer never comes is found.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import TimeoutError as FutureTimeout

import numpy as np
import psutil
from actors import Actor
from asking import EVALUATE, command
from record import LOST, STUCK, WRONG, Owned, Record
from serving import ROOT
from sites import Site

import wstp
from kernelbus import EvaluationAborted, EvaluationFailed, KernelDied, KernelPool, NoKernel
from wstp import Expr, Function, Symbol, write_expression

__all__ = ["Customer", "OneShots", "Program"]

#: What is raised when a link ends, or cannot be made.
GONE = (wstp.LinkClosed, wstp.LinkLost, wstp.ConnectFailed, OSError)
#: How long a customer waits for anything, in seconds.
PATIENCE = 150.0

RESULT = Symbol("ReturnPacket")
ABORTED = Symbol("$Aborted")


class Over(Exception):
    """The session is over; the text says what the server said of that."""


class Wrong(Exception):
    """An answer is not what it must be."""


def code(text: str) -> Function:
    """Return what evaluates a text."""
    return Symbol("ToExpression")(text)


class Customer(Actor):
    """A client that uses kernels of one pool."""

    def __init__(self, name: str, site: Site, record: Record, pool: str) -> None:
        super().__init__(name, site, record)
        self.pool = pool
        self.embedded = pool == "M"
        self.link: wstp.Link | None = None
        self.session: Owned | None = None
        self.taken: int | None = None  #: packets of the session that were read; None: not known
        self.probes = 0
        self.awaited = 0  #: the probe that was sent after the last request; 0: none
        self.unanswered = 0  #: the last probe, until its answer comes
        self.trail: deque[str] = deque(maxlen=30)  #: what was sent and came last
        self.broken = 0  #: how many links of it have ended
        self.debris = False  #: whether part of a request may have reached the kernel

    # ------------------------------------------------------------------ one visit

    def act(self) -> None:
        """Attach, ask a few things, and go in one way or another."""
        try:
            if self.session is None:
                self.begin()
            elif self.link is None:
                self.come_back(fresh=self.random.random() < 0.3)
                self.expect_nothing()
            for _ in range(self.random.randrange(1, 12)):
                self.random.choice([self.grow, self.grow, self.grow, self.echo, self.stream, self.abort, self.question])()
                if self.session is None or self.over:
                    return
            self.leave()
        except Over as over:
            self.see_over(str(over))
        except Wrong as wrong:
            self.complain(WRONG, wrong)
        except wstp.LinkTimeout as late:
            self.complain(STUCK, late)
        except wstp.PacketFault as fault:
            self.complain(WRONG, fault)

    @property
    def shown(self) -> str:
        """The session, for reports."""
        session = self.session
        return "no session" if session is None else f"kernel {session.kernel[:8]} (process {session.pid}, of host {session.host})"

    def see_over(self, said: str) -> None:
        """Note that the session is over; that is a loss unless somebody has ended it on purpose."""
        shown = self.shown
        session, self.session = self.session, None
        assert session is not None
        why = self.record.explain(session)
        self.record.count(f"sessions over: {why or 'lost'}")
        if not why:
            self.tell(LOST, f"{shown} is over, and nobody ended it: {said}", session)
        self.drop()

    def tell(self, kind: str, text: str, session: Owned | None = None) -> None:
        """Note a fault, with what came before it and what the logs say of the session."""
        session = session or self.session
        logged = self.site.lines(session.kernel[:8]) if session is not None else []
        self.fault(kind, "\n".join([text, "it sent (>) and got (<) last:", *self.trail, "in the logs:", *logged]))

    def complain(self, kind: str, what: Exception) -> None:
        """Note what is wrong, and close the session, so that it is not found wrong again."""
        self.tell(kind, f"{self.shown}: {what}")
        self.drop()
        session, self.session = self.session, None
        if session is not None:
            self.record.close(self.now, session.kernel)
            with contextlib.suppress(Over, Wrong, wstp.WSTPError, *GONE):
                self.open(command("Reconnect", session.kernel))
                self.put(command("CloseKernel"))
                while self.link is not None and self.link.next_packet(PATIENCE) != RESULT(session.kernel):
                    pass
        self.drop()

    def drop(self) -> None:
        """Break the link."""
        if self.link is not None:
            self.link.abort()
            self.link = None

    def finish(self) -> None:
        """End the session."""
        if self.session is None:
            self.drop()
            return
        try:
            self.be_ready()
            self.grow()
            self.be_ready()
            self.end()
        except Over as over:
            self.see_over(str(over))
        except (Wrong, wstp.PacketFault) as wrong:
            self.complain(WRONG, wrong)
        except wstp.LinkTimeout as late:
            self.complain(STUCK, late)
        self.drop()

    # ------------------------------------------------------------------ links

    def open(self, request: Function) -> str:
        """Open a link with a request for a kernel; return the kernel's id, or raise.

        Raises:
            Over: there is no such kernel any more.
        """
        deadline = time.monotonic() + PATIENCE
        refusal = ""
        began = time.monotonic()
        while time.monotonic() < deadline:
            front = self.random.choice(self.site.fronts)
            try:
                link = wstp.connect(f"{front.port}@127.0.0.1", mode="uuid", timeout=30)
            except (*GONE, wstp.LinkTimeout, wstp.RemoteProtocolError) as error:
                self.record.error("no link", str(error))
                time.sleep(0.1)
                continue
            try:
                link.put(request, end_packet=True)
                tags, texts, value = self.answer_of_server(link)
            except GONE as error:
                self.record.error("link ended before the answer", str(error))
                link.abort()
                time.sleep(0.05)
                continue
            except BaseException:
                link.abort()
                raise
            if isinstance(value, str):
                self.link = link
                self.record.waited("attach", time.monotonic() - began)
                return value
            link.abort()
            refusal = " ".join(texts)
            self.record.error("refused", refusal)
            if "unknownkernel" in tags:
                raise Over(refusal)
            time.sleep(0.1)
        self.fault(STUCK, f"{self.shown}: no kernel in {PATIENCE:.0f} s: {refusal}")
        raise Wrong(f"it gets no kernel: {refusal}")

    def answer_of_server(self, link: wstp.Link) -> tuple[list[str], list[str], Expr]:
        """Read the answer to a command: the tags and texts of its messages, and its value.

        Raises:
            ConnectionAbortedError: the server closes the link, and has said why. The answer to the
                command may stand between the message that says so and its text.
        """
        tags, texts = [], []
        while True:
            packet = link.next_packet(PATIENCE)
            if packet.head == Symbol("MessagePacket") and packet.args[0] == Symbol("WSTPServer`Kernel"):
                while (packet := link.next_packet(PATIENCE)).head != Symbol("TextPacket"):
                    pass
                raise ConnectionAbortedError(str(packet.args[0]))
            if packet.head == Symbol("MessagePacket"):
                tags.append(str(packet.args[1]))
            elif packet.head == Symbol("TextPacket"):
                texts.append(str(packet.args[0]))
            elif packet.head == RESULT:
                return tags, texts, packet.args[0]

    def begin(self) -> None:
        """Get a fresh kernel."""
        asked = self.now
        kernel = self.open(command("ConnectKernel", Symbol("Rule")("Pool", self.pool)))
        self.session = Owned(kernel, 0, 0, asked)
        self.taken, self.awaited, self.debris = None, 0, False
        self.record.count("sessions")
        self.synchronise()
        pid = self.request(code("$ProcessID") if self.embedded else Symbol("Pid")())
        if not isinstance(pid, int):
            raise Wrong(f"its process is {pid!r}")
        self.session.pid = pid
        hosts = {slot.pid for slot in self.site.hosts}
        with contextlib.suppress(psutil.Error):
            parents = [process.pid for process in psutil.Process(pid).parents()]
            self.session.host = next((parent for parent in parents if parent in hosts), 0)

    def come_back(self, fresh: bool = False) -> None:
        """Go back to the session.

        `fresh`: bring nothing old; else what was not taken, or all from the next packet on where
        that is known.
        """
        session = self.session
        assert session is not None
        self.drop()
        self.record.count("returns")
        if fresh:
            name = self.open(command("ConnectKernel", session.kernel))
            self.taken = None
        else:
            options = () if self.taken is None else (Symbol("Rule")("Resume", self.taken),)
            name = self.open(command("Reconnect", session.kernel, *options))
        self.trail.append(f"  is back: {'fresh' if fresh else self.taken}")
        if name != session.kernel:
            raise Wrong(f"asked for kernel {session.kernel[:8]}, got {name[:8]}")
        self.send_probe()
        if fresh:
            # Nothing old comes; this shows it.
            self.expect_nothing()
            self.synchronise()
            self.send_probe()

    def send_probe(self) -> None:
        """Ask for something that shows that all before it was answered."""
        self.probes += 1
        self.awaited = self.unanswered = self.probes
        with contextlib.suppress(*GONE):  # reading finds it out
            self.put(EVALUATE(["probe", self.probes]))

    def put(self, packet: Function) -> None:
        assert self.link is not None
        self.trail.append(f"> {str(packet)[:80]}")
        self.link.put(packet, end_packet=True)
        self.link.flush(timeout=PATIENCE)

    def read_to_probe(self) -> list[Function]:
        """Return what comes before the answer to the probe."""
        found = []
        while (packet := self.next_packet()) is not None:
            found.append(packet)
        return found

    def synchronise(self) -> None:
        """Learn how many packets of the session were read; the kernel is idle, and all was read."""
        while self.taken is None:
            try:
                if self.link is None:
                    self.come_back()
                else:
                    self.send_probe()
                self.read_to_probe()
                assert self.link is not None
                self.put(command("ResumePoint"))
                _, texts, value = self.answer_of_server(self.link)
            except GONE as error:
                self.link_ended(error)
                continue
            if not isinstance(value, int):
                raise Wrong(f"its resume point is {value!r}: {texts}")
            self.taken = value

    def next_packet(self) -> Function | None:
        """Return the session's next packet, whatever happens to links meanwhile.

        None: everything that the kernel had been asked before has been answered, since it has
        answered a probe.
        """
        said = ""
        while True:
            if self.link is None:
                self.come_back()
            assert self.link is not None
            try:
                packet = self.link.next_packet(PATIENCE)
            except GONE as error:
                self.link_ended(error, said)
                continue
            if packet.head == Symbol("MessagePacket") and "WSTPServer`" in str(packet.args[0]):
                with contextlib.suppress(*GONE):
                    said = self.words_of_server(packet)
                continue
            self.trail.append(f"< {str(packet)[:80]}")
            if self.taken is not None:
                self.taken += 1
            if packet.head == Symbol("InputNamePacket"):
                continue
            match packet:
                case Function(head=Symbol(name="ReturnPacket"), args=(["probe", int(number)],)):
                    if number == self.unanswered:
                        self.unanswered = 0
                    if number == self.awaited:
                        return None
                    if number > self.probes:
                        raise Wrong(f"{packet} answers what was never asked")
                    continue
            return packet

    def words_of_server(self, packet: Function) -> str:
        """Return why the server closes the link.

        What a host says so is part of the session, and is counted; what a frontend says is not.
        """
        assert self.link is not None
        counted = packet.args[0] == Symbol("WSTPServer`Kernel")
        if counted and self.taken is not None:
            self.taken += 1
        said = str(self.link.next_packet(PATIENCE).args[0])
        if counted and self.taken is not None:
            self.taken += 1
        return said

    def link_ended(self, error: BaseException, said: str = "") -> None:
        """Note that the link has ended, and let it go."""
        self.record.error("link ended", said or str(error))
        self.broken += 1
        self.trail.append(f"! {said or str(error)[:80]}")
        self.drop()

    # ------------------------------------------------------------------ what it asks

    def request(self, expression: Expr, judge: Callable[[Function], bool] = lambda packet: False) -> Expr:
        """Evaluate, whatever happens to links meanwhile, and return the value.

        Args:
            expression: what is evaluated, again when it never arrived.
            judge: is called with each packet before the answer, and returns whether it is right.
        """
        while True:
            if self.link is None:
                self.come_back()
                self.expect_nothing()
            self.awaited = 0
            before = 0
            try:
                self.put(EVALUATE(expression))
            except GONE as error:
                self.link_ended(error)
            while (packet := self.next_packet()) is not None:
                if packet.head == RESULT:
                    self.record.count("evaluations")
                    return packet.args[0]
                if not judge(packet):
                    raise Wrong(f"{packet} comes before the answer to {str(expression)[:80]}")
                before += 1
            if before:
                raise Wrong(f"{before} packets came of {str(expression)[:80]}, and its answer never did")

    def be_ready(self) -> None:
        """Have a link, over which nothing comes that was asked for before."""
        if self.link is None:
            self.come_back()
        if self.unanswered:
            self.expect_nothing()

    def expect_nothing(self) -> None:
        """Read to the probe; nothing may come before, but answers to the debris of a request."""
        came = self.read_to_probe()
        if came and not self.debris:
            raise Wrong(f"{len(came)} packets come that nobody asked for: {str(came)[:200]}")
        self.debris = False

    def grow(self) -> None:
        """Have the kernel count; it must have counted exactly what was asked for."""
        session = self.session
        assert session is not None
        tag = session.grown + 1
        asked = time.monotonic()
        if self.embedded:
            value = self.request(code(f"grown = Append[If[ListQ[grown], grown, {{}}], {tag}]; {{{tag}, Length[grown]}}"))
        else:
            value = self.request(Symbol("Grow")(tag))
        self.record.waited("answer", time.monotonic() - asked)
        if not isinstance(value, list):
            raise Wrong(f"its answer to request {tag} is {str(value)[:80]}")
        if value == [tag, tag + 1] and self.broken:
            session.grown = tag + 1
            self.tell(LOST, f"{self.shown}: request {tag} was carried out, and its answer never came")
        elif value != [tag, tag]:
            raise Wrong(f"its answer to request {tag} is {value!r}")
        session.grown = tag

    def echo(self) -> None:
        """Send an array, and get it back."""
        broken = self.broken
        array = np.full(self.random.randrange(1, 3000 if self.embedded else 300_000), self.random.random())
        value = self.request(array)
        if self.broken != broken:
            self.debris = True  # part of it may have been completed, and answered
        elif not isinstance(value, np.ndarray | list) or not np.array_equal(np.asarray(value), array):
            raise Wrong(f"an array of {array.size} numbers came back as {str(value)[:80]}")

    def texts(self) -> tuple[Expr, int]:
        """Return what makes a kernel print numbered texts, and how many."""
        number = self.random.randrange(1, 60)
        if self.embedded:
            return code(f"Do[Print[i, {'x' * self.random.randrange(200)!r}], {{i, 0, {number - 1}}}]".replace("'", '"')), number
        return Symbol("Count")(" " + "x" * self.random.randrange(10_000), number), number

    def stream(self) -> None:
        """Have it print; each text must come once and in order, also if the link breaks."""
        expression, number = self.texts()
        breaks = self.random.randrange(number) if self.random.random() < 0.3 else -1
        count = 0

        def judge(packet: Function) -> bool:
            nonlocal count
            if packet.head != Symbol("TextPacket") or _number(str(packet.args[0])) != count:
                return False
            count += 1
            if count - 1 == breaks:
                self.link_ended(ConnectionAbortedError("it breaks the link itself"))
            return True

        value = self.request(expression, judge)
        if count != number or value != Symbol("Null"):
            raise Wrong(f"{count} texts of {number} came, and the answer is {str(value)[:80]}")

    def abort(self) -> None:
        """Have it work for ever, and abort that."""
        work = code(self.random.choice(["Pause[600]", "While[True]"])) if self.embedded else Symbol("Wait")()
        wait = self.random.random() * 0.2

        def go() -> None:
            assert self.link is not None
            self.put(EVALUATE(work))
            time.sleep(wait)
            asked = time.monotonic()
            self.link.put_message(wstp.MessageCode.ABORT)
            if (packet := self.plain()) != RESULT(ABORTED):
                raise Wrong(f"the answer to an abort is {packet}")
            self.record.waited("abort", time.monotonic() - asked)

        self.fragile(go)

    def question(self) -> None:
        """Have it ask, and answer."""
        asks = code('InputString["? "]') if self.embedded else Symbol("Question")("? ")

        def go() -> None:
            self.put(EVALUATE(asks))
            if (packet := self.plain()) != Symbol("InputStringPacket")("? "):
                raise Wrong(f"instead of a question {packet} comes")
            self.put(Symbol("TextPacket")("forty-two"))
            if (packet := self.plain()) != RESULT("forty-two"):
                raise Wrong(f"the answer to an answer is {packet}")

        self.fragile(go)

    def plain(self) -> Function:
        """Return the next packet of this link that is no answer to a probe.

        Raises:
            ConnectionAbortedError: the server closes the link, and has said why.
        """
        while True:
            assert self.link is not None
            packet = self.link.next_packet(PATIENCE)
            if packet.head == Symbol("MessagePacket") and "WSTPServer`" in str(packet.args[0]):
                raise ConnectionAbortedError(self.words_of_server(packet))
            if self.taken is not None:
                self.taken += 1
            self.trail.append(f"< {str(packet)[:80]}")
            return packet

    def fragile(self, go: Callable[[], None]) -> None:
        """Do what cannot be gone on with over another link; where its link ends, the kernel is
        closed.
        """
        self.be_ready()
        self.awaited = 0
        try:
            go()
            self.record.count("evaluations")
        except GONE as error:
            self.link_ended(error)
            session = self.session
            assert session is not None
            self.open(command("Reconnect", session.kernel))
            self.end()

    # ------------------------------------------------------------------ how it goes

    def leave(self) -> None:
        """Go in one way or another."""
        session = self.session
        assert session is not None
        self.be_ready()
        way = self.random.choice(["stay", "close", "vanish", "half", "unread", "let go", "end", "kill", "not kept"])
        if way in ("end", "kill", "not kept") and self.random.random() < 0.5:
            way = "stay"  # sessions become older
        self.record.count(f"leaving: {way}")
        self.trail.append(f"  leaves: {way}")
        try:
            {
                "stay": lambda: None,
                "close": self.close,
                "vanish": self.drop,
                "half": self.send_half,
                "unread": self.leave_unread,
                "let go": self.let_go,
                "end": self.end,
                "kill": self.kill,
                "not kept": self.end_by_leaving,
            }[way]()
        except GONE as error:
            self.link_ended(error)

    def close(self) -> None:
        """Close the link in order."""
        assert self.link is not None
        self.link.close()
        self.link = None

    def send_half(self) -> None:
        """Send part of a request, and vanish."""
        assert self.link is not None
        whole = b"".join(bytes(piece) for piece in write_expression(EVALUATE(np.zeros(self.random.randrange(1, 300_000)))))
        self.debris = True
        self.link.put_raw([whole[: self.random.randrange(len(whole))]])
        self.link.flush(timeout=PATIENCE)
        self.drop()

    def leave_unread(self) -> None:
        """Ask for much, vanish before it comes, and come back for it."""
        expression, number = self.texts()
        self.awaited = 0
        self.put(EVALUATE(expression))
        time.sleep(self.random.random() * 0.1)
        self.drop()
        if self.random.random() < 0.3:
            self.come_back(fresh=True)
            self.expect_nothing()
            return
        self.come_back()
        came = self.read_to_probe()
        numbers = [_number(str(packet.args[0])) for packet in came if packet.head == Symbol("TextPacket")]
        # A request that was not read before its link ended is not carried out.
        if came and (numbers != list(range(number)) or came[-1] != RESULT(Symbol("Null"))):
            raise Wrong(f"of {number} texts that were left unread {len(numbers)} come: {numbers[:3]}...{numbers[-3:]}, {came[-1]}")

    def let_go(self) -> None:
        """Disconnect from the kernel, and go back to it over the same link."""
        session = self.session
        assert session is not None and self.link is not None
        self.put(command("Disconnect"))
        *_, value = self.answer_of_server(self.link)
        if value != session.kernel:
            raise Wrong(f"Disconnect gives {value}")
        self.put(command("Reconnect", session.kernel, Symbol("Rule")("Resume", self.taken)))
        _, texts, value = self.answer_of_server(self.link)
        if value != session.kernel:
            self.record.error("refused", " ".join(texts))
            self.drop()
            return
        self.send_probe()
        self.expect_nothing()

    def end(self) -> None:
        """Close the kernel."""
        session = self.session
        assert session is not None and self.link is not None
        self.record.close(self.now, session.kernel)
        self.put(command("CloseKernel"))
        self.session = None
        with contextlib.suppress(*GONE):
            # Answers to what was asked before may come first.
            while self.link.next_packet(PATIENCE) != RESULT(session.kernel):
                pass
        self.drop()

    def end_by_leaving(self) -> None:
        """Say that the kernel is not to be kept, and leave it."""
        session = self.session
        assert session is not None and self.link is not None
        self.record.close(self.now, session.kernel)
        self.put(command("KeepAlive", Symbol("False")))
        *_, value = self.answer_of_server(self.link)
        self.session = None
        if value != Symbol("False"):
            raise Wrong(f"KeepAlive gives {value}")
        self.close()

    def kill(self) -> None:
        """Kill the kernel, and read what is said of that."""
        session = self.session
        assert session is not None
        self.record.kill_kernel(self.now, session.pid)
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(session.pid).kill()
        self.record.event(self.now, "kernel killed by its client", str(session.pid))
        while self.next_packet() is not None:
            pass  # it was asked for nothing; this ends with the session


def _number(text: str) -> int:
    digits = text.split()[0].rstrip("x\n") if text.split() else ""
    return int(digits) if digits.isdigit() else -1


class Program(Actor):
    """A program that computes on several kernels at once, with `KernelPool`."""

    def act(self) -> None:
        """Open a pool, compute, and close it."""
        front = self.random.choice(self.site.fronts)
        numbers = [self.random.randrange(10**6) for _ in range(self.random.randrange(1, 60))]
        try:
            with KernelPool(f"wstp://127.0.0.1:{front.port}/M", 2) as pool:
                cancelled = pool.evaluate("While[True]") if self.random.random() < 0.3 else None
                for number, value in zip(numbers, pool.map("#^2 + 1 &", numbers, timeout=PATIENCE), strict=True):
                    if value != number**2 + 1:
                        self.fault(WRONG, f"KernelPool: {number}^2 + 1 is {value}")
                    self.record.count("evaluations")
                if cancelled is not None:
                    cancelled.cancel()
        except (KernelDied, NoKernel, EvaluationAborted, *GONE) as error:
            self.record.error(f"KernelPool: {type(error).__name__}", str(error))
        except (FutureTimeout, EvaluationFailed) as error:
            self.fault(STUCK if isinstance(error, FutureTimeout) else WRONG, f"KernelPool: {type(error).__name__}: {error}")
        self.record.count("pools of programs")
        self.pause(0.5, 4)


class OneShots(Actor):
    """People who say `kernelbus eval`, and sometimes kill it."""

    def act(self) -> None:
        """Evaluate something on a command line."""
        front = self.random.choice(self.site.fronts)
        number = self.random.randrange(1000)
        killed = self.random.random() < 0.2
        text = f"Pause[{self.random.random():.2f}]; {number}^2"
        words = [sys.executable, "-m", "kernelbus.shell.main", "eval", "--server", f"{front.port}@127.0.0.1", "--timeout", "120", text]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT / "src")
        try:
            said, complained = process.communicate(timeout=self.random.uniform(0.2, 1.5) if killed else PATIENCE)
            self.record.count("evaluations")
            if process.returncode:
                self.record.error(f"eval: status {process.returncode}", complained.strip().splitlines()[-1] if complained.strip() else "")
            elif said.strip() != str(number**2):
                self.fault(WRONG, f"eval: {text} is {said!r}")
        except subprocess.TimeoutExpired:
            if not killed:
                self.fault(STUCK, f"eval: {text}: no answer in {PATIENCE:.0f} s")
            process.kill()
            process.communicate()
        self.pause(2, 8)
