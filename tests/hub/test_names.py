"""Whatever a user is called, their server is safe, and only theirs."""

from __future__ import annotations

import re

import pytest

from harness.hub_client import HubClient, SpawnFailed
from harness.hub_process import PASSWORD

HOSTILE = ["{0}", "{username.x}", "a" * 200, "zoë ωmega 🚀", "a b;$(reboot)`id`", "-rf", "<b>x"]
EXTRA = """
c.Authenticator.username_pattern = ""
c.GPUDockerSpawner.allowed_images = {
    '"><script>alert(1)</script>': "lab/notebook:1", "Other": "lab/mute:1"
}
"""


@pytest.fixture(scope="module")
def lenient_hub(new_module_hub):
    """A hub without GPUs whose authenticator lets any name through."""
    return new_module_hub(gpus=(), extra=EXTRA).start()


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: name[:12])
def test_a_hostile_user_name_is_only_a_name(lenient_hub, name):
    hub = lenient_hub
    user = HubClient(hub.url, name, PASSWORD).sign_in()
    user.start_server()
    (container,) = hub.docker.running
    assert re.fullmatch(r"gpudock-[a-z0-9-]{1,45}-[a-z0-9]+", container.name)
    assert container.labels["gpudock.user"] == name
    assert re.fullmatch(r"user-[a-z0-9-]{1,45}", container.config["Hostname"])
    (mount,) = container.config["HostConfig"]["Mounts"]
    assert re.fullmatch(r"gpudock-workspace-[a-z0-9-]{1,45}", mount["Source"])
    assert mount["Type"] == "volume"
    user.stop_server()
    assert hub.leases() == {}


def test_two_names_that_look_alike_never_share_a_workspace(lenient_hub):
    sources = set()
    names = ["x y", "x-y", "x_y", "x.y", "x{y"]
    for name in names:
        user = HubClient(lenient_hub.url, name, PASSWORD).sign_in()
        user.start_server()
        (container,) = lenient_hub.docker.running
        sources.add(container.config["HostConfig"]["Mounts"][0]["Source"])
        user.stop_server()
    assert len(sources) == len(names)


@pytest.mark.parametrize("name", ["../x", "/", "..", "%2e%2e", "<b>x</b>"])
def test_a_name_that_is_a_path_cannot_sign_in(lenient_hub, name):
    page = HubClient(lenient_hub.url, name, PASSWORD).try_to_sign_in()
    assert "The user name or the password is wrong." in page.text


@pytest.mark.parametrize("server", ["{0}", "ünï côdé", "a" * 200, "<script>", "-rf", "a b"])
def test_a_hostile_server_name_is_refused_or_only_a_name(lenient_hub, server):
    user = lenient_hub.client("ada")
    try:
        user.start_server(server)
    except SpawnFailed as refused:
        assert "Invalid server_name" in str(refused)
        assert lenient_hub.docker.servers == []
    else:
        (container,) = lenient_hub.docker.running
        assert container.labels["gpudock.server"] == server
        user.stop_server(server)
    assert lenient_hub.leases() == {}


def test_a_lab_without_gpus_says_so_and_offers_none(lenient_hub):
    page = re.sub(r"\s+", " ", lenient_hub.client("ada").page("/hub/spawn").text)
    assert "Engine has no NVIDIA GPUs, so servers run on the CPU." in page
    assert 'name="gpus"' not in page


def test_a_hostile_image_label_stays_text(lenient_hub):
    page = lenient_hub.client("ada").page("/hub/spawn").text
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_a_gpu_in_a_lab_without_gpus_is_refused_with_the_reason(lenient_hub):
    message = lenient_hub.client("ada").refusal(gpus=1)
    assert "This lab has no GPU at the moment. Ask for a server without a GPU." in message
    assert lenient_hub.queue() == []
