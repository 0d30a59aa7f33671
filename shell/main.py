"""The `kernelbus` command: its options, and which function each sub-command calls.

Each sub-command imports what it needs when it runs, so that a one-shot command does not load the
server's libraries. A mistake on the command line or in the configuration, and a missing package
(:mod:`kernelbus.shell.extras`), are one line on standard error and exit status 2.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from kernelbus.shell.arguments import Parser, add_choice, lasting, run_client, seconds
from kernelbus.shell.defaults import DEFAULT_PORT, SOCKET, STATUS_PARTS, bus_at, bus_endpoint
from kernelbus.shell.evaluating import add_eval, add_script, divided, run_eval_command
from kernelbus.shell.exits import FAILED, INTERRUPTED, UNUSABLE
from kernelbus.shell.extras import MissingExtra, needed, require
from kernelbus.shell.notebooks import add_jupyter
from kernelbus.shell.terminal import complain

if TYPE_CHECKING:
    from kernelbus.bus.security.keys import KeyStore
    from kernelbus.bus.settings.config import Config
    from kernelbus.shell.clients.choice import Choice
    from kernelbus.shell.operations.shown import Shown
    from kernelbus.shell.token import TokenFile

__all__ = ["main"]

#: What a write says where there is no room.
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
_DISCOVERED = "find one that is advertised, and whose key is trusted here"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line `arguments` (None: those of the process) and return the exit status."""
    _open_standard_streams()
    words = list(sys.argv[1:] if arguments is None else arguments)
    program = ["kernelbus"]
    try:
        with needed():
            try:
                return _run(words, program)
            finally:
                sys.stdout.flush()  # so that what cannot be written is said here, and not at exit
    except MissingExtra as error:
        complain(program[0], error)
        return UNUSABLE
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone.
        _drop_output()
        return FAILED
    except OSError as error:
        if error.errno not in _FULL:
            raise
        _drop_output()
        complain(program[0], f"cannot write the output: {error.strerror}")
        return FAILED


def _run(words: list[str], program: list[str]) -> int:
    """Run a command line; `program` becomes what the command calls itself in messages."""
    if words[:1] == ["script"]:
        program[0] = "kernelbus script"
        from kernelbus.shell.clients.script import run_script

        return run_script(words[1:])
    options = _parsed(words)
    program[0] = options.parser.prog
    run: Callable[[argparse.Namespace], int] = options.run
    return run(options)


