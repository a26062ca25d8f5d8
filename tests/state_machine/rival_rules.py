"""A second hub starts on the lab's database and engine, and the first one does not end."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from hypothesis import strategies as st
from hypothesis.stateful import rule

from gpudock.broker import LeaseConflictError, RequestDenied
from gpudock.model import Lease, LeaseState, Request
from gpudock.store import StoreError
from state_machine.base import LabState
from state_machine.strategies import any_index, fates, in_a_lab_with, servers, users

if TYPE_CHECKING:
    from collections.abc import Callable

    from state_machine.hub import Hub


def has_rival(lab: LabState) -> bool:
    return lab.rival is not None


class RivalRules(LabState):
    """What a hub does that another one has replaced without its knowledge."""

    @in_a_lab_with("rivals", lambda self: self.rival is None)
    @rule(looks=st.booleans())
    def a_second_hub_starts(self, looks) -> None:
        # A hub takes its epoch when it starts; here it does so with its first transaction.
        self.hub.broker.tick()
        self.rival, self.look_taken = self.hub, None
        self.hub = self._new_hub()
        # It takes the epoch: from now on the first one may change nothing.
        self.hub.broker.tick()
        self.clock.advance(1)
        if looks:
            self.look_and_reconcile()

    @in_a_lab_with("rivals", has_rival)
    @rule(user=users, server=servers, gpus=st.sampled_from([1, 1, 2]))
    def the_first_hub_is_asked_for_a_server(self, user, server, gpus) -> None:
        def submit(rival: Hub) -> None:
            self.request_count += 1
            request = Request(
                f"r{self.request_count}", user, server, gpus, self.clock(), image="image"
            )
            answer = rival.broker.requests.submit(request)
            if isinstance(answer, Lease) and answer.state is LeaseState.GRANTED:
                rival.finish(rival.launch(answer))

        self._goes_on(submit)

    @in_a_lab_with("rivals", has_rival)
    @rule(index=any_index, fate=fates)
    def a_call_of_the_first_hub_is_answered(self, index, fate) -> None:
        task = self._pick(self.rival.tasks, index)
        if task is not None:
            self._goes_on(lambda _: task.advance(fate))
            self.rival.tidy()

    @in_a_lab_with("rivals", has_rival)
    @rule(devices=st.booleans())
    def the_first_hub_looks(self, devices) -> None:
        def look(rival: Hub) -> None:
            if devices:
                rival.broker.tick()
            observation, _ = self._observe()
            rival.finish(rival.perform(rival.broker.reconcile(observation)))

        self._goes_on(look)

    @in_a_lab_with("rivals", has_rival)
    @rule(landing=st.sampled_from(["before", "later", "never"]))
    def the_first_hub_ends(self, landing) -> None:
        for task in self.rival.tasks:
            self._abandon(task, landing)
        self.rival.store.close()
        self.graveyard.append(self.rival)
        self.rival = None

    def _goes_on(self, act: Callable[[Hub], None]) -> None:
        """Have the first hub do something, and check that it changes nothing."""
        assert self.rival is not None
        before = self.rival.store.writes
        with contextlib.suppress(StoreError, LeaseConflictError, RequestDenied):
            act(self.rival)
        changed = self.rival.store.writes != before
        assert not changed, "promise 1: a hub changes the lab after another has replaced it"
