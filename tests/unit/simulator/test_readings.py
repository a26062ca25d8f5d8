"""The simulated GPUs answer NVML's callers as real ones do."""

import pynvml
import pytest

from simulator import (
    MODELS,
    Gpu,
    Process,
    Wave,
)
from simulator.host import Host

MIB = 2**20


@pytest.fixture(scope="module")
def steady(tmp_path_factory):
    """A client of an A100 whose readings stand still, and its GPU."""
    host = Host(tmp_path_factory.mktemp("steady"))
    gpu = Gpu.of_model(
        "A100", board_part_number="692-2G506", utilization=87, memory_utilization=42,
        memory_used_mib=30000, temperature=61, power=301.25, clock_sm=1215, pcie_rx_kib_s=1000,
        throttle=("sw_power_cap", "sw_thermal"), ecc_uncorrected=3, encoder_utilization=None,
        processes=(Process(4711, 29000, "python train.py"), Process(12, None, "Xorg", "graphics")),
    )  # fmt: skip
    host.create(gpu)
    with host.client() as client:
        yield client, gpu


READINGS = {
    "nvmlDeviceGetCount()": 1,
    "nvmlSystemGetDriverVersion()": "550.163.01",
    "nvmlSystemGetNVMLVersion()": "12.550.163.01",
    "nvmlSystemGetCudaDriverVersion_v2()": 12040,
    "nvmlDeviceGetName(gpu(0))": "NVIDIA A100-SXM4-40GB",
    "nvmlDeviceGetIndex(gpu(0))": 0,
    "nvmlDeviceGetMinorNumber(gpu(0))": 0,
    "nvmlDeviceGetBrand(gpu(0))": pynvml.NVML_BRAND_NVIDIA,
    "nvmlDeviceGetArchitecture(gpu(0))": pynvml.NVML_DEVICE_ARCH_AMPERE,
    "nvmlDeviceGetCudaComputeCapability(gpu(0))": [8, 0],
    "nvmlDeviceGetBoardPartNumber(gpu(0))": "692-2G506",
    "nvmlDeviceGetPciInfo(gpu(0)).busId": "00000000:07:00.0",
    "nvmlDeviceGetPciInfo(gpu(0)).busIdLegacy": "0000:07:00.0",
    "nvmlDeviceGetPciInfo(gpu(0)).pciDeviceId": 0x20B010DE,
    "nvmlDeviceGetMemoryInfo(gpu(0), nvmlMemory_v2).total": 40960 * MIB,
    "nvmlDeviceGetMemoryInfo(gpu(0), nvmlMemory_v2).used": 30000 * MIB,
    "nvmlDeviceGetMemoryInfo(gpu(0), nvmlMemory_v2).reserved": 492 * MIB,
    "nvmlDeviceGetMemoryInfo(gpu(0), nvmlMemory_v2).free": (40960 - 30000 - 492) * MIB,
    "nvmlDeviceGetMemoryInfo(gpu(0)).used": 30492 * MIB,
    "nvmlDeviceGetMemoryInfo(gpu(0)).free": (40960 - 30492) * MIB,
    "nvmlDeviceGetBAR1MemoryInfo(gpu(0)).bar1Total": 65536 * MIB,
    "nvmlDeviceGetUtilizationRates(gpu(0))": {"gpu": 87, "memory": 42},
    "nvmlDeviceGetDecoderUtilization(gpu(0))[0]": 0,
    "nvmlDeviceGetTemperature(gpu(0), NVML_TEMPERATURE_GPU)": 61,
    "nvmlDeviceGetTemperatureV(gpu(0), NVML_TEMPERATURE_GPU)": 61,
    "nvmlDeviceGetTemperatureThreshold(gpu(0), NVML_TEMPERATURE_THRESHOLD_SLOWDOWN)": 89,
    "nvmlDeviceGetPowerUsage(gpu(0))": 301250,
    "nvmlDeviceGetEnforcedPowerLimit(gpu(0))": 400000,
    "nvmlDeviceGetPowerManagementLimitConstraints(gpu(0))": [100000, 400000],
    "nvmlDeviceGetClockInfo(gpu(0), NVML_CLOCK_SM)": 1215,
    "nvmlDeviceGetMaxClockInfo(gpu(0), NVML_CLOCK_MEM)": 1215,
    "nvmlDeviceGetApplicationsClock(gpu(0), NVML_CLOCK_GRAPHICS)": 1410,
    "nvmlDeviceGetCurrentClocksEventReasons(gpu(0))": 0x24,
    "nvmlDeviceGetCurrentClocksThrottleReasons(gpu(0))": 0x24,
    "nvmlDeviceGetPerformanceState(gpu(0))": 0,
    "nvmlDeviceGetPersistenceMode(gpu(0))": 1,
    "nvmlDeviceGetComputeMode(gpu(0))": pynvml.NVML_COMPUTEMODE_DEFAULT,
    "nvmlDeviceGetEccMode(gpu(0))": [1, 1],
    "nvmlDeviceGetTotalEccErrors(gpu(0), NVML_MEMORY_ERROR_TYPE_UNCORRECTED, NVML_VOLATILE_ECC)": 3,
    "nvmlDeviceGetRemappedRows(gpu(0))": [0, 0, 0, 0],
    "nvmlDeviceGetCurrPcieLinkGeneration(gpu(0))": 4,
    "nvmlDeviceGetMaxPcieLinkWidth(gpu(0))": 16,
    "nvmlDeviceGetPcieThroughput(gpu(0), NVML_PCIE_UTIL_RX_BYTES)": 1000,
    "nvmlDeviceGetMigMode(gpu(0))": [0, 0],
    "nvmlDeviceGetMaxMigDeviceCount(gpu(0))": 7,
    "nvmlDeviceGetDisplayActive(gpu(0))": 0,
    "nvmlDeviceGetVirtualizationMode(gpu(0))": pynvml.NVML_GPU_VIRTUALIZATION_MODE_NONE,
    "nvmlDeviceGetAccountingMode(gpu(0))": 0,
    "nvmlDeviceGetNvLinkState(gpu(0), 0)": 0,
    "nvmlDeviceGetTopologyCommonAncestor(gpu(0), gpu(0))": pynvml.NVML_TOPOLOGY_INTERNAL,
    "nvmlSystemGetProcessName(4711)": "python train.py",
    "[(p.pid, p.usedGpuMemory) for p in nvmlDeviceGetComputeRunningProcesses(gpu(0))]": [
        [4711, 29000 * MIB]
    ],
    "[(p.pid, p.usedGpuMemory) for p in nvmlDeviceGetComputeRunningProcesses_v2(gpu(0))]": [
        [4711, 29000 * MIB]
    ],
    "[(p.pid, p.usedGpuMemory) for p in nvmlDeviceGetGraphicsRunningProcesses(gpu(0))]": [
        [12, None]
    ],
    "[p.pid for p in nvmlDeviceGetMPSComputeRunningProcesses(gpu(0))]": [],
    "[(s.pid, s.smUtil) for s in nvmlDeviceGetProcessUtilization(gpu(0), 0)]": [[4711, 87]],
    "[(v.nvmlReturn, v.value.uiVal) for v in nvmlDeviceGetFieldValues(gpu(0), [82, 186])]": [
        [0, 32],
        [0, 301250],
    ],
    "nvmlErrorString(15)": "GPU is lost",
}


