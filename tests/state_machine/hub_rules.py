"""The hub looks at the engine and crashes, and its database is lost or replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from gpudock.broker import StopContainer
from gpudock.model import ForeignUse, LeaseState
from gpudock.policy.device_names import names_of, resolve
from gpudock.store import Store, StoreError
from state_machine.base import GPUS, LIMIT, NOT_READ_YET, LabState
from state_machine.strategies import USERS, Limits, in_a_lab_with, servers, users

if TYPE_CHECKING:
    from gpudock.model import Observation


class HubRules(LabState):
    """What happens to the hub and its database."""

    def start_server(self, user, server) -> None:
        """Start a server on an engine that behaves."""
        raise NotImplementedError

    @rule()
    def look(self) -> None:
        """Look at the engine; the result is reported later."""
        self.look_taken = self._observe()

    def _observe(self) -> tuple[Observation, set[str]]:
        """Return what the hub sees, and which devices strangers really have."""
        self.clock.advance(0.001)
        readings = self.inventory.current.readings
        known = [status.gpu for status in self.hub.broker.gpus.all()]
        use = {
            uuid: ForeignUse("A container has it.", "A container had it.")
            for stranger in self.strangers
            for uuid in resolve(stranger.names, readings, known)
        }
        observation = self.engine.observe(use, names_of(readings))
        self.clock.advance(0.001)
        return observation, {uuid for stranger in self.strangers for uuid in stranger.held}

    @precondition(lambda self: self.look_taken is not None)
    @rule()
    def reconcile(self) -> None:
        (observation, foreign), self.look_taken = self.look_taken, None
        actions = self._reconcile(observation, foreign)
        if actions and not any(task.what == "perform" for task in self.hub.tasks):
            self._check(self.hub.perform(actions))

    @rule()
    def look_and_reconcile(self) -> None:
        self.look_taken = None
        actions = self._reconcile(*self._observe())
        if actions:
            self._finish(self.hub.perform(actions))

    def _reconcile(self, observation: Observation, foreign: set[str]) -> list:
        stopping = {lease.id for lease in self._leases(LeaseState.STOPPING)}
        former, self.foreign_at_last_look = self.foreign_at_last_look, foreign
        self.reconciling = True
        try:
            actions = self.hub.broker.reconcile(observation)
        except StoreError:
            self.foreign_at_last_look = former
            return []
        finally:
            self.reconciling = False
        if self.hub.broker.ready:
            self.store_is_older = False
        else:
            self.foreign_at_last_look = former
        self.note_unfit()
        self._spares_the_innocent(actions, stopping)
        self._twice_is_once(observation, actions)
        return actions

    def _spares_the_innocent(self, actions, stopping) -> None:
        for action in actions:
            container = self.engine.containers.get(action.container_id)
            if container is None or not container.ours or self._is_tampered(container):
                continue
            doomed = stopping | self.stopped_by_users | {t.lease_id for t in self.hub.tasks}
            if isinstance(action, StopContainer):
                lease = self.hub.broker.leases.get(action.lease_id)
                assert (
                    action.lease_id in doomed
                    or lease is None
                    or lease.state
                    in (
                        LeaseState.STOPPING,
                        LeaseState.ENDED,
                    )
                ), "promise 11: reconciling stops a server that nobody stopped"

    def _twice_is_once(self, observation, actions) -> None:
        if self.hub.store.failures:
            return
        leases, waiting = self._all_leases(), self.hub.broker.queue.waiting()
        again = self.hub.broker.reconcile(observation)
        changed = set(self._all_leases()) ^ set(leases)
        assert not changed, f"promise 5: twice is not once: {changed}"
        assert self.hub.broker.queue.waiting() == waiting, "promise 5: twice is not once"
        assert len(again) <= len(actions) or not actions, f"promise 5: {again} after {actions}"

    def _crash(self, landings: list[str]) -> None:
        for task, landing in zip(self.hub.tasks, landings, strict=False):
            self._abandon(task, landing)
        self.hub.store.close()
        self.graveyard.append(self.hub)
        self.look_taken = None
        self.claimed.clear()

    @in_a_lab_with("hub")
    @rule(
        landings=st.lists(st.sampled_from(["before", "later", "never"]), min_size=4, max_size=4),
        database=st.sampled_from(["kept", "kept", "kept", "lost", "older"]),
        agent_is_late=st.booleans(),
    )
    def hub_crashes(self, landings, database, agent_is_late) -> None:
        waiting = self.hub.broker.queue.waiting()
        self._crash(landings)
        if database != "kept":
            self._replace_database(database)
            self.store_is_older = True
        if agent_is_late and "strangers" in self.troubles:
            self.inventory.current = NOT_READ_YET
        self.hub = self._new_hub()
        if database == "kept":
            assert self.hub.broker.queue.waiting() == waiting, (
                "promise 11: the queue is not what it was"
            )
        self.clock.advance(1)

    @in_a_lab_with("database")
    @rule(
        database=st.sampled_from(["lost", "older"]),
        written=st.booleans(),
        starts=st.none() | st.tuples(users, servers),
    )
    def database_is_replaced(self, database, written, starts) -> None:
        """The database is replaced under a hub that goes on running.

        Another process may write to the copy before the hub does, and somebody may start a server
        before the hub looks at the engine.
        """
        former = self._generation()
        self._replace_database(database)
        # A copy that is as new as the original is the original.
        self.store_is_older = self.store_is_older or self._generation() < former
        if written:
            self._write_beyond(former)
        if starts is not None:
            self.start_server(*starts)

    @in_a_lab_with("database", lambda self: "sharing" in self.troubles)
    @rule()
    def sessions_on_slots_outlive_the_database(self) -> None:
        """The database is lost while servers share a GPU; their containers are adopted."""
        for user in USERS:
            self.start_server_on_a_slot(user, "")
        self.database_is_replaced("lost", written=False, starts=None)
        self.look_and_reconcile()

    def _write_beyond(self, generation: int) -> None:
        """Write as another process does, until there were more changes than the hub has seen."""
        other = Store(self.database.url, self.clock, durable=False)
        with other.transaction() as transaction:
            transaction.audit.record("the desk", "gpu.state", "GPU-x", None, "active")
        while self._generation() <= generation:
            with other.transaction() as transaction:
                transaction.audit.record("the desk", "gpu.state", "GPU-x", None, "active")
        other.close()

    def _generation(self) -> int:
        with self.hub.store.snapshot() as transaction:
            return transaction.generation

    def _replace_database(self, how: str) -> None:
        for hub in (self.hub, self.rival):
            if hub is not None:
                hub.store.close()
        self.database.replace(how)
        self.before = {}
        self.unfit.clear()
        self.returned_at = {item.uuid: self.clock() for item in GPUS}
        self.replacements += 1
        self.limits = Limits(LIMIT) if how == "lost" else self.limits_in_backup
        self.lose_what_was_told()

    @in_a_lab_with("database")
    @rule()
    def database_is_copied(self) -> None:
        for hub in (self.hub, self.rival):
            if hub is not None:
                hub.store.close()
        self.database.copy()
        self.limits_in_backup = self.limits

    @in_a_lab_with("disk")
    @rule(times=st.integers(1, 3))
    def disk_is_full(self, times) -> None:
        self.hub.store.failures = times

    @rule()
    def tick(self) -> None:
        self.hub.broker.tick()
