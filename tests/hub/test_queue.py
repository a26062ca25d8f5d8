"""When all GPUs are busy, people wait in order, know where they stand, and start by themselves."""

from __future__ import annotations

import pytest

from doubles.docker import MUTE_IMAGE
from harness.waiting import wait_for

CDI_INDEX = {"Driver": "cdi", "DeviceIDs": ["nvidia.com/gpu=0"]}


@pytest.fixture
def busy(hub):
    """Two users have the two GPUs."""
    users = hub.client("ada"), hub.client("bob")
    for user in users:
        user.start_server()
    return users


def wait_in_queue(hub, name, **options):
    client = hub.client(name)
    assert client.ask_for_server(**options).status_code == 202
    page = client.follow()
    page.wait_for("in the queue")
    return client, page


def test_who_waits_sees_place_and_reason_and_starts_by_itself(hub, busy):
    # Users who had a GPU in another test have had more than those who never had one.
    _, bob = busy
    nora, noras_page = wait_in_queue(hub, "nora")
    _, olgas_page = wait_in_queue(hub, "olga")
    noras_page.wait_for("You are number 1 of 1 in the queue. All matching GPUs are in use.")
    noras_page.wait_for("You are number 1 of 2 in the queue.")
    olgas_page.wait_for("You are number 2 of 2 in the queue. All matching GPUs are in use.")
    assert hub.queue() == ["nora", "olga"]
    bob.stop_server()
    assert noras_page.result()["ready"]
    assert "You have 1 GPU." in noras_page.messages
    olgas_page.wait_for("You are number 1 of 1 in the queue.")
    assert nora.server_model()["ready"]
    assert sorted(hub.leases()) == ["ada", "nora"]


def test_a_page_that_is_opened_late_tells_the_whole_story(hub, busy):
    cleo, _ = wait_in_queue(hub, "cleo")
    cleo.follow().wait_for("You are number 1 of 1 in the queue.")


def test_when_busy_fail_is_refused_with_the_reason(hub, busy):
    message = hub.client("cleo").refusal(when_busy="fail")
    assert "All matching GPUs are in use. Try again later, or choose to wait." in message
    assert hub.queue() == []
    assert "cleo" not in hub.leases()


def test_when_busy_cpu_starts_without_a_gpu(hub, busy):
    cleo = hub.client("cleo")
    cleo.start_server(when_busy="cpu")
    assert hub.leases()["cleo"].gpu_uuids == ()
    container = next(item for item in hub.docker.running if not item.gpus)
    assert not container.config["HostConfig"].get("DeviceRequests")
    assert container.environment["NVIDIA_VISIBLE_DEVICES"] == "void"


def test_who_gives_up_waiting_leaves_the_queue(hub, busy):
    cleo, page = wait_in_queue(hub, "cleo")
    wait_in_queue(hub, "dora")
    cleo.stop_server()
    assert hub.queue() == ["dora"]
    end = page.result()
    assert end["failed"]
    assert end["message"] == "Spawn cancelled"
    assert "ready" not in " ".join(page.messages)
    busy[0].stop_server()
    wait_for(lambda: "dora" in hub.leases(), "the next one is served")
    assert "cleo" not in hub.leases()


def test_a_request_that_fits_passes_one_that_waits_for_another_model(hub, busy):
    ada, bob = busy
    l4_holder = ada if "L4" in _model_of(hub, "ada") else bob
    other = _model_of(hub, "bob" if l4_holder is ada else "ada")
    _, cleos_page = wait_in_queue(hub, "cleo", gpu_model=other)
    _, doras_page = wait_in_queue(hub, "dora", gpu_model="NVIDIA L4")
    l4_holder.stop_server()
    assert doras_page.result()["ready"]
    assert hub.queue() == ["cleo"]
    cleos_page.wait_for("You are number 1 of 1 in the queue.")


def _model_of(hub, user):
    (uuid,) = hub.leases()[user].gpu_uuids
    return next(item.gpu.model for item in hub.docker.agent.readings if item.gpu.uuid == uuid)


