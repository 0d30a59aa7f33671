"""Load Mathics3, and change in it what a kernel needs otherwise.

:func:`load` does everything that takes long, so that a parent process can call it once and fork a
kernel in milliseconds. It makes no thread, no link and no signal handler, and draws no random
numbers: :mod:`kernelbus.kernelhost.mathics.start.server` does that for each kernel.

What is changed, and why:

* ``CheckAbort`` catches our aborts; ``TimeConstrained`` uses our timer
  (:mod:`kernelbus.kernelhost.mathics.evaluation.interrupts`).
* ``InputForm`` is printed by :mod:`kernelbus.kernelhost.mathics.forms.inputform` wherever it
  occurs. ``ToString``, ``Print`` and their like print OutputForm by
  :mod:`kernelbus.kernelhost.mathics.forms.outputform`. ``ToString`` obeys its options
  ``FormatType`` and ``PageWidth``.
* Numbers are read as what they were printed from, and keep the precision that they were given
  (:mod:`kernelbus.kernelhost.mathics.library.numbers`).
* Operators in text are the language's ASCII operators, as kernels print them.
* Rules that Mathics3 makes when they are first used are made here: an abort in the middle would
  leave half of them for good.
* Integers of more than 4300 digits can be printed.
* ``Label`` and ``Goto`` (:mod:`kernelbus.kernelhost.mathics.library.control`), and ``Splice`` in
  lists.
* A ``Sequence`` that results from evaluating a list's element is spliced into the list.
* Standard output, ``Input`` and its like, ``Interrupt`` and ``AbortProtect``
  (:mod:`kernelbus.kernelhost.mathics.evaluation.terminal`).
* ``Get`` of a file with wrong syntax gives ``$Failed``, as documented; Mathics3's gives ``Null``.
* ``Check``, ``Function``, ``Print``, associations and ``ToExpression``
  (:mod:`kernelbus.kernelhost.mathics.library.corrections`).
* ``Needs["Developer`"]`` and its like succeed for every standard context
  (:mod:`kernelbus.kernelhost.mathics.library.contexts`).
* ``$MessageList``, handlers of messages, ``Definition``, ``Information`` and other things that
  programs take for granted (:mod:`kernelbus.kernelhost.mathics.library.messages`,
  :mod:`kernelbus.kernelhost.mathics.library.inspection`,
  :mod:`kernelbus.kernelhost.mathics.library.programs`,
  :mod:`kernelbus.kernelhost.mathics.evaluation.protection`).
* ``LinkCreate``, ``Install`` and their like (:mod:`kernelbus.kernelhost.mathics.links.functions`).
* ``ParallelTable`` and its like (:mod:`kernelbus.kernelhost.mathics.parallel.functions`).
* Functions of the language that Mathics3 lacks are defined
  (:mod:`kernelbus.kernelhost.mathics.library.functions`).
* Every name of the language is known, and the second engine is asked for functions that neither
  Mathics3 nor the library has (:mod:`kernelbus.kernelhost.mathics.engine.delegation`).
* What the pool forbids is refused (:mod:`kernelbus.kernelhost.mathics.evaluation.confinement`).
* ``$SessionID`` differs between forked kernels
  (:mod:`kernelbus.kernelhost.mathics.evaluation.identity`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kernelbus.kernelhost.mathics.evaluation.identity import mend_session
from kernelbus.kernelhost.mathics.evaluation.interrupts import Interrupts, KernelAbort
from kernelbus.kernelhost.mathics.evaluation.memory import guard

if TYPE_CHECKING:
    from kernelbus.kernelhost.mathics.evaluation.terminal import Terminal
    from kernelbus.kernelhost.mathics.parallel.workers import Workers

__all__ = ["LoadError", "Loaded", "load"]

#: How many numbers Mathics3's tables may gain between two packets before they are emptied.
_KEPT_NUMBERS = 200_000


class LoadError(RuntimeError):
    """Say that Mathics3, or a package it needs, is missing."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """Hold a loaded Mathics3.

    Attributes:
        definitions: its definitions, which are the session's state.
        interrupts: raises aborts and time limits in its evaluations.
        terminal: holds the client that its evaluations talk to.
        numbers: for each class of numbers and the name of its table of all numbers ever made, what
            the table held after loading.
    """

    definitions: Any
    interrupts: Interrupts
    terminal: Terminal
    numbers: dict[tuple[type, str], dict[Any, Any]]
    workers: Workers

    def prune_numbers(self) -> None:
        """Empty the tables of all numbers ever made, which Mathics3 never does, if they have grown.

        They keep what they held after loading. Call this between evaluations. Numbers in use stay
        as they are; new numbers of the same value just do not share their objects.
        """
        for (kind, table), pinned in self.numbers.items():
            if len(getattr(kind, table)) > len(pinned) + _KEPT_NUMBERS:
                setattr(kind, table, dict(pinned))
                _forget_calls()
        guard.relieve()


def _forget_calls() -> None:
    """Empty the caches of numbers' methods, which hold on to the numbers they were called with."""
    from mathics.core.atoms import Complex, Rational

    for method in (Rational.numerator, Rational.denominator, Complex.__neg__):
        clear = getattr(method, "cache_clear", None)
        if clear is not None:
            clear()


