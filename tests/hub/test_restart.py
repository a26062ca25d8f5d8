"""The hub may stop or die at any moment: nobody's work ends and nobody's place is lost."""

from __future__ import annotations

import re
from contextlib import ExitStack

import httpx
import pytest

from doubles.docker import MUTE_IMAGE
from gpudock.model import GPU, GPUReading, LeaseState, Telemetry
from harness.waiting import wait_for


def ready(client, server=""):
    model = client.server_model(server)
    return model is not None and model["ready"]


def container_of(hub, user):
    (found,) = [item for item in hub.docker.servers if item.labels["gpudock.user"] == user]
    return found


def test_servers_run_on_and_the_queue_keeps_its_order(new_hub):
    hub = new_hub().start()
    users = {name: hub.client(name) for name in ("ada", "bob", "cleo", "dora", "emil")}
    users["ada"].start_server()
    users["bob"].start_server()
    for number, name in enumerate(("cleo", "dora", "emil"), start=1):
        users[name].ask_for_server()
        wait_for(lambda number=number: len(hub.queue()) == number, f"{name} waits")
    before = {item.id: item.gpus for item in hub.docker.running}
    held = hub.held()

    for end in (hub.stop, hub.kill):
        end()
        assert hub.queue() == ["cleo", "dora", "emil"]
        assert {item.id: item.gpus for item in hub.docker.running} == before
        hub.start()
        for name in ("cleo", "dora", "emil"):
            wait_for(lambda name=name: users[name].server_model(), f"{name}'s start goes on")
        assert hub.queue() == ["cleo", "dora", "emil"]
        wait_for(lambda: ready(users["ada"]) and ready(users["bob"]), "the servers are adopted")
        assert hub.held() == held
        assert {item.id: item.gpus for item in hub.docker.running} == before
        assert hub.routes()["/user/ada/"] == f"http://{container_of(hub, 'ada').address}:8888"
        token = container_of(hub, "ada").environment["JUPYTERHUB_API_TOKEN"]
        whoami = httpx.get(f"{hub.url}/hub/api/user", headers={"Authorization": f"token {token}"})
        assert whoami.json()["name"] == "ada"

    page = users["cleo"].follow()
    page.wait_for("You are number 1 of 3 in the queue.")
    users["ada"].stop_server()
    assert page.result()["ready"]
    assert hub.queue() == ["dora", "emil"]
    users["bob"].stop_server()
    wait_for(lambda: ready(users["dora"]), "dora is next")
    assert hub.queue() == ["emil"]
    assert "Traceback" not in hub.log.read_text()


STEPS = [
    ("image", "before"),
    ("create", "before"),
    ("create", "after"),
    ("start", "before"),
    ("start", "after"),
    ("inspect", "before"),
]


@pytest.mark.parametrize("lands", [True, False], ids=["calls land late", "calls are lost"])
def test_a_hub_that_dies_between_any_two_steps_of_a_start_leaks_and_doubles_nothing(new_hub, lands):
    """Each user's start is held at another step when the hub is killed."""
    gpus = tuple(
        GPUReading(
            GPU(f"GPU-{n:08x}-0000-4000-8000-{n:012x}", n, "fake-host", "NVIDIA L4", 23034),
            Telemetry(processes=()),
        )
        for n in range(len(STEPS) + 1)
    )
    # Each has an image of their own, to tell them apart even before there is a container.
    images = ",".join(f"{number}=lab/step{number}:1" for number in range(len(STEPS)))
    hub = new_hub(gpus, IMAGES=f"{images},Mute={MUTE_IMAGE}")
    hub.docker.images |= {f"lab/step{number}:1" for number in range(len(STEPS))}
    hub.start()
    users = [hub.client(f"user{number}") for number in range(len(STEPS))]
    mute = hub.client("mute")
    holds = []
    with ExitStack() as held:
        for number, (call, when) in enumerate(STEPS):
            name = f"lab/step{number}:" if call == "image" else f"-user{number}-"
            hold = held.enter_context(hub.docker.hold(call, when, name=name))
            holds.append(hold)
            users[number].ask_for_server(image=f"lab/step{number}:1")
            hold.wait()
        mute.ask_for_server(image=MUTE_IMAGE)
        wait_for(lambda: hub.docker.running, "the mute server runs")
        hub.kill()
        if not lands:
            for hold in holds:
                hold.lose()
    hub.start()

    hub.docker.remove_behind(container_of(hub, "mute"))
    for number, user in enumerate(users):
        wait_for(lambda n=number, user=user: _has_server(user, n), f"user{number} has a server", 60)
    wait_for(lambda: len(hub.docker.servers) == len(users), "what is left over is removed")
    names = sorted(user.name for user in users)
    wait_for(lambda: sorted(hub.leases()) == names, "what has ended gives its GPU back")
    leases = hub.leases()
    for user in users:
        container = container_of(hub, user.name)
        assert container.status == "running"
        assert leases[user.name].container_id == container.id
        assert leases[user.name].gpu_uuids == tuple(container.gpus)
        assert leases[user.name].state is LeaseState.ACTIVE
    given = [uuid for item in hub.docker.running for uuid in item.gpus]
    assert len(given) == len(set(given)) == len(users)
    for user in users:
        user.stop_server()
    assert hub.leases() == {}
    assert hub.docker.servers == []


