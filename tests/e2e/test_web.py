"""The web page of a real server: its addresses, who may look, and a session's story and trace."""

from __future__ import annotations

import base64
import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asking import connect, value
from schemas import faults
from serving import ROOT, Part, stand_in_pool, wait_until, write_config

from kernelbus.shell.token import TokenFile

SCHEMA = json.loads((ROOT / "docs" / "status.schema.json").read_text())


class Shown:
    """A part with a web page."""

    def __init__(self, part: Part) -> None:
        self.part = part
        (self.url,) = re.findall(r"The web page is at (http://127\.0\.0\.1:\d+)/", "\n".join(part.output))

    def get(self, path: str, method: str = "GET", **headers: str) -> tuple[int, str]:
        request = urllib.request.Request(self.url + path, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def json(self, path: str) -> Any:
        code, text = self.get(path)
        assert code == 200, text
        return json.loads(text)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    tmp_path = tmp_path_factory.mktemp("web")
    config = write_config(tmp_path / "k.conf", Pools={"StandIn": stand_in_pool(tmp_path, KeepAlive=False)})
    with Part("serve", "-p", "0", "-c", config, "--web-port", "0") as part:
        yield Shown(part)


def test_a_session_comes_is_followed_and_goes(server: Shown) -> None:
    with connect(server.part) as link:
        assert value(link, 7) == 7
        wait_until(lambda: any(row["evaluations"] == 1 for row in server.json("/api/v1/status")["kernels"]), "its evaluation")
        status = server.json("/api/v1/status")
        assert faults(SCHEMA, status) == []
        (session,) = [row for row in status["kernels"] if row["attachments"]]
        kernel = session["kernel"]
        assert (len(kernel), session["client"].split(":")[0]) == (8, "127.0.0.1")
        assert [row["kernel"] for row in status["links"]] == [kernel]
        code, page = server.get("/")
        assert code == 200 and f'href="session/{kernel}"' in page
        assert server.json(f"/api/v1/kernels/{kernel}/trace") == {"kernel": kernel, "events": [], "missed": 0}
        assert value(link, 8) == 8
        trace = wait_until(lambda: server.json(f"/api/v1/kernels/{kernel}/trace")["events"][1:], "its packets")
        assert [event["direction"] for event in trace] == ["from"]
        told = server.json(f"/api/v1/kernels/{kernel}")
        assert told["kernel"]["evaluations"] >= 1 and "attached to" in json.dumps(told["story"])
        code, page = server.get(f"/session/{kernel}?trace=1")
        assert code == 200 and "EvaluatePacket" in page
    wait_until(lambda: not server.json("/api/v1/status")["links"], "its leaving")
    wait_until(lambda: server.json("/api/v1/history")["evaluations"][-1] == 2, "its evaluations in the history")

    def state() -> str:
        (row,) = [row for row in server.json("/api/v1/status?over=1")["kernels"] if row["kernel"] == kernel]
        return str(row["state"])

    wait_until(lambda: state() == "ended", "its end")
    assert "ended" in server.get(f"/session/{kernel}")[1]


def test_it_is_asked_by_its_own_name_and_changes_nothing(server: Shown) -> None:
    assert server.get("/")[0] == 200
    code, text = server.get("/api/v1/status", Host="evil.example")
    assert (code, text.count("\n")) == (421, 1)
    assert server.get("/", "POST")[0] == server.get("/api/v1/status", "DELETE")[0] == 405
    assert server.get("/health") == (200, "healthy\n") or server.get("/health")[0] == 503


def test_the_token_is_asked_for_where_it_is_for_a_link(tmp_path: Path) -> None:
    token = TokenFile(tmp_path / "token").make()
    config = write_config(tmp_path / "k.conf", Bus={"Journal": ""}, Access={"Anonymous": [], "Token": str(tmp_path / "token")})
    options = ("broker", "--bus", "tcp://127.0.0.1:0", "-c", config, "--web-port", "0")
    with Part(*options, ready="Broker listening") as part:
        shown = Shown(part)
        assert shown.get("/")[0] == 401
        given = {"Authorization": "Basic " + base64.b64encode(f"me:{token}".encode()).decode()}
        code, page = shown.get("/", **given)
        assert code == 200 and "no kernel host has registered with the broker" in page
        assert shown.get("/health", **given)[0] == 503
        # Read again, the configuration holds for the page, too.
        write_config(config, Bus={"Journal": ""}, Access={"Token": str(tmp_path / "token")})
        part.process.send_signal(1)
        wait_until(lambda: shown.get("/")[0] == 200, "the page without the token")


def test_metrics_and_the_page_have_two_ports_or_one(tmp_path: Path) -> None:
    options = ("broker", "--bus", "tcp://127.0.0.1:0", "-c", write_config(tmp_path / "k.conf", Bus={"Journal": ""}))
    with Part(*options, "--web-port", "0", "--metrics-port", "0", ready="Broker listening") as part:
        shown = Shown(part)
        (metrics,) = re.findall(r"Metrics are at (\S+)", "\n".join(part.output))
        assert not metrics.startswith(shown.url)
        with urllib.request.urlopen(metrics, timeout=30) as answer:
            assert b"kernelbus_healthy 0.0" in answer.read()
        assert shown.get("/metrics")[0] == 404
        port = shown.url.rpartition(":")[2]
    with Part(*options, "--web-port", port, "--metrics-port", port, ready="Broker listening") as part:
        shown = Shown(part)
        assert "kernelbus_healthy 0.0" in shown.get("/metrics")[1]
        assert "no kernel host" in shown.get("/")[1]