@pytest.mark.parametrize(("expression", "value"), READINGS.items(), ids=list(READINGS))
def test_a_reading_comes_in_nvmls_unit(steady, expression, value):
    client, _ = steady
    assert client.ask(expression) == value


def test_a_gpu_is_found_by_uuid_serial_and_bus(steady):
    client, gpu = steady
    for lookup in (
        f"nvmlDeviceGetHandleByUUID({gpu.uuid!r})",
        f"nvmlDeviceGetHandleBySerial({gpu.serial!r})",
        "nvmlDeviceGetHandleByPciBusId('0000:07:00.0')",
        "nvmlDeviceGetHandleByPciBusId('00000000:07:00.0')",
    ):
        assert client.ask(f"nvmlDeviceGetUUID({lookup})") == gpu.uuid
    assert client.error_of("by_uuid('GPU-0')") == pynvml.NVML_ERROR_NOT_FOUND
    assert client.error_of("gpu(1)") == pynvml.NVML_ERROR_INVALID_ARGUMENT


def test_what_a_gpu_lacks_is_not_supported(steady):
    client, _ = steady
    for expression in (
        "nvmlDeviceGetFanSpeed(gpu(0))",  # the model has no fan
        "nvmlDeviceGetEncoderUtilization(gpu(0))",  # none in the state
        "nvmlDeviceGetVgpuMetadata(gpu(0))",  # nothing like it in the simulator
        "nvmlDeviceGetGpuInstanceId(gpu(0))",  # not a slice
    ):
        assert client.error_of(expression) == pynvml.NVML_ERROR_NOT_SUPPORTED, expression


