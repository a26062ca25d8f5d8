"""A server's start needs neither a Hub nor traits: a config, a broker and an engine."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import pytest

from doubles.docker import DYING_IMAGE, IMAGE, LAST_WORDS, FakeDocker
from doubles.inventory import SettableInventory, gpu
from gpudock.broker import Broker
from gpudock.engine.client import DockerEngine
from gpudock.engine.spec import Limits
from gpudock.hub.errors import ServerDied
from gpudock.hub.progress import ProgressLog
from gpudock.hub.start import ServerStart, StartConfig
from gpudock.model import GPUReading, LeaseState, Request
from gpudock.store import Store

ENVIRONMENT = {
    "JUPYTERHUB_API_TOKEN": "token",
    "JUPYTERHUB_SERVICE_URL": "http://0.0.0.0:8888/user/ada/",
}
CONFIG = StartConfig(
    lab="lab",
    network="net",
    port=8888,
    workspace="files-ada",
    command=(),
    arguments=("--debug",),
    extra_mounts=(),
    queue_timeout=10.0,
    launch_timeout=10.0,
    environment=lambda: ENVIRONMENT,
    limits=lambda: Limits(memory_mib=2048),
    identity=lambda: ("ada", ()),
)


@pytest.fixture
async def lab(tmp_path):
    docker = FakeDocker(tmp_path, [GPUReading(gpu(0))])
    engine = DockerEngine(f"unix://{docker.socket}", "lab")
    store = Store(f"sqlite:///{tmp_path / 'store.sqlite'}")
    store.migrate()
    broker = Broker(store, SettableInventory([gpu(0)]))
    broker.reconcile(await engine.observe(lambda devices: devices))
    yield SimpleNamespace(
        docker=docker,
        broker=broker,
        engine=engine,
        engine_info=await engine.info(),
        config=SimpleNamespace(agent_image=None),
        shutting_down=False,
    )
    engine.close()
    docker.close()


def request(image=IMAGE):
    return Request("r", "ada", "", 1, 0.0, image)


async def test_a_start_makes_the_container_that_the_config_describes(lab):
    start = ServerStart(lab, CONFIG, ProgressLog())
    server = await start.run(request())
    (container,) = lab.docker.running
    assert container.id == start.container_id
    assert server.url == f"http://{container.address}:8888"
    assert (server.image, server.was_running) == (IMAGE, False)
    assert container.config["Cmd"] == ["serve", "--debug"]
    assert container.environment.items() >= ENVIRONMENT.items()
    assert container.config["HostConfig"]["Memory"] == 2048 << 20
    assert container.gpus == [gpu(0).uuid]


@pytest.mark.parametrize(("own", "user"), [((), "1000:1000"), ((IMAGE,), None)])
async def test_a_container_runs_as_the_user_1000_unless_its_image_is_excepted(lab, own, user):
    config = dataclasses.replace(CONFIG, own_user_images=own)
    await ServerStart(lab, config, ProgressLog()).run(request())
    (container,) = lab.docker.running
    assert container.config.get("User") == user


async def test_limits_and_environment_are_asked_for_when_the_container_is_made(lab):
    asked = []
    config = dataclasses.replace(
        CONFIG, limits=lambda: asked.append(lab.broker.leases.of_server("ada", "")) or Limits()
    )
    await ServerStart(lab, config, ProgressLog()).run(request())
    (lease,) = asked
    assert lease.state is LeaseState.GRANTED


async def test_threads_follow_the_processors_unless_the_image_says_otherwise(lab):
    lab.docker.image_environment = ["PATH=/bin", "OMP_NUM_THREADS=8"]
    config = dataclasses.replace(CONFIG, limits=lambda: Limits(cpus=4))
    await ServerStart(lab, config, ProgressLog()).run(request())
    (container,) = lab.docker.running
    assert "OMP_NUM_THREADS" not in container.environment
    assert container.environment["NUMBA_NUM_THREADS"] == "4"


async def test_a_second_start_finds_the_server_that_runs_and_its_token(lab):
    first = await ServerStart(lab, CONFIG, ProgressLog()).run(request())
    second = await ServerStart(lab, CONFIG, ProgressLog()).run(request())
    assert second == dataclasses.replace(first, was_running=True, api_token="token")
    assert len(lab.docker.servers) == 1


async def test_a_container_that_exits_gives_its_gpu_back_and_shows_its_last_output(lab):
    with pytest.raises(ServerDied, match=LAST_WORDS):
        await ServerStart(lab, CONFIG, ProgressLog()).run(request(DYING_IMAGE))
    assert lab.broker.leases.of_server("ada", "") is None
    assert lab.docker.servers == []
