"""Show what is known of a symbol: ``Definition``, ``Information``, ``Context``.

* ``Definition[f]`` is shown as the definitions of f, each as it was given: with ``=`` or with
  ``:=``. Mathics3 keeps no record of that; assignments are marked here. ``FullDefinition[f]`` has
  also those of the symbols that f needs.
* ``Information[f, "property"]`` gives one property. ``Information[f]``, ``?f`` and ``??f`` are
  shown as the usage and the definitions of f.
* ``Context["f"]`` takes a name.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from mathics.core.atoms import String
from mathics.core.attributes import A_READ_PROTECTED, attributes_bitset_to_list
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.symbols import Symbol

from kernelbus.kernelhost.mathics.forms.described import describe
from kernelbus.kernelhost.mathics.forms.inputform import input_form, string_text
from kernelbus.kernelhost.mathics.library.dependencies import needed

__all__ = ["definition_lines", "mend_inspection"]

_HOLD_FORM, _HOLD_PATTERN = Symbol("System`HoldForm"), Symbol("System`HoldPattern")
_RULE, _RULE_DELAYED, _NONE = Symbol("System`Rule"), Symbol("System`RuleDelayed"), Symbol("System`None")
#: The attribute of a rule that was given with ``=``.
_AT_ONCE = "kernelbus_at_once"
#: What is between two definitions.
_BETWEEN = "\n \n"
_VALUES = {
    "OwnValues": "ownvalues", "UpValues": "upvalues", "DownValues": "downvalues", "SubValues": "subvalues",
    "DefaultValues": "defaultvalues", "NValues": "nvalues",
}  # fmt: skip
_DOCUMENTATION = "https://reference.wolfram.com/language/ref/"


def mend_inspection() -> None:
    """Change Mathics3's functions; call this before definitions are made."""
    _mark_assignments()
    _mend_definition()
    _mend_information()
    _mend_context()


# -- how a definition was given -----------------------------------------


def _mark_assignments() -> None:
    from mathics.builtin.assignments.assignment import (
        Set,
        SetDelayed,
        TagSet,
        TagSetDelayed,
        UpSet,
        UpSetDelayed,
    )
    from mathics.core.definitions import Definitions

    their_add = Definitions.add_rule
    # For each running assignment, innermost last: whether it is one with "=".
    running: list[bool] = []

    def add_rule(self: Any, name: str, rule: Any, position: str | None = None) -> bool:
        if running and running[-1]:
            setattr(rule, _AT_ONCE, True)
        return bool(their_add(self, name, rule, position))

    def marked(theirs: Callable[..., Any], at_once: bool) -> Callable[..., Any]:
        def assign(*arguments: Any, **options: Any) -> Any:
            running.append(at_once)
            try:
                return theirs(*arguments, **options)
            finally:
                running.pop()

        assign.__doc__ = theirs.__doc__
        return assign

    for kind, at_once in ((Set, True), (UpSet, True), (TagSet, True), (SetDelayed, False), (UpSetDelayed, False), (TagSetDelayed, False)):
        for name, method in list(vars(kind).items()):
            if name.startswith("eval") and callable(method):
                setattr(kind, name, _with_signature(marked(method, at_once), method))
    Definitions.add_rule = add_rule


def _with_signature(made: Callable[..., Any], theirs: Callable[..., Any]) -> Callable[..., Any]:
    """Have Mathics3, which looks at the parameters of a method, see those of the original."""
    import inspect

    made.__signature__ = inspect.signature(theirs)  # type: ignore[attr-defined]
    return made


# -- Definition -----------------------------------------


def _mend_definition() -> None:
    describe("System`Definition", _definition_text)
    describe("System`FullDefinition", _full_definition_text)


def _named(expr: Any, definitions: Any) -> str | None:
    """Return the whole name that the only argument stands for, None if it stands for none."""
    if len(expr.elements) != 1:
        return None
    name = expr.elements[0].get_string_value() or expr.elements[0].get_name()
    return definitions.lookup_name(name) if name else None


