"""Have the symbols of a kernel for parallel work whose values its master keeps.

A shared symbol has no value of its own here. Reading it, calling it and changing it sends the
master ``EvaluatePacket[{n, expr}]`` over the kernel's own link in the middle of an evaluation, as
Wolfram kernels do. The master evaluates that between two results of its kernels, so that each such
step is whole: nothing of another kernel comes between. It answers ``ReturnPacket[{n, value}]``;
an answer with another number is one to a question that an abort has ended, and is dropped.

:class:`Sharing` is that side of it; ``functions`` has the master's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Protocol

from mathics.core.atoms import Integer, String
from mathics.core.definitions import Definition
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.symbols import Symbol, SymbolFalse, SymbolNull, SymbolTrue

from kernelbus.kernelhost.mathics.forms.convert import from_mathics
from kernelbus.kernelhost.mathics.native import NativeRule, definition_of
from kernelbus.kernelhost.mathics.parallel.definitions import Whole
from wstp.expr import Expr
from wstp.expr import Symbol as Name

__all__ = ["CHANGING", "LOCK", "SHARE", "UNLOCK", "Master", "Sharing"]

#: The function by which a master tells a kernel what it shares.
SHARE: Final = "kernelbus`Share"
#: The functions by which a kernel takes locks of its master, and gives them back.
LOCK: Final = "kernelbus`Lock"
UNLOCK: Final = "kernelbus`Unlock"

#: The functions that change the symbol in their first argument.
CHANGING: Final = (
    "Set", "SetDelayed", "Unset", "Increment", "Decrement", "PreIncrement", "PreDecrement", "AddTo", "SubtractFrom", "TimesBy",
    "DivideBy", "ApplyTo", "AppendTo", "PrependTo", "AssociateTo", "KeyDropFrom", "Clear", "ClearAll",
)  # fmt: skip
#: How long a kernel waits before it asks for a lock again, seconds.
_PAUSE: Final = 0.01

_PART, _CONDITION, _ABORTED = Symbol("System`Part"), Symbol("System`Condition"), Symbol("System`$Aborted")
_RETURN_PACKET = "System`ReturnPacket"


class Master(Protocol):
    """Send packets to a kernel's master, and take its packets."""

    def put(self, expr: Expr) -> None:
        """Send an expression as a packet."""

    def take(self) -> Any:
        """Return what the master sends next, unevaluated; ``$Aborted`` if nothing comes."""


