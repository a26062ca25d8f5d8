"""What a transaction on PostgreSQL means, whatever the server, the role or a pooler is set to.

Everything is set per transaction, which also holds behind a pooler that gives each transaction
another connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import exc, text

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.engine import URL

# All writers of one lab queue up behind this lock, as SQLite's writers do by nature.
_ADVISORY_LOCK = 0x67707564
# A statement, or a pause between two, that takes longer than this has come to a standstill, and
# nobody else can write meanwhile.
_STANDSTILL = "60s"
_UNLIMITED = "0"
_CONNECT_SECONDS = 10
_TRANSACTION_TIMEOUT_SINCE = (17,)


def connect_args(url: URL) -> dict[str, Any]:
    """Return the arguments with which to connect to *url*."""
    found: dict[str, Any] = {}
    if url.get_driver_name() == "psycopg":
        # A statement that was prepared on one connection of a pooler is missing on the next.
        found["prepare_threshold"] = None
    if "connect_timeout" not in url.query:
        # The driver would wait for two minutes for a server that does not answer.
        found["connect_timeout"] = _CONNECT_SECONDS
    return found


def execution_options(*, writing: bool) -> dict[str, Any]:
    """Return the options of a connection whose next transaction reads, or writes as well.

    A writer reads only once it has the lock, and then what was committed last: a snapshot from
    before its wait would hide what those before it have written. A reader sees one moment.
    """
    return {
        "isolation_level": "READ COMMITTED" if writing else "REPEATABLE READ",
        "postgresql_readonly": not writing,
        "postgresql_deferrable": False,
    }


def begin_reading(connection: Connection) -> None:
    """Set the limits of a transaction that only reads."""
    _set(connection, lock_timeout=_STANDSTILL)


def begin_writing(connection: Connection, patience: str, *, migrates: bool) -> None:
    """Wait for other writers.

    Args:
        connection: in a transaction that has not read anything yet.
        patience: how long to wait for them, with its unit.
        migrates: whether statements may take as long as they need.
    """
    limit = _UNLIMITED if migrates else _STANDSTILL
    _set(connection, lock_timeout=patience, statement_timeout=limit)
    connection.execute(text("SELECT pg_advisory_xact_lock(:k)"), {"k": _ADVISORY_LOCK})


def is_worth_a_retry(error: exc.SQLAlchemyError) -> bool:
    """Return whether a transaction that failed with *error* may well succeed if it is repeated."""
    return isinstance(error, exc.DBAPIError) and (
        error.connection_invalidated or is_interrupted(state_of(error))
    )


def is_interrupted(state: str) -> bool:
    """Return whether an SQLSTATE means a lost connection, a conflict or a deadlock."""
    return state in ("40001", "40P01") or is_lost(state)


def is_lost(state: str) -> bool:
    """Return whether an SQLSTATE means that the connection, or the server, has gone."""
    return state.startswith("08") or state in ("57P01", "57P02", "57P03", "57P05", "25P03", "25P04")


def state_of(error: exc.SQLAlchemyError) -> str:
    """Return the SQLSTATE of an error; empty when it has none."""
    return str(getattr(getattr(error, "orig", None), "sqlstate", None) or "")


def _set(connection: Connection, **values: str) -> None:
    settings = {
        "statement_timeout": _STANDSTILL,
        "idle_in_transaction_session_timeout": _STANDSTILL,
        **values,
    }
    version = connection.dialect.server_version_info or ()  # type: ignore[attr-defined]
    if version >= _TRANSACTION_TIMEOUT_SINCE:
        settings["transaction_timeout"] = _UNLIMITED
    calls = ", ".join(f"set_config('{name}', :{name}, true)" for name in settings)
    connection.execute(text(f"SELECT {calls}"), settings)
