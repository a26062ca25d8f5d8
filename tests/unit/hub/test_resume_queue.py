"""After a restart of the hub no place is lost, however slow or ill the Hub's API is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from doubles.clock import HandClock
from doubles.inventory import SettableInventory, gpu
from gpudock.broker import Broker, BrokerConfig
from gpudock.hub.loops.resume_queue import QueueResume
from gpudock.hub_api import HubRejectedError, HubUnavailableError
from gpudock.model import GPUReading, InventoryReading, Lease, LeaseState, Observation, Request
from gpudock.policy.scheduling.ordering import FirstCome
from gpudock.store import StoreError
from state_machine.hub import FlakyStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

BUSY = HubUnavailableError("The Hub does not answer.")


class FakeHub:
    """A Hub that does not answer at first, then with these errors in turn, then starts servers."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.errors: list[Exception] = []
        self.answers = False
        self.calls: list[tuple[str, str, Mapping[str, object] | None]] = []
        self.spawns: dict[str, asyncio.Task[Lease]] = {}

    async def start_server(
        self, user: str, server: str, options: Mapping[str, object] | None = None
    ) -> None:
        self.calls.append((user, server, options))
        if not self.answers:
            raise BUSY
        if self.errors:
            raise self.errors.pop(0)
        again = request(user, f"again-{user}")
        self.spawns[user] = asyncio.create_task(self.broker.requests.acquire(again))


class Lab:
    """A hub after its restart, in whose queue two users wait."""

    def __init__(self, path: Path) -> None:
        self.clock = HandClock()
        self.store = FlakyStore(f"sqlite:///{path}/gpudock.sqlite", self.clock, durable=False)
        self.store.migrate()
        self.inventory = SettableInventory([gpu(0)])
        former = self._broker()
        self.lease = self._holder(former)
        for user in ("ada", "bob"):
            former.requests.submit(request(user))
        former.leases.end(self.lease.id, "done")
        self.broker = self._broker()
        self.hub = FakeHub(self.broker)
        self.look()

    def _broker(self) -> Broker:
        config = BrokerConfig(ordering=FirstCome())
        return Broker(self.store, self.inventory, config, clock=self.clock)

    def _holder(self, broker: Broker) -> Lease:
        self.clock.advance(1)
        broker.reconcile(Observation(self.clock(), ()))
        lease = broker.requests.submit(request("x"))
        assert isinstance(lease, Lease)
        return lease

    def look(self, seconds: float = 1.0) -> None:
        self.clock.advance(seconds)
        reading = InventoryReading(self.clock(), (GPUReading(gpu(0)),))
        self.inventory.current = reading
        self.broker.reconcile(Observation(self.clock(), ()))
        self.clock.advance(1)
        self.broker.tick()

    @property
    def places(self) -> list[str]:
        return [item.user for item in self.broker.requests.to_resume()]


def request(user: str, name: str | None = None) -> Request:
    return Request(name or user, user, "", 1, 0.0, "image", user_options={"gpus": 1})


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path)
    yield lab
    lab.store.close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpudock.hub.loops.resume_queue._MAX_PAUSE_SECONDS", 0.001)


async def until(condition) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - only the loop knows
            await asyncio.sleep(0.001)


@pytest.fixture
async def loop(lab: Lab, quick: None):
    task = asyncio.create_task(QueueResume(lab.broker, lab.hub, interval=0.001).run())
    yield task
    task.cancel()
    for spawn in lab.hub.spawns.values():
        spawn.cancel()


async def test_a_slow_hub_costs_nobody_their_place(lab: Lab, loop: asyncio.Task) -> None:
    for calls in range(100, 400, 100):
        await until(lambda calls=calls: len(lab.hub.calls) > calls)
        # Granted to nobody, the lease ends, and again.
        lab.look(130)
        lab.look()
        assert lab.places == ["ada", "bob"]
    lab.hub.answers = True
    await until(lambda: not lab.places)
    lease = await lab.hub.spawns["ada"]
    assert lease.gpu_uuids == (gpu(0).uuid,)
    assert lease.state is LeaseState.GRANTED
    assert [item.user for item in lab.broker.queue.waiting()] == ["bob"]
    assert not lab.hub.spawns["bob"].done()


async def test_a_server_is_started_with_its_options(lab: Lab, loop: asyncio.Task) -> None:
    lab.hub.answers = True
    await until(lambda: not lab.places)
    assert sorted(lab.hub.spawns) == ["ada", "bob"]
    assert ("ada", "", {"gpus": 1}) in lab.hub.calls


async def test_a_request_that_is_followed_is_left_alone(lab: Lab, loop: asyncio.Task) -> None:
    lab.hub.answers = True
    await until(lambda: not lab.places)
    calls = len(lab.hub.calls)
    for _ in range(50):
        await asyncio.sleep(0.001)
    assert len(lab.hub.calls) == calls


@pytest.mark.parametrize("status", [400, 403, 404, 409])
async def test_a_server_that_the_hub_refuses_to_start_leaves_the_queue(
    lab: Lab, loop: asyncio.Task, status: int
) -> None:
    lab.hub.errors = [HubRejectedError(status, "no")]
    lab.hub.answers = True
    await until(lambda: not lab.places)
    (user,) = lab.hub.spawns
    assert (await lab.hub.spawns[user]).gpu_uuids == (gpu(0).uuid,)


async def test_a_start_that_fails_now_and_then_is_tried_again(lab: Lab, loop: asyncio.Task) -> None:
    lab.hub.errors = [HubRejectedError(500, "failed"), BUSY, HubRejectedError(500, "failed")]
    lab.hub.answers = True
    await until(lambda: not lab.places)
    assert sorted(lab.hub.spawns) == ["ada", "bob"]


async def test_a_start_that_always_fails_holds_no_gpu_for_ever(
    lab: Lab, loop: asyncio.Task
) -> None:
    lab.hub.errors = [HubRejectedError(500, "failed")] * 1000
    lab.hub.answers = True
    await until(lambda: not lab.places)
    assert lab.hub.spawns == {}
    assert lab.broker.leases.live() == []


async def test_no_error_ends_the_loop(
    lab: Lab, loop: asyncio.Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.hub.errors = [ValueError("a bug")]
    lab.hub.answers = True
    with monkeypatch.context() as patch:
        errors: list[Exception] = [StoreError("The disk is full."), RuntimeError("a bug")]
        seen = []

        def fails() -> list[Request]:
            seen.append(errors[len(seen) % 2])
            raise seen[-1]

        patch.setattr(lab.broker.requests, "to_resume", fails)
        await until(lambda: len(seen) > 3)
    await until(lambda: not lab.places)
    assert sorted(lab.hub.spawns) == ["ada", "bob"]
    assert not loop.done()


async def test_without_a_hub_users_keep_their_places_until_they_come_back(
    lab: Lab, quick: None
) -> None:
    task = asyncio.create_task(QueueResume(lab.broker, None, interval=0.001).run())
    lab.store.failures = 1
    lab.broker.requests.give_up("bob", "", "cancelled")
    await until(lambda: [item.user for item in lab.broker.requests.to_resume()] == ["ada"])
    await until(lambda: not lab.broker.queue.waiting())
    task.cancel()
    assert lab.hub.calls == []
