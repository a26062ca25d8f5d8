"""Quotas: the document of each level, and the limits in force for a user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gpudock.broker import DelegationError, QuotaChange, QuotaConflictError, QuotaDocumentError
from gpudock.desk.api.quota_models import (
    MAX_SHOWN,
    ChangedCount,
    ChangedQuota,
    EffectiveLimits,
    EffectiveQuota,
    GroupCap,
    Level,
    QuotaChanges,
    QuotaPreview,
    QuotaUsage,
    StoredQuota,
)
from gpudock.desk.api.quota_schema import GroupQuotaDocument, QuotaDocument
from gpudock.desk.api.rights import check_may_read, check_may_set_quotas
from gpudock.desk.endpoints import APIRequest, Audience, Response, Router
from gpudock.desk.errors import (
    ChangedError,
    ForbiddenError,
    HubUnreachableError,
    NotFoundError,
    UnprocessableError,
)
from gpudock.language import Message, message_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gpudock import broker
    from gpudock.broker import Lead

router = Router()

_MAX_BULK_BYTES = 4 * 2**20


@router.add("GET", "quotas/users/{name}/effective", Audience.SERVER, answer=EffectiveQuota)
async def get_effective_quota(request: APIRequest) -> EffectiveQuota:
    """Get the limits in force for a user.

    Every limit with the level that sets it, what is used of it, and the caps of the groups.
    """
    name = request.path["name"]
    await check_may_read(request, name)
    groups = request.principal.groups
    if request.principal.is_server or not request.principal.is_self(name):
        # The token of a server may not read its user's groups.
        user = await request.backend.hub.user(name)
        if user is None:
            raise NotFoundError(Message('The Hub knows no user "{name}".', name=name))
        groups = user.groups
    effective = await request.backend.read(lambda broker: broker.quotas.effective(name, groups))
    return EffectiveQuota(
        user=name,
        groups=list(groups),
        limits=EffectiveLimits.of(effective),
        used=QuotaUsage.model_validate(effective.used),
        caps=[GroupCap.model_validate(cap) for cap in effective.caps],
    )


# The document of one level.


async def _get(request: APIRequest, level: Level, name: str) -> Response:
    stored = StoredQuota.of(level, name, await _stored(request, level, name))
    return Response(stored, revision=stored.revision)


async def _set(
    request: APIRequest, level: Level, name: str, document: dict[str, Any] | None
) -> Response:
    lead = await check_may_set_quotas(request, [(level, name)])
    revision = request.revision
    if request.must_exist:
        present = await _stored(request, level, name)
        if present is None:
            raise ChangedError(Message("There is no such document (any more)."))
        revision = present.revision
    change = QuotaChange(level, name, document, revision)
    (found,) = await _apply(request, [change], lead)
    contradictions = await request.backend.read(
        lambda broker: broker.quotas.contradictions([change], {})
    )
    stored = StoredQuota.of(level, name, found)
    changed = ChangedQuota(**stored.model_dump(), contradictions=contradictions)
    return Response(changed, revision=stored.revision)


async def _stored(request: APIRequest, level: Level, name: str) -> broker.QuotaDocument | None:
    documents = await request.backend.read(lambda broker: broker.quotas.documents())
    return next((item for item in documents if (item.level, item.name) == (level, name)), None)


async def _apply(
    request: APIRequest, changes: Sequence[QuotaChange], lead: Lead | None
) -> list[broker.QuotaDocument | None]:
    """Make all changes or none, and return the new documents."""
    try:
        return await request.backend.write(
            lambda broker: broker.quotas.set_all(changes, request.principal.actor, lead)
        )
    except QuotaDocumentError as error:
        raise UnprocessableError(message_of(error)) from error
    except DelegationError as error:
        raise ForbiddenError(message_of(error)) from error
    except QuotaConflictError as error:
        raise ChangedError(message_of(error)) from error


_DOCUMENT: dict[str, Any] = {"conditional": True, "answer": StoredQuota}
_CHANGE: dict[str, Any] = {"conditional": True, "answer": ChangedQuota}


@router.add("GET", "quotas/default", Audience.READER, **_DOCUMENT)
async def get_default_quota(request: APIRequest) -> Response:
    """Get the default quota.

    It has the limits that no other level sets.
    """
    return await _get(request, "default", "")


@router.add("PUT", "quotas/default", Audience.MANAGER, body=QuotaDocument, **_CHANGE)
async def set_default_quota(request: APIRequest) -> Response:
    """Set the default quota.

    A field that is left out has its value from the settings of the lab.
    """
    return await _set(request, "default", "", request.body)


@router.add("DELETE", "quotas/default", Audience.MANAGER, conditional=True)
async def remove_default_quota(request: APIRequest) -> None:
    """Remove the default quota.

    The settings of the lab then apply. The document need not exist.
    """
    await _set(request, "default", "", None)


@router.add("GET", "quotas/groups/{name}", Audience.READER, **_DOCUMENT)
async def get_group_quota(request: APIRequest) -> Response:
    """Get a group's quota.

    It has the limits of each member, and of the group as a whole.
    """
    return await _get(request, "group", request.path["name"])


@router.add("PUT", "quotas/groups/{name}", Audience.MANAGER, body=GroupQuotaDocument, **_CHANGE)
async def set_group_quota(request: APIRequest) -> Response:
    """Set a group's quota.

    The document replaces the old one; the group need not exist yet. No session ends.
    """
    return await _set(request, "group", request.path["name"], request.body)


@router.add("DELETE", "quotas/groups/{name}", Audience.MANAGER, conditional=True)
async def remove_group_quota(request: APIRequest) -> None:
    """Remove a group's quota.

    The document need not exist.
    """
    await _set(request, "group", request.path["name"], None)


@router.add("GET", "quotas/users/{name}", Audience.USER, **_DOCUMENT)
async def get_user_quota(request: APIRequest) -> Response:
    """Get a user's quota.

    This is the user's own document; the limits in force are at `effective`.
    """
    await check_may_read(request, request.path["name"])
    return await _get(request, "user", request.path["name"])


@router.add("PUT", "quotas/users/{name}", Audience.LEAD, body=QuotaDocument, **_CHANGE)
async def set_user_quota(request: APIRequest) -> Response:
    """Set a user's quota.

    The document replaces the old one; the user need not exist yet. No session ends.

    The lead of a group can give members at most what the group itself has. Leads cannot lift what
    an administrator limited, and cannot raise their own limits. This applies to all changes by a
    lead, boosts and previews included.
    """
    return await _set(request, "user", request.path["name"], request.body)


@router.add("DELETE", "quotas/users/{name}", Audience.LEAD, conditional=True)
async def remove_user_quota(request: APIRequest) -> None:
    """Remove a user's quota.

    The document need not exist.
    """
    await _set(request, "user", request.path["name"], None)


# Many documents at once.


@router.add(
    "PATCH",
    "quotas",
    Audience.LEAD,
    body=QuotaChanges,
    max_body_bytes=_MAX_BULK_BYTES,
    answer=ChangedCount,
    errors=(412, 422),
)
async def change_quotas(request: APIRequest) -> ChangedCount:
    """Change many quotas.

    All changes are made, or none if one is rejected or was made from an older document.
    """
    changes, lead = await _permitted_changes(request)
    await _apply(request, changes, lead)
    return await count_changes(request, changes)


async def count_changes(request: APIRequest, changes: Sequence[QuotaChange]) -> ChangedCount:
    """Return the answer about changes that were made, with the contradictions in them."""
    groups_of: Mapping[str, Iterable[str]]
    try:
        groups_of = await request.backend.hub.groups_of()
    except HubUnreachableError:
        # The changes are made, and a contradiction that depends on groups is not shown.
        groups_of = {}
    found = await request.backend.read(
        lambda broker: broker.quotas.contradictions(changes, groups_of)
    )
    return ChangedCount(changed=len(changes), contradictions=found[:MAX_SHOWN])


@router.add(
    "POST",
    "quotas/preview",
    Audience.LEAD,
    body=QuotaChanges,
    max_body_bytes=_MAX_BULK_BYTES,
    answer=QuotaPreview,
    errors=(422,),
)
async def preview_quotas(request: APIRequest) -> QuotaPreview:
    """Preview changes of quotas.

    It shows what they would mean for sessions and waiting requests now. Nothing is changed.
    """
    changes, lead = await _permitted_changes(request)
    groups_of = await request.backend.hub.groups_of()
    try:
        preview = await request.backend.read(
            lambda broker: broker.quotas.preview(changes, groups_of, lead)
        )
    except QuotaDocumentError as error:
        raise UnprocessableError(message_of(error)) from error
    except DelegationError as error:
        raise ForbiddenError(message_of(error)) from error
    reads_all = request.principal.reads.everyone
    users = None if reads_all else frozenset(change.name for change in changes)
    return QuotaPreview.of(preview.total, users)


async def _permitted_changes(request: APIRequest) -> tuple[list[QuotaChange], Lead | None]:
    """Return the changes in the body, and the lead's bounds that apply to them."""
    changes = [
        QuotaChange(item.level, item.name, item.document, item.revision)
        for item in request.body.changes
    ]
    return changes, await check_may_set_quotas(
        request, [(change.level, change.name) for change in changes]
    )
