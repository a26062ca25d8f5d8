"""Hub, engine, agent and database may fail at any moment; leases stay true and work goes on."""

from __future__ import annotations

import threading

import httpx
import pytest

from gpudock.engine.labels import LABEL_GPUS, LABEL_LEASE
from harness.waiting import wait_for


@pytest.fixture
def lab(clean_lab):
    return clean_lab


def get_server(lab, client):
    """Have a server, whatever a former hub had begun."""

    def is_ready():
        model = client.server_model()
        if model is None or not (model["ready"] or model["pending"]):
            client.ask_for_server()
        return model is not None and model["ready"]

    wait_for(is_ready, f"{client.name} has a server", 120, every=0.5)


def assert_leases_are_true(lab, users):
    """Each has one container with one GPU, of their lease, and nobody has another's."""
    # A container that has ended is removed after its lease.
    wait_for(
        lambda: (
            {item.id for item in lab.servers(stopped=True)}
            == {lease["container"] for lease in lab.leases().values()}
        ),
        "nothing else is left",
        60,
        every=0.5,
    )
    containers = lab.servers(stopped=True)
    given = [uuid for item in containers for uuid in item.labels[LABEL_GPUS].split(",")]
    assert len(given) == len(set(given)) == len(users)
    leases = lab.leases()
    assert sorted(leases) == sorted(users)
    for user in users:
        container = lab.server_of(user)
        assert container.status == "running"
        assert leases[user]["container"] == container.id
        assert leases[user]["id"] == container.labels[LABEL_LEASE]
        assert leases[user]["gpus"] == container.labels[LABEL_GPUS].split(",")


def _lease_exists(lab):
    return lab.leases()


def _container_exists(lab):
    return lab.servers(stopped=True)


def _container_runs(lab):
    return lab.servers()


@pytest.mark.parametrize("moment", [None, _lease_exists, _container_exists, _container_runs])
def test_a_hub_that_is_killed_in_a_start_leaks_and_doubles_nothing(lab, moment):
    ada, bob = lab.client("ada"), lab.client("bob")
    ada.start_server()
    thread = threading.Thread(target=_ask, args=(bob,), daemon=True)
    thread.start()
    if moment is not None:
        wait_for(lambda: len(moment(lab)) == 2, "the moment", every=0.001)
    lab.kill_hub()
    thread.join(90)
    lab.start_hub()
    get_server(lab, bob)
    get_server(lab, ada)
    assert_leases_are_true(lab, ["ada", "bob"])


def _ask(client):
    try:
        client.ask_for_server()
    except httpx.TransportError:
        return


def test_servers_are_reached_while_the_hub_restarts_and_the_queue_is_kept(lab):
    ada, bob, cleo = (lab.client(name) for name in ("ada", "bob", "cleo"))
    url = ada.start_server()
    bob.start_server()
    cleo.ask_for_server()
    cleo.follow().wait_for("in the queue")
    containers = {item.id for item in lab.servers()}
    assert ada.http.get(f"{url}api").status_code == 200
    lab.kill_hub()
    assert not lab.answers()
    for _ in range(3):
        assert ada.http.get(f"{url}api").status_code == 200
    lab.start_hub()
    assert ada.http.get(f"{url}api").status_code == 200
    assert {item.id for item in lab.servers()} == containers
    wait_for(cleo.server_model, "cleo's start goes on", 60, every=0.5)
    bob.stop_server()
    wait_for(lambda: (cleo.server_model() or {}).get("ready"), "cleo starts", 60, every=0.5)
    assert_leases_are_true(lab, ["ada", "cleo"])


def test_a_lost_database_comes_back_from_the_containers_labels(lab):
    ada, bob = lab.client("ada"), lab.client("bob")
    ada.start_server()
    bob.start_server()
    before = lab.leases()
    lab.kill_hub()
    lab.wipe_store()
    lab.start_hub()
    wait_for(lambda: lab.leases() == before, "the same leases", 60, every=0.5)
    cleo = lab.client("cleo")
    assert cleo.ask_for_server().status_code == 202
    assert_leases_are_true(lab, ["ada", "bob"])
    ada.stop_server()
    assert "ada" not in lab.leases()
    wait_for(lambda: (cleo.server_model() or {}).get("ready"), "cleo starts", 60, every=0.5)


def test_an_engine_that_restarts_with_live_restore_ends_nothing(lab):
    ada = lab.client("ada")
    url = ada.start_server()
    container = lab.server_of("ada")
    started = container.attrs["State"]["StartedAt"]
    lab.restart_engine(live_restore=True)
    assert lab.server_of("ada").attrs["State"]["StartedAt"] == started
    assert ada.http.get(f"{url}api").status_code == 200
    lab.client("bob").start_server()
    assert_leases_are_true(lab, ["ada", "bob"])


def test_an_engine_that_restarts_without_live_restore_gives_the_gpus_back(lab):
    ada = lab.client("ada")
    ada.start_server()
    lab.restart_engine(live_restore=False)
    wait_for(lambda: "ada" not in lab.leases(), "the end is proven", 60, every=0.5)
    wait_for(lambda: ada.server_model() is None, "the Hub knows it", 60, every=0.5)
    ada.start_server()
    lab.client("bob").start_server()
    assert_leases_are_true(lab, ["ada", "bob"])


def test_an_agent_that_is_down_ends_no_lease_and_comes_back(lab):
    ada, bob = lab.client("ada"), lab.client("bob")
    ada.start_server()
    before = lab.leases()
    gone = lab.agent.id
    # Paused, it is silent, and for the engine it runs: only its silence tells.
    lab.agent.pause()
    wait_for(lambda: "alert-warning" in bob.page("/hub/spawn").text, "its silence is noticed", 60)
    assert bob.ask_for_server().status_code == 202
    page = bob.follow()
    page.wait_for("The GPU agent at")
    assert lab.leases() == before
    lab.agent.remove(force=True)
    assert page.result()["ready"], page.messages
    assert lab.agent.id != gone
    assert_leases_are_true(lab, ["ada", "bob"])
