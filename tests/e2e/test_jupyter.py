"""Notebooks: a real kernel program of Jupyter, on a real server.

Tests kernelbus.shell.notebooks, and of kernelbus.shell.jupyter the modules
kernelbus.shell.jupyter.__main__, kernelbus.shell.jupyter.assistant, kernelbus.shell.jupyter.cells,
kernelbus.shell.jupyter.install, kernelbus.shell.jupyter.kernel and kernelbus.shell.jupyter.session.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import jupyter_kernel_test
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
    [("f[", "SyntaxError", "Syntax::"), ("Abort[]", "$Aborted", "aborted"), ("%nonsense", "MagicError", "there is no magic %nonsense")],
)
def test_what_fails_stops_a_run_of_all(book: Notebook, code: str, error: str, said: str) -> None:
    ran = book.run(f"{code}\nPrint[2]")
    assert (ran.reply["status"], ran.reply["ename"]) == ("error", error)
    assert said in ran.reply["evalue"]
    assert [kind for kind, _ in ran.outputs] == ["execute_input", "error"]


@pytest.mark.parametrize(
    ("code", "error", "said"),
    [
        ("Quit[]", "", "the kernel has quit, as Quit[] has it; the next cell starts a fresh kernel"),
        ("Exit[3]", "KernelEnded", "the kernel has quit with status 3, as Exit[3] has it; the next cell starts a fresh kernel"),
        (
            "Quit[]\n1\n2",
            "KernelEnded",
            "the kernel has quit, as Quit[] has it; the last 2 inputs of this cell were not run; the next cell starts a fresh kernel",
        ),
        ('Run["kill -9 $PPID"]', "KernelEnded", "the kernel was ended by SIGKILL, not by this host: "),
    ],
)
def test_a_kernel_that_ends_says_how_and_another_follows(book: Notebook, code: str, error: str, said: str) -> None:
    book.run("left = 1")
    ran = book.run(code)
    assert (ran.reply["status"], ran.reply.get("ename", "")) == ("error" if error else "ok", error)
    assert (ran.reply["evalue"] if error else ran.text("stderr").rstrip("\n")).startswith(said)
    ran = book.run("left")
    assert (ran.bundles(), ran.text("stderr"), ran.reply["execution_count"]) == ([{"text/plain": "left"}], "", 1)


def test_questions(book: Notebook) -> None:
    ran = book.run('{Input["n? "], InputString["s? "]}', ["1 + 1", "ü𝒳"])
    assert ran.asked == ["n? ", "s? "]
    assert ran.bundles()[0]["text/plain"] == "{2, ü𝒳}"
    ran = book.run("z = 7; Dialog[]; 5", ["z + 1", "Return[]"])
    assert [bundle["text/plain"] for bundle in ran.bundles()] == ["8", "5"]
    ran = book.run("Dialog[]; Interrupt[]; 6")
    assert ran.bundles()[0]["text/plain"] == "6"
    assert "it gets Return[]\n" in ran.text("stderr") and "it gets continue\n" in ran.text("stderr")
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


@pytest.mark.parametrize(
    ("code", "kinds"),
    [
        ("2^100", set()),
        ('"text"', set()),
        ("{1, 2, y}", set()),
        ("InputForm[y^2]", set()),
        ("y^2/(1 + y)", {"text/latex"}),
        ("MatrixForm[{{1, 2}, {3, y}}]", {"text/latex"}),
        ("Plot[t, {t, 0, 1}]", {"image/svg+xml", "image/png"}),
        ("Image[{{0, 1}, {1, 0}}]", {"image/png"}),
        ('Dataset[{<|"a" -> 1|>, <|"a" -> 2|>}]', {"text/html"}),
        ('<|"a" -> y^2|>', {"text/html"}),
        ("Grid[{{1, 2}, {3, Image[{{0, 1}}]}}]", {"text/html"}),
        ("TableForm[{{1, 2}, {3, 4}}]", {"text/html"}),
        ("{Graphics[Disk[]], y}", {"text/html"}),
        ("Row[{Graphics[Disk[]], y}]", {"text/html"}),
        ("Row[{1, 2}]", set()),
        ("Style[Graphics[Disk[]], Red]", {"image/svg+xml", "image/png"}),
        ('Labeled[Graphics[Disk[]], "disk"]', {"text/html"}),
    ],
)
def test_bundles(book: Notebook, code: str, kinds: set[str]) -> None:
    ran = book.run(code)
    (bundle,) = ran.bundles()
    assert bundle.keys() == {"text/plain", *kinds}
    assert not ran.text("stderr")


@pytest.mark.parametrize(
    ("code", "kinds"),
    [
        ("Print[Plot[t, {t, 0, 1}]]", {"image/svg+xml", "image/png"}),
        ("Echo[Plot[t, {t, 0, 1}]];", {"text/html"}),
        ("Print[Image[{{0, 1}, {1, 0}}]]", {"image/png"}),
        ("Print[Framed[Graphics[Disk[]]]]", {"image/svg+xml", "image/png"}),
        ('Print["a", Graphics[Disk[]]]', {"text/html"}),
        ('Print[Row[{1, Graphics[Disk[]]}, ", "]]', {"text/html"}),
        ("Print[{Graphics[Disk[]], y}]", {"text/html"}),
        ("Print[Grid[{{1, 2}}]]", {"text/html"}),
        ('Print[Dataset[{<|"a" -> 1|>}]]', {"text/html"}),
        ("Print[MatrixForm[{{1, y}}]]", {"text/latex"}),
        ("Scan[Print, {Graphics3D[Sphere[]]}]", {"image/svg+xml", "image/png"}),
    ],
)
def test_what_is_printed_is_shown_between_the_texts(book: Notebook, code: str, kinds: set[str]) -> None:
    ran = book.run(f'Print["before"]; {code}\nPrint["after"]')
    assert [kind for kind, _ in ran.outputs] == ["execute_input", "stream", "display_data", "stream"]
    (bundle,) = ran.bundles("display_data")
    assert bundle.keys() == {"text/plain", *kinds}
    assert (ran.text("stdout"), ran.text("stderr")) == ("before\nafter\n", "")
    assert [kind for kind, _ in book.run(code, silent=False, store_history=False).outputs][-1] == "display_data"


def test_what_is_printed_and_not_drawn_is_text(book: Notebook) -> None:
    ran = book.run('Print[Graphics[Text[StringRepeat["x", 2000000]]]]; Print[{1, <|"a" -> y^2|>}]')
    assert ran.text("stdout").startswith("-Graphics-\n") and "<|a -> " in ran.text("stdout")
    assert "ExportString::draw: " in ran.text("stderr") and not ran.bundles("display_data")


def test_renderings_leave_no_trace(book: Notebook) -> None:
    seen = 'InputForm[{$Line, %, Length[Names["Global`*"]]}]'
    book.run("y^3")
    first, value, names = book.run(seen).bundles()[0]["text/plain"].strip("{}").split(", ")
    book.run("y^3")
    assert value == "y^3"
    assert book.run(seen).bundles()[0]["text/plain"] == f"{{{int(first) + 2}, y^3, {names}}}"


def test_a_picture_that_cannot_be_drawn_is_text(book: Notebook) -> None:
    ran = book.run('Graphics[Text[StringRepeat["x", 2000000]]]')
    assert ran.reply["status"] == "ok" and ran.bundles() == [{"text/plain": "-Graphics-"}]
    assert re.match(r"Out\[\d+\] is not drawn: ExportString::draw: .* 2000018 bytes of text", ran.text("stderr"))


def test_a_very_long_result_is_cut(book: Notebook) -> None:
    ran = book.run('StringRepeat["0123456789", 300000]')
    (bundle,) = ran.bundles()
    assert len(bundle["text/plain"]) < 10_000 and "characters are left out" in bundle["text/plain"]
    assert book.run("StringLength[%]").bundles()[0]["text/plain"] == "3000000"


def test_a_flood_of_prints_comes_whole_in_few_messages(book: Notebook) -> None:
    ran = book.run("Do[Print[i], {i, 3000}]; 1/0")
    assert ran.text("stdout") == "".join(f"{number}\n" for number in range(1, 3001))
    kinds = [content["name"] if kind == "stream" else kind for kind, content in ran.outputs]
    assert len(kinds) < 600 and kinds[-2:] == ["stderr", "execute_result"]


def test_a_request_that_is_silent_or_is_not_stored_uses_no_number(book: Notebook) -> None:
    number = book.run("1").reply["execution_count"]
    silent = book.run('Print["heard"]; s = 5', silent=True)
    assert silent.outputs == [] and silent.reply["status"] == "ok"
    beside = book.run("s + 1\ny^2", store_history=False)
    assert [bundle["text/plain"] for bundle in beside.bundles()] == ["6", " 2\ny"]
    assert book.run("f[", store_history=False).reply["ename"] == "SyntaxError"
    ran = book.run("%", user_expressions={"good": "s^2", "bad": "1 +", "picture": "Plot[t, {t, 0, 1}]"})
    assert ran.reply["execution_count"] == number + 1 and ran.bundles() == [{"text/plain": "1"}]
    values = ran.reply["user_expressions"]
    assert values["good"] == {"status": "ok", "data": {"text/plain": "25"}, "metadata": {}}
    assert values["bad"]["status"] == "error" and "ToExpression::sntxi" in values["bad"]["evalue"]
    assert "image/svg+xml" in values["picture"]["data"]


def press(book: Notebook, code: str, *, stdin: bool) -> str:
    """Begin a cell that prints a line and then does not obey, and interrupt it twice."""
    request = book.start(f"Print[0]; {code}", stdin=stdin)
    for kind, _ in book.heard(request):
        if kind == "stream":
            break
    book.manager.interrupt_kernel()
    book.manager.interrupt_kernel()
    return request


def test_a_second_interrupt_offers_more(book: Notebook) -> None:
    ran = book.finish(press(book, "AbortProtect[Pause[2]]", stdin=True), ["w"])
    (asked,) = ran.asked
    assert re.match(r"The kernel has not obeyed the abort(, and the server ends it in \d+ s)?\. \[w\]ait for it, interrupt \[m\]enu", asked)
    assert ran.reply["ename"] == "$Aborted"
    ran = book.finish(press(book, "AbortProtect[Pause[2]]", stdin=False))
    assert "has not obeyed the abort" in ran.text("stderr") and "restart the kernel" in ran.text("stderr")
    assert ran.reply["ename"] == "$Aborted"


def test_a_kernel_that_does_not_obey_is_ended_on_request(book: Notebook) -> None:
    ran = book.finish(press(book, "AbortProtect[Pause[60]]", stdin=True), ["q"])
    assert ran.reply["ename"] == "KernelLeft"
    assert book.run("1 + 1").bundles() == [{"text/plain": "2"}]


# ---- while a person types ------------------------------------------------------------------------


def test_completions(book: Notebook, tmp_path: Path) -> None:
    book.run("velocity𝒳 = 5; Options[launch] = {steepness -> 1}; launch::usage = \"launch[] starts.\"; launch[t_] := t^2")
    for name in ("data.csv", "dates"):
        (tmp_path / name).touch()

    def complete(code: str) -> list[str]:
        (reply,) = [content for kind, content in book.heard(book.client.complete(code)) if kind == "complete_reply"]
        return [code[: reply["cursor_start"]] + match + code[reply["cursor_end"] :] for match in reply["matches"]]

    assert complete("NIntegr") == ["NIntegrate"]
    assert complete('"𝒳𝒴" <> velo') == ['"𝒳𝒴" <> velocity𝒳']
    assert complete("launch[3, st") == ["launch[3, steepness"]
    assert "Plot[x, {x, 0, 1}, PlotRange" in complete("Plot[x, {x, 0, 1}, PlotR")
    assert complete("1 + Develop") == ["1 + Developer`"]
    assert complete("\\[Alph") == ["\\[Alpha]"]
    assert complete(f'Import["{tmp_path}/dat') == [f'Import["{tmp_path}/data.csv', f'Import["{tmp_path}/dates']
    assert complete("%mag") == ["%magics"]
    assert complete("(* NIntegr") == []


def test_inspections(book: Notebook) -> None:
    book.run('lift::usage = "lift[] starts."; lift[t_] := t^2')

    def told(code: str, **options: int) -> str:
        (reply,) = [content for kind, content in book.heard(book.client.inspect(code, **options)) if kind == "inspect_reply"]
        return str(reply["data"].get("text/plain", ""))

    assert told("lift[5, ") == "Global`lift\n\nlift[] starts."
    assert "lift[t_] := t^2" in told("lift", detail_level=1)
    assert "Attributes: HoldAll" in told("Plot") and re.search("Axes [:-]> True", told("Plot"))
    assert told("nothingLikeIt") == ""


def test_a_busy_kernel_is_not_waited_for(book: Notebook) -> None:
    book.run("swiftness = 1")
    list(book.heard(book.client.complete("swif")))
    request = book.start("Print[0]; While[True]")
    for kind, _ in book.heard(request):
        if kind == "stream":
            break
    client = book.client
    asked = {
        "complete_reply": lambda: client.complete("swiftn"),
        "is_complete_reply": lambda: client.is_complete("f["),
        "inspect_reply": lambda: client.inspect("neverSeen"),
        "kernel_info_reply": client.kernel_info,
        "history_reply": lambda: client.history(hist_access_type="tail", n=1),
    }
    replies = {kind: [content for heard, content in book.heard(ask()) if heard == kind] for kind, ask in asked.items()}
    assert replies["complete_reply"][0]["matches"] == ["swiftness"]
    assert replies["is_complete_reply"][0] == {"status": "incomplete", "indent": "  "}
    assert replies["inspect_reply"][0]["found"] is False
    book.manager.interrupt_kernel()
    assert book.finish(request).reply["ename"] == "$Aborted"


# ---- Jupyter's own tests -------------------------------------------------------------------------


@pytest.mark.usefixtures("shared")
class TestProtocol(jupyter_kernel_test.KernelTests):
    language_name = "wolfram"
    file_extension = ".wl"
    code_hello_world = 'Print["hello, world"]'
    code_stderr = "1/0"
    completion_samples: ClassVar = [{"text": "NIntegr", "matches": {"NIntegrate"}}, {"text": "\\[Alph", "matches": {"Alpha]"}}]
    complete_code_samples: ClassVar = ["1 + 1", "f[x_] := x", '"a[" <> "b"', "(* a [ *)"]
    incomplete_code_samples: ClassVar = ["f[", "1 +", '"a', "{1,\n 2"]
    invalid_code_samples: ClassVar = ["f[}", "1 + 2]"]
    code_page_something = "%magics"
    code_generate_error = "f["
    code_execute_result: ClassVar = [
        {"code": "6*7", "result": "42"},
        {"code": "a^2 + b", "mime": "text/latex"},
        {"code": "Plot[x, {x, 0, 1}]", "mime": "image/svg+xml"},
    ]
    code_display_data: ClassVar = [
        {"code": "Print[Plot[x, {x, 0, 1}]]", "mime": "image/png"},
        {"code": "Echo[Grid[{{1}}]];", "mime": "text/html"},
    ]
    supported_history_operations = ("tail", "range", "search")
    code_history_pattern = "6?7"
    code_inspect_sample = "Plot"
    code_clear_output = "%clear"

    @pytest.fixture(scope="class")
    @classmethod
    def shared(cls, book: Notebook) -> None:
        cls.km, cls.kc = book.manager, book.client

    @classmethod
    def setUpClass(cls) -> None:
        pass

    @classmethod
    def tearDownClass(cls) -> None:
        pass
