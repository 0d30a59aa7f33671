"""Characters of text that is entered: letters, blanks and operators that Mathics3 does not know.

Letters of all scripts may stand in names. Blanks of all kinds are blanks: texts from web pages and
word processors have no-break spaces. Operators are found by their named characters, in Unicode and
in the private codes of Wolfram front ends, which send U+F74E for the imaginary unit.

Some characters are replaced in the text before it is scanned; strings keep theirs. The new text is
as long as the old one where it can be, so that the place of a fault is right.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Any, Final

__all__ = ["Plain", "correct_characters"]

#: What other characters are written as: in code, not in strings.
_AS: Final = {
    "\N{MINUS SIGN}": "-", "\N{INVISIBLE TIMES}": "*", "\N{INVISIBLE SEPARATOR}": ",", "\N{INVISIBLE PLUS}": "+",
    "\uf39e": "+", "\uf765": ",", "\uf74d": " E ", "\uf74e": " I ", "\uf74f": " I ", "\u2147": " E ", "\u2148": " I ", "\u2149": " I ",
    "\N{LEFT WHITE SQUARE BRACKET}": "[[", "\N{RIGHT WHITE SQUARE BRACKET}": "]]", "\uf113": "<|", "\uf114": "|>",
}  # fmt: skip

#: The same by their names.
_NAMED: Final = {
    "ExponentialE": " E", "ImaginaryI": " I", "ImaginaryJ": " I", "Minus": "-",
    "InvisibleTimes": "*", "InvisibleComma": ",", "ImplicitPlus": "+", "LeftDoubleBracket": "[[",
    "RightDoubleBracket": "]]", "LeftAssociation": "<|", "RightAssociation": "|>", "InvisibleSpace": " ",
    "NonBreakingSpace": " ", "NoBreak": " ", "ThinSpace": " ", "MediumSpace": " ", "ThickSpace": " ",
    "VeryThinSpace": " ", "LetterSpace": " ", "Null": " ",
}  # fmt: skip

#: The beginnings of the names of letters whose private codes are replaced by Unicode's letters.
_STYLED: Final = ("Formal", "Script", "Gothic", "DoubleStruck")

#: Blanks beside Unicode's: without width, and the private ones of Wolfram front ends.
_BLANKS: Final = "\u00ad\u180e\u200b\u2028\u2029\u2060\ufeff\uf360\uf380\uf381\uf382\uf383\uf384\uf754"

#: Brackets, and the functions that they stand for.
_BRACKETS: Final = {"Floor": ("LeftFloor", "RightFloor"), "Ceiling": ("LeftCeiling", "RightCeiling")}

#: The letters of all scripts, as ranges of a regular expression, without Mathics3's operators.
_LETTERS: Final = (
    "\u0100-\u02c1\u0370-\u1d3f\u1d41-\u1fff\u2c00-\u2dff\u3005-\u3007\u3031-\ud7ff\uf900-\ufdcf\ufe70-\ufefe\uff21-\uff3a\uff41-\uff5a"
    "\uff66-\uffdc\U00010000-\U0001d450\U0001d452-\U0003ffff"
)


class Plain:
    """Replace characters in text that comes in pieces; a string or a comment may go over several.
    """

    def __init__(self) -> None:
        self._pieces, self._as = _replaced()
        self._string = False
        self._comments = 0

    def __call__(self, text: str) -> str:
        """Return the next piece with its characters replaced."""
        made: list[str] = []
        end = 0
        for found in self._pieces.finditer(text):
            piece = found.group()
            if piece == '"':
                self._string = not (self._string or self._comments) or (self._string and self._comments > 0)
            elif not self._string:
                if piece in ("(*", "*)"):
                    self._comments = max(0, self._comments + (1 if piece == "(*" else -1))
                elif not self._comments and (new := self._as.get(piece) or _NAMED.get(piece[2:-1])) is not None:
                    made += (text[end : found.start()], new.ljust(len(piece)))
                    end = found.end()
                elif not self._comments and len(piece) == 1:
                    made += (text[end : found.start()], " ")
                    end = found.end()
        return "".join((*made, text[end:])) if made else text


@lru_cache(1)
def _replaced() -> tuple[re.Pattern[str], dict[str, str]]:
    """Return what is looked for in text, and what single characters are replaced by."""
    from mathics_scanner.characters import NAME_TO_WL_UNICODE, NAMED_CHARACTERS

    written = {
        private: NAMED_CHARACTERS[name]
        for name, private in NAME_TO_WL_UNICODE.items()
        if name.startswith(_STYLED) and "\ue000" <= private <= "\uf8ff"
    } | _AS
    blanks = {c for c in map(chr, range(0x80, 0x10000)) if unicodedata.category(c) == "Zs"} | set(_BLANKS)
    names = "|".join(_NAMED)
    return re.compile(rf'\\\[(?:{names})\]|\\.|"|\(\*|\*\)|[{"".join(blanks)}{"".join(written)}]', re.DOTALL), written


def correct_characters() -> None:
    """Change Mathics3's scanner and parser; call this once."""
    from mathics_scanner import tokeniser
    from mathics_scanner.characters import NAMED_CHARACTERS

    _add_letters(tokeniser)
    _add_operators(tokeniser, NAMED_CHARACTERS)

    begin, more = tokeniser.Tokeniser.__init__, tokeniser.Tokeniser.get_more_input

    def begun(self: Any, feeder: Any) -> None:
        begin(self, feeder)
        self.plain = Plain()
        self.source_text = self.plain(self.source_text)

    def get_more_input(self: Any) -> None:
        known = len(self.source_text)
        more(self)
        self.source_text = self.source_text[:known] + self.plain(self.source_text[known:])

    tokeniser.Tokeniser.__init__ = begun
    tokeniser.Tokeniser.get_more_input = get_more_input


