"""What the engine cannot give to containers is not granted again, and others are tried."""

from __future__ import annotations

import pytest

from doubles.inventory import gpu, mig_slice, uuid
from gpudock.broker import LeaseConflictError
from gpudock.model import (
    DeliveryFailure,
    Denial,
    GPUReading,
    GPUState,
    Lease,
    LeaseState,
    QueuePosition,
    WhenBusy,
)
from gpudock.policy.gpu_health import AdminState
from gpudock.store import StoreError
from state_machine.lab import BrokerLab, ask

WORDS = 'failed to inject devices: failed to stat CDI host device "/dev/dri/card1".'
UNNAMED = DeliveryFailure(WORDS)
GENERAL = DeliveryFailure('could not select device driver "nvidia".', general=True)
FOUR = tuple(gpu(number) for number in range(4))


def named(*numbers: int) -> DeliveryFailure:
    uuids = tuple(uuid(number) for number in numbers)
    return DeliveryFailure(f"unresolvable CDI devices {', '.join(uuids)}.", named=uuids)


def fail(lab: BrokerLab, lease: Lease, failure: DeliveryFailure) -> bool:
    """Begin to make the container of a lease, and fail for lack of its GPUs."""
    leases = lab.broker.leases
    leases.begin_container(lease.id)
    goes_on = leases.not_delivered(lease.id, "did not start", failure)
    leases.finish_container(lease.id)
    leases.end(lease.id, "did not start")
    return goes_on


def succeed(lab: BrokerLab, lease: Lease) -> None:
    lab.activate(lease, f"container-of-{lease.id}")
    lab.broker.leases.delivered(lease)


def states(lab: BrokerLab) -> list[str]:
    with lab.store.snapshot() as transaction:
        return [record.admin_state.value for record in transaction.gpus.records()]


def reason(lab: BrokerLab, number: int = 0) -> str:
    return next(x.reason or "" for x in lab.broker.gpus.all() if x.gpu.uuid == uuid(number))


@pytest.fixture
def four(lab_url: str):
    lab = BrokerLab(lab_url, FOUR)
    lab.read(*map(GPUReading, FOUR))
    lab.look()
    yield lab
    lab.store.close()


def test_a_gpu_that_the_engine_names_is_out_of_service_at_once(four: BrokerLab) -> None:
    lease = four.grant()
    assert fail(four, lease, named(0))
    assert states(four) == ["quarantined", "active", "active", "active"]
    assert reason(four) == (
        f"The Docker Engine could not give this GPU to a container: {named(0).words} Fix the"
        " cause, then return the GPU to service."
    )


def test_it_is_out_of_service_before_anybody_else_can_get_it(opened: BrokerLab) -> None:
    first, second = opened.grant("ada"), opened.grant("bob")
    assert isinstance(opened.broker.requests.submit(ask("cleo")), QueuePosition)
    fail(opened, first, named(0))
    assert opened.broker.leases.of_server("cleo", "") is None
    succeed(opened, second)


def test_a_gpu_that_is_not_named_has_a_second_chance(four: BrokerLab) -> None:
    fail(four, four.grant(), UNNAMED)
    assert states(four) == ["active"] * 4
    # Its request waited again, and has the same GPU.
    fail(four, four.grant(), UNNAMED)
    assert states(four) == ["quarantined", "active", "active", "active"]
    assert WORDS in reason(four)
    assert four.grant().gpu_uuids == (uuid(1),)


def test_a_container_that_starts_ends_the_row_of_failures(four: BrokerLab) -> None:
    fail(four, four.grant(), UNNAMED)
    lease = four.grant()
    succeed(four, lease)
    four.broker.leases.end(lease.id, "stopped")
    fail(four, four.grant(), UNNAMED)
    assert states(four) == ["active"] * 4


def test_of_several_gpus_only_those_are_blamed_that_are_named(four: BrokerLab) -> None:
    fail(four, four.grant(gpus=2), named(1))
    assert states(four) == ["active", "quarantined", "active", "active"]


def test_without_a_name_all_gpus_of_the_container_are_blamed(four: BrokerLab) -> None:
    for _ in range(2):
        fail(four, four.grant(gpus=2), UNNAMED)
    assert states(four) == ["quarantined", "quarantined", "active", "active"]


