"""The loop that reconciles the broker's leases with the engine.

It looks at the engine at intervals, and soon again after it has acted, passes each complete
observation to the broker and performs the actions that the broker returns. A look that fails
changes nothing: the leases stay as they are, and the last observation still holds.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from gpudock.engine.protocol import EngineError
from gpudock.hub.lifecycle import perform
from gpudock.policy.device_names import names_of, resolve
from gpudock.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpudock.broker import Broker
    from gpudock.engine.client import DockerEngine
    from gpudock.hub.loops.patience import Patience
    from gpudock.inventory import Inventory
    from gpudock.model import Observation

log = logging.getLogger(__name__)

_MIN_PAUSE_SECONDS = 0.2
"""Pause after an action, before the look that proves its effect, and before one at new devices."""


class Reconciler:
    """Keeps the broker's leases in line with the engine."""

    def __init__(
        self,
        broker: Broker,
        engine: DockerEngine,
        inventory: Inventory,
        *,
        interval: float = 3.0,
        patience: Patience | None = None,
    ) -> None:
        """Prepare the loop; :meth:`run` is the loop.

        Args:
            broker: the broker of the leases.
            engine: the engine to look at.
            inventory: finds the UUIDs of devices that other containers hold by index.
            interval: seconds between two looks when nothing happens.
            patience: learns whether the engine answers.
        """
        self._broker = broker
        self._engine = engine
        self._inventory = inventory
        self._interval = interval
        self._patience = patience
        self._looked = asyncio.Event()
        self._new_devices = asyncio.Event()
        self.observation: Observation | None = None
        self.problem: str | None = None

    async def first_look(self) -> None:
        """Wait for the first complete look at the engine."""
        await self._looked.wait()

    async def run(self) -> None:
        """Look and act until cancelled; no error ends the loop."""
        unsubscribe = self._inventory.subscribe(lambda _reading: self._notice_new_devices())
        try:
            while True:
                acted = await self._look_and_act()
                self._new_devices.clear()
                # Devices may have appeared during the look. One that failed is not repeated soon.
                missed = self.problem is None and self._broker.has_unchecked_devices
                pause = _MIN_PAUSE_SECONDS if acted or missed else self._interval
                # Not wait_for(): it loses a cancellation that comes together with the event.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._new_devices.wait()
        finally:
            unsubscribe()

    def _notice_new_devices(self) -> None:
        """Look again soon when there are devices that the last look did not look for."""
        if self._broker.has_unchecked_devices:
            self._new_devices.set()

    async def _look_and_act(self) -> bool:
        try:
            observation = await self._observe()
            actions = self._broker.reconcile(observation)
        except EngineError as error:
            self._note_problem(str(error))
            if self._patience is not None:
                self._patience.failed(error)
            return False
        except StoreError as error:
            self._note_problem(str(error))
            return False
        except Exception:
            # The loop must not end: without it no GPU becomes free.
            log.exception("Reconciling the leases with the engine failed; trying again.")
            self._note_problem("The leases could not be reconciled with the engine; see the log.")
            return False
        if self.problem:
            log.info("The leases are reconciled with the engine again.")
            self.problem = None
        self.observation = observation
        if self._patience is not None:
            self._patience.answered()
        self._looked.set()
        try:
            await perform(self._broker, self._engine, actions)
        except Exception:
            log.exception("The actions of a reconciliation failed; trying again.")
        return bool(actions)

    def _note_problem(self, problem: str) -> None:
        if problem != self.problem:
            log.warning("Leases stay as they are: %s", problem)
        self.problem = problem

    async def _observe(self) -> Observation:
        readings = self._inventory.reading().readings

        def resolve_names(devices: Sequence[str]) -> list[str]:
            known = [status.gpu for status in self._broker.gpus.all()]
            return resolve(devices, readings, known)

        observation = await self._engine.observe(resolve_names)
        return replace(observation, looked_for=names_of(readings))
