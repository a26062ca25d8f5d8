"""Tests on a real engine; each leaves the lab as it found it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gpudock.deploy.engine import Engine, ensure_engine
from gpudock.deploy.tools import Tools, find_tools
from harness.lab import GPUS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.lab import Lab


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/docker/" in str(item.path):
            item.add_marker(pytest.mark.docker)


@pytest.fixture
def clean_lab(lab: Lab) -> Iterator[Lab]:
    """The lab, in which nothing runs before the test and after it."""
    assert len(lab.simulator.gpus) == GPUS
    yield lab
    lab.clean_up()


@pytest.fixture(scope="session")
def engine() -> Engine:
    if os.geteuid() != 0:
        pytest.skip("the tests' engine needs root")
    return ensure_engine(
        Path(os.environ.get("GPUDOCK_TEST_SOCKET", "/run/gpudock-test/docker.sock"))
    )


@pytest.fixture(scope="session")
def tools(engine: Engine) -> Tools:
    return find_tools(engine.socket)
