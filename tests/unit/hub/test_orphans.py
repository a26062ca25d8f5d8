"""Who has left the Hub keeps no GPU; what the Hub has merely forgotten goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from doubles.clock import HandClock
from doubles.inventory import SettableInventory, gpu
from gpudock.broker import Broker
from gpudock.hub.lifecycle import launch
from gpudock.hub.loops.orphans import REASON, Orphans
from gpudock.hub_api import HubRejectedError, HubUnavailableError
from gpudock.model import ContainerState, Lease, LeaseState, Request
from gpudock.store import StoreError
from state_machine.engine import FakeEngine, Spec
from state_machine.hub import FlakyStore

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

GRACE = 3600.0


class FakeHub:
    """The Hub's users with the names of their active servers."""

    def __init__(self) -> None:
        self.users: dict[str, set[str]] = {"ada": {""}}
        self.silent = False
        self.refusal: str | None = None
        self.started: list[tuple[str, str]] = []

    async def active_servers(self) -> set[tuple[str, str]]:
        self._answer()
        return {(user, server) for user, servers in self.users.items() for server in servers}

    async def servers_of(self, user: str) -> set[str] | None:
        self._answer()
        return self.users.get(user)

    async def start_server(
        self, user: str, server: str, options: Mapping[str, object] | None = None
    ) -> None:
        assert options is None, "the user's own choices are not to be overwritten"
        if self.refusal is not None:
            raise HubRejectedError(400, self.refusal)
        self.started.append((user, server))
        self.users[user].add(server)

    def _answer(self) -> None:
        if self.silent:
            raise HubUnavailableError("The Hub does not listen.")


class Lab:
    """A user with a server that runs, and a Hub that knows of it."""

    def __init__(self, path: Path) -> None:
        self.clock = HandClock()
        self.store = FlakyStore(f"sqlite:///{path}", self.clock, durable=False)
        self.store.migrate()
        self.broker = Broker(self.store, SettableInventory([gpu(0)]), clock=self.clock)
        self.engine = FakeEngine(self.clock)
        self.hub = FakeHub()
        self.orphans = Orphans(self.broker, self.engine, self.hub, grace=GRACE, clock=self.clock)
        self.reconcile()
        lease = self.broker.requests.submit(Request("r", "ada", "", 1, 0.0, "image"))
        assert isinstance(lease, Lease)
        self.lease = lease

    def reconcile(self) -> None:
        self.clock.advance(1)
        observation = self.engine.observe()
        self.clock.advance(1)
        assert self.broker.reconcile(observation) == []

    async def look(self, seconds: float = 60.0) -> None:
        self.clock.advance(seconds)
        await self.orphans.look()

    @property
    def goes_on(self) -> bool:
        states = [container.state for container in self.engine.containers.values()]
        lease = self.broker.leases.get(self.lease.id)
        assert lease is not None
        runs = states == [ContainerState.RUNNING]
        assert runs == (lease.state is LeaseState.ACTIVE)
        assert runs or (states, lease.state, lease.end_reason) == ([], LeaseState.ENDED, REASON)
        return runs


@pytest.fixture
async def lab(tmp_path: Path) -> Lab:
    lab = Lab(tmp_path / "gpudock.sqlite")
    await launch(lab.broker, lab.engine, lab.lease, Spec.of(lab.lease))
    return lab


async def test_a_server_that_the_hub_knows_is_left_alone(lab: Lab) -> None:
    for _ in range(5):
        await lab.look(GRACE)
    assert lab.goes_on
    assert lab.hub.started == []


async def test_a_lease_of_a_removed_user_ends_at_the_second_look(lab: Lab) -> None:
    await lab.look()
    del lab.hub.users["ada"]
    await lab.look()
    assert lab.goes_on
    await lab.look()
    assert not lab.goes_on
    assert lab.broker.leases.of_server("ada", "") is None


async def test_a_renamed_user_is_a_removed_one(lab: Lab) -> None:
    await lab.look()
    lab.hub.users = {"ada2": {""}}
    await lab.look()
    await lab.look()
    assert not lab.goes_on


async def test_a_hub_that_never_knew_a_user_may_get_its_database_back(lab: Lab) -> None:
    lab.hub.users = {}
    await lab.look()
    await lab.look(GRACE - 1)
    assert lab.goes_on
    lab.hub.users = {"ada": {""}}
    await lab.look()
    assert lab.goes_on


async def test_a_user_whom_the_hub_never_knew_is_gone_after_the_grace(lab: Lab) -> None:
    lab.hub.users = {}
    await lab.look()
    await lab.look(GRACE)
    assert not lab.goes_on


async def test_absences_must_be_in_a_row(lab: Lab) -> None:
    for _ in range(3):
        lab.hub.users = {"ada": {""}}
        await lab.look()
        lab.hub.users = {}
        await lab.look()
    assert lab.goes_on


async def test_a_hub_that_does_not_answer_proves_nothing(lab: Lab) -> None:
    await lab.look()
    lab.hub.silent = True
    for _ in range(3):
        with pytest.raises(HubUnavailableError):
            await lab.look(GRACE)
    assert lab.goes_on


async def test_a_database_that_fails_ends_nothing_by_half(lab: Lab) -> None:
    await lab.look()
    lab.hub.users = {}
    await lab.look()
    lab.store.failures = 1
    with pytest.raises(StoreError):
        await lab.look()
    assert [container.state for container in lab.engine.containers.values()] == [
        ContainerState.RUNNING
    ]
    await lab.look()
    assert not lab.goes_on


async def test_a_forgotten_server_is_taken_up_at_the_second_look(lab: Lab) -> None:
    lab.hub.users["ada"] = set()
    await lab.look()
    assert lab.hub.started == []
    await lab.look()
    assert lab.hub.started == [("ada", "")]
    await lab.look(GRACE)
    assert lab.hub.started == [("ada", "")]
    assert lab.goes_on


async def test_a_forgotten_server_that_is_not_taken_up_is_never_ended(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    lab.hub.users["ada"] = set()
    lab.hub.refusal = 'The image "old" is not on this lab\'s list.'
    for _ in range(5):
        await lab.look(GRACE)
    assert lab.goes_on
    assert caplog.text.count("not on this lab's list") == 1
    lab.hub.refusal = None
    await lab.look()
    assert lab.hub.started == [("ada", "")]


async def test_a_start_on_its_way_is_nobodys_orphan(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "gpudock.sqlite")
    lab.broker.leases.begin_container(lab.lease.id)
    lab.hub.users = {}
    for _ in range(3):
        await lab.look(GRACE)
    found = lab.broker.leases.get(lab.lease.id)
    assert found is not None
    assert found.state is LeaseState.GRANTED


async def test_a_lease_without_a_container_is_not_started(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "gpudock.sqlite")
    lab.hub.users["ada"] = set()
    for _ in range(3):
        await lab.look()
    assert lab.hub.started == []


async def test_an_error_does_not_end_the_loop(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    class Enough(BaseException):
        """Ends the loop."""

    looks = 0
    trouble = [
        HubUnavailableError("silence"),
        HubUnavailableError("silence"),
        ZeroDivisionError(),
        Enough(),
    ]

    async def active_servers() -> set[tuple[str, str]]:
        nonlocal looks
        looks += 1
        raise trouble[looks - 1]

    lab.hub.active_servers = active_servers
    orphans = Orphans(lab.broker, lab.engine, lab.hub, interval=0.0)
    with pytest.raises(Enough):
        await orphans.run()
    assert caplog.text.count("silence") == 1
    assert "ZeroDivisionError" in caplog.text