def load() -> Loaded:
    """Import Mathics3, change it and make its definitions; this takes seconds.

    Mathics3 prints to standard output while it loads: the caller must see that nothing else reads
    that.

    Raises:
        LoadError: a package is missing without which Mathics3 would leave functions undefined.
    """
    try:
        import packaging  # noqa: F401 - Mathics3 leaves Prime and its like undefined without it, and only prints that
        from mathics.core.load_builtin import import_and_load_builtins
    except ImportError as error:
        raise LoadError(f"the embedded kernel needs {error.name}: pip install 'kernelbus[embedded]'") from error
    import mathics.format.render  # noqa: F401 - the ways to print; definitions made before it lack them
    from mathics.core.definitions import Definitions
    from mathics.eval.inference import ensure_logical_algebraic_rules

    from kernelbus.kernelhost.mathics.associations.installation import (
        correct_associations,
        install_associations,
    )
    from kernelbus.kernelhost.mathics.library.calculus import correct_limits
    from kernelbus.kernelhost.mathics.library.characters import correct_characters
    from kernelbus.kernelhost.mathics.library.control import mend_compound_expressions
    from kernelbus.kernelhost.mathics.library.corrections import correct
    from kernelbus.kernelhost.mathics.library.formats import mend_formats
    from kernelbus.kernelhost.mathics.library.inspection import mend_inspection
    from kernelbus.kernelhost.mathics.library.messages import mend_messages, mend_syntax
    from kernelbus.kernelhost.mathics.library.numbers import mend_numbers
    from kernelbus.kernelhost.mathics.library.patterns import correct_repeated
    from kernelbus.kernelhost.mathics.library.printing import mend_printing
    from kernelbus.kernelhost.mathics.library.programs import mend_programs
    from kernelbus.kernelhost.mathics.library.reciprocals import correct_reciprocals, install_reciprocals
    from kernelbus.kernelhost.mathics.library.sparse import correct_threading
    from kernelbus.kernelhost.mathics.library.syntax import correct_syntax
    from kernelbus.kernelhost.mathics.library.tex import mend_tex
    from kernelbus.kernelhost.mathics.library.texts import correct_texts
    from kernelbus.kernelhost.mathics.library.various import correct_dates
    from kernelbus.kernelhost.mathics.speed.installation import correct_speed, install_speed

    sys.set_int_max_str_digits(0)
    interrupts = Interrupts()
    import_and_load_builtins()
    from kernelbus.kernelhost.mathics.engine import delegation
    from kernelbus.kernelhost.mathics.engine.printing import install_printing
    from kernelbus.kernelhost.mathics.evaluation import confinement, protection
    from kernelbus.kernelhost.mathics.evaluation.terminal import Terminal
    from kernelbus.kernelhost.mathics.library.angles import install_angles
    from kernelbus.kernelhost.mathics.library.arguments import install_arguments
    from kernelbus.kernelhost.mathics.library.assumptions import install_assumptions
    from kernelbus.kernelhost.mathics.library.boxes import install_boxes
    from kernelbus.kernelhost.mathics.library.calculus import install_integrals
    from kernelbus.kernelhost.mathics.library.colors import install_colors
    from kernelbus.kernelhost.mathics.library.imaging import install_imaging
    from kernelbus.kernelhost.mathics.library.knowledge import install_knowledge
    from kernelbus.kernelhost.mathics.library.orthogonal import install_orthogonal
    from kernelbus.kernelhost.mathics.library.quantities import install_quantities
    from kernelbus.kernelhost.mathics.library.sampling import install_sampling
    from kernelbus.kernelhost.mathics.library.solving import install_solving
    from kernelbus.kernelhost.mathics.pictures import exporting, functions

    terminal = Terminal(interrupts)
    terminal.mend()
    _mend_interrupts(interrupts)
    mend_numbers()
    _mend_printing()
    _mend_get()
    mend_formats()
    mend_inspection()
    mend_messages()
    mend_printing()
    mend_programs()
    mend_tex()
    mend_syntax()
    correct()
    correct_limits()
    correct_repeated()
    mend_compound_expressions()
    correct_threading()
    correct_associations()
    correct_speed()
    correct_characters()
    correct_syntax()
    correct_texts()
    correct_reciprocals()
    correct_dates()
    mend_session()
    ensure_logical_algebraic_rules()
    definitions = Definitions(add_builtin=True)
    _add_packages(definitions)
    install_speed(definitions)
    install_associations(definitions)
    terminal.install(definitions)
    confinement.install(definitions)
    protection.install(definitions, interrupts)
    _add_links(definitions, interrupts, terminal)
    workers = _add_parallel(definitions, interrupts, terminal)
    # Last, so that it sees what the kernel has.
    delegation.install(definitions)
    install_printing()
    install_imaging(definitions)
    install_colors(definitions)
    install_sampling(definitions)
    install_boxes(definitions)
    delegate = delegation.Delegate()
    install_knowledge(definitions, lambda expression, evaluation: delegate.value(expression, evaluation, quiet=True))
    install_assumptions(definitions)
    install_integrals(definitions)
    install_solving(definitions)
    install_reciprocals(definitions)
    install_orthogonal(definitions)
    install_angles(definitions)
    install_quantities(definitions)
    functions.install(definitions)
    install_arguments(definitions)
    exporting.install(definitions)
    return Loaded(definitions, interrupts, terminal, _number_tables(), workers)


