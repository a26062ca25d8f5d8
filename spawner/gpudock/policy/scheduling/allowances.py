"""Allowances: how many GPUs users and groups may have at once, and from when they may have more.

A limit of *n* GPUs is planned like a pool of *n* units: sessions take of it until their latest end,
and a request that waits for it reserves what becomes available first. So a start that depends on a
limit is planned, and later requests under the same limit do not delay it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING

from gpudock.policy.scheduling.capacity import NEVER, UNRESERVED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gpudock.model import Lease
    from gpudock.policy.scheduling.snapshot import Waiting

_by_availability = attrgetter("available")


@dataclass(slots=True, eq=False)
class Place:
    """What one GPU takes of an allowance."""

    available: float  # when the last session and the last reservation end (Unix time)
    reserved_from: float = UNRESERVED  # when the first reservation begins
    taken: bool = False  # a session has it


class Allowance:
    """What one limit allows."""

    def __init__(self, limit: int, used: int, ends: Iterable[float], now: float) -> None:
        """Take what is in use.

        Args:
            limit: GPUs at once.
            used: GPUs in use; more than the limit where that was lowered.
            ends: until when, for those for which that is known (Unix times).
            now: Unix time.
        """
        held = [Place(max(end, now), taken=True) for end in ends]
        held += [Place(NEVER, taken=True) for _ in range(used - len(held))]
        self._places = held + [Place(now) for _ in range(limit - len(held))]
        # These must become free before anything can start.
        self._excess = max(0, len(held) - limit)
        self._untaken = len(self._places) - len(held)
        self._reserved = False

    def allows(self, count: int, end: float) -> bool:
        """Return whether *count* GPUs are allowed from now until *end* without delaying anybody."""
        if not self._reserved:
            return self._untaken >= count + self._excess
        return len(self._free(end)) >= count + self._excess

    def take(self, count: int, end: float) -> None:
        """Give *count* GPUs to a session that ends at *end* at the latest."""
        for place in self._free(end)[:count]:
            place.taken = True
            self._untaken -= 1
            place.available = max(place.available, min(end, NEVER))

    def start(self, count: int) -> float:
        """Return from when *count* GPUs are allowed (Unix time)."""
        found = self._earliest(count)
        return found[-1].available if len(found) == count + self._excess else NEVER

    def reserve(self, count: int, start: float, end: float) -> None:
        """Keep *count* GPUs from *start* to *end* for a request that waits."""
        self._reserved = True
        for place in self._earliest(count)[self._excess :]:
            place.reserved_from = min(place.reserved_from, start)
            place.available = max(place.available, min(end, NEVER))

    def _free(self, end: float) -> list[Place]:
        free = [x for x in self._places if not x.taken and x.reserved_from >= end]
        # What is not reserved stays for those whose sessions are longer.
        return sorted(free, key=attrgetter("reserved_from"))

    def _earliest(self, count: int) -> list[Place]:
        return sorted(self._places, key=_by_availability)[: count + self._excess]


class Allowances:
    """The allowances of users and groups in one decision."""

    def __init__(self, leases: Sequence[Lease], now: float) -> None:
        self._now = now
        self._of_user: dict[str, list[Lease]] = {}
        self._of_group: dict[str, list[Lease]] = {}
        for lease in leases:
            if lease.gpu_uuids:
                self._of_user.setdefault(lease.user, []).append(lease)
                for group in set(lease.groups):
                    self._of_group.setdefault(group, []).append(lease)
        self._found: dict[tuple[str, str, int], Allowance] = {}

    def of(self, item: Waiting) -> list[Allowance]:
        """Return the allowances that a request needs."""
        user, effective = item.request.user, item.effective
        found = []
        limit = effective.quota.max_gpus
        if limit is not None:
            found.append(
                self._allowance(
                    ("user", user, limit), effective.used.gpus, self._of_user.get(user, ())
                )
            )
        found += [
            self._allowance(
                ("group", cap.group, cap.max_gpus),
                cap.used.gpus,
                self._of_group.get(cap.group, ()),
            )
            for cap in effective.caps
            if cap.max_gpus is not None
        ]
        return found

    def _allowance(
        self, key: tuple[str, str, int], used: int, leases: Iterable[Lease]
    ) -> Allowance:
        if key not in self._found:
            ends = [
                NEVER if lease.latest_end is None else lease.latest_end
                for lease in leases
                for _ in lease.gpu_uuids
            ]
            self._found[key] = Allowance(key[2], max(used, len(ends)), ends, self._now)
        return self._found[key]


def start_of(allowances: Iterable[Allowance], count: int) -> float:
    """Return from when all *allowances* allow *count* GPUs (Unix time)."""
    return max((each.start(count) for each in allowances), default=-math.inf)
