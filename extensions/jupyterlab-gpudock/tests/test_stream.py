from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import threading
import time

import pytest
from samples import A100, HEALTHY
from tornado.websocket import WebSocketClosedError

from jupyterlab_gpudock.handlers.stream import MAX_BAD_MESSAGES, StreamHandler, requested_interval
from jupyterlab_gpudock.nvml.readings import Process, Reading, Snapshot, State
from jupyterlab_gpudock.stream.broadcast import Stream, delta, encode
from jupyterlab_gpudock.stream.interval import clamp_interval
from jupyterlab_gpudock.stream.sampler import Sampler


class CollectingClient:
    """Takes every frame at once."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.takes = True

    def offer(self, frame: bytes) -> bool:
        if not self.takes:
            return False
        self.frames.append(frame)
        return True

    def insist(self, topic: str, frame: bytes) -> None:
        self.frames.append(frame)

    def screen(self) -> dict:
        """What a browser shows that lays each frame over the ones before."""
        shown: dict = {}
        for frame in map(json.loads, self.frames):
            if frame["type"] == "snapshot":
                shown = frame
            elif frame["type"] == "delta":
                assert frame["base"] == shown["sequence"], "a delta follows on what is shown"
                shown["sequence"], shown["time"] = frame["sequence"], frame["time"]
                for name, column in frame["columns"].items():
                    for gpu, value in zip(shown["gpus"], column, strict=True):
                        if value is not None:
                            gpu[name] = value
                for place, processes in frame.get("processes", {}).items():
                    shown["gpus"][int(place)]["processes"] = processes
        return shown

    @property
    def types(self) -> list[str]:
        return [json.loads(frame)["type"] for frame in self.frames]


@pytest.fixture
def sampler(reader):
    sampler = Sampler(reader, 0.5)
    yield sampler
    sampler.close()


async def read_frames(socket, count: int) -> list[dict]:
    return [json.loads(await asyncio.wait_for(socket.read_message(), 10)) for _ in range(count)]


def sampling_threads() -> int:
    return sum(thread.name == "gpudock-sampler" for thread in threading.enumerate())


async def test_ten_clients_share_one_thread_and_one_reading_each_second(jp_ws_fetch, reader):
    before = sampling_threads()
    sockets = [await jp_ws_fetch("gpudock", "api", "stream") for _ in range(10)]
    streams = await asyncio.gather(*(read_frames(socket, 4) for socket in sockets))
    reads = reader.reads
    for socket in sockets:
        socket.close()
    assert sampling_threads() == before + 1
    newest = max(frame["sequence"] for frames in streams for frame in frames)
    # One more may have been taken that nobody has seen yet.
    assert newest <= reads <= newest + 1
    assert reads < 20, "forty frames were served by far fewer readings"


def uses(frame) -> list[float] | None:
    """What a frame says of the GPUs' use; a delta says nothing where that has not changed.

    A client that is slow to take a frame gets a snapshot next.
    """
    if frame["type"] == "snapshot":
        return [gpu["utilization_percent"] for gpu in frame["gpus"]]
    return frame["columns"].get("utilization_percent")


async def test_a_change_of_use_reaches_the_client(jp_ws_fetch, reader):
    socket = await jp_ws_fetch("gpudock", "api", "stream")
    await read_frames(socket, 1)
    reader.set_utilization(12)
    for _ in range(3):
        (frame,) = await read_frames(socket, 1)
        if uses(frame) == [12]:
            break
    else:
        pytest.fail("three readings later the old use was still sent")
    socket.close()


async def test_what_a_client_sends_changes_nothing_and_too_much_of_it_cuts_it_off(jp_ws_fetch):
    socket = await jp_ws_fetch("gpudock", "api", "stream")
    (before,) = await read_frames(socket, 1)
    await socket.write_message('{"interval_s": 0.0001}')
    while (frame := (await read_frames(socket, 1))[0])["type"] != "error":
        assert frame["type"] in ("delta", "snapshot")
        assert frame.get("interval_s", 0.5) == 0.5, "the rate has not changed"
    assert before["interval_s"] == 0.5
    await socket.write_message("x" * 5000)
    while (await asyncio.wait_for(socket.read_message(), 10)) is not None:
        pass


async def test_a_frame_is_encoded_once_for_all_clients(sampler, until):
    stream = Stream(sampler)
    clients = [CollectingClient(), CollectingClient()]
    for client in clients:
        stream.join(client)
    await until(lambda: all(client.frames for client in clients), "a frame for each client")
    for client in clients:
        stream.leave(client)
    assert clients[0].frames[-1] is clients[1].frames[-1]


async def test_the_last_client_to_leave_ends_the_sampling(sampler, reader, until):
    stream = Stream(sampler)
    first, second = CollectingClient(), CollectingClient()
    stream.join(first)
    stream.join(second)
    await until(lambda: len(second.frames) >= 2, "two frames")
    stream.leave(first)
    seen = len(second.frames)
    await until(lambda: len(second.frames) > seen, "frames for the client that stayed")
    stream.leave(second)
    stream.leave(second)
    reads = reader.reads
    await asyncio.sleep(3 * sampler.interval_s)
    # A reading may have been under way when the last one left.
    assert reader.reads <= reads + 1


async def test_a_hanging_nvml_is_reported_as_stale_with_its_age(sampler, reader, until):
    stream, client = Stream(sampler), CollectingClient()
    stream.join(client)
    await until(lambda: "snapshot" in client.types, "a first snapshot")
    reader.may_return.clear()
    await until(lambda: "stale" in client.types, "a frame that reports it")
    assert json.loads(client.frames[-1])["age_s"] >= sampler.stale_after_s
    reader.may_return.set()
    await until(lambda: client.types[-1] in ("snapshot", "delta"), "frames when NVML returns again")
    assert client.types[client.types.index("stale") :].count("snapshot") == 1
    stream.leave(client)


async def test_a_client_is_informed_of_an_nvml_that_never_returned(sampler, reader, until):
    reader.may_return.clear()
    stream, client = Stream(sampler), CollectingClient()
    stream.join(client)
    await until(lambda: client.types == ["waiting"], "a waiting frame")
    stream.leave(client)


async def test_a_hanging_nvml_holds_up_nobody_else(jp_ws_fetch, jp_fetch, reader, until):
    reader.may_return.clear()
    socket = await jp_ws_fetch("gpudock", "api", "stream")
    await until(lambda: reader.reads == 1, "the reading that hangs")
    response = await asyncio.wait_for(jp_fetch("api", "status"), 2)
    assert response.code == 200
    socket.close()


async def test_a_slow_client_loses_frames_and_keeps_none_in_memory(monkeypatch):
    writes: list[asyncio.Future[None]] = []

    class StuckHandler(StreamHandler):
        """Has a client that reads nothing."""

        def __init__(self) -> None:
            """Leave out what needs a connection."""
            self._waiting = {}

        def write_message(self, message, binary=False):
            writes.append(asyncio.get_running_loop().create_future())
            return writes[-1]

    handler = StuckHandler()
    for _ in range(100):
        handler.offer(b"{}")
    assert len(writes) == 1
    writes[0].set_result(None)
    await asyncio.sleep(0)
    handler.offer(b"{}")
    assert len(writes) == 2
    for step in range(100):
        handler.insist("check", b'{"step": %d}' % step)
    assert len(writes) == 2
    assert handler._waiting == {"check": b'{"step": 99}'}
    writes[1].set_result(None)
    await asyncio.sleep(0)
    assert len(writes) == 3, "the last frame is sent once the client takes it"
    assert handler._waiting == {}


async def rate_messages(socket, *messages: str) -> list[str]:
    """Send what a client may say, and return what the server has against it."""
    said = []
    for message in messages:
        await socket.write_message(message)
        while (frame := (await read_frames(socket, 1))[0])["type"] != "error":
            pass
        said.append(frame["message"])
    return said


GARBAGE = (
    "",
    "not json",
    "[" * 900,
    "[]",
    "null",
    '"rate"',
    '{"type": "rate"}',
    '{"type": "rate", "interval_s": "fast"}',
    '{"type": "rate", "interval_s": true}',
    '{"type": "rate", "interval_s": NaN}',
    '{"type": "rate", "interval_s": [1]}',
    '{"type": "reboot"}',
)


async def test_garbage_is_answered_with_an_error_and_the_stream_goes_on(jp_ws_fetch):
    socket = await jp_ws_fetch("gpudock", "api", "stream")
    await read_frames(socket, 1)
    answers = await rate_messages(socket, *GARBAGE)
    assert all(answer.endswith(".") for answer in answers)
    frames = await read_frames(socket, 2)
    assert {frame["type"] for frame in frames} <= {"delta", "snapshot"}
    socket.close()


async def test_a_client_that_sends_nothing_but_garbage_is_cut_off(jp_ws_fetch):
    socket = await jp_ws_fetch("gpudock", "api", "stream")
    for _ in range(MAX_BAD_MESSAGES + 1):
        await socket.write_message("garbage")
    while (await asyncio.wait_for(socket.read_message(), 10)) is not None:
        pass
    assert socket.close_code == 1008


@pytest.mark.parametrize("message", ["garbage", b"\xff\xfe", '{"type": "rate", "interval_s": 0}'])
async def test_a_thousand_messages_a_second_cut_off_who_sends_them_and_nobody_else(
    jp_ws_fetch, jp_fetch, reader, message
):
    calm = await jp_ws_fetch("gpudock", "api", "stream")
    await read_frames(calm, 1)
    wild = await jp_ws_fetch("gpudock", "api", "stream")
    reads, began = reader.reads, time.monotonic()
    with contextlib.suppress(WebSocketClosedError):
        for _ in range(1000):
            await wild.write_message(message, binary=isinstance(message, bytes))
    while (await asyncio.wait_for(wild.read_message(), 10)) is not None:
        pass
    assert wild.close_code == 1008
    assert (await jp_fetch("api")).code == 200
    assert {frame["type"] for frame in await read_frames(calm, 2)} <= {"delta", "snapshot"}
    assert reader.reads - reads <= (time.monotonic() - began) / 0.5 + 2
    calm.close()


@pytest.mark.parametrize("number", [0, 1, 16])
async def test_any_number_of_gpus_travels(jp_ws_fetch, reader, number):
    gpus = [
        dataclasses.replace(A100, uuid=f"GPU-{place}", index=str(place)) for place in range(number)
    ]
    state = State.OK if number else State.NO_GPU
    reader.reading = dataclasses.replace(HEALTHY, state=state, gpus=tuple(gpus))
    socket = await jp_ws_fetch("gpudock", "api", "stream")
    (snapshot,) = await read_frames(socket, 1)
    assert [gpu["uuid"] for gpu in snapshot["gpus"]] == [gpu.uuid for gpu in gpus]
    changed = tuple(dataclasses.replace(gpu, utilization_percent=99) for gpu in gpus)
    reader.reading = dataclasses.replace(reader.reading, gpus=changed)
    (frame,) = await read_frames(socket, 1)
    if number:
        while uses(frame) is None:
            (frame,) = await read_frames(socket, 1)
        assert uses(frame) == [99] * number
        assert frame.get("columns", {}).keys() <= {"utilization_percent"}, "nothing else changed"
    socket.close()


@pytest.mark.parametrize(
    ("message", "interval_s"),
    [
        ('{"type": "rate", "interval_s": 2}', 2.0),
        ('{"type": "rate", "interval_s": null}', None),
        ('{"type": "rate", "interval_s": -1e400}', 0.0),
        ('{"type": "rate", "interval_s": Infinity}', 1e9),
        (b'{"type": "rate", "interval_s": 0.0001}', 0.0001),
    ],
)
def test_absurd_rates_are_numbers_that_the_sampler_clamps(message, interval_s):
    assert requested_interval(message) == interval_s
    if interval_s is not None:
        assert 0.5 <= clamp_interval(interval_s) <= 60


async def test_the_fastest_rate_that_is_asked_for_is_used_until_its_client_leaves(reader):
    sampler = Sampler(reader, 5.0)
    stream = Stream(sampler)
    quiet, slow, fast = (CollectingClient() for _ in range(3))
    for client in (quiet, slow, fast):
        stream.join(client)
    stream.request_rate(slow, 30.0)
    assert sampler.interval_s == 5.0, "the quiet one has the server's setting"
    stream.leave(quiet)
    stream.request_rate(fast, 0.001)
    assert sampler.interval_s == 0.5
    stream.leave(fast)
    assert sampler.interval_s == 30.0
    stream.request_rate(slow, None)
    assert sampler.interval_s == 5.0
    stream.leave(slow)
    stream.request_rate(slow, 1.0)
    assert sampler.interval_s == 5.0, "a client that has left requests nothing"
    sampler.close()


async def test_a_client_that_lays_changes_over_what_it_has_shows_what_was_read(
    sampler, reader, until
):
    stream, client, late = Stream(sampler), CollectingClient(), CollectingClient()
    stream.join(client)
    await until(lambda: client.frames, "a first frame")
    reader.set_utilization(11)
    await until(lambda: len(client.frames) >= 3, "changes")
    stream.join(late)
    held = len(client.frames)
    client.takes = False
    reader.set_utilization(12)
    seen = len(late.frames)
    await until(lambda: len(late.frames) >= seen + 2, "changes that one client misses")
    assert len(client.frames) == held
    client.takes = True
    reader.reading = dataclasses.replace(
        reader.reading,
        gpus=(
            dataclasses.replace(
                reader.reading.gpus[0], processes=(Process(4711, "compute", 900),), throttle=()
            ),
        ),
    )
    await until(
        lambda: all(one.screen()["gpus"][0]["processes"] for one in (client, late)),
        "the process on both screens",
    )
    newest = sampler.newest
    for one in (client, late):
        await until(lambda one=one: one.screen()["sequence"] >= newest.sequence, "the newest")
        shown = one.screen()
        whole = json.loads(json.dumps(sampler.newest.document(age_s=0, stale=False)))
        assert shown["gpus"] == whole["gpus"]
    assert client.types[held] == "snapshot", "after a gap comes everything"
    assert "delta" in late.types
    stream.leave(client)
    stream.leave(late)


def snapshot_of(sequence: int, reading: Reading, interval_s: float = 1.0) -> Snapshot:
    return Snapshot(sequence, 1000.0 + sequence, float(sequence), interval_s, reading)


@pytest.mark.parametrize(
    "other",
    [
        dataclasses.replace(HEALTHY, state=State.LOST, detail="gone"),
        dataclasses.replace(HEALTHY, driver="560.28.03"),
        dataclasses.replace(HEALTHY, gpus=()),
        dataclasses.replace(HEALTHY, gpus=(dataclasses.replace(A100, uuid="GPU-2"),)),
        dataclasses.replace(HEALTHY, gpus=(dataclasses.replace(A100, health=("remap_failed",)),)),
    ],
)
def test_what_is_more_than_numbers_is_no_delta(other):
    assert delta(snapshot_of(1, HEALTHY), snapshot_of(2, HEALTHY))["columns"] == {}
    assert delta(snapshot_of(1, HEALTHY), snapshot_of(2, other)) is None


def test_a_delta_of_eight_busy_gpus_is_small():
    def reading(step: int) -> Reading:
        return dataclasses.replace(
            HEALTHY,
            gpus=tuple(
                dataclasses.replace(
                    A100,
                    index=str(index),
                    utilization_percent=80 + step,
                    memory_used_mib=31_000 + step,
                    temperature_c=60 + step,
                    power_w=283.4 + step,
                    sm_clock_mhz=1300 + step,
                )
                for index in range(8)
            ),
        )

    frame = encode(delta(snapshot_of(1, reading(1)), snapshot_of(2, reading(2))))
    assert len(frame) < 500
