"""The gate, over nvidia-ml-py whose functions a pretend driver answers."""

from __future__ import annotations

from types import SimpleNamespace

import pynvml
import pytest

from jupyterlab_gpudock.attempt import Attempt
from jupyterlab_gpudock.nvml import NVML, RELIST_SECONDS, REOPEN_SECONDS
from jupyterlab_gpudock.readings import Missing, PCIe, Process, State

GIB = 1024**3


def raising(code: int):
    def call(*arguments: object, **options: object):
        raise pynvml.NVMLError(code)

    return call


class Driver:
    """Answers like one A100, and takes nvidia-ml-py's functions over by name."""

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


@pytest.fixture
def driver(monkeypatch):
    return Driver(monkeypatch)


@pytest.fixture
def gate(driver):
    return NVML(clock=lambda: driver.now)


def test_numbers_come_with_the_units_that_their_names_say(gate):
    reading = gate.read()
    (gpu,) = reading.gpus
    assert (reading.state, reading.driver, reading.driver_cuda) == ("ok", "550.54.15", "12.4")
    assert (gpu.memory_used_mib, gpu.memory_total_mib) == (31 * 1024, 40 * 1024)
    assert (gpu.power_w, gpu.power_limit_w) == (283.4, 400.0)
    assert (gpu.utilization_percent, gpu.temperature_c, gpu.sm_clock_mhz) == (87, 64, 1410)


@pytest.mark.parametrize(
    ("code", "state"),
    [
        (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, State.NO_DRIVER),
        (pynvml.NVML_ERROR_DRIVER_NOT_LOADED, State.NO_DRIVER),
        (pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, State.VERSION_MISMATCH),
        (pynvml.NVML_ERROR_GPU_IS_LOST, State.LOST),
        (pynvml.NVML_ERROR_RESET_REQUIRED, State.LOST),
        (pynvml.NVML_ERROR_UNKNOWN, State.LOST),
        (pynvml.NVML_ERROR_NO_PERMISSION, State.FAILED),
    ],
)
def test_an_error_on_opening_is_a_state_with_nvmls_own_words(gate, driver, code, state):
    driver.fail("nvmlInit", code)
    reading = gate.read()
    assert reading.state is state
    assert reading.detail == str(pynvml.NVMLError(code))
    assert reading.gpus == ()


def test_every_nvml_error_has_a_state(gate, driver):
    codes = [
        value
        for name, value in vars(pynvml).items()
        if name.startswith("NVML_ERROR_") and isinstance(value, int)
    ]
    for code in codes:
        driver.now += REOPEN_SECONDS
        driver.fail("nvmlInit", code)
        assert gate.read().state is not State.OK


def test_a_driver_without_devices_is_no_gpu(gate, driver):
    driver.set(nvmlDeviceGetCount=lambda: 0)
    assert gate.read().state is State.NO_GPU


def test_what_a_gpu_does_not_report_is_a_value(gate, driver):
    driver.fail("nvmlDeviceGetPowerUsage", pynvml.NVML_ERROR_NOT_SUPPORTED)
    driver.fail("nvmlDeviceGetClockInfo", pynvml.NVML_ERROR_FUNCTION_NOT_FOUND)
    driver.fail("nvmlDeviceGetTemperature", pynvml.NVML_ERROR_NO_DATA)
    (gpu,) = gate.read().gpus
    assert gpu.state is State.OK
    assert gpu.power_w is Missing.NOT_SUPPORTED
    assert gpu.sm_clock_mhz is Missing.NOT_SUPPORTED
    assert gpu.temperature_c is Missing.NOT_AVAILABLE
    assert gpu.utilization_percent == 87


def test_nonsense_is_not_shown(gate, driver):
    driver.set(
        nvmlDeviceGetUtilizationRates=lambda handle: SimpleNamespace(gpu=4294967295),
        nvmlDeviceGetTemperature=lambda handle, sensor: 4294967289,
        nvmlDeviceGetMemoryInfo=lambda handle, version=None: SimpleNamespace(used=2, total=1),
    )
    (gpu,) = gate.read().gpus
    values = (gpu.utilization_percent, gpu.temperature_c, gpu.memory_used_mib)
    assert values == (Missing.NONSENSE,) * 3


