"""Comparing the leases with one complete look at the engine.

The engine knows which containers there are, the store which leases were granted. A container that
runs with a lease's labels proves that the lease lives; its absence from a complete look proves that
it ended. Where the two contradict each other, the device stays taken or is quarantined: unknown is
occupied.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpudock.broker.scheduling import take_out_of_service
from gpudock.broker.validation import has_valid_labels
from gpudock.language import Message
from gpudock.model import ContainerState, ForeignUse, Lease, LeaseState, Share
from gpudock.policy.gpu_health import AdminState, StateTransition
from gpudock.policy.matching import overlap
from gpudock.policy.sessions import session_hours, with_hour_limits
from gpudock.store import RequestState

if TYPE_CHECKING:
    from gpudock.broker.process_state import ProcessState
    from gpudock.broker.unit_of_work import UnitOfWork
    from gpudock.model import Observation, ObservedContainer

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StopContainer:
    """Stop a container that must not run."""

    container_id: str
    name: str
    lease_id: str
    why: str


@dataclass(frozen=True, slots=True)
class RemoveContainer:
    """Remove a container that must not run again, even if it runs by the time of removal."""

    container_id: str
    name: str
    lease_id: str
    why: str


Action = StopContainer | RemoveContainer


class Comparison:
    """One comparison of the leases with an observation, within one unit of work.

    Attributes:
        actions: what is to be done at the engine.
        ended: ids of the leases that ended.
    """

    def __init__(
        self, work: UnitOfWork, process_state: ProcessState, observation: Observation
    ) -> None:
        self.work = work
        self.transaction = work.transaction
        self.process_state = process_state
        self.observation = observation
        self.actions: list[Action] = []
        self.ended: list[str] = []
        self._in_use: dict[str, ForeignUse] = dict(observation.foreign_use)

    def run(self) -> None:
        """Compare, and change the store accordingly."""
        self._retry_failed_stops()
        by_lease: dict[str, list[ObservedContainer]] = {}
        for container in sorted(
            self.observation.containers, key=lambda item: (item.created_at, item.id)
        ):
            by_lease.setdefault(container.lease_id, []).append(container)
        strangers: list[ObservedContainer] = []
        for lease in self.transaction.leases.live():
            strangers += self._compare_lease(lease, by_lease.pop(lease.id, []))
        strangers += [container for group in by_lease.values() for container in group]
        strangers.sort(key=lambda item: (item.created_at, item.id))
        for container in strangers:
            self._compare_stranger(container)
        self._store_foreign_use()

    # Leases.

    def _retry_failed_stops(self) -> None:
        """Mark the leases as stopping that were to stop while the database failed."""
        for lease_id, reason in self.process_state.doomed().items():
            lease = self.transaction.leases.get(lease_id)
            if lease is not None and lease.state in (LeaseState.GRANTED, LeaseState.ACTIVE):
                self.transaction.leases.set_state(lease_id, LeaseState.STOPPING, reason)

    def _compare_lease(
        self, lease: Lease, containers: list[ObservedContainer]
    ) -> list[ObservedContainer]:
        """Compare a live lease with the containers that name it, and return those not its own."""
        if self.process_state.changed_since(lease.id, self.observation.started_at):
            # This process is changing it, or did so after the look began.
            return []
        own = next((item for item in containers if _belongs(item, lease)), None)
        others = [item for item in containers if item is not own]
        if own is None:
            if not self._may_still_be_claimed(lease):
                self._end(lease, lease.end_reason or "its container is gone")
                if lease.state is LeaseState.GRANTED:
                    self._queue_again(lease)
        elif own.state is ContainerState.RUNNING:
            self._runs(lease, own)
        elif own.state is ContainerState.CREATED:
            # It never ran, and the process that was to start it is gone. A start that the engine
            # still has to carry out can take effect until the container is removed, so the devices
            # stay taken until a later look proves that.
            self._interrupted(lease, own)
        else:
            self._end(lease, lease.end_reason or f"its container exited ({own.exit_code})")
            self._remove(own, "it has exited and its lease is over")
        return others

    def _may_still_be_claimed(self, lease: Lease) -> bool:
        """Return whether a lease that this process granted still waits for its container."""
        granted_at = self.process_state.get(lease.id).granted_at
        return (
            lease.state is LeaseState.GRANTED
            and lease.container_id is None
            and granted_at is not None
            and self.process_state.monotonic() - granted_at < self.work.config.claim_seconds
        )

    def _runs(self, lease: Lease, own: ObservedContainer) -> None:
        if lease.container_id is None:
            self.transaction.leases.bind(lease.id, own.id)
        if lease.state is LeaseState.STOPPING:
            self._stop(own, lease.end_reason or "its lease is over")
        elif lease.state is LeaseState.GRANTED:
            self.transaction.leases.set_state(lease.id, LeaseState.ACTIVE)

    def _interrupted(self, lease: Lease, own: ObservedContainer) -> None:
        reason = "its start was interrupted"
        if lease.container_id is None:
            self.transaction.leases.bind(lease.id, own.id)
        if lease.state is not LeaseState.STOPPING:
            self.transaction.leases.set_state(lease.id, LeaseState.STOPPING, reason)
            self._queue_again(lease)
        self._remove(own, reason)

    def _end(self, lease: Lease, reason: str) -> None:
        self.transaction.leases.end(lease, reason, self.work.now)
        self.ended.append(lease.id)
        log.info("The lease %s of %s ended: %s.", lease.id, lease.user, reason)

    def _queue_again(self, lease: Lease) -> None:
        """Give a request its old place back when nobody in this process has had its lease.

        A former process died before the server ran, or the start that is to follow the request has
        not come yet.
        """
        if self.process_state.get(lease.id).claimed:
            return
        for item in self.transaction.requests.of_leases([lease.id]):
            if self.transaction.requests.waiting_of(lease.user, lease.server) is None:
                self.transaction.requests.settle(item.sequence, RequestState.WAITING)

    # Containers that are not a live lease's own.

    def _compare_stranger(self, container: ObservedContainer) -> None:
        runs = container.state is ContainerState.RUNNING
        # First: labels that gpudock did not write say nothing about a lease, known or not.
        if not has_valid_labels(container):
            if runs:
                self._quarantine(
                    container,
                    ForeignUse(
                        Message(
                            'The container "{name}" carries labels that gpudock did not write; stop'
                            " or relabel it.",
                            name=container.name,
                        ),
                        Message(
                            'The container "{name}" carried labels that gpudock did not write.',
                            name=container.name,
                        ),
                    ),
                )
            return
        lease = self.transaction.leases.get(container.lease_id)
        if lease is not None:
            if self.process_state.ended_since(lease.id, self.observation.started_at):
                return
            if runs:
                self._stop(
                    container, "it runs on the labels of a lease that is not, or no longer, its own"
                )
                self._quarantine(container, _with_copied_labels(container.name))
            else:
                self._remove(container, "its lease is over")
            return
        if container.state is ContainerState.EXITED:
            self._remove(container, "it has exited and no lease is known for it")
        elif self._can_adopt(container):
            self._adopt(container)
        elif runs:
            self._stop(container, "it runs on devices, or for a server, that a lease has")
            self._quarantine(container, _with_leased_devices(container.name))
        else:
            self._remove(container, "it never ran, and a lease has its devices or its server")

    def _can_adopt(self, container: ObservedContainer) -> bool:
        leases = self.transaction.leases.live()
        if any((x.user, x.server) == (container.user, container.server) for x in leases):
            return False
        gpus = {record.gpu.uuid: record.gpu for record in self.transaction.gpus.records()}
        return not any(
            (uuid == taken and not _have_different_slots(container, lease))
            or (
                uuid != taken
                and uuid in gpus
                and taken in gpus
                and overlap(gpus[uuid], gpus[taken])
            )
            for lease in leases
            for taken in lease.gpu_uuids
            for uuid in container.gpu_uuids
        )

    def _adopt(self, container: ObservedContainer) -> None:
        """Store the lease that a container's labels describe and the store has lost."""
        over = self.process_state.doomed().get(container.lease_id)
        in_flight = self.process_state.get(container.lease_id).in_flight
        if container.state is ContainerState.CREATED and not in_flight:
            over = "its start was interrupted"
        for uuid in container.gpu_uuids:
            self.work.ensure_device(uuid)
            self._share_as_it_is(uuid, container.slots)
        effective = self.work.effective(container.user, container.groups)
        lease = Lease(
            id=container.lease_id,
            user=container.user,
            server=container.server,
            image=container.image,
            gpu_uuids=tuple(sorted(set(container.gpu_uuids))),
            granted_at=container.created_at,
            share=Share.EXCLUSIVE if container.slots == 1 else Share.SHARED,
            state=LeaseState.ACTIVE if over is None else LeaseState.STOPPING,
            container_id=container.id,
            expires_at=_later(container.created_at, session_hours(effective.quota)),
            end_reason=over,
            groups=container.groups,
            slot=container.slot,
            slots=container.slots,
            latest_end=_later(container.created_at, effective.quota.max_session_hours),
            active_at=self.work.now,
            adopted=True,
        )
        self.transaction.leases.add(with_hour_limits(lease, effective, self.work.limits.accounts()))
        log.warning(
            "The lease %s of %s was not in the database; took it over from container %s.",
            container.lease_id,
            container.user,
            container.name,
        )
        if over is not None and container.state is ContainerState.CREATED:
            self._remove(container, over)
        elif over is not None:
            self._stop(container, over)

    def _share_as_it_is(self, uuid: str, slots: int) -> None:
        """Take over from a container how many sessions share its device."""
        for record in self.transaction.gpus.records():
            if record.gpu.uuid == uuid and record.slots != slots:
                self.transaction.gpus.set_slots(uuid, slots)

    def _quarantine(self, container: ObservedContainer, use: ForeignUse) -> None:
        for uuid in container.gpu_uuids:
            self._in_use.setdefault(uuid, use)

    def _stop(self, container: ObservedContainer, why: str) -> None:
        self.actions.append(StopContainer(container.id, container.name, container.lease_id, why))

    def _remove(self, container: ObservedContainer, why: str) -> None:
        self.actions.append(RemoveContainer(container.id, container.name, container.lease_id, why))

    def _store_foreign_use(self) -> None:
        """Store who else uses which device, and take those devices out of service."""
        for record in self.transaction.gpus.records():
            uuid = record.gpu.uuid
            use = self._in_use.get(uuid)
            sentence = None if use is None else use.now
            if sentence != record.in_use_by:
                self.transaction.gpus.set_in_use_by(uuid, sentence)
            if use is not None and record.admin_state is AdminState.ACTIVE:
                occupied = StateTransition(AdminState.OCCUPIED, use.now, use.past)
                take_out_of_service(self.work, uuid, occupied)


