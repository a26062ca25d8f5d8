"""Fair share: age minus a usage factor.

The priority of a request is its age, less two handicaps:

* *Usage*: the usage factor times the age, of which at most the first 6 hours count. The factor is
  ``x ** 6 / (1 + x ** 6)``, where ``x`` is the user's usage relative to their fair share: nearly 0
  at half the fair share, 1/2 at the fair share, nearly 1 at twice the fair share.
* *Length*: 3/4 of the length of the session, at most 18 hours. A GPU that serves a short session is
  soon free for the next one, so this shortens most waits.

Usage is what the user has used (older GPU-seconds count less), what their running sessions may
still use, and what their own requests ahead of this one ask for. The fair share of a user is the
mean usage of waiting users, by weight, plus one session, so that less than a session makes no
great difference.

Time in which the user's own limit held a request back does not count, nor what had passed when an
earlier request of the user was granted (``waiting_time``). Users who have had more than their fair
part (the mean usage of waiting users, by weight, plus half a session) come after all others. So
nobody gains by waiting more often than others do.

That ends when it is their turn: once nobody is ahead of a request and GPUs are reserved for it, it
counts as one within the fair part. Otherwise a request for many GPUs would lose those that it has
collected, as often as somebody joins who has had less.

Nobody starves: after a day of waiting the handicaps fall away. Both together are at most a day, so
such a request comes before all that have waited for less than a day, and before all that joined
after it. After a week the same holds for the next request of a user who has had more than their
fair part. Decision record 0010 compares this rule with simpler ones.
"""

from __future__ import annotations

import math
from operator import attrgetter
from typing import TYPE_CHECKING

from gpudock.model import Share
from gpudock.policy.sessions import session_hours

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gpudock.model import Lease, Quota
    from gpudock.policy.scheduling.snapshot import Snapshot, Waiting

HALF_LIFE_DAYS = 7.0
MAX_USAGE_HOURS = 6.0
MAX_LENGTH_HOURS = 18.0
LENGTH_PART = 0.75
# Requests that have waited for so long have no handicap any more.
MAX_HANDICAP_SECONDS = 24 * 3600.0
# A user who has waited for so long comes before others, whatever they have had.
MAX_WAIT_SECONDS = 7 * 86400.0
# By which part of a session a user may be beyond the fair part and still come before others.
TOLERANCE = 0.5
# Added to each age for the usage handicap: among requests this close together, usage decides.
TOGETHER_SECONDS = 15 * 60.0
# The length of a session without an end, for the order of the queue only.
NOMINAL_SECONDS = 4 * 3600.0

_HOUR = 3600.0
_DAY = 86400.0
# Quota documents do not allow a weight of 0, but a configured default may have it.
_MIN_WEIGHT = 1e-9


def nominal_seconds(quota: Quota) -> float:
    """Return how long a session under *quota* lasts unless it is extended, seconds."""
    hours = session_hours(quota)
    return NOMINAL_SECONDS if hours is None else hours * _HOUR


def decayed_use(
    gpu_share: float, since: float, until: float, now: float, half_life_days: float = HALF_LIFE_DAYS
) -> float:
    """Return what a session's use counts today: GPU-seconds, halved for every half-life of age.

    Args:
        gpu_share: how many GPUs it had; a fraction of one for a slot.
        since: when it began (Unix time).
        until: when it ended; what lies after *now* does not count.
        now: Unix time.
        half_life_days: after this number of days a GPU-second counts half.
    """
    until = min(until, now)
    if until <= since:
        return 0.0
    rate = math.log(2) / (half_life_days * _DAY)
    newest = math.exp(-rate * (now - until))
    # expm1 keeps short sessions exact, where the two ends differ only in the last digits.
    return gpu_share * newest * -math.expm1(-rate * (until - since)) / rate


def recent_use(
    leases: Iterable[Lease], now: float, half_life_days: float = HALF_LIFE_DAYS
) -> dict[str, float]:
    """Return what ended and running *leases* count today, by user."""
    use: dict[str, float] = {}
    for lease in leases:
        until = now if lease.ended_at is None else lease.ended_at
        counted = decayed_use(lease.gpu_share, lease.granted_at, until, now, half_life_days)
        if counted:
            use[lease.user] = use.get(lease.user, 0.0) + counted
    return use