def test_memory_is_read_the_old_way_where_the_new_one_is_missing(gate, driver):
    def memory(handle, version=None):
        if version:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_FUNCTION_NOT_FOUND)
        return SimpleNamespace(used=GIB, total=2 * GIB)

    driver.set(nvmlDeviceGetMemoryInfo=memory)
    assert gate.read().gpus[0].memory_used_mib == 1024


@pytest.mark.parametrize("code", [pynvml.NVML_ERROR_GPU_IS_LOST, pynvml.NVML_ERROR_UNKNOWN])
@pytest.mark.parametrize(
    "function",
    ["nvmlDeviceGetUtilizationRates", "nvmlDeviceGetMemoryInfo", "nvmlDeviceGetTemperature"],
)
def test_a_gpu_that_is_lost_in_mid_run_keeps_its_name(gate, driver, function, code):
    gate.read()
    driver.fail(function, code)
    reading = gate.read()
    (gpu,) = reading.gpus
    assert (reading.state, gpu.state, gpu.name) == ("lost", "lost", "NVIDIA A100-SXM4-40GB")
    assert gpu.utilization_percent is Missing.NOT_AVAILABLE


def test_a_gpu_that_hangs_when_it_is_first_looked_at_has_its_place(gate, driver):
    driver.set(nvmlDeviceGetCount=lambda: 3)
    reading = gate.read(Attempt(frozenset({1})))
    assert [(gpu.index, gpu.state) for gpu in reading.gpus] == [
        ("0", State.OK),
        ("1", State.HANGING),
        ("2", State.OK),
    ]


def test_one_lost_gpu_does_not_hide_the_others(gate, driver):
    driver.set(nvmlDeviceGetCount=lambda: 2)

    def temperature(handle, sensor):
        if handle == 1:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
        return 50

    driver.set(nvmlDeviceGetTemperature=temperature)
    reading = gate.read()
    assert reading.state is State.OK
    assert [gpu.state for gpu in reading.gpus] == ["ok", "lost"]


def test_nvml_is_opened_once_and_left_open(gate, driver):
    for _ in range(100):
        driver.now += 1
        gate.read()
    assert driver.inits == 1


@pytest.mark.parametrize("function", ["nvmlInit", "nvmlDeviceGetCount", "nvmlDeviceGetTemperature"])
def test_a_fault_that_goes_away_is_forgotten_within_five_seconds(gate, driver, function):
    healthy = getattr(pynvml, function)
    driver.fail(function, pynvml.NVML_ERROR_UNKNOWN)
    assert gate.read().state is State.LOST
    driver.set(**{function: healthy})
    for _ in range(round(REOPEN_SECONDS)):
        driver.now += 1
        reading = gate.read()
    assert reading.state is State.OK
    assert reading.detail == ""


def test_a_gpu_that_appears_while_nvml_is_open_is_found(gate, driver):
    driver.set(nvmlDeviceGetCount=lambda: 0)
    gate.read()
    driver.set(nvmlDeviceGetCount=lambda: 1)
    driver.now += REOPEN_SECONDS
    assert gate.read().state is State.OK


def test_a_fault_is_not_asked_for_again_at_once(gate, driver):
    tries = []

    def init() -> None:
        tries.append(1)
        raise pynvml.NVMLError(pynvml.NVML_ERROR_DRIVER_NOT_LOADED)

    driver.set(nvmlInit=init)
    for _ in range(10):
        driver.now += 0.4
        gate.read()
    assert len(tries) == 1


