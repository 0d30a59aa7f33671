"""Notebooks whose server is not there, is full, or goes: the cell says so, and the next one works.

Tests kernelbus.shell.jupyter.session with kernelbus.shell.jupyter.starting.
"""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
from notebooks import Notebook, Ran, installed, notebook
from serving import Part, free_port, wait_until, write_config


def interrupted(book: Notebook, code: str, said: str) -> Ran:
    """Run a cell, and interrupt it once its standard error has a text."""
    request, errors = book.start(code), ""
    for kind, content in book.heard(request):
        if kind == "stream" and content["name"] == "stderr":
            errors += content["text"]
            if said in errors:
                break
    assert said in errors
    book.manager.interrupt_kernel()
    ran = book.finish(request)
    ran.outputs.insert(0, ("stream", {"name": "stderr", "text": errors}))
    return ran


def test_a_server_that_is_not_there_is_full_or_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / "work.ipynb"))
    config = write_config(tmp_path / "k.conf", Pools={"Main": {"MinimumKernelNumber": 1, "MaximumKernelNumber": 1}})
    with installed(monkeypatch, tmp_path, "--server", str(port), "--no-start"), notebook() as book:
        ran = book.run("1 + 1")
        assert ran.reply["ename"] == "NoSession"
        assert "cannot reach a server" in ran.reply["evalue"]
        assert ran.reply["evalue"].endswith(f"start it with kernelbus serve --port {port}")
        with Part("serve", "-p", str(port), "-c", config) as server:
            assert book.run("x = 1 + 1").bundles() == [{"text/plain": "2"}]
            with notebook() as another:
                ran = interrupted(another, "3", "waiting for a kernel: ")
                assert ran.reply["ename"] == "Interrupted"
            assert book.run("x").bundles() == [{"text/plain": "2"}]
            server.kill()
            ran = interrupted(book, "x", "trying to get back to the kernel")
            assert ran.reply["ename"] == "KernelLost" and "cannot reach a server" in ran.reply["evalue"]
            assert book.run("x").reply["ename"] == "NoSession"
        with Part("serve", "-p", str(port), "-c", config):
            ran = book.run("x")
            assert ran.bundles() == [{"text/plain": "x"}]
            assert "its kernel is gone" in ran.text("stderr") and "this is a new one" in ran.text("stderr")


def test_a_server_is_started_for_who_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setenv("KERNELBUS_KERNEL", "embedded")
    with installed(monkeypatch, tmp_path, "--server", str(port)):
        try:
            with notebook() as book:
                ran = book.run("6 * 7")
                assert ran.bundles() == [{"text/plain": "42"}]
                assert f"no server was at {port}@127.0.0.1: one was started for you in the background; its log is " in ran.text("stderr")
            with notebook() as book:
                ran = book.run("6 * 7")
                assert ran.bundles() == [{"text/plain": "42"}] and "no server" not in ran.text("stderr")
        finally:
            servers = [process for process in psutil.process_iter() if serves(process, port)]
            for process in servers:
                process.terminate()
            psutil.wait_procs(servers, timeout=60)
    assert len(servers) == 1
    wait_until(lambda: not any(serves(process, port) for process in psutil.process_iter()), "the server ends")


def serves(process: psutil.Process, port: int) -> bool:
    try:
        return process.cmdline()[-4:-2] == ["--port", str(port)]
    except psutil.Error:
        return False
