"""The reader, over a fake driver behind nvidia-ml-py."""

from __future__ import annotations

from types import SimpleNamespace

import pynvml
import pytest
from fake_driver import GIB, raising

from jupyterlab_gpudock.nvml.guarded import GuardedRead
from jupyterlab_gpudock.nvml.reader import RELIST_SECONDS, REOPEN_SECONDS
from jupyterlab_gpudock.nvml.readings import Missing, PCIe, Process, State


def test_numbers_come_with_the_units_that_their_names_say(nvml):
    reading = nvml.read()
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
def test_an_error_on_opening_is_a_state_with_nvmls_text(nvml, driver, code, state):
    driver.fail("nvmlInit", code)
    reading = nvml.read()
    assert reading.state is state
    assert reading.detail == str(pynvml.NVMLError(code))
    assert reading.gpus == ()


def test_every_nvml_error_has_a_state(nvml, driver):
    codes = [
        value
        for name, value in vars(pynvml).items()
        if name.startswith("NVML_ERROR_") and isinstance(value, int)
    ]
    for code in codes:
        driver.now += REOPEN_SECONDS
        driver.fail("nvmlInit", code)
        assert nvml.read().state is not State.OK


def test_a_driver_without_devices_is_no_gpu(nvml, driver):
    driver.set(nvmlDeviceGetCount=lambda: 0)
    assert nvml.read().state is State.NO_GPU


def test_what_a_gpu_does_not_report_is_a_value(nvml, driver):
    driver.fail("nvmlDeviceGetPowerUsage", pynvml.NVML_ERROR_NOT_SUPPORTED)
    driver.fail("nvmlDeviceGetClockInfo", pynvml.NVML_ERROR_FUNCTION_NOT_FOUND)
    driver.fail("nvmlDeviceGetTemperature", pynvml.NVML_ERROR_NO_DATA)
    (gpu,) = nvml.read().gpus
    assert gpu.state is State.OK
    assert gpu.power_w is Missing.NOT_SUPPORTED
    assert gpu.sm_clock_mhz is Missing.NOT_SUPPORTED
    assert gpu.temperature_c is Missing.NOT_AVAILABLE
    assert gpu.utilization_percent == 87


def test_nonsense_is_not_shown(nvml, driver):
    driver.set(
        nvmlDeviceGetUtilizationRates=lambda handle: SimpleNamespace(gpu=4294967295),
        nvmlDeviceGetTemperature=lambda handle, sensor: 4294967289,
        nvmlDeviceGetMemoryInfo=lambda handle, version=None: SimpleNamespace(used=2, total=1),
    )
    (gpu,) = nvml.read().gpus
    values = (gpu.utilization_percent, gpu.temperature_c, gpu.memory_used_mib)
    assert values == (Missing.NONSENSE,) * 3


def test_memory_is_read_the_old_way_where_the_new_one_is_missing(nvml, driver):
    def memory(handle, version=None):
        if version:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_FUNCTION_NOT_FOUND)
        return SimpleNamespace(used=GIB, total=2 * GIB)

    driver.set(nvmlDeviceGetMemoryInfo=memory)
    assert nvml.read().gpus[0].memory_used_mib == 1024


@pytest.mark.parametrize("code", [pynvml.NVML_ERROR_GPU_IS_LOST, pynvml.NVML_ERROR_UNKNOWN])
@pytest.mark.parametrize(
    "function",
    ["nvmlDeviceGetUtilizationRates", "nvmlDeviceGetMemoryInfo", "nvmlDeviceGetTemperature"],
)
def test_a_gpu_that_is_lost_in_mid_run_keeps_its_name(nvml, driver, function, code):
    nvml.read()
    driver.fail(function, code)
    reading = nvml.read()
    (gpu,) = reading.gpus
    assert (reading.state, gpu.state, gpu.name) == ("lost", "lost", "NVIDIA A100-SXM4-40GB")
    assert gpu.utilization_percent is Missing.NOT_AVAILABLE


def test_a_gpu_that_hangs_when_it_is_first_looked_at_has_its_place(nvml, driver):
    driver.set(nvmlDeviceGetCount=lambda: 3)
    reading = nvml.read(GuardedRead(frozenset({1})))
    assert [(gpu.index, gpu.state) for gpu in reading.gpus] == [
        ("0", State.OK),
        ("1", State.HANGING),
        ("2", State.OK),
    ]