def test_each_mig_slice_is_a_card_with_its_profile(gate, driver):
    def slice_of(board, number):
        if number == 1:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return f"slice-{number}"

    def name(handle):
        return (
            "NVIDIA A100-SXM4-40GB MIG 1g.5gb"
            if str(handle).startswith("slice")
            else "NVIDIA A100-SXM4-40GB"
        )

    driver.set(
        nvmlDeviceGetMigMode=lambda handle: [pynvml.NVML_DEVICE_MIG_ENABLE] * 2,
        nvmlDeviceGetMaxMigDeviceCount=lambda handle: 3,
        nvmlDeviceGetMigDeviceHandleByIndex=slice_of,
        nvmlDeviceGetName=name,
    )
    gpus = gate.read().gpus
    assert [(gpu.index, gpu.mig_profile, gpu.uuid) for gpu in gpus] == [
        ("0:0", "1g.5gb", "GPU-slice-0"),
        ("0:2", "1g.5gb", "GPU-slice-2"),
    ]
    assert {gpu.name for gpu in gpus} == {"NVIDIA A100-SXM4-40GB"}
    assert gpus[0].utilization_percent is Missing.NOT_SUPPORTED
    assert gpus[0].temperature_c == 64


def test_slices_of_a_device_that_cannot_be_opened_any_more_keep_their_names(gate, driver):
    driver.set(
        nvmlDeviceGetMigMode=lambda handle: [pynvml.NVML_DEVICE_MIG_ENABLE] * 2,
        nvmlDeviceGetMaxMigDeviceCount=lambda handle: 2,
        nvmlDeviceGetMigDeviceHandleByIndex=lambda board, number: f"slice-{number}",
    )
    gate.read()
    driver.fail("nvmlDeviceGetHandleByIndex", pynvml.NVML_ERROR_GPU_IS_LOST)
    driver.now += 60
    reading = gate.read()
    assert reading.state is State.LOST
    assert [(gpu.index, gpu.uuid, gpu.state) for gpu in reading.gpus] == [
        ("0:0", "GPU-slice-0", "lost"),
        ("0:1", "GPU-slice-1", "lost"),
    ]


def test_what_a_gpu_is_and_how_well_its_memory_is(gate, driver):
    (gpu,) = gate.read().gpus
    assert gpu.compute_capability == "8.0"
    assert gpu.pcie == PCIe(generation=3, generation_max=4, width=8, width_max=16)
    assert gpu.nvlinks == 11
    assert (gpu.ecc_corrected, gpu.ecc_uncorrected, gpu.health) == (0, 0, ())
    driver.set(
        nvmlDeviceGetTotalEccErrors=lambda handle, kind, counter: 3,
        nvmlDeviceGetRemappedRows=lambda handle: (0, 1, 1, 1),
        nvmlDeviceGetRetiredPagesPendingStatus=lambda handle: 1,
    )
    driver.now += RELIST_SECONDS
    (gpu,) = gate.read().gpus
    assert gpu.health == ("ecc_uncorrected", "remap_pending", "remap_failed", "retirement_pending")
    assert gpu.ecc_uncorrected == 3


def test_a_gpu_without_links_ecc_and_bus_has_none(gate, driver):
    for name in (
        "nvmlDeviceGetNvLinkState",
        "nvmlDeviceGetTotalEccErrors",
        "nvmlDeviceGetRemappedRows",
        "nvmlDeviceGetCurrPcieLinkGeneration",
        "nvmlDeviceGetMaxPcieLinkGeneration",
        "nvmlDeviceGetCurrPcieLinkWidth",
        "nvmlDeviceGetMaxPcieLinkWidth",
        "nvmlDeviceGetCudaComputeCapability",
    ):
        driver.fail(name, pynvml.NVML_ERROR_NOT_SUPPORTED)
    (gpu,) = gate.read().gpus
    assert (gpu.nvlinks, gpu.pcie, gpu.compute_capability, gpu.health) == (None, None, None, ())
    assert gpu.ecc_uncorrected is Missing.NOT_SUPPORTED


def test_throttle_reasons_are_words(gate, driver):
    driver.set(nvmlDeviceGetCurrentClocksThrottleReasons=lambda handle: 0x04 | 0x40 | 0x8000)
    assert gate.read().gpus[0].throttle == ("sw_power_cap", "hw_thermal")
    driver.fail("nvmlDeviceGetCurrentClocksThrottleReasons", pynvml.NVML_ERROR_NOT_SUPPORTED)
    assert gate.read().gpus[0].throttle is Missing.NOT_SUPPORTED


