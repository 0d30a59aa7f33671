"""What the process that evaluates answers."""

from __future__ import annotations

import base64

import pytest

from kernelbus.kernelhost.woxi.evaluator import _answer
from kernelbus.kernelhost.woxi.wxf import read_wxf

woxi = pytest.importorskip("woxi")


def test_a_value_comes_in_wxf_if_it_has_one() -> None:
    answer = _answer(woxi, {"code": 'Hold[1 + 1, "a\\"b"]', "wants": "value"})
    assert answer["text"] == 'Hold[1 + 1, a"b]'
    assert str(read_wxf(base64.b64decode(answer["wxf"]))) == str(read_wxf(b"8:f\x02s\x04Holdf\x02s\x04PlusC\x01C\x01S\x03a\"b"))
    assert _answer(woxi, {"code": "x_", "wants": "value"})["text"] == "x_"
    # Symbols alone do not set Woxi's last value.
    assert base64.b64decode(_answer(woxi, {"code": "Null", "wants": "value"})["wxf"]) == b"8:s\x04Null"


def test_what_cannot_be_read_has_a_place() -> None:
    assert _answer(woxi, {"code": "1\n2 +* 3", "wants": "text"})["wrong"][1:] == [2, 7]
