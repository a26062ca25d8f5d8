"""The lab's database on a PostgreSQL server, for the state machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, func, insert, select, text

from gpudock.store.schema import metadata

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table

    Rows = dict[Table, list[dict[str, Any]]]


class PostgresDatabase:
    """A database that is emptied, copied and replaced row by row, which is faster than as a whole.

    Hubs may have it open, as they have one that an administrator restores.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._engine = create_engine(url)
        self._backup: Rows = {}
        self.replace("lost")

    def close(self) -> None:
        self._engine.dispose()

    def copy(self) -> None:
        """Copy all rows."""
        with self._engine.connect() as connection:
            self._backup = {
                table: [
                    {column.key: row[column] for column in table.columns}
                    for row in connection.execute(select(table)).mappings()
                ]
                for table in metadata.sorted_tables
            }

    def replace(self, how: str) -> None:
        """Empty the database, or put the copy in its place.

        Args:
            how: ``lost`` or ``older``.
        """
        names = ", ".join(f'"{table.name}"' for table in metadata.sorted_tables)
        with self._engine.begin() as connection:
            connection.execute(text(f"TRUNCATE {names} RESTART IDENTITY CASCADE"))
            if how == "older":
                for table, rows in self._backup.items():
                    if rows:
                        connection.execute(insert(table), rows)
                        _continue_numbers(connection, table)


def _continue_numbers(connection: Connection, table: Table) -> None:
    """Continue the numbers of a table after those of its rows."""
    column = table.autoincrement_column
    if column is not None:
        sequence = func.pg_get_serial_sequence(table.name, column.name)
        connection.execute(
            select(func.setval(sequence, select(func.max(column)).scalar_subquery()))
        )
