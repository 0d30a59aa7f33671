"""The configuration file: every key, every default, and every refusal in its words."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from kernelbus.bus.settings import config
from kernelbus.bus.settings import schema as configschema
from kernelbus.bus.settings.config import Config, ConfigError, PoolConfig, load, loads
from wstp.limits import Limits

ROOT = Path(__file__).parents[4]


def pool(text: dict[str, Any]) -> PoolConfig:
    return loads(json.dumps({"Pools": {"P": text}})).pools[0]


class TestDefaults:
    def test_nothing_said(self) -> None:
        assert loads("{}") == Config()
        assert [pool.name for pool in Config().pools] == ["Default"]

    def test_table_of_the_design(self) -> None:
        default = Config()
        assert not default.allow_stealing_kernels
        assert not default.allow_silent_kernel_replacement
        assert default.enable_automatic_kernel_connection
        assert default.send_input_name_packet_upon_kernel_connection
        (only,) = default.pools
        assert (only.default, only.parallel_kernel_default) == (True, True)
        assert not only.parallel_kernels
        assert only.keep_alive
        assert not only.reserve_previously_connected_kernels
        assert only.minimum_kernel_number == 2
        assert only.maximum_kernel_number == max(8, 2 * (os.cpu_count() or 1))
        assert (only.kernel_path, only.kernel_options) == (None, "")
        assert (only.initialization_file, only.initialization_code) == (None, None)

    def test_tokens_are_bounded_as_the_protocol_library_bounds_them(self) -> None:
        assert Config().limits.token_size == Limits().token_size

    def test_a_pool_without_keys_is_the_default_pool_by_another_name(self) -> None:
        assert pool({}) == dataclasses.replace(Config().pools[0], name="P")

    def test_a_small_cap_lowers_the_default_minimum(self) -> None:
        assert pool({"MaximumKernelNumber": 1}).minimum_kernel_number == 1

    def test_a_large_minimum_raises_the_default_cap(self) -> None:
        assert pool({"MinimumKernelNumber": 5000}).maximum_kernel_number == 5000

    def test_empty_strings_are_what_is_left_out(self) -> None:
        assert pool({"KernelPath": "", "InitializationFile": "", "InitializationCode": ""}) == pool({})


@pytest.mark.parametrize(
    ("section", "schema", "made"),
    [
        (None, configschema._ConfigSchema, Config),
        ("Bus", configschema._BusSchema, config.BusConfig),
        ("Access", configschema._AccessSchema, config.AccessConfig),
        ("Discovery", configschema._DiscoverySchema, config.DiscoveryConfig),
        ("Limits", configschema._LimitsSchema, config.LimitsConfig),
        ("a pool", configschema._PoolSchema, PoolConfig),
    ],
)
def test_schemas_and_dataclasses_agree(section: str | None, schema: Any, made: Any) -> None:
    ours = {"source", "warnings"} | ({"name"} if made is PoolConfig else set())
    assert set(schema().fields) == {field.name for field in dataclasses.fields(made)} - ours


class TestEveryKeyIsObeyed:
    @pytest.mark.parametrize(
        ("key", "attribute"),
        [
            ("AllowStealingKernels", "allow_stealing_kernels"),
            ("AllowSilentKernelReplacement", "allow_silent_kernel_replacement"),
            ("EnableAutomaticKernelConnection", "enable_automatic_kernel_connection"),
            ("SendInputNamePacketUponKernelConnection", "send_input_name_packet_upon_kernel_connection"),
        ],
    )
    @pytest.mark.parametrize("value", [True, False])
    def test_server(self, key: str, attribute: str, value: bool) -> None:
        assert getattr(loads(json.dumps({key: value})), attribute) is value

    @pytest.mark.parametrize(
        ("key", "value", "attribute"),
        [
            ("ParallelKernels", True, "parallel_kernels"),
            ("KeepAlive", False, "keep_alive"),
            ("ReservePreviouslyConnectedKernels", True, "reserve_previously_connected_kernels"),
            ("MinimumKernelNumber", 0, "minimum_kernel_number"),
            ("MaximumKernelNumber", 77, "maximum_kernel_number"),
            ("KernelPath", "/bin/sh", "kernel_path"),
            ("KernelPath", "sh", "kernel_path"),
            ("KernelOptions", '-noprompt -run "f[1]"', "kernel_options"),
            ("InitializationFile", str(ROOT / "README.md"), "initialization_file"),
            ("InitializationCode", "x = 1", "initialization_code"),
            ("User", "daemon", "user"),
            ("WorkingDirectory", str(ROOT), "working_directory"),
            ("MaximumProcesses", 10, "maximum_processes"),
            ("MaximumOpenFiles", 64, "maximum_open_files"),
            ("MaximumCpuTime", 3600, "maximum_cpu_time"),
            ("MaximumFileSize", 0, "maximum_file_size"),
            ("Files", False, "files"),
            ("Processes", False, "processes"),
            ("Sandbox", "bubblewrap", "sandbox"),
        ],
    )
    def test_pool(self, key: str, value: Any, attribute: str) -> None:
        assert getattr(pool({key: value}), attribute) == value
        assert getattr(pool({}), attribute) != value

    @pytest.mark.parametrize("field", dataclasses.fields(config.LimitsConfig), ids=lambda field: field.name)
    def test_limits(self, field: dataclasses.Field[Any]) -> None:
        special = {"chunk": 4096, "kernel_memory": 2**30, "timeouts_apply": "Always"}
        value = special.get(field.name) or (field.default or 0) * 2 or 7
        limits = loads(json.dumps({"Limits": {configschema.spelled(field.name): value}})).limits
        assert limits == dataclasses.replace(config.LimitsConfig(), **{field.name: value})

    def test_bus(self) -> None:
        times = '"HeartbeatInterval": 2, "HeartbeatTimeout": 9.5'
        rest = '"LocalTransport": "inproc", "Journal": "j", "Keys": "k", "BrokerKey": "b", "Name": "alpha"'
        rest += ', "Administrators": ["lab1", "lab1", "K"]'
        text = '{"Bus": {"Endpoint": "tcp://10.0.0.1:5", ' + times + ", " + rest + "}}"
        journal, keys = (str(Path(name).absolute()) for name in "jk")
        told = config.BusConfig("tcp://10.0.0.1:5", 2.0, 9.5, journal, "inproc", keys, "b", ("lab1", "K"), "alpha")
        assert loads(text).bus == told
        assert loads('{"Bus": {"Keys": "", "BrokerKey": ""}}').bus == config.BusConfig()

    @pytest.mark.parametrize(("text", "ports"), [("31500-31599", (31500, 31599)), ("31500 - 31500", (31500, 31500))])
    def test_message_ports_are_a_range(self, text: str, ports: tuple[int, int]) -> None:
        assert loads(f'{{"MessagePorts": "{text}"}}').message_ports == ports

    def test_environment(self) -> None:
        text = '{"Pools": {"P": {"Environment": {"A": "b", "LANG": true, "PATH": false}}}}'
        assert loads(text).pools[0].environment == (("A", "b"), ("LANG", True), ("PATH", False))

    @pytest.mark.parametrize(
        ("value", "said"),
        [
            ('"A=b"', "this must be an object"),
            ('{"A B": "c"}', "this cannot name an environment variable"),
            ('{"A": 1}', "1 is not a string, true or false"),
            ('{"A": "\\u0000"}', "a value cannot have a zero byte"),
        ],
    )
    def test_an_environment_that_is_none_is_refused(self, value: str, said: str) -> None:
        with pytest.raises(ConfigError, match=said):
            loads(f'{{"Pools": {{"P": {{"Environment": {value}}}}}}}')

    def test_access_is_reserved(self) -> None:
        assert loads('{"Access": {}}').access == config.AccessConfig()


class TestPools:
    def test_the_first_is_the_default_of_both_kinds(self) -> None:
        read = loads('{"Pools": {"A": {}, "B": {"ParallelKernels": true}}}')
        assert read.default_pool.name == read.parallel_default_pool.name == "A"

    def test_defaults_can_be_chosen(self) -> None:
        read = loads('{"Pools": {"A": {}, "B": {"Default": true}, "C": {"ParallelKernelDefault": true}}}')
        assert (read.default_pool.name, read.parallel_default_pool.name) == ("B", "C")
        assert [pool.default for pool in read.pools] == [False, True, False]
        assert [pool.parallel_kernel_default for pool in read.pools] == [False, False, True]

    def test_by_name(self) -> None:
        read = loads('{"Pools": {"Main": {}, "Scratch": {}}}')
        assert read.pool("Scratch").name == "Scratch"

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("scatch", 'no pool is named "scatch": did you mean "Scratch"?'),
            ("MAIN", 'no pool is named "MAIN": did you mean "Main"?'),
            ("z", 'no pool is named "z": the pools are "Main", "Scratch"'),
            ("a\nb", r'no pool is named "a\nb": the pools are "Main", "Scratch"'),
        ],
    )
    def test_unknown_name(self, name: str, words: str) -> None:
        with pytest.raises(ConfigError, match=re.escape(words)):
            loads('{"Pools": {"Main": {}, "Scratch": {}}}').pool(name)


# Each with the line that its only fault stands on.
REFUSED = [
    ("[]", 1, "this must be an object: write its keys and values in braces, { }"),
    ("3", 1, "this must be an object"),
    ("null", 1, "this must be an object"),
    (
        '{\n"AllowStealingKernel": true}',
        2,
        'unknown key "AllowStealingKernel": did you mean "AllowStealingKernels"?',
    ),
    ('{\n"pools": {}}', 2, 'unknown key "pools": did you mean "Pools"?'),
    (
        '{"Pools": {"A": {\n"KeepALive": true}}}',
        2,
        'unknown key "KeepALive" in Pools.A: did you mean "KeepAlive"?',
    ),
    ('{"Pools": {"A": {\n"Window": 1}}}', 2, 'unknown key "Window" in Pools.A: it belongs in Limits'),
    ('{"KeepAlive": true}', 1, 'unknown key "KeepAlive": it belongs in a pool'),
    ('{"Limits": {"Pools": {}}}', 1, 'unknown key "Pools" in Limits: it belongs to the outermost object'),
    ('{"Zork": 1}', 1, 'unknown key "Zork": the keys are "AllowStealingKernels", '),
    ('{"Access": {"Zork": 1}}', 1, 'unknown key "Zork" in Access: the keys are "Allow", '),
    ('{"Access": {"Allow": "all"}}', 1, 'Access.Allow: "all" is not a list: put it in brackets, ["all"]'),
    ('{"Bus": {"Administrators": "lab1"}}', 1, 'Bus.Administrators: "lab1" is not a list: put it in brackets, ["lab1"]'),
    ('{"Bus": {"Administrators": ["lab1", ""]}}', 1, '"" is neither a key nor the name of one: kernelbus keys list shows both'),
    ('{"Access": {"Allow": ["0.0.0.0"]}}', 1, '"0.0.0.0" is no program\'s address: write 0.0.0.0/0 for every address of its family'),
    ('{"Access": {"Allow": 7}}', 1, "Access.Allow: 7 is not a list"),
    ('{"Access": {"Deny": ["10.0.0.0/8",\n"privat"]}}', 2, 'Access.Deny.1: "privat" is no network: '),
    ('{"Access": {"Anonymous": ["privat"]}}', 1, '(did you mean "private"?)'),
    ('{"Access": {"Allow": [\n"10.0.0.1/8"]}}', 2, 'Access.Allow.0: "10.0.0.1/8" is an address within a network: write 10.0.0.0/8'),
    ('{"Access": {"Allow": [\n"fe80::1%eth0"]}}', 2, 'Access.Allow.0: "fe80::1%eth0" has a zone'),
    ('{"Access": {"Allow": [1]}}', 1, "Access.Allow.0: 1 is not a string"),
    (
        '{"AllowStealingKernels": "yes"}',
        1,
        'AllowStealingKernels: "yes" is not true or false, without quotes',
    ),
    ('{"AllowStealingKernels": 1}', 1, "AllowStealingKernels: 1 is not true or false"),
    (
        '{"AllowStealingKernels": null}',
        1,
        "AllowStealingKernels: null is not a value here: leave the key out",
    ),
    ('{"Bus": null}', 1, "Bus: null is not a value here"),
    ('{"Bus": []}', 1, "Bus: this must be an object"),
    ('{"Pools": []}', 1, "Pools: this must be an object: write pools by name in braces"),
    ('{"Pools": {}}', 1, "Pools: no pool is named here: name one, or leave Pools out"),
    ('{"Pools": {\n"A": 3}}', 2, "Pools.A: this must be an object"),
    ('{"Pools": {\n"A": null}}', 2, "Pools.A: this must be an object"),
    ('{"Pools": {\n" ": {}}}', 2, "Pools. : this cannot name a pool"),
    ('{"Bus": {\n"Name": "two words"}}', 2, 'Bus.Name: "two words" cannot name a part'),
    ('{"Pools": {\n"a/b": {}}}', 2, "Pools.a/b: this cannot name a pool"),
    ('{"Pools": {\n"a\\nb": {}}}', 2, 'Pools."a\\nb": this cannot name a pool'),
    (
        '{"Pools": {"A": {"MinimumKernelNumber": -1}}}',
        1,
        "Pools.A.MinimumKernelNumber: -1 kernels are too few: write 0 or more",
    ),
    (
        '{"Pools": {"A": {"MaximumKernelNumber": 0}}}',
        1,
        "Pools.A.MaximumKernelNumber: 0 kernels are too few: write 1 or more",
    ),
    ('{"Pools": {"A": {"MaximumKernelNumber": 1e3}}}', 1, "1000.0 is not a whole number of kernels"),
    (
        '{"Pools": {"A": {"MaximumKernelNumber": "3"}}}',
        1,
        '"3" is not a whole number of kernels: write one, without quotes',
    ),
    ('{"Pools": {"A": {"MaximumKernelNumber": true}}}', 1, "true is not a whole number of kernels"),
    (
        '{"Pools": {"A": {"MaximumKernelNumber": 1000000}}}',
        1,
        "1000000 kernels are too many: write 100000 or less",
    ),
    (
        '{"Pools": {"A": {\n"MinimumKernelNumber": 5,\n"MaximumKernelNumber": 2}}}',
        2,
        "Pools.A.MinimumKernelNumber: 5 is more than MaximumKernelNumber, 2: lower the one, or raise the other",
    ),
    (
        '{"Pools": {"A": {"Default": true},\n"B": {\n"Default": true}}}',
        3,
        'Pools.B.Default: pool "A" has Default already: let one pool have it',
    ),
    (
        '{"Pools": {"A": {"ParallelKernelDefault": true},\n"B": {\n"ParallelKernelDefault": true}}}',
        3,
        'Pools.B.ParallelKernelDefault: pool "A" has ParallelKernelDefault already',
    ),
    (
        '{"Pools": {"A": {"KernelPath": 1}}}',
        1,
        "Pools.A.KernelPath: 1 is not a string: put it in double quotes",
    ),
    (
        '{"Pools": {"A": {"KernelPath": "a\\u0000b"}}}',
        1,
        "Pools.A.KernelPath: a zero character cannot be part of it",
    ),
    (
        '{"Pools": {"A": {"KernelOptions": "-run \'x"}}}',
        1,
        'Pools.A.KernelOptions: "-run \'x" cannot be split into arguments (no closing quotation)',
    ),
    ('{"Discovery": {"ServiceProtocol": "a--b"}}', 1, 'Discovery.ServiceProtocol: "a--b" cannot name a service: write'),
    ('{"Discovery": {"ServiceProtocol": "1234"}}', 1, 'Discovery.ServiceProtocol: "1234" cannot name a service: write'),
    ('{"Discovery": {"ServiceProtocol": "abcdefghijklmnop"}}', 1, "Discovery.ServiceProtocol: "),
    ('{"Discovery": {"Interface": "eth0"}}', 1, 'Discovery.Interface: "eth0" is not an IP address: write one'),
    ('{"Limits": {"Window": 0}}', 1, "Limits.Window: 0 bytes are too few"),
    ('{"Limits": {"Window": -5}}', 1, "Limits.Window: -5 bytes are too few"),
    ('{"Limits": {"HoldBuffer": -1}}', 1, "Limits.HoldBuffer: -1 bytes are too few: write 0 or more"),
    ('{"MessagePorts": 31500}', 1, 'MessagePorts: 31500 is no range of ports: write "FIRST-LAST", in quotes'),
    ('{"MessagePorts": "31500"}', 1, 'MessagePorts: "31500" is no range of ports: write "FIRST-LAST"'),
    ('{"MessagePorts": "31599-31500"}', 1, 'MessagePorts: "31599-31500" is no range of ports: write ports'),
    ('{"MessagePorts": "0-70000"}', 1, 'MessagePorts: "0-70000" is no range of ports: write ports'),
    ('{"Limits": {"GreetingTimeout": 0}}', 1, "Limits.GreetingTimeout: 0 is not a usable time"),
    (
        '{"Limits": {"GreetingTimeout": "10 s"}}',
        1,
        'Limits.GreetingTimeout: "10 s" is not a number of seconds',
    ),
    ('{"Limits": {"GreetingTimeout": false}}', 1, "Limits.GreetingTimeout: false is not a number of seconds"),
    (
        '{"Limits": {\n"Chunk": 9000000}}',
        2,
        "Limits.Chunk: 9000000 is more than the default of Window, 8388608",
    ),
    (
        '{"Limits": {\n"Window": 100}}',
        2,
        "Limits.Window: Chunk's default of 1048576 is more than 100: raise it, or give Chunk",
    ),
    ('{"Limits": {\n"Window": 10,\n"Chunk": 11}}', 3, "Limits.Chunk: 11 is more than Window, 10"),
    ('{"Limits": {"Chunk": 99999999, "Window": 999999999}}', 1, "Limits.Chunk: 99999999 bytes are too many"),
    (
        '{"Bus": {"HeartbeatTimeout": 1}}',
        1,
        "Bus.HeartbeatTimeout: HeartbeatInterval's default of 1.0 is not less than 1",
    ),
    (
        '{"Bus": {"HeartbeatInterval": 5}}',
        1,
        "Bus.HeartbeatInterval: 5 is not less than the default of HeartbeatTimeout, 5.0",
    ),
    ('{"Bus": {"LocalTransport": "tcp"}}', 1, 'Bus.LocalTransport: "tcp" is not one of "call", "inproc"'),
    (
        '{"Bus": {"Endpoint": "localhost:31416"}}',
        1,
        'Bus.Endpoint: "localhost:31416" is not a bus endpoint: write tcp://',
    ),
    ('{"Bus": {"Endpoint": "tcp://localhost:99999"}}', 1, "is not a bus endpoint"),
    ("{\n'Bus': 1}", 2, 'a key stands in double quotes: write "Bus"'),
]


@pytest.mark.parametrize(
    ("text", "line", "words"), REFUSED, ids=lambda value: repr(value) if isinstance(value, str) else ""
)
def test_refuses_in_words(text: str, line: int, words: str) -> None:
    with pytest.raises(ConfigError) as refused:
        loads(text, "dir/wstpserver.conf")
    told = str(refused.value)
    assert told.startswith(f"dir/wstpserver.conf:{line}: ")
    assert words in told
    assert "\n" not in told
    assert refused.value.problems == (told,)


def test_all_faults_are_told_in_the_files_order() -> None:
    text = '{"Zork": 1,\n"Bus": 2,\n"Pools": {"A": {"KeepAlive": 3},\n"B": {"Zork": 4}}}'
    with pytest.raises(ConfigError) as refused:
        loads(text, "f")
    problems = refused.value.problems
    assert [problem.split(":")[1] for problem in problems] == ["1", "2", "3", "4"]
    assert str(refused.value) == problems[0] + " (and 3 more)"


def test_a_hostile_value_is_shown_shortened_and_printable() -> None:
    with pytest.raises(ConfigError) as refused:
        loads(json.dumps({"Bus": {"Endpoint": "\x1b[2J" + "x" * 100_000}}))
    assert len(str(refused.value)) < 400
    assert str(refused.value).isprintable()


class TestWarnings:
    def test_a_program_that_does_not_exist_is_only_a_warning(self, tmp_path: Path) -> None:
        file = tmp_path / "w.conf"
        file.write_text('{"Pools": {"A": {\n"KernelPath": "/nowhere/WolframKernel"}}}')
        read = load(file)
        assert read.pools[0].kernel_path == "/nowhere/WolframKernel"
        assert read.warnings == (
            f'{file}:2: Pools.A.KernelPath: "/nowhere/WolframKernel" does not exist: this pool has no kernels while that is so',
        )

    def test_a_file_that_is_no_program(self, tmp_path: Path) -> None:
        (tmp_path / "kernel").write_text("not executable")
        (warning,) = loads('{"Pools": {"A": {"KernelPath": "./kernel"}}}', tmp_path / "w.conf").warnings
        assert f'"{tmp_path}/kernel" is not a program that can be run' in warning

    def test_a_name_that_is_not_in_path(self) -> None:
        (warning,) = loads('{"Pools": {"A": {"KernelPath": "no-such-kernel-anywhere"}}}').warnings
        assert '"no-such-kernel-anywhere" does not exist' in warning

    def test_an_initialization_file_that_does_not_exist(self, tmp_path: Path) -> None:
        read = loads('{"Pools": {"A": {"InitializationFile": "init.m"}}}', tmp_path / "w.conf")
        assert read.pools[0].initialization_file == str(tmp_path / "init.m")
        assert f'Pools.A.InitializationFile: "{tmp_path}/init.m" does not exist' in read.warnings[0]

    def test_what_exists_needs_none(self, tmp_path: Path) -> None:
        (tmp_path / "init.m").touch()
        text = '{"Pools": {"A": {"KernelPath": "/bin/sh", "InitializationFile": "init.m"}}}'
        assert loads(text, tmp_path / "w.conf").warnings == ()


class TestFiles:
    def test_relative_paths_are_so_to_the_file(self, tmp_path: Path) -> None:
        (tmp_path / "bin").mkdir()
        read = loads('{"Pools": {"A": {"KernelPath": "bin/k"}}}', tmp_path / "w.conf")
        assert read.pools[0].kernel_path == str(tmp_path / "bin" / "k")
        assert read.source == tmp_path / "w.conf"

    def test_byte_order_mark(self, tmp_path: Path) -> None:
        file = tmp_path / "w.conf"
        file.write_bytes(b'\xef\xbb\xbf{"AllowStealingKernels": true}')
        assert load(file).allow_stealing_kernels

    def test_no_such_file(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"nowhere\.conf: there is no such configuration file$"):
            load(tmp_path / "nowhere.conf")

    def test_a_directory(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"cannot read this configuration file: this is a folder, not a file"):
            load(tmp_path)

    def test_not_utf8(self, tmp_path: Path) -> None:
        file = tmp_path / "w.conf"
        file.write_bytes(b'{\n"Pools": {"caf\xe9": {}}}')
        with pytest.raises(
            ConfigError, match=re.escape(f"{file}:2: byte 16 is not UTF-8: save the file as UTF-8")
        ):
            load(file)

    def test_search_order(self, tmp_path: Path) -> None:
        here, home, personal = tmp_path / "here", tmp_path / "home", tmp_path / "xdg"
        environment = {"HOME": str(home)}
        for folder in (here, home / ".config" / "kernelbus", personal / "kernelbus"):
            folder.mkdir(parents=True)
        if not Path("/etc/kernelbus/wstpserver.conf").exists():
            assert config.find(here, environment) is None
        (home / ".config" / "kernelbus" / "wstpserver.conf").touch()
        assert config.find(here, environment) == home / ".config" / "kernelbus" / "wstpserver.conf"
        (personal / "kernelbus" / "wstpserver.conf").touch()
        environment["XDG_CONFIG_HOME"] = str(personal)
        assert config.find(here, environment) == personal / "kernelbus" / "wstpserver.conf"
        (here / "wstpserver.conf").touch()
        assert config.find(here, environment) == here / "wstpserver.conf"

    def test_load_looks_for_the_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "wstpserver.conf").write_text('{"Pools": {"Found": {}}}')
        monkeypatch.chdir(tmp_path)
        assert load().default_pool.name == "Found"

    def test_the_sample(self) -> None:
        read = load(ROOT / "configs" / "wstpserver.conf")
        assert read.warnings == ()
        assert (read.bus, read.limits, read.access) == (Config().bus, Config().limits, Config().access)
        assert [pool.name for pool in read.pools] == ["Main", "Scratch"]
        assert dataclasses.replace(read, pools=Config().pools, source=None) == Config()


@pytest.mark.parametrize(
    "endpoint",
    [
        "tcp://127.0.0.1:31416",
        "tcp://broker.example:1",
        "tcp://[::1]:31416",
        "tcp://*:0",
        "ipc:///run/k.sock",
    ],
)
def test_endpoints(endpoint: str) -> None:
    assert config.check_endpoint(endpoint) == endpoint


@pytest.mark.parametrize(
    "endpoint", ["", "tcp://", "tcp://host", "tcp://host:x", "tcp://h:70000", "udp://h:1", "ipc://", "h:1"]
)
def test_not_endpoints(endpoint: str) -> None:
    with pytest.raises(ConfigError, match="is not a bus endpoint"):
        config.check_endpoint(endpoint)


class TestAFileThatNobodyNamed:
    """Whoever can write it could have the server run a program."""

    @pytest.fixture
    def here(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        folder = tmp_path / "here"
        folder.mkdir(mode=0o755)
        (folder / "wstpserver.conf").write_text('{"Pools": {"Found": {}}}')
        (folder / "wstpserver.conf").chmod(0o644)
        monkeypatch.chdir(folder)
        return folder

    def test_its_owners_file_is_used(self, here: Path) -> None:
        assert load().pools[0].name == "Found"

    def test_a_file_that_everybody_can_write_is_not(self, here: Path) -> None:
        (here / "wstpserver.conf").chmod(0o646)
        with pytest.raises(ConfigError, match=r"wstpserver\.conf: this configuration file, which no option names, everybody can write, so"):
            load()
        assert load("wstpserver.conf").pools[0].name == "Found", "who names it means it"

    def test_a_file_in_a_folder_that_everybody_can_write_is_not(self, here: Path) -> None:
        here.chmod(0o777)
        with pytest.raises(ConfigError, match="is in a folder that everybody can write"):
            load()
        here.chmod(0o1777)
        assert load().pools[0].name == "Found", "where files are their owners', nobody else can have put it there"

    @pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
    def test_another_users_file_is_not(self, here: Path) -> None:
        os.chown("wstpserver.conf", 65534, -1)
        with pytest.raises(ConfigError, match="belongs to another user"):
            load()
        os.chown("wstpserver.conf", 0, -1)
        os.chown(here, 65534, -1)
        with pytest.raises(ConfigError, match="is in a folder that belongs to another user"):
            load()


def test_too_many_pools_are_one_fault() -> None:
    with pytest.raises(ConfigError, match="Pools: 1001 pools are too many: write 1000 or less") as told:
        loads(json.dumps({"Pools": {f"p{number}": {} for number in range(1001)}}))
    assert len(told.value.problems) == 1


def test_only_a_file_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path, kind in ((tmp_path / "fifo", "a pipe"), (Path("/dev/zero"), "a device")):
        with pytest.raises(ConfigError, match=f"{path}: cannot read this configuration file: this is {kind}, not a file"):
            config.load(path)
