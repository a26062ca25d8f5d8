"""The promises as a state machine over a model of Docker's truth.

The machine is a lab in which everything that can go wrong does: users start and stop servers,
calls to the engine fail, are lost, or take effect late; hub, engine and database crash between any
two steps; strangers use GPUs; devices fail. The hub's part is the production code: the broker, and
the sequences of ``gpudock.hub.lifecycle``. After every step the promises are checked against what
the engine really runs, which the hub itself can only ask about.
"""

from __future__ import annotations

import asyncio
import atexit
import itertools
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from doubles.clock import HandClock
from doubles.inventory import SettableInventory, gpu, mig_slice
from gpudock.broker import GPUStateError, LeaseConflictError, StopContainer
from gpudock.engine.protocol import EngineUnknown
from gpudock.hub.errors import LaunchFailed
from gpudock.model import (
    ContainerState,
    Denial,
    GPUProcess,
    GPUReading,
    GPUState,
    InventoryReading,
    Lease,
    LeaseState,
    Quota,
    Request,
    Share,
    Telemetry,
    WhenBusy,
)
from gpudock.policy.gpu_health import AdminState
from gpudock.store import Store, StoreError, Transaction
from state_machine.engine import Container, FakeEngine, Fate, Spec, Task
from state_machine.hub import DatabaseFile, Hub
from state_machine.session_rules import SessionRules
from state_machine.wording import (
    GROUP,
    MEMBERS,
    USERS,
    Limits,
    any_index,
    fates,
    in_a_lab_with,
    servers,
    some_fates,
    users,
)

_WHOLE = gpu(2)
GPUS = (gpu(0), gpu(1), _WHOLE, mig_slice(10, _WHOLE), mig_slice(11, _WHOLE))
BY_UUID = {item.uuid: item for item in GPUS}

LIMIT = 2
# A root that is memory where there is one: the tests are about logic, not about disks.
_ROOT = "/dev/shm" if Path("/dev/shm").is_dir() else None

TROUBLES = (
    "cancellations",
    "database",
    "devices",
    "disk",
    "draining",
    "engine",
    "forgery",
    "hub",
    "quotas",
    "sessions",
    "sharing",
    "strangers",
)


def share_silicon(one: str, other: str) -> bool:
    """Say independently of the policy whether two devices are the same silicon."""
    a, b = BY_UUID[one], BY_UUID[other]
    return one == other or a.parent_uuid == other or b.parent_uuid == one


def are_apart(one, other) -> bool:
    """Tell whether two containers, or leases, have different slots of one shared device."""
    return one.slots == other.slots > 1 and one.slot != other.slot


