"""What the hub knows of the GPUs, whatever the agent does."""

from __future__ import annotations

import asyncio
import dataclasses
import gzip
import itertools
import json
import logging
import subprocess
import sys
import time

import pytest
import tornado.httpserver
import tornado.netutil
import tornado.web

from gpudock.agent.document import MAX_BYTES, Envelope, encode
from gpudock.agent.report import Report
from gpudock.inventory import AgentInventory, NoInventory, StaticInventory
from gpudock.inventory.clocks import RemoteClock
from gpudock.model import GPU, GPUReading, Telemetry
from simulator import Gpu
from unit.agent.fake_client import uuid_of
from unit.agent.program import TOKEN, Agent, SimulatedHost

GPU_1 = GPUReading(GPU(uuid_of(1), 0, "node1", "NVIDIA L4", 23034), Telemetry(temperature_c=40))
GPU_2 = GPUReading(GPU(uuid_of(2), 1, "node1", "NVIDIA L4", 23034), Telemetry(temperature_c=41))


class Clock:
    """A clock that a test sets."""

    def __init__(self, now):
        self.now = now

    def __call__(self):
        return self.now


class ScriptedAgent:
    """Answers with what the test sets, and holds a request back until there is something new."""

    def __init__(self):
        self.cursor = 0
        self.body = b""
        self.status = 200
        self.headers = {}
        self.requests = []
        self._news = asyncio.Event()
        self._request = asyncio.Event()
        agent = self

        class Handler(tornado.web.RequestHandler):
            async def get(self):
                agent.requests.append(self.request)
                agent._request.set()
                if self.get_query_argument("after", "") == agent.name:
                    await agent._news.wait()
                self.set_status(agent.status)
                for name, value in agent.headers.items():
                    self.set_header(name, value)
                self.finish(agent.body)

        sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
        self.server = tornado.httpserver.HTTPServer(
            tornado.web.Application([(r"/v1/inventory", Handler)], log_function=lambda _: None)
        )
        self.server.add_sockets(sockets)
        self.url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}"

    @property
    def name(self):
        return f"boot.{self.cursor}"

    async def asked(self, times):
        """Wait until there were so many requests."""
        async with asyncio.timeout(20):
            while len(self.requests) < times:
                self._request.clear()
                await self._request.wait()

    def answer(self, body, status=200, **headers):
        self.cursor += 1
        self.body, self.status, self.headers = body, status, headers
        news, self._news = self._news, asyncio.Event()
        news.set()

    def report(self, *readings, clock=100.0, age=0.25, boot="boot", **fields):
        report = Report("node1", 5.0 if age is not None else None, readings, **fields)
        envelope = Envelope(report, f"boot.{self.cursor + 1}", boot, clock, age)
        self.answer(encode(envelope))


@pytest.fixture
async def agent():
    agent = ScriptedAgent()
    yield agent
    agent.server.stop()
    agent._news.set()
    await agent.server.close_all_connections()


@pytest.fixture
async def follow():
    """Start inventories, and stop them when the test is over."""
    started = []

    async def start(url, token=TOKEN, **options):
        inventory = AgentInventory(url, token, **options)
        started.append(inventory)
        await inventory.start()
        return inventory

    yield start
    for inventory in started:
        await inventory.stop()


async def reading_that(inventory, condition, seconds=20.0):
    """Wait for a reading that fulfills the condition; subscribing is how one learns of it."""
    found = asyncio.get_running_loop().create_future()

    def look(reading):
        if condition(reading) and not found.done():
            found.set_result(reading)

    unsubscribe = inventory.subscribe(look)
    look(inventory.reading())
    try:
        async with asyncio.timeout(seconds):
            return await found
    except TimeoutError:
        raise AssertionError(f"gave up waiting; the last is {inventory.reading()}") from None
    finally:
        unsubscribe()


def well(reading):
    return reading.problem is None


def ill(reading):
    return reading.problem is not None and reading.taken_at is not None


async def test_before_the_agent_was_heard_of_there_is_a_reason_and_nothing_else():
    reading = AgentInventory("http://127.0.0.1:1", TOKEN).reading()
    assert reading.taken_at is None
    assert reading.readings == ()
    assert reading.expects_readings
    assert reading.problem


