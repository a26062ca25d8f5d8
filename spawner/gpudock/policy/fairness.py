"""Weighted fair share: who has had less comes first, and waiting counts for everybody.

Every user has a virtual time: the GPU-seconds that they have had, older ones counting less, and
those that their running sessions may still take, divided by their weight. A request's place follows
from its user's virtual time, plus what the user's own earlier requests in the queue ask for, minus
a credit for the time that it has waited.

The credit grows with the square of the time: a second of waiting counts the more, the longer the
request has waited already. So past use decides between requests that have waited some minutes or a
few hours, and the time of waiting between those that have waited for long, which keeps the longest
waits short (the simulation in docs/queue.md shows both).

Nobody starves: virtual times are never negative, and the credit of a request grows faster than that
of any that joins later. So whoever joins later comes later after a while, whatever their weight and
however little they have used, and those who joined before are not many.
"""

from __future__ import annotations

import math
from operator import attrgetter
from typing import TYPE_CHECKING

from gpudock.model import Share

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gpudock.model import Lease, Quota
    from gpudock.policy.decide import Snapshot
    from gpudock.policy.queue import Waiting

HALF_LIFE_DAYS = 7.0
NOMINAL_SECONDS = 4 * 3600.0
"""What a session without an end is reckoned to last, for the order of the queue only."""

AGEING = 4.0
"""With less of it the longest waits of a busy lab are longer than first come, first served; more of
it costs fairness. docs/queue.md has the figures."""

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
        ageing: how many GPU-seconds a second of waiting counts like after one hour of waiting;
            after h hours it is h times as many.
    """

    def __init__(self, half_life_days: float = HALF_LIFE_DAYS, ageing: float = AGEING) -> None:
        """Make an ordering.

        Raises:
            ValueError: the half-life is not positive, or the ageing is negative or no number.
        """
        if not 0 < half_life_days < math.inf:
            raise ValueError("The half-life of past use is a number of days, more than 0.")
        if not 0 <= ageing < math.inf:
            raise ValueError("The ageing of requests is a number, 0 or more.")
        self.half_life_days = half_life_days
        self.ageing = ageing

    def order(self, snapshot: Snapshot) -> list[Waiting]:
        """Return all who wait; who has had least for their weight and waited longest first."""
        charged = dict(snapshot.recent_use)
        for user, seconds in _outstanding(snapshot).items():
            charged[user] = charged.get(user, 0.0) + seconds
        now = snapshot.now
        pace = self.ageing / (2 * _HOUR)
        slot = _largest_slot(snapshot)
        # For each user what they have had and asked for so far, and the key of their last request.
        users: dict[str, list[float]] = {}
        nominal: dict[tuple[float | None, float | None], float] = {}
        items = sorted(snapshot.waiting, key=_sequence)
        keys: list[float] = []
        for item in items:
            request, quota = item.request, item.effective.quota
            user = request.user
            state = users.get(user)
            if state is None:
                state = users[user] = [charged.get(user, 0.0), -math.inf]
            waited = now - request.created_at
            key = state[0] / (quota.weight or _LEAST_WEIGHT)
            if waited > 0:
                key -= pace * waited * waited
            # Requests of one user keep their order, whatever the clock did between them.
            if key < state[1]:
                key = state[1]
            else:
                state[1] = key
            keys.append(key)
            if request.gpus:
                terms = (quota.session_hours, quota.max_session_hours)
                lasts = nominal.get(terms)
                if lasts is None:
                    lasts = nominal[terms] = nominal_seconds(quota)
                share = slot if request.share is _SHARED else request.gpus
                state[0] += share * lasts
        # Sorting is stable, so of equal keys the one that joined first stays first.
        return [items[number] for number in sorted(range(len(items)), key=keys.__getitem__)]


def _outstanding(snapshot: Snapshot) -> dict[str, float]:
    """Return the GPU-seconds that running sessions may still take, by user.

    With them it makes no difference to the order of the others whether a request still waits or
    was granted a moment ago.
    """
    now = snapshot.now
    seconds: dict[str, float] = {}
    for lease in snapshot.leases:
        end = lease.granted_at + NOMINAL_SECONDS if lease.expires_at is None else lease.expires_at
        if end > now and lease.gpu_uuids:
            left = (end - now) * lease.gpu_share
            seconds[lease.user] = seconds.get(lease.user, 0.0) + left
    return seconds


def _largest_slot(snapshot: Snapshot) -> float:
    """Return the most that a slot of this lab may be of a GPU."""
    return 1 / min((c.slots for c in snapshot.conditions if c.slots > 1), default=2)
