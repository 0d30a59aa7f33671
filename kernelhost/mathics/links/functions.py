"""The functions of the language for links.

A link is ``LinkObject["name", n, n]``. Links are over TCP: the only ``LinkProtocol`` is
``"TCPIP"``, which is also what ``LinkCreate[]`` makes. ``$ParentLink`` is the kernel's own link.
What is written to it goes to the client as a packet, and what is read from it is what the client
sends next.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable
from typing import Any, ClassVar, Protocol

from mathics.core.atoms import Integer, String
from mathics.core.attributes import A_NO_ATTRIBUTES
from mathics.core.builtin import Builtin
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.symbols import Symbol, SymbolFalse, SymbolNull, SymbolTrue

from kernelbus.kernelhost.mathics.forms.convert import from_mathics, to_mathics
from kernelbus.kernelhost.mathics.links.table import Entry, LinkFailure, Links
from wstp.expr import Expr

__all__ = ["BUILTINS", "Parent", "link_object", "name_parent"]

_LINK_OBJECT = "System`LinkObject"
_FAILED = Symbol("System`$Failed")
_HOLD = Symbol("System`Hold")
_PARENT = 1
_RULES = ("Rule", "RuleDelayed")
#: The modes in which a link is opened, by the value of ``LinkMode``.
_MODES = {"Listen": "listen", "Create": "listen", "Connect": "connect", "Launch": "launch"}


class Parent(Protocol):
    """The kernel's own link."""

    def put(self, expr: Expr) -> None:
        """Send an expression to the client."""

    def take(self) -> Any:
        """Return what the client sends next, unevaluated."""


def link_object(entry: Entry) -> Any:
    """Return the expression that stands for a link."""
    return Expression(Symbol(_LINK_OBJECT), String(entry.name), Integer(entry.number), Integer(entry.number))


def name_parent(definitions: Any, name: str) -> None:
    """Set ``$ParentLink``; call this once the kernel has its link."""
    number = Integer(_PARENT)
    definitions.set_ownvalue("System`$ParentLink", Expression(Symbol(_LINK_OBJECT), String(name), number, number))


class LinkFunction(Builtin):
    """A function that makes or uses links."""

    links: Links
    #: Returns the kernel's own link, None while it has none.
    parent: Callable[[], Parent | None]

    def entry(self, link: Any, call: Any, evaluation: Any) -> Entry | None:
        """Return the link that an expression stands for, None after a message for another."""
        number = link.elements[1] if link.has_form("LinkObject", 3) else None
        found = self.links.get(number.value) if isinstance(number, Integer) else None
        if found is None:
            evaluation.message("LinkObject", "linkn", link, call)
        return found

    def failed(self, failure: LinkFailure, link: Any, evaluation: Any) -> Any:
        """Give the message for a link that cannot be made or used, and return ``$Failed``."""
        evaluation.message("LinkObject", failure.tag, link, String(str(failure)))
        return _FAILED

    def call(self, *arguments: Any) -> Any:
        """Return the call of this function, for a message."""
        return Expression(Symbol(self.get_name()), *arguments)

    def is_parent(self, link: Any) -> bool:
        """Tell whether an expression stands for the kernel's own link."""
        return bool(link.has_form("LinkObject", 3) and isinstance(link.elements[1], Integer) and link.elements[1].value == _PARENT)


class LinkObject(Builtin):
    """``LinkObject["name", n, n]`` stands for a link."""

    messages: ClassVar[dict[str, str]] = {
        "linkn": "Argument `1` in `2` has an invalid LinkObject number; the link may be dead.",
        "linkd": "Unable to communicate with closed link `1`: `2`.",
        "linkc": "Unable to connect to `1`: `2`.",
        "linke": "Could not start the program of `1`: `2`.",
        "linkt": "Nothing has come from `1`: `2`.",
        "linkp": "Links of this kernel are over TCPIP; the LinkProtocol `1` is not known.",
        "linkm": "`1` is not a LinkMode: Listen, Connect or Launch is.",
        "linkx": "The expression cannot be written to `1`: `2`.",
    }
    summary_text = "a link to another program"


