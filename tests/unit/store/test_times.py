"""Times in the database: each says whether it moves when the clock is set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Float, select

from gpudock.store import schema

if TYPE_CHECKING:
    from gpudock.store import Store

# Numbers with a fraction that are not times.
AMOUNTS = {"leases.gpu_hours_limit", "leases.gpu_hours_window", "usage_days.gpu_seconds"}


def test_every_time_is_marked_as_moving_or_as_fixed() -> None:
    unmarked = {
        str(column)
        for table in schema.metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, Float) and "moves_with_clock" not in column.info
    }
    assert unmarked == AMOUNTS


def test_exactly_the_moving_times_of_what_goes_on_are_shifted(taken_over: Store) -> None:
    before = rows(taken_over)
    with taken_over.transaction() as transaction:
        transaction.shift_times(-7200.0)
    after = rows(taken_over)
    assert before.keys() == after.keys()
    moved = set()
    # A start that a crash cuts off now returns to the queue.
    live = {
        row["id"]
        for (table, _), row in before.items()
        if table == "leases" and row["state"] != "ended"
    }
    for (table, key), row in before.items():
        over = row.get("state") in ("ended", "withdrawn", "denied")
        over = over or (
            row.get("state") == "granted" and row.get("lease_id", row["id"]) not in live
        )
        moving = set() if over else set(schema.moving_times(schema.metadata.tables[table]))
        for name, value in row.items():
            moves = name in moving and value is not None
            assert after[table, key][name] == (value - 7200.0 if moves else value)
            moved |= {f"{table}.{name}"} if moves else set()
    assert moved == {
        "gpus.freed_at",
        "leases.active_at",
        "leases.expires_at",
        "leases.granted_at",
        "leases.latest_end",
        "requests.created_at",
    }


def rows(store: Store) -> dict[tuple[str, object], dict[str, Any]]:
    """Return all rows but for the database's own numbers, by table and primary key."""
    with store.snapshot() as transaction:
        return {
            (table.name, tuple(row[column.key] for column in table.primary_key)): dict(row)
            for table in schema.metadata.tables.values()
            if table is not schema.meta
            for row in transaction._statements.read(select(table)).mappings()
        }
