"""The Python of a kernel, and this package's programs that run in it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_DETAIL = 400
MAX_OUTPUT_BYTES = 64 * 1024


@dataclasses.dataclass(frozen=True, slots=True)
class Interpreter:
    """How a kernel starts Python."""

    path: str
    env: tuple[tuple[str, str], ...] = ()
    """Variables that the kernel adds to the server's environment."""

    async def start(
        self, source: str, *arguments: str, **variables: str
    ) -> asyncio.subprocess.Process:
        """Start a program, given as text, in a process group of its own.

        Raises:
            OSError, ValueError: this Python does not start.
        """
        return await asyncio.create_subprocess_exec(
            self.path,
            "-c",
            source,
            *arguments,
            cwd="/",  # a torch.py next to a notebook does not belong to the environment
            env={**os.environ, **dict(self.env), **variables},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=MAX_OUTPUT_BYTES,
            start_new_session=True,
        )


def interpreter_of(argv: list[str], env: Mapping[str, str], language: str) -> Interpreter | None:
    """Return the Python of a kernel specification, or None when its command names none."""
    if language.lower() != "python" or not argv:
        return None
    name = Path(argv[0]).name
    if not name.startswith("python"):
        return None
    if argv[0] == name and name in {"python", "python3", f"python3.{sys.version_info.minor}"}:
        # Jupyter itself starts such kernels with the server's own Python.
        return Interpreter(sys.executable, tuple(sorted(env.items())))
    found = shutil.which(argv[0])
    return Interpreter(found or argv[0], tuple(sorted(env.items())))


def kill(process: asyncio.subprocess.Process) -> None:
    """Kill a program with its children."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


async def read_tail(stream: asyncio.StreamReader | None) -> bytes:
    """Read to the end and return the last part: a noisy environment must not fill the memory."""
    assert stream is not None
    kept = b""
    while chunk := await stream.read(MAX_OUTPUT_BYTES):
        kept = (kept + chunk)[-MAX_OUTPUT_BYTES:]
    return kept


def last_line(output: bytes) -> str:
    """Return the last line of a program's errors, shortened; empty when there is none."""
    lines = output.decode(errors="replace").strip().splitlines()
    return lines[-1][:MAX_DETAIL] if lines else ""
