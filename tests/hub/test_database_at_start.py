"""A hub that starts while its database cannot be used says so, and goes on by itself."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest

from harness.postgres import Postgres, find_programs
from harness.waiting import wait_for

QUICK = "import gpudock.hub.claim as module\nmodule._UNUSABLE_SECONDS = 1.0\n"


def starts_a_server(hub):
    wait_for(lambda: not hub.problem(), "all is well")
    hub.client("ada").start_server()
    assert hub.leases()["ada"].gpu_uuids


def test_a_hub_waits_for_a_database_that_is_locked_when_it_starts(new_hub):
    hub = new_hub().start()
    wait_for(lambda: not hub.problem(), "all is well")
    hub.stop()
    holder = sqlite3.connect(hub.state / "shared" / "gpudock.sqlite", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        hub.start()
        wait_for(lambda: "database is locked" in hub.problem(), "the health check says so")
        ada = hub.client("ada")
        assert "database is locked" in ada.page("/hub/spawn").text
    finally:
        holder.close()
    starts_a_server(hub)


def test_a_hub_waits_for_a_database_server_that_starts_after_it(new_hub):
    programs = find_programs()
    if programs is None:
        pytest.skip("PostgreSQL's programs are not installed")
    with Postgres(programs) as server:
        hub = new_hub(DB_URL=server.new_database())
        server.stop()
        hub.start()
        wait_for(lambda: "database cannot be opened" in hub.problem(), "the health check says so")
        assert "database cannot be opened" in hub.client("ada").page("/hub/spawn").text
        server.start()
        starts_a_server(hub)


def test_a_hub_waits_for_a_damaged_database_to_be_replaced(new_hub):
    hub = new_hub(extra=QUICK).start()
    wait_for(lambda: not hub.problem(), "all is well")
    hub.stop()
    file = hub.state / "shared" / "gpudock.sqlite"
    spare = file.with_name("spare")
    with (
        contextlib.closing(sqlite3.connect(file)) as source,
        contextlib.closing(sqlite3.connect(spare)) as copy,
    ):
        source.backup(copy)
    for log in file.parent.glob("gpudock.sqlite-*"):
        log.unlink()
    file.write_bytes(b"This is no database. " * 1000)
    hub.start()
    wait_for(lambda: "database file is damaged" in hub.problem(), "the health check says so")
    spare.replace(file)
    starts_a_server(hub)


def test_a_hub_whose_database_has_no_meaningful_url_ends_with_a_sentence(new_hub):
    hub = new_hub()
    hub.environ["GPUDOCK_DB_URL"] = "postgresql://lab@server:port/lab"
    hub.launch()
    wait_for(hub.has_ended, "the hub ends")
    assert "GPUDOCK_DB_URL is not a database URL." in hub.log.read_text()
