"""A database that an older version wrote."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from doubles.clock import HandClock
from gpudock.store import Store

DUMP = Path(__file__).parent / "data" / "lab_1cc1ad5.sql"
WRITTEN_AT = 1_700_016_900.0


@pytest.fixture
def taken_over(tmp_path: Path) -> Store:
    """The database of ``test_takeover``, migrated."""
    file = tmp_path / "gpudock.sqlite"
    database = sqlite3.connect(file)
    database.executescript(DUMP.read_text())
    database.close()
    store = Store(f"sqlite:///{file}", HandClock(WRITTEN_AT))
    store.migrate()
    return store