def test_a_function_that_driver_550_lacks_is_not_found(steady):
    client, _ = steady
    error = client.error_of("nvmlDeviceGetRepairStatus(gpu(0))")
    assert error == pynvml.NVML_ERROR_FUNCTION_NOT_FOUND


def test_nothing_answers_before_init_and_after_shutdown(host):
    with host.create(Gpu.of_model("L4")).client(initialize=False) as client:
        assert client.error_of("nvmlDeviceGetCount()") == pynvml.NVML_ERROR_UNINITIALIZED
        client.ask("nvmlInit()")
        client.ask("nvmlInitWithFlags(1)")
        client.ask("nvmlShutdown()")
        assert client.ask("nvmlDeviceGetCount()") == 1
        client.ask("nvmlShutdown()")
        assert client.error_of("nvmlDeviceGetCount()") == pynvml.NVML_ERROR_UNINITIALIZED


def test_energy_grows_with_power_and_never_falls(host):
    host.create(Gpu.of_model("A100", power=100))
    with host.client() as client:
        energy = "nvmlDeviceGetTotalEnergyConsumption(gpu(0))"
        first = client.wait_for(energy, lambda millijoules: millijoules > 0)
        host.simulator.update(0, power=0)
        assert client.ask(energy) >= first


@pytest.mark.parametrize("model", MODELS)
def test_every_model_reads_as_itself(host, model):
    host.create(Gpu.of_model(model, lively=True))
    fields = MODELS[model].fields
    with host.client() as client:
        assert client.ask("nvmlDeviceGetName(gpu(0))") == fields["name"]
        total = client.ask("nvmlDeviceGetMemoryInfo(gpu(0)).total")
        assert total == fields["memory_total_mib"] * MIB
        major, minor = client.ask("nvmlDeviceGetCudaComputeCapability(gpu(0))")
        assert f"{major}.{minor}" == f"{fields['compute_capability']:.1f}"
        assert client.ask("nvmlDeviceGetPowerUsage(gpu(0))") < fields["power_limit"] * 1000


def test_a_running_process_sees_a_change(host):
    host.create(Gpu.of_model("A100"))
    with host.client() as client:
        client.ask("keep('gpu', gpu(0))")
        for value in (87, 3, 55):
            host.simulator.update(0, utilization=value)
            client.wait_for(
                "nvmlDeviceGetUtilizationRates(kept['gpu']).gpu",
                lambda now, value=value: now == value,
            )


def test_a_file_that_was_edited_in_place_is_read_again(host):
    host.create(Gpu.of_model("A100", utilization=10))
    text = host.simulator.state_file.read_text()
    with host.client() as client:
        rate = "nvmlDeviceGetUtilizationRates(gpu(0)).gpu"
        assert client.ask(rate) == 10
        changed = text.replace("\nutilization = 10\n", "\nutilization = 99\n")
        host.simulator.state_file.write_text(changed)
        assert client.wait_for(rate, lambda now: now == 99) == 99


def test_a_wave_swings_between_its_ends(host):
    host.create(Gpu.of_model("A100", utilization=Wave(20, 90, period_s=0.3)))
    with host.client() as client:
        rate = "nvmlDeviceGetUtilizationRates(gpu(0)).gpu"
        high = client.wait_for(rate, lambda now: now > 80)
        low = client.wait_for(rate, lambda now: now < 30)
        assert 20 <= low < high <= 90
