"""Waiting time: since when the time counts that a request has waited.

* While a user's own limit holds a request back, it does not wait for others. This time does not
  count, so several requests under a limit of one GPU gain nothing over a single one.
* Time counts once for each GPU that a user gets: when a request is granted, the later ones of its
  user begin again.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gpudock.policy.scheduling.snapshot import Waiting


class Claim(NamedTuple):
    """What a session takes of its user's limit.

    Attributes:
        user: whose session it is.
        gpus: how many devices; a slot is one.
        granted_at: when it began (Unix time).
        ended_at: when it ended (Unix time); infinite for one that goes on.
        sequence: of its request; ``None``: it had none, or that is not known.
    """

    user: str
    gpus: int
    granted_at: float
    ended_at: float
    sequence: int | None = None


def counted_since(
    waiting: Iterable[Waiting], claims: Iterable[Claim], now: float
) -> dict[str, float]:
    """Return since when the waiting time of requests counts, by request id.

    A request is held back while its user's sessions, the user's requests before it and the request
    itself are more than the limit allows. Requests whose time counts from the beginning are left
    out.

    Args:
        waiting: the queue, in any order.
        claims: the sessions that users had since their requests were made, and have.
        now: Unix time; the result for a request that is held back now.
    """
    requests: dict[str, list[Waiting]] = {}
    for item in waiting:
        if item.request.gpus:
            requests.setdefault(item.request.user, []).append(item)
    sessions: dict[str, list[Claim]] = {}
    for claim in claims:
        if claim.user in requests:
            sessions.setdefault(claim.user, []).append(claim)
    found: dict[str, float] = {}
    for user, items in requests.items():
        ahead = 0
        for item in sorted(items, key=lambda item: item.sequence):
            ahead += item.request.gpus
            own = sessions.get(user, ())
            since = max(_held_until(item, ahead, own, now), _served_at(item, own))
            if since > item.request.created_at:
                found[item.request.id] = since
    return found


def _held_until(item: Waiting, ahead: int, claims: Sequence[Claim], now: float) -> float:
    """Return until when a request was held back; its own time if it never was.

    *ahead*: the GPUs of the request and of its user's requests before it.
    """
    limit, created = item.effective.quota.max_gpus, item.request.created_at
    if limit is None:
        return created
    if ahead > limit:
        return now
    for end in sorted({min(claim.ended_at, now) for claim in claims}, reverse=True):
        if end <= created:
            break
        # What counted just before this end; a session of an earlier request did while it waited.
        taken = sum(
            claim.gpus
            for claim in claims
            if claim.ended_at >= end
            and (claim.granted_at < end or (claim.sequence or item.sequence) < item.sequence)
        )
        if taken + ahead > limit:
            return end
    return created


def _served_at(item: Waiting, claims: Sequence[Claim]) -> float:
    """Return when the latest of the user's requests before this one was granted."""
    return max(
        (
            claim.granted_at
            for claim in claims
            if claim.sequence is not None and claim.sequence < item.sequence
        ),
        default=-math.inf,
    )
