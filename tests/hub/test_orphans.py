"""Containers whose user or server the Hub does not know: none is lost, and none ends by mistake."""

from __future__ import annotations

import sqlite3

import pytest

from gpudock.hub.loops.orphans import REASON
from harness.waiting import wait_for

QUICK = (
    "runtime.config = dataclasses.replace("
    "runtime.config, orphan_interval=0.3, orphan_grace={grace})\n"
)


@pytest.fixture
def impatient_hub(new_hub):
    """A hub that asks about users all the time, and believes that they are gone at once."""
    return new_hub(extra=QUICK.format(grace=0.5)).start()


def ready(client, server=""):
    model = client.server_model(server)
    return model is not None and model["ready"]


def looks(hub):
    """How often the Hub was asked which servers it knows."""
    return hub.log.read_text().count("/hub/api/users?state=")


def wait_for_looks(hub, number=4):
    before = looks(hub)
    wait_for(lambda: looks(hub) >= before + number, f"{number} looks")


def forget_server(hub, user):
    """Have the Hub's own database know no server of a user, while no hub runs."""
    with sqlite3.connect(hub.state / "jupyterhub.sqlite") as database:
        database.execute(
            "UPDATE spawners SET server_id = NULL, started = NULL, state = '{}' "
            "WHERE user_id = (SELECT id FROM users WHERE name = ?)",
            (user,),
        )


def test_a_server_that_the_hub_forgot_is_adopted_within_seconds_of_its_restart(new_hub):
    """With the intervals that are shipped: so a start ends that a restart of the hub cut short."""
    hub = new_hub().start()
    ada = hub.client("ada")
    ada.start_server()
    running = hub.docker.running
    hub.kill()
    forget_server(hub, "ada")
    hub.start()
    assert not ready(ada)
    wait_for(lambda: ready(ada), "the Hub knows the server again", 30)
    assert hub.docker.running == running


def test_servers_that_are_known_are_left_alone(impatient_hub):
    hub = impatient_hub
    ada, bob = hub.client("ada"), hub.client("bob")
    ada.start_server("second", gpus=1)
    bob.start_server()
    cleo = hub.client("cleo")
    cleo.ask_for_server()
    wait_for(hub.queue, "cleo waits")
    held, running = hub.held(), hub.docker.running
    wait_for_looks(hub)
    assert hub.held() == held
    assert hub.docker.running == running
    assert hub.queue() == ["cleo"]


def test_a_server_whose_user_was_removed_behind_the_hubs_back_gives_its_gpu_back(impatient_hub):
    hub = impatient_hub
    ada, bob = hub.client("ada"), hub.client("bob")
    ada.start_server(gpu_model="NVIDIA L4")
    bob.start_server()
    lease = hub.leases()["ada"]
    hub.kill()
    hub.remove_account("ada")
    hub.start()
    wait_for(lambda: sorted(hub.leases()) == ["bob"], "ada's lease ends")
    wait_for(lambda: len(hub.docker.servers) == 1, "ada's container is removed")
    assert [item.labels["gpudock.user"] for item in hub.docker.servers] == ["bob"]
    assert hub.ended(lease.id).end_reason == REASON
    wait_for(lambda: ready(bob), "bob's server goes on")


def test_a_renamed_users_server_gives_its_gpu_back(impatient_hub):
    hub = impatient_hub
    ada = hub.client("ada")
    ada.start_server()
    wait_for_looks(hub, 1)
    hub.rename_user("ada", "augusta")
    wait_for(lambda: "ada" not in hub.leases(), "the lease of nobody ends")
    wait_for(lambda: hub.docker.servers == [], "its container is gone")


def test_a_server_that_a_crash_left_behind_is_known_again_without_its_user(impatient_hub):
    """As when a hub dies in mid-start, and its call takes effect when the next one has looked."""
    hub = impatient_hub
    ada = hub.client("ada")
    ada.start_server()
    (container,) = hub.docker.running
    held = hub.held()
    hub.kill()
    forget_server(hub, "ada")
    hub.start()
    wait_for(lambda: ready(ada), "the Hub knows the server")
    assert hub.docker.running == [container]
    assert hub.held() == held
    assert hub.routes()["/user/ada/"] == f"http://{container.address}:8888"
    wait_for_looks(hub)
    assert hub.held() == held
    ada.stop_server()
    assert hub.docker.servers == []


def test_a_server_that_cannot_be_taken_up_is_left_alone(impatient_hub):
    hub = impatient_hub
    ada = hub.client("ada")
    ada.start_server()
    (container,) = hub.docker.running
    held = hub.held()
    hub.kill()
    forget_server(hub, "ada")
    # The first is the reconciler's, which looks once at each container that it does not know.
    hub.docker.fail("inspect", 500, "the engine has a bad moment", spare=1)
    hub.start()
    wait_for(lambda: "the engine has a bad moment" in hub.log.read_text(), "a try")
    wait_for_looks(hub)
    assert hub.held() == held
    hub.docker.forget_plans()
    wait_for(lambda: ready(ada), "the Hub knows the server")
    assert hub.docker.running == [container]


def test_a_hub_that_has_lost_its_database_ends_nothing_before_the_grace(new_hub):
    hub = new_hub(extra=QUICK.format(grace=3600)).start()
    hub.client("ada").start_server()
    held, running = hub.held(), hub.docker.running
    hub.kill()
    # The file, and what goes with it: the latest commits are in its write-ahead log.
    database = [file.name for file in hub.state.glob("jupyterhub.sqlite*")]
    backup = hub.state / "backup"
    backup.mkdir()
    for name in database:
        (hub.state / name).rename(backup / name)
    hub.start()
    wait_for_looks(hub)
    assert hub.held() == held
    hub.stop()
    for file in hub.state.glob("jupyterhub.sqlite*"):
        file.unlink()
    for name in database:
        (backup / name).rename(hub.state / name)
    hub.start()
    wait_for(lambda: ready(hub.client("ada")), "the server is known again")
    assert hub.held() == held
    assert hub.docker.running == running
