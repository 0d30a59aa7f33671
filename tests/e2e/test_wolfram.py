"""A WolframKernel, as far as a stand-in of that name can show it.

It is found, started as documented, and refused by its licence.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from asking import answers, command, connect, value
from serving import Part, stand_in_program, wait_until, write_config

import wstp
from wstp import Symbol

pytestmark = pytest.mark.timeout(120)


def installation(tmp_path: Path, *options: str) -> dict[str, str]:
    """Install the stand-in; return the environment in which it is found."""
    (tmp_path / "Wolfram" / "Executables").mkdir(parents=True)
    stand_in_program(tmp_path / "Wolfram" / "Executables" / "WolframKernel", *options)
    return {"WOLFRAM_INSTALLATION_DIRECTORY": str(tmp_path / "Wolfram"), "KERNELBUS_KERNEL": ""}


def test_an_installed_kernel_is_found_and_started_as_a_wstp_program(tmp_path: Path) -> None:
    environment = installation(tmp_path)
    pools = {
        "Main": {"MinimumKernelNumber": 1, "KernelOptions": "-noinit"},
        "Parallel": {"MinimumKernelNumber": 0, "ParallelKernels": True},
    }
    config = write_config(tmp_path / "c.conf", Pools=pools)
    with Part("serve", "-p", "0", "-l", "debug", "-c", config, environment=environment) as part:
        with connect(part) as link:
            arguments = value(link, Symbol("Arguments")())
            assert arguments[:-1] == ["-noinit", "-wstp", "-linkmode", "connect", "-linkprotocol", "TCPIP", "-linkname"]  # type: ignore[index]
            link.put(command("Disconnect"), end_packet=True)
            answers(link)
            link.put(command("ConnectKernel", Symbol("Association")(Symbol("Rule")("Pool", "Parallel"))), end_packet=True)
            answers(link)
            link.next_packet(timeout=30)
            assert value(link, Symbol("Arguments")())[0] == "-subkernel"  # type: ignore[index]
        assert part.told("pools without KernelPath run the kernel found at .*/Wolfram/Executables/WolframKernel")


def test_a_licence_for_two_gives_a_pool_of_two(tmp_path: Path) -> None:
    licences = tmp_path / "licences"
    licences.mkdir()
    environment = installation(tmp_path, "-licences", str(licences), "2")
    config = write_config(tmp_path / "c.conf", Pools={"Main": {"MinimumKernelNumber": 2}}, Limits={"ConnectionTimeout": 4})
    with Part("serve", "-p", "0", "-l", "debug", "-c", config, environment=environment) as part:
        with connect(part) as first, connect(part) as second:
            wait_until(lambda: part.logged("pool Main has as many kernels as its licence allows, 2: Mathematica cannot find"), "a line")
            assert part.told("pool Main: trying again in 60 s, or when one of them ends")
            link = wstp.connect(part.server, mode="uuid", timeout=10)
            with link:
                assert link.next_packet(timeout=30).head == Symbol("MessagePacket")
                said = str(link.next_packet(timeout=30).args[0])
                assert "the licence lets pool Main have no more than 2 at present (Mathematica cannot find a valid password.)" in said
            assert value(first, 1) == 1 and value(second, 2) == 2, "those that run go on"
        # One of the kept kernels makes room.
        with connect(part) as third:
            assert value(third, 3) == 3
        assert not part.logged("did not start")


def test_without_a_licence_the_pool_says_so(tmp_path: Path) -> None:
    environment = installation(tmp_path, "-licences", str(tmp_path), "0")
    config = write_config(tmp_path / "c.conf", Pools={"Main": {"MinimumKernelNumber": 1}}, Limits={"ConnectionTimeout": 1})
    with Part("serve", "-p", "0", "-l", "debug", "-c", config, environment=environment) as part:
        wait_until(lambda: part.logged("did not start: it was not let run by its licence: Mathematica cannot find"), "a line that says so")
        with wstp.connect(part.server, mode="uuid", timeout=10) as link:
            assert link.next_packet(timeout=30).head == Symbol("MessagePacket")
            assert "was not let run by its licence" in str(link.next_packet(timeout=30).args[0])
