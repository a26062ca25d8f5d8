"""Device health: whether a device may be granted, and what users read about it."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpudock.model import GPUState
from gpudock.policy.durations import duration_in_words
from gpudock.policy.matching import overlap

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gpudock.model import GPU, GPUReading, InventoryReading


class AdminState(enum.StrEnum):
    """What the lab has decided about a device. All but ``ACTIVE`` last until an explicit act.

    ``FORGOTTEN`` is a device that an administrator took out of the list after it had gone.
    """

    ACTIVE = "active"
    DRAINING = "draining"
    QUARANTINED = "quarantined"
    LOST = "lost"
    FORGOTTEN = "forgotten"


@dataclass(frozen=True, slots=True)
class GPURecord:
    """What the store knows about a device.

    Attributes:
        gpu: the device as it was last reported.
        admin_state: what was decided about it.
        reason: one sentence on why it is not active.
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
    """An administrative state that follows from what was seen and is to be kept."""

    admin_state: AdminState
    reason: str


@dataclass(frozen=True, slots=True)
class DeviceHealth:
    """The health of a device now.

    Attributes:
        gpu: the device.
        state: the state that users see.
        reason: one sentence on why it is neither free nor simply leased.
        grantable: it may be granted now, unless a lease holds it.
        in_service: it will be granted again without an explicit act.
        transition: an administrative state to keep, if the readings call for one.
        slots: how many sessions may share it; 1: it is given to one session as a whole.
        cooling_down: it is free and waits only for the check after its last session. Within seconds
            it is either grantable or out of service.
    """

    gpu: GPU
    state: GPUState
    reason: str | None
    grantable: bool
    in_service: bool
    transition: StateTransition | None = None
    slots: int = 1
    cooling_down: bool = False


LEFTOVER_MEMORY_MIB = 1024
"""Memory of a device that may be in use by nobody, MiB: the driver itself takes some hundred."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The numbers that device health depends on.

    Attributes:
        cool_down_seconds: how long processes and memory of an ended session may linger on a device.
        reading_max_age: seconds after which a reading is too old to grant on.
        leftover_memory_mib: how much memory (MiB) of a device that no lease holds may be in use
            without a process that is seen to use it; ``None``: any amount.
    """

    cool_down_seconds: float = 30.0
    reading_max_age: float = 15.0
    leftover_memory_mib: int | None = LEFTOVER_MEMORY_MIB


def check_staleness(inventory: InventoryReading, now: float, rules: Rules) -> str | None:
    """Return why *inventory* is too old or too poor to grant on; ``None`` when it is not."""
    if inventory.problem is not None:
        return inventory.problem
    if not inventory.expects_readings:
        return None
    if inventory.taken_at is None:
        return "The GPUs have not been read yet."
    age = now - inventory.taken_at
    if age > rules.reading_max_age:
        return (
            f"The latest reading of the GPUs is {age:.0f} s old; the agent that reads them may"
            " have stopped."
        )
    return None


def assess(
    records: Iterable[GPURecord],
    inventory: InventoryReading,
    leased: Mapping[str, str],
    now: float,
    rules: Rules,
    gate: str | None = None,
) -> list[DeviceHealth]:
    """Assess every device that the store knows.

    A device that is neither reported nor leased is left out if it was configured away: a slice, or
    a GPU whose slices are reported in its place.

    Args:
        records: what the store knows.
        inventory: the latest reading.
        leased: device UUID to the id of a live lease that holds it, or a slot of it. Processes on
            a leased device are not checked.
        now: Unix time.
        rules: see :class:`Rules`.
        gate: a sentence on why nothing at all may be granted at the moment.
    """
    known = list(records)
    seen = {reading.gpu.uuid: reading for reading in inventory.readings}
    mig_enabled = {reading.gpu.parent_uuid for reading in inventory.readings}
    doubt = check_staleness(inventory, now, rules)
    conflicting = _conflicting_records(known)
    devices = []
    for record in known:
        uuid = record.gpu.uuid
        reading = seen.get(uuid)
        if record.admin_state is AdminState.FORGOTTEN and uuid not in leased:
            continue
        configured_away = record.gpu.parent_uuid is not None or uuid in mig_enabled
        if reading is None and configured_away and uuid not in leased and doubt is None:
            continue
        overlapping = conflicting[uuid]
        conflict_leased = any(other.gpu.uuid in leased for other in overlapping)
        freed_at = max((r.freed_at for r in overlapping if r.freed_at is not None), default=None)
        transition: StateTransition | None = None
        barrier: str | None = None
        if doubt is None:
            transition = _transition(record, reading, leased=uuid in leased)
            if transition is None and reading is not None and not conflict_leased and gate is None:
                transition, barrier = _cleanliness(reading, freed_at, inventory, now, rules)
        devices.append(
            _health(
                record,
                transition if _is_news(transition, record) else None,
                missing=reading is None and doubt is None,
                leased=uuid in leased,
                conflict_leased=conflict_leased,
                conflict=_conflict(record, overlapping),
                barrier=gate or doubt or barrier,
                cooling_down=barrier is not None,
            )
        )
    return devices


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


