"""Devices fail and are drained, time passes, and strangers use GPUs."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.stateful import rule

from gpudock.broker import GPUStateError
from gpudock.model import ContainerState, ForeignUse
from gpudock.store import StoreError
from state_machine.base import BY_UUID, GPUS, LabState
from state_machine.engine import Spec
from state_machine.strategies import USERS, any_index, in_a_lab_with


class DeviceRules(LabState):
    """What happens to devices, and who else uses them."""

    @rule(seconds=st.sampled_from([0.5, 1, 5, 20]))
    def time_passes(self, seconds) -> None:
        self.clock.advance(seconds)
        self.devices_are_read()

    @rule(seconds=st.sampled_from([40, 320]))
    def nothing_happens_for_a_while(self, seconds) -> None:
        """Time passes while the devices are read at their intervals."""
        for _ in range(seconds // 10):
            self.clock.advance(10)
            self.devices_are_read()

    @in_a_lab_with("devices")
    @rule()
    def agent_dies(self) -> None:
        self.agent_up = False
        self.inventory.current = replace(self.inventory.current, problem="The agent is down.")

    @in_a_lab_with("devices")
    @rule()
    def agent_returns(self) -> None:
        self.agent_up = True
        self.devices_are_read()

    @in_a_lab_with("devices")
    @rule(index=any_index, lost=st.booleans())
    def device_fails(self, index, lost) -> None:
        uuid = self._pick(GPUS, index).uuid
        (self.lost if lost else self.faulty).add(uuid)
        self.engine.broken_devices = self.lost | self.faulty

    @in_a_lab_with("devices")
    @rule(index=any_index)
    def driver_reports_errors(self, index) -> None:
        self.unstable.add(self._pick(GPUS, index).uuid)
        self.devices_are_read()

    @in_a_lab_with("devices")
    @rule()
    def driver_works_again(self) -> None:
        self.unstable.clear()
        self.devices_are_read()

    @in_a_lab_with("devices")
    @rule(index=any_index)
    def memory_is_left_over(self, index) -> None:
        self.full.add(self._pick(GPUS, index).uuid)

    @in_a_lab_with("devices")
    @rule()
    def devices_are_repaired(self) -> None:
        self.full.clear()
        self.lost.clear()
        self.faulty.clear()
        self.unstable.clear()
        self.engine.broken_devices = set()
        self.devices_are_read()

    @in_a_lab_with("delivery")
    @rule(index=any_index)
    def engine_cannot_deliver_a_device(self, index) -> None:
        """The driver reports it, and the engine's specification does not have it."""
        self.engine.unlisted_devices = self.engine.unlisted_devices | {self._pick(GPUS, index).uuid}

    @in_a_lab_with("delivery")
    @rule()
    def engine_can_deliver_nothing(self) -> None:
        self.engine.has_driver = False

    @in_a_lab_with("delivery")
    @rule()
    def engine_delivers_again(self) -> None:
        self.engine.unlisted_devices = set()
        self.engine.has_driver = True

    @in_a_lab_with("draining")
    @rule(index=any_index)
    def drain(self, index) -> None:
        try:
            self.hub.broker.gpus.set_state(self._pick(GPUS, index).uuid, "draining", "root")
        except (GPUStateError, StoreError):
            return

    @rule()
    def return_all(self) -> None:
        for item in GPUS:
            # Before the call: it grants what has returned.
            unfit = self.unfit.pop(item.uuid, None)
            try:
                self.hub.broker.gpus.set_state(item.uuid, "active", "root")
            except (GPUStateError, StoreError):
                if unfit is not None:
                    self.unfit[item.uuid] = unfit
                continue
            self.returned_at[item.uuid] = self.clock()
            if self.hub.broker.ready and not self.store_is_older:
                assert item.uuid not in self.foreign_at_last_look, "promise 10: returned in use"

    @in_a_lab_with("strangers")
    @rule(index=any_index)
    def stranger_takes_a_gpu(self, index) -> None:
        uuid = self._pick(GPUS, index).uuid
        self.foreign[uuid] = ForeignUse("A container has it.", "A container had it.")
        self.tampered.add(uuid)

    @in_a_lab_with("strangers")
    @rule()
    def strangers_leave(self) -> None:
        self.foreign.clear()

    @in_a_lab_with("strangers")
    @rule(index=any_index)
    def stopped_container_is_started_by_hand(self, index) -> None:
        pending = {call.target for call in self.engine.late}
        stopped = [
            c
            for c in self.engine.containers.values()
            if c.state is ContainerState.EXITED and c.id not in pending
        ]
        if stopped:
            container = self._pick(stopped, index)
            container.state = ContainerState.RUNNING
            container.ours = False
            self._note_tampering(container.spec)

    @in_a_lab_with("forgery")
    @rule(
        index=any_index,
        lease_id=st.sampled_from(["f0f0f0f0f0f0f0f0", "", "NOT AN ID", "a" * 200, "$copied"]),
        user=st.sampled_from([*USERS, ""]),
        uuids=st.lists(
            st.sampled_from([*BY_UUID, "GPU-0", "all", "GPU-99999999-0000-4000-8000-000000000000"]),
            max_size=3,
        ),
        runs=st.booleans(),
    )
    def container_with_forged_labels(self, index, lease_id, user, uuids, runs) -> None:
        if lease_id == "$copied":
            leases = self._leases()
            lease_id = self._pick(leases, index).id if leases else "f1f1"
        spec = Spec(f"forged-{next(self.lease_ids)}", lease_id, user, "", tuple(uuids))
        container_id = self.engine._create(spec)
        container = self.engine.containers[container_id]
        container.ours = False
        if runs:
            container.state = ContainerState.RUNNING
        self._note_tampering(spec)
