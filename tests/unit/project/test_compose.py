"""The lab's own containers: what they may take of the host, and how they know each other."""

from __future__ import annotations

import pytest
import yaml

from gpudock.config.parsers import mebibytes


@pytest.fixture(scope="module")
def services(request):
    text = (request.config.rootpath / "docker-compose.yml").read_text()
    return {
        name: service
        for name, service in yaml.safe_load(text)["services"].items()
        if service.get("scale") != 0
    }


def test_each_part_of_the_lab_has_a_limit_on_memory(services):
    limits = {name: mebibytes(service.get("mem_limit", "0M")) for name, service in services.items()}
    assert {name: limit >= 1024 for name, limit in limits.items()} == dict.fromkeys(services, True)


def test_no_part_of_the_lab_ends_before_a_users_container_when_memory_runs_out(services):
    # A user's container has 500, see gpudock.engine.spec.
    assert all(service.get("oom_score_adj", 0) <= 0 for service in services.values())


def test_the_hub_knows_the_proxy_by_its_names_in_both_networks(services, request):
    aliases = [
        alias for network in services["proxy"]["networks"].values() for alias in network["aliases"]
    ]
    config = (request.config.rootpath / "jupyterhub_config.py").read_text()
    assert set(services["proxy"]["networks"]) == {"control", "lab"}
    assert f"proxy_hosts = {aliases}".replace("'", '"') in config
