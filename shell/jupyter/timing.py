"""`%%timeit`: how often something is evaluated to know how long it takes. Sans-IO.

A :class:`Timing` says how many evaluations the next run has (:attr:`Timing.loops`), and is told how
long they took (:meth:`Timing.took`). First the number of evaluations of a run is found, as a power
of ten. Then there are runs until there are as many as wanted, or half a second is spent; one run is
the least. What is printed has the form of IPython's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from kernelbus.shell.jupyter.magics import MagicError
from wstp import Expr, Symbol

__all__ = ["Timing", "amount", "read_timing", "timed"]

#: Seconds that all runs together take, if an evaluation is not longer than that.
_SPENT = 0.5
#: The runs that are wanted.
_RUNS = 7
_MOST_LOOPS = 10**7


@dataclass(slots=True)
class Timing:
    """A measurement.

    Attributes:
        runs: how many runs are wanted.
        loops: evaluations of the next run.
        found: whether `loops` is the number for all runs.
        spent: what the runs took, in seconds.
    """

    runs: int = _RUNS
    loops: int = 1
    found: bool = False
    patient: bool = False
    spent: list[float] | None = None

    def took(self, seconds: float) -> bool:
        """Note what the run took; return whether there is to be another."""
        spent = self.spent = self.spent or []
        if not self.found and seconds < _SPENT / self.runs / 2 and self.loops < _MOST_LOOPS:
            # A run that takes no time that can be measured says nothing: go on by hundreds.
            self.loops = min(self.loops * (100 if seconds < _SPENT / self.runs / 200 else 10), _MOST_LOOPS)
            return True
        self.found = True
        spent.append(seconds)
        return len(spent) < self.runs and (self.patient or sum(spent) < _SPENT)

    @property
    def text(self) -> str:
        """What is printed."""
        each = [seconds / self.loops for seconds in self.spent or []]
        mean = sum(each) / len(each)
        deviation = math.sqrt(sum((one - mean) ** 2 for one in each) / len(each))
        loops = f"{self.loops:,} loop{'s' if self.loops != 1 else ''} each"
        if len(each) == 1:
            return f"{amount(mean)} per loop (1 run, {loops})"
        return f"{amount(mean)} ± {amount(deviation)} per loop (mean ± std. dev. of {len(each)} runs, {loops})"


def read_timing(words: str) -> Timing:
    """Read the options of `%%timeit`: `-n LOOPS` and `-r RUNS`.

    Raises:
        MagicError: they are wrong.
    """
    given = {"-n": 0, "-r": 0}
    rest = words.replace("-n", "-n ").replace("-r", "-r ").split()
    while rest:
        option = rest.pop(0)
        number = rest.pop(0) if rest else ""
        if option not in given or not number.isdecimal() or not int(number):
            raise MagicError(f"%%timeit takes -n LOOPS and -r RUNS, and not {words!r}; what is timed begins on the next line")
        given[option] = int(number)
    loops, runs = given.values()
    return Timing(runs or _RUNS, loops or 1, bool(loops), bool(runs))


def amount(seconds: float) -> str:
    """Return a time with three digits and its unit: 1.23 s, 45.6 ms, 789 μs, 1min 5s."""
    if seconds >= 60:
        minutes, rest = divmod(round(seconds), 60)
        hours, minutes = divmod(minutes, 60)
        return " ".join(part for part in (f"{hours}h" if hours else "", f"{minutes}min", f"{rest}s" if rest else "") if part)
    power = 3 if seconds <= 0 else min(max(-math.floor(math.log10(seconds)) + 2, 0) // 3, 3)
    if power and seconds * 1000**power >= 999.5:
        power -= 1
    return f"{seconds * 1000**power:.3g} {('s', 'ms', 'μs', 'ns')[power]}"


def timed(inputs: Sequence[str], loops: int) -> Expr:
    """Return the expression that evaluates inputs, one after the other, so often.

    Its value is the time in seconds; no number if an input cannot be read.
    """
    held = (Symbol("ToExpression")(text, Symbol("InputForm"), Symbol("Hold")) for text in inputs)
    each = Symbol("CompoundExpression")(Symbol("SlotSequence")(1)) if len(inputs) > 1 else Symbol("Slot")(1)
    loop = Symbol("Do")(each, Symbol("List")(loops))
    measured = Symbol("First")(Symbol("AbsoluteTiming")(loop))
    readable = Symbol("And")(*(Symbol("SyntaxQ")(text) for text in inputs))
    timed = Symbol("Apply")(Symbol("Function")(Symbol("Null"), measured, Symbol("HoldAll")), Symbol("Join")(*held))
    return Symbol("If")(readable, timed, Symbol("$Failed"))
