"""The promises hold on PostgreSQL as well, whose transactions are not SQLite's."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from state_machine.machine import LabMachine
from state_machine.postgresql import PostgresDatabase

if TYPE_CHECKING:
    from harness.postgres import Postgres

# A few for the inner loop, as on SQLite.
EXAMPLES = int(os.environ.get("GPUDOCK_TEST_EXAMPLES", "10"))


class PostgresLabMachine(LabMachine):
    """The same lab, with its database on a server."""

    url: ClassVar[str] = ""

    def new_database(self) -> PostgresDatabase:
        return PostgresDatabase(self.url)

    def teardown(self) -> None:
        super().teardown()
        self.database.close()


@pytest.mark.integration
def test_the_promises_hold_on_postgresql(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PostgresLabMachine, "url", postgres.empty_lab())
    run_state_machine_as_test(
        PostgresLabMachine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=60,
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
