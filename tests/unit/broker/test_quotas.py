"""Quotas at the broker: two administrators at once, all or none, and a look before the leap."""

from __future__ import annotations

import pytest

from gpudock.broker import (
    AuditFilter,
    DelegationError,
    Lead,
    Member,
    QuotaChange,
    QuotaConflictError,
    QuotaDocumentError,
    QuotaTableConflictError,
)
from gpudock.model import Lease, QueuePosition
from gpudock.store import AuditEntry, StoreError, StoreInterruptedError
from gpudock.store.audit import AuditTrail
from state_machine.lab import BrokerLab, ask

BOOST = {"until": "2999-01-01T00:00:00+00:00", "gpu_models": ["*H100*"]}


def documents(lab: BrokerLab) -> dict[tuple[str, str], object]:
    return {(d.level, d.name): d.document for d in lab.broker.quotas.documents()}


# Revisions.


def test_every_change_has_a_revision_of_its_own(opened: BrokerLab) -> None:
    one = opened.broker.quotas.set("user", "ada", {"max_gpus": 1}, "root", revision=0)
    assert one is not None
    other = opened.broker.quotas.set("user", "ada", {"max_gpus": 2}, "eve", revision=one.revision)
    assert other is not None
    assert other.revision != one.revision
    assert (other.updated_by, other.document) == ("eve", {"max_gpus": 2})


def test_the_later_of_two_administrators_is_told_and_nothing_is_lost(opened: BrokerLab) -> None:
    one = opened.broker.quotas.set("group", "class", {"max_gpus": 1}, "root")
    assert one is not None
    opened.broker.quotas.set("group", "class", {"max_gpus": 2}, "eve", one.revision)
    with pytest.raises(QuotaConflictError) as caught:
        opened.broker.quotas.set("group", "class", {"max_gpus": 3}, "root", one.revision)
    assert 'The quota of the group "class" was changed by eve at 1970-01-12' in str(caught.value)
    assert caught.value.stored is not None
    assert caught.value.stored.document == {"max_gpus": 2}
    assert documents(opened) == {("group", "class"): {"max_gpus": 2}}


def test_what_was_removed_meanwhile_is_told(opened: BrokerLab) -> None:
    one = opened.broker.quotas.set("user", "ada", {"max_gpus": 1}, "root")
    assert one is not None
    assert opened.broker.quotas.set("user", "ada", None, "eve", one.revision) is None
    with pytest.raises(QuotaConflictError, match="removed by somebody else"):
        opened.broker.quotas.set("user", "ada", {"max_gpus": 2}, "root", one.revision)
    again = opened.broker.quotas.set("user", "ada", {"max_gpus": 1}, "root", 0)
    assert again is not None
    # A revision that was seen before the removal does not fit what came after it.
    with pytest.raises(QuotaConflictError):
        opened.broker.quotas.set("user", "ada", None, "eve", one.revision)


def test_whoever_thinks_there_is_none_is_told(opened: BrokerLab) -> None:
    opened.broker.quotas.set("default", "", {"max_gpus": 1}, "eve")
    with pytest.raises(QuotaConflictError, match="The default quota was changed by eve"):
        opened.broker.quotas.set("default", "", {"max_gpus": 2}, "root", 0)


def test_a_change_that_changes_nothing_is_none(opened: BrokerLab) -> None:
    one = opened.broker.quotas.set("user", "ada", {"gpu_models": ["*A100*"]}, "root")
    assert opened.broker.quotas.set("user", "ada", {"gpu_models": ("*A100*",)}, "eve") == one
    assert opened.broker.quotas.set("user", "bob", None, "eve") is None
    assert opened.broker.audit.page()[1] == 1


# All or none.


