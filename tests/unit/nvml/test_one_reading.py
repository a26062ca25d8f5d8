"""Agent and panel read the same GPU the same way."""

from __future__ import annotations

from types import SimpleNamespace

import pynvml
import pytest

from gpudock.agent.reader import Reader
from gpudock_nvml.client import NVMLClient
from gpudock_nvml.mig import profile_of
from gpudock_nvml.values import SliceShape
from jupyterlab_gpudock.nvml.reader import GPUReader

MIB = 2**20
UUID = "GPU-11111111-2222-3333-4444-555555555555"
SLICE_UUID = "MIG-66666666-7777-8888-9999-aaaaaaaaaaaa"


def failing(code):
    def call(*arguments, **options):
        raise pynvml.NVMLError(code)

    return call


@pytest.fixture
def driver(monkeypatch):
    """An A100 with one slice, whose driver does not name profiles."""

    def memory(handle, version=None):
        total = 40192 if handle == "slice" else 40960
        return SimpleNamespace(used=300 * MIB, total=total * MIB)

    unsupported = failing(pynvml.NVML_ERROR_NOT_SUPPORTED)
    for name in vars(pynvml):
        if name.startswith("nvmlDeviceGet"):
            monkeypatch.setattr(pynvml, name, unsupported)
    functions = {
        "nvmlInit": lambda: None,
        "nvmlShutdown": lambda: None,
        "nvmlSystemGetDriverVersion": lambda: "470.57.02",
        "nvmlSystemGetCudaDriverVersion_v2": lambda: 11040,
        "nvmlDeviceGetCount": lambda: 1,
        "nvmlDeviceGetHandleByIndex": lambda index: "board",
        "nvmlDeviceGetUUID": lambda handle: SLICE_UUID if handle == "slice" else UUID,
        "nvmlDeviceGetName": lambda handle: "NVIDIA A100-SXM4-40GB",
        "nvmlDeviceGetMemoryInfo": memory,
        "nvmlDeviceGetMigMode": lambda handle: [pynvml.NVML_DEVICE_MIG_ENABLE] * 2,
        "nvmlDeviceGetMaxMigDeviceCount": lambda handle: 1,
        "nvmlDeviceGetMigDeviceHandleByIndex": lambda handle, number: "slice",
        "nvmlDeviceGetTemperature": lambda handle, sensor: 64,
        "nvmlDeviceGetPowerUsage": lambda handle: 283_400,
    }
    attributes = SimpleNamespace(
        memorySizeMB=40192, gpuInstanceSliceCount=7, computeInstanceSliceCount=7
    )
    for name in ("nvmlDeviceGetAttributes", "nvmlDeviceGetAttributes_v2"):
        functions[name] = lambda handle: attributes
    for name, function in functions.items():
        monkeypatch.setattr(pynvml, name, function)


def test_one_slice_has_one_name_and_the_same_values(driver):
    _, part = Reader(NVMLClient(), "node1", sees_all_processes=True).read().readings
    (gpu,) = GPUReader().read().gpus
    assert (part.gpu.uuid, part.gpu.mig_profile) == (gpu.uuid, gpu.mig_profile)
    assert gpu.mig_profile == "7g.40gb"
    assert part.gpu.memory_mib == gpu.memory_total_mib == 40192
    assert part.telemetry.memory_used_mib == gpu.memory_used_mib == 300
    assert part.telemetry.temperature_c == gpu.temperature_c == 64
    assert (part.telemetry.utilization_percent, gpu.utilization_percent) == (None, "not_supported")


def test_a_value_that_cannot_be_true_is_a_value_for_neither(driver, monkeypatch):
    monkeypatch.setattr(pynvml, "nvmlDeviceGetTemperature", lambda handle, sensor: 2**32 - 1)
    whole, part = Reader(NVMLClient(), "node1", sees_all_processes=True).read().readings
    (gpu,) = GPUReader().read().gpus
    assert (whole.telemetry.temperature_c, part.telemetry.temperature_c) == (None, None)
    assert (whole.fault, gpu.temperature_c) == (None, "nonsense")


def not_text(handle):
    raise UnicodeDecodeError("utf-8", b"A100 \xff", 5, 6, "invalid start byte")


@pytest.mark.parametrize(
    ("function", "absurd"),
    [
        ("nvmlDeviceGetTotalEccErrors", lambda *_: 2**64 - 1),
        ("nvmlDeviceGetName", not_text),
        ("nvmlDeviceGetTemperature", lambda *_: 2**32 - 1),
        ("nvmlDeviceGetUtilizationRates", lambda _: SimpleNamespace(gpu=2**32 - 1, memory=0)),
        ("nvmlDeviceGetPowerUsage", lambda _: 2**32 - 1),
        ("nvmlDeviceGetMaxMigDeviceCount", lambda _: 2**32 - 1),
    ],
)
def test_what_cannot_be_true_withdraws_no_gpu(driver, monkeypatch, function, absurd):
    monkeypatch.setattr(pynvml, function, absurd)
    report = Reader(NVMLClient(), "node1", sees_all_processes=True).read()
    assert report.problem is None
    assert [(reading.fault, reading.lost) for reading in report.readings if reading.fault] == []
    assert report.readings[0].gpu.uuid == UUID
    for reading in report.readings:
        found = reading.telemetry
        assert found.utilization_percent in (None, *range(101))
        assert found.temperature_c in (None, 64)
        assert found.power_w in (None, 283.4)
    assert all(gpu.state == "ok" for gpu in GPUReader().read().gpus)


@pytest.mark.parametrize(
    ("shape", "total_mib", "profile"),
    [
        (SliceShape(7, 7, 40192), 40960, "7g.40gb"),  # A100 40 GB
        (SliceShape(1, 1, 9728), 81920, "1g.10gb"),  # A100 80 GB
        (SliceShape(1, 1, 20096), 81559, "1g.20gb"),  # H100 80 GB
        (SliceShape(1, 1, 16384), 143771, "1g.18gb"),  # H200
        (SliceShape(3, 3, 71168), 143771, "3g.71gb"),
        (SliceShape(7, 7, 142848), 143771, "7g.141gb"),
    ],
)
def test_profiles_have_the_names_that_nvidia_gives_them(shape, total_mib, profile):
    assert profile_of(shape, total_mib) == profile
