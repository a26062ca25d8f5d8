"""Nothing is granted of which it is not known yet whether a container has it.

Containers that the lab did not start ask for devices by names: ``all``, numbers, UUIDs. Which
devices those are depends on what the agent reports, which changes while the hub looks.
"""

from __future__ import annotations

import asyncio
import shutil
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from doubles.clock import HandClock
from doubles.inventory import gpu, mig_slice
from gpudock.broker import Broker, BrokerConfig
from gpudock.engine import parse
from gpudock.engine.protocol import EngineUnknown
from gpudock.hub.loops.reconciler import Reconciler
from gpudock.model import (
    GPUReading,
    GPUState,
    InventoryReading,
    Lease,
    Observation,
    Quota,
    Request,
    Telemetry,
)
from gpudock.policy.scheduling.ordering import FirstCome
from state_machine.hub import FlakyStore, migrated_database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

IDLE = Telemetry(memory_used_mib=0, processes=())
ZERO, ONE, TWO = (GPUReading(gpu(number), IDLE, minor=number) for number in range(3))
CUT = replace(TWO, mig_enabled=True)
PARTS = tuple(
    GPUReading(replace(mig_slice(10 + number, TWO.gpu), index=2), IDLE, minor=2, mig_number=number)
    for number in range(2)
)


class AnnouncedInventory:
    """An inventory whose readings a test sets; those who subscribe are notified."""

    def __init__(self) -> None:
        self.current = InventoryReading(None, problem="The agent has not been reached yet.")
        self.callbacks: list[Callable[[InventoryReading], None]] = []

    def reading(self) -> InventoryReading:
        return self.current

    def subscribe(self, callback: Callable[[InventoryReading], None]) -> Callable[[], None]:
        self.callbacks.append(callback)
        return lambda: self.callbacks.remove(callback)

    def announce(self, reading: InventoryReading) -> None:
        self.current = reading
        for callback in list(self.callbacks):
            callback(reading)


class EngineOfOthers:
    """An engine on which others run containers with GPUs. A test decides when a look is over."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.strangers: dict[str, Sequence[str]] = {}
        self.looks = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.fails = False

    async def observe(self, resolve: Callable[[Sequence[str]], Sequence[str]]) -> Observation:
        started_at = self.clock()
        self.looks += 1
        await self.may_answer.wait()
        if self.fails:
            raise EngineUnknown("The engine does not answer.")
        listed = [{"Id": name, "Names": [f"/{name}"], "Image": "cuda"} for name in self.strangers]
        return Observation(
            started_at, foreign_use=parse.foreign_use(listed, self.strangers, "lab", resolve)
        )


class ForeignLab:
    """A hub beside containers of others."""

    def __init__(self, path: Path) -> None:
        self.clock = HandClock()
        shutil.copy(migrated_database(), path)
        self.store = FlakyStore(f"sqlite:///{path}", self.clock, durable=False)
        self.inventory = AnnouncedInventory()
        self.engine = EngineOfOthers(self.clock)
        self.requests = 0
        self.broker = self.new_broker()

    def new_broker(self) -> Broker:
        config = BrokerConfig(default_quota=Quota(max_gpus=None), ordering=FirstCome())
        return Broker(self.store, self.inventory, config, clock=self.clock)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the loop; it looks again only when there is a reason."""
        self.clock.advance(1)
        unsubscribe = self.inventory.subscribe(lambda _: self.broker.tick())
        reconciler = Reconciler(self.broker, self.engine, self.inventory, interval=3600.0)
        loop = asyncio.create_task(reconciler.run())
        try:
            yield
        finally:
            loop.cancel()
            await asyncio.gather(loop, return_exceptions=True)
            unsubscribe()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            # The database announces nothing.
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.001)

    def read(self, *readings: GPUReading) -> None:
        self.clock.advance(1)
        self.inventory.announce(InventoryReading(self.clock(), readings))

    def granted(self) -> set[str]:
        return {uuid for lease in self.broker.leases.live() for uuid in lease.gpu_uuids}

    def ask(self, gpus: int = 1) -> Lease | None:
        """Ask for GPUs, for another user each time."""
        self.requests += 1
        user = f"user{self.requests}"
        answer = self.broker.requests.submit(
            Request(f"r{self.requests}", user, "", gpus, self.clock(), "image")
        )
        return answer if isinstance(answer, Lease) else None

    def state(self, reading: GPUReading) -> GPUState | None:
        found = {status.gpu.uuid: status.state for status in self.broker.gpus.all()}
        return found.get(reading.gpu.uuid)

    async def every_gpu_is_known_to_be(self, state: GPUState) -> None:
        await self.until(lambda: {x.state for x in self.broker.gpus.all()} == {state})


@pytest.fixture
def lab(tmp_path: Path) -> ForeignLab:
    return ForeignLab(tmp_path / "gpudock.sqlite")


@pytest.mark.parametrize("names", [["all"], ["0", "1"], [ZERO.gpu.uuid, ONE.gpu.uuid], ["banana"]])
async def test_what_was_first_read_while_the_hub_looked_is_granted_after_the_next_look(
    lab: ForeignLab, names: list[str]
) -> None:
    lab.engine.strangers = {"theirs": names}
    lab.engine.may_answer.clear()
    async with lab.running():
        await lab.until(lambda: lab.engine.looks == 1)
        assert lab.ask() is None
        lab.read(ZERO, ONE)
        lab.engine.may_answer.set()
        await lab.until(lambda: lab.engine.looks == 2)
        await lab.every_gpu_is_known_to_be(GPUState.QUARANTINED)
    assert lab.granted() == set()


