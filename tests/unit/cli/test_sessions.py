"""``gpudock lease`` and ``gpudock queue``."""

from __future__ import annotations

from gpudock.broker import AuditFilter
from gpudock.model import Lease, LeaseState, QueuePosition, Quota, Request


def ask(broker, user: str, gpus: int = 1) -> Lease | QueuePosition:
    answer = broker.requests.submit(Request(f"r-{user}", user, "", gpus, 1.0, "image"))
    assert isinstance(answer, Lease | QueuePosition)
    return answer


def lease(broker, user: str) -> Lease:
    granted = ask(broker, user)
    assert isinstance(granted, Lease)
    return granted


def test_sessions_are_listed_with_the_time_left(gpudock, broker):
    lease(broker, "ada")
    lines = gpudock("lease", "list").splitlines()
    assert "LEFT" in lines[0]
    assert "11:5" in lines[1] or "12:00" in lines[1]
    assert gpudock.json("lease", "list")[0]["ends_because"] == "time"


def test_only_one_users_sessions(gpudock, broker):
    lease(broker, "ada")
    lease(broker, "bob")
    assert [row["user"] for row in gpudock.json("lease", "list", "--user", "bob")] == ["bob"]


def test_a_released_session_is_stopping_and_the_change_is_audited(gpudock, broker):
    held = lease(broker, "ada")
    gpudock("lease", "release", held.id)
    assert gpudock.status == 0
    assert broker.leases.get(held.id).state is LeaseState.STOPPING
    (entry, *_), _ = broker.audit.page(wanted=AuditFilter(what="lease.release"))
    assert (entry.by, entry.target) == ("the command line", held.id)


def test_ended_sessions_can_be_listed(gpudock, broker):
    held = lease(broker, "ada")
    broker.leases.end(held.id, "stopped")
    assert len(gpudock("lease", "list").splitlines()) == 1
    assert "Stopped" in gpudock("lease", "list", "--ended")
    assert gpudock.json("lease", "list", "--ended")[0]["id"] == held.id


def test_an_unknown_lease_is_an_error(gpudock, broker):
    gpudock("lease", "release", "nonsense")
    assert gpudock.status == 1
    assert "There is no live lease nonsense." in gpudock.err


def test_an_extension_gains_what_the_quota_allows(gpudock, broker):
    broker.quotas.set("default", "", {"session_hours": 2}, "admin")
    held = lease(broker, "ada")
    gpudock("lease", "extend", held.id, "--hours", "3")
    assert gpudock.status == 0
    assert round((broker.leases.get(held.id).expires_at - held.granted_at) / 3600, 2) == 5


def test_an_extension_beyond_the_quota_is_denied_with_the_reason(gpudock, broker):
    held = lease(broker, "ada")
    gpudock("lease", "extend", held.id, "--hours", "3")
    assert gpudock.status == 1
    assert gpudock.err.startswith("gpudock: ")


def test_the_queue_and_a_request_that_leaves_it(gpudock, broker):
    lease(broker, "ada")
    lease(broker, "bob")
    assert isinstance(ask(broker, "cy"), QueuePosition)
    lines = gpudock("queue").splitlines()
    assert len(lines) == 2
    assert "cy" in lines[1]
    assert [row["user"] for row in gpudock.json("queue")] == ["cy"]
    gpudock("queue", "--cancel", "r-cy")
    assert gpudock.status == 0
    assert broker.queue.entries() == []
    gpudock("queue", "--cancel", "r-cy")
    assert gpudock.status == 1


def test_the_default_in_the_settings_applies_to_the_command_line(gpudock, broker, monkeypatch):
    monkeypatch.setenv("GPUDOCK_MAX_GPUS_DEFAULT", "3")
    effective = gpudock.json("quota", "get", "user:ada", "--effective")
    assert effective["quota"]["max_gpus"] == 3
    assert effective["quota"]["max_session_hours"] == Quota().max_session_hours
