"""What goes wrong in a start is shown to the user in sentences, and nothing is left behind."""

from __future__ import annotations

import pytest

from doubles.docker import DYING_IMAGE, LAST_WORDS, MUTE_IMAGE
from gpudock.model import LeaseState
from harness.waiting import wait_for

NO_TASK = "failed to create task for container: input/output error"


@pytest.fixture
def ada(hub):
    return hub.client("ada")


def assert_nothing_is_left(hub):
    assert hub.leases() == {}
    assert hub.queue() == []
    assert hub.docker.servers == []


def assert_is_for_people(message):
    assert "Traceback" not in message
    assert "Error(" not in message
    assert "http+docker" not in message
    assert message.rstrip().endswith((".", ")"))


def test_the_last_words_of_a_container_that_ends_at_once_are_told(hub, ada):
    message = ada.refusal(image=DYING_IMAGE)
    assert "Your container exited right after its start" in message
    assert LAST_WORDS in message
    assert_is_for_people(message)
    assert_nothing_is_left(hub)


def test_an_image_that_is_nowhere_is_told_with_what_to_do(hub, ada):
    message = ada.refusal(image="lab/gone:1")
    assert "The image lab/gone:1 is not on this server and could not be pulled" in message
    assert "pull access denied" in message
    assert "Choose another image, or ask the administrator to build or pull it." in message
    assert_nothing_is_left(hub)


def test_an_image_of_the_lab_itself_is_never_fetched(hub, ada):
    """An image of that name in a registry is not this project's."""
    hub.docker.pullable = {"gpudock/unbuilt:1"}
    message = ada.refusal(image="gpudock/unbuilt:1")
    assert "It is built there and is in no registry." in message
    assert '"make up"' in message
    assert_nothing_is_left(hub)


def test_an_image_that_did_not_arrive_whole_is_told(hub, ada):
    hub.docker.pull_error = "write /var/lib/docker/tmp/x: no space left on device"
    message = ada.refusal(image="lab/gone:1")
    assert "could not be pulled" in message
    assert "no space left on device" in message
    assert_nothing_is_left(hub)


def test_an_image_is_fetched_where_it_is_missing(hub, ada):
    hub.docker.pullable = {"lab/gone:1"}
    with hub.docker.hold("pull") as hold:
        assert ada.ask_for_server(image="lab/gone:1").status_code == 202
        page = ada.follow()
        hold.wait()
        page.wait_for("Pulling the image lab/gone:1; this can take minutes.")
        # It costs nobody a GPU meanwhile.
        assert hub.leases() == {}
    assert page.result()["ready"]


@pytest.mark.parametrize("call", ["image", "create", "start"])
def test_an_error_of_the_engine_is_told_and_gives_the_gpu_back(hub, ada, call):
    hub.docker.fail(call, 500, NO_TASK)
    message = ada.refusal()
    assert NO_TASK in message
    assert_is_for_people(message)
    wait_for(lambda: hub.leases() == {}, "the GPU is given back")
    assert_nothing_is_left(hub)


def test_a_refusal_of_the_engine_is_told_and_gives_the_gpu_back(hub, ada):
    hub.docker.fail("create", 400, "invalid mount config: no space left on device")
    message = ada.refusal()
    assert "no space left on device" in message
    assert_is_for_people(message)
    assert_nothing_is_left(hub)


def test_an_end_that_cannot_be_proven_keeps_the_gpu_until_it_can(hub, ada):
    hub.docker.fail("start", 500, NO_TASK)
    hub.docker.fail("remove", 500, "device busy")
    assert NO_TASK in ada.refusal()
    assert hub.leases()["ada"].state is LeaseState.STOPPING
    assert len(hub.docker.servers) == 1
    hub.docker.forget_plans()
    wait_for(lambda: hub.leases() == {}, "the reconciler proves the end")
    # The lease of a container that has ended is over before that is removed.
    wait_for(lambda: hub.docker.servers == [], "the container is removed")
    assert_nothing_is_left(hub)


def test_a_stop_that_fails_keeps_the_gpu_until_the_end_is_proven(hub, ada):
    ada.start_server()
    hub.docker.fail("stop", 500, "cannot kill container")
    hub.docker.fail("remove", 500, "cannot kill container")
    ada.delete_server()
    wait_for(lambda: hub.leases()["ada"].state is LeaseState.STOPPING, "the lease is stopping")
    assert len(hub.docker.running) == 1
    hub.docker.forget_plans()
    wait_for(lambda: hub.leases() == {}, "the reconciler proves the end")
    # The lease of a container that has ended is over before that is removed.
    wait_for(lambda: hub.docker.servers == [], "the container is removed")
    assert_nothing_is_left(hub)


