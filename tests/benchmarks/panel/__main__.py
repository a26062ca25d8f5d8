"""``make bench``, the panel's part: CPU, bytes and NVML calls beside jupyterlab-nvdashboard.

Both run in turns over the same simulated GPUs, so ratios mean something; milliseconds are this
machine's.
"""

from __future__ import annotations

import argparse
import dataclasses
import gzip
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from benchmarks.panel.server import JupyterServer
from benchmarks.report import NothingMeasuredError
from harness.panel_server import install_extension
from simulator import Gpu, Host, Process, Wave

PROJECT = Path(__file__).parents[3]
EXTENSION = PROJECT / "extensions" / "jupyterlab-gpudock"
GPUS = 8
CLIENTS = (1, 10, 50)
SLOW_CALL_MS = 20
RIVAL = "jupyterlab-nvdashboard==0.15.*"
MAX_CPU_RATIO, MAX_BYTES_RATIO = 0.1, 0.2
MAX_DELAY_MS, MAX_START_MS, MAX_FRONT_END_KB = 10.0, 30.0, 60.0


@dataclasses.dataclass(frozen=True)
class Case:
    """A way to watch the GPUs."""

    name: str
    extension: str
    kind: str
    interval_ms: int


OURS = Case("gpudock, 1 s", "jupyterlab_gpudock", "gpudock", 1000)
RIVAL_AS_SHIPPED = Case("nvdashboard, 100 ms", "jupyterlab_nvdashboard", "nvdashboard", 100)
RIVAL_AT_1_S = Case("nvdashboard, 1 s", "jupyterlab_nvdashboard", "nvdashboard", 1000)


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a number of clients costs, each second."""

    case: str
    clients: int
    cpu_percent: float
    """Of one processor, above the idle server."""
    bytes: float
    frames: float
    """What reached the clients; fewer than they asked for where something did not keep up."""
    nvml_calls: float


@dataclasses.dataclass(frozen=True)
class Delay:
    """How long the server's own ``GET /api`` takes while NVML is slow."""

    case: str
    clients: int
    p50_ms: float
    p95_ms: float


