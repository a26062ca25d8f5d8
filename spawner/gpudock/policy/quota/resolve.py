"""Quotas: which limits hold for a user, where each came from, and what they refuse."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from gpudock.language import Message, counted, sentences
from gpudock.model import Denial, LeaseState, Quota
from gpudock.policy.quota.documents import (
    BOOST,
    FIELDS,
    UNTIL,
    boost_end,
    within_bounds,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gpudock.model import Lease, Request

SHORTEST_SESSION_HOURS = 0.25
"""A GPU is given only if its hours last for this long: a shorter session helps nobody."""

# Sums of hours are exact to much less than this: half a second.
_ROUNDING_HOURS = 0.5 / 3600


@dataclass(frozen=True, slots=True)
class Usage:
    """What a user, or a group, holds now.

    Attributes:
        gpus: devices in live leases, those included whose containers are still being stopped. A
            slot of a shared device counts as one.
        stopping: how many of them are on their way back.
        gpu_hours: GPU-hours of the last ``window_days`` days, running sessions included.
        hours_from: while the hours are used up, the Unix time from which there are enough again
            for a session, if no more are used until then; ``None`` when that never comes.
    """

    gpus: int = 0
    stopping: int = 0
    gpu_hours: float = 0.0
    hours_from: float | None = None


@dataclass(frozen=True, slots=True)
class Cap:
    """A limit of all members of one group together, and what they use of it.

    Attributes:
        group: the group's name.
        max_gpus: devices at once; ``None``: no limit.
        gpu_hours: GPU-hours in any ``window_days`` days; ``None``: no limit.
        window_days: length of the rolling window, days; ``None``: since ever.
        used: what the members use of it.
    """

    group: str
    max_gpus: int | None = None
    gpu_hours: float | None = None
    window_days: float | None = 30.0
    used: Usage = field(default_factory=Usage)


@dataclass(frozen=True, slots=True)
class EffectiveQuota:
    """The limits in force for one user.

    Attributes:
        quota: the limits.
        origin: for each field's name the level that it came from: ``default``, ``group NAME`` or
            ``user``, followed by `` boost until …`` when a boost sets it.
        used: what the user holds of it now.
        caps: the limits of the user's groups as wholes.
    """

    quota: Quota
    origin: Mapping[str, str]
    used: Usage = field(default_factory=Usage)
    caps: tuple[Cap, ...] = ()


def usage(leases: Iterable[Lease], user: str) -> Usage:
    """Count the devices that *user* holds in *leases*, which must be the live ones."""
    gpus = stopping = 0
    for lease in leases:
        if lease.user == user:
            gpus += len(lease.gpu_uuids)
            if lease.state is LeaseState.STOPPING:
                stopping += len(lease.gpu_uuids)
    return Usage(gpus=gpus, stopping=stopping)


def resolve(
    base: Quota,
    default: Mapping[str, Any] | None = None,
    groups: Mapping[str, Mapping[str, Any]] | None = None,
    user: Mapping[str, Any] | None = None,
    now: float = 0.0,
) -> EffectiveQuota:
    """Resolve the levels field by field: the user's, otherwise the groups', otherwise the default.

    Of several groups that set a field the most generous counts; the first by name when two are
    equally generous. ``gpu_models`` of several groups add up. While a level's boost lasts, its
    fields stand in place of that level's own. A number beyond its bounds counts as the nearest.
    *base*'s ``session_hours`` belongs to its ``max_session_hours`` and counts while no level sets
    that.

    Args:
        base: the lab's shipped or configured default.
        default: the default level's document, which overrides *base*.
        groups: the documents of the user's groups, by name.
        user: the user's own document.
        now: Unix time, for boosts.
    """
    of_default = _stated("default", default, now)
    of_groups = [_stated(f"group {g}", d, now) for g, d in sorted((groups or {}).items())]
    of_user = _stated("user", user, now)
    values: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for name in FIELDS:
        stated = [level[name] for level in of_groups if name in level]
        if name in of_user:
            values[name], origin[name] = of_user[name]
        elif stated:
            values[name], origin[name] = _most_generous(name, stated)
        elif name in of_default:
            values[name], origin[name] = of_default[name]
        else:
            values[name], origin[name] = within_bounds(name, getattr(base, name)), "default"
    levels = (of_default, *of_groups, of_user)
    if any("max_session_hours" in level for level in levels) and not any(
        "session_hours" in level for level in levels
    ):
        # A lab that sets how long sessions may be, and nothing else, has sessions of that length.
        values["session_hours"] = None
    if values["gpu_models"] is not None:
        values["gpu_models"] = tuple(values["gpu_models"])
    window = of_default["window_days"][0] if "window_days" in of_default else base.window_days
    caps = tuple(
        Cap(
            group=group,
            max_gpus=_value(level, "group_max_gpus"),
            gpu_hours=_value(level, "group_gpu_hours"),
            window_days=_value(level, "window_days", window),
        )
        for group, level in zip(sorted(groups or {}), of_groups, strict=True)
        if _value(level, "group_max_gpus") is not None
        or _value(level, "group_gpu_hours") is not None
    )
    return EffectiveQuota(quota=Quota(**values), origin=origin, caps=caps)


def _stated(level: str, document: Mapping[str, Any] | None, now: float) -> dict[str, Any]:
    """Return what a level states now: field to (value, origin)."""
    stated = {name: (value, level) for name, value in (document or {}).items() if name != BOOST}
    boost = (document or {}).get(BOOST)
    if boost is not None and now < boost_end(boost):
        origin = f"{level} boost until {boost[UNTIL]}"
        stated |= {name: (value, origin) for name, value in boost.items() if name != UNTIL}
    return {name: (within_bounds(name, value), where) for name, (value, where) in stated.items()}


def _value(level: Mapping[str, Any], name: str, otherwise: Any = None) -> Any:
    return level[name][0] if name in level else otherwise


def _most_generous(name: str, stated: list[tuple[Any, str]]) -> tuple[Any, str]:
    if name == "gpu_models":
        for value, origin in stated:
            if value is None:
                return None, origin
        union = tuple(dict.fromkeys(pattern for value, _ in stated for pattern in value))
        first, *others = (origin for _, origin in stated)
        return union, ", ".join([first, *(origin.removeprefix("group ") for origin in others)])

    def generosity(item: tuple[Any, str]) -> float:
        value, _ = item
        if name == "window_days":  # the same hours in a shorter window are more hours
            return -math.inf if value is None else -float(value)
        return math.inf if value is None else float(value)

    return max(stated, key=generosity)


def needed_hours(limit: float, gpus: int) -> float:
    """Return how many of *limit* GPU-hours must be left for a session of *gpus* to begin."""
    return min(SHORTEST_SESSION_HOURS * gpus, limit)


def check(request: Request, effective: EffectiveQuota, used: Usage) -> Denial | None:
    """Return why the quota refuses *request* when it is made; ``None`` when it does not.

    Devices that are on their way back do not count against the request here: it may wait for
    them, as it may wait for devices that other members of a group hold. Whether it may be
    *granted* is :func:`held_back`.

    Args:
        request: the request.
        effective: the limits in force for its user; its GPU-hours and caps are looked at as well.
        used: the devices that count against it: those of the user's other servers.
    """
    if request.gpus == 0:
        return None
    limit = effective.quota.max_gpus
    held = used.gpus - used.stopping
    if limit is not None and request.gpus <= limit < held + request.gpus:
        return Denial(
            "quota",
            Message(
                "You already use {held} of your {gpus}, and this server asks for {count}. Stop"
                " another server of yours first, or ask an administrator for a larger quota.",
                held=held,
                gpus=_gpus(limit),
                count=request.gpus,
            ),
        )
    return _too_many(request, effective) or _no_hours(_hours_used_up(request, effective))


def check_waiting(request: Request, effective: EffectiveQuota) -> Denial | None:
    """Return why the limits in force bar a waiting request however long it waits, if they do.

    Other limits only let it wait: for GPUs that the user or a group has now, or for hours that come
    back. The denial is that of :func:`check` for a request made now.
    """
    if request.gpus == 0:
        return None
    barred = _too_many(request, effective)
    return barred or _no_hours(_hours_used_up(request, effective, for_good=True))


def _too_many(request: Request, effective: EffectiveQuota) -> Denial | None:
    """Return why a request asks for more devices than its user, or a group, may ever have."""
    limit = effective.quota.max_gpus
    if limit is not None and request.gpus > limit:
        if limit == 0:
            problem = Message(
                "Your quota allows no GPU, and this server asks for {count}.", count=request.gpus
            )
        else:
            problem = Message(
                "Your quota allows {gpus} at once, and this server asks for {count}.",
                gpus=_gpus(limit),
                count=request.gpus,
            )
        advice = Message("Ask for fewer GPUs, or ask an administrator for a larger quota.")
        return Denial("quota", sentences(problem, advice))
    for cap in effective.caps:
        if cap.max_gpus is not None and request.gpus > cap.max_gpus:
            return Denial(
                "quota",
                Message(
                    "The group {group} may use {gpus} at once, and this server asks for {count}."
                    " Ask for fewer GPUs, or ask an administrator for a larger quota of the group.",
                    group=cap.group,
                    gpus=_gpus(cap.max_gpus),
                    count=request.gpus,
                ),
            )
    return None


def _no_hours(used_up: str | None) -> Denial | None:
    if used_up is None:
        return None
    return Denial("hours", sentences(used_up, Message("Choose a server without a GPU.")))


def held_back(
    request: Request,
    effective: EffectiveQuota,
    extra_gpus: int = 0,
    extra_by_group: Mapping[str, int] | None = None,
) -> str | None:
    """Return why the user's own limits, or a group's, hold *request* back now.

    Args:
        request: the request.
        effective: the limits in force for its user, with what is used of them.
        extra_gpus: devices that the user was granted in the same round, not yet in ``used``.
        extra_by_group: the same for the members of each group.

    Returns:
        One sentence; ``None`` when nothing of this kind is in the way.
    """
    if request.gpus == 0:
        return None
    limit = effective.quota.max_gpus
    if limit is not None:
        used = effective.used.gpus + extra_gpus
        if used + request.gpus > limit:
            return _beyond_quota(request.gpus, used, limit)
    if not effective.caps and effective.quota.gpu_hours is None:
        return None
    for cap in effective.caps:
        if cap.max_gpus is None:
            continue
        used = cap.used.gpus + (extra_by_group or {}).get(cap.group, 0)
        if used + request.gpus > cap.max_gpus:
            return _beyond_cap(cap.group, used, cap.max_gpus)
    return _hours_used_up(request, effective)


# A decision makes one for each request that waits for its own limit.
@lru_cache(maxsize=4096)
def _beyond_quota(count: int, used: int, limit: int) -> Message:
    if limit == 0:
        return Message(
            "Your quota allows no GPU now, and this server asks for {count}.", count=count
        )
    if count > limit:
        return Message(
            "Your quota allows {gpus} at once now, and this server asks for {count}.",
            gpus=_gpus(limit),
            count=count,
        )
    return Message(
        "You use {used} of the {gpus} that your quota allows; this server starts when another of"
        " yours has stopped.",
        used=used,
        gpus=_gpus(limit),
    )


@lru_cache(maxsize=4096)
def _beyond_cap(group: str, used: int, limit: int) -> Message:
    return Message(
        "The members of the group {group} use {used} of the {gpus} that it may have at once.",
        group=group,
        used=used,
        gpus=_gpus(limit),
    )


def _hours_used_up(
    request: Request, effective: EffectiveQuota, *, for_good: bool = False
) -> str | None:
    """Return which hours are used up, with *for_good* only those that never come back."""

    def count(limit: float | None, window_days: float | None) -> bool:
        return not for_good or limit == 0 or window_days is None

    quota = effective.quota
    if count(quota.gpu_hours, quota.window_days) and _are_used_up(
        quota.gpu_hours, effective.used, request.gpus
    ):
        used = effective.used
        return _own_hours(*_as_shown(used), quota.gpu_hours, quota.window_days)
    for cap in effective.caps:
        if count(cap.gpu_hours, cap.window_days) and _are_used_up(
            cap.gpu_hours, cap.used, request.gpus
        ):
            return _group_hours(cap.group, *_as_shown(cap.used), cap.gpu_hours, cap.window_days)
    return None


def _as_shown(used: Usage) -> tuple[float, float | None]:
    """Return the used hours and when there are some again, as exact as a sentence has them."""
    minute = None if used.hours_from is None else used.hours_from // 60 * 60
    return round(used.gpu_hours, 1), minute


@lru_cache(maxsize=4096)
def _own_hours(
    used: float, hours_from: float | None, limit: float | None, days: float | None
) -> str:
    if days is None:
        problem = Message(
            "You have used {used} of your {limit} GPU-hours.",
            used=_amount(used),
            limit=_amount(limit),
        )
    else:
        problem = Message(
            "You have used {used} of your {limit} GPU-hours in {days} days.",
            used=_amount(used),
            limit=_amount(limit),
            days=_amount(days),
        )
    return sentences(problem, _again(hours_from))


@lru_cache(maxsize=4096)
def _group_hours(
    group: str, used: float, hours_from: float | None, limit: float | None, days: float | None
) -> str:
    if days is None:
        problem = Message(
            "The group {group} has used {used} of its {limit} GPU-hours.",
            group=group,
            used=_amount(used),
            limit=_amount(limit),
        )
    else:
        problem = Message(
            "The group {group} has used {used} of its {limit} GPU-hours in {days} days.",
            group=group,
            used=_amount(used),
            limit=_amount(limit),
            days=_amount(days),
        )
    return sentences(problem, _again(hours_from))


def _are_used_up(limit: float | None, used: Usage, gpus: int) -> bool:
    if limit is None:
        return False
    left = limit - used.gpu_hours
    return limit == 0 or left < needed_hours(limit, gpus) - _ROUNDING_HOURS


def _gpus(count: int) -> Message:
    return counted("{n} GPU", "{n} GPUs", count)


def _amount(hours: float | None) -> str:
    return f"{hours or 0.0:.1f}".removesuffix(".0")


def _again(hours_from: float | None) -> str:
    if hours_from is None:
        return ""
    moment = dt.datetime.fromtimestamp(hours_from, dt.UTC)
    return Message("There are hours again from {moment:%Y-%m-%d %H:%M} UTC.", moment=moment)
