"""Limits that contradict each other: sentences for the person who sets them."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from gpudock.language import Message
from gpudock.policy.quota.documents import BOOST, UNTIL, boost_end
from gpudock.policy.quota.resolve import SHORTEST_SESSION_HOURS
from gpudock.policy.sessions import session_hours

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gpudock.model import Quota


def contradictions(document: Mapping[str, Any], quota: Quota, now: float) -> list[str]:
    """Return a sentence for each pair of limits of which one has no effect, or an unexpected one.

    Args:
        document: the parsed document that somebody sets; only what concerns its fields is returned.
        quota: the limits in force with it.
        now: Unix time, for boosts.
    """
    boost = document.get(BOOST)
    fields = {*document, *(boost or ())}
    return [
        text
        for concerned, text in (*_of_limits(quota), *_of_group(document, quota))
        if concerned & fields
    ] + _of_boost(boost, now)


def _of_limits(quota: Quota) -> Iterator[tuple[set[str], str]]:
    usual, longest = quota.session_hours, quota.max_session_hours
    if usual is not None and longest is not None and usual > longest:
        yield (
            {"session_hours", "max_session_hours"},
            (
                Message(
                    "session_hours is {usual:g}, and max_session_hours only {longest:g}: sessions"
                    " will last {longest:g} h, the maximum, and cannot be extended.",
                    usual=usual,
                    longest=longest,
                )
            ),
        )
    hours = session_hours(quota)
    idle = quota.idle_minutes
    if idle is not None and hours is not None and idle >= 60 * hours:
        yield (
            {"idle_minutes", "session_hours", "max_session_hours"},
            (
                Message(
                    "idle_minutes is {idle:g}, and sessions last {hours:g} h ({minutes:g} min):"
                    " they are over before they can be idle for so long, unless they are extended.",
                    idle=idle,
                    hours=hours,
                    minutes=60 * hours,
                )
            ),
        )
    budget = quota.gpu_hours
    if budget is not None and 0 < budget < SHORTEST_SESSION_HOURS:
        yield (
            {"gpu_hours"},
            Message(
                "gpu_hours is {budget:g}: a session ends after {minutes:g} min of one GPU.",
                budget=budget,
                minutes=60 * budget,
            ),
        )
    elif budget is not None and hours is not None and 0 < budget < hours:
        yield (
            {"gpu_hours", "session_hours"},
            (
                Message(
                    "gpu_hours is {budget:g}, and sessions last {hours:g} h: one with a whole GPU"
                    " ends after {budget:g} h, when the GPU-hours are used up.",
                    budget=budget,
                    hours=hours,
                )
            ),
        )


def _of_group(document: Mapping[str, Any], quota: Quota) -> Iterator[tuple[set[str], str]]:
    for own, together in (("max_gpus", "group_max_gpus"), ("gpu_hours", "group_gpu_hours")):
        limit, cap = getattr(quota, own), document.get(together)
        if limit is not None and cap is not None and cap < limit:
            yield (
                {own, together},
                (
                    Message(
                        "{own} is {limit:g} for each member, and {together} {cap:g} for all of"
                        " them: nobody gets more than {cap:g}.",
                        own=own,
                        limit=limit,
                        together=together,
                        cap=cap,
                    )
                ),
            )
    hours = (quota.gpu_hours, document.get("group_gpu_hours"))
    if "window_days" in document and hours == (None, None):
        yield (
            {"window_days"},
            Message("window_days has no effect here, because there is no limit of GPU-hours."),
        )


def _of_boost(boost: Mapping[str, Any] | None, now: float) -> list[str]:
    if boost is None or boost_end(boost) > now:
        return []
    end = dt.datetime.fromisoformat(boost[UNTIL])
    return [
        Message(
            "The boost has no effect: it ended on {day:%Y-%m-%d} at {time:%H:%M} UTC.",
            day=end,
            time=end,
        )
    ]
