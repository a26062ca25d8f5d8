"""The agent as a process of its own, over the simulated NVML."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

from simulator import Gpu, Simulator, System, build_library

TOKEN = "a-token-for-tests-only"
_SOURCES = Path(__file__).parents[3] / "spawner"
_LISTENING = re.compile(r"listening on (\S+:\d+)")


def wait_until(condition, what, seconds=20.0):
    """Return the condition's first true value; fail when there is none in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited {seconds:g} s without success for: {what}")


class SimulatedHost:
    """A host with simulated GPUs, whose nodes are plain files."""

    def __init__(self, directory: Path, gpus: list[Gpu], system: System | None = None) -> None:
        self.simulator = Simulator(directory / "state").create(gpus, system)
        self._devices = directory / "dev"
        (self._devices / "nvidia-caps").mkdir(parents=True)
        self.show()

    def show(self) -> None:
        """Make the nodes of all devices that the state has."""
        nodes = ["nvidiactl", *(f"nvidia{gpu.index}" for gpu in self.simulator.gpus)]
        for piece in (piece for gpu in self.simulator.gpus for piece in gpu.slices):
            numbers = (piece.gpu_instance_capability, piece.compute_instance_capability)
            nodes.extend(f"nvidia-caps/nvidia-cap{number}" for number in numbers)
        for node in nodes:
            (self._devices / node).touch()

    @property
    def environment(self) -> dict[str, str]:
        """Variables that make a process see the simulated GPUs."""
        return {
            "LD_LIBRARY_PATH": str(build_library().parent),
            "GPUDOCK_SIMULATOR_STATE": str(self.simulator.state_file),
            "GPUDOCK_SIMULATOR_DEV": str(self._devices),
        }


class Agent:
    """A running ``python -m gpudock.agent``."""

    def __init__(self, environment, *arguments, listen="127.0.0.1:0", interval=0.1):
        self.lines: list[str] = []
        command = [sys.executable, "-m", "gpudock.agent", "--listen", listen, "--host", "node1"]
        self.process = subprocess.Popen(
            [*command, "--interval", str(interval), "--host-pids", "yes", *arguments],
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(_SOURCES),
                "GPUDOCK_AGENT_TOKEN": TOKEN,
                **{name: value for name, value in environment.items() if name != "PYTHONPATH"},
            },
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reading = threading.Thread(target=self._read_log, daemon=True)
        self._reading.start()
        self.address = wait_until(self._listening, "the agent to listen")
        self.url = f"http://{self.address}"

    def _read_log(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)

    def _listening(self) -> str | None:
        if self.process.poll() is not None:
            self._reading.join(5)
            raise AssertionError("the agent ended: " + self.log)
        match = _LISTENING.search(self.log)
        return match.group(1) if match else None

    @property
    def log(self) -> str:
        """All that the agent has logged."""
        return "".join(self.lines)

    def get(self, path, token=TOKEN, *, method="GET", timeout=20.0):
        """Ask; return status and body."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        request = urllib.request.Request(self.url + path, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def inventory(self, query="") -> dict:
        """Ask for the inventory."""
        status, body = self.get("/v1/inventory" + query)
        assert status == 200, body
        return json.loads(body)

    def wait_for(self, condition, what):
        """Wait for an inventory that fulfills the condition, and return it."""
        return wait_until(
            lambda: (lambda now: now if condition(now) else None)(self.inventory()), what
        )

    def first_reading(self):
        """Wait for the first inventory with a reading."""
        return self.wait_for(lambda now: now["age"] is not None, "the first reading")

    def end(self, seconds=10.0) -> int:
        """Send SIGTERM and return the exit status."""
        self.process.terminate()
        status = self.process.wait(seconds)
        self._reading.join(seconds)
        return status

    def kill(self) -> None:
        """Kill it."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait(10)


@contextlib.contextmanager
def running_agent(host: SimulatedHost | None, *arguments, **options):
    """Run an agent; show its log when the test fails."""
    agent = Agent(host.environment if host else {}, *arguments, **options)
    try:
        yield agent
    finally:
        agent.kill()
        print("--- log of the agent\n" + agent.log)
