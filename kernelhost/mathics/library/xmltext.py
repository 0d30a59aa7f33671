"""Read and write XML as the language's symbolic XML: ``XMLObject``, ``XMLElement``.

Documents with a document type are refused: entities of theirs could be of any size. Text that is
blank, between elements, is left out.
"""

from __future__ import annotations

import re
from typing import Any, Final
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

from mathics.core.atoms import String
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.symbols import Symbol

__all__ = ["XMLError", "read_xml", "write_xml"]

_OBJECT, _ELEMENT, _RULE = (Symbol(f"System`{name}") for name in ("XMLObject", "XMLElement", "Rule"))
_DECLARATION: Final = re.compile(rb"\s*<\?xml\s+(.*?)\?>", re.DOTALL)
_ATTRIBUTE: Final = re.compile(r"""(\w+)\s*=\s*["']([^"']*)["']""")


class XMLError(ValueError):
    """Say why a text is no XML, or an expression cannot be written as XML."""


def _name(name: str) -> Any:
    """Return a name; one with a namespace is a list of both."""
    if not name.startswith("{"):
        return String(name)
    space, _, short = name[1:].partition("}")
    return ListExpression(String(space), String(short))


def _rule(name: Any, value: str) -> Any:
    return Expression(_RULE, name, String(value))


def _element(node: ElementTree.Element) -> Any:
    contents: list[Any] = []

    def text(found: str | None) -> None:
        if found and found.strip():
            contents.append(String(found))

    text(node.text)
    for child in node:
        if isinstance(child.tag, str):
            contents.append(_element(child))
        text(child.tail)
    attributes = (_rule(_name(name), value) for name, value in node.attrib.items())
    return Expression(_ELEMENT, _name(str(node.tag)), ListExpression(*attributes), ListExpression(*contents))


def _object(kind: str, *parts: Any) -> Any:
    return Expression(Expression(_OBJECT, String(kind)), *parts)


def read_xml(data: bytes) -> Any:
    """Return a document as ``XMLObject["Document"][...]``.

    Raises:
        XMLError: it is none.
    """
    if b"<!DOCTYPE" in data:
        raise XMLError("it has a document type")
    try:
        root = ElementTree.fromstring(data)
        body = _element(root)
    except (ElementTree.ParseError, RecursionError, ValueError) as error:
        raise XMLError(str(error)) from error
    declared = _DECLARATION.match(data)
    prolog = []
    if declared is not None:
        names = _ATTRIBUTE.findall(declared[1].decode("latin-1"))
        prolog.append(_object("Declaration", *(_rule(String(name.capitalize()), value) for name, value in names)))
    return _object("Document", ListExpression(*prolog), body, ListExpression())


def _written_name(expr: Any) -> tuple[str, str]:
    """Return a name and its namespace."""
    if expr.has_form("List", 2):
        return expr.elements[1].get_string_value() or "", expr.elements[0].get_string_value() or ""
    return expr.get_string_value() or "", ""


def _written(expr: Any, depth: int, space: str = "") -> str:
    indent = "\n" + " " * depth if depth else ""
    if isinstance(expr, String):
        return escape(expr.value)
    if not expr.has_form("XMLElement", 3):
        raise XMLError("it is no symbolic XML")
    name, own = _written_name(expr.elements[0])
    if not re.fullmatch(r"[\w:.-]+", name):
        raise XMLError(f"{name!r} is no name of an element")
    attributes = f" xmlns={quoteattr(own)}" if own and own != space else ""
    for rule in expr.elements[1].get_elements():
        if not rule.has_form(("Rule", "RuleDelayed"), 2):
            raise XMLError("an attribute is no rule")
        value = rule.elements[1].get_string_value()
        attributes += f" {_written_name(rule.elements[0])[0]}={quoteattr(str(rule.elements[1]) if value is None else value)}"
    contents = expr.elements[2].get_elements()
    if not contents:
        return f"{indent}<{name}{attributes} />"
    inner = "".join(_written(each, depth + 1, own or space) for each in contents)
    ends = "" if any(isinstance(each, String) for each in contents) else "\n" + " " * depth
    return f"{indent}<{name}{attributes}>{inner}{ends}</{name}>"


def write_xml(expr: Any) -> str:
    """Return symbolic XML as text.

    Raises:
        XMLError: it is none.
    """
    if isinstance(expr, Expression) and expr.head == Expression(_OBJECT, String("Document")) and len(expr.elements) >= 2:
        declared = ""
        for part in expr.elements[0].get_elements():
            if isinstance(part, Expression) and part.head == Expression(_OBJECT, String("Declaration")):
                pairs = (rule for rule in part.elements if rule.has_form("Rule", 2))
                texts = [tuple(str(each.get_string_value()) for each in rule.elements) for rule in pairs]
                declared = f"<?xml {' '.join(f'{name.lower()}={quoteattr(value)}' for name, value in texts)}?>\n"
        return declared + _written(expr.elements[1], 0)
    return _written(expr, 0)
