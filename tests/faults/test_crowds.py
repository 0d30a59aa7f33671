"""Many connections, links and kernels of one address: a good client is served all the while."""

from __future__ import annotations

import functools
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from asking import command, connect, value
from serving import Part, stand_in_pool, wait_until, write_config

import wstp
from wstp import Function, Symbol

#: The address of a crowd; everybody else is at 127.0.0.1.
CROWD = "127.0.0.9"


def few(descriptors: int) -> tuple[str, ...]:
    """Return words that give the command behind them few descriptors."""
    return "sh", "-c", f'ulimit -n {descriptors} && exec "$@"', "sh"


@contextmanager
def crowd() -> Iterator[None]:
    """Connect from the address of the crowd."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "create_connection", functools.partial(socket.create_connection, source_address=(CROWD, 0)))
        yield


def idle(part: Part, stack: ExitStack, count: int) -> list[socket.socket]:
    """Open connections that say nothing."""
    return [stack.enter_context(socket.create_connection(("127.0.0.1", part.port), 10)) for _ in range(count)]


def without_kernel(part: Part, stack: ExitStack) -> wstp.Link:
    """Open a link that has no kernel, and show that it is there."""
    link = stack.enter_context(wstp.connect(part.server, mode="uuid", timeout=10))
    link.put(command("KernelID"), end_packet=True)
    link.flush(10)
    assert link.get(timeout=10) == Symbol("ReturnPacket")(Symbol("None"))
    return link


def good(part: Part) -> None:
    """Be a client as it should be."""
    with wstp.connect(part.server, mode="uuid", timeout=10) as link:
        link.put(command("ConnectKernel"), end_packet=True)
        link.flush(10)
        while (answer := link.get(timeout=30)) != Symbol("InputNamePacket")("In[1]:= "):
            assert isinstance(answer, Function)
        assert value(link, 1) == 1
        link.put(command("CloseKernel"), end_packet=True)
        link.flush(10)
        link.get(timeout=30)


def last_words(link: wstp.Link) -> str:
    """Return what a link is told before it is closed."""
    said = []
    try:
        while True:
            said.append(str(link.get(timeout=20)))
    except wstp.LinkClosed:
        return " ".join(said)


@pytest.fixture
def crowded(tmp_path: Path) -> Iterator[Part]:
    limits = {"Links": 6, "Pending": 16, "LinkTimeout": 600}
    pools = {"P": stand_in_pool(tmp_path)}
    config = write_config(tmp_path / "c.conf", Pools=pools, EnableAutomaticKernelConnection=False, Limits=limits)
    with Part("serve", "-p", "0", "-c", config) as part:
        yield part


def test_a_good_client_is_served_among_idle_connections_and_links_without_a_kernel(crowded: Part) -> None:
    with ExitStack() as stack:
        connections = idle(crowded, stack, 40)
        links = [without_kernel(crowded, stack) for _ in range(6)]
        good(crowded)
        connections += idle(crowded, stack, 40)
        good(crowded)
        assert connections[0].recv(1) == b"", "the one that was silent longest"
        assert "another client needs this link's place: there are 6 already (Limits/Links)" in last_words(links[0])
        # Those that were let be still work.
        links[-1].put(command("KernelID"), end_packet=True)
        links[-1].flush(10)
        assert links[-1].get(timeout=10) == Symbol("ReturnPacket")(Symbol("None"))
    assert crowded.process.poll() is None


def test_a_link_without_a_kernel_ends_after_a_time(tmp_path: Path) -> None:
    pools = {"P": stand_in_pool(tmp_path)}
    config = write_config(tmp_path / "c.conf", Pools=pools, EnableAutomaticKernelConnection=False, Limits={"LinkTimeout": 0.5})
    with Part("serve", "-p", "0", "-c", config) as part, ExitStack() as stack:
        assert "this link had no kernel for 0.5 s (Limits/LinkTimeout)" in last_words(without_kernel(part, stack))
        with wstp.connect(part.server, mode="uuid", timeout=10) as link:
            link.put(command("ConnectKernel"), end_packet=True)
            link.flush(10)
            while link.get(timeout=30) != Symbol("InputNamePacket")("In[1]:= "):
                pass
            with pytest.raises(wstp.LinkTimeout):
                link.get(timeout=3)
            assert value(link, 1) == 1, "one with a kernel stays"


def test_a_server_with_few_descriptors_says_so_and_serves(tmp_path: Path) -> None:
    pools = {"P": stand_in_pool(tmp_path, MaximumKernelNumber=2)}
    config = write_config(tmp_path / "c.conf", Pools=pools, EnableAutomaticKernelConnection=False)
    with Part("serve", "-p", "0", "-c", config, around=few(300)) as part, ExitStack() as stack:
        assert part.told(r"Limits/Links of 1000 .* this process may have 300: it serves \d+ links at once")
        idle(part, stack, 200)
        for _ in range(60):
            without_kernel(part, stack)
        idle(part, stack, 100)
        for _ in range(3):
            good(part)
        assert not part.logged("Too many open files")


def test_an_address_has_a_limit_of_its_own(tmp_path: Path) -> None:
    pools = {"P": stand_in_pool(tmp_path)}
    config = write_config(tmp_path / "c.conf", Pools=pools, Limits={"LinksPerAddress": 1})
    with Part("serve", "-p", "0", "-c", config) as part, connect(part) as first:
        with pytest.raises(wstp.WSTPError), wstp.connect(part.server, mode="uuid", timeout=10) as second:
            second.get(timeout=10)
        assert part.told(r"is refused: its address has 1 \(Limits/LinksPerAddress\)")
        assert value(first, 1) == 1
        first.close()
        wait_until(lambda: can_connect(part), "the place is free again")


def can_connect(part: Part) -> bool:
    try:
        with connect(part):
            return True
    except wstp.WSTPError:
        return False


@pytest.mark.parametrize(("descriptors", "connections", "links"), [(1024, 1100, 300), (None, 0, 1000)])
def test_a_crowd_of_one_address_does_not_keep_another_out(
    tmp_path: Path, descriptors: int | None, connections: int, links: int
) -> None:
    """`descriptors`: the server's limit; None: that of this machine."""
    pools = {"P": stand_in_pool(tmp_path, MaximumKernelNumber=2)}
    config = write_config(tmp_path / "c.conf", Pools=pools, EnableAutomaticKernelConnection=False)
    around = () if descriptors is None else few(descriptors)
    with Part("serve", "-p", "0", "-c", config, around=around) as part, ExitStack() as stack:
        with crowd():
            opened = idle(part, stack, connections)
        good(part)
        for _ in range(2):
            with crowd():
                for _ in range(links // 2):
                    without_kernel(part, stack)
            good(part)
        assert part.process.poll() is None
        assert not opened or opened[0].recv(1) == b"", "there is no room for all"
        assert not part.logged("Too many open files")


def test_an_address_that_has_all_kernels_does_not_keep_another_out(tmp_path: Path) -> None:
    pools = {"P": stand_in_pool(tmp_path, MaximumKernelNumber=4, MinimumKernelNumber=4)}
    limits = {"UnusedKernelTimeout": 1, "ConnectionTimeout": 60}
    config = write_config(tmp_path / "c.conf", Pools=pools, EnableAutomaticKernelConnection=False, Limits=limits)
    connecting = command("ConnectKernel", Symbol("Rule")("Progress", Symbol("True")))

    def ask_for_kernel(link: wstp.Link) -> wstp.Link:
        link.put(connecting, end_packet=True)
        link.flush(10)
        return link

    def heard(link: wstp.Link, text: str) -> str:
        while text not in (said := str(link.get(timeout=30))):
            pass
        return said

    with Part("serve", "-p", "0", "-c", config) as part, ExitStack() as stack:
        with crowd():
            links = [ask_for_kernel(without_kernel(part, stack)) for _ in range(4)]
            for link in links:
                heard(link, "InputNamePacket")
            links += [ask_for_kernel(without_kernel(part, stack)) for _ in range(96)]
        good(part)
        assert "a client of another address waits for its place" in last_words(links[0])
        for link in links[1:4]:
            assert value(link, 1) == 1, "one is enough"
        # Now all kernels are in use. The next one that comes free is for the address that has none.
        heard(links[4], "InputNamePacket")
        assert value(links[4], 1) == 1
        with wstp.connect(part.server, mode="uuid", timeout=10) as other:
            assert "place 1 of 96 in the queue" in heard(ask_for_kernel(other), "in the queue")
            assert value(links[1], 2) == 2
            links[1].put(command("CloseKernel"), end_packet=True)
            links[1].flush(10)
            heard(other, "InputNamePacket")
            assert value(other, 3) == 3
