"""Notebooks: a real kernel program of Jupyter, on a real server.

Tests kernelbus.shell.notebooks, and of kernelbus.shell.jupyter the modules
kernelbus.shell.jupyter.__main__, kernelbus.shell.jupyter.cells, kernelbus.shell.jupyter.install,
kernelbus.shell.jupyter.kernel and kernelbus.shell.jupyter.session.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from notebooks import Notebook, installed, notebook
from serving import Part, write_config

POOLS = {"Main": {"MinimumKernelNumber": 1, "MaximumKernelNumber": 4}}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Part]:
    config = write_config(tmp_path_factory.mktemp("server") / "k.conf", Pools=POOLS, Limits={"AbortTimeout": 300})
    with Part("serve", "-p", "0", "-c", config) as part:
        yield part


@pytest.fixture(scope="module")
def book(server: Part, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Notebook]:
    folder = tmp_path_factory.mktemp("jupyter")
    with pytest.MonkeyPatch.context() as patch, installed(patch, folder, "--server", str(server.port)), notebook() as running:
        running.run("")  # it may have to wait for a kernel
        yield running


def test_results_prints_and_messages(book: Notebook) -> None:
    ran = book.run('Print["hi"]; 1/0\nx = 5')
    assert ran.reply["status"] == "ok"
    assert ran.text("stdout") == "hi\n"
    assert ran.text("stderr").startswith("Power::infy: ")
    assert [bundle["text/plain"] for bundle in ran.bundles()] == ["ComplexInfinity", "5"]
    numbers = [content["execution_count"] for kind, content in ran.outputs if kind == "execute_result"]
    assert numbers == [numbers[0], numbers[0] + 1] and ran.reply["execution_count"] == numbers[1]
    assert book.run("% + x").bundles() == [{"text/plain": "10"}]


@pytest.mark.parametrize(
    ("code", "error", "said"),
    [("f[", "SyntaxError", "Syntax::"), ("Abort[]", "$Aborted", ""), ("%nonsense", "MagicError", "there is no magic %nonsense")],
)
def test_what_fails_stops_a_run_of_all(book: Notebook, code: str, error: str, said: str) -> None:
    ran = book.run(f"{code}\nPrint[2]")
    assert (ran.reply["status"], ran.reply["ename"]) == ("error", error)
    assert said in ran.text("stderr") and ran.text("stdout") == ""


def test_questions(book: Notebook) -> None:
    ran = book.run('{Input["n? "], InputString["s? "]}', ["1 + 1", "ü𝒳"])
    assert ran.asked == ["n? ", "s? "]
    assert ran.bundles()[0]["text/plain"] == "{2, ü𝒳}"
    ran = book.run("z = 7; Dialog[]; 5", ["z + 1", "Return[]"])
    assert [bundle["text/plain"] for bundle in ran.bundles()] == ["8", "5"]
    ran = book.run("{Input[], InputString[]}")
    assert ran.bundles()[0]["text/plain"] == "{EndOfFile, EndOfFile}"
    assert "nobody can answer here" in ran.text("stderr")


def test_an_interrupt_aborts_and_keeps_the_session(book: Notebook, tmp_path: Path) -> None:
    book.run("kept = 41")
    request = book.start('Print["begun"]; While[True]')
    for kind, _ in book.heard(request):
        if kind == "stream":
            book.manager.interrupt_kernel()
            break
    ran = book.finish(request)
    assert (ran.reply["status"], ran.reply["ename"]) == ("error", "$Aborted")
    assert book.run("kept + 1").bundles()[0]["text/plain"] == "42"