def test_a_gpu_may_be_named_by_its_node(four: BrokerLab) -> None:
    four.read(*(GPUReading(item, minor=7 - number) for number, item in enumerate(FOUR)))
    four.look()
    fail(four, four.grant(gpus=2), DeliveryFailure('"/dev/nvidia6": no such file.', minors=(6,)))
    assert states(four) == ["active", "quarantined", "active", "active"]


def test_an_error_that_concerns_no_gpu_in_particular_quarantines_none_for_good(
    four: BrokerLab,
) -> None:
    busy = four.grant("bob")
    succeed(four, busy)
    fail(four, four.grant(), GENERAL)
    assert states(four) == ["active", *["undelivered"] * 3]
    assert four.gpu_states()[uuid(1)] is GPUState.QUARANTINED
    assert reason(four, 1).startswith(
        f"The Docker Engine could not give a GPU to any container: {GENERAL.words} On the server,"
        ' "make doctor" shows why.'
    )
    assert "nvidia-ctk cdi generate --device-name-strategy=uuid" in reason(four, 1)
    assert "returns to service when it has been clean for 30 seconds" in reason(four, 1)


def test_it_is_tried_again_by_itself_after_a_while(four: BrokerLab) -> None:
    fail(four, four.grant(), GENERAL)
    for _ in range(4):
        four.clock.advance(10)
        four.read(*map(GPUReading, FOUR))
    assert states(four) == ["active"] * 4
    lease = four.broker.leases.of_server("ada", "")
    assert lease is not None, "the request waited in its place"


def test_gpus_that_all_fail_are_not_all_at_fault(four: BrokerLab) -> None:
    """The driver is gone: each GPU in turn is named, and none starts."""
    for number in range(3):
        fail(four, four.grant(), named(number))
        assert states(four)[: number + 1] == ["quarantined"] * (number + 1)
    fail(four, four.grant(), named(3))
    assert states(four) == ["undelivered"] * 4
    assert reason(four).startswith("The Docker Engine could not give a GPU to any container")


def test_a_hardware_fault_still_waits_for_a_person(four: BrokerLab) -> None:
    fail(four, four.grant(), named(0))
    four.broker.gpus.set_state(uuid(0), "active", "root")
    four.read(GPUReading(FOUR[0], fault="It needs a reset."), *map(GPUReading, FOUR[1:]))
    four.read(*map(GPUReading, FOUR))
    fail(four, four.grant(), GENERAL)
    assert states(four) == ["quarantined", *["undelivered"] * 3]
    assert reason(four).startswith("It needs a reset.")


def test_gpus_that_others_have_prove_nothing(four: BrokerLab) -> None:
    for user in ("bob", "cleo"):
        succeed(four, four.grant(user))
    fail(four, four.grant(), named(2))
    assert states(four) == ["active", "active", "quarantined", "active"]
    fail(four, four.grant(), named(3))
    assert states(four) == ["active", "active", "undelivered", "undelivered"]


def test_the_only_gpu_may_be_at_fault(lab_url: str) -> None:
    lab = BrokerLab(lab_url, FOUR[:1])
    lab.read(GPUReading(FOUR[0]))
    lab.look()
    fail(lab, lab.grant(), named(0))
    assert states(lab) == ["quarantined"]
    lab.store.close()


def test_a_success_in_between_shows_that_the_engine_works(four: BrokerLab) -> None:
    for number in range(3):
        fail(four, four.grant(), named(number))
    lease = four.grant()
    succeed(four, lease)
    four.broker.leases.end(lease.id, "stopped")
    fail(four, four.grant(), named(3))
    assert states(four) == ["quarantined"] * 4


def test_a_slice_is_out_of_service_alone(lab_url: str) -> None:
    parent = gpu(9)
    slices = [mig_slice(number, parent) for number in (1, 2)]
    lab = BrokerLab(lab_url, slices)
    lab.read(*map(GPUReading, slices))
    lab.look()
    lease = lab.grant()
    fail(lab, lease, DeliveryFailure("x", named=lease.gpu_uuids))
    assert sorted(states(lab)) == ["active", "quarantined"]
    assert lab.broker.leases.of_server("ada", "") is not None
    lab.store.close()


