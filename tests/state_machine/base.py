"""The lab of the state machine: its parts, what was done to it, and helpers that all rules use."""

from __future__ import annotations

import asyncio
import itertools
import math
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from hypothesis.stateful import rule

from doubles.clock import HandClock
from doubles.inventory import SettableInventory, gpu, mig_slice
from gpudock.broker import LeaseConflictError
from gpudock.engine.protocol import EngineUnknown
from gpudock.hub.errors import LaunchFailed, NotDelivered
from gpudock.model import (
    ContainerState,
    GPUProcess,
    GPUReading,
    InventoryReading,
    Lease,
    LeaseState,
    Quota,
    Telemetry,
)
from gpudock.policy.gpu_health import AdminState
from gpudock.store import StoreError
from state_machine.engine import Container, FakeEngine, Spec, Task
from state_machine.hub import IN_MEMORY, DatabaseFile, Hub, migrated_database
from state_machine.strategies import GROUP, Limits

if TYPE_CHECKING:
    from gpudock.model import DeliveryFailure, Observation
    from gpudock.store import QueuedRequest, Transaction
    from state_machine.hub import Database

_WHOLE = gpu(2)
PARTS = tuple(replace(mig_slice(number, _WHOLE), index=_WHOLE.index) for number in (10, 11))
# The first GPU, and another one that may be put into its place.
FIRST = (gpu(0), replace(gpu(3), index=0))
GPUS = (FIRST[0], gpu(1), _WHOLE, *PARTS, FIRST[1])
BY_UUID = {item.uuid: item for item in GPUS}

LIMIT = 2
# How long a device has to prove clean after a foreign user, after errors of the driver, and after
# the engine could give none.
OCCUPIED_SECONDS, UNSTABLE_SECONDS, UNDELIVERED_SECONDS = 30.0, 300.0, 30.0
HOUR, DAY = 3600.0, 86400.0
ROUNDING = 0.01

NOT_READ_YET = InventoryReading(None, problem="The GPU agent has not been reached yet.")

# What comes with each other in some labs; all else may.
COMBINED = {"changes": ("devices", "draining", "hub", "slicing", "strangers")}
TROUBLES = (
    "cancellations",
    "changes",
    "database",
    "delivery",
    "devices",
    "disk",
    "draining",
    "engine",
    "forgery",
    "hub",
    "quotas",
    "rivals",
    "sessions",
    "sharing",
    "slicing",
    "strangers",
)


def are_conflicting(one: str, other: str) -> bool:
    """Return, independently of the policy, whether two devices are on one physical GPU."""
    a, b = BY_UUID[one], BY_UUID[other]
    return one == other or a.parent_uuid == other or b.parent_uuid == one


def are_apart(one, other) -> bool:
    """Return whether two containers, or leases, have different slots of one shared device."""
    return one.slots == other.slots > 1 and one.slot != other.slot


@dataclass(frozen=True)
class Stranger:
    """A container of others.

    Attributes:
        names: the devices that it was started with, by the names that were given.
        held: the UUIDs of those that it has, and of those that will be a part of them.
        computes: processes of it are seen on them.
    """

    names: tuple[str, ...]
    held: frozenset[str]
    computes: bool


