"""Build the request that creates the container of a lease.

:func:`container_config` returns the body of the Engine API's ``POST /containers/create``
(https://docs.docker.com/reference/api/engine/version/v1.44/#tag/Container/operation/ContainerCreate).
The functions here are pure. Tests compare whole documents, so that no privilege slips in unnoticed.
"""

from __future__ import annotations

import enum
import json
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from gpudock.config.names import agent_name, container_name, slug
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
from gpudock.language import Message

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from gpudock.model import Lease


WORKSPACE_PATH = "/workspace"
USER = "1000:1000"
"""The user and group of the processes in users' containers, to whom their workspaces belong."""
CDI_KIND = "nvidia.com/gpu"
THREAD_VARIABLES = frozenset({"OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "PYTHON_CPU_COUNT"})
"""They set how many threads libraries start. Without them torch, NumPy and others start one for
each processor of the host, and are slower in a container that may use only a few of them. MKL,
OpenBLAS and NumExpr follow ``OMP_NUM_THREADS`` unless variables of their own are set."""

_MIB = 1024 * 1024
_NANO = 1_000_000_000
# Enough to show why a server died, and too little to fill the disk.
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
        memory_mib: main memory in MiB, without additional swap; ``None``: no limit.
        cpus: processors, may be a fraction; ``None``: no limit.
        pids: processes and threads.
        shm_mib: size of ``/dev/shm`` in MiB. PyTorch's DataLoader workers exchange batches in it;
            with Docker's default of 64 MiB they fail with a bus error. Only what is used of it
            counts as memory.
        open_files: files that each process may have open. No more than the engine itself may: an
            engine does not start a container with a higher limit than its own. ``None``: the
            engine's default, often only 1024.
    """

    memory_mib: int | None = None
    cpus: float | None = None
    pids: int = 4096
    shm_mib: int = 8192
    open_files: int | None = None


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """A container to create: its name and the body of the create request."""

    name: str
    config: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """How an image starts by itself.

    Attributes:
        command: its default command and arguments; may be empty.
        variables: names of the environment variables that it sets.
        volumes: paths for which it declares volumes.
    """

    command: tuple[str, ...] = ()
    variables: frozenset[str] = frozenset()
    volumes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ContainerContext:
    """What a container's spec depends on, apart from the lease.

    Attributes:
        lab: name of the lab, which labels its containers.
        network: Docker network of hub, proxy and users' containers.
        workspace: name of the user's volume, or an absolute directory of the host.
        command: the command and its arguments.
        environment: variables from the Hub and the administrator.
        delivery: how the engine gives devices.
        limits: what the container may use of the host.
        extra_mounts: the administrator's additional mounts, in the Engine API's form.
        user: the user and group of the container's processes; ``None``: those of its image, which
            may be root.
        image_variables: names of the environment variables that the image sets.
    """

    lab: str
    network: str
    workspace: str
    command: Sequence[str]
    environment: Mapping[str, str]
    delivery: GPUDelivery
    limits: Limits = field(default_factory=Limits)
    extra_mounts: Sequence[Mapping[str, Any]] = ()
    user: str | None = USER
    image_variables: Collection[str] = ()


def container_config(lease: Lease, context: ContainerContext) -> ContainerSpec:
    """Build the whole create request for the container of *lease*.

    Raises:
        ValueError: the lease has GPUs, but the engine cannot give any.
    """
    if lease.gpu_uuids and context.delivery is GPUDelivery.NONE:
        message = Message("Lease {id} has GPUs, but this engine cannot give any.", id=lease.id)
        raise ValueError(message)
    config: dict[str, Any] = {
        "Image": lease.image,
        # Docker's DNS resolves host names too: without the prefix, other containers would take a
        # user named "hub" for the hub.
        "Hostname": f"user-{slug(lease.user)}",
        "Cmd": list(context.command),
        "WorkingDir": WORKSPACE_PATH,
        "Env": [f"{name}={value}" for name, value in sorted(_environment(lease, context))],
        "Labels": {
            LABEL_LAB: context.lab,
            LABEL_LEASE: lease.id,
            LABEL_USER: lease.user,
            LABEL_SERVER: lease.server,
            LABEL_GPUS: ",".join(lease.gpu_uuids),
            LABEL_SLOT: f"{lease.slot + 1}/{lease.slots}",
            LABEL_GROUPS: json.dumps(lease.groups),
            # A container inherits its image's labels; this one would make it look like the agent.
            LABEL_AGENT: "false",
        },
        "HostConfig": _host_config(lease, context),
    }
    if context.user is not None:
        config["User"] = context.user
    name = container_name(context.lab, lease.user, lease.id)
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
    """Build the create request for the lab's agent, which sees every GPU and changes none.

    It shares the host's process namespace, because NVML reports only processes that the caller
    could see.
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
        # Inside a container it cannot detect that it sees the host's processes.
        "Cmd": ["--listen", f"0.0.0.0:{port}", "--host-pids", "yes"],
        "User": "65534:65534",
        # The image has the hub's health check. The hub itself watches the agent.
        "Healthcheck": {"Test": ["NONE"]},
        "Env": [f"{name}={value}" for name, value in sorted(environment.items())],
        "Labels": {LABEL_LAB: lab, LABEL_AGENT: "true"},
        "HostConfig": host_config,
    }
    return ContainerSpec(name=agent_name(lab), config=config)


def workspace_mount(workspace: str) -> dict[str, Any]:
    """Return the mount of a user's workspace, a named volume or a directory of the host."""
    kind = "bind" if PurePosixPath(workspace).is_absolute() else "volume"
    return {"Type": kind, "Source": workspace, "Target": WORKSPACE_PATH}


def device_requests(delivery: GPUDelivery, device_ids: Sequence[str]) -> list[dict[str, Any]]:
    """Return the Engine API's ``DeviceRequests`` that give exactly the devices *device_ids*.

    *device_ids* are full UUIDs, or just ``all``.
    """
    if not device_ids or delivery is GPUDelivery.NONE:
        return []
    if delivery is GPUDelivery.CDI:
        names = [f"{CDI_KIND}={device_id}" for device_id in device_ids]
        return [{"Driver": "cdi", "DeviceIDs": names}]
    # The NVIDIA runtime takes its devices from the environment; a device request would make the
    # engine run a second hook.
    return []


def runtime_environment(delivery: GPUDelivery, device_ids: Sequence[str]) -> dict[str, str]:
    """Return the variables that the NVIDIA runtime reads.

    They name devices only where that runtime gives them. Otherwise ``void`` makes it do nothing,
    even if it is the engine's default runtime or the image asks for every device.
    """
    if delivery is GPUDelivery.NVIDIA_RUNTIME and device_ids:
        return {
            "NVIDIA_VISIBLE_DEVICES": ",".join(device_ids),
            "NVIDIA_DRIVER_CAPABILITIES": "compute,utility",
        }
    return {"NVIDIA_VISIBLE_DEVICES": "void"}


def _environment(lease: Lease, context: ContainerContext) -> list[tuple[str, str]]:
    environment = {
        **_thread_variables(context),
        **_device_order(lease, context),
        **context.environment,
    }
    # Last, so that no image, spawn option or mistake of an administrator exposes more devices.
    environment.update(runtime_environment(context.delivery, lease.gpu_uuids))
    if lease.gpu_uuids:
        environment["GPUDOCK_LEASE"] = lease.id
    else:
        environment.pop("GPUDOCK_LEASE", None)
    return list(environment.items())


def _thread_variables(context: ContainerContext) -> dict[str, str]:
    cpus = context.limits.cpus
    if cpus is None:
        return {}
    # A value of the image is somebody's choice too, which a variable of the container would hide.
    return dict.fromkeys(THREAD_VARIABLES - set(context.image_variables), str(max(1, int(cpus))))


def _device_order(lease: Lease, context: ContainerContext) -> dict[str, str]:
    """Return the variable by which CUDA numbers GPUs as NVML does, and so as all pages show them.

    CUDA itself begins with the fastest GPU, which differs where the models do.
    https://docs.nvidia.com/cuda/cuda-c-programming-guide/#cuda-environment-variables
    """
    if not lease.gpu_uuids or "CUDA_DEVICE_ORDER" in context.image_variables:
        return {}
    return {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


def _host_config(lease: Lease, context: ContainerContext) -> dict[str, Any]:
    limits = context.limits
    host_config: dict[str, Any] = {
        "NetworkMode": context.network,
        "Mounts": [workspace_mount(context.workspace), *map(dict, context.extra_mounts)],
        "DeviceRequests": device_requests(context.delivery, lease.gpu_uuids),
        "Privileged": False,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges:true"],
        "PidsLimit": limits.pids,
        # When memory or processors run short, the lab itself must keep running.
        "OomScoreAdj": 500,
        "CpuShares": 512,
        "ShmSize": limits.shm_mib * _MIB,
        "IpcMode": "private",
        # An init process reaps orphaned processes and forwards signals.
        "Init": True,
        # A container that the engine restarts would get its old devices back, even if another
        # lease has them by then.
        "RestartPolicy": {"Name": "no"},
        "AutoRemove": False,
        "LogConfig": {"Type": "json-file", "Config": _LOG_OPTIONS},
    }
    if context.delivery is GPUDelivery.NVIDIA_RUNTIME and lease.gpu_uuids:
        host_config["Runtime"] = "nvidia"
    if limits.open_files is not None:
        files = limits.open_files
        host_config["Ulimits"] = [{"Name": "nofile", "Soft": files, "Hard": files}]
    if limits.memory_mib is not None:
        host_config["Memory"] = limits.memory_mib * _MIB
        host_config["MemorySwap"] = limits.memory_mib * _MIB
    if limits.cpus is not None:
        host_config["NanoCpus"] = int(limits.cpus * _NANO)
    return host_config
