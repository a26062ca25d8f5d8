"""The limits of users and groups, and what is used of them, within one transaction."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from gpudock.model import LeaseState
from gpudock.policy.quota import resolve as quotas
from gpudock.policy.quota.gpu_hours import DAY, Span
from gpudock.policy.quota.resolve import Usage
from gpudock.policy.scheduling.fair_share import recent_use
from gpudock.policy.sessions import Accounts, live_spans

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gpudock.broker.usage_cache import UsageCache
    from gpudock.model import Lease, Quota
    from gpudock.policy.quota.resolve import Cap, EffectiveQuota
    from gpudock.store import Transaction

    Documents = Mapping[tuple[str, str], Mapping[str, object] | None]
    Member = tuple[str, tuple[str, ...]]


class Limits:
    """The limits in force, with what is used of them.

    Results are cached, so an object is good until the transaction changes something.
    """

    def __init__(
        self,
        transaction: Transaction,
        base: Quota,
        usage_cache: UsageCache,
        leases: Sequence[Lease],
        now: float,
        changes: Documents | None = None,
    ) -> None:
        """Prepare to look limits up.

        Args:
            transaction: from which documents are read.
            base: the limits where no level says otherwise.
            usage_cache: what leases that have ended used.
            leases: the live leases.
            now: Unix time.
            changes: documents that replace the stored ones; ``None`` for one: as if it were
                removed.
        """
        self._transaction = transaction
        self._base = base
        self._usage_cache = usage_cache
        self._leases = leases
        self._now = now
        self._changes = changes or {}
        self._found: dict[Member, EffectiveQuota] = {}
        self._accounts: Accounts | None = None
        self._reach = 0.0
        self._held_gpus: tuple[dict[str, Usage], dict[str, Usage]] | None = None

    def of(self, user: str, groups: Iterable[str]) -> EffectiveQuota:
        """Return the limits of one user who is in *groups*."""
        return self.of_all([(user, tuple(groups))])[0]

    def of_all(self, members: Sequence[Member]) -> list[EffectiveQuota]:
        """Return the limits of many users, each with the groups that they are in."""
        new = {member for member in members if member not in self._found}
        if new:
            resolved = self._resolve(new)
            self._reach_back(_longest_window(resolved.values()))
            # Users who use nothing, as most users of a large lab do, share one result per set of
            # limits. While "resolved" is alive, no two of its values have the same id.
            unused: dict[int, EffectiveQuota] = {}
            for member, effective in resolved.items():
                if self._uses_anything(member[0], effective):
                    self._found[member] = self._fill(member[0], effective)
                    continue
                if id(effective) not in unused:
                    unused[id(effective)] = self._fill(member[0], effective)
                self._found[member] = unused[id(effective)]
        return [self._found[member] for member in members]

    def accounts(self, leases: Iterable[Lease] = ()) -> Accounts:
        """Return what users and groups use, as far back as the limits of *leases* reach."""
        windows = [0.0]
        for lease in leases:
            if lease.gpu_hours_limit is not None:
                windows.append(_days(lease.gpu_hours_window))
            windows += [_days(limit.window_days) for limit in lease.group_hours]
        self._reach_back(max(windows))
        if self._accounts is None:
            self._accounts = self._take_accounts()
        return self._accounts

    def recent_use(self) -> dict[str, float]:
        """Return user to GPU-seconds of past and present, of which older ones count less."""
        self.accounts()
        recent = self._usage_cache.recent_use(self._now)
        for user, seconds in recent_use(
            self._leases, self._now, self._usage_cache.half_life_days
        ).items():
            recent[user] = recent.get(user, 0.0) + seconds
        return recent

    def _resolve(self, members: Iterable[Member]) -> dict[Member, EffectiveQuota]:
        members = list(members)
        documents: dict[tuple[str, str], Mapping[str, object]] = {
            **self._transaction.quotas.of(
                {user for user, _ in members}, {group for _, groups in members for group in groups}
            )
        }
        for place, document in self._changes.items():
            if document is None:
                documents.pop(place, None)
            else:
                documents[place] = document
        found: dict[Member, EffectiveQuota] = {}
        # All who are in the same groups and have no document of their own have the same limits.
        usual: dict[tuple[str, ...], EffectiveQuota] = {}
        for user, groups in members:
            own = documents.get(("user", user))
            if own is None and groups in usual:
                found[user, groups] = usual[groups]
                continue
            found[user, groups] = resolved = quotas.resolve(
                self._base,
                documents.get(("default", "")),
                {g: documents["group", g] for g in groups if ("group", g) in documents},
                own,
                self._now,
            )
            if own is None:
                usual[groups] = resolved
        return found

    def _reach_back(self, days: float) -> None:
        """Make the accounts reach back at least *days* days."""
        if days > self._reach:
            self._reach = days
            self._accounts = None

    def _take_accounts(self) -> Accounts:
        since = self._now - self._reach * DAY if self._reach else math.inf
        self._usage_cache.refresh(self._transaction, self._now, since)
        users: dict[str, Sequence[Span]] = dict(self._usage_cache.users)
        groups: dict[str, Sequence[Span]] = dict(self._usage_cache.groups)
        for lease, span in live_spans(self._leases):
            users[lease.user] = [*users.get(lease.user, ()), span]
            for group in set(lease.groups):
                groups[group] = [*groups.get(group, ()), span]
        return Accounts(self._now, users, groups)

    def _uses_anything(self, user: str, effective: EffectiveQuota) -> bool:
        return user in self._held()[0] or (
            effective.quota.gpu_hours is not None and self.accounts().has_used("user", user)
        )

    def _held(self) -> tuple[dict[str, Usage], dict[str, Usage]]:
        """Return what users hold, and what the members of groups hold."""
        if self._held_gpus is None:
            self._held_gpus = _count(self._leases)
        return self._held_gpus

    def _fill(self, user: str, effective: EffectiveQuota) -> EffectiveQuota:
        """Return limits with what is used of them."""
        quota = effective.quota
        used = self._held()[0].get(user, _UNUSED)
        if quota.gpu_hours is not None:
            used = self._with_hours(used, "user", user, quota.gpu_hours, quota.window_days)
        caps = tuple(map(self._fill_cap, effective.caps))
        return replace(effective, used=used, caps=caps)

    def _fill_cap(self, cap: Cap) -> Cap:
        used = self._held()[1].get(cap.group, _UNUSED)
        if cap.gpu_hours is not None:
            used = self._with_hours(used, "group", cap.group, cap.gpu_hours, cap.window_days)
        return replace(cap, used=used)

    def _with_hours(
        self, used: Usage, kind: str, name: str, limit: float, window_days: float | None
    ) -> Usage:
        accounts = self.accounts()
        hours = accounts.used_hours(kind, name, window_days)
        most = limit - quotas.needed_hours(limit, 1)
        again = accounts.hours_from(kind, name, window_days, most) if hours > most else None
        return replace(used, gpu_hours=hours, hours_from=again if limit else None)


_UNUSED = Usage()


def _count(leases: Iterable[Lease]) -> tuple[dict[str, Usage], dict[str, Usage]]:
    """Count the devices in live leases: by user, and by group."""
    users: dict[str, Usage] = {}
    groups: dict[str, Usage] = {}
    for lease in leases:
        gpus = len(lease.gpu_uuids)
        stopping = gpus if lease.state is LeaseState.STOPPING else 0
        if gpus:
            for counts, names in ((users, (lease.user,)), (groups, set(lease.groups))):
                for name in names:
                    held = counts.get(name, _UNUSED)
                    counts[name] = Usage(held.gpus + gpus, held.stopping + stopping)
    return users, groups


def _days(window_days: float | None) -> float:
    return math.inf if window_days is None else window_days


def _longest_window(quotas_in_force: Iterable[EffectiveQuota]) -> float:
    """Return how many days back the limits of GPU-hours reach; 0 where there are none."""
    longest = 0.0
    for effective in quotas_in_force:
        if effective.quota.gpu_hours is not None:
            longest = max(longest, _days(effective.quota.window_days))
        for cap in effective.caps:
            if cap.gpu_hours is not None:
                longest = max(longest, _days(cap.window_days))
    return longest
