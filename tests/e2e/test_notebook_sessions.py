"""Sessions of notebooks outlive what shows them: kernels that are killed, shut down and restarted.

Tests of kernelbus.shell.jupyter the modules kernelbus.shell.jupyter.binding and
kernelbus.shell.jupyter.steering.
"""

from __future__ import annotations

import json
import os
import queue
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from notebooks import Notebook, Ran, installed, notebook
from serving import Part, wait_until, write_config

from kernelbus.shell.address import Address
from kernelbus.shell.clients.session import Session, reconnect_command
from kernelbus.shell.commands import name_of
from wstp import Symbol

POOLS = {"Main": {"MinimumKernelNumber": 1, "MaximumKernelNumber": 16}, "Other": {"MinimumKernelNumber": 0, "MaximumKernelNumber": 1}}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Part]:
    config = write_config(tmp_path_factory.mktemp("server") / "k.conf", Pools=POOLS)
    with Part("serve", "-p", "0", "-l", "debug", "-c", config) as part:
        yield part


@pytest.fixture(scope="module")
def open_book(server: Part, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., object]]:
    folder = tmp_path_factory.mktemp("jupyter")
    with pytest.MonkeyPatch.context() as patch, installed(patch, folder, "--server", str(server.port), "--pool", "Main"):

        @contextmanager
        def opened(name: str = "work.ipynb", **options: object) -> Iterator[Notebook]:
            """Start a kernel as Jupyter Server does for a notebook of this name."""
            path = str(folder / name) if name else ""
            with notebook(env={**os.environ, "JPY_SESSION_NAME": path}, **options) as book:
                yield book

        yield opened


def until_printed(book: Notebook, request: str) -> None:
    for _, content in book.heard(request):
        if content.get("name") == "stdout":
            return
    raise AssertionError("it has ended, and printed nothing")


def kill(book: Notebook) -> None:
    """Kill a kernel's process with SIGKILL, and wait for its end."""
    assert book.manager.provisioner is not None
    os.kill(book.manager.provisioner.pid, signal.SIGKILL)
    wait_until(lambda: not book.manager.is_alive(), "the kernel's end")


def result(ran: Ran) -> str:
    assert ran.reply["status"] == "ok", (ran.reply, ran.outputs)
    return str(ran.bundles()[-1]["text/plain"])


def shown(ran: Ran) -> list[str]:
    """Return the lines of streams and the texts of other outputs, in order."""
    texts: list[str] = []
    for kind, content in ran.outputs:
        if kind == "stream":
            texts += content["text"].splitlines(keepends=True)
        elif kind != "execute_input":
            texts.append(content["data"]["text/plain"])
    return texts


def test_nothing_is_missing_after_a_kernel_was_killed_in_mid_cell(server: Part, open_book: Callable[..., object]) -> None:
    with open_book() as book:  # type: ignore[attr-defined]
        assert result(book.run("state = 41")) == "41"
        request = book.start('Print["one"]; Pause[1]; Print["two"]; state + 1\nPrint["never"]')
        until_printed(book, request)
        kill(book)
    with open_book() as book:  # type: ignore[attr-defined]
        wait_until(lambda: server.logged("is detached"), "its leaving")
        ran = book.run("state")
        said = shown(ran)
        assert re.fullmatch(r"back in session .{8} of work\.ipynb \(pool Main, begun .*\): .* missed.*\n", said[0])
        told = next(text for text in said if text.endswith("asked for:"))
        assert told == 'missed from In[2], which the cell  Print["one"]; Pause[1]; Print["two"]; state + 1  asked for:'
        assert said[said.index("two\n") + 1 :] == ["42", "that is all that was missed; the last input of that cell was not run", "41"]
        assert said.count("one\n") <= 1 and said.count("two\n") == 1
        assert shown(book.run("state")) == ["41"], "it is said once"


