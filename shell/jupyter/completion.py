"""What may stand at a cursor: names, contexts, options, long names, files, magics. Sans-IO.

:class:`Known` is what is known of a kernel's names. It is asked for when a completion is wanted and
the kernel has time (:meth:`Known.lacks`), and serves as it is while the kernel evaluates.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from kernelbus.shell.jupyter.kernelcode import code, quoted
from kernelbus.shell.jupyter.magics import MAGICS
from kernelbus.shell.jupyter.places import Place
from wstp import Expr

__all__ = ["LONG_NAMES", "Known", "Match", "complete", "files_expression", "reply"]

#: How many are offered at most.
_MOST = 500

_GREEK = re.findall(
    r"\w+",
    "Alpha Beta Gamma Delta Epsilon Zeta Eta Theta Iota Kappa Lambda Mu Nu Xi Omicron Pi Rho Sigma Tau Upsilon Phi Chi Psi Omega",
)
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#: Long names of characters that people write.
LONG_NAMES: Sequence[str] = sorted(
    {
        *_GREEK,
        *(f"Capital{name}" for name in _GREEK),
        *(f"Curly{name}" for name in ("Epsilon", "Theta", "Kappa", "Phi", "Pi", "Rho")),
        *(f"{style}{letter}" for style in ("DoubleStruck", "Script", "Gothic") for letter in map(str.lower, _LETTERS)),
        *(f"{style}Capital{letter}" for style in ("DoubleStruck", "Script", "Gothic") for letter in _LETTERS),
        *re.findall(
            r"\w+",
            "FinalSigma Infinity Degree ExponentialE ImaginaryI ImaginaryJ DifferentialD CapitalDifferentialD Aleph Bet HBar Angstrom "
            "EmptySet Ellipsis Prime DoublePrime Bullet Dagger Section Paragraph Copyright RegisteredTrademark Cent Euro Yen Micro "
            "Rule RuleDelayed Equal NotEqual LessEqual GreaterEqual LessSlantEqual GreaterSlantEqual LessLess GreaterGreater Congruent "
            "NotCongruent Tilde TildeTilde TildeEqual TildeFullEqual Proportional Element NotElement ReverseElement Subset Superset "
            "SubsetEqual SupersetEqual NotSubset NotSuperset Union Intersection And Or Not Xor Nand Nor Implies Equivalent ForAll Exists "
            "NotExists Therefore Because Times Cross Divide PlusMinus MinusPlus CenterDot SmallCircle CirclePlus CircleMinus CircleTimes "
            "CircleDot Star Wedge Vee Diamond Sqrt Sum Product Integral ContourIntegral PartialD Del Square Function Application "
            "Distributed Conditioned TensorProduct TensorWedge Transpose Conjugate ConjugateTranspose HermitianConjugate UndirectedEdge "
            "DirectedEdge TwoWayRule RightArrow LeftArrow UpArrow DownArrow LeftRightArrow UpDownArrow DoubleRightArrow DoubleLeftArrow "
            "DoubleLeftRightArrow LongRightArrow LongLeftArrow Equilibrium RightTee LeftTee UpTee DownTee LeftCeiling RightCeiling "
            "LeftFloor RightFloor LeftAngleBracket RightAngleBracket LeftDoubleBracket RightDoubleBracket LeftAssociation "
            "RightAssociation LeftBracketingBar RightBracketingBar LeftDoubleBracketingBar RightDoubleBracketingBar InvisibleComma "
            "InvisibleSpace InvisibleTimes InvisibleApplication NonBreakingSpace ThinSpace MediumSpace ThickSpace NewLine RawTab "
            "SpadeSuit HeartSuit DiamondSuit ClubSuit Sharp Flat Natural HappySmiley SadSmiley NeutralSmiley WatchIcon LightBulb "
            "FilledCircle EmptyCircle FilledSquare EmptySquare FilledUpTriangle EmptyUpTriangle FivePointedStar AscendingEllipsis "
            "CenterEllipsis VerticalEllipsis DotlessI DotlessJ WeierstrassP Null Continuation Placeholder",
        ),
    }
)


@dataclass(frozen=True, slots=True, order=True)
class Match:
    """What may stand at a cursor.

    Attributes:
        text: its text.
        kind: what it is, in a word for people.
    """

    text: str
    kind: str


@dataclass(slots=True)
class Known:
    """What is known of a kernel's names.

    Attributes:
        system: the names of the language.
        own: the names on the context path beside these.
        contexts: the contexts.
        options: the options of functions, by the names of the functions.
        entered: words of what has been entered, which serve where nothing else is known.
    """

    system: Sequence[str] = ()
    own: Sequence[str] = ()
    contexts: Sequence[str] = ()
    options: dict[str, Sequence[str]] = field(default_factory=dict)
    entered: set[str] = field(default_factory=set)
    _stale: bool = True

    def note(self, text: str) -> None:
        """Note that a text is entered: it may make names, and change options."""
        self.entered.update(re.findall(r"(?<![\w$`\"\\])[^\W\d_][^\W_]+", text))
        self._stale = True

    def forget(self) -> None:
        """Note that the kernel is another one."""
        self.system, self.own, self.contexts, self._stale = (), (), (), True
        self.options.clear()

    def lacks(self, place: Place) -> Expr | None:
        """Return what to ask the kernel before a completion, for :meth:`learn`; None: nothing."""
        function = place.function
        qualified = "`" in place.text
        if place.kind != "name" or not (qualified or self._stale or (function and function not in self.options)):
            return None
        within = f"Names[{quoted(place.text + '*')}]" if qualified else "{}"
        system = "{}" if self.system else 'Names["System`*"]'
        asks = f"ToExpression[{quoted(function)}, InputForm, Function[s, Keys[Options[s]], HoldAllComplete]]" if function else "{}"
        return code(
            f'{{{system}, Join @@ (Names[# <> "*"] & /@ DeleteCases[Union[$ContextPath, {{$Context}}], "System`"]), Contexts[], '
            f"{quoted(function)}, ToString /@ Replace[{asks}, Except[_List] -> {{}}], {within}}}"
        )

    def learn(self, answer: Expr) -> None:
        """Take the value of what :meth:`lacks` has returned; anything else teaches nothing."""
        match answer:
            case [list(system), list(own), list(contexts), str(function), list(options), list(within)]:
                self.system = _texts(system) or self.system
                self.own = [*_texts(own), *_texts(within)]
                self.contexts = _texts(contexts)
                if self._stale:
                    self.options.clear()
                if function:
                    self.options[function] = _texts(options)
                self._stale = False


def complete(place: Place, known: Known, files: Expr | None = None) -> list[Match]:
    """Return what may stand at a place, the likeliest first.

    Args:
        place: the place.
        known: what is known of the kernel's names.
        files: the value of :func:`files_expression`, if the place is in a string.
    """
    match place.kind:
        case "magic":
            return _beginning(place.text, MAGICS, "magic")
        case "character":
            return [Match(f"{name}]", "character") for name in LONG_NAMES if name.startswith(place.text)][:_MOST]
        case "string":
            return [Match(name, "file") for name in (_texts(files) if isinstance(files, list) else ())][:_MOST]
        case "name":
            return _names(place, known)
        case _:
            return []


def _names(place: Place, known: Known) -> list[Match]:
    options = _beginning(place.text, known.options.get(place.function, ()), "option")
    if not place.text:
        return options
    sources = ((known.own, "symbol"), (known.system, "function"), (known.contexts, "context"), (known.entered, "symbol"))
    for fits in (_as_written, _in_other_letters):
        # Words that were entered serve where the kernel's names are not known.
        for names, kind in sources:
            if names is not known.entered or not options:
                told = {match.text for match in options}
                options += [match for match in _beginning(place.text, names, kind, fits) if match.text not in told]
        if options:
            break
    return options[:_MOST]


def _as_written(name: str, text: str) -> bool:
    return name.startswith(text)


def _in_other_letters(name: str, text: str) -> bool:
    return len(text) > 1 and name.lower().startswith(text.lower())


def _beginning(text: str, names: Iterable[str], kind: str, fits: Callable[[str, str], bool] = _as_written) -> list[Match]:
    return sorted(Match(name, kind) for name in set(names) if name != text and fits(name, text))


def files_expression(place: Place) -> Expr:
    """Return an expression for the files whose names begin as the string at a place ends.

    Its value is their names in that folder, those of folders with a slash. They are files of the
    kernel's machine.
    """
    folder, slash, beginning = place.text.rpartition("/")
    where = quoted(folder + slash) if slash else "Directory[]"
    return code(
        f"With[{{w = {where}}}, (FileNameTake[#] <> If[DirectoryQ[#], \"/\", \"\"]) & /@ "
        f"With[{{f = FileNames[{quoted(beginning + '*')}, w]}}, If[Length[f] > {_MOST}, Take[f, {_MOST}], f]]]"
    )


def reply(place: Place, matches: Sequence[Match], cursor: int) -> dict[str, Any]:
    """Return the content of a `complete_reply`."""
    start = place.start + (place.text.rfind("/") + 1 if place.kind == "string" else 0)
    detailed = [{"start": start, "end": cursor, "text": match.text, "type": match.kind} for match in matches]
    return {
        "status": "ok",
        "matches": [match.text for match in matches],
        "cursor_start": start,
        "cursor_end": cursor,
        "metadata": {"_jupyter_types_experimental": detailed},
    }


def _texts(values: Sequence[Any]) -> list[str]:
    return [value for value in values if isinstance(value, str)]
