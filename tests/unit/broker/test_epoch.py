"""One hub changes a lab, it knows when its database was replaced, and it takes nobody else's."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from doubles.clock import HandClock
from doubles.inventory import SettableInventory, gpu
from gpudock.broker import Broker, DeskBroker
from gpudock.broker.epoch import STALE_SECONDS, Epoch, LabIdentity, LabMove
from gpudock.model import Lease, Observation, Request
from gpudock.store import EpochHeldError, EpochLostError, Store, StoreError, WrongLabError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HERE = LabIdentity("lab-1", "gpudock", "engine-1", "server-1", "place-1")


def identity(**changes: str) -> LabIdentity:
    fields = ("lab_id", "name", "engine_id", "engine_name", "place")
    return LabIdentity(**{name: changes.get(name, getattr(HERE, name)) for name in fields})


@pytest.fixture
def store(lab_url: str) -> Store:
    store = Store(lab_url)
    store.migrate()
    return store


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def hub_of(store: Store, epoch: Epoch | None = None) -> Broker:
    broker = Broker(store, SettableInventory([gpu(0), gpu(1)]), clock=HandClock(), epoch=epoch)
    broker.reconcile(Observation(broker._cycle.clock.monotonic() + 1))
    return broker


def request(user: str) -> Request:
    return Request(user, user, "", 1, 0.0, "image")


def test_a_hub_changes_nothing_after_another_has_taken_over(store: Store) -> None:
    first = hub_of(store)
    assert isinstance(first.requests.submit(request("ada")), Lease)
    second = hub_of(store)
    for act in (lambda: first.requests.submit(request("bob")), first.keep_epoch):
        with pytest.raises(EpochLostError, match="Another hub has taken over"):
            act()
    first.tick()
    assert [lease.user for lease in second.leases.live()] == ["ada"]
    second.keep_epoch()


def test_a_hub_that_was_passed_over_stays_so_when_an_older_copy_returns(
    tmp_path: Path, clock: HandClock
) -> None:
    path = tmp_path / "gpudock.sqlite"
    store = Store(f"sqlite:///{path}")
    store.migrate()
    first = hub_of(store)
    first.keep_epoch()
    store.close()
    shutil.copy(path, tmp_path / "copy")
    hub_of(store)
    with pytest.raises(EpochLostError):
        first.keep_epoch()
    store.close()
    (tmp_path / "copy").replace(path)
    with pytest.raises(EpochLostError):
        first.keep_epoch()


def change(store: Store, times: int) -> None:
    """Change something, as the desk does."""
    desk = DeskBroker(store, SettableInventory([]))
    for number in range(times):
        desk.quotas.set("user", "eve", {"max_gpus": number}, "admin")


@pytest.mark.parametrize("lost", ["of the hub", "of the desk, which the hub has seen"])
@pytest.mark.parametrize("times", [0, 1, 2, 3, 20])
def test_a_restored_copy_is_noticed_however_much_others_have_written_to_it(
    tmp_path: Path, lost: str, times: int
) -> None:
    path = tmp_path / "gpudock.sqlite"
    store = Store(f"sqlite:///{path}")
    store.migrate()
    hub = hub_of(store)
    hub.tick()
    store.close()
    shutil.copy(path, tmp_path / "copy")
    if lost == "of the hub":
        hub.requests.submit(request("ada"))
    else:
        change(store, 3)
        hub.tick()
    assert hub.ready
    store.close()
    (tmp_path / "copy").replace(path)
    change(store, times)
    hub.tick()
    assert not hub.ready


@pytest.mark.parametrize("times", [1, 3])
def test_what_others_write_is_no_restored_copy(store: Store, times: int) -> None:
    hub = hub_of(store)
    for _ in range(times):
        change(store, times)
        hub.tick()
        hub.keep_epoch()
    assert hub.ready


def test_a_commit_whose_answer_is_lost_is_no_restored_copy(store: Store) -> None:
    hub = hub_of(store)
    epoch = hub._cycle.epoch
    with store.transaction() as transaction:
        assert not epoch.enter(transaction)
        epoch.stamp(transaction)
    epoch.failed()
    hub.tick()
    assert hub.ready
    hub.keep_epoch()
    assert hub.ready


def test_an_empty_database_in_place_becomes_the_labs(tmp_path: Path) -> None:
    path = tmp_path / "gpudock.sqlite"
    store = Store(f"sqlite:///{path}")
    store.migrate()
    store.close()
    shutil.copy(path, tmp_path / "empty")
    epoch = Epoch(HERE)
    epoch.take(store)
    hub = hub_of(store, epoch)
    store.close()
    (tmp_path / "empty").replace(path)
    hub.tick()
    assert not hub.ready
    with store.snapshot() as transaction:
        assert transaction.lab.read().lab_id == HERE.lab_id


@pytest.mark.parametrize(
    ("other", "meaning"),
    [
        ({"lab_id": "lab-2"}, 'another lab: "gpudock" on the server "server-1"'),
        ({"name": "vision"}, 'a lab with the name "gpudock", and this one is "vision"'),
        (
            {"engine_id": "engine-2", "engine_name": "server-2"},
            'on the server "server-1", and this hub is on "server-2"',
        ),
    ],
)
def test_a_database_of_another_lab_or_server_is_refused(
    store: Store, other: dict[str, str], meaning: str
) -> None:
    first = Epoch(HERE)
    first.take(store)
    first.release(store)
    with pytest.raises(WrongLabError, match=meaning) as refused:
        Epoch(identity(**other)).take(store)
    assert "gpudock lab move-here" in str(refused.value)
    Epoch(HERE).take(store)


def test_an_engine_that_was_installed_again_on_its_host_is_the_same(store: Store) -> None:
    Epoch(HERE).take(store)
    Epoch(identity(engine_id="engine-2")).take(store)
    with store.snapshot() as transaction:
        assert transaction.lab.read().engine_id == "engine-2"


def test_a_hub_at_the_same_place_takes_over_at_once(store: Store) -> None:
    Epoch(HERE).take(store)
    Epoch(HERE).take(store)


def test_a_hub_elsewhere_waits_while_the_first_is_alive(store: Store, clock: HandClock) -> None:
    first, second = Epoch(HERE), Epoch(identity(place="place-2"), monotonic=clock)
    first.take(store)
    hub = hub_of(store, first)
    for _ in range(20):
        with pytest.raises(EpochHeldError, match='on the server "server-1"'):
            second.take(store)
        clock.advance(STALE_SECONDS / 4)
        hub.keep_epoch()
    clock.advance(STALE_SECONDS)
    with pytest.raises(EpochHeldError):
        second.take(store)
    clock.advance(STALE_SECONDS)
    second.take(store)
    with pytest.raises(EpochLostError):
        hub.keep_epoch()


def test_a_hub_elsewhere_need_not_wait_for_one_that_has_ended(store: Store) -> None:
    first = Epoch(HERE)
    first.take(store)
    first.release(store)
    Epoch(identity(place="place-2")).take(store)


def moved(move: LabMove, clock: HandClock, between: Callable[[], None] = lambda: None) -> None:
    for _ in range(60):
        if move.attempt():
            return
        clock.advance(1)
        between()
    pytest.fail("it is not moved")


def test_a_lab_moves_to_another_server_on_purpose(store: Store, clock: HandClock) -> None:
    first, there = (
        Epoch(HERE),
        identity(lab_id="lab-2", engine_id="e2", engine_name="server-2", place="2"),
    )
    first.take(store)
    hub = hub_of(store, first)
    moved(LabMove(store, there.lab_id, there.name, monotonic=clock), clock)
    Epoch(there).take(store)
    with pytest.raises(EpochLostError):
        hub.keep_epoch()
    with pytest.raises(WrongLabError):
        Epoch(HERE).take(store)


def test_a_lab_whose_hub_is_alive_does_not_move(store: Store, clock: HandClock) -> None:
    first = Epoch(HERE)
    first.take(store)
    hub = hub_of(store, first)
    with pytest.raises(EpochHeldError, match='on the server "server-1" is alive'):
        moved(LabMove(store, "lab-2", "gpudock", monotonic=clock), clock, hub.keep_epoch)
    hub.keep_epoch()


def test_the_desk_uses_no_database_of_another_lab(lab_url: str, store: Store) -> None:
    epoch = Epoch(HERE)
    epoch.take(store)
    for lab_id, right in (("lab-1", True), ("lab-2", False), ("", False)):
        own = Store(lab_url, lab_id=lambda lab_id=lab_id: lab_id)
        desk = DeskBroker(own, SettableInventory([]))
        for use in (
            lambda desk=desk: desk.quotas.set("user", "eve", {"max_gpus": 2}, "admin"),
            desk.leases.live,
            own.is_current,
        ):
            if right:
                use()
            else:
                with pytest.raises(WrongLabError):
                    use()
        own.close()


def test_a_database_of_another_lab_is_not_migrated(store: Store) -> None:
    Epoch(HERE).take(store)
    store.migrate("lab-1")
    with pytest.raises(StoreError, match="belongs to another lab"):
        store.migrate("lab-2")
