"""`kernelbus eval` against a scripted kernel: its streams and its exit status."""

from __future__ import annotations

import io
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from kernel_player import KernelPlayer, message, packet

import wstp
from kernelbus.shell.address import Address
from kernelbus.shell.clients.choice import Choice
from kernelbus.shell.clients.eval import run_eval
from kernelbus.shell.main import main
from wstp import Function, Symbol


def evaluate(codes: list[str], server: str, timeout: float | None = None) -> int:
    return run_eval(codes, choice=Choice(Address.parse(server)), timeout=timeout)


Start = Callable[..., KernelPlayer]


def test_results_in_order_and_nothing_left(play: Start, capsys: pytest.CaptureFixture[str]) -> None:
    kernel = play({"2+2": [packet("ReturnPacket", "4")], "f[x]": [packet("ReturnPacket", "f[x]")]})
    assert evaluate(["2+2", "f[x]", "2+2"], kernel.server) == 0
    assert capsys.readouterr() == ("4\nf[x]\n4\n", "")
    assert kernel.codes == ["2+2", "f[x]", "2+2"]
    assert kernel.ended.wait(10)


def test_null_is_shown(play: Start, capsys: pytest.CaptureFixture[str]) -> None:
    kernel = play({"x = 1;": [packet("ReturnPacket", "Null")]})
    assert evaluate(["x = 1;"], kernel.server) == 0
    assert capsys.readouterr().out == "Null\n"


def test_a_string_is_shown_as_the_kernel_wrote_it(play: Start, capsys: pytest.CaptureFixture[str]) -> None:
    kernel = play({"s": [packet("ReturnPacket", '"$Failed é日\\n😀"')]})
    assert evaluate(["s"], kernel.server) == 0
    assert capsys.readouterr().out == '"$Failed é日\\n😀"\n'


def test_an_answer_that_cannot_be_read(play: Start, capsys: pytest.CaptureFixture[str]) -> None:
    def answer(player: KernelPlayer, link: wstp.Link) -> None:
        link.put_raw([b"FA#OA~LReturnPacket\n+FA~C12x\n]"])
        link.flush()

    kernel = play({"c": answer, "2+2": [packet("ReturnPacket", "4")]})
    evaluate(["c", "2+2"], kernel.server)
    shown = "".join(capsys.readouterr())
    assert 'the kernel sent what cannot be read: "12x"' in shown
    assert "$Failed" in shown
    assert kernel.codes[:2] == ["c", "2+2"]


def test_prints_on_output_and_messages_on_error(play: Start, capsys: pytest.CaptureFixture[str]) -> None:
    kernel = play(
        {
            "c": [
                packet("TextPacket", "one\n"),
                *message("Power", "infy", "Power::infy: Infinite expression 1/0 encountered."),
                packet("TextPacket", "two\n"),
                packet("TextPacket", "no end of line"),
                packet("ReturnPacket", "ComplexInfinity"),
            ]
        }
    )
    assert evaluate(["c"], kernel.server) == 0
    written = capsys.readouterr()
    assert written.out == "one\ntwo\nno end of line\nComplexInfinity\n"
    assert written.err == "Power::infy: Infinite expression 1/0 encountered.\n"


