"""The lab's own containers: what they may take of the host, and how they know each other."""

from __future__ import annotations

import pytest
import yaml


@pytest.fixture(scope="module")
def services(request):
    text = (request.config.rootpath / "docker-compose.yml").read_text()
    return {
        name: service
        for name, service in yaml.safe_load(text)["services"].items()
        if service.get("scale") != 0
    }


def test_the_hub_knows_the_proxy_by_its_names_in_both_networks(services, request):
    aliases = [
        alias for network in services["proxy"]["networks"].values() for alias in network["aliases"]
    ]
    config = (request.config.rootpath / "jupyterhub_config.py").read_text()
    assert set(services["proxy"]["networks"]) == {"control", "lab"}
    assert f"proxy_hosts = {aliases}".replace("'", '"') in config
