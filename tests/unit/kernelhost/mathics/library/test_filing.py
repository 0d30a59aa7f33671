"""Functions of files and streams."""

from __future__ import annotations

from pathlib import Path

import pytest
from mathics_values import text_of

from kernelbus.kernelhost.mathics.evaluation.loading import Loaded
from kernelbus.kernelhost.mathics.library.filing import base_name, folder_name


@pytest.mark.parametrize(
    ("file", "folder", "base"),
    [("a/b/c.tar.gz", "a/b/", "c.tar"), ("/x/y", "/x/", "y"), ("x", "", "x"), ("a/.rc", "a/", ".rc"), ("a/b/", "a/", "b")],
)
def test_names(file: str, folder: str, base: str) -> None:
    assert (folder_name(file), base_name(file)) == (folder, base)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ('{DirectoryName["a/b/c/d", 2], FileBaseName["a/b.c"]}', '{"a/b/", "b"}'),
        (r'ReadList[StringToStream["5 6\n7"], Number, RecordLists -> True]', "{{5, 6}, {7}}"),
        (r'ReadList[StringToStream["a b\n\nc"], Word, RecordLists -> True]', '{{"a", "b"}, {"c"}}'),
        ('With[{s = StringToStream["ab;cd"]}, {ReadString[s, ";"], ReadString[s], ReadString[s]}]', '{"ab", "cd", EndOfFile}'),
        ('Quiet[ReadString["/no/such/file"]]', "$Failed"),
        ('{FileNameSplit["/a/b"], FileNameSplit["a/b"]}', '{{"", "a", "b"}, {"a", "b"}}'),
        ('ReadList[StringToStream["5,6"], Number, RecordSeparators -> ","]', "{5, 6}"),
        ('Quiet[{DeleteFile["/no/such/file"], RenameFile["/no/such/file", "/b"], CopyFile["/no/such/file", "/b"]}]',
         "{$Failed, $Failed, $Failed}"),
    ],
)  # fmt: skip
def test_functions(loaded: Loaded, code: str, expected: str) -> None:
    assert text_of(loaded, code) == expected


def test_files(loaded: Loaded, tmp_path: Path) -> None:
    text, data = tmp_path / "text", tmp_path / "data"
    assert text_of(loaded, f's = OpenWrite["{text}"]; WriteLine[s, "one"]; Close[s]; ReadString["{text}"]') == r'"one\n"'
    write = f'BinaryWrite["{data}", {{1, 255}}]; BinaryWrite["{data}", -2, "Integer16"]; Close["{data}"];'
    assert text_of(loaded, f'{write} {{BinaryReadList["{data}"], BinaryReadList["{data}", "Byte", 1]}}') == "{{1, 255, 254, 255}, {1}}"
    # What is written after Close replaces the file.
    assert text_of(loaded, f'BinaryWrite["{data}", 7]; Close["{data}"]; BinaryReadList["{data}"]') == "{7}"
    assert text_of(loaded, f'BinaryWrite["{data}", 1.5, "Real64"]; Close["{data}"]; BinaryReadList["{data}", "Real64"]') == "{1.5}"
    copy, moved = tmp_path / "copy", tmp_path / "moved"
    assert text_of(loaded, f'CopyFile["{data}", "{copy}"]; Quiet[CopyFile["{data}", "{copy}"]]') == "$Failed"
    assert text_of(loaded, f'CopyFile["{text}", "{copy}", OverwriteTarget -> True]; ReadString["{copy}"]') == r'"one\n"'
    assert text_of(loaded, f'RenameFile["{copy}", "{moved}"]; {{FileExistsQ["{copy}"], DeleteFile["{moved}"]}}') == "{False, Null}"
    assert not moved.exists()


def test_the_name_of_the_file_that_is_read(loaded: Loaded, tmp_path: Path) -> None:
    outer, inner = tmp_path / "outer.wl", tmp_path / "inner.wl"
    inner.write_text("$InputFileName")
    outer.write_text(f'{{$InputFileName, Get["{inner}"], $InputFileName}}')
    assert text_of(loaded, f'{{Get["{outer}"], $InputFileName}}') == f'{{{{"{outer}", "{inner}", "{outer}"}}, ""}}'
