"""Many connections and links of one address: a good client of the same address is served."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from asking import command, connect, value
from serving import Part, stand_in_pool, wait_until, write_config

import wstp
from wstp import Function, Symbol

#: Words that give the command behind them few descriptors.
FEW = ("sh", "-c", 'ulimit -n 300 && exec "$@"', "sh")


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
    with Part("serve", "-p", "0", "-c", config, around=FEW) as part, ExitStack() as stack:
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
