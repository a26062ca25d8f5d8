"""A time-out is a number of seconds that the Hub can count with, or none at all."""

from __future__ import annotations

import asyncio
import math
from datetime import timedelta

import pytest
from traitlets import TraitError

from gpudock.hub.spawner import GPUDockerSpawner


@pytest.mark.parametrize("name", ["queue_timeout", "launch_timeout"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 0, -5.0, 1e300, "soon"])
def test_what_is_no_time_is_refused(name, value):
    trait = GPUDockerSpawner.class_traits()[name]
    with pytest.raises(TraitError):
        trait.validate(GPUDockerSpawner(), value)


def test_only_the_wait_may_be_without_limit():
    spawner = GPUDockerSpawner()
    spawner.queue_timeout = None
    with pytest.raises(TraitError):
        spawner.launch_timeout = None


@pytest.mark.parametrize("value", [1, 86400.0, None])
def test_the_hubs_own_limit_is_longer_and_can_be_counted_with(value):
    spawner = GPUDockerSpawner()
    spawner.queue_timeout = value
    assert spawner.start_timeout > (value or 365 * 86400)
    assert timedelta(seconds=spawner.start_timeout)
    asyncio.run(_elapses_later(spawner.start_timeout))


async def _elapses_later(seconds):
    async with asyncio.timeout(seconds):
        await asyncio.sleep(0)