def _has_server(user, number):
    if not ready(user):
        # Refused while the Hub itself still goes on with a start.
        user.ask_for_server(image=f"lab/step{number}:1")
    return ready(user)


def test_an_engine_that_is_down_when_the_hub_starts_is_waited_for(new_hub):
    hub = new_hub().start()
    ada, bob = hub.client("ada"), hub.client("bob")
    ada.start_server()
    container = container_of(hub, "ada")
    hub.kill()
    hub.docker.down()
    hub.start()
    page = re.sub(r"\s+", " ", bob.page("/hub/spawn").text)
    assert "The Docker Engine at" in page
    assert "does not answer (connection refused)." in page
    assert bob.page("/hub/home").status_code == 200
    assert bob.ask_for_server().status_code == 202
    follower = bob.follow()
    follower.wait_for("does not answer (connection refused).")
    assert hub.leases()["ada"].state is LeaseState.ACTIVE
    hub.docker.up()
    assert follower.result()["ready"]
    wait_for(lambda: ready(ada), "the server that ran is known again")
    assert hub.docker.running[0] is container
    assert len(hub.docker.running) == 2


def test_a_hub_whose_engine_has_left_its_socket_ends_and_the_next_goes_on(new_hub):
    """A container keeps the socket that it has mounted, also when the engine has made a new one."""
    impatient = "runtime.config = dataclasses.replace(runtime.config, engine_patience=1.0)\n"
    hub = new_hub(extra=impatient).start()
    users = {name: hub.client(name) for name in ("ada", "bob", "cleo")}
    for name in ("ada", "bob"):
        users[name].start_server()
    users["cleo"].ask_for_server()
    wait_for(hub.queue, "cleo waits")
    held = hub.held()
    hub.docker.down()
    wait_for(hub.has_ended, "the hub ends")
    assert "ending the hub, to be restarted" in hub.log.read_text()
    assert hub.held() == held
    hub.docker.up()
    hub.stop()
    hub.start()
    wait_for(users["cleo"].server_model, "cleo's start goes on")
    assert hub.queue() == ["cleo"]
    wait_for(lambda: ready(users["ada"]) and ready(users["bob"]), "the servers are adopted")
    assert hub.held() == held


def test_an_engine_that_fails_while_the_hub_takes_up_its_servers_ends_none(new_hub):
    hub = new_hub().start()
    ada = hub.client("ada")
    ada.start_server()
    hub.kill()
    hub.docker.fail("inspect", 500, "the engine has a bad moment")
    hub.start()
    hub.docker.forget_plans()
    wait_for(lambda: ready(ada), "the server is known again")
    assert hub.leases()["ada"].container_id == hub.docker.running[0].id


def test_a_server_that_is_slow_to_answer_is_not_ended_by_a_restart_of_the_hub(new_hub):
    """It may be swapping, or paused; what runs in it is somebody's work."""
    hub = new_hub().start()
    ada = hub.client("ada")
    ada.start_server()
    (container,) = hub.docker.running
    hub.kill()
    hub.configure("c.Spawner.http_timeout = 1\nc.JupyterHub.init_spawners_timeout = 3\n")
    hub.docker.silence(container)
    # The hub answers when it has tried to reach the server for init_spawners_timeout.
    hub.start()
    assert hub.docker.running == [container]
    hub.docker.answer_again(container)
    wait_for(lambda: ready(ada), "the server is known again")
    assert hub.docker.running == [container]
    assert hub.leases()["ada"].container_id == container.id


def test_a_server_that_ended_while_the_hub_was_away_gives_its_gpu_back(new_hub):
    hub = new_hub().start()
    ada, bob, cleo = (hub.client(name) for name in ("ada", "bob", "cleo"))
    for user in (ada, bob):
        user.start_server()
    cleo.ask_for_server()
    wait_for(hub.queue, "cleo waits")
    hub.kill()
    hub.docker.exit(container_of(hub, "ada"), 137)
    hub.start()
    wait_for(lambda: ready(cleo), "cleo is served")
    wait_for(lambda: ada.server_model() is None, "the Hub knows that ada's has ended")
    assert sorted(hub.leases()) == ["bob", "cleo"]


def test_a_user_who_is_gone_after_the_restart_leaves_the_queue(new_hub):
    hub = new_hub().start()
    for name in ("ada", "bob"):
        hub.client(name).start_server()
    cleo, dora = hub.client("cleo"), hub.client("dora")
    cleo.ask_for_server()
    wait_for(hub.queue, "cleo waits")
    dora.ask_for_server()
    wait_for(lambda: len(hub.queue()) == 2, "dora waits")
    hub.kill()
    hub.remove_account("cleo")
    hub.start()
    wait_for(lambda: hub.queue() == ["dora"], "the request of nobody is withdrawn")
    wait_for(dora.server_model, "dora's start goes on")
