"""A Jupyter server with JupyterLab, with folders of its own, for tests in a real browser."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import nbformat
from serving import ROOT, free_port, wait_until

__all__ = ["Lab"]


class Lab:
    """A Jupyter server; use it with `with`. It can be killed and started again on its port.

    Args:
        folder: where all its folders are, the one of the notebooks among them.
        environment: what it has in its environment beside ours.
    """

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.notebooks = folder / "notebooks"
        self.notebooks.mkdir()
        self._log = folder / "lab.log"
        settings = folder / "settings" / "@jupyterlab" / "apputils-extension"
        settings.mkdir(parents=True)
        # It would ask whether it may fetch news.
        (settings / "notification.jupyterlab-settings").write_text(json.dumps({"fetchNews": "false", "checkForUpdates": False}))
        folders = {f"JUPYTER_{name.upper()}_DIR": folder / name for name in ("config", "data", "runtime")}
        labs = {"JUPYTERLAB_SETTINGS_DIR": folder / "settings", "JUPYTERLAB_WORKSPACES_DIR": folder / "workspaces"}
        ours = {"JUPYTER_PLATFORM_DIRS": "1", "HOME": str(folder), "PYTHONPATH": str(ROOT / "src")}
        self._environment = {**os.environ, **{key: str(path) for key, path in (folders | labs).items()}, **ours, **environment}
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def kernelbus(self, *words: str) -> str:
        """Run the `kernelbus` command in its environment, and return what it says."""
        command = [sys.executable, "-m", "kernelbus.shell.main", *words]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def write(self, name: str, cells: Sequence[str]) -> None:
        """Write a notebook of our kernel with these cells."""
        book = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(code) for code in cells],
            metadata={"kernelspec": {"name": "kernelbus", "display_name": "Wolfram Language (kernelbus)", "language": "wolfram"}},
        )
        nbformat.write(book, self.notebooks / name)

    def read(self, name: str) -> nbformat.NotebookNode:
        """Read a notebook that was saved."""
        return nbformat.read(self.notebooks / name, as_version=4)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = [
            "--no-browser", "--ip=127.0.0.1", f"--port={self.port}", "--ServerApp.port_retries=0", "--IdentityProvider.token=",
            f"--ServerApp.root_dir={self.notebooks}", "--allow-root", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
            "--LabApp.extension_manager=readonly",
        ]  # fmt: skip
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jupyter", "lab", *options],
                env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        wait_until(self._answers, f"JupyterLab: {self._log}", 90.0)

    def _answers(self) -> bool:
        assert self.process is not None and self.process.poll() is None, self._log.read_text()[-2000:]
        try:
            with urllib.request.urlopen(f"{self.url}/api", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def kill(self) -> None:
        """End it as a crash would, without a word to its kernels."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(30)

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(30)