def _drop_output() -> None:
    """Forget what Python has still buffered: it must not raise again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _open_standard_streams() -> None:
    """Open what was closed when the process began: else a connection gets its number."""
    for name, descriptor, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, mode, closefd=False, encoding="utf-8"))  # noqa: SIM115 - stays open


def _parsed(words: list[str]) -> argparse.Namespace:
    rest: list[str] = []
    if words[:1] == ["eval"]:
        words, rest = divided(words)
    options, unknown = _parser().parse_known_args(words)
    if unknown:
        hint = " (code that begins with - goes after --)" if options.run is run_eval_command else ""
        options.parser.error(f"unknown argument {unknown[0]}{hint}")
    options.rest = rest
    return options


# ---- what may be typed -------------------------------------------------------------------------


class _Version(argparse.Action):
    """Prints the version; looks it up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import PackageNotFoundError, version

        try:
            told = version("kernelbus")
        except PackageNotFoundError:
            told = "(run from its source, not installed)"
        print(f"kernelbus {told}")
        parser.exit()


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a port: give a number from 0 (any free one) to 65535"
        )
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="kernelbus",
        description="Serve long-lived Wolfram Language kernels to WSTP programs, and use them.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and leave")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    serve = _part_parser(
        commands,
        "serve",
        "serve kernels of this machine: broker, frontend and host in one",
        "Serve kernels of this machine until Ctrl-C or SIGTERM, which end its kernels. One line says on which port, one who may connect, "
        "and a third when kernels are ready. kernelbus eval, repl and status find it; SIGHUP has it read its configuration again.",
    )
    _add_link_server(serve)
    _add_part(serve)
    _add_shown(serve)
    serve.add_argument(
        "--bus",
        metavar="ENDPOINT",
        help="where frontends and hosts elsewhere reach the broker (a socket in your state folder)",
    )
    serve.set_defaults(run=_serve, parser=serve)

    broker = _part_parser(
        commands,
        "broker",
        "run a broker alone; frontends and hosts connect to it",
        "Run a broker until Ctrl-C or SIGTERM. It routes between frontends and hosts, which may be on other machines. Sessions survive "
        "its end.",
    )
    _add_part(broker)
    _add_shown(broker)
    broker.add_argument("--bus", metavar="ENDPOINT", help=f"where to bind ({SOCKET})")
    broker.add_argument(
        "-a", "--advertise", action="store_true", help="advertise by DNS-SD, for hosts and frontends with --bus discover"
    )
    broker.set_defaults(run=_broker, parser=broker)

    frontend = _part_parser(
        commands,
        "frontend",
        "run a frontend alone: WSTP clients connect to it",
        "Run a frontend until Ctrl-C or SIGTERM. WSTP programs connect to it, and get kernels of the hosts that its broker knows.",
    )
    _add_link_server(frontend)
    _add_part(frontend)
    frontend.add_argument("--bus", metavar="ENDPOINT", help=f"where the broker is ({SOCKET}); discover: {_DISCOVERED}")
    frontend.set_defaults(run=_frontend, parser=frontend)

    host = _part_parser(
        commands,
        "host",
        "run a kernel host alone: it starts kernels on this machine",
        "Run a kernel host until Ctrl-C or SIGTERM, which end its kernels. It starts those of the configuration's pools on this machine.",
    )
    _add_part(host)
    host.add_argument("--bus", metavar="ENDPOINT", help=f"where the broker is ({SOCKET}); discover: {_DISCOVERED}")
    host.set_defaults(run=_host, parser=host)

    _add_keys(commands)
    _add_access(commands)

    _add_status(commands)
    _add_shell(commands)

    check = commands.add_parser(
        "check-config",
        help="say what a configuration file means, or what is wrong with it",
        description="Print the whole configuration that FILE makes, with the defaults filled in and a comment behind each value that says "
        "where it comes from; or every fault of it, one a line. What is printed can be used as a configuration file itself.",
        epilog="exit status: 0 it can be used (warnings, on standard error, say what will not work on this machine); 2 it cannot.",
    )
    check.add_argument("file", metavar="FILE", nargs="?", help="the file (the one that serve would find)")
    check.add_argument("--json", action="store_true", help="print JSON, for programs")
    check.set_defaults(run=_check_config, parser=check)

    add_eval(commands)
    add_script(commands)

    repl = commands.add_parser(
        "repl",
        help="sit at a kernel's prompt",
        description="An interactive session with a kernel, at its own prompts. Input that the kernel calls incomplete goes on in the next "
        "line. Ctrl-C aborts the evaluation, a second one offers more; Ctrl-D leaves the kernel as it is, and says how to come back; "
        "Quit[] ends it. Tab completes names. When standard input is no terminal its lines are entered one after the other, only what "
        "the kernel says is shown, and the kernel is ended afterwards, unless it was named or got by a profile.",
        epilog="exit status: 0; 1 the kernel ended unasked, or input was left incomplete; 2 no server, or no kernel from it; "
        "130 interrupted.",
    )
    add_choice(repl)
    repl.set_defaults(run=_repl, parser=repl)

    connect = commands.add_parser(
        "connect",
        help="get a kernel for later, or end one",
        description="Get a kernel that stays, print how to reach it, and leave: for scripts that evaluate in several steps, and for "
        "programs that are given a kernel's id. Of a kernel that is there already nothing is taken: what it has said is still shown to "
        "whoever comes next. To sit at its prompt, use kernelbus repl.",
        epilog="exit status: 0; 2 no server, or no kernel from it.",
    )
    add_choice(connect)
    connect.add_argument("-q", "--quiet", action="store_true", help="print the kernel's id alone")
    connect.add_argument("--close-kernel", action="store_true", help="end the kernel")
    connect.set_defaults(run=_connect, parser=connect)

    _add_profiles(commands)
    add_jupyter(commands)

    discover = commands.add_parser(
        "discover",
        help="list the servers that are advertised on the network",
        description="List the servers, their pools and the brokers that are advertised by DNS-SD (kernelbus serve -a), as far as they "
        "can be reached from here. Connects to none of them.",
        epilog="exit status: 0; 1 nothing was found; 2 it cannot be looked for.",
    )
    discover.add_argument("--json", action="store_true", help="print an object for programs, whose keys docs/discovery.md lists")
    discover.add_argument("--timeout", metavar="SECONDS", type=seconds, default=3.0, help="how long to look (%(default)g)")
    discover.add_argument("--interface", metavar="ADDRESS", help="look only on the interface that has this address (all)")
    discover.add_argument("-c", "--configuration-file", metavar="FILE", help="the configuration (wstpserver.conf)")
    discover.set_defaults(run=_discover, parser=discover)
    return parser


