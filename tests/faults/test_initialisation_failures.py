"""Initialisations that fail in kernels that run them themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from asking import command, order, value
from serving import Part, stand_in_pool, wait_until, write_config

import wstp
from wstp import Symbol


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Part]:
    folder = tmp_path_factory.mktemp("failing")
    (folder / "good.m").write_text("say from the file\ndefine file\n")
    pools = {
        "Good": {"InitializationFile": "good.m", "InitializationCode": "say from the code\ndefine code"},
        "Missing": {"InitializationFile": "missing.m", "InitializationCode": "define code"},
        "Failed": {"InitializationCode": "say so far\nfail"},
        "Aborted": {"InitializationCode": "abort"},
        "Exits": {"InitializationCode": "say farewell\nexit 3"},
        "Hangs": {"InitializationCode": "say thinking\nhang"},
    }
    config = write_config(
        folder / "c.conf",
        Pools={name: stand_in_pool(folder, **{"MinimumKernelNumber": 0, **keys}) for name, keys in pools.items()},  # type: ignore[arg-type]
        EnableAutomaticKernelConnection=False,
        Limits={"KernelStartTimeout": 3, "ConnectionTimeout": 300},
    )
    with Part("serve", "-p", "0", "-l", "debug", "-c", config) as part:
        yield part


def link_to(server: Part) -> wstp.Link:
    return wstp.connect(server.server, mode="uuid", timeout=10)


def wanted(name: str) -> wstp.Function:
    return command("ConnectKernel", Symbol("Association")(Symbol("Rule")("Pool", name)))


def test_file_and_code_are_run_in_order_before_any_client(server: Part) -> None:
    with link_to(server) as link:
        assert isinstance(order(link, wanted("Good")), str)
        assert link.get(timeout=10) == Symbol("InputNamePacket")("In[1]:= ")
        defined = value(link, Symbol("Defined")())
        assert isinstance(defined, list)
        assert [str(name).partition("=")[0] for name in defined] == ["WSTPServer`$KernelID", "WSTPServer`$PoolName", "file", "code"]
    assert server.told("INFO.*of pool Good said while it was initialised: from the file")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Missing", r"InitializationFile .*missing\.m gave \$Failed; its last message: Get::noopen: Cannot open .*missing\.m\."),
        ("Failed", r"InitializationCode gave \$Failed"),
        ("Aborted", r"InitializationCode was aborted"),
        ("Exits", r"InitializationCode ended the kernel, which exited with status 3"),
        ("Hangs", r"InitializationCode did not end in 3 s"),
    ],
)
def test_waiting_clients_are_told_at_once(server: Part, name: str, words: str) -> None:
    with link_to(server) as link:
        link.put(wanted(name), end_packet=True)
        link.flush()
        link.get(timeout=60)
        assert re.search(f"the kernels of pool {name} do not start: could not be initialised: {words}", str(link.get(timeout=60)))
        assert link.get(timeout=60) == Symbol("ReturnPacket")(Symbol("$Failed"))
    line = f"ERROR.*of pool {name} did not start: it could not be initialised: {words}"
    wait_until(lambda: server.logged(line), "the log says so too")


def test_a_pool_that_was_mended_serves_again(tmp_path: Path) -> None:
    file = tmp_path / "late.m"
    pools = {"Late": stand_in_pool(tmp_path, InitializationFile=str(file))}
    with Part("serve", "-p", "0", "-l", "debug", "-c", write_config(tmp_path / "c.conf", Pools=pools)) as part:
        wait_until(lambda: part.logged("trying again in 2 s"), "the second failure")
        assert len(part.told(r"ERROR.*did not start")) == 1, "logged once for its reason"
        file.write_text("define late")
        wait_until(lambda: part.logged("pool Late: its kernels start again"), "a kernel")
        with wstp.connect(part.server, mode="uuid", timeout=10) as link:
            assert link.get(timeout=10) == Symbol("InputNamePacket")("In[1]:= ")
            assert "late" in str(value(link, Symbol("Defined")()))