async def test_a_reading_is_what_the_agent_says(agent, follow):
    agent.report(GPU_1, GPU_2, driver_version="550.54")
    reading = await reading_that(await follow(agent.url), well)
    assert reading.readings == (GPU_1, GPU_2)
    assert reading.driver_version == "550.54"
    assert agent.requests[0].headers["Authorization"] == f"Bearer {TOKEN}"


async def test_news_arrive_without_asking_again_and_again(agent, follow):
    agent.report(GPU_1)
    inventory = await follow(agent.url)
    await reading_that(inventory, well)
    await agent.asked(2)
    agent.report(GPU_1, GPU_2)
    await reading_that(inventory, lambda reading: len(reading.readings) == 2)
    assert len(agent.requests) <= 3


async def test_an_agent_that_never_holds_back_does_not_keep_the_hub_busy(
    agent, follow, monkeypatch
):
    agent.report(GPU_1, boot="boot")
    agent.cursor = -1  # so that no cursor is ever the agent's own
    times, asked = [], []

    def clock():
        times.append(time.monotonic())
        return times[-1]

    ask = AgentInventory._ask

    def noted(inventory, client):
        # By the hub's own clock: requests may arrive late, and then soon after one another.
        asked.append(times[-1])
        return ask(inventory, client)

    monkeypatch.setattr(AgentInventory, "_ask", noted)
    await follow(agent.url, monotonic=clock)
    await agent.asked(5)
    assert all(later - one > 0.099 for one, later in itertools.pairwise(asked))


async def test_a_gpu_in_mig_mode_is_marked_as_such(agent, follow):
    part = GPUReading(
        GPU(uuid_of(3, "MIG"), 0, "node1", "NVIDIA L4 MIG 1g.5gb", 4864, uuid_of(1), "1g.5gb")
    )
    agent.report(GPU_1, part, GPU_2, mig_enabled=frozenset({uuid_of(1)}))
    reading = await reading_that(await follow(agent.url), well)
    assert reading.readings == (dataclasses.replace(GPU_1, mig_enabled=True), part, GPU_2)


async def test_a_problem_of_the_agent_is_the_inventorys_problem(agent, follow):
    agent.report(GPU_1)
    inventory = await follow(agent.url)
    await reading_that(inventory, well)
    agent.report(GPU_1, problem="The driver hangs.")
    reading = await reading_that(inventory, ill)
    assert reading.problem == "The driver hangs."
    assert reading.readings == (GPU_1,)


async def test_an_agent_that_was_started_anew_without_a_driver_does_not_wipe_what_is_known(
    agent, follow
):
    agent.report(GPU_1)
    inventory = await follow(agent.url)
    before = await reading_that(inventory, well)
    agent.report(boot="another", age=None, problem="The driver is not loaded.")
    reading = await reading_that(inventory, ill)
    assert reading == dataclasses.replace(before, problem="The driver is not loaded.")


GOOD = encode(Envelope(Report("node1", 5.0, (GPU_2,)), "boot.x", "boot", 100.0, 0.25))
TREE = json.loads(GOOD)


@pytest.mark.parametrize(
    "answer",
    [
        {"body": b""},
        {"body": b"<html>Welcome to nginx</html>"},
        {"body": GOOD[:-10]},
        {"body": b"[" * 100_000},
        {"body": json.dumps(TREE | {"version": 9}).encode()},
        {"body": json.dumps(TREE | {"devices": TREE["devices"] * 2}).encode()},
        {"body": json.dumps(TREE | {"devices": [{"uuid": "../../etc"}]}).encode()},
        {"body": b" " * (MAX_BYTES + 1) + GOOD},
        {"body": GOOD, "status": 401},
        {"body": GOOD, "status": 500},
        {"body": b"", "status": 302, "Location": "http://127.0.0.1:1/"},
        {"body": b"", "status": 304},
        {"body": gzip.compress(GOOD), "Content-Encoding": "gzip"},
    ],
    ids=range(13),
)
async def test_an_answer_that_is_wrong_changes_nothing_and_is_told(agent, follow, answer):
    agent.report(GPU_1)
    inventory = await follow(agent.url)
    before = await reading_that(inventory, well)
    agent.answer(**answer)
    reading = await reading_that(inventory, ill)
    assert reading == dataclasses.replace(before, problem=reading.problem)
    assert reading.problem.startswith(f"The GPU agent at {agent.url} ")
    assert TOKEN not in reading.problem
    agent.report(GPU_1, GPU_2)
    assert len((await reading_that(inventory, well)).readings) == 2


