"""Save definitions in files: ``Save`` and ``DumpSave``. ``Get`` reads both.

``Save[file, f]`` appends the definitions of ``f`` and of the symbols that it needs, as text.
``DumpSave[file, f]`` writes those of ``f`` alone over the file; Wolfram kernels have a format of
their own for that, which is not read or written here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mathics.core.atoms import String
from mathics.core.attributes import A_HOLD_REST, A_PROTECTED
from mathics.core.list import ListExpression
from mathics.core.symbols import Symbol, SymbolNull

from kernelbus.kernelhost.mathics.forms.inputform import input_form
from kernelbus.kernelhost.mathics.library.dependencies import needed
from kernelbus.kernelhost.mathics.library.inspection import definition_lines
from kernelbus.kernelhost.mathics.native import add_message, define, definition_of

__all__ = ["install_saving", "saved"]

_FAILED = Symbol("System`$Failed")
_HEADER = "(* Created by DumpSave of kernelbus: definitions as text. *)\n"


def saved(names: Sequence[str], definitions: Any) -> str:
    """Return the definitions of symbols as text that ``Get`` reads.

    Args:
        names: whole names.
        definitions: Mathics3's definitions.
    """
    parts: list[str] = []
    for name in names:
        lines = definition_lines(name, definitions)
        short = name.removeprefix("Global`")
        # What protects the symbol comes when it has its definitions.
        first = lines.pop(0) if lines and lines[0].startswith(f"Attributes[{short}] =") else None
        early = first is not None and "Protected" not in first and "Locked" not in first
        user = definitions.user.get(name)
        messages = [f"{input_form(rule.pattern.expr)} = {input_form(rule.replace)}" for rule in user.messages] if user is not None else []
        ordered = [*([first] if early and first else []), *lines, *messages, *([first] if not early and first else [])]
        parts += [line.replace("HoldPattern[MessageName", "MessageName") if line in messages else line for line in ordered]
    return "".join(f"{line}\n \n" for line in parts)


def _names(specs: Sequence[Any], definitions: Any) -> Iterator[str]:
    """Yield the whole names that symbols, patterns of names, contexts and lists of them stand for.
    """
    for spec in specs:
        if spec.has_form("List", None):
            yield from _names(spec.elements, definitions)
        elif isinstance(spec, Symbol):
            yield spec.name
        elif isinstance(spec, String) and spec.value.endswith("`"):
            yield from sorted(name for name in definitions.user if name.startswith(spec.value))
        elif isinstance(spec, String):
            yield from sorted(name for name in definitions.get_matching_names(spec.value) if name in definitions.user)
        else:
            raise ValueError


def _file(spec: Any, evaluation: Any) -> str | None:
    """Return the name of a file, with the home folder in the place of ``~``."""
    found = spec.evaluate(evaluation)
    if found.has_form("File", 1):
        found = found.elements[0]
    return str(Path(found.value).expanduser()) if isinstance(found, String) and found.value else None


def _write(expression: Any, evaluation: Any, mode: str, text: str) -> bool:
    """Write a text; give the message and return False if the file cannot be opened."""
    file = _file(expression.elements[0], evaluation)
    try:
        with open(str(file), mode, encoding="utf-8") as out:
            out.write(text)
    except OSError as error:
        evaluation.message(expression.get_head_name(), "noopen", String(str(file)), String(error.strerror or str(error)))
        return False
    return True


def _save(expression: Any, evaluation: Any) -> Any:
    if len(expression.elements) < 2 or _file(expression.elements[0], evaluation) is None:
        return None
    definitions = evaluation.definitions
    try:
        names = list(_names(expression.elements[1:], definitions))
    except ValueError:
        return None
    every = [*names, *(name for name in needed(map(Symbol, names), definitions) if name not in names)]
    return SymbolNull if _write(expression, evaluation, "a", saved(every, definitions)) else _FAILED


def _dump_save(expression: Any, evaluation: Any) -> Any:
    if not expression.elements or _file(expression.elements[0], evaluation) is None:
        return None
    definitions = evaluation.definitions
    try:
        names = list(_names(expression.elements[1:], definitions))
    except ValueError:
        return None
    if len(expression.elements) == 1:
        names = sorted(name for name in definitions.user if not name.startswith(("System`", "WSTPServer`", "kernelbus`")))
    if not _write(expression, evaluation, "w", _HEADER + saved(names, definitions)):
        return _FAILED
    given = expression.elements[1:]
    return given[0] if len(given) == 1 and given[0].has_form("List", None) else ListExpression(*given)


def install_saving(definitions: Any) -> None:
    """Define the functions."""
    for name, function in (("Save", _save), ("DumpSave", _dump_save)):
        define(definitions, name, function)
        definition_of(definitions, f"System`{name}").attributes = A_HOLD_REST | A_PROTECTED
        add_message(definitions, name, "noopen", "Cannot open `1`: `2`.")
