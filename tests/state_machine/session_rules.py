"""Limits change, sessions end, are extended and released."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.stateful import rule

from doubles.inventory import gpu
from gpudock.broker import EndCause, ExtensionError, GPUStateError, QuotaChange
from gpudock.model import Lease, LeaseState
from gpudock.store import StoreError
from state_machine.base import HOUR, LIMIT, ROUNDING, LabState, used_hours
from state_machine.strategies import (
    GROUP,
    NO_MODEL,
    SERVERS,
    USERS,
    Limits,
    any_index,
    in_a_lab_with,
)


class SessionRules(LabState):
    """What happens to limits and sessions."""

    # Limits.

    def set_limits(self, limits: Limits) -> None:
        # Before the call: it grants what the new limits allow.
        former, self.limits = self.limits, limits
        try:
            self.hub.broker.quotas.set_all(
                [
                    QuotaChange("default", "", limits.of_all()),
                    QuotaChange("group", GROUP, limits.of_group()),
                ],
                "root",
            )
        except StoreError:
            self.limits = former

    @in_a_lab_with("quotas")
    @rule(limit=st.sampled_from([0, 1, 2, 3]))
    def quota_changes(self, limit) -> None:
        self.set_limits(replace(self.limits, gpus=limit))

    @in_a_lab_with("quotas")
    @rule(cap=st.sampled_from([None, 0, 1, 2]))
    def cap_changes(self, cap) -> None:
        self.set_limits(replace(self.limits, cap=cap))

    @in_a_lab_with("quotas")
    @rule(models=st.sampled_from([None, None, "*a100*", NO_MODEL]))
    def models_change(self, models) -> None:
        self.set_limits(replace(self.limits, models=models))

    @in_a_lab_with("quotas")
    @rule()
    def each_limit_is_lowered_under_a_queue(self) -> None:
        """More ask than the lab can serve, and then nobody may have a GPU any more."""
        for none in ({"gpus": 0}, {"cap": 0}, {"models": NO_MODEL}, {"hours": 0}, {"cap_hours": 0}):
            self.set_limits(Limits(LIMIT))
            self.devices_are_read()
            for user in USERS:
                for server in SERVERS:
                    self._submit(user, server)
            self.set_limits(replace(self.limits, **none))
            self.nobody_waits_for_what_a_limit_bars()

    @in_a_lab_with("sessions")
    @rule(
        hours=st.sampled_from([None, 0.0, 1.0, 3.0]),
        cap_hours=st.sampled_from([None, None, 0.0, 2.0]),
    )
    def hours_change(self, hours, cap_hours) -> None:
        self.set_limits(replace(self.limits, hours=hours, cap_hours=cap_hours))

    @in_a_lab_with("sessions")
    @rule(
        session=st.sampled_from([None, 0.1, 1.0, 4.0]),
        longest=st.sampled_from([None, 0.5, 2.0, 12.0]),
    )
    def lengths_change(self, session, longest) -> None:
        self.set_limits(replace(self.limits, session=session, longest=longest))

    # Time.

    @in_a_lab_with("sessions")
    @rule(hours=st.sampled_from([0.1, 0.5, 2.0, 7.0]))
    def hours_pass(self, hours) -> None:
        self.clock.advance(hours * HOUR)
        self.devices_are_read()

    @in_a_lab_with("sessions")
    @rule(hours=st.sampled_from([2.0, 7.0]))
    def a_night_passes(self, hours) -> None:
        """The hub runs on, and nobody does anything."""
        for _ in range(3):
            self.hours_pass(hours)
            self.sessions_expire()

    @in_a_lab_with("sessions")
    @rule(lower=st.sampled_from([{"longest": 0.1}, {"longest": 0.5}, {"hours": 0.0}]))
    def a_limit_is_lowered_under_sessions(self, lower) -> None:
        """Sessions run on while a new limit would have ended them."""
        self.set_limits(replace(self.limits, **lower))
        for _ in range(3):
            self.hours_pass(0.6)
            self.sessions_expire()

    @in_a_lab_with("sessions")
    @rule()
    def sessions_expire(self) -> None:
        """What ``gpudock.hub.loops.session_expiry`` does, step by step."""
        try:
            due = self.hub.broker.sessions.due()
            for session in due:
                # Before the call: it lets the transaction schedule.
                self._may_be_ended(session)
                self.stopped_by_users.add(session.lease.id)
                if self.hub.broker.sessions.expire(session.lease.id) is not None:
                    self._check(self.hub.terminate(session.lease))
        except StoreError:
            return
        if self.hub.broker.ready and not self.store_is_older:
            self._nobody_is_overdue()

    def _may_be_ended(self, session) -> None:
        lease, now = session.lease, self.clock()
        match session.ends_because:
            case EndCause.TIME:
                announced = self.announced.get(lease.id, lease.expires_at)
                assert announced is not None, "promise 8: a session without an end was ended"
                assert now >= announced - ROUNDING, "promise 8: a session ended before its time"
            case EndCause.HOURS:
                self._are_used_up(lease, lambda x: x.user == lease.user, self.limits.hours, 0)
            case EndCause.GROUP_HOURS:
                self._are_used_up(lease, lambda x: GROUP in x.groups, self.limits.cap_hours, 1)

    def _are_used_up(self, lease: Lease, whose, limit: float | None, which: int) -> None:
        then = self.hours_then.get(lease.id, (limit, limit))[which]
        assert limit is not None, "promise 8: ended by hours that nobody limits"
        assert then is not None, "promise 8: ended by a limit that came later"
        used = used_hours([x for x in self._all_leases() if whose(x)], self.clock())
        assert used >= max(limit, then) - ROUNDING, "promise 8: ended with hours left"

    def _nobody_is_overdue(self) -> None:
        for lease in self._leases(LeaseState.ACTIVE):
            if lease.expires_at is not None:
                grace = lease.expires_at
                if lease.warned_at is not None:
                    grace = max(grace, lease.warned_at + 900)
                elif lease.expires_at <= self.clock():
                    continue  # the next look at the sessions warns first
                assert grace > self.clock(), "promise 8: a session goes on after its end"

    # What people do.

    @in_a_lab_with("sessions")
    @rule(index=any_index, hours=st.sampled_from([None, None, 0.5, 100.0]))
    def extend(self, index, hours) -> None:
        lease = self._pick(self._leases(), index)
        if lease is None:
            return
        try:
            session = self.hub.broker.sessions.extend(lease.id, lease.user, hours)
        except (ExtensionError, StoreError):
            return
        now = session.lease
        assert lease.state in (LeaseState.GRANTED, LeaseState.ACTIVE), (
            "promise 4: a lease that is over was extended"
        )
        if now.expires_at is not None:
            assert lease.expires_at is not None, "promise 8: an extension gave an end"
            assert now.expires_at >= lease.expires_at, "promise 8: an extension made it shorter"
        self._keeps_the_limits(lease, now)
        self.announced[lease.id] = now.expires_at
        self.hours_then[lease.id] = (self.limits.hours, self._cap_hours(lease))

    def _keeps_the_limits(self, before: Lease, now: Lease) -> None:
        if now.expires_at == before.expires_at:
            return
        longest = self.limits.longest
        if longest is not None:
            assert now.expires_at is not None, "promise 8: extended without an end"
            assert now.expires_at <= before.granted_at + longest * HOUR + ROUNDING, (
                "promise 8: extended beyond the limit"
            )
        if before.backfilled and before.latest_end is not None:
            assert now.expires_at is not None, "promise 8: a promised end was given up"
            assert now.expires_at <= before.latest_end + ROUNDING, (
                "promise 8: extended beyond an end that was promised to a waiting user"
            )

    @in_a_lab_with("sessions")
    @rule(index=any_index)
    def release(self, index) -> None:
        lease = self._pick(self._leases(), index)
        if lease is not None:
            self.stopped_by_users.add(lease.id)
            try:
                self.hub.broker.sessions.release(lease.id, "root", "released by root")
            except StoreError:
                return

    @in_a_lab_with("sharing")
    @rule(index=st.integers(0, 2), slots=st.sampled_from([1, 2, 3]))
    def share_a_gpu(self, index, slots) -> None:
        uuid = gpu(index).uuid
        # Before the call: it grants what the new number allows.
        held = {name for lease in self._leases() for name in lease.gpu_uuids}
        try:
            self.hub.broker.gpus.set_slots(uuid, slots, "root")
        except (GPUStateError, StoreError):
            return
        assert uuid not in held, "promise 1: slots changed while the GPU was leased"
