"""NVIDIA's own nvidia-smi reads the simulated GPUs as real ones."""

import os
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from simulator import (
    Gpu,
    Process,
    SimulatorError,
)
from simulator.nvidia_smi import fetch_nvidia_smi


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
    assert third.split(", ")[5] == "[N/A]"  # no utilization in MIG mode
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
