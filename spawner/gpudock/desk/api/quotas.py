"""Quotas: what each level says, what is in force for a user, and how both are changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from gpudock.broker import DelegationError, QuotaChange, QuotaConflictError, QuotaDocumentError
from gpudock.desk.api.quota_schema import Document, GroupDocument
from gpudock.desk.api.rights import may_read, may_set_quotas
from gpudock.desk.endpoints import Answer, Audience, Call, Catalogue
from gpudock.desk.errors import Refusal, forbidden, missing, senseless
from gpudock.desk.schema import Name, Shown, Strict
from gpudock.policy.quota.documents import FIELDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpudock.broker import Effect, EffectiveQuota, Lead, QuotaDocument
    from gpudock.model import Lease, Request
    from gpudock.policy.quota.resolve import Usage

catalogue = Catalogue()

Level = Literal["default", "group", "user"]
MOST_CHANGES = 10_000
_BULK_BYTES = 4 * 2**20


class StoredQuota(Shown):
    """What one level says."""

    level: Level
    name: str = Field(description="Of the group or user; empty for the default")
    document: GroupDocument | None = Field(description="The fields that the level sets; null: none")
    revision: int = Field(description="Changes with the document; 0: there is none")
    updated_at: float | None
    updated_by: str | None


class DocumentChange(Shown):
    """What a change does to a level's document."""

    level: Level
    name: str
    before: GroupDocument | None = Field(description="null: there is none")
    after: GroupDocument | None = Field(description="null: there is none any more")


class Used(Shown):
    """What is used of limits."""

    gpus: int
    gpu_hours: float = Field(description="Within the window, where there is a limit of hours")


class EffectiveLimit(Shown):
    """A limit in force."""

    value: int | float | list[str] | None = Field(description="null: no limit")
    origin: str = Field(description="The level that it came from")


class Cap(Shown):
    """A limit of a group as a whole."""

    group: str
    max_gpus: int | None
    gpu_hours: float | None
    window_days: float | None
    used: Used


class Effective(Shown):
    """What is in force for a user."""

    user: str
    groups: list[str]
    limits: dict[str, EffectiveLimit]
    used: Used
    caps: list[Cap]


class _Change(Strict):
    revision: int | None = Field(
        default=None,
        ge=0,
        le=2**53,
        description="Of the document that the change was made from; 0: there was none; left out:"
        " whatever is there",
    )


class DefaultChange(_Change):
    """A change of the default."""

    level: Literal["default"]
    name: Literal[""] = ""
    document: Document | None = Field(description="The fields that it is to set; null: none")


class GroupChange(_Change):
    """A change of what is said of a group."""

    level: Literal["group"]
    name: Name
    document: GroupDocument | None = Field(description="The fields that it is to set; null: none")


class UserChange(_Change):
    """A change of what is said of a user."""

    level: Literal["user"]
    name: Name
    document: Document | None = Field(description="The fields that it is to set; null: none")


Change = Annotated[DefaultChange | GroupChange | UserChange, Field(discriminator="level")]


class Changes(Strict):
    """Changes that are made all together, or not at all; none twice about the same."""

    changes: list[Change] = Field(min_length=1, max_length=MOST_CHANGES)


class Changed(Shown):
    """How many documents were set or removed."""

    changed: int


class Affected(Shown):
    """A session or a waiting request that a change is about."""

    user: str
    server: str
    reason: str


class Preview(Shown):
    """What changes would mean at this moment."""

    exceeding: list[Affected] = Field(
        description="Sessions that would be beyond their limits; they go on all the same"
    )
    refused: list[Affected] = Field(description="Waiting requests that would be refused")
    startable: list[Affected] = Field(description="Waiting requests that would start at once")
    held_back: list[Affected] = Field(
        description="Waiting requests that would start now, and could not then"
    )


# What is in force.


@catalogue.add(
    "GET",
    "quotas/users/{name}/effective",
    "What is in force for a user",
    audience=Audience.SERVER,
    path_types={"name": Name},
    answer=Effective,
)
async def get_effective_quota(call: Call) -> Answer:
    """Every limit with the level that it came from, what is used of it, and the groups' caps."""
    name = call.path["name"]
    await may_read(call, name)
    groups: Sequence[str] = call.visitor.groups
    if call.visitor.is_server or not call.visitor.is_self(name):
        # The token of a server does not let it see its user's groups.
        person = await call.office.hub.person(name)
        if person is None:
            raise missing(f"The Hub knows no user «{name}».")
        groups = person.groups
    found = await call.office.look(lambda broker: broker.quotas.effective(name, groups))
    return Answer(
        Effective(
            user=name,
            groups=list(groups),
            limits=limits(found),
            used=used(found.used),
            caps=[
                Cap(
                    group=cap.group,
                    max_gpus=cap.max_gpus,
                    gpu_hours=cap.gpu_hours,
                    window_days=cap.window_days,
                    used=used(cap.used),
                )
                for cap in found.caps
            ],
        )
    )


