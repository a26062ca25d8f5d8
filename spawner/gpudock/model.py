"""The terms of gpudock: GPU, request, lease, quota and denial.

All are immutable values and enumerations, so that every module can share them. Times are seconds
since the Unix epoch (UTC), durations are seconds unless a name says otherwise, memory is MiB.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

# NVML writes a UUID as five groups of hexadecimal digits; MIG slices have had two forms:
# "MIG-<uuid>" (driver 470 and later) and "MIG-GPU-<uuid>/<gi>/<ci>" (before).
_UUID = re.compile(
    r"(GPU-|MIG-)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"|MIG-GPU-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/\d{1,3}/\d{1,3}",
    re.IGNORECASE,
)


ALL_DEVICES = "all"
"""The name that stands for every device of a host, wherever one asks for devices by name."""

DEVICE_NODE = "/dev/nvidia"
"""The path of a GPU's device node, which its minor number completes."""

MAX_GPUS = 1024
"""The most GPUs that a lab can have and that one request can ask for."""


def is_gpu_uuid(text: str) -> bool:
    """Return whether *text* is the full UUID of a GPU or of a MIG slice."""
    return _UUID.fullmatch(text) is not None


class Share(enum.StrEnum):
    """Whether a request asks for whole devices or for a slot of a shared one."""

    EXCLUSIVE = "exclusive"
    SHARED = "shared"


class WhenBusy(enum.StrEnum):
    """What to do with a request when no matching GPU is free."""

    WAIT = "wait"
    FAIL = "fail"
    CPU = "cpu"


class GPUState(enum.StrEnum):
    """The state of a GPU as people see it; exactly one holds at any time."""

    FREE = "free"
    LEASED = "leased"
    DRAINING = "draining"
    QUARANTINED = "quarantined"
    LOST = "lost"


class LeaseState(enum.StrEnum):
    """The life of a lease; it only ever moves down this list."""

    GRANTED = "granted"  # committed; its container may or may not exist yet
    ACTIVE = "active"  # bound to the container that was made for it
    STOPPING = "stopping"  # to end; the GPU stays taken until the container's end is proven
    ENDED = "ended"  # the container is proven gone, or proven never to have run


@dataclass(frozen=True, slots=True)
class GPU:
    """One allocatable device: a whole GPU or one MIG slice.

    Attributes:
        uuid: full NVML UUID, ``GPU-…`` or ``MIG-…``; the only identity a device has.
        index: the driver's number, for display only; it changes over reboots.
        host: name of the machine that the device sits in.
        model: NVML's product name, for example ``NVIDIA A100-SXM4-40GB``.
        memory_mib: memory of the device (of the slice, for a slice), MiB.
        parent_uuid: for a MIG slice, the UUID of the GPU that it is cut from.
        mig_profile: for a MIG slice, its profile, for example ``1g.5gb``.
    """

    uuid: str
    index: int
    host: str
    model: str
    memory_mib: int
    parent_uuid: str | None = None
    mig_profile: str | None = None

    @property
    def physical_uuid(self) -> str:
        """UUID of the physical GPU: a slice's parent, or the GPU itself."""
        return self.parent_uuid or self.uuid


@dataclass(frozen=True, slots=True)
class GPUProcess:
    """A process that NVML reports on a device.

    Attributes:
        pid: its PID on the host.
        memory_mib: how much of the device's memory it has, MiB; ``None``: not known.
        name: its program.
        computes: it can compute; otherwise it only draws, as a display server does.
    """

    pid: int
    memory_mib: int | None
    name: str | None = None
    computes: bool = True


@dataclass(frozen=True, slots=True)
class Telemetry:
    """One reading of a device. ``None`` means that the device does not report the value."""

    utilization_percent: int | None = None
    memory_used_mib: int | None = None
    temperature_c: int | None = None
    power_w: float | None = None
    power_limit_w: float | None = None
    processes: tuple[GPUProcess, ...] | None = None


