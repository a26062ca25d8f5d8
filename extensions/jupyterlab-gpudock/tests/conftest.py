"""A server with the extension over a reader that the test controls."""

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


class HandheldReader:
    """Returns the reading that the test set, counts, and hangs while the test wants."""

    def __init__(self) -> None:
        self.reading = HEALTHY
        self.error: Exception | None = None
        self.reads = 0
        self.may_return = threading.Event()
        self.may_return.set()

    def read(self) -> Reading:
        self.reads += 1
        self.may_return.wait()
        if self.error is not None:
            raise self.error
        return self.reading

    def set_utilization(self, percent: int) -> None:
        gpu = dataclasses.replace(A100, utilization_percent=percent)
        self.reading = dataclasses.replace(HEALTHY, gpus=(gpu,))


@pytest.fixture
def reader():
    reader = HandheldReader()
    yield reader
    reader.may_return.set()


@pytest.fixture
def driver(monkeypatch):
    return Driver(monkeypatch)


@pytest.fixture
def nvml(driver):
    """The reader over the fake driver."""
    return GPUReader(clock=lambda: driver.now)


@pytest.fixture
def until():
    """Waits for a condition, and fails with its name when it does not come true."""

    async def wait(condition, what: str, timeout_s: float = 10.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"waited {timeout_s} s without success: {what}")
            await asyncio.sleep(0.01)

    return wait


@pytest.fixture
def jp_server_config(reader, monkeypatch):
    monkeypatch.setattr("jupyterlab_gpudock.app.services.make_reader", lambda: reader)
    return {
        "ServerApp": {"jpserver_extensions": {"jupyterlab_gpudock": True}},
        "GPUDock": {"interval_s": 0.5},
    }
