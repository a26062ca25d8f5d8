"""Device health: whether a device may be granted, and what users read about it."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gpudock.language import Message, sentences
from gpudock.model import GPUState
from gpudock.policy.cleanliness import LEFTOVER_MEMORY_MIB, check_cleanliness
from gpudock.policy.delivery import is_undelivered
from gpudock.policy.durations import duration_in_words
from gpudock.policy.matching import overlap

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from gpudock.model import GPU, GPUReading, InventoryReading


class AdminState(enum.StrEnum):
    """What the lab has decided about a device.

    A device is ``OCCUPIED`` after something foreign used it, ``UNSTABLE`` after errors of the
    driver, and ``UNDELIVERED`` after the engine could not give any device to a container. These are
    over by themselves when it has proven clean for a while, and are shown as ``QUARANTINED``. All
    others but ``ACTIVE`` last until an explicit act. ``FORGOTTEN`` is a device that an
    administrator took out of the list after it had gone.
    """

    ACTIVE = "active"
    DRAINING = "draining"
    OCCUPIED = "occupied"
    UNSTABLE = "unstable"
    UNDELIVERED = "undelivered"
    QUARANTINED = "quarantined"
    LOST = "lost"
    FORGOTTEN = "forgotten"

    @property
    def passes(self) -> bool:
        """Whether it is over by itself when the device has proven clean for a while."""
        return self in (AdminState.OCCUPIED, AdminState.UNSTABLE, AdminState.UNDELIVERED)

    @property
    def shown(self) -> str:
        """The word for it that people read."""
        return AdminState.QUARANTINED.value if self.passes else self.value


@dataclass(frozen=True, slots=True)
class GPURecord:
    """What the store knows about a device.

    Attributes:
        gpu: the device as it was last reported.
        admin_state: what was decided about it.
        reason: one sentence on why it is not active; what may pass is in the past tense.
        in_use_by: one sentence on who else used it at the last look at the engine.
        freed_at: when its last lease ended (Unix time).
        first_seen, last_seen: when it was first and last reported (Unix time).
        slots: how many sessions may share it; 1: it is given to one session as a whole.
    """

    gpu: GPU
    admin_state: AdminState = AdminState.ACTIVE
    reason: str | None = None
    in_use_by: str | None = None
    freed_at: float | None = None
    first_seen: float = 0.0
    last_seen: float = 0.0
    slots: int = 1


@dataclass(frozen=True, slots=True)
class StateTransition:
    """An administrative state that follows from what was seen and is to be kept.

    Attributes:
        admin_state: the state.
        reason: one sentence on why, now.
        past: the same once it is over, for what may pass.
    """

    admin_state: AdminState
    reason: str
    past: str | None = None


@dataclass(frozen=True, slots=True)
class DeviceHealth:
    """The health of a device now.

    Attributes:
        gpu: the device.
        state: the state that users see.
        reason: one sentence on why it is neither free nor simply leased.
        grantable: it may be granted now, unless a lease holds it.
        in_service: it is granted, or leased, or will be within seconds.
        transition: an administrative state to keep, if the readings call for one.
        slots: how many sessions may share it; 1: it is given to one session as a whole.
        cooling_down: it is free and waits only for the check after its last session, or before its
            first one. Within seconds it is either grantable or out of service.
        clean: nothing speaks against granting it but its administrative state, and other devices on
            the same physical GPU.
        recovers_after: how long it has to stay clean until it returns to service by itself, in
            seconds; ``None``: it is in service, or returns only by an explicit act.
        gone: it is known that the driver does not report it any more.
    """

    gpu: GPU
    state: GPUState
    reason: str | None
    grantable: bool
    in_service: bool
    transition: StateTransition | None = None
    slots: int = 1
    cooling_down: bool = False
    clean: bool = False
    recovers_after: float | None = None
    gone: bool = False


_OVER = Message("This is over; an administrator can return the GPU to service.")
GONE = Message(
    "The driver does not report it any more. If it was taken out of the server, an administrator"
    " can remove it from the list."
)
_REMOVED_SLICE = Message("The slice was removed while a session had it. End the session.")
_CUT = Message("It is in MIG mode, so only its slices can be used.")
_ABSENT = Message("The driver stopped reporting it while it was leased.")


# The states that keep a device, and what is on the same physical GPU, from being granted.
_STATES = {
    AdminState.DRAINING.value: Message("draining"),
    AdminState.QUARANTINED.value: Message("quarantined"),
    AdminState.LOST.value: Message("lost"),
}
_IN_USE = Message("in use")


def without_slices(gpu: GPU) -> str:
    """Return why a GPU in MIG mode that has no slices cannot be used, and what to do."""
    return Message(
        "MIG mode is on, but the GPU has no slices, so nobody can use it. An administrator creates"
        " some on the host (`nvidia-smi mig -i {index} -cgi PROFILE -C`) or turns MIG mode off"
        " (`nvidia-smi -i {index} -mig 0`).",
        index=gpu.index,
    )


@dataclass(frozen=True, slots=True)
class Rules:
    """The numbers that device health depends on.

    Attributes:
        cool_down_seconds: how long processes and memory of an ended session may linger on a device.
        reading_max_age: seconds after which a reading is too old to grant on.
        leftover_memory_mib: how much memory (MiB) of a device that no lease holds may be in use;
            ``None``: any amount. A process with less does not count as use.
        quiet_seconds: how long a device has to stay unused after something foreign used it, or
            after the engine could not give any device to a container.
        stable_seconds: how long a device has to answer without an error after errors of the driver.
    """

    cool_down_seconds: float = 30.0
    reading_max_age: float = 15.0
    leftover_memory_mib: int | None = LEFTOVER_MEMORY_MIB
    quiet_seconds: float = 30.0
    stable_seconds: float = 300.0

    def recovery_seconds(self, admin_state: AdminState) -> float | None:
        """Return how long a device has to stay clean to leave a state by itself, if it does."""
        if admin_state in (AdminState.OCCUPIED, AdminState.UNDELIVERED):
            return self.quiet_seconds
        return self.stable_seconds if admin_state is AdminState.UNSTABLE else None


def check_staleness(inventory: InventoryReading, now: float, rules: Rules) -> str | None:
    """Return why *inventory* is too old or too poor to grant on; ``None`` when it is not."""
    if inventory.problem is not None:
        return inventory.problem
    if not inventory.expects_readings:
        return None
    if inventory.taken_at is None:
        return Message("The GPUs have not been read yet.")
    age = now - inventory.taken_at
    if age > rules.reading_max_age:
        return Message(
            "The latest reading of the GPUs is {age:.0f} s old; the agent that reads them may have"
            " stopped.",
            age=age,
        )
    return None


def assess(
    records: Iterable[GPURecord],
    inventory: InventoryReading,
    leased: Mapping[str, str],
    now: float,
    rules: Rules,
    gate: str | None = None,
    unchecked: Collection[str] = (),
) -> list[DeviceHealth]:
    """Assess every device that the store knows.

    Two kinds of devices are left out unless they are leased: a slice that is not reported any more,
    and a GPU whose slices are reported in its place, unless it is out of service itself.

    Args:
        records: what the store knows.
        inventory: the latest reading.
        leased: device UUID to the id of a live lease that holds it, or a slot of it. Processes on
            a leased device are not checked.
        now: Unix time.
        rules: see :class:`Rules`.
        gate: a sentence on why nothing at all may be granted at the moment.
        unchecked: devices of which the next look at the engine, within seconds, will tell which
            containers have them.
    """
    known = list(records)
    presence = _Presence(inventory, check_staleness(inventory, now, rules))
    conflicting = _conflicting_records(known)
    findings = {
        record.gpu.uuid: _look_at(
            record,
            conflicting[record.gpu.uuid],
            presence,
            inventory,
            leased,
            now,
            rules,
            gate,
            is_unchecked=record.gpu.uuid in unchecked,
        )
        for record in known
    }
    states = {
        record.gpu.uuid: news.admin_state
        if (news := findings[record.gpu.uuid].news) is not None
        else record.admin_state
        for record in known
    }
    devices = []
    for record in known:
        uuid = record.gpu.uuid
        if uuid not in leased and presence.is_hidden(record):
            continue
        found = findings[uuid]
        if found.news is None and uuid not in leased and presence.gives_way_to_slices(record):
            continue
        overlapping = conflicting[uuid]
        barrier = gate or presence.doubt or found.barrier
        health = _health(
            record,
            found.news,
            gone=presence.is_gone(uuid),
            leased=uuid in leased,
            conflict_leased=any(other.gpu.uuid in leased for other in overlapping),
            unusable=presence.why_unusable(record, leased=uuid in leased),
            conflict=_conflict(record, overlapping, states, presence),
            barrier=barrier,
            cooling_down=found.barrier is not None,
        )
        if record.admin_state.passes and found.news is None and not health.gone:
            health = _recovering(record, health, found.transition, barrier, rules)
        elif (
            found.clean
            and record.admin_state in (AdminState.QUARANTINED, AdminState.LOST)
            and not is_undelivered(record.reason)
        ):
            health = replace(health, reason=sentences(record.reason or "", _OVER))
        devices.append(replace(health, clean=found.clean))
    return devices


@dataclass(frozen=True, slots=True)
class _Finding:
    """What the readings show of one device.

    Attributes:
        transition: an administrative state that they call for.
        news: the same if the device does not have that state yet.
        barrier: one sentence on why it is not to be granted for the moment.
        clean: see :class:`DeviceHealth`.
    """

    transition: StateTransition | None
    news: StateTransition | None
    barrier: str | None
    clean: bool


def _look_at(
    record: GPURecord,
    overlapping: list[GPURecord],
    presence: _Presence,
    inventory: InventoryReading,
    leased: Collection[str],
    now: float,
    rules: Rules,
    gate: str | None,
    *,
    is_unchecked: bool,
) -> _Finding:
    uuid = record.gpu.uuid
    reading = presence.reading(uuid)
    transition: StateTransition | None = None
    barrier: str | None = None
    clean = False
    if presence.doubt is None:
        transition = _transition(record, presence, leased=uuid in leased)
        if transition is None and reading is not None and gate is None:
            conflict_leased = any(other.gpu.uuid in leased for other in overlapping)
            if not conflict_leased and not reading.mig_enabled:
                freed = [r.freed_at for r in overlapping if r.freed_at is not None]
                freed_at = max(freed, default=None)
                use, barrier = check_cleanliness(reading, freed_at, inventory, now, rules)
                if use is not None:
                    transition = StateTransition(AdminState.OCCUPIED, use.now, use.past)
            if is_unchecked and transition is None:
                barrier = Message("It is being checked which containers have it.")
            clean = transition is None and barrier is None
    if presence.is_cut(uuid) and transition is not None and transition.admin_state.passes:
        # Its slices have the same trouble, and are out of service until it is over.
        transition = None
    return _Finding(
        transition, transition if _is_news(transition, record) else None, barrier, clean
    )


class _Presence:
    """Which devices are there, as far as the latest reading shows it.

    Attributes:
        doubt: why the reading does not show it; ``None``: it does.
    """

    def __init__(self, inventory: InventoryReading, doubt: str | None) -> None:
        self.doubt = doubt
        self._readings = {reading.gpu.uuid: reading for reading in inventory.readings}
        self._physical = {reading.gpu.physical_uuid for reading in inventory.readings}
        self._parents = {reading.gpu.parent_uuid for reading in inventory.readings}

    def reading(self, uuid: str) -> GPUReading | None:
        """Return the latest reading of a device."""
        return self._readings.get(uuid)

    def is_gone(self, uuid: str) -> bool:
        """Return whether it is known that a device is not there, nor slices in its place."""
        return self.doubt is None and uuid not in self._readings and not self.is_cut(uuid)

    def has_its_gpu(self, gpu: GPU) -> bool:
        """Return whether the physical GPU that a device is on is there."""
        return gpu.physical_uuid in self._physical

    def is_cut(self, uuid: str) -> bool:
        """Return whether slices of a GPU are there in its place."""
        reading = self._readings.get(uuid)
        return uuid in self._parents and (reading is None or reading.mig_enabled)

    def is_hidden(self, record: GPURecord) -> bool:
        """Return whether a device is in nobody's list, as long as it is not leased."""
        if record.admin_state is AdminState.FORGOTTEN:
            return True
        # A slice that is known only from a container's labels has no parent.
        uuid = record.gpu.uuid
        is_slice = record.gpu.parent_uuid is not None or uuid.upper().startswith("MIG-")
        # An agent that is down does not bring back what was removed before.
        was_removed = uuid not in self._readings and self.has_its_gpu(record.gpu)
        return is_slice and (was_removed or self.is_gone(uuid))

    def gives_way_to_slices(self, record: GPURecord) -> bool:
        """Return whether the slices of a GPU are listed without the GPU itself."""
        in_service = record.admin_state is AdminState.ACTIVE or record.admin_state.passes
        return in_service and self.is_cut(record.gpu.uuid)

    def why_unusable(self, record: GPURecord, *, leased: bool) -> str | None:
        """Return why MIG mode keeps a device from being used, however well it is."""
        if record.gpu.uuid in self._readings:
            if not self._readings[record.gpu.uuid].mig_enabled:
                return None
            return _CUT if self.is_cut(record.gpu.uuid) else without_slices(record.gpu)
        if not leased or self.doubt is not None or not self.has_its_gpu(record.gpu):
            return None
        return _REMOVED_SLICE if record.gpu.parent_uuid is not None else _CUT