def test_many_changes_are_made_together_or_not_at_all(opened: BrokerLab) -> None:
    opened.broker.quotas.set("user", "cy", {"max_gpus": 9}, "eve")
    before = (documents(opened), opened.broker.audit.page())
    for last, error in (
        (QuotaChange("user", "cy", {"max_gpus": 1}, revision=0), QuotaConflictError),
        (QuotaChange("user", "cy", {"max_gpu": 1}), QuotaDocumentError),
        (QuotaChange("user", "", {"max_gpus": 1}), QuotaDocumentError),
        (QuotaChange("user", "ada", {"max_gpus": 1}), QuotaDocumentError),
    ):
        changes = [QuotaChange("user", name, {"max_gpus": 1}) for name in ("ada", "bob")]
        with pytest.raises(error):
            opened.broker.quotas.set_all([*changes, last], "root")
        assert (documents(opened), opened.broker.audit.page()) == before
    opened.store.failures = 1
    with pytest.raises(StoreError):
        opened.broker.quotas.set_all(changes, "root")
    assert (documents(opened), opened.broker.audit.page()) == before
    opened.broker.quotas.set_all([*changes, QuotaChange("user", "cy", None)], "root")
    assert documents(opened) == {("user", name): {"max_gpus": 1} for name in ("ada", "bob")}


def test_a_change_made_at_the_desk_is_acted_on_by_the_hub(opened: BrokerLab) -> None:
    opened.broker.quotas.set("user", "ada", {"max_gpus": 1}, "root")
    opened.grant()
    opened.broker.quotas.set("user", "ada", {"max_gpus": 2}, "root")
    place = opened.broker.requests.submit(ask("ada", "second", gpus=2))
    assert not isinstance(place, Lease)
    opened.broker.quotas.set("user", "ada", {"max_gpus": 0}, "root")
    desk = opened.desk_broker()
    desk.quotas.set("user", "ada", {"max_gpus": 2}, "root")
    opened.broker.tick()
    assert isinstance(opened.broker.requests.submit(ask("ada", "third")), Lease)


def test_the_audit_tells_who_changed_what_from_what_to_what(opened: BrokerLab) -> None:
    for by, document in (("root", {"max_gpus": 1}), ("eve", {"max_gpus": 2}), ("root", None)):
        opened.clock.advance(10)
        opened.broker.quotas.set("user", "ada", document, by)
    opened.broker.gpus.set_slots(opened.inventory.current.readings[0].gpu.uuid, 4, "root")
    entries, total = opened.broker.audit.page(wanted=AuditFilter(what="quota"))
    assert total == 3
    assert [(e.by, e.before, e.after) for e in entries] == [
        ("root", {"max_gpus": 2}, None),
        ("eve", {"max_gpus": 1}, {"max_gpus": 2}),
        ("root", None, {"max_gpus": 1}),
    ]
    assert [e.by for e in opened.broker.audit.page(wanted=AuditFilter(by="eve"))[0]] == ["eve"]
    assert opened.broker.audit.page(wanted=AuditFilter(what="gpu.slots"))[1] == 1
    assert opened.broker.audit.page(wanted=AuditFilter(what="g"))[1] == 0
    assert opened.broker.audit.page(1, 2)[1] == 4
    assert len(opened.broker.audit.page(1, 2)[0]) == 2
    middle = entries[1].at
    assert [
        e.by
        for e in opened.broker.audit.page(wanted=AuditFilter(since=middle, until=middle + 1))[0]
    ] == ["eve"]
    assert opened.broker.audit.page(wanted=AuditFilter(target="user/bob")) == ([], 0)


# The lead of a group.


def test_a_leads_changes_are_bounded_by_the_group_as_it_is_then(opened: BrokerLab) -> None:
    broker = opened.broker
    lead = Lead("lea", {"ada": Member(("class",), ("class",))})
    broker.quotas.set("group", "class", {"max_gpus": 4}, "root")
    four = [QuotaChange("user", "ada", {"max_gpus": 4})]
    broker.quotas.preview(four, {}, lead)
    broker.quotas.set("group", "class", {"max_gpus": 3}, "root")
    before = (documents(opened), broker.audit.page())
    with pytest.raises(DelegationError, match='max_gpus of "ada" to 3 at most'):
        broker.quotas.set_all(four, "lea", lead)
    with pytest.raises(DelegationError, match='max_gpus of "ada" to 3 at most'):
        broker.quotas.preview(four, {}, lead)
    for change in (
        QuotaChange("user", "bob", {"max_gpus": 1}),
        QuotaChange("group", "class", {"group_max_gpus": 1}),
        QuotaChange("default", "", None),
    ):
        with pytest.raises(DelegationError, match="members only"):
            broker.quotas.set_all(
                [QuotaChange("user", "ada", {"max_gpus": 1}), change], "lea", lead
            )
    assert (documents(opened), broker.audit.page()) == before
    broker.quotas.set_all([QuotaChange("user", "ada", {"max_gpus": 3})], "lea", lead)
    assert documents(opened)["user", "ada"] == {"max_gpus": 3}


