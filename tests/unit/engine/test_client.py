"""One look at the engine tells who really has which GPU, whatever labels say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from doubles.docker import MUTE_IMAGE, FakeDocker
from gpudock.engine.client import DockerEngine
from gpudock.engine.protocol import EngineRefused
from gpudock.engine.spec import ContainerSpec
from harness.waiting import wait_for

LAB = "lab"
SPAWNER = Path(__file__).parents[3] / "spawner"
ONE, TWO, THREE = (f"GPU-{n:08x}-0000-4000-8000-{n:012x}" for n in range(3))
UUIDS = (ONE, TWO, THREE)


def resolve(devices):
    return [
        uuid
        for index, uuid in enumerate(UUIDS)
        if "all" in devices or uuid in devices or str(index) in devices
    ]


@pytest.fixture
def docker(tmp_path):
    docker = FakeDocker(tmp_path)
    yield docker
    docker.close()


@pytest.fixture
def engine(docker):
    engine = DockerEngine(f"unix://{docker.socket}", LAB)
    yield engine
    engine.close()


def config(devices, labeled, **labels):
    names = [f"nvidia.com/gpu={device}" for device in devices]
    return {
        "Image": MUTE_IMAGE,
        "Labels": {
            "gpudock.lab": LAB,
            "gpudock.lease": "abc",
            "gpudock.user": "ada",
            "gpudock.server": "",
            "gpudock.gpus": labeled,
            **labels,
        },
        "HostConfig": {"DeviceRequests": [{"Driver": "cdi", "DeviceIDs": names}]},
    }


def run_behind(docker, name, document):
    """Start a container as somebody does who uses the engine and not gpudock."""
    docker._start(docker._create(name, document).id)


async def test_a_server_that_has_what_its_labels_say_is_no_foreigner(docker, engine):
    run_behind(docker, "honest", config([TWO, ONE], f"{ONE},{TWO}"))
    run_behind(docker, "without", config([], ""))
    assert (await engine.observe(resolve)).foreign_use == {}


async def test_a_gpu_that_is_not_reported_any_more_makes_its_server_no_foreigner(docker, engine):
    run_behind(docker, "honest", config([ONE, TWO], f"{ONE},{TWO}"))
    assert (await engine.observe(lambda _devices: [ONE])).foreign_use == {}


@pytest.mark.parametrize(
    ("devices", "labeled", "held"),
    [
        ([TWO], ONE, {TWO}),
        ([TWO], "", {TWO}),
        ([ONE, TWO], ONE, {ONE, TWO}),
        (["2"], ONE, {THREE}),
        (["all"], ONE, {ONE, TWO, THREE}),
        (["1"], "1", {TWO}),
        ([ONE], f"{ONE},banana", {ONE}),
        ([ONE], ONE.lower(), {ONE}),
    ],
)
async def test_a_server_whose_labels_do_not_tell_what_it_has_is_told_of(
    docker, engine, devices, labeled, held
):
    run_behind(docker, "liar", config(devices, labeled))
    found = (await engine.observe(resolve)).foreign_use
    assert set(found) == held
    assert '"liar"' in found[min(held)].now
    assert "labels" in found[min(held)].now


async def test_a_server_that_has_its_gpu_by_another_name_is_no_foreigner(docker, engine):
    run_behind(docker, "honest", config(["1"], TWO))
    assert (await engine.observe(resolve)).foreign_use == {}


@pytest.mark.parametrize("labels", [{"gpudock.lease": ""}, {"gpudock.user": ""}])
async def test_a_server_of_nobody_is_told_of(docker, engine, labels):
    run_behind(docker, "nobodys", config([ONE], ONE, **labels))
    assert set((await engine.observe(resolve)).foreign_use) == {ONE}


async def test_what_does_not_run_holds_nothing(docker, engine):
    docker._create("asleep", config([TWO], ONE))
    assert (await engine.observe(resolve)).foreign_use == {}


async def test_other_labs_and_strangers_are_told_of_and_the_agent_is_not(docker, engine):
    run_behind(docker, "other", config([ONE], ONE, **{"gpudock.lab": "other"}))
    run_behind(docker, "stranger", {**config([TWO], ""), "Labels": {}})
    agent = {
        "Labels": {"gpudock.lab": LAB, "gpudock.agent": "true"},
        "Cmd": ["--listen", "0.0.0.0:8500"],
        "Env": ["GPUDOCK_AGENT_TOKEN=secret"],
    }
    run_behind(docker, "lab-agent", {**config(["all"], ""), **agent})
    found = (await engine.observe(resolve)).foreign_use
    assert {uuid: use.now.split('"')[1] for uuid, use in found.items()} == {
        ONE: "other",
        TWO: "stranger",
    }


async def test_what_only_looks_holds_nothing_and_a_server_never_only_looks(docker, engine):
    label = {"gpudock.observer": "true"}
    run_behind(docker, "exporter", {**config(["all"], ""), "Labels": label})
    assert (await engine.observe(resolve)).foreign_use == {}
    run_behind(docker, "other", {**config([ONE], ""), "Labels": {"gpudock.observer": "false"}})
    # An image may carry the label, and so would the server that is made from it.
    run_behind(docker, "liar", config([TWO], THREE, **label))
    assert set((await engine.observe(resolve)).foreign_use) == {ONE, TWO}


async def test_a_container_without_an_ipv4_address_is_an_error_and_not_dead(docker, engine):
    run_behind(docker, "six", {**config([], ""), "HostConfig": {"NetworkMode": "net"}})
    (container,) = docker.containers.values()
    assert await engine.address(container.id, "net") == container.address
    container.address, container.address_6 = "", "fd00::2"
    with pytest.raises(EngineRefused, match=r'The network "net" .*IPv4'):
        await engine.address(container.id, "net")
    container.address_6 = ""
    assert await engine.address(container.id, "net") is None
    docker.remove_behind(container)
    assert await engine.address(container.id, "net") is None
    assert await engine.environment(container.id) == {}


async def test_an_administrator_names_what_only_looks(docker):
    engine = DockerEngine(f"unix://{docker.socket}", LAB, observers=["exporter", "mon/*"])
    served = {"Env": ["JUPYTERHUB_SERVICE_URL=http://0.0.0.0:8888/"], "Labels": {}}
    for name, image in (
        ("exporter", MUTE_IMAGE),
        ("m", "mon/dcgm:4.1"),
        ("m2", "docker.io/mon/y@sha256:1"),
    ):
        run_behind(docker, name, {**config(["all"], ""), **served, "Image": image})
    assert (await engine.observe(resolve)).foreign_use == {}
    # A user cannot name a server; its container's name begins with the lab's.
    own = {**config([TWO], THREE), "Env": served["Env"], "Image": "mon/dcgm:4.1"}
    run_behind(docker, "lab-exporter", own)
    run_behind(docker, "exporter2", {**config([ONE], ""), "Labels": {}})
    found = (await engine.observe(resolve)).foreign_use
    assert set(found) == {ONE, TWO}
    assert "GPUDOCK_OBSERVERS" in found[ONE].now
    engine.close()


@pytest.mark.parametrize(
    ("host_config", "environment", "held"),
    [
        ({"Privileged": True}, [], {ONE, TWO, THREE}),
        ({"Runtime": "gpu"}, ["NVIDIA_VISIBLE_DEVICES=1"], {TWO}),
        ({"Runtime": ""}, ["NVIDIA_VISIBLE_DEVICES=2"], {THREE}),
        ({}, ["NVIDIA_VISIBLE_DEVICES=all"], {ONE, TWO, THREE}),
        ({"Runtime": "runc"}, ["NVIDIA_VISIBLE_DEVICES=all"], set()),
    ],
)
async def test_a_gpu_is_seen_with_any_runtime_that_gives_it(
    docker, engine, host_config, environment, held
):
    docker.runtimes = {"runc": {"path": "runc"}, "gpu": {"path": "nvidia-container-runtime"}}
    docker.default_runtime = "gpu"
    document = {"Image": MUTE_IMAGE, "Env": environment, "HostConfig": host_config}
    run_behind(docker, "stranger", document)
    assert set((await engine.observe(resolve)).foreign_use) == held


async def test_a_container_is_asked_about_once_and_one_of_its_own_making_never(docker, engine):
    run_behind(docker, "liar", config([TWO], ONE))
    own = await engine.create(ContainerSpec("own", config([THREE], THREE)))
    await engine.start(own)
    for _ in range(3):
        assert set((await engine.observe(resolve)).foreign_use) == {TWO}
    assert docker.calls_of("inspect") == ["liar"]


def test_importing_the_client_imports_neither_broker_nor_database():
    program = "import sys, gpudock.engine.client; print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(SPAWNER)},
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    packages = {".".join(name.split(".")[:2]) for name in done.stdout.split()}
    assert "docker" in loaded
    assert not loaded & {"sqlalchemy", "alembic", "jupyterhub", "tornado"}
    assert {name for name in packages if name.startswith("gpudock.")} == {
        "gpudock.config",
        "gpudock.engine",
        "gpudock.language",
        "gpudock.model",
    }


@pytest.mark.integration
async def test_calls_leave_few_connections_open(engine):
    await engine.info()
    before = _open_files()
    for number in range(60):
        assert await engine.inspect(f"none-{number}") is None
    # One of each thread, of which there are eight, and both ends are in this process.
    wait_for(lambda: _open_files() - before <= 2 * 8, "the other end has closed its own")


def _open_files():
    return sum(1 for _ in Path("/proc/self/fd").iterdir())
