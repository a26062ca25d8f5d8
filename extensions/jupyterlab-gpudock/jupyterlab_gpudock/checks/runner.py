"""Run a check: short benchmarks of a GPU, in a process that can be ended."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import logging
import math
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyterlab_gpudock.errors import RequestError
from jupyterlab_gpudock.kernel.findings import title_of
from jupyterlab_gpudock.kernel.interpreter import MAX_DETAIL, kill, last_line, read_tail
from jupyterlab_gpudock.nvml.readings import GPU, Missing, State

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyterlab_gpudock.kernel.interpreter import Interpreter
    from jupyterlab_gpudock.nvml.readings import Reading

NEEDED_MIB = 1200
"""Free memory that a check needs: CUDA itself takes some 500 MiB, the largest step some 400."""
STEPS = ("cudnn", "fp16", "bf16", "tf32", "bandwidth")
_MARK = b"gpudock-check:"
_MAX_NAME = 40
_STEP_STATES = ("running", "done", "skipped", "failed")
_END_TIMEOUT_S = 5.0

_MESSAGES = {
    "torch_missing": 'PyTorch is not installed in the environment of the kernel "{kernel}".',
    "torch_broken": 'PyTorch in the kernel "{kernel}" cannot be loaded: {detail}',
    "cuda_unavailable": 'PyTorch in the kernel "{kernel}" finds no GPU.',
    "memory_short": (
        "The GPU has {free_mib} MiB free and the check needs {needed_mib} MiB. Free some memory, "
        "for example by shutting down a kernel, and run it again."
    ),
    "environment_broken": 'The Python of the kernel "{kernel}" does not start: {detail}',
    "timeout": "The check took longer than {limit_s} s and was ended.",
    "crashed": "The check's process ended before it was done: {detail}",
    "cancelled": "The check was cancelled.",
}

log = logging.getLogger(__name__)


@dataclasses.dataclass(slots=True)
class Step:
    """One measurement, as ``CheckStep`` in the contract."""

    name: str
    state: str = "waiting"
    ratio: float | None = None
    values: dict[str, float] = dataclasses.field(default_factory=dict)
    code: str | None = None
    detail: str = ""


@dataclasses.dataclass(slots=True)
class Check:
    """One check, as ``CheckDocument`` in the contract."""

    id: str
    gpu: str
    gpu_name: str
    kernel: str
    started_at: float
    state: str = "running"
    code: str | None = None
    parameters: dict[str, str] = dataclasses.field(default_factory=dict)
    message: str = ""
    ended_at: float | None = None
    revision: int = 0
    steps: list[Step] = dataclasses.field(default_factory=lambda: [Step(name) for name in STEPS])

    def document(self) -> dict[str, Any]:
        """Return the check as JSON-ready data."""
        ended = sum(step.state in ("done", "skipped", "failed") for step in self.steps)
        progress = 1.0 if self.state == "done" else ended / len(self.steps)
        return {**dataclasses.asdict(self), "progress": round(progress, 2)}


class Checks:
    """Runs checks, at most one for each GPU, and keeps the newest results.

    Belongs to the event loop.
    """

    def __init__(self, notify: Callable[[dict[str, Any]], None], timeout_s: float) -> None:
        """Make a runner.

        Args:
            notify: called with a check's document whenever it has changed.
            timeout_s: seconds after which a check is ended.
        """
        self._notify = notify
        self._timeout_s = timeout_s
        self._kept: dict[tuple[str, str], Check] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        """By GPU."""

    def documents(self) -> list[dict[str, Any]]:
        """Return the newest check of each GPU and kernel, newest first."""
        newest = sorted(self._kept.values(), key=lambda check: check.started_at, reverse=True)
        return [check.document() for check in newest]

    def find(self, check_id: str) -> Check:
        """Return the check of this ID.

        Raises:
            RequestError: there is none.
        """
        for check in self._kept.values():
            if check.id == check_id:
                return check
        raise RequestError(404, "no_check", "There is no such check, or a newer one replaced it.")

    def start(
        self, gpu_uuid: str, kernel: str, interpreter: Interpreter, reading: Reading
    ) -> Check:
        """Start a check.

        Args:
            gpu_uuid: the GPU.
            kernel: name of the kernel.
            interpreter: the kernel's Python.
            reading: the newest reading of the GPUs.

        Raises:
            RequestError: it cannot be run now; the message says why.
        """
        gpu = _gpu(reading, gpu_uuid)
        if gpu_uuid in self._running:
            raise RequestError(
                409, "check_running", "A check is running on this GPU. Cancel it, or wait for it."
            )
        used, total = gpu.memory_used_mib, gpu.memory_total_mib
        if not isinstance(used, Missing) and not isinstance(total, Missing):
            free = int(total - used)
            if free < NEEDED_MIB:
                known = {"free_mib": str(free), "needed_mib": str(NEEDED_MIB)}
                message = _MESSAGES["memory_short"].format_map(known)
                raise RequestError(409, "memory_short", message, **known)
        check = Check(uuid.uuid4().hex, gpu_uuid, gpu.name, kernel, round(time.time(), 3))
        self._kept[gpu_uuid, kernel] = check
        task = asyncio.ensure_future(self._run(check, interpreter))
        self._running[gpu_uuid] = task
        task.add_done_callback(lambda done: self._forget(check))
        return check

    async def cancel(self, check_id: str) -> None:
        """End a check with all its processes; a check that has ended stays as it is.

        Raises:
            RequestError: there is none.
        """
        check = self.find(check_id)
        task = self._running.get(check.gpu)
        if check.state == "running" and task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def close(self) -> None:
        """End all checks."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _changed(self, check: Check) -> None:
        check.revision += 1
        self._notify(check.document())

    async def _run(self, check: Check, interpreter: Interpreter) -> None:
        self._changed(check)
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._measure(check, interpreter)
        except TimeoutError:
            self._end(check, "failed", "timeout")
        except asyncio.CancelledError:
            self._end(check, "cancelled", "cancelled")
        except Exception as error:
            log.exception("A check failed in an unexpected way")
            self._end(check, "failed", "crashed", f"{type(error).__name__}: {error}")

    def _forget(self, check: Check) -> None:
        if check.state == "running":
            # It was cancelled before it started.
            self._end(check, "cancelled", "cancelled")

    async def _measure(self, check: Check, interpreter: Interpreter) -> None:
        try:
            process = await interpreter.start(
                _program(), str(NEEDED_MIB), CUDA_VISIBLE_DEVICES=check.gpu
            )
        except (OSError, ValueError) as error:
            self._end(check, "failed", "environment_broken", str(error))
            return
        assert process.stdout is not None
        errors = asyncio.ensure_future(read_tail(process.stderr))
        try:
            outcome = None
            async for message in _messages(process.stdout):
                outcome = self._take(check, message)
                if outcome is not None:
                    break
            else:
                await process.wait()
                detail = last_line(await errors) or f"exit status {process.returncode}"
                outcome = ("failed", "crashed", detail)
        finally:
            errors.cancel()
            kill(process)
            with contextlib.suppress(TimeoutError):
                # A process that hangs in the driver cannot be killed; that is not waited for.
                async with asyncio.timeout(_END_TIMEOUT_S):
                    await process.wait()
        self._end(check, *outcome)

    def _take(self, check: Check, message: dict[str, Any]) -> tuple[str, str | None, str] | None:
        """Apply one message of the program; invalid parts are ignored.

        Returns:
            State, code and detail, if the check has ended with this message.
        """
        if message.get("done") is True:
            return "done", None, ""
        if isinstance(code := message.get("failed"), str):
            state = "refused" if code == "memory_short" else "failed"
            known = code if code in _MESSAGES else "crashed"
            return state, known, str(message.get("detail", ""))
        for step in check.steps:
            if step.name == message.get("step"):
                if message.get("state") not in _STEP_STATES:
                    continue
                step.state = str(message["state"])
                step.ratio = _number(message.get("ratio"))
                step.values = _numbers(message.get("values"))
                step.code = message["code"] if isinstance(message.get("code"), str) else None
                step.detail = str(message.get("detail", ""))[:MAX_DETAIL]
                self._changed(check)
        return None

    def _end(self, check: Check, state: str, code: str | None, detail: str = "") -> None:
        self._running.pop(check.gpu, None)
        check.state, check.code, check.ended_at = state, code, round(time.time(), 3)
        if code is not None:
            known = {"detail": detail[:MAX_DETAIL]} if detail else {}
            if code == "memory_short":
                known = {"free_mib": detail[:MAX_DETAIL], "needed_mib": str(NEEDED_MIB)}
            elif code == "timeout":
                known = {"limit_s": f"{self._timeout_s:g}"}
            check.parameters = known
            values = {"detail": "", **known, "kernel": check.kernel}
            check.message = _MESSAGES[code].format_map(values)
        for step in check.steps:
            if step.state == "running":
                step.state, step.code, step.detail = "failed", "check_ended", check.message
        self._changed(check)