def test_a_lead_does_not_lift_what_an_administrator_limited(opened: BrokerLab) -> None:
    broker = opened.broker
    lead = Lead("lea", {"ada": Member(("class",), ("class",))})
    broker.quotas.set("group", "class", {"max_gpus": 4, "weight": 3}, "root")

    def change(document: dict[str, object] | None) -> None:
        broker.quotas.set_all([QuotaChange("user", "ada", document)], "lea", lead)

    # What the lead set, the lead changes as they like.
    change({"max_gpus": 3})
    change({"max_gpus": 4})
    broker.quotas.set("user", "ada", {"max_gpus": 1}, "root")
    for document in ({"max_gpus": 2}, {}, None):
        with pytest.raises(DelegationError, match="An administrator has limited max_gpus"):
            change(document)
        with pytest.raises(DelegationError, match="An administrator has limited max_gpus"):
            broker.quotas.preview([QuotaChange("user", "ada", document)], {}, lead)
    # Not by a detour either.
    change({"max_gpus": 0, "weight": 2})
    change({"max_gpus": 1})
    with pytest.raises(DelegationError, match="An administrator has limited max_gpus"):
        change({"max_gpus": 4})
    broker.quotas.set("user", "ada", None, "root")
    change({"max_gpus": 4})


def test_the_audit_trail_shows_what_was_changed_as_a_lead(opened: BrokerLab) -> None:
    broker = opened.broker
    lead = Lead("lea", {"ada": Member(("class",), ("class",))})
    broker.quotas.set_all([QuotaChange("user", "ada", {"max_gpus": 0})], "lea", lead)
    broker.quotas.set_all([QuotaChange("user", "ada", None)], "lea", lead)
    broker.quotas.set("user", "ada", {"max_gpus": 0}, "lea")

    def kinds(what: str) -> list[str]:
        return [entry.what for entry in broker.audit.page(wanted=AuditFilter(what=what))[0]]

    assert kinds("quota") == ["quota.set", "quota.unset.lead", "quota.set.lead"]
    assert kinds("quota.set") == ["quota.set", "quota.set.lead"]


# A table.

ROWS = (
    QuotaChange("user", "ada", {"max_gpus": 1}),
    QuotaChange("user", "bob", None),
    QuotaChange("user", "cy", {"gpu_models": ["*A100*"], "boost": BOOST}),
    QuotaChange("user", "dora", {"weight": 2}),
    QuotaChange("user", "nobody", None),
)


@pytest.fixture
def stocked(opened: BrokerLab) -> BrokerLab:
    """A lab with quotas for ada, bob and cy; the last as in :data:`ROWS`."""
    for name in ("ada", "bob"):
        opened.broker.quotas.set("user", name, {"max_gpus": 2}, "root")
    opened.broker.quotas.set("user", "cy", ROWS[2].document, "root")
    return opened


def test_a_table_changes_what_differs_and_nothing_else(stocked: BrokerLab) -> None:
    before = stocked.broker.audit.page()[1]
    changed = stocked.broker.quotas.import_table(ROWS, "eve")
    assert [(item.name, item.before, item.after) for item in changed] == [
        ("ada", {"max_gpus": 2}, {"max_gpus": 1}),
        ("bob", {"max_gpus": 2}, None),
        ("dora", None, {"weight": 2.0}),
    ]
    assert stocked.broker.audit.page()[1] == before + 3
    found = {
        (d.level, d.name): (d.updated_by, d.document) for d in stocked.broker.quotas.documents()
    }
    assert found.keys() == {("user", "ada"), ("user", "cy"), ("user", "dora")}
    assert found["user", "ada"] == ("eve", {"max_gpus": 1})
    assert found["user", "cy"][0] == "root"
    assert stocked.broker.quotas.import_table(ROWS, "eve") == []