async def test_what_is_read_after_the_first_look_is_granted_after_the_next_one(
    lab: ForeignLab,
) -> None:
    lab.engine.strangers = {"theirs": ["1"]}
    async with lab.running():
        await lab.until(lambda: lab.broker.ready)
        lab.ask()
        lab.ask()
        lab.read(ZERO, ONE)
        assert lab.granted() == set()
        await lab.until(lambda: lab.granted() != set())
        lab.read(ZERO, ONE, TWO)
        await lab.until(lambda: len(lab.granted()) == 2)
    assert lab.granted() == {ZERO.gpu.uuid, TWO.gpu.uuid}


async def test_a_device_that_appears_while_the_hub_looks_is_granted_after_the_next_look(
    lab: ForeignLab,
) -> None:
    lab.engine.strangers = {"theirs": ["all"]}
    lab.read(ZERO)
    lab.engine.may_answer.clear()
    async with lab.running():
        await lab.until(lambda: lab.engine.looks == 1)
        lab.ask()
        lab.read(ZERO, ONE)
        lab.engine.may_answer.set()
        await lab.until(lambda: lab.state(ONE) is GPUState.QUARANTINED)
        await lab.until(lambda: lab.engine.looks == 2)
        await lab.every_gpu_is_known_to_be(GPUState.QUARANTINED)
    assert lab.granted() == set()


async def test_a_gpu_that_is_whole_again_is_granted_after_the_next_look(lab: ForeignLab) -> None:
    lab.engine.strangers = {"theirs": ["all"]}
    lab.read(CUT, *PARTS)
    async with lab.running():
        await lab.every_gpu_is_known_to_be(GPUState.QUARANTINED)
        lab.ask()
        lab.read(TWO)
        assert lab.granted() == set()
        await lab.until(lambda: lab.engine.looks == 2)
    assert lab.granted() == set()


async def test_a_gpu_with_another_number_is_granted_after_the_next_look(lab: ForeignLab) -> None:
    lab.engine.strangers = {"theirs": ["0"]}
    lab.read(ZERO, ONE)
    async with lab.running():
        await lab.until(lambda: lab.state(ONE) is GPUState.FREE)
        assert lab.state(ZERO) is GPUState.QUARANTINED
        # The driver counts them in another order from now on.
        lab.read(_renumbered(ONE, 0), _renumbered(ZERO, 1))
        assert lab.ask() is None
        await lab.until(lambda: lab.state(ONE) is GPUState.QUARANTINED and lab.engine.looks == 2)
    assert lab.granted() == set()


def _renumbered(reading: GPUReading, number: int) -> GPUReading:
    return replace(reading, gpu=replace(reading.gpu, index=number), minor=number)


async def test_a_gpu_that_was_gone_and_forgotten_is_granted_after_the_next_look(
    lab: ForeignLab,
) -> None:
    lab.engine.strangers = {"theirs": [ONE.gpu.uuid]}
    lab.read(ZERO, ONE)
    async with lab.running():
        await lab.until(lambda: lab.state(ONE) is GPUState.QUARANTINED)
        lab.ask()
        lab.ask()
        lab.read(ZERO)
        lab.broker.gpus.forget(ONE.gpu.uuid, "root")
        lab.read(ZERO, ONE)
        assert lab.granted() == {ZERO.gpu.uuid}
        await lab.until(lambda: lab.engine.looks == 2)
        await lab.until(lambda: lab.state(ONE) is GPUState.QUARANTINED)
    assert lab.granted() == {ZERO.gpu.uuid}


async def test_a_hub_that_starts_again_finds_out_who_has_what_it_knew(lab: ForeignLab) -> None:
    lab.read(ZERO, ONE)
    async with lab.running():
        await lab.every_gpu_is_known_to_be(GPUState.FREE)
    lab.engine.strangers = {"theirs": ["/dev/nvidia1"]}
    lab.inventory.current = InventoryReading(None, problem="The agent has not been reached yet.")
    lab.broker = lab.new_broker()
    async with lab.running():
        await lab.until(lambda: lab.broker.ready)
        lab.ask(2)
        lab.read(ZERO, ONE)
        await lab.until(lambda: lab.state(ZERO) is GPUState.FREE)
        assert lab.state(ONE) is GPUState.QUARANTINED
    assert lab.granted() == set()


async def test_the_loop_ends_when_it_is_cancelled_just_as_devices_appear(lab: ForeignLab) -> None:
    async with asyncio.timeout(10), lab.running():
        await lab.until(lambda: lab.broker.ready)
        lab.read(ZERO)


async def test_a_look_that_failed_says_nothing_of_new_devices(lab: ForeignLab) -> None:
    lab.engine.strangers = {"theirs": ["all"]}
    async with lab.running():
        await lab.until(lambda: lab.broker.ready)
        lab.ask()
        lab.engine.fails = True
        lab.read(ZERO)
        await lab.until(lambda: lab.engine.looks == 2)
        lab.engine.fails = False
        # The next reading is a reason to try again, as nothing is known yet.
        lab.read(ZERO)
        await lab.until(lambda: lab.engine.looks == 3)
        await lab.every_gpu_is_known_to_be(GPUState.QUARANTINED)
    assert lab.granted() == set()


async def test_readings_that_show_nothing_new_are_no_reason_to_look(lab: ForeignLab) -> None:
    lab.read(ZERO, CUT, *PARTS)
    async with lab.running():
        await lab.until(lambda: lab.state(ZERO) is GPUState.FREE)
        for _ in range(3):
            lab.read(ZERO, CUT, *PARTS)
            await asyncio.sleep(0)
        lab.read(ZERO)
        await asyncio.sleep(0)
        lab.read(ZERO, TWO)
        await lab.until(lambda: lab.state(TWO) is GPUState.FREE)
    assert lab.engine.looks == 2
