"""Which NVIDIA devices a container was given, in whatever way they were asked for.

The names are those of the person or program that started the container. What a name stands for is
the business of :mod:`gpudock.policy.device_names`; a name that nobody understands counts there as
every GPU. So these functions may find too much, but must not miss anything.
"""

from __future__ import annotations

import json
import posixpath
import re
from typing import TYPE_CHECKING, Any

from gpudock.model import ALL_DEVICES, DEVICE_NODE

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

NVIDIA_RUNTIME = "nvidia"
DEFAULT_RUNTIME = ""
"""The name of the runtime of a container that asks for none."""

# For example nvidia.com/gpu=0, runtime.nvidia.com/gpu=all, k8s.device-plugin.nvidia.com/gpu=GPU-…
_CDI_NAME = re.compile(r"(?:[\w.-]+\.)?nvidia\.com/[\w.-]+=(.*)")
_CDI_ANNOTATION = "cdi.k8s.io/"
# Docker offers its NVIDIA driver for these capabilities, which are those of the NVIDIA runtime.
_CAPABILITIES = frozenset(
    ("gpu", "nvidia", "compute", "compat32", "graphics", "utility", "video", "display", "ngx")
)
_OTHER_DRIVERS = frozenset(("cdi", "amd", "intel"))
_NOTHING = frozenset(("", "void", "none"))
_VISIBLE_DEVICES = "NVIDIA_VISIBLE_DEVICES"
_SWARM_RESOURCE = re.compile(r"DOCKER_RESOURCE_.*(?:GPU|NVIDIA).*", re.IGNORECASE)
# The NVIDIA runtime also reads devices from the names of files that are mounted below this.
_MOUNTED_DEVICES = "/var/run/nvidia-container-devices/"
_MOUNTED_CDI_DEVICES = "cdi/"

_NODE = re.compile(r"/dev/(?:nvidia|char/195:)(\d+)", re.ASCII)
_CAPABILITY_NODE = re.compile(r"/dev/nvidia-caps(?:/.*)?")
# Docker passes every device below a directory on; in WSL, one node is for all GPUs.
_NODES_OF_ALL = frozenset(("/dev", "/dev/char", "/", "/dev/dxg"))
# The kernel's number of /dev/nvidia*; /dev/nvidiactl and the like have minor numbers from 250.
_CGROUP_RULE = re.compile(r"[ac] +(\*|\d+):(\*|\d+) +[rwm]*", re.ASCII)
_MAJOR = "195"
_MAX_GPU_MINOR = 249


def nvidia_runtimes(info: Mapping[str, Any]) -> frozenset[str]:
    """Return which of an engine's runtimes give GPUs, as ``GET /info`` describes them.

    :data:`DEFAULT_RUNTIME` is among them if a container gets such a one without asking for it.
    """
    names = {
        name
        for name, description in (info.get("Runtimes") or {}).items()
        if NVIDIA_RUNTIME in name.lower() or NVIDIA_RUNTIME in json.dumps(description).lower()
    }
    if info.get("DefaultRuntime") in names:
        names.add(DEFAULT_RUNTIME)
    return frozenset(names)


def devices_of(
    document: Mapping[str, Any], runtimes: Container[str] = frozenset()
) -> tuple[str, ...]:
    """Return the names of a container's NVIDIA devices.

    Args:
        document: the container, as ``GET /containers/{id}/json`` describes it.
        runtimes: the engine's runtimes that give GPUs; any with "nvidia" in its name is one.
    """
    host_config = document.get("HostConfig") or {}
    if host_config.get("Privileged"):
        return (ALL_DEVICES,)
    found = [
        *_requested(host_config),
        *_annotated(host_config),
        *_nodes(host_config),
    ]
    runtime = str(host_config.get("Runtime") or DEFAULT_RUNTIME)
    if (
        NVIDIA_RUNTIME in runtime.lower()
        or runtime in runtimes
        or _has_request_without_number(host_config)
    ):
        found += _read_by_the_runtime(document, host_config)
    return tuple(dict.fromkeys(found))


def _names(text: str) -> Iterator[str]:
    """Split a list of devices; names that stand for no device are left out."""
    for part in text.split(","):
        name = part.strip()
        if match := _CDI_NAME.fullmatch(name):
            name = match[1]
        if name.lower() not in _NOTHING:
            yield ALL_DEVICES if name.lower() == ALL_DEVICES else name


def _cdi_names(text: str) -> Iterator[str]:
    """Split a list of qualified CDI names; those of other vendors are left out."""
    for part in text.split(","):
        if _CDI_NAME.fullmatch(part.strip()):
            yield from _names(part)


