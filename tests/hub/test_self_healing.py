"""Parts that restart or are late: the lab works again by itself, and says so until then."""

from __future__ import annotations

import html
import re

import httpx

from doubles.docker import MUTE_IMAGE, Container
from gpudock.engine.labels import LABEL_AGENT, LABEL_LAB
from harness.waiting import wait_for

IMPATIENT = "runtime.config = dataclasses.replace(runtime.config, engine_patience=1.0)\n"


def text_of(page):
    return re.sub(r"\s+", " ", html.unescape(page.text))


def form_that_says(client, words):
    """Wait until the spawn form says this, and return its text."""

    def text():
        found = text_of(client.page("/hub/spawn"))
        return found if words in found else ""

    return wait_for(text, f"the form says: {words}")


def test_a_proxy_that_has_lost_its_routes_gets_them_back_at_once(new_hub):
    hub = new_hub().start()
    ada = hub.client("ada")
    ada.start_server()
    wait_for(lambda: hub.routes().keys() == {"/", "/user/ada/", "/services/gpudock/"}, "all routes")
    before = hub.routes()
    (hub.state / "routes.json").unlink()
    wait_for(
        lambda: (hub.state / "routes.json").exists() and hub.routes() == before,
        "all routes are back, long before the Hub's own check after five minutes",
        10,
    )
    assert httpx.get(f"{hub.url}/hub/health").status_code == httpx.codes.OK


def test_a_hub_that_finds_a_dead_socket_when_it_starts_ends_and_the_next_goes_on(new_hub):
    """The restart policy may start it before the restarted engine has made its new socket."""
    hub = new_hub(extra=IMPATIENT).start()
    ada = hub.client("ada")
    ada.start_server()
    held = hub.held()
    hub.kill()
    hub.docker.down()
    hub.launch()
    wait_for(hub.has_ended, "the hub ends")
    assert "The Docker Engine's socket is dead" in hub.log.read_text()
    hub.docker.up()
    hub.stop()
    hub.start()
    wait_for(lambda: hub.client("ada").server_model()["ready"], "ada's server is known again")
    assert hub.held() == held


def test_a_form_sent_while_the_gpus_are_unknown_asks_for_a_gpu(new_hub):
    hub = new_hub()
    hub.docker.down()
    hub.start()
    ada = hub.client("ada")
    page = ada.page("/hub/spawn")
    assert "does not answer (connection refused)." in text_of(page)
    assert re.search(r'<option value="1" selected>', page.text), "one GPU is the choice, not none"
    sent = ada.spawn_form(gpus="1")
    assert sent.status_code < 400
    hub.docker.up()
    wait_for(lambda: "ada" in hub.leases() and hub.leases()["ada"].gpu_uuids, "ada has a GPU")


def test_a_start_without_options_while_the_gpus_are_unknown_asks_for_a_gpu(new_hub):
    hub = new_hub()
    hub.docker.down()
    hub.start()
    ada = hub.client("ada")
    assert ada.spawn_form().status_code < 400
    hub.docker.up()
    wait_for(lambda: "ada" in hub.leases() and hub.leases()["ada"].gpu_uuids, "ada has a GPU")


def test_an_agent_that_the_engine_refuses_is_tried_again(new_hub):
    """A missing CDI specification is added on the host, and nobody restarts the hub for it."""
    hub = new_hub()
    hub.docker.agent_error = "could not select device driver"
    hub.start()
    ada = hub.client("ada")
    page = form_that_says(ada, "nvidia-ctk cdi generate")
    assert "could not select device driver" in page
    assert '<option value="1" selected>' in ada.page("/hub/spawn").text
    hub.docker.agent_error = None
    wait_for(lambda: "2 of 2" in text_of(ada.page("/hub/spawn")), "the GPUs are read", 40)


def test_a_second_lab_on_one_engine_waits_until_the_first_has_gone(new_hub):
    """Each would take the other's containers for foreign use and withdraw all GPUs for good."""
    hub = new_hub()
    first = Container(
        "a" * 64,
        "vision-agent",
        {"Image": "x", "Labels": {LABEL_AGENT: "true", LABEL_LAB: "vision"}},
    )
    first.status, first.created = "running", 1.0
    hub.docker.containers[first.id] = first
    hub.start()
    ada = hub.client("ada")
    page = form_that_says(ada, "two labs cannot share")
    assert 'The lab "vision" has the GPUs' in page
    assert [item.name for item in hub.docker.containers.values()] == ["vision-agent"]
    del hub.docker.containers[first.id]
    wait_for(lambda: "2 of 2" in text_of(ada.page("/hub/spawn")), "the GPUs are read", 40)


def test_a_hub_that_restarts_beside_a_foreign_container_withdraws_its_gpu_only(new_hub):
    """The container names its GPU by a number, which means nothing before the first reading."""
    hub = new_hub()
    request = {"Driver": "cdi", "DeviceIDs": ["nvidia.com/gpu=0"]}
    config = {"Image": MUTE_IMAGE, "HostConfig": {"DeviceRequests": [request]}}
    hub.start()
    ada = hub.client("ada")
    wait_for(lambda: "2 of 2" in text_of(ada.page("/hub/spawn")), "the GPUs are read")
    hub.kill()
    stranger = hub.docker._create("stranger", config)
    hub.docker._start(stranger.id)
    hub.start()
    wait_for(hub.gpu_troubles, "it is seen")
    ada.start_server()
    assert hub.leases()["ada"].gpu_uuids == (hub.docker.agent.readings[1].gpu.uuid,)
    assert len(hub.gpu_troubles()) == 1


def test_health_is_bad_while_the_engine_does_not_answer(new_hub):
    hub = new_hub().start()
    wait_for(lambda: not hub.problem(), "all is well")
    hub.docker.down()
    wait_for(lambda: "does not answer (connection refused)" in hub.problem(), "health is bad")
    hub.docker.up()
    wait_for(lambda: not hub.problem(), "all is well again")


def test_a_hub_does_not_wait_for_an_answer_of_the_engine_before_it_ends(new_hub):
    hub = new_hub().start()
    ada = hub.client("ada")
    ada.start_server()
    with hub.docker.hold("remove") as remove:
        ada.delete_server()
        remove.wait()
        # The time that docker-compose.yml gives it. The call itself may take ten minutes.
        hub.stop(patience=20)
    hub.start()
    wait_for(lambda: hub.leases() == {} and hub.docker.servers == [], "the next hub ends it")


def test_a_database_that_is_moved_away_while_the_hub_runs_is_missed_and_found_again(new_hub):
    hub = new_hub().start()
    ada, bob, cleo, dora = (hub.client(name) for name in ("ada", "bob", "cleo", "dora"))
    ada.start_server()
    bob.start_server()
    assert cleo.ask_for_server().status_code == 202
    wait_for(lambda: hub.queue() == ["cleo"], "cleo waits")
    before = hub.leases()
    files = sorted((hub.state / "shared").glob("gpudock.sqlite*"))
    for file in files:
        file.rename(file.parent / f"away-{file.name}")
    wait_for(lambda: "database cannot be opened" in hub.problem(), "health is bad")
    assert "database cannot be opened" in dora.refusal()
    assert not files[0].exists(), "an empty one would be taken for a lab without quotas"
    for file in files:
        (file.parent / f"away-{file.name}").rename(file)
    wait_for(lambda: not hub.problem(), "all is well again")
    assert (hub.leases(), hub.queue()) == (before, ["cleo"])
    ada.stop_server()
    wait_for(lambda: "cleo" in hub.leases(), "cleo has the GPU")
