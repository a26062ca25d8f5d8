"""Accounts of the lab that an administrator has deactivated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select

from gpudock.store import schema

if TYPE_CHECKING:
    from gpudock.store.base import Statements


@dataclass(frozen=True, slots=True)
class Deactivation:
    """Since when an account is deactivated.

    Attributes:
        at: Unix time.
        by: the administrator who deactivated it.
    """

    at: float
    by: str


class DeactivatedAccounts:
    """The deactivated accounts, by name."""

    def __init__(self, statements: Statements) -> None:
        self._db = statements

    def all(self) -> dict[str, Deactivation]:
        """Return all of them."""
        rows = self._db.read(select(schema.deactivated_accounts))
        return {row.name: Deactivation(row.at, row.by) for row in rows}

    def add(self, name: str, by: str) -> None:
        """Add an account; one that is there already gets the present time."""
        self.remove(name)
        values = {"name": name, "at": self._db.clock(), "by": by}
        self._db.change(insert(schema.deactivated_accounts), values)

    def remove(self, name: str) -> None:
        """Remove an account that is active again or deleted."""
        table = schema.deactivated_accounts
        self._db.change(delete(table).where(table.c.name == name))
