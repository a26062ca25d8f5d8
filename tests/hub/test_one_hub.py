"""One hub per lab, one lab per database."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from doubles.docker import FakeDocker
from gpudock.config.shared_volume import LAB_ID
from harness.desk_process import DeskProcess
from harness.hub_process import HubProcess
from harness.waiting import wait_for
from hub.conftest import GPUS

ROOT = Path(__file__).parents[2]


def says(client, words):
    def found():
        return words in re.sub(r"\s+", " ", client.page("/hub/spawn").text)

    wait_for(found, f"the page says: {words}")


def gpudock(hub, *arguments):
    """Run the command line beside a hub."""
    return subprocess.run(
        [sys.executable, "-m", "gpudock.cli", *arguments],
        cwd=hub.state,
        env={**hub.environ, "PYTHONPATH": str(ROOT / "spawner")},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def second_hub(tmp_path):
    """Makes hubs that use the database of another one; they are not started yet."""
    made = []

    def make(first, docker=None):
        place = tmp_path / f"second{len(made)}"
        place.mkdir()
        hub = HubProcess(place, docker or first.docker, DB_URL=first.environ["GPUDOCK_DB_URL"])
        made.append(hub)
        return hub

    yield make
    for hub in made:
        hub.stop()


@pytest.fixture
def other_docker(tmp_path):
    place = tmp_path / "other"
    place.mkdir()
    docker = FakeDocker(place, GPUS)
    docker.id, docker.name = "engine-2", "other-host"
    yield docker
    docker.close()


def test_a_second_hub_of_a_lab_waits_until_the_first_has_ended(new_hub, second_hub):
    first = new_hub().start()
    ada = first.client("ada")
    ada.start_server()
    held = first.held()
    second = second_hub(first)
    (second.state / "shared").symlink_to(first.state / "shared")
    second.start()
    says(second.client("ada"), "Another hub of this lab still runs on this server.")
    first.client("bob").start_server()
    assert not first.problem(), "the first one is well"
    assert first.held().items() >= held.items()
    held = first.held()
    first.kill()
    wait_for(lambda: "Docker Engine" in second.log.read_text(), "the second one goes on")
    second.client("cleo").start_server(gpus=0)
    assert second.held().items() >= held.items()


def test_a_hub_refuses_the_database_of_another_lab_until_the_lab_is_moved(
    new_hub, second_hub, other_docker
):
    first = new_hub().start()
    first.client("ada").start_server()
    held = first.held()
    second = second_hub(first, other_docker).start()
    wait_for(lambda: "belongs to another lab" in second.problem(), "the second one says so")
    says(second.client("bob"), "gpudock lab move-here")
    desk = DeskProcess(second)
    desk.launch(agent_url="http://127.0.0.1:1")
    wait_for(lambda: desk.health() == 503, "its desk refuses as well")
    assert first.held() == held

    refused = gpudock(second, "lab", "move-here")
    assert refused.returncode == 1
    assert 'The hub on the server "fake-host" is alive' in refused.stderr
    at_home = gpudock(first, "lab", "move-here")
    assert at_home.returncode == 0, at_home.stderr
    assert "is this lab's already" in at_home.stdout
    assert first.held() == held
    first.stop()
    moved = gpudock(second, "lab", "move-here")
    assert moved.returncode == 0, moved.stderr
    wait_for(lambda: not second.problem(), "the second one goes on")
    second.client("bob").start_server()
    wait_for(lambda: desk.health() == 200, "its desk as well")
    desk.close()
    first.start()
    wait_for(lambda: "belongs to another lab" in first.problem(), "the first one is refused now")


def test_a_hub_that_was_frozen_ends_when_another_has_taken_over(new_hub, second_hub, other_docker):
    """As when a virtual machine is suspended, the lab moved, and the machine resumed."""
    first = new_hub().start()
    first.client("ada").start_server()
    signal.pidfd_send_signal(first._process.descriptor, signal.SIGSTOP)
    second = second_hub(first, other_docker)
    second.start()
    wait_for(second.problem, "the second one is refused")
    moved = gpudock(second, "lab", "move-here")
    assert moved.returncode == 0, moved.stderr
    wait_for(lambda: not second.problem(), "the second one goes on")
    signal.pidfd_send_signal(first._process.descriptor, signal.SIGCONT)
    wait_for(first.has_ended, "the first one ends")
    assert "Another hub has taken over this lab's database" in first.log.read_text()
    second.client("bob").start_server()


def test_a_lab_whose_shared_folder_is_lost_goes_on_with_its_database(new_hub, tmp_path):
    hub = new_hub(DB_URL=f"sqlite:///{tmp_path}/gpudock.sqlite").start()
    hub.client("ada").start_server()
    held, file = hub.held(), hub.state / "shared" / LAB_ID
    lab_id = file.read_text()
    hub.stop()
    file.unlink()
    hub.start()
    wait_for(lambda: not hub.problem(), "all is well")
    wait_for(lambda: hub.client("ada").server_model()["ready"], "ada's server is known again")
    assert (hub.held(), file.read_text()) == (held, lab_id)