def _with_copied_labels(name: str) -> ForeignUse:
    return ForeignUse(
        Message(
            'The container "{name}" is being stopped, because it runs on the labels of a lease that'
            " is not, or no longer, its own.",
            name=name,
        ),
        Message(
            'The container "{name}" was stopped, because it ran on the labels of a lease that is'
            " not, or no longer, its own.",
            name=name,
        ),
    )


def _with_leased_devices(name: str) -> ForeignUse:
    return ForeignUse(
        Message(
            'The container "{name}" is being stopped, because it runs on devices, or for a server,'
            " that a lease has.",
            name=name,
        ),
        Message(
            'The container "{name}" was stopped, because it ran on devices, or for a server, that a'
            " lease has.",
            name=name,
        ),
    )


def _belongs(container: ObservedContainer, lease: Lease) -> bool:
    """Return whether *container* is the one of *lease*, not one with copied labels."""
    if lease.container_id is not None:
        return container.id == lease.container_id
    uuids = tuple(sorted(set(container.gpu_uuids)))
    return (container.user, container.server, uuids, container.slot, container.slots) == (
        lease.user,
        lease.server,
        lease.gpu_uuids,
        lease.slot,
        lease.slots,
    )


def _have_different_slots(container: ObservedContainer, lease: Lease) -> bool:
    """Return whether a container and a lease have different slots of the same device."""
    return container.slots == lease.slots > 1 and container.slot != lease.slot


def _later(time: float, hours: float | None) -> float | None:
    return None if hours is None else time + hours * 3600
