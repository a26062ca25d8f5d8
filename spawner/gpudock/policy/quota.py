"""Quotas: which limits hold for a user, where each came from, and what they refuse."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from gpudock.model import Denial, LeaseState, Quota

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from gpudock.model import Lease, Request

FIELDS = tuple(item.name for item in fields(Quota))
"""The names that a quota document may use."""

_LARGEST = 1_000_000
"""No limit of a lab is beyond this; a larger number is a slip of the keyboard."""


class QuotaDocumentError(ValueError):
    """A quota document is not acceptable. The message is a sentence for the person who sent it."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a user holds now.

    Attributes:
        gpus: devices in live leases, those included whose containers are still being stopped. A
            slot of a shared device counts as one.
        stopping: how many of them are on their way back.
        gpu_hours: GPU-hours of the last ``window_days`` days, running sessions included.
    """

    gpus: int = 0
    stopping: int = 0
    gpu_hours: float = 0.0


@dataclass(frozen=True, slots=True)
class Cap:
    """A limit of all members of one group together, and what they use of it.

    Attributes:
        group: the group's name.
        max_gpus: devices at once; ``None``: no limit.
        gpu_hours: GPU-hours in any ``window_days`` days; ``None``: no limit.
        window_days: length of the rolling window, days.
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
            ``user``.
        used: what the user holds of it now.
        caps: the limits of the user's groups as wholes.
    """

    quota: Quota
    origin: Mapping[str, str]
    used: Usage = field(default_factory=Usage)
    caps: tuple[Cap, ...] = ()


def usage(leases: Iterable[Lease], user: str) -> Usage:
    """Count what *user* holds in *leases*, which must be the live ones."""
    gpus = stopping = 0
    for lease in leases:
        if lease.user == user:
            gpus += len(lease.gpu_uuids)
            if lease.state is LeaseState.STOPPING:
                stopping += len(lease.gpu_uuids)
    return Usage(gpus=gpus, stopping=stopping)


def parse_document(document: Mapping[str, object]) -> dict[str, Any]:
    """Check a level's partial document and return it with numbers and lists in one form.

    Raises:
        QuotaDocumentError: a field is unknown, or its value makes no sense.
    """
    parsed: dict[str, Any] = {}
    for name, value in document.items():
        parser = _PARSERS.get(name)
        if parser is None:
            known = ", ".join(FIELDS)
            msg = f"A quota has no field «{name}». Use one of: {known}."
            raise QuotaDocumentError(msg)
        parsed[name] = parser(name, value)
    return parsed


def _count(name: str, value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LARGEST:
        msg = f"{name} is a whole number from 0 to {_LARGEST}, or null for no limit."
        raise QuotaDocumentError(msg)
    return value


def _amount(name: str, value: object, *, zero: bool) -> float:
    number = math.nan
    if isinstance(value, int | float) and not isinstance(value, bool):
        # A huge int does not fit a float; compare before converting.
        number = float(value) if -_LARGEST <= value <= _LARGEST else math.inf
    if not math.isfinite(number) or number < 0 or (number == 0 and not zero):
        least = "0 or more" if zero else "more than 0"
        msg = f"{name} is a number, {least} and at most {_LARGEST}."
        raise QuotaDocumentError(msg)
    return number


def _amount_or_none(name: str, value: object) -> float | None:
    return None if value is None else _amount(name, value, zero=False)


def _hours(name: str, value: object) -> float | None:
    return None if value is None else _amount(name, value, zero=True)


def _weight(name: str, value: object) -> float:
    return _amount(name, value, zero=False)


def _patterns(name: str, value: object) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list | tuple) or not all(isinstance(v, str) and v for v in value):
        msg = f"{name} is a list of model patterns such as «*A100*», or null for all models."
        raise QuotaDocumentError(msg)
    return tuple(value)


_PARSERS: dict[str, Callable[[str, object], Any]] = {
    "max_gpus": _count,
    "gpu_hours": _hours,
    "window_days": _amount_or_none,
    "session_hours": _amount_or_none,
    "max_session_hours": _amount_or_none,
    "idle_minutes": _amount_or_none,
    "weight": _weight,
    "gpu_models": _patterns,
}


def resolve(
    base: Quota,
    default: Mapping[str, object] | None = None,
    groups: Mapping[str, Mapping[str, object]] | None = None,
    user: Mapping[str, object] | None = None,
) -> EffectiveQuota:
    """Resolve the levels field by field: the user's, else the groups', else the default.

    Of several groups that set a field the most generous counts; the first by name when two are
    equally generous. ``gpu_models`` of several groups add up.

    Args:
        base: the lab's shipped or configured default.
        default: the default level's document, which overrides *base*.
        groups: the documents of the user's groups, by name.
        user: the user's own document.
    """
    values: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for name in FIELDS:
        if user is not None and name in user:
            values[name], origin[name] = user[name], "user"
            continue
        stated = [(g, d[name]) for g, d in sorted((groups or {}).items()) if name in d]
        if stated:
            values[name], origin[name] = _most_generous(name, stated)
        elif default is not None and name in default:
            values[name], origin[name] = default[name], "default"
        else:
            values[name], origin[name] = getattr(base, name), "default"
    if values["gpu_models"] is not None:
        values["gpu_models"] = tuple(values["gpu_models"])
    return EffectiveQuota(quota=Quota(**values), origin=origin)


def _most_generous(name: str, stated: list[tuple[str, Any]]) -> tuple[Any, str]:
    if name == "gpu_models":
        for group, value in stated:
            if value is None:
                return None, f"group {group}"
        union = tuple(dict.fromkeys(pattern for _, value in stated for pattern in value))
        return union, "group " + ", ".join(group for group, _ in stated)

    def generosity(item: tuple[str, Any]) -> float:
        _, value = item
        if name == "window_days":  # the same hours in a shorter window are more hours
            return -math.inf if value is None else -float(value)
        return math.inf if value is None else float(value)

    group, value = max(stated, key=generosity)
    return value, f"group {group}"


def check(request: Request, effective: EffectiveQuota, used: Usage) -> Denial | None:
    """Tell whether the quota refuses *request*, given what its user holds now.

    Devices that are on their way back do not count against the request here: it may wait for
    them. Whether it may be *granted* is :func:`fits`.
    """
    limit = effective.quota.max_gpus
    if limit is None or request.gpus == 0:
        return None
    if request.gpus > limit:
        if limit == 0:
            allowance = "Your quota allows no GPU"
        else:
            allowance = f"Your quota allows {_gpus(limit)} at once"
        return Denial(
            "quota",
            f"{allowance}, and this server asks for {request.gpus}. Ask for fewer GPUs, or ask an"
            " administrator for a larger quota.",
        )
    held = used.gpus - used.stopping
    if held + request.gpus > limit:
        return Denial(
            "quota",
            f"You already use {held} of your {_gpus(limit)}, and this server asks for"
            f" {request.gpus}. Stop another server of yours first, or ask an administrator for a"
            " larger quota.",
        )
    return None


def fits(request: Request, effective: EffectiveQuota, used: Usage) -> bool:
    """Tell whether granting *request* now keeps its user within ``max_gpus``."""
    limit = effective.quota.max_gpus
    return limit is None or request.gpus == 0 or used.gpus + request.gpus <= limit


def _gpus(count: int) -> str:
    return "1 GPU" if count == 1 else f"{count} GPUs"
