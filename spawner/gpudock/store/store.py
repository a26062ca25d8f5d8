"""The database: how it is opened, migrated, and used in transactions."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, exc
from sqlalchemy.engine import make_url

from gpudock.store import postgresql
from gpudock.store.errors import StoreError, StoreLockedError, translate
from gpudock.store.lab import check_lab, check_record
from gpudock.store.sqlite import SQLiteFile
from gpudock.store.transaction import Transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection, Engine

# After a wait for a lock that timed out, the next waits are at most this long (seconds) until the
# lock is free again: otherwise the hub would do nothing but wait.
_IMPATIENT_SECONDS = 0.1


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
            else:
                options["connect_args"] = postgresql.connect_args(parsed)
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
        with self._translated(), made, self._begun(writing=True, migrates=True) as connection:
            if lab_id is not None:
                check_lab(connection, lab_id)
            upgrade(connection)

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
        commits = False
        try:
            with self._begun(writing=True) as connection:
                self._locked_out = False
                transaction = self._of_lab(connection)
                yield transaction
                transaction.close()
                commits = True
        except exc.SQLAlchemyError as error:
            raise self._translate(error, commits=commits) from error

    @contextmanager
    def snapshot(self) -> Iterator[Transaction]:
        """Open a transaction that only reads, all of it as it was at one time.

        Raises:
            StoreError: the database failed.
        """
        with self._translated(), self._begun(writing=False) as connection:
            yield self._of_lab(connection)
            connection.rollback()

    def _of_lab(self, connection: Connection) -> Transaction:
        """Return a transaction on the database, if it is this lab's."""
        transaction = Transaction(connection, self.clock)
        if self._lab_id is not None:
            check_record(transaction.lab.read(), self._lab_id())
        return transaction

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def _begun(self, *, writing: bool, migrates: bool = False) -> Iterator[Connection]:
        """Open a connection in a transaction that is committed when the block ends.

        Nothing was done yet when a connection is lost here, so another one is tried.
        """
        try:
            opened, connection = self._begin(writing=writing, migrates=migrates)
        except exc.SQLAlchemyError as error:
            if self._file is not None or not postgresql.is_worth_a_retry(error):
                raise
            opened, connection = self._begin(writing=writing, migrates=migrates)
        with opened:
            yield connection

    def _begin(self, *, writing: bool, migrates: bool) -> tuple[ExitStack, Connection]:
        """Begin a transaction; one that writes waits for others that do.

        Returns:
            What ends the transaction and returns the connection, and the connection.
        """
        with ExitStack() as opened:
            connection = opened.enter_context(self._engine.connect())
            options: dict[str, Any] = {}
            if self._file is None:
                options = postgresql.execution_options(writing=writing)
            elif writing:
                options = {"gpudock_begin": "BEGIN IMMEDIATE", "gpudock_wait": self._patience}
            connection = connection.execution_options(**options)
            opened.enter_context(connection.begin())
            if self._file is None and writing:
                postgresql.begin_writing(connection, f"{self._patience}ms", migrates=migrates)
            elif self._file is None:
                postgresql.begin_reading(connection)
            return opened.pop_all(), connection

    @property
    def _patience(self) -> int:
        """How long to wait for another process that writes, milliseconds."""
        seconds = self._busy_seconds
        if self._locked_out:
            seconds = min(seconds, _IMPATIENT_SECONDS)
        return max(1, round(1000 * seconds))

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except exc.SQLAlchemyError as error:
            raise self._translate(error) from error

    def _translate(self, error: exc.SQLAlchemyError, *, commits: bool = False) -> StoreError:
        found = translate(error, commits=commits)
        self._locked_out = self._locked_out or isinstance(found, StoreLockedError)
        return found
