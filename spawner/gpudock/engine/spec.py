"""From a lease to the request that makes its container: pure, whole, and nothing sent.

:func:`container_config` returns the body of the Engine API's ``POST /containers/create``
(https://docs.docker.com/reference/api/engine/version/v1.44/#tag/Container/operation/ContainerCreate).
Tests compare whole documents, so that no privilege slips in unnoticed.
"""

from __future__ import annotations

import enum
import json
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from gpudock.config.names import container_name, slug
from gpudock.engine.labels import (
    LABEL_AGENT,
    LABEL_GPUS,
    LABEL_GROUPS,
    LABEL_LAB,
    LABEL_LEASE,
    LABEL_SERVER,
    LABEL_SLOT,
    LABEL_USER,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gpudock.model import Lease


WORKSPACE_PATH = "/workspace"
CDI_KIND = "nvidia.com/gpu"

_MIB = 1024 * 1024
_NANO = 1_000_000_000
# Ten megabytes of log are enough to tell why a server died, and cannot fill the disk.
_LOG_OPTIONS = {"max-size": "10m", "max-file": "3"}


class GPUDelivery(enum.StrEnum):
    """How the engine hands devices to a container."""

    CDI = "cdi"
    NVIDIA_RUNTIME = "nvidia-runtime"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a user's container may use of the host.

    Attributes:
        memory_mib: main memory, MiB, with no swap beyond it; ``None``: no limit.
        cpus: processors, may be a fraction; ``None``: no limit.
        pids: processes and threads.
        shm_mib: size of ``/dev/shm``, MiB. PyTorch's DataLoader workers hand batches over in it;
            Docker's default of 64 MiB makes them die with «bus error». It counts as memory only
            as far as it is used.
    """

    memory_mib: int | None = None
    cpus: float | None = None
    pids: int = 4096
    shm_mib: int = 8192


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """A container that is to be made: its name and the body of the create request."""

    name: str
    config: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """All that a container needs besides its lease.

    Attributes:
        lab: name of the lab; two labs on one engine tell their containers apart by it.
        network: Docker network on which hub, proxy and users' containers meet.
        workspace: name of the user's volume, or an absolute directory of the host.
        command: the command with its arguments, one list item each.
        environment: variables from the Hub and the administrator.
        delivery: how the engine gives devices.
        limits: what the container may use.
        extra_mounts: more mounts in the Engine API's form, from the administrator.
    """

    lab: str
    network: str
    workspace: str
    command: Sequence[str]
    environment: Mapping[str, str]
    delivery: GPUDelivery
    limits: Limits = field(default_factory=Limits)
    extra_mounts: Sequence[Mapping[str, Any]] = ()


def container_config(lease: Lease, surroundings: Surroundings) -> ContainerSpec:
    """Build the whole create request for the container of *lease*.

    Raises:
        ValueError: the lease has GPUs, but the engine has no way to give any.

    """
    if lease.gpu_uuids and surroundings.delivery is GPUDelivery.NONE:
        message = f"Lease {lease.id} has GPUs, but this engine has no way to give a GPU."
        raise ValueError(message)
    config: dict[str, Any] = {
        "Image": lease.image,
        # Docker answers for host names too: without a prefix of its own, a user named «hub» would
        # be taken for the hub by the other containers.
        "Hostname": f"user-{slug(lease.user)}",
        "Cmd": list(surroundings.command),
        "WorkingDir": WORKSPACE_PATH,
        "Env": [f"{name}={value}" for name, value in sorted(_environment(lease, surroundings))],
        "Labels": {
            LABEL_LAB: surroundings.lab,
            LABEL_LEASE: lease.id,
            LABEL_USER: lease.user,
            LABEL_SERVER: lease.server,
            LABEL_GPUS: ",".join(lease.gpu_uuids),
            LABEL_SLOT: f"{lease.slot + 1}/{lease.slots}",
            LABEL_GROUPS: json.dumps(lease.groups),
            # An image's labels are inherited; this one would make it pass for the agent.
            LABEL_AGENT: "false",
        },
        "HostConfig": _host_config(lease, surroundings),
    }
    name = container_name(surroundings.lab, lease.user, lease.id)
    return ContainerSpec(name=name, config=config)


def agent_config(
    lab: str,
    network: str,
    image: str,
    port: int,
    token: str,
    delivery: GPUDelivery,
    host_name: str,
) -> ContainerSpec:
    """Build the create request for the lab's one agent, which sees every GPU and changes none.

    It shares the host's process namespace, because NVML names a container's processes only to
    those who could see them.
    """
    environment = {
        **runtime_environment(delivery, ["all"]),
        "GPUDOCK_AGENT_TOKEN": token,
        "GPUDOCK_AGENT_HOST": host_name,
    }
    host_config: dict[str, Any] = {
        "NetworkMode": network,
        "DeviceRequests": device_requests(delivery, ["all"]),
        "PidMode": "host",
        "ReadonlyRootfs": True,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges:true"],
        "PidsLimit": 64,
        "Memory": 256 * _MIB,
        "Init": True,
        "RestartPolicy": {"Name": "unless-stopped"},
        "LogConfig": {"Type": "json-file", "Config": _LOG_OPTIONS},
    }
    if delivery is GPUDelivery.NVIDIA_RUNTIME:
        host_config["Runtime"] = "nvidia"
    config: dict[str, Any] = {
        "Image": image,
        "Entrypoint": ["python3", "-m", "gpudock.agent"],
        # It cannot find out by itself, inside a container, that it sees the host's processes.
        "Cmd": ["--listen", f"0.0.0.0:{port}", "--host-pids", "yes"],
        "User": "65534:65534",
        # The image is the hub's, and so is its health check; the agent is looked after by the hub.
        "Healthcheck": {"Test": ["NONE"]},
        "Env": [f"{name}={value}" for name, value in sorted(environment.items())],
        "Labels": {LABEL_LAB: lab, LABEL_AGENT: "true"},
        "HostConfig": host_config,
    }
    return ContainerSpec(name=f"{lab}-agent", config=config)


def workspace_mount(workspace: str) -> dict[str, Any]:
    """Return the mount of a user's workspace, a named volume or a directory of the host."""
    kind = "bind" if PurePosixPath(workspace).is_absolute() else "volume"
    return {"Type": kind, "Source": workspace, "Target": WORKSPACE_PATH}


def device_requests(delivery: GPUDelivery, device_ids: Sequence[str]) -> list[dict[str, Any]]:
    """Return the Engine API's ``DeviceRequests`` that give exactly the devices *device_ids*.

    *device_ids* are full UUIDs, or the single word ``all``.
    """
    if not device_ids or delivery is GPUDelivery.NONE:
        return []
    if delivery is GPUDelivery.CDI:
        names = [f"{CDI_KIND}={device_id}" for device_id in device_ids]
        return [{"Driver": "cdi", "DeviceIDs": names}]
    # The NVIDIA runtime takes its devices from the environment instead: a device request would
    # make the engine run a second hook.
    return []


def runtime_environment(delivery: GPUDelivery, device_ids: Sequence[str]) -> dict[str, str]:
    """Return the variables that the NVIDIA runtime reads.

    ``void`` makes it do nothing at all, also where it is the engine's default runtime and where
    the image asks for every device; only with that runtime's own way of giving devices do the
    UUIDs stand here.
    """
    if delivery is GPUDelivery.NVIDIA_RUNTIME and device_ids:
        return {
            "NVIDIA_VISIBLE_DEVICES": ",".join(device_ids),
            "NVIDIA_DRIVER_CAPABILITIES": "compute,utility",
        }
    return {"NVIDIA_VISIBLE_DEVICES": "void"}


def _environment(lease: Lease, surroundings: Surroundings) -> list[tuple[str, str]]:
    environment = dict(surroundings.environment)
    # Last, so that neither an image, an administrator's slip nor a spawn option widens the view.
    environment.update(runtime_environment(surroundings.delivery, lease.gpu_uuids))
    if lease.gpu_uuids:
        environment["GPUDOCK_LEASE"] = lease.id
    else:
        environment.pop("GPUDOCK_LEASE", None)
    return list(environment.items())


def _host_config(lease: Lease, surroundings: Surroundings) -> dict[str, Any]:
    limits = surroundings.limits
    host_config: dict[str, Any] = {
        "NetworkMode": surroundings.network,
        "Mounts": [workspace_mount(surroundings.workspace), *map(dict, surroundings.extra_mounts)],
        "DeviceRequests": device_requests(surroundings.delivery, lease.gpu_uuids),
        "Privileged": False,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges:true"],
        "PidsLimit": limits.pids,
        # When memory or processors run short, the lab itself is to go on.
        "OomScoreAdj": 500,
        "CpuShares": 512,
        "ShmSize": limits.shm_mib * _MIB,
        "IpcMode": "private",
        # An init process reaps what notebooks leave behind and passes signals on.
        "Init": True,
        # Never restarted by the engine: a restarted container would get its old devices back,
        # whoever holds them by then.
        "RestartPolicy": {"Name": "no"},
        "AutoRemove": False,
        "LogConfig": {"Type": "json-file", "Config": _LOG_OPTIONS},
    }
    if surroundings.delivery is GPUDelivery.NVIDIA_RUNTIME and lease.gpu_uuids:
        host_config["Runtime"] = "nvidia"
    if limits.memory_mib is not None:
        host_config["Memory"] = limits.memory_mib * _MIB
        host_config["MemorySwap"] = limits.memory_mib * _MIB
    if limits.cpus is not None:
        host_config["NanoCpus"] = int(limits.cpus * _NANO)
    return host_config
