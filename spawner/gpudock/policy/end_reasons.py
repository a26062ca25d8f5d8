"""Why sessions ended, as people read it: one table for all pages, the API and the command line.

A lease keeps a few words on why it ended, as the part that ended it wrote them. :func:`explain`
turns them into a phrase that starts with a capital letter and can be followed by a time: "Stopped
by admin" at 23:56.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpudock.language import Message, counted, worded
from gpudock.policy.durations import duration_in_words

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpudock.model import Lease

RELEASED_BY_USER = "its user released it"
STOPPED = "stopped"

_HOUR = 3600.0


class EndKind(enum.StrEnum):
    """What kind of end a session had, for filters and translations."""

    STOPPED = "stopped"  # a person stopped it
    TIME = "time"
    HOURS = "hours"
    IDLE = "idle"
    EXITED = "exited"  # the container ended by itself
    NOT_STARTED = "not_started"
    ACCOUNT_GONE = "account_gone"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class EndReason:
    """Why a session ended.

    Attributes:
        kind: what kind of end it was.
        text: a phrase with a capital letter and without a full stop.
    """

    kind: EndKind
    text: str


def released_by(actor: str) -> str:
    """Return what a lease keeps when *actor*, who is not its user, ends it."""
    return f"{actor} released it"


def explain(lease: Lease, reader: str | None = None) -> EndReason:
    """Return why a lease ended, or is about to end.

    Args:
        lease: a lease that is stopping or has ended.
        reader: who reads it, whose own doing is called so; ``None``: anybody.
    """
    words = lease.end_reason or STOPPED
    for pattern, describe in _TABLE:
        found = pattern.fullmatch(words)
        if found is not None:
            return describe(lease, found, reader)
    return EndReason(EndKind.OTHER, _capitalized(words.strip().rstrip(".")))


def over(lease: Lease, reader: str | None = None) -> str:
    """Return a sentence on the end of a lease, with the words that it keeps.

    Args:
        lease: a lease that is stopping or has ended.
        reader: as for :func:`explain`.
    """
    words = worded(lease.end_reason or "it was stopped", explain(lease, reader).text)
    return Message("The session is over: {reason}.", reason=words)


def _by_user(lease: Lease, _found: re.Match[str], reader: str | None) -> EndReason:
    return _stopped_by(lease.user, reader)


def _by_other(_lease: Lease, found: re.Match[str], reader: str | None) -> EndReason:
    return _stopped_by(found[1], reader)


def _stopped_by(who: str, reader: str | None) -> EndReason:
    if who == reader:
        return EndReason(EndKind.STOPPED, Message("Stopped by you"))
    return EndReason(EndKind.STOPPED, Message("Stopped by {who}", who=who))


def _by_time(lease: Lease, _found: re.Match[str], _reader: str | None) -> EndReason:
    if lease.expires_at is None:
        return EndReason(EndKind.TIME, Message("Time limit reached"))
    length = lease.expires_at - lease.granted_at
    hours = round(length / _HOUR, 1)
    if hours:
        return EndReason(EndKind.TIME, Message("{hours:g} h limit reached", hours=hours))
    duration = duration_in_words(length)
    return EndReason(EndKind.TIME, Message("Limit of {duration} reached", duration=duration))


def _by_idleness(_lease: Lease, found: re.Match[str], _reader: str | None) -> EndReason:
    text = counted(
        "Idle limit of {n:g} minute reached", "Idle limit of {n:g} minutes reached", float(found[1])
    )
    return EndReason(EndKind.IDLE, text)


def _by_group_hours(_lease: Lease, found: re.Match[str], _reader: str | None) -> EndReason:
    text = Message("GPU-hours of the group {group} used up", group=found[1])
    return EndReason(EndKind.HOURS, text)


def _exited(_lease: Lease, found: re.Match[str], _reader: str | None) -> EndReason:
    # The reconciler writes "None" where the engine did not give the code.
    code = int(found[1]) if found[1].isdigit() else None
    match code:
        case None:
            text = Message("The container ended")
        case 0:
            text = Message("JupyterLab was shut down")
        case 137:
            text = Message(
                "The container was killed, most often for lack of memory (exit code 137)"
            )
        case 143:
            text = Message("The container was stopped from outside the lab (exit code 143)")
        case 255:
            text = Message("The container ended with the server that it ran on (exit code 255)")
        case _:
            text = Message("JupyterLab ended with an error (exit code {code})", code=code)
    return EndReason(EndKind.EXITED, text)


def _failed(_lease: Lease, found: re.Match[str], _reader: str | None) -> EndReason:
    text = Message("The start failed: {why}", why=found[1].rstrip("."))
    return EndReason(EndKind.NOT_STARTED, text)


def _always(kind: EndKind, text: str) -> Callable[[Lease, re.Match[str], str | None], EndReason]:
    reason = EndReason(kind, text)
    return lambda _lease, _found, _reader: reason


# In this order: the first pattern that matches all of a lease's words describes its end.
_TABLE: tuple[
    tuple[re.Pattern[str], Callable[[Lease, re.Match[str], str | None], EndReason]], ...
] = tuple(
    (re.compile(pattern, re.DOTALL), describe)
    for pattern, describe in (
        (re.escape(RELEASED_BY_USER), _by_user),
        (r"(.+) released it", _by_other),
        (re.escape(STOPPED), _always(EndKind.STOPPED, Message("Stopped"))),
        ("its time was up", _by_time),
        ("the GPU-hours were used up", _always(EndKind.HOURS, Message("GPU-hours used up"))),
        (r"the GPU-hours of the group (.+) were used up", _by_group_hours),
        (r"its GPU was not used for ([0-9]+(?:\.[0-9]+)?(?:e\+?[0-9]+)?) minutes", _by_idleness),
        (r"its container exited \((\w+)\)", _exited),
        (
            "its container is gone",
            _always(EndKind.EXITED, Message("The container was removed from outside the lab")),
        ),
        (
            "its container ended at once",
            _always(EndKind.NOT_STARTED, Message("The container ended right after its start")),
        ),
        ("did not start", _always(EndKind.NOT_STARTED, Message("The server did not start"))),
        (
            "did not start in time",
            _always(EndKind.NOT_STARTED, Message("The server did not start in time")),
        ),
        (
            "its start was interrupted",
            _always(EndKind.NOT_STARTED, Message("The start was interrupted")),
        ),
        ("its start failed", _always(EndKind.NOT_STARTED, Message("The start failed"))),
        (r"its start failed: (.+)", _failed),
        (r"The container could not be started: (.+)", _failed),
        (
            "cancelled|its start was cancelled",
            _always(EndKind.NOT_STARTED, Message("The start was canceled")),
        ),
        (
            "its start had waited for too long",
            _always(EndKind.NOT_STARTED, Message("The start had waited too long")),
        ),
        (
            "its server cannot be started",
            _always(EndKind.NOT_STARTED, Message("The server could not be started")),
        ),
        (
            "its user is not in the Hub any more",
            _always(EndKind.ACCOUNT_GONE, Message("The account was removed")),
        ),
    )
)


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]
