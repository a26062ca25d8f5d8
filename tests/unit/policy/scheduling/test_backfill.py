"""The scheduler against its slow specification, over labs and queues of every kind."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doubles.inventory import uuid
from doubles.reference_scheduler import ReferenceScheduler, disturbed
from gpudock.model import GPU, GPUState, Lease, Quota, Request, Share, WhenBusy
from gpudock.policy.gpu_health import DeviceHealth
from gpudock.policy.quota.resolve import resolve, usage
from gpudock.policy.scheduling.decide import decide
from gpudock.policy.scheduling.ordering import FirstCome
from gpudock.policy.scheduling.snapshot import Snapshot, Waiting

if TYPE_CHECKING:
    from doubles.reference_scheduler import Answer
    from gpudock.policy.scheduling.decide import Decision

pytestmark = pytest.mark.simulation

NOW = 1000.0
HOUR = 3600.0
MODELS = {"T4": 15, "A100": 40, "H100": 80}
HOURS = st.sampled_from([None, 1.0, 2.0, 3.0, 5.0, 9.0])
COOLING_DOWN = st.booleans()


@st.composite
def labs(draw: st.DrawFn, *, motley: bool = True) -> tuple[DeviceHealth, ...]:
    """Draw the devices of a lab: whole, divided and shared ones, in service and out of it.

    Without *motley* hosts, each has GPUs of one model.
    """
    devices = []
    number = 0
    for host in range(draw(st.integers(1, 3))):
        # Most hosts have as many of one model; others have something of everything.
        model = draw(st.sampled_from([*MODELS, "T4", *([None] if motley else [])]))
        if model is not None:
            for index in range(draw(st.integers(1, 6))):
                gpu = GPU(uuid(number), index, f"host{host}", model, MODELS[model])
                ready = draw(st.integers(0, 9)) > 0
                devices.append(
                    DeviceHealth(
                        gpu,
                        GPUState.FREE,
                        None,
                        ready,
                        True,
                        cooling_down=draw(COOLING_DOWN) and not ready,
                    )
                )
                number += 1
            continue
        for index in range(draw(st.integers(1, 4))):
            model = draw(st.sampled_from(sorted(MODELS)))
            whole = GPU(uuid(number), index, f"host{host}", model, MODELS[model])
            slices = draw(st.integers(0, 3)) if draw(st.booleans()) else 0
            parts = [
                GPU(
                    uuid(1000 + 10 * number + part, "MIG"),
                    10 * index + part,
                    f"host{host}",
                    f"{model} MIG",
                    MODELS[model] // 4,
                    whole.uuid,
                    "1g",
                )
                for part in range(slices)
            ]
            number += 1
            slots = 1 if slices else draw(st.sampled_from([1, 1, 2, 4]))
            for gpu in [whole, *parts] if draw(st.booleans()) or not parts else parts:
                serving = draw(st.integers(0, 5)) > 0
                grantable = serving and draw(st.integers(0, 5)) > 0
                devices.append(
                    DeviceHealth(
                        gpu,
                        GPUState.FREE,
                        None,
                        grantable,
                        serving,
                        slots=slots,
                        cooling_down=draw(COOLING_DOWN) and serving and not grantable,
                    )
                )
    return tuple(devices)


@st.composite
def sessions(draw: st.DrawFn, lab: tuple[DeviceHealth, ...]) -> tuple[Lease, ...]:
    """Draw sessions on some of the devices, none on a device that conflicts with another one."""
    leases: list[Lease] = []
    for device in lab:
        gpu = device.gpu
        held = {name for lease in leases for name in lease.gpu_uuids}
        conflicting = {c.gpu.uuid for c in lab if c.gpu.parent_uuid == gpu.uuid} | {gpu.parent_uuid}
        for slot in range(device.slots):
            if conflicting & held or not draw(st.booleans()):
                continue
            hours = draw(HOURS)
            leases.append(
                Lease(
                    f"lease{len(leases)}",
                    f"holder{len(leases)}",
                    "",
                    "image",
                    (gpu.uuid,),
                    NOW,
                    latest_end=None if hours is None else NOW + (hours - 1) * HOUR,
                    slot=slot,
                    slots=device.slots,
                )
            )
    return tuple(leases)


@st.composite
def queues(draw: st.DrawFn, leases: tuple[Lease, ...]) -> tuple[Waiting, ...]:
    """Draw requests of few users, so that some are held back by their own limits."""
    waiting = []
    for number in range(draw(st.integers(1, 14))):
        share = draw(st.sampled_from([Share.EXCLUSIVE] * 4 + [Share.SHARED]))
        user = f"user{draw(st.integers(0, 5))}"
        request = Request(
            f"r{number}",
            user,
            f"s{draw(st.integers(0, 8))}",
            draw(st.sampled_from([0, 1, 1, 1, 2, 2, 3, 4, 5]))
            if share is Share.EXCLUSIVE
            else draw(st.integers(0, 1)),
            NOW,
            "image",
            gpu_model=draw(st.sampled_from([None, None, "*100", "*T4*", "*MIG", "A*"])),
            share=share,
            when_busy=draw(st.sampled_from([WhenBusy.WAIT] * 4 + [WhenBusy.CPU, WhenBusy.FAIL])),
        )
        quota = Quota(
            max_gpus=draw(st.sampled_from([None, None, None, 2, 5])),
            max_session_hours=draw(HOURS),
            gpu_models=draw(st.sampled_from([None, None, ("*A100*", "*T4*")])),
        )
        effective = replace(resolve(quota), used=usage(leases, user))
        waiting.append(Waiting(number, request, effective))
    return tuple(waiting)


@st.composite
def snapshots(draw: st.DrawFn, *, motley: bool = True) -> Snapshot:
    lab = draw(labs(motley=motley))
    leases = draw(sessions(lab))
    return Snapshot(NOW, lab, leases, draw(queues(leases)))


def order(snapshot: Snapshot) -> list[Waiting]:
    return FirstCome().order(snapshot)


def _reference(snapshot: Snapshot) -> Answer:
    return ReferenceScheduler(snapshot).decide(order(snapshot))


def same(decision: Decision, answer: Answer) -> None:
    grants = {g.request.id: (g.gpu_uuids, g.slot, g.backfilled) for g in decision.grants}
    assert grants == answer.grants
    starts = {name: place.expected_start for name, place in decision.places.items()}
    assert starts == answer.starts
    assert list(starts) == list(answer.starts)
    assert set(decision.refusals) == answer.refused


@settings(max_examples=600, deadline=None)
@given(snapshots())
def test_it_decides_as_the_specification_does(snapshot: Snapshot) -> None:
    same(decide(snapshot), _reference(snapshot))


@settings(max_examples=200, deadline=None)
@given(snapshots())
def test_no_backfilled_session_is_still_there_when_a_reservation_begins(snapshot: Snapshot) -> None:
    answer = _reference(snapshot)
    assert disturbed(answer, order(snapshot)) == []
    for grant in decide(snapshot).grants:
        if grant.backfilled:
            assert grant.latest_end is not None


@settings(max_examples=200, deadline=None)
@given(snapshots(motley=False))
def test_no_earlier_request_starts_later_because_of_a_grant(snapshot: Snapshot) -> None:
    """After each grant all requests ahead of it have the same expected start as without it.

    On hosts of one model only: on others, two equally early choices for one request may differ for
    the next, and a grant may decide between them.
    """
    sequences = {item.request.id: item.sequence for item in snapshot.waiting}
    # Requests held back by their own limits or their server's previous container have none. Those
    # that wait for a session without an end do: nobody knows when it begins, but it is there.
    reserved = {reservation.request.id for reservation in _reference(snapshot).reservations}
    leases = snapshot.leases
    for grant in decide(snapshot).grants:
        ahead = tuple(
            item
            for item in snapshot.waiting
            if item.sequence < sequences[grant.request.id] and item.request.id in reserved
        )
        before = _reference(replace(snapshot, waiting=ahead, leases=leases))
        lease = Lease(
            f"granted{len(leases)}",
            # The users' own limits count what they get; only the devices are of interest here.
            "somebody else",
            f"server{len(leases)}",
            "image",
            grant.gpu_uuids,
            NOW,
            latest_end=grant.latest_end,
            slot=grant.slot,
            slots=grant.slots,
        )
        leases = (*leases, lease)
        after = _reference(replace(snapshot, waiting=ahead, leases=leases))
        for name, start in before.starts.items():
            later = after.starts[name]
            assert (math.inf if later is None else later) <= (math.inf if start is None else start)


@settings(max_examples=150, deadline=None)
@given(snapshots())
def test_nothing_is_given_twice_nor_with_what_is_cut_from_it(snapshot: Snapshot) -> None:
    parents = {c.gpu.uuid: c.gpu.parent_uuid for c in snapshot.devices}
    held = {(uuid, lease.slot) for lease in snapshot.leases for uuid in lease.gpu_uuids}
    for grant in decide(snapshot).grants:
        for name in grant.gpu_uuids:
            assert (name, grant.slot) not in held
            names = {other for other, _ in held}
            assert parents[name] not in names
            assert not any(parents[other] == name for other in names)
            held.add((name, grant.slot))
        assert len({c.gpu.host for c in snapshot.devices if c.gpu.uuid in grant.gpu_uuids}) <= 1


@settings(max_examples=150, deadline=None)
@given(snapshots())
def test_in_strict_order_nobody_has_what_somebody_ahead_waits_for(snapshot: Snapshot) -> None:
    decision = decide(snapshot, backfill=False)
    placed = [
        item
        for item in snapshot.waiting
        if item.request.id in decision.places
        and any(b.request.id == item.request.id for b in _bookings(snapshot))
    ]
    granted = {grant.request.id: grant for grant in decision.grants if grant.gpu_uuids}
    queue = ReferenceScheduler(snapshot)
    for item in snapshot.waiting:
        grant = granted.get(item.request.id)
        if grant is None:
            continue
        assert not grant.backfilled
        for ahead in placed:
            if ahead.sequence < item.sequence and ahead.request.id in decision.places:
                wanted = {t.gpu.uuid for candidate in queue.candidates(ahead) for t in candidate}
                assert not wanted & set(grant.gpu_uuids)


def _bookings(snapshot: Snapshot) -> list:
    return _reference(snapshot).reservations
