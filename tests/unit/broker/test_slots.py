"""Devices that several sessions share: each slot in one session, and back again after a loss."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from doubles.inventory import uuid
from gpudock.broker import GPUStateError, StopContainer
from gpudock.model import (
    ContainerState,
    Denial,
    GPUProcess,
    GPUReading,
    GPUState,
    Lease,
    LeaseState,
    QueuePosition,
    Share,
    Telemetry,
)
from state_machine.lab import LAB, BrokerLab, ask, container

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def shared(opened: BrokerLab) -> BrokerLab:
    """A lab with one GPU for four sessions, and one for one."""
    opened.broker.gpus.set_slots(uuid(0), 4, "root")
    return opened


def share(lab: BrokerLab, user: str, **options: object) -> Lease | QueuePosition | Denial:
    return lab.broker.requests.submit(ask(user, share=Share.SHARED, **options))


def test_a_shared_gpu_is_given_slot_by_slot_until_it_is_full(shared: BrokerLab) -> None:
    leases = [share(shared, user) for user in "abcd"]
    assert all(isinstance(lease, Lease) for lease in leases)
    assert {(lease.gpu_uuids, lease.slot, lease.slots) for lease in leases} == {
        ((uuid(0),), slot, 4) for slot in range(4)
    }
    assert isinstance(share(shared, "e"), QueuePosition)
    (status, other) = shared.broker.gpus.all()
    assert status.slots == 4
    assert [lease.user for lease in sorted(status.leases, key=lambda x: x.user)] == list("abcd")
    assert (other.slots, other.leases, other.state) == (1, (), GPUState.FREE)
    shared.broker.leases.stop(leases[1].id, "stopped")
    shared.broker.leases.end(leases[1].id, "gone")
    given = shared.broker.leases.of_server("e", "")
    assert given is not None
    assert (given.gpu_uuids, given.slot) == ((uuid(0),), leases[1].slot)


def test_whoever_wants_a_gpu_of_their_own_gets_no_slot_and_the_other_way_round(
    shared: BrokerLab,
) -> None:
    own = shared.grant("ada")
    assert own.gpu_uuids == (uuid(1),)
    assert isinstance(shared.broker.requests.submit(ask("bob")), QueuePosition)
    assert isinstance(share(shared, "cy"), Lease)
    shared.broker.requests.withdraw("bob", "")
    refused = share(shared, "dan", gpus=2)
    assert isinstance(refused, Denial)
    assert "at most one slot of one shared GPU" in refused.message


def test_a_slot_counts_as_one_device_and_as_its_part_of_the_hours(shared: BrokerLab) -> None:
    shared.broker.quotas.set("default", "", {"max_gpus": 1, "gpu_hours": 100.0}, "root")
    lease = share(shared, "ada")
    assert isinstance(lease, Lease)
    assert isinstance(share(shared, "ada", server="second"), Denial)
    shared.clock.advance(4 * 3600)
    assert shared.broker.quotas.effective("ada", ()).used.gpu_hours == pytest.approx(1.0)
    shared.broker.leases.end(lease.id, "gone")
    (row,) = shared.broker.usage.report(0, shared.clock(), "gpu")
    assert (row.name, row.gpu_hours, row.leases) == (uuid(0), pytest.approx(1.0), 1)


@pytest.mark.parametrize("slots", [0, 17, -1, True, 1.5, "4"])
def test_only_sane_numbers_of_slots_are_taken(opened: BrokerLab, slots: object) -> None:
    with pytest.raises(GPUStateError, match="1 to 16 sessions"):
        opened.broker.gpus.set_slots(uuid(0), slots, "root")
    with pytest.raises(GPUStateError, match="no GPU with that UUID"):
        opened.broker.gpus.set_slots(uuid(7), 2, "root")


def test_slots_change_only_while_nobody_has_the_gpu(shared: BrokerLab) -> None:
    lease = share(shared, "ada")
    assert isinstance(lease, Lease)
    shared.broker.leases.stop(lease.id, "stopped")
    with pytest.raises(GPUStateError, match="is leased"):
        shared.broker.gpus.set_slots(uuid(0), 1, "root")
    shared.broker.leases.end(lease.id, "gone")
    shared.broker.gpus.set_slots(uuid(0), 1, "root")
    assert [status.slots for status in shared.broker.gpus.all()] == [1, 1]


def test_a_shared_gpu_is_checked_only_once_nobody_has_a_slot(shared: BrokerLab) -> None:
    busy = Telemetry(processes=(GPUProcess(7, 20_000),))

    def read() -> None:
        shared.clock.advance(1)
        shared.read(GPUReading(LAB[0], busy), GPUReading(LAB[1], Telemetry(processes=())))

    one, other = share(shared, "ada"), share(shared, "bob")
    assert isinstance(one, Lease)
    assert isinstance(other, Lease)
    shared.broker.leases.end(one.id, "gone")
    shared.clock.advance(100)
    read()
    assert isinstance(share(shared, "cy"), Lease), "bob's processes are no reason"
    for user in ("bob", "cy"):
        lease = shared.broker.leases.of_server(user, "")
        assert lease is not None
        shared.broker.leases.end(lease.id, "gone")
    assert isinstance(share(shared, "dan"), QueuePosition)
    shared.clock.advance(100)
    read()
    assert shared.gpu_states()[uuid(0)] is GPUState.QUARANTINED


# 5. From an empty, stale or lost store and Docker's labels to the same state.


def test_slots_are_rebuilt_from_labels_when_the_store_is_lost(
    shared: BrokerLab, tmp_path: Path
) -> None:
    containers = []
    for number, user in enumerate("abc"):
        lease = share(shared, user, groups=("class", user))
        assert isinstance(lease, Lease)
        containers.append(shared.activate(lease, f"c{number}"))
    own = shared.grant("own")
    containers.append(shared.activate(own, "c9"))
    lost = BrokerLab(f"sqlite:///{tmp_path}/new.sqlite")
    lost.look(*containers)

    def shape(lab: BrokerLab) -> set:
        return {
            (x.id, x.user, x.gpu_uuids, x.slot, x.slots, x.share, x.groups, x.state)
            for x in lab.broker.leases.live()
        }

    assert shape(lost) == shape(shared)
    assert {s.gpu.uuid: s.slots for s in lost.broker.gpus.all()} == {uuid(0): 4, uuid(1): 1}
    assert lost.look(*containers) == []
    assert shape(lost) == shape(shared)


def test_two_containers_that_claim_one_slot_are_not_both_believed(lab: BrokerLab) -> None:
    base = Lease("a1", "ada", "", "image", (uuid(0),), 1.0, slot=1, slots=4)
    claims = [
        container(base, "c1"),
        container(replace(base, id="b2", user="bob"), "c2"),
        container(replace(base, id="c3", user="cy", slot=2, slots=3), "c3"),
        container(replace(base, id="d4", user="dan", slot=0, slots=1), "c4"),
    ]
    actions = lab.look(*claims)
    assert [lease.id for lease in lab.broker.leases.live()] == ["a1"]
    assert {a.container_id for a in actions if isinstance(a, StopContainer)} == {"c2", "c3", "c4"}
    assert lab.gpu_states()[uuid(0)] is GPUState.QUARANTINED


@pytest.mark.parametrize(
    ("slot", "slots", "gpus"), [(4, 4, 1), (0, 17, 1), (0, 0, 1), (-1, 4, 1), (1, 4, 2), (1, 1, 1)]
)
def test_labels_of_a_slot_that_there_cannot_be_are_not_believed(
    lab: BrokerLab, slot: int, slots: int, gpus: int
) -> None:
    uuids = tuple(uuid(number) for number in range(gpus))
    item = Lease("a1", "ada", "", "image", uuids, 1.0, slot=slot, slots=slots)
    lab.look(container(item))
    assert lab.broker.leases.live() == []
    assert lab.gpu_states()[uuid(0)] is GPUState.QUARANTINED


def test_a_container_with_another_slot_than_its_lease_is_not_its_own(shared: BrokerLab) -> None:
    lease = share(shared, "ada")
    assert isinstance(lease, Lease)
    shared.broker = shared.new_broker()
    forged = container(replace(lease, slot=3), "c1", ContainerState.RUNNING)
    actions = shared.look(forged)
    assert [action.container_id for action in actions] == ["c1"]
    assert shared.state(lease) is LeaseState.ENDED
