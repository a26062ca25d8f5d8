"""The database: brought up to date, shared by processes, and honest when it fails."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
from typing import TYPE_CHECKING

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, event, exc, inspect, text
from sqlalchemy.engine import make_url

from doubles.clock import HandClock
from doubles.inventory import gpu, uuid
from gpudock.model import Lease, LeaseState, Request
from gpudock.policy.gpu_health import AdminState
from gpudock.store import QuotaChange, RequestState, Store, StoreConflictError, StoreError
from gpudock.store.errors import translate
from gpudock.store.schema import metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from harness.postgres import Postgres

HOSTILE = ["../x", "{0}", "'; DROP TABLE leases; --", "%s\x01", "名前🦆", "a" * 255, '"']


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gpudock.sqlite"


@pytest.fixture
def store(lab_url: str) -> Iterator[Store]:
    """A lab's database, of each kind, with three devices."""
    store = stocked(lab_url)
    yield store
    store.close()


@pytest.fixture
def file_store(path: Path) -> Store:
    """The same in a file of SQLite."""
    return stocked(f"sqlite:///{path}")


def stocked(url: str) -> Store:
    store = Store(url, HandClock())
    store.migrate()
    with store.transaction() as transaction:
        for number in range(3):
            transaction.gpus.save(gpu(number), 1.0)
    return store


def lease(lease_id: str, *gpus: int, user: str = "ada", server: str = "") -> Lease:
    return Lease(lease_id, user, server, "image", tuple(uuid(n) for n in gpus), 5.0)


def request(request_id: str, user: str = "ada", server: str = "") -> Request:
    return Request(request_id, user, server, 1, 5.0, "image")


