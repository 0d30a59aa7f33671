"""J/Link programs against a running server, in both ways to connect.

`JLINK_JAR` names JLink.jar; its native library is that of `WSTP_LIBRARY`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import Part, write_config

PROGRAM = """
import com.wolfram.jlink.*;
public class Program {
    public static void main(String[] arguments) throws Exception {
        for (int time = 0; time < 2; time++) {
            KernelLink link = MathLinkFactory.createKernelLink(arguments[0]);
            link.discardAnswer();
            System.out.println(link.evaluateToInputForm("2^70", 0));
            link.evaluate("Range[5]");
            link.waitForAnswer();
            System.out.println(java.util.Arrays.toString(link.getIntArray1()));
            link.evaluate("StringReverse[\\"\\u03b1b\\"]");
            link.waitForAnswer();
            System.out.println((int) link.getString().charAt(1));
            link.close();
        }
    }
}
"""
PRINTED = ["1180591620717411303424", "[1, 2, 3, 4, 5]", "945"] * 2
CRASHED = "# A fatal error has been detected by the Java Runtime Environment:"
"""The library crashes now and then, in a thread of its own, before it has opened its first link."""


@pytest.fixture(scope="module")
def java(library: str) -> list[str]:
    """Return the command that runs a Java program's source with J/Link."""
    jar = os.environ.get("JLINK_JAR")
    if not jar or shutil.which("java") is None or Path(library).name != "libJLinkNativeLibrary.so":
        pytest.skip("JLINK_JAR names no JLink.jar, there is no java, or WSTP_LIBRARY is not J/Link's library")
    return ["java", f"-Dcom.wolfram.jlink.libdir={Path(library).parent}", "-cp", jar]


@pytest.fixture(scope="module")
def server(java: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Part]:
    config = write_config(tmp_path_factory.mktemp("jlink") / "c.conf", Pools={"Mathics": {"MinimumKernelNumber": 2}})
    with Part("serve", "-p", "0", "-l", "debug", "-c", config) as part:
        yield part


def test_java_programs_side_by_side(server: Part, java: list[str], tmp_path: Path) -> None:
    source = tmp_path / "Program.java"
    source.write_text(PROGRAM)
    link = f"-linkmode connect -linkprotocol TCPIP -linkname {server.port}@127.0.0.1"
    programs: list[subprocess.Popen[str]] = []

    def start(options: str) -> subprocess.Popen[str]:
        command = [java[0], f"-XX:ErrorFile={tmp_path}/error%p.log", *java[1:], str(source), link + options]
        programs.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
        return programs[-1]

    def printed(program: subprocess.Popen[str], options: str) -> list[str]:
        for _ in range(3):
            lines = program.communicate(timeout=120)[0].split("\n")[:-1]
            if lines[1:2] != [CRASHED]:
                break
            program = start(options)
        return lines

    try:
        side_by_side = [(start(options), options) for options in ("", "", " -linkoptions 4")]
        for program, options in side_by_side:
            assert printed(program, options) == PRINTED
    finally:
        for program in programs:
            program.kill()
