"""The versions of a kernel environment that matter for the GPU, read in a short process.

The server never imports torch: that takes seconds and gigabytes, and the kernel's torch may differ
from the server's.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import signal
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyterlab_gpudock.kernel.interpreter import MAX_DETAIL, kill, last_line, read_tail

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyterlab_gpudock.kernel.interpreter import Interpreter

CACHE_SECONDS = 600.0
RETRY_SECONDS = 5.0
"""How long after a timeout an environment is probed again, once."""
_MARK = b"gpudock-probe:"
_MAX_VERSION = 100
_END_TIMEOUT_S = 2.0


class Problem(StrEnum):
    """Why an environment cannot compute on any GPU."""

    NO_PYTHON = "no_python"
    """The kernel is not a Python kernel, or its command does not name a Python."""
    PYTHON_MISSING = "python_missing"
    """The file that the kernel's command names is missing: its environment was removed."""
    PYTHON_BROKEN = "python_broken"
    """Its Python does not start, or ends with an error."""
    PROBE_TIMEOUT = "probe_timeout"
    """It did not finish within the time limit."""
    TORCH_MISSING = "torch_missing"
    TORCH_BROKEN = "torch_broken"
    """torch is installed, and cannot be imported or fails."""
    TORCH_CRASHED = "torch_crashed"
    """The Python ended with a signal while it loaded or used torch."""


@dataclasses.dataclass(frozen=True, slots=True)
class Environment:
    """The versions in one Python environment; None for what it lacks."""

    python: str | None = None
    executable: str | None = None
    torch: str | None = None
    torch_cuda: str | None = None
    """The CUDA that torch was built for, for example ``12.4``; None for a CPU-only torch."""
    cudnn: str | None = None
    """The cuDNN that torch loads, for example ``9.1.0``."""
    cudnn_built: str | None = None
    """The cuDNN that torch was built with."""
    nccl: str | None = None
    archs: tuple[str, ...] = ()
    """What torch has code for, for example ``sm_80``; ``compute_90`` is PTX."""
    cuda_available: bool = False
    problem: Problem | None = None
    detail: str = ""
    """The problem in the environment's own words."""
    signal: str | None = None
    """The signal that ended the Python of :attr:`Problem.TORCH_CRASHED`, for example SIGSEGV."""
    torch_folder: str | None = None
    """The folder of packages that torch is imported from."""
    torch_hidden: str | None = None
    """The version of another torch, which the one in the user's own folder hides."""
    cudnn_enabled: bool | None = None
    """Whether torch uses cuDNN; False when the environment turned it off."""
    cudnn_path: str | None = None
    """The folder of the loaded cuDNN; None: not loaded, or unknown."""
    cudnn_origin: str | None = None
    """``own``, or where another one comes from: ``library_path`` (LD_LIBRARY_PATH),
    ``user_package`` (the user's own folder of packages) or ``elsewhere``."""
    cuda_error: str = ""
    """Why CUDA does not initialize, in the words of torch or CUDA."""
    compute_error: str = ""
    """Why a small computation fails, in the words of torch; empty when none was tried."""
    visible_devices: str | None = None
    """``CUDA_VISIBLE_DEVICES``; None: not set."""
    nvcc: str | None = None
    """The version of nvcc; empty: missing. None: it was not looked for."""


def cudnn_version(number: object) -> str | None:
    """Return a cuDNN version in the usual form: 90100 and [9, 1, 0] are 9.1.0, 8907 is 8.9.7."""
    if isinstance(number, list):
        return ".".join(str(part) for part in number[:3]) or None
    if isinstance(number, bool) or not isinstance(number, int) or number <= 0:
        return None
    major_unit = 10_000 if number >= 90_000 else 1_000
    return f"{number // major_unit}.{number % major_unit // 100}.{number % 100}"


_Key = tuple["Interpreter", str, tuple[int, ...]]
"""An interpreter, the state of the GPUs, and the state of the environment's files."""


class Prober:
    """Reads the versions of environments: one process at a time for each, with a cache."""

    def __init__(
        self,
        timeout_s: float,
        clock: Callable[[], float] = time.monotonic,
        retry_s: float = RETRY_SECONDS,
    ) -> None:
        """Make a prober.

        Args:
            timeout_s: seconds after which a process is killed.
            clock: monotonic seconds.
            retry_s: seconds from a timeout to the second and last try.
        """
        self._timeout_s = timeout_s
        self._clock = clock
        self._retry_s = retry_s
        self._cache: dict[_Key, tuple[float, Environment]] = {}
        self._running: dict[_Key, asyncio.Task[Environment]] = {}

    async def probe(
        self, interpreter: Interpreter, *, gpu_state: str, refresh: bool = False
    ) -> Environment:
        """Return the versions of an environment; does not raise for a broken one.

        Args:
            interpreter: the environment's Python.
            gpu_state: the state of the GPUs; a result for another state is not reused.
            refresh: probe again even if the last result is recent.
        """
        key = await self._key(interpreter, gpu_state)
        cached = self._cache.get(key)
        if cached and not refresh and self._clock() - cached[0] < CACHE_SECONDS:
            return cached[1]
        task = self._running.get(key)
        if task is None:
            task = asyncio.create_task(self._probe_with_retry(interpreter))
            self._running[key] = task
            task.add_done_callback(lambda done: self._keep(key, done))
        # The first client may disconnect; the others still want the result.
        return await asyncio.shield(task)

    async def knows(self, interpreter: Interpreter, gpu_state: str) -> bool:
        """Return whether :meth:`probe` would return a cached result."""
        cached = self._cache.get(await self._key(interpreter, gpu_state))
        return cached is not None and self._clock() - cached[0] < CACHE_SECONDS

    async def _key(self, interpreter: Interpreter, gpu_state: str) -> _Key:
        # File systems can be slow: the event loop does not wait.
        stamp = await asyncio.get_running_loop().run_in_executor(None, _stamp, interpreter)
        return interpreter, gpu_state, stamp

    def _keep(self, key: _Key, done: asyncio.Task[Environment]) -> None:
        self._running.pop(key, None)
        for old in [old for old in self._cache if old[:2] == key[:2]]:
            del self._cache[old]
        if not done.cancelled() and done.exception() is None:
            self._cache[key] = (self._clock(), done.result())

    async def _probe_with_retry(self, interpreter: Interpreter) -> Environment:
        found = await read_environment(interpreter, self._timeout_s)
        if found.problem is Problem.PROBE_TIMEOUT:
            # A machine can be slow for a while, as when many servers start at once. By now the
            # files are in memory.
            await asyncio.sleep(self._retry_s)
            found = await read_environment(interpreter, self._timeout_s)
        return found