class FairShare:
    """The users of a lab share it by weight, over time.

    Attributes:
        half_life_days: the half-life with which ``Snapshot.recent_use`` is to be computed.
        max_usage_hours: the longest handicap for usage, hours.
        max_length_hours: the longest handicap for the length of a session, hours.
    """

    def __init__(
        self,
        half_life_days: float = HALF_LIFE_DAYS,
        max_usage_hours: float = MAX_USAGE_HOURS,
        max_length_hours: float = MAX_LENGTH_HOURS,
    ) -> None:
        """Raise :exc:`ValueError` for numbers that make no sense."""
        if not 0 < half_life_days < math.inf:
            raise ValueError("The half-life of past use is a number of days, more than 0.")
        if not (0 <= max_usage_hours < math.inf and 0 <= max_length_hours < math.inf):
            raise ValueError("The longest handicap of a request is a number of hours, 0 or more.")
        self.half_life_days = half_life_days
        self.max_usage_hours = max_usage_hours
        self.max_length_hours = max_length_hours

    def order(self, snapshot: Snapshot) -> list[Waiting]:
        """Return the queue of *snapshot*, the request with the highest priority first."""
        max_usage, max_length = self.max_usage_hours * _HOUR, self.max_length_hours * _HOUR
        items = sorted(snapshot.waiting, key=attrgetter("sequence"))
        usage, fair_share = usage_by_user(snapshot, items)
        slot = largest_slot(snapshot)
        last = dict.fromkeys(usage, (True, math.inf))
        seen: set[str] = set()
        ranks: list[tuple[bool, float]] = []
        for item in items:
            request, quota = item.request, item.effective.quota
            user, seconds = request.user, nominal_seconds(quota)
            weight = quota.weight or _MIN_WEIGHT
            age = max(0.0, snapshot.now - snapshot.waiting_since(request))
            share = usage[user] / (fair_share * weight)
            fair_part = _fair_part(fair_share - NOMINAL_SECONDS, item)
            usage_factor = 1 - 1 / (1 + share**6)
            usage_handicap = usage_factor * min(age + TOGETHER_SECONDS, max_usage)
            priority = age
            if age < MAX_HANDICAP_SECONDS:
                priority -= usage_handicap + min(LENGTH_PART * seconds, max_length)
            # Requests of one user keep their order, whatever the clock did between them.
            is_due = (
                item.is_next
                or usage[user] <= fair_part
                or (age >= MAX_WAIT_SECONDS and user not in seen)
            )
            seen.add(user)
            last[user] = rank = min((is_due, priority), last[user])
            ranks.append(rank)
            gpus = request.gpus if request.share is not Share.SHARED else min(request.gpus, slot)
            usage[user] += gpus * seconds
        # Sorting is stable: of equal priorities the request that joined first stays first.
        order = sorted(range(len(items)), key=ranks.__getitem__, reverse=True)
        return [items[index] for index in order]

    def delays(self, snapshot: Snapshot) -> dict[str, float]:
        """Return for how long others may still come before each request, and their sessions last.

        Seconds by request id. Others come first until the request has waited for a day, or for a
        week if its user has had more than the fair part.
        """
        usage, fair_share = usage_by_user(snapshot, snapshot.waiting)
        longest = _longest_session(snapshot)
        delays = {}
        for item in snapshot.waiting:
            fair_part = _fair_part(fair_share - NOMINAL_SECONDS, item)
            is_due = item.is_next or usage[item.request.user] <= fair_part
            age = snapshot.now - snapshot.waiting_since(item.request)
            left = (MAX_HANDICAP_SECONDS if is_due else MAX_WAIT_SECONDS) - age
            if left > 0:
                delays[item.request.id] = left + longest
        return delays


def _fair_part(mean: float, item: Waiting) -> float:
    """Return with how many GPU-seconds a user still comes before others."""
    quota = item.effective.quota
    return mean * (quota.weight or _MIN_WEIGHT) + TOLERANCE * nominal_seconds(quota)


def _longest_session(snapshot: Snapshot) -> float:
    """Return the longest session that runs or may begin, seconds; infinite without an end."""
    longest = 0.0
    for item in snapshot.waiting:
        hours = item.effective.quota.max_session_hours
        longest = max(longest, math.inf if hours is None else hours * _HOUR)
    for lease in snapshot.leases:
        end = lease.latest_end
        longest = max(longest, math.inf if end is None else end - lease.granted_at)
    return longest


def usage_by_user(snapshot: Snapshot, items: Iterable[Waiting]) -> tuple[dict[str, float], float]:
    """Return the usage of the users who wait, and the fair share for a weight of 1.

    Both are GPU-seconds. Usage is what a user has used and what their running sessions may still
    use, so a session counts the same before and after its grant.
    """
    now = snapshot.now
    weights = {i.request.user: i.effective.quota.weight or _MIN_WEIGHT for i in items}
    usage = {user: snapshot.recent_use.get(user, 0.0) for user in weights}
    for lease in snapshot.leases:
        end = lease.granted_at + NOMINAL_SECONDS if lease.expires_at is None else lease.expires_at
        if lease.user in usage and lease.gpu_uuids and end > now:
            usage[lease.user] += (end - now) * lease.gpu_share
    mean = sum(usage.values()) / sum(weights.values()) if weights else 0.0
    return usage, NOMINAL_SECONDS + mean


def largest_slot(snapshot: Snapshot) -> float:
    """Return the largest part of a GPU that a slot of this lab may be."""
    return 1 / min((device.slots for device in snapshot.devices if device.slots > 1), default=2)
