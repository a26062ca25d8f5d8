"""The desk in a lab without GPUs, and with an agent that does not answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.desk_process import DeskProcess
from harness.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.hub_process import HubProcess

NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def desk_of() -> Iterator[Callable[[HubProcess], DeskProcess]]:
    """Start the desk of a hub, without an agent."""
    desks: list[DeskProcess] = []

    def start(hub: HubProcess) -> DeskProcess:
        desks.append(DeskProcess(hub))
        desks[-1].launch(agent_url=NOBODY)
        wait_for(lambda: desks[-1].health() == 200, "the desk is healthy", 60)
        return desks[-1]

    yield start
    for desk in desks:
        desk.close()


def reading(desk: DeskProcess, until: Callable[[dict], bool]) -> dict:
    """Return the desk's list of GPUs once *until* holds."""
    token = desk.token(desk.hub.admin)

    def ask() -> dict | None:
        found = desk.ask("GET", "gpus", token).json()
        return found if until(found) else None

    return wait_for(ask, "the desk says how the GPUs are")


def test_a_lab_without_gpus_says_that_it_runs_on_the_cpu_and_what_to_do(new_hub, desk_of):
    hub = new_hub(gpus=())
    # It had GPUs once, and their agent left its secret.
    (hub.state / "shared").mkdir()
    (hub.state / "shared" / "agent-token").write_text("0" * 64)
    hub.start()
    desk = desk_of(hub)
    found = reading(desk, lambda found: found["runs_on_cpu"])
    assert found["gpus"] == []
    assert "no NVIDIA GPUs, so servers run on the CPU" in found["problem"]
    assert "nvidia-ctk cdi generate" in found["problem"]
    # It gets one. The desk learns it from the hub without a restart.
    hub.stop()
    hub.docker.agent.readings = new_hub().docker.agent.readings
    hub.start()
    found = reading(desk, lambda found: not found["runs_on_cpu"])
    found = reading(desk, lambda found: "has not answered yet" in found["problem"])
    assert not found["runs_on_cpu"]


def test_an_agent_that_is_silent_is_no_sign_of_a_lab_without_gpus(new_hub, desk_of):
    hub = new_hub().start()
    found = reading(desk_of(hub), lambda found: "has not answered yet" in found["problem"])
    assert not found["runs_on_cpu"]