def _add_letters(tokeniser: Any) -> None:
    """Have the scanner take letters of all scripts, by the patterns that it is made from."""
    old, new = tokeniser.symbol_first_letter, tokeniser.symbol_first_letter + _LETTERS
    for name, value in list(vars(tokeniser).items()):
        if isinstance(value, str) and old in value and name != "symbol_first_letter":
            setattr(tokeniser, name, value.replace(old, new))
    tokeniser.symbol_first_letter = new
    tokeniser.FULL_SYMBOL_PATTERN_RE = tokeniser.compile_pattern(tokeniser.FULL_SYMBOL_PATTERN_STR)
    tokeniser.FULL_SYMBOL_PATTERN_WITH_NAMES_WILDCARD_RE = tokeniser.compile_pattern(
        tokeniser.FULL_SYMBOL_PATTERN_WITH_NAMES_WILDCARD_STR
    )
    tokeniser.NAME_PATTERN_TOKENS.clear()
    tokeniser.init_module()


def _add_operators(tokeniser: Any, named: dict[str, str]) -> None:
    """Have the scanner find the operators that the parser knows, and some brackets."""
    import mathics.core.parser.parser as parser
    from mathics.core.parser import util
    from mathics_scanner.characters import NAME_TO_WL_UNICODE

    known = {*parser.binary_operators, *parser.prefix_operators, *parser.postfix_operators}
    brackets = {name for pair in _BRACKETS.values() for name in pair}
    taken = {pattern.pattern.strip() for _, pattern in tokeniser.TOKENS}
    for name in sorted(known | brackets):
        for character in {named.get(name, ""), NAME_TO_WL_UNICODE.get(name, "")}:
            if len(character) == 1 and not character.isascii() and character not in taken:
                tokeniser.TOKENS.append((name, tokeniser.compile_pattern(f" {character} ")))
                taken.add(character)

    def bracketed(head: str, closing: str) -> Any:
        def parse(self: Any, token: Any) -> Any:
            self.consume()
            self.bracket_depth += 1
            inside = self.parse_expr(0)
            self.expect(closing)
            self.bracket_depth -= 1
            return parser.Node(head, inside)

        return parse

    for head, (opening, closing) in _BRACKETS.items():
        setattr(parser.Parser, f"p_{opening}", bracketed(head, closing))

    begin = parser.Parser.__init__

    def begun(self: Any, *arguments: Any, **named: Any) -> None:
        begin(self, *arguments, **named)
        self.halt_tags |= closings

    closings = {closing for _, closing in _BRACKETS.values()}
    parser.Parser.__init__ = begun
    util.parser.halt_tags |= closings  # it was made when Mathics3 was loaded