class LabMachine(SessionRules, RuleBasedStateMachine):
    """See the module's text."""

    kinds: ClassVar[tuple[str, ...]] = TROUBLES
    _template: ClassVar[Path | None] = None

    # Set-up.

    @classmethod
    def template(cls) -> Path:
        """Return an empty, migrated database, made once."""
        if LabMachine._template is None:
            directory = Path(tempfile.mkdtemp(dir=_ROOT, prefix="gpudock-template-"))
            atexit.register(shutil.rmtree, directory, ignore_errors=True)
            path = directory / "template.sqlite"
            store = Store(f"sqlite:///{path}", durable=False)
            store.migrate()
            store.close()
            LabMachine._template = path
        return LabMachine._template

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(dir=_ROOT, prefix="gpudock-machine-"))
        self.clock = HandClock()
        self.database = DatabaseFile(self.directory, self.template())
        self.inventory = SettableInventory()
        self.engine = FakeEngine(self.clock, by_hand=True)
        self.graveyard: list[Hub] = []
        self.foreign: dict[str, str] = {}
        self.faulty: set[str] = set()
        self.lost: set[str] = set()
        self.full: set[str] = set()
        self.tampered: set[str] = set()
        self.tampered_servers: set[tuple[str, str]] = set()
        self.agent_up = True
        self.troubles: set[str] = set()
        self.look_taken = None
        self.foreign_at_last_look: set[str] = set()
        self.limits = self.limits_in_backup = Limits(LIMIT)
        self.reconciling = False
        self.replacements = 0
        self.known_version = None
        self.known_leases: list[Lease] = []
        self.news = True
        self.stopped_by_users: set[str] = set()
        self.request_count = 0
        # Leases of the same moment are ordered by id: chance would make a run unrepeatable.
        self.lease_ids = itertools.count(1)
        self.before: dict[str, Lease] = {}
        self.store_is_older = False
        self.hub = self._new_hub()

    def teardown(self) -> None:
        try:
            self.settle()
        finally:
            for hub in (*self.graveyard, self.hub):
                hub.store.close()
            shutil.rmtree(self.directory)

    def _new_hub(self) -> Hub:
        hub = Hub(
            self.database,
            self.engine,
            self.inventory,
            self.clock,
            Quota(max_gpus=LIMIT),
            lambda: f"{next(self.lease_ids):016x}",
        )
        hub.store.on_grant = self.a_grant_is_as_promised
        return hub

    @initialize(
        processes=st.booleans(),
        troubles=st.lists(any_index, min_size=1, max_size=4),
        at_work=st.lists(st.tuples(users, servers, st.booleans()), max_size=5),
    )
    def lab_opens(self, processes: bool, troubles: list[int], at_work: list) -> None:
        self.reports_processes = processes
        self.troubles = {self.kinds[index % len(self.kinds)] for index in troubles}
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

    # Users.

    def _leases(self, *states: LeaseState) -> list[Lease]:
        """Return the live leases, or those in certain states."""
        live = [lease for lease in self._all_leases() if lease.state is not LeaseState.ENDED]
        return [lease for lease in live if not states or lease.state in states]

    def _pick(self, items: list, index: int):
        return items[index % len(items)] if items else None

    @rule(
        user=users,
        server=servers,
        gpus=st.sampled_from([0, 1, 1, 1, 2, 3]),
        when_busy=st.sampled_from([*WhenBusy, WhenBusy.WAIT]),
        model=st.sampled_from([None, None, None, "*MIG*", "nvidia a100-sxm4-40gb"]),
    )
    def submit(self, user, server, gpus, when_busy, model) -> None:
        self._submit(user, server, gpus, when_busy, model)

    @in_a_lab_with("sharing")
    @rule(user=users, server=servers)
    def start_server_on_a_slot(self, user, server) -> None:
        self.devices_are_read()
        answer = self._submit(user, server, share=Share.SHARED)
        if isinstance(answer, Lease) and answer.state is LeaseState.GRANTED:
            self._finish(self._launch(answer))

    def _submit(
        self,
        user,
        server,
        gpus=1,
        when_busy=WhenBusy.WAIT,
        model=None,
        share=Share.EXCLUSIVE,
    ):
        self.request_count += 1
        request = Request(
            id=f"r{self.request_count}",
            user=user,
            server=server,
            gpus=gpus,
            created_at=self.clock(),
            image="image",
            gpu_model=model,
            when_busy=when_busy,
            share=share,
            groups=(GROUP,) if user in MEMBERS else (),
        )
        was_ready = self.hub.broker.ready
        try:
            answer = self.hub.broker.requests.submit(request)
        except StoreError:
            return None
        if isinstance(answer, Lease):
            assert was_ready, "promise 6: granted before the first look"
            usable = answer.state in (LeaseState.GRANTED, LeaseState.ACTIVE)
            assert usable, "promise 4: handed out a lease that is over"
        if gpus > self.limits.gpus and was_ready and self.hub.broker.ready:
            assert isinstance(answer, Denial | Lease), "promise 8: queued beyond the quota"
        return answer

    @rule(user=users, server=servers)
    def start_server(self, user, server) -> None:
        """A whole start on an engine that behaves: the ordinary case."""
        self.clock.advance(0.01)
        self.devices_are_read()
        answer = self._submit(user, server)
        if isinstance(answer, Lease) and answer.state is LeaseState.GRANTED:
            self._finish(self._launch(answer))

    @rule(user=users, server=servers, answers=some_fates)
    def start_server_in_bad_weather(self, user, server, answers) -> None:
        """A start whose first calls meet these fates, and which then hangs."""
        answer = self._submit(user, server)
        if isinstance(answer, Lease) and answer.state is LeaseState.GRANTED:
            self._weather(self._launch(answer), answers)

    @rule(index=any_index, answers=some_fates)
    def stop_server_in_bad_weather(self, index, answers) -> None:
        lease = self._pick(self._leases(), index)
        if lease is not None:
            self.stopped_by_users.add(lease.id)
            task = self.hub.terminate(lease)
            self._weather(None if self._check(task) else task, answers)

    def _weather(self, task: Task | None, answers: list[Fate]) -> None:
        for fate in answers:
            if task is None or task.done:
                return
            task.advance(fate)
            self._check(task)

    def _finish(self, task: Task | None) -> None:
        if task is not None:
            self.hub.finish(task)
            self._check(task)

    def _launch(self, lease: Lease) -> Task | None:
        task = self.hub.launch(lease)
        return None if self._check(task) else task

    @rule(index=any_index)
    def begin_launch(self, index) -> None:
        lease = self._pick(self._leases(LeaseState.GRANTED, LeaseState.ACTIVE), index)
        if lease is not None:
            self._launch(lease)

    @rule(index=any_index)
    def begin_terminate(self, index) -> None:
        lease = self._pick(self._leases(), index)
        if lease is not None:
            self.stopped_by_users.add(lease.id)
            self._check(self.hub.terminate(lease))

    @rule(index=any_index)
    def late_stop(self, index) -> None:
        """A stop with a lease that its caller saw long ago."""
        leases = self.hub.broker.leases.all()
        lease = self._pick(leases, index)
        if lease is not None:
            self.stopped_by_users.add(lease.id)
            self._check(self.hub.terminate(lease))

    @rule(user=users, server=servers)
    def stop_server(self, user, server) -> None:
        """A whole stop on an engine that behaves."""
        lease = self.hub.broker.leases.of_server(user, server)
        if lease is not None:
            self.stopped_by_users.add(lease.id)
            task = self.hub.terminate(lease)
            self.hub.finish(task)
            self._check(task)

    @rule(user=users, server=servers)
    def withdraw(self, user, server) -> None:
        try:
            self.hub.broker.requests.withdraw(user, server)
        except StoreError:
            return
        waiting = {(request.user, request.server) for request in self.hub.broker.queue.waiting()}
        assert (user, server) not in waiting, "promise 11: withdrawn and still waiting"

    # The engine.

    def _check(self, task: Task) -> bool:
        """Tell whether a task is over, and check how it ended."""
        expected = (
            LaunchFailed,
            LeaseConflictError,
            EngineUnknown,
            StoreError,
            asyncio.CancelledError,
        )
        if task.error is not None and not isinstance(task.error, expected):
            raise task.error
        if task.done and task.what == "terminate" and task.result is True:
            lease = self.hub.broker.leases.get(task.lease_id)
            ended = lease is None or lease.state is LeaseState.ENDED
            assert ended, "promise 3: an end was told that is none"
        self.hub.tidy()
        return task.done

    @precondition(lambda self: self.hub.tasks)
    @rule(index=any_index, fate=fates)
    def answer_a_call(self, index, fate) -> None:
        task = self._pick(self.hub.tasks, index)
        task.advance(fate)
        self._check(task)

    @precondition(lambda self: self.hub.tasks)
    @rule(index=any_index)
    def answer_all_calls(self, index) -> None:
        task = self._pick(self.hub.tasks, index)
        self.hub.finish(task)
        self._check(task)

    @in_a_lab_with("cancellations", lambda self: self.hub.tasks)
    @rule(index=any_index, landing=st.sampled_from(["before", "later", "never"]))
    def cancel(self, index, landing) -> None:
        """The caller is cancelled in mid-call, which does not stop the call."""
        task = self._pick(self.hub.tasks, index)
        self._abandon(task, landing)
        task.cancel()
        self._check(task)

    def _abandon(self, task: Task, landing: str) -> None:
        if landing == "before":
            self.engine.land(task.call)
        elif landing == "later":
            self.engine.late.append(task.call)

    @precondition(lambda self: self.engine.late)
    @rule(index=any_index)
    def late_effect(self, index) -> None:
        call = self._pick(self.engine.late, index)
        self.engine.late.remove(call)
        self.engine.land(call)

    @rule(index=any_index)
    def container_exits(self, index) -> None:
        running = self._running()
        if running:
            self.engine.exit(self._pick(running, index), 1)

    @in_a_lab_with("engine")
    @rule(live_restore=st.booleans(), keeps_calls=st.booleans())
    def engine_restarts(self, live_restore, keeps_calls) -> None:
        if not live_restore:
            for container in self._running():
                self.engine.exit(container, 137)
        if not keeps_calls:
            self.engine.late.clear()

    def _running(self) -> list[Container]:
        return [c for c in self.engine.containers.values() if c.state is ContainerState.RUNNING]

    # The hub.

    @rule()
    def look(self) -> None:
        """Look at the engine; what comes of it is told later."""
        self.look_taken = self._observe()

    def _observe(self):
        self.clock.advance(0.001)
        observation = self.engine.observe(dict(self.foreign))
        self.clock.advance(0.001)
        return observation

    @precondition(lambda self: self.look_taken is not None)
    @rule()
    def reconcile(self) -> None:
        observation, self.look_taken = self.look_taken, None
        actions = self._reconcile(observation)
        if actions and not any(task.what == "perform" for task in self.hub.tasks):
            self._check(self.hub.perform(actions))

    @rule()
    def look_and_reconcile(self) -> None:
        self.look_taken = None
        actions = self._reconcile(self._observe())
        if actions:
            self._finish(self.hub.perform(actions))

    def _reconcile(self, observation) -> list:
        stopping = {lease.id for lease in self._leases(LeaseState.STOPPING)}
        former, self.foreign_at_last_look = self.foreign_at_last_look, set(observation.foreign_use)
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

    @in_a_lab_with("hub")
    @rule(
        landings=st.lists(st.sampled_from(["before", "later", "never"]), min_size=4, max_size=4),
        database=st.sampled_from(["kept", "kept", "kept", "lost", "older"]),
    )
    def hub_crashes(self, landings, database) -> None:
        waiting = self.hub.broker.queue.waiting()
        self._crash(landings)
        if database != "kept":
            self._replace_database(database)
            self.store_is_older = True
        self.hub = self._new_hub()
        if database == "kept":
            assert self.hub.broker.queue.waiting() == waiting, (
                "promise 11: the queue is not what it was"
            )
        self.clock.advance(1)

    @in_a_lab_with("database")
    @rule(database=st.sampled_from(["lost", "older"]))
    def database_is_replaced(self, database) -> None:
        """The database is replaced under a hub that goes on running."""
        former = self._generation()
        self.hub.store.close()
        self._replace_database(database)
        # A copy that is as new as the original is the original.
        self.store_is_older = self.store_is_older or self._generation() < former

    def _generation(self) -> int:
        with self.hub.store.snapshot() as transaction:
            return transaction.generation

    def _replace_database(self, how: str) -> None:
        source = self.database.template if how == "lost" else self.database.backup
        self.database.replace(source)
        self.before = {}
        self.replacements += 1
        self.limits = Limits(LIMIT) if how == "lost" else self.limits_in_backup
        self.lose_what_was_told()

    @in_a_lab_with("database")
    @rule()
    def database_is_copied(self) -> None:
        self.hub.store.close()
        self.database.backup.unlink(missing_ok=True)
        shutil.copy(self.database.path, self.database.backup)
        self.limits_in_backup = self.limits

    @in_a_lab_with("disk")
    @rule(times=st.integers(1, 3))
    def disk_is_full(self, times) -> None:
        self.hub.store.failures = times

    @rule()
    def tick(self) -> None:
        self.hub.broker.tick()

    # The devices.

    def read_devices(self) -> None:
        busy: dict[str, list[GPUProcess]] = {}
        for number, container in enumerate(self._running()):
            for uuid in container.spec.gpu_uuids:
                busy.setdefault(uuid, []).append(GPUProcess(1000 + number, 100))
        for uuid in self.foreign:
            busy.setdefault(uuid, []).append(GPUProcess(77, 100))
        self.inventory.current = InventoryReading(
            taken_at=self.clock(),
            readings=tuple(
                GPUReading(
                    item,
                    Telemetry(
                        memory_used_mib=2000 if item.uuid in busy or item.uuid in self.full else 0,
                        processes=tuple(busy.get(item.uuid, ()))
                        if self.reports_processes
                        else None,
                    ),
                    fault="It does not answer." if item.uuid in self.faulty else None,
                    lost=item.uuid in self.lost,
                )
                for item in GPUS
            ),
        )

    @rule(seconds=st.sampled_from([0.5, 1, 5, 20]))
    def time_passes(self, seconds) -> None:
        self.clock.advance(seconds)
        self.devices_are_read()

    @rule()
    def devices_are_read(self) -> None:
        if self.agent_up:
            self.read_devices()
            self.hub.broker.tick()

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
    def memory_is_left_over(self, index) -> None:
        self.full.add(self._pick(GPUS, index).uuid)

    @in_a_lab_with("devices")
    @rule()
    def devices_are_repaired(self) -> None:
        self.full.clear()
        self.lost.clear()
        self.faulty.clear()
        self.engine.broken_devices = set()
        self.devices_are_read()

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
            try:
                self.hub.broker.gpus.set_state(item.uuid, "active", "root")
            except (GPUStateError, StoreError):
                continue
            if self.hub.broker.ready and not self.store_is_older:
                assert item.uuid not in self.foreign_at_last_look, "promise 10: returned in use"

    # Strangers.

    @in_a_lab_with("strangers")
    @rule(index=any_index)
    def stranger_takes_a_gpu(self, index) -> None:
        uuid = self._pick(GPUS, index).uuid
        self.foreign[uuid] = "Somebody's own container has it."
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

    def _note_tampering(self, spec: Spec) -> None:
        self.tampered.update(spec.gpu_uuids)
        self.tampered_servers.add((spec.user, spec.server))

    def _is_tampered(self, container: Container) -> bool:
        spec = container.spec
        return (spec.user, spec.server) in self.tampered_servers or any(
            uuid in BY_UUID and other in BY_UUID and share_silicon(uuid, other)
            for uuid in spec.gpu_uuids
            for other in self.tampered
        )

    # The promises.

    def _all_leases(self) -> list[Lease]:
        """Return all leases; the database is asked only when it has changed."""
        version = (id(self.hub), self.hub.store.writes, self.replacements)
        if version != self.known_version:
            self.known_version = version
            self.known_leases = self.hub.broker.leases.all()
            self.news = True
        return self.known_leases

    @invariant()
    def the_promises_hold(self) -> None:
        leases = self._all_leases()
        for promise in (
            self.a_gpu_is_in_at_most_one_running_container,
            self.a_running_container_has_a_live_lease,
            self.a_lease_that_ended_has_no_start_to_come,
            self.leases_change_only_as_promised,
            self.a_lease_has_at_most_one_container,
            self.live_leases_share_no_silicon,
            self.free_and_leased_and_barred_are_all,
        ):
            promise(leases)

    def a_gpu_is_in_at_most_one_running_container(self, leases: list[Lease]) -> None:
        ours = [c for c in self._running() if c.ours]
        for number, one in enumerate(ours):
            for other in ours[number + 1 :]:
                for a in one.spec.gpu_uuids:
                    for b in other.spec.gpu_uuids:
                        apart = a == b and are_apart(one.spec, other.spec)
                        assert apart or not share_silicon(a, b), (
                            "promise 1: two containers on one GPU"
                        )

    def a_running_container_has_a_live_lease(self, leases: list[Lease]) -> None:
        if not self.hub.broker.ready or self.store_is_older:
            return
        live = {lease.id: lease for lease in leases if lease.state is not LeaseState.ENDED}
        for container in self._running():
            if container.ours and not self._is_tampered(container):
                lease = live.get(container.spec.lease_id)
                assert lease is not None, "promise 2: a container runs without a lease"
                same = set(lease.gpu_uuids) == set(container.spec.gpu_uuids)
                assert same, "promise 2: a container has other GPUs than its lease"
                slots = (lease.slot, lease.slots), (container.spec.slot, container.spec.slots)
                assert slots[0] == slots[1], "promise 2: a container has another slot"

    def a_lease_that_ended_has_no_start_to_come(self, leases: list[Lease]) -> None:
        """The proof must outlast calls that are still on their way."""
        known = {lease.id: lease for lease in leases}
        for call in self.engine.late:
            container = self.engine.containers.get(call.target)
            if call.verb == "start" and container is not None:
                lease = known.get(container.spec.lease_id)
                assert lease is None or lease.state is not LeaseState.ENDED, (
                    "promise 3: ended although a start is on its way"
                )

    def leases_change_only_as_promised(self, leases: list[Lease]) -> None:
        known = {lease.id: lease for lease in leases}
        order = list(LeaseState)
        for lease in leases:
            former = self.before.get(lease.id)
            if former is None:
                continue
            assert order.index(lease.state) >= order.index(former.state), (
                "promise 3: a lease came back"
            )
            assert former.container_id in (None, lease.container_id), "promise 4: two containers"
            assert former.gpu_uuids == lease.gpu_uuids, "promise 7: a lease changed its GPUs"
            assert former.slot == lease.slot, "promise 7: a lease changed its slot"
        self.before = known

    def a_lease_has_at_most_one_container(self, leases: list[Lease]) -> None:
        by_lease: dict[str, set[str]] = {}
        for lease_id, container_id in self.engine.starts:
            by_lease.setdefault(lease_id, set()).add(container_id)
        assert all(len(ids) == 1 for ids in by_lease.values()), "promise 4: two containers"
        assert len(set(self.engine.starts)) == len(self.engine.starts), (
            "promise 4: a container was started twice"
        )

    def live_leases_share_no_silicon(self, leases: list[Lease]) -> None:
        live = [lease for lease in leases if lease.state is not LeaseState.ENDED]
        servers = {(lease.user, lease.server) for lease in live}
        assert len(servers) == len(live), "promise 4: two leases of one server"
        for number, one in enumerate(live):
            for other in live[number + 1 :]:
                for a in one.gpu_uuids:
                    for b in other.gpu_uuids:
                        if a in BY_UUID and b in BY_UUID:
                            apart = a == b and are_apart(one, other)
                            assert apart or not share_silicon(a, b), (
                                "promises 1 and 9: two leases on one GPU"
                            )

    def free_and_leased_and_barred_are_all(self, leases: list[Lease]) -> None:
        if not self.news:
            return
        self.news = False
        statuses = self.hub.broker.gpus.all()
        seen = [status.gpu.uuid for status in statuses]
        assert len(seen) == len(set(seen)), "promise 7: a GPU is counted twice"
        if self.hub.broker.ready and not self.store_is_older:
            assert set(BY_UUID) <= set(seen), "promise 7: a GPU is missing"
        live = [lease for lease in leases if lease.state is not LeaseState.ENDED]
        held = {uuid for lease in live for uuid in lease.gpu_uuids}
        for status in statuses:
            shown = (status.lease is not None) == (status.gpu.uuid in held)
            assert shown, "promise 7: a lease is not shown with its GPU"
            if status.state is GPUState.FREE:
                assert not any(
                    share_silicon(status.gpu.uuid, uuid) for uuid in held if uuid in BY_UUID
                ), "promise 9: a device is free while its silicon is leased"

    def a_grant_is_as_promised(self, lease: Lease, transaction: Transaction) -> None:
        """Check a lease in the moment in which it is about to be granted."""
        look = self.reconciling or (self.hub.broker.ready and not self.store_is_older)
        assert look, "promise 6: granted before the first look"
        live = transaction.leases.live()
        used = len(lease.gpu_uuids) + _used(live, lease.user)
        assert not lease.gpu_uuids or used <= self.limits.gpus, (
            "promise 8: granted beyond the quota"
        )
        request = transaction.requests.waiting_of(lease.user, lease.server)
        assert request is not None, "promise 11: granted to nobody who waited"
        wanted = request.request.gpus
        assert len(lease.gpu_uuids) in (wanted, 0), "promise 7: not all"
        without = wanted == 0 or request.request.when_busy is WhenBusy.CPU
        assert lease.gpu_uuids or without, "promise 7: granted without a GPU"
        records = {record.gpu.uuid: record for record in transaction.gpus.records()}
        for uuid in lease.gpu_uuids:
            others = [item for item in live if uuid in item.gpu_uuids]
            self._is_fit(uuid, shared=bool(others))
            assert records[uuid].admin_state is AdminState.ACTIVE, "promise 10: out of service"
            assert records[uuid].slots == lease.slots, "promise 1: another number of slots"
            assert (lease.share is Share.SHARED) == (lease.slots > 1), "promise 1: whole or shared"
            assert all(are_apart(lease, other) for other in others), "promise 1: a slot twice"
        self.a_grant_keeps_the_limits(lease, transaction)
        self.note_grant(lease)
        healthy = all(
            record.admin_state is AdminState.ACTIVE and record.in_use_by is None
            for record in records.values()
        )
        # Where sessions have all kinds of ends, one may pass that delays nobody. Where slots
        # change, who waits for more whole devices than there are keeps nobody waiting.
        orderly = healthy and not {"sessions", "sharing"} & self.troubles
        if orderly and not self.inventory.current.problem:
            self._passes_nobody(lease, request.sequence, transaction, live)

    def _is_fit(self, uuid: str, *, shared: bool) -> None:
        reading = self.inventory.current
        assert reading.problem is None, "promise 10: granted without a reading"
        assert self.clock() - reading.taken_at <= 15, "promise 10: granted on an old reading"
        for item in reading.readings:
            if share_silicon(item.gpu.uuid, uuid):
                assert item.gpu.uuid not in self.foreign_at_last_look, "promise 10: foreign use"
            if item.gpu.uuid == uuid:
                assert not item.lost, "promise 10: lost"
                assert item.fault is None, "promise 10: unhealthy"
                # Whose the processes on a shared device are cannot be told.
                assert shared or not item.telemetry.processes, "promise 10: dirty"
                assert shared or item.telemetry.memory_used_mib == 0, "promise 10: memory in use"

    def _passes_nobody(self, lease, sequence, transaction, live) -> None:
        served = {(item.user, item.server) for item in live}
        for earlier in transaction.requests.waiting():
            wish = earlier.request
            if (
                earlier.sequence >= sequence
                or wish.when_busy is not WhenBusy.WAIT
                or wish.gpus == 0
                or wish.share is not lease.share
                or not self._within_the_cap(wish, live)
                or (wish.user, wish.server) in served
                or _used(live, wish.user) + wish.gpus > self.limits.gpus
            ):
                continue
            models = [BY_UUID[uuid].model for uuid in lease.gpu_uuids]
            could_use = [m for m in models if wish.gpu_model is None or fits(m, wish.gpu_model)]
            assert not could_use, "promise 11: a later request passed an earlier one"

    def _within_the_cap(self, wish, live) -> bool:
        held = sum(len(lease.gpu_uuids) for lease in live if GROUP in lease.groups)
        return (
            GROUP not in wish.groups
            or self.limits.cap is None
            or held + wish.gpus <= self.limits.cap
        )

    def settle(self) -> None:
        """Let all troubles end; then nothing may be left that no one will ever clean up."""
        self.hub.store.failures = 0
        self.foreign.clear()
        self.devices_are_repaired()
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


def fits(model: str, pattern: str) -> bool:
    return ("MIG" in model) if "MIG" in pattern else model.lower() == pattern


def _used(leases: list[Lease], user: str) -> int:
    return sum(len(lease.gpu_uuids) for lease in leases if lease.user == user)