def _definition_text(expr: Any, evaluation: Any) -> str | None:
    name = _named(expr, evaluation.definitions)
    return None if name is None else _BETWEEN.join(_definitions(name, evaluation)) or "Null"


def _full_definition_text(expr: Any, evaluation: Any) -> str | None:
    name = _named(expr, evaluation.definitions)
    if name is None:
        return None
    names = [name, *(other for other in needed([Symbol(name)], evaluation.definitions) if other != name)]
    return _BETWEEN.join(line for each in names for line in _definitions(each, evaluation)) or "Null"


def _definitions(name: str, evaluation: Any) -> list[str]:
    """Return the definitions of a symbol as InputForm texts; attributes first, options last."""
    return definition_lines(name, evaluation.definitions, evaluation)


def definition_lines(name: str, definitions: Any, evaluation: Any = None) -> list[str]:
    """Return the definitions of a symbol as InputForm texts; attributes first, options last.

    Args:
        name: the symbol's whole name.
        definitions: Mathics3's definitions.
        evaluation: the running evaluation, which says how names are shortened. Without one, only
            System` and Global` are left out, so that the text means the same in every context.
    """
    short = definitions.shorten_name(name) if evaluation is not None else name.removeprefix("Global`")
    try:
        whole = definitions.get_definition(name, only_if_exists=True)
    except KeyError:
        return []
    lines = []
    if whole.attributes:
        names = ", ".join(each.removeprefix("System`") for each in attributes_bitset_to_list(whole.attributes))
        lines.append(f"Attributes[{short}] = {{{names}}}")
    user = definitions.user.get(name)
    if user is not None and not whole.attributes & A_READ_PROTECTED:
        for values in ("ownvalues", "downvalues", "subvalues", "upvalues", "nvalues"):
            sign = "^" if values == "upvalues" else ""
            lines += [_line(rule, sign, evaluation) for rule in getattr(user, values) if hasattr(rule, "replace")]
        seen: list[str] = []
        for rules in user.formatvalues.values():
            for rule in rules:
                text = f"Format[{input_form(rule.pattern.expr, evaluation)}] := {input_form(rule.replace, evaluation)}"
                if hasattr(rule, "replace") and text not in seen:
                    seen.append(text)
        lines += seen
    lines += [_line(rule, "", evaluation) for rule in whole.defaultvalues if hasattr(rule, "replace")]
    if whole.options:
        rules = (Expression(_RULE, Symbol(key), value) for key, value in sorted(whole.options.items()))
        lines.append(f"Options[{short}] = {input_form(ListExpression(*rules), evaluation)}")
    return lines


def _line(rule: Any, sign: str, evaluation: Any) -> str:
    pattern = rule.pattern.expr
    if pattern.get_head() is _HOLD_PATTERN and len(pattern.elements) == 1:
        pattern = pattern.elements[0]
    operator = f"{sign}=" if getattr(rule, _AT_ONCE, False) else f"{sign}:="
    return f"{input_form(pattern, evaluation)} {operator} {input_form(rule.replace, evaluation)}"


# -- Information -----------------------------------------


def _mend_information() -> None:
    from mathics.builtin.atomic.symbols import Information

    def information(self: Any, symbol: Any, what: Any, evaluation: Any) -> Any:
        name = symbol.get_string_value() or symbol.get_name()
        if not name:
            return None
        definitions = evaluation.definitions
        try:
            whole = definitions.get_definition(definitions.lookup_name(name), only_if_exists=True)
        except KeyError:
            return Expression(Symbol("System`Missing"), String("UnknownSymbol"), String(name))
        found = _properties(whole, evaluation)
        if what.value == "Properties":
            return ListExpression(*map(String, sorted(found)))
        make = found.get(what.value)
        return Expression(Symbol("System`Missing"), String("UnknownProperty"), what) if make is None else make()

    information.__doc__ = "Information[symbol_, what_String]"
    Information.eval_property = information
    describe("System`Information", _information_text)


