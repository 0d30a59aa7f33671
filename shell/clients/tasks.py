"""What is sent to a kernel for the codes of `kernelbus eval`, and what an answer means.

Sans-IO. In InputForm a code travels as ``ToString[ToExpression[code], InputForm]``. For another
form the value is made text by ``ToString`` or ``ExportString``, and travels with whether it holds a
failure. The value of an expression of a file that is not shown stays in the kernel.

An evaluation has failed if its value is or holds the symbol $Failed (as for wrong syntax, which the
kernel reports in a message) or $Aborted, is a ``Failure``, or if the answer is not as it was asked
for: then the evaluation never came to an end (it was aborted, or left by an uncaught Throw).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from kernelbus.shell.clients.forms import full_form
from kernelbus.shell.clients.statements import Source, Statement, statements
from kernelbus.shell.commands import name_of
from wstp import Expr, Function, Symbol

__all__ = [
    "FORMS", "PLAIN", "Manner", "Print", "Shown", "Task", "failure_in", "form_named", "preparation", "shown", "tasks", "tasks_of_line",
]  # fmt: skip

#: InputForm, but of a string the characters alone: the way of wolframscript.
PLAIN = "plain"
#: Forms that ToString makes; any other name is a format of ExportString.
FORMS = (
    "InputForm", "OutputForm", "TeXForm", "FullForm", "CForm", "FortranForm", "MathMLForm", "StandardForm", "TraditionalForm",
)  # fmt: skip
#: Formats of ExportString that are bytes, not text.
_BINARY = frozenset(["png", "jpeg", "jpg", "gif", "bmp", "tiff", "tif", "pdf", "wxf", "mx", "zip", "gz", "wav", "mp3", "ico"])


class Print(Enum):
    """Which values of a file's expressions are shown; Null never is."""

    LAST = "last"
    ALL = "all"
    NONE = "none"


class Shown(Enum):
    """How the value of one evaluation is shown."""

    VALUE = "value"
    UNLESS_NULL = "unless null"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Manner:
    """How codes are run.

    Attributes:
        form: the form or the format in which values are shown, or :data:`PLAIN`.
        print: which values of files are shown.
        arguments: what `$ScriptCommandLine` is, the script's name first; None: it is left alone.
        input_string: what `$ScriptInputString` is; None: it is left alone.
    """

    form: str = "InputForm"
    print: Print = Print.LAST
    arguments: tuple[str, ...] | None = None
    input_string: str | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """One evaluation.

    Attributes:
        expression: what the kernel evaluates.
        what: the words for it in errors.
        shown: whether its value is shown.
        place: the file and the line; "" for a code of the command line.
        fault: what is known to be wrong with the code.
        form: the form or the format of its value.
    """

    expression: Expr
    what: str
    shown: Shown = Shown.VALUE
    place: str = ""
    fault: str = ""
    form: str = "InputForm"


def form_named(name: str) -> str:
    """Return the form or format that a person means: of forms, upper and lower case are alike."""
    return next((form for form in FORMS if form.lower() == name.lower()), name)


def preparation(sources: Sequence[Source], manner: Manner) -> Expr | None:
    """Return what a kernel evaluates before a script; None: nothing.

    It sets `$ScriptCommandLine` and `$ScriptInputString`, in any kernel that lets itself be told.
    """
    values: list[tuple[str, Expr]] = []
    if manner.arguments is not None:
        values.append(("$ScriptCommandLine", list(manner.arguments)))
    if manner.input_string is not None:
        values.append(("$ScriptInputString", manner.input_string))
    steps: list[Expr] = []
    for name, value in values:
        steps += [Symbol("Unprotect")(Symbol(name)), Symbol("Set")(Symbol(name), value)]
    if any(_READS_INPUT.search(source.text) for source in sources):
        steps.append(Symbol("ToExpression")(_READING))
    return Symbol("Quiet")(Symbol("CompoundExpression")(*steps, "Null")) if steps else None


#: Code that reads the standard input of the program, of which the kernel knows nothing.
_READS_INPUT = re.compile(r"\b(?:ReadLine|ReadString|ReadList|Read)\b")
#: Definitions that ask the client instead, for a kernel that does not do so by itself.
_READING = """\
If[!TrueQ[WSTPServer`$StandardInput],
  WSTPServer`$StandardInput = True;
  Unprotect[ReadLine, ReadString, ReadList, Read];
  ReadLine[] = ReadLine["stdin"] := InputString[""];
  Read["stdin", String | Record] := InputString[""];
  Read["stdin"] := Input[""];
  Read["stdin", Expression | Number] := Input[""];
  ReadList["stdin", type_ : Expression] :=
    Module[{item, items = {}}, While[(item = Read["stdin", type]) =!= EndOfFile, AppendTo[items, item]]; items];
  ReadString["stdin"] :=
    Replace[ReadList["stdin", String], {{} -> EndOfFile, lines_ :> StringJoin[{#, "\\n"} & /@ lines]}];
  Protect[ReadLine, ReadString, ReadList, Read]]
"""