def test_a_shut_down_kernel_leaves_its_session_and_a_restarted_one_ends_it(
    server: Part, open_book: Callable[..., object], capfd: pytest.CaptureFixture[str]
) -> None:
    with open_book("shut.ipynb") as book:  # type: ignore[attr-defined]
        book.run("state = 43")
        (line, *_) = shown(book.run("%kernel"))
        first = re.search("kernel +(.*)\n", "".join(shown(book.run("%kernel"))))
        assert first is not None, line
    assert re.search(f"kernelbus: session {first[1][:8]} of shut.ipynb is kept for 2 days without use", capfd.readouterr().err)
    with open_book("shut.ipynb") as book:  # type: ignore[attr-defined]
        # Nothing was run here yet: a restart ends the session all the same, and its kernel.
        assert f"the next cell goes back to session {first[1][:8]}" in book.run("%kernel").text("stdout")
        assert result(book.run("state")) == "43"
        book.manager.restart_kernel()
        book.client.wait_for_ready(timeout=60)
        assert server.logged(f"kernel {re.escape(first[1][:8])} of pool Main is ended")
        assert result(book.run("state")) == "state"
        assert book.run("Quit[]").text("stderr").endswith("; the next cell starts a fresh kernel in the session of shut.ipynb\n")
        assert book.run("state = 44").text("stderr") == ""
    with open_book("shut.ipynb") as book:  # type: ignore[attr-defined]
        assert result(book.run("state")) == "44"


def test_a_second_kernel_of_a_notebook_takes_nothing(open_book: Callable[..., object]) -> None:
    with open_book("two.ipynb") as book, open_book("two.ipynb") as other:  # type: ignore[attr-defined]
        book.run("mine = 1")
        ran = other.run("mine")
        assert result(ran) == "mine"
        told = r"the session of two\.ipynb is in use: another kernel of this notebook has it \(process \d+\)\. "
        assert re.match(told, ran.text("stderr"))
        refused = other.run("%kernel attach")
        assert refused.reply["ename"] == "MagicError" and "another kernel of this notebook has it" in refused.reply["evalue"]
        assert result(book.run("mine")) == "1"
        kill(book)
        assert "the notebook has session" in other.run("%kernel attach").text("stdout")
        assert result(other.run("mine")) == "1"


def test_magics_go_to_other_kernels_stay_where_these_cannot_be_had_and_measure(server: Part, open_book: Callable[..., object]) -> None:
    with open_book("") as book:  # type: ignore[attr-defined]
        book.run("mine = 1")
        assert re.search("^name +none\n(.*\n)*kept +no: it ends", book.run("%kernel").text("stdout"), re.MULTILINE)
        for order, told in (("attach nonsense", "there is no kernel nonsense"), ("pool None", "None"), ("again", "does not know 'again'")):
            ran = book.run(f"%kernel {order}")
            assert ran.reply["status"] == "error" and told in ran.reply["evalue"], ran.outputs
        assert result(book.run("mine")) == "1"
        assert "named now" not in book.run("%kernel name mine").text("stdout")
        assert result(book.run("mine = 2")) == "2"
        ran = book.run("%kernel pool Other")
        assert "of pool Other now" in ran.text("stdout") and "is ended" in ran.text("stdout")
        assert "is of pool Other already" in book.run("%kernel pool Other").text("stdout")
        assert "is ended" in book.run("%kernel fresh\nmine = 3").text("stdout")
        assert "is ended; the next cell gets a fresh kernel" in book.run("%kernel close").text("stdout")
        assert "%kernel attach [ID]" in book.run("%kernel help").text("stdout")
        assert set(book.run("%%png\nPlot[x, {x, 0, 1}]").bundles()[0]) == {"text/plain", "image/png"}
        assert set(book.run("%%text\nPlot[x, {x, 0, 1}]").bundles()[0]) == {"text/plain"}
        assert book.run("%%tex\nx^2").bundles() == [{"text/plain": "x^2", "text/latex": "$\\displaystyle x^2$"}]
        assert "is no picture that the kernel draws as image/svg+xml" in book.run("%%svg\n5").text("stderr")
        ran = book.run("%%timeit -r 3\nPause[0.02]")
        told = r"\d\d(\.\d)? ms ± .* per loop \(mean ± std\. dev\. of 3 runs, \d+ loops? each\)\n"
        assert re.fullmatch(told, ran.text("stdout")), ran.outputs
        assert book.run("%%timeit\nf[").reply["status"] == "error"
        assert book.run("%%timeit").reply["ename"] == "MagicError"


