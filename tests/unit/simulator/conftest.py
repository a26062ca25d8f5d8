"""A place of its own for each test's simulated GPUs. The library is compiled: integration tests."""

from pathlib import Path

import pytest

from simulator.host import Host

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.integration)


@pytest.fixture
def host(tmp_path) -> Host:
    return Host(tmp_path)
