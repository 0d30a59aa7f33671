"""What a kernel answers to each packet."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kernelbus.kernelhost.mathics.evaluation.loading import Loaded
from kernelbus.kernelhost.mathics.packets.mainloop import MainLoop
from wstp import Expr, Function, Symbol

S = Symbol


class Recorder:
    """A port that keeps what is sent, and refuses some packets."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.refuse: set[str] = set()

    def send(self, *packets: Expr, last: bool = False) -> None:
        for packet in packets:
            if packet.head.name in self.refuse:
                self.refuse.discard(packet.head.name)
                raise ValueError("cannot be written")
            self.sent.append(packet)


class Kernel:
    """Send packets to a main loop."""

    def __init__(self, loaded: Loaded) -> None:
        self.port = Recorder()
        self.loaded = loaded
        self.loop = MainLoop(loaded, self.port)
        loaded.definitions.set_line_no(1)

    def __call__(self, packet: Expr, *, aborted: bool = False) -> list[Any]:
        self.port.sent.clear()
        self.loop.handle(packet, aborted=aborted)
        self.loaded.interrupts.forget()
        return list(self.port.sent)

    def evaluate(self, code: str) -> list[Any]:
        return self(S("EvaluatePacket")(S("ToExpression")(code)))

    def enter(self, code: str) -> list[Any]:
        return self(S("EnterTextPacket")(code))


@pytest.fixture
def kernel(loaded: Loaded) -> Kernel:
    return Kernel(loaded)


def prompt(line: int) -> Function:
    return Function("InputNamePacket", f"In[{line}]:= ")


def out(line: int, text: str, form: str = "") -> list[Function]:
    return [Function("OutputNamePacket", f"Out[{line}]{form}= "), Function("ReturnTextPacket", text)]


def message(symbol: str, tag: str, text: str) -> list[Function]:
    return [
        Function("MessagePacket", S(symbol), tag),
        Function("TextPacket", f"{symbol}::{tag}: {text}\n"),
    ]


def returned(value: Any) -> Function:
    return Function("ReturnPacket", value)


@pytest.mark.parametrize(
    ("packet", "answers"),
    [
        (S("EvaluatePacket")(S("Plus")(2, 2)), [returned(4)]),
        (S("System`EvaluatePacket")(S("System`Plus")(2, 2)), [returned(4)]),
        (S("EvaluatePacket")(None), [returned(S("Null"))]),
        (S("EvaluatePacket")(S("f")(S("x"), "s")), [returned(S("f")(S("x"), "s"))]),
        (
            S("EvaluatePacket")(1, 2),
            [
                *message(
                    "EvaluatePacket",
                    "argx",
                    "EvaluatePacket called with 2 arguments; 1 argument is expected.",
                ),
                returned(S("$Failed")),
            ],
        ),
        (S("Plus")(1, 1), [returned(2)]),
        (7, [returned(7)]),
        ("text", [returned("text")]),
        (S("x"), [returned(S("x"))]),
        (S("f")(1)(2), [returned(S("f")(1)(2))]),
        (S("Global`EvaluatePacket")(1), [returned(S("Global`EvaluatePacket")(1))]),
        (S("SuspendPacket")(), []),
        (S("EvaluatePacket")(S("Sequence")(1, 2)), [returned(S("Sequence")(1, 2))]),
        (S("EvaluatePacket")([S("Sequence")(), 1, S("Sequence")(2, 3)]), [returned([1, 2, 3])]),
        (S("EnterTextPacket")("Sequence[1, 2]"), [*out(1, "Sequence[1, 2]"), prompt(2)]),
        (S("EvaluatePacket")(S("ToExpression")("(* c *)")), [returned(S("Null"))]),
        (S("EvaluatePacket")(S("ToExpression")("")), [returned(S("Null"))]),
        (S("Foreign")(1), [returned(S("Foreign")(1))]),
        (S("CallPacket")(1, []), []),
        (S("ReturnPacket")(5), []),
        (S("TextPacket")("x"), []),
        (
            S("EnterExpressionPacket")(S("Plus")(1, 1)),
            [*out(1, "")[:1], Function("ReturnExpressionPacket", 2), prompt(2)],
        ),
        (S("EnterExpressionPacket")(None), [prompt(2)]),
        (S("EnterTextPacket")("2+2"), [*out(1, "4"), prompt(2)]),
        (S("EnterTextPacket")("2+2;"), [prompt(2)]),
        (
            S("EnterTextPacket")(5),
            [*message("EnterTextPacket", "string", "A string is expected."), prompt(1)],
        ),
    ],
    ids=repr,
)
def test_answers(packet: Expr, answers: list[Any], kernel: Kernel) -> None:
    assert kernel(packet) == answers