@dataclass(frozen=True, slots=True)
class GPUReading:
    """A device with its latest reading.

    Attributes:
        gpu: the device.
        telemetry: its latest values.
        fault: ``None`` when the device answers; otherwise one sentence on what is wrong.
        lost: the driver says that the device fell off the bus; no value of it can be trusted.
        fault_may_pass: the fault is an error of the driver that may be over by itself, not one of
            the hardware.
        minor: number of the GPU's device node ``/dev/nvidiaN``, for a slice of its GPU's;
            ``None``: not known.
        mig_number: for a slice, NVML's number of it on its GPU; ``None``: not known.
        mig_enabled: the GPU is in MIG mode: its slices can be granted, the GPU itself cannot.
        simulated: it has readings, and computes nothing.
    """

    gpu: GPU
    telemetry: Telemetry = field(default_factory=Telemetry)
    fault: str | None = None
    lost: bool = False
    fault_may_pass: bool = False
    minor: int | None = None
    mig_number: int | None = None
    mig_enabled: bool = False
    simulated: bool = False


class LinkKind(enum.IntEnum):
    """How two devices of one host are connected, as NVML reports it; the closest first."""

    NVLINK = 0  # by one NVLink or more, directly or through a switch
    PCIE_SWITCH = 1  # below one PCIe switch, or several in a row
    HOST_BRIDGE = 2  # below one PCIe host bridge
    NUMA_NODE = 3  # at one processor, across host bridges
    SYSTEM = 4  # across processors


@dataclass(frozen=True, slots=True)
class Link:
    """The connection between two whole devices of one host.

    Attributes:
        one, other: their UUIDs, in alphabetical order.
        kind: see :class:`LinkKind`.
        lanes: how many NVLinks connect them; 0 for any other kind.
    """

    one: str
    other: str
    kind: LinkKind
    lanes: int = 0


@dataclass(frozen=True, slots=True)
class InventoryReading:
    """All devices of the lab at one time.

    Attributes:
        taken_at: when the devices were read (Unix time); ``None`` when nothing was ever read.
        readings: the devices, in display order.
        driver_version: the NVIDIA driver's version, when there is a driver.
        problem: one sentence when the devices could not be read (agent down, no driver …).
            The readings are then the last known ones: fit for display, never for a grant.
        expects_readings: ``False`` for a lab that has no agent by choice (a static list of GPUs, or
            none at all), where old readings are not a sign of trouble.
        links: how the devices are connected, where the hosts report it; none for a pair that is
            not known.
    """

    taken_at: float | None
    readings: tuple[GPUReading, ...] = ()
    driver_version: str | None = None
    problem: str | None = None
    expects_readings: bool = True
    links: tuple[Link, ...] = ()

    @property
    def simulated(self) -> frozenset[str]:
        """The UUIDs of the devices that are simulated."""
        return frozenset(item.gpu.uuid for item in self.readings if item.simulated)


@dataclass(frozen=True, slots=True)
class Request:
    """What one server of one user asks for.

    Attributes:
        id: unique, URL-safe.
        user: the Hub's user name, unchanged.
        server: the Hub's server name; empty for the default server.
        gpus: how many devices; 0 asks for a server without a GPU.
        gpu_model: a shell-style pattern for the model, matched without regard to case; ``None``
            takes any model.
        share: whole devices or a slot of a shared one.
        when_busy: what to do when no device is free.
        image: the container image that the server will run.
        groups: the user's Hub groups at the time of the request.
        created_at: when it was first made (Unix time); fair share and starts count from it.
        user_options: all spawn options as the Hub stores them, to start the server again.
    """

    id: str
    user: str
    server: str
    gpus: int
    created_at: float
    image: str
    gpu_model: str | None = None
    share: Share = Share.EXCLUSIVE
    when_busy: WhenBusy = WhenBusy.WAIT
    groups: tuple[str, ...] = ()
    user_options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GroupHours:
    """A group's limit of GPU-hours at one time.

    Attributes:
        group: the group's name.
        limit: GPU-hours of all its members together.
        window_days: in how many days; ``None``: in all days.
    """

    group: str
    limit: float
    window_days: float | None


