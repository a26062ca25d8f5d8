"""Weighted fair share: whoever joined first comes first, unless others have had less of the lab.

A request's place follows from the time for which it has waited, less two handicaps:

* **Use.** What its user has had (older GPU-seconds count less), what the user's running sessions
  may still take and what the user's own requests ahead of it ask for are added up and divided by
  the user's weight. Where that comes to what is usual among those who wait, half of the time of
  waiting is taken away; nearly nothing where it is half of that, and nearly all where it is twice
  as much; six hours at most. So the handicap is small where waits are short.
* **Length.** Three quarters of the length of a session, 18 hours at most. A GPU that has had a
  short session is soon there for the next, so letting short ones go first shortens most waits.

Together they are a day at most, so nobody starves: who joins a day later than a request comes after
it, whatever their weight and however little they have used. docs/queue.md tells why the order is
this one, and what other orders came to.
"""

from __future__ import annotations

import math
from operator import attrgetter
from typing import TYPE_CHECKING

from gpudock.model import Share

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gpudock.model import Lease, Quota
    from gpudock.policy.scheduling.decide import Snapshot
    from gpudock.policy.scheduling.ordering import Waiting

HALF_LIFE_DAYS = 7.0
NOMINAL_SECONDS = 4 * 3600.0
"""What a session without an end is reckoned to last, for the order of the queue only."""

MOST_USE_HOURS = 6.0
"""The most that use takes from the time of waiting, hours."""

MOST_LENGTH_HOURS = 18.0
"""The most that the length of a session takes from the time of waiting, hours."""

LENGTH_PART = 0.75
"""The part of a session's length that is taken from the time of waiting."""

TOGETHER_SECONDS = 15 * 60.0
"""Of those who join within this time of one another use decides, not who was quicker."""

_HOUR = 3600.0
_DAY = 86400.0
# A weight of nothing would divide by zero; quota documents do not allow it, a configured default
# may have it.
_LEAST_WEIGHT = 1e-9

_sequence = attrgetter("sequence")
_SHARED = Share.SHARED


def nominal_seconds(quota: Quota) -> float:
    """Return what a session under *quota* is reckoned to last unless it is extended."""
    hours = [h for h in (quota.session_hours, quota.max_session_hours) if h is not None]
    return min(hours) * 3600 if hours else NOMINAL_SECONDS


def decayed_use(
    gpu_share: float, since: float, until: float, now: float, half_life_days: float = HALF_LIFE_DAYS
) -> float:
    """Return what a session's use counts today: GPU-seconds, halved for every half-life of age.

    Args:
        gpu_share: how many GPUs it had; a fraction of one for a slot.
        since: when it began (Unix time).
        until: when it ended; what lies after *now* is left out.
        now: Unix time.
        half_life_days: after so many days a GPU-second counts half.
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
    """Add up what ended and running *leases* count today, by user."""
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
        half_life_days: after so many days a GPU-second of the past counts half. Whoever fills in
            ``Snapshot.recent_use`` reckons with it.
        most_use_hours: by how much use puts a request off at most.
        most_length_hours: by how much the length of a session does. Nobody who joins as many hours
            later as both come to is served before.
    """

    def __init__(
        self,
        half_life_days: float = HALF_LIFE_DAYS,
        most_use_hours: float = MOST_USE_HOURS,
        most_length_hours: float = MOST_LENGTH_HOURS,
    ) -> None:
        """Make an ordering.

        Raises:
            ValueError: the half-life is not positive, or the hours are negative or no number.
        """
        if not 0 < half_life_days < math.inf:
            raise ValueError("The half-life of past use is a number of days, more than 0.")
        if not (0 <= most_use_hours < math.inf and 0 <= most_length_hours < math.inf):
            raise ValueError("The most that a request is put off is a number of hours, 0 or more.")
        self.half_life_days = half_life_days
        self.most_use_hours = most_use_hours
        self.most_length_hours = most_length_hours

    def order(self, snapshot: Snapshot) -> list[Waiting]:
        """Return all who wait, the one to serve first at the front."""
        now, together = snapshot.now, TOGETHER_SECONDS
        most_use, most_length = self.most_use_hours * _HOUR, self.most_length_hours * _HOUR
        slot = largest_slot(snapshot)
        items = sorted(snapshot.waiting, key=_sequence)
        had, usual = admin_state(snapshot, items)
        # For each user what they have had and asked for so far, and the key of their last request.
        users = {user: [seconds, -math.inf] for user, seconds in had.items()}
        # By what they depend on: what a session takes, what its length puts it off by, and what to
        # multiply with to compare use with what is usual.
        terms: dict[tuple[float | None, float | None, float], tuple[float, float, float]] = {}
        keys: list[float] = []
        for item in items:
            request, quota = item.request, item.effective.quota
            form = (quota.session_hours, quota.max_session_hours, quota.weight)
            term = terms.get(form)
            if term is None:
                lasts = nominal_seconds(quota)
                scale = 1 / (usual * (quota.weight or _LEAST_WEIGHT))
                term = terms[form] = lasts, min(LENGTH_PART * lasts, most_length), scale
            lasts, put_off, scale = term
            state = users[request.user]
            waited = now - request.created_at
            if waited < 0:
                waited = 0.0
            held = waited + together
            if held > most_use:
                held = most_use
            part = state[0] * scale
            part *= part * part
            key = put_off - waited + held - held / (1 + part * part)
            # Requests of one user keep their order, whatever the clock did between them.
            if key < state[1]:
                key = state[1]
            else:
                state[1] = key
            keys.append(key)
            gpus = request.gpus
            if gpus:
                state[0] += (slot if request.share is _SHARED else gpus) * lasts
        # Sorting is stable, so of equal keys the one that joined first stays first.
        return [items[number] for number in sorted(range(len(items)), key=keys.__getitem__)]


def admin_state(snapshot: Snapshot, items: Iterable[Waiting]) -> tuple[dict[str, float], float]:
    """Tell what those who wait have had, and what of it is usual.

    Returns:
        For each user who waits the GPU-seconds that they had and that their running sessions may
        still take; and the mean of it for a weight of 1, and a session more, so that what is
        less than a session makes no great difference.
    """
    recent, running = snapshot.recent_use, _outstanding(snapshot)
    items_of = {item.request.user: item for item in items}
    had = {user: recent.get(user, 0.0) + running.get(user, 0.0) for user in items_of}
    weights = sum(item.effective.quota.weight or _LEAST_WEIGHT for item in items_of.values())
    return had, NOMINAL_SECONDS + (sum(had.values()) / weights if weights else 0.0)


def _outstanding(snapshot: Snapshot) -> dict[str, float]:
    """Return the GPU-seconds that running sessions may still take, by user.

    With them a session that has just begun counts for its user as it did while it was a request.
    """
    now = snapshot.now
    seconds: dict[str, float] = {}
    for lease in snapshot.leases:
        end = lease.granted_at + NOMINAL_SECONDS if lease.expires_at is None else lease.expires_at
        if end > now and lease.gpu_uuids:
            left = (end - now) * lease.gpu_share
            seconds[lease.user] = seconds.get(lease.user, 0.0) + left
    return seconds


def largest_slot(snapshot: Snapshot) -> float:
    """Return the most that a slot of this lab may be of a GPU."""
    return 1 / min((c.slots for c in snapshot.conditions if c.slots > 1), default=2)