def _number_tables() -> dict[tuple[type, str], dict[Any, Any]]:
    from mathics.core.atoms import Complex, Integer, MachineReal, PrecisionReal, Rational

    names: list[tuple[type, str]] = [
        (Integer, "_integers"),
        (MachineReal, "_machine_reals"),
        (PrecisionReal, "_precision_reals"),
        (Rational, "_rationals"),
        (Complex, "_complex_numbers"),
    ]
    return {(kind, name): dict(getattr(kind, name)) for kind, name in names if hasattr(kind, name)}


def _mend_interrupts(interrupts: Interrupts) -> None:
    import mathics.builtin.datentime as datentime
    from mathics.builtin.procedural import CheckAbort
    from mathics.core.interrupt import AbortInterrupt

    def check_abort(self: Any, expr: Any, failexpr: Any, evaluation: Any) -> Any:
        depth = evaluation.recursion_depth
        try:
            return interrupts.exposed(lambda: expr.evaluate(evaluation))
        except (AbortInterrupt, KernelAbort):
            interrupts.acknowledge()
            evaluation.recursion_depth = depth
        return failexpr

    # Mathics3 reads the pattern of a method from its docstring.
    check_abort.__doc__ = "CheckAbort[expr_, failexpr_]"
    CheckAbort.eval = check_abort

    late = object()

    def time_constrained(expr: Any, timeout: float, failexpr: Any, evaluation: Any) -> Any:
        evaluation.timeout_queue.append((timeout, datentime.time.time()))
        depth = evaluation.recursion_depth
        try:
            result = interrupts.limited(lambda: expr.evaluate(evaluation), timeout, late)
        finally:
            evaluation.timeout_queue.pop()
        if result is not late:
            return result
        evaluation.recursion_depth = depth
        return failexpr.evaluate(evaluation)

    datentime.eval_timeconstrained = time_constrained


