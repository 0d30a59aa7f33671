"""Links to plain ports; tests/e2e/test_tunnels.py has them under TLS."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import wstp
from kernelbus.shell.address import Address
from kernelbus.shell.dialing import dial
from wstp.tls import TlsFailed


def test_a_plain_port_is_dialed_as_a_link_server() -> None:
    with wstp.listen() as listener, ThreadPoolExecutor() as pool:
        accepted = pool.submit(listener.accept, 60)
        with dial(Address("127.0.0.1", listener.port), 60) as link, accepted.result() as other:
            link.put("hello")
            link.flush()
            assert other.get(timeout=60) == "hello"


def test_certificates_are_read_before_a_connection_is_made(tmp_path: Path) -> None:
    with pytest.raises(TlsFailed, match=r"none\.pem: the certificates cannot be read"):
        dial(Address("127.0.0.1", 1, tls=True, ca_file=str(tmp_path / "none.pem")), 60)
    with pytest.raises(wstp.ConnectFailed, match="cannot connect to 1@127"):
        dial(Address("127.0.0.1", 1, tls=True), 60)
