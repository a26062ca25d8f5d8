"""What a PostgreSQL server is configured with changes nothing of what a transaction means."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import exc, text
from sqlalchemy.engine import make_url

from gpudock.model import Lease
from gpudock.store import Store, StoreError
from gpudock.store.errors import StoreInterruptedError, StoreLockedError, translate
from harness.postgres import Postgres, find_programs

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(find_programs() is None, reason="PostgreSQL is not installed"),
]

DEFAULTS = [
    {},
    {"default_transaction_isolation": "repeatable read"},
    {"default_transaction_isolation": "serializable"},
    {"default_transaction_isolation": "serializable", "default_transaction_deferrable": "on"},
    {"default_transaction_read_only": "on"},
    {"lock_timeout": "20ms"},
    {"statement_timeout": "100ms"},
    {"idle_in_transaction_session_timeout": "100ms"},
]


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    programs = find_programs()
    assert programs is not None
    with Postgres(programs) as server:
        yield server


@pytest.fixture
def url(server: Postgres) -> str:
    return server.empty_lab()


def administer(url: str, statement: str) -> None:
    found = make_url(url)
    address = f"host={found.query['host']} user=lab dbname=postgres"
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(statement.format(name=found.database).encode())


def end_connections(url: str) -> None:
    administer(
        url,
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'",
    )


@pytest.fixture(params=DEFAULTS, ids=lambda item: "-".join(item.values()) or "usual")
def configured(request: pytest.FixtureRequest, url: str) -> Iterator[str]:
    for name, value in request.param.items():
        administer(url, f"ALTER DATABASE {{name}} SET {name} = '{value}'")
    yield url
    administer(url, "ALTER DATABASE {name} RESET ALL")


def lease(number: int) -> Lease:
    return Lease(f"lease{number}", f"user{number}", "", "image", (), 1.0)


def test_writers_see_what_those_before_them_wrote(configured: str) -> None:
    one, other = Store(configured), Store(configured)
    seen: list[list[str]] = []

    def write() -> None:
        with other.transaction() as transaction:
            seen.append([item.id for item in transaction.leases.live()])
            transaction.leases.add(lease(2))

    waits = threading.Thread(target=write)
    with one.transaction() as transaction:
        waits.start()
        # It has to wait for longer than any limit that the server has by default.
        time.sleep(0.5)
        transaction.leases.add(lease(1))
    waits.join(20)
    assert seen == [["lease1"]]
    with one.snapshot() as transaction:
        assert [item.id for item in transaction.leases.live()] == ["lease1", "lease2"]
    one.close()
    other.close()


def test_what_is_read_is_all_of_one_moment(configured: str) -> None:
    reader, writer = Store(configured), Store(configured)
    with reader.snapshot() as reading:
        assert reading.leases.live() == []
        with writer.transaction() as writing:
            writing.leases.add(lease(1))
        time.sleep(0.2)
        assert reading.requests.waiting() == []
        assert reading.leases.live() == []
    reader.close()
    writer.close()


def test_a_database_is_migrated_whatever_the_server_is_configured_with(server: Postgres) -> None:
    url = server.new_database()
    for name, value in {
        "default_transaction_isolation": "serializable",
        "default_transaction_read_only": "on",
        "statement_timeout": "50ms",
        "idle_in_transaction_session_timeout": "50ms",
    }.items():
        administer(url, f"ALTER DATABASE {{name}} SET {name} = '{value}'")
    store = Store(url)
    store.migrate()
    assert store.is_current()
    store.close()


def test_a_connection_that_is_lost_between_two_transactions_is_replaced(url: str) -> None:
    store = Store(url)
    with store.transaction() as transaction:
        transaction.leases.add(lease(1))
    for opened in (store.transaction, store.snapshot):
        end_connections(url)
        with opened() as transaction:
            assert [item.id for item in transaction.leases.live()] == ["lease1"]
    store.close()


def test_a_connection_that_is_lost_while_it_waits_for_others_is_replaced(url: str) -> None:
    holder = psycopg.connect(f"host={make_url(url).query['host']} user=lab dbname=postgres")
    store, other = Store(url), Store(url)
    seen: list[list[str]] = []

    def write() -> None:
        with other.transaction() as transaction:
            seen.append([item.id for item in transaction.leases.live()])

    waits = threading.Thread(target=write)
    with store.transaction() as transaction:
        waits.start()
        waiting = b"SELECT pid FROM pg_stat_activity WHERE wait_event = 'advisory'"
        while (found := holder.execute(waiting).fetchone()) is None:
            holder.rollback()
        holder.execute("SELECT pg_terminate_backend(%s, 5000)", found)
        transaction.leases.add(lease(1))
    waits.join(20)
    assert seen == [["lease1"]]
    for each in (store, other, holder):
        each.close()


def test_a_connection_that_is_lost_in_a_transaction_is_reported_and_changes_nothing(
    url: str,
) -> None:
    store = Store(url)

    def change() -> None:
        with store.transaction() as transaction:
            transaction.leases.add(lease(1))
            end_connections(url)
            transaction.leases.add(lease(2))

    with pytest.raises(StoreInterruptedError, match=r"connection .* was lost") as caught:
        change()
    assert str(caught.value).endswith(".")
    with store.transaction() as transaction:
        assert transaction.leases.live() == []
    store.close()


def test_a_commit_whose_answer_is_lost_is_reported_as_unknown(url: str) -> None:
    store = Store(url)

    def change() -> None:
        with store.transaction() as transaction:
            transaction.leases.add(lease(1))
            close = transaction.close

            def lost() -> None:
                close()
                end_connections(url)

            transaction.close = lost  # type: ignore[method-assign]

    with pytest.raises(StoreError, match="not known whether") as caught:
        change()
    assert not isinstance(caught.value, StoreInterruptedError)
    store.close()


def test_a_deadlock_with_another_program_is_reported_with_a_sentence(url: str) -> None:
    found = make_url(url)
    other = psycopg.connect(f"host={found.query['host']} user=lab dbname={found.database}")
    other.execute("SET deadlock_timeout = '60s'")
    other.execute("LOCK TABLE audit IN ACCESS EXCLUSIVE MODE")
    blocked = threading.Thread(target=other.execute, args=["LOCK TABLE leases"])
    store = Store(url)

    def change() -> None:
        with store.transaction() as transaction:
            transaction.leases.add(lease(1))
            blocked.start()
            transaction._statements.connection.execute(text("SELECT count(*) FROM audit"))

    with pytest.raises(StoreInterruptedError, match="another program") as caught:
        change()
    assert str(caught.value).endswith(".")
    blocked.join(20)
    other.close()
    store.close()


@pytest.mark.parametrize(
    ("state", "kind", "words"),
    [
        ("55P03", StoreLockedError, "is locked by another process"),
        ("53100", StoreError, "is full"),
        ("25006", StoreError, "read-only"),
        ("42P01", StoreError, "lacks tables"),
        ("57014", StoreError, "too long"),
        ("40001", StoreInterruptedError, "another program"),
        ("40P01", StoreInterruptedError, "another program"),
        ("57P01", StoreInterruptedError, "was lost"),
        ("08006", StoreInterruptedError, "was lost"),
        ("53300", StoreError, "cannot be opened"),
        ("28P01", StoreError, "cannot be opened"),
        ("3D000", StoreError, "cannot be opened"),
    ],
)
def test_errors_are_recognized_whatever_language_the_server_speaks(
    state: str, kind: type[StoreError], words: str
) -> None:
    original = psycopg.errors.lookup(state)("la base ne répond pas")
    found = translate(exc.OperationalError("SELECT 1", {}, original))
    assert type(found) is kind
    assert words in str(found)
    assert str(found).endswith(".")