def _add_packages(definitions: Any) -> None:
    from kernelbus.kernelhost.mathics.associations.templates import install_templates
    from kernelbus.kernelhost.mathics.library import (
        control,
        formats,
        jlink,
        messages,
        netlink,
        printing,
        programs,
    )
    from kernelbus.kernelhost.mathics.library.bits import install_bits
    from kernelbus.kernelhost.mathics.library.calculus import install_derivatives
    from kernelbus.kernelhost.mathics.library.compiling import install_compiling
    from kernelbus.kernelhost.mathics.library.enclosing import install_enclosing
    from kernelbus.kernelhost.mathics.library.filing import install_filing
    from kernelbus.kernelhost.mathics.library.functions import add_functions
    from kernelbus.kernelhost.mathics.library.images import install_images
    from kernelbus.kernelhost.mathics.library.inactive import install_inactive
    from kernelbus.kernelhost.mathics.library.inequalities import install_inequalities
    from kernelbus.kernelhost.mathics.library.joining import install_joining
    from kernelbus.kernelhost.mathics.library.numbers import add_number_messages
    from kernelbus.kernelhost.mathics.library.numericarrays import install_numeric_arrays
    from kernelbus.kernelhost.mathics.library.patterns import add_patterns
    from kernelbus.kernelhost.mathics.library.saving import install_saving
    from kernelbus.kernelhost.mathics.library.series import install_series
    from kernelbus.kernelhost.mathics.library.sparse import install_sparse
    from kernelbus.kernelhost.mathics.library.strings import install_strings
    from kernelbus.kernelhost.mathics.library.texts import install_texts
    from kernelbus.kernelhost.mathics.library.various import install_various

    add_patterns(definitions)
    add_functions(definitions)
    add_number_messages(definitions)
    install_bits(definitions)
    install_filing(definitions)
    install_joining(definitions)
    install_enclosing(definitions)
    install_derivatives(definitions)
    install_compiling(definitions)
    install_inactive(definitions)
    install_inequalities(definitions)
    install_numeric_arrays(definitions)
    install_images(definitions)
    install_strings(definitions)
    install_templates(definitions)
    install_various(definitions)
    install_texts(definitions)
    install_saving(definitions)
    install_sparse(definitions)
    install_series(definitions)
    add_functions(definitions, "developer.m")
    for kind in (*control.BUILTINS, *formats.BUILTINS, *messages.BUILTINS, *programs.BUILTINS):
        kind(expression=False).contribute(definitions)
    printing.Printing(expression=False).contribute(definitions)
    formats.prefer_formats(definitions)
    jlink.add_package(definitions)
    netlink.add_package(definitions)


def _add_links(definitions: Any, interrupts: Interrupts, terminal: Terminal) -> None:
    from kernelbus.kernelhost.mathics.links import functions, install
    from kernelbus.kernelhost.mathics.links.table import Links

    links = Links(interrupts)
    for kind in (*functions.BUILTINS, *install.BUILTINS):
        builtin = kind(expression=False)
        if isinstance(builtin, functions.LinkFunction):
            builtin.links, builtin.parent = links, lambda: terminal.client
        builtin.contribute(definitions)


def _add_parallel(definitions: Any, interrupts: Interrupts, terminal: Terminal) -> Workers:
    from kernelbus.kernelhost.mathics.parallel import functions
    from kernelbus.kernelhost.mathics.parallel import shared as shared_functions
    from kernelbus.kernelhost.mathics.parallel.sharing import Sharing
    from kernelbus.kernelhost.mathics.parallel.workers import Workers

    shared = functions.Shared(Workers(interrupts), Sharing(lambda: terminal.client))
    for kind in (*functions.BUILTINS, *shared_functions.BUILTINS):
        builtin = kind(expression=False)
        if isinstance(builtin, functions.ParallelFunction):
            builtin.shared = shared
        builtin.contribute(definitions)
    return shared.workers


