"""The proxy's container while the engine resolves no names, and when it cannot listen."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import pytest
from docker.types import EndpointConfig

from harness.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker.models.containers import Container
    from docker.models.networks import Network

    from harness.lab import Lab

IMAGE = "gpudock/proxy:0.1.0"
API_ALIAS = "proxy-api"


@pytest.fixture
def network(lab: Lab) -> Iterator[Network]:
    network = lab.docker.networks.create(f"gpudock-test-proxy-{secrets.token_hex(4)}")
    yield network
    network.reload()
    for container in network.containers:
        container.remove(force=True, v=True)
    network.remove()


def start(lab: Lab, network: Network, *options: str, aliases: list[str]) -> Container:
    command = lab.docker.images.get(IMAGE).attrs["Config"]["Cmd"]
    networking: dict[str, Any] = {
        network.name: EndpointConfig(lab.docker.api._version, aliases=aliases)
    }
    return lab.docker.containers.run(
        IMAGE,
        [*command, *options],
        detach=True,
        network=network.name,
        networking_config=networking,
        restart_policy={"Name": "no"},
    )


def health(container: Container) -> str:
    container.reload()
    return str(container.attrs["State"]["Health"]["Status"])


def test_a_proxy_that_starts_while_names_are_not_resolved_has_its_api_afterwards(lab, network):
    proxy = start(lab, network, aliases=[])
    wait_for(lambda: b"Waiting until" in proxy.logs(), "it waits for its name")
    assert health(proxy) != "healthy"
    network.disconnect(proxy)
    network.connect(proxy, aliases=[API_ALIAS])
    wait_for(lambda: health(proxy) == "healthy", "the proxy is healthy")
    request = f'fetch("http://{API_ALIAS}:8001/api/routes").then(a => console.log(a.status))'
    assert proxy.exec_run(["node", "-e", request]).output.strip() == b"403"


def test_a_proxy_that_cannot_listen_ends_so_that_it_is_started_again(lab, network):
    elsewhere = "192.0.2.1"
    proxy = start(lab, network, f"--ip={elsewhere}", aliases=[API_ALIAS])
    assert proxy.wait(timeout=30)["StatusCode"] == 1
    assert f"The proxy cannot listen: listen EADDRNOTAVAIL: address not available {elsewhere}" in (
        proxy.logs().decode()
    )