def _add_keys(commands: argparse._SubParsersAction[Parser]) -> None:
    keys = commands.add_parser(
        "keys",
        help="make this machine's key for the bus, and say which machines it trusts",
        description="The keys with which machines know each other on the bus, where that is not at an address of loopback. Each machine "
        "has one pair. A broker is joined by the machines whose keys it allows; these, for their part, allow the broker's.",
    )
    actions = keys.add_subparsers(metavar="ACTION", dest="action", required=True)

    def add(name: str, told: str) -> argparse.ArgumentParser:
        action = actions.add_parser(name, help=told, description=told[:1].upper() + told[1:] + ".")
        folder = action.add_mutually_exclusive_group()
        folder.add_argument("-c", "--configuration-file", metavar="FILE", help="the configuration, whose Bus/Keys names the folder")
        folder.add_argument("--keys", metavar="FOLDER", help="the folder of keys (~/.config/kernelbus/keys)")
        action.set_defaults(run=_keys, parser=action)
        return action

    new = add("new", "make this machine's key pair")
    new.add_argument("--force", action="store_true", help="also if it has one: other machines then know it no longer")
    show = add("show", "print this machine's public key, and what to say on the machines that are to trust it")
    for action in (new, show):
        action.add_argument("-q", "--quiet", action="store_true", help="print the key alone")
    listing = add("list", "print this machine's key and those that are allowed here")
    for action in (new, show, listing):
        action.add_argument("--json", action="store_true", help="print JSON, for scripts")
    allow = add("allow", "trust a machine; a running broker knows at once")
    allow.add_argument("key", metavar="KEY", help="its public key, in single quotes: what kernelbus keys show prints there")
    allow.add_argument("name", metavar="NAME", help="what it is called here")
    allow.add_argument("comment", metavar="COMMENT", nargs="*", help="a note to keep with it")
    revoke = add("revoke", "trust a machine no longer; a running broker loses it within seconds")
    revoke.add_argument("key", metavar="KEY", help="its key or its name")


def _add_access(commands: argparse._SubParsersAction[Parser]) -> None:
    access = commands.add_parser(
        "access",
        help="show the token of a server here, and say who needs none",
        description="The token that programs of other machines give before they may use a server of this one. A server makes it at its "
        "first start. Without ACTION, the token is shown.",
        epilog="exit status: 0; 2 there is no token, or no answer from a broker.",
    )
    actions = access.add_subparsers(metavar="ACTION", dest="action")

    told = "make another token; from then on servers take it alone"
    new = actions.add_parser("new", help=told, description=told[:1].upper() + told[1:] + ".")
    for parser in (access, new):
        # An action's own default would be taken over what stands before the action.
        none, quiet = (None, False) if parser is access else (argparse.SUPPRESS, argparse.SUPPRESS)
        told = "the configuration, whose Access/Token names the file"
        parser.add_argument("-c", "--configuration-file", metavar="FILE", default=none, help=told)
        parser.add_argument("-q", "--quiet", action="store_true", default=quiet, help="print the token alone")
        parser.set_defaults(run=_access, parser=parser)
    for name, told in (
        ("grant", "let programs at an address use the server without the token for a time"),
        ("revoke", "take a grant back; links that are open stay open"),
        ("list", "say who may use each frontend, and what is granted"),
    ):
        action = actions.add_parser(name, help=told, description=told[:1].upper() + told[1:] + ".")
        if name != "list":
            action.add_argument("network", metavar="ADDRESS", help="an address, or a network as 192.168.1.0/24")
        if name == "grant":
            action.add_argument("--for", dest="time", metavar="TIME", type=lasting, default=8 * 3600.0, help="how long: 30m, 8h, 2d (8h)")
        told = "the configuration, whose Bus says where the broker is"
        action.add_argument("-c", "--configuration-file", metavar="FILE", default=argparse.SUPPRESS, help=told)
        action.add_argument("--bus", metavar="ENDPOINT", help=f"where the broker is (the configuration's, else {SOCKET})")
        action.set_defaults(run=_grants, parser=action)


