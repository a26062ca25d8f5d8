from __future__ import annotations

import asyncio
import json
import threading

import pytest

from jupyterlab_gpudock.handlers import StreamHandler
from jupyterlab_gpudock.sampler import Sampler
from jupyterlab_gpudock.stream import Stream


class CollectingClient:
    """Takes every frame at once."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []

    def offer(self, frame: bytes) -> None:
        self.frames.append(frame)

    @property
    def types(self) -> list[str]:
        return [json.loads(frame)["type"] for frame in self.frames]


@pytest.fixture
def sampler(gate):
    sampler = Sampler(gate, 0.5)
    yield sampler
    sampler.close()


async def read_frames(socket, count: int) -> list[dict]:
    return [json.loads(await asyncio.wait_for(socket.read_message(), 10)) for _ in range(count)]


def sampling_threads() -> int:
    return sum(thread.name == "gpudock-sampler" for thread in threading.enumerate())


async def test_ten_clients_share_one_thread_and_one_reading_each_second(jp_ws_fetch, gate):
    before = sampling_threads()
    sockets = [await jp_ws_fetch("gpudock", "api", "stream") for _ in range(10)]
    streams = await asyncio.gather(*(read_frames(socket, 4) for socket in sockets))
    reads = gate.reads
    for socket in sockets:
        socket.close()
    assert sampling_threads() == before + 1
    newest = max(frame["sequence"] for frames in streams for frame in frames)
    # One more may have been taken that nobody has seen yet.
    assert newest <= reads <= newest + 1
    assert reads < 20, "forty frames were served by far fewer readings"


async def test_a_change_of_use_reaches_the_client(jp_ws_fetch, gate):
    socket = await jp_ws_fetch("gpudock", "api", "stream")
    await read_frames(socket, 1)
    gate.set_use(12)
    for _ in range(3):
        (frame,) = await read_frames(socket, 1)
        if frame["gpus"][0]["utilization_percent"] == 12:
            break
    else:
        pytest.fail("three readings later the old use was still sent")
    socket.close()


async def test_what_a_client_sends_changes_nothing_and_too_much_of_it_cuts_it_off(jp_ws_fetch):
    socket = await jp_ws_fetch("gpudock", "api", "stream")
    await socket.write_message('{"interval_s": 0.0001}')
    frames = await read_frames(socket, 2)
    assert frames[-1]["interval_s"] == 0.5
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


async def test_the_last_client_to_leave_ends_the_sampling(sampler, gate, until):
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
    reads = gate.reads
    await asyncio.sleep(3 * sampler.interval_s)
    # A reading may have been under way when the last one left.
    assert gate.reads <= reads + 1


async def test_a_hanging_nvml_is_told_as_stale_with_its_age(sampler, gate, until):
    stream, client = Stream(sampler), CollectingClient()
    stream.join(client)
    await until(lambda: "snapshot" in client.types, "a first snapshot")
    gate.may_answer.clear()
    await until(lambda: "stale" in client.types, "a frame that says so")
    assert json.loads(client.frames[-1])["age_s"] >= sampler.stale_after_s
    gate.may_answer.set()
    await until(lambda: client.types[-1] == "snapshot", "snapshots again when NVML answers")
    stream.leave(client)


async def test_a_client_hears_of_an_nvml_that_never_answered(sampler, gate, until):
    gate.may_answer.clear()
    stream, client = Stream(sampler), CollectingClient()
    stream.join(client)
    await until(lambda: client.types == ["waiting"], "a frame that says that it waits")
    stream.leave(client)


async def test_a_hanging_nvml_holds_up_nobody_else(jp_ws_fetch, jp_fetch, gate, until):
    gate.may_answer.clear()
    socket = await jp_ws_fetch("gpudock", "api", "stream")
    await until(lambda: gate.reads == 1, "the reading that hangs")
    response = await asyncio.wait_for(jp_fetch("api", "status"), 2)
    assert response.code == 200
    socket.close()


async def test_a_slow_client_loses_frames_and_keeps_none_in_memory(monkeypatch):
    writes: list[asyncio.Future[None]] = []

    class StuckHandler(StreamHandler):
        """Has a client that reads nothing."""

        def __init__(self) -> None:
            """Leave out what needs a connection."""

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
