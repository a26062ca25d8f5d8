"""Simulated GPUs for a lab's engine, which ``tests/simulator`` installs and removes."""

import os
import subprocess
import sys
from pathlib import Path

from gpudock.deploy import output
from gpudock.deploy.engine import Engine
from gpudock.deploy.engine_config import CDI_SPEC_DIRS, EnginePaths


def simulate(engine: Engine, root: Path, gpus: int | None) -> None:
    """Give the engine simulated GPUs.

    They survive ``make down`` and restarts, so that a later ``make up`` starts the same lab.

    Args:
        engine: the engine whose containers see them.
        root: the project's folder.
        gpus: how many; 0 removes them, ``None`` changes nothing.

    Raises:
        ProblemError: they cannot be installed.
    """
    prefix = _prefix(engine)
    installed = (prefix / "state").exists()
    if gpus is None:
        if installed:
            output.step('Keeping the simulated GPUs ("make up SIMULATE_GPUS=0" removes them)')
        return
    if gpus == 0 and not installed:
        return
    if os.geteuid() != 0:
        raise output.ProblemError(
            "Only root can install or remove simulated GPUs: run this as root."
        )
    options: list[str | Path] = ["--prefix", prefix, "--cdi-dir", _cdi_directory(engine)]
    if gpus:
        output.step(f"Installing {gpus} simulated GPUs in {prefix}")
        _call(root, ["install", *options, "--gpus", str(gpus)])
    else:
        output.step("Removing the simulated GPUs")
        _call(root, ["uninstall", *options])


def _prefix(engine: Engine) -> Path:
    paths = EnginePaths.of(engine.socket)
    return paths.state / "simulator" if paths.namespace else Path("/var/lib/gpudock/simulator")


def _cdi_directory(engine: Engine) -> Path:
    """Return one of the engine's directories of CDI specifications."""
    offered = [Path(path) for path in engine.call("GET", "/info").get("CDISpecDirs") or []]
    if not offered:
        raise output.ProblemError(
            f"CDI, which gives GPUs to containers, is disabled in Docker Engine {engine.version}."
            ' Add "features": {"cdi": true} to /etc/docker/daemon.json and restart Docker.'
        )
    return next((path for path in CDI_SPEC_DIRS if path in offered), offered[0])


def _call(root: Path, arguments: list[str | Path]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "simulator", *arguments],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root / "tests")},
        capture_output=True,
        text=True,
        check=False,
    )
    for line in done.stdout.splitlines():
        output.detail(line)
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or ["no reason was given"]
        raise output.ProblemError(said[-1].removeprefix("simulator: "))
