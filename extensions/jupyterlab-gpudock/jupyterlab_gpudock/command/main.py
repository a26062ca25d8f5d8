"""The command line of ``gpudock-env``.

It imports neither torch nor Jupyter. torch is loaded by the Python that is asked about, and NVML by
another process: neither a crash nor a hang of theirs reaches this one. No network is used.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import site
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from jupyterlab_gpudock.command.report import Report
from jupyterlab_gpudock.kernel.container import read_container
from jupyterlab_gpudock.kernel.environment import read_environment
from jupyterlab_gpudock.kernel.interpreter import Interpreter
from jupyterlab_gpudock.kernel.limits import LimitReader
from jupyterlab_gpudock.nvml.isolated import IsolatedReader
from jupyterlab_gpudock.nvml.readings import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jupyterlab_gpudock.nvml.readings import Reading

_TIMEOUT_S = 120.0
_PATIENCE_S = 15.0
"""How long to wait for an NVML that does not respond."""
_PAUSE_S = 0.2
_STATUSES = """\
exit status:
  0  torch uses the GPU
  1  it does not, and a finding says why
  2  the options are wrong
  3  this container was started without a GPU, and torch is well
  4  the GPU is simulated
  5  unknown: no answer in time, or the readings were interrupted
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the report, and return the exit status.

    Args:
        arguments: of the command line, without the program's name; None: this process's.
    """
    parser = argparse.ArgumentParser(
        prog="gpudock-env",
        description="Show whether this environment has cuDNN, and whether its torch uses the GPU.",
        epilog=_STATUSES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--python", metavar="PATH", help="the Python to ask (default: the first on PATH)"
    )
    parser.add_argument("--json", action="store_true", help="print a JSON document for programs")
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=_seconds,
        default=_TIMEOUT_S,
        help="how long torch may take (default: %(default)g)",
    )
    options = parser.parse_args(arguments)
    python = options.python or shutil.which("python") or shutil.which("python3")
    report = asyncio.run(_report(_absolute(python or sys.executable), options.timeout))
    if options.json:
        sys.stdout.write(json.dumps(report.document(), indent=2) + "\n")
    else:
        sys.stdout.write(report.text())
    return int(report.exit_status)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= 3600:
        raise argparse.ArgumentTypeError("it must be more than 0 and at most 3600 seconds")
    return seconds


def _absolute(python: str) -> str:
    """Return the path of a Python; a name without a slash is searched up on PATH.

    Links are kept: a virtual environment is known by the path of its Python.
    """
    found = shutil.which(python) if os.sep not in python else None
    return str(Path.cwd() / (found or python))


async def _report(python: str, timeout_s: float) -> Report:
    environment, reading = await asyncio.gather(
        read_environment(Interpreter(python), timeout_s, "compute"),
        asyncio.to_thread(_read_gpus, timeout_s),
    )
    return Report(reading, environment, read_container(), LimitReader().read(os.getpid()))


def _read_gpus(timeout_s: float) -> Reading:
    # The user's own packages come last: an old nvidia-ml-py of theirs must not hide this one's.
    user = site.getusersitepackages()
    sys.path.sort(key=lambda folder: folder == user)
    reader = IsolatedReader(answer_s=timeout_s)
    deadline = time.monotonic() + min(_PATIENCE_S, timeout_s)
    try:
        while True:
            reading = reader.read()
            # On a busy machine, NVML's first call takes longer than a reading may.
            if reading.state is not State.HANGING or time.monotonic() >= deadline:
                return reading
            time.sleep(_PAUSE_S)
    finally:
        reader.close()


if __name__ == "__main__":
    sys.exit(main())
