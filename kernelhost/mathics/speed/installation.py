"""Put the fast ways in place: change Mathics3's classes, then the definitions made of them."""

from __future__ import annotations

import sys
from typing import Any

from mathics.core.atoms import Integer
from mathics.core.rules import Rule
from mathics.core.symbols import Symbol

from kernelbus.kernelhost.mathics.native import definition_of
from kernelbus.kernelhost.mathics.speed.arithmetic import correct_numbers, install_arithmetic
from kernelbus.kernelhost.mathics.speed.arrays import install_arrays
from kernelbus.kernelhost.mathics.speed.assigning import install_assigning
from kernelbus.kernelhost.mathics.speed.evaluating import correct_evaluation
from kernelbus.kernelhost.mathics.speed.iteration import install_iteration
from kernelbus.kernelhost.mathics.speed.matching import correct_matching
from kernelbus.kernelhost.mathics.speed.ordering import correct_order
from kernelbus.kernelhost.mathics.speed.roots import install_roots

__all__ = ["RECURSION_LIMIT", "correct_speed", "install_speed"]

#: ``$RecursionLimit``.
RECURSION_LIMIT = 1024
#: How many calls in Python one evaluation within another takes at most, and calls beside those.
_CALLS, _MORE = 40, 2000


def correct_speed() -> None:
    """Change Mathics3's classes; call this before definitions are made."""
    import mathics.core.evaluation as evaluation
    import mathics.eval.assignments.assignment as assignment

    correct_numbers()
    correct_order()
    correct_evaluation()
    correct_matching()
    evaluation.MAX_RECURSION_DEPTH = assignment.MAX_RECURSION_DEPTH = RECURSION_LIMIT


def install_speed(definitions: Any) -> None:
    """Give functions their fast values; call this before others that come before them."""
    install_arithmetic(definitions)
    install_roots()
    install_arrays(definitions)
    install_assigning(definitions)
    install_iteration(definitions)
    limit = Symbol("System`$RecursionLimit")
    definition_of(definitions, limit.name).ownvalues = [Rule(limit, Integer(RECURSION_LIMIT), system=True)]
    sys.setrecursionlimit(max(sys.getrecursionlimit(), _CALLS * RECURSION_LIMIT + _MORE))
    definitions.clear_cache()
