"""The command line of wolframscript, as it is documented, for `kernelbus script`.

Sans-IO. Every option may have one dash or two. The first word that belongs to no option is a file,
unless code was given; everything behind a file, ``--`` or ``-args`` is an argument.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

__all__ = ["HELP", "Invocation", "ScriptUsageError", "call_of", "in_its_words", "parse"]

HELP = """\
usage: kernelbus script [OPTION ...] [FILE] [ARGUMENT ...]
       kernelbus script --install DIR [--force]

Run code on a kernel of a server, with the command line of wolframscript. Without code: a session.

what is run
  -c, -code CODE            this code; its value is shown
  -f, -file FILE            this file; - is standard input
  -fun, -function CODE      this function, applied to the arguments
  -s, -signature TYPE ...   the types of its arguments (String)
  -linewise                 each line of standard input; with code or a file: these, once for
                            each line, which is $ScriptInputString; with a function: of each line
  -args, -- ARGUMENT ...    the arguments: $ScriptCommandLine, or those of the function

how
  -print [all]              show the last value of a file, or all
  -format FORM              show values in this form or format of Export (InputForm, but
                            strings as they are)
  -charset ENCODING         write text in this encoding (that of the terminal); None: bytes
  -timeout SECONDS          abort what takes longer
  -v, -verbose              say which server is used

where
  -wstpserver [SERVER]      the server: PORT, PORT@HOST, HOST:PORT (31415@127.0.0.1)
  -wstpserver-pool NAME     a kernel of this pool
  -wstpserver-kernel ID     this kernel, which is kept
  -wstpserver-discover [NAME]    a server that is advertised
  -wstpserver-token-file FILE    a file with the server's token
  -startprofile P, -continueprofile P, -preferprofile P
                            keep the kernel, and go back to it (kernelbus profiles)
  -l, -local                the same as -wstpserver: there is no other kernel

  --install DIR             make DIR/wolframscript, an executable that does this; with
                            -wstpserver SERVER before it: for that server
  --force                   replace one of another program
  -h, -help; -version

