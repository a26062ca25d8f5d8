"""Sessions that are due are ended once, whatever engine and database do meanwhile."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from gpudock.hub.lifecycle import launch, perform
from gpudock.hub.loops.session_expiry import SessionExpiry
from gpudock.model import Lease, LeaseState, Quota
from state_machine.engine import FakeEngine, Fate, Spec
from state_machine.setting import Setting, ask

if TYPE_CHECKING:
    from pathlib import Path

HOUR = 3600.0


@pytest.fixture
def lab(tmp_path: Path) -> Setting:
    quota = Quota(max_gpus=2, max_session_hours=1.0)
    setting = Setting(f"sqlite:///{tmp_path}/gpudock.sqlite", default_quota=quota)
    setting.look()
    return setting


@pytest.fixture
def engine(lab: Setting) -> FakeEngine:
    return FakeEngine(lab.clock)


async def start(lab: Setting, engine: FakeEngine, user: str = "ada") -> Lease:
    lease = lab.grant(user)
    await launch(lab.broker, engine, lease, Spec.of(lease))
    return lease


def look(lab: Setting, engine: FakeEngine) -> list:
    lab.clock.advance(1)
    return lab.broker.reconcile(engine.observe())


async def test_a_session_is_ended_when_its_time_is_up_and_its_gpu_goes_to_the_next(lab, engine):
    lease, other = await start(lab, engine), await start(lab, engine, "bob")
    lab.clock.advance(1800)
    assert not isinstance(lab.broker.requests.submit(ask("cy")), Lease)
    expiry = SessionExpiry(lab.broker, engine)
    expiry.end_due()
    await expiry.settled()
    assert len(engine.containers) == 2
    lab.clock.advance(1800)
    expiry.end_due()
    await expiry.settled()
    assert engine.containers == {}
    for item in (lease, other):
        found = lab.broker.leases.get(item.id)
        assert (found.state, found.end_reason) == (LeaseState.ENDED, "its time was up")
    assert lab.broker.leases.of_server("cy", "") is not None


@pytest.mark.parametrize("fate", [Fate.FAILED, Fate.LOST, Fate.LATE])
async def test_what_the_engine_does_not_confirm_is_left_to_the_reconciler(lab, engine, fate):
    lease = await start(lab, engine)
    lab.clock.advance(HOUR)
    engine.fates.extend([fate] * 2)  # to stop it, and to inspect it
    expiry = SessionExpiry(lab.broker, engine)
    expiry.end_due()
    await expiry.settled()
    assert lab.state(lease) is LeaseState.STOPPING
    expiry.end_due()
    await expiry.settled()
    stops = [entry for entry in engine.log if entry.startswith("stop")]
    assert len(stops) == 1, "what is stopping is not stopped again"
    for call in engine.late:
        engine.land(call)
    for _ in range(3):
        await perform(lab.broker, engine, look(lab, engine))
    assert lab.state(lease) is LeaseState.ENDED
    assert engine.containers == {}


async def test_a_database_that_fails_ends_nothing_and_later_all(lab, engine):
    lease = await start(lab, engine)
    lab.clock.advance(HOUR)
    expiry = SessionExpiry(lab.broker, engine)
    lab.store.failures = 1
    expiry.end_due()
    await expiry.settled()
    assert lab.state(lease) is LeaseState.ACTIVE
    assert len(engine.containers) == 1
    expiry.end_due()
    await expiry.settled()
    assert lab.state(lease) is LeaseState.ENDED


async def test_ending_goes_on_by_itself_until_the_loop_is_cancelled(lab, engine):
    lease = await start(lab, engine)
    expiry = SessionExpiry(lab.broker, engine, interval=0.001)
    loop = asyncio.create_task(expiry.run())
    lab.clock.advance(HOUR)
    async with asyncio.timeout(20):
        while lab.state(lease) is not LeaseState.ENDED:  # noqa: ASYNC110 - only the store knows
            await asyncio.sleep(0)
    loop.cancel()
    with pytest.raises(asyncio.CancelledError):
        await loop


async def test_no_surprise_ends_the_loop(lab, engine, monkeypatch, caplog):
    lease = await start(lab, engine)
    lab.clock.advance(HOUR)
    expiry = SessionExpiry(lab.broker, engine)
    with monkeypatch.context() as patch:
        patch.setattr(lab.broker.sessions, "due", lambda: 1 / 0)
        expiry.end_due()
    assert "trying again" in caplog.text
    expiry.end_due()
    await expiry.settled()
    assert lab.state(lease) is LeaseState.ENDED


async def test_a_session_that_is_starting_takes_its_container_back_itself(lab, engine):
    lease = lab.grant()
    lab.broker.leases.begin_container(lease.id)
    lab.clock.advance(HOUR)
    expiry = SessionExpiry(lab.broker, engine)
    expiry.end_due()
    await expiry.settled()
    assert lab.state(lease) is LeaseState.STOPPING
    assert engine.log == []
