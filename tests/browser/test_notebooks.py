"""Notebooks in JupyterLab in a real browser: cells, plots, interrupts, and lasting sessions."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from labs import Lab
from PIL import Image
from serving import Part, wait_until, write_config

CELLS = [
    'Print["begun"]; x = 41',
    "Plot[Sin[t], {t, 0, 10}]",
    "x + 1",
    'Print["waiting"]; While[True]',
    "{x, Expand[(1 + y)^3]}",
    'Do[Pause[0.2]; Print["step ", k], {k, 20}]; "done"',
]

#: The notebook of the picture in the documentation.
TOUR = [
    "Expand[(x + Sqrt[y])^4]",
    "Plot[{Sin[t], Sin[t] Exp[-t/5]}, {t, 0, 15}]",
    "Grid[Table[{n, Prime[n], FactorInteger[n! + 1]}, {n, 4, 7}]]",
    'Print["Working ..."]; Total[Range[10^6]]',
]


#: What it prints is more than text.
PRINTING = """Print["above"]; Print[Plot[t, {t, 0, 1}]]
Echo[{Graphics[Disk[], ImageSize -> 60], 2}, "echo"]; Print[Grid[{{3, 4}}]]; Print["below"]"""

#: A notebook that asks, and has a fault in its fourth cell.
ASKING = ["y = 5", '{y, InputString["name? "], Input["n? "]^2}', 'Print["third"]', "f[", 'Print["never"]', PRINTING]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Part]:
    pools = {"Main": {"MinimumKernelNumber": 1, "MaximumKernelNumber": 4}}
    with Part("serve", "-p", "0", "-c", write_config(tmp_path_factory.mktemp("server") / "k.conf", Pools=pools)) as part:
        yield part


@pytest.fixture(scope="module")
def lab(server: Part, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("lab")
    with Lab(folder, {"XDG_STATE_HOME": str(folder / "state")}) as made:
        made.kernelbus("jupyter", "install", "--prefix", str(folder / "prefix"), "--server", str(server.port), "--no-start")
        (folder / "data").mkdir(exist_ok=True)
        (folder / "data" / "kernels").symlink_to(folder / "prefix" / "share" / "jupyter" / "kernels")
        made.write("work.ipynb", CELLS)
        made.start()
        yield made


class Book:
    """A notebook in JupyterLab."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.page.wait_for_load_state()
        self.shown()

    def shown(self) -> None:
        """Wait until the notebook and its kernel are there."""
        self.page.locator(".jp-NotebookPanel:visible .jp-CodeCell").first.wait_for()
        # The status bar knows when the kernel has answered; a cell that is run before runs not.
        self.page.locator("#jp-main-statusbar").get_by_text("Wolfram Language (kernelbus) | Idle").wait_for()
        self.wait_idle()

    def wait_idle(self) -> None:
        self.page.locator('.jp-NotebookPanel:visible .jp-Notebook-ExecutionIndicator[data-status="idle"]').wait_for()

    def cell(self, index: int) -> Any:
        return self.page.locator(".jp-NotebookPanel:visible .jp-Notebook .jp-CodeCell").nth(index)

    def start(self, index: int) -> None:
        """Run a cell as a person does."""
        self.cell(index).locator(".cm-content").click()
        self.page.keyboard.press("Control+Enter")

    def run(self, index: int, *texts: str) -> None:
        """Run a cell to its end, and wait until these texts are under it."""
        self.start(index)
        self.wait(lambda: self.prompt(index).strip("[]:* "), f"the number of cell {index}")
        self.wait(lambda: all(text in self.outputs(index) for text in texts), f"{texts} under cell {index}")
        self.wait_idle()

    def prompt(self, index: int) -> str:
        return str(self.cell(index).locator(".jp-InputPrompt").inner_text()).strip()

    def outputs(self, index: int) -> str:
        return "\n".join(self.cell(index).locator(".jp-OutputArea-output").all_inner_texts())

    def press(self, command: str) -> None:
        """Press a button of the notebook's toolbar."""
        self.page.locator(f'.jp-NotebookPanel:visible .jp-Toolbar [data-command="{command}"]').first.click()

    def choose(self, menu: str, entry: str) -> None:
        """Choose an entry of the menu bar."""
        self.page.locator("#jp-MainMenu").get_by_text(menu, exact=True).click()
        self.page.locator(".lm-Menu").get_by_text(entry, exact=True).click()

    def agree(self) -> None:
        """Press the button of the dialog that carries on."""
        self.page.locator(".jp-Dialog .jp-mod-accept").click()
        self.page.locator(".jp-Dialog").wait_for(state="detached")

    def answer(self, prompt: str, text: str) -> None:
        """Type into the box in which the kernel asks."""
        box = self.page.locator(".jp-NotebookPanel:visible .jp-Stdin").filter(has_text=prompt).locator(".jp-Stdin-input")
        box.fill(text)
        box.press("Enter")

    def wait(self, condition: Callable[[], Any], what: str) -> Any:
        def look() -> Any:
            self.page.wait_for_timeout(100)
            return condition()

        return wait_until(look, what, 90.0)


