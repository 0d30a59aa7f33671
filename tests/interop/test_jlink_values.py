"""Numbers and characters of a J/Link program, against a running server with the embedded kernel.

`JLINK_JAR` names JLink.jar. The library must be the native library that J/Link loads
(libJLinkNativeLibrary.so), or the tests are skipped. `java` must be that of a JDK, which compiles
the program.
"""

from __future__ import annotations

import os
import queue
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import Part, write_config

from wstp.text import joined

PROGRAM = Path(__file__).parents[1] / "support" / "JLinkClient.java"
JAR = os.environ.get("JLINK_JAR", "")

pytestmark = pytest.mark.skipif(
    not (JAR and shutil.which("java")), reason="JLINK_JAR names no JLink.jar, or there is no java"
)


class JLink:
    """The program, connected to a server; call it with a command for its answer."""

    def __init__(self, folder: Path, library: str, name: str) -> None:
        if b"Java_com_wolfram_jlink_" not in Path(library).read_bytes():
            pytest.skip(f"{library} is no native library of J/Link")
        native = folder / "SystemFiles" / "Libraries" / "Linux-x86-64"
        native.mkdir(parents=True)
        (native / "libJLinkNativeLibrary.so").symlink_to(Path(library).resolve())
        # J/Link looks for its native library beside the jar.
        jar = folder / "JLink.jar"
        shutil.copy(JAR, jar)
        command = ["java", "-cp", str(jar), str(PROGRAM), name]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._lines: queue.Queue[str] = queue.Queue()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        assert self.line() == "ready"

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.rstrip("\n"))

    def end(self) -> None:
        self.process.kill()
        self._thread.join(10)
        with self.process:  # which closes the pipes
            pass

    def line(self) -> str:
        return self._lines.get(timeout=90)

    def __call__(self, command: str) -> str:
        assert self.process.stdin is not None
        units = command.encode("utf-16-be", "surrogatepass").hex("-", 2).split("-")
        escaped = "".join(rf"\u{unit}" if unit > "007f" else chr(int(unit, 16)) for unit in units)
        self.process.stdin.write(escaped + "\n")
        self.process.stdin.flush()
        return joined(self.line().encode("ascii").decode("unicode_escape"))


@pytest.fixture(scope="module")
def jlink(library: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JLink]:
    folder = tmp_path_factory.mktemp("jlink")
    config = write_config(folder / "c.conf", Pools={"Mathics": {"MinimumKernelNumber": 1}})
    with Part("serve", "-p", "0", "-c", config) as server:
        program = JLink(folder, library, f"{server.port}@127.0.0.1")
        try:
            yield program
        finally:
            program.end()


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ('"😀"', '"😀"'),
        ('StringLength["α😀\ud83d"]', "3"),
        ("FromCharacterCode[128512]", '"😀"'),
        ('ToCharacterCode["😀"]', "{128512}"),
        ("FromCharacterCode[55357]", '"\ud83d"'),
        (r'"a\|01f600"', '"a😀"'),
        ('Table["α😀", {3}]', '{"α😀", "α😀", "α😀"}'),
        ('f["😀"] /. f -> g', 'g["😀"]'),
        ("-0.", "-0.0"),
        ("0/0", "Indeterminate"),
        ("1.*^400", "1.*^+400"),
        ("3.14159265358979323846264338327950288", "3.14159265358979323846264338327950288"),
    ],
)
def test_values_of_texts(jlink: JLink, code: str, value: str) -> None:
    assert jlink(f"eval {code}") == value


@pytest.mark.parametrize(
    ("put", "value"),
    [
        ("string 😀α", '"😀α"'),
        ("string a\ud83d", '"a\ud83d"'),
        ("symbol x😀", "x😀"),
        ("integer 123456789012345678901234567890", "123456789012345678901234567890"),
        ("decimal 3.14159265358979323846264338327950288", "3.14159265358979323846264338327950288"),
        ("decimal 9999999999999999.999", "9999999999999999.999"),
        ("decimal 0.98765432109876541", "0.98765432109876541"),
        ("decimal -1.25E-400", "-1.25*^-400"),
        ("double -0.0", "-0.0"),
        ("double NaN", "Indeterminate"),
        ("double Infinity", "DirectedInfinity[1]"),
    ],
)
def test_values_come_back(jlink: JLink, put: str, value: str) -> None:
    assert jlink(f"put {put}") == value
