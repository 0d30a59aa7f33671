"""Operators that Mathics3's parser lacks: ``|->``, ``//=``. How strongly ``/*`` binds.
What ``NumberString`` is. Alternatives and lists within string patterns.

Names that begin with an escaped letter may end the text.
"""

from __future__ import annotations

from typing import Any

__all__ = ["correct_syntax"]


def correct_syntax() -> None:
    """Change Mathics3's scanner and parser."""
    import mathics.core.convert.regex as regex
    import mathics.core.parser.parser as parser
    from mathics.core.expression import Expression
    from mathics.core.symbols import Symbol
    from mathics_scanner import tokeniser

    regex.REGEXP_FOR_SYMBOLS[Symbol("System`NumberString")] = r"[-+]?(?:\d+\.?\d*|\.\d+)"

    theirs = regex.to_regex_internal

    def to_regex_internal(expr: Any, *rest: Any, **options: Any) -> Any:
        if expr.has_form("List", None):
            expr = Expression(Symbol("System`Alternatives"), *expr.elements)
        found = theirs(expr, *rest, **options)
        # Beside other parts of a pattern, alternatives without a group take those with them.
        return f"(?:{found})" if found is not None and expr.has_form("Alternatives", None) else found

    regex.to_regex_internal = to_regex_internal

    # f @* g /* h composes f and g first. Mathics3 has the operators the other way round.
    for table in (parser.operator_precedences, parser.flat_binary_operators, parser.binary_operators, parser.OPERATOR_PRECEDENCE):
        table["RightComposition"] = table["Composition"] - 1

    precedence = parser.operator_precedences["AddTo"]

    def apply_to(self: Any, left: Any, token: Any, outer: int) -> Any:
        if precedence < outer:
            return None
        self.consume()
        return parser.Node("ApplyTo", left, self.parse_expr(precedence))

    parser.Parser.e_ApplyTo = apply_to

    escaped = tokeniser.Tokeniser.t_RawBackslash

    def raw_backslash(self: Any, match: Any) -> Any:
        # It looks one character beyond a name like \[Alpha]x, where the text may end.
        if self.pos + 1 < len(self.source_text) and not self.source_text.endswith("\n"):
            self.source_text += "\n"
        return escaped(self, match)

    tokeniser.Tokeniser.t_RawBackslash = raw_backslash
    tags = [tag for tag, _ in tokeniser.TOKENS]
    if "ApplyTo" not in tags:
        tokeniser.TOKENS.append(("ApplyTo", tokeniser.compile_pattern(r" \/\/\= ")))
        indices = tokeniser.TOKEN_INDICES
        indices["/"] = (len(tags), *indices["/"])
        # The scanner knows |-> as a way to write Function, but does not look for it at a bar.
        indices["|"] = (tags.index("Function"), *indices["|"])
