"""A Jupyter server with the GPU panel, over simulated GPUs: no engine, no Hub, no Node."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError

from harness.ports import free_port
from harness.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

EXTENSION = "extensions/jupyterlab-gpudock"
START_SECONDS = 60
NO_NEWS = {
    # JupyterLab asks each newcomer about news, before what is tested here.
    "@jupyterlab/apputils-extension/notification.jupyterlab-settings": {"fetchNews": "false"}
}
NOTEBOOK = {
    "cells": [
        {
            "cell_type": "code",
            "id": "only",
            "source": "",
            "metadata": {},
            "outputs": [],
            "execution_count": None,
        }
    ],
    "metadata": {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}
    },
    "nbformat": 4,
    "nbformat_minor": 5,
}
TORCH_BESIDE_NOTEBOOKS = """
__version__ = "2.6.0"
class _Flags:
    enabled = True; benchmark = True; deterministic = False; allow_tf32 = True
    def is_available(self): return True
class _Backends: cudnn = _Flags()
class _CUDA:
    def is_initialized(self): return False
    def is_available(self): return False
backends = _Backends()
cuda = _CUDA()
"""
"""What notebooks in the work folder import: a torch that computes nothing."""


def install_extension(checkout: Path, target: Path) -> None:
    """Build the extension's wheel and install it in a folder of its own.

    What is installed is what people get: front end, schema, translations and entry points.
    """
    wheels = target / "wheel"
    _run(
        *("-m", "build", "--wheel", "--no-isolation", "--outdir", str(wheels)),
        cwd=checkout / EXTENSION,
        environment={"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
    )
    (wheel,) = wheels.glob("*.whl")
    _run(*("-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), str(wheel)))


def _run(
    *arguments: str, cwd: Path | None = None, environment: Mapping[str, str] | None = None
) -> None:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def environment_of(installed: Path, home: Path) -> dict[str, str]:
    """The variables with which Jupyter finds the installed extension, and nobody's settings."""
    return {
        # Node.js is not needed to use the extension: this PATH has none.
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
        "PYTHONPATH": str(installed),
        "JUPYTER_PATH": str(installed / "share" / "jupyter"),
        "JUPYTER_CONFIG_PATH": str(installed / "etc" / "jupyter"),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "LANG": "C.UTF-8",
    }


def prepare_home(
    home: Path, settings: Mapping[str, Any], kernels: Mapping[str, Any], config: str = ""
) -> None:
    """Put into an empty home what its owner has: preferences, kernels, a notebook.

    Args:
        home: The folder.
        settings: By the name of JupyterLab's settings file, what is set in it.
        kernels: By name, further kernels' specifications.
        config: The server's own configuration, a Python program.
    """
    work = home / "work"
    work.mkdir(parents=True)
    (work / "torch.py").write_text(TORCH_BESIDE_NOTEBOOKS)
    (work / "paper.ipynb").write_text(json.dumps(NOTEBOOK))
    files = {home / "settings" / name: values for name, values in {**NO_NEWS, **settings}.items()}
    for name, spec in kernels.items():
        files[home / "data/kernels" / name / "kernel.json"] = spec
    for file, content in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(content))
    (home / "config").mkdir()
    (home / "config/jupyter_server_config.py").write_text(config)


@contextlib.contextmanager
def panel_server(
    installed: Path,
    home: Path,
    environment: Mapping[str, str],
    *options: str,
    application: str = "jupyterlab",
) -> Iterator[str]:
    """A running server, by its address; its log is reported when it does not start.

    Args:
        installed: Where the extension was installed.
        home: An empty folder for notebooks, settings and the log.
        environment: More variables, for example those of the simulated GPUs.
        options: More options of the command line.
        application: ``jupyterlab`` or ``notebook``.
    """
    port = free_port()
    notebooks = home / "work"
    notebooks.mkdir(parents=True, exist_ok=True)
    log = home / "server.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", application, "--no-browser", "--allow-root"),
                *(f"--port={port}", "--ServerApp.port_retries=0", "--IdentityProvider.token="),
                f"--ServerApp.root_dir={notebooks}",
                "--LabApp.news_url=None",
                "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
                *options,
            ],
            cwd=notebooks,
            env={**environment_of(installed, home), **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"{url}/api", timeout=5):
                return True
        except HTTPError:
            # A server with a base URL has nothing at this address.
            return True
        except (URLError, OSError):
            return False

    try:
        wait_for(answers, "the Jupyter server answers", START_SECONDS)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            # It waits for its kernels; nobody else does.
            process.kill()
            process.wait(30)
