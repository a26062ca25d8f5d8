"""Sessions: when each ends and why, and how far it can be extended."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gpudock.language import Message, sentences
from gpudock.model import GroupHours, LeaseState
from gpudock.policy.end_reasons import over
from gpudock.policy.quota.gpu_hours import HOUR, Span, enough_from, runs_out_at, used_seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gpudock.model import Lease, Quota
    from gpudock.policy.quota.resolve import EffectiveQuota

WARNINGS = (3600.0, 900.0, 300.0)
"""How long before the end of a session its user is warned, seconds."""

GRACE_SECONDS = 900.0
"""Time between the first warning of an unforeseen end, and that end, seconds."""

IDLE_SECONDS = 120.0
"""A GPU that was used more recently than this is not idle, seconds."""

# An extension gains at least this, seconds; less is not worth a click.
_MIN_GAIN = 1.0

MIN_STEP = 60.0
"""An extension by a program gains at least this, seconds, so that none extends without a pause."""

# An extension reaches no further than this from now, seconds. Otherwise a session without a limit
# could be extended, step by step, to where no calendar has a date.
_MAX_REACH = 1_000_000 * HOUR


class EndCause(enum.StrEnum):
    """What ends a session."""

    TIME = "time"
    HOURS = "hours"
    GROUP_HOURS = "group_hours"
    IDLE = "idle"


@dataclass(frozen=True, slots=True)
class Session:
    """A live lease, and when it ends unless somebody acts.

    Attributes:
        lease: the lease.
        ends_at: Unix time at which the lab ends it; ``None``: no end is known.
        ends_because: what ends it then.
        why: one sentence about the end, for the session's user.
        reason: a few words that complete "it ended because …".
        extendable_until: Unix time until which an extension can make it last at most; ``None``
            with :attr:`can_extend`: without end.
        can_extend: whether an extension gains anything now.
        idle_since: Unix time since which its GPUs have not been used; ``None``: they are in use, or
            that is unknown.
        warning_at: Unix time of the first warning, 60 minutes before the end where it is known
            that early; ``None``: no end is known.
    """

    lease: Lease
    ends_at: float | None
    ends_because: EndCause | None
    why: str
    reason: str = ""
    extendable_until: float | None = None
    can_extend: bool = False
    idle_since: float | None = None
    warning_at: float | None = None

    def warning(self, now: float) -> float | None:
        """Return which of :data:`WARNINGS` is in force; ``None`` when the end is far."""
        if self.ends_at is None:
            return None
        left = self.ends_at - now
        return min((step for step in WARNINGS if left <= step), default=None)


class Accounts:
    """What users and groups have used and are using, as of one moment."""

    def __init__(
        self,
        now: float,
        users: Mapping[str, Sequence[Span]],
        groups: Mapping[str, Sequence[Span]],
    ) -> None:
        """Take the accounts.

        Args:
            now: the moment, Unix time.
            users: user to all spans of use in the windows in question, live ones with no end.
            groups: the same for the members of each group.
        """
        self.now = now
        self._spans = {"user": users, "group": groups}
        self._run_out: dict[tuple[str, str, float | None, float], float | None] = {}

    def has_used(self, kind: str, name: str) -> bool:
        """Return whether a ``user`` or ``group`` has any use in the windows."""
        return bool(self._of(kind, name))

    def used_hours(self, kind: str, name: str, window_days: float | None) -> float:
        """Return the GPU-hours of a ``user`` or ``group`` in the window that ends now."""
        return used_seconds(self._of(kind, name), window_days, self.now) / HOUR

    def hours_from(
        self, kind: str, name: str, window_days: float | None, max_hours: float
    ) -> float | None:
        """Return from when at most *max_hours* are used, if nothing is used until then."""
        if max_hours < 0:
            return None
        return enough_from(self._of(kind, name), window_days, max_hours, self.now)

    def run_out_at(
        self, kind: str, name: str, window_days: float | None, limit: float | None
    ) -> float:
        """Return when the limit is reached at the present rate of use; infinite for never."""
        if limit is None:
            return math.inf
        key = (kind, name, window_days, limit)
        if key not in self._run_out:
            self._run_out[key] = runs_out_at(self._of(kind, name), window_days, limit, self.now)
        moment = self._run_out[key]
        return math.inf if moment is None else moment

    def _of(self, kind: str, name: str) -> Sequence[Span]:
        return self._spans[kind].get(name, ())


def live_spans(leases: Iterable[Lease]) -> list[tuple[Lease, Span]]:
    """Return the spans of live leases that have GPUs."""
    return [
        (lease, Span(lease.granted_at, math.inf, lease.gpu_share))
        for lease in leases
        if lease.gpu_uuids
    ]


def session(lease: Lease, effective: EffectiveQuota, accounts: Accounts) -> Session:
    """Return when a live lease ends and why.

    Args:
        lease: the lease.
        effective: the limits in force for its user, with the groups that the lease names.
        accounts: what its user and groups use.
    """
    now = accounts.now
    if lease.state in (LeaseState.STOPPING, LeaseState.ENDED):
        return Session(lease, None, None, over(lease))
    idle_since = _idle_since(lease, effective, now)
    ends_at, cause = _end(lease, effective, accounts, idle_since)
    if cause is None:
        found = Session(lease, None, None, Message("The session has no end."))
    else:
        reason, why = _words(lease, effective, accounts, cause)
        warning_at = _warning_at(lease, ends_at, now)
        if warning_at <= now:
            ends_at = _with_grace(lease, effective, cause, ends_at, warning_at)
        found = Session(lease, ends_at, cause, why, reason, warning_at=warning_at)
    extended = extend(lease, effective, accounts, None, before=found)
    most = _most(lease, effective, accounts)
    return replace(
        found,
        idle_since=idle_since,
        can_extend=not isinstance(extended, str),
        extendable_until=None if math.isinf(most) else most,
    )


def _idle_since(lease: Lease, effective: EffectiveQuota, now: float) -> float | None:
    """Return since when a session's GPUs have not been used, if they are called idle."""
    if not lease.gpu_uuids or lease.state is not LeaseState.ACTIVE or lease.active_at is None:
        return None
    since = max(lease.active_at, lease.granted_at)
    limit = effective.quota.idle_minutes
    patience = IDLE_SECONDS if limit is None else min(IDLE_SECONDS, limit * 60 / 2)
    return since if now - since >= patience else None


