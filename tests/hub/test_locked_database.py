"""The database stays locked, because another process has stopped in mid-change, for example."""

from __future__ import annotations

import sqlite3

from harness.waiting import wait_for


def test_a_database_that_stays_locked_does_not_hold_up_the_hub(hub):
    ada = hub.client("ada")
    ada.start_server()
    database = hub.state / "shared" / "gpudock.sqlite"
    holder = sqlite3.connect(database, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        said = "Nothing can be granted: The lab's database is locked"
        wait_for(lambda: said in hub.log.read_text(), "the hub has noticed")
        wait_for(
            lambda: ada.http.get("/hub/api").elapsed.total_seconds() < 2,
            "the hub answers soon again, although it cannot write",
        )
        message = hub.client("bob").refusal(gpus=0)
        assert "The lab's database is locked by another process." in message
        assert ada.server_model()["ready"]
    finally:
        holder.close()
    hub.client("bob").start_server()
