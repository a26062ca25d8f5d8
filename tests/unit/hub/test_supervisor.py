"""No task of the hub ends unseen."""

from __future__ import annotations

import asyncio

import pytest

from doubles.clock import HandClock
from gpudock.hub.supervisor import Supervisor


class Work:
    """A task that fails as often as is asked, and then runs until it is cancelled."""

    def __init__(self, *failures: BaseException) -> None:
        self.failures = list(failures)
        self.runs = asyncio.Event()

    async def __call__(self) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.runs.set()
        await asyncio.Event().wait()


async def end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_failure_is_reported_until_the_task_has_proven_to_run_again() -> None:
    clock, ended = HandClock(), []
    supervisor = Supervisor(lambda: ended.append(True), clock=clock)
    supervisor.pause = 0.0
    work = Work(LookupError("as planned"))
    task = asyncio.create_task(supervisor.keep("the queue", work))
    await work.runs.wait()
    assert "(the queue) has failed: LookupError('as planned')" in (supervisor.problem or "")
    clock.advance(supervisor.proven)
    assert supervisor.problem is None
    await end(task)
    assert not ended


async def test_a_cancellation_that_nobody_asked_for_is_a_failure() -> None:
    supervisor = Supervisor(lambda: None)
    supervisor.pause = 0.0
    work = Work(asyncio.CancelledError())
    task = asyncio.create_task(supervisor.keep("the queue", work))
    await work.runs.wait()
    assert "it was cancelled" in (supervisor.problem or "")
    await end(task)
    assert supervisor.problem is None


async def test_a_task_that_fails_again_and_again_ends_the_hub() -> None:
    ended = asyncio.Event()
    supervisor = Supervisor(ended.set)
    supervisor.pause = 0.0
    work = Work(*[LookupError("as planned")] * 5)
    task = asyncio.create_task(supervisor.keep("the queue", work))
    await ended.wait()
    await end(task)


async def test_what_is_not_vital_neither_ends_the_hub_nor_makes_it_unhealthy() -> None:
    supervisor = Supervisor(lambda: pytest.fail("the hub ends"))
    supervisor.pause = 0.0
    work = Work(*[LookupError("as planned")] * 5)
    task = asyncio.create_task(supervisor.keep("a position", work, vital=False))
    await work.runs.wait()
    assert supervisor.problem is None
    await end(task)
