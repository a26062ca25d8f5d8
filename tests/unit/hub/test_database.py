"""The Hub's own database is opened so that its commits hold up nobody."""

import sqlite3

from gpudock.hub.database import SQLITE_ARGUMENTS


def pragma(connection, name):
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def test_a_database_of_an_earlier_lab_gets_a_write_ahead_log_and_keeps_its_rows(tmp_path):
    path = tmp_path / "jupyterhub.sqlite"
    with sqlite3.connect(path) as former:
        former.execute("CREATE TABLE users (name TEXT)")
        former.execute("INSERT INTO users VALUES ('ada')")
    former.close()
    connection = sqlite3.connect(path, **SQLITE_ARGUMENTS)
    assert pragma(connection, "journal_mode") == "wal"
    assert pragma(connection, "synchronous") == 1
    assert connection.execute("SELECT name FROM users").fetchall() == [("ada",)]
    connection.close()


def test_a_database_in_memory_stays_as_it_is():
    connection = sqlite3.connect(":memory:", **SQLITE_ARGUMENTS)
    assert pragma(connection, "journal_mode") == "memory"
    connection.close()
