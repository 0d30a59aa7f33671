"""The functions of the language for symbols that kernels share, and for locks.

``sharing`` has what a kernel that works for another one does with them; ``functions`` tells it.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any, ClassVar

from mathics.core.atoms import Integer
from mathics.core.attributes import A_HOLD_ALL, A_PROTECTED
from mathics.core.builtin import Builtin
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.symbols import Symbol, SymbolFalse, SymbolNull, SymbolTrue

from kernelbus.kernelhost.mathics.parallel.functions import ParallelFunction

__all__ = ["BUILTINS"]

_HOLD = Symbol("System`Hold")


class _SharingFunction(ParallelFunction):
    """A function about the symbols that kernels share."""

    attributes = A_HOLD_ALL | A_PROTECTED

    def names(self, symbols: Any, evaluation: Any) -> list[str] | None:
        """Return the full names of symbols; None, after a message, if one is no symbol."""
        found = []
        for item in symbols.get_sequence():
            if not isinstance(item, Symbol) or item.name.startswith("System`"):
                evaluation.message(self.get_name(), "sym", item)
                return None
            found.append(item.name)
        return found


def _moved(names: list[str], into: list[str], out_of: list[str]) -> tuple[list[str], list[str]]:
    """Return two lists of names, the one with and the other without these."""
    return list(dict.fromkeys([*into, *names])), [name for name in out_of if name not in names]


class SetSharedVariable(_SharingFunction):
    """``SetSharedVariable[x, ...]``: kernels for parallel work have this kernel's values."""

    messages: ClassVar[dict[str, str]] = {"sym": "`1` is no symbol that can be shared."}
    summary_text = "share the values of variables with the kernels for parallel work"

    def eval(self, symbols: Any, evaluation: Any) -> Any:
        "SetSharedVariable[symbols___]"
        names = self.names(symbols, evaluation)
        if names is None:
            return None
        shared = self.shared
        shared.variables, shared.functions = _moved(names, shared.variables, shared.functions)
        return SymbolNull


class SetSharedFunction(_SharingFunction):
    """``SetSharedFunction[f, ...]``: kernels for parallel work have functions evaluated here."""

    messages: ClassVar[dict[str, str]] = {"sym": "`1` is no symbol that can be shared."}
    summary_text = "have functions evaluated here for the kernels for parallel work"

    def eval(self, symbols: Any, evaluation: Any) -> Any:
        "SetSharedFunction[symbols___]"
        names = self.names(symbols, evaluation)
        if names is None:
            return None
        shared = self.shared
        shared.functions, shared.variables = _moved(names, shared.functions, shared.variables)
        return SymbolNull


class UnsetShared(_SharingFunction):
    """``UnsetShared[x, ...]``: share no more; ``UnsetShared["pattern"]`` takes names."""

    summary_text = "share symbols no more"

    def eval(self, symbols: Any, evaluation: Any) -> Any:
        "UnsetShared[symbols___]"
        definitions, shared = evaluation.definitions, self.shared
        gone: set[str] = set()
        for item in symbols.get_sequence():
            pattern = item.get_string_value()
            if pattern is None:
                gone.add(item.get_name())
                continue
            for name in (*shared.variables, *shared.functions):
                if fnmatchcase(name, pattern) or fnmatchcase(definitions.shorten_name(name), pattern):
                    gone.add(name)
        shared.variables = [name for name in shared.variables if name not in gone]
        shared.functions = [name for name in shared.functions if name not in gone]
        return SymbolNull


class SharedVariables(ParallelFunction):
    """``$SharedVariables``: the variables that are shared, each in ``Hold``."""

    name = "$SharedVariables"
    summary_text = "the variables that kernels share"

    def eval(self, evaluation: Any) -> Any:
        "$SharedVariables"
        return ListExpression(*(Expression(_HOLD, Symbol(name)) for name in self.shared.variables))


class SharedFunctions(ParallelFunction):
    """``$SharedFunctions``: the functions that are shared, each in ``Hold``."""

    name = "$SharedFunctions"
    summary_text = "the functions that kernels share"

    def eval(self, evaluation: Any) -> Any:
        "$SharedFunctions"
        return ListExpression(*(Expression(_HOLD, Symbol(name)) for name in self.shared.functions))


class CriticalSection(ParallelFunction):
    """``CriticalSection[{lock, ...}, expr]``: evaluate while no other kernel has the locks."""

    attributes = A_HOLD_ALL | A_PROTECTED
    summary_text = "evaluate while no other kernel for parallel work has a lock"

    def eval(self, locks: Any, expr: Any, evaluation: Any) -> Any:
        "CriticalSection[locks_, expr_]"
        number = Symbol("System`$KernelID").evaluate(evaluation)
        if number == Integer(0):
            return expr.evaluate(evaluation)
        places = locks.elements if locks.has_form("List", None) else (locks,)
        return self.shared.sharing.locked(places, number, lambda: expr.evaluate(evaluation), evaluation)


class Share(ParallelFunction):
    """What a master tells a kernel about the symbols that they share."""

    name, context = "Share", "kernelbus`"
    summary_text = "share symbols with the kernel that this one works for"

    def eval(self, variables: Any, functions: Any, evaluation: Any) -> Any:
        "kernelbus`Share[variables_List, functions_List]"
        names = [item.value for item in variables.elements]
        pairs = [(item.elements[0].value, item.elements[1].value) for item in functions.elements]
        self.shared.sharing.share(names, pairs, evaluation.definitions)
        return SymbolNull


class Lock(ParallelFunction):
    """Give a kernel for parallel work locks, all or none."""

    name, context = "Lock", "kernelbus`"
    summary_text = "give a kernel for parallel work locks"

    def eval(self, locks: Any, number: Any, evaluation: Any) -> Any:
        "kernelbus`Lock[locks_List, number_Integer]"
        held, alive = self.shared.locks, {worker.number for worker in self.shared.workers.all()}
        names = [item.value for item in locks.elements]
        if any(held.get(name, number.value) in alive - {number.value} for name in names):
            return SymbolFalse
        held.update(dict.fromkeys(names, number.value))
        return SymbolTrue


class Unlock(ParallelFunction):
    """Take locks back."""

    name, context = "Unlock", "kernelbus`"
    summary_text = "take locks of a kernel for parallel work back"

    def eval(self, locks: Any, number: Any, evaluation: Any) -> Any:
        "kernelbus`Unlock[locks_List, number_Integer]"
        for item in locks.elements:
            if self.shared.locks.get(item.value) == number.value:
                del self.shared.locks[item.value]
        return SymbolNull


class WithLock(CriticalSection):
    """``WithLock[lock, expr]``: the same as ``CriticalSection``."""

    summary_text = "evaluate while no other kernel for parallel work has a lock"

    def eval(self, locks: Any, expr: Any, evaluation: Any) -> Any:
        "WithLock[locks_, expr_]"
        return super().eval(locks, expr, evaluation)


#: What is to be defined.
BUILTINS: tuple[type[Builtin], ...] = (
    SetSharedVariable, SetSharedFunction, UnsetShared, SharedVariables, SharedFunctions, CriticalSection, WithLock, Share, Lock, Unlock,
)  # fmt: skip
