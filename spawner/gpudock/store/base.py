"""What all parts of a transaction share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update

from gpudock.store import schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection


class Part:
    """A connection in a transaction, and how many changes were made through it."""

    def __init__(self, connection: Connection, clock: Callable[[], float]) -> None:
        self._connection = connection
        self.clock = clock
        self.changes = 0

    @property
    def changed(self) -> bool:
        """Whether this transaction has changed anything so far."""
        return self.changes > 0

    def _change(self, statement: Any, values: list[dict[str, Any]] | None = None) -> int:
        """Execute a statement that changes something; return how many rows it met."""
        self.changes += 1
        self._forget_what_was_read()
        return int(self._connection.execute(statement, values).rowcount)

    def _forget_what_was_read(self) -> None:
        """Drop what was read before a change."""

    def _number(self, key: str) -> int:
        """Return one of the database's own numbers."""
        table = schema.meta
        found = self._connection.execute(select(table.c.value).where(table.c.key == key)).scalar()
        return int(found or 0)

    def _set_number(self, key: str, value: int) -> None:
        table = schema.meta
        if not self._change(update(table).where(table.c.key == key).values(value=value)):
            self._change(insert(table).values(key=key, value=value))
