"""The database: how it is opened, migrated, and used in transactions."""

from __future__ import annotations

import time
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, exc, text
from sqlalchemy.engine import make_url

from gpudock.store.errors import StoreError, StoreLockedError, translate
from gpudock.store.lab import check_lab, check_record
from gpudock.store.sqlite import SQLiteFile
from gpudock.store.transaction import Transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection, Engine

# PostgreSQL: all writers of one lab queue up behind this lock, as SQLite's writers do by nature.
_ADVISORY_LOCK = 0x67707564
# After a wait for a lock that timed out, the next waits are at most this long (seconds) until the
# lock is free again: otherwise the hub would do nothing but wait.
_IMPATIENT_SECONDS = 0.1
_CONNECT_SECONDS = 10


class Store:
    """The lab's database.

    Writing transactions run one after the other, whichever process they come from, so that what
    one of them reads is true until it ends. Each either happens entirely or not at all.
    """

    def __init__(
        self,
        url: str,
        clock: Callable[[], float] = time.time,
        *,
        busy_seconds: float = 5.0,
        durable: bool = True,
        lab_id: Callable[[], str | None] | None = None,
    ) -> None:
        """Prepare to use the database at *url*; it is opened at first use.

        Args:
            url: an SQLAlchemy URL, for example ``sqlite:////srv/gpudock/gpudock.sqlite``.
            clock: returns Unix time, for the times of changes.
            busy_seconds: how long to wait for another process that writes, in seconds. After a
                wait that timed out, the next ones are short until that process is done.
            durable: whether SQLite waits for the disk at each commit, so that a power cut loses
                no grant.
            lab_id: returns the id of the lab whose database this must be, for each transaction;
                without it any lab's is used.

        Raises:
            StoreError: *url* is not a database URL, or its driver is not installed.
        """
        self.clock = clock
        self._busy_seconds = busy_seconds
        self._locked_out = False
        self._lab_id = lab_id
        try:
            parsed = make_url(url)
            is_sqlite = parsed.get_backend_name() == "sqlite"
            options: dict[str, Any] = {}
            if is_sqlite:
                options["connect_args"] = {"timeout": busy_seconds, "check_same_thread": False}
            elif "connect_timeout" not in parsed.query:
                # The driver would wait for two minutes for a server that does not answer.
                options["connect_args"] = {"connect_timeout": _CONNECT_SECONDS}
            self._engine: Engine = create_engine(parsed, pool_pre_ping=not is_sqlite, **options)
        except (exc.ArgumentError, ValueError) as error:  # a port that is no number, for example
            msg = (
                "GPUDOCK_DB_URL is not a database URL. Write it like"
                " sqlite:////srv/gpudock/gpudock.sqlite or postgresql+psycopg://user@host/name."
            )
            raise StoreError(msg) from error
        except (exc.NoSuchModuleError, ImportError) as error:
            msg = f"The driver for the database in GPUDOCK_DB_URL is not installed ({error})."
            raise StoreError(msg) from error
        self._file = SQLiteFile(self._engine, durable=durable) if is_sqlite else None

    def migrate(self, lab_id: str | None = None) -> None:
        """Bring the database to the schema of this version; do nothing when it is there already.

        A database in a file is made if there is none. Nothing else makes it.

        Args:
            lab_id: the id of the lab that is to have it; ``None``: any.

        Raises:
            WrongLabError: it belongs to another lab; it stays as it is.
            StoreError: a newer version of gpudock wrote it, or it cannot be changed.
        """
        from gpudock.store.migrations import upgrade

        made = nullcontext() if self._file is None else self._file.may_be_made()
        with self._translated(), made, self._engine.connect() as connection:
            writing = self._writing(connection)
            with writing.begin():
                self._lock(writing)
                if lab_id is not None:
                    check_lab(writing, lab_id)
                upgrade(writing)

    def is_current(self) -> bool:
        """Return whether the database exists and has the schema of this version.

        For a process that leaves the migration to another one.

        Raises:
            WrongLabError: it belongs to another lab.
            StoreError: it does not answer.
        """
        from gpudock.store.migrations import is_current

        if self._file is not None and not self._file.exists():
            return False
        with self._translated(), self._engine.connect() as connection:
            current = is_current(connection)
            if current and self._lab_id is not None:
                check_lab(connection, self._lab_id())
            return current

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Open a writing transaction; it is committed when the block ends without an error.

        Raises:
            StoreError: the database failed; nothing was changed.
        """
        with self._translated(), self._engine.connect() as connection:
            writing = self._writing(connection)
            with writing.begin():
                self._lock(writing)
                self._locked_out = False
                transaction = self._begun(writing)
                yield transaction
                transaction.close()

    @contextmanager
    def snapshot(self) -> Iterator[Transaction]:
        """Open a transaction that only reads, all of it as it was at one time.

        Raises:
            StoreError: the database failed.
        """
        options = {} if self._file is not None else {"isolation_level": "REPEATABLE READ"}
        with self._translated(), self._engine.connect() as connection:
            reading = connection.execution_options(**options)
            with reading.begin() as outer:
                yield self._begun(reading)
                outer.rollback()

    def _begun(self, connection: Connection) -> Transaction:
        transaction = Transaction(connection, self.clock)
        if self._lab_id is not None:
            check_record(transaction.lab.read(), self._lab_id())
        return transaction

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _writing(self, connection: Connection) -> Connection:
        """Return a connection whose next transaction waits for other processes that write."""
        return connection.execution_options(
            gpudock_begin="BEGIN IMMEDIATE", gpudock_wait=self._patience
        )

    @property
    def _patience(self) -> int:
        """How long to wait for another process that writes, milliseconds."""
        seconds = self._busy_seconds
        if self._locked_out:
            seconds = min(seconds, _IMPATIENT_SECONDS)
        return max(1, round(1000 * seconds))

    def _lock(self, connection: Connection) -> None:
        if self._file is None:
            patience = f"{self._patience}ms"
            connection.execute(text("SELECT set_config('lock_timeout', :t, true)"), {"t": patience})
            connection.execute(text("SELECT pg_advisory_xact_lock(:k)"), {"k": _ADVISORY_LOCK})

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except exc.SQLAlchemyError as error:
            found = translate(error)
            self._locked_out = self._locked_out or isinstance(found, StoreLockedError)
            raise found from error