# One level's document.


async def _get(call: Call, level: Level, name: str) -> Answer:
    if level == "user":
        await may_read(call, name)
    documents = await call.office.look(lambda broker: broker.quotas.documents())
    found = next((item for item in documents if (item.level, item.name) == (level, name)), None)
    answer = stored(level, name, found)
    return Answer(answer, revision=answer.revision)


async def _set(call: Call, level: Level, name: str, document: dict[str, Any] | None) -> Answer:
    lead = await may_set_quotas(call, [(level, name)])
    change = QuotaChange(level, name, document, call.revision)
    if call.must_exist:
        change = await _of_the_present(call, change)
    (found,) = await _make(call, [change], lead)
    answer = stored(level, name, found)
    if document is None:
        return Answer(status=204)
    return Answer(answer, revision=answer.revision)


async def _of_the_present(call: Call, change: QuotaChange) -> QuotaChange:
    """Return the change for the document that is there now.

    Raises:
        Refusal: there is none.
    """
    documents = await call.office.look(lambda broker: broker.quotas.documents())
    for item in documents:
        if (item.level, item.name) == (change.level, change.name):
            return QuotaChange(change.level, change.name, change.document, item.revision)
    raise Refusal(412, "changed_meanwhile", "There is no such document (any more).")


async def _make(
    call: Call, changes: Sequence[QuotaChange], lead: Lead | None
) -> list[QuotaDocument | None]:
    """Make changes, all or none.

    Raises:
        Refusal: one of them is not acceptable or beyond what the visitor may give, or was made
            from what is no longer there.
    """
    try:
        return await call.office.act(
            lambda broker: broker.quotas.set_all(changes, call.visitor.actor, lead)
        )
    except QuotaDocumentError as error:
        raise senseless(str(error)) from error
    except DelegationError as error:
        raise forbidden(str(error)) from error
    except QuotaConflictError as error:
        raise Refusal(412, "changed_meanwhile", str(error)) from error


_DOCUMENT: dict[str, Any] = {"conditional": True, "answer": StoredQuota}
_NAMED: dict[str, Any] = {**_DOCUMENT, "path_types": {"name": Name}}
_REMOVED: dict[str, Any] = {"conditional": True, "status": 204, "media": ()}


@catalogue.add("GET", "quotas/default", "The default", audience=Audience.READER, **_DOCUMENT)
async def get_default_quota(call: Call) -> Answer:
    """What holds for everybody of whom no other level says anything."""
    return await _get(call, "default", "")


@catalogue.add(
    "PUT",
    "quotas/default",
    "Set the default",
    audience=Audience.MANAGER,
    body=Document,
    **_DOCUMENT,
)
async def set_default_quota(call: Call) -> Answer:
    """Set what holds for everybody; a field that is left out is as the lab was configured."""
    return await _set(call, "default", "", call.body)


@catalogue.add(
    "DELETE", "quotas/default", "Remove the default", audience=Audience.MANAGER, **_REMOVED
)
async def remove_default_quota(call: Call) -> Answer:
    """Let hold what the lab was configured with. There need not be a document."""
    return await _set(call, "default", "", None)


@catalogue.add("GET", "quotas/groups/{name}", "A group's quota", audience=Audience.READER, **_NAMED)
async def get_group_quota(call: Call) -> Answer:
    """What a group's document says about each of its members, and about the group as a whole."""
    return await _get(call, "group", call.path["name"])


@catalogue.add(
    "PUT",
    "quotas/groups/{name}",
    "Set a group's quota",
    audience=Audience.MANAGER,
    body=GroupDocument,
    **_NAMED,
)
async def set_group_quota(call: Call) -> Answer:
    """Set a group's document as a whole; the group need not exist yet. It ends no session."""
    return await _set(call, "group", call.path["name"], call.body)


@catalogue.add(
    "DELETE",
    "quotas/groups/{name}",
    "Remove a group's quota",
    audience=Audience.MANAGER,
    path_types={"name": Name},
    **_REMOVED,
)
async def remove_group_quota(call: Call) -> Answer:
    """Remove a group's document. There need not be one."""
    return await _set(call, "group", call.path["name"], None)