def test_a_shutdown_in_mid_cell_leaves_the_evaluation_and_what_shows_it_comes_later(
    server: Part, open_book: Callable[..., object], capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    go = tmp_path / "go"
    with open_book("busy.ipynb") as book:  # type: ignore[attr-defined]
        waits = f'While[!FileExistsQ["{go}"], Pause[0.05]]'
        request = book.start(f'Print["one"]; {waits}; Print["two"]; Plot[x, {{x, 0, 1}}]', cell="c-1")
        until_printed(book, request)
    assert re.search("kernelbus: session .{8} of busy.ipynb goes on, and is kept for 24 hours without use", capfd.readouterr().err)
    with open_book("busy.ipynb") as book:  # type: ignore[attr-defined]
        request, ran = book.start("1 + 1", cell="c-1"), Ran()
        for output in book.heard(request):
            ran.outputs += [output] if output[0] != "execute_reply" else []
            go.touch()
        said = shown(ran)
        assert re.search("missed so far, and it evaluates still: this cell waits for it\n$", said[0]), said
        assert said[1] == "missed from In[1], which this cell asked for:"
        assert said[-4:] == ["two\n", "-Graphics-", "that is all that was missed", "2"]
        assert "image/svg+xml" in ran.bundles()[0], "it is shown as it would have been"


def write_book(name: str, *cells: str) -> Path:
    """Write a notebook with these cells into the folder of the notebooks."""
    path = Path(os.environ["XDG_STATE_HOME"]).parent / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"cells": [{"id": cell, "cell_type": "code", "outputs": []} for cell in cells]}))
    return path


def test_a_notebook_that_is_renamed_keeps_its_session(open_book: Callable[..., object]) -> None:
    untitled = write_book("untitled.ipynb", "u-1")
    with open_book("untitled.ipynb") as book:  # type: ignore[attr-defined]
        book.finish(book.start("state = 1", cell="u-1"))
        named = untitled.rename(untitled.with_name("named.ipynb"))
        write_book("untitled.ipynb")
        assert shown(book.finish(book.start("state", cell="u-1"))) == ["1"]
        assert f"notebook    {named}\n" in book.run("%kernel").text("stdout")
        # The process that takes this one's place has the old path in its environment.
        book.manager.restart_kernel()
        book.client.wait_for_ready(timeout=60)
        assert shown(book.finish(book.start("{state, state = 3}", cell="u-1"))) == ["{state, 3}"]
        moved = write_book("moved/named.ipynb")
        named.replace(moved)
    with open_book("untitled.ipynb") as book:  # type: ignore[attr-defined]
        assert shown(book.finish(book.start("state", cell="n-1"))) == ["state"]
    with open_book("moved/named.ipynb") as book:  # type: ignore[attr-defined]
        back, value = shown(book.finish(book.start("state", cell="u-1")))
        assert back.startswith("back in session ") and " of named.ipynb " in back and value == "3"