def _end(
    lease: Lease, effective: EffectiveQuota, accounts: Accounts, idle_since: float | None
) -> tuple[float, EndCause | None]:
    """Return the earliest end and its cause."""
    ends = [(math.inf if lease.expires_at is None else lease.expires_at, EndCause.TIME)]
    ends.append((_hours_end(lease, effective, accounts), EndCause.HOURS))
    ends.append((_group_end(lease, effective, accounts)[0], EndCause.GROUP_HOURS))
    if idle_since is not None and effective.quota.idle_minutes is not None:
        ends.append((idle_since + effective.quota.idle_minutes * 60, EndCause.IDLE))
    moment, cause = min(ends, key=lambda end: end[0])
    return moment, None if math.isinf(moment) else cause


def _hours_end(lease: Lease, effective: EffectiveQuota, accounts: Accounts) -> float:
    """Return when the user's hours run out; limits that were lowered meanwhile do not count."""
    if not lease.gpu_uuids:
        return math.inf
    quota = effective.quota
    return max(
        accounts.run_out_at("user", lease.user, quota.window_days, quota.gpu_hours),
        accounts.run_out_at("user", lease.user, lease.gpu_hours_window, lease.gpu_hours_limit),
    )


def _group_end(
    lease: Lease, effective: EffectiveQuota, accounts: Accounts
) -> tuple[float, str | None]:
    """Return when the hours of one of the user's groups run out, and of which."""
    former = {limit.group: limit for limit in lease.group_hours}
    ends: list[tuple[float, str | None]] = [(math.inf, None)]
    for cap in effective.caps if lease.gpu_uuids else ():
        then = former.get(cap.group)
        # A cap that there was not when the session began does not end it.
        if cap.gpu_hours is not None and then is not None:
            end = max(
                accounts.run_out_at("group", cap.group, cap.window_days, cap.gpu_hours),
                accounts.run_out_at("group", cap.group, then.window_days, then.limit),
            )
            ends.append((end, cap.group))
    return min(ends, key=lambda end: end[0])