exit status: 0; 1 an evaluation failed, or a file cannot be read; 2 wrong usage, no server or no
kernel; 130 interrupted; n after Exit[n].
"""


class ScriptUsageError(ValueError):
    """The command line is wrong; the text is one line."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """A command line.

    Attributes:
        action: `run`, `install`, `help` or `version`.
        code: the code; None: none was given.
        file: the file; None: none was given.
        function: whether code or file are a function for the arguments.
        linewise: whether the lines of standard input are evaluated, or the code for each of them.
        signature: the types of the arguments of the function.
        arguments: the arguments.
        printing: `none`, `last` or `all`.
        form: the form of values; "": InputForm, but of a string its characters.
        charset: the encoding of output; "" for that of the terminal.
        timeout: seconds that an evaluation may take; None: no limit.
        verbose: whether to say which server is used.
        server: the server; None: the default one.
        where: other options that say which kernel, as :meth:`Choice.of` names them.
        local: the path of a kernel that was asked for; "" for none.
        directory: where to install.
        force: whether to replace another program's file.
    """

    action: str = "run"
    code: str | None = None
    file: str | None = None
    function: bool = False
    linewise: bool = False
    signature: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    printing: str = "none"
    form: str = ""
    charset: str = ""
    timeout: float | None = None
    verbose: bool = False
    server: str | None = None
    where: dict[str, str] = field(default_factory=dict)
    local: str = ""
    directory: str = ""
    force: bool = False


_SHORT = {
    "c": "code", "f": "file", "fun": "function", "s": "signature", "l": "local", "o": "cloud", "v": "verbose", "h": "help",
    "k": "permissionskey",
}  # fmt: skip
#: Options with a value, and the field that it goes to.
_VALUES = {"format": "form", "charset": "charset", "install": "directory"}
_FLAGS = {"linewise": "linewise", "verbose": "verbose", "force": "force"}
#: Options with a value that say which kernel.
_WHERE = {
    "startprofile": "start_profile",
    "continueprofile": "continue_profile",
    "preferprofile": "prefer_profile",
    "wstpserver-pool": "pool",
    "wstpserver-poolname": "pool",
    "wstpserver-kernel": "kernel_id",
    "wstpserver-kernelid": "kernel_id",
    "wstpserver-kernel-id": "kernel_id",
    "wstpserver-token-file": "token_file",
    "wstpserver-tokenfile": "token_file",
}
#: Options of wolframscript that mean nothing here, each with the reason.
_ABSENT = {
    "cloud": "there is no cloud here",
    "api": "there is no cloud here",
    "permissionskey": "there is no cloud here",
    "authenticate": "there is no cloud here",
    "disconnect": "there is no cloud here",
    "username": "there is no cloud here",
    "password": "there is no cloud here",
    "activate": "no licence is needed here",
    "entitlement": "no licence is needed here",
    "configure": "there is no wolframscript.conf here: -wstpserver says which server is used",
    "config": "there is no wolframscript.conf here: -wstpserver says which server is used",
}


#: Options of the other clients, which their messages name, and what they are called here.
_OWN = {
    "--server": "-wstpserver",
    "--discover": "-wstpserver-discover",
    "--pool": "-wstpserver-pool",
    "--kernel-id": "-wstpserver-kernel",
    "--token-file": "-wstpserver-token-file",
    "--start-profile": "-startprofile",
    "--continue-profile": "-continueprofile",
    "--prefer-profile": "-preferprofile",
    "--format": "-format",
}


def in_its_words(text: str) -> str:
    """Return a message of the other clients with the options of this command line."""
    return re.sub(r"(?<![\w-])--[a-z-]+", lambda found: _OWN.get(found[0], found[0]), text)


def parse(words: Sequence[str], is_file: Callable[[str], bool]) -> Invocation:
    """Read the words after the program's name.

    Args:
        words: the words.
        is_file: tells whether there is a file of this name, where a word may be one.

    Raises:
        ScriptUsageError: an option is wrong.
    """
    rest = list(words)
    made = Invocation()
    while rest:
        word = rest.pop(0)
        if word == "--":
            return _checked(_with_arguments(made, rest))
        if not word.startswith("-") or word == "-":
            if made.code is None and made.file is None:
                return _checked(_with_arguments(replace(made, file=word), rest))
            return _checked(_with_arguments(made, [word, *rest]))
        name = word.lstrip("-")
        name = _SHORT.get(name, name)
        if name == "args":
            if rest[:1] == ["--"]:
                rest.pop(0)
            return _checked(_with_arguments(made, rest))
        made = _option(made, name, word, rest, is_file)
    return _checked(made)


def _with_arguments(made: Invocation, arguments: Sequence[str]) -> Invocation:
    return replace(made, arguments=tuple(arguments))


def _option(made: Invocation, name: str, word: str, rest: list[str], is_file: Callable[[str], bool]) -> Invocation:
    """Take one option; its values are taken from the front of `rest`."""
    if name in ("help", "version"):
        rest.clear()
        return replace(made, action=name)
    if name in _ABSENT:
        raise ScriptUsageError(f"{word}: {_ABSENT[name]}")
    if name in _FLAGS:
        return replace(made, **{_FLAGS[name]: True})  # type: ignore[arg-type]
    if name in ("code", "file"):
        return replace(made, **{name: _value(word, rest)})  # type: ignore[arg-type]
    if name == "function":
        # Without code it is the function of a file.
        code = rest.pop(0) if rest and not _is_option(rest[0]) else None
        return replace(made, function=True, code=code)
    if name == "signature":
        types = []
        while rest and not _is_option(rest[0]) and not (made.code is None and is_file(rest[0])):
            types.append(rest.pop(0))
        return replace(made, signature=tuple(types))
    if name == "print":
        every = rest[:1] == ["all"]
        return replace(made, printing=rest.pop(0) if every else "last")
    if name == "timeout":
        return replace(made, timeout=_seconds(word, _value(word, rest)))
    if name in _VALUES:
        made = replace(made, **{_VALUES[name]: _value(word, rest)})  # type: ignore[arg-type]
        return replace(made, action="install") if name == "install" else made
    if name in ("wstpserver", "local", "wstpserver-discover"):
        given = rest.pop(0) if rest and not _is_option(rest[0]) and not is_file(rest[0]) else ""
        if name == "local":
            return replace(made, local=given)
        if name == "wstpserver-discover":
            return replace(made, where=made.where | {"discover": given})
        return replace(made, server=given or made.server)
    if name in _WHERE:
        return replace(made, where=made.where | {_WHERE[name]: _value(word, rest)})
    near = ", ".join(sorted(f"-{known}" for known in _WHERE if known.startswith("wstpserver"))) if name.startswith("wstpserver") else ""
    raise ScriptUsageError(f"unknown option {word}" + (f"; there are {near}" if near else "; kernelbus script -help lists them"))


def _is_option(word: str) -> bool:
    return re.match(r"--?[A-Za-z]|--$", word) is not None


def _value(word: str, rest: list[str]) -> str:
    if not rest:
        raise ScriptUsageError(f"{word} needs a value")
    return rest.pop(0)


def _seconds(word: str, value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ScriptUsageError(f"{word}: {value!r} is not a number of seconds above 0")
    return seconds


def _checked(made: Invocation) -> Invocation:
    if made.code is not None and made.file is not None:
        raise ScriptUsageError("-code and -file are two things to run: give one")
    if made.file is not None and re.match(r"https?://", made.file):
        raise ScriptUsageError("-file: a URL is not fetched here: give it to curl, and its output to -file -")
    if made.linewise and made.file == "-":
        raise ScriptUsageError("-linewise reads the lines of standard input, which cannot be the file, too")
    if made.function and made.code is None and made.file is None:
        raise ScriptUsageError("-function needs the code of a function, or a file")
    if made.signature and not made.function:
        raise ScriptUsageError("-signature is for -function")
    a_line = made.linewise and not made.arguments
    given = 1 if a_line else len(made.arguments)
    if len(made.signature) > given and made.function:
        there = "is 1 argument" + (" (a line)" if a_line else "") if given == 1 else f"are {given or 'no'} arguments"
        raise ScriptUsageError(f"-signature has {len(made.signature)} types, and there {there}")
    return made


#: Says that a kernel has no interpreter of a type: it leaves the call as it is.
_NO_TYPE = 'WolframScript`Argument::type = "this kernel cannot read arguments of the type `1`"; '
_INTEGER = re.compile(r"[+-]?\d+")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def call_of(function: str, signature: Sequence[str], arguments: Sequence[str]) -> str:
    """Return the code that applies a function to arguments.

    Args:
        function: its code.
        signature: the types of the first arguments; the others are strings.
        arguments: the arguments, as they were typed.

    Raises:
        ScriptUsageError: an argument is not of its type.
    """
    types = [*signature, *["String"] * len(arguments)]
    given = [_argument(kind, text, number) for number, (kind, text) in enumerate(zip(types, arguments, strict=False), 1)]
    return f"({function.strip()})[{', '.join(given)}]"


def _argument(kind: str, text: str, number: int) -> str:
    quoted = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    match kind:
        case "String":
            return quoted
        case "Integer" | "Number" | "Real":
            if (_INTEGER if kind == "Integer" else _NUMBER).fullmatch(text.strip()) is None:
                raise ScriptUsageError(f"argument {number}, {text!r}, is no {kind}")
            mantissa, _, exponent = text.strip().lower().partition("e")
            mantissa += "." if kind == "Real" and "." not in mantissa else ""
            return f"{mantissa}*^{int(exponent)}" if exponent else mantissa
        case "Boolean":
            if text.strip().lower() not in ("true", "false"):
                raise ScriptUsageError(f"argument {number}, {text!r}, is no Boolean")
            return text.strip().capitalize()
        case "Expression" | "MathExpression":
            return f"ToExpression[{quoted}]"
        case _:
            kind = '"' + kind.replace("\\", "\\\\").replace('"', '\\"') + '"'
            missing = f"({_NO_TYPE}Message[WolframScript`Argument::type, {kind}]; $Failed)"
            return f"Replace[Interpreter[{kind}][{quoted}], Interpreter[_][_] :> {missing}]"