def test_a_notebook_that_was_renamed_or_replaced_while_nothing_ran_finds_its_session(open_book: Callable[..., object]) -> None:
    first = write_book("first.ipynb", "f-1", "f-2")
    with open_book("first.ipynb") as book:  # type: ignore[attr-defined]
        book.finish(book.start("state = 5", cell="f-1"))
    copy = first.with_name("copy.ipynb")
    copy.write_bytes(first.read_bytes())
    with open_book("copy.ipynb") as book:  # type: ignore[attr-defined]
        assert shown(book.finish(book.start("state", cell="f-1"))) == ["state"], "a copy begins anew"
        book.run("%kernel close")
    copy.unlink()
    second = first.rename(first.with_name("second.ipynb"))
    with open_book("second.ipynb") as book:  # type: ignore[attr-defined]
        assert "the next cell goes back to session" in book.run("%kernel").text("stdout")
        said = shown(book.finish(book.start("state", cell="f-2")))
        assert said[0] == f"this notebook was {first} before, and has its session\n"
        assert said[1].startswith("back in session ") and said[2:] == ["5"]
    third = second.rename(first.with_name("third.ipynb"))
    write_book("second.ipynb", "other")
    with open_book("second.ipynb") as book:  # type: ignore[attr-defined]
        told, value = shown(book.finish(book.start("state", cell="other")))
        kernel = re.search(r"second\.ipynb is another notebook than the one that has session (.*), which is kept: %kernel attach", told)
        assert kernel is not None and value == "state"
    with open_book("third.ipynb") as book:  # type: ignore[attr-defined]
        assert shown(book.finish(book.start("state", cell="f-1")))[-1] == "5"
    third.unlink()
    plain = write_book("plain.ipynb", "p-1")
    plain.write_text(plain.read_text().replace('"id": "p-1", ', ""))
    with open_book("plain.ipynb") as book:  # type: ignore[attr-defined]
        # Its cells have no ids: it may be the one, and is not taken for it.
        (told, _) = shown(book.run("1"))
        assert told == f"third.ipynb is not there any more, and its session is kept: %kernel attach {kernel[1]} goes to it\n"
        assert "of pool Main now" in book.run(f"%kernel attach {kernel[1]}").text("stdout")
        assert result(book.run("state")) == "5"


def test_a_session_that_another_client_has_is_not_taken(server: Part, open_book: Callable[..., object]) -> None:
    with open_book("taken.ipynb") as book:  # type: ignore[attr-defined]
        book.run("mine = 1; Print[Graphics[Disk[]]]")
        kernel = re.search("kernel +(.*)\n", book.run("%kernel").text("stdout"))
        assert kernel is not None
    with Session(Address("127.0.0.1", server.port), reconnect_command(kernel[1])) as other, open_book("taken.ipynb") as book:  # type: ignore[attr-defined]
        # Pictures that it prints are of use to notebooks alone.
        other.put(Symbol("EnterTextPacket")("Print[Graphics[Disk[]]]"))
        heads = []
        while "InputNamePacket" not in heads[1:]:
            heads.append(name_of(other.next(30).head))
        assert "TextPacket" in heads and "ExpressionPacket" not in heads
        ran = book.run("mine")
        assert result(ran) == "mine"
        assert re.match(r"the session of taken\.ipynb is in use: client 127\.0\.0\.1:\d+ has had it for .*s\. This", ran.text("stderr"))


def test_a_cell_that_was_let_go_shows_the_rest_under_it(open_book: Callable[..., object]) -> None:
    with open_book("late.ipynb") as book:  # type: ignore[attr-defined]
        request = book.start('CheckAbort[Print["one"]; Pause[60], Pause[2]; Print["late"]]; 7', stdin=True)
        until_printed(book, request)
        book.manager.interrupt_kernel()
        book.manager.interrupt_kernel()
        ran = book.finish(request, ["l"])
        assert ran.reply["status"] == "error"
        next_one = book.start("1 + 1")
        late = []
        while not late or late[-1] != "7":
            message = book.client.get_iopub_msg(timeout=60)
            if message["parent_header"].get("msg_id") == request and message["msg_type"] != "status":
                content = message["content"]
                late.append(content.get("text") or content.get("data", {}).get("text/plain"))
        assert late[-2:] == ["late\n", "7"]
        book.finish(next_one)


