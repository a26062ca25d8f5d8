"""Parse the Docker Engine's answers: pure functions over the Engine API's documents."""

from __future__ import annotations

import datetime as dt
import json
import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from gpudock.engine.labels import (
    LABEL_AGENT,
    LABEL_GPUS,
    LABEL_GROUPS,
    LABEL_LAB,
    LABEL_LEASE,
    LABEL_OBSERVER,
    LABEL_SERVER,
    LABEL_SLOT,
    LABEL_USER,
)
from gpudock.engine.spec import CDI_KIND, GPUDelivery, ImageConfig
from gpudock.language import Message
from gpudock.model import ContainerState, ForeignUse, ObservedContainer, is_gpu_uuid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

_STATES = {
    "created": ContainerState.CREATED,
    "running": ContainerState.RUNNING,
    "paused": ContainerState.RUNNING,
    "restarting": ContainerState.RUNNING,
    # Its processes may still exist; it is gone when the engine no longer lists it.
    "removing": ContainerState.RUNNING,
    "exited": ContainerState.EXITED,
    "dead": ContainerState.EXITED,
}
_SLOT = re.compile(r"([1-9]\d?)/([1-9]\d?)", re.ASCII)
_TAG = re.compile(r"(:[\w.-]+)?(@.*)?$", re.ASCII)
_EXIT_CODE = re.compile(r"Exited \((\d+)\)")


def state(status: str) -> ContainerState:
    """Reduce the engine's status of a container to what matters for a lease.

    A status of a later engine counts as running: unknown is occupied.
    """
    return _STATES.get(status, ContainerState.RUNNING)


def is_server(labels: Mapping[str, str] | None, lab: str) -> bool:
    """Return whether a container with these labels is a user's server of *lab*."""
    return labels is not None and LABEL_LEASE in labels and labels.get(LABEL_LAB) == lab


def runs(document: Mapping[str, Any]) -> bool:
    """Return whether a container, as ``GET /containers/json`` lists it, holds its devices."""
    return state(str(document.get("State", ""))) is ContainerState.RUNNING