def _program() -> str:
    return Path(__file__).with_name("check_program.py").read_text(encoding="utf-8")


def _gpu(reading: Reading, gpu_uuid: str) -> GPU:
    """Return the GPU to check.

    Raises:
        RequestError: there is none of this UUID, it has a fault, or it is simulated.
    """
    for gpu in reading.gpus:
        if gpu.uuid == gpu_uuid:
            if gpu.state is not State.OK:
                message = f"The GPU cannot be checked: {gpu.detail}."
                raise RequestError(409, gpu.state, message, detail=gpu.detail)
            if gpu.simulated:
                raise RequestError(409, "simulated", title_of("simulated", {}))
            return gpu
    if reading.state is not State.OK:
        message = f"There is no GPU to check: {reading.detail}."
        raise RequestError(409, reading.state, message, detail=reading.detail)
    raise RequestError(404, "no_gpu", "This server has no GPU of that UUID.")


def _number(value: object) -> float | None:
    """Return a finite number, or None: a broken environment can print anything."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def _numbers(values: object) -> dict[str, float]:
    """Return the measured values that are numbers."""
    if not isinstance(values, dict):
        return {}
    found = {str(name)[:_MAX_NAME]: _number(value) for name, value in values.items()}
    return {name: number for name, number in found.items() if number is not None}


async def _messages(stream: asyncio.StreamReader) -> Any:
    """Yield the program's messages; other output of the environment is ignored."""
    while True:
        try:
            line = await stream.readline()
        except ValueError:
            continue  # the line is too long: asyncio has dropped it
        if not line:
            return
        if line.startswith(_MARK):
            with contextlib.suppress(ValueError):
                message = json.loads(line[len(_MARK) :])
                if isinstance(message, dict):
                    yield message
