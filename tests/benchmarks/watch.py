"""What a hub spends meanwhile: CPU, memory, and how late its event loop answers."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx

from benchmarks.labs import docker_client

if TYPE_CHECKING:
    from benchmarks.labs import Lab

ASK_SECONDS = 0.05
MEMORY_SECONDS = 1.0


@dataclass(frozen=True)
class Load:
    """What a hub spent.

    Attributes:
        cpu_s: CPU time, seconds.
        memory_mib: most memory seen, MiB, without the page cache.
        delays_s: how long ``/hub/health`` took, asked for every 50 ms without waiting for the
            answer before; it does next to nothing, so this is the event loop's delay.
    """

    cpu_s: float
    memory_mib: float
    delays_s: tuple[float, ...]


@dataclass
class HubWatch:
    """Watches a hub for as long as the ``async with`` block lasts; then ``load`` is known."""

    lab: Lab
    load: Load | None = None
    _delays: list[float] = field(default_factory=list)
    _memory: list[float] = field(default_factory=list)

    async def __aenter__(self) -> HubWatch:
        self._container, address = await asyncio.to_thread(self.lab.hub)
        self._health = f"http://{address}:8081/hub/health"
        self._begun_cpu_s = await asyncio.to_thread(self._stats)
        self._tasks = [asyncio.create_task(self._ask()), asyncio.create_task(self._look())]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        cpu_s = await asyncio.to_thread(self._stats) - self._begun_cpu_s
        self.load = Load(cpu_s, max(self._memory), tuple(self._delays))

    async def _ask(self) -> None:
        async with httpx.AsyncClient(timeout=60) as http, asyncio.TaskGroup() as group:
            while True:
                group.create_task(self._ask_once(http))
                await asyncio.sleep(ASK_SECONDS)

    async def _ask_once(self, http: httpx.AsyncClient) -> None:
        begun = time.perf_counter()
        await http.get(self._health)
        self._delays.append(time.perf_counter() - begun)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(MEMORY_SECONDS)
            await asyncio.to_thread(self._stats)

    def _stats(self) -> float:
        """Note the memory in use and return the CPU seconds used so far."""
        with docker_client(self.lab.engine) as client:
            stats = client.api.stats(self._container, stream=False, one_shot=True)
        memory = stats["memory_stats"]
        cache = memory["stats"].get("inactive_file", memory["stats"].get("total_inactive_file", 0))
        self._memory.append((memory["usage"] - cache) / 2**20)
        return float(stats["cpu_stats"]["cpu_usage"]["total_usage"]) / 1e9
