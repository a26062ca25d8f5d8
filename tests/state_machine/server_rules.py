"""Users start and stop servers, and the engine answers, fails, or takes effect late."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from gpudock.model import Denial, Lease, LeaseState, Request, Share, WhenBusy
from gpudock.store import StoreError
from state_machine.base import LabState
from state_machine.strategies import (
    GROUP,
    MEMBERS,
    SERVERS,
    USERS,
    any_index,
    fates,
    in_a_lab_with,
    servers,
    some_fates,
    users,
)

if TYPE_CHECKING:
    from state_machine.engine import Fate, Task


class ServerRules(LabState):
    """What users and the engine do."""

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
            self.claimed.add(answer.id)
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

    @in_a_lab_with("delivery")
    @rule(user=users, server=servers)
    def start_server_with_devices_that_the_engine_lacks(self, user, server) -> None:
        """A whole start; the engine's specification has none of the devices that were granted."""
        answer = self._submit(user, server)
        if isinstance(answer, Lease) and answer.state is LeaseState.GRANTED:
            self.engine.unlisted_devices = self.engine.unlisted_devices | set(answer.gpu_uuids)
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

    @in_a_lab_with("cancellations")
    @rule(user=users, server=servers)
    def a_start_gives_up(self, user, server) -> None:
        """A start is cancelled, or its time is up, perhaps in the moment of the grant."""
        lease = self.hub.broker.leases.of_server(user, server)
        if lease is not None and lease.state is LeaseState.GRANTED:
            self.stopped_by_users.add(lease.id)
        works = not self.hub.store.failures
        self.hub.broker.requests.give_up(user, server, "given up")
        if works:
            self._has_left(user, server)

    def _has_left(self, user, server) -> None:
        waiting = {(request.user, request.server) for request in self.hub.broker.queue.waiting()}
        assert (user, server) not in waiting, "promise 11: given up and still waiting"
        lease = self.hub.broker.leases.of_server(user, server)
        assert lease is None or lease.state is not LeaseState.GRANTED, (
            "promise 7: a lease that nobody takes is kept"
        )

    @in_a_lab_with("hub")
    @rule()
    def the_hub_is_slow(self) -> None:
        """More ask than the lab can serve, one server stops, and nobody comes for its GPU."""
        for user in USERS:
            for server in SERVERS:
                self._submit(user, server)
        lease = self._pick(self._leases(), 0)
        if lease is not None:
            self.stop_server(lease.user, lease.server)
        for _ in range(3):
            self.clock.advance(70)
            self.devices_are_read()
            self.look_and_reconcile()

    @in_a_lab_with("hub")
    @rule()
    def starts_are_resumed(self) -> None:
        """What ``gpudock.hub.loops.resume_queue`` does."""
        requests = self.hub.broker.requests.to_resume()
        servers = {(request.user, request.server) for request in requests}
        waiting = {(request.user, request.server) for request in self.hub.broker.queue.waiting()}
        assert waiting <= servers, "promise 11: a request that nobody will follow"
        for item in requests:
            self._submit(
                item.user, item.server, item.gpus, item.when_busy, item.gpu_model, item.share
            )

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
