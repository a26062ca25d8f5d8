"""A database that the version before wrote is taken over as it is, and the lab goes on granting.

``data/lab_1cc1ad5.sql`` is the dump of an SQLite file that the code of commit 1cc1ad5 wrote through
its broker: quotas at three levels, two leases that ended, one that is live and was extended, a slot
of a shared GPU, a drained GPU, two requests that wait and one that was cancelled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from doubles.inventory import SettableInventory, gpu, uuid
from gpudock.broker import Broker, BrokerConfig, DeskBroker
from gpudock.model import (
    ContainerState,
    GPUState,
    Lease,
    LeaseState,
    Observation,
    ObservedContainer,
    Quota,
    Share,
)
from state_machine.lab import ask, container

if TYPE_CHECKING:
    from doubles.clock import HandClock
    from gpudock.store import Store

WRITTEN_AT = 1_700_016_900.0
GPUS = [gpu(0), gpu(1), gpu(2)]
ADA = Lease(
    id="0000000000000003",
    user="ada",
    server="",
    image="lab/torch:2",
    gpu_uuids=(uuid(0),),
    granted_at=1_700_016_206.0,
    state=LeaseState.ACTIVE,
    container_id="c" * 64,
    expires_at=1_700_016_206.0 + 6 * 3600,
    groups=("vision",),
    latest_end=1_700_016_206.0 + 12 * 3600,
    gpu_hours_limit=200.0,
    gpu_hours_window=30.0,
    active_at=WRITTEN_AT - 32,
)
CY = Lease(
    id="0000000000000004",
    user="cy",
    server="",
    image="image",
    gpu_uuids=(uuid(1),),
    granted_at=1_700_016_206.0,
    share=Share.SHARED,
    slots=2,
    state=LeaseState.ACTIVE,
    container_id="d" * 64,
    expires_at=1_700_016_206.0 + 4 * 3600,
    latest_end=1_700_016_206.0 + 12 * 3600,
    gpu_hours_window=30.0,
    active_at=WRITTEN_AT - 32,
)


def desk_of(store: Store) -> DeskBroker:
    return DeskBroker(store, SettableInventory(GPUS), clock=store.clock)


def hub_of(store: Store) -> Broker:
    config = BrokerConfig(default_quota=Quota(max_gpus=2))
    return Broker(store, SettableInventory(GPUS), config, clock=store.clock)


def look(broker: Broker, clock: HandClock, *containers: ObservedContainer) -> list:
    clock.advance(1)
    observation = Observation(clock(), containers)
    clock.advance(1)
    return broker.reconcile(observation)


def test_leases_and_the_queue_are_kept(taken_over: Store) -> None:
    desk = desk_of(taken_over)
    assert desk.leases.live() == [ADA, CY]
    ended, total = desk.leases.history()
    assert total == 2
    assert [(x.user, x.server, x.granted_at, x.ended_at, x.end_reason) for x in ended] == [
        ("bob", "work", 1_700_010_804.0, 1_700_016_206.0, "stopped by its user"),
        ("ada", "", 1_700_000_002.0, 1_700_010_804.0, "stopped by its user"),
    ]
    waiting = desk.queue.waiting()
    assert [(x.user, x.server, x.gpus, x.groups, x.gpu_model) for x in waiting] == [
        ("名前", "second", 1, ("vision",), None),
        ("bob", "", 1, (), "*A100*"),
    ]
    assert waiting[0].user_options == {"image": "lab/torch:2", "gpus": "1"}
    assert [entry.place.position for entry in desk.queue.entries()] == [1, 2]


def test_quotas_and_the_audit_trail_are_kept(taken_over: Store) -> None:
    desk = desk_of(taken_over)
    documents, revision = desk.quotas.table()
    assert {(x.level, x.name): x.document for x in documents} == {
        ("default", ""): {"max_gpus": 1, "session_hours": 4.0, "max_session_hours": 12.0},
        ("group", "vision"): {
            "max_gpus": 2,
            "gpu_hours": 200.0,
            "window_days": 30.0,
            "group_max_gpus": 3,
        },
        ("user", "ada"): {"max_gpus": 2, "weight": 2.0, "gpu_models": ["*A100*"]},
    }
    assert revision == 6
    effective = desk.quotas.effective("ada", ("vision",))
    assert (effective.quota.max_gpus, effective.quota.gpu_hours) == (2, 200.0)
    # Three hours of the lease that ended, and those of the live one.
    assert effective.used.gpu_hours == pytest.approx((10_802 + WRITTEN_AT - ADA.granted_at) / 3600)
    entries, total = desk.audit.page()
    assert total == 9
    assert [(entry.by, entry.what, entry.target) for entry in entries[:3]] == [
        ("root", "queue.cancel", "eve/"),
        ("root", "gpu.state", uuid(2)),
        ("ada", "lease.extend", ADA.id),
    ]


def test_gpus_and_usage_are_kept(taken_over: Store) -> None:
    desk = desk_of(taken_over)
    assert [(x.gpu.uuid, x.state, x.slots, x.reason) for x in desk.gpus.all()] == [
        (uuid(0), GPUState.LEASED, 1, None),
        (uuid(1), GPUState.LEASED, 2, None),
        (uuid(2), GPUState.DRAINING, 1, "Drained by root."),
    ]
    rows = desk.usage.report(0, ADA.granted_at, "user")
    assert [(row.name, round(row.gpu_hours, 3), row.leases) for row in rows] == [
        ("ada", 3.001, 1),
        ("bob", 1.501, 1),
    ]


def test_the_hub_goes_on_granting(taken_over: Store) -> None:
    clock, hub = taken_over.clock, hub_of(taken_over)
    running = [container(ADA, "c" * 64), container(CY, "d" * 64)]
    assert look(hub, clock, *running) == []
    assert [(x.id, x.state) for x in hub.leases.live()] == [
        (ADA.id, LeaseState.ACTIVE),
        (CY.id, LeaseState.ACTIVE),
    ]
    assert [x.user for x in hub.requests.to_resume()] == ["名前", "bob"]

    # Ada's container exits: the first in the queue gets her GPU, once it is known to be clean.
    exited = container(ADA, "c" * 64, ContainerState.EXITED)
    actions = look(hub, clock, exited, running[1])
    assert [action.container_id for action in actions] == ["c" * 64]
    hub.tick()
    granted = hub.leases.of_server("名前", "second")
    assert granted is not None
    assert granted.gpu_uuids == (uuid(0),)
    assert granted.gpu_hours_limit == 200.0

    # A drained GPU that returns goes to the next one, and what is new is granted as well.
    hub.gpus.set_state(uuid(2), "active", "root")
    assert hub.leases.of_server("bob", "") is not None
    second = hub.requests.submit(ask("dan", share=Share.SHARED, created_at=clock()))
    assert isinstance(second, Lease)
    assert (second.gpu_uuids, second.slot, second.slots) == ((uuid(1),), 1, 2)
    assert hub.queue.waiting() == []