def test_prints_come_before_the_evaluation_ends(play: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr("sys.stdout", out)
    seen: list[str] = []

    def slow(player: KernelPlayer, link: wstp.Link) -> None:
        link.put(packet("TextPacket", "early\n"), end_packet=True)
        link.flush()
        assert player.wait_until(lambda: out.getvalue() != "")
        seen.append(out.getvalue())
        link.put(packet("ReturnPacket", "late"), end_packet=True)
        link.flush()

    assert evaluate(["c"], play({"c": slow}).server) == 0
    assert seen == ["early\n"]
    assert out.getvalue() == "early\nlate\n"


@pytest.mark.parametrize("context", ["", "System`"])
@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ("$Failed", "$Failed"),
        ("$Aborted", "$Aborted"),
        (Symbol("$Aborted"), "$Aborted"),
        (Symbol("$Failed"), "$Failed"),
    ],
)
def test_a_failure_is_shown_and_the_rest_goes_on(
    answer: object, shown: str, context: str, play: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    if isinstance(answer, Symbol):
        answer = Symbol(context + answer.name)
    kernel = play({"bad": [packet("ReturnPacket", answer)], "good": [packet("ReturnPacket", "1")]})
    assert evaluate(["bad", "good"], kernel.server) == 1
    assert capsys.readouterr().out == f"{shown}\n1\n"
    assert kernel.codes == ["bad", "good"]


def _nested(depth: int) -> Function:
    value = Symbol("x")()
    for _ in range(depth):
        value = Symbol("f")(value)
    return value


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (Symbol("Hold")(Symbol("Throw")(1)), "Hold[Throw[1]]"),
        (Symbol("f")(), "f[]"),
        (Symbol("f")(1)(2, 2.5), "f[1][2, 2.5]"),
        (
            Symbol("f")([], [1, 'a"b\\'], Symbol("System`Pi"), wstp.BigReal("1.5`20.")),
            'f[List[], List[1, "a\\"b\\\\"], Pi, 1.5`20.]',
        ),
        (_nested(20_000), "f[" * 20_000 + "x[]" + "]" * 20_000),
    ],
    ids=["throw", "empty", "curried", "kinds", "deep"],
)
def test_an_answer_that_is_no_text_is_a_failure_and_shown(
    answer: object, shown: str, play: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    kernel = play({"Throw[1]": [packet("ReturnPacket", answer)]})
    assert evaluate(["Throw[1]"], kernel.server) == 1
    assert capsys.readouterr().out == shown + "\n"


def test_wrong_syntax(play: Start, capsys: pytest.CaptureFixture[str]) -> None:
    text = 'ToExpression::sntxi: Incomplete expression; more input is needed in "1+".'
    kernel = play({"1+": [*message("ToExpression", "sntxi", text), packet("ReturnPacket", "$Failed")]})
    assert evaluate(["1+"], kernel.server) == 1
    assert capsys.readouterr() == ("$Failed\n", text + "\n")


def test_a_kernel_that_goes_away(play: Start, capsys: pytest.CaptureFixture[str]) -> None:
    def go(player: KernelPlayer, link: wstp.Link) -> None:
        link.put(packet("TextPacket", "last words\n"), end_packet=True)
        link.flush()
        link.close()
        raise wstp.LinkClosed("played")

    kernel = play({"Quit[]": go, "Exit[]": go})
    assert evaluate(["1", "Exit[]", "2", "3"], kernel.server) == 1
    written = capsys.readouterr()
    assert written.out == "value of 1\nlast words\n"
    assert written.err == (
        "kernelbus eval: the kernel closed the link during evaluation 2\nkernelbus eval: 2 more not evaluated\n"
    )


def test_what_the_code_asks_is_answered_with_lines_of_standard_input(
    play: Start, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[object] = []

    def ask(player: KernelPlayer, link: wstp.Link) -> None:
        for question in ("InputStringPacket", "InputPacket", "InputStringPacket"):
            link.put(packet(question, "Name? "), end_packet=True)
            link.flush()
            answers.append(link.get(timeout=10))
        link.put(packet("ReturnPacket", '""'), end_packet=True)
        link.flush()

    monkeypatch.setattr("sys.stdin", io.StringIO("Ada\n1 + 1\n"))
    assert evaluate(["ask"], play({"ask": ask}).server) == 0
    assert answers == [packet("TextPacket", "Ada"), packet("EnterTextPacket", "1 + 1"), Symbol("EndOfFile")]
    assert capsys.readouterr() == ('""\n', "")


def test_a_dialog_is_left_at_once_and_counts_as_a_failure(play: Start, capsys: pytest.CaptureFixture[str]) -> None:
    def dialog(player: KernelPlayer, link: wstp.Link) -> None:
        link.put(packet("BeginDialogPacket", 1), end_packet=True)
        link.put(packet("InputNamePacket", "(Dialog) In[1]:= "), end_packet=True)
        link.flush()
        assert link.get(timeout=10) == packet("EnterTextPacket", "Return[]")
        link.put(packet("EndDialogPacket", 1), end_packet=True)
        link.put(packet("ReturnPacket", "Null"), end_packet=True)
        link.flush()

    assert evaluate(["Dialog[]"], play({"Dialog[]": dialog}).server) == 1
    assert "evaluation 1 opens a dialog, and nobody can answer it here" in capsys.readouterr().err


def busy(player: KernelPlayer, link: wstp.Link) -> None:
    player.await_message(link, wstp.MessageCode.ABORT)
    link.put(packet("ReturnPacket", Symbol("$Aborted")), end_packet=True)
    link.flush()


def test_timeout_aborts_and_the_rest_goes_on(play: Start, capsys: pytest.CaptureFixture[str]) -> None:
    kernel = play({"busy": busy})
    assert evaluate(["busy", "next"], kernel.server, timeout=0.3) == 1
    written = capsys.readouterr()
    assert written.out == "$Aborted\nvalue of next\n"
    assert written.err == "kernelbus eval: evaluation 1 took longer than 0.3 s: aborting it\n"
    assert kernel.messages[:1] == [wstp.MessageCode.ABORT]
    assert kernel.codes == ["busy", "next"]


def test_a_kernel_that_obeys_no_abort_is_told_to_end(
    play: Start, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kernelbus.shell.clients.eval._ABORT_SECONDS", 0.3)
    kernel = play({"deaf": lambda player, link: player.await_message(link, wstp.MessageCode.TERMINATE)})
    assert evaluate(["deaf", "next"], kernel.server, timeout=0.3) == 1
    assert kernel.ended.wait(10)
    assert kernel.codes == ["deaf"]
    assert kernel.messages[:2] == [wstp.MessageCode.ABORT, wstp.MessageCode.TERMINATE]
    assert "did not obey the abort" in capsys.readouterr().err


def test_a_kernel_that_does_not_quit_is_told_to_end(play: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kernelbus.shell.clients.eval._CLOSE_SECONDS", 0.3)
    kernel = play({}, closes=False)
    assert evaluate(["1"], kernel.server) == 0
    assert kernel.ended.wait(10)
    assert wstp.MessageCode.TERMINATE in kernel.messages


class TestNoServer:
    def test_nobody_listens(self, capsys: pytest.CaptureFixture[str]) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # bound and not listening: refused
            port = taken.getsockname()[1]
            assert evaluate(["1"], f"{port}@127.0.0.1") == 2
        written = capsys.readouterr()
        assert written.out == ""
        assert written.err.startswith("kernelbus eval: cannot reach a server: ")
        assert f"{port}@127.0.0.1: " in written.err
        assert written.err.count("\n") == 1

    def test_a_host_that_does_not_exist(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert evaluate(["1"], "31415@no-such-host.invalid") == 2
        assert "31415@no-such-host.invalid" in capsys.readouterr().err

    def test_it_speaks_something_else(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("kernelbus.shell.clients.session._CONNECT_SECONDS", 0.5)
        with socket.create_server(("127.0.0.1", 0)) as mute:
            port = mute.getsockname()[1]
            assert evaluate(["1"], str(port)) == 2
        assert f"{port}@127.0.0.1" in capsys.readouterr().err

    def test_it_refuses_in_words(self, play: Start, capsys: pytest.CaptureFixture[str]) -> None:
        words = "WSTPServer::full: no kernel was free for 30 s."
        greeting = [*message("WSTPServer", "full", words), packet("ReturnPacket", Symbol("$Failed"))]
        kernel = play({}, greeting=greeting, refuse=True)
        assert evaluate(["1"], kernel.server) == 2
        assert (
            capsys.readouterr().err
            == f"kernelbus eval: the server at {kernel.server} gave no kernel: no kernel was free for 30 s.\n"
        )

    def test_it_closes(self, play: Start, capsys: pytest.CaptureFixture[str]) -> None:
        kernel = play({}, greeting=[], refuse=True)
        assert evaluate(["1"], kernel.server) == 2
        assert capsys.readouterr().err.startswith(
            f"kernelbus eval: the server at {kernel.server} gave no kernel: "
        )

    def test_it_says_nothing(
        self, play: Start, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("kernelbus.shell.clients.session._KERNEL_SECONDS", 0.3)
        assert evaluate(["1"], play({}, greeting=[]).server) == 2
        assert "gave no kernel: none came in" in capsys.readouterr().err


def test_codes_from_input_and_arguments(play: Start, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("from input\n"))
    kernel = play()
    assert main(["eval", "--server", kernel.server, "first", "-", "--", "-x"]) == 0
    assert kernel.codes == ["first", "from input", "-x"]
    assert capsys.readouterr().out == "".join(f"value of {code}\n" for code in kernel.codes)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    file = tmp_path / "code.wls"
    file.write_text("#!/usr/bin/env -S kernelbus eval --script\none\n\ntwo\n", encoding="utf-8-sig")
    return file


def test_words_with_a_file_are_arguments_and_never_code(play: Start, capsys: pytest.CaptureFixture[str], script: Path) -> None:
    kernel = play()
    # Code that is to follow a file is named as such.
    words = ["--file", str(script), "2+2", "--code", "more", "--", "--pool", "-"]
    assert main(["eval", "--server", kernel.server, *words]) == 0
    assert kernel.codes[1:] == ["one", "two", "more"]
    assert f'Set[$ScriptCommandLine, List["{script}", "2+2", "--pool", "-"]]' in kernel.codes[0]
    assert capsys.readouterr().out == "value of two\nvalue of more\n"


def test_a_script_shows_what_it_prints_alone(play: Start, capsys: pytest.CaptureFixture[str], script: Path) -> None:
    kernel = play({"two": [packet("TextPacket", "printed\n"), packet("ReturnPacket", "Null")]})
    assert main(["eval", "--server", kernel.server, "--script", str(script), "--timeout", "0"]) == 0
    assert capsys.readouterr() == ("printed\n", "")


def test_a_failure_in_a_file_names_its_line_and_the_rest_goes_on(play: Start, capsys: pytest.CaptureFixture[str], script: Path) -> None:
    kernel = play({"one": [packet("ReturnPacket", "$Failed")]})
    assert main(["eval", "--server", kernel.server, "--file", str(script)]) == 1
    assert capsys.readouterr() == ("value of two\n", f"kernelbus eval: {script}:2: the value is or holds a failure\n")


def test_a_file_that_cannot_be_read_further_ends_there(play: Start, capsys: pytest.CaptureFixture[str], script: Path) -> None:
    wrong = [*message("ToExpression", "sntx", "ToExpression::sntx: wrong"), packet("ReturnPacket", "$Failed")]
    kernel = play({"one": wrong})
    assert main(["eval", "--server", kernel.server, "--file", str(script)]) == 1
    assert capsys.readouterr().err == f"ToExpression::sntx: wrong\nkernelbus eval: {script}:2: this cannot be read\n"
    assert "two" not in kernel.codes


def test_a_file_that_is_not_there_is_no_missing_server(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "--file", "nowhere.m"]) == 1
    assert capsys.readouterr().err == "kernelbus eval: nowhere.m: No such file or directory\n"


def test_exit_gives_the_exit_status(play: Start, capsys: pytest.CaptureFixture[str]) -> None:
    def go(player: KernelPlayer, link: wstp.Link) -> None:
        link.close()
        raise wstp.LinkClosed("played")

    kernel = play({"Exit[3]": go}, how="exited with status 3")
    assert evaluate(["1", "Exit[3]", "2"], kernel.server) == 3
    assert capsys.readouterr() == ("value of 1\n", "")


def test_exit_where_the_server_replaces_kernels(play: Start, capsys: pytest.CaptureFixture[str]) -> None:
    text = "WSTPServer`Kernel::replaced: the kernel has ended (exited with status 3); another takes its place."
    kernel = play({"Exit[3]": [*message("WSTPServer`Kernel", "replaced", text), packet("ReturnPacket", Symbol("$Failed"))]})
    assert evaluate(["Exit[3]", "2"], kernel.server) == 3
    assert capsys.readouterr() == ("", "")
    assert kernel.closed == 1, "the kernel that took its place"


def test_a_kernel_that_is_replaced_otherwise_ends_it(play: Start, capsys: pytest.CaptureFixture[str]) -> None:
    text = "WSTPServer`Kernel::replaced: the kernel has ended (was ended by SIGKILL); another takes its place."
    kernel = play({"1": [*message("WSTPServer`Kernel", "replaced", text), packet("ReturnPacket", Symbol("$Failed"))]})
    assert evaluate(["1", "2"], kernel.server) == 1
    assert capsys.readouterr().err == f"{text}\nkernelbus eval: 1 more not evaluated\n"
    assert (kernel.codes, kernel.closed) == (["1"], 1)


def test_a_value_that_holds_a_failure_is_a_failure(play: Start) -> None:
    kernel = play({"v": [packet("ReturnPacket", "{1, $Failed}")]})
    assert evaluate(["v"], kernel.server) == 1


def test_bytes_of_a_format_are_written_as_they_are(play: Start, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    kernel = play({"picture": [packet("ReturnPacket", [Symbol("True"), "\x89PNG\r\n\xff"])]})
    assert main(["eval", "--server", kernel.server, "--format", "PNG", "picture"]) == 0
    assert capfdbinary.readouterr().out == b"\x89PNG\r\n\xff"


def test_a_picture_that_is_not_shown_says_how_to_save_it(play: Start, capsys: pytest.CaptureFixture[str]) -> None:
    kernel = play({"p": [packet("ReturnPacket", "-Graphics-")]})
    assert evaluate(["p"], kernel.server) == 0
    said = capsys.readouterr()
    assert said.out == "-Graphics-\n"
    expected = "kernelbus eval: the result is a picture, which is not shown here: --format PNG >picture.png saves it\n"
    assert said.err == expected