class LabState:
    """The parts of the lab, and what the machine knows of them."""

    kinds: ClassVar[tuple[str, ...]] = TROUBLES

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(dir=IN_MEMORY, prefix="gpudock-machine-"))
        self.clock = HandClock()
        self.database = self.new_database()
        self.inventory = SettableInventory()
        self.engine = FakeEngine(self.clock, by_hand=True)
        self.graveyard: list[Hub] = []
        self.strangers: list[Stranger] = []
        # A hub that another one has replaced, and that goes on.
        self.rival: Hub | None = None
        self.faulty: set[str] = set()
        self.unstable: set[str] = set()
        self.lost: set[str] = set()
        self.full: set[str] = set()
        # Whole GPUs that were taken out of the server, and which one is at the first place.
        self.removed: set[str] = set()
        self.first = FIRST[0].uuid
        # The slices of the last GPU while it is in MIG mode. ``None``: an old driver reports the
        # GPU together with all of its slices.
        self.mig_enabled: bool | None = None
        self.slices: set[str] = set()
        self.tampered: set[str] = set()
        self.tampered_servers: set[tuple[str, str]] = set()
        self.agent_up = True
        self.reports_processes = True
        self.troubles: set[str] = set()
        self.look_taken: tuple[Observation, set[str]] | None = None
        # What strangers had by then, whether or not the hub could know.
        self.foreign_at_last_look: set[str] = set()
        # Device to when the hub last saw what speaks against it, and for how many seconds it must
        # be clean from then on; infinitely, if a person has to return it.
        self.unfit: dict[str, tuple[float, float]] = {}
        # Devices that the engine could not give to a container, while it could give others.
        self.failed_alone: set[str] = set()
        # Device to when a person last returned it to service.
        self.returned_at: dict[str, float] = {}
        self.limits = self.limits_in_backup = Limits(LIMIT)
        self.reconciling = False
        self.replacements = 0
        self.known_version = None
        self.known_leases: list[Lease] = []
        self.news = True
        self.stopped_by_users: set[str] = set()
        # Leases that somebody in the hub that runs has had, and for each lease its request.
        self.claimed: set[str] = set()
        self.granted_to: dict[str, QueuedRequest] = {}
        self.request_count = 0
        # Leases of the same moment are ordered by id: chance would make a run unrepeatable.
        self.lease_ids = itertools.count(1)
        self.before: dict[str, Lease] = {}
        self.store_is_older = False
        # Lease to the end that its user was shown, and to the hours of it and its group then.
        self.announced: dict[str, float | None] = {}
        self.hours_then: dict[str, tuple[float | None, float | None]] = {}
        self.hub = self._new_hub()

    def new_database(self) -> Database:
        return DatabaseFile(self.directory, migrated_database())

    def _new_hub(self) -> Hub:
        hub = Hub(
            self.database,
            self.engine,
            self.inventory,
            self.clock,
            Quota(max_gpus=LIMIT),
            lambda: f"{next(self.lease_ids):016x}",
        )
        hub.store.on_grant = self.a_grant_is_as_promised
        return hub

    def _leases(self, *states: LeaseState) -> list[Lease]:
        """Return the live leases, or those in certain states."""
        live = [lease for lease in self._all_leases() if lease.state is not LeaseState.ENDED]
        return [lease for lease in live if not states or lease.state in states]

    def _all_leases(self) -> list[Lease]:
        """Return all leases; the database is asked only when it has changed."""
        version = (id(self.hub), self.hub.store.writes, self.replacements)
        if version != self.known_version:
            self.known_version = version
            self.known_leases = self.hub.broker.leases.all()
            self.news = True
        return self.known_leases

    def _pick(self, items: list, index: int):
        return items[index % len(items)] if items else None

    def _running(self) -> list[Container]:
        return [c for c in self.engine.containers.values() if c.state is ContainerState.RUNNING]

    def _check(self, task: Task) -> bool:
        """Return whether a task is over, and check how it ended."""
        expected = (
            LaunchFailed,
            LeaseConflictError,
            EngineUnknown,
            StoreError,
            asyncio.CancelledError,
        )
        if task.error is not None and not isinstance(task.error, expected):
            raise task.error
        if isinstance(task.error, NotDelivered):
            self._note_undelivered(task.error.failure)
        if task.done and task.what == "terminate" and task.result is True:
            lease = self.hub.broker.leases.get(task.lease_id)
            ended = lease is None or lease.state is LeaseState.ENDED
            assert ended, "promise 3: an end was reported that is none"
        self.hub.tidy()
        return task.done

    def _note_undelivered(self, failure: DeliveryFailure) -> None:
        """Remember which devices the engine could not give; the hub has stored it by now."""
        with self.hub.store.snapshot() as transaction:
            states = {record.gpu.uuid: record.admin_state for record in transaction.gpus.records()}
        for uuid in failure.named:
            refused_at = self.engine.refused_at[uuid]
            if self.returned_at.get(uuid, -math.inf) >= refused_at:
                continue
            # All devices that could be tried have failed: then each is tried again after a while.
            general = states[uuid] is AdminState.UNDELIVERED
            wait = UNDELIVERED_SECONDS if general else math.inf
            if self.clock() - refused_at < UNDELIVERED_SECONDS:
                assert states[uuid] is not AdminState.ACTIVE, "promise 10: not delivered, yet kept"
                self.unfit[uuid] = (refused_at, wait)
                if not general:
                    self.failed_alone.add(uuid)

    def _finish(self, task: Task | None) -> None:
        if task is not None:
            self.hub.finish(task)
            self._check(task)

    def _launch(self, lease: Lease) -> Task | None:
        self.claimed.add(lease.id)
        task = self.hub.launch(lease)
        return None if self._check(task) else task

    def _note_tampering(self, spec: Spec) -> None:
        self.tampered.update(spec.gpu_uuids)
        self.tampered_servers.add((spec.user, spec.server))

    def _is_tampered(self, container: Container) -> bool:
        spec = container.spec
        return (spec.user, spec.server) in self.tampered_servers or any(
            uuid in BY_UUID and other in BY_UUID and are_conflicting(uuid, other)
            for uuid in spec.gpu_uuids
            for other in self.tampered
        )

    def is_there(self, uuid: str) -> bool:
        """Return whether the driver reports a device."""
        item = BY_UUID.get(uuid)
        # A container may be labeled with any UUID.
        if item is None or item.physical_uuid in self.removed:
            return False
        if item in FIRST and uuid != self.first:
            return False
        if item.parent_uuid is None or self.mig_enabled is None:
            return True
        return self.mig_enabled and uuid in self.slices

    def is_divided(self, uuid: str) -> bool:
        """Return whether only the slices of a device can be granted, if it has any."""
        return uuid == _WHOLE.uuid and self.mig_enabled is True

    def note_broken_devices(self) -> None:
        """Keep the engine from starting containers with devices that do not work."""
        absent = {uuid for uuid in BY_UUID if not self.is_there(uuid) or self.is_divided(uuid)}
        self.engine.broken_devices = self.lost | self.faulty | absent

    def read_devices(self) -> None:
        busy: dict[str, list[GPUProcess]] = {}
        for number, container in enumerate(self._running()):
            for uuid in container.spec.gpu_uuids:
                busy.setdefault(uuid, []).append(GPUProcess(1000 + number, 2000))
        for uuid in sorted(held for x in self.strangers if x.computes for held in x.held):
            busy.setdefault(uuid, []).append(GPUProcess(77, 2000))
        self.inventory.current = InventoryReading(
            taken_at=self.clock(),
            readings=tuple(
                GPUReading(
                    item,
                    Telemetry(
                        memory_used_mib=2000 if item.uuid in busy or item.uuid in self.full else 0,
                        processes=tuple(busy.get(item.uuid, ()))
                        if self.reports_processes
                        else None,
                    ),
                    fault="It does not answer."
                    if item.uuid in self.faulty | self.unstable
                    else None,
                    fault_may_pass=item.uuid not in self.faulty,
                    lost=item.uuid in self.lost,
                    minor=item.index,
                    mig_number=PARTS.index(item) if item in PARTS else None,
                    mig_enabled=self.is_divided(item.uuid),
                )
                for item in GPUS
                if self.is_there(item.uuid)
            ),
        )

    @rule()
    def devices_are_read(self) -> None:
        if self.agent_up:
            self.read_devices()
            self.hub.broker.tick()
            self.note_unfit()

    def note_unfit(self) -> None:
        """Remember what the hub has seen now that speaks against a device, if it could store it."""
        with self.hub.store.snapshot() as transaction:
            records = {record.gpu.uuid: record for record in transaction.gpus.records()}
        for uuid in sorted(self.failed_alone):
            if uuid in records and records[uuid].admin_state is AdminState.UNDELIVERED:
                # Now all fail, so it may not be the device's fault: it is tried again with them.
                self.failed_alone.remove(uuid)
                since, wait = self.unfit.get(uuid, (0.0, 0.0))
                self.unfit[uuid] = (since, min(wait, UNDELIVERED_SECONDS))
        for item in self.inventory.current.readings:
            uuid = item.gpu.uuid
            state = records[uuid].admin_state if uuid in records else AdminState.ACTIVE
            wait = 0.0
            if item.lost or (item.fault is not None and not item.fault_may_pass):
                wait = math.inf if state in (AdminState.LOST, AdminState.QUARANTINED) else 0.0
            elif item.fault is not None:
                wait = UNSTABLE_SECONDS if state is AdminState.UNSTABLE else 0.0
            elif uuid in self.foreign_at_last_look:
                wait = OCCUPIED_SECONDS if state.passes else 0.0
            if wait:
                since, former = self.unfit.get(uuid, (0.0, 0.0))
                if self.clock() - since < former:
                    wait = max(wait, former)
                self.unfit[uuid] = (self.clock(), wait)

    def _abandon(self, task: Task, landing: str) -> None:
        if landing == "before":
            self.engine.land(task.call)
        elif landing == "later":
            self.engine.late.append(task.call)

    def a_grant_is_as_promised(self, lease: Lease, transaction: Transaction) -> None:
        """Check a lease when it is about to be granted; see ``Invariants``."""
        raise NotImplementedError

    # What users were shown of their sessions.

    def _cap_hours(self, lease: Lease) -> float | None:
        return self.limits.cap_hours if GROUP in lease.groups else None

    def note_grant(self, lease: Lease) -> None:
        self.announced[lease.id] = lease.expires_at
        self.hours_then[lease.id] = (self.limits.hours, self._cap_hours(lease))

    def lose_what_was_told(self) -> None:
        """The database that knew of limits and extensions is not there any more."""
        self.announced.clear()
        self.hours_then.clear()


def used_hours(leases: list[Lease], now: float) -> float:
    """Count the GPU-hours of the last day."""
    return sum(
        lease.gpu_share
        * max(0.0, (lease.ended_at or now) - max(lease.granted_at, now - DAY))
        / HOUR
        for lease in leases
    )
