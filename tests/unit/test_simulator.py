"""The pretend GPUs answer NVML's callers as real ones do."""

import ctypes
import dataclasses
import json
import os
import random
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pynvml
import pytest

from simulator import (
    MODELS,
    Gpu,
    Process,
    Simulator,
    SimulatorError,
    Wave,
    build_library,
    install,
    read_calls,
    uninstall,
)
from simulator import format as text_format
from simulator.cdi import node_names
from simulator.host import Host
from simulator.library import SOURCES
from simulator.nvidia_smi import fetch_nvidia_smi

MIB = 2**20
CHECKS = SOURCES.parent / "checks"


@pytest.fixture
def host(tmp_path) -> Host:
    return Host(tmp_path)


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
        "nvmlDeviceGetEncoderUtilization(gpu(0))",  # «none» in the state
        "nvmlDeviceGetVgpuMetadata(gpu(0))",  # nothing like it in the simulator
        "nvmlDeviceGetGpuInstanceId(gpu(0))",  # not a slice
    ):
        assert client.error_of(expression) == pynvml.NVML_ERROR_NOT_SUPPORTED, expression


def test_a_function_that_driver_550_lacks_is_not_found(steady):
    client, _ = steady
    error = client.error_of("nvmlDeviceGetRepairStatus(gpu(0))")
    assert error == pynvml.NVML_ERROR_FUNCTION_NOT_FOUND


def test_nothing_answers_before_init_and_after_shutdown(host):
    with host.create(Gpu.of_model("L4")).client(initialise=False) as client:
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


# --- faults ---


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("lost", pynvml.NVML_ERROR_GPU_IS_LOST),
        ("reset_required", pynvml.NVML_ERROR_RESET_REQUIRED),
        ("unknown", pynvml.NVML_ERROR_UNKNOWN),
    ],
)
def test_a_faulty_gpu_fails_alone_and_comes_back(host, fault, error):
    host.create(Gpu.of_model("A100"), Gpu.of_model("L4"))
    with host.client() as client:
        client.ask("keep('bad', gpu(0))")
        host.simulator.update(0, fault=fault)
        with host.client() as newcomer:
            assert newcomer.ask("nvmlDeviceGetCount()") == 2
            assert newcomer.error_of("gpu(0)") == error
            assert newcomer.ask("nvmlDeviceGetName(gpu(1))") == "NVIDIA L4"
        assert client.error_of("nvmlDeviceGetUtilizationRates(kept['bad'])") == error
        assert client.error_of("nvmlDeviceGetVgpuMetadata(kept['bad'])") == error
        host.simulator.update(0, fault=None)
        with host.client() as newcomer:
            assert newcomer.ask("nvmlDeviceGetName(gpu(0))") == "NVIDIA A100-SXM4-40GB"


def test_a_gpu_taken_out_fell_off_the_bus(host):
    host.create(Gpu.of_model("A100"), Gpu.of_model("L4"))
    with host.client() as client:
        client.ask("keep('gone', gpu(0))")
        host.simulator.remove_device(0)
        client.wait_for("nvmlDeviceGetCount()", lambda count: count == 1)
        error = client.error_of("nvmlDeviceGetTemperature(kept['gone'], 0)")
        assert error == pynvml.NVML_ERROR_GPU_IS_LOST


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("driver_not_loaded", pynvml.NVML_ERROR_DRIVER_NOT_LOADED),
        ("version_mismatch", pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH),
        ("unknown", pynvml.NVML_ERROR_UNKNOWN),
    ],
)
def test_a_driver_fault_keeps_nvml_from_initialising(host, fault, error):
    host.create(Gpu.of_model("A100")).simulator.update_system(fault=fault)
    with host.client(initialise=False) as client:
        assert client.error_of("nvmlInit()") == error
        host.simulator.update_system(fault=None)
        assert client.error_of("nvmlInit()") == 0


def test_without_a_state_file_the_driver_is_not_loaded(host):
    with host.client(initialise=False) as client:
        assert client.error_of("nvmlInit()") == pynvml.NVML_ERROR_DRIVER_NOT_LOADED


def test_a_slow_function_is_slow_and_others_are_not(host):
    host.create(Gpu.of_model("A100"))
    host.simulator.update_system(slow={"nvmlDeviceGetPcieThroughput": 60})
    timed = "(time := __import__('time').perf_counter, t := time(), {}, time() - t)[-1]"
    with host.client() as client:
        slow = client.ask(timed.format("nvmlDeviceGetPcieThroughput(gpu(0), 0)"))
        assert slow >= 0.06
        fast = min(client.ask(timed.format("nvmlDeviceGetPowerUsage(gpu(0))")) for _ in range(5))
        assert fast < 0.03


