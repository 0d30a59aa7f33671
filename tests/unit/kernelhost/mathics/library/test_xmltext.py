"""Symbolic XML."""

from __future__ import annotations

import pytest
from mathics_values import text_of

from kernelbus.kernelhost.mathics.evaluation.loading import Loaded
from kernelbus.kernelhost.mathics.library.xmltext import XMLError, read_xml, write_xml


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ('ImportString["<p q=\\"r\\"><s>t</s> <u/></p>", "XML"]',
         'XMLObject["Document"][{}, XMLElement["p", {"q" -> "r"}, {XMLElement["s", {}, {"t"}], XMLElement["u", {}, {}]}], {}]'),
        ('ImportString["<?xml version=\'1.0\'?><p/>", "XML"][[1]]', '{XMLObject["Declaration"]["Version" -> "1.0"]}'),
        ('ImportString["<p xmlns=\'n\'>a<!-- c -->b</p>", "XML"][[2]]', 'XMLElement[{"n", "p"}, {}, {"ab"}]'),
        ('ExportString[XMLElement["p", {"q" -> "<"}, {"1 & 2"}], "XML"]', '"<p q=\\"&lt;\\">1 &amp; 2</p>"'),
        ('ImportString[ExportString[XMLElement["p", {}, {XMLElement["q", {}, {}]}], "XML"], "XML"][[2]]',
         'XMLElement["p", {}, {XMLElement["q", {}, {}]}]'),
        ('Quiet[ImportString["<p>", "XML"]]', "$Failed"),
        ('Quiet[ExportString[5, "XML"]]', "$Failed"),
    ],
)  # fmt: skip
def test_formats(loaded: Loaded, code: str, expected: str) -> None:
    assert text_of(loaded, code) == expected


def test_a_document_type_is_refused() -> None:
    with pytest.raises(XMLError, match="document type"):
        read_xml(b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>")
    assert write_xml(read_xml(b"<?xml version='1.0'?><a/>")) == '<?xml version="1.0"?>\n<a />'
