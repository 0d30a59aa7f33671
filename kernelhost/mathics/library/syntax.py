"""Operators that Mathics3's parser lacks: ``|->``, ``//=``. And what ``NumberString`` is."""

from __future__ import annotations

from typing import Any

__all__ = ["correct_syntax"]


def correct_syntax() -> None:
    """Change Mathics3's scanner and parser."""
    import mathics.core.convert.regex as regex
    import mathics.core.parser.parser as parser
    from mathics.core.symbols import Symbol
    from mathics_scanner import tokeniser

    regex.REGEXP_FOR_SYMBOLS[Symbol("System`NumberString")] = r"[-+]?(?:\d+\.?\d*|\.\d+)"

    precedence = parser.operator_precedences["AddTo"]

    def apply_to(self: Any, left: Any, token: Any, outer: int) -> Any:
        if precedence < outer:
            return None
        self.consume()
        return parser.Node("ApplyTo", left, self.parse_expr(precedence))

    parser.Parser.e_ApplyTo = apply_to
    tags = [tag for tag, _ in tokeniser.TOKENS]
    if "ApplyTo" not in tags:
        tokeniser.TOKENS.append(("ApplyTo", tokeniser.compile_pattern(r" \/\/\= ")))
        indices = tokeniser.TOKEN_INDICES
        indices["/"] = (len(tags), *indices["/"])
        # The scanner knows |-> as a way to write Function, but does not look for it at a bar.
        indices["|"] = (tags.index("Function"), *indices["|"])
