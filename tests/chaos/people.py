"""People who use the lab at random, and go on whatever happens to it."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.hub_client import HubClient

# What a person meets while a part of the lab is away: no answer, an error, a page instead of JSON.
_TROUBLE = (httpx.HTTPError, AssertionError, KeyError, ValueError)
_GPUS = (1, 1, 1, 1, 2, 2, 0)


class Person(threading.Thread):
    """One user: asks for a server, waits or loses patience, works, stops it, and begins again.

    Attributes:
        wants: whether this person has asked for a server and has not asked for its end since.
        changes: how many times the mind was changed; what was seen before says nothing afterwards.
        asked, begun: how many servers were asked for, and how many of them got ready.
    """

    def __init__(self, client: HubClient, seed: str, gate: Gate) -> None:
        super().__init__(name=client.name, daemon=True)
        self.client = client
        self.wants = False
        self.changes = 0
        self.asked = 0
        self.begun = 0
        self._ready = False
        self._random = random.Random(seed)
        self._gate = gate

    def run(self) -> None:
        """Act until the gate is closed for good."""
        while self._gate.enter(self._random.uniform(0.2, 1.5)):
            try:
                self._act()
            except _TROUBLE:
                continue
            finally:
                self._gate.leave()

    def has_left(self) -> bool:
        """Stop the server; return whether there is none any more."""
        if self.client.server_model() is None:
            return True
        self.client.delete_server()
        return False

    def _act(self) -> None:
        model = self.client.server_model()
        if model is None:
            if not self.wants or self._ready or self._random.random() < 0.5:
                self._ask()
        elif not self.wants:
            self._stop()
        elif model["ready"]:
            self.begun += not self._ready
            self._ready = True
            if self._random.random() < 0.25:
                self._stop()
        elif self._random.random() < 0.06:
            self._stop()

    def _ask(self) -> None:
        self._change_mind(wants=True)
        self.asked += 1
        answer = self.client.ask_for_server(gpus=self._random.choice(_GPUS))
        answer.raise_for_status()

    def _stop(self) -> None:
        self._change_mind(wants=False)
        self.client.delete_server()

    def _change_mind(self, *, wants: bool) -> None:
        self.changes += 1
        self.wants = wants
        self._ready = False


class Gate:
    """Where people pass before each act, and may be held back."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._open = True
        self._over = False
        self._inside = 0

    def enter(self, pause: float) -> bool:
        """Wait *pause* seconds and for an open gate; return ``False`` if it closed for good."""
        with self._changed:
            self._changed.wait_for(lambda: self._over, pause)
            self._changed.wait_for(lambda: self._open or self._over)
            if self._over:
                return False
            self._inside += 1
            return True

    def leave(self) -> None:
        """End an act."""
        self._change(lambda: setattr(self, "_inside", self._inside - 1))

    def close(self, patience: float) -> None:
        """Hold everybody back; return when nobody acts any more.

        Raises:
            TimeoutError: an act did not end within *patience* seconds.
        """
        self._change(lambda: setattr(self, "_open", False))
        with self._changed:
            if not self._changed.wait_for(lambda: not self._inside, patience):
                raise TimeoutError(f"a request got no answer within {patience:.0f} s")

    def open(self) -> None:
        """Hold nobody back any more."""
        self._change(lambda: setattr(self, "_open", True))

    def end(self) -> None:
        """Hold everybody back for good."""
        self._change(lambda: setattr(self, "_over", True))

    def _change(self, change: Callable[[], None]) -> None:
        with self._changed:
            change()
            self._changed.notify_all()