def _warning_at(lease: Lease, ends_at: float, now: float) -> float:
    """Return when the user is, or was, first warned of an end."""
    if ends_at - now > WARNINGS[0]:
        return ends_at - WARNINGS[0]
    return now if lease.warned_at is None else lease.warned_at


def _with_grace(
    lease: Lease, effective: EffectiveQuota, cause: EndCause, ends_at: float, warning_at: float
) -> float:
    """Put off an end that came into view only lately."""
    if warning_at <= lease.granted_at:
        return ends_at  # it was known from the first moment
    grace = GRACE_SECONDS
    if cause is EndCause.IDLE and effective.quota.idle_minutes is not None:
        grace = min(grace, effective.quota.idle_minutes * 60)
    return max(ends_at, warning_at + grace)


def _words(
    lease: Lease, effective: EffectiveQuota, accounts: Accounts, cause: EndCause
) -> tuple[str, str]:
    """Return why a session ends, in a few words and in a sentence."""
    match cause:
        case EndCause.TIME:
            return "its time was up", Message("The session ends at its time limit.")
        case EndCause.HOURS:
            return "the GPU-hours were used up", Message("Your GPU-hours are used up then.")
        case EndCause.GROUP_HOURS:
            _, group = _group_end(lease, effective, accounts)
            return (
                f"the GPU-hours of the group {group} were used up",
                Message("The GPU-hours of the group {group} are used up then.", group=group),
            )
        case EndCause.IDLE:
            minutes = f"{effective.quota.idle_minutes:g}"
            return (
                f"its GPU was not used for {minutes} minutes",
                Message(
                    "A GPU that is not used for {minutes} minutes is taken back.", minutes=minutes
                ),
            )


def session_hours(quota: Quota) -> float | None:
    """Return how long a session lasts unless it is extended; ``None``: without end."""
    hours = [h for h in (quota.session_hours, quota.max_session_hours) if h is not None]
    return min(hours, default=None)


def with_hour_limits(lease: Lease, effective: EffectiveQuota, accounts: Accounts) -> Lease:
    """Write the current limits of hours into a lease that is granted, extended or adopted.

    If its end is in view from the start, its user counts as warned from the start.
    """
    quota = effective.quota
    lease = replace(
        lease,
        gpu_hours_limit=quota.gpu_hours,
        gpu_hours_window=quota.window_days,
        group_hours=tuple(
            GroupHours(cap.group, cap.gpu_hours, cap.window_days)
            for cap in effective.caps
            if cap.gpu_hours is not None
        ),
    )
    if lease.adopted or lease.warned_at is not None:
        return lease
    ends_at, cause = _end(lease, effective, accounts, None)
    in_view = cause is not None and ends_at - accounts.now <= WARNINGS[0]
    fresh = accounts.now <= lease.granted_at
    return replace(lease, warned_at=lease.granted_at) if in_view and fresh else lease


