"""Checks of the Docker Engine: its version, its GPUs, and the limits it can enforce.

All functions are pure functions of answers of the Engine API (``GET /info``, ``GET /images/json``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gpudock.config.remedies import GENERATE_CDI
from gpudock.doctor.finding import Finding, hint, ok, problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CDI_PREFIX = "nvidia.com/gpu="
_MIN_VERSION = (25, 0)
# From this version on, "docker info" lists the devices, and CDI is on by default.
_CDI_VERSION = (28, 0)

# Key in the answer, what it limits, and what happens without it.
_LIMITS = (
    ("MemoryLimit", "memory", "one user's notebook can take all memory"),
    ("PidsLimit", "the number of processes", "one user can exhaust the host's processes"),
    ("CpuCfsQuota", "processors", "GPUDOCK_CPU_LIMIT has no effect"),
)


def examine_engine(info: Mapping[str, Any], *, expects_gpus: bool) -> list[Finding]:
    """Check the engine.

    Args:
        info: the answer to ``GET /info``.
        expects_gpus: whether this server has NVIDIA GPUs that the engine should offer.
    """
    return [
        _version(info),
        *_gpus(info, expects_gpus=expects_gpus),
        *_limits(info),
        _cgroups(info),
        *_storage(info),
        *_restarts(info),
    ]


def examine_images(images: Iterable[Mapping[str, Any]], wanted: Iterable[str]) -> list[Finding]:
    """Check that the lab's images exist.

    Args:
        images: the answer to ``GET /images/json``.
        wanted: names of the lab's images, with their tags.
    """
    present = {tag for image in images for tag in image.get("RepoTags") or ()}
    missing = [name for name in wanted if name not in present]
    if not missing:
        return [ok("images", "All images of the lab exist.")]
    return [
        problem(
            "images",
            f"The engine does not have {_quoted(missing)}. Servers with such an image start only"
            " after it has been pulled, if that is possible.",
            'Run "make up", which builds the lab\'s own images; pull others with "docker pull".',
        )
    ]


def _version(info: Mapping[str, Any]) -> Finding:
    written = str(info.get("ServerVersion", ""))
    if _version_of(info) < _MIN_VERSION:
        return problem(
            "engine",
            f"Docker Engine {written} is too old for gpudock.",
            "Upgrade it to 28 or newer; 25 to 27 work with the NVIDIA runtime.",
        )
    if _version_of(info) < _CDI_VERSION:
        return hint(
            "engine",
            f"Docker Engine {written} offers GPUs only through the NVIDIA runtime, or through CDI"
            " if that was enabled.",
            "Upgrade it to 28 or newer.",
        )
    return ok("engine", f"Docker Engine {written} answers.")


def _version_of(info: Mapping[str, Any]) -> tuple[int, ...]:
    head = str(info.get("ServerVersion", "")).split("+")[0].split("-")[0]
    return tuple(int(part) for part in head.split(".") if part.isdecimal()) or (0,)


def listed_devices(info: Mapping[str, Any]) -> list[str] | None:
    """Return the names of the CDI devices that the engine gives to containers of the lab.

    ``None``: it gives them in another way, or does not list them.
    """
    return _devices(info) if devices_by_uuid(info) else None


def devices_by_uuid(info: Mapping[str, Any]) -> list[str]:
    """Return the UUIDs of the CDI devices that the engine lists."""
    return [name for name in _devices(info) if name.startswith(("GPU-", "MIG-"))]


def _devices(info: Mapping[str, Any]) -> list[str]:
    names = [str(device.get("ID", "")) for device in info.get("DiscoveredDevices") or ()]
    return [name.removeprefix(CDI_PREFIX) for name in names if name.startswith(CDI_PREFIX)]


def _gpus(info: Mapping[str, Any], *, expects_gpus: bool) -> list[Finding]:
    has_runtime = "nvidia" in (info.get("Runtimes") or {})
    devices = _devices(info)
    by_uuid = devices_by_uuid(info)
    if by_uuid:
        return [ok("CDI", f"The engine offers {_counted(len(by_uuid), 'GPU')} by UUID.")]
    if devices and not has_runtime:
        return [
            problem(
                "CDI",
                "The engine offers GPUs by index only. Indices may change when the server boots, so"
                " gpudock does not use them, and the lab's servers run on the CPU.",
                f'Generate the specification again, with UUIDs as names: "{GENERATE_CDI}".',
            )
        ]
    if has_runtime:
        return [
            ok("NVIDIA runtime", "The engine offers GPUs through the NVIDIA runtime."),
            *_default_runtime(info),
            *_by_index(devices),
        ]
    if not expects_gpus:
        return [ok("CDI", "The engine offers no GPU, and this server has none.")]
    return [
        problem(
            "CDI",
            "This server has NVIDIA GPUs, but the engine offers none: there is neither a CDI"
            " specification nor the NVIDIA runtime.",
            f'Install the NVIDIA Container Toolkit 1.17.8 or newer and run "{GENERATE_CDI}"; then'
            ' "docker info" lists nvidia.com/gpu=….',
        )
    ]


def _by_index(devices: list[str]) -> list[Finding]:
    if not devices:
        return []
    return [
        hint(
            "CDI",
            "The specification names the GPUs by index only, so gpudock uses the NVIDIA runtime.",
            f'To use CDI, generate it again, with UUIDs as names: "{GENERATE_CDI}".',
        )
    ]


def _default_runtime(info: Mapping[str, Any]) -> list[Finding]:
    if info.get("DefaultRuntime") != "nvidia":
        return []
    return [
        hint(
            "NVIDIA runtime",
            "It is the default runtime: any container whose image sets NVIDIA_VISIBLE_DEVICES gets"
            " GPUs. gpudock's own do not, but other containers may use a leased GPU.",
            'Remove "default-runtime" from /etc/docker/daemon.json and restart the engine.',
        )
    ]


def _limits(info: Mapping[str, Any]) -> list[Finding]:
    missing = [(what, loss) for key, what, loss in _LIMITS if not info.get(key)]
    if not missing:
        return [ok("limits", "The engine can limit memory, processors and processes.")]
    return [
        problem(
            "limits",
            f"The engine cannot limit {what}: {loss}.",
            "Boot with this cgroup controller enabled (on some systems, cgroup_enable=memory).",
        )
        for what, loss in missing
    ]


def _cgroups(info: Mapping[str, Any]) -> Finding:
    version = str(info.get("CgroupVersion", ""))
    if version == "2":
        return ok("cgroups", "Version 2.")
    return hint(
        "cgroups",
        f"Version {version or 'unknown'}. Limits work, but systemd and Docker are ending support.",
        "Boot with systemd.unified_cgroup_hierarchy=1.",
    )


def _storage(info: Mapping[str, Any]) -> list[Finding]:
    driver = str(info.get("Driver", ""))
    if driver == "vfs":
        return [
            problem(
                "storage",
                'The storage driver is "vfs", which copies the whole image for each container.',
                "Keep Docker's data on ext4 or xfs, so that Docker can use overlay2.",
            )
        ]
    details = dict(pair for pair in info.get("DriverStatus") or () if len(pair) == 2)
    if details.get("Supports d_type") == "false":
        return [
            problem(
                "storage",
                "The file system of Docker's data has no d_type; files of images may be lost.",
                "Move the data to ext4, or to xfs with ftype=1.",
            )
        ]
    return [ok("storage", f"{driver or 'unknown driver'}.")]


def _restarts(info: Mapping[str, Any]) -> list[Finding]:
    if info.get("LiveRestoreEnabled"):
        return [ok("live restore", "Containers survive a restart of the engine.")]
    return [
        hint(
            "live restore",
            "A restart of the engine, for example for an upgrade, ends all sessions.",
            'Set "live-restore": true in /etc/docker/daemon.json and reload the engine.',
        )
    ]


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _quoted(names: list[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