def _add_shell(commands: argparse._SubParsersAction[Parser]) -> None:
    shell = commands.add_parser(
        "shell",
        help="steer a server: the administrators' shell",
        description="A shell in which a running server is looked at and steered: kernels, sessions, pools, hosts, configuration, log. "
        "Commands are typed, or come from -c, FILE, or standard input where that is no terminal; help lists them. With nobody there it "
        "ends at the first command that fails, and what ends work needs --yes.",
        epilog="exit status: 0; 1 a command failed; 2 no answer from a broker; 130 interrupted.",
    )
    shell.add_argument("script", metavar="FILE", nargs="?", help="a file of commands, with # comments; - is standard input")
    told = "run these, parted by semicolons, and leave"
    shell.add_argument("-c", dest="commands", metavar="COMMANDS", action="append", default=[], help=told)
    shell.add_argument("-y", "--yes", action="store_true", help="never ask before what ends work")
    shell.add_argument("--keep-going", action="store_true", help="go on after a command has failed")
    shell.add_argument("--timeout", metavar="SECONDS", type=seconds, default=5.0, help="how long to wait for the broker (%(default)s)")
    shell.add_argument("--configuration-file", metavar="FILE", help="the configuration, whose Bus says where the broker is")
    shell.add_argument("--bus", metavar="ENDPOINT", help=f"where the broker is (the configuration's, else {SOCKET})")
    shell.set_defaults(run=_shell, parser=shell)


