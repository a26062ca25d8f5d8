"""What several kinds of tests share: the whole lab, brought up once."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from harness.lab import SOCKET, Lab

if TYPE_CHECKING:
    from collections.abc import Iterator

# How long an example takes depends on what else the machine does; speed is what benchmarks are for.
# The examples are the same in each run, so that chance neither fails nor hides anything;
# `make test-random` looks at others.
settings.register_profile(
    "fixed", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("random", settings.get_profile("fixed"), derandomize=False)
settings.load_profile("random" if os.environ.get("GPUDOCK_TEST_RANDOM") == "1" else "fixed")

_lab: list[Lab] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "lab" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.lab)
            # There is one lab: tests that run side by side keep these in one process.
            item.add_marker(pytest.mark.xdist_group("lab"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed and _lab and "lab" in getattr(item, "fixturenames", ()):
        report.sections.extend(_lab[0].logs())
    return report


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """The whole lab with two simulated GPUs, as ``make up`` brings it.

    One that is up before the tests stays up; so does every one with GPUDOCK_TEST_KEEP=1.
    """
    if os.geteuid() != 0:
        pytest.skip("an engine and device nodes need root")
    done = Lab.command("engine", "--socket", str(SOCKET))
    assert done.returncode == 0, done.stdout
    lab = Lab()
    was_up = lab.is_up()
    if not was_up:
        lab.forget()
    lab.up()
    _lab.append(lab)
    lab.wait_until_up()
    yield lab
    _lab.remove(lab)
    if not was_up and os.environ.get("GPUDOCK_TEST_KEEP") != "1":
        lab.down()
