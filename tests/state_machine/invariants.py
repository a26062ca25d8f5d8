"""The promises, checked after every step and at every grant against what the engine really runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis.stateful import invariant

from gpudock.model import GPUState, Lease, LeaseState, Share, WhenBusy
from gpudock.policy.gpu_health import AdminState
from gpudock.store import RequestState
from state_machine.base import (
    BY_UUID,
    HOUR,
    ROUNDING,
    LabState,
    are_apart,
    are_conflicting,
    used_hours,
)
from state_machine.strategies import GROUP, MEMBERS, NO_MODEL

if TYPE_CHECKING:
    from gpudock.broker import GPUStatus
    from gpudock.store import Transaction


class Invariants(LabState):
    """What holds after every step."""

    @invariant()
    def the_promises_hold(self) -> None:
        leases = self._all_leases()
        for promise in (
            self.a_gpu_is_in_at_most_one_running_container,
            self.a_running_container_has_a_live_lease,
            self.a_lease_that_ended_has_no_start_to_come,
            self.a_grant_that_nobody_claims_keeps_its_place,
            self.leases_change_only_as_promised,
            self.a_lease_has_at_most_one_container,
            self.live_leases_share_no_physical_gpu,
            self.every_gpu_has_one_state,
        ):
            promise(leases)

    def a_gpu_is_in_at_most_one_running_container(self, leases: list[Lease]) -> None:
        ours = [c for c in self._running() if c.ours]
        for number, one in enumerate(ours):
            for other in ours[number + 1 :]:
                for a in one.spec.gpu_uuids:
                    for b in other.spec.gpu_uuids:
                        apart = a == b and are_apart(one.spec, other.spec)
                        assert apart or not are_conflicting(a, b), (
                            "promise 1: two containers on one GPU"
                        )

    def a_running_container_has_a_live_lease(self, leases: list[Lease]) -> None:
        if not self.hub.broker.ready or self.store_is_older:
            return
        live = {lease.id: lease for lease in leases if lease.state is not LeaseState.ENDED}
        for container in self._running():
            if container.ours and not self._is_tampered(container):
                lease = live.get(container.spec.lease_id)
                assert lease is not None, "promise 2: a container runs without a lease"
                same = set(lease.gpu_uuids) == set(container.spec.gpu_uuids)
                assert same, "promise 2: a container has other GPUs than its lease"
                slots = (lease.slot, lease.slots), (container.spec.slot, container.spec.slots)
                assert slots[0] == slots[1], "promise 2: a container has another slot"

    def a_lease_that_ended_has_no_start_to_come(self, leases: list[Lease]) -> None:
        """The proof must outlast calls that are still on their way."""
        known = {lease.id: lease for lease in leases}
        for call in self.engine.late:
            container = self.engine.containers.get(call.target)
            if call.verb == "start" and container is not None:
                lease = known.get(container.spec.lease_id)
                assert lease is None or lease.state is not LeaseState.ENDED, (
                    "promise 3: ended although a start is on its way"
                )

    def a_grant_that_nobody_claims_keeps_its_place(self, leases: list[Lease]) -> None:
        """Called before what was seen of the leases is renewed."""
        for lease in leases:
            former, request = self.before.get(lease.id), self.granted_to.get(lease.id)
            if (
                former is None
                or request is None
                or (former.state, lease.state) != (LeaseState.GRANTED, LeaseState.ENDED)
                or lease.container_id is not None
                or lease.id in self.claimed | self.stopped_by_users
            ):
                continue
            with self.hub.store.snapshot() as transaction:
                found = transaction.requests.latest_of(lease.user, lease.server)
                again = transaction.leases.of_server(lease.user, lease.server)
            assert found is not None, "promise 11: a request is gone"
            same = (found.sequence, found.request.created_at) == (
                request.sequence,
                request.request.created_at,
            )
            assert same, "promise 11: a place was lost"
            goes_on = found.state is RequestState.GRANTED and again is not None
            settled = found.state in (RequestState.WAITING, RequestState.DENIED)
            assert goes_on or settled, "promise 11: a place was lost to a grant nobody claimed"

    def leases_change_only_as_promised(self, leases: list[Lease]) -> None:
        known = {lease.id: lease for lease in leases}
        order = list(LeaseState)
        for lease in leases:
            former = self.before.get(lease.id)
            if former is None:
                continue
            assert order.index(lease.state) >= order.index(former.state), (
                "promise 3: a lease came back"
            )
            assert former.container_id in (None, lease.container_id), "promise 4: two containers"
            assert former.gpu_uuids == lease.gpu_uuids, "promise 7: a lease changed its GPUs"
            assert former.slot == lease.slot, "promise 7: a lease changed its slot"
        self.before = known

    def a_lease_has_at_most_one_container(self, leases: list[Lease]) -> None:
        by_lease: dict[str, set[str]] = {}
        for lease_id, container_id in self.engine.starts:
            by_lease.setdefault(lease_id, set()).add(container_id)
        assert all(len(ids) == 1 for ids in by_lease.values()), "promise 4: two containers"
        assert len(set(self.engine.starts)) == len(self.engine.starts), (
            "promise 4: a container was started twice"
        )

    def live_leases_share_no_physical_gpu(self, leases: list[Lease]) -> None:
        live = [lease for lease in leases if lease.state is not LeaseState.ENDED]
        servers = {(lease.user, lease.server) for lease in live}
        assert len(servers) == len(live), "promise 4: two leases of one server"
        for number, one in enumerate(live):
            for other in live[number + 1 :]:
                for a in one.gpu_uuids:
                    for b in other.gpu_uuids:
                        if a in BY_UUID and b in BY_UUID:
                            apart = a == b and are_apart(one, other)
                            assert apart or not are_conflicting(a, b), (
                                "promises 1 and 9: two leases on one GPU"
                            )

    def nobody_waits_for_what_a_limit_bars(self) -> None:
        if not self.hub.broker.ready or self.store_is_older or self.hub.store.failures:
            return
        limits = self.limits
        devices = [status for status in self.hub.broker.gpus.all() if status.slots == 1]
        for request in self.hub.broker.queue.waiting():
            if request.gpus == 0:
                continue
            assert request.gpus <= limits.gpus, "promise 8: waits beyond the quota"
            assert limits.hours != 0, "promise 8: waits for hours that nobody may have"
            if GROUP in request.groups:
                assert limits.cap is None or request.gpus <= limits.cap, (
                    "promise 8: waits beyond the group's cap"
                )
                assert limits.cap_hours != 0, "promise 8: waits for hours that no group has"
            plain = request.gpus == 1 and request.share is Share.EXCLUSIVE
            if limits.models == NO_MODEL and plain and devices and self._reading_is_good():
                assert any(
                    request.gpu_model is not None and not fits(status.gpu.model, request.gpu_model)
                    for status in devices
                ), "promise 8: waits for a model that nobody may use"

    def every_gpu_has_one_state(self, leases: list[Lease]) -> None:
        if not self.news:
            return
        self.news = False
        self.nobody_waits_for_what_a_limit_bars()
        statuses = self.hub.broker.gpus.all()
        seen = [status.gpu.uuid for status in statuses]
        assert len(seen) == len(set(seen)), "promise 7: a GPU is counted twice"
        live = [lease for lease in leases if lease.state is not LeaseState.ENDED]
        held = {uuid for lease in live for uuid in lease.gpu_uuids}
        there = {item.gpu.uuid for item in self.inventory.current.readings}
        if self.hub.broker.ready and not self.store_is_older:
            expected = there - self._read_as_cut() | held
            assert expected <= set(seen), "promise 7: a GPU is missing"
        for status in statuses:
            if status.gpu.uuid not in there and self._reading_is_good():
                gone = status.state is GPUState.LOST
                assert gone, f"promise 10: a GPU that is gone is shown as {status.state}"
            if there and status.gpu.uuid not in held:
                self._is_counted_once(status)
            assert status.state in (GPUState.FREE, GPUState.LEASED) or status.reason, (
                f"promise 10: {status.state} without a reason"
            )
            shown = (status.lease is not None) == (status.gpu.uuid in held)
            assert shown, "promise 7: a lease is not shown with its GPU"
            if status.state is GPUState.FREE:
                assert not self.is_divided(status.gpu.uuid), "promise 9: a GPU in MIG mode is free"
                assert not any(
                    are_conflicting(status.gpu.uuid, uuid) for uuid in held if uuid in BY_UUID
                ), "promise 9: a device is free while its physical GPU is leased"

    def _is_counted_once(self, status: GPUStatus) -> None:
        """Check that no device is listed beside what has become of it, unless it bars that."""
        uuid = status.gpu.uuid
        seen = {item.gpu.uuid: item.gpu for item in self.inventory.current.readings}
        on_it = status.gpu.parent_uuid in {item.physical_uuid for item in seen.values()}
        assert uuid in seen or not on_it, "promise 7: a slice that was removed is counted"
        assert not (status.in_service and uuid in self._read_as_cut()), (
            "promise 7: a GPU is counted beside its slices"
        )

    def _read_as_cut(self) -> set[str]:
        """Return the GPUs that are cut into slices, as far as the latest reading shows."""
        readings = self.inventory.current.readings
        parents = {item.gpu.parent_uuid for item in readings}
        return {x.gpu.uuid for x in readings if x.mig_enabled and x.gpu.uuid in parents}

    def _reading_is_good(self) -> bool:
        reading = self.inventory.current
        return reading.problem is None and self.clock() - reading.taken_at <= 15


class GrantInvariants(LabState):
    """What holds of every lease when it is about to be granted."""

    def a_grant_is_as_promised(self, lease: Lease, transaction: Transaction) -> None:
        """Check a lease in the moment in which it is about to be granted."""
        look = self.reconciling or (self.hub.broker.ready and not self.store_is_older)
        assert look, "promise 6: granted before the first look"
        live = transaction.leases.live()
        used = len(lease.gpu_uuids) + _used(live, lease.user)
        assert not lease.gpu_uuids or used <= self.limits.gpus, (
            "promise 8: granted beyond the quota"
        )
        request = transaction.requests.waiting_of(lease.user, lease.server)
        assert request is not None, "promise 11: granted to nobody who waited"
        wanted = request.request.gpus
        assert len(lease.gpu_uuids) in (wanted, 0), "promise 7: not all"
        without = wanted == 0 or request.request.when_busy is WhenBusy.CPU
        assert lease.gpu_uuids or without, "promise 7: granted without a GPU"
        records = {record.gpu.uuid: record for record in transaction.gpus.records()}
        for uuid in lease.gpu_uuids:
            others = [item for item in live if uuid in item.gpu_uuids]
            self._is_fit(uuid, shared=bool(others))
            assert records[uuid].admin_state is AdminState.ACTIVE, "promise 10: out of service"
            assert records[uuid].slots == lease.slots, "promise 1: another number of slots"
            assert (lease.share is Share.SHARED) == (lease.slots > 1), "promise 1: whole or shared"
            assert all(are_apart(lease, other) for other in others), "promise 1: a slot twice"
        self.a_grant_keeps_the_limits(lease, transaction)
        self.note_grant(lease)
        self.granted_to[lease.id] = request
        healthy = "slicing" not in self.troubles and all(
            record.admin_state is AdminState.ACTIVE and record.in_use_by is None
            for record in records.values()
        )
        # Where sessions have all kinds of ends, one may pass that delays nobody. Where slots
        # change, a user waiting for more whole devices than there are keeps nobody waiting.
        orderly = healthy and not {"sessions", "sharing"} & self.troubles
        if orderly and not self.inventory.current.problem:
            self._passes_nobody(lease, request.sequence, transaction, live)

    def _is_fit(self, uuid: str, *, shared: bool) -> None:
        reading = self.inventory.current
        there = {item.gpu.uuid for item in reading.readings}
        assert uuid in there, "promise 10: granted although it is gone"
        assert not self.is_divided(uuid), "promise 9: a GPU in MIG mode was granted as a whole"
        assert reading.problem is None, "promise 10: granted without a reading"
        assert self.clock() - reading.taken_at <= 15, "promise 10: granted on an old reading"
        for item in reading.readings:
            if are_conflicting(item.gpu.uuid, uuid):
                assert item.gpu.uuid not in self.foreign_at_last_look, "promise 10: foreign use"
            if item.gpu.uuid == uuid:
                since, wait = self.unfit.get(uuid, (0.0, 0.0))
                assert self.clock() - since >= wait, "promise 10: has not proven clean yet"
                assert not item.lost, "promise 10: lost"
                assert item.fault is None, "promise 10: unhealthy"
                # The owners of processes on a shared device are not known.
                assert shared or not item.telemetry.processes, "promise 10: dirty"
                assert shared or item.telemetry.memory_used_mib == 0, "promise 10: memory in use"

    def _passes_nobody(self, lease, sequence, transaction, live) -> None:
        served = {(item.user, item.server) for item in live}
        for earlier in transaction.requests.waiting():
            request = earlier.request
            if (
                earlier.sequence >= sequence
                or request.when_busy is not WhenBusy.WAIT
                or request.gpus == 0
                or request.share is not lease.share
                or not self._within_the_caps(request, live)
                or (request.user, request.server) in served
                or _used(live, request.user) + request.gpus > self.limits.gpus
            ):
                continue
            models = [BY_UUID[uuid].model for uuid in lease.gpu_uuids]
            # Several devices are several GPUs, never slices.
            could_use = [
                m
                for m in models
                if (request.gpus == 1 or "MIG" not in m)
                and (request.gpu_model is None or fits(m, request.gpu_model))
            ]
            assert not could_use, "promise 11: a later request passed an earlier one"

    def _within_the_caps(self, request, live) -> bool:
        cap, hours = self.limits.cap, self.limits.cap_hours
        held = sum(len(lease.gpu_uuids) for lease in live if GROUP in lease.groups)
        return GROUP not in request.groups or (
            (cap is None or held + request.gpus <= cap) and hours != 0
        )

    def a_grant_keeps_the_limits(self, lease: Lease, transaction: Transaction) -> None:
        """Check hours, caps and length of a lease that is about to be granted."""
        now, limits = self.clock(), self.limits
        ends = [h for h in (limits.session, limits.longest) if h is not None]
        if ends:
            assert lease.expires_at is not None, "promise 8: a session without an end"
            assert lease.expires_at <= now + min(ends) * HOUR + ROUNDING, (
                "promise 8: a session that is too long"
            )
        if not lease.gpu_uuids:
            return
        for uuid in lease.gpu_uuids:
            model = BY_UUID[uuid].model.lower()
            assert limits.models is None or limits.models.strip("*") in model, (
                "promise 8: a model that nobody may use"
            )
        leases = transaction.leases.all()
        own = [x for x in leases if x.user == lease.user]
        _has_hours(lease, own, limits.hours, now)
        if lease.user in MEMBERS:
            assert GROUP in lease.groups, "promise 8: granted without its groups"
            members = [x for x in leases if GROUP in x.groups]
            _has_hours(lease, members, limits.cap_hours, now)
            live = [x for x in members if x.state is not LeaseState.ENDED]
            held = sum(len(x.gpu_uuids) for x in live) + len(lease.gpu_uuids)
            assert limits.cap is None or held <= limits.cap, "promise 8: beyond the group's cap"


def fits(model: str, pattern: str) -> bool:
    return ("MIG" in model) if "MIG" in pattern else model.lower() == pattern


def _used(leases: list[Lease], user: str) -> int:
    return sum(len(lease.gpu_uuids) for lease in leases if lease.user == user)


def _has_hours(lease: Lease, leases: list[Lease], limit: float | None, now: float) -> None:
    if limit is not None:
        need = min(0.25 * len(lease.gpu_uuids), limit)
        left = limit - used_hours(leases, now)
        assert limit > 0, "promise 8: granted without hours"
        assert left >= need - ROUNDING, "promise 8: granted beyond the hours"