def _conflicting_records(records: list[GPURecord]) -> dict[str, list[GPURecord]]:
    """Return for each device the records that overlap with it, itself included."""
    by_physical: dict[str, list[GPURecord]] = {}
    for record in records:
        by_physical.setdefault(record.gpu.physical_uuid, []).append(record)
    return {
        record.gpu.uuid: [
            other
            for other in by_physical[record.gpu.physical_uuid]
            if overlap(record.gpu, other.gpu)
        ]
        for record in records
    }


def _transition(record: GPURecord, presence: _Presence, *, leased: bool) -> StateTransition | None:
    reading = presence.reading(record.gpu.uuid)
    if reading is None:
        # A slice that was removed, or a GPU that was cut into slices, is no broken device.
        if leased and not presence.has_its_gpu(record.gpu):
            return StateTransition(AdminState.LOST, _ABSENT)
        return None
    if reading.lost:
        fault = reading.fault or Message("The driver reports it as lost.")
        return StateTransition(AdminState.LOST, fault)
    if reading.fault is not None:
        if not reading.fault_may_pass:
            return StateTransition(AdminState.QUARANTINED, reading.fault)
        return StateTransition(
            AdminState.UNSTABLE,
            reading.fault,
            Message(
                'The driver reported errors of this GPU. Look for "Xid" in `dmesg` on the host.'
            ),
        )
    if record.in_use_by is not None:
        return StateTransition(
            AdminState.OCCUPIED,
            record.in_use_by,
            Message("Something that this lab did not start had this GPU."),
        )
    return None


