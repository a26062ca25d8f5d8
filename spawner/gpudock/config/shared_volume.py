"""The folder that hub, desk and command line share: the database and their secrets.

It is a volume of its own (``/srv/gpudock/shared``), so that the desk, which serves pages to all
users, has none of the hub's other files. Earlier versions kept the database and the agent's token
in the hub's own folder: :func:`open_shared` moves them.
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
"""The token for requests to the agent; see :mod:`gpudock.agent`."""
DESK_TOKEN = "desk-token"  # noqa: S105 (a file's name)
"""The desk's token for the Hub's API."""

NO_GPUS = "no-gpus"
"""File in which a lab without GPUs says why it has none."""

HUB_PROBLEM = "hub-problem"
"""File in which the hub says why no server can start; its container's health check reads it."""

CONFIGURED_GROUPS = "configured-groups"
"""File in which the hub says which groups, members and managers its configuration has."""

LAB_ID = "lab-id"
"""File with the lab's random id, which its database has as well."""

HUB_LOCK = "hub-lock"
"""File that the hub locks while it runs."""

AGENT_PORT = 8089
DESK_PORT = 10101
DESK_NAME = "gpudock"
"""The desk's name as a service of the Hub, which is part of its URL."""

READ_SCOPE = "custom:gpudock:read"
MANAGE_SCOPE = "custom:gpudock:manage"
ACCESS_SCOPE = f"access:services!service={DESK_NAME}"
"""The scope that is needed to use the desk; see :mod:`gpudock.hub.roles`."""

_MOVED = ".moved"


class SharedFolderError(Exception):
    """The shared folder cannot be prepared; the message says why and what to do."""


def desk_prefix(base_url: str = "/") -> str:
    """Return the desk's path in a lab at *base_url*."""
    return f"{base_url}services/{DESK_NAME}/"


def secret(file: Path) -> str:
    """Return the secret in *file*; create one that only this user can read if it is missing."""
    if not file.exists():
        _write_atomically(file, secrets.token_hex(32).encode())
    return file.read_text().strip()


def secret_in(file: Path) -> str:
    """Return what the hub wrote to *file*; empty if it has written nothing yet."""
    with contextlib.suppress(FileNotFoundError):
        return file.read_text().strip()
    return ""


def leave_note(file: Path, sentence: str | None) -> None:
    """Write a sentence to *file* for other processes; ``None`` removes the file."""
    if sentence is None:
        file.unlink(missing_ok=True)
    else:
        _write_atomically(file, sentence.encode())


def open_shared(state: Path, db_url: str) -> Path:
    """Prepare the shared folder in *state*, and return it.

    The files of an earlier version in *state* itself are moved, once: all or none. The old database
    stays as ``gpudock.sqlite.moved``.

    Args:
        state: the hub's own folder.
        db_url: the database in use. One that was explicitly set to the old place stays there.

    Raises:
        SharedFolderError: the old database cannot be read, or there is no space for it.
    """
    shared = state / FOLDER
    try:
        shared.mkdir(mode=0o750, exist_ok=True)
        _move_token(state / AGENT_TOKEN, shared / AGENT_TOKEN)
        if db_url != f"sqlite:///{state / DATABASE}":
            _move_database(state / DATABASE, shared / DATABASE)
    except (OSError, sqlite3.Error) as error:
        message = (
            f"The lab's files in {state} could not be moved to {shared}: {error}. Nothing was"
            " changed. Free disk space or repair the file, and start the lab again."
        )
        raise SharedFolderError(message) from error
    return shared


def _move_token(old: Path, new: Path) -> None:
    if not old.exists():
        return
    if not new.exists():
        _write_atomically(new, old.read_bytes())
    old.unlink()


def _move_database(old: Path, new: Path) -> None:
    if not old.exists():
        return
    if not new.exists():
        _copy_database(old, new)
        log.info("The database was moved from %s to %s.", old, new)
    # The copy may have been used since, so the old one must never become the lab's again.
    old.replace(old.with_name(old.name + _MOVED))
    for suffix in ("-wal", "-shm"):
        old.with_name(old.name + suffix).unlink(missing_ok=True)


def _copy_database(old: Path, new: Path) -> None:
    """Copy a database to another volume, even one with an unfinished transaction."""
    temporary = new.with_name(new.name + ".new")
    temporary.unlink(missing_ok=True)
    try:
        with (
            contextlib.closing(sqlite3.connect(old)) as source,
            contextlib.closing(sqlite3.connect(temporary)) as target,
        ):
            source.backup(target)
            damage = target.execute("PRAGMA quick_check").fetchone()[0]
            if damage != "ok":
                raise sqlite3.DatabaseError(f"the database is damaged ({damage})")
        temporary.chmod(0o640)
        _flush(temporary)
        temporary.replace(new)
        _flush(new.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _write_atomically(file: Path, content: bytes) -> None:
    temporary = file.with_name(file.name + ".new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as output:
        output.write(content)
    _flush(temporary)
    temporary.replace(file)
    _flush(file.parent)


def _flush(path: Path) -> None:
    """Sync a file, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
