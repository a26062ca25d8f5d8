"""The folder that hub, desk and command line share: the database, and their secrets.

It is a volume of its own (``/srv/gpudock/shared``), so that the desk, which serves pages to
everybody, has none of the hub's other files. Labs of former versions have database and agent's
token in the hub's own folder: :func:`open_shared` brings them over.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import sqlite3
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger(__name__)

FOLDER = "shared"
DATABASE = "gpudock.sqlite"
AGENT_TOKEN = "agent-token"  # noqa: S105 (a file's name)
"""With it the agent is asked; see :mod:`gpudock.agent`."""
DESK_TOKEN = "desk-token"  # noqa: S105 (a file's name)
"""The desk's token for the Hub's API."""

NO_GPUS = "no-gpus"
"""In a lab without GPUs: the sentence that says why it has none."""

AGENT_PORT = 8089
DESK_PORT = 10101
DESK_NAME = "gpudock"
"""The name of the Hub's service that the desk is, which is part of its address."""

READ_SCOPE = "custom:gpudock:read"
MANAGE_SCOPE = "custom:gpudock:manage"
ACCESS_SCOPE = f"access:services!service={DESK_NAME}"
"""Whoever has it at the Hub may use the desk at all; see :mod:`gpudock.hub.roles`."""

_MOVED = ".moved"


class SharedFolderError(Exception):
    """The shared folder cannot be made ready; the message says why and what to do."""


def desk_prefix(base_url: str = "/") -> str:
    """Return the path of the desk in a lab that is below *base_url*."""
    return f"{base_url}services/{DESK_NAME}/"


def agent_name(lab: str) -> str:
    """Return the name of the agent's container, by which the lab's network knows it."""
    return f"{lab}-agent"


def secret(file: Path) -> str:
    """Return the secret in *file*; make one, which only this user can read, where there is none."""
    if not file.exists():
        _write_whole(file, secrets.token_hex(32).encode())
    return file.read_text().strip()


def leave_note(file: Path, sentence: str | None) -> None:
    """Leave a sentence in *file* for whoever shares the folder; ``None`` takes it away."""
    if sentence is None:
        file.unlink(missing_ok=True)
    else:
        _write_whole(file, sentence.encode())


def open_shared(state: Path, db_url: str) -> Path:
    """Make the shared folder in *state* ready, and return it.

    What a former version kept in *state* itself is brought over, once: all of it or nothing. The
    former database stays beside its place as ``gpudock.sqlite.moved``.

    Args:
        state: the hub's own folder.
        db_url: the database in use. One that was set to be at the former place stays there.

    Raises:
        SharedFolderError: the former database cannot be read, or there is no room for it.
    """
    shared = state / FOLDER
    try:
        shared.mkdir(mode=0o750, exist_ok=True)
        _move_token(state / AGENT_TOKEN, shared / AGENT_TOKEN)
        if db_url != f"sqlite:///{state / DATABASE}":
            _move_database(state / DATABASE, shared / DATABASE)
    except (OSError, sqlite3.Error) as error:
        message = (
            f"What the lab keeps in {state} could not be brought to {shared}: {error}. Nothing was"
            " changed. Make room or mend the file, and start the lab again."
        )
        raise SharedFolderError(message) from error
    return shared


def _move_token(former: Path, place: Path) -> None:
    if not former.exists():
        return
    if not place.exists():
        _write_whole(place, former.read_bytes())
    former.unlink()


def _move_database(former: Path, place: Path) -> None:
    if not former.exists():
        return
    if not place.exists():
        _copy_database(former, place)
        log.info("The database was brought from %s to %s.", former, place)
    # Copied and perhaps used since: the former one must never be taken for the lab's again.
    former.replace(former.with_name(former.name + _MOVED))
    for suffix in ("-wal", "-shm"):
        former.with_name(former.name + suffix).unlink(missing_ok=True)


def _copy_database(former: Path, place: Path) -> None:
    """Copy a database, also one that was left in the middle of something, to another volume."""
    fresh = place.with_name(place.name + ".new")
    fresh.unlink(missing_ok=True)
    try:
        with (
            contextlib.closing(sqlite3.connect(former)) as source,
            contextlib.closing(sqlite3.connect(fresh)) as target,
        ):
            source.backup(target)
            damage = target.execute("PRAGMA quick_check").fetchone()[0]
            if damage != "ok":
                raise sqlite3.DatabaseError(f"the database is damaged ({damage})")
        fresh.chmod(0o640)
        _flush(fresh)
        fresh.replace(place)
        _flush(place.parent)
    finally:
        fresh.unlink(missing_ok=True)


def _write_whole(place: Path, content: bytes) -> None:
    fresh = place.with_name(place.name + ".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    _flush(fresh)
    fresh.replace(place)
    _flush(place.parent)


def _flush(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