@dataclass(frozen=True, slots=True)
class Lease:
    """A granted request.

    Attributes:
        id: unique, lower-case letters and digits; part of the container's name.
        user, server, image: as in the request.
        gpu_uuids: the devices, sorted; empty for a server without a GPU.
        share: whole devices or a slot of a shared one.
        granted_at: Unix time of the grant.
        state: see :class:`LeaseState`.
        container_id: Docker's full id of the container once it is known.
        expires_at: Unix time at which the session ends unless it is extended; ``None``: no end.
        ended_at: Unix time of the proven end.
        end_reason: one short sentence on why it ended.
        groups: the user's Hub groups at the time of the grant, for the caps of groups.
        slot, slots: which slot of how many the session has of its device. One of one is the whole
            device.
        latest_end: Unix time beyond which it is not extended under the limits that held when it
            was granted; ``None``: no end. Forecasts rely on it.
        backfilled: a waiting request has a reservation that relies on :attr:`latest_end`, so it
            holds even if the limits are raised.
        gpu_hours_limit: the user's limit of GPU-hours when the lease was granted or extended;
            lowering the limit since then does not end the session. ``None``: no limit.
        gpu_hours_window: in how many days that limit counts; ``None``: in all days.
        group_hours: the same of each of the user's groups that had such a limit as a whole.
        active_at: Unix time at which its devices were last seen in use; ``None``: not yet.
        warned_at: Unix time since when the user is warned that the session ends soon; ``None``:
            not warned, or not any more.
        adopted: it was rebuilt from a container's labels, so its times are not those that the user
            was shown when the session began.
    """

    id: str
    user: str
    server: str
    image: str
    gpu_uuids: tuple[str, ...]
    granted_at: float
    share: Share = Share.EXCLUSIVE
    state: LeaseState = LeaseState.GRANTED
    container_id: str | None = None
    expires_at: float | None = None
    ended_at: float | None = None
    end_reason: str | None = None
    groups: tuple[str, ...] = ()
    slot: int = 0
    slots: int = 1
    latest_end: float | None = None
    backfilled: bool = False
    gpu_hours_limit: float | None = None
    gpu_hours_window: float | None = None
    group_hours: tuple[GroupHours, ...] = ()
    active_at: float | None = None
    warned_at: float | None = None
    adopted: bool = False

    @property
    def gpu_share(self) -> float:
        """How much the session has of GPUs: their number, or a fraction of one for a slot."""
        return len(self.gpu_uuids) / self.slots


@dataclass(frozen=True, slots=True)
class Quota:
    """Limits as one level sets them, or as they are in force for a user.

    ``None`` means no limit in an effective quota. A level's document leaves out the fields that it
    does not set; this class does not show which.

    Attributes:
        max_gpus: devices at once, over all servers of the user.
        gpu_hours: GPU-hours in any ``window_days`` days.
        window_days: length of the rolling window, days.
        session_hours: how long a session lasts unless it is extended, hours; ``None``: as long as
            ``max_session_hours`` allows.
        max_session_hours: longest session, extensions included, hours.
        idle_minutes: a GPU idle for longer may be taken back.
        weight: share of a busy lab relative to others.
        gpu_models: patterns of models that may be used; ``None`` allows all.
    """

    max_gpus: int | None = 1
    gpu_hours: float | None = None
    window_days: float | None = 30.0
    session_hours: float | None = None
    max_session_hours: float | None = 12.0
    idle_minutes: float | None = None
    weight: float = 1.0
    gpu_models: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Denial:
    """Why a request is denied, for its user to read.

    Attributes:
        reason: a short machine-readable label, for metrics (``quota``, ``busy`` …).
        message: what happened, why, and what to do, in full sentences.
    """

    reason: str
    message: str


