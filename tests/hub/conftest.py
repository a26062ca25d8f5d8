"""A real hub on an engine that behaves; what a hub said is shown when its test fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from doubles.docker import FakeDocker
from gpudock.model import GPU, GPUReading, Telemetry
from harness.hub_process import HubProcess
from harness.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

GPUS = tuple(
    GPUReading(
        GPU(f"GPU-{n:08x}-0000-4000-8000-{n:012x}", n, "fake-host", model, memory_mib),
        Telemetry(processes=()),
    )
    for n, model, memory_mib in (
        (0, "NVIDIA A100-SXM4-40GB", 40960),
        (1, "NVIDIA L4", 23034),
    )
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/hub/" in str(item.path):
            item.add_marker(pytest.mark.hub)


_shown: list[HubProcess] = []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed and call.when in ("setup", "call"):
        for hub in _shown:
            if hub.log.exists():
                report.sections.append(("the hub's log", hub.log.read_text()[-12000:]))
    return report


@pytest.fixture(scope="session")
def shared_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    directory = tmp_path_factory.mktemp("hub")
    docker = FakeDocker(directory, GPUS)
    hub = HubProcess(directory, docker).start()
    _shown.append(hub)
    yield hub
    hub.stop()
    docker.close()


@pytest.fixture
def hub(shared_hub: HubProcess) -> Iterator[HubProcess]:
    """The hub of all tests that leave it as they found it: nothing runs and nobody waits."""
    # What the hub has read last may be older than what the test before put right.
    wait_for(lambda: _all_are_free(shared_hub), "all GPUs are free")
    yield shared_hub
    docker = shared_hub.docker
    docker.forget_plans()
    docker.agent.readings = GPUS
    docker.agent.problem = None
    docker.up()
    docker.pullable.clear()
    docker.images.discard("lab/gone:1")
    shared_hub.admin.forget_users()
    for container in docker.servers:
        docker.remove_behind(container)
    wait_for(lambda: not shared_hub.leases(), "all leases end")
    assert shared_hub.queue() == []


def _all_are_free(hub: HubProcess) -> bool:
    hub.return_gpus_to_service()
    return hub.admin.sees_all_gpus_free(len(GPUS))


def hub_factory(directory: Path) -> Iterator[Callable[..., HubProcess]]:
    """Make hubs, each with an engine of its own; they are not started yet."""
    made: list[HubProcess] = []

    def make(gpus: tuple[GPUReading, ...] = GPUS, extra: str = "", **settings: str) -> HubProcess:
        place = directory / f"hub{len(made)}"
        place.mkdir()
        hub = HubProcess(place, FakeDocker(place, gpus), extra, **settings)
        made.append(hub)
        _shown.append(hub)
        return hub

    yield make
    for hub in made:
        hub.docker.forget_plans()
        hub.stop()
        hub.docker.close()
        _shown.remove(hub)


@pytest.fixture
def new_hub(tmp_path: Path) -> Iterator[Callable[..., HubProcess]]:
    yield from hub_factory(tmp_path)


@pytest.fixture(scope="module")
def new_module_hub(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., HubProcess]]:
    yield from hub_factory(tmp_path_factory.mktemp("hubs"))
