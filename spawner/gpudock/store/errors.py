"""What can go wrong with the database.

Every message says what happened and what to do, for an administrator to read::

    StoreError
    ├── StoreConflictError
    │   └── QuotaRevisionError
    ├── StoreLockedError
    ├── StoreInterruptedError
    ├── StoreUnusableError
    ├── WrongLabError
    ├── EpochHeldError
    └── EpochLostError
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import exc

from gpudock.language import Message
from gpudock.store.postgresql import is_interrupted, is_lost, state_of

if TYPE_CHECKING:
    from gpudock.store.quotas import QuotaDocument


class StoreError(Exception):
    """The database failed, and nothing was changed."""


class StoreConflictError(StoreError):
    """The database refused a change because it contradicts what it holds."""


class QuotaRevisionError(StoreConflictError):
    """A quota document is not the one that a change was made from.

    Attributes:
        level, name: whose quota it is.
        stored: the present document; ``None`` when there is none any more.
    """

    def __init__(self, level: str, name: str, stored: QuotaDocument | None) -> None:
        super().__init__(
            Message("The quota of {level} {name} has changed meanwhile.", level=level, name=name)
        )
        self.level = level
        self.name = name
        self.stored = stored


class StoreLockedError(StoreError):
    """Another process is writing, and did not finish in time."""


class StoreUnusableError(StoreError):
    """The database will not work until a person replaces it, or the program."""


class WrongLabError(StoreError):
    """The database belongs to another lab, or to this lab on another server."""


class EpochHeldError(StoreError):
    """Another hub of this lab uses the database."""


class EpochLostError(StoreError):
    """Another hub has taken over the database: this one may not change anything any more."""


class StoreInterruptedError(StoreError):
    """The connection was lost, or another program was in the way: repeat the transaction."""


_LOST = Message(
    "The connection to the lab's database was lost, and nothing was changed. The lab connects again"
    " by itself: try again. If this keeps happening, check the database server and the network."
)
_UNKNOWN = Message(
    "The connection to the lab's database was lost in the moment of a change, so it is not known"
    " whether that was stored. The lab connects again by itself: look whether the change is there,"
    " and try again if it is not."
)
_IN_THE_WAY = Message(
    "The lab's database undid a change because another program was working on the same data at the"
    " same time. Nothing was changed: try again."
)
# PostgreSQL's SQLSTATE to the sign of a message below: its own words may be in any language.
_STATES = {
    "55P03": "lock timeout",
    "53100": "disk is full",
    "25006": "read-only",
    "42P01": "no such table",
    "42703": "no such column",
    "57014": "statement timeout",
    "53300": "could not connect",
    "28000": "could not connect",
    "28P01": "could not connect",
    "3D000": "could not connect",
}
_LOCKED = ("database is locked", "database table is locked", "lock timeout")
_DAMAGED = ("malformed", "not a database", "file is encrypted")
_KINDS: dict[tuple[str, ...], type[StoreError]] = {
    _LOCKED: StoreLockedError,
    _DAMAGED: StoreUnusableError,
}
_MESSAGES = (
    (
        ("disk is full", "no space left"),
        Message(
            "The disk that holds the lab's database is full. Free some space on it; the lab then"
            " continues by itself."
        ),
    ),
    (
        _LOCKED,
        Message(
            "The lab's database is locked by another process. Try again; if it stays so, look for a"
            " program that keeps the database file open."
        ),
    ),
    (
        ("readonly database", "read-only"),
        Message(
            "The lab's database cannot be written: its file or disk is read-only. Give the hub"
            " write access to the file and to its directory."
        ),
    ),
    (
        (
            "is starting up",
            "is shutting down",
            "not accepting connections",
            "not yet accepting connections",
            "in recovery mode",
        ),
        Message(
            "The server of the lab's database is starting or stopping. If it stays so, look at"
            " that server's log."
        ),
    ),
    (
        (
            "unable to open database",
            "could not connect",
            "connection refused",
            "connection failed",
            "connection is bad",
            "connection timeout",
            "failed to resolve",
        ),
        Message(
            "The lab's database cannot be opened. Check GPUDOCK_DB_URL, that the file exists or the"
            " server answers, and that the hub may use it."
        ),
    ),
    (
        ("no such table", "does not exist", "no such column"),
        Message(
            "The lab's database lacks tables that this version of gpudock needs. Restart the hub,"
            " which brings it up to date."
        ),
    ),
    (
        _DAMAGED,
        Message(
            "The lab's database file is damaged. Stop the hub and restore the file from a backup,"
            " or move it away: leases are then rebuilt from the running containers, while quotas"
            " and the queue start empty."
        ),
    ),
    (
        ("statement timeout",),
        Message(
            "A statement in the lab's database took too long and was canceled. Try again; if it"
            " stays so, check the load of the database server."
        ),
    ),
    (
        ("disk i/o error",),
        Message(
            "The disk that holds the lab's database reports an input/output error. Check the disk."
        ),
    ),
)


def translate(error: exc.SQLAlchemyError, *, commits: bool = False) -> StoreError:
    """Return a database's error as one with a message for people.

    Args:
        error: the error.
        commits: whether it came with the commit, which may have been done before it.
    """
    cause = getattr(error, "orig", None) or error
    detail = " ".join(str(cause).split())
    if isinstance(error, exc.IntegrityError):
        return StoreConflictError(
            Message(
                "The lab's database refused a change that contradicts what it holds ({detail}).",
                detail=detail,
            )
        )
    state = state_of(error)
    invalidated = isinstance(error, exc.DBAPIError) and error.connection_invalidated
    if is_lost(state) or (invalidated and not state):
        return StoreError(_UNKNOWN) if commits else StoreInterruptedError(_LOST)
    if is_interrupted(state):
        return StoreInterruptedError(_IN_THE_WAY)
    lowered = f"{_STATES.get(state, '')} {detail}".lower()
    for signs, message in _MESSAGES:
        if any(sign in lowered for sign in signs):
            return _KINDS.get(signs, StoreError)(message)
    return StoreError(Message("The lab's database failed: {detail}", detail=detail))