def test_a_hanging_call_returns_when_the_state_lets_it(host):
    host.create(Gpu.of_model("A100")).simulator.update_system(hang="nvmlDeviceGetPowerUsage")
    with host.client() as client:
        assert client.ask("nvmlDeviceGetTemperature(gpu(0), 0)") == 34
        client.send("nvmlDeviceGetPowerUsage(gpu(0))")
        assert not client.has_answered(within_s=0.3)
        host.simulator.update_system(hang=None)
        assert client.has_answered(within_s=20)
        assert client.receive() == 52000


def test_a_hanging_gpu_holds_up_only_calls_to_itself(host):
    host.create(Gpu.of_model("A100", fault="hanging"), Gpu.of_model("L4"))
    with host.client() as client:
        assert client.ask("nvmlDeviceGetTemperature(gpu(1), 0)") == 34
        client.send("nvmlDeviceGetTemperature(gpu(0), 0)")
        assert not client.has_answered(within_s=0.3)
        host.simulator.update(0, fault=None)
        assert client.has_answered(within_s=20)
        assert client.receive() == 34


MALFORMED = {
    "no section": "uuid = GPU-1\n",
    "unknown section": "[gpus]\n",
    "unclosed section": "[gpu 0\nuuid = GPU-1\nname = A\n",
    "no number": "[gpu x]\nuuid = GPU-1\nname = A\n",
    "unknown key": "[gpu 0]\nuuid = GPU-1\nname = A\nutilisation = 4\n",
    "no equals sign": "[gpu 0]\nuuid = GPU-1\nname = A\nfan\n",
    "not a number": "[gpu 0]\nuuid = GPU-1\nname = A\nfan = fast\n",
    "not finite": "[gpu 0]\nuuid = GPU-1\nname = A\nfan = nan\n",
    "wave without period": "[gpu 0]\nuuid = GPU-1\nname = A\nfan = wave 1 2\n",
    "wave with period 0": "[gpu 0]\nuuid = GPU-1\nname = A\nfan = wave 1 2 0\n",
    "unknown word": "[gpu 0]\nuuid = GPU-1\nname = A\necc = maybe\n",
    "no uuid": "[gpu 0]\nname = A\n",
    "same uuid": "[gpu 0]\nuuid = GPU-1\nname = A\n[gpu 1]\nuuid = GPU-1\nname = A\n",
    "same minor": "[gpu 0]\nuuid = GPU-1\nname = A\n[gpu 0]\nuuid = GPU-2\nname = A\n",
    "slice of no gpu": "[slice 0:0]\nuuid = MIG-1\nprofile = 1g.5gb\n",
    "process without name": "[gpu 0]\nuuid = GPU-1\nname = A\nprocess = 1 compute 5\n",
    "long text": f"[gpu 0]\nuuid = GPU-1\nname = {'A' * 200}\n",
    "too many gpus": "".join(f"[gpu {n}]\nuuid = GPU-{n}\nname = A\n" for n in range(65)),
    "nul byte": "[gpu 0]\nuuid = GPU-1\nname = A\n\0fan = 3\n",
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=list(MALFORMED))
def test_a_malformed_state_is_an_unknown_error_until_it_is_mended(host, text):
    host.create(Gpu.of_model("A100"))
    good = host.simulator.state_file.read_text()
    with host.client() as client:
        client.ask("keep('gpu', gpu(0))")
        host.simulator.state_file.write_text(text)
        with host.client(initialise=False) as newcomer:
            assert newcomer.error_of("nvmlInit()") == pynvml.NVML_ERROR_UNKNOWN
        assert client.error_of("nvmlDeviceGetName(kept['gpu'])") == pynvml.NVML_ERROR_UNKNOWN
        host.simulator.state_file.write_text(good)
        with host.client() as newcomer:
            assert newcomer.ask("nvmlDeviceGetCount()") == 1