class Bench:
    """Holds what all cases share.

    Args:
        folder: an empty folder.
        seconds: how long each figure is measured.
    """

    def __init__(self, folder: Path, seconds: float) -> None:
        self._folder = folder
        self._seconds = seconds
        self._servers = 0
        self.ours = folder / "ours"
        install_extension(PROJECT, self.ours)
        self.rival = folder / "rival"
        subprocess.run(
            [
                *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", RIVAL),
                *("--dest", str(self.rival)),
            ],
            check=True,
        )
        (wheel,) = self.rival.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(self.rival)
        self.host = Host(folder / "host").create(*map(_busy_gpu, range(GPUS)))

    def server(self, case: Case) -> JupyterServer:
        """A fresh server with the case's extension."""
        self._servers += 1
        folder = self._folder / f"server-{self._servers}"
        return JupyterServer(folder, self.host, case.extension, (self.ours, self.rival))

    def costs(self, case: Case) -> list[Cost]:
        """What the case costs for each number of clients."""
        server = self.server(case)
        try:
            server.come_to_rest()
            began = server.cpu_s()
            time.sleep(self._seconds)
            idle = (server.cpu_s() - began) / self._seconds
            return [self._cost(case, server, clients, idle) for clients in CLIENTS]
        finally:
            server.close()

    def _cost(self, case: Case, server: JupyterServer, clients: int, idle: float) -> Cost:
        watching = self._watch(case, server, clients)
        cpu, calls, began = server.cpu_s(), server.nvml_calls(), time.monotonic()
        watching.stdin.write("go\n")
        watching.stdin.flush()
        counted = json.loads(watching.stdout.readline())
        took = time.monotonic() - began
        cpu, calls = server.cpu_s() - cpu, server.nvml_calls() - calls
        watching.communicate(timeout=60)
        cost = Cost(
            case.name,
            clients,
            cpu_percent=100 * (cpu / took - idle),
            bytes=counted["bytes"] / took,
            frames=counted["frames"] / took,
            nvml_calls=calls / took,
        )
        print(
            f"{cost.case:22}{cost.clients:4} clients {cost.cpu_percent:8.2f} % CPU"
            f" {cost.bytes / 1000:9.1f} kB/s {cost.frames:7.0f} frames/s"
            f" {cost.nvml_calls:8.0f} NVML calls/s",
            flush=True,
        )
        return cost

    def delays(self, case: Case, clients: int) -> Delay:
        """How long ``GET /api`` takes while each NVML call takes 20 ms."""
        server = self.server(case)
        try:
            # Slow only from here on: a rival that opens NVML at its start would start for minutes.
            self.host.simulator.update_system(slow={"*": SLOW_CALL_MS})
            watching = self._watch(case, server, clients, "--ping")
            output, _ = watching.communicate("go\n", timeout=300)
            counted = json.loads(output)
        finally:
            self.host.simulator.update_system(slow={})
            server.close()
        delay = Delay(case.name, clients, counted["p50_ms"], counted["p95_ms"])
        print(
            f"{delay.case:22}{delay.clients:4} clients: GET /api p50 {delay.p50_ms:.1f} ms,"
            f" p95 {delay.p95_ms:.1f} ms",
            flush=True,
        )
        return delay

    def _watch(
        self, case: Case, server: JupyterServer, clients: int, *more: str
    ) -> subprocess.Popen[str]:
        watching = subprocess.Popen(
            [
                *(sys.executable, "-m", "benchmarks.panel.clients", server.address, case.kind),
                *(str(clients), str(self._seconds), f"--interval-ms={case.interval_ms}", *more),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        said = watching.stdout.readline()
        assert said == "ready\n", f"the clients of {case.name} did not get their first readings"
        return watching


def _busy_gpu(number: int) -> Gpu:
    """A GPU that works: all its numbers move, as in a training."""
    return Gpu.of_model(
        "A100",
        utilization=Wave(40, 99, period_s=7 + number),
        temperature=Wave(50, 75, period_s=40 + number),
        power=Wave(120, 390, period_s=9 + number),
        memory_used_mib=Wave(20_000, 30_000, period_s=30 + number),
        clock_sm=Wave(1200, 1410, period_s=11 + number),
        processes=(Process(os.getpid(), 20_000, name="python train.py"),),
    )


def start_cost_ms(rounds: int = 5) -> float:
    """Milliseconds of processor time that loading the extension adds to a server's start."""
    code = (
        "import time, jupyter_server.serverapp, jupyter_server.extension.application\n"
        "began = time.process_time()\n"
        "import jupyterlab_gpudock.app.extension\n"
        "print(1000 * (time.process_time() - began))"
    )
    took = [
        float(subprocess.check_output([sys.executable, "-c", code], cwd=EXTENSION, text=True))
        for _ in range(rounds + 1)
    ]
    return statistics.median(took[1:])  # the first one may compile


def front_end_kb(folder: Path) -> float:
    """Return the size of a front end's scripts, gzipped, in kB.

    Raises:
        NothingMeasuredError: the front end is not there.
    """
    scripts = [script for script in folder.rglob("*.js") if "static" in script.parts]
    if not scripts:
        raise NothingMeasuredError(f"There is no built front end in {folder}.")
    return sum(len(gzip.compress(script.read_bytes(), 9)) for script in scripts) / 1000


def judge(found: dict) -> list[str]:
    """What is worse than promised, as sentences.

    Raises:
        NothingMeasuredError: clients got nothing, so that nothing they cost was measured.
    """
    for cost in found["costs"]:
        if not cost["frames"]:
            raise NothingMeasuredError(f"{cost['case']}: {cost['clients']} clients got nothing.")
    costs = {(cost["case"], cost["clients"]): cost for cost in found["costs"]}
    worse = []
    for clients in CLIENTS:
        ours, shipped, slow = (
            costs[case.name, clients] for case in (OURS, RIVAL_AS_SHIPPED, RIVAL_AT_1_S)
        )
        for what, most in (("cpu_percent", MAX_CPU_RATIO), ("bytes", MAX_BYTES_RATIO)):
            if ours[what] > most * shipped[what]:
                worse.append(f"{clients} clients: {what} is more than {most} of nvdashboard's.")
            if ours[what] >= slow[what]:
                worse.append(f"{clients} clients: {what} is not less than nvdashboard's at 1 s.")
    calls = [costs[OURS.name, clients]["nvml_calls"] for clients in CLIENTS]
    if max(calls) > 1.25 * min(calls):
        worse.append(f"NVML calls depend on the number of clients: {calls}.")
    worse += [
        f"GET /api takes {delay['p95_ms']:.1f} ms (p95) with {delay['clients']} clients."
        for delay in found["delays"]
        # With no client there is no reading: that row only says what the machine itself adds.
        if delay["case"] == OURS.name and delay["clients"] and delay["p95_ms"] >= MAX_DELAY_MS
    ]
    if found["start_ms"] > MAX_START_MS:
        worse.append(f"Loading the extension takes {found['start_ms']:.1f} ms.")
    size = found["front_end_kb"]["gpudock"]
    if size > MAX_FRONT_END_KB:
        worse.append(f"The front end has {size:.1f} kB.")
    return worse


def main() -> int:
    """Run the benchmark; 1 if, with ``--check``, a bound does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="for each figure")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    parser.add_argument("--check", action="store_true", help="fail where a bound does not hold")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), given.seconds)
        costs = [
            cost for case in (OURS, RIVAL_AT_1_S, RIVAL_AS_SHIPPED) for cost in bench.costs(case)
        ]
        delays = [
            bench.delays(case, clients)
            for case, clients in ((OURS, 0), (OURS, 1), (OURS, 10), (RIVAL_AT_1_S, 1))
        ]
        sizes = {
            "gpudock": front_end_kb(bench.ours),
            "nvdashboard": front_end_kb(bench.rival),
        }
    found = {
        "machine": (
            f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}"
        ),
        "load": os.getloadavg()[0],
        "seconds": given.seconds,
        "costs": [dataclasses.asdict(cost) for cost in costs],
        "delays": [dataclasses.asdict(delay) for delay in delays],
        "start_ms": start_cost_ms(),
        "front_end_kb": sizes,
    }
    print(f"loading the extension: {found['start_ms']:.1f} ms of processor time")
    print(f"front end, gzipped: {sizes} kB")
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n")
    worse = judge(found)
    for sentence in worse:
        print(f"Worse than promised: {sentence}")
    return 1 if given.check and worse else 0


if __name__ == "__main__":
    sys.exit(main())
