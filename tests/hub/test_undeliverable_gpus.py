"""What the engine cannot give to containers is not granted again, and starts go on without it."""

from __future__ import annotations

import html
import re

from gpudock.model import LeaseState
from harness.waiting import wait_for
from hub.conftest import GPUS

# The smaller one is granted first.
OTHER, FIRST = (item.gpu.uuid for item in GPUS)
UNRESOLVED = f"unresolvable CDI devices nvidia.com/gpu={FIRST}"
NO_NODE = (
    "failed to create task for container: CDI device injection failed: failed to inject devices:"
    ' failed to stat CDI host device "/dev/dri/card1": no such file or directory'
)
UNKNOWN = (
    "failed to create task for container: nvidia-container-cli: device error:"
    f" {FIRST}: unknown device: unknown"
)
NO_DRIVER = (
    "failed to create task for container: nvidia-container-cli: initialization error: nvml error:"
    " driver not loaded: unknown"
)
IMPATIENT = "runtime.config = dataclasses.replace(runtime.config, engine_patience=60.0)\n"


def form(client):
    return re.sub(r"\s+", " ", html.unescape(client.page("/hub/spawn").text))


def withdrawn(hub):
    """Return the UUIDs of the GPUs that are out of service, each with its state."""
    with hub._store.snapshot() as transaction:
        return {
            record.gpu.uuid: record.admin_state.value
            for record in transaction.gpus.records()
            if record.admin_state != "active"
        }


def test_a_start_goes_on_with_another_gpu_and_nobody_gets_the_first_again(hub):
    ada = hub.client("ada")
    hub.docker.cdi_names = [OTHER, "all"]
    with hub.docker.hold("create"):
        assert ada.ask_for_server().status_code == 202
        page = ada.follow()
        page.wait_for("Starting your container.")
    page.wait_for("could not give the GPU to your container. Another try follows")
    assert page.result()["ready"]
    assert hub.leases()["ada"].gpu_uuids == (OTHER,)
    assert withdrawn(hub) == {FIRST: "quarantined"}
    assert any(UNRESOLVED in trouble for trouble in hub.gpu_troubles())
    ada.stop_server()
    calls = len(hub.docker.calls_of("start"))
    ada.start_server()
    assert len(hub.docker.calls_of("start")) == calls + 1, "the first one was not tried again"


def test_a_gpu_out_of_service_stays_so_over_a_restart_until_a_person_returns_it(new_hub):
    hub = new_hub().start()
    hub.docker.broken_gpus = {FIRST: UNKNOWN}
    hub.client("ada").start_server()
    assert withdrawn(hub) == {FIRST: "quarantined"}
    hub.stop()
    hub.docker.broken_gpus = {}
    hub.start()
    bob = hub.client("bob")
    assert bob.ask_for_server().status_code == 202
    wait_for(lambda: hub.queue() == ["bob"], "bob waits, though the engine works again")
    assert withdrawn(hub) == {FIRST: "quarantined"}
    hub.return_gpus_to_service()
    wait_for(lambda: "bob" in hub.leases(), "bob has the GPU that was returned")
    assert hub.leases()["bob"].gpu_uuids == (FIRST,)


def test_a_gpu_that_the_engine_does_not_name_is_out_of_service_after_the_second_failure(hub):
    ada = hub.client("ada")
    hub.docker.broken_gpus = {FIRST: NO_NODE}
    ada.start_server()
    assert hub.leases()["ada"].gpu_uuids == (OTHER,), "the one that failed was being checked"
    assert withdrawn(hub) == {}
    ada.stop_server()
    ada.start_server()
    assert hub.leases()["ada"].gpu_uuids == (OTHER,)
    assert withdrawn(hub) == {FIRST: "quarantined"}


def test_a_start_waits_in_its_place_when_the_only_free_gpu_is_not_delivered(hub):
    ada, bob, cleo = (hub.client(name) for name in ("ada", "bob", "cleo"))
    ada.start_server(gpu_model="*A100*")
    hub.docker.broken_gpus = {FIRST: NO_NODE}
    assert bob.ask_for_server().status_code == 202
    page = bob.follow()
    wait_for(lambda: withdrawn(hub) == {FIRST: "quarantined"}, "it fails twice")
    wait_for(lambda: hub.queue() == ["bob"], "bob waits")
    page.wait_for("You are number 1 of 1 in the queue.")
    assert cleo.ask_for_server().status_code == 202
    wait_for(lambda: hub.queue() == ["bob", "cleo"], "cleo waits behind bob")
    ada.stop_server()
    assert page.result()["ready"]
    assert hub.leases()["bob"].gpu_uuids == (OTHER,)


