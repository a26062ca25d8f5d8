"""Databases: SQLite always, and PostgreSQL where its programs are installed.

Tests on PostgreSQL belong to the integration tier, as they start a server.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from harness.postgres import Postgres, find_programs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


DATABASES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.integration)]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server for these tests alone."""
    programs = find_programs()
    if programs is None:
        pytest.skip("PostgreSQL's programs (initdb, postgres) are not installed here.")
    with Postgres(programs) as server:
        yield server


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Returns the URL of a new and empty database with each call."""
    numbers = itertools.count()
    if request.param == "sqlite":
        return lambda: f"sqlite:///{tmp_path}/{next(numbers)}.sqlite"
    return request.getfixturevalue("postgres").new_database


@pytest.fixture(params=DATABASES)
def lab_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a lab's database, one for each test; nothing is in it but its tables, perhaps."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/gpudock.sqlite"
    return request.getfixturevalue("postgres").empty_lab()
