"""The embedded kernel asks its client: input, dialogs, the interrupt menu."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from mathics_kernel import WAIT, Kernel, Parent, returned

import wstp
from wstp import Expr, Function, MessageCode, Symbol

S = Symbol
TEXT, ENTER, EVALUATE = S("TextPacket"), S("EnterTextPacket"), S("EvaluatePacket")
ABORTED = returned(S("$Aborted"))[0]
MENU = Function("MenuPacket", 1, "Interrupt> ")


@pytest.fixture(scope="module")
def parent() -> Iterator[Parent]:
    """Load Mathics3 once for all kernels."""
    parent = Parent()
    yield parent
    parent.close()


@contextmanager
def started(parent: Parent) -> Iterator[Kernel]:
    kernel = parent.fork()
    try:
        assert kernel.next() == Function("InputNamePacket", "In[1]:= ")
        yield kernel
    finally:
        kernel.close()


@pytest.fixture(scope="module")
def shared(parent: Parent) -> Iterator[Kernel]:
    """Share one kernel between tests that leave it unchanged."""
    with started(parent) as kernel:
        yield kernel


@pytest.fixture
def kernel(shared: Kernel) -> Iterator[Kernel]:
    """Give the shared kernel with input number 1 next, and check that nothing is left on its link.
    """
    assert shared.evaluate('ClearAll["Global`*"]; $Line = 1;') == S("Null")
    yield shared
    assert shared.evaluate("1 + 1") == 2, "something was left over"


@pytest.fixture
def own(parent: Parent) -> Iterator[Kernel]:
    """Give a kernel that the test may end."""
    with started(parent) as kernel:
        yield kernel


def code(text: str) -> Function:
    return EVALUATE(S("ToExpression")(text))


def prompt(line: int, where: str = "(Dialog) ") -> Function:
    return Function("InputNamePacket", f"{where}In[{line}]:= ")


def out(line: int, text: str, where: str = "(Dialog) ") -> list[Function]:
    return [Function("OutputNamePacket", f"{where}Out[{line}]= "), Function("ReturnTextPacket", text)]


def take(kernel: Kernel, *packets: Function) -> None:
    assert [kernel.next() for _ in packets] == list(packets)


def asks(kernel: Kernel, question: Expr, packet: Function) -> None:
    """Send a packet, and check that the question comes first."""
    kernel.put(question)
    assert kernel.next() == packet


# -- Input and InputString -----------------------------------------


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        (ENTER("1 + x"), S("Plus")(1, S("x"))),
        (TEXT("{1, 2 + 3}"), [1, 5]),
        ("2^10", 1024),
        (S("EnterExpressionPacket")(S("Plus")(2, 3)), 5),
        (S("ReturnPacket")(S("f")(2)), S("f")(2)),
        (S("$Failed"), S("$Failed")),
        (7, 7),
        (ENTER("u = 4\nu + 1"), 5),
        (ENTER("(* nothing *)"), S("Null")),
    ],
    ids=repr,
)
def test_input_takes_what_clients_answer(answer: Expr, value: Any, kernel: Kernel) -> None:
    asks(kernel, code("{Input[]}"), Function("InputPacket", "? "))
    kernel.put(answer)
    assert kernel.next() == returned([value])[0]


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        (TEXT("a b\n1/0 \\ é日"), "a b\n1/0 \\ é日"),
        (ENTER("plain"), "plain"),
        ("bare", "bare"),
        ("", ""),
        (S("EnterExpressionPacket")("packed"), "packed"),
        (S("$Canceled"), S("$Canceled")),
    ],
    ids=repr,
)
def test_input_string_takes_text_as_it_is(answer: Expr, value: Any, kernel: Kernel) -> None:
    asks(kernel, code('{InputString["name: "]}'), Function("InputStringPacket", "name: "))
    kernel.put(answer)
    assert kernel.next() == returned([value])[0]


def test_input_within_the_main_loop(kernel: Kernel) -> None:
    asks(kernel, ENTER('a = Input["a? "]; b = Input[2 b0]; a + b'), Function("InputPacket", "a? "))
    asks(kernel, ENTER("20"), Function("InputPacket", "2 b0"))
    kernel.put(ENTER("300"))
    take(kernel, *out(1, "320", ""), prompt(2, ""))


def test_input_that_cannot_be_read_is_asked_for_again(kernel: Kernel) -> None:
    asks(kernel, code("Input[]"), Function("InputPacket", "? "))
    kernel.put(ENTER("f[1,"))
    assert kernel.next() == Function("MessagePacket", S("Syntax"), "sntxi")
    assert kernel.next().args[0].startswith("Syntax::sntxi: ")
    assert kernel.next().head == S("SyntaxPacket")
    assert kernel.next() == Function("InputPacket", "? ")
    kernel.put(ENTER("f[1, 2]"))
    assert kernel.next() == returned(S("f")(1, 2))[0]


def test_a_question_stays_while_something_else_is_answered(kernel: Kernel) -> None:
    asks(kernel, code("{InputString[]}"), Function("InputStringPacket", "? "))
    kernel.put(S("CallPacket")(1, [2]))
    kernel.put(S("InputNamePacket")("x"))
    kernel.put(code("Print[3]; 4"))
    take(kernel, TEXT("3\n"), *returned(4))
    kernel.put(code("While[True]"))
    kernel.link.put_message(MessageCode.ABORT)
    assert kernel.next() == ABORTED
    kernel.put(TEXT("yes"))
    assert kernel.next() == returned(["yes"])[0]


@pytest.mark.parametrize("asking", ["Input[]", "InputString[]", "Dialog[]"])
def test_an_abort_ends_what_waits_for_an_answer(asking: str, kernel: Kernel) -> None:
    for _ in range(5):
        kernel.put(code(f"Print[1]; {asking}; Print[2]"))
        assert kernel.next() == TEXT("1\n")
        kernel.next()
        if asking == "Dialog[]":
            assert kernel.next() == prompt(1)
        kernel.link.put_message(MessageCode.ABORT)
        if asking == "Dialog[]":
            assert kernel.next() == Function("EndDialogPacket", 1)
        assert kernel.next() == ABORTED


def test_an_abort_right_behind_an_answer_is_for_the_evaluation(kernel: Kernel) -> None:
    asks(kernel, code("Input[]; While[True]"), Function("InputPacket", "? "))
    kernel.put(ENTER("5"))
    kernel.link.put_message(MessageCode.ABORT)
    assert kernel.next() == ABORTED


def test_an_abort_of_a_question_is_caught(kernel: Kernel) -> None:
    asks(kernel, code("CheckAbort[Input[], caught]"), Function("InputPacket", "? "))
    kernel.link.put_message(MessageCode.ABORT)
    assert kernel.next() == returned(S("caught"))[0]


def test_a_question_has_the_time_limit_of_its_evaluation(kernel: Kernel) -> None:
    asks(kernel, code("TimeConstrained[Input[], 0.2, late]"), Function("InputPacket", "? "))
    assert kernel.next() == returned(S("late"))[0]


def test_a_late_answer_is_no_input(kernel: Kernel) -> None:
    asks(kernel, code("TimeConstrained[InputString[], 0.1, late]"), Function("InputStringPacket", "? "))
    assert kernel.next() == returned(S("late"))[0]
    kernel.put(TEXT("too late"))


# -- Dialog -----------------------------------------


def test_a_dialog(kernel: Kernel) -> None:
    kernel.put(ENTER("Block[{y = 7}, 1 + Dialog[]^2]"))
    take(kernel, Function("BeginDialogPacket", 1), prompt(2))
    kernel.put(ENTER("y"))
    take(kernel, *out(2, "7"), prompt(3))
    kernel.put(ENTER("Print[%];"))
    take(kernel, TEXT("7\n"), prompt(4))
    kernel.put(code("$Line"))
    take(kernel, *returned(4))
    kernel.put(ENTER("z = 2]"))
    assert [kernel.next().head.name for _ in range(3)] == ["MessagePacket", "TextPacket", "SyntaxPacket"]
    take(kernel, prompt(4))
    kernel.put(ENTER("Return[a + b]\n5"))
    take(kernel, Function("EndDialogPacket", 1), *out(1, "           2\n1 + (a + b)", ""), prompt(2, ""))
    kernel.put(ENTER("{If[ValueQ[Out[3]], Out[3], None], %}"))
    take(kernel, *out(2, "                  2\n{None, 1 + (a + b) }", ""), prompt(3, ""))


@pytest.mark.parametrize(
    ("dialog", "entered", "value"),
    [
        ("Dialog[]", "Return[]", S("Null")),
        ("Dialog[]", "Return[5]", 5),
        ("Dialog[3 + 4]", "Return[]", 7),
        ("Dialog[3 + 4]", "Return[% + 1]", 8),
        ("Dialog[q, DialogSymbols :> {q = 9}]", "Return[{q, %}]", [9, 9]),
        ("Dialog[DialogProlog :> (p = 3)]", "Return[p]", 3),
        ("f[Dialog[]]", "g[t_] := Return[t]; Return[g[6]]", S("f")(6)),
    ],
)
def test_dialogs_give_values(dialog: str, entered: str, value: Any, kernel: Kernel) -> None:
    kernel.put(code(dialog))
    take(kernel, Function("BeginDialogPacket", 1), prompt(1))
    kernel.put(ENTER(entered))
    take(kernel, Function("EndDialogPacket", 1), *returned(value))
    assert kernel.evaluate("{$Line, ValueQ[Out[0]]}") == [1, S("False")]


def test_a_dialog_takes_expressions_and_holds_dialogs(kernel: Kernel) -> None:
    kernel.put(code("{Dialog[]}"))
    take(kernel, Function("BeginDialogPacket", 1), prompt(1))
    kernel.put(S("EnterExpressionPacket")(S("Dialog")()))
    take(kernel, Function("BeginDialogPacket", 2), prompt(2))
    kernel.put(S("EnterExpressionPacket")(S("Return")(4)))
    take(
        kernel,
        Function("EndDialogPacket", 2),
        Function("OutputNamePacket", "(Dialog) Out[1]= "),
        Function("ReturnExpressionPacket", 4),
        prompt(2),
    )
    asks(kernel, ENTER("Input[]"), Function("InputPacket", "? "))
    kernel.put(ENTER("8"))
    take(kernel, *out(2, "8"), prompt(3))
    kernel.put(ENTER("Return[]"))
    take(kernel, Function("EndDialogPacket", 1), *returned([8]))


def test_an_abort_in_a_dialog_is_for_what_the_dialog_evaluates(kernel: Kernel) -> None:
    kernel.put(code("Dialog[]; 5"))
    take(kernel, Function("BeginDialogPacket", 1), prompt(1))
    for line in range(1, 6):
        kernel.put(ENTER("While[True]"))
        kernel.link.put_message(MessageCode.ABORT)
        take(kernel, *out(line, "$Aborted"), prompt(line + 1))
    kernel.put(ENTER("Abort[]"))
    take(kernel, *out(6, "$Aborted"), prompt(7))
    kernel.put(ENTER("Return[]"))
    take(kernel, Function("EndDialogPacket", 1), *returned(5))


# -- interrupts -----------------------------------------


def interrupted(kernel: Kernel, text: str) -> None:
    """Evaluate something that prints and goes on, and interrupt it."""
    kernel.put(code(f'Print["go"]; {text}'))
    assert kernel.next() == TEXT("go\n")
    kernel.link.put_message(MessageCode.INTERRUPT)
    assert kernel.next() == MENU


@pytest.mark.parametrize("answer", ["c", TEXT("continue"), ENTER("C"), S("c"), S("EnterExpressionPacket")("c")], ids=repr)
def test_an_interrupted_evaluation_goes_on(answer: Expr, kernel: Kernel, tmp_path: Path) -> None:
    flag = tmp_path / "go"
    interrupted(kernel, f'While[!FileExistsQ["{flag}"]]; True')
    kernel.put(answer)
    flag.touch()
    assert kernel.next() == returned(S("True"))[0]


def test_nothing_is_evaluated_while_the_menu_is_up(kernel: Kernel) -> None:
    interrupted(kernel, "n = 0; While[True, n++]")
    kernel.put(code("n"))
    first = kernel.next()
    kernel.put(code("Pause[0.05]; n"))
    assert kernel.next() == first
    kernel.put("a")
    assert kernel.next() == ABORTED


@pytest.mark.parametrize("text", ["While[True]", "Pause[600]", "Do[Integrate[Sin[x]^n Exp[x], x], {n, 10^4}]"])
@pytest.mark.parametrize("answer", ["a", TEXT("abort")], ids=repr)
def test_an_interrupted_evaluation_is_aborted(text: str, answer: Expr, kernel: Kernel) -> None:
    interrupted(kernel, text)
    kernel.put(answer)
    assert kernel.next() == ABORTED


def test_an_abort_while_the_menu_is_up(kernel: Kernel) -> None:
    interrupted(kernel, "While[True]")
    kernel.link.put_message(MessageCode.ABORT)
    assert kernel.next() == ABORTED


def test_inspecting(kernel: Kernel) -> None:
    kernel.put(code('Block[{k = 12}, Print["go"]; While[True]]'))
    assert kernel.next() == TEXT("go\n")
    kernel.link.put_message(MessageCode.INTERRUPT)
    assert kernel.next() == MENU
    kernel.put("i")
    take(
        kernel,
        Function("MessagePacket", S("Interrupt"), "dgbgn"),
        TEXT("Interrupt::dgbgn: Entering dialog; use Return[] to exit.\n"),
        Function("BeginDialogPacket", 1),
        prompt(1),
    )
    kernel.put(ENTER("k"))
    take(kernel, *out(1, "12"), prompt(2))
    kernel.put(ENTER("Return[]"))
    take(
        kernel,
        Function("EndDialogPacket", 1),
        Function("MessagePacket", S("Interrupt"), "dgend"),
        TEXT("Interrupt::dgend: Exiting dialog.\n"),
        MENU,
    )
    kernel.put("a")
    assert kernel.next() == ABORTED


def test_a_dialog_is_interrupted_too(kernel: Kernel) -> None:
    kernel.put(code("Dialog[]; 5"))
    take(kernel, Function("BeginDialogPacket", 1), prompt(1))
    kernel.put(ENTER('Print["go"]; While[True]'))
    assert kernel.next() == TEXT("go\n")
    kernel.link.put_message(MessageCode.INTERRUPT)
    assert kernel.next() == MENU
    kernel.put("a")
    take(kernel, *out(1, "$Aborted"), prompt(2))
    kernel.put(ENTER("Return[]"))
    take(kernel, Function("EndDialogPacket", 1), *returned(5))


def test_other_words_bring_up_the_menu_again(kernel: Kernel) -> None:
    interrupted(kernel, "While[True]")
    for answer in ("what?", "", 5, S("f")(1)):
        kernel.put(answer)
        assert kernel.next() == Function("MenuPacket", 0, "Interrupt> ")
        assert kernel.next().args[0].startswith("Your options are:\n\tabort (or a)")
    kernel.put("a")
    assert kernel.next() == ABORTED


def test_showing_what_is_evaluated(kernel: Kernel, tmp_path: Path) -> None:
    flag = tmp_path / "go"
    interrupted(kernel, f'While[!FileExistsQ["{flag}"], waiting[1]]; 3')
    kernel.put("s")
    shown = kernel.next()
    assert shown.head == TEXT
    assert shown.args[0].endswith("\n")
    flag.touch()
    assert kernel.next() == returned(3)[0]


def test_interrupt_brings_up_the_menu(kernel: Kernel) -> None:
    asks(kernel, code("Interrupt[]; 5"), MENU)
    kernel.put("c")
    assert kernel.next() == returned(5)[0]
    asks(kernel, code("CheckAbort[Interrupt[]; 5, caught]"), MENU)
    kernel.put("a")
    assert kernel.next() == returned(S("caught"))[0]


def test_the_time_in_the_menu_does_not_count(kernel: Kernel) -> None:
    asks(kernel, code("TimeConstrained[Interrupt[]; 5, 2, late]"), MENU)
    kernel.put(code("Pause[2.1]"))
    assert kernel.next() == returned(S("Null"))[0]
    kernel.put("c")
    assert kernel.next() == returned(5)[0]


def test_an_interrupt_right_behind_a_packet_is_for_it(kernel: Kernel) -> None:
    for _ in range(10):
        kernel.put(code("While[True]"))
        kernel.link.put_message(MessageCode.INTERRUPT)
        assert kernel.next() == MENU
        kernel.put("a")
        assert kernel.next() == ABORTED


def test_an_interrupt_of_nothing_does_nothing(kernel: Kernel) -> None:
    for number in range(10):
        kernel.link.put_message(MessageCode.INTERRUPT)
        assert kernel.ask(EVALUATE(number)) == returned(number)


def test_leaving_by_the_menu(own: Kernel) -> None:
    interrupted(own, "While[True]")
    own.put("exit")
    with pytest.raises(wstp.LinkClosed):
        own.next()
    assert own.exit_status() == 0


# -- the end while something waits -----------------------------------------


@pytest.mark.parametrize("asking", ["Input[]", "Dialog[]", "Interrupt[]"])
@pytest.mark.parametrize(("end", "status"), [("close", 0), ("vanish", 3), ("terminate", 0)])
def test_the_link_ends_while_something_waits(asking: str, end: str, status: int, own: Kernel) -> None:
    own.put(code(asking))
    own.next()
    ends: dict[str, Callable[[], None]] = {
        "close": own.link.close,
        "vanish": own.link.abort,
        "terminate": lambda: own.link.put_message(MessageCode.TERMINATE),
    }
    ends[end]()
    assert own.exit_status() == status


def test_quit_in_a_dialog(own: Kernel) -> None:
    own.put(code("Dialog[]"))
    take(own, Function("BeginDialogPacket", 1), prompt(1))
    own.put(ENTER("Exit[4]"))
    assert own.exit_status() == 4


def misspelt(expr: Expr) -> list[bytes]:
    """Return a packet's bytes with letters in the place of the digits of 10^29."""
    whole = b"".join(bytes(part) for part in wstp.write_expression(expr))
    assert str(10**29).encode() in whole
    return [whole.replace(str(10**29).encode(), b"abc" * 10), b"]"]