def _is_news(transition: StateTransition | None, record: GPURecord) -> bool:
    """Return whether *transition* changes anything; the first reason of a state is kept."""
    former = record.admin_state
    if transition is None or former is AdminState.LOST:
        return False
    if transition.admin_state is AdminState.OCCUPIED:
        # What passes by itself must not end a drain.
        return former is AdminState.ACTIVE
    if transition.admin_state is AdminState.UNSTABLE:
        return former is AdminState.ACTIVE or (former.passes and former is not AdminState.UNSTABLE)
    return former is not transition.admin_state


def _conflict(
    record: GPURecord,
    overlapping: list[GPURecord],
    states: Mapping[str, AdminState],
    presence: _Presence,
) -> str | None:
    """Return which device on the same physical GPU keeps this one from being granted.

    Args:
        record: the device.
        overlapping: the devices that overlap with it.
        states: the administrative state of each device, with what the readings call for.
        presence: which devices are there. What is gone is in nobody's way.
    """
    if presence.is_cut(record.gpu.uuid):
        return None
    for other in overlapping:
        uuid = other.gpu.uuid
        admin_state = states[uuid]
        if uuid == record.gpu.uuid or presence.is_gone(uuid):
            continue
        harmless = (AdminState.ACTIVE, AdminState.FORGOTTEN)
        # What passes is seen on the slices themselves.
        seen_elsewhere = admin_state.passes and presence.is_cut(uuid)
        barred = admin_state not in harmless and not seen_elsewhere
        if barred or other.in_use_by is not None:
            state = _IN_USE if other.in_use_by is not None else _STATES[admin_state.shown]
            if record.gpu.parent_uuid:
                return Message(
                    "The GPU that it is cut from ({uuid}) is {state}.", uuid=uuid, state=state
                )
            return Message("A slice of it ({uuid}) is {state}.", uuid=uuid, state=state)
    return None


