"""The statements of one transaction, which all of its parts share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import bindparam, insert, select, update

from gpudock.store import schema

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Column, Connection

    T = TypeVar("T")

# Run in each transaction. To build a statement takes as long as to run it.
_IS_KEY = schema.meta.c.key == bindparam("row_key")
_NUMBER = select(schema.meta.c.value).where(_IS_KEY)
_SET_NUMBER = update(schema.meta).where(_IS_KEY).values(value=bindparam("row_value"))


class Statements:
    """Runs the statements of a transaction and counts those that change something.

    Attributes:
        connection: the open connection.
        clock: returns Unix time.
        changes: how many statements have changed something so far.
    """

    def __init__(self, connection: Connection, clock: Callable[[], float]) -> None:
        self.connection = connection
        self.clock = clock
        self.changes = 0
        self._cache: dict[str, Any] = {}

    def read(self, query: Any, values: dict[str, Any] | None = None) -> Any:
        """Return the result of a query, with *values* for its parameters."""
        return self.connection.execute(query, values)

    def cached(self, key: str, load: Callable[[], list[T]]) -> list[T]:
        """Return a copy of what *load* returned since the last change."""
        if key not in self._cache:
            self._cache[key] = load()
        return list(self._cache[key])

    def change(
        self, statement: Any, values: dict[str, Any] | list[dict[str, Any]] | None = None
    ) -> Any:
        """Execute a statement that changes something, and return its result.

        Args:
            statement: what to execute.
            values: for its parameters; of a list, for each item once.
        """
        self.changes += 1
        self._cache.clear()
        return self.connection.execute(statement, values)

    def set_each(self, column: Column[Any], key: Column[Any], values: Mapping[Any, Any]) -> None:
        """Set a column of many rows.

        Args:
            column: what is set.
            key: the column that tells the rows apart.
            values: value of *key* to value of *column*.
        """
        statement = (
            update(column.table)
            .where(key == bindparam("row_key"))
            .values({column.key: bindparam("row_value")})
        )
        if values:
            self.change(statement, [{"row_key": k, "row_value": v} for k, v in values.items()])

    def number(self, key: str) -> int:
        """Return one of the database's own numbers."""
        return int(self.read(_NUMBER, {"row_key": key}).scalar() or 0)

    def set_number(self, key: str, value: int) -> None:
        """Set one of the database's own numbers."""
        if not self.change(_SET_NUMBER, {"row_key": key, "row_value": value}).rowcount:
            self.change(insert(schema.meta).values(key=key, value=value))
