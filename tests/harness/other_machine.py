"""A machine with a Docker Engine that is in use, and people who come from elsewhere.

Both are network namespaces, so that the machine that the tests run on does not notice.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from gpudock.deploy import docker_api, engine_packages, namespace
from harness.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

MACHINE, PEOPLE = "gd-machine", "gd-people"
ADDRESS, CLIENT_ADDRESS = "10.9.8.1", "10.9.8.2"
PORT = 9000
_SERVE = f"import http.server as h; h.test(h.SimpleHTTPRequestHandler, port={PORT}, bind='0.0.0.0')"
_WATCH = f"""
import socket, sys, time
while True:
    try:
        with socket.create_connection(("{ADDRESS}", {PORT}), 2) as connection:
            connection.sendall(b"HEAD / HTTP/1.0\\r\\n\\r\\n")
            print("answers" if connection.recv(9) else "closed", flush=True)
    except OSError as error:
        print(f"{{type(error).__name__}}: {{error}}", flush=True)
    time.sleep(0.02)
"""


class OtherMachine:
    """The machine: its engine runs a container that publishes a port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        prefix = engine_packages.newest()
        assert prefix is not None, "the tests' engine brings the programs"
        self.environ = prefix.environ(os.environ)
        self.socket = folder / "docker.sock"

    def run(self, *command: str, where: str | None = MACHINE) -> str:
        """Run a command on the machine, or elsewhere, and return its output."""
        words = [*(namespace.enter(where) if where else []), *command]
        done = subprocess.run(words, env=self.environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def traces(self) -> dict[str, list[str]]:
        """What a further engine could leave on the machine and in the file system."""
        rules = [
            line.split("[")[0]
            for line in self.run("iptables-save").splitlines()
            if not line.startswith("#")
        ]
        return {
            "rules": rules,
            "links": sorted(link["ifname"] for link in json.loads(self.run("ip", "-json", "link"))),
            "namespaces": sorted(path.name for path in namespace.NAMESPACES.iterdir()),
            "mounts": sorted(
                line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()
            ),
        }

    @contextlib.contextmanager
    def watched(self) -> Iterator[list[str]]:
        """Connect to the container's port from elsewhere again and again.

        Yields:
            What happened each time, from the first answer on; it is filled after the block.
        """
        seen: list[str] = []
        with tempfile.TemporaryFile("w+") as log:
            watcher = subprocess.Popen(
                [*namespace.enter(PEOPLE), sys.executable, "-c", _WATCH], stdout=log
            )
            try:
                wait_for(lambda: log.seek(0) == 0 and "answers" in log.read(), "it is watched")
                yield seen
            finally:
                watcher.terminate()
                watcher.wait()
            log.seek(0)
            said = log.read().splitlines()
            seen += said[said.index("answers") :]

    def _connect(self) -> None:
        for name in (MACHINE, PEOPLE):
            self.run("ip", "netns", "add", name, where=None)
            self.run("ip", "link", "set", "lo", "up", where=name)
        self.run(
            *("ip", "link", "add", "street", "type", "veth"),
            *("peer", "name", "street", "netns", PEOPLE),
        )
        for where, address in ((MACHINE, ADDRESS), (PEOPLE, CLIENT_ADDRESS)):
            self.run("ip", "address", "add", f"{address}/24", "dev", "street", where=where)
            self.run("ip", "link", "set", "street", "up", where=where)

    def _configuration(self) -> Path:
        options = {
            "hosts": [f"unix://{self.socket}"],
            "data-root": str(self.folder / "data"),
            "exec-root": str(self.folder / "exec"),
            "pidfile": str(self.folder / "pid"),
        }
        file = self.folder / "daemon.json"
        file.write_text(json.dumps(options))
        return file

    @contextlib.contextmanager
    def in_use(self) -> Iterator[OtherMachine]:
        """The machine, with its engine and its container, until the block ends."""
        with contextlib.ExitStack() as end:
            for name in (MACHINE, PEOPLE):
                end.callback(subprocess.run, ["ip", "netns", "delete", name], env=self.environ)
            self._connect()
            with (self.folder / "log").open("w") as log:
                engine = subprocess.Popen(
                    [*namespace.enter(MACHINE), "dockerd", "--config-file", self._configuration()],
                    env=self.environ, stdout=log, stderr=log,
                )  # fmt: skip
            end.callback(engine.wait, 60)
            end.callback(engine.terminate)
            wait_for(self._answers, f"an engine starts, see {self.folder}/log", 60)
            # An image of nothing, with this machine's programs: there is no registry.
            self.run(
                "bash", "-c", f"tar -c -T /dev/null | {' '.join(self._docker())} import - none"
            )
            folders = {"/usr": "/usr", "/lib": "/lib", "/lib64": "/lib64"}
            folders[sys.base_prefix] = sys.base_prefix
            self.run(
                *self._docker(), "run", "--detach", "--rm", "--name", "web",
                f"--publish={PORT}:{PORT}",
                *(f"--volume={Path(here).resolve()}:{there}:ro" for there, here in folders.items()),
                "none", f"{sys.base_prefix}/bin/python3", "-c", _SERVE,
            )  # fmt: skip
            end.callback(self.run, *self._docker(), "rm", "--force", "web")
            yield self

    def _docker(self) -> list[str]:
        return ["docker", "--host", f"unix://{self.socket}"]

    def _answers(self) -> bool:
        with contextlib.suppress(OSError, docker_api.ApiError):
            docker_api.call(self.socket, "GET", "/_ping")
            return True
        return False