def _information_text(expr: Any, evaluation: Any) -> str | None:
    """Return what ``Information[f]`` and ``?f`` show; None for a pattern of names.

    ``?f`` is ``Information["f", LongForm -> False]``, which shows definitions only if there is no
    usage message.
    """
    item, *options = expr.elements or (None,)
    name = None if item is None else item.get_string_value() or item.get_name()
    if not name or any(mark in name for mark in "*@") or not all(option.has_form(("Rule", "RuleDelayed"), 2) for option in options):
        return None
    definitions = evaluation.definitions
    full = definitions.lookup_name(name)
    try:
        definitions.get_definition(full, only_if_exists=True)
    except KeyError:
        return f'Missing["UnknownSymbol", {string_text(name)}]'
    usage, lines = _usage(full, evaluation), _definitions(full, evaluation)
    short = any(option.elements[1].get_name() == "System`False" for option in options)
    return _BETWEEN.join([usage] if short and usage != full else [usage, *lines])


def _properties(whole: Any, evaluation: Any) -> dict[str, Callable[[], Any]]:
    """Return the properties of a symbol, and what makes the value of each."""
    definitions, name = evaluation.definitions, whole.name
    user = definitions.user.get(name)
    visible = user is not None and not whole.attributes & A_READ_PROTECTED
    made: dict[str, Callable[[], Any]] = {
        "ObjectType": lambda: String("Symbol"),
        "Name": lambda: String(name.rpartition("`")[2]),
        "FullName": lambda: String(name),
        "Context": lambda: String(name.rpartition("`")[0] + "`"),
        "Usage": lambda: String(_usage(name, evaluation)),
        "Documentation": lambda: _documentation(name),
        "Attributes": lambda: ListExpression(*map(Symbol, attributes_bitset_to_list(whole.attributes))),
        "Options": lambda: ListExpression(*(Expression(_RULE, Symbol(key), value) for key, value in sorted(whole.options.items())))
        if whole.options
        else _NONE,
        "Definitions": lambda: String(_BETWEEN.join(_definitions(name, evaluation))) if _definitions(name, evaluation) else _NONE,
    }
    for title, values in _VALUES.items():
        made[title] = partial(_rules, getattr(user, values) if visible else ())
    return made


def _rules(rules: Any) -> Any:
    delayed = [
        Expression(_RULE_DELAYED, Expression(_HOLD_PATTERN, rule.pattern.expr), rule.replace) for rule in rules if hasattr(rule, "replace")
    ]
    return ListExpression(*delayed) if delayed else _NONE


def _usage(name: str, evaluation: Any) -> str:
    """Return the usage message of a symbol, else what Mathics3 says of it, else its name."""
    from mathics.doc.online import online_doc_string

    usage = Expression(Symbol("System`MessageName"), Symbol(name), String("usage"))
    text = usage.evaluate(evaluation).get_string_value()
    if text:
        return str(text)
    found = online_doc_string(Symbol(name), evaluation, True) if name.startswith("System`") else None
    return found.strip() if isinstance(found, str) and found.strip() else name


def _documentation(name: str) -> Any:
    if not name.startswith("System`"):
        return _NONE
    web = Expression(_RULE, String("Web"), String(f"{_DOCUMENTATION}{name.removeprefix('System`')}.html"))
    return Expression(Symbol("System`Association"), web)


# -- Context -----------------------------------------


def _mend_context() -> None:
    from mathics.builtin.atomic.symbols import Context

    def context_of_name(self: Any, name: Any, evaluation: Any) -> Any:
        definitions = evaluation.definitions
        full = definitions.lookup_name(name.value)
        try:
            definitions.get_definition(full, only_if_exists=True)
        except KeyError:
            evaluation.message("Context", "notfound", name)
            return None
        return String(full.rpartition("`")[0] + "`")

    context_of_name.__doc__ = "Context[name_String]"
    Context.eval_name = context_of_name
    Context.messages = {**getattr(Context, "messages", {}), "notfound": "Symbol `1` not found."}