def tasks(source: Source, number: int, manner: Manner) -> Iterator[Task]:
    """Return the evaluations of a source, in order.

    Args:
        source: the source.
        number: its number, for messages.
        manner: how it is run.
    """
    if not source.name:
        yield Task(_wrapped(source.text, manner.form), f"evaluation {number}", form=manner.form)
        return
    found = list(statements(source.text))
    for index, statement in enumerate(found):
        show = manner.print is Print.ALL or (manner.print is Print.LAST and index == len(found) - 1)
        yield _of_statement(statement, source, show, manner.form)


def tasks_of_line(source: Source, line: str, place: str, manner: Manner) -> Iterator[Task]:
    """Return the evaluations of a linewise source for one line of standard input.

    Args:
        source: the source.
        line: the line, without its end.
        place: the words for the line in errors.
        manner: how it is run.

    Raises:
        ValueError: the source's function cannot be applied to the line; the text says why.
    """
    if source.call is not None or not (source.text or source.name):
        code = line if source.call is None else source.call(line)
        if code.strip():
            yield Task(_wrapped(code, manner.form), place, Shown.UNLESS_NULL, place, form=manner.form)
        return
    for task in tasks(source, 1, manner):
        local = Symbol("Set")(Symbol("$ScriptInputString"), line)
        yield replace(task, expression=Symbol("Block")([local], task.expression), what=f"{place}, {task.what}" if task.place else place)


def _of_statement(statement: Statement, source: Source, show: bool, form: str) -> Task:
    code = statement.text
    expression = _wrapped(code, form) if show else _unshown(code)
    if source.path:
        expression = Symbol("Block")([Symbol("Set")(Symbol("$InputFileName"), source.path)], expression)
    place = f"{source.name}:{statement.fault_line or statement.line}"
    return Task(expression, place, Shown.UNLESS_NULL if show else Shown.NOTHING, place, statement.fault, form)


def _wrapped(code: str, form: str) -> Function:
    value = Symbol("ToExpression")(code)
    if form == "InputForm":
        return Symbol("ToString")(value, Symbol("InputForm"))
    slot = Symbol("Slot")(1)
    if form == PLAIN:
        # A string in a list, so that it is not taken for the text of another value.
        return Symbol("Function")(Symbol("If")(Symbol("StringQ")(slot), [slot], Symbol("ToString")(slot, Symbol("InputForm"))))(value)
    text = Symbol("ToString")(slot, Symbol(form)) if form in FORMS else Symbol("ExportString")(slot, form)
    return Symbol("Function")([_free_of_failures(slot), text])(value)


def _unshown(code: str) -> Function:
    return Symbol("If")(_free_of_failures(Symbol("ToExpression")(code)), "Null", "$Failed")


def _free_of_failures(value: Expr) -> Function:
    return Symbol("FreeQ")([value], Symbol("Alternatives")(Symbol("$Failed"), Symbol("$Aborted")))


def shown(value: object, task: Task) -> tuple[str, str | bytes | None]:
    """Return what an answer means.

    Returns:
        How the evaluation failed, "" if it did not; and what is to be shown of it, None for
        nothing.
    """
    if task.form not in ("InputForm", PLAIN) and task.shown is not Shown.NOTHING:
        return _of_form(value, task)
    if task.form == PLAIN and isinstance(value, list) and len(value) == 1 and isinstance(value[0], str):
        return "", value[0]
    if not isinstance(value, str):
        return f"it ended with {name_of(value) or 'an expression that was not evaluated'}", full_form(value)
    failed = failure_in(value)
    if task.shown is Shown.NOTHING:
        return failed and "the value is or holds a failure", None
    return failed, None if task.shown is Shown.UNLESS_NULL and value == "Null" else value


def _of_form(value: object, task: Task) -> tuple[str, str | bytes | None]:
    match value:
        case [Symbol() as free, str(text)]:
            failed = "" if name_of(free) == "True" else "the value is or holds a failure"
            if task.shown is Shown.UNLESS_NULL and text in ("Null", "null"):
                return failed, None
            return failed, text if task.form in FORMS else _exported(text, task.form)
        case [Symbol(), _]:
            return f"the value cannot be written as {task.form} ($ExportFormats lists what this kernel can write)", None
    return f"it ended with {name_of(value) or 'an expression that was not evaluated'}", full_form(value)


def _exported(text: str, form: str) -> str | bytes:
    """Return what ExportString has made: text, or the bytes that its characters stand for."""
    try:
        data = text.encode("latin-1")
    except UnicodeEncodeError:
        return text
    if form.lower() in _BINARY:
        return data
    try:
        # Kernels give the bytes of UTF-8 as characters.
        return data.decode()
    except UnicodeDecodeError:
        return text


_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"|(?<![\w$`])(?:System`)?(\$(?:Failed|Aborted))(?![\w$`])', re.DOTALL)


def failure_in(text: str) -> str:
    """Return in words how a value in InputForm is a failure; "": it is none."""
    if text in ("$Failed", "$Aborted"):
        return f"the value is {text}"
    if text.startswith("Failure["):
        return "the value is a Failure"
    if "$Failed" in text or "$Aborted" in text:
        for found in _PIECE.finditer(text):
            if found[1]:
                return f"the value holds {found[1]}"
    return ""
