"""A Jupyter server over simulated GPUs, with one GPU extension or none, and what it costs."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

from harness.ports import free_port
from simulator import read_calls

if TYPE_CHECKING:
    from simulator import Host

TOKEN = "benchmark"
_START_TIMEOUT_S = 60.0
_QUIET_SECONDS, _QUIET_CPU_S = 3, 0.01


class JupyterServer:
    """A server in a process of its own.

    Args:
        folder: an empty folder for its files.
        host: the simulated GPUs.
        extension: the server extension that is on; None for none.
        places: folders that go before others on Python's path.
    """

    def __init__(
        self, folder: Path, host: Host, extension: str | None, places: tuple[Path, ...]
    ) -> None:
        folder.mkdir()
        self._calls = folder / "calls"
        port = free_port()
        self.address = f"127.0.0.1:{port}"
        extensions = {extension: True} if extension else {}
        self._log = (folder / "log").open("w")
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root"),
                *(f"--port={port}", "--ServerApp.port_retries=0", "--ServerApp.ip=127.0.0.1"),
                f"--IdentityProvider.token={TOKEN}",
                f"--ServerApp.jpserver_extensions={extensions!r}",
                f"--ServerApp.root_dir={folder}",
            ],
            env={
                **os.environ,
                **host.environment,
                "GPUDOCK_SIMULATOR_CALLS": str(self._calls),
                "JUPYTER_CONFIG_DIR": str(folder / "config"),
                "JUPYTER_CONFIG_PATH": "",
                "PYTHONPATH": os.pathsep.join(map(str, places)),
            },
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while True:
            try:
                urllib.request.urlopen(f"http://{self.address}/api", timeout=5).close()
                return
            except (urllib.error.URLError, ConnectionError):
                if time.monotonic() > deadline or self._process.poll() is not None:
                    self.close()
                    raise RuntimeError(
                        f"The Jupyter server did not start:\n{Path(self._log.name).read_text()}"
                    ) from None
                time.sleep(0.1)

    def cpu_s(self) -> float:
        """Seconds of processor time that the server and its programs have taken so far."""
        pid = self._process.pid
        # The number that clock_getcpuclockid(3) gives for a process: exact where /proc has ticks.
        return sum(time.clock_gettime((~each << 3) | 2) for each in (pid, *_programs_of(pid)))

    def come_to_rest(self) -> None:
        """Wait until what a start leaves to be done is done."""
        deadline = time.monotonic() + _START_TIMEOUT_S
        quiet = 0
        while quiet < _QUIET_SECONDS and time.monotonic() < deadline:
            before = self.cpu_s()
            time.sleep(1)
            quiet = quiet + 1 if self.cpu_s() - before < _QUIET_CPU_S else 0

    def nvml_calls(self) -> int:
        """NVML calls that it has made so far."""
        return sum(read_calls(self._calls).values()) if self._calls.exists() else 0

    def close(self) -> None:
        """End the server."""
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()


def _programs_of(pid: int) -> list[int]:
    """Return the PIDs of the processes that a process has started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has just ended
            # The name, in parentheses, may have spaces.
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            if parent == pid:
                found.append(int(stat.parent.name))
    return found
