"""Checks of the server itself: NVIDIA's driver and container toolkit, memory, disk.

Why these versions are the minimum:

* Driver 525.60.13: the first for CUDA 12.x on Linux ("CUDA Compatibility", minor version
  compatibility).
* NVIDIA Container Toolkit 1.17.8: containers can escape from earlier ones (CVE-2025-23266).
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gpudock.config.remedies import GENERATE_CDI
from gpudock.config.settings import contradictions
from gpudock.doctor.finding import Finding, hint, ok, problem, unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gpudock.config.settings import Settings

MIN_DRIVER = (525, 60, 13)
MIN_TOOLKIT = (1, 17, 8)

_GIB = 2**30
_LOW_DISK = 20 * _GIB
_MIN_DISK = 2 * _GIB
_TIMEOUT_SECONDS = 20.0
_VERSION = re.compile(r"\d+(?:\.\d+)+")
_MODULE_VERSION = re.compile(r"Kernel Module[^\d]*(\d+(?:\.\d+)+)")
_LIBRARY_VERSION = re.compile(r"libcuda\.so\.(\d+\.[\d.]*\d)")
# PCI classes "VGA compatible controller" and "3D controller", and NVIDIA's vendor id.
_DISPLAY_CLASSES = ("0x0300", "0x0302")
_NVIDIA_VENDOR = "0x10de"


def run_command(command: Sequence[str]) -> str | None:
    """Return the output of a command, errors included; ``None`` if there is no such command."""
    try:
        done = subprocess.run(
            list(command), capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False
        )
    except (FileNotFoundError, PermissionError):
        return None
    except subprocess.TimeoutExpired:
        return f"{command[0]} did not finish within {_TIMEOUT_SECONDS:.0f} s"
    return done.stdout + done.stderr


@dataclass(frozen=True)
class Host:
    """The server, as the checks see it.

    Attributes:
        root: the root of the file system.
        run: runs a command, as :func:`run_command` does.
    """

    root: Path = field(default_factory=lambda: Path("/"))
    run: Callable[[Sequence[str]], str | None] = run_command

    def text(self, path: str) -> str | None:
        """Return the text of a file; ``None`` if it cannot be read."""
        try:
            return (self.root / path).read_text(errors="replace")
        except OSError:
            return None

    @property
    def has_gpus(self) -> bool:
        """Whether the server has an NVIDIA GPU, or its driver is loaded."""
        if (self.root / "proc/driver/nvidia/version").exists():
            return True
        devices = self.root / "sys/bus/pci/devices"
        return devices.is_dir() and any(_is_nvidia_gpu(device) for device in devices.iterdir())


def _is_nvidia_gpu(device: Path) -> bool:
    try:
        vendor = (device / "vendor").read_text().strip()
        kind = (device / "class").read_text().strip()
    except OSError:
        return False
    return vendor == _NVIDIA_VENDOR and kind.startswith(_DISPLAY_CLASSES)


def examine_host(host: Host) -> list[Finding]:
    """Check driver, toolkit and CDI specification."""
    if not host.has_gpus:
        return [ok("driver", "This server has no NVIDIA GPU; the lab's servers run on the CPU.")]
    return [*_driver(host), *_toolkit(host), *_specification(host)]


def examine_disk(free: int, total: int, where: str) -> Finding:
    """Check the free space for images, containers and workspaces.

    Args:
        free: bytes.
        total: bytes.
        where: a folder on the disk.
    """
    text = f"{free / _GIB:.0f} of {total / _GIB:.0f} GiB are free in {where}."
    remedy = '"docker system df" shows what Docker uses; "docker builder prune" removes old layers.'
    if free < _MIN_DISK:
        return problem("disk", f"{text} Servers and notebooks will soon fail.", remedy)
    if free < _LOW_DISK:
        return hint(
            "disk", f"{text} An image needs 7 GiB, and users need space for their files.", remedy
        )
    return ok("disk", text)


def examine_folder(folder: Path) -> Finding:
    """Check the disk of a folder."""
    try:
        usage = shutil.disk_usage(folder)
    except OSError as error:
        return unknown("disk", f"{folder} cannot be read: {error.strerror}.")
    return examine_disk(usage.free, usage.total, str(folder))


def examine_memory(host_mib: int, gpus: int, limit_mib: int | None, shm_mib: int) -> list[Finding]:
    """Check that the server has the memory that containers may use.

    Args:
        host_mib: the server's memory, MiB.
        gpus: number of GPUs, which is the number of sessions with a GPU that may run at once.
        limit_mib: the limit of each container, MiB; ``None``: no limit.
        shm_mib: the size of each container's ``/dev/shm``, MiB; its content counts as memory.
    """
    sessions = max(gpus, 1)
    findings = []
    if limit_mib is None:
        findings.append(
            hint(
                "memory",
                "Containers have no memory limit: one notebook can take all memory.",
                "Set GPUDOCK_MEMORY_LIMIT to auto or a size.",
            )
        )
    elif limit_mib * sessions > host_mib:
        findings.append(
            hint(
                "memory",
                f"{sessions} sessions of {limit_mib} MiB may need {limit_mib * sessions} MiB, but"
                f" the server has {host_mib} MiB.",
                "Set GPUDOCK_MEMORY_LIMIT to auto or a lower size.",
            )
        )
    else:
        findings.append(ok("memory", f"Each session may use {limit_mib} of {host_mib} MiB."))
    if shm_mib < 1024:
        findings.append(
            hint(
                "shared memory",
                f"Each container has {shm_mib} MiB. PyTorch's DataLoader workers pass batches"
                ' through /dev/shm and fail with "bus error" when it is full.',
                "Set GPUDOCK_SHM_SIZE to 8G, and GPUDOCK_MEMORY_LIMIT to twice that or more.",
            )
        )
    else:
        findings.append(ok("shared memory", f"Each container has {shm_mib} MiB."))
    return findings


def _driver(host: Host) -> list[Finding]:
    loaded = _loaded_driver(host)
    if loaded is None:
        return [
            problem(
                "driver",
                "The server has an NVIDIA GPU, but no NVIDIA driver is loaded.",
                "Install your distribution's driver, 525.60.13 or newer, and reboot.",
            )
        ]
    if _numbers(loaded) < MIN_DRIVER:
        return [
            problem(
                "driver",
                f"Driver {loaded} is too old for CUDA 12, which PyTorch 2.6 needs.",
                "Install 525.60.13 or newer and reboot.",
            )
        ]
    output = host.run(["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"])
    if output is None:
        return [ok("driver", f"NVIDIA driver {loaded} is loaded.")]
    if "mismatch" in output:
        return [
            problem(
                "driver",
                f"The driver was upgraded, but {loaded} is still loaded: {_first_line(output)}",
                "End all sessions and reboot, or unload and load the nvidia modules.",
            )
        ]
    if _VERSION.match(output) is None:
        return [
            problem(
                "driver",
                f"nvidia-smi fails: {_first_line(output)}",
                'Find the cause with "dmesg | grep -i -e nvrm -e xid"; often a reboot helps.',
            )
        ]
    return [ok("driver", f"NVIDIA driver {loaded} is loaded and works."), *_persistence(host)]


def _loaded_driver(host: Host) -> str | None:
    found = _MODULE_VERSION.search(host.text("proc/driver/nvidia/version") or "")
    return found.group(1) if found else None


def _persistence(host: Host) -> list[Finding]:
    output = host.run(["nvidia-smi", "--query-gpu=persistence_mode", "--format=csv,noheader"])
    if output is None or "Disabled" not in output:
        return []
    return [
        hint(
            "persistence",
            "Persistence mode is off: the first use of an idle GPU takes seconds.",
            "Enable the nvidia-persistenced service.",
        )
    ]


def _toolkit(host: Host) -> list[Finding]:
    output = host.run(["nvidia-ctk", "--version"])
    found = _VERSION.search(output or "")
    if output is None or found is None:
        return [
            problem(
                "toolkit",
                "The NVIDIA Container Toolkit (nvidia-ctk) is not installed.",
                "Install 1.17.8 or newer; see NVIDIA's installation guide.",
            )
        ]
    if _numbers(found.group()) < MIN_TOOLKIT:
        return [
            problem(
                "toolkit",
                f"NVIDIA Container Toolkit {found.group()} lets containers escape to the host"
                " (CVE-2025-23266).",
                "Upgrade it to 1.17.8 or newer.",
            )
        ]
    return [ok("toolkit", f"NVIDIA Container Toolkit {found.group()}.")]


def _specification(host: Host) -> list[Finding]:
    files = [
        path
        for folder in ("etc/cdi", "var/run/cdi")
        for path in sorted((host.root / folder).glob("*"))
        if path.suffix in (".yaml", ".json") and "nvidia.com/gpu" in _read(path)
    ]
    if not files:
        return [
            hint(
                "CDI file",
                "There is no CDI specification for the GPUs; gpudock uses the NVIDIA runtime.",
                f'Run "{GENERATE_CDI}".',
            )
        ]
    loaded = _loaded_driver(host)
    # Names of libraries contain the driver's version: libcuda.so.550.54.15.
    versions = {version for path in files for version in _LIBRARY_VERSION.findall(_read(path))}
    if loaded is not None and versions and loaded not in versions:
        return [
            problem(
                "CDI file",
                f"The CDI specification is for driver {', '.join(sorted(versions))}, but {loaded}"
                " is loaded: containers with a GPU will not start.",
                f'Run "{GENERATE_CDI}" again.',
            )
        ]
    return [ok("CDI file", f"The GPUs are described in {', '.join(map(str, files))}.")]


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def examine_environment(settings: Settings, environ: Mapping[str, str]) -> list[Finding]:
    """Check that no setting cancels another.

    Args:
        settings: the settings.
        environ: where they come from.
    """
    found = contradictions(settings, environ)
    if not found:
        return [ok("settings", "All settings are valid.")]
    return [
        hint("settings", text, 'Change one of them in .env and run "make up".') for text in found
    ]
