"""The magics %wl and %%wl, and how IPython shows expressions of the Wolfram Language."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakSet

from kernelbus.shell.address import AddressError
from kernelbus.shell.clients.statements import statements
from kernelbus.shell.ipython.options import USAGE, OptionError, Options, read
from kernelbus.shell.jupyter.rendering import DEFINITIONS, Rendered, bundle, printed_as, printing, shown_of
from kernelbus.shell.pool.default import default_session, end_session, forget, present_session
from kernelbus.shell.pool.kernellink import encode
from kernelbus.shell.pool.picture import Picture
from kernelbus.shell.pool.said import KernelDied, KernelMessage, KernelPoolError, Question, Rendering
from kernelbus.shell.pool.session import Session
from kernelbus.shell.pool.values import code_to_expr, to_expr
from wstp import Expr, Function, Symbol

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["load", "unload"]

# Sessions that know the definitions for rendering.
_prepared: WeakSet[Session] = WeakSet()
_loaded: WeakKeyDictionary[Any, Magics] = WeakKeyDictionary()


def load(shell: InteractiveShell) -> None:
    """Add the magics to IPython; a second time does nothing."""
    if shell in _loaded:
        return
    from IPython.core.magic import no_var_expand

    for function in (Magics.line, Magics.cell):
        # {{1, 2}} and $Line are of the language, and no variables of Python to be put in.
        no_var_expand(function)
    magics = _loaded[shell] = Magics(shell)
    register: Any = shell.register_magic_function
    register(magics.line, "line", "wl")
    register(magics.cell, "cell", "wl")
    formatter = _formatter(shell)
    if formatter is not None:
        for kind in (Symbol, Function):
            formatter.for_type(kind, magics.mime_bundle)


def unload(shell: InteractiveShell) -> None:
    """Take the magics away, and end their session."""
    magics = _loaded.pop(shell, None)
    if magics is None:
        return
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop("wl", None)
    formatter = _formatter(shell)
    if formatter is not None:
        for expression in (Symbol, Function):
            formatter.pop(expression, None)
    magics.close()


def _in_a_line(error: BaseException, text: str) -> None:
    """Have IPython show a line, and not the way through this file."""
    error._render_traceback_ = lambda: [f"{type(error).__name__}: {text}"]  # type: ignore[attr-defined]


def _formatter(shell: Any) -> Any:
    return getattr(shell.display_formatter, "mimebundle_formatter", None)


class Teller:
    """Shows what an evaluation says, and asks the person what it asks."""

    def __init__(self) -> None:
        self._rendered: Rendered | None = None  # of the text that comes next

    def __call__(self, said: str | KernelMessage | Question | Rendering) -> None:
        rendered, self._rendered = self._rendered, None
        match said:
            case Rendering():
                self._rendered = printed_as(said.value)
            case Question():
                said.answer(_asked(said.prompt))
            case str() if rendered is not None and rendered.data:
                from IPython.display import display

                display({"text/plain": said.rstrip("\n"), **rendered.data}, metadata=dict(rendered.metadata), raw=True)
            case str():
                sys.stdout.write(said)
            case _:
                print(str(said).rstrip(), file=sys.stderr)


def _asked(prompt: str) -> str | None:
    """Ask the person; None: there is nobody who answers."""
    try:
        return input(prompt)
    except (EOFError, RuntimeError):
        # RuntimeError, by ipykernel: this front end cannot ask.
        return None


class Magics:
    """The magics of one IPython."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._session: Session | None = None
        # By which server and profile a session was got, so that another one follows it.
        self._chosen: tuple[str | None, str | None] | None = None

    def line(self, line: str) -> Any:
        """Carry out %wl."""
        options = self._options(line)
        if options is None:
            return None
        if not options.code and not options.given and not options.got:
            return None
        return self._run(options, options.code)

    def cell(self, line: str, cell: str) -> Any:
        """Carry out %%wl: show the values, and return the last."""
        options = self._options(line)
        return None if options is None else self._run(options, f"{options.code}\n{cell}")

    def _options(self, line: str) -> Options | None:
        """Read the options, and attach or end what they say; None: there is nothing to evaluate."""
        from IPython.core.error import UsageError

        try:
            options = read(line)
        except OptionError as error:
            raise UsageError(str(error)) from None
        if options.help:
            print(USAGE)
            return None
        try:
            if options.close:
                self.close()
            if options.attaches:
                session = Session(options.server, profile=options.profile, kernel_id=options.kernel_id or "")
                self.close()
                self._session, self._chosen = session, (options.server, options.profile)
                for missed in session.missed:
                    print(f"[missed] {str(missed).rstrip()}")
        except (KernelPoolError, AddressError, TypeError) as error:
            raise UsageError(str(error)) from None
        return options

    def close(self) -> None:
        """End the session, or leave its kernel if it is kept."""
        self._chosen = None
        if self._session is not None:
            self._session.close()
            self._session = None
        else:
            end_session()

    def _run(self, options: Options, code: str) -> Any:
        from IPython.core.error import UsageError
        from IPython.display import display

        variables: dict[str, Any] = self._shell.user_ns
        missing = [python for _, python in options.given if python not in variables]
        if missing:
            raise UsageError(f"-i: there is no variable {missing[0]!r}")
        try:
            session = self._present()
            for name, python in options.given:
                value = to_expr(variables[python], python)
                self._ask(session, Symbol("CompoundExpression")(Symbol("Set")(Symbol(name), value), Symbol("Null")), options)
            last: Any = None
            for statement in statements(code):
                if last is not None and not options.quiet:
                    display(last)
                last = self._ask(session, code_to_expr(statement.text), options)
            for python, name in options.got:
                variables[python] = self._ask(session, Symbol(name), options)
        except TypeError as error:
            raise UsageError(str(error)) from None
        except (KernelPoolError, TimeoutError) as error:
            if isinstance(error, KernelDied):
                self._lost(session)
            _in_a_line(error, f"{error}{'; the next %wl gets another kernel' if isinstance(error, KernelDied) else ''}")
            raise
        except KeyboardInterrupt as error:
            _in_a_line(error, "the evaluation was aborted; the kernel stays as it is")
            raise
        return None if options.quiet else last

    def _present(self) -> Session:
        """Return the session; where its kernel has ended, one with a fresh kernel of its server.

        Raises:
            KernelPoolError: no kernel can be had.
        """
        if self._session is None and self._chosen is not None:
            server, profile = self._chosen
            self._session = Session(server, profile=profile)
        return self._session or default_session()

    def _lost(self, session: Session) -> None:
        if session is self._session:
            session.disconnect()
            self._session = None
        else:
            forget(session)

    def _ask(self, session: Session, expression: Expr, options: Options) -> Any:
        self._prepare(session)
        value, messages = session.hear(encode(printing(expression)), Teller(), options.timeout, asks=True)
        return session.value_of(value, messages, depth=2, warn=False)

    @staticmethod
    def _prepare(session: Session) -> None:
        if session not in _prepared:
            session.ask(DEFINITIONS)
            _prepared.add(session)

    def mime_bundle(self, value: Expr, include: Any = None, exclude: Any = None) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
        """Return how an expression is shown; None: as Python shows it.

        The kernel of the magics says it, so nothing is asked before there is one.
        """
        if isinstance(value, Picture):
            return value._repr_mimebundle_(include, exclude), {}
        session = self._session or present_session()
        if session is None or session.busy:
            return None
        try:
            self._prepare(session)
            answer, _ = session.ask(shown_of(value), timeout=10.0)
        except (KernelPoolError, TimeoutError):
            return None
        match answer:
            case [str(text), rendered] if (shown := bundle(rendered)) is not None:
                return {"text/plain": text, **shown.data}, {**shown.metadata}
        return None
