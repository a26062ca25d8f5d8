"""The Docker client with Compose and buildx: the machine's own, or Debian's."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gpudock.deploy import engine_packages, output

MIN_COMPOSE = (2, 24)


@dataclass(frozen=True)
class Tools:
    """How to call the Docker client on one engine.

    Attributes:
        docker: the client's path.
        environ: its environment, which names the engine and the plugins.
    """

    docker: Path
    environ: Mapping[str, str]

    def run(
        self, *arguments: str | Path, timeout: float | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the client and return its result, whatever the exit status."""
        return subprocess.run(
            [self.docker, *arguments],
            env=dict(self.environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )


@dataclass(frozen=True)
class Compose:
    """Docker Compose on the lab's own file.

    Attributes:
        tools: the Docker client.
        root: the folder with the Compose file.
        environ: the settings that the Compose file reads.
    """

    tools: Tools
    root: Path
    environ: Mapping[str, str]

    def start(self, *arguments: str, stdout: int | None = subprocess.PIPE) -> subprocess.Popen[str]:
        """Start a Compose command, by default with its output and errors in one pipe.

        Args:
            arguments: the command.
            stdout: where its output goes, as for ``Popen``; ``None``: to the terminal.
        """
        return subprocess.Popen(
            [self.tools.docker, "compose", *arguments],
            cwd=self.root,
            env={**self.environ, **self.tools.environ},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.STDOUT if stdout is not None else None,
            text=True,
            errors="replace",
        )

    def run(self, *arguments: str) -> tuple[int, str]:
        """Run a Compose command and return its exit status and output."""
        with self.start(*arguments) as process:
            text, _ = process.communicate()
        return process.returncode, text

    def show(self, *arguments: str) -> int:
        """Run a Compose command on the terminal and return its exit status."""
        with self.start(*arguments, stdout=None) as process:
            return process.wait()


def find_tools(socket: Path, environ: Mapping[str, str] | None = None) -> Tools:
    """Return the Docker client for the engine at a socket.

    Raises:
        ProblemError: this machine lacks Compose or buildx, and they cannot be downloaded.
    """
    base = dict(os.environ if environ is None else environ)
    for name in ("DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
        base.pop(name, None)
    base |= {"DOCKER_HOST": f"unix://{socket}", "BUILDKIT_PROGRESS": "plain"}
    own = shutil.which("docker", path=base.get("PATH"))
    if own is not None:
        tools = Tools(Path(own), base)
        if _complete(tools):
            return tools
    if engine_packages.newest() is None:
        output.step("The Docker client of this machine lacks Compose 2.24 or buildx")
    prefix = engine_packages.obtain(base)
    settings = prefix.client_settings / "config.json"
    users_settings = Path(base.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"
    settings.unlink(missing_ok=True)
    if users_settings.exists():
        settings.symlink_to(users_settings.resolve())
    return Tools(
        prefix.programs / "docker",
        prefix.environ(base) | {"DOCKER_CONFIG": str(prefix.client_settings)},
    )


def _complete(tools: Tools) -> bool:
    """Return whether the client has buildx and a recent Compose."""
    found = _version(tools, ("compose", "version", "--short"))
    return found >= MIN_COMPOSE and tools.run("buildx", "version").returncode == 0


def _version(tools: Tools, arguments: Sequence[str]) -> tuple[int, ...]:
    done = tools.run(*arguments)
    numbers = re.match(r"v?(\d+)\.(\d+)", done.stdout.strip())
    if done.returncode != 0 or numbers is None:
        return ()
    return int(numbers[1]), int(numbers[2])