def test_no_text_breaks_the_parser(tmp_path):
    program = tmp_path / "fuzz"
    sources = [CHECKS / "parse_all.c", SOURCES / "parser.c", SOURCES / "state.c"]
    options = ["-std=gnu11", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover"]
    built = subprocess.run(
        ["cc", *options, f"-I{SOURCES}", *map(str, sources), "-o", str(program), "-lm"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if built.returncode != 0 and "asan" in built.stderr:
        pytest.skip("this compiler has no address sanitizer")
    assert built.returncode == 0, built.stderr
    chance = random.Random(20)
    seed = Simulator(tmp_path).create(
        [Gpu.of_model("A100", slices=["1g.5gb"], processes=(Process(1, 2, "a b"),), lively=True)]
    ).state_file.read_bytes()  # fmt: skip
    pieces = b"[gpu 0]|[slice 0:1]|wave 1 2 3|=|\n|none|1e308|-1|#|]|[|,|\xff\xfe".split(b"|")
    pieces += [b"process = 1 compute 2 x", b"9" * 400, b"slow.x = 1\n"]
    records = [seed]
    for _ in range(4000):
        text = bytearray(seed)
        for _ in range(chance.randint(1, 6)):
            start = chance.randrange(len(text) + 1)
            end = min(len(text), start + chance.choice((0, 1, 3, 40, 800)))
            text[start:end] = chance.choice(
                [*pieces, bytes([chance.randrange(1, 256)]), bytes(text[:end])]
            )
        records.append(bytes(text))
    stream = b"".join(len(text).to_bytes(8, sys.byteorder) + text for text in records)
    done = subprocess.run([str(program)], input=stream, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert 1 <= int(done.stdout) < len(records)  # some are still well-formed, most are not


# --- visibility and MIG ---


def test_a_process_sees_only_the_gpus_whose_nodes_it_has(host):
    host.create(*(Gpu.of_model(model) for model in ("A100", "L4", "T4")))
    host.hide("nvidia0")
    hidden, *seen = host.simulator.gpus
    with host.client() as client:
        assert client.ask("nvmlDeviceGetCount()") == 2
        assert client.ask("[nvmlDeviceGetUUID(gpu(i)) for i in (0, 1)]") == [g.uuid for g in seen]
        assert client.ask("nvmlDeviceGetIndex(gpu(1))") == 1
        assert client.ask("nvmlDeviceGetMinorNumber(gpu(1))") == 2
        assert client.error_of(f"by_uuid({hidden.uuid!r})") == pynvml.NVML_ERROR_NOT_FOUND


def test_with_no_node_there_is_a_driver_but_no_gpu(host):
    host.create(Gpu.of_model("A100"))
    host.hide("nvidia0")
    with host.client() as client:
        assert client.ask("nvmlDeviceGetCount()") == 0
        assert client.ask("nvmlSystemGetDriverVersion()") == "550.163.01"


def test_slices_have_their_own_uuid_memory_and_processes(host):
    host.create(Gpu.of_model("A100", slices=["2g.10gb", "1g.5gb"]))
    parent = host.simulator.gpu(0)
    small = parent.slices[1]
    host.simulator.update(small.uuid, memory_used_mib=700, processes=[Process(9, 650, "job")])
    with host.client() as client:
        assert client.ask("nvmlDeviceGetMigMode(gpu(0))") == [1, 1]
        assert client.ask("nvmlDeviceGetUUID(mig(0, 1))") == small.uuid
        assert client.error_of("mig(0, 2)") == pynvml.NVML_ERROR_NOT_FOUND
        assert client.ask("nvmlDeviceGetName(mig(0, 1))") == "NVIDIA A100-SXM4-40GB MIG 1g.5gb"
        assert client.ask("nvmlDeviceIsMigDeviceHandle(mig(0, 1))") == 1
        memory = client.ask(f"nvmlDeviceGetMemoryInfo(by_uuid({small.uuid!r}))")
        assert (memory["total"], memory["used"]) == (4864 * MIB, 700 * MIB)
        whole = client.ask("nvmlDeviceGetMemoryInfo(gpu(0), nvmlMemory_v2)")
        assert whole["used"] == 700 * MIB
        attributes = client.ask("nvmlDeviceGetAttributes_v2(mig(0, 0))")
        assert (attributes["multiprocessorCount"], attributes["memorySizeMB"]) == (28, 9856)
        assert client.ask("nvmlDeviceGetGpuInstanceId(mig(0, 1))") == small.gpu_instance
        assert client.ask("nvmlDeviceGetComputeInstanceId(mig(0, 1))") == 0
        parent_of = "nvmlDeviceGetDeviceHandleFromMigDeviceHandle(mig(0, 1))"
        assert client.ask(f"nvmlDeviceGetUUID({parent_of})") == parent.uuid
        listed = "[(p.pid, p.gpuInstanceId) for p in nvmlDeviceGetComputeRunningProcesses({})]"
        assert client.ask(listed.format("mig(0, 1)")) == [[9, small.gpu_instance]]
        assert client.ask(listed.format("gpu(0)")) == [[9, small.gpu_instance]]
        assert client.ask(listed.format("mig(0, 0)")) == []
        for handle in ("gpu(0)", "mig(0, 1)"):
            error = client.error_of(f"nvmlDeviceGetUtilizationRates({handle})")
            assert error == pynvml.NVML_ERROR_NOT_SUPPORTED


def test_a_slice_is_seen_only_with_both_its_nodes(host):
    host.create(Gpu.of_model("A100", slices=["2g.10gb", "1g.5gb"]))
    first, second = host.simulator.gpu(0).slices
    host.hide(f"nvidia-caps/nvidia-cap{first.compute_instance_capability}")
    with host.client() as client:
        assert client.ask("nvmlDeviceGetUUID(mig(0, 0))") == second.uuid
        assert client.ask("nvmlDeviceGetIndex(mig(0, 0))") == 0
        assert client.error_of("mig(0, 1)") == pynvml.NVML_ERROR_NOT_FOUND
        assert client.error_of(f"by_uuid({first.uuid!r})") == pynvml.NVML_ERROR_NOT_FOUND


def test_with_mig_off_there_are_no_slices(host):
    host.create(Gpu.of_model("A100", slices=["1g.5gb"]))
    piece = host.simulator.gpu(0).slices[0]
    host.simulator.update(0, mig=False)
    with host.client() as client:
        assert client.error_of("mig(0, 0)") == pynvml.NVML_ERROR_NOT_FOUND
        assert client.error_of(f"by_uuid({piece.uuid!r})") == pynvml.NVML_ERROR_NOT_FOUND
        assert client.ask("nvmlDeviceGetUtilizationRates(gpu(0)).gpu") == 0


# --- the binary interface ---

STRUCTS = {
    "nvmlPciInfo_t": "nvmlPciInfo_t",
    "nvmlPciInfo_v2_t": "nvmlPciInfo_v2_t",
    "nvmlPciInfoExt_v1_t": "nvmlPciInfoExt_v1_t",
    "nvmlMemory_t": "c_nvmlMemory_t",
    "nvmlMemory_v2_t": "c_nvmlMemory_v2_t",
    "nvmlBAR1Memory_t": "c_nvmlBAR1Memory_t",
    "nvmlUtilization_t": "c_nvmlUtilization_t",
    "nvmlTemperature_v1_t": "c_nvmlTemperature_v1_t",
    "nvmlProcessInfo_v2_t": "c_nvmlProcessInfo_v2_t",
    "nvmlProcessDetail_v1_t": "c_nvmlProcessDetail_v1_t",
    "nvmlProcessDetailList_v1_t": "c_nvmlProcessDetailList_v1_t",
    "nvmlProcessUtilizationSample_t": "c_nvmlProcessUtilizationSample_t",
    "nvmlDeviceAttributes_t": "c_nvmlDeviceAttributes",
    "nvmlEccErrorCounts_t": "c_nvmlEccErrorCounts_t",
    "nvmlRowRemapperHistogramValues_t": "c_nvmlRowRemapperHistogramValues",
    "nvmlValue_t": "c_nvmlValue_t",
    "nvmlFieldValue_t": "c_nvmlFieldValue_t",
    "nvmlViolationTime_t": "c_nvmlViolationTime_t",
}


def test_structs_have_the_layout_that_nvidia_ml_py_expects(tmp_path):
    lines, expected = [], {}
    for ours, theirs in STRUCTS.items():
        struct = getattr(pynvml, theirs)
        expected[ours] = ctypes.sizeof(struct)
        lines.append(f'printf("\\"{ours}\\": %zu,", sizeof({ours}));')
        for name, *_ in struct._fields_:
            member = name.strip("_")
            expected[f"{ours}.{name}"] = getattr(struct, name).offset
            field = f"{ours}.{name}"
            if member.startswith("reserved") and member != "reserved":
                member = f"reserved[{member.removeprefix('reserved')}]"
            lines.append(f'printf("\\"{field}\\": %zu,", offsetof({ours}, {member}));')
    source = tmp_path / "layout.c"
    body = (
        '#include <stddef.h>\n#include <stdio.h>\n#include "abi.h"\nint main(void) {\nputs("{");\n'
    )
    source.write_text(body + "\n".join(lines) + '\nputs("\\"\\": 0}");\nreturn 0;\n}\n')
    program = tmp_path / "layout"
    subprocess.run(["cc", f"-I{SOURCES}", str(source), "-o", str(program)], check=True)
    printed = subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout
    layout = json.loads(printed)
    layout.pop("")
    assert layout == expected


def test_the_library_compiles_without_a_warning(tmp_path):
    build_library(("-Werror", "-Wpedantic", "-Wno-variadic-macros"), cache=tmp_path)


def test_threads_read_whole_states_while_it_changes(host):
    host.create(Gpu.of_model("A100"), Gpu.of_model("L4"))
    reader = subprocess.Popen(
        [sys.executable, str(CHECKS / "read_in_threads.py")],
        env=os.environ | host.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    turn = 0
    while reader.poll() is None:
        turn += 1
        step = turn % 51
        processes = [Process(pid, pid) for pid in range(1, step)]
        for index in (0, 1):
            host.simulator.update(
                index, memory_used_mib=10 * step, utilization=step, processes=processes
            )
    printed, _ = reader.communicate()
    seen, bad = printed.split(maxsplit=1)
    assert bad.strip() == "[]"
    assert int(seen) > 3
    assert reader.returncode == 0


def test_calls_are_counted_over_all_processes(host, tmp_path):
    host.create(Gpu.of_model("A100"))
    host.environment["GPUDOCK_SIMULATOR_CALLS"] = str(tmp_path / "calls")
    assert read_calls(tmp_path / "calls") == {}
    for _ in range(2):
        with host.client() as client:
            client.ask("[nvmlDeviceGetPowerUsage(gpu(0)) for _ in range(5)]")
    calls = read_calls(tmp_path / "calls")
    assert calls["nvmlDeviceGetPowerUsage"] == 10
    assert calls["nvmlInitWithFlags"] == 2


# --- the state file, from Python ---


def test_a_state_is_read_back_as_it_was_written(tmp_path):
    gpus = [
        Gpu.of_model("A100", slices=["1g.5gb"], fan=None, throttle=("sw_power_cap", "hw_thermal")),
        Gpu.of_model("RTX 4090", 1, lively=True, processes=(Process(7, None, "a  b = c"),)),
    ]
    simulator = Simulator(tmp_path).create(gpus)
    simulator.update_system(slow={"*": 1.5, "nvmlInit_v2": 20}, fault="unknown", hang="all")
    assert simulator.gpus == gpus
    system = simulator.system
    assert (system.slow, system.fault) == ({"*": 1.5, "nvmlInit_v2": 20}, "unknown")
    assert system.hang == "all"


def test_gpus_that_share_an_index_are_numbered(tmp_path):
    simulator = Simulator(tmp_path).create([Gpu.of_model("A100", slices=["1g.5gb"])] * 1)
    first = simulator.gpu(0)
    simulator.create([Gpu.of_model("L4"), first])
    moved = simulator.gpu(1)
    assert moved.uuid == first.uuid
    assert moved.pci_bus_id != first.pci_bus_id
    assert not set(node_names(moved)) & set(node_names(first))


@pytest.mark.parametrize(
    "changes",
    [
        {"utilisation": 4},
        {"utilization": "fast"},
        {"utilization": float("nan")},
        {"fault": "tired"},
        {"name": "two\nlines"},
        {"name": "A" * 200},
        {"ecc": "on"},
        {"throttle": ("boredom",)},
        {"processes": [Process(1, 1, "x", "compiling")]},
    ],
)
def test_a_bad_change_is_refused_and_changes_nothing(tmp_path, changes):
    simulator = Simulator(tmp_path).create([Gpu.of_model("A100")])
    before = simulator.state_file.read_bytes()
    with pytest.raises(SimulatorError):
        simulator.update(0, **changes)
    assert simulator.state_file.read_bytes() == before


def test_the_documented_state_file_is_one_that_works(host):
    example = (SOURCES.parent / "README.md").read_text().split("```\n[system]")[1].split("```")[0]
    host.create()
    host.simulator.state_file.write_text(f"[system]{example}")
    for node in ("nvidia0", "nvidia-caps/nvidia-cap66", "nvidia-caps/nvidia-cap67"):
        host.show(node)
    piece = host.simulator.gpu(0).slices[0]
    with host.client() as client:
        assert client.ask("nvmlDeviceGetUUID(mig(0, 0))") == piece.uuid
        assert client.ask("nvmlSystemGetProcessName(4712)") == "python serve.py"


def test_every_field_of_a_gpu_is_documented():
    text = (SOURCES.parent / "README.md").read_text()
    table = text.split("| keys of a GPU")[1].split("\n\n")[0]
    fields = {each.name for each in dataclasses.fields(Gpu)} - {
        "index",
        "fault",
        "processes",
        "slices",
    }
    words = set(re.findall(r"`(\w+)`", table))
    with_max = {"clock_graphics", "clock_sm", "clock_memory", "clock_video"}
    with_max |= {"pcie_generation", "pcie_width"}
    documented = words | {f"{name}_max" for name in with_max}
    assert fields <= documented


def test_what_a_person_got_wrong_is_named_with_its_line():
    with pytest.raises(SimulatorError, match="Line 2"):
        text_format.parse("[gpu 0]\nfan = fast\n")


def test_an_unknown_model_or_profile_is_refused_with_what_there_is():
    with pytest.raises(SimulatorError, match="RTX 4090"):
        Gpu.of_model("GTX 970")
    with pytest.raises(SimulatorError, match=r"1g\.5gb"):
        Gpu.of_model("A100", slices=["1g.10gb"])
    with pytest.raises(SimulatorError, match="no room"):
        Gpu.of_model("A100", slices=["4g.20gb", "4g.20gb"])


# --- installing ---

needs_mknod = pytest.mark.skipif(os.geteuid() != 0, reason="device nodes need root")


def snapshot(*directories: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path): (path.stat().st_mtime_ns, path.stat().st_ino)
        for directory in directories
        for path in directory.rglob("*")
        if not path.is_dir() and path.name != ".lock"
    }


@needs_mknod
def test_a_second_install_changes_nothing(tmp_path):
    prefix, specs = tmp_path / "gpus", tmp_path / "cdi"
    assert install(prefix, specs, 3, ["A100", "L4"]).changed
    before = snapshot(prefix, specs)
    assert not install(prefix, specs, 3, ["A100", "L4"]).changed
    assert snapshot(prefix, specs) == before


@needs_mknod
def test_another_number_keeps_the_uuids_of_those_that_stay(tmp_path):
    prefix, specs = tmp_path / "gpus", tmp_path / "cdi"
    four = install(prefix, specs, 4).simulator.gpus
    assert install(prefix, specs, 2).changed
    two = Simulator(prefix / "state").gpus
    assert two == four[:2]
    nodes = {path.name for path in (prefix / "dev").iterdir()}
    assert nodes == {
        "nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-caps",
    }  # fmt: skip


@needs_mknod
def test_the_specification_offers_gpus_and_slices_as_nvidia_ctk_does(tmp_path):
    prefix = tmp_path / "gpus"
    gpus = [Gpu.of_model("A100", slices=["1g.5gb"]), Gpu.of_model("L4", 1)]
    smi = tmp_path / "nvidia-smi"
    smi.write_text("#!/bin/sh\n")
    done = install(prefix, tmp_path / "cdi", gpus, nvidia_smi=smi)
    specification = json.loads(done.specification.read_text())
    assert specification["kind"] == "nvidia.com/gpu"
    devices = {each["name"]: each["containerEdits"] for each in specification["devices"]}
    piece = gpus[0].slices[0]
    assert list(devices) == ["0", gpus[0].uuid, "0:0", piece.uuid, "1", gpus[1].uuid, "all"]

    def paths(name):
        return [node["path"] for node in devices[name]["deviceNodes"]]

    caps = [
        f"/dev/nvidia-caps/nvidia-cap{number}"
        for number in (piece.gpu_instance_capability, piece.compute_instance_capability)
    ]
    assert paths(gpus[1].uuid) == ["/dev/nvidia1"]
    assert paths(piece.uuid) == paths("0:0") == ["/dev/nvidia0", *caps]
    assert paths("all") == ["/dev/nvidia0", *caps, "/dev/nvidia1"]
    edits = specification["containerEdits"]
    assert edits["env"] == ["NVIDIA_VISIBLE_DEVICES=void"]
    for node in [*edits["deviceNodes"], *devices["all"]["deviceNodes"]]:
        assert Path(node["hostPath"]).is_char_device(), node
    for mount in edits["mounts"]:
        assert Path(mount["hostPath"]).exists()
        assert "ro" in mount["options"]
    targets = [mount["containerPath"] for mount in edits["mounts"]]
    assert targets[0].endswith("-linux-gnu/libnvidia-ml.so.1")
    assert targets[1:] == ["/run/gpudock-simulator", "/usr/bin/nvidia-smi"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("nvidia.yaml", "---\ncdiVersion: 0.5.0\nkind: nvidia.com/gpu\ndevices: []\n"),
        ("nvidia.yml", 'kind: "nvidia.com/gpu"\n'),
        ("nvidia.json", '{"cdiVersion": "0.5.0", "kind": "nvidia.com/gpu", "devices": []}'),
    ],
)
def test_real_gpus_are_not_replaced_by_pretend_ones(tmp_path, name, text):
    (tmp_path / "cdi").mkdir()
    (tmp_path / "cdi" / name).write_text(text)
    with pytest.raises(SimulatorError, match=name):
        install(tmp_path / "gpus", tmp_path / "cdi", 1)
    assert not (tmp_path / "gpus").exists()


@needs_mknod
def test_other_pretend_gpus_are_neither_replaced_nor_removed(tmp_path):
    specs = tmp_path / "cdi"
    first = install(tmp_path / "one", specs, 1)
    before = first.specification.read_bytes()
    with pytest.raises(SimulatorError, match="uninstall those first"):
        install(tmp_path / "two", specs, 1)
    uninstall(tmp_path / "two", specs)
    assert first.specification.read_bytes() == before
    uninstall(tmp_path / "one", specs)
    assert install(tmp_path / "two", specs, 1).changed


@needs_mknod
def test_users_in_containers_can_read_the_state_whatever_the_umask(tmp_path):
    before = os.umask(0o077)
    try:
        done = install(tmp_path / "gpus", tmp_path / "cdi", 1)
        done.simulator.update(0, fan=3)
    finally:
        os.umask(before)
    assert done.simulator.directory.stat().st_mode & 0o777 == 0o755
    assert done.simulator.state_file.stat().st_mode & 0o777 == 0o644
    assert done.library.stat().st_mode & 0o777 == 0o644


def test_what_was_never_created_is_said_so(tmp_path):
    for attempt in (lambda s: s.gpus, lambda s: s.update(0, fan=3)):
        with pytest.raises(SimulatorError, match="no pretend GPUs at"):
            attempt(Simulator(tmp_path / "nowhere"))


@needs_mknod
def test_the_command_line_installs_changes_shows_and_removes(tmp_path):
    prefix, specs = tmp_path / "gpus", tmp_path / "cdi"
    (specs).mkdir()
    (specs / "other.json").write_text('{"kind": "vendor.com/nic"}')

    def run(command, *arguments):
        return subprocess.run(
            [sys.executable, "-m", "simulator", command, "--prefix", str(prefix), *arguments],
            cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False,
        )  # fmt: skip

    where = ["--cdi-dir", str(specs)]
    assert run("install", *where, "--gpus", "2", "--model", "H100").returncode == 0
    assert run("set", "1", "utilization=wave 5 95 10", "fault=lost").returncode == 0
    gpu = Simulator(prefix / "state").gpu(1)
    assert (gpu.utilization, gpu.fault) == (Wave(5, 95, 10), "lost")
    assert f"GPU 1: NVIDIA H100 80GB HBM3 (UUID: {gpu.uuid}), fault: lost" in run("show").stdout
    refused = run("set", "7", "utilization=3")
    assert refused.returncode == 1
    assert "no pretend GPU 7" in refused.stderr
    assert run("uninstall", *where).returncode == 0
    assert not prefix.exists()
    assert [path.name for path in specs.iterdir()] == ["other.json"]
    uninstall(prefix, specs)  # again: nothing to do


# --- NVIDIA's own nvidia-smi ---


@pytest.fixture(scope="session")
def nvidia_smi() -> Path:
    try:
        return fetch_nvidia_smi()
    except SimulatorError as error:
        pytest.skip(str(error))


@pytest.fixture
def smi(host, nvidia_smi):
    host.create(
        Gpu.of_model("A100", utilization=87, memory_used_mib=30000, power=301.25, temperature=61,
                     processes=(Process(4711, 29000, "python train.py"),)),
        Gpu.of_model("RTX 4090", fan=44),
        Gpu.of_model("A100", slices=["2g.10gb", "1g.5gb"]),
    )  # fmt: skip

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [str(nvidia_smi), *arguments], env=os.environ | host.environment,
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        return done.stdout + done.stderr

    return run


def test_nvidia_smi_lists_gpus_and_slices(host, smi):
    busy, card, parted = host.simulator.gpus
    big, small = parted.slices
    assert [" ".join(line.split()) for line in smi("-L").splitlines()] == [
        f"GPU 0: NVIDIA A100-SXM4-40GB (UUID: {busy.uuid})",
        f"GPU 1: NVIDIA GeForce RTX 4090 (UUID: {card.uuid})",
        f"GPU 2: NVIDIA A100-SXM4-40GB (UUID: {parted.uuid})",
        f"MIG 2g.10gb Device 0: (UUID: {big.uuid})",
        f"MIG 1g.5gb Device 1: (UUID: {small.uuid})",
    ]


def test_nvidia_smi_queries_what_the_state_says(host, smi):
    fields = "index,uuid,name,memory.total,memory.used,utilization.gpu,temperature.gpu,power.draw"
    _, first, second, third = smi(f"--query-gpu={fields}", "--format=csv").splitlines()
    busy, card, _ = host.simulator.gpus
    assert first == (
        f"0, {busy.uuid}, NVIDIA A100-SXM4-40GB, 40960 MiB, 30000 MiB, 87 %, 61, 301.25 W"
    )
    assert second == (
        f"1, {card.uuid}, NVIDIA GeForce RTX 4090, 24564 MiB, 0 MiB, 0 %, 34, 21.00 W"
    )
    assert third.split(", ")[5] == "[N/A]"  # no utilisation in MIG mode
    processes = smi("--query-compute-apps=pid,name,used_memory,gpu_uuid", "--format=csv,noheader")
    assert processes.strip() == f"4711, python train.py, 29000 MiB, {busy.uuid}"


def test_nvidia_smi_draws_its_table(smi):
    rows = [" ".join(line.split()) for line in smi().splitlines()]
    assert any(
        "NVIDIA-SMI 550.163.01 Driver Version: 550.163.01 CUDA Version: 12.4" in row for row in rows
    )
    assert "| N/A 61C P0 301W / 400W | 30000MiB / 40960MiB | 87% Default |" in rows
    assert "| 44% 34C P0 21W / 450W | 0MiB / 24564MiB | 0% Default |" in rows
    assert "| 2 3 0 0 | 0MiB / 9856MiB | 28 N/A | 2 0 1 0 0 |" in rows
    assert "| 0 N/A N/A 4711 C python train.py 29000MiB |" in rows


def test_nvidia_smi_writes_its_full_report(host, smi):
    report = ET.fromstring(smi("-q", "-x").split("?>", 1)[1].split(">", 1)[1])
    assert report.findtext("attached_gpus") == "3"
    for gpu, element in zip(host.simulator.gpus, report.findall("gpu"), strict=True):
        assert element.findtext("uuid") == gpu.uuid
        assert element.findtext("serial") == gpu.serial
        assert element.get("id") == gpu.pci_bus_id
        assert element.findtext("minor_number") == str(gpu.index)
        assert element.findtext("fb_memory_usage/total") == f"{gpu.memory_total_mib} MiB"
        assert (
            element.findtext("gpu_power_readings/max_power_limit") == f"{gpu.power_limit_max:.2f} W"
        )
        assert element.findtext("max_clocks/sm_clock") == f"{gpu.clock_sm_max} MHz"
        assert element.findtext("temperature/gpu_temp") == f"{gpu.temperature} C"
        assert len(element.findall("mig_devices/mig_device")) == len(gpu.slices)


def test_nvidia_smi_names_each_fault(host, smi):
    host.simulator.update(0, fault="lost")
    assert "GPU is lost" in smi()
    host.simulator.update(0, fault="unknown")
    assert "Unknown Error" in smi()
    host.simulator.update_system(fault="version_mismatch")
    assert "Driver/library version mismatch" in smi()
    host.simulator.update_system(fault="driver_not_loaded")
    assert "couldn't communicate with the NVIDIA driver" in smi()


def test_nvidia_smi_says_that_there_is_no_gpu(host, smi):
    for path in host.devices.glob("nvidia?"):
        path.unlink()
    assert "No devices were found" in smi()
