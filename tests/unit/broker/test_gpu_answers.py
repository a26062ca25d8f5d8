"""What a change of a GPU answers is what the next list shows, whatever state the GPU is in."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from doubles.inventory import gpu, mig_slice
from gpudock.broker import GPUStateError, GPUStatus
from gpudock.model import GPU, GPUProcess, GPUReading, GPUState, InventoryReading, Telemetry
from gpudock.policy.gpu_health import AdminState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpudock.broker import DeskBroker
    from state_machine.lab import BrokerLab

ONE = gpu(1)
PARTS = (mig_slice(10, ONE), mig_slice(11, ONE))
IDLE = Telemetry(memory_used_mib=0, processes=())
BUSY = Telemetry(processes=(GPUProcess(42, 20_000),))
WELL, CUT = GPUReading(ONE, IDLE), GPUReading(ONE, IDLE, mig_enabled=True)
PART = GPUReading(PARTS[0], IDLE)
BESIDE = GPUReading(gpu(0), IDLE)


@dataclass(frozen=True)
class Case:
    """What is read of a GPU, and what else is known.

    Attributes:
        readings: what is read.
        others: administrative states of slices.
        in_use_by: who uses the GPU without a lease.
        rest: of the reading.
        age: of the reading, seconds.
    """

    readings: tuple[GPUReading, ...]
    others: dict[str, AdminState] = field(default_factory=dict)
    in_use_by: str | None = None
    rest: dict[str, object] = field(default_factory=dict)
    age: float = 0.0


LOST_PART = {PARTS[0].uuid: AdminState.LOST}
CASES = {
    "well": Case((WELL,)),
    "gone": Case(()),
    "broken": Case((replace(WELL, fault="Memory errors."),)),
    "unstable": Case((replace(WELL, fault="Unknown error.", fault_may_pass=True),)),
    "lost": Case((replace(WELL, lost=True),)),
    "in use by a container": Case((WELL,), in_use_by="A container has it."),
    "in use by a process": Case((replace(WELL, telemetry=BUSY),)),
    "gone, once in use": Case((), in_use_by="A container has it."),
    "MIG mode without slices": Case((CUT,)),
    "MIG mode without slices, broken": Case((replace(CUT, fault="Memory errors."),)),
    "cut": Case((CUT, PART)),
    "cut, a slice lost": Case((CUT, PART), LOST_PART),
    "cut, a slice drained": Case((CUT, PART), {PARTS[0].uuid: AdminState.DRAINING}),
    "cut, a slice in use": Case((CUT, replace(PART, telemetry=BUSY))),
    "cut, broken": Case((replace(CUT, fault="Broken."), replace(PART, fault="Broken."))),
    "whole, a slice once lost": Case((WELL,), LOST_PART),
    "whole, a slice once broken": Case((WELL,), {PARTS[1].uuid: AdminState.QUARANTINED}),
    "with its slices": Case((WELL, PART)),
    "with its slices, one lost": Case((WELL, PART), LOST_PART),
    "with its slices, one in use": Case((WELL, replace(PART, telemetry=BUSY))),
    "agent down": Case((WELL,), rest={"problem": "The agent is down."}),
    "agent down, cut": Case((CUT, PART), LOST_PART, rest={"problem": "The agent is down."}),
    "old reading": Case((WELL,), age=60.0),
    "never read": Case((), rest={"problem": "The agent has not been reached yet."}),
}


def situations(lab: BrokerLab, case: Case) -> Iterator[tuple[DeskBroker, AdminState, GPU]]:
    """Put the GPU, and then a slice of it, into each administrative state."""
    desk = lab.desk_broker()
    for device in (ONE, PARTS[0]):
        for admin_state in AdminState:
            lab.clock.advance(1000)
            with lab.store.transaction() as transaction:
                for item in (gpu(0), ONE, *PARTS):
                    transaction.gpus.forget(item.uuid)
                    transaction.gpus.save(item, lab.clock())
                for uuid, state in case.others.items():
                    transaction.gpus.set_admin_state(uuid, state, "It was.")
                transaction.gpus.set_admin_state(device.uuid, admin_state, "It was.")
                transaction.gpus.set_in_use_by(device.uuid, case.in_use_by)
            lab.inventory.current = InventoryReading(
                lab.clock() - case.age, (BESIDE, *case.readings), **case.rest
            )
            yield desk, admin_state, device


def listed(desk: DeskBroker) -> dict[str, GPUStatus]:
    return {status.gpu.uuid: status for status in desk.gpus.all()}


@pytest.mark.integration
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("state", ["active", "draining"])
def test_a_changed_gpu_is_as_was_answered(lab: BrokerLab, case: Case, state: str) -> None:
    for desk, admin_state, device in situations(lab, case):
        before = listed(desk)
        try:
            answer = desk.gpus.set_state(device.uuid, state, "root")
        except GPUStateError as error:
            assert listed(desk) == before, "refused, and changed"
            healthy = admin_state is not AdminState.FORGOTTEN and case is CASES["well"]
            assert device != ONE or not healthy, error
            continue
        after = listed(desk).get(device.uuid)
        if after is None:
            assert answer.reason == "It is cut into slices, which are listed in its place."
            assert answer.in_service
            continue
        assert answer == after, admin_state
        if state == "active":
            assert answer.in_service, answer.reason
        else:
            assert answer.state is GPUState.DRAINING


@pytest.mark.integration
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_has_returned_is_in_service_and_all_else_is_answered(
    lab: BrokerLab, case: Case
) -> None:
    for desk, _, _ in situations(lab, case):
        returned, kept = desk.gpus.return_all("root")
        shown = listed(desk)
        assert all(uuid not in shown or shown[uuid].in_service for uuid in returned)
        out = {
            uuid
            for uuid, status in shown.items()
            if not status.in_service and status.state is not GPUState.DRAINING
        }
        assert set(kept) == out
        assert all(kept.values())


@pytest.mark.integration
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_is_forgotten_is_not_listed_and_what_is_gone_can_be(
    lab: BrokerLab, case: Case
) -> None:
    for desk, admin_state, device in situations(lab, case):
        before = listed(desk)
        try:
            desk.gpus.forget(device.uuid, "root")
        except GPUStateError:
            assert listed(desk) == before
            gone = case is CASES["gone"] or case is CASES["gone, once in use"]
            assert not gone or admin_state is AdminState.FORGOTTEN
        else:
            assert device.uuid not in listed(desk)


def test_slices_that_are_removed_under_a_session_leave_the_gpu_as_it_was(lab: BrokerLab) -> None:
    lab.look()
    lab.read(BESIDE, CUT, PART)
    lab.look()
    lease = lab.grant(gpu_model="*MIG*")
    held = lab.activate(lease)
    assert lease.gpu_uuids == (PARTS[0].uuid,)
    lab.look(held)
    lab.read(BESIDE, WELL)  # MIG mode was turned off under the session
    lab.look(held)
    shown = listed(lab.broker)
    assert shown[PARTS[0].uuid].state is GPUState.LOST
    assert shown[ONE.uuid].state is not GPUState.FREE
    lab.broker.leases.end(lease.id, "it was stopped")
    lab.clock.advance(60)
    lab.read(BESIDE, WELL)
    lab.look()
    lab.read(BESIDE, WELL)
    assert {uuid: status.state for uuid, status in listed(lab.broker).items()} == {
        gpu(0).uuid: GPUState.FREE,
        ONE.uuid: GPUState.FREE,
    }
    # Slices are made again: NVML gives them the UUIDs that they had.
    lab.read(BESIDE, CUT, PART)
    lab.look()
    lab.read(BESIDE, CUT, PART)
    assert listed(lab.broker)[PARTS[0].uuid].state is GPUState.FREE
    assert ONE.uuid not in listed(lab.broker)


def test_a_gpu_with_a_fault_that_lasts_is_listed_with_its_slices_and_returns_with_them(
    lab: BrokerLab,
) -> None:
    lab.look()
    sick = [replace(item, fault="Memory errors.") for item in (CUT, PART)]
    lab.read(BESIDE, *sick)
    assert {ONE.uuid, PARTS[0].uuid} <= listed(lab.broker).keys()
    lab.read(BESIDE, CUT, PART)
    with pytest.raises(GPUStateError, match=ONE.uuid):
        lab.broker.gpus.set_state(PARTS[0].uuid, "active", "root")
    lab.broker.gpus.set_state(ONE.uuid, "active", "root")
    lab.look()
    assert {uuid: status.state for uuid, status in listed(lab.broker).items()} == {
        gpu(0).uuid: GPUState.FREE,
        PARTS[0].uuid: GPUState.FREE,
    }


def test_the_answer_counts_with_what_was_read_just_now(lab: BrokerLab) -> None:
    lab.look()
    lab.read(BESIDE, WELL, PART)
    lab.look()
    lab.broker.gpus.set_state(ONE.uuid, "draining", "root")
    lab.clock.advance(1)
    sick = replace(PART, fault="Memory errors.")
    lab.inventory.current = InventoryReading(lab.clock(), (BESIDE, WELL, sick))
    with pytest.raises(GPUStateError, match=r"A slice of it .* is quarantined"):
        lab.broker.gpus.set_state(ONE.uuid, "active", "root")


def test_a_gpu_that_was_drained_before_it_was_cut_returns_in_either_shape(lab: BrokerLab) -> None:
    lab.look()
    lab.read(BESIDE, WELL)
    lab.look()
    lab.broker.gpus.set_state(ONE.uuid, "draining", "root")
    for readings, free in (((CUT, PART), PARTS[0].uuid), ((WELL,), ONE.uuid)):
        lab.read(BESIDE, *readings)
        lab.look()
        assert listed(lab.broker)[ONE.uuid].state is GPUState.DRAINING
        assert all(status.state is not GPUState.FREE for status in on_one(lab))
        lab.broker.gpus.set_state(ONE.uuid, "active", "root")
        assert [(x.gpu.uuid, x.state) for x in on_one(lab)] == [(free, GPUState.FREE)]
        lab.broker.gpus.set_state(ONE.uuid, "draining", "root")


def test_slices_that_were_drained_keep_the_gpu_from_nothing_once_they_are_gone(
    lab: BrokerLab,
) -> None:
    lab.look()
    parts = [GPUReading(item, IDLE) for item in PARTS]
    lab.read(BESIDE, CUT, *parts)
    lab.look()
    for part in PARTS:
        lab.broker.gpus.set_state(part.uuid, "draining", "root")
    lab.read(BESIDE, CUT, parts[1])
    lab.look()
    lab.read(BESIDE, CUT)
    lab.look()
    assert [x.state for x in on_one(lab)] == [GPUState.QUARANTINED]
    lab.read(BESIDE, WELL)
    lab.look()
    assert [(x.gpu.uuid, x.state) for x in on_one(lab)] == [(ONE.uuid, GPUState.FREE)]


def test_returning_a_gpu_that_is_in_service_returns_its_drained_slices(lab: BrokerLab) -> None:
    lab.look()
    lab.read(BESIDE, WELL)
    lab.read(BESIDE, CUT, PART)
    lab.look()
    lab.broker.gpus.set_state(PARTS[0].uuid, "draining", "root")
    lab.broker.gpus.set_state(ONE.uuid, "active", "root")
    assert [(x.gpu.uuid, x.state) for x in on_one(lab)] == [(PARTS[0].uuid, GPUState.FREE)]


def on_one(lab: BrokerLab) -> list[GPUStatus]:
    """Return what is listed of one physical GPU."""
    return [x for x in lab.broker.gpus.all() if x.gpu.physical_uuid == ONE.uuid]
