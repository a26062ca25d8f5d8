"""The Docker Engine: is it new enough, can it give GPUs, and does it keep the limits it is told?

All functions are pure over the documents of the Engine API (``GET /info``, ``GET /images/json``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gpudock.doctor.finding import Finding, hint, ok, problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CDI_PREFIX = "nvidia.com/gpu="
_OLDEST = (25, 0)
# From here on «docker info» lists the devices, and CDI is on without a setting.
_LISTS_DEVICES = (28, 0)

# What the engine needs a kernel for, in the words of its document, and what is lost without it.
_LIMITS = (
    ("MemoryLimit", "memory", "one user's notebook can take the memory of all"),
    ("PidsLimit", "the number of processes", "one user can exhaust the host's processes"),
    ("CpuCfsQuota", "processors", "GPUDOCK_CPU_LIMIT has no effect"),
)


def examine_engine(info: Mapping[str, Any], *, expects_gpus: bool) -> list[Finding]:
    """Examine what the engine says of itself.

    Args:
        info: the answer to ``GET /info``.
        expects_gpus: whether this server has NVIDIA GPUs that the engine should give.
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
    """Examine whether the images of the lab are there.

    Args:
        images: the answer to ``GET /images/json``.
        wanted: names of the images that the lab uses, with their tags.
    """
    present = {tag for image in images for tag in image.get("RepoTags") or ()}
    missing = [name for name in wanted if name not in present]
    if not missing:
        return [ok("images", "All images of the lab are there.")]
    return [
        problem(
            "images",
            f"The engine does not have {_listed(missing)}. Servers on such an image start only"
            " after it was fetched, if it can be.",
            "Run «make up», which builds the lab's own images, or «docker pull» for others.",
        )
    ]


def _version(info: Mapping[str, Any]) -> Finding:
    written = str(info.get("ServerVersion", ""))
    if _version_of(info) < _OLDEST:
        return problem(
            "engine",
            f"Docker Engine {written} is too old for gpudock.",
            "Upgrade it to 28 or newer; 25 to 27 work with the NVIDIA runtime.",
        )
    if _version_of(info) < _LISTS_DEVICES:
        return hint(
            "engine",
            f"Docker Engine {written} gives GPUs only through the NVIDIA runtime, or through CDI"
            " where that was turned on.",
            "Upgrade it to 28 or newer.",
        )
    return ok("engine", f"Docker Engine {written} answers.")


def _version_of(info: Mapping[str, Any]) -> tuple[int, ...]:
    head = str(info.get("ServerVersion", "")).split("+")[0].split("-")[0]
    return tuple(int(part) for part in head.split(".") if part.isdecimal()) or (0,)


def devices_by_uuid(info: Mapping[str, Any]) -> list[str]:
    """Return the UUIDs of the devices that the engine gives by CDI, as far as it lists them."""
    return [name for name in _devices(info) if name.startswith(("GPU-", "MIG-"))]


def _devices(info: Mapping[str, Any]) -> list[str]:
    names = [str(device.get("ID", "")) for device in info.get("DiscoveredDevices") or ()]
    return [name.removeprefix(CDI_PREFIX) for name in names if name.startswith(CDI_PREFIX)]


def _gpus(info: Mapping[str, Any], *, expects_gpus: bool) -> list[Finding]:
    has_runtime = "nvidia" in (info.get("Runtimes") or {})
    devices = _devices(info)
    by_uuid = devices_by_uuid(info)
    if by_uuid:
        return [ok("CDI", f"The engine gives {_counted(len(by_uuid), 'GPU')} by UUID.")]
    if devices:
        return [
            problem(
                "CDI",
                "The engine knows GPUs by index only. Indices change when the server boots, so"
                " gpudock does not use them.",
                "Write the specification anew with names by UUID: «nvidia-ctk cdi generate"
                " --device-name-strategy=uuid --output=/etc/cdi/nvidia.yaml».",
            )
        ]
    if has_runtime:
        return [
            ok("NVIDIA runtime", "The engine gives GPUs through the NVIDIA runtime."),
            *_default_runtime(info),
        ]
    if not expects_gpus:
        return [ok("CDI", "The engine has no GPU to give, and this server has none.")]
    return [
        problem(
            "CDI",
            "This server has NVIDIA GPUs, and the engine has none to give: neither a CDI"
            " specification nor the NVIDIA runtime is there.",
            "Install the NVIDIA Container Toolkit 1.17.8 or newer and run «nvidia-ctk cdi generate"
            " --output=/etc/cdi/nvidia.yaml»; «docker info» then lists nvidia.com/gpu=….",
        )
    ]


def _default_runtime(info: Mapping[str, Any]) -> list[Finding]:
    if info.get("DefaultRuntime") != "nvidia":
        return []
    return [
        hint(
            "NVIDIA runtime",
            "It is the default runtime: any container whose image sets NVIDIA_VISIBLE_DEVICES gets"
            " GPUs. gpudock's own do not, but containers that others start may use a leased GPU.",
            "Take «default-runtime» out of /etc/docker/daemon.json and restart the engine.",
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
            "Boot a kernel with this cgroup controller on (cgroup_enable=memory on some systems).",
        )
        for what, loss in missing
    ]


def _cgroups(info: Mapping[str, Any]) -> Finding:
    version = str(info.get("CgroupVersion", ""))
    if version == "2":
        return ok("cgroups", "Version 2.")
    return hint(
        "cgroups",
        f"Version {version or 'unknown'}. Limits hold, but systemd's and Docker's support ends.",
        "Boot with systemd.unified_cgroup_hierarchy=1.",
    )


def _storage(info: Mapping[str, Any]) -> list[Finding]:
    driver = str(info.get("Driver", ""))
    if driver == "vfs":
        return [
            problem(
                "storage",
                "The storage driver is «vfs», which copies all 7 GB of the image for each"
                " container.",
                "Keep Docker's data on ext4 or xfs, so that overlay2 can be used.",
            )
        ]
    details = dict(pair for pair in info.get("DriverStatus") or () if len(pair) == 2)
    if details.get("Supports d_type") == "false":
        return [
            problem(
                "storage",
                "The file system under Docker's data has no d_type; files of an image may be lost.",
                "Move it to ext4, or to xfs made with ftype=1.",
            )
        ]
    return [ok("storage", f"{driver or 'unknown driver'}.")]


def _restarts(info: Mapping[str, Any]) -> list[Finding]:
    if info.get("LiveRestoreEnabled"):
        return [ok("live restore", "Containers survive a restart of the engine.")]
    return [
        hint(
            "live restore",
            "A restart of the engine, for example by an upgrade, ends all users' sessions.",
            'Set "live-restore": true in /etc/docker/daemon.json and reload the engine.',
        )
    ]


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _listed(names: list[str]) -> str:
    return ", ".join(f"«{name}»" for name in names)
