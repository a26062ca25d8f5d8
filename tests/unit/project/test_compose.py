"""The lab's own containers: what they may take of the host, and how they know each other."""

from __future__ import annotations

import subprocess

import pytest
import yaml

from gpudock.config.extra_config import FOLDER, IN_THE_HUB
from gpudock.config.parsers import mebibytes
from gpudock.deploy.up import read_configuration


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


def test_the_labs_own_configuration_is_mounted_read_only_where_the_hub_looks_for_it(services):
    mounts = [entry for entry in services["hub"]["volumes"] if FOLDER in entry]
    assert mounts == [f"./{FOLDER}:{IN_THE_HUB}:ro"]
    assert not any(
        FOLDER in entry
        for name, service in services.items()
        for entry in service.get("volumes", [])
        if name != "hub"
    )


def test_git_keeps_the_folder_and_ignores_what_a_lab_puts_there(request):
    def ignored(name):
        done = subprocess.run(
            ["git", "check-ignore", "--quiet", f"{FOLDER}/{name}"],
            cwd=request.config.rootpath,
            check=False,
        )
        return done.returncode == 0

    assert (request.config.rootpath / FOLDER / "README.md").exists()
    assert not ignored("README.md")
    assert ignored("10-leads.py")
    assert ignored("secret.pem")


def test_a_changed_configuration_replaces_the_hubs_container(services, request, tmp_path):
    (label,) = services["hub"]["labels"].values()
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "10-a.py").write_text("pass\n")
    environ = read_configuration(tmp_path, {}).environ
    name = label.removeprefix("${").split(":-")[0]
    before = environ[name]
    (tmp_path / FOLDER / "10-a.py").write_text("x = 1\n")
    assert read_configuration(tmp_path, {}).environ[name] != before != ""
