"""A container's start and stop, against each way in which an engine can answer."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

import pytest

from doubles.clock import HandClock
from doubles.inventory import SettableInventory, gpu
from gpudock.broker import Broker, LeaseConflictError
from gpudock.hub.errors import LaunchFailed, NotDelivered
from gpudock.hub.lifecycle import launch, perform, terminate
from gpudock.model import ContainerState, GPUState, Lease, LeaseState, Request
from state_machine.engine import FakeEngine, Fate, Spec, Task
from state_machine.hub import FlakyStore

if TYPE_CHECKING:
    from pathlib import Path

DONE, LOST, FAILED, LATE = Fate.DONE, Fate.LOST, Fate.FAILED, Fate.LATE


class Lab:
    """A broker with one granted lease, and an engine."""

    def __init__(self, path: Path) -> None:
        self.clock = HandClock()
        self.store = FlakyStore(f"sqlite:///{path}", self.clock, durable=False)
        self.store.migrate()
        self.broker = Broker(self.store, SettableInventory([gpu(0)]), clock=self.clock)
        self.engine = FakeEngine(self.clock)
        self.look()
        lease = self.broker.requests.submit(Request("r", "ada", "", 1, 0.0, "image"))
        assert isinstance(lease, Lease)
        self.lease = lease
        self.spec = Spec.of(lease)

    def look(self) -> list:
        self.clock.advance(1)
        observation = self.engine.observe()
        self.clock.advance(1)
        return self.broker.reconcile(observation)

    async def launch(self, *fates: Fate) -> str:
        self.engine.fates = deque(fates)
        return await launch(self.broker, self.engine, self.lease, self.spec)

    async def terminate(self, *fates: Fate) -> bool:
        self.engine.fates = deque(fates)
        return await terminate(self.broker, self.engine, self.lease, "stopped by its user")

    @property
    def state(self) -> LeaseState:
        found = self.broker.leases.get(self.lease.id)
        assert found is not None
        return found.state

    @property
    def containers(self) -> list[ContainerState]:
        return [container.state for container in self.engine.containers.values()]


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path / "gpudock.sqlite")


async def test_a_container_is_tied_to_its_lease_before_it_starts(lab: Lab) -> None:
    lab.engine.by_hand = True
    task = Task("launch", lab.lease.id, launch(lab.broker, lab.engine, lab.lease, lab.spec))
    assert task.call is not None
    assert task.call.verb == "create"
    assert lab.state is LeaseState.GRANTED
    task.advance(DONE)
    assert task.call.verb == "start"
    found = lab.broker.leases.get(lab.lease.id)
    assert found is not None
    assert (found.state, found.container_id) == (LeaseState.ACTIVE, task.call.target)
    task.advance(DONE)
    assert task.result == found.container_id


async def test_launching_again_makes_no_second_container(lab: Lab) -> None:
    container_id = await lab.launch()
    assert await lab.launch() == container_id
    assert len(lab.engine.starts) == 1


@pytest.mark.parametrize("fates", [[LOST], [DONE, LOST], [LOST, DONE, LOST]])
async def test_a_lost_answer_does_not_cost_the_start(lab: Lab, fates: list[Fate]) -> None:
    await lab.launch(*fates)
    assert lab.state is LeaseState.ACTIVE
    assert lab.containers == [ContainerState.RUNNING]


@pytest.mark.parametrize("fates", [[FAILED], [DONE, FAILED], [DONE, LATE], [LATE]])
async def test_a_start_that_fails_gives_everything_back(lab: Lab, fates: list[Fate]) -> None:
    with pytest.raises(LaunchFailed):
        await lab.launch(*fates)
    assert lab.state is LeaseState.ENDED
    for call in lab.engine.late:
        lab.engine.land(call)
    await perform(lab.broker, lab.engine, lab.look())
    assert lab.containers == []


async def test_a_start_whose_undoing_is_not_proven_keeps_the_gpu(lab: Lab) -> None:
    with pytest.raises(LaunchFailed):
        await lab.launch(DONE, LATE, FAILED, FAILED)
    assert lab.state is LeaseState.STOPPING
    (call,) = lab.engine.late
    lab.engine.land(call)
    assert lab.containers == [ContainerState.RUNNING]
    await perform(lab.broker, lab.engine, lab.look())
    await perform(lab.broker, lab.engine, lab.look())
    lab.look()
    assert lab.state is LeaseState.ENDED
    assert lab.containers == []


async def test_a_gpu_that_is_not_delivered_is_withdrawn_before_its_lease_ends(lab: Lab) -> None:
    lab.engine.unlisted_devices = {gpu(0).uuid}
    lab.engine.by_hand = True
    start = Task("launch", lab.lease.id, launch(lab.broker, lab.engine, lab.lease, lab.spec))
    while start.call is not None and start.call.verb != "remove":
        start.advance(DONE)
    assert lab.state is LeaseState.STOPPING
    assert [status.state for status in lab.broker.gpus.all()] == [GPUState.QUARANTINED]
    while not start.done:
        start.advance(DONE)
    assert isinstance(start.error, NotDelivered)
    assert start.error.failure.named == (gpu(0).uuid,)
    assert "unresolvable CDI devices" in str(start.error)
    assert lab.state is LeaseState.ENDED
    assert lab.containers == []
    assert [request.user for request in lab.broker.queue.waiting()] == ["ada"]


async def test_an_error_that_is_not_about_gpus_withdraws_none(lab: Lab) -> None:
    with pytest.raises(LaunchFailed) as failed:
        await lab.launch(DONE, FAILED)
    assert not isinstance(failed.value, NotDelivered)
    assert [status.state for status in lab.broker.gpus.all()] == [GPUState.FREE]
    assert lab.broker.queue.waiting() == []


async def test_a_start_that_was_stopped_does_not_go_on_with_other_gpus(lab: Lab) -> None:
    lab.engine.unlisted_devices = {gpu(0).uuid}
    lab.engine.by_hand = True
    start = Task("launch", lab.lease.id, launch(lab.broker, lab.engine, lab.lease, lab.spec))
    start.advance(DONE)
    Task("stop", lab.lease.id, terminate(lab.broker, lab.engine, lab.lease, "changed mind"))
    while not start.done:
        start.advance(DONE)
    assert isinstance(start.error, LaunchFailed)
    assert not isinstance(start.error, NotDelivered)
    assert lab.broker.queue.waiting() == []


async def test_a_gpu_that_could_not_be_withdrawn_is_not_tried_again(lab: Lab) -> None:
    lab.engine.unlisted_devices = {gpu(0).uuid}
    lab.engine.by_hand = True
    start = Task("launch", lab.lease.id, launch(lab.broker, lab.engine, lab.lease, lab.spec))
    start.advance(DONE)
    lab.store.failures = 1
    while not start.done:
        start.advance(DONE)
    assert isinstance(start.error, LaunchFailed)
    assert not isinstance(start.error, NotDelivered)
    lab.look()
    assert lab.state is LeaseState.ENDED


async def test_a_start_that_is_cancelled_leaves_nothing(lab: Lab) -> None:
    lab.engine.by_hand = True
    task = Task("launch", lab.lease.id, launch(lab.broker, lab.engine, lab.lease, lab.spec))
    task.advance(DONE)
    call = task.cancel()
    assert call is not None
    lab.engine.land(call)
    while not task.done:
        task.advance(DONE)
    assert isinstance(task.error, asyncio.CancelledError)
    assert lab.state is LeaseState.ENDED
    assert lab.containers == []


async def test_a_stop_during_the_start_is_heeded_by_the_start(lab: Lab) -> None:
    lab.engine.by_hand = True
    start = Task("launch", lab.lease.id, launch(lab.broker, lab.engine, lab.lease, lab.spec))
    start.advance(DONE)
    stop = Task("stop", lab.lease.id, terminate(lab.broker, lab.engine, lab.lease, "changed mind"))
    assert stop.result is False
    while not start.done:
        start.advance(DONE)
    assert isinstance(start.error, LaunchFailed)
    assert "changed mind" in str(start.error)
    assert lab.state is LeaseState.ENDED
    assert lab.containers == []


async def test_the_container_of_somebody_else_with_that_name_is_left_alone(lab: Lab) -> None:
    lab.engine._create(Spec(lab.spec.name, "other", "bob", "", ()))
    with pytest.raises(LaunchFailed, match="exists already"):
        await lab.launch()
    assert lab.engine.starts == []


async def test_a_stop_ends_the_lease_with_proof(lab: Lab) -> None:
    await lab.launch()
    assert await lab.terminate()
    assert lab.state is LeaseState.ENDED
    assert lab.containers == []
    assert await lab.terminate()


@pytest.mark.parametrize("fates", [[LOST], [DONE, LOST]])
async def test_lost_answers_do_not_matter_when_the_end_is_proven(
    lab: Lab, fates: list[Fate]
) -> None:
    await lab.launch()
    assert await lab.terminate(*fates)
    assert lab.state is LeaseState.ENDED


@pytest.mark.parametrize(
    "fates", [[FAILED, DONE], [LATE, DONE], [DONE, FAILED, FAILED], [DONE, DONE, FAILED]]
)
async def test_a_stop_without_proof_keeps_the_gpu_for_the_reconciler(
    lab: Lab, fates: list[Fate]
) -> None:
    await lab.launch()
    assert not await lab.terminate(*fates)
    assert lab.state is LeaseState.STOPPING
    for _ in range(3):
        await perform(lab.broker, lab.engine, lab.look())
    assert lab.state is LeaseState.ENDED
    assert lab.containers == []


async def test_a_lease_for_which_nothing_was_begun_ends_at_once(lab: Lab) -> None:
    assert await lab.terminate()
    assert lab.engine.log == []
    with pytest.raises(LeaseConflictError):
        await lab.launch()


async def test_a_start_undone_while_the_database_fails_is_made_up_for(lab: Lab) -> None:
    lab.engine.by_hand = True
    start = Task("launch", lab.lease.id, launch(lab.broker, lab.engine, lab.lease, lab.spec))
    start.advance(DONE)
    lab.store.failures = 3
    start.advance(FAILED)
    while not start.done:
        start.advance(DONE)
    lab.store.failures = 0
    lab.look()
    assert lab.state is LeaseState.ENDED
    assert lab.containers == []
