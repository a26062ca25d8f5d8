"""A request under which a limit is lowered waits, or is refused as if it were made now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gpudock.broker import QuotaChange
from gpudock.model import Denial, GPUReading, QueuePosition, Request
from state_machine.lab import LAB, BrokerLab, ask

if TYPE_CHECKING:
    from pathlib import Path

PLACES = [("user", "ada"), ("group", "class"), ("default", "")]
NEVER = [
    ("max_gpus", 0),
    ("max_gpus", 1),
    ("group_max_gpus", 0),
    ("group_max_gpus", 1),
    ("gpu_hours", 0),
    ("group_gpu_hours", 0),
    ("gpu_models", ["*H100*"]),
    ("gpu_models", []),
]
LATER = [
    ("max_gpus", 2),
    ("group_max_gpus", 2),
    ("gpu_hours", 0.5),
    ("group_gpu_hours", 0.5),
    ("gpu_models", ["*a100*"]),
    ("session_hours", 0.01),
    ("max_session_hours", 0.01),
    ("idle_minutes", 1),
    ("window_days", 1),
    ("weight", 0.001),
]


def places(field: str) -> list[tuple[str, str]]:
    """Return the levels at which a field may stand."""
    return [("group", "class")] if field.startswith("group") else PLACES


def waiting_for_two(opened: BrokerLab) -> Request:
    opened.grant("x", gpus=2)
    request = ask("ada", gpus=2, groups=("class",))
    assert isinstance(opened.broker.requests.submit(request), QueuePosition)
    return request


@pytest.mark.parametrize(
    ("level", "name", "field", "value"),
    [(*place, field, value) for field, value in NEVER for place in places(field)],
)
def test_a_request_that_a_lowered_limit_bars_for_good_is_refused_as_if_made_now(
    tmp_path: Path, level: str, name: str, field: str, value: object
) -> None:
    opened = BrokerLab(f"sqlite:///{tmp_path}/gpudock.sqlite")
    opened.look()
    request = waiting_for_two(opened)
    change = QuotaChange(level, name, {field: value})
    preview = opened.broker.quotas.preview([change], {})
    opened.broker.quotas.set(level, name, {field: value}, "root")
    assert opened.broker.queue.waiting() == []
    with opened.store.snapshot() as transaction:
        found = transaction.requests.latest_of("ada", "")
    again = opened.broker.requests.submit(request)
    assert isinstance(again, Denial)
    assert found is not None
    assert found.message == again.message
    assert [denied.why for denied in preview.total.refused] == [again.message]
    opened.store.close()


@pytest.mark.parametrize(
    ("level", "name", "field", "value"),
    [(*place, field, value) for field, value in LATER for place in places(field)],
)
def test_a_request_that_only_has_to_wait_under_a_lowered_limit_waits(
    tmp_path: Path, level: str, name: str, field: str, value: object
) -> None:
    opened = BrokerLab(f"sqlite:///{tmp_path}/gpudock.sqlite")
    opened.look()
    waiting_for_two(opened)
    opened.broker.quotas.set(level, name, {field: value}, "root")
    assert [item.user for item in opened.broker.queue.waiting()] == ["ada"]
    lease = opened.broker.leases.of_server("x", "")
    assert lease is not None
    opened.broker.leases.end(lease.id, "gone")
    assert opened.broker.leases.of_server("ada", "") is not None
    opened.store.close()


@pytest.mark.parametrize(("window", "waits"), [(30, True), (None, False)])
def test_hours_that_come_back_are_waited_for_and_others_are_not(
    opened: BrokerLab, window: float | None, waits: bool
) -> None:
    document = {"gpu_hours": 10, "window_days": window}
    opened.broker.quotas.set("user", "ada", document, "root")
    lease = opened.grant("ada")
    assert isinstance(opened.broker.requests.submit(ask("ada", "b", gpus=2)), Denial)
    running = [opened.activate(lease), opened.activate(opened.grant("x"), "c2")]
    assert isinstance(opened.broker.requests.submit(ask("ada", "b")), QueuePosition)
    opened.clock.advance(4 * 3600)
    opened.look(*running)
    document["gpu_hours"] = 1
    opened.broker.quotas.set("user", "ada", document, "root")
    assert bool(opened.broker.queue.waiting()) is waits


def test_a_gpu_that_is_missing_is_waited_for_whatever_models_are_allowed(
    opened: BrokerLab,
) -> None:
    opened.broker.quotas.set("user", "ada", {"gpu_models": ["*A100*"]}, "root")
    waiting_for_two(opened)
    opened.broker.quotas.set("user", "ada", {"gpu_models": ["*A100*", "*H100*"]}, "root")
    opened.read(GPUReading(LAB[1]))
    opened.broker.tick()
    assert [item.user for item in opened.broker.queue.waiting()] == ["ada"]