def test_processes_come_once_each_with_their_memory(gate, driver):
    def process(pid, memory):
        return SimpleNamespace(pid=pid, usedGpuMemory=memory)

    driver.set(
        nvmlDeviceGetComputeRunningProcesses_v3=lambda handle: [
            process(900, 3 * GIB),
            process(30, None),
        ],
        nvmlDeviceGetGraphicsRunningProcesses_v3=lambda handle: [
            process(900, 3 * GIB),
            process(7, GIB),
        ],
    )
    assert gate.read().gpus[0].processes == (
        Process(7, "graphics", 1024),
        Process(30, "compute", Missing.NOT_SUPPORTED),
        Process(900, "compute", 3072),
    )


def test_what_computes_through_mps_is_told_as_such_and_asked_for_only_where_something_computes(
    gate, driver
):
    asked = []
    client = SimpleNamespace(pid=8, usedGpuMemory=2 * GIB)

    def clients(handle: object) -> list[SimpleNamespace]:
        asked.append(handle)
        return [client]

    driver.set(nvmlDeviceGetMPSComputeRunningProcesses_v3=clients)
    assert gate.read().gpus[0].processes == ()
    assert asked == []
    server = SimpleNamespace(pid=7, usedGpuMemory=30 * 2**20)
    driver.set(nvmlDeviceGetComputeRunningProcesses_v3=lambda handle: [server, client])
    assert gate.read().gpus[0].processes == (
        Process(7, "compute", 30),
        Process(8, "mps", 2048),
    )
    driver.fail("nvmlDeviceGetMPSComputeRunningProcesses_v3", pynvml.NVML_ERROR_NOT_SUPPORTED)
    assert [process.kind for process in gate.read().gpus[0].processes] == ["compute", "compute"]


def test_a_driver_before_510_tells_its_processes_the_old_way(gate, driver):
    driver.fail("nvmlDeviceGetComputeRunningProcesses_v3", pynvml.NVML_ERROR_FUNCTION_NOT_FOUND)
    driver.set(
        nvmlDeviceGetComputeRunningProcesses_v2=lambda handle: [
            SimpleNamespace(pid=5, usedGpuMemory=GIB)
        ]
    )
    assert gate.read().gpus[0].processes == (Process(5, "compute", 1024),)


def test_a_list_of_processes_that_grows_while_it_is_read_is_read_again(gate, driver):
    answers = iter([None, None, [SimpleNamespace(pid=5, usedGpuMemory=GIB)]])

    def listed(handle):
        answer = next(answers)
        if answer is None:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_INSUFFICIENT_SIZE)
        return answer

    driver.set(nvmlDeviceGetComputeRunningProcesses_v3=listed)
    assert gate.read().gpus[0].processes == (Process(5, "compute", 1024),)


def test_a_list_of_processes_that_never_stops_growing_costs_only_the_processes(gate, driver):
    driver.fail("nvmlDeviceGetComputeRunningProcesses_v3", pynvml.NVML_ERROR_INSUFFICIENT_SIZE)
    (gpu,) = gate.read().gpus
    assert isinstance(gpu.processes, Missing)
    assert gpu.utilization_percent == 87


def test_processes_that_may_not_be_seen_are_missing_and_not_none(gate, driver):
    driver.fail("nvmlDeviceGetComputeRunningProcesses_v3", pynvml.NVML_ERROR_NO_PERMISSION)
    assert gate.read().gpus[0].processes is Missing.NOT_AVAILABLE


def test_limits_are_asked_for_once_while_nvml_is_open(gate, driver):
    asked = []
    driver.set(
        nvmlDeviceGetEnforcedPowerLimit=lambda handle: asked.append(handle) or 400_000,
    )
    for _ in range(5):
        driver.now += RELIST_SECONDS
        assert gate.read().gpus[0].power_limit_w == 400.0
    assert len(asked) == 1
