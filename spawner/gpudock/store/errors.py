"""What can go wrong with the database, in sentences."""

from __future__ import annotations

from sqlalchemy import exc


class StoreError(Exception):
    """The database did not do its part, and nothing was changed.

    The message says what happened and what to do, for an administrator to read.
    """


class StoreConflict(StoreError):  # noqa: N818 - it is a kind of StoreError
    """The database refused a change because it contradicts what is there."""


class StoreLocked(StoreError):  # noqa: N818 - it is a kind of StoreError
    """Another process writes, and has not come to an end in time."""


_LOCKED = ("database is locked", "database table is locked", "lock timeout")
_SENTENCES = (
    (
        ("disk is full", "no space left"),
        (
            "The disk that holds the lab's database is full. Free some space on it; the lab then"
            " goes on by itself."
        ),
    ),
    (
        _LOCKED,
        (
            "The lab's database is locked by another process. Try again; if it stays so, look for a"
            " program that keeps the database file open."
        ),
    ),
    (
        ("readonly database", "read-only"),
        (
            "The lab's database cannot be written: its file or disk is read-only. Give the hub"
            " write access to the file and to its directory."
        ),
    ),
    (
        ("unable to open database", "could not connect", "connection refused", "connection failed"),
        (
            "The lab's database cannot be opened. Check GPUDOCK_DB_URL, that the directory exists"
            " or the server answers, and that the hub may use it."
        ),
    ),
    (
        ("no such table", "does not exist", "no such column"),
        (
            "The lab's database has not the tables that this version of gpudock needs. Restart the"
            " hub, which brings it up to date."
        ),
    ),
    (
        ("malformed", "not a database", "file is encrypted"),
        (
            "The lab's database file is damaged. Stop the hub and restore the file from a backup,"
            " or move it away: leases are then rebuilt from the running containers, while quotas"
            " and the queue start anew."
        ),
    ),
    (
        ("disk i/o error",),
        "The disk that holds the lab's database reports an input/output error. Check the disk.",
    ),
)


def translate(error: exc.SQLAlchemyError) -> StoreError:
    """Turn a database's error into one with a sentence for a person."""
    cause = getattr(error, "orig", None) or error
    detail = " ".join(str(cause).split())
    if isinstance(error, exc.IntegrityError):
        return StoreConflict(
            f"The lab's database refused a change that contradicts what it holds ({detail})."
        )
    lowered = detail.lower()
    for signs, sentence in _SENTENCES:
        if any(sign in lowered for sign in signs):
            return (StoreLocked if signs is _LOCKED else StoreError)(sentence)
    return StoreError(f"The lab's database failed: {detail}")
