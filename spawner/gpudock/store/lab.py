"""Whose database it is, and which hub may write to it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from sqlalchemy import insert, inspect, select, update

from gpudock.store import schema
from gpudock.store.errors import WrongLabError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from gpudock.store.base import Statements

_ROW = 1


@dataclass(frozen=True, slots=True)
class LabRecord:
    """Whose database it is, and which hub may write to it.

    Attributes:
        lab_id: the lab's random id, which is also in the folder that hub and desk share; ``None``:
            the database has no owner yet.
        name: the lab's name, which labels its containers.
        engine_id, engine_name: the engine on which its containers run, and the engine's host;
            ``None``: the next hub's.
        epoch: how many hubs have begun to use it.
        token: random text that only the hub of this epoch knows.
        stamp: random text that this hub replaces with all that it writes, and every few seconds.
        place: where this hub runs; ``None``: it has ended in an orderly way.
    """

    lab_id: str | None = None
    name: str | None = None
    engine_id: str | None = None
    engine_name: str | None = None
    epoch: int = 0
    token: str = ""
    stamp: str = ""
    place: str | None = None


class LabRow:
    """The one record; writing it does not count as a change of the lab."""

    def __init__(self, statements: Statements) -> None:
        self._db = statements

    def read(self) -> LabRecord:
        """Return the record; one without an owner if there is none."""
        return _read(self._db.connection)

    def write(self, record: LabRecord) -> None:
        """Replace the record."""
        values = asdict(record)
        table = schema.lab
        connection = self._db.connection
        if not connection.execute(update(table).values(values)).rowcount:
            connection.execute(insert(table).values(row=_ROW, **values))

    def set_stamp(self, stamp: str) -> None:
        """Replace the stamp."""
        self._db.connection.execute(update(schema.lab).values(stamp=stamp))


def check_lab(connection: Connection, lab_id: str | None) -> None:
    """Check that a database, even one of an earlier schema, is no other lab's.

    Args:
        connection: an open connection.
        lab_id: the lab's id; ``None``: unknown, so that only a database without an owner is right.

    Raises:
        WrongLabError: it is another lab's.
    """
    if inspect(connection).has_table(schema.lab.name):
        check_record(_read(connection), lab_id)


def check_record(record: LabRecord, lab_id: str | None) -> None:
    """Check that a record is no other lab's; see :func:`check_lab`."""
    if record.lab_id not in (None, lab_id):
        raise WrongLabError(
            f'The lab\'s database belongs to another lab: "{record.name}" on the server'
            f' "{record.engine_name}". Labs must not share a database: each would end the other\'s'
            f" sessions. {REMEDY}"
        )


REMEDY = (
    "Set GPUDOCK_DB_URL to a database of this lab's own. If the lab was moved here, stop its hub on"
    ' the other server and run "docker compose exec hub gpudock lab move-here".'
)
"""What to do with a database that belongs elsewhere."""


def _read(connection: Connection) -> LabRecord:
    table = schema.lab
    columns = [table.c[name] for name in LabRecord.__dataclass_fields__]
    row = connection.execute(select(*columns)).first()
    return LabRecord() if row is None else LabRecord(*row)