class _Opening(LinkFunction):
    """A function that opens a link."""

    mode = "connect"

    def open(self, arguments: Any, evaluation: Any) -> Any:
        given = list(arguments.get_sequence())
        options = {_name(rule.elements[0]): rule.elements[1] for rule in given if rule.has_form(_RULES, 2)}
        plain = [item for item in given if not item.has_form(_RULES, 2)]
        if len(plain) > 1 or (plain and not isinstance(plain[0], String)):
            return None
        protocol = options.get("LinkProtocol")
        if protocol is not None and _name(protocol) not in ("TCPIP", "TCP", "Automatic"):
            evaluation.message("LinkObject", "linkp", protocol)
            return _FAILED
        mode = self.mode
        if "LinkMode" in options:
            mode = _MODES.get(_name(options["LinkMode"]), "")
            if not mode:
                evaluation.message("LinkObject", "linkm", options["LinkMode"])
                return _FAILED
        name = plain[0].value if plain else ""
        host = options.get("LinkHost")
        if isinstance(host, String) and host.value and "@" not in name:
            name = f"{name or 0}@{host.value}"
        bits = options.get("LinkOptions")
        try:
            return link_object(self.opened(mode, name, bits.value if isinstance(bits, Integer) else 0))
        except LinkFailure as failure:
            return self.failed(failure, String(name), evaluation)

    def opened(self, mode: str, name: str, options: int) -> Entry:
        if mode == "listen":
            return self.links.listen(name, options)
        return self.links.launch(name) if mode == "launch" else self.links.connect(name, options)


class LinkCreate(_Opening):
    """``LinkCreate[]``, ``LinkCreate["port@host"]``: wait for another program."""

    mode = "listen"
    summary_text = "make a link for another program to connect to"

    def eval(self, arguments: Any, evaluation: Any) -> Any:
        "LinkCreate[arguments___]"
        return self.open(arguments, evaluation)


class LinkConnect(_Opening):
    """``LinkConnect["port@host"]``: connect to a program that listens."""

    summary_text = "connect to a link that another program has made"

    def eval(self, arguments: Any, evaluation: Any) -> Any:
        "LinkConnect[arguments__]"
        return self.open(arguments, evaluation)


class LinkLaunch(_Opening):
    """``LinkLaunch["program"]``: start a program that connects to the kernel."""

    mode = "launch"
    summary_text = "start a program and make a link to it"

    def eval(self, arguments: Any, evaluation: Any) -> Any:
        "LinkLaunch[arguments__]"
        return self.open(arguments, evaluation)


class LinkOpen(_Opening):
    """``LinkOpen["name", LinkMode -> Listen | Connect | Launch]``; Launch by default."""

    mode = "launch"
    summary_text = "open a link"

    def eval(self, arguments: Any, evaluation: Any) -> Any:
        "LinkOpen[arguments___]"
        return self.open(arguments, evaluation)


class LinkActivate(LinkFunction):
    """``LinkActivate[link]``: wait until the other side has come."""

    summary_text = "wait until the other side of a link has come"

    def eval(self, link: Any, evaluation: Any) -> Any:
        "LinkActivate[link_LinkObject]"
        entry = self.entry(link, self.call(link), evaluation)
        if entry is None:
            return _FAILED
        try:
            self.links.activate(entry)
        except LinkFailure as failure:
            return self.failed(failure, link, evaluation)
        return link


class LinkConnectedQ(LinkFunction):
    """``LinkConnectedQ[link]``: whether the other side has come."""

    summary_text = "tell whether the other side of a link has come"

    def eval(self, link: Any, evaluation: Any) -> Any:
        "LinkConnectedQ[link_LinkObject]"
        if self.is_parent(link):
            return SymbolTrue
        entry = self.entry(link, self.call(link), evaluation)
        if entry is None:
            return _FAILED
        return SymbolTrue if self.links.connected(entry) else SymbolFalse