def labs_with_agents(listed: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the labs whose agents are among running containers, the oldest agent's first."""
    agents = [
        (document.get("Created", 0), labels[LABEL_LAB])
        for document in listed
        if (labels := document.get("Labels") or {}).get(LABEL_AGENT) == "true"
        and LABEL_LAB in labels
        and runs(document)
    ]
    return [lab for _, lab in sorted(agents)]


def is_agent(labels: Mapping[str, str] | None, lab: str) -> bool:
    """Return whether a container with these labels is the agent of *lab*."""
    return labels is not None and labels.get(LABEL_AGENT) == "true" and labels.get(LABEL_LAB) == lab


def image_config(document: Mapping[str, Any]) -> ImageConfig:
    """Return how an image starts, from ``GET /images/{name}/json``."""
    config = document.get("Config") or {}
    variables = (str(line).partition("=")[0] for line in config.get("Env") or ())
    return ImageConfig(
        command=tuple(config.get("Cmd") or ()),
        variables=frozenset(variables),
        volumes=frozenset(config.get("Volumes") or ()),
    )


def version_tuple(text: str) -> tuple[int, ...]:
    """Return a dotted version as a tuple of its numbers, for comparisons."""
    return tuple(int(part) for part in text.split(".") if part.isdigit())


def cdi_names(info: Mapping[str, Any]) -> list[str] | None:
    """Return the names of the NVIDIA devices in the engine's CDI specification, without their kind.

    ``None``: the engine does not list them, which engines before 28 do not.
    """
    discovered = info.get("DiscoveredDevices")
    if discovered is None:
        return None
    names = (str(device.get("ID", "")) for device in discovered)
    kind = f"{CDI_KIND}="
    return [name.removeprefix(kind) for name in names if name.startswith(kind)]


def delivery(info: Mapping[str, Any]) -> tuple[GPUDelivery, bool]:
    """Return how the engine gives GPUs, and whether it lists its CDI devices.

    Leases name devices by UUID, so a specification that names them by their numbers only does not
    count: a number may stand for another GPU after the next boot.
    """
    names = cdi_names(info)
    has_runtime = "nvidia" in (info.get("Runtimes") or {})
    if names is not None and any(is_gpu_uuid(name) for name in names):
        return GPUDelivery.CDI, True
    # Engines before 28 do not list their devices; the NVIDIA runtime is then the safe choice.
    if has_runtime:
        return GPUDelivery.NVIDIA_RUNTIME, False
    if names is None and info.get("CDISpecDirs"):
        return GPUDelivery.CDI, False
    return GPUDelivery.NONE, names is not None


def from_list(document: Mapping[str, Any]) -> ObservedContainer:
    """Read a container as ``GET /containers/json`` lists it."""
    exit_code = _EXIT_CODE.match(str(document.get("Status", "")))
    return _observed(
        container_id=str(document["Id"]),
        name=str((document.get("Names") or [""])[0]),
        state=state(str(document.get("State", ""))),
        labels=document.get("Labels") or {},
        image=str(document.get("Image", "")),
        created_at=float(document.get("Created", 0)),
        exit_code=int(exit_code.group(1)) if exit_code else None,
    )


def from_inspect(document: Mapping[str, Any]) -> ObservedContainer:
    """Read a container as ``GET /containers/{id}/json`` describes it."""
    state_document = document.get("State") or {}
    config = document.get("Config") or {}
    status = state(str(state_document.get("Status", "")))
    return _observed(
        container_id=str(document["Id"]),
        name=str(document.get("Name", "")),
        state=status,
        labels=config.get("Labels") or {},
        image=str(config.get("Image", "")),
        created_at=_timestamp(str(document.get("Created", ""))),
        exit_code=state_document.get("ExitCode") if status is ContainerState.EXITED else None,
    )


def _observed(
    *,
    container_id: str,
    name: str,
    state: ContainerState,
    labels: Mapping[str, str],
    image: str,
    created_at: float,
    exit_code: int | None,
) -> ObservedContainer:
    slot, slots = _slot(labels)
    return ObservedContainer(
        id=container_id,
        name=name.lstrip("/"),
        state=state,
        lease_id=labels.get(LABEL_LEASE, ""),
        user=labels.get(LABEL_USER, ""),
        server=labels.get(LABEL_SERVER, ""),
        gpu_uuids=tuple(uuid for uuid in labels.get(LABEL_GPUS, "").split(",") if uuid),
        image=image,
        created_at=created_at,
        exit_code=exit_code,
        slot=slot,
        slots=slots,
        groups=_groups(labels),
    )


def _slot(labels: Mapping[str, str]) -> tuple[int, int]:
    """Return slot and number of slots; (0, 0) where the label is not valid."""
    # Containers from before devices could be shared do not have this label.
    match = _SLOT.fullmatch(labels.get(LABEL_SLOT, "1/1"))
    return (int(match[1]) - 1, int(match[2])) if match else (0, 0)


def _groups(labels: Mapping[str, str]) -> tuple[str, ...]:
    try:
        groups = json.loads(labels.get(LABEL_GROUPS, "[]"))
    except (ValueError, RecursionError):
        return ()
    if not isinstance(groups, list):
        return ()
    return tuple(group for group in groups if isinstance(group, str))


def _timestamp(text: str) -> float:
    try:
        return dt.datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0


def foreign_use(
    listed: Iterable[Mapping[str, Any]],
    devices: Mapping[str, Sequence[str]],
    lab: str,
    resolve: Callable[[Sequence[str]], Sequence[str]],
    observers: Sequence[str] = (),
) -> dict[str, ForeignUse]:
    """Return the GPUs that are held by containers without a claim to them.

    Those are all containers of others, and all that are labeled as servers of this lab but have
    other GPUs than their labels name, because leases are compared with labels only. A container
    that an administrator has declared an observer only looks at GPUs and holds none.

    Args:
        listed: the containers, as ``GET /containers/json`` lists them.
        devices: device names of the running ones, by container id.
        lab: name of the lab.
        resolve: turns device names (see :mod:`gpudock.engine.devices`) into UUIDs of the lab's
            GPUs.
        observers: see :func:`is_observer`.

    Returns:
        UUID to who holds that GPU.
    """
    use: dict[str, ForeignUse] = {}
    for document in listed:
        names = devices.get(str(document["Id"]), ())
        labels = document.get("Labels") or {}
        if not names or is_agent(labels, lab):
            continue
        server = is_server(labels, lab)
        if not server and is_observer(document, observers):
            continue
        if server and _are_named_as_labeled(labels, names):
            continue
        held = resolve(names)
        container = _name(document)
        if not server:
            found = ForeignUse(
                Message(
                    'The container "{name}", which this lab did not start, has this GPU. Stop it;'
                    " or, if it only monitors GPUs or leaves them alone, start it with the label"
                    " {label}=true or name it in GPUDOCK_OBSERVERS.",
                    name=container,
                    label=LABEL_OBSERVER,
                ),
                Message(
                    'The container "{name}", which this lab did not start, had this GPU.',
                    name=container,
                ),
            )
        elif not _are_named_as_labeled(labels, held):
            found = ForeignUse(
                Message(
                    'The container "{name}" has this GPU, but its labels name other GPUs; this lab'
                    " did not start it like that. Stop it.",
                    name=container,
                ),
                Message(
                    'The container "{name}" had this GPU, but its labels named other GPUs.',
                    name=container,
                ),
            )
        else:
            continue
        use.update(dict.fromkeys(held, found))
    return use


def is_observer(document: Mapping[str, Any], names: Sequence[str]) -> bool:
    """Return whether an administrator has declared that a container only looks at GPUs.

    Args:
        document: the container, as ``GET /containers/json`` lists it.
        names: names of containers or images; ``*`` stands for anything, and an image without a tag
            for all of its tags.
    """
    if (document.get("Labels") or {}).get(LABEL_OBSERVER) == "true":
        return True
    image = _short(str(document.get("Image", "")))
    untagged = _TAG.sub("", image)
    found = {_name(document), image, image.partition("@")[0], untagged}
    return any(fnmatchcase(item, _short(name)) for item in found for name in names)


def _name(document: Mapping[str, Any]) -> str:
    return str((document.get("Names") or [document["Id"]])[0]).lstrip("/")


def _short(image: str) -> str:
    """Return an image's reference without what Docker adds to short ones."""
    return image.removeprefix("docker.io/").removeprefix("library/")


def _are_named_as_labeled(labels: Mapping[str, str], devices: Sequence[str]) -> bool:
    """Return whether a server's labels name a user and exactly these devices, by their UUIDs."""
    labeled = labels.get(LABEL_GPUS, "").split(",")
    return (
        bool(labels.get(LABEL_LEASE) and labels.get(LABEL_USER))
        and all(is_gpu_uuid(uuid) for uuid in labeled)
        and set(labeled) == set(devices)
    )
