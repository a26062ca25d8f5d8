"""What a kernel environment brings for the GPU, asked in a short process of its own.

The server never imports torch: that takes seconds and gigabytes, and the kernel's torch may be
another one than the server's.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import shutil
import signal
import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CACHE_SECONDS = 600.0
RETRY_SECONDS = 5.0
"""How long after one that was too slow an environment is asked again, once."""
_MARK = b"gpudock-probe:"
_MOST_OUTPUT_BYTES = 64 * 1024
_LONGEST_DETAIL, _LONGEST_VERSION = 400, 100
_LONGEST_END_S = 2.0


class Problem(StrEnum):
    """Why an environment cannot compute on a GPU, whatever GPU there is."""

    NO_PYTHON = "no_python"
    """The kernel is not a Python kernel, or its Python cannot be told from its command."""
    PYTHON_MISSING = "python_missing"
    """The file that the kernel's command names is not there: its environment was removed."""
    PYTHON_BROKEN = "python_broken"
    """Its Python does not start, or ends with an error."""
    PROBE_TIMEOUT = "probe_timeout"
    """It did not answer within the time limit."""
    TORCH_MISSING = "torch_missing"
    TORCH_BROKEN = "torch_broken"
    """torch is installed and cannot be imported, or fails when asked."""


@dataclasses.dataclass(frozen=True, slots=True)
class Environment:
    """The versions that one Python environment has; None for what it lacks."""

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
    """What torch has code for, for example ``sm_80``, and ``compute_90`` to be translated."""
    cuda_available: bool = False
    problem: Problem | None = None
    detail: str = ""
    """The environment's own words for the problem."""


@dataclasses.dataclass(frozen=True, slots=True)
class Interpreter:
    """How a kernel starts Python."""

    path: str
    env: tuple[tuple[str, str], ...] = ()
    """What the kernel adds to the server's environment."""


def interpreter_of(argv: list[str], env: Mapping[str, str], language: str) -> Interpreter | None:
    """The Python of a kernel specification, or None when it has none that can be told."""
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


def cudnn_version(number: object) -> str | None:
    """A version of cuDNN in the usual form: 90100 and [9, 1, 0] are 9.1.0, and 8907 is 8.9.7."""
    if isinstance(number, list):
        return ".".join(str(part) for part in number[:3]) or None
    if isinstance(number, bool) or not isinstance(number, int) or number <= 0:
        return None
    major_unit = 10_000 if number >= 90_000 else 1_000
    return f"{number // major_unit}.{number % major_unit // 100}.{number % 100}"


_Key = tuple[Interpreter, str, tuple[int, ...]]
"""Whom an answer is from, for which state of the GPUs, and for which state of its files."""