def test_a_second_server_beyond_the_quota_is_refused_with_what_to_do(hub):
    ada = hub.client("ada")
    ada.start_server()
    message = ada.refusal("second", gpus=1)
    assert "You already use 1 of your 1 GPU, and this server asks for 1." in message
    assert "Stop another server of yours first" in message
    ada.start_server("cpu", gpus=0)
    assert sorted(hub.leases()) == ["ada", "ada:cpu"]


def test_two_servers_that_wait_get_no_more_than_the_quota_and_stand_in_nobodys_way(hub, busy):
    ada, bob = busy
    pia, _ = wait_in_queue(hub, "pia")
    assert pia.ask_for_server("second", gpus=1).status_code == 202
    second = pia.follow("second")
    second.wait_for("in the queue")
    quinn, quinns_page = wait_in_queue(hub, "quinn")
    ada.stop_server()
    second.wait_for("You use 1 of the 1 GPU that your quota allows")
    bob.stop_server()
    assert quinns_page.result()["ready"]
    assert sorted(hub.leases()) == ["pia", "quinn"]
    quinn.stop_server()
    pia.stop_server()
    assert second.result()["ready"]
    assert sorted(hub.leases()) == ["pia:second"]


def test_a_gpu_that_becomes_faulty_is_not_granted_and_the_page_says_so(hub):
    _, two = (reading.gpu.uuid for reading in hub.docker.agent.readings)
    hub.client("ada").start_server(gpu_model="NVIDIA A100-SXM4-40GB")
    hub.docker.agent.change(two, fault="It reports an uncorrectable memory error.")
    cleo = hub.client("cleo")
    wait_for(
        lambda: "1 out of service" in cleo.page("/hub/spawn").text, "the fault is known to the lab"
    )
    assert cleo.ask_for_server().status_code == 202
    page = cleo.follow()
    page.wait_for("in the queue")
    assert set(hub.leases()) == {"ada"}
    # The GPU comes back by an explicit act.
    hub.docker.agent.change(two, fault=None)
    wait_for(lambda: _served_after_return(hub), "the GPU is granted again", every=0.5)
    assert page.result()["ready"]
    assert hub.leases()["cleo"].gpu_uuids == (two,)


@pytest.mark.parametrize(
    ("config", "taken"),
    [
        ({"HostConfig": {"DeviceRequests": [{"Count": -1, "Capabilities": [["gpu"]]}]}}, 2),
        ({"HostConfig": {"DeviceRequests": [CDI_INDEX]}}, 1),
        ({"HostConfig": {"Privileged": True}}, 2),
        ({"HostConfig": {"DeviceRequests": [{"DeviceIDs": ["7:0"], "Driver": "nvidia"}]}}, 2),
        (
            {"HostConfig": {"Runtime": "nvidia"}, "Env": ["NVIDIA_VISIBLE_DEVICES=0"]},
            1,
        ),
    ],
    ids=["--gpus all", "--device nvidia.com/gpu=0", "--privileged", "unknown", "runtime"],
)
def test_gpus_of_a_foreign_container_are_out_of_service_and_those_of_an_observer_are_not(
    hub, config, taken
):
    docker, cleo = hub.docker, hub.client("cleo")
    every = {"DeviceRequests": [{"Driver": "cdi", "DeviceIDs": ["nvidia.com/gpu=all"]}]}
    observer = {"Labels": {"gpudock.observer": "true"}, "HostConfig": every}
    strangers = [
        docker._create(name, {"Image": MUTE_IMAGE, **document})
        for name, document in (("exporter", observer), ("stranger", config))
    ]
    try:
        for container in strangers:
            docker._start(container.id)
        troubles = wait_for(hub.gpu_troubles, "it is seen")
        assert len(troubles) == taken
        assert all('The container "stranger"' in trouble for trouble in troubles)
        assert all(" has this GPU. Stop it; or," in trouble for trouble in troubles)
    finally:
        for container in strangers:
            docker.remove_behind(container)
    past = 'The container "stranger", which this lab did not start, had this GPU.'
    wait_for(lambda: hub.gpu_troubles() == [past] * taken, "it is over")
    assert "1 out of service" in cleo.page("/hub/spawn").text


def _served_after_return(hub):
    # What the hub has not read as healthy yet it quarantines again, and rightly so.
    hub.return_gpus_to_service()
    return "cleo" in hub.leases()