# Too wide for a page.
_WIDE = "     2    3    4    5    6    7    8    9    10    11    12    13    14\n"
_WIDE += "x + x  + x  + x  + x  + x  + x  + x  + x  + x   + x   + x   + x   + x   + \n \n"
_WIDE += "      15    16    17    18    19    20    21    22    23    24    25\n"
_WIDE += ">    x   + x   + x   + x   + x   + x   + x   + x   + x   + x   + x"


@pytest.mark.parametrize(
    ("code", "answers"),
    [
        ("", [prompt(1)]),
        ("(* nothing *)", [prompt(1)]),
        ("1\n2", [*out(1, "1"), *out(2, "2"), prompt(3)]),
        ("1; \nx\nf[1,\n2]", [*out(2, "x"), *out(3, "f[1, 2]"), prompt(4)]),
        ('"text"', [*out(1, "text"), prompt(2)]),
        ("x^2/3", [*out(1, " 2\nx\n--\n3"), prompt(2)]),
        ("Print[x^2, 1/2]", [Function("TextPacket", " 21\nx -\n  2\n"), prompt(2)]),
        ("Plus @@ Table[x^n, {n, 25}]", [*out(1, _WIDE), prompt(2)]),
        ("InputForm[x^2/3]", [*out(1, "x^2/3", "//InputForm"), prompt(2)]),
        ("FullForm[a+b]", [*out(1, "Plus[a, b]", "//FullForm"), prompt(2)]),
        (
            "Print[1]; Print[a, b]; 3",
            [Function("TextPacket", "1\n"), Function("TextPacket", "ab\n"), *out(1, "3"), prompt(2)],
        ),
        (
            "1/0",
            [
                *message("Power", "infy", "Infinite expression 1 / 0 encountered."),
                *out(1, "ComplexInfinity"),
                prompt(2),
            ],
        ),
        ("Abort[]\n5", [*out(1, "$Aborted"), prompt(2)]),
    ],
)
def test_text_is_entered(code: str, answers: list[Any], kernel: Kernel) -> None:
    assert kernel.enter(code) == answers


@pytest.mark.parametrize(
    ("code", "tag"),
    [
        ("1+", "sntxi"),
        ("f[1,", "sntxi"),
        ("2 2)", "sntxf"),
        ("a b]\n3", "sntxf"),
        ('"open', "sntxi"),
        ("(* open", "sntxi"),
        ("\\[", "sntxb"),
        ("5 \\:12", "sntxf"),
        ("1 + \\[Nothing]", "sntufn"),
        ("a\x00b", "sntxf"),
    ],
)
def test_what_cannot_be_read(code: str, tag: str, kernel: Kernel) -> None:
    name, text, position, last = kernel.enter(code)
    assert name.head == S("MessagePacket")
    assert name.args[0] == S("Syntax")
    assert name.args[1] == tag
    assert text.args[0].startswith(f"Syntax::{name.args[1]}: ")
    assert position.head == S("SyntaxPacket")
    assert 1 <= position.args[0] <= len(code) + 1
    assert last == prompt(1)


def test_what_comes_before_a_syntax_error_is_evaluated(kernel: Kernel) -> None:
    answers = kernel.enter("1+1\n2]\n3")
    assert answers[:2] == out(1, "2")
    assert [a.head.name for a in answers[2:]] == [
        "MessagePacket",
        "TextPacket",
        "SyntaxPacket",
        "InputNamePacket",
    ]
    assert answers[-1] == prompt(2)