class QueuePosition(NamedTuple):
    """Where a waiting request stands.

    A tuple, because each decision on a long queue makes one for every request.

    Attributes:
        position: 1 is next.
        length: how many wait in all.
        reason: one sentence on what it waits for.
        expected_start: when it can start if all leases in the way run to their latest end and
            nobody joins the queue ahead of it (Unix time); ``None`` when that is unknown.
        latest_start: the same if all that may still come first do so (Unix time): requests of users
            who have used less, or whose sessions are shorter. ``None`` when that is unknown.
    """

    position: int
    length: int
    reason: str
    expected_start: float | None = None
    latest_start: float | None = None


class ContainerState(enum.StrEnum):
    """The state of a container, reduced to what matters for a lease."""

    CREATED = "created"  # exists, has never run
    RUNNING = "running"  # runs, is paused, or is restarting: it holds its devices
    EXITED = "exited"  # does not run; would get the same devices if it were started again


@dataclass(frozen=True, slots=True)
class ObservedContainer:
    """A container that carries gpudock's labels, as one look at the engine saw it.

    Attributes:
        id: Docker's full id.
        name: without the leading slash.
        state: see :class:`ContainerState`.
        lease_id, user, server, gpu_uuids: from the labels.
        image: the image's name as the container was created with it.
        created_at: Unix time.
        exit_code: for an exited container.
        slot, slots: from the labels, as in a lease; ``slots`` is 0 when the label is not valid.
        groups: from the labels; none when the label is not valid.
    """

    id: str
    name: str
    state: ContainerState
    lease_id: str
    user: str
    server: str
    gpu_uuids: tuple[str, ...]
    image: str = ""
    created_at: float = 0.0
    exit_code: int | None = None
    slot: int = 0
    slots: int = 1
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DeliveryFailure:
    """The engine could not give a container its devices.

    Attributes:
        words: the engine's own words.
        general: it can give no device at all, whichever it is.
        unlisted: it says that names of devices are not in its CDI specification.
        named: the UUIDs of those of the container's devices that it names.
        minors: numbers of the device nodes ``/dev/nvidiaN`` that it names.
    """

    words: str
    general: bool = False
    unlisted: bool = False
    named: tuple[str, ...] = ()
    minors: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ForeignUse:
    """Who uses a device without a lease, in sentences for people.

    Attributes:
        now: while it lasts.
        past: once it is over.
    """

    now: str
    past: str


@dataclass(frozen=True, slots=True)
class DeviceNames:
    """By which names containers can ask for a device.

    Attributes:
        uuid: its UUID.
        index: the driver's index of its GPU.
        minor: number of its GPU's device node; ``None``: not known.
        mig_number: for a slice, its number on its GPU; ``None``: not known.
    """

    uuid: str
    index: int
    minor: int | None
    mig_number: int | None


@dataclass(frozen=True, slots=True)
class Observation:
    """One complete, successful look at an engine.

    A look that failed, even in part, is not an observation: unknown is occupied.

    Attributes:
        started_at: when the engine was asked, in seconds of a clock that cannot be set
            (``time.monotonic``); nothing that happened later is certain to be in it.
        containers: every container with gpudock's labels, whatever its state.
        foreign_use: device UUID to who uses it: running containers which have NVIDIA devices and
            which gpudock did not start.
        looked_for: the devices that were read when the look began, by the names that they had then.
            It says nothing of others, which are granted after the next one. ``None``: those that
            are read when the leases are compared with it.
    """

    started_at: float
    containers: tuple[ObservedContainer, ...] = ()
    foreign_use: Mapping[str, ForeignUse] = field(default_factory=dict)
    looked_for: frozenset[DeviceNames] | None = None