async def test_a_short_trouble_is_over_as_soon_as_the_agent_answers_even_without_news(
    agent, follow
):
    agent.report(GPU_1)
    answer, number = agent.body, agent.cursor
    inventory = await follow(agent.url)
    before = await reading_that(inventory, well)
    agent.answer(b"", 500)
    await reading_that(inventory, ill)
    agent.body, agent.status, agent.cursor = answer, 200, number
    assert (await reading_that(inventory, well)).readings == before.readings


async def test_a_refused_token_says_what_to_do(agent, follow):
    agent.answer(b"", 401)
    inventory = await follow(agent.url)
    reading = await reading_that(inventory, lambda reading: "has not answered" in reading.problem)
    assert "GPUDOCK_AGENT_TOKEN" in reading.problem


async def test_what_is_no_http_at_all_is_a_problem(follow):
    async def babble(reader, writer):
        await reader.read(1)
        writer.write(b"\x00\xff garbage \r\n\r\n")
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        inventory = await follow(f"http://127.0.0.1:{port}")
        await reading_that(inventory, lambda reading: "has not answered yet" in reading.problem)
        await inventory.stop()


async def test_an_agent_that_accepts_and_says_nothing_is_a_problem(follow, monkeypatch):
    monkeypatch.setattr("gpudock.inventory.agent._SLACK_SECONDS", 0.2)
    arrived = asyncio.Event()

    async def keep_silent(reader, writer):
        arrived.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(keep_silent, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        inventory = await follow(f"http://127.0.0.1:{port}", wait=0.1)
        reading = await reading_that(inventory, lambda reading: "yet:" in reading.problem)
        assert arrived.is_set()
        assert "timed out" in reading.problem
        await inventory.stop()


async def test_an_address_that_is_not_known_yet_is_asked_for_again(agent, follow):
    url = ""
    inventory = await follow(lambda: url)
    await reading_that(inventory, lambda reading: "not been started" in reading.problem)
    agent.report(GPU_1)
    url = agent.url
    await reading_that(inventory, well)


@pytest.mark.parametrize(
    "url", ["nonsense", "ftp://127.0.0.1", "http://", "http://[", "http://a b"]
)
async def test_an_address_that_is_none_is_a_problem(follow, url):
    inventory = await follow(url)
    reading = await reading_that(inventory, lambda reading: "yet:" in reading.problem)
    assert url in reading.problem


async def test_a_subscriber_that_fails_harms_nobody(agent, follow, caplog):
    agent.report(GPU_1)
    inventory = await follow(agent.url)
    inventory.subscribe(lambda _: 1 / 0)
    await reading_that(inventory, well)
    agent.report(GPU_1, GPU_2)
    await reading_that(inventory, lambda reading: len(reading.readings) == 2)
    assert "A subscriber of the inventory failed." in caplog.text


async def test_who_unsubscribed_is_not_called(agent, follow):
    agent.report(GPU_1)
    inventory = await follow(agent.url)
    seen = []
    unsubscribe = inventory.subscribe(seen.append)
    unsubscribe()
    unsubscribe()
    await reading_that(inventory, well)
    assert seen == []


async def test_a_gpu_without_a_name_is_logged_once(agent, follow, caplog):
    agent.report(GPU_1, unidentified=("GPU number 3 cannot be identified.",))
    inventory = await follow(agent.url)
    await reading_that(inventory, well)
    agent.report(GPU_1, GPU_2, unidentified=("GPU number 3 cannot be identified.",))
    await reading_that(inventory, lambda reading: len(reading.readings) == 2)
    warnings = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert [r.getMessage() for r in warnings] == ["GPU number 3 cannot be identified."]


@pytest.mark.parametrize("agents_clock", [0.0, 17.0, 1e12])
async def test_age_is_measured_by_the_hubs_own_clock(agent, follow, agents_clock):
    agent.report(GPU_1, clock=agents_clock + 50, age=2.5)
    wall, mono = Clock(1_700_000_000.0), Clock(300.0)
    inventory = await follow(agent.url, clock=wall, monotonic=mono)
    reading = await reading_that(inventory, well)
    assert reading.taken_at == pytest.approx(1_700_000_000.0 - 2.5)


def test_a_document_that_lay_around_is_not_taken_for_a_fresh_one():
    clock = RemoteClock()
    clock.received("boot", remote=100.0, local=1100.01)
    clock.received("boot", remote=101.0, local=1106.0)  # the hub was busy for five seconds
    assert clock.to_local(101.0) == pytest.approx(1101.01)


def test_a_clock_that_started_anew_has_an_offset_of_its_own():
    clock = RemoteClock()
    clock.received("boot", remote=100.0, local=1100.0)
    clock.received("another", remote=5.0, local=1107.0)
    assert clock.to_local(5.0) == pytest.approx(1107.0)


def test_a_clock_that_drifts_is_followed():
    clock = RemoteClock()
    for second in range(100):
        clock.received("boot", remote=float(second), local=1000.0 + second * 1.01)
    assert clock.to_local(99.0) == pytest.approx(1000.0 + 99 * 1.01, abs=0.4)


async def test_an_agent_that_is_killed_leaves_what_is_known_and_is_found_again(tmp_path, follow):
    gpu = Gpu.of_model("A100-SXM4-40GB", memory_used_mib=77)
    host = SimulatedHost(tmp_path, [gpu])
    agent = await asyncio.to_thread(Agent, host.environment)
    try:
        inventory = await follow(agent.url)
        before = await reading_that(inventory, well)
        assert before.readings[0].gpu.uuid == gpu.uuid
        await asyncio.to_thread(agent.kill)
        reading = await reading_that(inventory, ill)
        assert reading.readings[0].telemetry.memory_used_mib == 77
        assert f"{agent.url} has not answered since 20" in reading.problem
        last = reading.taken_at
        agent = await asyncio.to_thread(Agent, host.environment, listen=agent.address)
        reading = await reading_that(inventory, lambda r: well(r) and r.taken_at > last)
        assert reading.readings[0].gpu == before.readings[0].gpu
    finally:
        await asyncio.to_thread(agent.kill)


async def test_a_change_reaches_the_hub_within_the_agents_interval(tmp_path, follow):
    host = SimulatedHost(tmp_path, [Gpu.of_model("L4")])
    agent = await asyncio.to_thread(Agent, host.environment, interval=1.0)
    try:
        inventory = await follow(agent.url)
        await reading_that(inventory, well)
        loop = asyncio.get_running_loop()
        started = loop.time()
        host.simulator.update(0, utilization=93)
        await reading_that(
            inventory, lambda reading: reading.readings[0].telemetry.utilization_percent == 93
        )
        assert loop.time() - started < 5
    finally:
        await asyncio.to_thread(agent.kill)


async def test_it_can_be_stopped_at_any_time_and_twice(agent):
    agent.report(GPU_1)
    inventory = AgentInventory(agent.url, TOKEN)
    await inventory.stop()
    await inventory.start()
    await inventory.start()
    await reading_that(inventory, well)
    await inventory.stop()
    await inventory.stop()
    assert inventory.reading().readings == (GPU_1,)


async def test_a_static_inventory_repeats_its_list():
    inventory = StaticInventory([GPU_1.gpu, GPU_2.gpu])
    await inventory.start()
    reading = inventory.reading()
    assert [r.gpu for r in reading.readings] == [GPU_1.gpu, GPU_2.gpu]
    assert not reading.expects_readings
    assert reading.problem is None
    inventory.subscribe(print)()
    await inventory.stop()


def test_a_gpu_that_is_listed_twice_is_refused():
    with pytest.raises(ValueError, match="listed twice"):
        StaticInventory([GPU_1.gpu, GPU_1.gpu])


def test_a_lab_without_gpus_says_why():
    reading = NoInventory("There is no GPU.").reading()
    assert reading.problem == "There is no GPU."
    assert reading.readings == ()
    assert not reading.expects_readings


def test_the_inventory_touches_neither_nvml_nor_the_store():
    code = (
        "import sys, gpudock.inventory; "
        "print([m for m in ('pynvml', 'sqlalchemy', 'gpudock.store', 'docker', 'jupyterhub') "
        "if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