def test_slices_that_all_fail_are_not_all_at_fault(lab_url: str) -> None:
    """The specification was written before the GPU was cut, and is written again later."""
    whole = gpu(0)
    parts = [mig_slice(number, whole) for number in (10, 11)]
    lab = BrokerLab(lab_url, (whole,))
    lab.read(GPUReading(whole))
    lab.look()
    lab.read(GPUReading(whole, mig_enabled=True), *map(GPUReading, parts))
    lab.look()
    for part in parts:
        fail(lab, lab.grant(), DeliveryFailure(f"{part.uuid}: unknown.", named=(part.uuid,)))
    assert states(lab) == ["active", "undelivered", "undelivered"]
    lab.store.close()


def test_a_person_returns_it_and_a_restart_does_not(four: BrokerLab) -> None:
    fail(four, four.grant(), named(0))
    succeed(four, four.grant())
    four.broker = four.new_broker()
    four.look()
    assert states(four)[0] == "quarantined"
    assert "This is over" not in reason(four)
    four.broker.gpus.set_state(uuid(0), "active", "root")
    assert four.gpu_states()[uuid(0)] is GPUState.FREE


def test_what_a_person_has_drained_stays_drained(four: BrokerLab) -> None:
    lease = four.grant()
    four.broker.gpus.set_state(uuid(0), "draining", "root")
    fail(four, lease, named(0))
    assert states(four)[0] == AdminState.DRAINING


def test_a_request_that_waits_has_its_old_place_again(opened: BrokerLab) -> None:
    first = opened.grant("ada")
    other = opened.grant("bob")
    assert isinstance(opened.broker.requests.submit(ask("cleo")), QueuePosition)
    opened.broker.leases.begin_container(first.id)
    opened.broker.leases.not_delivered(first.id, "did not start", named(0))
    waiting = [item.user for item in opened.broker.queue.waiting()]
    assert waiting == ["ada", "cleo"]
    opened.broker.leases.finish_container(first.id)
    opened.broker.leases.end(first.id, "did not start")
    opened.broker.leases.end(other.id, "stopped")
    lease = opened.broker.leases.of_server("ada", "")
    assert lease is not None
    assert lease.gpu_uuids == (uuid(1),)


@pytest.mark.parametrize("when_busy", [WhenBusy.FAIL, WhenBusy.CPU])
def test_a_request_that_does_not_wait_is_made_again(opened: BrokerLab, when_busy: WhenBusy) -> None:
    other = opened.grant("bob")
    lease = opened.grant("ada", when_busy=when_busy)
    assert fail(opened, lease, named(1))
    assert opened.broker.queue.waiting() == []
    answer = opened.broker.requests.submit(ask("ada", when_busy=when_busy))
    if when_busy is WhenBusy.FAIL:
        assert isinstance(answer, Denial)
    else:
        assert isinstance(answer, Lease)
        assert answer.gpu_uuids == ()
    succeed(opened, other)


def test_a_server_that_was_stopped_meanwhile_does_not_go_on(four: BrokerLab) -> None:
    lease = four.grant()
    four.broker.leases.begin_container(lease.id)
    four.broker.leases.stop(lease.id, "stopped by its user")
    assert not four.broker.leases.not_delivered(lease.id, "did not start", named(0))
    assert states(four)[0] == "quarantined"
    assert four.broker.queue.waiting() == []


def test_a_lease_that_is_over_changes_nothing(four: BrokerLab) -> None:
    lease = four.grant()
    four.broker.leases.end(lease.id, "stopped")
    assert not four.broker.leases.not_delivered(lease.id, "did not start", named(0))
    assert states(four) == ["active"] * 4
    with pytest.raises(LeaseConflictError):
        four.broker.leases.begin_container(lease.id)


def test_a_database_that_fails_meanwhile_is_made_up_for(four: BrokerLab) -> None:
    lease = four.grant()
    four.broker.leases.begin_container(lease.id)
    four.store.failures = 1
    with pytest.raises(StoreError):
        four.broker.leases.not_delivered(lease.id, "did not start", named(0))
    four.broker.leases.finish_container(lease.id)
    four.look()
    assert four.state(lease) in (LeaseState.STOPPING, LeaseState.ENDED)
    assert states(four)[0] == "active"
