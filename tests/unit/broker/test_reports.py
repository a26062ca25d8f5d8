"""What administrators read about sessions, and about who changed what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gpudock.broker import AuditEntry, AuditFilter, LeaseFilter

if TYPE_CHECKING:
    from gpudock.model import Lease
    from state_machine.lab import BrokerLab

pytestmark = pytest.mark.integration

HOUR = 3600.0


def ids(lab: BrokerLab, **wanted: object) -> list[str]:
    return [lease.id for lease in lab.broker.leases.page(LeaseFilter(**wanted))[0]]


def run(lab: BrokerLab, user: str, server: str = "") -> Lease:
    lease = lab.grant(user, server)
    lab.activate(lease, f"container-of-{lease.id}")
    return lease


@pytest.fixture
def three(opened: BrokerLab) -> tuple[Lease, Lease, Lease]:
    """Sessions of two users on two GPUs, one after the other; the last one still runs."""
    leases = []
    for user in ("ada", "bob"):
        lease = run(opened, user)
        opened.clock.advance(HOUR)
        opened.broker.leases.stop(lease.id, "its time was up")
        opened.broker.leases.end(lease.id, "its time was up")
        opened.clock.advance(HOUR)
        leases.append(lease)
    leases.append(run(opened, "ada", "two"))
    return tuple(leases)


def test_sessions_are_reported_newest_first_with_those_that_run(opened, three) -> None:
    one, other, last = (lease.id for lease in three)
    assert ids(opened) == [last, other, one]
    page, total, devices = opened.broker.leases.page(LeaseFilter(), 1, 1)
    assert ([lease.id for lease in page], total) == ([other], 3)
    assert set(three[0].gpu_uuids) <= set(devices)


def test_sessions_are_found_by_user_gpu_and_time(opened, three) -> None:
    one, other, last = three
    assert ids(opened, users=["ada"]) == [last.id, one.id]
    assert ids(opened, users=[]) == []
    on_first = [lease.id for lease in (last, other, one) if lease.gpu_uuids == one.gpu_uuids]
    assert ids(opened, gpu=one.gpu_uuids[0]) == on_first
    start = one.granted_at
    # A session belongs to each span in which it ran, to the second.
    assert ids(opened, until=start) == []
    assert ids(opened, until=start + 1) == [one.id]
    assert ids(opened, since=start + HOUR - 1, until=start + HOUR) == [one.id]
    assert ids(opened, since=start + HOUR, until=start + 2 * HOUR) == []
    assert ids(opened, since=start + 10 * HOUR) == [last.id]


def test_the_last_session_of_a_server_is_found_though_others_are_newer(opened, three) -> None:
    one, _, last = three
    latest = opened.broker.leases.latest_of_server
    assert [found.id for found in (latest("ada", ""), latest("ada", "two"))] == [one.id, last.id]
    assert latest("eve", "") is None


def test_sessions_and_devices_have_names_in_the_audit_trail(opened, three) -> None:
    last, device = three[-1], three[-1].gpu_uuids[0]
    opened.broker.sessions.release(last.id, "root", "root released it")
    opened.broker.gpus.set_slots(opened.broker.gpus.all()[-1].gpu.uuid, 4, by="root")
    opened.broker.quotas.set("user", "ada", {"max_gpus": 2}, "root")
    opened.broker.quotas.set("group", "vision", {"max_gpus": 2}, "root")
    opened.broker.quotas.set("default", "", {"max_gpus": 2}, "root")
    entries, _ = opened.broker.audit.page()
    entries.append(AuditEntry(0.0, "root", "queue.cancel", "ada/", "r", None))
    entries.append(AuditEntry(0.0, "root", "gpu.state", device, "draining", "active"))
    entries.append(AuditEntry(0.0, "root", "lease.release", "long-gone", "active", "stopped"))
    names = opened.broker.audit.target_names(entries)
    shown = [names.get(entry.target, entry.target) for entry in entries]
    assert shown[:3] == ["lab default", "group vision", "ada"]
    assert shown[3].startswith("GPU ")
    assert shown[4] == "ada, server two"
    assert shown[5] == "ada"
    assert shown[6].startswith("GPU ")
    assert shown[7] == "long-gone"


def test_all_changes_of_a_user_are_found_by_the_name(opened, three) -> None:
    opened.broker.sessions.release(three[-1].id, "root", "root released it")
    opened.broker.quotas.set("user", "ada", {"max_gpus": 2}, "root")
    opened.broker.quotas.set("user", "bob", {"max_gpus": 2}, "root")
    found, total = opened.broker.audit.page(wanted=AuditFilter(target="ada"))
    assert [entry.what for entry in found] == ["quota.set", "lease.release"]
    assert total == 2


def test_changes_that_change_nothing_leave_no_row(opened) -> None:
    with opened.store.transaction() as transaction:
        transaction.audit.record("root", "gpu.slots", "GPU-1", 2, 2)
        # As an earlier version has left it.
        transaction.audit.add([AuditEntry(1.0, "root", "gpu.slots", "GPU-1", None, None)])
        transaction.audit.add([AuditEntry(1.0, "root", "quota.set", "default", {}, None)])
    entries, total = opened.broker.audit.page()
    assert ([entry.what for entry in entries], total) == (["quota.set"], 1)
