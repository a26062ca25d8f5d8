"""An NVML that returns impossible numbers, names and counts."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace

import pynvml
import pytest
from fake_driver import GIB

from jupyterlab_gpudock.nvml.readings import Missing, State

MOST = 2**64 - 1


def undecodable(handle: object) -> str:
    """What nvidia-ml-py does with a name that is no UTF-8."""
    return b"NVIDIA \xff\xfe".decode()


@pytest.mark.parametrize("value", [math.nan, math.inf, -1, MOST, 2**32 - 1])
def test_no_number_that_cannot_be_is_shown(driver, nvml, value):
    driver.set(
        nvmlDeviceGetUtilizationRates=lambda handle: SimpleNamespace(gpu=value),
        nvmlDeviceGetTemperature=lambda handle, sensor: value,
        nvmlDeviceGetPowerUsage=lambda handle: value,
        nvmlDeviceGetClockInfo=lambda handle, clock: value,
        nvmlDeviceGetMaxClockInfo=lambda handle, clock: value,
        nvmlDeviceGetTemperatureThreshold=lambda handle, threshold: value,
        nvmlDeviceGetEnforcedPowerLimit=lambda handle: value,
        nvmlDeviceGetMemoryInfo=lambda handle, version=None: SimpleNamespace(
            used=value, total=40 * GIB
        ),
        nvmlDeviceGetCurrPcieLinkGeneration=lambda handle: value,
        nvmlDeviceGetMaxPcieLinkGeneration=lambda handle: value,
        nvmlDeviceGetCurrPcieLinkWidth=lambda handle: value,
        nvmlDeviceGetMaxPcieLinkWidth=lambda handle: value,
    )
    reading = nvml.read()
    (gpu,) = reading.gpus
    assert reading.state is State.OK
    names = [
        *("utilization_percent", "temperature_c", "temperature_slowdown_c", "power_w"),
        *("power_limit_w", "sm_clock_mhz", "sm_clock_max_mhz", "memory_clock_mhz"),
    ]
    if value != 2**32 - 1:  # bytes, that is 4 GiB
        names += ["memory_used_mib", "memory_total_mib"]
    assert {name: getattr(gpu, name) for name in names} == dict.fromkeys(names, Missing.NONSENSE)
    assert gpu.pcie is None
    json.dumps(gpu.document(), allow_nan=False)


@pytest.mark.parametrize("used", [-1, MOST, MOST - 1])
def test_a_process_that_holds_more_than_there_can_be_is_reported_without_a_number(
    driver, nvml, used
):
    process = SimpleNamespace(pid=7, usedGpuMemory=used)
    driver.set(nvmlDeviceGetComputeRunningProcesses_v3=lambda handle: [process])
    (found,) = nvml.read().gpus[0].processes
    assert (found.pid, found.memory_mib) == (7, Missing.NONSENSE)


def test_a_mask_of_all_reasons_is_none(driver, nvml):
    driver.set(nvmlDeviceGetCurrentClocksThrottleReasons=lambda handle: MOST)
    assert nvml.read().gpus[0].throttle is Missing.NONSENSE


@pytest.mark.parametrize("function", ["nvmlDeviceGetName", "nvmlDeviceGetUUID"])
def test_a_text_that_is_no_utf8_costs_only_itself(driver, nvml, function):
    driver.set(**{function: undecodable})
    reading = nvml.read()
    assert reading.state is State.OK
    (gpu,) = reading.gpus
    assert gpu.utilization_percent == 87


def test_a_driver_version_that_is_no_utf8_costs_only_itself(driver, nvml):
    driver.set(nvmlSystemGetDriverVersion=lambda: undecodable(None))
    reading = nvml.read()
    assert (reading.state, reading.driver) == (State.OK, None)


def test_an_empty_name_is_no_fault(driver, nvml):
    driver.set(nvmlDeviceGetName=lambda handle: "")
    reading = nvml.read()
    assert (reading.state, reading.gpus[0].name) == (State.OK, "")


@pytest.mark.parametrize("count", [2**32 - 1, 100_000])
def test_more_devices_than_a_machine_can_have_are_not_asked_for(driver, nvml, count):
    asked = []
    driver.set(
        nvmlDeviceGetCount=lambda: count,
        nvmlDeviceGetHandleByIndex=lambda index: asked.append(index) or index,
    )
    reading = nvml.read()
    assert (reading.state, reading.gpus) == (State.FAILED, ())
    assert str(count) in reading.detail
    assert asked == []


def test_more_slices_than_a_device_can_have_are_not_asked_for(driver, nvml):
    asked = []

    def slice_of(board: object, number: int) -> None:
        asked.append(number)
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)

    driver.set(
        nvmlDeviceGetMigMode=lambda board: (1, 1),
        nvmlDeviceGetMaxMigDeviceCount=lambda board: 2**32 - 1,
        nvmlDeviceGetMigDeviceHandleByIndex=slice_of,
    )
    assert nvml.read().state is State.OK
    assert len(asked) <= 64


def test_a_gpu_that_vanishes_between_two_questions_is_lost_and_comes_back(driver, nvml):
    nvml.read()
    answers = iter([64])

    def temperature(handle: object, sensor: object) -> int:
        driver.fail("nvmlDeviceGetPowerUsage", pynvml.NVML_ERROR_GPU_IS_LOST)
        return next(answers)

    driver.set(nvmlDeviceGetTemperature=temperature)
    (gpu,) = nvml.read().gpus
    assert (gpu.state, gpu.name) == (State.LOST, "NVIDIA A100-SXM4-40GB")
    driver.set(
        nvmlDeviceGetTemperature=lambda handle, sensor: 65,
        nvmlDeviceGetPowerUsage=lambda handle: 200_000,
    )
    driver.now += 60
    assert nvml.read().gpus[0].temperature_c == 65