def test_a_driver_that_is_gone_quarantines_no_gpu_for_good_and_costs_nobody_a_place(hub):
    ada, bob = hub.client("ada"), hub.client("bob")
    starts = len(hub.docker.calls_of("start"))
    hub.docker.broken_gpus = {FIRST: NO_DRIVER, OTHER: NO_DRIVER}
    assert ada.ask_for_server().status_code == 202
    wait_for(lambda: hub.queue() == ["ada"], "ada waits")
    assert bob.ask_for_server().status_code == 202
    wait_for(lambda: hub.queue() == ["ada", "bob"], "bob waits behind ada")
    assert withdrawn(hub) == {FIRST: "undelivered", OTHER: "undelivered"}
    assert len(hub.docker.calls_of("start")) == starts + 1, "it is not tried again and again"
    assert "driver not loaded" in form(hub.admin)
    hub.docker.broken_gpus = {}
    hub.return_gpus_to_service()
    wait_for(lambda: set(hub.leases()) == {"ada", "bob"}, "both have a GPU")
    wait_for(lambda: len(hub.docker.running) == 2, "both servers run")


def test_a_cancelled_start_that_waits_for_another_gpu_leaves_nothing(hub):
    ada = hub.client("ada")
    hub.docker.broken_gpus = {FIRST: NO_DRIVER, OTHER: NO_DRIVER}
    assert ada.ask_for_server().status_code == 202
    wait_for(lambda: hub.queue() == ["ada"], "ada waits")
    ada.stop_server()
    assert hub.queue() == []
    assert hub.leases() == {}
    assert hub.docker.servers == []


def test_a_hub_that_dies_while_a_start_waits_for_another_gpu_keeps_its_place(new_hub):
    hub = new_hub().start()
    hub.docker.broken_gpus = {FIRST: NO_DRIVER, OTHER: NO_DRIVER}
    ada = hub.client("ada")
    assert ada.ask_for_server().status_code == 202
    wait_for(lambda: hub.queue() == ["ada"] and not hub.docker.servers, "ada waits")
    hub.kill()
    hub.docker.broken_gpus = {}
    hub.return_gpus_to_service()
    hub.start()
    wait_for(lambda: len(hub.docker.running) == 1, "ada's server starts by itself", 60)
    assert hub.leases()["ada"].state is LeaseState.ACTIVE


def test_failures_that_are_not_about_gpus_withdraw_none(hub):
    ada = hub.client("ada")
    for words in (
        "write /var/lib/docker/overlay2/x: no space left on device",
        'invalid mount config for type "bind": bind source path does not exist: /srv/nvidia/x',
    ):
        hub.docker.fail("start", 500, words)
        for _ in range(3):
            assert words in ada.refusal()
        hub.docker.forget_plans()
    assert "could not be pulled" in ada.refusal(image="lab/gone:1")
    assert withdrawn(hub) == {}


def test_names_by_number_make_the_lab_use_the_nvidia_runtime(new_hub):
    hub = new_hub()
    hub.docker.cdi_names = ["0", "1", "all"]
    hub.docker.runtimes = {"runc": {}, "nvidia": {"path": "nvidia-container-runtime"}}
    hub.start()
    ada = hub.client("ada")
    ada.start_server()
    (container,) = hub.docker.running
    assert container.config["HostConfig"]["Runtime"] == "nvidia"
    assert container.config["HostConfig"]["DeviceRequests"] == []
    assert container.environment["NVIDIA_VISIBLE_DEVICES"] == FIRST


def test_names_by_number_alone_offer_no_gpu_and_say_what_to_do(new_hub):
    hub = new_hub(extra=IMPATIENT)
    hub.docker.cdi_names = ["0", "1", "all"]
    hub.start()
    ada = hub.client("ada")
    page = form(ada)
    assert "names its GPUs by numbers only" in page
    command = "nvidia-ctk cdi generate --device-name-strategy=uuid --output=/etc/cdi/nvidia.yaml"
    assert command in page
    ada.start_server()
    (container,) = hub.docker.running
    assert container.gpus == []
    # An administrator runs the command; the hub, which its restart policy starts again, notices.
    hub.docker.cdi_names = None
    wait_for(hub.has_ended, "the hub ends")
    assert "Ending the hub, to be restarted" in hub.log.read_text()
    hub.stop()
    hub.start()
    wait_for(lambda: "2 of 2" in form(hub.client("bob")), "the GPUs are offered", 40)
    assert hub.docker.running == [container]