@catalogue.add("GET", "quotas/users/{name}", "A user's quota", audience=Audience.USER, **_NAMED)
async def get_user_quota(call: Call) -> Answer:
    """What a user's own document says; what is in force for them is at `effective`."""
    return await _get(call, "user", call.path["name"])


@catalogue.add(
    "PUT",
    "quotas/users/{name}",
    "Set a user's quota",
    audience=Audience.LEAD,
    body=Document,
    **_NAMED,
)
async def set_user_quota(call: Call) -> Answer:
    """Set a user's document as a whole; the user need not exist yet. It ends no session.

    The lead of a group gives its members what the group itself has at most, and may not raise their
    own limits; this holds for all changes of a lead, boosts and previews included.
    """
    return await _set(call, "user", call.path["name"], call.body)


@catalogue.add(
    "DELETE",
    "quotas/users/{name}",
    "Remove a user's quota",
    audience=Audience.LEAD,
    path_types={"name": Name},
    **_REMOVED,
)
async def remove_user_quota(call: Call) -> Answer:
    """Remove a user's document. There need not be one."""
    return await _set(call, "user", call.path["name"], None)


# Many at once.


@catalogue.add(
    "PATCH",
    "quotas",
    "Change many quotas",
    audience=Audience.LEAD,
    body=Changes,
    largest_body=_BULK_BYTES,
    answer=Changed,
    errors=(412, 422),
)
async def change_quotas(call: Call) -> Answer:
    """Make all changes, or none of them if one is refused or was made from an older document."""
    changes = _changes(call.body)
    lead = await _may_change(call, changes)
    await _make(call, changes, lead)
    return Answer(Changed(changed=len(changes)))


@catalogue.add(
    "POST",
    "quotas/preview",
    "What changes would mean",
    audience=Audience.LEAD,
    body=Changes,
    largest_body=_BULK_BYTES,
    answer=Preview,
    errors=(422,),
)
async def preview_quotas(call: Call) -> Answer:
    """Tell what changes would mean for those who run and wait now. Nothing is changed."""
    changes = _changes(call.body)
    lead = await _may_change(call, changes)
    groups_of = await call.office.hub.groups_of()
    try:
        found = await call.office.look(
            lambda broker: broker.quotas.preview(changes, groups_of, lead)
        )
    except QuotaDocumentError as error:
        raise senseless(str(error)) from error
    except DelegationError as error:
        raise forbidden(str(error)) from error
    everyone = call.visitor.reads.everyone
    seen = None if everyone else frozenset(change.name for change in changes)
    return Answer(shown_effect(found.total, seen))


async def _may_change(call: Call, changes: Sequence[QuotaChange]) -> Lead | None:
    return await may_set_quotas(call, [(change.level, change.name) for change in changes])


def _changes(body: Changes) -> list[QuotaChange]:
    return [
        QuotaChange(item.level, item.name, item.document, item.revision) for item in body.changes
    ]


def shown_effect(total: Effect, seen: frozenset[str] | None) -> Preview:
    """Return what changes would mean as the API tells it, for those in *seen*; ``None``: all."""

    def affected(of: Lease | Request, reason: str) -> list[Affected]:
        if seen is not None and of.user not in seen:
            return []
        return [Affected(user=of.user, server=of.server, reason=reason)]

    return Preview(
        exceeding=[row for item in total.exceeding for row in affected(item.lease, item.why)],
        refused=[row for item in total.refused for row in affected(item.request, item.why)],
        startable=[
            row for item in total.starting for row in affected(item, "It would start at once.")
        ],
        held_back=[
            row
            for item in total.held_back
            for row in affected(item, "It would start now, and would wait then.")
        ],
    )


def stored(level: str, name: str, found: QuotaDocument | None) -> StoredQuota:
    """Return a level's document as the API tells it."""
    return StoredQuota.model_validate(
        {
            "level": level,
            "name": name,
            "document": None if found is None else dict(found.document),
            "revision": 0 if found is None else found.revision,
            "updated_at": None if found is None else found.updated_at,
            "updated_by": None if found is None else found.updated_by,
        }
    )


def limits(found: EffectiveQuota) -> dict[str, EffectiveLimit]:
    """Return the limits in force as the API tells them."""

    def value(name: str) -> Any:
        item = getattr(found.quota, name)
        return list(item) if isinstance(item, tuple) else item

    return {name: EffectiveLimit(value=value(name), origin=found.origin[name]) for name in FIELDS}


def used(found: Usage) -> Used:
    """Return what is used as the API tells it."""
    return Used(gpus=found.gpus, gpu_hours=round(found.gpu_hours, 4))
