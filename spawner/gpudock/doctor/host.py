"""The server itself: NVIDIA's driver and container toolkit, shared memory, disk.

The oldest versions that are accepted, and where they come from:

* Driver 525.60.13: the oldest of CUDA 12.x on Linux («CUDA Compatibility», table of minor version
  compatibility).
* NVIDIA Container Toolkit 1.17.8: containers could break out of earlier ones (CVE-2025-23266).
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gpudock.doctor.finding import Finding, hint, ok, problem, unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

OLDEST_DRIVER = (525, 60, 13)
OLDEST_TOOLKIT = (1, 17, 8)

_GIB = 2**30
_LOW_DISK = 20 * _GIB
_NO_DISK = 2 * _GIB
_SECONDS = 20.0
_VERSION = re.compile(r"\d+(?:\.\d+)+")
_MODULE_VERSION = re.compile(r"Kernel Module[^\d]*(\d+(?:\.\d+)+)")
_LIBRARY_VERSION = re.compile(r"libcuda\.so\.(\d+\.[\d.]*\d)")
# lspci's class «3D controller» or «VGA compatible controller», and NVIDIA's vendor number.
_DISPLAY_CLASSES = ("0x0300", "0x0302")
_NVIDIA_VENDOR = "0x10de"


def run_command(command: Sequence[str]) -> str | None:
    """Run a command; return what it printed, ``None`` where there is no such command.

    Of a command that fails, what it said about it is returned.
    """
    try:
        done = subprocess.run(
            list(command), capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (FileNotFoundError, PermissionError):
        return None
    except subprocess.TimeoutExpired:
        return f"{command[0]} gave no answer within {_SECONDS:.0f} s"
    return done.stdout + done.stderr


@dataclass(frozen=True)
class Host:
    """The server, as far as the checks look at it.

    Attributes:
        root: the root of its file system.
        run: runs a command, as :func:`run_command` does.
    """

    root: Path = field(default_factory=lambda: Path("/"))
    run: Callable[[Sequence[str]], str | None] = run_command

    def text(self, path: str) -> str | None:
        """Return a file's text; ``None`` where there is none that may be read."""
        try:
            return (self.root / path).read_text(errors="replace")
        except OSError:
            return None

    @property
    def has_gpus(self) -> bool:
        """Whether an NVIDIA GPU is plugged in, or its driver loaded."""
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
    """Examine driver, toolkit and CDI specification."""
    if not host.has_gpus:
        return [ok("driver", "This server has no NVIDIA GPU; the lab's servers run on the CPU.")]
    return [*_driver(host), *_toolkit(host), *_specification(host)]


def examine_disk(free: int, total: int, where: str) -> Finding:
    """Examine how much room is left for images, containers and workspaces.

    Args:
        free: how many bytes are free.
        total: how many bytes there are.
        where: the folder that they are about.
    """
    text = f"{free / _GIB:.0f} of {total / _GIB:.0f} GiB are free in {where}."
    remedy = "«docker system df» says what Docker uses; «docker builder prune» frees old layers."
    if free < _NO_DISK:
        return problem("disk", f"{text} Servers and notebooks are about to fail.", remedy)
    if free < _LOW_DISK:
        return hint("disk", f"{text} An image needs 7 GiB, and users' files grow.", remedy)
    return ok("disk", text)


def examine_folder(folder: Path) -> Finding:
    """Examine the disk that a folder is on."""
    try:
        usage = shutil.disk_usage(folder)
    except OSError as error:
        return unknown("disk", f"{folder} cannot be looked at: {error.strerror}.")
    return examine_disk(usage.free, usage.total, str(folder))


