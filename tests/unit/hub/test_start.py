"""A server's start needs neither a Hub nor traits: a config, a broker and an engine."""

from __future__ import annotations

import asyncio
import dataclasses
from types import SimpleNamespace

import pytest

from doubles.docker import DYING_IMAGE, IMAGE, LAST_WORDS, MUTE_IMAGE, FakeDocker
from doubles.inventory import SettableInventory, gpu
from gpudock.broker import Broker
from gpudock.engine.client import DockerEngine
from gpudock.engine.spec import Limits
from gpudock.hub import readiness
from gpudock.hub.errors import LaunchFailed, ServerDied, StartError
from gpudock.hub.lifecycle import perform
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


@pytest.mark.parametrize(
    ("volumes", "workspace", "own", "prepared"),
    [
        (["/workspace"], "files-ada", (), []),
        (["/home/jovyan"], "files-ada", (), [("files-ada", False)]),
        # Such a server may be root, and then new volumes are its own.
        (["/home/jovyan"], "files-ada", (IMAGE,), []),
        (["/workspace"], "/data/ada", (), [("/data/ada", False)]),
        (["/workspace"], "/data/ada", (IMAGE,), [("/data/ada", True)]),
    ],
)
async def test_a_workspace_that_the_image_does_not_own_is_prepared(
    lab, monkeypatch, volumes, workspace, own, prepared
):
    seen = []

    async def prepare(_engine, _lab, image, workspace, *, own_user):
        assert image == IMAGE
        seen.append((workspace, own_user))

    monkeypatch.setattr("gpudock.hub.start.prepare_workspace", prepare)
    lab.docker.image_volumes = volumes
    config = dataclasses.replace(CONFIG, workspace=workspace, own_user_images=own)
    await ServerStart(lab, config, ProgressLog()).run(request())
    assert seen == prepared


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


async def reconcile(lab):
    """Do what the reconciler does in each round."""
    await perform(
        lab.broker, lab.engine, lab.broker.reconcile(await lab.engine.observe(lambda names: names))
    )


async def eventually(condition):
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - only the engine knows
            await asyncio.sleep(0.005)


@pytest.mark.integration
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", ["inspect", "logs", "stop", "remove"])
async def test_last_words_are_shown_even_if_the_reconciler_removes_the_container(lab, call, when):
    with lab.docker.hold(call, when, once=True) as hold:
        start = asyncio.create_task(
            ServerStart(lab, CONFIG, ProgressLog()).run(request(DYING_IMAGE))
        )
        await asyncio.to_thread(hold.wait)
        await reconcile(lab)
        assert lab.docker.servers == []
        hold.release()
        with pytest.raises(ServerDied, match=LAST_WORDS):
            await start
    assert lab.broker.leases.of_server("ada", "") is None


@pytest.mark.integration
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", ["list", "logs", "remove"])
async def test_last_words_are_shown_even_if_the_reconciler_is_slow(lab, monkeypatch, call, when):
    monkeypatch.setattr(readiness, "_LOOK_SECONDS", 0.5)
    start = ServerStart(lab, CONFIG, ProgressLog())
    running = asyncio.create_task(start.run(request(MUTE_IMAGE)))
    await dying_slowly(lab, start)
    with lab.docker.hold(call, when, once=True) as hold:
        round_ = asyncio.create_task(reconcile(lab))
        await asyncio.to_thread(hold.wait)
        with pytest.raises(ServerDied, match=LAST_WORDS):
            await running
        hold.release()
        await round_
    assert lab.docker.servers == []
    assert lab.broker.leases.of_server("ada", "") is None


async def dying_slowly(lab, start):
    """Wait until the container of a start runs, and end it with last words."""
    await eventually(lambda: start.container_id and lab.docker.calls_of("inspect"))
    (container,) = lab.docker.running
    lab.docker.exit(container, 1, LAST_WORDS)


@pytest.mark.parametrize("reconciled", [False, True])
async def test_last_words_of_a_container_that_dies_while_it_is_waited_for(
    lab, monkeypatch, reconciled
):
    monkeypatch.setattr(readiness, "_LOOK_SECONDS", 0.05 if reconciled else 0.0)
    start = ServerStart(lab, CONFIG, ProgressLog())
    running = asyncio.create_task(start.run(request(MUTE_IMAGE)))
    await dying_slowly(lab, start)
    if reconciled:
        await reconcile(lab)
    with pytest.raises(ServerDied, match=LAST_WORDS):
        await running


async def test_last_words_of_a_server_that_one_reconnects_to(lab, monkeypatch):
    monkeypatch.setattr(readiness, "_LOOK_SECONDS", 0.0)
    await ServerStart(lab, CONFIG, ProgressLog()).run(request())
    (container,) = lab.docker.running
    lease = lab.broker.leases.of_server("ada", "")
    lab.docker.exit(container, 1, LAST_WORDS)
    await reconcile(lab)
    assert lab.docker.servers == []
    start = ServerStart(lab, CONFIG, ProgressLog())
    with pytest.raises(ServerDied, match=LAST_WORDS):
        await start.reconnect(lease)
    # Nothing was left running that the Hub's clean-up had to spare.
    assert start.left_running is None


async def test_last_words_of_a_start_whose_answer_is_lost(lab):
    with lab.docker.hold("start", "after") as hold:
        start = asyncio.create_task(
            ServerStart(lab, CONFIG, ProgressLog()).run(request(DYING_IMAGE))
        )
        await asyncio.to_thread(hold.wait)
        hold.lose()
        with pytest.raises(LaunchFailed, match=LAST_WORDS):
            await start
    assert lab.docker.servers == []


async def test_last_words_of_a_server_that_does_not_answer_in_time(lab):
    config = dataclasses.replace(CONFIG, launch_timeout=0.2)
    start = ServerStart(lab, config, ProgressLog())
    running = asyncio.create_task(start.run(request(MUTE_IMAGE)))
    await eventually(lambda: lab.docker.running)
    (container,) = lab.docker.running
    container.log = LAST_WORDS.encode()
    with pytest.raises(StartError, match=f"did not answer.*{LAST_WORDS}"):
        await running


async def test_an_output_that_cannot_be_read_keeps_no_gpu(lab):
    lab.docker.fail("logs", 500, "the log driver failed")
    with pytest.raises(ServerDied) as error:
        await ServerStart(lab, CONFIG, ProgressLog()).run(request(DYING_IMAGE))
    assert "output" not in str(error.value)
    assert lab.docker.servers == []
    assert lab.broker.leases.of_server("ada", "") is None
