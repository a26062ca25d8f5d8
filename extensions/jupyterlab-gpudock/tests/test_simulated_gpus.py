"""The reader and a real server over the simulated NVML: a C library under nvidia-ml-py itself."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.websocket import websocket_connect

from gpudock_nvml.simulated import STATE_FILE

PACKAGE = Path(__file__).parents[1]
SIMULATOR = PACKAGE.parents[1] / "tests" / "simulator"

pytestmark = [
    pytest.mark.skipif(not SIMULATOR.is_dir(), reason="the simulated NVML is not in this checkout"),
    pytest.mark.skipif(not shutil.which("cc"), reason="the simulated NVML needs a C compiler"),
]

READER = """
import json, sys
from dataclasses import asdict
from jupyterlab_gpudock.nvml.reader import GPUReader
from jupyterlab_gpudock.nvml.watchdog import WatchdogReader
now = 0.0
reader = WatchdogReader(GPUReader(clock=lambda: now))
for line in sys.stdin:
    now += float(line)
    print(json.dumps(asdict(reader.read())), flush=True)
"""


@pytest.fixture
def simulator(monkeypatch):
    monkeypatch.syspath_prepend(str(SIMULATOR.parent))
    return __import__("simulator")


@pytest.fixture
def host(simulator, tmp_path):
    host = simulator.Host(tmp_path / "host")
    return host.create(
        simulator.Gpu.of_model("A100", utilization=87, temperature=64, power=283.4),
        simulator.Gpu.of_model("T4", slices=()),
    )


class Reader:
    """The reader in a process with the simulated library, read when the test wants."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", READER],
            cwd=PACKAGE,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def read(self, seconds_later: float = 0.0) -> dict:
        self._process.stdin.write(f"{seconds_later}\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def read_until(self, state: str) -> dict:
        """The library looks at its state file a few times a second: read until it has seen it."""
        deadline = time.monotonic() + 10
        while (reading := self.read(10.0))["state"] != state:
            assert time.monotonic() < deadline, f"still {reading['state']}, not {state}"
            time.sleep(0.02)
        return reading

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


@pytest.fixture
def reader(host):
    reader = Reader(host.environment)
    yield reader
    reader.close()


def test_nvidias_own_python_bindings_give_the_numbers(reader):
    reading = reader.read()
    assert (reading["state"], reading["driver"], reading["driver_cuda"]) == (
        "ok",
        "550.163.01",
        "12.4",
    )
    a100, t4 = reading["gpus"]
    assert (a100["name"], t4["name"]) == ("NVIDIA A100-SXM4-40GB", "Tesla T4")
    assert (a100["utilization_percent"], a100["temperature_c"]) == (87, 64)
    assert (a100["power_w"], a100["power_limit_w"]) == (283.4, 400.0)
    assert a100["memory_total_mib"] == 40960
    assert a100["uuid"].startswith("GPU-")


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        ("driver_not_loaded", "no_driver"),
        ("version_mismatch", "version_mismatch"),
        ("unknown", "lost"),
    ],
)
def test_a_fault_of_the_driver_is_reported_and_forgotten_when_it_goes_away(
    reader, host, fault, state
):
    assert reader.read()["state"] == "ok"
    host.simulator.update_system(fault=fault)
    assert reader.read_until(state)["detail"]
    host.simulator.update_system(fault=None)
    assert len(reader.read_until("ok")["gpus"]) == 2


def test_a_server_without_devices_has_no_gpu(reader, host):
    for node in ("nvidia0", "nvidia1"):
        host.hide(node)
    assert reader.read()["state"] == "no_gpu"


def test_only_the_lost_gpu_is_reported_as_lost(reader, host):
    reader.read()
    host.simulator.update(0, fault="lost")
    host.simulator.update(1, fault="unknown")
    assert [gpu["state"] for gpu in reader.read_until("lost")["gpus"]] == ["lost", "lost"]
    host.simulator.update(1, fault=None)
    reading = reader.read_until("ok")
    assert [gpu["state"] for gpu in reading["gpus"]] == ["lost", "ok"]
    assert reading["gpus"][0]["name"] == "NVIDIA A100-SXM4-40GB"


