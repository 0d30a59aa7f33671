"""A program of WSTP's template preprocessor, installed in the embedded kernel and called.

The preprocessor and the header are looked for beside the library, under the names that WSTP gives
them.
"""

from __future__ import annotations

import ctypes.util
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from mathics_kernel import Kernel

from wstp import Symbol

pytestmark = pytest.mark.timeout(180)

TEMPLATE = """
#include "wstp.h"

:Evaluate: BeginPackage["template`"]
:Evaluate: addtwo::usage = "addtwo[x, y] adds."
:Evaluate: Begin["`Private`"]

:Begin:
:Function: addtwo
:Pattern: template`addtwo[x_Integer, y_Integer]
:Arguments: {x, y}
:ArgumentTypes: {Integer, Integer}
:ReturnType: Integer
:End:

:Begin:
:Function: twice
:Pattern: template`twice[x_String]
:Arguments: {x}
:ArgumentTypes: {String}
:ReturnType: Manual
:End:

:Begin:
:Function: longtask
:Pattern: template`longtask[]
:Arguments: {}
:ArgumentTypes: {}
:ReturnType: Integer
:End:

:Evaluate: End[]
:Evaluate: EndPackage[]

#include <unistd.h>

int addtwo(int a, int b) { return a + b; }

void twice(const char *text) {
    int packet, number = 0;
    WSEvaluate(stdlink, (char *)"1 + 1");
    while ((packet = WSNextPacket(stdlink)) && packet != RETURNPKT) WSNewPacket(stdlink);
    WSGetInteger(stdlink, &number);
    WSPutFunction(stdlink, "List", 2);
    WSPutString(stdlink, text);
    WSPutInteger(stdlink, number);
}

int longtask(void) {
    int i;
    for (i = 0; i < 100 && !WSAbort; i++) {
        usleep(50000);
        WSReady(stdlink);
    }
    return i;
}

int main(int argc, char *argv[]) { return WSMain(argc, argv); }
"""


@pytest.fixture(scope="module")
def program(library: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = Path(library).parent
    prep, named = folder / "wsprep", sorted(folder.glob("libWSTP*.so"))
    if not (prep.is_file() and (folder / "wstp.h").is_file() and named and shutil.which("cc")):
        pytest.skip(f"wsprep, wstp.h and libWSTP*.so are not all in {folder}, or there is no C compiler")
    made = tmp_path_factory.mktemp("template")
    (made / "template.tm").write_text(TEMPLATE)
    subprocess.run([prep, "template.tm", "-o", "template.c"], cwd=made, check=True)
    # A library of 2015 calls libuuid and does not name it among the libraries it needs.
    uuid = ctypes.util.find_library("uuid")
    rest = [f"-l:{uuid}"] if uuid else []
    command = ["cc", f"-I{folder}", "template.c", "-o", "template", str(named[0]), *rest, f"-Wl,-rpath,{folder}"]
    subprocess.run([*command, "-lm", "-lpthread", "-ldl", "-lrt", "-lstdc++"], cwd=made, check=True)
    return str(made / "template")


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    opened = Kernel("default", tmp_path_factory.mktemp("kernel"))
    assert opened.next().head == Symbol("InputNamePacket")
    yield opened
    opened.close()


def test_a_template_program_is_installed_and_called(kernel: Kernel, program: str) -> None:
    # WSOpen of the library fails now and then on a busy machine.
    install = f'Quiet[link = $Failed; Do[If[link === $Failed, link = Install["{program}"]], {{5}}]; link]'
    assert kernel.evaluate(install).head == Symbol("LinkObject")
    assert kernel.evaluate("{addtwo[2, 3], Table[addtwo[i, i], {i, 3}]}") == [5, [2, 4, 6]]
    assert kernel.evaluate('twice["é\\n"]') == ["é\n", 2]
    assert kernel.evaluate("addtwo[1, 1.5]").head == Symbol("addtwo")
    assert kernel.evaluate("addtwo::usage") == "addtwo[x, y] adds."
    # Where the library loses the abort, its task goes on to the end, and its result is dropped.
    assert kernel.evaluate("TimeConstrained[longtask[], 1, late]") == Symbol("late")
    assert kernel.evaluate("addtwo[20, 22]") == 42
    assert kernel.evaluate("Uninstall[link]; {addtwo[2, 3], Length[Links[]]}") == [Symbol("addtwo")(2, 3), 1]