def test_one_lost_gpu_does_not_hide_the_others(nvml, driver):
    driver.set(nvmlDeviceGetCount=lambda: 2)

    def temperature(handle, sensor):
        if handle == 1:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
        return 50

    driver.set(nvmlDeviceGetTemperature=temperature)
    reading = nvml.read()
    assert reading.state is State.OK
    assert [gpu.state for gpu in reading.gpus] == ["ok", "lost"]


def test_nvml_is_opened_once_and_left_open(nvml, driver):
    for _ in range(100):
        driver.now += 1
        nvml.read()
    assert driver.inits == 1


@pytest.mark.parametrize("function", ["nvmlInit", "nvmlDeviceGetCount", "nvmlDeviceGetTemperature"])
def test_a_fault_that_goes_away_is_forgotten_within_five_seconds(nvml, driver, function):
    healthy = getattr(pynvml, function)
    driver.fail(function, pynvml.NVML_ERROR_UNKNOWN)
    assert nvml.read().state is State.LOST
    driver.set(**{function: healthy})
    for _ in range(round(REOPEN_SECONDS)):
        driver.now += 1
        reading = nvml.read()
    assert reading.state is State.OK
    assert reading.detail == ""


def test_a_gpu_that_appears_while_nvml_is_open_is_found(nvml, driver):
    driver.set(nvmlDeviceGetCount=lambda: 0)
    nvml.read()
    driver.set(nvmlDeviceGetCount=lambda: 1)
    driver.now += REOPEN_SECONDS
    assert nvml.read().state is State.OK


def test_a_fault_is_not_asked_for_again_at_once(nvml, driver):
    tries = []

    def init() -> None:
        tries.append(1)
        raise pynvml.NVMLError(pynvml.NVML_ERROR_DRIVER_NOT_LOADED)

    driver.set(nvmlInit=init)
    for _ in range(10):
        driver.now += 0.4
        nvml.read()
    assert len(tries) == 1


def test_a_gpu_in_mig_mode_without_slices_says_so(nvml, driver):
    driver.set(
        nvmlDeviceGetMigMode=lambda handle: [pynvml.NVML_DEVICE_MIG_ENABLE] * 2,
        nvmlDeviceGetMaxMigDeviceCount=lambda handle: 7,
        nvmlDeviceGetMigDeviceHandleByIndex=raising(pynvml.NVML_ERROR_NOT_FOUND),
    )
    (gpu,) = nvml.read().gpus
    assert (gpu.state, gpu.health, gpu.mig_profile) == (State.OK, ("no_slices",), None)


def test_each_mig_slice_is_a_card_with_its_profile(nvml, driver):
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
    gpus = nvml.read().gpus
    assert [(gpu.index, gpu.mig_profile, gpu.uuid) for gpu in gpus] == [
        ("0:0", "1g.5gb", "GPU-slice-0"),
        ("0:2", "1g.5gb", "GPU-slice-2"),
    ]
    assert {gpu.name for gpu in gpus} == {"NVIDIA A100-SXM4-40GB"}
    assert gpus[0].utilization_percent is Missing.NOT_SUPPORTED
    assert gpus[0].temperature_c == 64


def test_slices_of_a_device_that_cannot_be_opened_any_more_keep_their_names(nvml, driver):
    driver.set(
        nvmlDeviceGetMigMode=lambda handle: [pynvml.NVML_DEVICE_MIG_ENABLE] * 2,
        nvmlDeviceGetMaxMigDeviceCount=lambda handle: 2,
        nvmlDeviceGetMigDeviceHandleByIndex=lambda board, number: f"slice-{number}",
    )
    nvml.read()
    driver.fail("nvmlDeviceGetHandleByIndex", pynvml.NVML_ERROR_GPU_IS_LOST)
    driver.now += 60
    reading = nvml.read()
    assert reading.state is State.LOST
    assert [(gpu.index, gpu.uuid, gpu.state) for gpu in reading.gpus] == [
        ("0:0", "GPU-slice-0", "lost"),
        ("0:1", "GPU-slice-1", "lost"),
    ]


def test_what_a_gpu_is_and_how_well_its_memory_is(nvml, driver):
    (gpu,) = nvml.read().gpus
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
    (gpu,) = nvml.read().gpus
    assert gpu.health == ("ecc_uncorrected", "remap_pending", "remap_failed", "retirement_pending")
    assert gpu.ecc_uncorrected == 3


def test_a_gpu_without_links_ecc_and_bus_has_none(nvml, driver):
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
    (gpu,) = nvml.read().gpus
    assert (gpu.nvlinks, gpu.pcie, gpu.compute_capability, gpu.health) == (None, None, None, ())
    assert gpu.ecc_uncorrected is Missing.NOT_SUPPORTED