def test_an_engine_that_is_down_is_told_and_takes_no_gpu(hub, ada):
    hub.docker.down()
    message = ada.refusal()
    assert "The Docker Engine at" in message
    assert "does not answer" in message
    assert_is_for_people(message)
    assert "Connection refused" not in message or "administrator" in message
    hub.docker.up()
    assert_nothing_is_left(hub)
    ada.start_server()


def test_an_engine_that_is_down_ends_no_lease(hub, ada):
    ada.start_server()
    (container,) = hub.docker.running
    hub.docker.down()
    wait_for(lambda: "Leases stay as they are" in hub.log.read_text(), "a look fails")
    assert hub.leases()["ada"].state is LeaseState.ACTIVE
    hub.docker.up()
    assert hub.docker.running == [container]
    assert ada.server_model()["ready"]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", ["image", "create", "start", "inspect"])
def test_a_start_that_is_cancelled_at_any_step_cleans_up(hub, ada, call, when):
    with hub.docker.hold(call, when) as hold:
        assert ada.ask_for_server().status_code == 202
        hold.wait()
        ada.delete_server()
    wait_for(lambda: ada.server_model() is None, "the start is over")
    wait_for(lambda: hub.leases() == {} and hub.docker.servers == [], "nothing is left")
    assert hub.queue() == []
    ada.start_server()
    assert len(hub.docker.running) == 1


def test_a_start_that_takes_long_to_take_down_is_over_all_the_same(hub, ada):
    with hub.docker.hold("start") as start, hub.docker.hold("remove") as remove:
        assert ada.ask_for_server().status_code == 202
        start.wait()
        page = ada.follow()
        page.wait_for("Starting your container")
        # The Hub gives it a second.
        assert ada.api("DELETE", "/users/ada/server").status_code == 500
        remove.wait()
    assert page.result()["failed"]
    wait_for(lambda: ada.server_model() is None, "the start is over")
    wait_for(lambda: hub.leases() == {} and hub.docker.servers == [], "nothing is left")
    ada.start_server()


def test_a_cancelled_start_that_ends_late_leaves_the_next_one_alone(hub, ada):
    with hub.docker.hold("start") as start, hub.docker.hold("remove") as remove:
        assert ada.ask_for_server().status_code == 202
        start.wait()
        assert ada.api("DELETE", "/users/ada/server").status_code == 500
        remove.wait()
        # Cancelled once more, the Hub no longer waits for it.
        assert ada.api("DELETE", "/users/ada/server").status_code == 204
        assert ada.ask_for_server().status_code == 202
    wait_for(lambda: ada.server_model()["ready"], "the next start is over")
    assert len(hub.docker.running) == 1


def test_a_start_that_is_cancelled_while_the_server_does_not_answer_cleans_up(hub, ada):
    ada.ask_for_server(image=MUTE_IMAGE)
    page = ada.follow()
    page.wait_for("Your container is running; JupyterLab is starting.")
    ada.stop_server()
    assert_nothing_is_left(hub)


def test_a_container_that_ends_by_itself_gives_its_gpu_back_and_can_be_started_again(hub, ada):
    ada.start_server()
    hub.docker.exit(hub.docker.running[0], 137)
    wait_for(lambda: hub.leases() == {}, "the GPU is given back")
    wait_for(lambda: ada.server_model() is None, "the Hub notices")
    ada.start_server()
    assert len(hub.docker.servers) == 1


def test_waiting_and_starting_have_an_end(new_hub):
    """A hub of little patience tells both, and gives the place and the GPU back."""
    hub = new_hub().start()
    ada, bob, cleo = (hub.client(name) for name in ("ada", "bob", "cleo"))
    ada.start_server(gpu_model="NVIDIA L4")
    hub.stop()
    hub.configure("c.GPUDockerSpawner.launch_timeout = 2\nc.GPUDockerSpawner.queue_timeout = 2\n")
    hub.start()
    message = bob.refusal(image=MUTE_IMAGE)
    assert "Your server did not answer within 2 seconds and was stopped" in message
    assert [item.labels["gpudock.user"] for item in hub.docker.servers] == ["ada"]
    assert list(hub.leases()) == ["ada"]
    message = cleo.refusal(gpu_model="NVIDIA L4")
    assert "No GPU became free within 2 seconds, so your request was removed from the" in message
    assert hub.queue() == []
    assert list(hub.leases()) == ["ada"]