class Prober:
    """Asks environments for their versions: one process at a time for each, answers are cached.

    :param timeout_s: seconds after which a process is killed
    :param clock: monotonic seconds
    :param retry_s: seconds from an answer that took too long to the one other try
    """

    def __init__(
        self,
        timeout_s: float,
        clock: Callable[[], float] = time.monotonic,
        retry_s: float = RETRY_SECONDS,
    ) -> None:
        self._timeout_s = timeout_s
        self._clock = clock
        self._retry_s = retry_s
        self._answers: dict[_Key, tuple[float, Environment]] = {}
        self._running: dict[_Key, asyncio.Task[Environment]] = {}

    async def probe(
        self, interpreter: Interpreter, *, gpu_state: str, refresh: bool = False
    ) -> Environment:
        """What the environment brings; never raises for an environment that is broken.

        :param gpu_state: how the GPUs are; an answer that was true for another state is not reused
        :param refresh: ask again even if the last answer is recent
        """
        key = await self._key(interpreter, gpu_state)
        answer = self._answers.get(key)
        if answer and not refresh and self._clock() - answer[0] < CACHE_SECONDS:
            return answer[1]
        task = self._running.get(key)
        if task is None:
            task = asyncio.create_task(self._ask_patiently(interpreter))
            self._running[key] = task
            task.add_done_callback(lambda done: self._keep(key, done))
        # Whoever asked first may go away; the others still want the answer.
        return await asyncio.shield(task)

    async def knows(self, interpreter: Interpreter, gpu_state: str) -> bool:
        """Whether :meth:`probe` would answer at once."""
        answer = self._answers.get(await self._key(interpreter, gpu_state))
        return answer is not None and self._clock() - answer[0] < CACHE_SECONDS

    async def _key(self, interpreter: Interpreter, gpu_state: str) -> _Key:
        # File systems can be slow: the event loop does not wait for them.
        stamp = await asyncio.get_running_loop().run_in_executor(None, _stamp, interpreter)
        return interpreter, gpu_state, stamp

    def _keep(self, key: _Key, done: asyncio.Task[Environment]) -> None:
        self._running.pop(key, None)
        for old in [old for old in self._answers if old[:2] == key[:2]]:
            del self._answers[old]
        if not done.cancelled() and done.exception() is None:
            self._answers[key] = (self._clock(), done.result())

    async def _ask_patiently(self, interpreter: Interpreter) -> Environment:
        found = await self._ask(interpreter)
        if found.problem is Problem.PROBE_TIMEOUT:
            # A machine is slow for a moment, as when many servers start at once; what was read
            # from the disk in vain is in memory by now.
            await asyncio.sleep(self._retry_s)
            found = await self._ask(interpreter)
        return found

    async def _ask(self, interpreter: Interpreter) -> Environment:
        source = Path(__file__).with_name("probe.py").read_text(encoding="utf-8")
        try:
            process = await asyncio.create_subprocess_exec(
                interpreter.path,
                "-c",
                source,
                cwd="/",  # a torch.py beside a notebook is not the environment's
                env={**os.environ, **dict(interpreter.env)},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
        except FileNotFoundError as error:
            return Environment(
                problem=Problem.PYTHON_MISSING, detail=str(error), executable=interpreter.path
            )
        except (OSError, ValueError) as error:
            return Environment(
                problem=Problem.PYTHON_BROKEN, detail=str(error), executable=interpreter.path
            )
        try:
            output, errors = await asyncio.wait_for(_read_both(process), self._timeout_s)
        except TimeoutError:
            return Environment(
                problem=Problem.PROBE_TIMEOUT,
                detail=f"{self._timeout_s:g} s",
                executable=interpreter.path,
            )
        finally:
            await _end(process)
        found = _understand(output, errors, process.returncode)
        return dataclasses.replace(found, executable=interpreter.path)


def _stamp(interpreter: Interpreter) -> tuple[int, ...]:
    """Changes when the Python is exchanged, or packages come to it or go."""
    path = Path(interpreter.path)
    library = path.parent.parent / "lib"
    places = [path, *library.glob("python3*/site-packages")]
    folders = dict(interpreter.env).get("PYTHONPATH", "").split(os.pathsep)
    places += [Path(folder) for folder in folders if folder]
    return tuple(_changed_at(place) for place in places)


def _changed_at(place: Path) -> int:
    try:
        return place.stat().st_mtime_ns
    except OSError:
        return 0


async def _read_both(process: asyncio.subprocess.Process) -> tuple[bytes, bytes]:
    assert process.stdout is not None
    assert process.stderr is not None
    output, errors = await asyncio.gather(_read_end(process.stdout), _read_end(process.stderr))
    await process.wait()
    return output, errors


async def _read_end(stream: asyncio.StreamReader) -> bytes:
    """All that comes, of which the end is kept: a noisy environment fills no memory."""
    kept = b""
    while chunk := await stream.read(_MOST_OUTPUT_BYTES):
        kept = (kept + chunk)[-_MOST_OUTPUT_BYTES:]
    return kept


async def _end(process: asyncio.subprocess.Process) -> None:
    """End the process with its children, and read what they left: only then it counts as ended."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(TimeoutError):
        # A child that has left the group may keep the pipes open; that is not waited for.
        await asyncio.wait_for(_read_both(process), _LONGEST_END_S)


def _understand(output: bytes, errors: bytes, returncode: int | None) -> Environment:
    for line in reversed(output.splitlines()):
        if line.startswith(_MARK):
            try:
                return _environment(json.loads(line[len(_MARK) :]))
            except (ValueError, TypeError, AttributeError):
                break
    words = errors.decode(errors="replace").strip().splitlines()
    detail = words[-1][:_LONGEST_DETAIL] if words else f"exit status {returncode}"
    return Environment(problem=Problem.PYTHON_BROKEN, detail=detail)


def _environment(found: dict[str, Any]) -> Environment:
    """What a probe has found; a broken environment can print anything in its name."""

    def told(name: str) -> str | None:
        value = found.get(name)
        return value[:_LONGEST_VERSION] if isinstance(value, str) else None

    problem, archs = found.get("problem"), found.get("archs")
    cudnn = cudnn_version(found.get("cudnn"))
    return Environment(
        python=told("python"),
        torch=told("torch"),
        torch_cuda=told("torch_cuda"),
        cudnn=cudnn[:_LONGEST_VERSION] if cudnn else None,
        cudnn_built=told("cudnn_built"),
        nccl=told("nccl"),
        archs=tuple(arch for arch in archs if isinstance(arch, str))
        if isinstance(archs, list)
        else (),
        cuda_available=bool(found.get("cuda_available")),
        problem=Problem(problem) if problem else None,
        detail=str(found.get("detail", ""))[:_LONGEST_DETAIL],
    )