def test_a_tables_preview_tells_its_changes_and_what_they_mean(stocked: BrokerLab) -> None:
    one, other = stocked.grant("ada"), stocked.grant("ada", "second")
    before = (documents(stocked), stocked.broker.audit.page())
    found = stocked.broker.quotas.preview_table(ROWS, {})
    assert [change.name for change in found.changes] == ["ada", "bob", "dora"]
    assert found.unchanged == 2
    assert {item.lease.id for item in found.effect.exceeding} == {one.id, other.id}
    assert found.effect.exceeding[0].why == "ada uses 2 GPUs, and the limit is 1."
    assert (documents(stocked), stocked.broker.audit.page()) == before


def test_a_table_that_is_taken_as_previewed_changes_just_that(stocked: BrokerLab) -> None:
    found = stocked.broker.quotas.preview_table(ROWS, {})
    assert tuple(stocked.broker.quotas.import_table(ROWS, "eve", found.revision)) == found.changes


@pytest.mark.parametrize(
    ("level", "name", "document"),
    [
        ("user", "ada", {"max_gpus": 5}),
        ("user", "bob", None),
        ("group", "class", {"max_gpus": 1}),
    ],
)
def test_a_table_is_not_taken_if_a_quota_was_changed_since_its_preview(
    stocked: BrokerLab, level: str, name: str, document: dict[str, int] | None
) -> None:
    found = stocked.broker.quotas.preview_table(ROWS, {})
    stocked.broker.quotas.set(level, name, document, "zoe")
    before = (documents(stocked), stocked.broker.audit.page())
    with pytest.raises(QuotaTableConflictError) as caught:
        stocked.broker.quotas.import_table(ROWS, "eve", found.revision)
    assert f"the latest ({level}/{name}) by zoe at 1970-01-12" in str(caught.value)
    assert (documents(stocked), stocked.broker.audit.page()) == before
    again = stocked.broker.quotas.preview_table(ROWS, {})
    stocked.broker.quotas.import_table(ROWS, "eve", again.revision)
    assert documents(stocked)["user", "ada"] == {"max_gpus": 1}


def test_a_table_that_makes_no_sense_changes_nothing(stocked: BrokerLab) -> None:
    before = (documents(stocked), stocked.broker.audit.page())
    for rows in ([ROWS[0], ROWS[0]], [ROWS[0], QuotaChange("team", "x", {"max_gpus": 1})]):
        with pytest.raises(QuotaDocumentError):
            stocked.broker.quotas.import_table(rows, "eve")
        with pytest.raises(QuotaDocumentError):
            stocked.broker.quotas.preview_table(rows, {})
    stocked.store.failures = 1
    with pytest.raises(StoreError):
        stocked.broker.quotas.import_table(ROWS, "eve")
    assert (documents(stocked), stocked.broker.audit.page()) == before


# A look before the leap.


def test_a_preview_tells_whose_session_would_be_beyond_the_limits(opened: BrokerLab) -> None:
    one = opened.grant("ada", groups=("class",))
    other = opened.grant("ada", "second", groups=("class",))
    found = opened.broker.quotas.preview(
        [
            QuotaChange("default", "", {"max_gpus": 1}),
            QuotaChange("user", "bob", {"max_gpus": 0}),
            QuotaChange("group", "class", {"group_max_gpus": 1}),
        ],
        {},
    )
    assert {item.lease.id for item in found.total.exceeding} == {one.id, other.id}
    assert found.total.exceeding[0].why == "ada uses 2 GPUs, and the limit is 1."
    counts = {(c.level, c.name): len(c.exceeding) for c in found.changes}
    assert counts == {("default", ""): 2, ("user", "bob"): 0, ("group", "class"): 2}
    assert documents(opened) == {}


@pytest.mark.parametrize(
    ("level", "name", "document", "why"),
    [
        ("user", "ada", {"gpu_hours": 0.5}, "ada has used 1.0 GPU-hours, and the limit is 0.5."),
        ("user", "ada", {"gpu_models": ["*H100*"]}, "uses the model NVIDIA A100-SXM4-40GB"),
        ("user", "ada", {"max_session_hours": 2}, "The session lasts longer than 2 hours."),
        ("group", "class", {"group_max_gpus": 0}, "The group class uses 1 GPUs"),
        ("group", "class", {"group_gpu_hours": 1}, "The group class has used 1.0 GPU-hours"),
    ],
)
def test_a_preview_says_which_limit_it_is(
    opened: BrokerLab, level: str, name: str, document: dict, why: str
) -> None:
    opened.grant("ada", groups=("class",))
    opened.clock.advance(3600)
    found = opened.broker.quotas.preview([QuotaChange(level, name, document)], {})
    (excess,) = found.total.exceeding
    assert why in excess.why


