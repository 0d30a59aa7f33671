"""Import and export of the formats that are written here; byte arrays."""

from __future__ import annotations

from pathlib import Path

import pytest
from mathics_values import Recorder, text_of

from kernelbus.kernelhost.mathics.evaluation.evaluator import Evaluator
from kernelbus.kernelhost.mathics.evaluation.loading import Loaded


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ('ExportString[<|"n"->1|>, "RawJSON"]', r'"{\n\t\"n\":1\n}"'),
        ('ExportString[{1, {}}, "RawJSON", "Compact" -> True]', '"[1,[]]"'),
        ('ImportString["{\\"n\\": [1, null]}", "RawJSON"]', '<|"n" -> {1, Null}|>'),
        ('ImportString["{\\"n\\": [1, null]}", "JSON"]', '{"n" -> {1, Null}}'),
        ('ImportString["a,1,2.5\\n\\"x,y\\",3e2,\\n", "CSV"]', '{{"a", 1, 2.5}, {"x,y", 300., ""}}'),
        ('ImportString["a\\t1\\nb\\t2\\n", {"TSV", "Data", 2}]', '{"b", 2}'),
        ('ImportString["h\\n1;2", "CSV", "FieldSeparators" -> ";", "HeaderLines" -> 1]', "{{1, 2}}"),
        ('ImportString["1,2", "CSV", "Numeric" -> False]', '{{"1", "2"}}'),
        ('ImportString["a,b\\n1,2", {"CSV", "Dataset"}]', 'Dataset[{<|"a" -> 1, "b" -> 2|>}]'),
        ('ImportString["1 2\\n3 4", "Table"]', "{{1, 2}, {3, 4}}"),
        ('ImportString["1\\nx", "List"]', '{1, "x"}'),
        ('ImportString["a b\\nc", {"Text", "Words"}]', '{"a", "b", "c"}'),
        ('ExportString[{{1, "a,b"}, {2.5, x}}, "CSV"]', r'"1,\"a,b\"\n2.5,x\n"'),
        ('ExportString["abc", "Base64"]', '"YWJj"'),
        ('ImportString["YWJj", "Base64"]', '"abc"'),
        ('ToCharacterCode[ExportString[5, "WXF"]]', "{56, 58, 67, 5}"),
        ('ImportString[ExportString[f[x, 300], "WXF"], "WXF"]', "f[x, 300]"),
        ('Normal[ExportByteArray[{1}, "RawJSON", "Compact" -> True]]', "{91, 49, 93}"),
        ('ImportByteArray[ByteArray[{91, 49, 93}], "RawJSON"]', "{1}"),
        ('ByteArrayToString[ExportByteArray["é", "Text"]]', '"é"'),
        ('Normal[ExportByteArray[{1, 255}, "Byte"]]', "{1, 255}"),
        ("BinaryDeserialize[BinarySerialize[{f[x], 1/2, <|a -> 1|>}]]", "{f[x], 1/2, <|a -> 1|>}"),
        ("BinaryDeserialize[BinarySerialize[Unevaluated[1 + 1]], Hold]", "Hold[1 + 1]"),
        ("Normal[BinarySerialize[1]]", "{56, 58, 67, 1}"),
        ('FromCharacterCode[Take[Normal[BinarySerialize[1, PerformanceGoal -> "Size"]], 3]]', '"8C:"'),
        ("BaseEncode[ByteArray[{1, 2, 3}]]", '"AQID"'),
        ('Normal[BaseDecode["AQID"]]', "{1, 2, 3}"),
        ('Normal[StringToByteArray["é"]]', "{195, 169}"),
        ("{ByteArrayQ[ByteArray[{1}]], ByteArrayQ[{1}]}", "{True, False}"),
        ("b = ByteArray[{1, 2, 3}]; {Length[b], Normal[Join[b, b]], Normal[b[[2 ;; 3]]]}", "{3, {1, 2, 3, 1, 2, 3}, {2, 3}}"),
        ('Developer`WriteRawJSONString[<|"a" -> 1|>, "Compact" -> True]', r'"{\"a\":1}"'),
        ('Developer`ReadRawJSONString["[1]"]', "{1}"),
    ],
)
def test_values(loaded: Loaded, code: str, value: str) -> None:
    assert text_of(loaded, code) == value


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ('ExportString[x, "RawJSON"]', "ExportString::fmtexp"),
        ('ImportString["{n}", "JSON"]', "ImportString::fmterr"),
        ('ImportString["1", {"CSV", "Data", 7}]', "ImportString::fmterr"),
        ('ImportByteArray[ByteArray[{1}], "WXF"]', "ImportByteArray::fmterr"),
        ('ExportByteArray[{256}, "Byte"]', "ExportByteArray::fmtexp"),
        ("BinaryDeserialize[ByteArray[{1}]]", "BinaryDeserialize::wxf"),
        ("ByteArrayToString[ByteArray[{255}]]", "ByteArrayToString::enc"),
        ('StringToByteArray["é", "ASCII"]', "StringToByteArray::enc"),
        ('BaseDecode["?"]', "BaseDecode::dec"),
        ('Import["/no/such/file.json"]', "Import::nffil"),
        ('Export["/no/such/folder/a.json", 1]', "General::noopen"),
    ],
)
def test_what_cannot_be_done_is_said(loaded: Loaded, code: str, message: str) -> None:
    heard = Recorder()
    evaluator = Evaluator(loaded, heard)
    values = []
    evaluator.read(code, False, lambda query, _: bool(values.append(evaluator.evaluate(lambda: query))))
    assert (values[0].get_name(), heard.lines) == ("System`$Failed", [message])


@pytest.mark.parametrize(
    ("name", "value"),
    [("a.json", "{1, 2.5}"), ("a.csv", "{{1, 2}, {3, 4.5}}"), ("a.tsv", "{{1}}"), ("a.wxf", "f[x]"), ("a.dat", "{{1, 2}}")],
)
def test_files_are_known_by_their_extension(loaded: Loaded, name: str, value: str, tmp_path: Path) -> None:
    assert text_of(loaded, f'Import[Export["{tmp_path / name}", {value}]]') == value
    assert text_of(loaded, f'StringQ[Import["{tmp_path / name}", "Text"]]') == "True"
    assert text_of(loaded, f'Normal[ReadByteArray["{tmp_path / name}"]] === Import["{tmp_path / name}", "Byte"]') == "True"
