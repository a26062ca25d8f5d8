"""A tick each second over a long queue decides again only when a decision may be another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gpudock.broker import scheduling
from gpudock.model import (
    GPUProcess,
    GPUReading,
    GPUState,
    InventoryReading,
    QueuePosition,
    Telemetry,
)
from gpudock.policy.scheduling.decide import decide
from state_machine.lab import LAB, BrokerLab, ask

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def decisions(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The moments at which was decided."""
    moments: list[float] = []

    def noted(snapshot, *rest):
        moments.append(snapshot.now)
        return decide(snapshot, *rest)

    monkeypatch.setattr(scheduling, "decide", noted)
    return moments


@pytest.fixture
def busy(opened: BrokerLab, decisions: list[float]) -> BrokerLab:
    """A lab in which all GPUs are in use, two requests wait, and nothing is new."""
    show(opened)
    opened.grant("ada")
    opened.grant("bob")
    for user in ("cy", "dan"):
        assert isinstance(opened.broker.requests.submit(ask(user)), QueuePosition)
    opened.broker.tick()
    decisions.clear()
    return opened


def show(lab: BrokerLab, *changed: GPUReading) -> None:
    """Make the agent read the GPUs again; all is well but for what *changed*."""
    odd = {item.gpu.uuid: item for item in changed}
    telemetry = Telemetry(50, memory_used_mib=int(lab.clock()) % 97, processes=())
    readings = tuple(odd.get(item.uuid, GPUReading(item, telemetry)) for item in LAB)
    lab.inventory.current = InventoryReading(lab.clock(), readings)


def test_nothing_is_decided_while_nothing_happens(busy: BrokerLab, decisions: list[float]) -> None:
    place = busy.broker.requests.position("dan", "")
    for _ in range(4):
        busy.clock.advance(1)
        show(busy)
        busy.broker.tick()
    assert decisions == []
    assert busy.broker.requests.position("dan", "") == place
    assert isinstance(busy.broker.requests.submit(ask("dan")), QueuePosition), (
        "asking again is no news"
    )


def test_what_time_alone_changes_is_seen_within_seconds(
    busy: BrokerLab, decisions: list[float]
) -> None:
    for _ in range(12):
        busy.clock.advance(1)
        show(busy)
        busy.broker.tick()
    assert len(decisions) == 2


@pytest.mark.parametrize(
    "happens",
    [
        lambda lab: lab.broker.requests.submit(ask("eve")),
        lambda lab: lab.desk_broker().quotas.set("default", "", {"max_gpus": 1}, "x"),
        lambda lab: lab.desk_broker().queue.cancel("cy/", "x"),
        lambda lab: lab.desk_broker().gpus.set_state(LAB[0].uuid, "draining", "x"),
        lambda lab: show(lab, GPUReading(LAB[0], fault="It does not answer.")),
        lambda lab: show(lab, GPUReading(LAB[0], lost=True)),
        lambda lab: show(lab, GPUReading(LAB[1], Telemetry(processes=(GPUProcess(7, 1),)))),
        lambda lab: lab.clock.advance(60),
    ],
)
def test_whatever_may_matter_is_decided_on_at_once(
    busy: BrokerLab, decisions: list[float], happens: Callable[[BrokerLab], object]
) -> None:
    happens(busy)
    busy.broker.tick()
    assert len(decisions) == 1
    busy.broker.tick()
    assert len(decisions) == 1


def test_a_gpu_that_is_being_checked_is_given_as_soon_as_it_is_clean(busy: BrokerLab) -> None:
    lease = busy.broker.leases.of_server("ada", "")
    assert lease is not None
    busy.clock.advance(0.1)
    busy.broker.leases.end(lease.id, "gone")
    assert busy.gpu_states()[LAB[0].uuid] is GPUState.QUARANTINED
    busy.clock.advance(0.1)
    show(busy)
    busy.broker.tick()
    assert busy.broker.leases.of_server("cy", "") is not None
