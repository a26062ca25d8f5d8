"""A place of its own for each test's pretend GPUs."""

import pytest

from simulator.host import Host


@pytest.fixture
def host(tmp_path) -> Host:
    return Host(tmp_path)
