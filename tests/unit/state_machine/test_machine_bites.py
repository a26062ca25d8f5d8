"""The state machine finds each of these broken labs: it is no proof otherwise."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from gpudock.broker import Broker, gpus, scheduling
from gpudock.broker.cycle import SchedulingCycle
from gpudock.broker.deliveries import Deliveries
from gpudock.broker.epoch import Epoch
from gpudock.broker.gpus import GPUs
from gpudock.broker.leases import Leases
from gpudock.broker.process_state import ProcessState
from gpudock.broker.reconcile import Comparison
from gpudock.broker.recovery import Recovery
from gpudock.broker.requests import Requests
from gpudock.broker.sessions import ExpiringSessions
from gpudock.broker.unit_of_work import UnitOfWork
from gpudock.engine.protocol import EngineError
from gpudock.hub import lifecycle
from gpudock.model import ContainerState
from gpudock.policy import admission, cleanliness, gpu_health, sessions
from gpudock.policy.gpu_health import AdminState, Rules
from gpudock.policy.quota import resolve as quota
from gpudock.policy.scheduling import ordering as queue
from gpudock.policy.scheduling.capacity import Capacity
from gpudock.policy.scheduling.demand import DemandClasses
from state_machine.hub import migrated_database
from state_machine.machine import LabMachine

if TYPE_CHECKING:
    from collections.abc import Callable


def grants_before_the_first_look(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SchedulingCycle, "_gate", lambda _: None)


def ends_a_lease_when_asked_to_stop(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Leases, "stop", Leases.end)


def takes_an_error_for_proof(patch: pytest.MonkeyPatch) -> None:
    async def gone_or_unknown(engine: Any, container: str, *_: Any) -> bool:
        try:
            await engine.remove(container, force=True)
            return await engine.inspect(container) is None
        except EngineError:
            return True

    patch.setattr(lifecycle, "_stopped_and_removed", gone_or_unknown)
    patch.setattr(lifecycle, "_gone", gone_or_unknown)


def forgets_who_is_starting(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ProcessState, "changed_since", lambda *_: False)
    patch.setattr(ProcessState, "is_own", lambda *_: False)


def forgets_what_happened_since_the_look(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        ProcessState, "changed_since", lambda self, lease_id, _: self.get(lease_id).in_flight
    )


def frees_a_gpu_whose_start_may_still_come(patch: pytest.MonkeyPatch) -> None:
    def ends_at_once(self: Comparison, lease: Any, own: Any) -> None:
        self._end(lease, "it never ran")
        self._remove(own, "it never ran")

    patch.setattr(Comparison, "_interrupted", ends_at_once)


def does_not_adopt(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Comparison, "_adopt", lambda *_: None)


def does_not_notice_an_older_database(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SchedulingCycle, "_close_gate", lambda _: None)


def lets_a_hub_go_on_that_another_has_replaced(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Epoch, "enter", lambda *_: False)
    patch.setattr(Epoch, "is_current", lambda *_: True)


def knows_a_restored_database_by_the_number_of_its_changes(patch: pytest.MonkeyPatch) -> None:
    original, known = Epoch.enter, WeakKeyDictionary[Epoch, int]()

    def enter(self: Epoch, transaction: Any) -> bool:
        original(self, transaction)
        former, known[self] = known.get(self, 0), transaction.generation
        return transaction.generation < former

    patch.setattr(Epoch, "enter", enter)


def ignores_quotas(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(quota, "check", lambda *_: None)
    patch.setattr(quota, "check_waiting", lambda *_: None)
    patch.setattr(quota, "held_back", lambda *_: None)


def serves_the_last_first(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        queue.FirstCome,
        "order",
        lambda _, snapshot: sorted(snapshot.waiting, key=lambda item: -item.sequence),
    )


def gives_a_gpu_and_its_slices(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Capacity, "_mark_conflicts", lambda _: None)


def gives_sick_gpus(patch: pytest.MonkeyPatch) -> None:
    original = UnitOfWork.device_health

    def all_well(self: UnitOfWork, *args: Any) -> Any:
        return [
            replace(item, grantable=True, in_service=True, transition=None)
            for item in original(self, *args)
        ]

    patch.setattr(UnitOfWork, "device_health", all_well)


def gives_gpus_whose_memory_is_in_use(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(cleanliness, "_is_left_over", lambda *_: False)


def ignores_strangers(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Comparison, "_store_foreign_use", lambda _: None)


def returns_gpus_at_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Rules, "recovery_seconds", lambda _, state: 0.0 if state.passes else None)


def returns_broken_gpus_by_itself(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(AdminState, "passes", property(lambda _: True))
    patch.setattr(Rules, "recovery_seconds", lambda *_: 30.0)


def counts_from_the_first_clean_look(patch: pytest.MonkeyPatch) -> None:
    since: dict[str, float] = {}

    def due(self: Recovery, devices: Any) -> list[str]:
        now = self._monotonic()
        return [
            device.gpu.uuid
            for device in devices
            if device.recovers_after is not None
            and device.clean
            and now - since.setdefault(device.gpu.uuid, now) >= device.recovers_after
        ]

    patch.setattr(Recovery, "due", due)


def grants_what_the_engine_cannot_deliver(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Deliveries, "failed", lambda *_: None)


def never_returns_a_gpu(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Recovery, "due", lambda *_: [])


def lets_what_is_gone_bar_its_gpu(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(gpu_health._Presence, "is_gone", lambda *_: False)


def gives_a_gpu_in_mig_mode(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(gpu_health._Presence, "why_unusable", lambda *_, **__: None)


def answers_that_a_gpu_has_returned(patch: pytest.MonkeyPatch) -> None:
    def at_once(work: UnitOfWork, record: Any, by: str) -> None:
        gpus._set_state(work, record, AdminState.ACTIVE, None, by)

    patch.setattr(gpus, "_return", at_once)


def answers_that_a_gpu_drains(patch: pytest.MonkeyPatch) -> None:
    def at_once(work: UnitOfWork, record: Any, by: str) -> None:
        gpus._set_state(work, record, AdminState.DRAINING, None, by)

    patch.setattr(gpus, "_drain", at_once)


def grants_what_appeared_during_the_look(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(UnitOfWork, "_unchecked", lambda _: frozenset())


def answers_that_a_gpu_has_returned_and_does_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(gpus, "_return", lambda *_: None)


def counts_a_gpu_beside_its_slices(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(gpu_health._Presence, "gives_way_to_slices", lambda *_: False)
    patch.setattr(gpu_health._Presence, "why_unusable", lambda *_, **__: None)


def counts_slices_that_were_removed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(gpu_health._Presence, "is_hidden", lambda *_: False)


def gives_what_there_is(patch: pytest.MonkeyPatch) -> None:
    original = DemandClasses.of

    def some(self: DemandClasses, request: Any, *rest: Any) -> Any:
        return original(self, replace(request, gpus=1), *rest)

    patch.setattr(DemandClasses, "of", some)


def a_late_stop_ends_the_newer_lease(patch: pytest.MonkeyPatch) -> None:
    original = Leases.get

    def newest(self: Leases, lease_id: str) -> Any:
        found = original(self, lease_id)
        return found and (self.of_server(found.user, found.server) or found)

    patch.setattr(Leases, "get", newest)


def stops_what_it_does_not_know_from_before(patch: pytest.MonkeyPatch) -> None:
    original = Comparison._runs

    def stops(self: Comparison, lease: Any, own: Any) -> None:
        if not self.process_state.is_own(lease.id) and own.state is ContainerState.RUNNING:
            self._stop(own, "it is not known from before")
        original(self, lease, own)

    patch.setattr(Comparison, "_runs", stops)


def loses_the_queue_at_a_restart(patch: pytest.MonkeyPatch) -> None:
    original = Broker.__init__

    def forgets(self: Broker, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        for request in self.queue.waiting():
            self.requests.withdraw(request.user, request.server)

    patch.setattr(Broker, "__init__", forgets)


def lets_a_lowered_limit_end_sessions(patch: pytest.MonkeyPatch) -> None:
    def forgets_what_held_before(lease: Any, effective: Any, accounts: Any) -> float:
        quota = effective.quota
        return accounts.run_out_at("user", lease.user, quota.window_days, quota.gpu_hours)

    patch.setattr(sessions, "_hours_end", forgets_what_held_before)


def ends_sessions_by_the_limit_of_today(patch: pytest.MonkeyPatch) -> None:
    original = sessions._end

    def by_todays_limit(lease: Any, effective: Any, *rest: Any) -> Any:
        hours = effective.quota.max_session_hours
        if hours is not None:
            lease = replace(lease, expires_at=lease.granted_at + hours * 3600)
        return original(lease, effective, *rest)

    patch.setattr(sessions, "_end", by_todays_limit)


def never_ends_a_session(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ExpiringSessions, "due", lambda _: [])


def extends_as_far_as_it_is_asked_to(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sessions, "_longest", lambda *_: float("inf"))


def counts_no_hours(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sessions.Accounts, "used_hours", lambda *_: 0.0)


def ignores_the_caps_of_groups(patch: pytest.MonkeyPatch) -> None:
    original = quota.resolve
    patch.setattr(quota, "resolve", lambda *args: replace(original(*args), caps=()))


def gives_a_slot_twice(patch: pytest.MonkeyPatch) -> None:
    original = scheduling.make_lease
    # The index in the database would refuse it, which is not a grant either.
    patch.setattr(
        scheduling, "make_lease", lambda work, grant: original(work, replace(grant, slot=0))
    )


def forgets_slots_when_it_adopts(patch: pytest.MonkeyPatch) -> None:
    original = Comparison._adopt
    patch.setattr(
        Comparison,
        "_adopt",
        lambda self, container: original(self, replace(container, slot=0, slots=1)),
    )


def changes_slots_under_a_session(patch: pytest.MonkeyPatch) -> None:
    def at_once(self: GPUs, uuid: str, slots: int, _: str) -> None:
        self._transactions.run(lambda work: work.transaction.gpus.set_slots(uuid, slots))

    patch.setattr(GPUs, "set_slots", at_once)


def loses_the_place_of_a_grant_that_nobody_claims(patch: pytest.MonkeyPatch) -> None:
    original = Comparison._queue_again

    def only_after_a_crash(self: Comparison, lease: Any) -> None:
        if not self.process_state.is_own(lease.id):
            original(self, lease)

    patch.setattr(Comparison, "_queue_again", only_after_a_crash)


def leaves_the_lease_of_a_start_that_gives_up(patch: pytest.MonkeyPatch) -> None:
    def withdraws(self: Requests, user: str, server: str, _: str, *, timed_out: bool) -> None:
        self.withdraw(user, server)

    patch.setattr(Requests, "_give_up", withdraws)


def lets_wait_what_the_caps_of_groups_bar(patch: pytest.MonkeyPatch) -> None:
    original = quota.check_waiting
    patch.setattr(
        quota,
        "check_waiting",
        lambda request, effective: original(request, replace(effective, caps=())),
    )


def lets_wait_what_no_model_can_serve(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(admission, "bar_waiting", lambda *_: None)


# Each with the kinds of trouble that bring it to light soonest.
BREAKS = [
    (grants_before_the_first_look, ("hub",)),
    (ends_a_lease_when_asked_to_stop, ("cancellations",)),
    (takes_an_error_for_proof, ("cancellations",)),
    (forgets_who_is_starting, ("cancellations",)),
    (forgets_what_happened_since_the_look, ("cancellations",)),
    (frees_a_gpu_whose_start_may_still_come, ("hub", "cancellations")),
    (does_not_adopt, ("hub", "database")),
    (does_not_notice_an_older_database, ("database",)),
    (lets_a_hub_go_on_that_another_has_replaced, ("rivals",)),
    (knows_a_restored_database_by_the_number_of_its_changes, ("database",)),
    (ignores_quotas, ("quotas",)),
    (serves_the_last_first, ("cancellations",)),
    (gives_a_gpu_and_its_slices, ("cancellations",)),
    (gives_sick_gpus, ("devices",)),
    (gives_gpus_whose_memory_is_in_use, ("devices",)),
    (ignores_strangers, ("strangers",)),
    (returns_gpus_at_once, ("strangers",)),
    (returns_broken_gpus_by_itself, ("devices",)),
    (counts_from_the_first_clean_look, ("strangers",)),
    (grants_what_the_engine_cannot_deliver, ("delivery",)),
    (never_returns_a_gpu, ("strangers",)),
    (lets_what_is_gone_bar_its_gpu, ("slicing", "draining")),
    (gives_a_gpu_in_mig_mode, ("slicing",)),
    (answers_that_a_gpu_has_returned, ("slicing", "devices")),
    (answers_that_a_gpu_drains, ("draining", "devices")),
    (grants_what_appeared_during_the_look, ("strangers", "slicing")),
    (answers_that_a_gpu_has_returned_and_does_nothing, ("changes",)),
    (counts_a_gpu_beside_its_slices, ("slicing",)),
    (counts_slices_that_were_removed, ("slicing",)),
    (gives_what_there_is, ("cancellations",)),
    (a_late_stop_ends_the_newer_lease, ("cancellations",)),
    (stops_what_it_does_not_know_from_before, ("hub",)),
    (loses_the_queue_at_a_restart, ("hub",)),
    (lets_a_lowered_limit_end_sessions, ("sessions", "quotas")),
    (ends_sessions_by_the_limit_of_today, ("sessions", "quotas")),
    (never_ends_a_session, ("sessions",)),
    (extends_as_far_as_it_is_asked_to, ("sessions",)),
    (counts_no_hours, ("sessions",)),
    (ignores_the_caps_of_groups, ("quotas",)),
    (gives_a_slot_twice, ("sharing",)),
    (forgets_slots_when_it_adopts, ("sharing", "database")),
    (changes_slots_under_a_session, ("sharing",)),
    (lets_wait_what_the_caps_of_groups_bar, ("quotas",)),
    (lets_wait_what_no_model_can_serve, ("quotas",)),
    (loses_the_place_of_a_grant_that_nobody_claims, ("hub",)),
    (leaves_the_lease_of_a_start_that_gives_up, ("cancellations",)),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("break_it", "kinds"), BREAKS, ids=[function.__name__ for function, _ in BREAKS]
)
def test_the_machine_finds_a_lab_that(
    break_it: Callable[[pytest.MonkeyPatch], None],
    kinds: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    migrated_database()
    monkeypatch.setattr(LabMachine, "kinds", kinds)
    break_it(monkeypatch)
    with pytest.raises((AssertionError, ExceptionGroup), match="promise"):
        run_state_machine_as_test(
            LabMachine,
            settings=settings(
                # Most are found within 40 examples. Which examples these are changes with each
                # rule, and a fault that takes 100 of them on average may take 500.
                max_examples=2000,
                stateful_step_count=60,
                deadline=None,
                database=None,
                derandomize=True,
                report_multiple_bugs=False,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )
