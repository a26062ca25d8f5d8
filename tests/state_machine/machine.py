"""The promises as a state machine over a model of Docker's truth.

The machine is a lab in which everything that can go wrong does: users start and stop servers,
calls to the engine fail, are lost, or take effect late; hub, engine and database crash between any
two steps; strangers use GPUs; devices fail. The hub's part is the production code: the broker, and
the sequences of ``gpudock.hub.lifecycle``. After every step the promises are checked against what
the engine really runs, which the hub itself can only ask about.
"""

from __future__ import annotations

import shutil

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from gpudock.broker import GPUStateError
from gpudock.model import ContainerState, GPUState, LeaseState
from state_machine.base import BY_UUID, COMBINED, NOT_READ_YET
from state_machine.device_rules import DeviceRules
from state_machine.hub_rules import HubRules
from state_machine.invariants import GrantInvariants, Invariants
from state_machine.rival_rules import RivalRules
from state_machine.server_rules import ServerRules
from state_machine.session_rules import SessionRules
from state_machine.strategies import any_index, servers, users


class LabMachine(
    ServerRules,
    HubRules,
    RivalRules,
    DeviceRules,
    SessionRules,
    Invariants,
    GrantInvariants,
    RuleBasedStateMachine,
):
    """See the module's text."""

    @initialize(
        processes=st.booleans(),
        troubles=st.lists(any_index, min_size=1, max_size=4),
        at_work=st.lists(st.tuples(users, servers, st.booleans()), max_size=5),
        agent_is_late=st.booleans(),
    )
    def lab_opens(
        self, processes: bool, troubles: list[int], at_work: list, agent_is_late: bool
    ) -> None:
        self.reports_processes = processes
        kinds = {self.kinds[index % len(self.kinds)] for index in troubles}
        self.troubles = {part for kind in kinds for part in COMBINED.get(kind, (kind,))}
        if agent_is_late and "strangers" in self.troubles:
            self.inventory.current = NOT_READ_YET
        else:
            self.read_devices()
        if "sharing" in self.troubles:
            self.share_a_gpu(0, 3)
        if at_work:
            self.look_and_reconcile()
        for user, server, on_a_slot in at_work:
            if on_a_slot and "sharing" in self.troubles:
                self.start_server_on_a_slot(user, server)
            else:
                self.start_server(user, server)

    @rule(user=users, server=servers)
    def a_start_overtakes_a_look(self, user, server) -> None:
        """What a look at the engine has found is reported after a whole start."""
        self.look()
        self.start_server(user, server)
        self.reconcile()

    def teardown(self) -> None:
        try:
            self.settle()
        finally:
            for hub in (*self.graveyard, self.rival, self.hub):
                if hub is not None:
                    hub.store.close()
            shutil.rmtree(self.directory)

    def settle(self) -> None:
        """End all troubles; then nothing may be left that no one will ever clean up."""
        self.hub.store.failures = 0
        if self.rival is not None:
            self.the_first_hub_ends("before")
        self.strangers.clear()
        self.devices_are_repaired()
        self.engine_delivers_again()
        self.agent_returns()
        for container in [c for c in self.engine.containers.values() if not c.ours]:
            del self.engine.containers[container.id]
        for task in list(self.hub.tasks):
            self.hub.finish(task)
        while self.engine.late:
            self.late_effect(0)
        for _ in range(6):
            self.look_and_reconcile()
            self.clock.advance(1)
        self.clock.advance(300)
        for _ in range(3):
            self.look_and_reconcile()
        for tens in range(36):
            self.clock.advance(10)
            self.devices_are_read()
            if tens % 4 == 3:
                self.look_and_reconcile()
        self.nothing_absent_bars_a_gpu()
        running = {c.spec.lease_id for c in self.engine.containers.values()}
        for container in self.engine.containers.values():
            assert container.state is ContainerState.RUNNING, (
                "promise 7: a dead container is left over"
            )
        for lease in self._leases():
            granted_meanwhile = self.clock() - lease.granted_at < 200
            assert lease.id in running or granted_meanwhile, "promise 7: a lease is left over"
            stuck = lease.state is LeaseState.STOPPING
            assert not stuck, "promise 7: a lease never stops stopping"
        self.every_device_can_be_had_again()

    def nothing_absent_bars_a_gpu(self) -> None:
        """Check that what is over keeps no GPU out of service, once a person has returned all."""
        listed = {status.gpu.uuid: status for status in self.hub.broker.gpus.all()}
        with self.hub.store.snapshot() as transaction:
            passing = [
                record.gpu.uuid
                for record in transaction.gpus.records()
                if record.admin_state.passes and self.is_there(record.gpu.uuid)
            ]
        assert not set(passing) & set(listed), "promise 10: what is over keeps a GPU out of service"
        self.return_each()
        for uuid, status in self._listed().items():
            if self.is_there(uuid) and not self.is_divided(uuid):
                assert status.in_service, f"promise 10: out of service for good: {status.reason}"

    def every_device_can_be_had_again(self) -> None:
        """Check that commands of administrators lead back from every state that a device is in."""
        if self.mig_enabled and not self.slices:
            # The list says so.
            self.mig_enabled = False
            self.note_broken_devices()
        for request in self.hub.broker.queue.waiting():
            self.hub.broker.requests.withdraw(request.user, request.server)
        for lease in self._leases():
            self.hub.finish(self.hub.terminate(lease))
        self._quiet_minute()
        for uuid, status in self._listed().items():
            if status.in_service:
                continue
            try:
                self.hub.broker.gpus.set_state(uuid, "active", "root")
            except GPUStateError as error:
                assert not status.reported, f"promise 7: no way back: {error}"
                self.hub.broker.gpus.forget(uuid, "root")
        self._quiet_minute()
        listed = self._listed()
        divided = {uuid for uuid in BY_UUID if self.is_divided(uuid)}
        there = {uuid for uuid in BY_UUID if self.is_there(uuid)} - divided
        assert listed.keys() == there, f"promise 7: {listed.keys() ^ there} are listed, or not"
        for status in listed.values():
            free = status.state is GPUState.FREE
            assert free, f"promise 7: {status.state} after all is over: {status.reason}"

    def _quiet_minute(self) -> None:
        for _ in range(6):
            self.clock.advance(10)
            self.devices_are_read()
            self.look_and_reconcile()