def by_hand(url: str, statement: str) -> None:
    """Change a database past the store."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


# The schema.


def test_a_migration_from_nothing_gives_the_schema_that_the_code_expects(
    database_url: Callable[[], str],
) -> None:
    url = database_url()
    store = Store(url)
    store.migrate()
    store.close()
    engine = create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_the_indexes_that_keep_live_leases_apart_are_there(file_store: Store, path: Path) -> None:
    with create_engine(f"sqlite:///{path}").connect() as connection:
        rows = connection.exec_driver_sql(
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        )
        found = {row.name: row.sql for row in rows}
    for name in ("one_live_lease_per_slot", "one_live_lease_per_server"):
        assert "UNIQUE" in found[name]
        assert "WHERE" in found[name]


def test_the_leases_of_former_years_are_not_read_to_find_the_live_ones(
    file_store: Store,
) -> None:
    store = file_store
    with store.transaction() as transaction:
        transaction.leases.add(lease("one", 0))
        transaction.leases.end(lease("one", 0), "stopped", 9.0)
    plans: list[str] = []

    def explain(connection, _cursor, statement, parameters, _context, _many):
        if statement.startswith("SELECT") and "lease" in statement:
            plan = connection.exec_driver_sql("EXPLAIN QUERY PLAN " + statement, parameters)
            plans.extend(row[3] for row in plan)

    event.listen(store._engine, "before_cursor_execute", explain)
    with store.snapshot() as transaction:
        transaction.leases.live()
        transaction.requests.latest_of("ada", "")
        transaction.leases.history(["ada"], 0, 10)
    event.remove(store._engine, "before_cursor_execute", explain)
    assert plans
    for plan in plans:
        # The partial index holds nothing but live leases: to go through it is no waste.
        full_scan = plan.startswith("SCAN") and "USING INDEX one_live_lease" not in plan
        assert not full_scan, plan


def test_migrating_twice_changes_nothing(store: Store) -> None:
    with store.snapshot() as transaction:
        before = (transaction.generation, transaction.gpus.records())
    store.migrate()
    with store.snapshot() as transaction:
        assert (transaction.generation, transaction.gpus.records()) == before


def test_a_database_of_a_newer_version_is_refused_and_left_alone(
    database_url: Callable[[], str],
) -> None:
    store = stocked(url := database_url())
    by_hand(url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match=r"written by a newer version of gpudock.*Install that"):
        store.migrate()
    with store.snapshot() as transaction:
        assert len(transaction.gpus.records()) == 3


def test_a_migration_that_fails_leaves_nothing_behind(
    database_url: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from gpudock.store import migrations

    store = Store(url := database_url())
    original = migrations.upgrade

    def upgrade_and_break(connection: object) -> None:
        original(connection)
        connection.exec_driver_sql("INSERT INTO nowhere VALUES (1)")

    monkeypatch.setattr(migrations, "upgrade", upgrade_and_break)
    with pytest.raises(StoreError):
        store.migrate()
    store.close()
    engine = create_engine(url)
    assert inspect(engine).get_table_names() == []
    engine.dispose()


# What the database itself refuses.


def test_the_database_itself_refuses_a_gpu_in_two_live_leases(store: Store) -> None:
    with store.transaction() as transaction:
        transaction.leases.add(lease("one", 0))
    with pytest.raises(StoreConflictError), store.transaction() as transaction:
        transaction.leases.add(lease("two", 1, 0, user="bob"))
    with store.snapshot() as transaction:
        assert [item.id for item in transaction.leases.all()] == ["one"]


def test_the_database_itself_refuses_two_live_leases_of_one_server(store: Store) -> None:
    with store.transaction() as transaction:
        transaction.leases.add(lease("one", 0))
    with pytest.raises(StoreConflictError), store.transaction() as transaction:
        transaction.leases.add(lease("two", 1))


def test_the_database_itself_refuses_two_waiting_requests_of_one_server(store: Store) -> None:
    with store.transaction() as transaction:
        transaction.requests.add(request("one"))
    with pytest.raises(StoreConflictError), store.transaction() as transaction:
        transaction.requests.add(request("two"))


def test_a_gpu_is_free_for_the_next_lease_once_its_lease_has_ended(store: Store) -> None:
    with store.transaction() as transaction:
        transaction.leases.add(lease("one", 0))
        transaction.leases.end(lease("one", 0), "stopped", 9.0)
        transaction.leases.add(lease("two", 0))
    with store.snapshot() as transaction:
        assert [item.id for item in transaction.leases.live()] == ["two"]
        ended = transaction.leases.get("one")
        assert ended is not None
        assert (ended.state, ended.ended_at, ended.end_reason) == (LeaseState.ENDED, 9.0, "stopped")
        (freed,) = [r.freed_at for r in transaction.gpus.records() if r.gpu.uuid == uuid(0)]
        assert freed == 9.0


# Failures.


def test_an_error_in_mid_transaction_undoes_all_of_it(store: Store) -> None:
    def change_and_fail() -> None:
        with store.transaction() as transaction:
            transaction.leases.add(lease("one", 0))
            transaction.gpus.set_admin_state(uuid(1), AdminState.DRAINING, "x")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        change_and_fail()
    with store.snapshot() as transaction:
        assert transaction.leases.all() == []
        assert {record.admin_state for record in transaction.gpus.records()} == {AdminState.ACTIVE}


def test_a_full_disk_is_told_in_a_sentence_and_changes_nothing(
    file_store: Store, path: Path
) -> None:
    store = file_store
    with sqlite3.connect(path) as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]

    def fill(transaction: object) -> None:
        transaction._statements.connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        transaction.leases.add(lease("one", 0))
        for number in range(500):
            transaction.requests.add(request(f"{number}", user="u" * 200 + str(number)))

    with (
        pytest.raises(StoreError, match=r"disk .* is full. Free some space"),
        store.transaction() as t,
    ):
        fill(t)
    with store.snapshot() as transaction:
        assert transaction.leases.all() == []
        assert transaction.requests.waiting() == []


def test_a_locked_database_is_told_in_a_sentence(store: Store, lab_url: str) -> None:
    impatient = Store(lab_url, busy_seconds=0.05)
    with (
        store.transaction(),
        pytest.raises(StoreError, match=r"locked by another process. Try again"),
        impatient.transaction(),
    ):
        pass
    with impatient.transaction() as transaction:
        transaction.leases.add(lease("one", 0))
    impatient.close()


def test_readers_are_not_held_up_by_a_writer(store: Store, lab_url: str) -> None:
    other = Store(lab_url, busy_seconds=0.05)
    with store.transaction() as writing:
        writing.leases.add(lease("one", 0))
        with other.snapshot() as reading:
            assert reading.leases.all() == []
    other.close()


def test_a_file_that_is_moved_away_is_missed_and_found_again(file_store: Store, path: Path) -> None:
    files = [file for file in path.parent.iterdir() if file.name.startswith(path.name)]
    for file in files:
        file.rename(path.parent / f"away-{file.name}")
    for use in (file_store.transaction, file_store.snapshot):
        with pytest.raises(StoreError, match="cannot be opened"), use():
            pass
    assert not file_store.is_current()
    assert not path.exists(), "an empty one would be taken for a lab without quotas"
    for file in files:
        (path.parent / f"away-{file.name}").rename(file)
    with file_store.transaction() as transaction:
        assert len(transaction.gpus.records()) == 3


def test_a_file_that_is_replaced_is_the_database_from_then_on(
    file_store: Store, path: Path, tmp_path: Path
) -> None:
    with file_store.transaction() as transaction:
        transaction.leases.add(lease("one", 0))
    other = stocked(f"sqlite:///{tmp_path / 'other.sqlite'}")
    with other.transaction() as transaction:
        transaction.leases.add(lease("two", 1))
    # Another process still uses it, and what it wrote is in the log only.
    for suffix in ("", "-wal", "-shm"):
        file = tmp_path / f"other.sqlite{suffix}"
        if file.exists():
            file.replace(f"{path}{suffix}")
    with file_store.transaction() as transaction:
        assert [item.id for item in transaction.leases.all()] == ["two"]
        transaction.leases.add(lease("three", 2, user="bob"))
    other.close()
    with Store(f"sqlite:///{path}").snapshot() as transaction:
        assert {item.id for item in transaction.leases.all()} == {"two", "three"}


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda path: path.write_bytes(b"this is no database, however long" * 100), "is damaged"),
        (lambda path: path.mkdir(), "cannot be opened. Check GPUDOCK_DB_URL"),
    ],
)
def test_a_database_that_cannot_be_used_is_told_in_a_sentence(path, prepare, words) -> None:
    prepare(path)
    with pytest.raises(StoreError, match=words):
        Store(f"sqlite:///{path}").migrate()


def test_a_database_without_tables_is_told_in_a_sentence(
    database_url: Callable[[], str],
) -> None:
    url = database_url()
    by_hand(url, "CREATE TABLE other (name TEXT)")
    store = Store(url)
    with (
        pytest.raises(StoreError, match=r"lacks tables"),
        store.snapshot() as transaction,
    ):
        transaction.leases.live()
    store.close()


@pytest.mark.integration
def test_a_database_that_the_server_does_not_have_is_told_in_a_sentence(postgres: Postgres) -> None:
    url = make_url(postgres.new_database()).set(database="nowhere")
    with pytest.raises(StoreError, match=r"cannot be opened. Check GPUDOCK_DB_URL"):
        Store(url.render_as_string(hide_password=False)).migrate()


@pytest.mark.parametrize(
    "url",
    ["", "nonsense", "nosuchdb://x", "postgresql+nodriver://x/y", "postgresql://lab@x:port/y"],
)
def test_a_url_that_means_nothing_is_told_in_a_sentence(url: str) -> None:
    with pytest.raises(StoreError, match=r"GPUDOCK_DB_URL"):
        Store(url)


def test_a_url_with_a_password_is_never_shown() -> None:
    with pytest.raises(StoreError) as caught:
        Store("nosuchdb://lab:hunter2@host/name")
    assert "hunter2" not in str(caught.value)


# What is kept.


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_only_names(store: Store, name: str) -> None:
    with store.transaction() as transaction:
        transaction.leases.add(lease("one", 0, user=name, server=name))
        transaction.requests.add(request(name[:64], user=name, server=name))
        transaction.quotas.set([QuotaChange("user", name, {"max_gpus": 3})], name)
    with store.snapshot() as transaction:
        found = transaction.leases.of_server(name, name)
        assert found is not None
        assert (found.user, found.server) == (name, name)
        (waiting,) = transaction.requests.waiting()
        assert waiting.request.user == name
        assert transaction.quotas.of([name], []) == {("user", name): {"max_gpus": 3}}
        assert transaction.audit.page(0, 1)[0][0].by == name


def test_a_request_comes_back_as_it_was(store: Store) -> None:
    request = Request(
        "r",
        "ada",
        "s",
        2,
        5.5,
        "image",
        "*A100*",
        groups=("a", "b"),
        user_options={"gpus": 2, "é": [1]},
    )
    with store.transaction() as transaction:
        transaction.requests.add(request)
    with store.snapshot() as transaction:
        assert [item.request for item in transaction.requests.waiting()] == [request]


def test_a_request_that_gets_its_place_back_is_where_it_was(store: Store) -> None:
    with store.transaction() as transaction:
        first = transaction.requests.add(request("one"))
        transaction.requests.add(request("two", user="bob"))
        transaction.requests.settle(first, RequestState.GRANTED)
        assert [item.request.id for item in transaction.requests.waiting()] == ["two"]
        transaction.requests.settle(first, RequestState.WAITING)
        assert [item.request.id for item in transaction.requests.waiting()] == ["one", "two"]


def test_a_sequence_number_is_never_used_twice(store: Store, lab_url: str) -> None:
    with store.transaction() as transaction:
        first = transaction.requests.add(request("one"))
    by_hand(lab_url, "DELETE FROM requests")
    with store.transaction() as transaction:
        assert transaction.requests.add(request("two")) > first


def test_quota_changes_are_audited_with_before_and_after(store: Store) -> None:
    with store.transaction() as transaction:
        transaction.quotas.set([QuotaChange("group", "g", {"max_gpus": 1})], "root")
        transaction.quotas.set([QuotaChange("group", "g", {"max_gpus": 2})], "root")
        transaction.quotas.set([QuotaChange("group", "g", None)], "eve")
    with store.snapshot() as transaction:
        assert transaction.quotas.of([], ["g"]) == {}
        assert [
            (e.by, e.what, e.target, e.before, e.after)
            for e in transaction.audit.page(0, 9)[0][::-1]
        ] == [
            ("root", "quota.set", "group/g", None, {"max_gpus": 1}),
            ("root", "quota.set", "group/g", {"max_gpus": 1}, {"max_gpus": 2}),
            ("eve", "quota.unset", "group/g", {"max_gpus": 2}, None),
        ]


def test_every_change_is_counted_and_no_reading_is(store: Store) -> None:
    with store.transaction() as transaction:
        before = transaction.generation
    with store.transaction() as transaction:
        assert transaction.generation == before
        transaction.leases.add(lease("one", 0))
    with store.snapshot() as transaction:
        assert transaction.generation == before + 1


def test_what_is_read_again_in_one_transaction_shows_its_own_changes(store: Store) -> None:
    with store.transaction() as transaction:
        assert transaction.leases.live() == []
        transaction.leases.add(lease("one", 0))
        assert [item.id for item in transaction.leases.live()] == ["one"]
        transaction.leases.end(lease("one", 0), "x", 9.0)
        assert transaction.leases.live() == []


# Crashes.


def _grant_and_die(url: str, commits: bool) -> None:
    store = Store(url)
    with store.transaction() as transaction:
        transaction.leases.add(lease("one", 0))
        if not commits:
            os._exit(9)
    os._exit(9)


@pytest.mark.parametrize("commits", [True, False])
def test_a_process_that_dies_leaves_all_of_its_transaction_or_nothing(
    store: Store, lab_url: str, commits: bool
) -> None:
    store.close()
    process = multiprocessing.get_context("fork").Process(
        target=_grant_and_die, args=(lab_url, commits)
    )
    process.start()
    process.join(60)
    assert process.exitcode == 9
    with store.snapshot() as transaction:
        assert [item.id for item in transaction.leases.live()] == (["one"] if commits else [])


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ("connection failed: FATAL:  the database system is starting up", "starting or stopping"),
        ("connection is bad: no such file or directory", "cannot be opened"),
        ("failed to resolve host 'database'", "cannot be opened"),
    ],
)
def test_a_server_that_is_not_there_yet_is_named(said: str, meaning: str) -> None:
    error = exc.OperationalError("SELECT 1", None, Exception(said))
    assert meaning in str(translate(error))
