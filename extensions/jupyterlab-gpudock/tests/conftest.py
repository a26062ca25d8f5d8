"""A server with the extension over a gate that a test holds in its hand."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
import time

import pytest

from jupyterlab_gpudock.readings import GPU, Reading, State

A100 = GPU(
    uuid="GPU-11111111-2222-3333-4444-555555555555",
    index="0",
    name="NVIDIA A100-SXM4-40GB",
    utilization_percent=87,
    memory_used_mib=31_744,
    memory_total_mib=40_960,
    temperature_c=64,
    temperature_slowdown_c=92,
    power_w=283.4,
    power_limit_w=400.0,
    sm_clock_mhz=1410,
    sm_clock_max_mhz=1410,
)
HEALTHY = Reading(State.OK, driver="550.54.15", driver_cuda="12.4", gpus=(A100,))


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
    monkeypatch.setattr("jupyterlab_gpudock.extension.NVML", lambda: gate)
    return {
        "ServerApp": {"jpserver_extensions": {"jupyterlab_gpudock": True}},
        "GPUDock": {"interval_s": 0.5},
    }
