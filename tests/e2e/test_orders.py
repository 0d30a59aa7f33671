"""Orders of administrators, on parts that are separate processes.

Hosts are drained and evicted, pools are paused and configurations reloaded under load, and brokers
are restarted meanwhile.
"""

from __future__ import annotations

import itertools
import os
import secrets
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from asking import EVALUATE, answers, command, connect, order, value
from serving import Part, stand_in_pool, wait_until, write_config

import wstp
from kernelbus.bus.client import AdminClient, BrokerUnreachable, OrderRefused
from kernelbus.bus.protocol.orders import (
    HostOrder,
    KernelOrder,
    LogLevelOrder,
    PoolOrder,
    ReloadOrder,
    SessionOrder,
    StartOrder,
)
from kernelbus.bus.protocol.reports import HostStatus, PoolStatus, Status
from wstp import Function, Symbol

BUS = {"HeartbeatInterval": 0.2, "HeartbeatTimeout": 1.5, "Journal": ""}
LIMITS = {"HostTimeout": 20, "ConnectionTimeout": 40}


class Site:
    """A broker and a frontend for all tests, and each test's hosts, with a pool of its own."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.stack = stack
        self.folder = folder
        self.config = folder / "kernelbus.conf"
        self.names = itertools.count(1)
        self.begin(stack)
        self.broker = self.start("broker", "--bus", "tcp://127.0.0.1:0", ready="Broker listening")
        self.endpoint = self.broker.endpoint
        self.frontend = self.start("frontend", "--bus", self.endpoint, "-p", "0")
        self.console = stack.enter_context(AdminClient(self.endpoint, secrets.token_bytes, sender="tester@here"))

    def begin(self, stack: ExitStack) -> None:
        """Begin a test; `stack` ends its processes and links."""
        self.test = stack
        self.name = f"Pool{next(self.names)}"
        self.pool = stand_in_pool(self.folder)
        self.configure()

    def configure(self, pools: dict[str, object] | None = None, **limits: object) -> None:
        write_config(self.config, Pools=pools or {self.name: self.pool}, Bus=BUS, Limits={**LIMITS, **limits})

    def start(self, *words: str, ready: str = "Listening for new connections", stack: ExitStack | None = None) -> Part:
        return (stack or self.stack).enter_context(Part(*words, "-l", "debug", "-c", str(self.config), ready=ready))

    def host(self, name: str) -> Part:
        host = self.start("host", "--bus", self.endpoint, "--name", name, ready="has joined", stack=self.test)
        self.until(lambda status: any(h.name == name and h.cores for h in status.hosts), f"host {name} has told of itself")
        self.until(lambda status: self.pool_of(status).ready >= len(status.hosts), "a kernel is ready on each host")
        return host

    def until(self, holds: Callable[[Status], object], what: str) -> Status:
        """Wait until the status fulfils the condition, and return it."""
        found: list[Status] = []

        def look() -> bool:
            try:
                found[:] = [self.console.status()]
            except BrokerUnreachable:
                return False
            return bool(holds(found[0]))

        wait_until(look, what)
        return found[0]

    def pool_of(self, status: Status, name: str = "") -> PoolStatus:
        name = name or self.name
        return next((pool for pool in status.pools if pool.pool == name), PoolStatus(name, "", *[False] * 3, *[0] * 7, 0.0, 0, 0))

    @staticmethod
    def host_of(status: Status, name: str) -> HostStatus | None:
        return next((host for host in status.hosts if host.name == name), None)

    def attach(self) -> tuple[wstp.Link, str]:
        link = connect(self.frontend)
        self.test.callback(link.abort)
        kernel = order(link, command("KernelID"))
        assert isinstance(kernel, str)
        return link, kernel


@pytest.fixture(scope="module")
def whole_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with ExitStack() as stack:
        yield Site(tmp_path_factory.mktemp("site"), stack)


@pytest.fixture
def site(whole_site: Site) -> Iterator[Site]:
    with ExitStack() as stack:
        whole_site.begin(stack)
        yield whole_site
    whole_site.until(lambda status: not status.hosts, "all hosts have left")


LOST = (wstp.LinkClosed, wstp.LinkLost)


def last_words(link: wstp.Link) -> list[str]:
    """Read until the link ends, and return what came."""
    said = []
    while True:
        try:
            said.append(str(link.get(timeout=30)))
        except LOST:
            return said


def host_with(site: Site, kernel: str) -> str:
    return next(known.host for known in site.console.status().kernels if known.kernel == kernel)


def ended(part: Part) -> int:
    """Wait until a process has ended by itself, and return its status."""
    wait_until(lambda: part.process.poll() is not None, "it ends by itself")
    return part.process.wait()


def test_a_drained_host_keeps_its_sessions_and_ends_when_it_is_empty(site: Site) -> None:
    hosts = {"alpha": site.host("alpha")}
    link, kernel = site.attach()
    hosts["beta"] = site.host("beta")
    answer = site.console.order(HostOrder(0, "", "alpha", "drain"))
    assert answer.parts[0].lines == ["host alpha gives no kernels out; it has 1 session left, then it ends"]
    site.until(lambda status: (found := site.host_of(status, "alpha")) and found.state == "draining", "it is shown as draining")
    others = [site.attach() for _ in range(2)]
    assert {host_with(site, other) for _, other in others} == {"beta"}
    assert value(link, Symbol("f")(1)) == Symbol("f")(1), "its session goes on"
    link.close()
    again, _ = site.attach()
    assert order(again, command("Disconnect"))
    assert order(again, command("ConnectKernel", kernel)) == kernel, "and can be gone back to"
    assert hosts["alpha"].process.poll() is None
    assert order(again, command("CloseKernel")) == kernel
    assert ended(hosts["alpha"]) == 0
    status = site.until(lambda status: site.host_of(status, "alpha") is None, "it is gone")
    assert status.health == "healthy", status.problems


def test_a_host_gives_kernels_out_again_when_it_is_resumed(site: Site) -> None:
    site.host("alpha")
    link, _ = site.attach()
    site.console.order(HostOrder(0, "", "alpha", "drain"))
    site.until(lambda status: site.pool_of(status).ready == 0, "its kernels that waited are ended")
    site.console.order(HostOrder(0, "", "alpha", "resume"))
    site.attach()
    assert value(link, 1) == 1


def test_an_evicted_host_ends_at_once(site: Site) -> None:
    alpha = site.host("alpha")
    link, kernel = site.attach()
    site.console.order(HostOrder(0, "", "alpha", "evict"))
    assert ended(alpha) == 0
    last_words(link)
    status = site.until(lambda status: not status.hosts, "it is gone")
    assert status.problems == ["no kernel host has registered with the broker"]
    assert "evict" in alpha.logged("the host is evicted")[0]
    over = site.console.status(over=True).kernels
    assert (kernel, "ended") in [(known.kernel, known.state) for known in over]


def test_a_host_that_hangs_can_be_given_up(site: Site) -> None:
    alpha = site.host("alpha")
    link, kernel = site.attach()
    alpha.process.send_signal(signal.SIGSTOP)
    try:
        status = site.until(lambda status: (found := site.host_of(status, "alpha")) and found.state == "suspect", "it is suspect")
        assert status.health == "degraded"
        assert "host alpha has been silent" in status.problems[0]
        site.console.order(HostOrder(0, "", "alpha", "evict"))
        last_words(link)
        assert site.console.status().hosts == []
        over = site.console.status(over=True).kernels
        assert (kernel, "lost") in [(known.kernel, known.state) for known in over]
    finally:
        alpha.process.send_signal(signal.SIGCONT)
    site.until(lambda status: site.host_of(status, "alpha"), "it comes back, and is a host again")


def test_clients_wait_for_a_paused_pool_and_lose_nothing(site: Site) -> None:
    site.pool["MaximumKernelNumber"] = 12
    site.configure()
    site.host("alpha")
    site.console.order(PoolOrder(0, "", site.name, "resize", 2, 12))
    refused = site.console.status().refused
    stop, done, failures = threading.Event(), [0, 0], list[BaseException]()

    def work(which: int) -> None:
        try:
            while not stop.is_set():
                with connect(site.frontend) as link:
                    assert order(link, command("KeepAlive", Symbol("False"))) == Symbol("False")
                    assert value(link, which) == which
                    done[which] += 1
        except BaseException as error:
            failures.append(error)

    workers = [threading.Thread(target=work, args=(which,)) for which in range(2)]
    for worker in workers:
        worker.start()
    try:
        for _ in range(5):
            before = list(done)
            site.console.order(PoolOrder(0, "", site.name, "pause"))
            status = site.until(lambda status: site.pool_of(status).waiting == 2, "both clients wait")
            assert site.pool_of(status).state == "paused"
            held = list(done)
            assert done == held, "nobody is served meanwhile"
            site.console.order(PoolOrder(0, "", site.name, "resume"))
            wait_until(lambda before=before: all(now > then for now, then in zip(done, before, strict=True)) or failures, "both go on")
            assert failures == []
    finally:
        stop.set()
        site.console.order(PoolOrder(0, "", site.name, "resume"))
        for worker in workers:
            worker.join(60)
    assert failures == []
    assert site.console.status().refused == refused


def test_a_pool_can_be_drained_resized_and_resumed(site: Site) -> None:
    site.host("alpha")
    link, _ = site.attach()
    site.console.order(PoolOrder(0, "", site.name, "drain"))
    status = site.until(lambda status: site.pool_of(status).ready + site.pool_of(status).starting == 0, "none is kept ready")
    assert (site.pool_of(status).state, status.health) == ("draining", "healthy")
    refused = wstp.connect(site.frontend.server, mode="uuid", timeout=10)
    site.test.callback(refused.abort)
    assert "is being drained" in last_words(refused)[-1]
    assert value(link, 1) == 1, "sessions go on"
    with pytest.raises(OrderRefused, match="a minimum of 5 is more than the maximum of 3"):
        site.console.order(PoolOrder(0, "", site.name, "resize", 5, 3))
    site.console.order(PoolOrder(0, "", site.name, "resize", 3, 4))
    site.console.order(PoolOrder(0, "", site.name, "resume"))
    site.until(lambda status: site.pool_of(status).ready == 3, "three are kept ready, as was ordered while it was drained")
    with pytest.raises(OrderRefused, match="at its maximum of 4"):
        site.console.order(StartOrder(0, "", site.name))
    site.console.order(PoolOrder(0, "", site.name, "resize", 1))
    status = site.until(lambda status: site.pool_of(status).ready == 1, "the others are ended")
    assert (site.pool_of(status).minimum, site.pool_of(status).maximum) == (1, 4)
    site.until(lambda status: len(status.kernels) == 2, "their places are free")
    site.console.order(StartOrder(0, "", site.name, "alpha"))
    site.until(lambda status: site.pool_of(status).ready == 2, "one more is started")
    assert value(link, 1) == 1


def test_what_was_ordered_of_a_pool_outlives_the_broker_and_holds_for_hosts_that_come(site: Site) -> None:
    site.host("alpha")
    site.console.order(PoolOrder(0, "", site.name, "resize", 2, 5))
    site.console.order(PoolOrder(0, "", site.name, "pause"))
    site.broker.kill()
    site.broker = site.start("broker", "--bus", site.endpoint, ready="Broker listening")
    site.until(lambda status: site.pool_of(status).state == "paused", "its host has told the new broker")
    site.start("host", "--bus", site.endpoint, "--name", "beta", ready="has joined", stack=site.test)
    status = site.until(lambda status: site.pool_of(status).maximum == 10, "the host that came keeps to it too")
    assert (site.pool_of(status).state, site.pool_of(status).minimum) == ("paused", 4)


def test_a_configuration_is_read_again_under_load_and_no_session_is_dropped(site: Site) -> None:
    alpha = site.host("alpha")
    links = [site.attach() for _ in range(3)]
    pids = [value(link, Symbol("Pid")()) for link, _ in links]
    for link, _ in links:
        link.put(EVALUATE(Symbol("Wait")()), end_packet=True)
        link.flush(timeout=10)
    kernels = {kernel for _, kernel in links}
    site.until(lambda status: {k.kernel for k in status.kernels if k.busy} == kernels, "all evaluate")
    changed = {**site.pool, "MinimumKernelNumber": 2, "KernelOptions": "-two"}
    site.configure({site.name: changed, "New": {**site.pool, "KernelOptions": "-new"}}, HostTimeout=25, Window=9_000_000)
    answer = site.console.order(ReloadOrder(0, ""))
    said = {part.part: part.lines for part in answer.parts}
    assert "changed: Limits.HostTimeout: 20.0 -> 25.0" in said["broker"]
    host = next(lines for part, lines in said.items() if part == "host alpha")
    assert "changed: Pools.New is new" in host
    assert f"changed: Pools.{site.name}.MinimumKernelNumber: 1 -> 2" in host
    assert any("kernels that wait for a first client are replaced" in line for line in host)
    assert "needs a restart: Limits.Window: 8388608 -> 9000000" in host
    site.until(lambda status: (site.pool_of(status).ready, site.pool_of(status, "New").ready) == (2, 1), "the pools are as the file says")
    for link, kernel in links:
        site.console.order(KernelOrder(0, "", kernel[:6], "abort"))
        assert answers(link)[-1].args[0] == Symbol("$Aborted")
    assert [value(link, Symbol("Pid")()) for link, _ in links] == pids
    fresh, _ = site.attach()
    assert "-two" in str(value(fresh, Symbol("Arguments")()))
    # A pool that the file no longer names goes when it is empty; a faulty file changes nothing.
    site.configure({"New": {**site.pool, "KernelOptions": "-new"}})
    assert any(f"pool {site.name} is drained, and goes when its last session has ended" in line for line in host_lines(site))
    assert value(links[0][0], 1) == 1
    for link, _ in [*links, (fresh, "")]:
        assert order(link, command("CloseKernel"))
    site.until(lambda status: [pool.pool for pool in status.pools] == ["New"], "the pool is gone")
    newest, _ = site.attach()
    assert "-new" in str(value(newest, Symbol("Arguments")()))
    site.config.write_text('{"Pools": {"New": {"MinimumKernelNumber": "x"}}}')
    with pytest.raises(OrderRefused, match=r"kernelbus.conf:1: Pools.New.MinimumKernelNumber: .*the configuration is as it was"):
        site.console.order(ReloadOrder(0, ""))
    os.kill(alpha.process.pid, signal.SIGHUP)
    wait_until(lambda: alpha.logged("is read again: .*MinimumKernelNumber"), "SIGHUP reads it too, and says what is wrong")
    assert value(newest, 1) == 1


def host_lines(site: Site) -> list[str]:
    answer = site.console.order(ReloadOrder(0, ""))
    return [line for part in answer.parts if part.part.startswith("host") for line in part.lines]


def test_sessions_are_detached_and_closed_and_their_clients_told(site: Site) -> None:
    site.host("alpha")
    link, kernel = site.attach()
    pid = value(link, Symbol("Pid")())
    site.console.order(SessionOrder(0, "", kernel[:6], "detach"))
    said = [link.get(timeout=30), link.get(timeout=30)]
    assert said[0] == Symbol("MessagePacket")(Symbol("WSTPServer`Kernel"), "detached")
    assert isinstance(said[1], Function)
    assert "detached by tester@here" in str(said[1].args[0])
    assert last_words(link) == []
    with pytest.raises(OrderRefused, match="has no client"):
        site.console.order(SessionOrder(0, "", kernel[:6], "detach"))
    again, _ = site.attach()
    assert order(again, command("Disconnect"))
    assert order(again, command("ConnectKernel", kernel)) == kernel
    assert value(again, Symbol("Pid")()) == pid
    site.console.order(SessionOrder(0, "", kernel, "close"))
    assert any("closed by tester@here" in words for words in last_words(again))
    site.until(lambda status: kernel not in [known.kernel for known in status.kernels], "it has ended")
    story = site.console.story(kernel[:5])
    happened = [event.text.split(" to ")[0].split(":")[0] for event in story.events][1:]
    # The states of ready and of ending show only if they lasted a while.
    assert [event for event in happened if event not in ("ready", "ending")] == ["attached", "detached", "attached", "ended"]


def test_a_kernel_is_restarted_as_another_in_its_place(site: Site) -> None:
    site.pool["MinimumKernelNumber"] = 0
    site.configure()
    site.start("host", "--bus", site.endpoint, "--name", "alpha", ready="has joined", stack=site.test)
    _, kernel = site.attach()
    site.console.order(KernelOrder(0, "", kernel, "restart"))
    status = site.until(lambda status: site.pool_of(status).ready == 1, "another is there, though none is kept ready")
    assert kernel not in [known.kernel for known in status.kernels]


def test_the_log_level_is_changed_on_every_part(site: Site) -> None:
    alpha = site.host("alpha")
    link, _ = site.attach()
    value(link, 1)
    assert not alpha.logged("EvaluatePacket")
    site.console.order(LogLevelOrder(0, "", "trace"))
    value(link, 2)
    wait_until(lambda: alpha.logged(r"\[TRACE\].*EvaluatePacket"), "packets are logged")
    site.console.order(LogLevelOrder(0, "", "error"))
    lines = len(alpha.log)
    value(link, 3)
    site.attach()
    assert len(alpha.log) == lines
    site.console.order(LogLevelOrder(0, "", "debug"))


def test_packets_are_traced_by_head_and_size_and_never_their_contents(site: Site) -> None:
    site.host("alpha")
    link, kernel = site.attach()
    trace = site.console.trace(kernel[:6], wait=0.2)
    assert next(trace) is None, "nothing passes yet"
    value(link, "a secret text")
    seen = []
    while len(seen) < 2:
        batch = next(trace)
        if batch is not None:
            seen += batch.events
    assert [(event.direction, event.head) for event in seen] == [("to", "EvaluatePacket"), ("from", "ReturnPacket")]
    assert all(event.size > len("a secret text") for event in seen)
    trace.close()
    assert site.broker.told(f"tester@here .* traces kernel {kernel[:8]}")
