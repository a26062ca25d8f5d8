"""A database that an older version wrote is brought up to date, and nothing in it is lost."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, select, text

from doubles.inventory import gpu, uuid
from gpudock.broker import Broker
from gpudock.inventory import StaticInventory
from gpudock.model import LeaseState, Observation, Share
from gpudock.policy.gpu_health import AdminState
from gpudock.store import RequestState, Store
from gpudock.store.schema import metadata

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

DAY = 86400.0
MIDNIGHT = 20_000 * DAY


def write_the_first_schema(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", "gpudock.store:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "0001")


ROWS: dict[str, list[dict[str, Any]]] = {
    "gpus": [
        {
            "uuid": uuid(number),
            "host": "host",
            "number": number,
            "model": "NVIDIA A100-SXM4-40GB",
            "memory_mib": 40960,
            "parent_uuid": None,
            "mig_profile": None,
            "standing": "draining" if number == 1 else "active",
            "reason": "Drained by root." if number == 1 else None,
            "in_use_by": None,
            "freed_at": MIDNIGHT if number == 2 else None,
            "first_seen": 1.0,
            "last_seen": 2.0,
        }
        for number in range(3)
    ],
    "leases": [
        {
            "id": "live",
            "username": "名前🦆",
            "server": "",
            "image": "image",
            "share": "exclusive",
            "granted_at": MIDNIGHT - 3600,
            "state": "active",
            "container_id": "c1",
            "expires_at": MIDNIGHT + 8 * 3600,
            "ended_at": None,
            "end_reason": None,
        },
        {
            "id": "over",
            "username": "ada",
            "server": "second",
            "image": "image",
            "share": "exclusive",
            "granted_at": MIDNIGHT - 7200,
            "state": "ended",
            "container_id": "c0",
            "expires_at": None,
            "ended_at": MIDNIGHT + 3600.5,
            "end_reason": "stopped by its user",
        },
        {
            "id": "cpu",
            "username": "ada",
            "server": "",
            "image": "image",
            "share": "exclusive",
            "granted_at": 5.0,
            "state": "ended",
            "container_id": None,
            "expires_at": None,
            "ended_at": 9.0,
            "end_reason": None,
        },
    ],
    "lease_gpus": [
        {"lease_id": "live", "gpu_uuid": uuid(0), "slot": 0, "live": True},
        {"lease_id": "over", "gpu_uuid": uuid(1), "slot": 0, "live": False},
        {"lease_id": "over", "gpu_uuid": uuid(2), "slot": 0, "live": False},
    ],
    "requests": [
        {
            "sequence": 7,
            "id": "r7",
            "username": "bob",
            "server": "",
            "gpus": 1,
            "gpu_model": "*A100*",
            "share": "exclusive",
            "when_busy": "wait",
            "image": "image",
            "groups": ["class"],
            "user_options": {"gpus": 1, "é": [1]},
            "created_at": 3.0,
            "state": "waiting",
            "settled_at": None,
            "lease_id": None,
            "message": None,
        },
        {
            "sequence": 6,
            "id": "r6",
            "username": "名前🦆",
            "server": "",
            "gpus": 1,
            "gpu_model": None,
            "share": "exclusive",
            "when_busy": "fail",
            "image": "image",
            "groups": [],
            "user_options": {},
            "created_at": 2.0,
            "state": "granted",
            "settled_at": 4.0,
            "lease_id": "live",
            "message": None,
        },
    ],
    "quotas": [
        {
            "level": "default",
            "name": "",
            "document": {"max_gpus": 2, "gpu_models": ["*A100*"]},
            "updated_at": 3.0,
            "updated_by": "root",
        },
        {
            "level": "user",
            "name": "'; DROP TABLE quotas; --",
            "document": {},
            "updated_at": 4.0,
            "updated_by": "root",
        },
    ],
    "audit": [
        {
            "sequence": 1,
            "at": 3.0,
            "by": "root",
            "what": "quota.set",
            "target": "default",
            "before": None,
            "after": {"max_gpus": 2, "gpu_models": ["*A100*"]},
        }
    ],
}
_JSON = {"groups", "user_options", "document", "before", "after"}


def write_rows(connection: Connection) -> None:
    for table, rows in ROWS.items():
        for row in rows:
            names = ", ".join(f'"{name}"' for name in row)
            values = ", ".join(f":{name}" for name in row)
            connection.execute(
                text(f"INSERT INTO {table} ({names}) VALUES ({values})"),
                {name: json.dumps(v) if name in _JSON else v for name, v in row.items()},
            )
        if connection.dialect.name == "postgresql" and "sequence" in rows[0]:
            # The server counts on from the numbers that it gave itself.
            counter = f"pg_get_serial_sequence('{table}', 'sequence')"
            connection.execute(text(f"SELECT setval({counter}, 7)"))
    connection.execute(text("UPDATE meta SET value = 41"))


@pytest.fixture
def old(database_url: Callable[[], str]) -> str:
    """The URL of a database that the first version wrote and used."""
    url = database_url()
    engine = create_engine(url)
    with engine.begin() as connection:
        write_the_first_schema(connection)
        write_rows(connection)
    engine.dispose()
    return url


def test_nothing_of_a_database_of_the_first_version_is_lost(old: str) -> None:
    store = Store(old)
    store.migrate()
    engine = create_engine(old)
    with engine.connect() as connection:
        for table, rows in ROWS.items():
            # By the columns' own names: some have another name in the code.
            columns = {column.name: column for column in metadata.tables[table].columns}
            found = connection.execute(select(*(columns[name] for name in rows[0]))).mappings()
            assert sorted(map(repr, map(dict, found))) == sorted(map(repr, rows)), table
    engine.dispose()
    store.close()


def test_what_an_older_version_wrote_means_the_same(old: str) -> None:
    store = Store(old)
    store.migrate()
    with store.snapshot() as transaction:
        assert transaction.generation == 41
        (live,) = transaction.leases.live()
        assert (live.id, live.user, live.state) == ("live", "名前🦆", LeaseState.ACTIVE)
        assert (live.slot, live.slots, live.share) == (0, 1, Share.EXCLUSIVE)
        assert (live.groups, live.gpu_hours_limit, live.backfilled) == ((), None, False)
        assert live.latest_end == live.expires_at == MIDNIGHT + 8 * 3600
        assert [item.state for item in transaction.requests.waiting()] == [RequestState.WAITING]
        assert [record.slots for record in transaction.gpus.records()] == [1, 1, 1]
        assert transaction.gpus.records()[1].admin_state is AdminState.DRAINING
        documents = transaction.quotas.all()
        assert all(document.revision == 1 for document in documents)
        # The days of what ended, split at midnight: two devices for two hours, and for one.
        by_user = transaction.usage.day_use("user", 0, 30_000)
        assert sorted((u.day, u.name, u.gpu_seconds, u.leases) for u in by_user) == [
            (19_999, "ada", 2 * 7200.0, 1),
            (20_000, "ada", 2 * 3600.5, 0),
        ]
        by_gpu = transaction.usage.day_use("gpu", 0, 30_000)
        assert sorted((u.day, u.name, u.gpu_seconds, u.leases) for u in by_gpu) == [
            (19_999, uuid(1), 7200.0, 1),
            (19_999, uuid(2), 7200.0, 1),
            (20_000, uuid(1), 3600.5, 0),
            (20_000, uuid(2), 3600.5, 0),
        ]
        assert transaction.usage.ended_leases == 1
        assert transaction._statements.number("longest_lease") == math.ceil(10_800.5)
    store.close()


def test_a_lab_goes_on_with_the_database_of_an_older_version(old: str) -> None:
    store = Store(old)
    store.migrate()
    now = MIDNIGHT + 4000
    inventory = StaticInventory([gpu(number) for number in range(3)])
    broker = Broker(store, inventory, clock=lambda: now)
    broker.quotas.set("default", "", {"max_gpus": 1}, "root", revision=1)
    assert broker.quotas.documents()[0].revision == 2
    (session,) = broker.sessions.live()
    assert session.ends_at == MIDNIGHT + 8 * 3600
    broker.leases.end("live", "gone")
    rows = broker.usage.report(0, now, "user")
    assert {row.name: row.gpu_hours for row in rows} == {
        "ada": pytest.approx(2 * 10_800.5 / 3600),
        "名前🦆": pytest.approx(7600 / 3600),
    }
    now += 1
    broker.reconcile(Observation(now))
    assert broker.leases.of_server("bob", "") is not None
    store.close()
