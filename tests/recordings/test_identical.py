"""The recordings that we write byte for byte as the library did.

These are all but the ones below, where more than one choice is sensible. We write every machine
integer in 32 or 64 bits (an 8-bit one is recorded), every text in UTF-8 where possible (7-bit,
8-bit and UCS-2 are recorded), characters beyond U+FFFF in 7 bits, where readers of UCS-2 find them
too (UTF-8 is recorded), and a short list of machine numbers as a function with packed
arguments (an array of one element is recorded).
"""

from __future__ import annotations

from wire_forms import same_as_recorded, token_records

OTHERWISE = {
    "MLPutInteger8 0",
    "MLPutInteger8 5",
    "MLPutInteger8 200",
    "MLPutInteger8 255",
    "MLPutString 7-bit escapes a\\\\b \\:00e9",
    "MLPutByteString latin-1",
    "MLPutUCS2String",
    "MLPutReal64Array 1",
    "string '😀' (1 characters)",
}


def test_all_but_those_named_are_written_byte_for_byte() -> None:
    records = token_records()
    assert {label for label, data, _ in records if not same_as_recorded(data)} == OTHERWISE
    assert len(records) == 127
