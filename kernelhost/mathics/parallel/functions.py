"""The functions of the language for parallel computation.

Each has its work done by the kernels that :class:`~kernelbus.kernelhost.mathics.parallel.workers.
Workers` holds; those are launched when they are first needed, as many as the machine has
processors. The definitions that the work needs go to them first. Where there are none, the message
``nopar`` says so and why, and the work is done here, one part after the other; so it is, without a
word, in a kernel that works for another one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from mathics.core.atoms import Integer, String
from mathics.core.attributes import A_HOLD_ALL, A_HOLD_FIRST, A_LISTABLE, A_NO_ATTRIBUTES, A_PROTECTED
from mathics.core.builtin import Builtin
from mathics.core.evaluation import Message, Print
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.symbols import Symbol, SymbolNull

from kernelbus.kernelhost.mathics.forms.convert import from_mathics, to_mathics
from kernelbus.kernelhost.mathics.library.dependencies import needed
from kernelbus.kernelhost.mathics.native import call
from kernelbus.kernelhost.mathics.parallel.definitions import Whole, defining, state_of
from kernelbus.kernelhost.mathics.parallel.sharing import SHARE, Sharing
from kernelbus.kernelhost.mathics.parallel.workers import NoWorkersError, Worker, Workers
from wstp.expr import Expr, Function
from wstp.expr import Symbol as Name

__all__ = ["BUILTINS", "ParallelFunction"]

_FAILED, _LIST, _TABLE = Symbol("System`$Failed"), Symbol("System`List"), Symbol("System`Table")
_KERNEL, _EVALUATION = Symbol("System`KernelObject"), Symbol("System`EvaluationObject")
_RULES = ("Rule", "RuleDelayed")
#: How many parts each worker gets: with several, one that is slow delays the others less.
_PARTS = 4
#: How long launching kernels is not tried again by itself after none came, seconds.
_REST = 30.0
_NOPAR = "No parallel kernels available (`1`); proceeding with sequential evaluation."


def processors() -> int:
    """Return how many processors the machine has."""
    return os.cpu_count() or 1


class Shared:
    """What the functions of one kernel share.

    Attributes:
        workers: the kernels for parallel work.
        sharing: what this kernel shares with a master, if it works for one.
        variables: the names of the variables that it shares with its workers.
        functions: the same of functions.
        locks: the locks that workers have, and the numbers of these.
        answering: whether a question of a worker is being answered.
        needs: what ``ParallelNeeds`` was given.
        always: the names of symbols that ``DistributeDefinitions`` has named.
        submitted: what ``ParallelSubmit`` was given and is not evaluated yet, by number.
        done: the results of what was submitted, by number.
        rest: until when no kernels are launched unasked, on the monotonic clock.
        why: why none came.
    """

    def __init__(self, workers: Workers, sharing: Sharing) -> None:
        self.workers = workers
        self.sharing = sharing
        self.variables: list[str] = []
        self.functions: list[str] = []
        self.locks: dict[str, int] = {}
        self.answering = False
        self.needs: list[Any] = []
        self.always: set[str] = set()
        self.submitted: dict[int, Any] = {}
        self.done: dict[int, Any] = {}
        self.rest = 0.0
        self.why = ""


class ParallelFunction(Builtin):
    """A function that uses kernels for parallel work."""

    shared: Shared
    messages: ClassVar[dict[str, str]] = {"nopar": _NOPAR}

    # -- kernels -----------------------------------------

    def launch(self, count: int, evaluation: Any) -> list[Worker]:
        """Launch workers, and tell each its number.

        Raises:
            NoWorkersError: none came.
        """
        made = self.shared.workers.launch(count)
        numbers = [Name("Set")(Name("$KernelID"), worker.number) for worker in made]
        self.shared.workers.run(numbers, lambda worker, packet: None, only=made)
        whole = Whole(evaluation.definitions)
        for each in self.shared.needs:
            self.shared.workers.run([from_mathics(each, whole)] * len(made), _Relay(evaluation), only=made)
        return made

    def available(self, name: str, evaluation: Any) -> list[Worker]:
        """Return the workers; launch them if there are none; give the message if none come."""
        shared = self.shared
        if shared.answering or Symbol("System`$KernelID").evaluate(evaluation) != Integer(0):
            return []
        workers = shared.workers.all()
        if workers:
            return workers
        if time.monotonic() >= shared.rest:
            try:
                return self.launch(processors(), evaluation)
            except NoWorkersError as error:
                shared.rest, shared.why = time.monotonic() + _REST, str(error)
        evaluation.message(name, "nopar", String(shared.why))
        return []

    # -- work -----------------------------------------

    def parts(
        self, name: str, parts: Sequence[Any], evaluation: Any, enough: Callable[[Expr], bool] = lambda result: False
    ) -> list[Any] | None:
        """Return the values of expressions, None if there is nobody to evaluate them."""
        if not parts or not self.available(name, evaluation):
            return None
        whole = Whole(evaluation.definitions)
        self.distribute(parts, evaluation)
        tasks = [from_mathics(part, whole) for part in parts]
        found, left = self.run(tasks, evaluation, enough=enough)
        values = [SymbolNull if value is None else to_mathics(value, whole) for value in found]
        if left:
            evaluation.message(name, "nopar", String("the kernels are lost"))
            for index in left:
                values[index] = parts[index].evaluate(evaluation)
        return values

    def distribute(self, expressions: Iterable[Any], evaluation: Any) -> list[str]:
        """Give each worker the definitions that expressions need and that it does not have."""
        definitions = evaluation.definitions
        shared = {*self.shared.variables, *self.shared.functions}
        found = needed([*expressions, *map(Symbol, self.shared.always)], definitions, shared)
        whole = Whole(definitions)
        tasks: list[Expr] = []
        takers: list[Worker] = []
        for worker in self.shared.workers.all():
            news = {name: definition for name, definition in found.items() if worker.known.get(name) != state_of(definition)}
            if news:
                steps = [from_mathics(defining(name, definition), whole) for name, definition in news.items()]
                tasks.append(Name("CompoundExpression")(*steps))
                takers.append(worker)
                worker.known |= {name: state_of(definition) for name, definition in news.items()}
        if tasks:
            self.run(tasks, evaluation, only=takers)
        return list(found)

    def run(
        self, tasks: Sequence[Expr], evaluation: Any, *, only: Sequence[Worker] | None = None, enough: Callable[[Expr], bool] | None = None
    ) -> tuple[list[Expr | None], list[int]]:
        """Have workers evaluate tasks, as :meth:`Workers.run` does, and answer what they ask.

        First tell each worker which symbols it shares, if it does not know.
        """
        shared, definitions = self.shared, evaluation.definitions
        shared.locks.clear()
        state = (tuple(shared.variables), tuple((name, definitions.get_attributes(name)) for name in shared.functions))
        unaware = [worker for worker in shared.workers.all() if worker.shared != state and (worker.shared or any(state))]
        if unaware:
            functions = [Name("List")(name, bits) for name, bits in state[1]]
            names = {*shared.variables, *shared.functions}
            told = Name(SHARE)(Name("List")(*state[0]), Name("List")(*functions))
            shared.workers.run([told] * len(unaware), _Relay(evaluation), only=unaware)
            for worker in unaware:
                worker.shared = state
                # What is shared no longer is to be defined there.
                worker.known = {name: known for name, known in worker.known.items() if name not in names}
        before = shared.workers.all()
        done = shared.workers.run(
            tasks,
            _Relay(evaluation),
            only=only,
            enough=enough or (lambda result: False),
            answer=lambda question: self.answer(question, evaluation),
        )
        left = shared.workers.all()
        for worker in before:
            if worker not in left:
                evaluation.message("LaunchKernels", "rdead", Integer(worker.number))
        return done

    def answer(self, question: Function, evaluation: Any) -> Expr | None:
        """Return the answer to what a worker asks, None if there is none."""
        assert isinstance(question.head, Name)
        name, whole = question.head.name, Whole(evaluation.definitions)
        asked = [to_mathics(argument, whole) for argument in question.args]
        match name, asked:
            case "EvaluatePacket", [expr]:
                pass
            case ("InputPacket" | "InputStringPacket"), [*prompt]:
                expr = Expression(Symbol(f"System`{name.removesuffix('Packet')}"), *prompt)
            case _:
                return None
        before, self.shared.answering = self.shared.answering, True
        try:
            return Name("ReturnPacket")(from_mathics(expr.evaluate(evaluation), whole))
        finally:
            self.shared.answering = before

    def chunks(self, items: Sequence[Any]) -> list[Sequence[Any]]:
        """Cut items into parts for the workers."""
        count = max(len(self.shared.workers.all()) or processors(), 1) * _PARTS
        size = max(-(-len(items) // count), 1)
        return [items[i : i + size] for i in range(0, len(items), size)]


class _Relay:
    """Pass on what workers print, and their messages."""

    def __init__(self, evaluation: Any) -> None:
        self._evaluation = evaluation
        self._names: dict[int, tuple[str, str]] = {}

    def __call__(self, worker: Worker, packet: Function) -> None:
        head = packet.head.name.removeprefix("System`") if isinstance(packet.head, Name) else ""
        if head == "MessagePacket" and len(packet.args) == 2:
            self._names[worker.number] = str(packet.args[0]), str(packet.args[1])
        elif head == "TextPacket" and packet.args:
            text = str(packet.args[0]).removesuffix("\n")
            name = self._names.pop(worker.number, None)
            out = Print(text) if name is None else Message(*name, text.removeprefix(f"{name[0]}::{name[1]}: "))
            self._evaluation.out.append(out)
            self._evaluation.output.out(out)


def _plain(sequence: Any) -> list[Any]:
    """Return arguments without the options behind them."""
    given = list(sequence.get_sequence())
    while given and given[-1].has_form(_RULES, 2):
        given.pop()
    return given


def _joined(head: Any, values: Sequence[Any]) -> Any:
    """Return one expression of the elements of several, None if one of them has no elements."""
    if not all(isinstance(value, Expression) for value in values):
        return None
    elements = [element for value in values for element in value.elements]
    return ListExpression(*elements) if head is _LIST else Expression(head, *elements)


class _Iterating(ParallelFunction):
    """A function with iterators, whose first one is cut into parts."""

    attributes = A_HOLD_ALL | A_PROTECTED
    #: The function that it stands for.
    plain = "Table"

    def iterate(self, arguments: Any, evaluation: Any) -> Any:
        given = _plain(arguments)
        if len(given) < 2:
            return None
        name = self.get_name(short=True)
        body, first, *rest = given
        sequential = Expression(Symbol(f"System`{self.plain}"), *given)
        variable, values = self.values(first, evaluation)
        if values is None or not self.available(name, evaluation):
            return sequential
        made = [self.part(body, variable, chunk, rest) for chunk in self.chunks(values)]
        found = self.parts(name, made, evaluation)
        return sequential if found is None else self.whole(found, sequential)

    def values(self, iterator: Any, evaluation: Any) -> tuple[Any, Sequence[Any] | None]:
        """Return the variable of an iterator, None if it has none, and its values."""
        if not iterator.has_form("List", 1, 2, 3, 4):
            return None, None
        variable = iterator.elements[0] if len(iterator.elements) > 1 else None
        table = Expression(_TABLE, variable if variable is not None else Integer(0), iterator).evaluate(evaluation)
        return variable, table.elements if table.has_form("List", None) else None

    def part(self, body: Any, variable: Any, values: Sequence[Any], rest: Sequence[Any]) -> Any:
        first = ListExpression(Integer(len(values))) if variable is None else ListExpression(variable, ListExpression(*values))
        return Expression(_TABLE, body, first, *rest)

    def whole(self, parts: Sequence[Any], sequential: Any) -> Any:
        joined = _joined(_LIST, parts)
        return sequential if joined is None else joined


class ParallelTable(_Iterating):
    """``Table``, by several kernels."""

    summary_text = "make a table with several kernels"

    def eval(self, arguments: Any, evaluation: Any) -> Any:
        "ParallelTable[arguments___]"
        return self.iterate(arguments, evaluation)


class ParallelDo(_Iterating):
    """``Do``, by several kernels."""

    plain = "Do"
    summary_text = "evaluate again and again with several kernels"

    def eval(self, arguments: Any, evaluation: Any) -> Any:
        "ParallelDo[arguments___]"
        return self.iterate(arguments, evaluation)

    def part(self, body: Any, variable: Any, values: Sequence[Any], rest: Sequence[Any]) -> Any:
        table = super().part(body, variable, values, rest)
        return Expression(Symbol("System`Do"), *table.elements)

    def whole(self, parts: Sequence[Any], sequential: Any) -> Any:
        return SymbolNull


class ParallelSum(_Iterating):
    """``Sum``, by several kernels."""

    plain = "Sum"
    operation = "Plus"
    summary_text = "sum with several kernels"

    def eval(self, arguments: Any, evaluation: Any) -> Any:
        "ParallelSum[arguments___]"
        return self.iterate(arguments, evaluation)

    def part(self, body: Any, variable: Any, values: Sequence[Any], rest: Sequence[Any]) -> Any:
        inner = Expression(Symbol(f"System`{self.plain}"), body, *rest) if rest else body
        return Expression(Symbol("System`Apply"), Symbol(f"System`{self.operation}"), super().part(inner, variable, values, ()))

    def whole(self, parts: Sequence[Any], sequential: Any) -> Any:
        return Expression(Symbol(f"System`{self.operation}"), *parts)


class ParallelProduct(ParallelSum):
    """``Product``, by several kernels."""

    plain = "Product"
    operation = "Times"
    summary_text = "multiply with several kernels"

    def eval(self, arguments: Any, evaluation: Any) -> Any:
        "ParallelProduct[arguments___]"
        return self.iterate(arguments, evaluation)


class ParallelMap(ParallelFunction):
    """``Map`` at the first level, by several kernels."""

    rules: ClassVar[dict[str, str]] = {"ParallelMap[f_][x_]": "ParallelMap[f, x]"}
    summary_text = "apply a function to the parts of an expression with several kernels"

    def eval(self, f: Any, expr: Any, rest: Any, evaluation: Any) -> Any:
        "ParallelMap[f_, expr_, rest___]"
        given = _plain(rest)
        sequential = Expression(Symbol("System`Map"), f, expr, *given)
        if given not in ([], [ListExpression(Integer(1))]) or not isinstance(expr, Expression) or expr.has_form("Association", None):
            return sequential
        if not expr.elements or not self.available("ParallelMap", evaluation):
            return sequential
        made = [Expression(Symbol("System`Map"), f, ListExpression(*chunk)) for chunk in self.chunks(expr.elements)]
        found = self.parts("ParallelMap", made, evaluation)
        joined = None if found is None else _joined(expr.head, found)
        return sequential if joined is None else joined


class ParallelArray(ParallelFunction):
    """``ParallelArray[f, n]``, ``ParallelArray[f, {n, m}]``: ``Array``, by several kernels."""

    rules: ClassVar[dict[str, str]] = {
        "ParallelArray[f_, n_Integer]": "ParallelMap[f, Range[n]]",
        "ParallelArray[f_, n_Integer, r_Integer]": "ParallelMap[f, Range[r, r + n - 1]]",
        "ParallelArray[f_, {n_Integer}, r___]": "ParallelArray[f, n, r]",
        "ParallelArray[f_, {n_Integer, more__Integer}]": "ParallelMap[Function[i, Array[f[i, ##] &, {more}]], Range[n]]",
        "ParallelArray[f_, rest__]": "Array[f, rest]",
    }
    summary_text = "make an array with several kernels"


class ParallelNeeds(ParallelFunction):
    """``ParallelNeeds["context`"]``: read a package here and in the kernels for parallel work."""

    summary_text = "read a package in all kernels for parallel work"

    def eval(self, context: Any, evaluation: Any) -> Any:
        "ParallelNeeds[context_]"
        needs = call("Needs", context)
        value = needs.evaluate(evaluation)
        self.shared.needs.append(needs)
        workers = self.shared.workers.all()
        self.run([from_mathics(needs, Whole(evaluation.definitions))] * len(workers), evaluation, only=workers)
        return value


class ParallelCombine(ParallelFunction):
    """``ParallelCombine[f, h[...], comb]``: apply f to parts of an expression, and combine them."""

    summary_text = "apply a function to pieces of an expression with several kernels"

    def eval(self, f: Any, expr: Any, rest: Any, evaluation: Any) -> Any:
        "ParallelCombine[f_, expr_, rest___]"
        given = _plain(rest)
        if not isinstance(expr, Expression) or len(given) > 1:
            return None
        combine = given[0] if given else (Symbol("System`Join") if expr.head is _LIST else expr.head)
        sequential = Expression(f, expr)
        if not expr.elements or not self.available("ParallelCombine", evaluation):
            return sequential
        made = [Expression(f, Expression(expr.head, *chunk)) for chunk in self.chunks(expr.elements)]
        found = self.parts("ParallelCombine", made, evaluation)
        return sequential if found is None else Expression(combine, *found)


class ParallelTry(ParallelFunction):
    """``ParallelTry[f, {...}]``: the first of several results that is not ``$Failed``."""

    summary_text = "take the first result of several kernels"

    def eval(self, f: Any, items: Any, rest: Any, evaluation: Any) -> Any:
        "ParallelTry[f_, items_List, rest___]"
        made = [Expression(f, item) for item in items.elements]
        failed = Name("$Failed")
        found = self.parts("ParallelTry", made, evaluation, lambda result: result != failed)
        if found is None:
            found = []
            for each in made:
                found.append(each.evaluate(evaluation))
                if found[-1] is not _FAILED:
                    break
        return next((value for value in found if value is not _FAILED and value is not SymbolNull), _FAILED)


class Parallelize(ParallelFunction):
    """``Parallelize[expr]``: evaluate a table, a map or a list with several kernels."""

    attributes = A_HOLD_FIRST | A_PROTECTED
    messages: ClassVar[dict[str, str]] = {
        "nopar": _NOPAR,
        "nopar1": "`1` cannot be parallelized; proceeding with sequential evaluation.",
    }
    summary_text = "evaluate with several kernels"

    _KNOWN = ("Table", "Do", "Sum", "Product", "Map", "Array")
    _JOINED: ClassVar[dict[str, str]] = {"Select": "Join", "Cases": "Join", "Count": "Plus", "MemberQ": "Or", "FreeQ": "And"}

    def eval(self, expr: Any, rest: Any, evaluation: Any) -> Any:
        "Parallelize[expr_, rest___]"
        head = expr.get_head_name().removeprefix("System`")
        if head in self._KNOWN:
            return Expression(Symbol(f"System`Parallel{head}"), *expr.elements)
        if head in self._JOINED and len(expr.elements) == 2:
            # The parts of a result are joined as the parts of the list are.
            function = call("Function", Expression(expr.head, call("Slot", Integer(1)), expr.elements[1]))
            return call("ParallelCombine", function, expr.elements[0], Symbol(f"System`{self._JOINED[head]}"))
        if len(expr.elements) == 1 and expr.head.get_attributes(evaluation.definitions) & A_LISTABLE:
            return call("ParallelMap", expr.head, expr.elements[0])
        if head == "List" and expr.elements:
            found = self.parts("Parallelize", expr.elements, evaluation)
            return expr if found is None else ListExpression(*found)
        evaluation.message("Parallelize", "nopar1", Expression(Symbol("System`HoldForm"), expr))
        return expr


# -- kernels -----------------------------------------


class _Kernels(ParallelFunction):
    """A function about the kernels for parallel work."""

    def object_of(self, worker: Worker) -> Any:
        return Expression(_KERNEL, Integer(worker.number), String(self.shared.workers.server))

    def named(self, kernels: Any) -> list[Worker] | None:
        """Return the workers that an expression names, None if it names anything else."""
        items = kernels.elements if kernels.has_form("List", None) else (kernels,)
        by_number = {worker.number: worker for worker in self.shared.workers.all()}
        numbers = [item.elements[0].value if item.has_form("KernelObject", 2) else None for item in items]
        return None if None in numbers else [by_number[number] for number in numbers if number in by_number]


class LaunchKernels(_Kernels):
    """``LaunchKernels[]``, ``LaunchKernels[n]``: take kernels of the server for parallel work."""

    messages: ClassVar[dict[str, str]] = {
        "nodef": "Some subkernels are already running. Not launching default kernels again.",
        "rdead": "The kernel `1` for parallel work has ended.",
        "nokern": "No kernel for parallel work is to be had: `1`.",
    }
    summary_text = "launch kernels for parallel work"

    def eval(self, evaluation: Any) -> Any:
        "LaunchKernels[]"
        if self.shared.workers.all():
            evaluation.message("LaunchKernels", "nodef")
            return ListExpression()
        return self.launched(processors(), evaluation)

    def eval_count(self, count: Any, evaluation: Any) -> Any:
        "LaunchKernels[count_Integer]"
        return self.launched(count.value, evaluation) if count.value > 0 else ListExpression()

    def launched(self, count: int, evaluation: Any) -> Any:
        try:
            return ListExpression(*map(self.object_of, self.launch(count, evaluation)))
        except NoWorkersError as error:
            evaluation.message("LaunchKernels", "nokern", String(str(error)))
            return _FAILED


class Kernels(_Kernels):
    """``Kernels[]``: the kernels for parallel work."""

    summary_text = "the kernels for parallel work"

    def eval(self, evaluation: Any) -> Any:
        "Kernels[]"
        return ListExpression(*map(self.object_of, self.shared.workers.all()))


class CloseKernels(_Kernels):
    """``CloseKernels[]``, ``CloseKernels[k]``: give kernels for parallel work back."""

    summary_text = "end kernels for parallel work"

    def eval(self, evaluation: Any) -> Any:
        "CloseKernels[]"
        return self.closed(self.shared.workers.all())

    def eval_some(self, kernels: Any, evaluation: Any) -> Any:
        "CloseKernels[kernels_]"
        workers = self.named(kernels)
        if workers is None:
            return None
        closed = self.closed(workers)
        return closed if kernels.has_form("List", None) else (closed.elements or (_FAILED,))[0]

    def closed(self, workers: list[Worker]) -> Any:
        self.shared.workers.close(workers)
        return ListExpression(*map(self.object_of, workers))


class AbortKernels(_Kernels):
    """``AbortKernels[]``: an abort of this kernel has aborted them already."""

    rules: ClassVar[dict[str, str]] = {"AbortKernels[]": "Null"}
    summary_text = "abort what kernels for parallel work evaluate"


class KernelCount(_Kernels):
    """``$KernelCount``: how many kernels for parallel work there are."""

    name = "$KernelCount"
    rules: ClassVar[dict[str, str]] = {"$KernelCount": "Length[Kernels[]]"}
    summary_text = "number of kernels for parallel work"


class KernelID(Builtin):
    """``$KernelID``: 0, or the number of a kernel that works for another one."""

    name = "$KernelID"
    attributes = A_NO_ATTRIBUTES
    rules: ClassVar[dict[str, str]] = {"$KernelID": "0"}
    summary_text = "number of this kernel among those for parallel work"


class ParallelEvaluate(_Kernels):
    """``ParallelEvaluate[expr]``: evaluate an expression in each kernel for parallel work."""

    attributes = A_HOLD_FIRST | A_PROTECTED
    summary_text = "evaluate in each kernel for parallel work"

    def eval(self, expr: Any, rest: Any, evaluation: Any) -> Any:
        "ParallelEvaluate[expr_, rest___]"
        given = _plain(rest)
        available = self.available("ParallelEvaluate", evaluation)
        if not available:
            return expr
        chosen = self.named(given[0]) if given else available
        if chosen is None:
            return None
        whole = Whole(evaluation.definitions)
        found, _ = self.run([from_mathics(expr, whole)] * len(chosen), evaluation, only=chosen)
        values = [SymbolNull if value is None else to_mathics(value, whole) for value in found]
        return values[0] if given and not given[0].has_form("List", None) and values else ListExpression(*values)


class DistributeDefinitions(ParallelFunction):
    """``DistributeDefinitions[s, ...]``: give kernels for parallel work definitions."""

    attributes = A_HOLD_ALL | A_PROTECTED
    summary_text = "give definitions to the kernels for parallel work"

    def eval(self, symbols: Any, evaluation: Any) -> Any:
        "DistributeDefinitions[symbols___]"
        definitions = evaluation.definitions
        given = [definitions.lookup_name(text) if (text := item.get_string_value()) else item.get_name() for item in symbols.get_sequence()]
        self.shared.always.update(name for name in given if name)
        if self.available("DistributeDefinitions", evaluation):
            self.distribute((), evaluation)
        found = needed(map(Symbol, filter(None, given)), definitions)
        return ListExpression(*(String(definitions.shorten_name(name)) for name in sorted(found)))


# -- submitting -----------------------------------------


class ParallelSubmit(ParallelFunction):
    """``ParallelSubmit[expr]``, ``ParallelSubmit[{x, ...}, expr]``: leave it to ``WaitAll``."""

    attributes = A_HOLD_ALL | A_PROTECTED
    summary_text = "submit an expression for evaluation by a kernel for parallel work"

    def eval(self, expr: Any, evaluation: Any) -> Any:
        "ParallelSubmit[expr_]"
        shared = self.shared
        number = len(shared.submitted) + len(shared.done) + 1
        shared.submitted[number] = expr
        return Expression(_EVALUATION, Integer(number))

    def eval_closure(self, variables: Any, expr: Any, evaluation: Any) -> Any:
        "ParallelSubmit[variables_List, expr_]"
        values = {item.get_name(): item.evaluate(evaluation) for item in variables.elements if item.get_name()}
        return self.eval(expr.replace_vars(values), evaluation)


class WaitAll(ParallelFunction):
    """``WaitAll[expr]``: the expression with the results of what was submitted in it."""

    summary_text = "wait for what was submitted"

    def eval(self, expr: Any, evaluation: Any) -> Any:
        "WaitAll[expr_]"
        self.finish(_submitted(expr), evaluation)
        return self.filled(expr)

    def finish(self, numbers: Sequence[int], evaluation: Any) -> None:
        shared = self.shared
        open_ = [number for number in numbers if number in shared.submitted]
        found = self.parts("WaitAll", [shared.submitted[number] for number in open_], evaluation)
        if found is None:
            found = [shared.submitted[number].evaluate(evaluation) for number in open_]
        for number, value in zip(open_, found, strict=True):
            shared.done[number] = value
            del shared.submitted[number]

    def filled(self, expr: Any) -> Any:
        if expr.has_form("EvaluationObject", 1) and isinstance(expr.elements[0], Integer):
            return self.shared.done.get(expr.elements[0].value, expr)
        if isinstance(expr, Expression):
            return Expression(expr.head, *map(self.filled, expr.elements))
        return expr


class WaitNext(WaitAll):
    """``WaitNext[{...}]``: the result of one that was submitted, it, and the others."""

    summary_text = "wait for one of those that were submitted"

    def eval(self, expr: Any, evaluation: Any) -> Any:
        "WaitNext[expr_List]"
        numbers = _submitted(expr)
        if not numbers:
            return _FAILED
        self.finish(numbers, evaluation)
        first, *others = expr.elements
        return ListExpression(self.filled(first), first, ListExpression(*others))


def _submitted(expr: Any) -> list[int]:
    """Return the numbers of what was submitted that occur in an expression."""
    found: list[int] = []
    stack = [expr]
    while stack:
        item = stack.pop()
        if item.has_form("EvaluationObject", 1) and isinstance(item.elements[0], Integer):
            found.append(item.elements[0].value)
        elif isinstance(item, Expression):
            stack.extend(reversed(item.elements))
    return found


#: What is to be defined.
BUILTINS: tuple[type[Builtin], ...] = (
    ParallelTable, ParallelDo, ParallelSum, ParallelProduct, ParallelMap, ParallelArray, ParallelCombine, ParallelTry, Parallelize,
    ParallelNeeds, LaunchKernels, Kernels, CloseKernels, AbortKernels, KernelCount, KernelID, ParallelEvaluate, DistributeDefinitions,
    ParallelSubmit, WaitAll, WaitNext,
)  # fmt: skip
