"""Who holds the other end of a connection."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from kernelbus.kernelhost.process.peers import KNOWN, Owner, find, holds, owner

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
#: Rows as Linux prints them on a little-endian machine.
ROW = "  1: {here} {there} 01 00000000:00000000 00:00000000 00000000  {uid}        0 {inode} 1 0000000000000000 20 4 30 10 -1\n"
HERE, THERE = ("127.0.0.1", 51234), ("127.0.0.1", 31415)

needs_linux = pytest.mark.skipif(not KNOWN, reason="only Linux says who holds a connection")
needs_little_endian = pytest.mark.skipif(sys.byteorder != "little", reason="the rows are a little-endian machine's")


def row(here: str = "0100007F:C822", there: str = "0100007F:7AB7", uid: int = 1000, inode: int = 77) -> str:
    return ROW.format(here=here, there=there, uid=uid, inode=inode)


@needs_little_endian
def test_a_connection_is_found_by_both_of_its_ends() -> None:
    other_port, listening = row(there="0100007F:7AB8", uid=1), row(here="0100007F:7AB7", there="00000000:0000", uid=2)
    assert find(HEAD + other_port + listening + row(), HERE, THERE) == Owner(1000, 77)
    assert find(HEAD + other_port + listening, HERE, THERE) is None
    assert find(HEAD, HERE, THERE) is None


@needs_little_endian
def test_an_ipv4_connection_of_an_ipv6_socket_is_found() -> None:
    mapped = "0000000000000000FFFF00000100007F"
    assert find(HEAD + row(f"{mapped}:C822", f"{mapped}:7AB7"), HERE, THERE) == Owner(1000, 77)


@needs_little_endian
def test_what_nobody_holds_any_more_has_no_owner() -> None:
    assert find(HEAD + row(inode=0), HERE, THERE) is None


@needs_linux
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_real_connection_has_its_owner_and_the_process_that_holds_it(family: socket.AddressFamily) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(family) as one:
        port = server.getsockname()[1]
        one.connect(("::ffff:127.0.0.1", port) if family is socket.AF_INET6 else ("127.0.0.1", port))
        accepted, peer = server.accept()
        with accepted:
            found = owner(peer, accepted.getsockname())
            assert found is not None
            assert found.uid == os.getuid()
            assert found.inode == os.stat(one.fileno()).st_ino
            assert holds([0, os.getpid()], found.inode)
            stranger = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
            try:
                assert not holds([stranger.pid], found.inode)
            finally:
                stranger.communicate()
            assert not holds([stranger.pid], found.inode), "it is gone, and holds nothing"
