"""The broker, promise by promise. What only shows in odd orders of events is in test_promises."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, text

from doubles.clock import HandClock
from doubles.inventory import SettableInventory, gpu, mig_slice, uuid
from gpudock.broker import (
    Broker,
    BrokerConfig,
    DeskBroker,
    GPUStateError,
    LeaseConflictError,
    RemoveContainer,
    RequestDenied,
    StopContainer,
)
from gpudock.model import (
    ContainerState,
    Denial,
    GPUProcess,
    GPUReading,
    GPUState,
    InventoryReading,
    Lease,
    LeaseState,
    Observation,
    ObservedContainer,
    QueuePosition,
    Quota,
    Request,
    Telemetry,
    WhenBusy,
)
from gpudock.policy.quota.errors import QuotaDocumentError
from gpudock.policy.scheduling.decide import Grant
from gpudock.store import EpochLostError, Store, StoreError
from state_machine.lab import LAB, BrokerLab, ask, container

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HOSTILE = ["../x", "{0}", "'; DROP TABLE leases; --", "名前🦆", "a" * 255, "\x01"]


# 6. Nothing is granted before the first full look at Docker.


def test_nothing_is_granted_before_the_first_look_but_requests_are_kept(lab: BrokerLab) -> None:
    place = lab.broker.requests.submit(ask())
    assert isinstance(place, QueuePosition)
    assert "finding out which containers run" in place.reason
    assert not lab.broker.ready
    assert GPUState.FREE not in lab.gpu_states().values()
    lab.look()
    assert lab.broker.ready
    assert lab.broker.leases.of_server("ada", "") is not None


def test_no_container_is_begun_before_the_first_look(opened: BrokerLab) -> None:
    lease = opened.grant()
    opened.broker = opened.new_broker()
    with pytest.raises(LeaseConflictError, match="finding out"):
        opened.broker.leases.begin_container(lease.id)


def test_a_lease_of_a_former_process_is_not_handed_out_before_the_first_look(
    opened: BrokerLab,
) -> None:
    opened.grant()
    opened.broker = opened.new_broker()
    assert isinstance(opened.broker.requests.submit(ask()), QueuePosition)


# 1 and 8. Exclusive, and within the quota, no matter who else writes.


def _submit_in_a_process(url: str, user: str, rounds: int, barrier: object) -> None:
    store = Store(url, durable=False, busy_seconds=60)
    barrier.wait()
    for number in range(rounds):
        # Each takes the lab from the others, as a new hub does, which may then change nothing.
        broker = Broker(
            store, SettableInventory(LAB), BrokerConfig(default_quota=Quota(max_gpus=1))
        )
        with contextlib.suppress(EpochLostError):
            broker.reconcile(Observation(0.0))
            answer = broker.requests.submit(ask(user, str(number)))
            if isinstance(answer, Lease):
                broker.leases.end(answer.id, "done")


@pytest.mark.integration
def test_processes_that_race_for_the_gpus_never_get_the_same_one(lab: BrokerLab) -> None:
    lab.store.close()
    fork = multiprocessing.get_context("fork")
    barrier = fork.Barrier(4)
    processes = [
        fork.Process(target=_submit_in_a_process, args=(lab.url, f"user{n}", 15, barrier))
        for n in range(4)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0] * 4
    leases = lab.broker.leases.all()
    assert leases
    for one in leases:
        for other in leases:
            if one.id < other.id and set(one.gpu_uuids) & set(other.gpu_uuids):
                ends = one.ended_at or float("inf"), other.ended_at or float("inf")
                assert ends[0] <= other.granted_at or ends[1] <= one.granted_at


def test_threads_that_race_for_named_servers_stay_within_the_quota(lab: BrokerLab) -> None:
    barrier = threading.Barrier(6)
    answers: list[object] = []

    def submit(number: int) -> None:
        broker = lab.new_broker(default_quota=Quota(max_gpus=1))
        broker.reconcile(Observation(0.0))
        barrier.wait()
        try:
            answers.append(broker.requests.submit(ask("ada", str(number))))
        except EpochLostError as error:
            answers.append(error)

    threads = [threading.Thread(target=submit, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(answers) == 6
    assert sum(isinstance(answer, Lease) for answer in answers) == 1
    assert lab.broker.quotas.effective("ada", ()).used.gpus == 1


def test_the_quota_counts_all_servers_of_a_user(opened: BrokerLab) -> None:
    opened.broker.quotas.set("user", "ada", {"max_gpus": 1}, by="root")
    opened.grant()
    denial = opened.broker.requests.submit(ask(server="second"))
    assert isinstance(denial, Denial)
    assert "You already use 1 of your 1 GPU" in denial.message
    assert opened.broker.queue.waiting() == []


def test_lowering_a_quota_ends_nothing_and_grants_nothing_beyond(opened: BrokerLab) -> None:
    leases = [opened.grant(server="1"), opened.grant(server="2")]
    opened.broker.quotas.set("default", "", {"max_gpus": 1}, by="root")
    assert [opened.state(lease) for lease in leases] == [LeaseState.GRANTED] * 2
    opened.broker.leases.end(leases[0].id, "done")
    assert isinstance(opened.broker.requests.submit(ask(server="3")), Denial)
    opened.broker.leases.end(leases[1].id, "done")
    assert isinstance(opened.broker.requests.submit(ask(server="3")), Lease)


def test_a_bad_quota_document_changes_nothing(opened: BrokerLab) -> None:
    with pytest.raises(QuotaDocumentError):
        opened.broker.quotas.set("default", "", {"max_gpus": -1}, by="root")
    assert opened.broker.quotas.effective("ada", ()).quota.max_gpus == 2


# 2, 3, 4. The life of a lease.


def test_a_lease_is_committed_before_anybody_hears_of_it(opened: BrokerLab) -> None:
    lease = opened.grant()
    with Store(opened.url).snapshot() as transaction:
        assert transaction.leases.get(lease.id) == lease


def test_asking_again_gives_the_same_lease(opened: BrokerLab) -> None:
    assert opened.grant() == opened.grant()
    assert len(opened.broker.leases.live()) == 1


def test_only_the_first_container_is_bound(opened: BrokerLab) -> None:
    lease = opened.grant()
    opened.broker.leases.begin_container(lease.id)
    opened.broker.leases.bind(lease.id, "c1")
    opened.broker.leases.bind(lease.id, "c1")
    with pytest.raises(LeaseConflictError, match="another container"):
        opened.broker.leases.bind(lease.id, "c2")


def test_two_starts_of_one_lease_cannot_both_begin(opened: BrokerLab) -> None:
    lease = opened.grant()
    opened.broker.leases.begin_container(lease.id)
    with pytest.raises(LeaseConflictError):
        opened.broker.leases.begin_container(lease.id)


def test_a_lease_that_is_stopping_takes_no_container(opened: BrokerLab) -> None:
    lease = opened.grant()
    opened.broker.leases.begin_container(lease.id)
    opened.broker.leases.stop(lease.id, "stopped by its user")
    with pytest.raises(LeaseConflictError, match="stopped by its user"):
        opened.broker.leases.bind(lease.id, "c1")
    assert opened.state(lease) is LeaseState.STOPPING


def test_a_lease_that_is_stopping_keeps_its_gpu(opened: BrokerLab) -> None:
    lease = opened.grant(gpus=2)
    opened.broker.leases.stop(lease.id, "stopped")
    assert isinstance(opened.broker.requests.submit(ask("bob")), QueuePosition)
    opened.broker.leases.end(lease.id, "gone")
    assert opened.broker.leases.of_server("bob", "") is not None


def test_a_server_that_starts_again_waits_for_its_former_container(opened: BrokerLab) -> None:
    former = opened.grant()
    opened.broker.leases.stop(former.id, "stopped")
    place = opened.broker.requests.submit(ask())
    assert isinstance(place, QueuePosition)
    assert "previous container" in place.reason
    opened.broker.leases.end(former.id, "gone")
    lease = opened.broker.leases.of_server("ada", "")
    assert lease is not None
    assert lease.id != former.id


def test_a_late_stop_or_end_does_not_touch_a_newer_lease(opened: BrokerLab) -> None:
    former = opened.grant()
    opened.broker.leases.end(former.id, "gone")
    newer = opened.grant()
    opened.broker.leases.stop(former.id, "late")
    opened.broker.leases.end(former.id, "late")
    assert opened.state(newer) is LeaseState.GRANTED


def test_a_reason_is_kept(opened: BrokerLab) -> None:
    lease = opened.grant()
    opened.broker.leases.stop(lease.id, "stopped by its user")
    opened.broker.leases.end(lease.id, "its container is gone")
    ended = opened.broker.leases.get(lease.id)
    assert ended is not None
    assert ended.end_reason == "stopped by its user"


# 5. Reconciling.


def test_a_lost_store_is_rebuilt_from_the_labels(opened: BrokerLab, tmp_path: Path) -> None:
    seen = opened.activate(opened.grant())
    kept = opened.broker.leases.of_server("ada", "")
    assert kept is not None
    other = BrokerLab(f"sqlite:///{tmp_path}/other.sqlite")
    other.look(seen)
    assert isinstance(other.broker.requests.submit(ask("bob", gpus=2)), QueuePosition)
    found = other.broker.leases.of_server("ada", "")
    assert found is not None
    assert (found.id, found.gpu_uuids, found.state, found.container_id) == (
        kept.id,
        kept.gpu_uuids,
        kept.state,
        kept.container_id,
    )


def test_a_lost_lease_of_a_container_that_never_ran_holds_its_gpu_until_that_is_gone(
    lab: BrokerLab,
) -> None:
    lost = Lease("0a", "ada", "", "image", (uuid(0), uuid(1)), 0.0)
    created = container(lost, state=ContainerState.CREATED)
    (action,) = lab.look(created)
    assert isinstance(action, RemoveContainer)
    assert isinstance(lab.broker.requests.submit(ask("bob")), QueuePosition)
    lab.look()
    assert lab.broker.leases.of_server("bob", "") is not None


def test_a_container_that_exited_ends_its_lease_and_is_removed(opened: BrokerLab) -> None:
    lease = opened.grant()
    seen = opened.activate(lease)
    (action,) = opened.look(replace(seen, state=ContainerState.EXITED, exit_code=1))
    assert isinstance(action, RemoveContainer)
    assert opened.state(lease) is LeaseState.ENDED


def test_a_container_that_a_complete_look_does_not_show_is_gone(opened: BrokerLab) -> None:
    lease = opened.grant()
    opened.activate(lease)
    opened.look()
    assert opened.state(lease) is LeaseState.ENDED


def test_a_look_that_began_before_proves_nothing(opened: BrokerLab) -> None:
    early = Observation(opened.clock())
    lease = opened.grant()
    opened.broker.leases.begin_container(lease.id)
    opened.broker.reconcile(early)
    opened.broker.leases.bind(lease.id, "c1")
    opened.broker.leases.finish_container(lease.id)
    opened.broker.reconcile(early)
    assert opened.state(lease) is LeaseState.ACTIVE


def test_a_clock_that_is_set_back_does_not_end_a_lease(opened: BrokerLab) -> None:
    observation = Observation(opened.clock())
    opened.clock.advance(-3600)
    lease = opened.grant()
    opened.activate(lease)
    opened.broker.reconcile(observation)
    assert opened.state(lease) is LeaseState.ACTIVE


def test_a_container_that_ended_in_mid_look_is_not_taken_for_an_intruder(opened: BrokerLab) -> None:
    lease = opened.grant()
    seen = opened.activate(lease)
    early = Observation(opened.clock(), (seen,))
    opened.broker.leases.stop(lease.id, "stopped")
    opened.broker.leases.end(lease.id, "gone")
    assert opened.broker.reconcile(early) == []
    assert set(opened.gpu_states().values()) == {GPUState.FREE}


def test_a_start_that_is_under_way_is_left_alone(opened: BrokerLab) -> None:
    lease = opened.grant()
    opened.broker.leases.begin_container(lease.id)
    opened.broker.leases.bind(lease.id, "c1")
    assert opened.look(container(lease, state=ContainerState.CREATED)) == []
    assert opened.state(lease) is LeaseState.ACTIVE


def test_a_lease_that_nobody_comes_for_ends(opened: BrokerLab) -> None:
    lease = opened.grant()
    opened.look()
    assert opened.state(lease) is LeaseState.GRANTED
    opened.clock.advance(130)
    opened.look()
    assert opened.state(lease) is LeaseState.ENDED


def test_a_container_that_was_started_by_hand_is_stopped_and_its_gpu_quarantined(
    opened: BrokerLab,
) -> None:
    lease = opened.grant()
    seen = opened.activate(lease)
    opened.broker.leases.end(lease.id, "gone")
    (action,) = opened.look(seen)
    assert isinstance(action, StopContainer)
    assert opened.gpu_states()[uuid(0)] is GPUState.QUARANTINED


def test_an_intruder_costs_the_rightful_server_nothing(opened: BrokerLab) -> None:
    lease = opened.grant()
    seen = opened.activate(lease)
    (action,) = opened.look(seen, replace(seen, id="c2", name="copy"))
    assert action == StopContainer("c2", "copy", lease.id, action.why)
    assert opened.state(lease) is LeaseState.ACTIVE


@pytest.mark.parametrize("lease_id", ["", "NOT AN ID", "../x", "é", "a" * 65])
def test_labels_that_gpudock_did_not_write_are_not_believed(
    opened: BrokerLab, lease_id: str
) -> None:
    forged = ObservedContainer(
        "c9", "forged", ContainerState.RUNNING, lease_id, "ada", "", (uuid(0), "all")
    )
    assert opened.look(forged) == []
    assert opened.broker.leases.all() == []
    assert opened.gpu_states()[uuid(0)] is GPUState.QUARANTINED


def test_labels_without_a_user_say_nothing_of_a_lease_that_others_tell_of(
    opened: BrokerLab,
) -> None:
    def forged(name: str, user: str) -> ObservedContainer:
        return ObservedContainer(f"c-{name}", name, ContainerState.CREATED, "f0f0", user, "", ())

    first = opened.look(forged("one", ""), forged("two", "ada"))
    assert [action.name for action in first] == ["two"]
    # Twice is once, although the lease of the second is known by now.
    assert opened.look(forged("one", ""), forged("two", "ada")) == first


def test_a_container_that_gpudock_did_not_make_is_never_removed(opened: BrokerLab) -> None:
    """Even if its id is by chance, or by malice, that of a lease."""
    lease = opened.grant()
    seen = opened.activate(lease)
    for stranger in (
        replace(seen, id="c2", user="", state=ContainerState.CREATED),
        replace(seen, id="c3", gpu_uuids=("all",), state=ContainerState.EXITED),
    ):
        assert opened.look(seen, stranger) == []


# 7. All or none; everything is accounted for.


def test_free_and_leased_and_the_rest_are_all(opened: BrokerLab) -> None:
    opened.grant()
    opened.broker.gpus.set_state(uuid(1), "draining", by="root")
    assert sorted(opened.gpu_states().values()) == ["draining", "leased"]


def test_a_request_for_two_waits_for_two(opened: BrokerLab) -> None:
    held = opened.grant("bob")
    # From now on a session of the same length ends after bob's, so it would delay ada's start.
    opened.clock.advance(1)
    assert isinstance(opened.broker.requests.submit(ask(gpus=2)), QueuePosition)
    assert isinstance(opened.broker.requests.submit(ask("cy")), QueuePosition)
    opened.broker.leases.end(held.id, "done")
    lease = opened.broker.leases.of_server("ada", "")
    assert lease is not None
    assert lease.gpu_uuids == (uuid(0), uuid(1))


# 9 and 10. Devices.


def test_a_slice_that_is_leased_keeps_the_whole_gpu_from_everybody(lab: BrokerLab) -> None:
    parts = [mig_slice(10, LAB[0]), mig_slice(11, LAB[0])]
    lab.inventory = SettableInventory([LAB[0], *parts])
    lab.broker = lab.new_broker()
    lab.look()
    lab.grant(gpu_model="*MIG*")
    assert isinstance(lab.broker.requests.submit(ask("bob", gpu_model=LAB[0].model)), QueuePosition)
    assert lab.gpu_states()[LAB[0].uuid] is GPUState.LEASED


def reason_of(lab: BrokerLab, number: int = 0) -> str:
    return next(str(x.reason) for x in lab.broker.gpus.all() if x.gpu.uuid == uuid(number))


def seconds_out_of_service(lab: BrokerLab, step: Callable[[], object], number: int = 0) -> float:
    """Return after how many seconds a GPU is in service, where *step* takes some of them."""
    since = lab.clock()
    while lab.gpu_states()[uuid(number)] is GPUState.QUARANTINED:
        step()
        assert lab.clock() - since < 1000, "it never returns"
    return lab.clock() - since


def test_a_gpu_that_something_foreign_had_is_free_again_half_a_minute_after_it(
    opened: BrokerLab,
) -> None:
    opened.look(foreign={uuid(0): "x"})
    assert opened.gpu_states()[uuid(0)] is GPUState.QUARANTINED
    assert reason_of(opened) == 'Container "x" has it.'
    for _ in range(60):
        opened.look(foreign={uuid(0): "x"})
    assert opened.gpu_states()[uuid(0)] is GPUState.QUARANTINED, "it still has it"
    opened.look()
    assert reason_of(opened).startswith('Container "x" had it. It returns')
    assert isinstance(opened.broker.requests.submit(ask("bob", gpus=2)), QueuePosition)
    assert 30 <= seconds_out_of_service(opened, opened.look) <= 36
    assert opened.broker.leases.of_server("bob", "") is not None


def test_a_gpu_that_is_used_again_meanwhile_proves_clean_anew(opened: BrokerLab) -> None:
    opened.look(foreign={uuid(0): "x"})
    for _ in range(12):
        opened.look()
    opened.look(foreign={uuid(0): "y"})
    assert reason_of(opened) == 'Container "y" has it.'
    assert seconds_out_of_service(opened, opened.look) >= 30


def test_a_gpu_is_not_clean_while_nobody_looks(opened: BrokerLab) -> None:
    opened.look(foreign={uuid(0): "x"})
    opened.look()
    opened.clock.advance(100)
    opened.look()
    assert opened.gpu_states()[uuid(0)] is GPUState.QUARANTINED
    assert seconds_out_of_service(opened, opened.look) >= 30


def test_another_hub_waits_for_proof_of_its_own(opened: BrokerLab) -> None:
    opened.look(foreign={uuid(0): "x"})
    for _ in range(12):
        opened.look()
    opened.broker = opened.new_broker()
    assert seconds_out_of_service(opened, opened.look) >= 30


def test_what_passes_by_itself_can_be_returned_at_once_when_it_is_over(opened: BrokerLab) -> None:
    opened.look(foreign={uuid(0): "x"})
    with pytest.raises(GPUStateError, match='Container "x" has it'):
        opened.broker.gpus.set_state(uuid(0), "active", by="root")
    opened.look()
    opened.broker.gpus.set_state(uuid(0), "active", by="root")
    assert opened.gpu_states()[uuid(0)] is GPUState.FREE


def test_a_leased_gpu_that_something_foreign_had_keeps_its_lease_and_returns(
    opened: BrokerLab,
) -> None:
    lease = opened.grant("ada")
    own = opened.activate(lease)
    opened.look(own, foreign={lease.gpu_uuids[0]: "exporter"})
    assert opened.state(lease) is LeaseState.ACTIVE
    for _ in range(20):
        opened.look(own)
    assert opened.gpu_states()[lease.gpu_uuids[0]] is GPUState.LEASED
    assert opened.state(lease) is LeaseState.ACTIVE


def test_a_gpu_that_appears_after_a_look_is_granted_only_after_the_next(opened: BrokerLab) -> None:
    new = gpu(7)
    devices = [GPUReading(item, Telemetry(processes=())) for item in (*LAB, new)]
    opened.read(*devices)
    # Nobody has looked for containers that have it: the lab did not know of it.
    assert isinstance(opened.broker.requests.submit(ask(gpus=2)), Lease)
    waits = opened.broker.requests.submit(ask("bob"))
    assert isinstance(waits, QueuePosition)
    assert reason_of(opened, 7) == "It is being checked which containers have it."
    opened.look(foreign={new.uuid: "x"})
    assert reason_of(opened, 7) == 'Container "x" has it.'
    for _ in range(20):
        opened.clock.advance(1)
        opened.read(*devices)
        opened.look()
    lease = opened.broker.leases.of_server("bob", "")
    assert lease is not None
    assert lease.gpu_uuids == (new.uuid,)


def test_a_known_gpu_that_was_not_read_yet_is_granted_only_after_the_next_look(
    opened: BrokerLab,
) -> None:
    opened.look()
    opened.broker = opened.new_broker()
    seen, opened.inventory.current = opened.inventory.current, InventoryReading(None)
    opened.look()
    # A container that has GPU "0" may have any: the numbers are known only from now on.
    opened.inventory.current = seen
    assert opened.broker.has_unchecked_devices
    waits = opened.broker.requests.submit(ask(gpus=2))
    assert isinstance(waits, QueuePosition)
    opened.look()
    assert not opened.broker.has_unchecked_devices
    lease = opened.broker.leases.of_server("ada", "")
    assert lease is not None
    assert len(lease.gpu_uuids) == 2


def test_a_drain_outlasts_what_passes(opened: BrokerLab) -> None:
    opened.broker.gpus.set_state(uuid(0), "draining", by="root")
    opened.look(foreign={uuid(0): "x"})
    for _ in range(40):
        opened.look()
    assert opened.gpu_states()[uuid(0)] is GPUState.DRAINING


@pytest.mark.integration
@pytest.mark.parametrize(
    ("fault", "seconds"),
    [
        ({"telemetry": Telemetry(processes=(GPUProcess(1, 20_000),))}, 30),
        ({"fault": "Unknown error (999).", "fault_may_pass": True}, 300),
    ],
)
def test_a_gpu_returns_by_itself_once_it_has_been_clean_for_long_enough(
    opened: BrokerLab, fault: dict, seconds: float
) -> None:
    idle = [GPUReading(item, Telemetry(processes=())) for item in LAB]
    bad = replace(idle[0], **fault)
    opened.read(*idle)
    opened.clock.advance(1)
    opened.read(bad, idle[1])
    assert opened.gpu_states()[uuid(0)] is GPUState.QUARANTINED

    def read() -> None:
        opened.clock.advance(1)
        opened.read(*idle)

    read()
    assert seconds <= seconds_out_of_service(opened, read) <= seconds + 7


@pytest.mark.integration
@pytest.mark.parametrize("fault", [{"fault": "2 memory errors."}, {"lost": True}])
def test_a_gpu_with_broken_hardware_waits_for_a_person(opened: BrokerLab, fault: dict) -> None:
    idle = [GPUReading(item, Telemetry(processes=())) for item in LAB]
    opened.read(replace(idle[0], **fault), idle[1])
    for _ in range(1000):
        opened.clock.advance(1)
        opened.read(*idle)
    assert opened.gpu_states()[uuid(0)] in (GPUState.QUARANTINED, GPUState.LOST)
    returned, kept = opened.broker.gpus.return_all("root")
    assert (returned, kept) == ([uuid(0)], {})
    assert opened.gpu_states()[uuid(0)] is GPUState.FREE


def test_all_that_is_fit_returns_at_once_and_what_is_not_says_why(opened: BrokerLab) -> None:
    idle = [GPUReading(item, Telemetry(processes=())) for item in LAB]
    opened.read(*(replace(item, fault="Memory errors.") for item in idle))
    opened.clock.advance(1)
    opened.read(replace(idle[0], fault="Memory errors."), idle[1])
    returned, kept = opened.broker.gpus.return_all("root")
    assert (returned, kept) == ([uuid(1)], {uuid(0): "Memory errors."})
    opened.broker.gpus.set_state(uuid(1), "draining", by="root")
    assert opened.broker.gpus.return_all("root")[0] == [], "it is drained on purpose"


def test_a_gpu_is_granted_again_only_when_a_later_reading_shows_it_clean(opened: BrokerLab) -> None:
    idle = [GPUReading(item, Telemetry(processes=())) for item in LAB]
    busy = [replace(idle[0], telemetry=Telemetry(processes=(GPUProcess(1, 1),))), idle[1]]
    opened.read(*idle)
    lease = opened.grant(gpus=2)
    opened.read(*busy)
    opened.broker.leases.end(lease.id, "gone")
    assert isinstance(opened.broker.requests.submit(ask("bob", gpus=2)), QueuePosition)
    opened.clock.advance(1)
    opened.read(*busy)
    place = opened.broker.requests.position("bob", "")
    assert place is not None
    assert "still ending" in place.reason
    opened.clock.advance(1)
    opened.read(*idle)
    assert opened.broker.leases.of_server("bob", "") is not None


def test_an_unhealthy_gpu_is_not_returned_before_it_is_well(opened: BrokerLab) -> None:
    opened.read(GPUReading(LAB[0], fault="Unknown Error."), GPUReading(LAB[1]))
    with pytest.raises(GPUStateError, match="Unknown Error"):
        opened.broker.gpus.set_state(uuid(0), "active", by="root")
    opened.read(GPUReading(LAB[0]), GPUReading(LAB[1]))
    assert opened.gpu_states()[uuid(0)] is GPUState.QUARANTINED
    opened.broker.gpus.set_state(uuid(0), "active", by="root")
    assert opened.gpu_states()[uuid(0)] is GPUState.FREE


def test_an_agent_that_is_down_changes_no_lease_and_lets_nobody_start(opened: BrokerLab) -> None:
    readings = [GPUReading(item) for item in LAB]
    opened.read(*readings)
    lease = opened.grant()
    opened.read(*readings, problem="The agent is down.")
    assert opened.state(lease) is LeaseState.GRANTED
    place = opened.broker.requests.submit(ask("bob"))
    assert isinstance(place, QueuePosition)
    assert "The agent is down." in place.reason
    opened.read(*readings)
    assert opened.broker.leases.of_server("bob", "") is not None


def test_a_leased_gpu_that_disappears_keeps_its_lease(opened: BrokerLab) -> None:
    lease = opened.grant()
    opened.read(GPUReading(LAB[1]))
    status = next(item for item in opened.broker.gpus.all() if item.gpu.uuid == uuid(0))
    assert status.state is GPUState.LOST
    assert status.lease is not None
    assert status.lease.id == lease.id


def test_a_drained_gpu_ends_no_lease_and_gets_no_new_one(opened: BrokerLab) -> None:
    lease = opened.grant()
    opened.broker.gpus.set_state(uuid(0), "draining", by="root")
    assert opened.state(lease) is LeaseState.GRANTED
    opened.broker.leases.end(lease.id, "done")
    assert opened.grant().gpu_uuids == (uuid(1),)


def test_a_gpu_that_was_taken_out_can_be_forgotten_and_comes_back(opened: BrokerLab) -> None:
    lease = opened.grant()
    opened.broker.leases.end(lease.id, "done")
    with pytest.raises(GPUStateError, match="still reported"):
        opened.broker.gpus.forget(uuid(0), by="root")
    opened.read(GPUReading(LAB[1]))
    opened.broker.gpus.forget(uuid(0), by="root")
    assert list(opened.gpu_states()) == [uuid(1)]
    opened.clock.advance(1)
    opened.read(*(GPUReading(item) for item in LAB))
    assert reason_of(opened, 0) == "It is being checked which containers have it."
    opened.look()
    assert opened.gpu_states()[uuid(0)] is GPUState.FREE


@pytest.mark.parametrize(("device", "state"), [("GPU-nope", "active"), (uuid(0), "lost")])
def test_what_cannot_be_set_is_refused_with_a_sentence(
    opened: BrokerLab, device: str, state: str
) -> None:
    with pytest.raises(GPUStateError) as caught:
        opened.broker.gpus.set_state(device, state, by="root")
    assert str(caught.value).endswith(".")


# 11. The queue.


def test_a_restart_loses_nobodys_place(opened: BrokerLab) -> None:
    opened.grant("x", gpus=2)
    for user in ("ada", "bob", "cy"):
        opened.broker.requests.submit(ask(user))
    opened.broker = opened.new_broker()
    assert [request.user for request in opened.broker.queue.waiting()] == ["ada", "bob", "cy"]
    for user in ("cy", "bob", "ada"):
        opened.broker.requests.submit(ask(user))
    assert [request.user for request in opened.broker.queue.waiting()] == ["ada", "bob", "cy"]


def test_a_start_that_a_crash_cut_off_is_resumed_at_its_old_place(opened: BrokerLab) -> None:
    lost = opened.grant("ada", gpus=2)
    opened.broker.requests.submit(ask("bob"))
    opened.broker = opened.new_broker()
    opened.look()
    lease = opened.broker.leases.of_server("ada", "")
    assert lease is not None
    assert lease.id != lost.id
    assert [request.user for request in opened.broker.requests.to_resume()] == ["ada", "bob"]
    assert opened.broker.requests.submit(ask("ada")) == lease
    assert [request.user for request in opened.broker.requests.to_resume()] == ["bob"]


def test_a_start_that_a_crash_cut_off_and_is_made_again_before_the_first_look_keeps_its_place(
    opened: BrokerLab,
) -> None:
    lost = opened.grant("ada", gpus=2)
    opened.broker.requests.submit(ask("bob"))
    opened.broker = opened.new_broker()
    opened.broker.requests.submit(ask("ada", gpus=2))
    opened.look()
    assert opened.broker.leases.get(lost.id).state is LeaseState.ENDED
    assert [lease.user for lease in opened.broker.leases.live()] == ["ada"]
    assert [request.user for request in opened.broker.queue.waiting()] == ["bob"]


def places(lab: BrokerLab) -> list[tuple[str, str, float]]:
    """Return id, user and time of the requests that wait or have a lease that nobody claimed."""
    return [(x.id, x.user, x.created_at) for x in lab.broker.requests.to_resume()]


def test_a_grant_that_nobody_claims_returns_to_the_queue_with_its_place(opened: BrokerLab) -> None:
    lease = opened.grant("x", gpus=2)
    seen = opened.activate(lease)
    for user, when_busy in (("ada", "wait"), ("bob", "wait"), ("cy", "wait")):
        opened.clock.advance(60)
        opened.broker.requests.submit(
            ask(user, created_at=opened.clock(), when_busy=WhenBusy(when_busy))
        )
    opened.broker = opened.new_broker()
    opened.look(seen)
    before = places(opened)
    assert [user for _, user, _ in before] == ["ada", "bob", "cy"]
    opened.broker.leases.end(lease.id, "done")
    for _ in range(3):
        assert {x.user for x in opened.broker.leases.live()} == {"ada", "bob"}
        assert places(opened) == before
        opened.clock.advance(130)
        opened.look()
        opened.look()
        opened.read(*map(GPUReading, LAB))
    granted = opened.broker.requests.submit(ask("ada"))
    assert isinstance(granted, Lease)
    assert [user for _, user, _ in places(opened)] == ["bob", "cy"]


@pytest.mark.parametrize("when_busy", WhenBusy)
def test_a_start_that_a_crash_cut_off_is_resumed_whatever_it_does_when_the_lab_is_busy(
    opened: BrokerLab, when_busy: WhenBusy
) -> None:
    opened.grant("ada", when_busy=when_busy)
    opened.broker = opened.new_broker()
    opened.look()
    assert [user for _, user, _ in places(opened)] == ["ada"]


def test_a_lease_that_its_start_has_is_not_granted_again_when_it_lapses(opened: BrokerLab) -> None:
    opened.grant("ada")
    opened.clock.advance(130)
    opened.look()
    assert opened.broker.leases.live() == []
    assert places(opened) == []


def test_a_grant_that_nobody_claims_keeps_its_waiting_time_when_the_clock_is_set(
    lab_url: str,
) -> None:
    ticks = HandClock(0.0)
    lab = BrokerLab(lab_url, ticks=ticks)
    lab.inventory.current = InventoryReading(lab.clock(), tuple(map(GPUReading, LAB)))
    lab.broker.requests.submit(ask("ada", created_at=lab.clock()))
    lab.look()
    assert lab.broker.leases.of_server("ada", "") is not None
    lab.clock.advance(86400)
    for _ in range(3):
        ticks.advance(70)
        lab.clock.advance(70)
        lab.look()
    ((_, _, since),) = places(lab)
    assert lab.clock() - since < 1000
    lab.store.close()


def test_a_request_that_is_given_up_gives_its_lease_back(opened: BrokerLab) -> None:
    lease = opened.grant("x", gpus=2)
    for user in ("ada", "bob"):
        opened.broker.requests.submit(ask(user, gpus=2))
    opened.broker.leases.end(lease.id, "done")
    assert opened.broker.leases.of_server("ada", "") is not None
    opened.broker.requests.give_up("ada", "", "its time is up")
    assert opened.broker.leases.of_server("ada", "") is None
    assert opened.broker.leases.of_server("bob", "") is not None
    assert [user for _, user, _ in places(opened)] == ["bob"]


def test_who_is_next_is_known_to_each_process_and_after_a_restart(opened: BrokerLab) -> None:
    def following() -> list[str]:
        with opened.store.snapshot() as transaction:
            return [x.request.user for x in transaction.requests.waiting() if x.is_next]

    lease = opened.grant("x", gpus=2)
    seen = opened.activate(lease)
    for user in ("ada", "bob"):
        opened.broker.requests.submit(ask(user))
        assert following() == ["ada"]
    opened.broker = opened.new_broker()
    opened.broker.tick()
    assert following() == ["ada"]
    opened.look(seen)
    opened.broker.requests.withdraw("ada", "")
    assert following() == ["bob"]
    # A request that gets its old place back is not next by that.
    opened.broker.leases.end(lease.id, "done")
    assert following() == []


def test_a_start_that_ends_late_does_not_give_up_what_the_next_one_asked_for(
    opened: BrokerLab,
) -> None:
    first, second = (replace(ask("ada"), id=number) for number in ("1", "2"))
    opened.broker.requests.submit(first)
    opened.broker.requests.submit(second)
    opened.broker.requests.give_up("ada", "", "cancelled", request_id=first.id)
    assert opened.broker.leases.of_server("ada", "") is not None
    opened.broker.requests.give_up("ada", "", "cancelled", request_id=second.id)
    assert opened.broker.leases.of_server("ada", "") is None


def test_what_is_given_up_while_the_database_fails_is_given_up_later(opened: BrokerLab) -> None:
    lease = opened.grant("x", gpus=2)
    for user in ("ada", "bob"):
        opened.broker.requests.submit(ask(user))
    opened.store.failures = 2
    opened.broker.requests.give_up("ada", "", "its time is up")
    opened.broker.requests.give_up("bob", "", "its time is up")
    assert places(opened) == [], "nobody wants these servers to be started"
    opened.broker.leases.end(lease.id, "done")
    opened.broker.requests.submit(ask("bob"))  # who asks again wants it again
    opened.broker.requests.finish_giving_up()
    assert opened.broker.leases.of_server("ada", "") is None
    assert opened.broker.leases.of_server("bob", "") is not None
    assert opened.broker.queue.waiting() == []


async def test_a_user_who_waits_goes_on_waiting_while_the_database_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpudock.broker.requests._RETRY_SECONDS", 0.0)
    lab = BrokerLab(f"sqlite:///{tmp_path}/gpudock.sqlite", ticks=HandClock())
    lab.look()
    lab.grant("x", gpus=2)
    waits = asyncio.create_task(lab.broker.requests.acquire(ask("ada")))
    await asyncio.sleep(0)
    # A database that was lost has lost the request, and then does not answer for a while.
    with lab.store.transaction() as transaction:
        (item,) = transaction.requests.waiting()
        transaction._statements.connection.execute(text("DELETE FROM requests"))
    lab.clock.advance(10)
    lab.broker.tick()
    lab.store.failures = 3
    async with asyncio.timeout(20):
        while lab.store.failures or not lab.broker.queue.waiting():  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert not waits.done()
    assert item.request.user == "ada"
    waits.cancel()
    lab.store.close()


def test_a_running_server_is_not_touched_by_a_restart(opened: BrokerLab) -> None:
    lease = opened.grant()
    seen = opened.activate(lease)
    opened.broker = opened.new_broker()
    assert opened.look(seen) == []
    assert opened.state(lease) is LeaseState.ACTIVE
    assert opened.broker.requests.to_resume() == []


def test_new_options_keep_the_place_unless_they_ask_for_more(opened: BrokerLab) -> None:
    opened.grant("x", gpus=2)
    for user in ("ada", "bob"):
        opened.broker.requests.submit(ask(user))
    opened.broker.requests.submit(ask("ada", image="other"))
    assert [request.user for request in opened.broker.queue.waiting()] == ["ada", "bob"]
    assert opened.broker.queue.waiting()[0].image == "other"
    opened.broker.requests.submit(ask("ada", gpus=2))
    assert [request.user for request in opened.broker.queue.waiting()] == ["bob", "ada"]


def test_withdrawing_moves_the_others_up(opened: BrokerLab) -> None:
    opened.grant("x", gpus=2)
    for user in ("ada", "bob"):
        opened.broker.requests.submit(ask(user))
    assert opened.broker.requests.withdraw("ada", "")
    assert not opened.broker.requests.withdraw("ada", "")
    place = opened.broker.requests.position("bob", "")
    assert place is not None
    assert place.position == 1


def _waited(lab: BrokerLab, user: str) -> float:
    return lab.clock() - next(r.created_at for r in lab.broker.queue.waiting() if r.user == user)


def _ask(lab: BrokerLab, user: str, **options: object) -> Request:
    return ask(user, created_at=lab.clock(), **options)


def test_a_time_out_keeps_the_waiting_time_for_when_the_user_asks_again(opened: BrokerLab) -> None:
    opened.grant("x", gpus=2)
    opened.broker.requests.submit(_ask(opened, "ada"))
    opened.clock.advance(3600)
    opened.broker.requests.submit(_ask(opened, "bob"))
    for _ in range(2):
        opened.broker.requests.give_up("ada", "", "timed out", timed_out=True)
    assert [request.user for request in opened.broker.queue.waiting()] == ["bob"]
    opened.clock.advance(1800)
    opened.broker.requests.submit(_ask(opened, "ada", image="other"))
    assert next((r.user, r.image) for r in opened.broker.queue.waiting()) == ("ada", "other")
    # The half hour in which it did not wait does not count.
    assert _waited(opened, "ada") == pytest.approx(3600, abs=60)


@pytest.mark.parametrize("case", ["more", "withdrawn", "late", "served"])
def test_other_requests_begin_to_wait_when_they_are_made(opened: BrokerLab, case: str) -> None:
    held = opened.grant("x", gpus=2)
    opened.broker.requests.submit(_ask(opened, "ada"))
    opened.clock.advance(3600)
    if case == "withdrawn":
        opened.broker.requests.withdraw("ada", "")
    else:
        opened.broker.requests.give_up("ada", "", "timed out", timed_out=True)
    if case == "late":
        opened.clock.advance(8 * 86400)
    if case == "served":
        opened.broker.leases.end(held.id, "done")
        opened.broker.leases.end(opened.grant("ada").id, "done")
        opened.grant("x", gpus=2)
    opened.broker.requests.submit(_ask(opened, "ada", gpus=2 if case == "more" else 1))
    assert _waited(opened, "ada") < 60


def test_a_forecast_asks_for_nothing(opened: BrokerLab) -> None:
    assert isinstance(opened.broker.queue.forecast(ask()), Grant)
    opened.grant("x", gpus=2)
    place = opened.broker.queue.forecast(ask())
    assert isinstance(place, QueuePosition)
    assert place.expected_start is not None
    assert isinstance(opened.broker.queue.forecast(ask(gpus=3)), Denial)
    assert opened.broker.queue.waiting() == []


async def test_acquire_waits_for_a_gpu(opened: BrokerLab) -> None:
    held = opened.grant("x", gpus=2)
    waiting = asyncio.create_task(opened.broker.requests.acquire(ask()))
    await asyncio.sleep(0)
    assert not waiting.done()
    opened.broker.leases.end(held.id, "done")
    async with asyncio.timeout(5):
        lease = await waiting
    assert opened.broker.leases.of_server("ada", "") == lease


async def test_acquire_that_is_cancelled_leaves_the_request_in_the_queue(opened: BrokerLab) -> None:
    opened.grant("x", gpus=2)
    waiting = asyncio.create_task(opened.broker.requests.acquire(ask()))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert [request.user for request in opened.broker.queue.waiting()] == ["ada"]


async def test_acquire_ends_when_the_request_is_taken_out(opened: BrokerLab) -> None:
    opened.grant("x", gpus=2)
    waiting = asyncio.create_task(opened.broker.requests.acquire(ask()))
    await asyncio.sleep(0)
    (request,) = opened.broker.queue.waiting()
    DeskBroker(opened.store, SettableInventory(LAB)).queue.cancel(request.id, "root")
    opened.broker.tick()
    with pytest.raises(RequestDenied, match="removed from the queue"):
        async with asyncio.timeout(5):
            await waiting


async def test_acquire_survives_the_loss_of_the_database(opened: BrokerLab, tmp_path: Path) -> None:
    opened.grant("x", gpus=2)
    waiting = asyncio.create_task(opened.broker.requests.acquire(ask()))
    await asyncio.sleep(0)
    opened.store.close()
    if opened.url.startswith("sqlite"):
        for suffix in ("", "-wal", "-shm"):
            (tmp_path / f"gpudock.sqlite{suffix}").unlink(missing_ok=True)
    else:
        with create_engine(opened.url).begin() as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
    opened.store.migrate()
    opened.broker.tick()
    assert not opened.broker.ready
    opened.look()
    async with asyncio.timeout(5):
        assert (await waiting).user == "ada"


async def test_places_are_told_as_they_change(opened: BrokerLab) -> None:
    held = opened.grant("x", gpus=2)
    for user in ("ada", "bob"):
        opened.broker.requests.submit(ask(user))
    seen: list[int] = []

    async with asyncio.timeout(5):
        async for place in opened.broker.requests.positions("bob", ""):
            seen.append(place.position)
            if place.position == 2:
                opened.broker.requests.withdraw("ada", "")
            else:
                opened.broker.leases.end(held.id, "done")
    assert seen == [2, 1]


# Bad input and failures.


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_served_like_others(opened: BrokerLab, name: str) -> None:
    lease = opened.grant(name, name)
    assert opened.look(opened.activate(lease)) == []
    assert opened.broker.leases.of_server(name, name) is not None


@pytest.mark.parametrize(
    "request_",
    [
        ask("\ud800"),
        ask("nul\0"),
        ask(gpus=10**30),
        ask(gpus=-(10**30)),
        ask(gpus=-1),
        ask(user_options={"x": float("nan")}),
        ask(user_options={"x": object()}),
    ],
)
def test_what_cannot_be_stored_is_denied_and_leaves_nothing(
    opened: BrokerLab, request_: Request
) -> None:
    denial = opened.broker.requests.submit(request_)
    assert isinstance(denial, Denial)
    assert denial.message.endswith(".")
    assert opened.broker.queue.waiting() == []


def test_a_request_that_is_denied_leaves_the_queue(opened: BrokerLab) -> None:
    opened.grant("x", gpus=2)
    opened.broker.requests.submit(ask())
    assert isinstance(opened.broker.requests.submit(ask(gpus=9)), Denial)
    assert opened.broker.queue.waiting() == []


@pytest.mark.parametrize("failures", [1, 2])
def test_a_database_that_fails_changes_nothing(opened: BrokerLab, failures: int) -> None:
    lease = opened.grant()
    opened.store.failures = failures
    for call in (
        lambda: opened.broker.requests.submit(ask("bob")),
        lambda: opened.broker.leases.end(lease.id, "x"),
    )[:failures]:
        with pytest.raises(StoreError):
            call()
    opened.store.failures = 0
    assert [item.user for item in opened.broker.leases.live()] == ["ada"]
    assert opened.broker.queue.waiting() == []
    assert isinstance(opened.broker.requests.submit(ask("bob")), Lease)


def test_a_tick_survives_a_database_that_fails(opened: BrokerLab) -> None:
    opened.store.failures = 1
    opened.broker.tick()
    assert isinstance(opened.broker.requests.submit(ask()), Lease)


def test_a_stop_that_could_not_be_written_down_is_made_up_for(opened: BrokerLab) -> None:
    lease = opened.grant()
    seen = opened.activate(lease)
    opened.store.failures = 1
    with pytest.raises(StoreError):
        opened.broker.leases.stop(lease.id, "stopped by its user")
    (action,) = opened.look(seen)
    assert isinstance(action, StopContainer)
    assert opened.state(lease) is LeaseState.STOPPING


def test_when_busy_is_honoured_after_the_first_look_as_well(lab: BrokerLab) -> None:
    lab.broker.requests.submit(ask("x", gpus=2))
    lab.broker.requests.submit(ask("ada", when_busy=WhenBusy.CPU))
    lab.broker.requests.submit(ask("bob", when_busy=WhenBusy.FAIL))
    lab.look()
    lease = lab.broker.leases.of_server("ada", "")
    assert lease is not None
    assert lease.gpu_uuids == ()
    assert lab.broker.queue.waiting() == []
    assert lab.broker.leases.of_server("bob", "") is None