def _add_shown(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--metrics-port", metavar="PORT", type=_port, help="serve metrics for Prometheus on this port (none)")
    parser.add_argument(
        "--metrics-interface", metavar="ADDRESS", default="127.0.0.1", help="the address for it (%(default)s); who reaches it reads them"
    )
    parser.add_argument("--web-port", metavar="PORT", type=_port, help="serve a web page that shows the server on this port (none)")
    parser.add_argument(
        "--web-interface", metavar="ADDRESS", default="127.0.0.1", help="the address for it (%(default)s); Access says who may look"
    )


class _OrNone(tuple[str, ...]):
    """The values of an argument that may be absent, which argparse checks like a value."""

    def __contains__(self, value: object) -> bool:
        return value is None or super().__contains__(value)


class _Watch(argparse.Action):
    """Reads `--watch`, whose seconds are optional: the name of a part may follow it."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: object, option_string: str | None = None
    ) -> None:
        if values in STATUS_PARTS:
            # In an attribute of its own: argparse visits the absent PART later, and sets it to
            # None.
            namespace.watched, values = values, None
        try:
            namespace.watch = 2.0 if values is None else seconds(str(values))
        except argparse.ArgumentTypeError as error:
            parser.error(f"--watch: {error}")


def _part_parser(commands: argparse._SubParsersAction[Parser], name: str, told: str, more: str) -> Parser:
    """Add the command that runs a part of the server."""
    ends = "exit status: 0 an orderly end; 2 the command line or the configuration is wrong, or it cannot run."
    return commands.add_parser(name, help=told, description=more, epilog=ends)


def _add_status(commands: argparse._SubParsersAction[Parser]) -> None:
    status = commands.add_parser(
        "status",
        help="say how a server stands",
        description="Show how everything stands: an overview, or one table. docs/status.md says what each column means.",
        epilog="exit status: 0 healthy; 1 degraded (a pool is under its minimum or its kernels do not start, a host is gone); "
        "2 no answer from a broker; 130 interrupted.",
    )
    status.add_argument("part", metavar="PART", nargs="?", choices=_OrNone(STATUS_PARTS), help=", ".join(STATUS_PARTS))
    status.add_argument("--json", action="store_true", help="print JSON, as docs/status.schema.json describes it")
    status.add_argument("--watch", metavar="SECONDS", nargs="?", action=_Watch, help="show it again every so many seconds (2)")
    status.add_argument("--wide", action="store_true", help="with every column, and whole ids")
    status.add_argument("--over", action="store_true", help="with the sessions that are over")
    told = "of kernels and sessions, those that have been idle for as long: 90s, 5m, 2h, 7d"
    status.add_argument("--idle", metavar="TIME", type=lasting, default=0.0, help=told)
    status.add_argument("--timeout", metavar="SECONDS", type=seconds, default=5.0, help="how long to wait for the broker (%(default)s)")
    status.add_argument("-c", "--configuration-file", metavar="FILE", help="the configuration, whose Bus says where the broker is")
    status.add_argument("--bus", metavar="ENDPOINT", help=f"where the broker is (the configuration's, else {SOCKET})")
    status.set_defaults(run=_status, parser=status, watched=None)


def _add_link_server(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-p", "--port", type=_port, default=DEFAULT_PORT, help="the port for clients (%(default)s)")
    parser.add_argument(
        "-i",
        "--interface",
        metavar="ADDRESS",
        help="the address or name to listen on (all addresses; Access in the configuration says who may connect)",
    )
    parser.add_argument(
        "-a",
        "--advertise",
        metavar="SERVICE",
        nargs="?",
        const="",
        help="advertise by DNS-SD, as WSTPServer-Instance-SERVICE (or without -SERVICE), for kernelbus discover and WSTP programs",
    )


def _add_profiles(commands: argparse._SubParsersAction[Parser]) -> None:
    profiles = commands.add_parser(
        "profiles",
        help="list, check and remove profiles",
        description="List the profiles in your state directory, or those that are named; check whether their kernels are still there; or "
        "remove them.",
        epilog="exit status: 0; 1 a kernel is gone, or a server cannot be asked; 2 a profile cannot be used.",
    )
    profiles.set_defaults(run=_profiles, parser=profiles, action="list", profile=[], json=False)
    actions = profiles.add_subparsers(title="actions", metavar="ACTION", dest="action", required=False)
    checks = "show them, and what their servers say of their kernels"
    for name, told in (("list", "show them"), ("check", checks), ("remove", "delete them")):
        action = actions.add_parser(name, help=told, description=told.capitalize() + ".")
        action.set_defaults(run=_profiles, parser=action, action=name, json=False)
        action.add_argument("profile", metavar="P", nargs="+" if name == "remove" else "*", help="a profile's name, or its path")
        if name == "remove":
            action.add_argument("--close-kernel", action="store_true", help="end their kernels too")
        else:
            action.add_argument("--json", action="store_true", help="print JSON, for programs")


def _add_part(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", metavar="NAME", help="what it is called in the status and the log (this machine's name)")
    parser.add_argument(
        "-c", "--configuration-file", metavar="FILE", help="the configuration (wstpserver.conf)"
    )
    parser.add_argument(
        "-l",
        "--log-level",
        metavar="LEVEL",
        default="error",
        help="error, debug or trace, or 1, 2 or 3 (%(default)s)",
    )
    parser.add_argument("-f", "--log-file", metavar="FILE", help="log to this file instead of standard error")
    parser.add_argument(
        "--log-contents",
        action="store_true",
        help="at level trace, show also how each packet begins: what people compute is in the log then",
    )
    parser.add_argument(
        "--log-format",
        choices=("text", "json"),
        default="text",
        help="lines of text, or of JSON with the ids of kernel, session, client (%(default)s)",
    )


# ---- what is then called -----------------------------------------------------------------------


def _serve(options: argparse.Namespace) -> int:
    def run(config: Config) -> int:
        from kernelbus.shell.operations.serve import run_serve

        endpoint = options.bus or config.bus.endpoint
        return run_serve(
            config,
            port=options.port,
            interface=options.interface,
            bus_endpoint=endpoint,
            service=options.advertise,
            shown=_shown(options),
        )

    return _run_part("serve", options, run)


def _broker(options: argparse.Namespace) -> int:
    def run(config: Config) -> int:
        from kernelbus.shell.operations.broker import run_broker

        return run_broker(
            config, endpoint=_endpoint(options, config), shown=_shown(options), advertise=options.advertise
        )

    return _run_part("broker", options, run)


def _frontend(options: argparse.Namespace) -> int:
    def run(config: Config) -> int:
        from kernelbus.shell.operations.frontend import run_frontend

        endpoint = _endpoint(options, config)
        return run_frontend(
            config, endpoint=endpoint, port=options.port, interface=options.interface, service=options.advertise
        )

    return _run_part("frontend", options, run)


def _host(options: argparse.Namespace) -> int:
    def run(config: Config) -> int:
        from kernelbus.shell.operations.host import run_host

        return run_host(config, endpoint=_endpoint(options, config))

    return _run_part("host", options, run)


def _shown(options: argparse.Namespace) -> Shown:
    from kernelbus.shell.operations.shown import Shown

    metrics = None if options.metrics_port is None else (options.metrics_interface, options.metrics_port)
    web = None if options.web_port is None else (options.web_interface, options.web_port)
    return Shown(metrics, web)


def _endpoint(options: argparse.Namespace, config: Config) -> str:
    return options.bus or config.bus.endpoint or bus_endpoint()


def _run_part(name: str, options: argparse.Namespace, run: Callable[[Config], int]) -> int:
    """Read the configuration, set up logging, and run one part of the server."""
    from kernelbus.bus.settings.config import ConfigError, check_endpoint, load
    from kernelbus.bus.settings.logs import setup

    try:
        if options.bus is not None:
            options.bus = bus_at(options.bus)
        if options.bus is not None and (options.bus, name) not in (("discover", "host"), ("discover", "frontend")):
            check_endpoint(options.bus)
        config = load(options.configuration_file)
        if options.name is not None:
            config = config.named(options.name)
        setup(options.log_level, options.log_file, options.log_format, options.log_contents)
    except ConfigError as error:
        complain(f"kernelbus {name}", error)
        return UNUSABLE
    import logging

    for warning in config.warnings:
        logging.getLogger("kernelbus.config").warning("%s", warning)
    return run(config)


def _keys(options: argparse.Namespace) -> int:
    from kernelbus.shell.operations import keys

    def act(store: KeyStore) -> int:
        match options.action:
            case "new":
                return keys.new_key(store, force=options.force, as_json=options.json, quiet=options.quiet)
            case "show":
                return keys.show_key(store, as_json=options.json, quiet=options.quiet)
            case "allow":
                return keys.allow_key(store, options.key, options.name, " ".join(options.comment))
            case "revoke":
                return keys.revoke_key(store, options.key)
            case _:
                return keys.list_keys(store, as_json=options.json)

    return keys.run_keys(act, program=options.parser.prog, folder=options.keys, configuration_file=options.configuration_file)


def _access(options: argparse.Namespace) -> int:
    from kernelbus.shell.operations import access

    def act(file: TokenFile) -> int:
        return (access.new_token if options.action == "new" else access.show_token)(file, quiet=options.quiet)

    return access.run_access(act, program=options.parser.prog, configuration_file=options.configuration_file)


def _grants(options: argparse.Namespace) -> int:
    from kernelbus.shell.operations import access

    where = {"bus": options.bus, "configuration_file": options.configuration_file, "program": options.parser.prog}
    if options.action == "list":
        return access.list_grants(**where)
    return access.grant_access(options.network, options.time if options.action == "grant" else 0.0, **where)


def _status(options: argparse.Namespace) -> int:
    from kernelbus.shell.operations.status import IDLERS, run_status

    if options.watched is not None:
        if options.part is not None:
            options.parser.error(f"{options.watched} and {options.part} are two parts: name one, or none")
        options.part = options.watched
    if options.idle and options.part not in IDLERS:
        options.parser.error(f"--idle is for {' and '.join(IDLERS)}: kernelbus status {IDLERS[0]} --idle TIME")
    return run_status(
        options.part,
        bus=options.bus,
        configuration_file=options.configuration_file,
        timeout=options.timeout,
        watch=options.watch,
        as_json=options.json,
        wide=options.wide,
        over=options.over,
        idle=options.idle,
    )


def _shell(options: argparse.Namespace) -> int:
    from kernelbus.shell.admin.app import run_shell

    return run_shell(
        options.commands,
        options.script,
        bus=options.bus,
        configuration_file=options.configuration_file,
        timeout=options.timeout,
        yes=options.yes,
        keep_going=options.keep_going,
    )


def _check_config(options: argparse.Namespace) -> int:
    from kernelbus.shell.operations.checkconfig import run_check_config

    return run_check_config(options.file, as_json=options.json)


def _repl(options: argparse.Namespace) -> int:
    # At once, with all that the extra brings: a client alone would ask for another extra first.
    require("admin", "prompt_toolkit")

    def run(choice: Choice) -> int:
        from kernelbus.shell.clients.repl import run_repl

        return run_repl(choice)

    return run_client(options, run)


def _connect(options: argparse.Namespace) -> int:
    def run(choice: Choice) -> int:
        from kernelbus.shell.clients.connect import run_connect

        return run_connect(choice, quiet=options.quiet, close_kernel=options.close_kernel)

    return run_client(options, run)


def _discover(options: argparse.Namespace) -> int:
    require("discovery")
    from kernelbus.bus.settings.config import ConfigError, load

    try:
        config = load(options.configuration_file)
    except ConfigError as error:
        complain("kernelbus discover", error)
        return UNUSABLE
    from kernelbus.shell.clients.discover import run_discover

    interface = options.interface or config.discovery.interface
    return run_discover(
        config.discovery.service_protocol, timeout=options.timeout, interface=interface, as_json=options.json
    )


def _profiles(options: argparse.Namespace) -> int:
    from kernelbus.shell.clients.profiles import run_profiles

    close = options.action == "remove" and options.close_kernel
    return run_profiles(options.action or "list", options.profile, as_json=options.json, close_kernel=close)


if __name__ == "__main__":
    sys.exit(main())
