"""Devices fail and are drained, time passes, and strangers use GPUs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import strategies as st
from hypothesis.stateful import rule

from gpudock.broker import GPUStateError
from gpudock.model import ContainerState, GPUState
from gpudock.store import StoreError
from state_machine.base import BY_UUID, FIRST, GPUS, PARTS, LabState, Stranger
from state_machine.engine import Spec
from state_machine.strategies import USERS, any_index, in_a_lab_with

if TYPE_CHECKING:
    from gpudock.broker import GPUStatus
    from gpudock.model import GPU

SLICES = tuple(item.uuid for item in PARTS)


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
        self.note_broken_devices()

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
        self.note_broken_devices()
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

    @in_a_lab_with("slicing")
    @rule(
        mig_enabled=st.sampled_from([True, True, False]),
        slices=st.sets(st.sampled_from(SLICES)),
    )
    def gpu_is_cut(self, mig_enabled, slices) -> None:
        """An administrator changes MIG mode and slices, also under a session."""
        self.mig_enabled, self.slices = mig_enabled, slices if mig_enabled else set()
        self.note_broken_devices()
        self.devices_are_read()

    @in_a_lab_with("slicing")
    @rule(index=any_index)
    def gpu_is_taken_out(self, index) -> None:
        self.removed.add(self._pick(GPUS, index).physical_uuid)
        self.note_broken_devices()
        self.devices_are_read()

    @in_a_lab_with("slicing")
    @rule()
    def gpu_is_replaced(self) -> None:
        """Another GPU is put into the place of the first one, with its number; or the other way."""
        (self.first,) = {item.uuid for item in FIRST} - {self.first}
        self.note_broken_devices()
        self.devices_are_read()

    @in_a_lab_with("slicing")
    @rule()
    def gpus_are_put_back(self) -> None:
        self.removed.clear()
        self.note_broken_devices()
        self.devices_are_read()

    @in_a_lab_with("slicing")
    @rule(index=any_index)
    def forget(self, index) -> None:
        uuid = self._pick(GPUS, index).uuid
        try:
            self.hub.broker.gpus.forget(uuid, "root")
        except (GPUStateError, StoreError):
            return
        self.unfit.pop(uuid, None)
        assert uuid not in self._listed(), "promise 10: a GPU was forgotten and is still listed"

    def _listed(self) -> dict[str, GPUStatus]:
        return {status.gpu.uuid: status for status in self.hub.broker.gpus.all()}

    @in_a_lab_with("draining")
    @rule(index=any_index)
    def drain(self, index) -> None:
        uuid = self._pick(GPUS, index).uuid
        try:
            self.hub.broker.gpus.set_state(uuid, "draining", "root")
        except (GPUStateError, StoreError):
            return
        state = self._listed()[uuid].state
        assert state is GPUState.DRAINING, f"promise 10: drained, and listed as {state}"

    @rule(index=any_index)
    def return_one(self, index) -> None:
        self._return(self._pick(GPUS, index).uuid)

    @rule()
    def return_each(self) -> None:
        for item in GPUS:
            self._return(item.uuid)

    @rule()
    def return_all(self) -> None:
        # Before the call: it grants what has returned.
        unfit, self.unfit = self.unfit, {}
        try:
            returned, kept = self.hub.broker.gpus.return_all("root")
        except StoreError:
            self.unfit = unfit
            return
        fit = {item.uuid for uuid in returned for item in self._with_slices(uuid)}
        self.unfit = {uuid: value for uuid, value in unfit.items() if uuid not in fit}
        listed = self._listed()
        for uuid in returned:
            self._has_returned(uuid)
        for uuid in kept:
            assert not listed[uuid].in_service, "promise 10: kept back, and listed as in service"
        for uuid, status in listed.items():
            left = not status.in_service and status.state is not GPUState.DRAINING
            assert not left or uuid in kept, "promise 10: out of service, and nothing was answered"

    def _return(self, uuid: str) -> None:
        former = dict(self.unfit)
        # Before the call: it grants what has returned.
        for item in self._with_slices(uuid):
            self.unfit.pop(item.uuid, None)
        try:
            self.hub.broker.gpus.set_state(uuid, "active", "root")
        except (GPUStateError, StoreError):
            self.unfit = former
            return
        self._has_returned(uuid)

    def _is_seen_in_use(self, uuid: str) -> bool:
        """Return whether a stranger has a device, and the hub knows it."""
        with self.hub.store.snapshot() as transaction:
            records = {record.gpu.uuid: record for record in transaction.gpus.records()}
        return uuid in records and records[uuid].in_use_by is not None

    def _with_slices(self, uuid: str) -> list[GPU]:
        """Return what returns to service together."""
        return [item for item in GPUS if uuid in (item.uuid, item.parent_uuid)]

    def _has_returned(self, uuid: str) -> None:
        """Check that the list agrees with the answer."""
        for item in self._with_slices(uuid):
            self.returned_at[item.uuid] = self.clock()
        if self.hub.broker.ready and not self.store_is_older:
            assert not self._is_seen_in_use(uuid), "promise 10: returned in use"
        status = self._listed().get(uuid)
        if status is None:
            assert self.is_divided(uuid), "promise 10: returned, and not listed"
        else:
            assert status.in_service, f"promise 10: returned, and listed as out: {status.reason}"

    @in_a_lab_with("strangers")
    @rule(
        index=any_index,
        named=st.sampled_from(["uuid", "uuid", "number", "all"]),
        computes=st.booleans(),
    )
    def stranger_takes_a_gpu(self, index, named, computes) -> None:
        """Somebody starts a container with a device, or with all that there are and will be."""
        item = self._pick(GPUS, index)
        if named == "all":
            names, held = ["all"], set(BY_UUID)
        elif named == "number":
            names = [str(item.index)]
            held = {x.uuid for x in GPUS if x.index == item.index and self.is_there(x.uuid)}
        else:
            names, held = [item.uuid], {item.uuid}
        # A GPU stands for the slices that it is cut into.
        held |= {part.uuid for part in PARTS if part.parent_uuid in held}
        self.strangers.append(Stranger(tuple(names), frozenset(held), computes))
        self.tampered |= held

    @in_a_lab_with("strangers", lambda self: "slicing" in self.troubles)
    @rule(index=any_index)
    def a_gpu_appears_under_a_stranger(self, index) -> None:
        """Somebody has all GPUs, also the one that appears after a look, and users wait for it."""
        self.gpu_is_taken_out(index)
        self.stranger_takes_a_gpu(index, "all", computes=False)
        self.look_and_reconcile()
        for user in USERS:
            self._submit(user, "")
        self.gpus_are_put_back()

    @in_a_lab_with("strangers")
    @rule()
    def strangers_leave(self) -> None:
        self.strangers.clear()

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
