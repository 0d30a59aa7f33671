"""The standard contexts."""

from __future__ import annotations

from pathlib import Path

import pytest
from mathics_values import Recorder, text_of

from kernelbus.kernelhost.mathics.evaluation.evaluator import Evaluator
from kernelbus.kernelhost.mathics.evaluation.loading import Loaded
from kernelbus.kernelhost.mathics.library import contexts
from kernelbus.kernelhost.mathics.library.contexts import STANDARD, is_standard


@pytest.mark.parametrize(
    "name", ["Developer`", "Parallel`Developer`", "Utilities`FilterOptions`", "JLink`", "NETLink`", "Graphics`Colors`", "Internal`"]
)
def test_standard_contexts_open(loaded: Loaded, name: str) -> None:
    assert text_of(loaded, f'{{Needs["{name}"], First[$ContextPath] === "{name}", MemberQ[$Packages, "{name}"], Get["{name}"]}}') == (
        "{Null, True, True, Null}"
    )


def test_a_context_is_on_the_path_once(loaded: Loaded) -> None:
    assert text_of(loaded, 'Needs["Developer`"]; Needs["Developer`"]; Count[$ContextPath, "Developer`"]') == "1"


def test_a_package_needs_a_context(loaded: Loaded) -> None:
    code = 'BeginPackage["mine`", {"Developer`"}]; path = $ContextPath; EndPackage[]; {path, First[$ContextPath]}'
    assert text_of(loaded, code) == '{{"mine`", "Developer`", "System`"}, "mine`"}'


def test_needs_reads_a_file_and_puts_its_context_on_the_path(loaded: Loaded, tmp_path: Path) -> None:
    file = tmp_path / "theirs.m"
    file.write_text('BeginPackage["theirs`"]; one = 1; EndPackage[];')
    assert text_of(loaded, f'Needs["theirs`", "{file}"]; one') == "1"
    file.unlink()
    code = f'$ContextPath = {{"System`"}}; r = Needs["theirs`", "{file}"]; {{r, MemberQ[$ContextPath, "theirs`"]}}'
    assert text_of(loaded, code) == "{Null, True}"


def test_another_context_is_not_found(loaded: Loaded) -> None:
    heard = Recorder()
    evaluator = Evaluator(loaded, heard)
    evaluator.read('Needs["nosuch`"]', False, lambda query, _: bool(evaluator.evaluate(lambda: query)))
    assert heard.lines == ["Get::noopen", "Needs::nocont"]


def test_names() -> None:
    assert all(map(is_standard, STANDARD))
    assert not is_standard("Developer")
    assert not is_standard("Global`mine`")


def test_a_package_whose_start_is_broken_is_read_quietly(loaded: Loaded, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "package.m"
    file.write_text('BeginPackage["inner`"]; inner`two = 2; 1/0; EndPackage[];')
    monkeypatch.setitem(contexts._FILES, "Combinatorica`", str(file))
    heard = Recorder()
    evaluator = Evaluator(loaded, heard)
    evaluator.read('Needs["Combinatorica`"]; Needs["Combinatorica`"]', False, lambda query, _: bool(evaluator.evaluate(lambda: query)))
    assert heard.lines == []
    assert text_of(loaded, '{two, First[$ContextPath], MemberQ[$Packages, "Combinatorica`"]}') == '{2, "Combinatorica`", True}'
