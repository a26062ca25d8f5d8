"""The client's own decisions about NVML's values."""

from __future__ import annotations

from types import SimpleNamespace

import pynvml
import pytest

from gpudock_nvml import failures
from gpudock_nvml.client import NVMLClient
from gpudock_nvml.failures import Failure, Meaning
from gpudock_nvml.values import ProcessKind, Running

ALONE = 0xFFFFFFFF
LIST = "nvmlDeviceGetComputeRunningProcesses_v3"


@pytest.fixture
def growing(monkeypatch):
    """Makes the list of processes fail a number of times because it grows while it is read."""

    def make(times):
        calls = []

        def nvmlDeviceGetComputeRunningProcesses_v3(handle):  # noqa: N802 - NVML's own name
            calls.append(handle)
            if len(calls) <= times:
                raise pynvml.NVMLError(pynvml.NVML_ERROR_INSUFFICIENT_SIZE)
            return [
                SimpleNamespace(
                    pid=5, usedGpuMemory=70 * 2**20, gpuInstanceId=ALONE, computeInstanceId=ALONE
                )
            ]

        monkeypatch.setattr(pynvml, LIST, nvmlDeviceGetComputeRunningProcesses_v3)
        return calls

    return make


def test_a_list_of_processes_that_grows_while_it_is_read_is_read_again(growing):
    growing(2)
    assert NVMLClient().processes(object(), ProcessKind.COMPUTE) == (Running(5, 70),)


def test_a_list_that_never_stops_growing_is_given_up_and_no_fault_of_the_gpu(growing):
    calls = growing(1000)
    answer = NVMLClient().processes(object(), ProcessKind.COMPUTE)
    assert answer == Failure(failures.INSUFFICIENT_SIZE)
    assert answer.meaning is Meaning.UNAVAILABLE
    assert len(calls) < 10
