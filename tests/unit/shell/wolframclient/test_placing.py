"""Which server and pool are meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kernelbus.shell.address import Address, AddressError
from kernelbus.shell.wolframclient.placing import names_server, place

LOCAL = "wstp://127.0.0.1"


@pytest.mark.parametrize(
    ("kernel", "expected"),
    [
        ("wstp://far/P", "wstp://far:31415/P"),
        ("far:1234", "wstp://far:1234"),
        ("1234@far", "wstp://far:1234"),
        ("[::1]:7", "wstp://[::1]:7"),
        ("1234", "wstp://127.0.0.1:1234"),
        (1234, "wstp://127.0.0.1:1234"),
        (Address("far"), "wstp://far:31415"),
        (None, "wstp://127.0.0.1:31415"),
    ],
)
def test_an_address_is_the_servers(kernel: Any, expected: str) -> None:
    address, note = place(kernel, None, None, LOCAL)
    assert (str(address), note) == (expected, "")


@pytest.mark.parametrize(
    "kernel",
    [
        "/usr/local/Wolfram/Desktop/11.3/Executables/WolframKernel",
        "/Applications/Wolfram Desktop.app/Contents/MacOS/WolframKernel",
        "C:\\Program Files\\Wolfram Research\\Wolfram Desktop\\11.3\\WolframKernel.exe",
        "WolframKernel",
        "path/that/does/not/exist",
        "C:kernel",
        "",
        Path("/opt/kernel"),
    ],
)
def test_a_path_is_not_used_and_a_note_says_so(kernel: Any) -> None:
    assert not names_server(kernel)
    address, note = place(kernel, None, "Main", LOCAL)
    assert str(address) == "wstp://127.0.0.1:31415/Main"
    assert str(kernel) in note and str(address) in note and "server=" in note


def test_server_and_pool_come_first() -> None:
    assert str(place("far:1/Else", "near:2", None, LOCAL)[0]) == "wstp://near:2"
    assert str(place(None, "wstp://near:2/A", "B", LOCAL)[0]) == "wstp://near:2/B"
    with pytest.raises(AddressError):
        place(None, "no address", None, LOCAL)
    with pytest.raises(AddressError):
        place("http://far", None, None, LOCAL)
