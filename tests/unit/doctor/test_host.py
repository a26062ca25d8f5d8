"""The findings of ``make doctor`` about a server with fake files and commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gpudock.doctor.finding import Level
from gpudock.doctor.host import (
    Host,
    examine_disk,
    examine_folder,
    examine_host,
    examine_memory,
    run_command,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_MODULE = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  {}  Tue Jan 1 00:00:00 UTC 2026\n"
_SPECIFICATION = """\
kind: nvidia.com/gpu
containerEdits:
  mounts:
  - containerPath: /usr/lib/x86_64-linux-gnu/libcuda.so.{}
"""
_GIB = 2**30


class Server:
    """A server with fake files and commands."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.commands = {
            "nvidia-smi --query-gpu=driver_version --format=csv,noheader": "550.54.15\n",
            "nvidia-smi --query-gpu=persistence_mode --format=csv,noheader": "Enabled\n",
            "nvidia-ctk --version": "NVIDIA Container Toolkit CLI version 1.17.8\n",
        }
        self.write("proc/driver/nvidia/version", _MODULE.format("550.54.15"))
        self.write("etc/cdi/nvidia.yaml", _SPECIFICATION.format("550.54.15"))

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def run(self, command: Sequence[str]) -> str | None:
        return self.commands.get(" ".join(command))

    def findings(self, about: str | None = None):
        found = examine_host(Host(self.root, self.run))
        return [finding for finding in found if about in (None, finding.about)]


@pytest.fixture
def server(tmp_path):
    return Server(tmp_path)


def test_a_healthy_server_needs_no_fix(server):
    assert {finding.level for finding in server.findings()} == {Level.OK}


def test_a_server_without_a_gpu_is_healthy(tmp_path):
    (finding,) = examine_host(Host(tmp_path, lambda _command: None))
    assert finding.level is Level.OK
    assert "no NVIDIA GPU" in finding.text


def test_a_gpu_without_a_driver_is_found_on_the_bus(tmp_path):
    device = tmp_path / "sys/bus/pci/devices/0000:01:00.0"
    device.mkdir(parents=True)
    (device / "vendor").write_text("0x10de\n")
    (device / "class").write_text("0x030200\n")
    findings = examine_host(Host(tmp_path, lambda _command: None))
    driver = next(finding for finding in findings if finding.about == "driver")
    assert driver.level is Level.PROBLEM
    assert "no NVIDIA driver is loaded" in driver.text


def test_an_audio_device_of_the_same_vendor_is_not_a_gpu(tmp_path):
    device = tmp_path / "sys/bus/pci/devices/0000:01:00.1"
    device.mkdir(parents=True)
    (device / "vendor").write_text("0x10de\n")
    (device / "class").write_text("0x040300\n")
    assert not Host(tmp_path).has_gpus


def test_a_driver_that_is_too_old_for_cuda_12(server):
    server.write("proc/driver/nvidia/version", _MODULE.format("470.256.02"))
    (finding,) = server.findings("driver")
    assert (finding.level, "too old" in finding.text) == (Level.PROBLEM, True)


def test_a_driver_that_was_upgraded_but_not_reloaded(server):
    server.commands["nvidia-smi --query-gpu=driver_version --format=csv,noheader"] = (
        "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 560.35\n"
    )
    (finding,) = server.findings("driver")
    assert finding.level is Level.PROBLEM
    assert "550.54.15 is still loaded" in finding.text


def test_a_driver_that_does_not_answer(server):
    server.commands["nvidia-smi --query-gpu=driver_version --format=csv,noheader"] = (
        "Unable to determine the device handle for GPU0000:01:00.0: Unknown Error\n"
    )
    (finding,) = server.findings("driver")
    assert finding.level is Level.PROBLEM
    assert "Unknown Error" in finding.text


def test_persistence_mode_off_is_a_hint(server):
    server.commands["nvidia-smi --query-gpu=persistence_mode --format=csv,noheader"] = "Disabled\n"
    (finding,) = server.findings("persistence")
    assert finding.level is Level.HINT


@pytest.mark.parametrize(
    ("said", "word"),
    [
        (None, "is not installed"),
        ("NVIDIA Container Toolkit CLI version 1.17.7\n", "escape"),
        ("command failed\n", "is not installed"),
    ],
)
def test_the_container_toolkit(server, said, word):
    server.commands["nvidia-ctk --version"] = said
    (finding,) = server.findings("toolkit")
    assert finding.level is Level.PROBLEM
    assert word in finding.text


def test_a_cdi_specification_of_a_former_driver(server):
    server.write("etc/cdi/nvidia.yaml", _SPECIFICATION.format("535.129.03"))
    (finding,) = server.findings("CDI file")
    assert finding.level is Level.PROBLEM
    assert "535.129.03" in finding.text


def test_no_cdi_specification(server):
    server.write("etc/cdi/nvidia.yaml", "kind: vendor.com/thing\n")
    (finding,) = server.findings("CDI file")
    assert finding.level is Level.HINT


@pytest.mark.parametrize(("free", "level"), [(1, Level.PROBLEM), (10, Level.HINT), (100, Level.OK)])
def test_disk(free, level):
    assert examine_disk(free * _GIB, 500 * _GIB, "/var/lib/docker").level is level


def test_a_missing_folder_is_unknown(tmp_path):
    assert examine_folder(tmp_path / "none").level is Level.UNKNOWN


@pytest.mark.parametrize(
    ("limit", "shm", "levels"),
    [
        (16_000, 8_000, (Level.OK, Level.OK)),
        (None, 8_000, (Level.HINT, Level.OK)),
        (40_000, 8_000, (Level.HINT, Level.OK)),
        (1_500, 750, (Level.OK, Level.HINT)),
    ],
)
def test_memory(limit, shm, levels):
    findings = examine_memory(64_000, 4, limit, shm)
    assert tuple(finding.level for finding in findings) == levels


def test_a_missing_command_and_one_that_fails():
    assert run_command(["gpudock-no-such-command"]) is None
    assert "No such file" in (run_command(["ls", "/no/such/folder"]) or "")