class LinkWrite(LinkFunction):
    """``LinkWrite[link, expr]``: write an expression as a packet."""

    summary_text = "write an expression to a link"

    def eval(self, link: Any, expr: Any, evaluation: Any) -> Any:
        "LinkWrite[link_LinkObject, expr_, ___]"
        return self.write(link, expr, evaluation)

    def write(self, link: Any, expr: Any, evaluation: Any) -> Any:
        try:
            value = from_mathics(expr, evaluation.definitions)
            if self.is_parent(link):
                own = self.parent()
                if own is None:
                    raise LinkFailure("linkd", "the kernel has no client")
                own.put(value)
                return SymbolNull
            entry = self.entry(link, self.call(link, expr), evaluation)
            if entry is None:
                return _FAILED
            self.links.write(entry, value)
        except LinkFailure as failure:
            return self.failed(failure, link, evaluation)
        except ValueError as error:
            evaluation.message("LinkObject", "linkx", link, String(str(error)))
            return _FAILED
        return SymbolNull


class LinkWriteHeld(LinkWrite):
    """``LinkWriteHeld[link, Hold[expr]]``: write what is in Hold."""

    summary_text = "write an expression to a link unevaluated"

    def eval(self, link: Any, held: Any, evaluation: Any) -> Any:
        "LinkWriteHeld[link_LinkObject, held_, ___]"
        if not held.has_form(("Hold", "HoldComplete"), 1):
            return None
        return self.write(link, held.elements[0], evaluation)


class LinkRead(LinkFunction):
    """``LinkRead[link]``, ``LinkRead[link, h]``: read an expression, and wrap it in h."""

    summary_text = "read an expression from a link"

    def eval(self, link: Any, evaluation: Any) -> Any:
        "LinkRead[link_LinkObject]"
        return self.read(link, evaluation)

    def eval_wrapped(self, link: Any, head: Any, evaluation: Any) -> Any:
        "LinkRead[link_LinkObject, head_]"
        found = self.read(link, evaluation)
        return found if found is _FAILED else Expression(head, found)

    def read(self, link: Any, evaluation: Any) -> Any:
        if self.is_parent(link):
            own = self.parent()
            return self.failed(LinkFailure("linkd", "the kernel has no client"), link, evaluation) if own is None else own.take()
        entry = self.entry(link, self.call(link), evaluation)
        if entry is None:
            return _FAILED
        try:
            return to_mathics(self.links.read(entry), evaluation.definitions)
        except LinkFailure as failure:
            return self.failed(failure, link, evaluation)


class LinkReadHeld(LinkRead):
    """``LinkReadHeld[link]``: read an expression and put it in Hold."""

    summary_text = "read an expression from a link unevaluated"

    def eval(self, link: Any, evaluation: Any) -> Any:
        "LinkReadHeld[link_LinkObject]"
        found = self.read(link, evaluation)
        return found if found is _FAILED else Expression(_HOLD, found)

    def eval_wrapped(self, link: Any, head: Any, evaluation: Any) -> Any:
        "LinkReadHeld[link_LinkObject, head_]"
        return self.eval(link, evaluation)


class LinkReadyQ(LinkFunction):
    """``LinkReadyQ[link, seconds]``, ``LinkReadyQ[{link, ...}, seconds]``: what can be read."""

    summary_text = "tell whether there is something to read from a link"

    def eval(self, links: Any, evaluation: Any) -> Any:
        "LinkReadyQ[links_]"
        return self.look(links, 0.0, evaluation)

    def eval_seconds(self, links: Any, seconds: Any, evaluation: Any) -> Any:
        "LinkReadyQ[links_, seconds_?NumericQ]"
        number = seconds.round_to_float(evaluation)
        return None if number is None else self.look(links, max(number, 0.0), evaluation)

    def look(self, links: Any, seconds: float, evaluation: Any) -> Any:
        several = links.has_form("List", None)
        wanted = list(links.elements) if several else [links]
        if not all(link.has_form("LinkObject", 3) for link in wanted):
            return None
        # What comes on the kernel's own link is the kernel's to read.
        entries = {link: self.entry(link, self.call(links), evaluation) for link in wanted if not self.is_parent(link)}
        found = [entry for entry in entries.values() if entry is not None]
        if len(found) < len(entries):
            return _FAILED
        ready = dict(zip(entries, self.links.ready(found, seconds), strict=True))
        answers = [SymbolTrue if ready.get(link) else SymbolFalse for link in wanted]
        return ListExpression(*answers) if several else answers[0]


