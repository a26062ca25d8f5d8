"""Browsers at the level of their protocols: what each one opens and sends, and what comes back.

A process of its own, so that the server's processor time is the server's. It says "ready" when all
clients have had their first readings, counts for some seconds after a line on its input, and prints
what it has counted.

jupyterlab-nvdashboard's browser opens a WebSocket for each chart, waits for ``{"status":
"connected"}`` and then sends its update frequency, 100 ms by its default setting.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import sys
import time

from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.websocket import websocket_connect

from benchmarks.panel.server import TOKEN

CHARTS = ("gpu_utilization", "gpu_usage", "gpu_resource", "pci_stats", "nvlink_throughput")
_HEADERS = {"Authorization": f"token {TOKEN}"}
_PING_PAUSE_S = 0.02


class Counter:
    """What has come to all clients since the counting began."""

    def __init__(self) -> None:
        self.frames = 0
        self.bytes = 0

    def add(self, payload: str) -> None:
        """Count a frame, with the head that WebSocket gives it."""
        size = len(payload.encode())
        head = 2 if size < 126 else 4 if size < 65536 else 10
        self.frames += 1
        self.bytes += size + head


async def watch(address: str, path: str, first_words: str | None, counter: Counter) -> asyncio.Task:
    """Open a WebSocket, and go on counting what comes once the first readings have come."""
    request = HTTPRequest(f"ws://{address}/{path}", headers=_HEADERS, request_timeout=60)
    connection = await websocket_connect(request)
    if first_words is not None:
        said = json.loads(await connection.read_message())
        assert said == {"status": "connected"}, said
        await connection.write_message(first_words)
    assert await connection.read_message() is not None

    async def go_on() -> None:
        while (message := await connection.read_message()) is not None:
            counter.add(message)

    return asyncio.ensure_future(go_on())


async def delays(address: str, seconds: float) -> list[float]:
    """How long ``GET /api`` takes, over and over, in ms."""
    client, found = AsyncHTTPClient(), []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.monotonic()
        await client.fetch(f"http://{address}/api", request_timeout=120)
        found.append(1000 * (time.monotonic() - began))
        await asyncio.sleep(_PING_PAUSE_S)
    return found


def percentile(values: list[float], part: float) -> float:
    """The value that this part of all lies at or below."""
    return sorted(values)[max(0, math.ceil(part * len(values)) - 1)]


async def main() -> None:
    """Open, say so, wait for the word, count, and tell."""
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("kind", choices=("gpudock", "nvdashboard"))
    parser.add_argument("clients", type=int)
    parser.add_argument("seconds", type=float)
    parser.add_argument("--interval-ms", type=int, default=1000)
    parser.add_argument("--ping", action="store_true", help="time GET /api meanwhile")
    given = parser.parse_args()
    counter = Counter()
    if given.kind == "gpudock":
        wanted = [("gpudock/api/stream", None)] * given.clients
    else:
        words = json.dumps({"updateFrequency": given.interval_ms, "isPaused": False})
        wanted = [(f"nvdashboard/{chart}", words) for chart in CHARTS] * given.clients
    tasks = await asyncio.gather(*(watch(given.address, *one, counter) for one in wanted))
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    counter.frames = counter.bytes = 0
    found: dict[str, float] = {}
    if given.ping:
        took = await delays(given.address, given.seconds)
        found = {"p50_ms": percentile(took, 0.5), "p95_ms": percentile(took, 0.95)}
    else:
        await asyncio.sleep(given.seconds)
    found |= {"frames": counter.frames, "bytes": counter.bytes}
    print(json.dumps(found), flush=True)
    for task in tasks:
        task.cancel()


if __name__ == "__main__":
    asyncio.run(main())
