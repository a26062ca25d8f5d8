"""Preview: what a change of quotas would mean for running sessions and waiting requests."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gpudock.language import Message
from gpudock.model import Quota
from gpudock.policy.matching import matches
from gpudock.policy.quota.contradictions import contradictions
from gpudock.policy.quota.documents import named
from gpudock.policy.quota.resolve import resolve
from gpudock.policy.scheduling.decide import decide

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gpudock.broker.limits import Limits
    from gpudock.broker.unit_of_work import UnitOfWork
    from gpudock.model import Lease, Request
    from gpudock.policy.quota.resolve import EffectiveQuota
    from gpudock.policy.scheduling.decide import Decision


@dataclass(frozen=True, slots=True)
class Excess:
    """A running session that would not be granted like this any more. It goes on."""

    lease: Lease
    why: str


@dataclass(frozen=True, slots=True)
class DeniedRequest:
    """A waiting request that would be denied."""

    request: Request
    why: str


@dataclass(frozen=True, slots=True)
class Effect:
    """What a change would mean.

    Attributes:
        level, name: whose document would change; both empty for all changes together.
        exceeding: the sessions that would be beyond the limits, and are not now.
        refused: the waiting requests that would be denied.
        starting: the waiting requests that would start at once, and cannot now.
        held_back: the waiting requests that would start now, and could not then.
        contradictions: sentences about limits that cancel each other.
    """

    level: str
    name: str
    exceeding: tuple[Excess, ...] = ()
    refused: tuple[DeniedRequest, ...] = ()
    starting: tuple[Request, ...] = ()
    held_back: tuple[Request, ...] = ()
    contradictions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TableChange:
    """What one row of a table does to a level's document.

    Attributes:
        level, name: whose document it is.
        before, after: the document; ``None`` where there is none.
    """

    level: str
    name: str
    before: Mapping[str, object] | None
    after: Mapping[str, object] | None


@dataclass(frozen=True, slots=True)
class TablePreview:
    """What importing a table of quotas would mean.

    Attributes:
        revision: of all quotas together, at the time of the preview.
        changes: the rows that change something, in the table's order.
        unchanged: how many rows change nothing.
        effect: what all of it would mean for running sessions and waiting requests.
    """

    revision: int
    changes: tuple[TableChange, ...]
    unchanged: int
    effect: Effect


@dataclass(frozen=True, slots=True)
class QuotaPreview:
    """What changes would mean.

    Attributes:
        total: all of them together.
        changes: the part of each, limited to the users whom it concerns.
    """

    total: Effect
    changes: tuple[Effect, ...]


def preview_of(
    work: UnitOfWork,
    changes: Mapping[tuple[str, str], Mapping[str, object] | None],
    groups_of: Mapping[str, tuple[str, ...]],
) -> QuotaPreview:
    """Return what changes would mean, together and each; see :func:`effect_of`."""
    total = effect_of(work, changes, groups_of)
    return QuotaPreview(
        total, tuple(_part(total, level, name, groups_of) for level, name in changes)
    )


def effect_of(
    work: UnitOfWork,
    changes: Mapping[tuple[str, str], Mapping[str, object] | None],
    groups_of: Mapping[str, tuple[str, ...]],
) -> Effect:
    """Return what changes together would mean.

    Args:
        work: the unit of work.
        changes: (level, name) to the parsed document, ``None``: removed.
        groups_of: user to groups, where they are known.
    """
    now, then = work.limits_with(None), work.limits_with(changes)
    exceeding = tuple(_exceeding(work, now, then, groups_of))
    before, after = (
        decide(work.snapshot(limits=limits), work.config.ordering) for limits in (now, then)
    )
    requests = {item.request.id: item.request for item in work.transaction.requests.waiting()}
    starts, would_start = _granted(before), _granted(after)
    return Effect(
        "",
        "",
        exceeding,
        tuple(
            DeniedRequest(requests[key], denial.message)
            for key, denial in after.refusals.items()
            if key not in before.refusals
        ),
        tuple(requests[key] for key in requests if key in would_start - starts),
        tuple(requests[key] for key in requests if key in starts - would_start),
        tuple(contradictions_of(work, changes, groups_of)),
    )


def contradictions_of(
    work: UnitOfWork,
    changes: Mapping[tuple[str, str], Mapping[str, object] | None],
    groups_of: Mapping[str, tuple[str, ...]],
) -> Iterable[str]:
    """Yield a sentence for each limit of the changes that another one cancels.

    Args:
        work: the unit of work.
        changes: as for :func:`effect_of`.
        groups_of: user to groups. For others, a sentence is yielded only if it is true both for a
            user in no group and for one in all groups.
    """
    documents: dict[tuple[str, str], Mapping[str, object] | None] = {
        (item.level, item.name): item.document for item in work.transaction.quotas.all()
    }
    documents |= changes
    stated = {place: document for place, document in documents.items() if document is not None}
    groups = {name: document for (level, name), document in stated.items() if level == "group"}
    together = _merged(groups, work)

    def limits(
        of_groups: Mapping[str, Mapping[str, object]], own: Mapping[str, object] | None
    ) -> Quota:
        default = stated.get(("default", ""))
        return resolve(work.config.default_quota, default, of_groups, own, work.now).quota

    for (level, name), document in changes.items():
        if document is None:
            continue
        if level != "user":
            quotas = [limits({name: document} if name else {}, None)]
        elif name in groups_of:
            own = {group: groups[group] for group in groups_of[name] if group in groups}
            quotas = [limits(own, document)]
        else:
            quotas = [limits({}, document), limits({"": together}, document)]
        first, *others = (contradictions(document, quota, work.now) for quota in quotas)
        for text in first:
            if all(text in other for other in others):
                yield Message("For the {whose}: {text}", whose=named(level, name), text=text)


def _merged(groups: Mapping[str, Mapping[str, object]], work: UnitOfWork) -> dict[str, object]:
    """Return the document of one group that gives its members what all these give together."""
    found = resolve(Quota(), None, groups, None, work.now)
    return {
        name: getattr(found.quota, name)
        for name, origin in found.origin.items()
        if origin.startswith("group ")
    }


def _granted(decision: Decision) -> set[str]:
    return {grant.request.id for grant in decision.grants}


def _exceeding(
    work: UnitOfWork, now: Limits, then: Limits, groups_of: Mapping[str, tuple[str, ...]]
) -> Iterable[Excess]:
    leases = work.transaction.leases.live()
    members = [(lease.user, groups_of.get(lease.user, lease.groups)) for lease in leases]
    models = {record.gpu.uuid: record.gpu.model for record in work.transaction.gpus.records()}
    for lease, before, after in zip(leases, now.of_all(members), then.of_all(members), strict=True):
        names = [models[uuid] for uuid in lease.gpu_uuids if uuid in models]
        why = _excess(lease, after, names)
        if why is not None and _excess(lease, before, names) is None:
            yield Excess(lease, why)


def _excess(lease: Lease, effective: EffectiveQuota, models: list[str]) -> str | None:
    """Return in one sentence which limit a session exceeds; ``None``: it exceeds none."""
    quota, used = effective.quota, effective.used
    if lease.gpu_uuids:
        if quota.max_gpus is not None and used.gpus > quota.max_gpus:
            return Message(
                "{user} uses {used} GPUs, and the limit is {limit}.",
                user=lease.user,
                used=used.gpus,
                limit=quota.max_gpus,
            )
        if quota.gpu_hours is not None and used.gpu_hours >= quota.gpu_hours:
            return Message(
                "{user} has used {used:.1f} GPU-hours, and the limit is {limit:g}.",
                user=lease.user,
                used=used.gpu_hours,
                limit=quota.gpu_hours,
            )
        for cap in effective.caps:
            if cap.max_gpus is not None and cap.used.gpus > cap.max_gpus:
                return Message(
                    "The group {group} uses {used} GPUs, and its limit is {limit}.",
                    group=cap.group,
                    used=cap.used.gpus,
                    limit=cap.max_gpus,
                )
            if cap.gpu_hours is not None and cap.used.gpu_hours >= cap.gpu_hours:
                return Message(
                    "The group {group} has used {used:.1f} GPU-hours, and its limit is {limit:g}.",
                    group=cap.group,
                    used=cap.used.gpu_hours,
                    limit=cap.gpu_hours,
                )
        allowed = quota.gpu_models
        for model in models:
            if allowed is not None and not any(matches(model, pattern) for pattern in allowed):
                return Message(
                    "{user} uses the model {model}, which the limits do not allow.",
                    user=lease.user,
                    model=model,
                )
    hours = quota.max_session_hours
    if hours is not None and (
        lease.expires_at is None or lease.expires_at > lease.granted_at + hours * 3600 + 1
    ):
        return Message("The session lasts longer than {hours:g} hours.", hours=hours)
    return None


def _part(total: Effect, level: str, name: str, groups_of: Mapping[str, tuple[str, ...]]) -> Effect:
    """Return the part of all effects that concerns the users of one change."""

    def concerns(user: str, groups: tuple[str, ...]) -> bool:
        match level:
            case "user":
                return user == name
            case "group":
                return name in groups_of.get(user, groups)
            case _:
                return True

    return replace(
        total,
        level=level,
        name=name,
        exceeding=tuple(e for e in total.exceeding if concerns(e.lease.user, e.lease.groups)),
        refused=tuple(e for e in total.refused if concerns(e.request.user, e.request.groups)),
        starting=tuple(r for r in total.starting if concerns(r.user, r.groups)),
        held_back=tuple(r for r in total.held_back if concerns(r.user, r.groups)),
    )
