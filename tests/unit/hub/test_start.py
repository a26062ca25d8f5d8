"""A server's start needs neither a Hub nor traits: a config, a broker and an engine."""

from __future__ import annotations

import asyncio
import dataclasses
from types import SimpleNamespace

import pytest

from doubles.docker import DYING_IMAGE, IMAGE, LAST_WORDS, MUTE_IMAGE, FakeDocker
from doubles.inventory import SettableInventory, gpu
from gpudock.broker import Broker, BrokerConfig, RequestDenied
from gpudock.engine.client import DockerEngine
from gpudock.engine.protocol import EngineError
from gpudock.engine.spec import Limits
from gpudock.hub import readiness
from gpudock.hub.errors import LaunchFailed, ServerDied, StartError
from gpudock.hub.lifecycle import perform
from gpudock.hub.progress import ProgressLog
from gpudock.hub.start import ServerStart, StartConfig
from gpudock.hub.supervisor import Supervisor
from gpudock.model import GPUReading, LeaseState, Quota, Request, WhenBusy
from gpudock.store import Store, StoreError

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


FOUR = [gpu(number) for number in range(4)]
NODE_IS_MISSING = (
    "failed to create task for container: CDI device injection failed: failed to inject devices:"
    ' failed to stat CDI host device "/dev/dri/card1": no such file or directory'
)
NO_DRIVER = (
    "failed to create task for container: nvidia-container-cli: initialization error: nvml error:"
    " driver not loaded: unknown"
)


@pytest.fixture
async def lab(tmp_path):
    async for lab in made(tmp_path, FOUR[:1]):
        yield lab


@pytest.fixture
async def large_lab(tmp_path):
    async for lab in made(tmp_path, FOUR):
        yield lab


async def made(tmp_path, gpus):
    docker = FakeDocker(tmp_path, map(GPUReading, gpus))
    engine = DockerEngine(f"unix://{docker.socket}", "lab")
    store = Store(f"sqlite:///{tmp_path / 'store.sqlite'}")
    store.migrate()
    quota = Quota(max_gpus=len(gpus))
    broker = Broker(store, SettableInventory(gpus), BrokerConfig(default_quota=quota))
    broker.reconcile(await engine.observe(lambda devices: devices))
    yield SimpleNamespace(
        docker=docker,
        broker=broker,
        store=store,
        engine=engine,
        engine_info=await engine.info(),
        config=SimpleNamespace(agent_image=None),
        shutting_down=False,
        tasks=Supervisor(lambda: None),
    )
    store.close()
    engine.close()
    docker.close()


def request(image=IMAGE, gpus=1, **options):
    return Request("r", "ada", "", gpus, 0.0, image, **options)


def names(*numbers):
    """Return the names in a CDI specification that has these GPUs only."""
    return [gpu(number).uuid for number in numbers]


def states(lab):
    return [status.state.value for status in lab.broker.gpus.all()]


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


@pytest.mark.integration
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
    lab.docker.first_words = LAST_WORDS
    with pytest.raises(StartError, match=f"did not answer.*{LAST_WORDS}"):
        await ServerStart(lab, config, ProgressLog()).run(request(MUTE_IMAGE))


async def test_an_output_that_cannot_be_read_keeps_no_gpu(lab):
    lab.docker.fail("logs", 500, "the log driver failed")
    with pytest.raises(ServerDied) as error:
        await ServerStart(lab, CONFIG, ProgressLog()).run(request(DYING_IMAGE))
    assert "output" not in str(error.value)
    assert lab.docker.servers == []
    assert lab.broker.leases.of_server("ada", "") is None


async def test_a_start_goes_on_with_another_gpu(large_lab):
    lab = large_lab
    lab.docker.cdi_names = names(2, 3)
    progress = ProgressLog()
    server = await ServerStart(lab, CONFIG, progress).run(request())
    (container,) = lab.docker.servers
    assert container.gpus == [gpu(2).uuid]
    assert server.url == f"http://{container.address}:8888"
    assert states(lab) == ["quarantined", "quarantined", "leased", "free"]
    (reason,) = {item.reason for item in lab.broker.gpus.all() if item.gpu == gpu(0)}
    assert f"unresolvable CDI devices nvidia.com/gpu={gpu(0).uuid}." in reason
    said = [event["message"] for event in progress._events]
    trying = "could not give the GPU to your container. Another try follows"
    assert len([message for message in said if trying in message]) == 2
    assert lab.broker.queue.waiting() == []


@pytest.mark.integration
async def test_a_gpu_that_is_not_named_is_tried_twice(large_lab):
    lab = large_lab
    lab.docker.broken_gpus = {gpu(0).uuid: NODE_IS_MISSING}
    await ServerStart(lab, CONFIG, ProgressLog()).run(request())
    assert len(lab.docker.calls_of("start")) == 3
    assert states(lab) == ["quarantined", "leased", "free", "free"]


