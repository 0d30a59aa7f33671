"""The command line of wolframscript."""

from __future__ import annotations

import pytest

from kernelbus.shell.clients.wolframscript import (
    HELP,
    Invocation,
    ScriptUsageError,
    call_of,
    in_its_words,
    parse,
)


def read(line: str) -> Invocation:
    return parse(line.split(), lambda name: name.endswith(".wls"))


@pytest.mark.parametrize(
    ("line", "made"),
    [
        ("", Invocation()),
        ("-code 2+2", Invocation(code="2+2")),
        ("-c -x a -b", Invocation(code="-x", arguments=("a", "-b"))),
        ("--code 1 -- -x", Invocation(code="1", arguments=("-x",))),
        ("-file f.wls -print", Invocation(file="f.wls", printing="last")),
        ("-print all -f f.wls a b", Invocation(file="f.wls", printing="all", arguments=("a", "b"))),
        ("f.wls -print -x --", Invocation(file="f.wls", arguments=("-print", "-x", "--"))),
        ("-print f.wls all", Invocation(file="f.wls", printing="last", arguments=("all",))),
        ("-", Invocation(file="-")),
        ("-format JSON -charset UTF-8 -timeout 5 -c 1", Invocation(code="1", form="JSON", charset="UTF-8", timeout=5.0)),
        ("-linewise", Invocation(linewise=True)),
        ("-linewise -c 1", Invocation(code="1", linewise=True)),
        ("-linewise -format XML f.wls a", Invocation(file="f.wls", form="XML", linewise=True, arguments=("a",))),
        ("-linewise -fun f -s Integer", Invocation(code="f", function=True, linewise=True, signature=("Integer",))),
        (
            "-function f -signature Integer City -args 1 -2",
            Invocation(code="f", function=True, signature=("Integer", "City"), arguments=("1", "-2")),
        ),
        ("-fun f -s String -- a", Invocation(code="f", function=True, signature=("String",), arguments=("a",))),
        (
            "-function -signature City City f.wls a b",
            Invocation(file="f.wls", function=True, signature=("City", "City"), arguments=("a", "b")),
        ),
        ("-wstpserver -code 2+2", Invocation(code="2+2")),
        ("-wstpserver 4000@h -code 2+2", Invocation(code="2+2", server="4000@h")),
        ("-wstpserver f.wls", Invocation(file="f.wls")),
        ("-local -code 1", Invocation(code="1")),
        ("-l /k -code 1", Invocation(code="1", local="/k")),
        ("-startprofile p -c 1", Invocation(code="1", where={"start_profile": "p"})),
        ("-wstpserver-pool P -continueprofile p -c 1", Invocation(code="1", where={"pool": "P", "continue_profile": "p"})),
        ("-wstpserver-discover -preferprofile q", Invocation(where={"discover": "", "prefer_profile": "q"})),
        ("-h -code", Invocation(action="help")),
        ("-version", Invocation(action="version")),
        ("--install DIR --force", Invocation(action="install", directory="DIR", force=True)),
        ("-v -c 1", Invocation(code="1", verbose=True)),
    ],
)
def test_a_command_line_means(line: str, made: Invocation) -> None:
    assert read(line) == made


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("-code", "-code needs a value"),
        ("-zork 1", "unknown option -zork"),
        ("-wstpserver-zork 1", "unknown option -wstpserver-zork; there are -wstpserver-kernel, "),
        ("-cloud -code 1", "-cloud: there is no cloud here"),
        ("-api x", "-api: there is no cloud here"),
        ("-timeout never -c 1", "-timeout: 'never' is not a number of seconds above 0"),
        ("-c 1 -f f.wls", "-code and -file are two things to run"),
        ("-linewise -file -", "-linewise reads the lines of standard input"),
        ("-linewise -fun f -s Integer Integer", "-signature has 2 types, and there is 1 argument (a line)"),
        ("-file https://a/b.wls", "-file: a URL is not fetched"),
        ("-function", "-function needs the code of a function"),
        ("-signature Integer -c 1", "-signature is for -function"),
        ("-function f -signature Integer", "-signature has 1 types, and there are no arguments"),
    ],
)
def test_a_wrong_command_line_is_refused_in_words(line: str, said: str) -> None:
    with pytest.raises(ScriptUsageError) as refused:
        read(line)
    assert str(refused.value).startswith(said)


@pytest.mark.parametrize(
    ("signature", "arguments", "code"),
    [
        ((), ("a", 'b"\\'), '(f)["a", "b\\"\\\\"]'),
        (("Integer", "Real", "Number"), ("-2", "3", "1.5e-3"), "(f)[-2, 3., 1.5*^-3]"),
        (("Boolean", "Expression"), ("true", "x+1"), '(f)[True, ToExpression["x+1"]]'),
        ((), (), "(f)[]"),
    ],
)
def test_a_function_is_applied(signature: tuple[str, ...], arguments: tuple[str, ...], code: str) -> None:
    assert call_of(" f\n", signature, arguments) == code


def test_an_argument_of_a_type_that_the_kernel_may_know() -> None:
    code = call_of("f", ["Ci\"ty"], ["New York", "rest"])
    assert code.startswith('(f)[Replace[Interpreter["Ci\\"ty"]["New York"], Interpreter[_][_] :> (') and code.endswith('$Failed)], "rest"]')


@pytest.mark.parametrize(("kind", "text"), [("Integer", "1.5"), ("Integer", "f[]"), ("Real", "x"), ("Number", ""), ("Boolean", "yes")])
def test_an_argument_of_another_type_is_refused(kind: str, text: str) -> None:
    with pytest.raises(ScriptUsageError, match=f"is no {kind}"):
        call_of("f", [kind], [text])


def test_messages_of_the_other_clients_name_its_options() -> None:
    assert in_its_words("--kernel-id and --pool: see --zork") == "-wstpserver-kernel and -wstpserver-pool: see --zork"


def test_the_help_names_every_option() -> None:
    for option in ("-code", "-file", "-function", "-signature", "-args", "-print", "-format", "-linewise", "-wstpserver", "-startprofile"):
        assert option in HELP