def _requested(host_config: Mapping[str, Any]) -> Iterator[str]:
    """Return what ``--gpus`` and ``--device nvidia.com/gpu=…`` ask for."""
    for request in host_config.get("DeviceRequests") or []:
        ids = ",".join(str(device) for device in request.get("DeviceIDs") or [])
        if not _is_of_nvidia(request):
            yield from _cdi_names(ids)
        elif ids:
            yield from _names(ids)
        elif request.get("Count"):
            # A number names no device: the runtime picks, so any of them may be in use.
            yield ALL_DEVICES


def _is_of_nvidia(request: Mapping[str, Any]) -> bool:
    """Return whether a request is one for NVIDIA's driver, which needs no CDI names."""
    # Docker's drivers have names such as "nvidia", "nvidia.cdi" and "nvidia.runtime-hook".
    driver = str(request.get("Driver") or "").lower()
    capabilities = {name for group in request.get("Capabilities") or [] for name in group}
    if NVIDIA_RUNTIME in driver:
        return True
    return driver.partition(".")[0] not in _OTHER_DRIVERS and bool(capabilities & _CAPABILITIES)


def _has_request_without_number(host_config: Mapping[str, Any]) -> bool:
    """Return whether ``--gpus 0`` leaves the choice to the container's environment."""
    return any(
        _is_of_nvidia(request) and not request.get("DeviceIDs") and not request.get("Count")
        for request in host_config.get("DeviceRequests") or []
    )


def _annotated(host_config: Mapping[str, Any]) -> Iterator[str]:
    for key, value in (host_config.get("Annotations") or {}).items():
        if _CDI_ANNOTATION in key:
            yield from _cdi_names(str(value))


def _nodes(host_config: Mapping[str, Any]) -> Iterator[str]:
    """Return what device nodes and rules of the device cgroup give access to."""
    capabilities = False
    gpus = []
    for device in host_config.get("Devices") or []:
        name = str(device.get("PathOnHost") or "")
        path = posixpath.normpath(name)
        if match := _NODE.fullmatch(path):
            gpus.append(f"{DEVICE_NODE}{int(match[1])}")
        elif path in _NODES_OF_ALL:
            gpus.append(ALL_DEVICES)
        elif _CAPABILITY_NODE.fullmatch(path):
            capabilities = True
        else:
            yield from _cdi_names(name)
    gpus += [
        f"{DEVICE_NODE}{int(match[1])}"
        for source, _ in _mounts(host_config)
        if (match := _NODE.fullmatch(posixpath.normpath(source)))
    ]
    for rule in host_config.get("DeviceCgroupRules") or []:
        match = _CGROUP_RULE.fullmatch(str(rule).strip())
        if match is None or match[1] not in ("*", _MAJOR):
            continue
        if match[2] == "*":
            gpus.append(ALL_DEVICES)
        elif int(match[2]) <= _MAX_GPU_MINOR:
            gpus.append(f"{DEVICE_NODE}{int(match[2])}")
    yield from gpus
    if capabilities and not gpus:
        # The node of a slice's capability does not show which GPU the slice is on.
        yield ALL_DEVICES


def _mounts(host_config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Return source and target of each mount."""
    for bind in host_config.get("Binds") or []:
        source, _, rest = str(bind).partition(":")
        yield source, rest.partition(":")[0]
    for mount in host_config.get("Mounts") or []:
        yield str(mount.get("Source") or ""), str(mount.get("Target") or "")


def _read_by_the_runtime(
    document: Mapping[str, Any], host_config: Mapping[str, Any]
) -> Iterator[str]:
    """Return what the NVIDIA runtime gives for a container's environment and mounts."""
    pairs = [
        str(pair).partition("=")[::2] for pair in (document.get("Config") or {}).get("Env") or []
    ]
    variables = {name for name, _ in pairs}
    for name, value in pairs:
        if name == _VISIBLE_DEVICES or _SWARM_RESOURCE.fullmatch(name):
            yield from _names(value)
    if (
        _VISIBLE_DEVICES not in variables
        and "CUDA_VERSION" in variables
        and "NVIDIA_REQUIRE_CUDA" not in variables
    ):
        # The runtime gives every GPU to images from before it had variables.
        yield ALL_DEVICES
    for _, target in _mounts(host_config):
        path = posixpath.normpath(target) if target else ""
        if path.startswith(_MOUNTED_DEVICES):
            # A CDI name is a path there: cdi/nvidia.com/gpu/0.
            name = path.removeprefix(_MOUNTED_DEVICES)
            is_cdi = name.startswith(_MOUNTED_CDI_DEVICES)
            yield from _names(posixpath.basename(name) if is_cdi else name)
