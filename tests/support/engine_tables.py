"""Write the tables of the second engine anew, from what Woxi and Mathics3 say that they have.

::

    .venv/bin/python tests/support/engine_tables.py functions.csv

These are ``functions.txt`` and ``names.txt`` in :mod:`kernelbus.kernelhost.mathics.engine`.

Run this after a new version of either. The argument is the list that Woxi's source has in its root:
its columns ``name``, ``implementation_status`` and ``effect_level`` are read, nothing else. What
goes into the tables are facts: names of the language, and the attributes that Woxi gives them.

A function is delegated if Woxi implements it, Mathics3 lacks it, and it computes something from its
arguments alone. Those that are kept from the tables are in :data:`KEPT`, each group with a reason.
Of what Woxi itself calls inert, that is delegated which changes in any of some hundred calls
(:data:`SAMPLES`).
"""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from itertools import product
from pathlib import Path
from typing import Final

__all__ = ["KEPT", "SAMPLES", "Ask", "attributes", "delegated", "main"]

#: Have Woxi evaluate text, and return the value as text.
Ask = Callable[[str], str]

#: Functions that the engine is not asked for: patterns of names, with the reason.
KEPT: Final = {
    "they change the session": (
        "ApplyTo|AssociateTo|KeyDropFrom|Once|Label|Goto|Save|Splice|Nothing|MessageList|UpSet\\w*|Confirm\\w*|Enclose|Echo\\w*"
        "|TraceScan|Assert|Interrupt|TimeRemaining|Share|Unique|Entity(Un)?Register|CurrentValue|SetEnvironment|LibraryFunction\\w*"
        "|Compile|CompiledFunction|Function\\w*Compile|Dispatch|Nothing|Unset|Remove|Activate|Inactive|Inactivate|IgnoringInactive"
    ),
    "they use files, streams, programs or the network": (
        "\\w*File\\w*|\\w*Director\\w*|Binary(Read|Write)\\w*|\\w*Stream\\w*|Read\\w*|Write\\w*|Skip|Find|FindList|Import\\w*|Export\\w*"
        "|URL(Read|Execute|Fetch|Save|Submit|Download)\\w*|Run\\w*|Web\\w*|Wikidata\\w*|Cloud\\w*|Notebook\\w*|Audio\\w*|\\w*Template\\w*"
        "|Environment|ExpandFileName|ParentDirectory|Print\\w*|Input\\w*|Dialog\\w*|Speak|Beep|EmitSound|Play|ListPlay|Sound\\w*"
    ),
    "they are about kernels and links": (
        "Parallel\\w*|Kernel\\w*|\\w*Kernels|Link\\w*|Install|Uninstall|DistributeDefinitions|Memory\\w*|\\w*Timing|TimeUsed"
    ),
    "they only say how something is shown or matched": (
        "Above|Below|Before|Alignment|(?!Horner)\\w*Form|Column|Framed|FrameBox|Labeled|Placed|Item|ItemSize|Rotate|Translate|Scale|Scaled|Spacer"
        "|Defer|Short|Hyperlink|Bold|Italic|Plain|RawBoxes|Cell|Cells|OpenerView|RadioButtonBar|Refresh|Update|Overlay|Callout|Haloing"
        "|DropShadowing|LinearGradientFilling|SystemColor|ThemeColor|LightDarkSwitched|OverDot|FullDefinition|MakeExpression|TextGrid"
        "|Dashed|Dashing|AbsoluteDashing|SyntaxInformation|\\w*PatternSequence|PatternSequence|KeyValuePattern|ClearSystemCache|TestID"
        "|\\w*Style|PlotG\\w+|PlotL\\w+|PlotM\\w+|PlotT\\w+|Control(Active|Placement|Type)?|Appearance\\w*|Atom|Success|Exception|Inherited|Constants"
        "|NumericArray|RawArray|WorkingPrecision|Snippet|Evaluated|QuestionObject|ResourceFunction|Tabular|ToTabular|Net\\w+|TotalLayer"
    ),
    "they make or change pictures": (
        "\\w*Plot|\\w*Plot3D|\\w*Chart|\\w*Chart3D|\\w*Gauge|\\w*Histogram\\w*|Graphics\\w*|Image\\w*|\\w*Image|Rasterize|Show|Dataset|Manipulate"
        "|Animate|ListAnimate|Legended|\\w*Legend|Geo\\w*Graphics|WordCloud|Wavelet\\w*Plot|Highlight\\w*|Dynamic\\w*|Grid|Morphological\\w*"
    ),
}
_KEPT: Final = re.compile("|".join(KEPT.values()))
#: What Woxi says of functions that do more than to compute, and those of them that only compute.
_EFFECTS: Final = ("stateful", "effectful", "io", "filesystem", "FileSystem", "side_effect", "graphics", "UI", "2")
_ONLY_COMPUTING: Final = ("Graph", "RandomComplex", "EntityValue", "UnixTime")
#: What Woxi calls inert under one of these is tried out.
_INERT: Final = ("none", "unevaluated", "Symbolic", "", "1", "None", "Computation")
#: Functions that compute, though none of the samples shows it.
_COMPUTING: Final = (
    "Blend", "CholeskyDecomposition", "CircleThrough", "DiscreteAsymptotic", "EulerAngles", "Exists", "FindLinearRecurrence",
    "ForAll", "GroupGenerators", "InterpolatingFunction", "Key", "RecurrenceTable", "SymmetricReduction",
)  # fmt: skip
#: Attributes that the language documents and Woxi does not tell.
_ATTRIBUTES: Final = dict.fromkeys(
    (
        "ContinuedFractionK", "FindArgMax", "FindArgMin", "FindMaxValue", "FindMinValue", "FunctionInterpolation", "NProduct", "NSum",
        "RecurrenceTable",
    ),
    ("HoldAll",),
)  # fmt: skip
#: Arguments with which a function is tried.
SAMPLES: Final = (
    "1", "2.5", "x", "{1, 2, 3}", "{{1, 2}, {3, 4}}", '"abc"', "x^2", "x -> 1", "Graph[{1 -> 2, 2 -> 3}]", "Cycles[{{1, 2}}]",
    '<|"a" -> 1|>', "NormalDistribution[0, 1]", "{x, 0, 1}", "DateObject[{2020, 1, 1}]", "x == 1", "# + 1 &", "f",
)  # fmt: skip
_CALLS: Final = 200


