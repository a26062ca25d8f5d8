"""Waiting for another process that writes, and does not come to an end."""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING

import pytest

from gpudock.store import Store, StoreError
from harness.postgres import Postgres, find_programs

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

pytestmark = pytest.mark.integration

SECONDS = 3.0


def assert_patience(store: Store, hold: Callable[[], AbstractContextManager[object]]) -> None:
    """One wait that fails is long; those that follow are short until the lock is free once."""
    with hold():
        assert seconds_in_vain(store) >= SECONDS * 0.9
        assert sum(seconds_in_vain(store) for _ in range(5)) < SECONDS
        assert store._patience < 1000 * SECONDS
    with store.transaction():
        pass
    assert store._patience == 1000 * SECONDS, "the next wait is a long one again"


def seconds_in_vain(store: Store) -> float:
    begun = time.monotonic()
    with pytest.raises(StoreError, match="locked by another process"), store.transaction():
        pass
    return time.monotonic() - begun


def test_a_file_that_stays_locked_is_waited_for_only_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/gpudock.sqlite"
    store = Store(url, busy_seconds=SECONDS)
    store.migrate()
    assert_patience(store, Store(url).transaction)


def test_a_lock_of_another_program_is_no_other(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/gpudock.sqlite", busy_seconds=0.2)
    store.migrate()
    holder = sqlite3.connect(tmp_path / "gpudock.sqlite", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    for _ in range(3):
        assert seconds_in_vain(store) < SECONDS
    holder.execute("ROLLBACK")
    with store.transaction():
        pass


@pytest.mark.skipif(find_programs() is None, reason="PostgreSQL is not installed")
def test_a_server_that_stays_locked_is_waited_for_only_once() -> None:
    programs = find_programs()
    assert programs is not None
    with Postgres(programs) as server:
        url = str(server.new_database())
        store = Store(url, busy_seconds=SECONDS)
        store.migrate()
        other = Store(url)
        assert_patience(store, other.transaction)
        store.close()
        other.close()