def test_a_page_that_is_loaded_again_shows_what_came_meanwhile(open_book: Callable[..., object]) -> None:
    with open_book("page.ipynb") as book:  # type: ignore[attr-defined]
        book.finish(book.start('Print["saved"]', cell="c-1"))
        book.finish(book.start('Print["unsaved"]; 7', cell="c-2"))
        # As JupyterLab saves it: the first cell's output was there, and not yet the second one's.
        output = {"output_type": "stream", "name": "stdout", "text": ["saved\n"]}
        cells = [{"id": "c-1", "outputs": [output]}, {"id": "c-2", "outputs": []}, {"id": "c-3", "outputs": []}]
        kernel_folder = Path(os.environ["XDG_STATE_HOME"]).parent
        (kernel_folder / "page.ipynb").write_text(json.dumps({"cells": cells}))
        book.client.session.session = "another loading of the page"
        said = shown(book.finish(book.start("8", cell="c-3")))
        heading = 'missed by this page from In[2], which the cell  Print["unsaved"]; 7  asked for:'
        assert said == [heading, "unsaved\n", "7", "that is all that this page missed", "8"]
        assert shown(book.finish(book.start("9", cell="c-3"))) == ["9"]


def _answers(client: BlockingKernelClient) -> bool:
    """Whether a kernel answers, and its outputs come; the client's own way gives a slow one up."""
    client.kernel_info()
    try:
        client.get_shell_msg(timeout=1)
        client.get_iopub_msg(timeout=1)
    except queue.Empty:
        return False
    return True


class JupyterServer:
    """A Jupyter Server of its own, killed at the end."""

    def __init__(self, folder: Path) -> None:
        words = ["--no-browser", "--allow-root", "--ServerApp.port=0", f"--ServerApp.root_dir={folder}", "--ServerApp.log_level=ERROR"]
        words.append("--ServerApp.jpserver_extensions={}")
        self.process = subprocess.Popen([sys.executable, "-m", "jupyter_server", *words])
        self._runtime = Path(os.environ["JUPYTER_RUNTIME_DIR"])
        told = self._runtime / f"jpserver-{self.process.pid}.json"
        # It writes the file before it listens.
        self._place = wait_until(lambda: told.exists() and told.read_text() and json.loads(told.read_text()), "Jupyter's start", 60)
        wait_until(lambda: self._asked("api/status"), "Jupyter's start", 60)

    def _asked(self, path: str, content: object = None) -> dict[str, Any] | None:
        data = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(self._place["url"] + path, data, {"Authorization": f"token {self._place['token']}"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return dict(json.load(answer))
        except urllib.error.URLError:
            return None

    @contextmanager
    def notebook(self, path: str) -> Iterator[Notebook]:
        """Open a notebook, and do not end its kernel."""
        content = {"path": path, "name": path, "type": "notebook", "kernel": {"name": "kernelbus"}}
        session = self._asked("api/sessions", content)
        assert session is not None
        client = BlockingKernelClient(connection_file=str(self._runtime / f"kernel-{session['kernel']['id']}.json"))
        client.load_connection_file()
        client.start_channels()
        try:
            wait_until(lambda: _answers(client), "the kernel's start", 60)
            yield Notebook(None, client)  # type: ignore[arg-type]
        finally:
            client.stop_channels()

    def __enter__(self) -> JupyterServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


def test_nothing_is_missing_after_jupyter_server_was_killed_in_mid_cell(
    server: Part, open_book: Callable[..., object], tmp_path: Path
) -> None:
    # Each kernel ends soon after the server that has started it.
    with JupyterServer(tmp_path) as jupyter, jupyter.notebook("sheet.ipynb") as book:
        assert result(book.run("state = 41")) == "41"
        request = book.start('Print["one"]; Pause[3]; Print["two"]; state + 1', cell="c-1")
        until_printed(book, request)
        jupyter.process.kill()
    with JupyterServer(tmp_path) as jupyter, jupyter.notebook("sheet.ipynb") as book:
        said = shown(book.finish(book.start("state", cell="c-2")))
        assert re.match(r"back in session .{8} of sheet\.ipynb \(pool Main", said[0])
        assert 'missed from In[2], which the cell  Print["one"]; Pause[3]; Print["two"]; state + 1  asked for:' in said
        assert said[-4:] == ["two\n", "42", "that is all that was missed", "41"]
