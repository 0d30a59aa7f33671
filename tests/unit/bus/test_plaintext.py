"""Nothing that a terminal or a log obeys is left in a text of others."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from kernelbus.bus.plaintext import plain


@given(st.text())
def test_nothing_is_obeyed(text: str) -> None:
    shown = plain(text)
    assert not any(unicodedata.category(c) in ("Cc", "Zl", "Zp", "Cs") or unicodedata.bidirectional(c) in BIDI for c in shown)
    assert plain(shown) == shown


BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def test_texts_of_people_stay_as_they_are() -> None:
    for text in ("In[1]:= ", "größer ≥ 数", "שלום", "a b", "👩‍👩‍👧"):
        assert plain(text) == text
    assert plain("a\nb\tc", keep="\n\t") == "a\nb\tc"
    assert plain("\x1b]0;x\x07\r\u202e\x9b") == r"\x1b]0;x\x07\r\u202e\x9b"
