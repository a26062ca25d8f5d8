"""The folder that hub and desk share, and the labs of former versions that lack it."""

import sqlite3

import pytest

from gpudock.config.shared_volume import (
    AGENT_TOKEN,
    DATABASE,
    DESK_TOKEN,
    SharedFolderError,
    open_shared,
    secret,
)

DEFAULT = "sqlite:////srv/gpudock/shared/gpudock.sqlite"


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.fixture
def former(tmp_path):
    """The folder of a lab of a former version, whose hub was killed: its last rows are in a log."""
    state = tmp_path / "state"
    state.mkdir()
    (state / AGENT_TOKEN).write_text("the agent's token")
    database = sqlite3.connect(state / DATABASE)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("CREATE TABLE leases (id TEXT)")
    database.execute("INSERT INTO leases VALUES ('checkpointed')")
    database.commit()
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.execute("INSERT INTO leases VALUES ('only in the log')")
    database.commit()
    killed = files(state)
    database.close()
    for name, content in killed.items():
        (state / name).write_bytes(content)
    assert (state / f"{DATABASE}-wal").stat().st_size > 0
    return state


def rows(path):
    database = sqlite3.connect(path)
    try:
        return [row[0] for row in database.execute("SELECT id FROM leases ORDER BY rowid")]
    finally:
        database.close()


def test_a_fresh_lab_gets_an_empty_folder_that_others_cannot_enter(tmp_path):
    shared = open_shared(tmp_path, DEFAULT)
    assert shared == tmp_path / "shared"
    assert list(shared.iterdir()) == []
    assert shared.stat().st_mode & 0o007 == 0


def test_a_former_labs_database_and_token_are_brought_over_without_loss(former):
    shared = open_shared(former, DEFAULT)
    assert rows(shared / DATABASE) == ["checkpointed", "only in the log"]
    assert (shared / AGENT_TOKEN).read_text() == "the agent's token"
    assert (shared / AGENT_TOKEN).stat().st_mode & 0o777 == 0o600
    assert list(files(former)) == ["gpudock.sqlite.moved"]


def test_what_was_brought_over_is_not_brought_over_again(former):
    shared = open_shared(former, DEFAULT)
    with sqlite3.connect(shared / DATABASE) as database:
        database.execute("INSERT INTO leases VALUES ('since then')")
    database.close()
    assert rows(open_shared(former, DEFAULT) / DATABASE)[-1] == "since then"


def test_an_end_between_copying_and_setting_aside_loses_nothing_that_came_later(former):
    before = files(former)
    shared = open_shared(former, DEFAULT)
    with sqlite3.connect(shared / DATABASE) as database:
        database.execute("INSERT INTO leases VALUES ('since then')")
    database.close()
    for name, content in before.items():
        (former / name).write_bytes(content)
    assert rows(open_shared(former, DEFAULT) / DATABASE)[-1] == "since then"
    assert not (former / DATABASE).exists()


def test_a_database_that_was_set_to_be_at_the_former_place_stays_there(former):
    open_shared(former, f"sqlite:///{former / DATABASE}")
    assert rows(former / DATABASE) == ["checkpointed", "only in the log"]
    assert not (former / "shared" / DATABASE).exists()


def test_a_copy_that_was_left_half_done_is_made_anew(former):
    (former / "shared").mkdir()
    (former / "shared" / f"{DATABASE}.new").write_bytes(b"half of it")
    assert rows(open_shared(former, DEFAULT) / DATABASE) == ["checkpointed", "only in the log"]


def test_a_damaged_database_is_left_where_it_is_and_said(former):
    (former / f"{DATABASE}-wal").unlink()
    (former / DATABASE).write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    with pytest.raises(SharedFolderError, match="could not be moved to"):
        open_shared(former, DEFAULT)
    assert (former / DATABASE).read_bytes().endswith(b"\xff" * 5000)
    assert not (former / "shared" / DATABASE).exists()


def test_a_secret_is_made_once_and_only_its_owner_reads_it(tmp_path):
    file = tmp_path / DESK_TOKEN
    first = secret(file)
    assert len(first) == 64
    assert secret(file) == first
    assert file.stat().st_mode & 0o777 == 0o600
    assert secret(tmp_path / "another") != first
