"""What README and docs tell administrators to type works as it is written there."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from gpudock.deploy.tools import Compose, find_tools
from harness.lab import ADMIN_PASSWORD, PORT, PROJECT, ROOT, SOCKET

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.lab import Lab

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMAND = re.compile(r"^docker compose (exec hub .+?)(?:\s+#.*)?$", re.M)
COMMANDS = sorted({line for page in PAGES for line in COMMAND.findall(page.read_text())})
# Neither the settings of this run nor the flags of the make that began it: an administrator's
# shell has none of them, and with flags passed on make prints which folder it works in.
FOREIGN = ("GPUDOCK_", "MAKE", "MFLAGS")
ENVIRON = {
    **{name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)},
    "COMPOSE_PROJECT_NAME": PROJECT,
    "GPUDOCK_DOCKER_SOCKET": str(SOCKET),
    "GPUDOCK_PORT": str(PORT),
    "GPUDOCK_ADMIN_PASSWORD": ADMIN_PASSWORD,
    "GPUDOCK_CA_BUNDLE": "/dev/null",
}


@pytest.fixture(scope="module")
def compose(lab: Lab) -> Iterator[Compose]:
    compose = Compose(find_tools(SOCKET, ENVIRON), ROOT, ENVIRON)
    yield compose
    words = ["gpudock", "quota", "unset", "default", "max_gpus"]
    status, said = compose.run("exec", "--no-TTY", "hub", *words)
    assert status == 0, said


def in_this_folder(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=ROOT, env=ENVIRON, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip


def test_the_pages_have_commands():
    assert len(COMMANDS) >= 4


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_documentation_works(compose, command):
    verb, *words = shlex.split(command)
    status, said = compose.run(verb, "--no-TTY", *words)
    assert status == 0, said
    assert "denied" not in said


def test_make_runs_the_command_line(lab):
    done = in_this_folder("make", "--silent", "gpudock", "ARGS=--json gpu list")
    assert done.returncode == 0, done.stdout
    assert len(json.loads(done.stdout)) == len(lab.simulator.gpus)
    done = in_this_folder("make", "--silent", "gpudock", "ARGS=gpu forget GPU-none")
    assert done.returncode != 0
    assert "did not succeed; the lines above say why" in done.stdout


def test_the_doctor_in_the_hub_asks_the_engine_that_the_hub_uses(compose):
    _, said = compose.run("exec", "--no-TTY", "hub", "gpudock", "doctor")
    assert "The database answers." in said
    assert "Permission denied" not in said
    assert "does not answer" not in said
    _, said = compose.run("exec", "--no-TTY", "--user", "gpudock", "hub", "gpudock", "doctor")
    assert "so the engine was not asked" in said
    assert "The database answers." in said


def test_the_doctor_on_the_server_asks_the_hub_and_not_the_agent(lab):
    assert lab.agent.labels.get("com.docker.compose.service") == "hub", "that is what misled it"
    done = in_this_folder("env", "PYTHONPATH=spawner", sys.executable, "-m", "gpudock.doctor")
    assert "The database answers." in done.stdout, done.stdout
    assert "did not answer the check" not in done.stdout