def test_a_preview_tells_what_would_become_of_the_queue(opened: BrokerLab) -> None:
    opened.broker.quotas.set("user", "ada", {"max_gpus": 2}, "root")
    opened.broker.quotas.set("user", "bob", {"max_gpus": 2}, "root")
    opened.grant("ada")
    opened.broker.requests.submit(ask("ada", "second", gpus=2))  # refused: no more than two at once
    opened.broker.quotas.set("group", "class", {"group_max_gpus": 0}, "root")
    waits = opened.broker.requests.submit(ask("bob", groups=("class",)))
    assert not isinstance(waits, QueuePosition), "a group that may have none is refused"
    opened.broker.quotas.set("group", "class", {"group_max_gpus": 1}, "root")
    opened.grant("cy", groups=("class",))
    assert isinstance(opened.broker.requests.submit(ask("bob", groups=("class",))), QueuePosition)
    raised = opened.broker.quotas.preview(
        [QuotaChange("group", "class", {"group_max_gpus": 2})], {}
    )
    assert raised.total.starting == (), "no GPU is free"
    drop = opened.broker.leases.of_server("ada", "")
    assert drop is not None
    opened.broker.leases.end(drop.id, "gone")
    raised = opened.broker.quotas.preview(
        [QuotaChange("group", "class", {"group_max_gpus": 2})], {}
    )
    assert [request.user for request in raised.total.starting] == ["bob"]
    assert [request.user for request in raised.changes[0].starting] == ["bob"]
    lowered = opened.broker.quotas.preview([QuotaChange("user", "bob", {"max_gpus": 0})], {})
    assert [(r.request.user, r.why[:24]) for r in lowered.total.refused] == [
        ("bob", "Your quota allows no GPU")
    ]


def test_a_change_that_the_database_interrupts_is_made_again_once(
    opened: BrokerLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = opened.desk_broker()
    failures = 1
    add = AuditTrail.add

    def interrupted(self: AuditTrail, entries: list[AuditEntry]) -> None:
        nonlocal failures
        add(self, entries)
        if failures:
            failures -= 1
            raise StoreInterruptedError("Another program was in the way.")

    monkeypatch.setattr(AuditTrail, "add", interrupted)
    desk.quotas.set("user", "ada", {"max_gpus": 1}, "root")
    assert documents(opened) == {("user", "ada"): {"max_gpus": 1}}
    assert len(desk.audit.page()[0]) == 1
    failures = 2
    with pytest.raises(StoreInterruptedError):
        desk.quotas.set("user", "ada", {"max_gpus": 2}, "root")
    assert documents(opened) == {("user", "ada"): {"max_gpus": 1}}


# The queue, as people deal with it.


def test_the_queue_is_shown_in_its_order_and_can_be_cleared(opened: BrokerLab) -> None:
    opened.grant(gpus=2)
    for user in ("bob", "cy"):
        opened.broker.requests.submit(ask(user))
    desk = opened.desk_broker()
    shown = [(entry.request.user, entry.place.position) for entry in desk.queue.entries()]
    assert shown == [("bob", 1), ("cy", 2)]
    bob = desk.queue.entries()[0].request
    assert desk.queue.cancel(bob.id, by="root")
    assert not desk.queue.cancel(bob.id, by="root")
    opened.broker.tick()
    assert [entry.request.user for entry in opened.broker.queue.entries()] == ["cy"]
    assert opened.broker.requests.position("bob", "") is None
    assert opened.broker.queue.cancel(opened.broker.queue.entries()[0].request.id, by="cy")
    entries, _ = opened.broker.audit.page()
    assert [(entry.by, entry.what, entry.target) for entry in entries] == [
        ("root", "queue.cancel", "bob/")
    ]
