"""How fresh the desk's picture of the Hub is, and what the Hub has to do for it."""

from __future__ import annotations

import asyncio

import pytest

from gpudock.config.configured_groups import MANAGERS
from gpudock.desk.errors import HubUnreachableError
from gpudock.desk.hub_client import IDENTITY_FRESH_SECONDS, HubClient
from gpudock.hub_api import HubGroup, HubUnavailableError, HubUser


class FakeAPI:
    """A Hub whose answers can be held up, and which counts its readings."""

    def __init__(self) -> None:
        self.names = ["ada"]
        self.group = HubGroup("vision", ("ada", "bob"), {MANAGERS: ["ada", "gone"]})
        self.readings = {"users": 0, "groups": 0}
        self.down = False
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.asked = asyncio.Event()

    async def users(self) -> list[HubUser]:
        self.readings["users"] += 1
        names = list(self.names)
        self.asked.set()
        await self.go_on.wait()
        if self.down:
            raise HubUnavailableError("down")
        return [HubUser(name, ()) for name in names]

    async def groups(self) -> list[HubGroup]:
        self.readings["groups"] += 1
        await asyncio.sleep(0)
        if self.down:
            raise HubUnavailableError("down")
        return [self.group]


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def api() -> FakeAPI:
    return FakeAPI()


@pytest.fixture
async def client(api: FakeAPI, clock: Clock) -> HubClient:
    return HubClient(api, monotonic=clock)


async def test_a_page_that_is_opened_shows_who_came_a_moment_ago(client, api) -> None:
    assert set(await client.users()) == {"ada"}
    api.names.append("bob")
    assert set(await client.users()) == {"ada"}
    await client.refresh()
    assert set(await client.users()) == {"ada", "bob"}


async def test_a_reading_that_began_before_a_change_is_not_enough(client, api) -> None:
    await client.users()
    api.go_on.clear()
    first = asyncio.create_task(client.refresh())
    api.asked.clear()
    await api.asked.wait()
    api.names.append("bob")
    later = [asyncio.create_task(client.refresh()) for _ in range(5)]
    await asyncio.sleep(0)
    api.go_on.set()
    await asyncio.gather(first, *later)
    assert set(await client.users()) == {"ada", "bob"}
    # However many pages are opened meanwhile, they share the next reading.
    assert api.readings["users"] == 3


async def test_a_hub_that_is_away_does_not_empty_the_lists(client, api) -> None:
    await client.users()
    api.down = True
    await client.refresh()
    assert set(await client.users()) == {"ada"}
    assert await client.managed_by("ada") == {"vision"}


async def test_managers_are_members_and_are_not_read_for_each_request(client, api, clock) -> None:
    for _ in range(50):
        assert await client.managed_by("ada") == {"vision"}
        assert await client.managed_by("bob") == frozenset()
        assert await client.managed_by("gone") == frozenset()
    assert api.readings == {"users": 0, "groups": 1}
    clock.now += IDENTITY_FRESH_SECONDS
    api.group = HubGroup("vision", ("ada", "bob"), {MANAGERS: ["bob"]})
    await client.managed_by("bob")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert await client.managed_by("bob") == {"vision"}
    assert await client.managed_by("ada") == frozenset()
    assert api.readings == {"users": 0, "groups": 2}


async def test_without_any_answer_nobody_is_taken_for_a_manager(client, api) -> None:
    api.down = True
    with pytest.raises(HubUnreachableError):
        await client.managed_by("ada")


@pytest.mark.parametrize("stored", [None, "ada", {"ada": 1}, [1, None]])
async def test_a_property_of_another_kind_makes_no_managers(client, api, stored) -> None:
    api.group = HubGroup("vision", ("ada",), {MANAGERS: stored})
    assert await client.managed_by("ada") == frozenset()