def curve(picture: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Return where a plot's line is: the columns that have it, and the middle row of it in each."""
    pixels = np.asarray(Image.open(io.BytesIO(picture)).convert("HSV"), dtype=int)
    coloured = (pixels[:, :, 1] > 80) & (pixels[:, :, 2] > 60)
    columns = np.flatnonzero(coloured.any(axis=0))
    return columns, np.array([np.median(np.flatnonzero(coloured[:, column])) for column in columns])


def test_cells_a_plot_an_interrupt_and_a_page_that_is_loaded_again(lab: Lab, pages: Any) -> None:
    page = pages.open(f"{lab.url}/lab/tree/work.ipynb?reset", errors=False)
    book = Book(page)
    book.run(0, "begun", "41")
    book.run(1)
    image = book.cell(1).locator(".jp-OutputArea-output svg, .jp-OutputArea-output img").first
    image.wait_for()
    assert book.cell(1).locator(".jp-RenderedSVG").count() == 1, "the richest of its forms"
    columns, rows = curve(image.screenshot())
    assert len(columns) > 200
    angle = 10 * (columns - columns[0]) / (columns[-1] - columns[0])
    assert np.corrcoef(rows, -np.sin(angle))[0, 1] > 0.99, "it is a sine's line"
    book.run(2, "42")
    book.start(3)
    book.wait(lambda: "waiting" in book.outputs(3), "what is printed while the cell runs")
    book.press("notebook:interrupt-kernel")
    book.wait(lambda: "$Aborted" in book.outputs(3), "the abort")
    book.wait_idle()
    book.run(4, "41")
    page.keyboard.press("Control+s")
    book.wait(lambda: lab.read("work.ipynb").cells[2].outputs, "its being saved")
    page.reload()
    book.shown()
    assert book.outputs(2) == "42"
    book.run(4, "41")


def test_questions_a_restart_and_a_run_of_all_that_stops(lab: Lab, pages: Any) -> None:
    lab.write("asking.ipynb", ASKING)
    page = pages.open(f"{lab.url}/lab/tree/asking.ipynb?reset", errors=False)
    book = Book(page)
    book.run(0, "5")
    book.start(1)
    book.answer("name?", "Ada ü𝒳")
    page.locator(".jp-Stdin").filter(has_text="n?").last.wait_for()
    book.answer("n?", "1 + 2")
    book.wait(lambda: "{5, Ada ü𝒳, 9}" in book.outputs(1), "what was answered")
    book.wait_idle()
    book.press("notebook:restart-kernel")
    book.agree()
    book.wait(lambda: page.locator("#jp-main-statusbar").get_by_text("Wolfram Language (kernelbus) | Idle").count(), "a kernel")
    book.start(1)
    book.answer("name?", "Bo")
    book.answer("n?", "z")
    book.wait(lambda: "{y, Bo, z" in book.outputs(1), "the fresh kernel's answer")
    assert book.prompt(1) == "[1]:"
    book.wait_idle()
    book.choose("Run", "Run All Cells")
    book.answer("name?", "Cy")
    book.answer("n?", "4")
    book.wait(lambda: "SyntaxError" in book.outputs(3), "the error")
    book.wait_idle()
    assert "{5, Cy, 16}" in book.outputs(1) and book.outputs(2).strip() == "third"
    assert (book.prompt(4), book.outputs(4)) == ("[ ]:", "")
    book.run(5, "above", "below")
    assert book.cell(5).locator(".jp-RenderedSVG").count() == 1
    assert book.cell(5).locator(".jp-RenderedHTML img").evaluate("image => image.naturalWidth") == 60
    assert book.outputs(5).split() == ["above", ">>", "echo", "{,", "2}", "3", "4", "below"]


def test_a_server_that_is_killed_and_the_state_that_is_found_again(lab: Lab, pages: Any, picture: Callable[..., Path]) -> None:
    page = pages.open(f"{lab.url}/lab/tree/work.ipynb?reset", errors=False, viewport={"width": 1180, "height": 820})
    book = Book(page)
    book.run(0, "begun", "41")
    page.keyboard.press("Control+s")
    book.wait(lambda: lab.read("work.ipynb").cells[0].outputs, "its being saved")
    book.start(5)
    book.wait(lambda: "step 3" in book.outputs(5), "the cell's being in the middle")
    lab.kill()
    lab.start()
    page.goto(f"{lab.url}/lab/tree/work.ipynb?reset")
    book = Book(page)
    book.run(2, "back in session", "42")
    everything = page.locator(".jp-NotebookPanel:visible").inner_text()
    assert [everything.count(f"step {number}\n") for number in range(4, 21)] == [1] * 17
    assert "done" in everything.replace('"done"', "")
    lab.write("tour.ipynb", TOUR)
    page.goto(f"{lab.url}/lab/tree/tour.ipynb?reset")
    book = Book(page)
    for index in range(len(TOUR)):
        book.run(index)
    book.cell(1).locator(".jp-RenderedSVG").wait_for()
    page.keyboard.press("Control+s")
    page.keyboard.press("Control+b")  # the list of files gives its room to the notebook
    taken = picture(page, "notebooks.png")
    assert 10_000 < taken.stat().st_size < 200_000