def examine_memory(host_mib: int, gpus: int, limit_mib: int | None, shm_mib: int) -> list[Finding]:
    """Examine whether the memory that is promised to containers is there.

    Args:
        host_mib: the server's memory, MiB.
        gpus: how many GPUs the lab has, so how many sessions with one may run at once.
        limit_mib: the limit of each container, MiB; ``None``: no limit.
        shm_mib: the size of each container's ``/dev/shm``, MiB; what is in it counts as memory.
    """
    sessions = max(gpus, 1)
    findings = []
    if limit_mib is None:
        findings.append(
            hint(
                "memory",
                "Containers have no memory limit: one notebook can take the memory of all.",
                "Set GPUDOCK_MEMORY_LIMIT to auto, or to a size.",
            )
        )
    elif limit_mib * sessions > host_mib:
        findings.append(
            hint(
                "memory",
                f"{sessions} sessions of {limit_mib} MiB may want {limit_mib * sessions} MiB, and"
                f" the server has {host_mib} MiB.",
                "Set GPUDOCK_MEMORY_LIMIT to auto, or lower.",
            )
        )
    else:
        findings.append(ok("memory", f"Each session may use {limit_mib} of {host_mib} MiB."))
    if shm_mib < 1024:
        findings.append(
            hint(
                "shared memory",
                f"Each container has {shm_mib} MiB of it. PyTorch's DataLoader workers hand batches"
                " over in /dev/shm and die with «bus error» when it is full.",
                "Set GPUDOCK_SHM_SIZE to 8G, and GPUDOCK_MEMORY_LIMIT to twice that or more.",
            )
        )
    else:
        findings.append(ok("shared memory", f"Each container has {shm_mib} MiB of it."))
    return findings


def _driver(host: Host) -> list[Finding]:
    loaded = _loaded_driver(host)
    if loaded is None:
        return [
            problem(
                "driver",
                "An NVIDIA GPU is plugged in, and no NVIDIA driver is loaded.",
                "Install the driver of your distribution, 525.60.13 or newer, and reboot.",
            )
        ]
    if _numbers(loaded) < OLDEST_DRIVER:
        return [
            problem(
                "driver",
                f"Driver {loaded} is too old for CUDA 12, which PyTorch 2.6 is built with.",
                "Install 525.60.13 or newer and reboot.",
            )
        ]
    said = host.run(["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"])
    if said is None:
        return [ok("driver", f"NVIDIA driver {loaded} is loaded.")]
    if "mismatch" in said:
        return [
            problem(
                "driver",
                f"The driver was upgraded, and {loaded} is still loaded: «{_first_line(said)}».",
                "End all sessions and reboot, or unload and load the nvidia modules.",
            )
        ]
    if _VERSION.match(said) is None:
        return [
            problem(
                "driver",
                f"nvidia-smi fails: «{_first_line(said)}».",
                "See «dmesg | grep -i -e nvrm -e xid» for the cause; often a reboot is needed.",
            )
        ]
    return [ok("driver", f"NVIDIA driver {loaded} is loaded and answers."), *_persistence(host)]


def _loaded_driver(host: Host) -> str | None:
    found = _MODULE_VERSION.search(host.text("proc/driver/nvidia/version") or "")
    return found.group(1) if found else None


def _persistence(host: Host) -> list[Finding]:
    said = host.run(["nvidia-smi", "--query-gpu=persistence_mode", "--format=csv,noheader"])
    if said is None or "Disabled" not in said:
        return []
    return [
        hint(
            "persistence",
            "Persistence mode is off: the first use of an idle GPU takes seconds.",
            "Enable the service nvidia-persistenced.",
        )
    ]


def _toolkit(host: Host) -> list[Finding]:
    said = host.run(["nvidia-ctk", "--version"])
    found = _VERSION.search(said or "")
    if said is None or found is None:
        return [
            problem(
                "toolkit",
                "The NVIDIA Container Toolkit (nvidia-ctk) is not on this server.",
                "Install 1.17.8 or newer; NVIDIA's installation guide says how.",
            )
        ]
    if _numbers(found.group()) < OLDEST_TOOLKIT:
        return [
            problem(
                "toolkit",
                f"NVIDIA Container Toolkit {found.group()}: a container can break out of it to"
                " the host (CVE-2025-23266).",
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
                "There is no CDI specification for the GPUs; the NVIDIA runtime has to do.",
                "Run «nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml».",
            )
        ]
    loaded = _loaded_driver(host)
    # Libraries in it carry the driver's version in their names: libcuda.so.550.54.15.
    versions = {
        v for path in files for v in re.findall(r"libcuda\.so\.(\d+\.[\d.]*\d)", _read(path))
    }
    if loaded is not None and versions and loaded not in versions:
        return [
            problem(
                "CDI file",
                f"The CDI specification is of driver {', '.join(sorted(versions))}, and {loaded}"
                " is loaded: containers with a GPU will not start.",
                "Run «nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml» again.",
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