class LinkClose(LinkFunction):
    """``LinkClose[link]``: close a link, and end the program that was started for it."""

    summary_text = "close a link"

    def eval(self, link: Any, evaluation: Any) -> Any:
        "LinkClose[link_LinkObject]"
        entry = self.entry(link, self.call(link), evaluation)
        if entry is None:
            return _FAILED
        self.links.close(entry)
        return SymbolNull


class LinkInterrupt(LinkFunction):
    """``LinkInterrupt[link]``, ``LinkInterrupt[link, n]``: send message n; 2 by default."""

    rules: ClassVar[dict[str, str]] = {"LinkInterrupt[link_]": "LinkInterrupt[link, 2]"}
    summary_text = "send a message over a link"

    def eval(self, link: Any, code: Any, evaluation: Any) -> Any:
        "LinkInterrupt[link_LinkObject, code_Integer]"
        entry = self.entry(link, self.call(link, code), evaluation)
        if entry is None:
            return _FAILED
        self.links.message(entry, code.value)
        return SymbolNull


class LinkError(LinkFunction):
    """``LinkError[link]``: ``{0, "..."}`` for a link in order."""

    summary_text = "tell what is wrong with a link"

    def eval(self, link: Any, evaluation: Any) -> Any:
        "LinkError[link_LinkObject]"
        entry = self.entry(link, self.call(link), evaluation)
        if entry is None:
            return _FAILED
        closed = entry.link is not None and entry.link.closed
        code, text = (11, "other side closed the link") if closed else (0, "everything ok so far")
        return ListExpression(Integer(code), String(f"WSTP error code {code}: {text}"))


class LinksFunction(LinkFunction):
    """``Links[]``, ``Links["pattern"]``: the open links, whose names match a pattern."""

    name = "Links"
    summary_text = "the open links"

    def eval(self, evaluation: Any) -> Any:
        "Links[]"
        return self.listed("*", evaluation)

    def eval_pattern(self, pattern: Any, evaluation: Any) -> Any:
        "Links[pattern_String]"
        return self.listed(pattern.value, evaluation)

    def listed(self, pattern: str, evaluation: Any) -> Any:
        own = Symbol("System`$ParentLink").evaluate(evaluation)
        found = [own] if own.has_form("LinkObject", 3) else []
        found += map(link_object, self.links.all())
        return ListExpression(*(link for link in found if fnmatch.fnmatchcase(link.elements[0].value, pattern)))


class ParentLink(Builtin):
    """``$ParentLink``: the kernel's own link, Null where it has none."""

    name = "$ParentLink"
    attributes = A_NO_ATTRIBUTES
    rules: ClassVar[dict[str, str]] = {"$ParentLink": "Null"}
    summary_text = "the link that this kernel serves"


def _name(expr: Any) -> str:
    return str(expr.get_string_value() or expr.get_name().rpartition("`")[2])


#: What is to be defined.
BUILTINS: tuple[type[Builtin], ...] = (
    LinkObject, LinkCreate, LinkConnect, LinkLaunch, LinkOpen, LinkActivate, LinkConnectedQ, LinkWrite, LinkWriteHeld, LinkRead,
    LinkReadHeld, LinkReadyQ, LinkClose, LinkInterrupt, LinkError, LinksFunction, ParentLink,
)  # fmt: skip