async def test_several_gpus_are_all_delivered_or_others_are_tried(large_lab):
    lab = large_lab
    lab.docker.cdi_names = names(0, 2, 3)
    await ServerStart(lab, CONFIG, ProgressLog()).run(request(gpus=2))
    (container,) = lab.docker.servers
    assert gpu(1).uuid not in container.gpus
    assert states(lab).count("quarantined") == 1
    assert states(lab).count("leased") == 2


async def test_a_start_waits_when_no_gpu_is_left(lab):
    """It goes on as soon as an administrator has put it right."""
    lab.docker.broken_gpus = {gpu(0).uuid: NODE_IS_MISSING}
    start = asyncio.create_task(ServerStart(lab, CONFIG, ProgressLog()).run(request()))
    await until(lambda: NODE_IS_MISSING in reason_to_wait(lab))
    assert states(lab) == ["quarantined"]
    lab.docker.broken_gpus = {}
    lab.broker.gpus.set_state(gpu(0).uuid, "active", "root")
    lab.broker.tick()
    assert (await start).image == IMAGE


async def test_a_driver_that_is_gone_quarantines_no_gpu_for_good(large_lab):
    lab = large_lab
    lab.docker.broken_gpus = dict.fromkeys(names(0, 1, 2, 3), NO_DRIVER)
    start = asyncio.create_task(ServerStart(lab, CONFIG, ProgressLog()).run(request()))
    await until(lab.broker.queue.waiting)
    assert len(lab.docker.calls_of("start")) == 1
    assert states(lab) == ["quarantined"] * 4
    reasons = {item.reason for item in lab.broker.gpus.all()}
    assert len(reasons) == 1
    assert "driver not loaded" in reasons.pop()
    with lab.store.snapshot() as transaction:
        assert all(record.admin_state.passes for record in transaction.gpus.records())
    lab.docker.broken_gpus = {}
    assert lab.broker.gpus.return_all("root")[1] == {}
    lab.broker.tick()
    assert (await start).image == IMAGE


@pytest.mark.parametrize(
    "words",
    [
        "unknown or invalid runtime name: nvidia",
        'could not select device driver "cdi" with capabilities: []',
    ],
)
async def test_a_refusal_to_create_a_container_with_gpus_is_not_the_fault_of_a_gpu(
    large_lab, words
):
    lab = large_lab
    lab.docker.fail("create", 400, words)
    start = asyncio.create_task(ServerStart(lab, CONFIG, ProgressLog()).run(request()))
    await until(lambda: words in reason_to_wait(lab))
    assert len(lab.docker.calls_of("create")) == 1
    with lab.store.snapshot() as transaction:
        assert all(record.admin_state.passes for record in transaction.gpus.records())
    lab.docker.forget_plans()
    lab.broker.gpus.return_all("root")
    lab.broker.tick()
    assert (await start).image == IMAGE


@pytest.mark.parametrize("listed", [[], ["0", "1", "all"]])
async def test_a_specification_without_any_uuid_is_not_the_fault_of_a_gpu(large_lab, listed):
    lab = large_lab
    lab.docker.cdi_names = listed
    start = asyncio.create_task(ServerStart(lab, CONFIG, ProgressLog()).run(request()))
    await until(lab.broker.queue.waiting)
    assert len(lab.docker.calls_of("start")) == 1
    with lab.store.snapshot() as transaction:
        assert all(record.admin_state.passes for record in transaction.gpus.records())
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    assert lab.broker.queue.waiting() == []


async def test_who_does_not_wait_reads_why_there_is_no_gpu(lab):
    lab.docker.broken_gpus = {gpu(0).uuid: NODE_IS_MISSING}
    with pytest.raises(RequestDenied, match="could not give this GPU to a container"):
        await ServerStart(lab, CONFIG, ProgressLog()).run(request(when_busy=WhenBusy.FAIL))
    assert lab.docker.servers == []


async def test_who_takes_none_when_the_lab_is_busy_starts_without_a_gpu(lab):
    lab.docker.broken_gpus = {gpu(0).uuid: NODE_IS_MISSING}
    await ServerStart(lab, CONFIG, ProgressLog()).run(request(when_busy=WhenBusy.CPU))
    (container,) = lab.docker.running
    assert container.gpus == []


@pytest.mark.integration
async def test_the_wait_for_another_gpu_has_an_end(lab):
    lab.docker.broken_gpus = {gpu(0).uuid: NODE_IS_MISSING}
    config = dataclasses.replace(CONFIG, queue_timeout=0.5)
    with pytest.raises(StartError, match="No GPU became free within"):
        await ServerStart(lab, config, ProgressLog()).run(request())
    assert lab.broker.queue.waiting() == []


@pytest.mark.integration
@pytest.mark.parametrize("call", ["inspect", "remove", "info"])
async def test_a_start_that_is_cancelled_while_it_fails_waits_no_more(lab, call):
    lab.docker.cdi_names = names(7)
    with lab.docker.hold(call) as hold:
        start = asyncio.create_task(ServerStart(lab, CONFIG, ProgressLog()).run(request()))
        await asyncio.to_thread(hold.wait)
        start.cancel()
        hold.release()
        with pytest.raises(asyncio.CancelledError):
            await start
    assert lab.broker.queue.waiting() == []
    await perform(lab.broker, lab.engine, lab.broker.reconcile(await observe(lab)))
    lab.broker.reconcile(await observe(lab))
    assert lab.broker.leases.live() == []


