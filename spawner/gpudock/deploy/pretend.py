"""Pretend GPUs for the engine of a lab: installed, kept and removed by ``tests/simulator``."""

import os
import subprocess
import sys
from pathlib import Path

from gpudock.deploy import say
from gpudock.deploy.engine import Engine
from gpudock.deploy.engine_config import CDI_SPEC_DIRS, Place


def simulate(engine: Engine, root: Path, gpus: int | None) -> None:
    """Give the engine this many pretend GPUs; 0 takes them away, None leaves all as it is.

    What was installed stays over ``make down`` and restarts, so that a later plain ``make up``
    brings the same lab.

    Args:
        engine: the engine whose containers shall see them.
        root: the folder of the project.
        gpus: how many.

    Raises:
        ProblemError: they cannot be installed.
    """
    prefix = _prefix(engine)
    installed = (prefix / "state").exists()
    if gpus is None:
        if installed:
            say.step("Keeping the pretend GPUs («make up SIMULATE_GPUS=0» takes them away)")
        return
    if gpus == 0 and not installed:
        return
    if os.geteuid() != 0:
        raise say.ProblemError("Only root can install or remove pretend GPUs: run this as root.")
    places: list[str | Path] = ["--prefix", prefix, "--cdi-dir", _cdi_directory(engine)]
    if gpus:
        say.step(f"Installing {gpus} pretend GPUs in {prefix}")
        _call(root, ["install", *places, "--gpus", str(gpus)])
    else:
        say.step("Taking the pretend GPUs away")
        _call(root, ["uninstall", *places])


def _prefix(engine: Engine) -> Path:
    place = Place.of(engine.socket)
    return place.state / "simulator" if place.own_bridge else Path("/var/lib/gpudock/simulator")


def _cdi_directory(engine: Engine) -> Path:
    """Choose one of the directories in which the engine looks for CDI specifications."""
    offered = [Path(path) for path in engine.call("GET", "/info").get("CDISpecDirs") or []]
    if not offered:
        raise say.ProblemError(
            f"CDI, by which containers get GPUs, is switched off in Docker Engine {engine.version}."
            ' Put "features": {"cdi": true} into /etc/docker/daemon.json and restart Docker.'
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
        say.detail(line)
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or ["no reason was given"]
        raise say.ProblemError(said[-1].removeprefix("simulator: "))
