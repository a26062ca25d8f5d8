"""The hub's loop between the engine's truth and the broker's leases.

It looks at the engine at intervals, and soon again after it has acted; hands each complete look
to the broker; and does what the broker says must be done. A look that fails is no look at all: the
leases stay as they are, and what the last one said is still what is known.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from gpudock.engine.client import EngineUnreachable
from gpudock.engine.protocol import EngineError
from gpudock.hub.lifecycle import perform

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gpudock.broker import Broker
    from gpudock.engine.client import DockerEngine
    from gpudock.inventory import Inventory
    from gpudock.model import Observation

log = logging.getLogger(__name__)

# Each action's effect is proven by the next look; this bounds how fast looks follow each other.
_SHORTEST_PAUSE = 0.2


class Reconciler:
    """Keeps the broker's leases true to the engine."""

    def __init__(
        self,
        broker: Broker,
        engine: DockerEngine,
        inventory: Inventory,
        *,
        interval: float = 3.0,
        patience: float | None = None,
        give_up: Callable[[], None] | None = None,
    ) -> None:
        """Prepare the loop; :meth:`run` is the loop.

        Args:
            broker: whose leases are kept true.
            engine: where the truth is.
            inventory: for the UUIDs of devices that others' containers hold by index.
            interval: seconds between two looks when nothing happens.
            patience: after how many seconds of a socket at which nothing listens, although the
                engine answered before, *give_up* is called; ``None``: never.
            give_up: ends the hub.
        """
        self._broker = broker
        self._engine = engine
        self._inventory = inventory
        self._interval = interval
        self._patience = patience
        self._give_up = give_up
        self._unreachable_since: float | None = None
        self._looked = asyncio.Event()
        self.observation: Observation | None = None
        self.problem: str | None = None

    async def first_look(self) -> None:
        """Wait until the engine was looked at once, completely."""
        await self._looked.wait()

    async def run(self) -> None:
        """Look and act until cancelled; no error ends the loop."""
        while True:
            acted = await self._look_and_act()
            await asyncio.sleep(_SHORTEST_PAUSE if acted else self._interval)

    async def _look_and_act(self) -> bool:
        try:
            observation = await self._engine.observe(self._resolve)
            actions = self._broker.reconcile(observation)
        except EngineError as error:
            self._note_problem(str(error))
            self._count_silence(isinstance(error, EngineUnreachable))
            return False
        except Exception:
            # A loop that ends would leave the lab without anyone who frees GPUs.
            log.exception("Comparing the leases with the engine failed; trying again.")
            self._note_problem("The leases could not be compared with the engine; see the log.")
            return False
        if self.problem:
            log.info("The engine answers again.")
            self.problem = None
        self.observation = observation
        self._unreachable_since = None
        self._looked.set()
        try:
            await perform(self._broker, self._engine, actions)
        except Exception:
            log.exception("What the comparison asked for could not be done; trying again.")
        return bool(actions)

    def _count_silence(self, unreachable: bool) -> None:
        if not unreachable or not self._looked.is_set():
            self._unreachable_since = None
            return
        now = time.monotonic()
        if self._unreachable_since is None:
            self._unreachable_since = now
        waited = now - self._unreachable_since
        if self._give_up is not None and self._patience is not None and waited >= self._patience:
            self._give_up()

    def _note_problem(self, problem: str) -> None:
        if problem != self.problem:
            log.warning("No look at the engine: %s Leases stay as they are.", problem)
        self.problem = problem

    def _resolve(self, devices: Sequence[str]) -> list[str]:
        readings = self._inventory.reading().readings
        return [
            reading.gpu.uuid
            for reading in readings
            if "all" in devices
            or reading.gpu.uuid in devices
            or reading.gpu.physical_uuid in devices
            or str(reading.gpu.index) in devices
        ]
