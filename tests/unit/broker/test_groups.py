"""Groups that users come into or leave, and that are removed, while somebody waits or runs."""

from __future__ import annotations

import pytest

from gpudock.broker import ExtensionError
from gpudock.model import Denial, Lease, QueuePosition, Quota
from gpudock.store import StoreError
from state_machine.lab import BrokerLab, ask

HOUR = 3600.0


@pytest.fixture
def lab(tmp_path) -> BrokerLab:
    quota = Quota(max_gpus=1, session_hours=4.0, max_session_hours=4.0)
    lab = BrokerLab(f"sqlite:///{tmp_path}/gpudock.sqlite", default_quota=quota)
    lab.look()
    document = {"max_gpus": 2, "session_hours": 4.0, "max_session_hours": 12.0}
    lab.broker.quotas.set("group", "vision", document, "root")
    return lab


def test_a_request_is_decided_by_the_groups_of_the_moment(lab: BrokerLab) -> None:
    lab.grant("bob")
    assert isinstance(
        lab.broker.requests.submit(ask("ada", gpus=2, groups=("vision",))), QueuePosition
    )
    lab.broker.requests.set_groups("ada", "", ())
    assert lab.broker.requests.position("ada", "") is None
    answer = lab.broker.requests.submit(ask("ada", gpus=2))
    assert isinstance(answer, Denial)
    assert "Your quota allows 1 GPU at once" in answer.message


def test_a_request_of_whoever_changes_groups_keeps_its_place(lab: BrokerLab) -> None:
    lab.grant("bob")
    lab.grant("cy")
    for user in ("ada", "eve"):
        assert isinstance(lab.broker.requests.submit(ask(user, groups=("vision",))), QueuePosition)
    before = lab.broker.queue.waiting()[0]
    lab.broker.requests.set_groups("ada", "", ("audio", "vision"))
    after = lab.broker.queue.waiting()[0]
    assert (after.id, after.groups) == (before.id, ("audio", "vision"))
    lab.broker.requests.set_groups("nobody", "", ("vision",))
    assert [request.user for request in lab.broker.queue.waiting()] == ["ada", "eve"]


def test_a_database_that_fails_leaves_the_request_as_it_was(lab: BrokerLab) -> None:
    lab.grant("bob")
    lab.broker.requests.submit(ask("ada", gpus=2, groups=("vision",)))
    lab.store.failures = 1
    with pytest.raises(StoreError):
        lab.broker.requests.set_groups("ada", "", ())
    assert lab.broker.queue.waiting()[0].groups == ("vision",)
    assert lab.broker.requests.position("ada", "") is not None


def test_a_cap_holds_back_only_those_who_are_in_the_group(lab: BrokerLab) -> None:
    lab.broker.quotas.set("group", "class", {"group_max_gpus": 1}, "root")
    lab.grant("bob", groups=("class",))
    assert isinstance(lab.broker.requests.submit(ask("ada", groups=("class",))), QueuePosition)
    lab.broker.requests.set_groups("ada", "", ())
    assert lab.broker.leases.of_server("ada", "") is not None


def test_a_session_is_extended_by_the_groups_of_the_moment(lab: BrokerLab) -> None:
    lease = lab.grant("ada", groups=("vision",))
    lab.activate(lease)
    with pytest.raises(ExtensionError, match="4 hours at most"):
        lab.broker.sessions.extend(lease.id, "ada", 4.0, {"ada": ()})
    found = lab.broker.sessions.extend(lease.id, "ada", 4.0, {"ada": ("vision",)})
    assert found.ends_at == lease.granted_at + 8 * HOUR
    found = lab.broker.sessions.extend(lease.id, "ada", 4.0, {"eve": ()})
    assert found.ends_at == lease.granted_at + 12 * HOUR


def test_a_group_that_is_removed_takes_its_limits_along_and_ends_no_session(lab: BrokerLab) -> None:
    """The Hub tells its former members without it; what was said of it stays for its return."""
    lease = lab.grant("ada", gpus=2, groups=("vision",))
    lab.activate(lease)
    assert isinstance(
        lab.broker.requests.submit(ask("eve", gpus=2, groups=("vision",))), QueuePosition
    )
    lab.broker.requests.set_groups("eve", "", ())
    lab.clock.advance(HOUR)
    lab.broker.tick()
    assert lab.broker.sessions.due() == []
    assert isinstance(lab.broker.leases.of_server("ada", ""), Lease)
    assert lab.broker.queue.waiting() == []
    documents = [(item.level, item.name) for item in lab.broker.quotas.documents()]
    assert documents == [("group", "vision")]