async def read_environment(
    interpreter: Interpreter, timeout_s: float, *arguments: str
) -> Environment:
    """Return the versions of an environment, read once; does not raise for a broken one.

    Args:
        interpreter: the environment's Python.
        timeout_s: seconds after which its process is killed.
        arguments: of the probe: ``compute`` also computes on each GPU and looks for nvcc.
    """
    try:
        process = await interpreter.start(_program(), *arguments)
    except FileNotFoundError as error:
        return Environment(
            problem=Problem.PYTHON_MISSING, detail=str(error), executable=interpreter.path
        )
    except (OSError, ValueError) as error:
        return Environment(
            problem=Problem.PYTHON_BROKEN, detail=str(error), executable=interpreter.path
        )
    try:
        async with asyncio.timeout(timeout_s):
            output, errors = await _read_both(process)
    except TimeoutError:
        return Environment(
            problem=Problem.PROBE_TIMEOUT,
            detail=f"{timeout_s:g} s",
            executable=interpreter.path,
        )
    finally:
        await _end(process)
    found = _parse(output, errors, process.returncode)
    return dataclasses.replace(found, executable=interpreter.path)


def _program() -> str:
    return Path(__file__).with_name("probe.py").read_text(encoding="utf-8")


def _stamp(interpreter: Interpreter) -> tuple[int, ...]:
    """Return times that change when the Python is replaced, or packages are added or removed."""
    python = Path(interpreter.path)
    library = python.parent.parent / "lib"
    paths = [python, *library.glob("python3*/site-packages")]
    folders = dict(interpreter.env).get("PYTHONPATH", "").split(os.pathsep)
    paths += [Path(folder) for folder in folders if folder]
    return tuple(_changed_at(path) for path in paths)


def _changed_at(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


async def _read_both(process: asyncio.subprocess.Process) -> tuple[bytes, bytes]:
    output, errors = await asyncio.gather(read_tail(process.stdout), read_tail(process.stderr))
    await process.wait()
    return output, errors


async def _end(process: asyncio.subprocess.Process) -> None:
    """End the process with its children, and read their output: only then asyncio ends it."""
    kill(process)
    with contextlib.suppress(TimeoutError):
        # A child that has left the group may keep the pipes open; do not wait for that.
        async with asyncio.timeout(_END_TIMEOUT_S):
            await _read_both(process)


def _parse(output: bytes, errors: bytes, returncode: int | None) -> Environment:
    detail = last_line(errors) or f"exit status {returncode}"
    for line in reversed(output.splitlines()):
        if line.startswith(_MARK):
            try:
                document = json.loads(line[len(_MARK) :])
                found = _environment(document)
            except (ValueError, TypeError, AttributeError):
                break
            if document.get("stage", "done") == "done":
                return found
            # It ended halfway: what it sent until then is known.
            if returncode is not None and returncode < 0:
                return dataclasses.replace(
                    found,
                    problem=Problem.TORCH_CRASHED,
                    detail=last_line(errors),
                    signal=_signal_name(-returncode),
                )
            return dataclasses.replace(found, problem=Problem.PYTHON_BROKEN, detail=detail)
    return Environment(problem=Problem.PYTHON_BROKEN, detail=detail)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _environment(found: dict[str, Any]) -> Environment:
    """Return the result of a probe; a broken environment can print anything."""

    def text(name: str, longest: int = _MAX_VERSION) -> str | None:
        value = found.get(name)
        return value[:longest] if isinstance(value, str) else None

    problem, archs = found.get("problem"), found.get("archs")
    enabled = found.get("cudnn_enabled")
    cudnn = cudnn_version(found.get("cudnn"))
    return Environment(
        python=text("python"),
        torch=text("torch"),
        torch_cuda=text("torch_cuda"),
        cudnn=cudnn[:_MAX_VERSION] if cudnn else None,
        cudnn_built=text("cudnn_built"),
        nccl=text("nccl"),
        archs=tuple(arch for arch in archs if isinstance(arch, str))
        if isinstance(archs, list)
        else (),
        cuda_available=bool(found.get("cuda_available")),
        problem=Problem(problem) if problem else None,
        detail=str(found.get("detail", ""))[:MAX_DETAIL],
        torch_folder=text("torch_folder", MAX_DETAIL),
        torch_hidden=text("torch_hidden"),
        cudnn_enabled=enabled if isinstance(enabled, bool) else None,
        cudnn_path=text("cudnn_path", MAX_DETAIL),
        cudnn_origin=text("cudnn_origin"),
        cuda_error=text("cuda_error", MAX_DETAIL) or "",
        compute_error=text("compute_error", MAX_DETAIL) or "",
        visible_devices=text("visible_devices"),
        nvcc=text("nvcc"),
    )