def test_throttle_reasons_are_names(nvml, driver):
    driver.set(nvmlDeviceGetCurrentClocksThrottleReasons=lambda handle: 0x04 | 0x40 | 0x8000)
    assert nvml.read().gpus[0].throttle == ("sw_power_cap", "hw_thermal")
    driver.fail("nvmlDeviceGetCurrentClocksThrottleReasons", pynvml.NVML_ERROR_NOT_SUPPORTED)
    assert nvml.read().gpus[0].throttle is Missing.NOT_SUPPORTED


def test_processes_come_once_each_with_their_memory(nvml, driver):
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
    assert nvml.read().gpus[0].processes == (
        Process(7, "graphics", 1024),
        Process(30, "compute", Missing.NOT_SUPPORTED),
        Process(900, "compute", 3072),
    )


def test_what_computes_through_mps_is_reported_as_such_and_asked_for_only_where_something_computes(
    nvml, driver
):
    asked = []
    client = SimpleNamespace(pid=8, usedGpuMemory=2 * GIB)

    def clients(handle: object) -> list[SimpleNamespace]:
        asked.append(handle)
        return [client]

    driver.set(nvmlDeviceGetMPSComputeRunningProcesses_v3=clients)
    assert nvml.read().gpus[0].processes == ()
    assert asked == []
    server = SimpleNamespace(pid=7, usedGpuMemory=30 * 2**20)
    driver.set(nvmlDeviceGetComputeRunningProcesses_v3=lambda handle: [server, client])
    assert nvml.read().gpus[0].processes == (
        Process(7, "compute", 30),
        Process(8, "mps", 2048),
    )
    driver.fail("nvmlDeviceGetMPSComputeRunningProcesses_v3", pynvml.NVML_ERROR_NOT_SUPPORTED)
    assert [process.kind for process in nvml.read().gpus[0].processes] == ["compute", "compute"]


def test_a_driver_before_510_lists_its_processes_the_old_way(nvml, driver):
    driver.fail("nvmlDeviceGetComputeRunningProcesses_v3", pynvml.NVML_ERROR_FUNCTION_NOT_FOUND)
    driver.set(
        nvmlDeviceGetComputeRunningProcesses_v2=lambda handle: [
            SimpleNamespace(pid=5, usedGpuMemory=GIB)
        ]
    )
    assert nvml.read().gpus[0].processes == (Process(5, "compute", 1024),)


def test_a_list_of_processes_that_grows_while_it_is_read_is_read_again(nvml, driver):
    answers = iter([None, None, [SimpleNamespace(pid=5, usedGpuMemory=GIB)]])

    def listed(handle):
        answer = next(answers)
        if answer is None:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_INSUFFICIENT_SIZE)
        return answer

    driver.set(nvmlDeviceGetComputeRunningProcesses_v3=listed)
    assert nvml.read().gpus[0].processes == (Process(5, "compute", 1024),)


def test_a_list_of_processes_that_never_stops_growing_costs_only_the_processes(nvml, driver):
    driver.fail("nvmlDeviceGetComputeRunningProcesses_v3", pynvml.NVML_ERROR_INSUFFICIENT_SIZE)
    (gpu,) = nvml.read().gpus
    assert isinstance(gpu.processes, Missing)
    assert gpu.utilization_percent == 87


def test_processes_that_may_not_be_seen_are_missing_and_not_none(nvml, driver):
    driver.fail("nvmlDeviceGetComputeRunningProcesses_v3", pynvml.NVML_ERROR_NO_PERMISSION)
    assert nvml.read().gpus[0].processes is Missing.NOT_AVAILABLE


def test_limits_are_asked_for_once_while_nvml_is_open(nvml, driver):
    asked = []
    driver.set(
        nvmlDeviceGetEnforcedPowerLimit=lambda handle: asked.append(handle) or 400_000,
    )
    for _ in range(5):
        driver.now += RELIST_SECONDS
        assert nvml.read().gpus[0].power_limit_w == 400.0
    assert len(asked) == 1


@pytest.mark.parametrize("present", [True, False])
def test_a_gpu_of_the_simulated_library_is_simulated(nvml, tmp_path, monkeypatch, present):
    state = tmp_path / "state"
    if present:
        state.touch()
    monkeypatch.setattr("gpudock_nvml.simulated.STATE_FILE", state)
    (gpu,) = nvml.read().gpus
    assert gpu.simulated is present
    assert gpu.document()["simulated"] is present
