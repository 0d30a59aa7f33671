"""The log of a server at trace level, in JSON: every line of it, for what one client does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asking import EVALUATE, command, connect, order, value
from serving import Part, stand_in_pool, wait_until, write_config

from wstp import MessageCode, Symbol
from wstp.packets import encode_packet, packet


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    tmp_path = tmp_path_factory.mktemp("log")
    config = write_config(tmp_path / "k.conf", Pools={"StandIn": stand_in_pool(tmp_path)})
    file = tmp_path / "k.log"
    with Part("serve", "-p", "0", "-c", config, "-l", "trace", "--log-format", "json", "-f", file) as part:
        with connect(part) as link:
            (tmp_path / "client").write_text(f"{order(link, command('KernelID'))}")
            value(link, "a secret")
            link.put(EVALUATE(Symbol("Wait")()), end_packet=True)
            link.flush()
            link.put_message(MessageCode.ABORT)
            assert link.get(timeout=10) == Symbol("ReturnPacket")(Symbol("$Aborted"))
        wait_until(lambda: "is detached" in file.read_text(), "the client's leaving")
        yield file


def entries(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text(encoding="ascii").splitlines()]


def test_events_of_a_session_have_its_ids(log: Path) -> None:
    kernel = log.with_name("client").read_text()
    said = {entry["message"].split(kernel[:8])[-1].split(":")[0]: entry for entry in entries(log) if entry.get("kernel") == kernel}
    ready, attached, detached = said[" of pool StandIn is ready"], said[" of pool StandIn"], said[" of pool StandIn is detached"]
    assert (ready["level"], ready["part"], ready["pool"]) == ("info", "host", "StandIn")
    assert "session" not in ready
    assert attached["session"] == detached["session"] == kernel
    assert ready["host"] == detached["host"] != ""
    frontends = [entry for entry in entries(log) if entry["part"] == "frontend" and " is attached to kernel " in entry["message"]]
    assert [(entry["kernel"], entry["session"], entry["pool"]) for entry in frontends] == [(kernel, kernel, "StandIn")]
    assert re.fullmatch(r"127\.0\.0\.1:\d+", frontends[0]["client"])
    assert re.fullmatch(r"[0-9a-f]{1,16}", frontends[0]["channel"])


def test_every_packets_head_direction_and_size_and_no_contents(log: Path) -> None:
    kernel = log.with_name("client").read_text()
    passed = [entry for entry in entries(log) if entry["level"] == "trace" and entry["part"] == "host" and entry["kernel"] == kernel]
    assert all(entry["message"].startswith(f"{entry['direction']} kernel {kernel[:8]} of pool StandIn: ") for entry in passed)
    heads = [(entry["direction"], entry["head"]) for entry in passed]
    assert heads[:3] == [("to", "EvaluatePacket"), ("from", "InputNamePacket"), ("from", "ReturnPacket")], "its initialisation"
    assert heads[3:] == [
        ("to", "EvaluatePacket"),
        ("from", "ReturnPacket"),
        ("to", "EvaluatePacket"),
        ("to", "message 3"),
        ("from", "ReturnPacket"),
    ]
    asked = encode_packet(packet("EvaluatePacket", "a secret"))
    assert passed[3]["bytes"] == len(asked) - 1
    assert passed[4]["bytes"] == len(encode_packet(packet("ReturnPacket", "a secret"))) - 1
    assert "secret" not in log.read_text()


def test_commands_by_name(log: Path) -> None:
    commands = [entry for entry in entries(log) if entry["level"] == "trace" and entry["part"] == "frontend"]
    assert [entry["head"] for entry in commands] == ["WSTPServer`KernelID"]
