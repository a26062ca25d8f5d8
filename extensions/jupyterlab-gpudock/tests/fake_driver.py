"""A fake NVIDIA driver behind nvidia-ml-py."""

from __future__ import annotations

from types import SimpleNamespace

import pynvml

GIB = 1024**3


def raising(code: int):
    def call(*arguments: object, **options: object):
        raise pynvml.NVMLError(code)

    return call


class Driver:
    """Behaves like one A100, and replaces nvidia-ml-py's functions by name."""

    def __init__(self, monkeypatch) -> None:
        self._monkeypatch = monkeypatch
        self.inits = 0
        self.now = 0.0
        not_supported = raising(pynvml.NVML_ERROR_NOT_SUPPORTED)
        self.set(
            nvmlInit=self._init,
            nvmlShutdown=lambda: None,
            nvmlSystemGetDriverVersion=lambda: "550.54.15",
            nvmlSystemGetCudaDriverVersion_v2=lambda: 12040,
            nvmlDeviceGetCount=lambda: 1,
            nvmlDeviceGetHandleByIndex=lambda index: index,
            nvmlDeviceGetUUID=lambda handle: f"GPU-{handle}",
            nvmlDeviceGetName=lambda handle: "NVIDIA A100-SXM4-40GB",
            nvmlDeviceGetMigMode=not_supported,
            nvmlDeviceGetUtilizationRates=lambda handle: SimpleNamespace(gpu=87),
            nvmlDeviceGetMemoryInfo=lambda handle, version=None: SimpleNamespace(
                used=31 * GIB, total=40 * GIB
            ),
            nvmlDeviceGetTemperature=lambda handle, sensor: 64,
            nvmlDeviceGetTemperatureThreshold=lambda handle, threshold: 92,
            nvmlDeviceGetPowerUsage=lambda handle: 283_400,
            nvmlDeviceGetEnforcedPowerLimit=lambda handle: 400_000,
            nvmlDeviceGetClockInfo=lambda handle, clock: 1410,
            nvmlDeviceGetMaxClockInfo=lambda handle, clock: 1410,
            nvmlDeviceGetCurrentClocksThrottleReasons=lambda handle: 0,
            nvmlDeviceGetComputeRunningProcesses_v3=lambda handle: [],
            nvmlDeviceGetGraphicsRunningProcesses_v3=lambda handle: [],
            nvmlDeviceGetMPSComputeRunningProcesses_v3=lambda handle: [],
            nvmlDeviceGetCudaComputeCapability=lambda handle: (8, 0),
            nvmlDeviceGetCurrPcieLinkGeneration=lambda handle: 3,
            nvmlDeviceGetMaxPcieLinkGeneration=lambda handle: 4,
            nvmlDeviceGetCurrPcieLinkWidth=lambda handle: 8,
            nvmlDeviceGetMaxPcieLinkWidth=lambda handle: 16,
            nvmlDeviceGetNvLinkState=lambda handle, link: self._link(link),
            nvmlDeviceGetTotalEccErrors=lambda handle, kind, counter: 0,
            nvmlDeviceGetRemappedRows=lambda handle: (0, 0, 0, 0),
            nvmlDeviceGetRetiredPagesPendingStatus=not_supported,
        )

    def _link(self, link: int) -> int:
        if link >= 12:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_INVALID_ARGUMENT)
        return pynvml.NVML_FEATURE_ENABLED if link < 11 else pynvml.NVML_FEATURE_DISABLED

    def _init(self) -> None:
        self.inits += 1

    def set(self, **functions: object) -> None:
        for name, function in functions.items():
            self._monkeypatch.setattr(pynvml, name, function)

    def fail(self, function: str, code: int) -> None:
        self.set(**{function: raising(code)})