@pytest.mark.integration
async def test_a_start_that_takes_too_long_while_it_fails_waits_no_more(lab):
    lab.docker.cdi_names = names(7)
    config = dataclasses.replace(CONFIG, launch_timeout=0.5)
    with lab.docker.hold("remove") as hold:
        start = asyncio.create_task(ServerStart(lab, config, ProgressLog()).run(request()))
        await asyncio.to_thread(hold.wait)
        await until(lambda: not lab.broker.queue.waiting())
        hold.release()
        with pytest.raises(StartError, match="did not answer within"):
            await start
    assert lab.broker.queue.waiting() == []


@pytest.mark.integration
@pytest.mark.parametrize("ends_by", ["time-out", "cancellation"])
async def test_a_start_that_ends_in_the_moment_of_the_grant_gives_the_lease_back(lab, ends_by):
    other = lab.broker.requests.submit(
        dataclasses.replace(request(), id="other", user="bob", created_at=1.0)
    )
    config = dataclasses.replace(CONFIG, queue_timeout=3 if ends_by == "time-out" else 60)
    start = asyncio.create_task(ServerStart(lab, config, ProgressLog()).run(request()))
    await until(lambda: reason_to_wait(lab))
    # The grant is there before the start can see it, and so is its end.
    end = asyncio.get_running_loop().time() + (3 if ends_by == "time-out" else 0)
    lab.broker.leases.end(other.id, "done")
    while asyncio.get_running_loop().time() < end:
        pass
    assert lab.broker.leases.of_server("ada", "").state is LeaseState.GRANTED
    if ends_by == "cancellation":
        start.cancel()
    with pytest.raises((StartError, asyncio.CancelledError)) as caught:
        await start
    if ends_by == "time-out":
        assert "No GPU became free within" in str(caught.value)
    assert lab.broker.leases.of_server("ada", "") is None
    assert lab.broker.requests.to_resume() == []
    assert states(lab) == ["free"]


@pytest.mark.integration
@pytest.mark.parametrize("ends_by", ["time-out", "cancellation"])
async def test_a_start_that_ends_while_the_database_fails_is_not_resumed(lab, ends_by, monkeypatch):
    other = dataclasses.replace(request(), id="other", user="bob", created_at=1.0)
    lab.broker.requests.submit(other)
    config = dataclasses.replace(CONFIG, queue_timeout=0.5 if ends_by == "time-out" else 60)
    start = asyncio.create_task(ServerStart(lab, config, ProgressLog()).run(request()))
    await until(lambda: reason_to_wait(lab))
    with monkeypatch.context() as patch:

        def fails():
            raise StoreError("The disk is full.")

        patch.setattr(lab.store, "transaction", fails)
        if ends_by == "cancellation":
            start.cancel()
        with pytest.raises((StartError, asyncio.CancelledError)):
            await start
    assert lab.broker.requests.to_resume() == []
    lab.broker.requests.finish_giving_up()
    assert lab.broker.queue.waiting() == []


@pytest.mark.parametrize("what", ["image", "engine"])
async def test_a_start_that_fails_before_it_waits_gives_up_its_place_only_for_good_reasons(
    lab, what
):
    other = dataclasses.replace(request(), id="other", user="bob", created_at=1.0)
    lab.broker.requests.submit(other)
    lab.broker.requests.submit(request())  # before a restart of the hub
    if what == "image":
        with pytest.raises(StartError, match="is not on this server"):
            await ServerStart(lab, CONFIG, ProgressLog()).run(request("gpudock/none:1"))
    else:
        lab.docker.fail("image", 500, "the engine is ill")
        with pytest.raises(EngineError):
            await ServerStart(lab, CONFIG, ProgressLog()).run(request())
    waiting = [item.user for item in lab.broker.queue.waiting()]
    assert waiting == ([] if what == "image" else ["ada"])


async def test_a_failure_that_is_not_about_gpus_never_counts(large_lab):
    lab = large_lab
    for words in ("no space left on device", "invalid mount config: path does not exist") * 2:
        lab.docker.fail("start", 500, words)
        with pytest.raises(LaunchFailed, match=words):
            await ServerStart(lab, CONFIG, ProgressLog()).run(request())
    assert states(lab) == ["free"] * 4


def reason_to_wait(lab):
    position = lab.broker.requests.position("ada", "")
    return "" if position is None else position.reason


async def observe(lab):
    return await lab.engine.observe(lambda devices: devices)


async def until(condition):
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 (only the broker knows)
            await asyncio.sleep(0.01)


async def test_a_wait_without_limit_ends_with_a_gpu(lab):
    config = dataclasses.replace(CONFIG, queue_timeout=None)
    await ServerStart(lab, config, ProgressLog()).run(request())
    assert lab.docker.running