def attributes(ask: Ask, names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return the attributes that Woxi gives to names, without ``Protected``."""
    wanted = list(names)
    quoted = ", ".join(f'"{name}"' for name in wanted)
    answer = ask(f'StringRiffle[(StringRiffle[ToString /@ Attributes[#], " "] & /@ {{{quoted}}}), "\\n"]')
    lines = answer.split("\n")
    assert len(lines) == len(wanted), "Woxi gives attributes for each name"
    given = (tuple(word for word in line.split() if not word.endswith("Protected")) for line in lines)
    return {**dict(zip(wanted, given, strict=True)), **{name: _ATTRIBUTES[name] for name in wanted if name in _ATTRIBUTES}}


def is_inert(ask: Ask, name: str) -> bool:
    """Tell whether a function leaves all samples as they are, alone, in pairs and in triples."""
    for count in range(4):
        pool = SAMPLES if count < 3 else SAMPLES[:9]
        calls = [f"{name}[{', '.join(each)}]" for each in product(pool, repeat=count)]
        for at in range(0, len(calls), _CALLS):
            heads = ask("{" + ", ".join(f"ToString[Head[Quiet[{call}]], InputForm]" for call in calls[at : at + _CALLS]) + "}")
            if {head.strip() for head in heads.strip("{}").split(",")} != {name}:
                return False
    return True


def delegated(listed: Iterable[Mapping[str, str]], lacking: Callable[[str], bool], ask: Ask) -> list[str]:
    """Return the functions to delegate.

    Args:
        listed: Woxi's list.
        lacking: tells whether Mathics3 lacks a name.
        ask: asks Woxi.
    """
    found = []
    for entry in listed:
        name = entry["name"]
        if not entry["implementation_status"].startswith("✅") or not lacking(name) or _KEPT.fullmatch(name):
            continue
        if entry["effect_level"] in _EFFECTS and name not in _ONLY_COMPUTING:
            continue
        if name in _COMPUTING or entry["effect_level"] not in _INERT or not is_inert(ask, name):
            found.append(name)
    return sorted(found)


def main(argv: list[str]) -> int:
    """Write the tables; ``argv`` has the path of Woxi's list. Return the exit status."""
    from kernelbus.kernelhost.mathics.engine import process
    from kernelbus.kernelhost.mathics.evaluation.loading import load

    def ask(text: str) -> str:
        return process.engine.ask(text).text

    here = Path(process.__file__).parent
    with open(argv[0], encoding="utf-8", newline="") as file:
        listed = [entry for entry in csv.DictReader(file) if re.fullmatch(r"\$?[A-Za-z][A-Za-z0-9]*", entry["name"])]
    # The kernel that is loaded here has no delegated function: the tables are empty meanwhile.
    for table in ("functions.txt", "names.txt"):
        (here / table).write_text("", encoding="utf-8")
    known = {name.removeprefix("System`") for name in load().definitions.builtin}
    functions = delegated(listed, lambda name: name not in known, ask)
    lines = (" ".join([name, *given]) for name, given in attributes(ask, functions).items())
    (here / "functions.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    others = sorted({entry["name"] for entry in listed} - known - set(functions))
    (here / "names.txt").write_text("\n".join(others) + "\n", encoding="utf-8")
    print(f"{len(functions)} functions, {len(others)} other names, beside {len(known)} that the kernel has", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