def _mend_get() -> None:
    import mathics.builtin.files_io.files as files
    import mathics.builtin.files_io.filesystem as filesystem
    import mathics.core.parser as their_parser
    from mathics.core import streams
    from mathics.core.parser import MathicsFileLineFeeder
    from mathics.core.streams import path_search
    from mathics.core.symbols import Symbol, SymbolNull
    from mathics_scanner.errors import SyntaxError as WolframSyntaxError

    from kernelbus.kernelhost.mathics.library.contexts import comes_first, mend_needs, open_context

    their_parse, their_get = their_parser.parse, files.eval_Get
    failed = Symbol("System`$Failed")
    # For each running Get, innermost last: whether its file has wrong syntax.
    wrong: list[bool] = []

    def parse(definitions: Any, feeder: Any) -> Any:
        try:
            return their_parse(definitions, feeder)
        except WolframSyntaxError:
            if wrong and isinstance(feeder, MathicsFileLineFeeder):
                wrong[-1] = True
            raise

    def get(*arguments: Any, **options: Any) -> Any:
        name, evaluation = arguments[:2]
        if name.endswith("`"):
            file = None if comes_first(name) else path_search(name, tuple(streams.PATH_VAR))[0]
            if (file is None or not os.path.isfile(file)) and open_context(name, evaluation):
                return SymbolNull
        wrong.append(False)
        try:
            result = their_get(*arguments, **options)
            return failed if wrong[-1] else result
        finally:
            wrong.pop()

    # Get calls it by this name; other modules hold copies, which stay as they are.
    their_parser.parse = parse
    files.eval_Get = filesystem.eval_Get = get
    mend_needs(get)


def _mend_printing() -> None:
    import mathics.builtin.files_io.files as files
    import mathics.builtin.forms.print as forms_print
    import mathics.format.box.formatvalues as formatvalues
    import mathics.format.form as form
    import mathics.format.form.inputform as their_inputform
    import mathics.format.form.outputform as outputform
    from mathics.builtin.atomic.strings import ToString
    from mathics.core.atoms import Integer, String
    from mathics.core.evaluation import Evaluation, Print
    from mathics.core.expression import Expression
    from mathics.core.symbols import Symbol

    from kernelbus.kernelhost.mathics.forms.described import described
    from kernelbus.kernelhost.mathics.forms.inputform import input_form
    from kernelbus.kernelhost.mathics.forms.outputform import output_form, page_width

    input_symbol, output_symbol = Symbol("System`InputForm"), Symbol("System`OutputForm")

    def is_wrapped(expr: Any) -> bool:
        return expr.get_head() is input_symbol and len(expr.elements) == 1

    def render_input_form(expr: Any, evaluation: Any, **options: Any) -> str:
        return input_form(expr.elements[0] if is_wrapped(expr) else expr, evaluation)

    def leave_input_form(theirs: Callable[[Any, Any, Any], Any]) -> Callable[[Any, Any, Any], Any]:
        """Return a formatter that leaves InputForm's content alone.

        Otherwise Mathics3 first turns it into operators of its own; it makes the same exception for
        FullForm.
        """

        def do_format(element: Any, evaluation: Any, form: Any) -> Any:
            if is_wrapped(element):
                return element.elements[0] if form is input_symbol else element
            return element if form is input_symbol else theirs(element, evaluation, form)

        return do_format

    for kind in list(formatvalues._element_formatters):
        formatvalues._element_formatters[kind] = leave_input_form(formatvalues._element_formatters[kind])
    formatvalues.do_format_element = leave_input_form(formatvalues.do_format_element)

    for module in (files, forms_print, form, their_inputform, outputform):
        module.render_input_form = render_input_form
    outputform.SYSTEM_CHARACTER_ENCODING = "ASCII"

    def to_string(self: Any, value: Any, evaluation: Any, options: dict[str, Any]) -> Any:
        form_type = options.get("System`FormatType")
        if not isinstance(form_type, Symbol):
            form_type = output_symbol
        return self.eval_form(value, form_type, evaluation, options)

    their_form = ToString.eval_form

    def to_form(self: Any, expr: Any, form: Any, evaluation: Any, options: dict[str, Any]) -> Any:
        width = options.get("System`PageWidth")
        if form is output_symbol:
            text = output_form(expr, evaluation, int(width.value) if isinstance(width, Integer) else None)
            if text is not None:
                return String(text)
        elif isinstance(form, Symbol) and (text := described(Expression(form, expr), evaluation)) is not None:
            return String(text)
        return their_form(self, expr, form, evaluation, options)

    to_string.__doc__ = "ToString[value_, OptionsPattern[ToString]]"
    to_form.__doc__ = their_form.__doc__
    ToString.eval_default = to_string
    ToString.eval_form = to_form
    their_print = Evaluation.print_out

    def print_out(self: Any, text: Any) -> None:
        shown = None if self.definitions.trace_evaluation else output_form(text, self, page_width(self))
        if shown is None:
            their_print(self, text)
            return
        self.out.append(Print(shown))
        self.output.out(self.out[-1])

    Evaluation.print_out = print_out