def test_mig_slices_are_reported_with_profile_and_memory(simulator, tmp_path):
    host = simulator.Host(tmp_path / "host").create(
        simulator.Gpu.of_model("A100", slices=("1g.5gb", "2g.10gb"))
    )
    reader = Reader(host.environment)
    gpus = reader.read()["gpus"]
    reader.close()
    assert [(gpu["mig_profile"], gpu["index"]) for gpu in gpus] == [
        ("1g.5gb", "0:0"),
        ("2g.10gb", "0:1"),
    ]
    assert all(gpu["uuid"].startswith("MIG-") for gpu in gpus)
    assert gpus[0]["memory_total_mib"] < gpus[1]["memory_total_mib"]


@pytest.fixture
def server(host, tmp_path, free_port):
    """A Jupyter server in a process of its own, over the simulated GPUs."""
    calls = tmp_path / "calls"
    log = tmp_path / "server.log"
    config = tmp_path / "config"
    config.mkdir()
    environment = {
        **os.environ,
        **host.environment,
        "GPUDOCK_SIMULATOR_CALLS": str(calls),
        "JUPYTER_CONFIG_DIR": str(config),
        "PYTHONPATH": str(PACKAGE),
    }
    with log.open("w") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root"),
                *(f"--port={free_port}", "--ServerApp.port_retries=0"),
                "--IdentityProvider.token=secret",
                "--ServerApp.jpserver_extensions={'jupyterlab_gpudock': True}",
                f"--ServerApp.root_dir={tmp_path}",
            ],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    yield f"localhost:{free_port}", calls
    process.terminate()
    process.wait(20)
    print(log.read_text())


@pytest.fixture
def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def test_nvml_is_read_as_often_for_ten_clients_as_for_one(server, simulator, until):
    address, calls = server
    client = AsyncHTTPClient()
    deadline = time.monotonic() + 60
    while True:
        try:
            await client.fetch(f"http://{address}/api")
            break
        except OSError:
            assert time.monotonic() < deadline, "the server did not start"
            await asyncio.sleep(0.1)

    async def calls_for_each_reading(clients: int) -> float:
        request = HTTPRequest(
            f"ws://{address}/gpudock/api/stream", headers={"Authorization": "token secret"}
        )
        sockets = [await websocket_connect(request) for _ in range(clients)]
        for connection in sockets:
            frame = json.loads(await asyncio.wait_for(connection.read_message(), 10))
        first, counted = frame["sequence"], sum(simulator.read_calls(calls).values())
        while frame["sequence"] < first + 4:
            frame = json.loads(await asyncio.wait_for(sockets[-1].read_message(), 10))
        counted = sum(simulator.read_calls(calls).values()) - counted
        for connection in sockets:
            connection.close()
        return counted / (frame["sequence"] - first)

    one = await calls_for_each_reading(1)
    ten = await calls_for_each_reading(10)
    assert 0 < one <= 2 * 9, "two GPUs need at most nine calls each"
    # The devices are listed again every ten seconds, which adds to a few of the readings.
    assert ten <= 2 * one


def test_one_gpu_that_hangs_keeps_no_other_from_being_read(host, reader):
    def states() -> list[str]:
        return [gpu["state"] for gpu in reader.read()["gpus"]]

    def wait_for(wanted: list[str]) -> None:
        deadline = time.monotonic() + 20
        while (seen := states()) != wanted:
            assert time.monotonic() < deadline, seen

    assert states() == ["ok", "ok"]
    host.simulator.update(0, fault="hanging")
    wait_for(["hanging", "ok"])
    host.simulator.update(0, fault=None)
    wait_for(["ok", "ok"])


def test_clocks_throttling_and_processes_come_from_nvml(reader, host, simulator):
    host.simulator.update(
        0,
        throttle=("sw_power_cap",),
        processes=(
            simulator.Process(os.getpid(), 1500, name="python train.py"),
            simulator.Process(4_000_000, 900, type="mps"),
        ),
    )
    deadline = time.monotonic() + 10
    while not (gpu := reader.read()["gpus"][0])["processes"]:
        assert time.monotonic() < deadline
    assert gpu["throttle"] == ["sw_power_cap"]
    assert gpu["compute_capability"] == "8.0"
    assert gpu["memory_clock_mhz"] <= gpu["memory_clock_max_mhz"]
    assert [(each["pid"], each["kind"], each["memory_mib"]) for each in gpu["processes"]] == [
        (os.getpid(), "compute", 1500),
        (4_000_000, "mps", 900),
    ]
    assert gpu["pcie"]["generation_max"] == 4


def test_the_panel_looks_where_containers_have_the_state(simulator):
    from simulator.cdi import STATE_IN_CONTAINER

    state = simulator.Simulator(Path(STATE_IN_CONTAINER)).state_file
    assert state == STATE_FILE
