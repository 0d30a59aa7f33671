"""Who may use a server from where: machines in network namespaces, and loopback."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from namespaces import Machine, Network
from serving import Part, stand_in_pool, wait_until, write_config

import wstp
from kernelbus.shell.token import TokenFile
from wstp import Symbol
from wstp.packets import packet

AUTHENTICATE = Symbol("WSTPServer`Authenticate")


class Place:
    """A server on one machine, which listens everywhere, and another machine of its network.

    Both have addresses of a private network, of a unique local one, and of a public one.
    """

    def __init__(self, folder: Path, network: Network) -> None:
        self.network = network
        self.server, self.desk = network.machine("server"), network.machine("desk")
        for number, machine in enumerate((self.server, self.desk), 1):
            for address in (f"203.0.113.{number}/24", f"fd00:7::{number}/64"):
                machine.ip("address", "add", address, "dev", "eth0", *(["nodad"] if ":" in address else []))
        self.config = folder / "server.conf"
        self.configure()
        page = ("--web-port", "0", "--web-interface", "10.213.7.1")
        self.part = self.server.start("serve", "-p", "0", "-l", "debug", "-c", self.config, *page)
        self.port = self.part.port
        self.token = self.server.state / "kernelbus" / "access-token"

    def configure(self, **access: object) -> None:
        write_config(self.config, Access=access, Pools={"P": stand_in_pool(self.server.home)})

    def page(self) -> str:
        """Ask for the web page from the desk, and return the status of the answer."""
        (line,) = self.part.logged("the web page is at ")
        found = line.split("the web page is at ")[1].strip()
        asks = f"import urllib.request as r\ntry: print(r.urlopen('{found}', timeout=30).status)\nexcept OSError as error: print(error)"
        return self.desk.shell(f'python3 -c "{asks}"').stdout.strip()

    def connect(self, machine: Machine, address: str = "10.213.7.1") -> wstp.Link:
        with machine.inside():
            return wstp.connect(f"{self.port}@{address}", mode="uuid", timeout=30)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("access")
    with Network(folder) as network:
        if not network.apart:
            pytest.skip("network namespaces are not allowed here")
        yield Place(folder, network)


def said(link: wstp.Link) -> list[str]:
    """Return the tag and the text of the next message."""
    message, text = link.next_packet(30), link.next_packet(30)
    return [str(message.args[-1]), str(text.args[0])]


def test_what_is_open_is_said(place: Place) -> None:
    line = "pen to this machine, and with the token to attached private networks"
    wait_until(lambda: "O" + line in place.part.output, "the second line")
    status = f"kernelbus status --timeout 30 --bus {place.part.endpoint}"
    wait_until(lambda: f"server: o{line}" in place.server.shell(status).stdout, "the status says it", 60)


@pytest.mark.parametrize("address", ["10.213.7.1", "fd00:7::1"])
def test_another_machine_gives_the_token(place: Place, address: str) -> None:
    with place.connect(place.desk, address) as link:
        link.put(Symbol("WSTPServer`ConnectKernel")(), end_packet=True)
        link.flush()
        tag, text = said(link)
        assert tag == "token" and "kernelbus access" in text
        assert link.next_packet(30) == packet("ReturnPacket", Symbol("$Failed"))
        link.put(AUTHENTICATE(TokenFile(place.token).read()), end_packet=True)
        link.flush()
        assert link.next_packet(30) == packet("ReturnPacket", Symbol("True"))
        assert link.next_packet(30).head == Symbol("InputNamePacket")


def test_a_program_that_only_waits_is_told(place: Place) -> None:
    with place.connect(place.desk) as link:
        tag, text = said(link)
        assert tag == "token" and 'WSTPServer`Authenticate["..."]' in text


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "10.213.7.1", "fd00:7::1", "203.0.113.1"])
def test_this_machine_needs_none_at_any_of_its_addresses(place: Place, address: str) -> None:
    with place.connect(place.server, address) as link:
        assert link.next_packet(30).head == Symbol("InputNamePacket")


def test_a_network_that_is_not_private_is_refused_before_a_byte(place: Place) -> None:
    with place.desk.inside(), socket.create_connection(("203.0.113.1", place.port), 30) as connection:
        connection.settimeout(30)
        try:
            assert connection.recv(1) == b""
        except ConnectionResetError:
            pass
    turned_away = place.desk.shell(f"kernelbus connect --server {place.port}@203.0.113.1")
    assert turned_away.returncode == 2
    assert turned_away.stderr.endswith("; if it is one, its Access/Allow does not have the address of this machine\n")
    assert place.part.told("a connection from 203.0.113.2:[0-9]+ is refused: it comes from a network that is not in Access/Allow")


def test_clients_send_the_token(place: Place) -> None:
    server = f"--server {place.port}@10.213.7.1"
    refused = place.desk.shell(f"kernelbus connect {server}")
    assert refused.returncode == 2
    assert "it wants its token, which kernelbus access shows on its machine" in refused.stderr
    shown = place.server.shell("kernelbus access -q")
    assert shown.stdout == place.token.read_text()
    mine = place.desk.home / "token"
    TokenFile(mine).make()
    wrong = place.desk.shell(f"kernelbus connect {server} --token-file token")
    assert wrong.returncode == 2 and "is not the server's token" in wrong.stderr
    mine.write_text(shown.stdout)
    for told in (f"{server} -q --token-file token", f"{server} -q --start-profile p --token-file token", "-q --continue-profile p"):
        done = place.desk.shell(f"kernelbus connect {told}")
        assert (done.returncode, done.stderr) == (0, "")
    assert place.desk.shell(f"KERNELBUS_TOKEN=$(cat token) && export KERNELBUS_TOKEN && kernelbus connect {server} -q").returncode == 0


def test_a_grant(place: Place) -> None:
    bus = f"--bus {place.part.endpoint}"
    granted = place.server.shell(f"kernelbus access grant 10.213.7.2 --for 1h {bus}")
    assert (granted.returncode, granted.stdout) == (0, "frontend server: 10.213.7.2 needs no token for 3600 s\n")
    with place.connect(place.desk) as link:
        assert link.next_packet(30).head == Symbol("InputNamePacket")
    assert place.page() == "200"
    listed = place.server.shell(f"kernelbus access list {bus}").stdout
    assert "server: open to this machine, and with the token to attached private networks\n" in listed
    assert "10.213.7.2 needs no token for 60 min more, granted by " in listed
    refused = place.server.shell(f"kernelbus access grant 198.51.100.7 {bus}")
    assert refused.returncode == 1 and "198.51.100.7 is not in Access/Allow" in refused.stderr
    assert place.server.shell(f"kernelbus access revoke 10.213.7.2 {bus}").stdout == "frontend server: 10.213.7.2 needs the token again\n"
    with place.connect(place.desk) as link:
        assert said(link)[0] == "token"
    assert place.page() == "HTTP Error 401: Unauthorized"


def test_the_lists_are_read_again(place: Place) -> None:
    place.configure(Allow=["attached", "203.0.113.0/24"], Anonymous=["private"], Deny=["fd00:7::2"])
    try:
        reloaded = place.server.shell(f"kernelbus shell --bus {place.part.endpoint} -c reload")
        assert "Access.Anonymous" in reloaded.stdout, reloaded
        with place.connect(place.desk) as link:
            assert link.next_packet(30).head == Symbol("InputNamePacket")
        with place.connect(place.desk, "203.0.113.1") as link:
            assert said(link)[0] == "token"
        with pytest.raises((wstp.WSTPError, OSError)):
            place.connect(place.desk, "fd00:7::1")
        line = "open to this machine and attached private networks, and with the token to 203.0.113.0/24; closed to fd00:7::2"
        wait_until(lambda: line in place.server.shell(f"kernelbus status --bus {place.part.endpoint}").stdout, "the new line")
    finally:
        place.configure()
        place.server.shell(f"kernelbus shell --bus {place.part.endpoint} -c reload")


def test_it_listens_at_both_families(tmp_path: Path) -> None:
    config = write_config(tmp_path / "c.conf", Pools={"P": stand_in_pool(tmp_path)})
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("there is no IPv6 here")
    for interface in ([], ["-i", "::"]):
        with Part("serve", "-p", "0", *interface, "-c", config) as part:
            for address in ("127.0.0.1", "::1"):
                with wstp.connect(f"{part.port}@{address}", mode="uuid", timeout=30) as link:
                    assert link.next_packet(30).head == Symbol("InputNamePacket")