class Sharing:
    """What a kernel shares with its master.

    Args:
        master: returns the way to the master, None if there is none.
    """

    def __init__(self, master: Callable[[], Master | None]) -> None:
        self._master = master
        self._asked = 0
        self._variables: set[str] = set()
        self._functions: set[str] = set()
        self._changing = False

    def share(self, variables: Iterable[str], functions: Iterable[tuple[str, int]], definitions: Any) -> None:
        """Share these symbols with the master from now on, and no others.

        Args:
            variables: the full names of variables.
            functions: the full names of functions, and the attributes they have there.
            definitions: this kernel's definitions.
        """
        wanted, attributes = set(variables), dict(functions)
        for name in (self._variables | self._functions) - wanted - set(attributes):
            definitions.reset_user_definition(name)
        self._variables, self._functions = wanted, set(attributes)
        for name in wanted:
            definition = Definition(name=name)
            definition.ownvalues = [NativeRule(Symbol(name), self._read)]
            self._define(definition, definitions)
        for name, bits in attributes.items():
            definition = Definition(name=name, attributes=bits)
            definition.downvalues = [NativeRule(Symbol(name), self._called)]
            self._define(definition, definitions)
        if not self._changing and (wanted or attributes):
            self._changing = True
            for name in CHANGING:
                head = Symbol(f"System`{name}")
                definition_of(definitions, head.name).downvalues.insert(0, NativeRule(head, self._changed))
            definitions.clear_cache()

    def _define(self, definition: Any, definitions: Any) -> None:
        definitions.user[definition.name] = definition
        definitions.mark_changed(definition)
        definitions.clear_definitions_cache(definition.name)

    # -- asking -----------------------------------------

    def ask(self, expr: Any, evaluation: Any) -> Any:
        """Return the master's value of an expression; ``$Aborted`` if it gives none."""
        master = self._master()
        if master is None:
            return _ABORTED
        self._asked += 1
        number = self._asked
        question = from_mathics(expr, Whole(evaluation.definitions))
        master.put(Name("EvaluatePacket")(Name("List")(number, question)))
        while True:
            packet = master.take()
            if packet is _ABORTED:
                return packet
            if not isinstance(packet, Expression) or packet.get_head_name() != _RETURN_PACKET or len(packet.elements) != 1:
                continue
            answer = packet.elements[0]
            if answer.has_form("List", 1, None) and answer.elements[0] == Integer(number):
                values = answer.elements[1:]
                return values[0] if len(values) == 1 else Expression(Symbol("System`Sequence"), *values)
            if answer is _ABORTED:
                return answer

    def _read(self, symbol: Any, evaluation: Any) -> Any:
        value = self.ask(symbol, evaluation)
        return SymbolNull if value is symbol else value

    def _called(self, call: Any, evaluation: Any) -> Any:
        value = self.ask(call, evaluation)
        return None if value.sameQ(call) else value

    # -- changing -----------------------------------------

    def _changed(self, call: Any, evaluation: Any) -> Any:
        """Have the master evaluate a call that changes what it keeps; None for any other."""
        elements = call.elements
        if not elements:
            return None
        if call.get_head_name() in ("System`Clear", "System`ClearAll"):
            shared = [item for item in elements if self._shares(item)]
            if not shared:
                return None
            rest = [item for item in elements if not self._shares(item)]
            self.ask(Expression(call.head, *shared), evaluation)
            return Expression(call.head, *rest) if rest else SymbolNull
        place = elements[0]
        if place.has_form("List", None) and any(map(self._shares, place.elements)):
            return self._each(call, evaluation)
        if not self._shares(place):
            return None
        return self.ask(Expression(call.head, self._here(place, evaluation), *elements[1:]), evaluation)

    def _each(self, call: Any, evaluation: Any) -> Any:
        """Return the assignments that ``{a, b} = {1, 2}`` is made of."""
        if len(call.elements) != 2 or not call.elements[1].has_form("List", len(call.elements[0].elements)):
            return None
        pairs = zip(call.elements[0].elements, call.elements[1].elements, strict=True)
        return ListExpression(*(Expression(call.head, place, value) for place, value in pairs))

    def _shares(self, place: Any) -> bool:
        """Tell whether an expression is a place in what is shared."""
        while isinstance(place, Expression):
            place = place.elements[0] if place.head in (_PART, _CONDITION) and place.elements else place.head
        return isinstance(place, Symbol) and place.name in self._variables | self._functions

    def _here(self, place: Any, evaluation: Any) -> Any:
        """Return a place with its positions, keys and arguments evaluated here."""
        if not isinstance(place, Expression) or place.head is _CONDITION:
            return place
        if place.head is _PART:
            first, *rest = place.elements
            return Expression(_PART, self._here(first, evaluation), *(each.evaluate(evaluation) for each in rest))
        head = self._here(place.head, evaluation)
        if isinstance(head, Symbol) and evaluation.definitions.get_attributes(head.name):
            return place
        return Expression(head, *(each.evaluate(evaluation) for each in place.elements))

    # -- locks -----------------------------------------

    def locked(self, places: Sequence[Any], number: Any, work: Callable[[], Any], evaluation: Any) -> Any:
        """Return what ``work()`` returns, while no other kernel has a lock of these places."""
        whole = Whole(evaluation.definitions)
        held = ListExpression(*(String(str(from_mathics(self._here(place, evaluation), whole))) for place in places))
        take = Expression(Symbol(LOCK), held, number)
        while (answer := self.ask(take, evaluation)) is not SymbolTrue:
            if answer is not SymbolFalse:
                return answer
            time.sleep(_PAUSE)
        try:
            return work()
        finally:
            self.ask(Expression(Symbol(UNLOCK), held, number), evaluation)
