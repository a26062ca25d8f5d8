"""The hub's loops end when they are cancelled, also in the moment in which a wait is over."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING

from doubles.inventory import SettableInventory, gpu
from gpudock.hub.loops.proxy_routes import ProxyRoutes
from gpudock.hub.loops.reconciler import Reconciler
from gpudock.model import GPUReading, InventoryReading, Observation

if TYPE_CHECKING:
    from collections.abc import Callable


async def ends(task: asyncio.Task[None]) -> bool:
    """Return whether a task that was cancelled once ends."""
    await asyncio.wait([task], timeout=2)
    return task.done()


async def test_the_watch_on_the_proxy_ends_in_the_moment_of_an_answer() -> None:
    asked, answer = asyncio.Event(), asyncio.get_running_loop().create_future()

    async def get_all_routes() -> dict[str, object]:
        asked.set()
        return await asyncio.shield(answer)

    app = SimpleNamespace(
        hub=SimpleNamespace(routespec="/"), proxy=SimpleNamespace(get_all_routes=get_all_routes)
    )
    task = asyncio.create_task(ProxyRoutes(app, interval=0.01).run())
    await asked.wait()
    answer.set_result({"/": {}})
    # The answer is on its way to the loop, one step after the other.
    for _ in range(2):
        await asyncio.sleep(0)
    task.cancel()
    assert await ends(task)


class ObservableInventory(SettableInventory):
    """An inventory that calls back."""

    def subscribe(self, callback: Callable[[InventoryReading], None]) -> Callable[[], None]:
        self.callback = callback
        return super().subscribe(callback)


async def test_the_reconciler_ends_in_the_moment_in_which_new_devices_appear() -> None:
    inventory, looked = ObservableInventory(), asyncio.Event()

    class Engine:
        async def observe(self, resolve_names: object) -> Observation:
            looked.set()
            return Observation(0.0, ())

    class NothingToDo:
        has_unchecked_devices = False

        def reconcile(self, observation: Observation) -> list[object]:
            return []

    broker = NothingToDo()
    task = asyncio.create_task(Reconciler(broker, Engine(), inventory, interval=3600).run())
    await looked.wait()
    # The loop waits for its next round.
    for _ in range(5):
        await asyncio.sleep(0)
    broker.has_unchecked_devices = True
    inventory.callback(InventoryReading(1.0, (GPUReading(gpu(0)),)))
    await asyncio.sleep(0)
    task.cancel()
    assert await ends(task)