def test_history(kernel: Kernel) -> None:
    kernel.enter("x = 5;")
    kernel.enter("x^2")
    assert kernel.enter("%") == [*out(3, "25"), prompt(4)]
    assert kernel.enter("% + %2 + Out[2]") == [*out(4, "75"), prompt(5)]
    assert kernel.enter("In[2]") == [*out(5, "25"), prompt(6)]
    assert kernel.enter("InString[2]") == [*out(6, "x^2"), prompt(7)]
    assert kernel.enter("$Line") == [*out(7, "7"), prompt(8)]
    assert kernel.enter("$Line = 20;")[-1] == prompt(21)


def test_what_is_not_shown_is_the_last_result_all_the_same(kernel: Kernel) -> None:
    assert kernel.enter("2+2;") == [prompt(2)]
    assert kernel.enter("%") == [*out(2, "4"), prompt(3)]
    kernel.enter("f := (5;);")
    assert kernel.enter("{f, 3}")[1:] == [Function("ReturnTextPacket", "{Null, 3}"), prompt(5)]
    assert kernel.enter("%")[1] == Function("ReturnTextPacket", "{Null, 3}")


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ('WriteString["stdout", "a", 1 + 1, "\\n"]', "a2\n"),
        ('Write["stdout", x^2]', "x ^ 2\n"),
        ('WriteString[$Output, "b"]', "b"),
        ("Write[$Output, c]", "c\n"),
        ('WriteString[First[$Output], "d"]', "d"),
    ],
)
def test_standard_output_is_the_clients(code: str, text: str, kernel: Kernel) -> None:
    assert kernel.evaluate(code) == [Function("TextPacket", text), returned(S("Null"))]


def test_nobody_to_ask(kernel: Kernel) -> None:
    assert kernel.evaluate("{Input[], InputString[]}") == [returned([S("EndOfFile")] * 2)]
    assert kernel.evaluate("{Dialog[], Interrupt[], 5}") == [returned([S("Null"), S("Null"), 5])]


@pytest.mark.parametrize(
    ("code", "printed", "result"),
    [
        ("AbortProtect[Abort[]; Print[1]]; Print[2]", ["1"], S("$Aborted")),
        ("CheckAbort[AbortProtect[Abort[]; Print[1]]; Print[2], caught]", ["1"], S("caught")),
        ("AbortProtect[CheckAbort[Abort[]; Print[1], caught]]", [], S("caught")),
        ("AbortProtect[AbortProtect[Abort[]]; Print[1]; 7]", ["1"], S("$Aborted")),
        ("TimeConstrained[AbortProtect[Pause[0.2]; Print[1]]; Print[2], 0.05, late]", ["1"], S("late")),
        ("AbortProtect[TimeConstrained[Pause[60], 0.05, late]]", [], S("late")),
        ("AbortProtect[Throw[3]]", None, S("Hold")(S("Throw")(3))),
        ("AbortProtect[8]", [], 8),
    ],
)
def test_aborts_are_held_back(code: str, printed: list[str] | None, result: Any, kernel: Kernel) -> None:
    *before, answer = kernel.evaluate(code)
    assert answer == returned(result)
    assert printed is None or before == [Function("TextPacket", f"{p}\n") for p in printed]
    assert kernel.evaluate("TimeConstrained[While[True], 0.05, late]") == [returned(S("late"))]