def extend(
    lease: Lease,
    effective: EffectiveQuota,
    accounts: Accounts,
    hours: float | None,
    before: Session | None = None,
    *,
    by_program: bool = False,
) -> Lease | str:
    """Return the lease as an extension makes it, or one sentence on why there is none.

    Args:
        lease: a live lease.
        effective: the limits in force for its user.
        accounts: what its user and groups use.
        hours: by how much, hours; ``None``: by ``session_hours``, or as far as the limits allow.
        before: the session as it is, if it is known.
        by_program: whether a program in the session asks for it. That does not show that anybody
            uses the GPUs, as a person who asks does.
    """
    now = accounts.now
    if lease.state in (LeaseState.STOPPING, LeaseState.ENDED):
        return Message("The session is over.")
    if before is None:
        before = session(lease, effective, accounts)
    if before.ends_at is None:
        return Message("The session has no end, so there is nothing to extend.")
    longest = _longest(lease, effective)
    step = hours if hours is not None else effective.quota.session_hours
    expires = math.inf if lease.expires_at is None else lease.expires_at
    requested = longest if step is None else max(expires, now) + step * HOUR
    farthest = math.inf if math.isinf(requested) else now + _MAX_REACH
    until = max(min(requested, longest, farthest), expires)
    changed = with_hour_limits(
        replace(
            lease,
            expires_at=None if math.isinf(until) else until,
            latest_end=_latest_end(lease, until, longest),
            # Who extends a session is there and has use for it.
            active_at=lease.active_at
            if lease.active_at is None or by_program
            else max(lease.active_at, now),
        ),
        effective,
        accounts,
    )
    idle_since = _idle_since(lease, effective, now) if by_program else None
    end, cause = _end(changed, effective, accounts, idle_since)
    if end >= before.ends_at + (MIN_STEP if by_program else _MIN_GAIN):
        return changed
    if until >= farthest:
        return Message("The session already lasts longer than anybody can plan for.")
    return _why_not(lease, effective, accounts, cause, longest)


def _latest_end(lease: Lease, until: float, longest: float) -> float | None:
    if longest < until:  # the limit was lowered, and the session keeps what it has
        return lease.latest_end
    return None if math.isinf(longest) else longest


def _longest(lease: Lease, effective: EffectiveQuota) -> float:
    """Return the latest end that the limits of time allow now."""
    hours = effective.quota.max_session_hours
    longest = math.inf if hours is None else lease.granted_at + hours * HOUR
    if lease.backfilled and lease.latest_end is not None:
        longest = min(longest, lease.latest_end)
    return longest


def _most(lease: Lease, effective: EffectiveQuota, accounts: Accounts) -> float:
    """Return the latest end that all limits together allow now."""
    return min(
        _longest(lease, effective),
        _hours_end(lease, effective, accounts),
        _group_end(lease, effective, accounts)[0],
    )


def _why_not(
    lease: Lease,
    effective: EffectiveQuota,
    accounts: Accounts,
    cause: EndCause | None,
    longest: float,
) -> str:
    match cause:
        case EndCause.IDLE:
            return Message(
                "The session ends because its GPU is not used, and an extension from within the"
                ' session does not change that. Use the GPU, or extend the session on the page "My'
                ' GPUs".'
            )
        case EndCause.HOURS:
            return Message(
                "The session cannot last longer, because your GPU-hours are used up then. Ask an"
                " administrator for more."
            )
        case EndCause.GROUP_HOURS:
            _, group = _group_end(lease, effective, accounts)
            return Message(
                "The session cannot last longer, because the GPU-hours of the group {group} are"
                " used up then. Ask an administrator for more.",
                group=group,
            )
    if lease.backfilled and lease.latest_end is not None and longest >= lease.latest_end:
        return Message(
            "The session cannot last longer, because its GPU is reserved for a waiting user from"
            " then on. Save your work, and start the server again afterwards."
        )
    hours = effective.quota.max_session_hours
    limit = (
        Message("The session cannot last longer.")
        if hours is None
        else Message(
            "The session cannot last longer: a session lasts {hours:g} hours at most.", hours=hours
        )
    )
    return sentences(limit, Message("Save your work, and start the server again afterwards."))