NO_NUMBER = [
    Function("MessagePacket", S("Kernel"), "number"),
    TEXT(f'Kernel::number: "{"abc" * 10}" was sent as a number, and is none that can be read.\n'),
]


@pytest.mark.parametrize(
    ("packet", "answer"),
    [
        (EVALUATE(S("Set")(S("made"), 10**29)), returned(S("$Failed"))[0]),
        (EVALUATE([1.5, 10**29]), returned(S("$Failed"))[0]),
        (S("Set")(S("made"), 10**29), returned(S("$Failed"))[0]),
        (S("EnterExpressionPacket")(S("Set")(S("made"), 10**29)), Function("InputNamePacket", "In[1]:= ")),
    ],
)
def test_a_number_that_is_none_is_answered_by_a_message(kernel: Kernel, packet: Expr, answer: Expr) -> None:
    kernel.link.put_raw(misspelt(packet))
    kernel.link.flush(WAIT)
    assert [kernel.next() for _ in range(3)] == [*NO_NUMBER, answer]
    assert kernel.evaluate("made") == S("made"), "half a packet was evaluated"


def test_a_number_that_is_none_may_answer_a_question(kernel: Kernel) -> None:
    kernel.put(EVALUATE(S("List")(S("Input")("n? "))))
    question = kernel.next()
    assert question.head == S("InputPacket")
    kernel.link.put_raw(misspelt(S("ReturnPacket")(10**29)))
    kernel.link.flush(WAIT)
    assert [kernel.next() for _ in range(3)] == [*NO_NUMBER, returned([S("$Failed")])[0]]


def test_a_number_that_is_none_does_not_end_a_dialog(kernel: Kernel) -> None:
    kernel.put(EVALUATE(S("Dialog")()))
    while kernel.next().head != S("InputNamePacket"):
        pass
    kernel.link.put_raw(misspelt(EVALUATE(10**29)))
    kernel.link.flush(WAIT)
    assert [kernel.next() for _ in range(3)] == [*NO_NUMBER, returned(S("$Failed"))[0]]
    kernel.put(ENTER("Return[5]"))
    while (packet := kernel.next()).head != S("ReturnPacket"):
        pass
    assert packet.args[0] == 5
