"""Starts hubs, and their desks, by forking a process that has imported all of them already.

Importing takes most of a hub's start, and the tests start many. What is forked is a process of its
own: it has its own settings and files, and can be killed. Run as a program, it reads
one JSON object per line (``program``, ``arguments``, ``directory``, ``log``, ``environ``) and
answers with a process id.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib
import json
import os
import random
import select
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_IMPORTS = (
    "alembic.command",
    "docker",
    "gpudock.hub.accounts",
    "gpudock.desk.__main__",
    "gpudock.config.settings",
    "gpudock.spawner",
    "gpudock.store.migrations",
    "jupyterhub.app",
    "jupyterhub.proxy",
    "harness.file_proxy",
)


@dataclass(frozen=True)
class Process:
    """A hub's process; its end can be waited for."""

    pid: int
    descriptor: int

    def runs(self, wait: float = 0.0) -> bool:
        """Return whether it still runs after *wait* seconds."""
        return not select.select([self.descriptor], [], [], wait)[0]

    def end(self, how: signal.Signals, patience: float = 30.0) -> None:
        """Send it a signal and wait until it has ended."""
        if self.runs():
            signal.pidfd_send_signal(self.descriptor, how)
        assert not self.runs(patience), f"the hub did not end within {patience:.0f} s of {how.name}"
        os.close(self.descriptor)


class Forge:
    """The process that is forked, seen from the tests."""

    def __init__(self) -> None:
        root = Path(__file__).parents[2]
        paths = [str(root / "spawner"), str(root / "tests")]
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "harness.forge"],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        atexit.register(self._process.stdin.close)

    @classmethod
    @functools.cache
    def instance(cls) -> Forge:
        """Return the one of this test process."""
        return cls()

    def start(self, **order: Any) -> Process:
        """Start a program; see the module's text for what an order has."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            pid = int(self._process.stdout.readline())
        return Process(pid, os.pidfd_open(pid))


def _become(order: dict[str, Any]) -> None:
    os.chdir(order["directory"])
    os.environ.clear()
    os.environ.update(order["environ"])
    log = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    random.seed()
    sys.argv = [order["program"], *order["arguments"]]
    importlib.import_module(order["program"]).main()


def main() -> None:
    """Serve orders until there are no more."""
    for module in _IMPORTS:
        importlib.import_module(module)
    # Nobody collects the children: its starter watches it by a descriptor.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    started = []
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _become(order)
            # As any program ends: it waits for its threads.
            sys.exit()
        started.append(os.pidfd_open(pid))
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()
    # The tests are over, perhaps because somebody killed them: no hub outlives them.
    for descriptor in started:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)


if __name__ == "__main__":
    main()