def test_sending_can_be_aborted(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    from kernelbus.kernelhost.mathics.packets import mainloop

    def slow(*arguments: Any) -> Any:
        kernel.loaded.interrupts.abort()
        while True:
            pass

    with monkeypatch.context() as patched:
        patched.setattr(mainloop, "from_mathics", slow)
        assert kernel.evaluate("1+1") == [returned(S("$Aborted"))]
    assert kernel.evaluate("1+1") == [returned(2)]


def test_history_has_a_length(kernel: Kernel) -> None:
    kernel.enter("$HistoryLength = 2;")
    for _ in range(4):
        kernel.enter("1+1")
    assert kernel.enter("Out[2]")[1] == Function("ReturnTextPacket", "%2")
    assert kernel.enter("Out[5]")[1] == Function("ReturnTextPacket", "2")


def test_evaluate_packet_leaves_history_alone(kernel: Kernel) -> None:
    kernel.enter("41")
    assert kernel.evaluate("% + 1") == [returned(42)]
    assert kernel.evaluate("$Line") == [returned(2)]
    assert kernel.enter("%") == [*out(2, "41"), prompt(3)]


def test_hooks_of_the_main_loop(kernel: Kernel) -> None:
    kernel.enter("$Pre = pre; $Post = post;")
    assert kernel.enter("1") == [*out(2, "post[pre[1]]"), prompt(3)]
    kernel.enter("$Post =.")
    kernel.enter("$Pre =.")
    kernel.enter("$PrePrint = shown;")
    assert kernel.enter("1")[1] == Function("ReturnTextPacket", "shown[1]")
    assert kernel.evaluate("%") == [returned(1)]
    kernel.enter("$PrePrint =.")


def test_without_prompts(loaded: Loaded) -> None:
    kernel = Kernel(loaded)
    kernel.loop = MainLoop(loaded, kernel.port, prompts=False)
    assert kernel.enter("2+2") == [Function("ReturnTextPacket", "4")]


@pytest.mark.parametrize(
    ("code", "result"),
    [
        ("Throw[3]", S("Hold")(S("Throw")(3))),
        ("Break[]", S("Hold")(S("Break")())),
        ("Continue[]", S("Hold")(S("Continue")())),
        ("g[n_] := g[n] + 1; g[1]", S("$Aborted")),
        ("g[n_] := g[n + 1]; g[1]", S("$Aborted")),
    ],
)
def test_what_comes_to_no_end_is_told(code: str, result: Any, kernel: Kernel) -> None:
    name, text, answer = kernel.evaluate(code)
    assert name.head == S("MessagePacket")
    assert text.head == S("TextPacket")
    assert answer == returned(result)


@pytest.mark.parametrize(
    ("error", "name", "result"),
    [
        (RecursionError(), "$RecursionLimit", "$Aborted"),
        (MemoryError(), "General", "$Aborted"),
        (TimeoutError("of the test"), "Kernel", "$Failed"),
        (StopIteration(), "Kernel", "$Failed"),
        (AssertionError(), "Kernel", "$Failed"),
        (AttributeError("x"), "Kernel", "$Failed"),
    ],
    ids=lambda e: type(e).__name__ if isinstance(e, Exception) else "",
)
def test_one_answer_whatever_happens(
    error: Exception, name: str, result: str, kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mathics.builtin.procedural import Pause

    # Every FunctionApplyRule holds the method with which it was made.
    (rule,) = (r for r in kernel.loaded.definitions.builtin["System`Pause"].downvalues if hasattr(r, "function"))

    def fail(**arguments: Any) -> Any:
        raise error

    assert isinstance(rule.function.__self__, Pause)
    with monkeypatch.context() as patched:
        patched.setattr(rule, "function", fail)
        symbol, text, answer = kernel.evaluate("Pause[0]")
    assert symbol.args[0] == S(name)
    assert text.head == S("TextPacket")
    assert name != "Kernel" or type(error).__name__ in text.args[0]
    assert answer == returned(S(result))
    assert kernel.evaluate("1+1") == [returned(2)]


def test_an_error_in_mathics_is_named(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    from mathics.core.expression import Expression

    def fail(self: Any, evaluation: Any) -> Any:
        raise ZeroDivisionError("of the test")

    with monkeypatch.context() as patched:
        patched.setattr(Expression, "evaluate", fail)
        name, text, answer = kernel(S("EvaluatePacket")(S("f")(1)))
    assert name.args == (S("Kernel"), "error")
    assert "ZeroDivisionError: of the test" in text.args[0]
    assert answer == returned(S("$Failed"))
    assert kernel.evaluate("1+1") == [returned(2)]


def test_a_result_that_cannot_be_written_is_told(kernel: Kernel) -> None:
    kernel.port.refuse.add("ReturnPacket")
    name, text, answer = kernel.evaluate("1+1")
    assert name.args == (S("Kernel"), "send")
    assert "cannot be written" in text.args[0]
    assert answer == returned(S("$Failed"))


def test_a_message_repeated_falls_silent(kernel: Kernel) -> None:
    answers = kernel.evaluate("Do[1/0, {50}]")
    names = [a.args[0].name for a in answers if a.head.name == "MessagePacket"]
    assert names == ["Power", "Power", "Power", "General"]
    assert len(kernel.evaluate("1/0")) == 3


@pytest.mark.parametrize("head", ["EvaluatePacket", "EnterExpressionPacket"])
@pytest.mark.parametrize(
    ("wrap", "depth"),
    # Nested heads cost Mathics3 time that grows with the square of their depth.
    [(S("f"), 100_000), (lambda v: [v], 100_000), (lambda v: Function(v, 1), 20_000)],
    ids=["arguments", "lists", "heads"],
)
def test_depth_is_answered(head: str, wrap: Any, depth: int, kernel: Kernel) -> None:
    value: Any = S("x")
    for _ in range(depth):
        value = wrap(value)
    answers = kernel(Function(head, value))
    assert answers[0].head == S("MessagePacket")
    assert any(
        a.head.name in ("ReturnPacket", "ReturnExpressionPacket") and a.args == (S("$Aborted"),)
        for a in answers
    )
    assert kernel.evaluate("1+1") == [returned(2)]


def test_an_abort_that_came_first(kernel: Kernel) -> None:
    assert kernel(S("EvaluatePacket")(S("While")(S("True"))), aborted=True) == [returned(S("$Aborted"))]
    assert kernel(S("EnterTextPacket")("While[True]\n5"), aborted=True) == [*out(1, "$Aborted"), prompt(2)]
    enter = S("EnterExpressionPacket")(S("While")(S("True")))
    assert kernel(enter, aborted=True)[1] == Function("ReturnExpressionPacket", S("$Aborted"))
    assert kernel.evaluate("1+1") == [returned(2)]


@pytest.mark.parametrize(
    ("code", "status"), [("Quit[]", 0), ("Exit[]", 0), ("Exit[7]", 7), ("CheckAbort[Quit[3], 1]", 3)]
)
def test_leaving(code: str, status: int, kernel: Kernel) -> None:
    with pytest.raises(SystemExit) as left:
        kernel.evaluate(code)
    assert left.value.code == status
    assert kernel.port.sent == []


def test_numbers_travel_packed(kernel: Kernel) -> None:
    answer = kernel.evaluate("Range[20]*1.5")[0].args[0]
    assert isinstance(answer, np.ndarray)
    assert np.array_equal(answer, np.arange(1, 21) * 1.5)
    assert kernel(S("EvaluatePacket")(S("Total")(np.array([1.0, 2.0, 2.5])))) == [returned(5.5)]


def test_code_before_the_first_prompt(kernel: Kernel, tmp_path: Any) -> None:
    file = tmp_path / "init.m"
    file.write_text("fromfile = 3; Print[fromfile]\n")
    kernel.loop.load(str(file))
    kernel.loop.run("fromcode = 4; Print[fromcode]\nPrint[5]")
    kernel.loop.start()
    assert kernel.port.sent == [*(Function("TextPacket", f"{n}\n") for n in (3, 4, 5)), prompt(1)]
    assert kernel.enter("fromfile + fromcode") == [*out(1, "7"), prompt(2)]


def test_numbers_ever_seen_are_forgotten(loaded: Loaded, kernel: Kernel) -> None:
    from mathics.core.atoms import Integer

    for value in range(10**9, 10**9 + 250_000):
        Integer(value)
    assert len(Integer._integers) > 250_000
    kernel.evaluate("1+1")
    assert len(Integer._integers) < 100_000
    assert Integer(1) is Integer(1)
    assert kernel.evaluate("10^9 + 5 == 5 + 10^9") == [returned(S("True"))]
