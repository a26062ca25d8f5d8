"""How a SQLite database is opened, and what becomes of connections whose file is replaced."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sqlalchemy import event, exc

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine

_FILE = "gpudock_file"


class SQLiteFile:
    """The file of a SQLite database.

    An administrator may move it away and back, or replace it by a copy, while the lab runs. No
    connection then goes on with a file that is not there any more, and none makes an empty one in
    its place.
    """

    def __init__(self, engine: Engine, *, durable: bool) -> None:
        """Prepare all connections of an engine.

        Args:
            engine: an engine that has not connected yet.
            durable: whether each commit waits for the disk.
        """
        name = engine.url.database
        in_memory = not name or name == ":memory:" or name.startswith("file:")
        self._path = None if in_memory else Path(name or "").absolute()
        self._synchronous = "FULL" if durable else "OFF"
        self._may_be_made = False
        event.listen(engine, "do_connect", self._open)
        event.listen(engine, "connect", self._prepare)
        event.listen(engine, "checkout", self._check)
        event.listen(engine, "begin", _begin)

    def exists(self) -> bool:
        """Return whether there is a database; one in memory always exists."""
        return self._path is None or self._path.exists()

    @contextlib.contextmanager
    def may_be_made(self) -> Iterator[None]:
        """Make the file if it is missing, as long as the block lasts."""
        self._may_be_made = True
        try:
            yield
        finally:
            self._may_be_made = False

    def _open(self, _dialect: Any, record: Any, _args: Any, options: dict[str, Any]) -> Any:
        if self._path is None:
            return None
        # Before it is opened: if it is replaced in between, the next use notices.
        record.info[_FILE] = self._identity()
        mode = "rwc" if self._may_be_made else "rw"
        return sqlite3.connect(f"file:{quote(str(self._path))}?mode={mode}", uri=True, **options)

    def _prepare(self, connection: sqlite3.Connection, _record: Any) -> None:
        # The driver must not open transactions itself; the "begin" listener does.
        connection.isolation_level = None
        with contextlib.closing(connection.cursor()) as cursor:
            cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute(f"PRAGMA synchronous={self._synchronous}")
            cursor.execute("PRAGMA foreign_keys=ON")

    def _check(self, _connection: Any, record: Any, _proxy: Any) -> None:
        # SQLite itself leaves the log of a new file alone when it closes one that was moved.
        if self._path is not None and record.info[_FILE] != self._identity():
            raise exc.DisconnectionError("the database file was moved or replaced")

    def _identity(self) -> tuple[int, int] | None:
        assert self._path is not None
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino


def _begin(connection: Connection) -> None:
    # A writer takes the lock before it reads: what it then reads stays true until it commits.
    options = connection.get_execution_options()
    if "gpudock_wait" in options:
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {options['gpudock_wait']}")
    connection.exec_driver_sql(options.get("gpudock_begin", "BEGIN"))
