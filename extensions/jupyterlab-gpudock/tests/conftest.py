"""A server with the extension over a gate that a test holds in its hand."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
import time
from typing import TYPE_CHECKING

import pytest
from fake_driver import Driver
from samples import A100, HEALTHY

from jupyterlab_gpudock.nvml.reader import GPUReader

if TYPE_CHECKING:
    from jupyterlab_gpudock.nvml.readings import Reading


class HandheldGate:
    """Answers with the reading that the test put there, counts, and hangs while told to."""

    def __init__(self) -> None:
        self.reading = HEALTHY
        self.error: Exception | None = None
        self.reads = 0
        self.may_answer = threading.Event()
        self.may_answer.set()

    def read(self) -> Reading:
        self.reads += 1
        self.may_answer.wait()
        if self.error is not None:
            raise self.error
        return self.reading

    def set_use(self, percent: int) -> None:
        gpu = dataclasses.replace(A100, utilization_percent=percent)
        self.reading = dataclasses.replace(HEALTHY, gpus=(gpu,))


@pytest.fixture
def gate():
    gate = HandheldGate()
    yield gate
    gate.may_answer.set()


@pytest.fixture
def driver(monkeypatch):
    return Driver(monkeypatch)


@pytest.fixture
def nvml(driver):
    """The gate over the pretend driver."""
    return GPUReader(clock=lambda: driver.now)


@pytest.fixture
def until():
    """Waits for a condition, and fails with its name when it does not come true."""

    async def wait(condition, what: str, timeout_s: float = 10.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"waited {timeout_s} s in vain: {what}")
            await asyncio.sleep(0.01)

    return wait


@pytest.fixture
def jp_server_config(gate, monkeypatch):
    monkeypatch.setattr("jupyterlab_gpudock.app.services.make_reader", lambda: gate)
    return {
        "ServerApp": {"jpserver_extensions": {"jupyterlab_gpudock": True}},
        "GPUDock": {"interval_s": 0.5},
    }
