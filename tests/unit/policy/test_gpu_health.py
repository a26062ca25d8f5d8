"""When a device may be granted, and what people read about it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from doubles.inventory import gpu, mig_slice
from gpudock.model import GPUProcess, GPUReading, GPUState, InventoryReading, Telemetry
from gpudock.policy.gpu_health import (
    AdminState,
    DeviceHealth,
    GPURecord,
    Rules,
    assess,
    check_staleness,
)

if TYPE_CHECKING:
    from gpudock.model import GPU

NOW = 1000.0
ONE = gpu(0)
RULES = Rules(cool_down_seconds=30, reading_max_age=15)
IDLE = Telemetry(processes=())
BUSY = Telemetry(processes=(GPUProcess(42, 20_000),))


def reading(*items: GPUReading, at: float | None = NOW, **rest: object) -> InventoryReading:
    return InventoryReading(at, items, **rest)


def look(
    record: GPURecord,
    inventory: InventoryReading,
    leased: dict[str, str] | None = None,
    **rest: object,
) -> DeviceHealth:
    (found,) = assess([record], inventory, leased or {}, NOW, RULES, **rest)
    return found


def test_a_healthy_idle_device_is_free() -> None:
    found = look(GPURecord(ONE), reading(GPUReading(ONE, IDLE)))
    assert (found.state, found.grantable, found.reason) == (GPUState.FREE, True, None)


def test_a_leased_device_is_leased() -> None:
    found = look(GPURecord(ONE), reading(GPUReading(ONE, BUSY)), {ONE.uuid: "x"})
    assert found.state is GPUState.LEASED
    assert found.transition is None


@pytest.mark.parametrize(
    ("item", "admin_state"),
    [
        (GPUReading(ONE, fault="Unknown Error."), AdminState.QUARANTINED),
        (GPUReading(ONE, fault="Fell off the bus.", lost=True), AdminState.LOST),
    ],
)
def test_what_is_broken_is_kept_out_until_an_explicit_act(
    item: GPUReading, admin_state: AdminState
) -> None:
    found = look(GPURecord(ONE), reading(item))
    assert found.transition is not None
    assert found.transition.admin_state is admin_state
    assert not found.grantable
    assert not found.in_service
    # It looks well again: the administrative state stays.
    kept = GPURecord(ONE, admin_state, found.transition.reason)
    again = look(kept, reading(GPUReading(ONE, IDLE)))
    assert again.state is GPUState(admin_state.value)
    assert not again.grantable
    assert again.recovers_after is None
    assert str(again.reason) == (
        f"{found.transition.reason} This is over; an administrator can return the GPU to service."
    )
    assert look(kept, reading(item)).reason == found.transition.reason


PASSING = [
    (
        GPUReading(ONE, BUSY),
        AdminState.OCCUPIED,
        "Processes that gpudock did not start are using it (host PIDs 42).",
        "Processes that gpudock did not start were using it (host PIDs 42).",
        "30 seconds",
    ),
    (
        GPUReading(ONE, IDLE, fault="Unknown error.", fault_may_pass=True),
        AdminState.UNSTABLE,
        "Unknown error.",
        "The driver reported errors of this GPU.",
        "5 minutes",
    ),
]


@pytest.mark.parametrize(("item", "admin_state", "now", "past", "after"), PASSING)
def test_what_passes_keeps_a_device_out_until_it_has_proven_clean_for_a_while(
    item: GPUReading, admin_state: AdminState, now: str, past: str, after: str
) -> None:
    found = look(GPURecord(ONE), reading(item))
    assert found.transition is not None
    assert found.transition.admin_state is admin_state
    assert (found.state, found.reason) == (GPUState.QUARANTINED, now)
    assert not found.grantable
    assert not found.clean
    # While it lasts, people read what is the case; after that, what was, and how it goes on.
    kept = GPURecord(ONE, admin_state, found.transition.past)
    still = look(kept, reading(item))
    assert (still.state, still.reason) == (GPUState.QUARANTINED, now)
    assert (still.clean, still.transition) == (False, None)
    over = look(kept, reading(GPUReading(ONE, IDLE)))
    assert (over.state, over.grantable, over.in_service) == (GPUState.QUARANTINED, False, False)
    assert over.clean
    assert over.recovers_after is not None
    assert str(over.reason).startswith(past)
    assert str(over.reason).endswith(f" It returns to service when it has been clean for {after}.")


@pytest.mark.parametrize(
    "doubt",
    [
        {"inventory": reading(GPUReading(ONE, IDLE), problem="The agent is down.")},
        {"inventory": reading(GPUReading(ONE, IDLE), at=NOW - 16)},
        {"inventory": reading()},
        {"inventory": reading(GPUReading(ONE, IDLE)), "gate": "Wait."},
        {"inventory": reading(GPUReading(ONE, lost=True))},
        {"inventory": reading(GPUReading(ONE, fault="ECC"))},
    ],
)
def test_what_is_not_known_to_be_clean_is_not_clean(doubt: dict) -> None:
    assert not look(GPURecord(ONE, AdminState.OCCUPIED, "It was."), **doubt).clean


def test_what_another_has_taken_is_not_clean_before_it_is_left() -> None:
    record = GPURecord(
        ONE, AdminState.OCCUPIED, 'The container "x" had it.', "The container has it."
    )
    found = look(record, reading(GPUReading(ONE, IDLE)))
    assert (found.clean, found.reason) == (False, "The container has it.")


def test_a_passing_cause_gives_way_to_a_worse_one_and_ends_no_drain() -> None:
    driver = GPUReading(ONE, fault="Unknown error.", fault_may_pass=True)
    memory = GPUReading(ONE, fault="Memory errors.")

    def next_state(admin_state: AdminState, item: GPUReading) -> AdminState | None:
        transition = look(GPURecord(ONE, admin_state, "First."), reading(item)).transition
        return transition and transition.admin_state

    for passing in (AdminState.OCCUPIED, AdminState.UNDELIVERED):
        assert next_state(passing, driver) is AdminState.UNSTABLE
    for passing in (AdminState.UNSTABLE, AdminState.UNDELIVERED):
        assert next_state(passing, GPUReading(ONE, BUSY)) is None
    for passing in (AdminState.OCCUPIED, AdminState.UNSTABLE, AdminState.UNDELIVERED):
        assert next_state(passing, memory) is AdminState.QUARANTINED
        assert next_state(passing, GPUReading(ONE, lost=True)) is AdminState.LOST
    for lasting in (AdminState.QUARANTINED, AdminState.LOST, AdminState.DRAINING):
        assert next_state(lasting, driver) is None
        assert next_state(lasting, GPUReading(ONE, BUSY)) is None


def test_a_passing_cause_is_gone_with_the_device_that_had_it() -> None:
    piece = mig_slice(9, ONE)
    records = [GPURecord(ONE, AdminState.OCCUPIED, "It was used."), GPURecord(piece)]
    (found,) = assess(records, reading(GPUReading(piece, IDLE)), {}, NOW, RULES)
    assert (found.gpu, found.grantable) == (piece, True)
    broken = [GPURecord(ONE, AdminState.QUARANTINED, "Memory errors."), GPURecord(piece)]
    whole, part = assess(broken, reading(GPUReading(piece, IDLE)), {}, NOW, RULES)
    assert (whole.state, whole.reason) == (GPUState.QUARANTINED, "Memory errors.")
    assert not part.grantable
    assert part.reason == f"The GPU that it is cut from ({ONE.uuid}) is quarantined."


XORG = GPUProcess(7, 4, "Xorg", computes=False)


@pytest.mark.parametrize(
    ("telemetry", "grantable"),
    [
        (Telemetry(memory_used_mib=10, processes=(XORG,)), True),
        # A large desktop.
        (Telemetry(memory_used_mib=2000, processes=(replace(XORG, memory_mib=1800),)), True),
        (Telemetry(processes=(replace(XORG, memory_mib=None),)), True),
        (Telemetry(memory_used_mib=2000, processes=(XORG,)), False),
        # A small tool.
        (Telemetry(memory_used_mib=300, processes=(GPUProcess(8, 200),)), True),
        (Telemetry(processes=(GPUProcess(8, 1024),)), True),
        (Telemetry(processes=(GPUProcess(8, 1025),)), False),
        (Telemetry(memory_used_mib=300, processes=(GPUProcess(8, None),)), False),
        (
            Telemetry(memory_used_mib=1800, processes=(GPUProcess(8, 900), GPUProcess(9, 900))),
            False,
        ),
    ],
)
@pytest.mark.parametrize("freed_at", [None, NOW - 31])
def test_a_display_server_or_a_small_process_is_no_use(
    telemetry: Telemetry, grantable: bool, freed_at: float | None
) -> None:
    found = look(GPURecord(ONE, freed_at=freed_at), reading(GPUReading(ONE, telemetry)))
    assert found.grantable is grantable


def test_without_a_limit_of_memory_a_large_process_is_still_foreign_use() -> None:
    any_amount = Rules(leftover_memory_mib=None)
    for item, grantable in ((XORG, True), (GPUProcess(8, 20_000), False)):
        seen = reading(GPUReading(ONE, Telemetry(memory_used_mib=20_000, processes=(item,))))
        (found,) = assess([GPURecord(ONE)], seen, {}, NOW, any_amount)
        assert found.grantable is grantable


def test_while_a_session_may_still_be_ending_its_small_processes_count_too() -> None:
    small = reading(GPUReading(ONE, Telemetry(processes=(GPUProcess(8, 5), XORG))))
    found = look(GPURecord(ONE, freed_at=NOW - 10), small)
    assert (found.grantable, found.cooling_down) == (False, True)
    assert "(host PIDs 8)" in str(found.reason)


def test_a_device_is_granted_again_only_on_a_reading_taken_after_its_session() -> None:
    record = GPURecord(ONE, freed_at=NOW - 1)
    found = look(record, reading(GPUReading(ONE, IDLE), at=NOW - 1))
    assert (found.grantable, found.in_service) == (False, True)
    assert found.cooling_down
    assert found.reason == "It is being checked after its last session."
    assert look(record, reading(GPUReading(ONE, IDLE), at=NOW - 0.5)).grantable
    assert not look(record, reading(GPUReading(ONE, IDLE), at=NOW - 100)).cooling_down


def test_processes_may_linger_for_a_while_and_then_quarantine() -> None:
    lingering = look(GPURecord(ONE, freed_at=NOW - 10), reading(GPUReading(ONE, BUSY)))
    assert lingering.transition is None
    assert not lingering.grantable
    assert lingering.cooling_down
    assert "host PIDs 42" in str(lingering.reason)
    stuck = look(GPURecord(ONE, freed_at=NOW - 31), reading(GPUReading(ONE, BUSY)))
    assert stuck.transition is not None


FULL = Telemetry(memory_used_mib=30_700, processes=())


def test_memory_that_nobody_accounts_for_is_foreign_use() -> None:
    found = look(GPURecord(ONE), reading(GPUReading(ONE, FULL)))
    assert found.transition is not None
    assert found.transition.admin_state is AdminState.OCCUPIED
    assert "30700 MiB of its memory are in use" in found.transition.reason
    # Where the agent may not see the processes of containers, memory is all that tells of them.
    unseen = Telemetry(memory_used_mib=30_700, processes=None)
    assert look(GPURecord(ONE), reading(GPUReading(ONE, unseen))).transition is not None


def test_memory_may_be_freed_for_a_while_and_then_quarantines() -> None:
    freeing = look(GPURecord(ONE, freed_at=NOW - 10), reading(GPUReading(ONE, FULL)))
    assert (freeing.transition, freeing.grantable, freeing.in_service) == (None, False, True)
    assert "still being freed: 30700 MiB" in str(freeing.reason)
    kept = look(GPURecord(ONE, freed_at=NOW - 31), reading(GPUReading(ONE, FULL)))
    assert kept.transition is not None
    assert "ended 31 seconds ago" in kept.transition.reason


def test_memory_is_told_only_by_a_reading_after_the_session() -> None:
    record = GPURecord(ONE, freed_at=NOW)
    unseen = Telemetry(memory_used_mib=0, processes=None)
    assert not look(record, reading(GPUReading(ONE, unseen), at=NOW - 5)).grantable


def test_what_the_driver_takes_is_no_foreign_use_and_the_rest_is_a_setting() -> None:
    some = reading(GPUReading(ONE, Telemetry(memory_used_mib=1024, processes=())))
    assert look(GPURecord(ONE), some).grantable
    much = reading(GPUReading(ONE, FULL))
    (found,) = assess([GPURecord(ONE)], much, {}, NOW, Rules(leftover_memory_mib=None))
    assert found.grantable


def test_the_memory_of_a_session_is_its_own() -> None:
    found = look(GPURecord(ONE), reading(GPUReading(ONE, FULL)), {ONE.uuid: "x"})
    assert (found.state, found.transition) == (GPUState.LEASED, None)


def test_processes_that_are_not_reported_are_no_obstacle() -> None:
    record = GPURecord(ONE, freed_at=NOW)
    assert look(record, reading(GPUReading(ONE), at=NOW - 5)).grantable
    listed = reading(GPUReading(ONE), at=None, expects_readings=False)
    assert look(record, listed).grantable


@pytest.mark.parametrize(
    "inventory",
    [
        reading(GPUReading(ONE, IDLE), at=NOW - 16),
        reading(GPUReading(ONE, IDLE), problem="The agent is down."),
        reading(at=None),
    ],
)
def test_nothing_is_granted_or_concluded_from_what_is_not_known(
    inventory: InventoryReading,
) -> None:
    found = look(GPURecord(ONE), inventory)
    assert not found.grantable
    assert found.in_service
    assert found.transition is None
    assert found.state is GPUState.QUARANTINED
    assert found.reason == check_staleness(inventory, NOW, RULES)
    leased = look(GPURecord(ONE), inventory, {ONE.uuid: "x"})
    assert leased.state is GPUState.LEASED
    assert leased.transition is None


def test_a_leased_device_that_disappears_is_lost_and_stays_in_sight() -> None:
    found = look(GPURecord(ONE), reading(), {ONE.uuid: "x"})
    assert found.state is GPUState.LOST
    assert found.transition is not None
    assert found.transition.admin_state is AdminState.LOST


def test_a_device_that_nobody_had_comes_back_by_itself() -> None:
    found = look(GPURecord(ONE), reading())
    assert found.state is GPUState.LOST
    assert found.transition is None


def test_a_slice_that_was_configured_away_is_not_shown() -> None:
    part = mig_slice(9, ONE)
    assert assess([GPURecord(part)], reading(), {}, NOW, RULES) == []
    (leased,) = assess([GPURecord(part)], reading(), {part.uuid: "x"}, NOW, RULES)
    assert leased.state is GPUState.LOST


def test_a_gpu_that_was_cut_into_slices_gives_way_to_them() -> None:
    piece = mig_slice(9, ONE)
    records = [GPURecord(ONE), GPURecord(piece)]
    (found,) = assess(records, reading(GPUReading(piece, IDLE)), {}, NOW, RULES)
    assert (found.gpu, found.state, found.grantable) == (piece, GPUState.FREE, True)


def test_a_leased_gpu_stays_in_sight_when_slices_appear_in_its_place() -> None:
    piece = mig_slice(9, ONE)
    records = [GPURecord(ONE), GPURecord(piece)]
    found = assess(records, reading(GPUReading(piece, IDLE)), {ONE.uuid: "x"}, NOW, RULES)
    assert [(item.gpu, item.grantable) for item in found if item.gpu == ONE] == [(ONE, False)]
    assert not any(item.state is GPUState.FREE for item in found)


def test_the_first_reason_of_a_quarantine_is_kept() -> None:
    record = GPURecord(ONE, AdminState.QUARANTINED, "First.")
    found = look(record, reading(GPUReading(ONE, fault="Second.")))
    assert found.reason == "First."
    assert found.transition is None
    lost = look(record, reading(GPUReading(ONE, lost=True)))
    assert lost.state is GPUState.LOST


def test_a_device_whose_silicon_is_leased_or_barred_is_not_free() -> None:
    parts = [mig_slice(8, ONE), mig_slice(9, ONE)]
    everything: list[GPU] = [ONE, *parts]
    whole = reading(*(GPUReading(item, IDLE) for item in everything))

    def states(leased: dict[str, str], **changed: GPURecord) -> list[GPUState]:
        records = [changed.get(f"_{n}", GPURecord(item)) for n, item in enumerate(everything)]
        return [item.state for item in assess(records, whole, leased, NOW, RULES)]

    assert states({parts[0].uuid: "x"}) == [GPUState.LEASED, GPUState.LEASED, GPUState.FREE]
    assert states({ONE.uuid: "x"}) == [GPUState.LEASED] * 3
    drained = GPURecord(parts[0], AdminState.DRAINING)
    assert states({}, _1=drained) == [GPUState.QUARANTINED, GPUState.DRAINING, GPUState.FREE]
    sick = GPURecord(ONE, AdminState.QUARANTINED, "Sick.")
    assert states({}, _0=sick) == [GPUState.QUARANTINED] * 3


def test_processes_of_a_slice_do_not_make_the_whole_gpu_foreign() -> None:
    part = mig_slice(9, ONE)
    seen = reading(GPUReading(ONE, BUSY), GPUReading(part, BUSY))
    found = assess([GPURecord(ONE), GPURecord(part)], seen, {part.uuid: "x"}, NOW, RULES)
    assert [item.transition for item in found] == [None, None]


def test_while_the_lab_is_held_nothing_is_concluded_from_processes() -> None:
    found = look(GPURecord(ONE), reading(GPUReading(ONE, BUSY)), gate="Wait.")
    assert found.transition is None
    assert found.reason == "Wait."


def test_a_draining_device_drains_until_its_lease_ends_and_after() -> None:
    record = GPURecord(ONE, AdminState.DRAINING, "Drained by root.")
    for leased in ({ONE.uuid: "x"}, {}):
        found = look(record, reading(GPUReading(ONE, IDLE)), leased)
        assert (found.state, found.grantable) == (GPUState.DRAINING, False)


def test_a_forgotten_device_is_out_of_sight() -> None:
    gone = replace(GPURecord(ONE), admin_state=AdminState.FORGOTTEN)
    assert assess([gone], reading(), {}, NOW, RULES) == []


# GPUs in MIG mode.

WHOLE = GPUReading(ONE, IDLE, mig_enabled=True)
PARTS = (mig_slice(8, ONE), mig_slice(9, ONE))
LASTING = (AdminState.DRAINING, AdminState.QUARANTINED, AdminState.LOST)


def test_mig_mode_without_slices_is_said_and_never_granted() -> None:
    found = look(GPURecord(ONE), reading(WHOLE))
    assert (found.state, found.grantable, found.in_service) == (GPUState.QUARANTINED, False, False)
    assert found.transition is None
    assert str(found.reason).startswith("MIG mode is on, but the GPU has no slices")
    assert "nvidia-smi mig -i 0 -cgi" in str(found.reason)
    assert "nvidia-smi -i 0 -mig 0" in str(found.reason)
    assert look(GPURecord(ONE), reading(GPUReading(ONE, IDLE))).grantable
    leased = look(GPURecord(ONE), reading(WHOLE), {ONE.uuid: "x"})
    assert (leased.state, leased.transition) == (GPUState.QUARANTINED, None)


def test_a_fault_comes_before_mig_mode() -> None:
    found = look(GPURecord(ONE), reading(replace(WHOLE, fault="Memory errors.")))
    assert found.reason == "Memory errors."


def test_the_slices_stand_for_a_gpu_in_mig_mode() -> None:
    records = [GPURecord(item) for item in (ONE, *PARTS)]
    seen = reading(WHOLE, *(GPUReading(part, IDLE) for part in PARTS))
    assert [(item.gpu, item.state) for item in assess(records, seen, {}, NOW, RULES)] == [
        (part, GPUState.FREE) for part in PARTS
    ]
    # Also while nobody knows whether that is still so.
    stale = replace(seen, problem="The agent is down.")
    assert [item.gpu for item in assess(records, stale, {}, NOW, RULES)] == list(PARTS)


@pytest.mark.parametrize("admin_state", LASTING)
def test_a_gpu_that_keeps_its_slices_out_of_service_is_listed_with_them(
    admin_state: AdminState,
) -> None:
    records = [GPURecord(ONE, admin_state, "Why."), GPURecord(PARTS[0])]
    whole, part = assess(records, reading(WHOLE, GPUReading(PARTS[0], IDLE)), {}, NOW, RULES)
    assert whole.state is GPUState(admin_state.shown)
    assert (part.state, part.grantable) == (GPUState.QUARANTINED, False)
    assert ONE.uuid in str(part.reason)


def test_a_hardware_fault_is_kept_with_the_gpu_and_outlasts_its_slices() -> None:
    sick = replace(WHOLE, fault="Memory errors.")
    seen = reading(sick, GPUReading(PARTS[0], IDLE, fault="Memory errors."))
    whole, part = assess([GPURecord(ONE), GPURecord(PARTS[0])], seen, {}, NOW, RULES)
    assert whole.transition is not None
    assert whole.transition == part.transition
    # An error that may pass is that of the slices alone: the list keeps its length.
    passing = replace(sick, fault_may_pass=True)
    seen = reading(passing, GPUReading(PARTS[0], IDLE, fault="Error.", fault_may_pass=True))
    (part,) = assess([GPURecord(ONE), GPURecord(PARTS[0])], seen, {}, NOW, RULES)
    assert part.gpu == PARTS[0]


@pytest.mark.parametrize("whole", [WHOLE, GPUReading(ONE, IDLE)], ids=["MIG on", "MIG off"])
def test_a_slice_that_is_removed_under_a_session_is_no_broken_device(whole: GPUReading) -> None:
    records = [GPURecord(item) for item in (ONE, *PARTS)]
    found = {
        item.gpu.uuid: item
        for item in assess(records, reading(whole), {PARTS[0].uuid: "x"}, NOW, RULES)
    }
    assert set(found) == {ONE.uuid, PARTS[0].uuid}
    part = found[PARTS[0].uuid]
    assert (part.state, part.transition, part.gone) == (GPUState.LOST, None, True)
    assert str(part.reason) == "The slice was removed while a session had it. End the session."
    assert found[ONE.uuid].state is not GPUState.FREE


@pytest.mark.parametrize("admin_state", AdminState)
def test_a_slice_that_is_gone_keeps_nothing_out_of_service(admin_state: AdminState) -> None:
    records = [
        GPURecord(ONE),
        GPURecord(PARTS[0], admin_state, "It was.", in_use_by="A container has it."),
    ]
    (whole,) = assess(records, reading(GPUReading(ONE, IDLE)), {}, NOW, RULES)
    assert (whole.gpu, whole.state, whole.grantable) == (ONE, GPUState.FREE, True)


@pytest.mark.parametrize("admin_state", [*LASTING, AdminState.ACTIVE, AdminState.OCCUPIED])
def test_a_gpu_that_is_gone_is_shown_as_gone_whatever_was_wrong(admin_state: AdminState) -> None:
    record = GPURecord(ONE, admin_state, "It was.", in_use_by="A container has it.")
    found = look(record, reading(GPUReading(gpu(1), IDLE)))
    assert (found.state, found.gone, found.in_service) == (GPUState.LOST, True, False)
    assert "The driver does not report it any more." in str(found.reason)
    assert found.recovers_after is None
    leased = look(record, reading(), {ONE.uuid: "x"})
    assert (leased.state, leased.gone) == (GPUState.LOST, True)


def test_whether_a_gpu_is_gone_is_not_known_without_a_good_reading() -> None:
    record = GPURecord(ONE, AdminState.DRAINING, "Drained by root.")
    found = look(record, reading(problem="The agent is down."))
    assert (found.state, found.gone) == (GPUState.DRAINING, False)


@pytest.mark.parametrize(
    "seen",
    [
        (GPUReading(ONE, IDLE),),
        (GPUReading(ONE, IDLE, mig_enabled=True), GPUReading(PARTS[0], IDLE)),
    ],
)
def test_what_was_removed_is_not_counted_while_the_agent_is_down(
    seen: tuple[GPUReading, ...],
) -> None:
    records = [GPURecord(item) for item in (ONE, *PARTS)]
    up = {x.gpu.uuid for x in assess(records, reading(*seen), {}, NOW, RULES)}
    for doubt in (reading(*seen, problem="The agent is down."), reading(*seen, at=NOW - 60)):
        assert {x.gpu.uuid for x in assess(records, doubt, {}, NOW, RULES)} == up


def test_a_forgotten_gpu_that_a_session_has_is_leased_also_while_nothing_is_read() -> None:
    record = GPURecord(ONE, AdminState.FORGOTTEN)
    for seen in (reading(GPUReading(ONE, BUSY)), reading(problem="The agent is down.")):
        assert look(record, seen, {ONE.uuid: "x"}).state is GPUState.LEASED


def test_a_slice_known_from_labels_alone_is_hidden_once_it_is_gone() -> None:
    unknown = replace(PARTS[0], parent_uuid=None)
    assert assess([GPURecord(unknown)], reading(GPUReading(ONE, IDLE)), {}, NOW, RULES) == []