def _transition(
    record: GPURecord, reading: GPUReading | None, *, leased: bool
) -> StateTransition | None:
    if reading is None:
        if leased:
            return StateTransition(
                AdminState.LOST, "The driver stopped reporting it while it was leased."
            )
        return None
    if reading.lost:
        return StateTransition(AdminState.LOST, reading.fault or "The driver reports it as lost.")
    if reading.fault is not None:
        return StateTransition(AdminState.QUARANTINED, reading.fault)
    if record.in_use_by is not None:
        return StateTransition(AdminState.QUARANTINED, record.in_use_by)
    return None


def _cleanliness(
    reading: GPUReading,
    freed_at: float | None,
    inventory: InventoryReading,
    now: float,
    rules: Rules,
) -> tuple[StateTransition | None, str | None]:
    """Check a device that no lease holds: (state transition, temporary barrier)."""
    telemetry = reading.telemetry
    readable = telemetry.processes is not None or telemetry.memory_used_mib is not None
    if not readable or not inventory.expects_readings or inventory.taken_at is None:
        return None, None
    if freed_at is not None and inventory.taken_at <= freed_at:
        return None, "It is being checked after its last session."
    if telemetry.processes:
        pids = ", ".join(str(process.pid) for process in telemetry.processes[:5])
        foreign = f"Processes that gpudock did not start are using it (host PIDs {pids})."
        ending = f"Processes of its last session are still ending (host PIDs {pids})."
        stuck = (
            f"Processes are using it although its last session ended {{}} ago (host PIDs {pids})."
        )
    elif _is_left_over(telemetry.memory_used_mib, rules):
        used = f"{telemetry.memory_used_mib} MiB of its memory are in use"
        fix = ' Find what uses it with "nvidia-smi", or reset it.'
        foreign = f"{used}, though no session has it and no process is seen to use it.{fix}"
        ending = f"The memory of its last session is still being freed: {used}."
        stuck = f"{used} although its last session ended {{}} ago.{fix}"
    else:
        return None, None
    if freed_at is None:
        return StateTransition(AdminState.QUARANTINED, foreign), None
    if now - freed_at <= rules.cool_down_seconds:
        return None, ending
    return StateTransition(
        AdminState.QUARANTINED, stuck.format(duration_in_words(now - freed_at))
    ), None


def _is_left_over(memory_used_mib: int | None, rules: Rules) -> bool:
    return (
        memory_used_mib is not None
        and rules.leftover_memory_mib is not None
        and memory_used_mib > rules.leftover_memory_mib
    )


def _is_news(transition: StateTransition | None, record: GPURecord) -> bool:
    """Return whether *transition* changes anything; the first reason of a quarantine is kept."""
    if transition is None or record.admin_state is AdminState.LOST:
        return False
    return not (
        record.admin_state is AdminState.QUARANTINED
        and transition.admin_state is AdminState.QUARANTINED
    )


def _conflict(record: GPURecord, overlapping: list[GPURecord]) -> str | None:
    for other in overlapping:
        if other.gpu.uuid == record.gpu.uuid:
            continue
        if other.admin_state is not AdminState.ACTIVE or other.in_use_by is not None:
            what = "The GPU that it is cut from" if record.gpu.parent_uuid else "A slice of it"
            return f"{what} is {other.admin_state if other.in_use_by is None else 'in use'}."
    return None


def _health(
    record: GPURecord,
    transition: StateTransition | None,
    *,
    missing: bool,
    leased: bool,
    conflict_leased: bool,
    conflict: str | None,
    barrier: str | None,
    cooling_down: bool,
) -> DeviceHealth:
    admin_state = transition.admin_state if transition else record.admin_state
    reason = transition.reason if transition else record.reason

    def health(
        state: GPUState,
        why: str | None,
        *,
        grantable: bool,
        in_service: bool,
        cooling_down: bool = False,
    ) -> DeviceHealth:
        return DeviceHealth(
            record.gpu, state, why, grantable, in_service, transition, record.slots, cooling_down
        )

    if admin_state is not AdminState.ACTIVE:
        return health(GPUState(admin_state.value), reason, grantable=False, in_service=False)
    if missing:
        gone = "The driver does not report it any more."
        return health(GPUState.LOST, gone, grantable=False, in_service=False)
    if leased:
        return health(GPUState.LEASED, barrier, grantable=barrier is None, in_service=True)
    if record.in_use_by is not None or conflict is not None:
        why = record.in_use_by or conflict
        return health(GPUState.QUARANTINED, why, grantable=False, in_service=False)
    if conflict_leased:
        what = "The GPU that it is cut from" if record.gpu.parent_uuid else "A slice of it"
        leased_conflict = f"{what} is leased."
        return health(GPUState.LEASED, leased_conflict, grantable=barrier is None, in_service=True)
    if barrier is not None:
        return health(
            GPUState.QUARANTINED,
            barrier,
            grantable=False,
            in_service=True,
            cooling_down=cooling_down,
        )
    return health(GPUState.FREE, None, grantable=True, in_service=True)
