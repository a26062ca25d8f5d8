"""nvidia-ml-py in a process of its own: what a program sees of the simulated GPUs."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DEADLINE_S = 20

# Runs in the other process. Answers each expression with its value or NVML's error number.
_SERVER = """
import ctypes, json, sys
from pynvml import *
import pynvml

def gpu(index): return nvmlDeviceGetHandleByIndex(index)
def by_uuid(uuid): return nvmlDeviceGetHandleByUUID(uuid)
def mig(index, number): return nvmlDeviceGetMigDeviceHandleByIndex(gpu(index), number)
kept = {}
def keep(name, value): kept[name] = value

def plain(value):
    if isinstance(value, bytes): return value.decode()
    if isinstance(value, ctypes.Structure):
        return {field[0]: plain(getattr(value, field[0])) for field in value._fields_}
    if isinstance(value, ctypes._SimpleCData): return value.value
    if isinstance(value, (list, tuple, ctypes.Array)): return [plain(each) for each in value]
    if hasattr(value, "__dict__"): return {key: plain(each) for key, each in vars(value).items()}
    return value

for line in sys.stdin:
    try: answer = {"value": plain(eval(line))}
    except NVMLError as error: answer = {"error": error.value}
    print(json.dumps(answer, default=str), flush=True)
"""


class NvmlError(Exception):
    """NVML answered with an error; ``code`` is its number."""

    def __init__(self, code: int) -> None:
        super().__init__(f"NVML error {code}")
        self.code = code


class Client:
    """A process that uses nvidia-ml-py. A context manager: the process ends with it.

    Expressions see all of ``pynvml`` and ``gpu(index)``, ``by_uuid(uuid)``, ``mig(index, number)``
    for handles; ``keep(name, value)`` stores something in ``kept`` for a later expression.
    """

    def __init__(self, environment: Mapping[str, str], *, initialize: bool = True) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SERVER],
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if initialize:
            self.ask("nvmlInit()")

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    def ask(self, expression: str) -> Any:
        """The expression's value there; NvmlError where NVML refuses."""
        self.send(expression)
        if not self.has_answered(DEADLINE_S):
            raise TimeoutError(f"{expression} gave no answer in {DEADLINE_S} s.")
        return self.receive()

    def send(self, expression: str) -> None:
        """Asks without waiting for the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(expression + "\n")
        self._process.stdin.flush()

    def has_answered(self, within_s: float) -> bool:
        """Whether an answer to the last question comes within the time."""
        assert self._process.stdout is not None
        return bool(select.select([self._process.stdout], [], [], within_s)[0])

    def receive(self) -> Any:
        """The answer to the last question that was sent."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(
                f"The process ended with {self._process.wait()} instead of an answer."
            )
        answer = json.loads(line)
        if "error" in answer:
            raise NvmlError(answer["error"])
        return answer["value"]

    def error_of(self, expression: str) -> int:
        """The number of the error that the expression raises, 0 where it succeeds."""
        try:
            self.ask(expression)
        except NvmlError as error:
            return error.code
        return 0

    def wait_for(self, expression: str, wanted: Callable[[Any], bool]) -> Any:
        """Asks until the value is as wanted, and returns it."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            value = self.ask(expression)
            if wanted(value):
                return value
            if time.monotonic() > deadline:
                raise TimeoutError(f"{expression} is still {value!r} after {DEADLINE_S} s.")