def _recovering(
    record: GPURecord,
    health: DeviceHealth,
    trouble: StateTransition | None,
    barrier: str | None,
    rules: Rules,
) -> DeviceHealth:
    """Complete the health of a device that returns to service by itself."""
    after = rules.recovery_seconds(record.admin_state) or 0.0
    if trouble is not None:
        reason = trouble.reason
    else:
        returns = Message(
            "It returns to service when it has been clean for {duration}.",
            duration=duration_in_words(after),
        )
        reason = sentences(record.reason or "", barrier or "", returns)
    return replace(health, reason=reason, recovers_after=after)


def _health(
    record: GPURecord,
    transition: StateTransition | None,
    *,
    gone: bool,
    leased: bool,
    conflict_leased: bool,
    unusable: str | None,
    conflict: str | None,
    barrier: str | None,
    cooling_down: bool,
) -> DeviceHealth:
    admin_state = transition.admin_state if transition else record.admin_state
    reason = transition.reason if transition else record.reason
    if admin_state is AdminState.FORGOTTEN:
        # A session has it, so it is there.
        admin_state = AdminState.ACTIVE

    def health(
        state: GPUState,
        why: str | None,
        *,
        grantable: bool = False,
        in_service: bool = False,
        cooling_down: bool = False,
    ) -> DeviceHealth:
        return DeviceHealth(
            record.gpu,
            state,
            why,
            grantable,
            in_service,
            transition,
            record.slots,
            cooling_down,
            gone=gone,
        )

    if gone:
        # Whatever else was wrong with it, or decided about it, matters only if it comes back.
        story = reason if admin_state is AdminState.LOST else None
        return health(GPUState.LOST, unusable or sentences(story or "", GONE))
    if admin_state is not AdminState.ACTIVE:
        return health(GPUState(admin_state.shown), reason)
    if unusable is not None:
        return health(GPUState.QUARANTINED, unusable)
    if leased:
        return health(GPUState.LEASED, barrier, grantable=barrier is None, in_service=True)
    if record.in_use_by is not None or conflict is not None:
        return health(GPUState.QUARANTINED, record.in_use_by or conflict)
    if conflict_leased:
        leased_conflict = (
            Message("The GPU that it is cut from is leased.")
            if record.gpu.parent_uuid
            else Message("A slice of it is leased.")
        )
        return health(GPUState.LEASED, leased_conflict, grantable=barrier is None, in_service=True)
    if barrier is not None:
        return health(GPUState.QUARANTINED, barrier, in_service=True, cooling_down=cooling_down)
    return health(GPUState.FREE, None, grantable=True, in_service=True)
