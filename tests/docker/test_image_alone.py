"""The image of users' containers without a hub, as one person runs it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import socket
import subprocess
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest

from harness.images import reference
from harness.ports import free_port
from harness.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gpudock.deploy.engine import Engine
    from gpudock.deploy.tools import Tools

IMAGE = reference("pytorch-cuda")
pytestmark = pytest.mark.docker

HOST_KEY = "/workspace/.gpudock/ssh/host_ed25519"


class Container:
    """A container that somebody runs from the image."""

    def __init__(self, engine: Engine, tools: Tools, *options: str) -> None:
        self.host = engine.address
        self.tools = tools
        self.name = f"gpudock-alone-{secrets.token_hex(3)}"
        published = ("--publish=8888", "--publish=22")
        done = tools.run("run", "--detach", f"--name={self.name}", *published, *options, IMAGE)
        assert done.returncode == 0, done.stderr

    @property
    def log(self) -> str:
        done = self.tools.run("logs", self.name)
        return done.stdout + done.stderr

    def port(self, inside: int) -> str:
        """Return the host's port that leads to a port of the container."""
        return self.tools.run("port", self.name, str(inside)).stdout.split()[0].rpartition(":")[2]

    def opened(self) -> tuple[str, str]:
        """Wait for JupyterLab; return its address on the host and the token that the log shows."""
        said = wait_for(
            lambda: re.search(r"http://127\.0\.0\.1:8888/lab\?token=(\w+)", self.log),
            "the log has the address",
            60,
        )
        return f"http://{self.host}:{self.port(8888)}", said[1]

    def run(self, *command: str) -> str:
        done = self.tools.run("exec", self.name, *command)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@pytest.fixture
def start(engine: Engine, tools: Tools) -> Iterator[Callable[..., Container]]:
    started: list[Container] = []

    def start(*options: str) -> Container:
        started.append(Container(engine, tools, *options))
        return started[-1]

    yield start
    for container in started:
        tools.run("rm", "--force", "--volumes", container.name)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A private key; the public one is beside it."""
    file = tmp_path / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file], check=True)
    return file


def public(key: Path) -> str:
    return key.with_suffix(".pub").read_text().strip()


def ssh(container: Container, key: Path, *command: str, user: str = "gpudock") -> str:
    """Return what a command prints in a container, through SSH."""
    done = try_ssh(container, key, *command, user=user)
    assert done.returncode == 0, f"{done.stderr}\n{container.log}"
    return done.stdout.strip()


def try_ssh(
    container: Container, key: Path, *command: str, user: str = "gpudock", said: str | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*client("ssh", container, key), f"{user}@{container.host}", *command],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        input=said or "",
    )


def client(program: str, container: Container, key: Path) -> list[str]:
    """Return a program of OpenSSH with options that ask nobody anything."""
    options = {
        "Port": container.port(22),
        "IdentityFile": key,
        "IdentitiesOnly": "yes",
        "BatchMode": "yes",
        "StrictHostKeyChecking": "accept-new",
        "HostKeyAlias": "server",
        "UserKnownHostsFile": key.with_name("known_hosts"),
        "ConnectTimeout": "20",
    }
    return [program, *(f"-o{name}={value}" for name, value in options.items())]


def is_open(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
        return True
    return False


def get(url: str, token: str = "") -> tuple[int, str]:
    request = urllib.request.Request(url, headers={"Authorization": f"token {token}"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""


def test_jupyterlab_starts_with_a_token_and_the_gpu_panel(start):
    container = start()
    url, token = container.opened()
    assert get(f"{url}/api/contents")[0] == 403
    status, content = get(f"{url}/api/contents", token)
    assert status == 200
    assert json.loads(content)["path"] == ""
    assert "jupyterlab-gpudock" in get(f"{url}/lab/api/extensions", token)[1]
    assert "gpus" in get(f"{url}/gpudock/api/gpus", token)[1]
    assert container.run("sh", "-c", "pgrep -c sshd || true") == "0", "nobody gave a key"
    assert "gpudock:" not in container.log


def test_a_folder_that_root_owns_gets_a_message_and_a_way(start, tmp_path):
    (tmp_path / "notebooks").mkdir(mode=0o755)
    container = start(f"--volume={tmp_path}/notebooks:/workspace/notebooks")
    container.opened()
    assert (
        "gpudock: Nothing can be saved in /workspace/notebooks: it belongs to user 0"
        in container.log
    )
    assert "sudo chown -R 1000" in container.log
    # Both ways work.
    (tmp_path / "notebooks").chmod(0o777)
    assert "Nothing can be saved" not in _log_of(start, tmp_path)
    (tmp_path / "notebooks").chmod(0o755)
    assert "Nothing can be saved in /workspace/notebooks" not in _log_of(
        start, tmp_path, "--user=0:0"
    )


def _log_of(start, tmp_path: Path, *options: str) -> str:
    container = start(f"--volume={tmp_path}/notebooks:/workspace/notebooks", *options)
    container.opened()
    container.run("touch", "/workspace/notebooks/saved")
    return container.log


def test_any_user_of_the_host_may_run_it(start, key, tmp_path):
    container = start("--user=4711:4711", f"--env=SSH_PUBLIC_KEY={public(key)}")
    url, token = container.opened()
    assert get(f"{url}/api/contents", token)[0] == 200
    assert "SSH does not run, because user 4711 of this container has no name." in container.log
    (tmp_path / "notebooks").mkdir()
    os.chown(tmp_path / "notebooks", 4711, 4711)
    _log_of(start, tmp_path, "--user=4711:4711")


def test_ssh_with_a_key_has_the_environment_and_the_files(start, key):
    container = start(
        f"--env=SSH_PUBLIC_KEY=no key at all\n{public(key)}",
        '--env=TITLE=a "quoted" \\ value',
        "--volume=/workspace",
    )
    container.opened()
    assert "Line 1 of SSH_PUBLIC_KEY is no public key" in container.log
    assert "no key at all" not in container.log
    found = ssh(
        container, key, "pwd; id -u; echo $TITLE; echo $CUDA_VISIBLE_DEVICES; which python3"
    )
    assert found.splitlines() == [
        "/workspace",
        "1000",
        'a "quoted" \\ value',
        "",
        "/usr/bin/python3",
    ]
    login = ssh(
        container,
        key,
        "bash -lc 'echo $PATH; python3 -c \"import torch; print(torch.__version__)\"'",
    )
    assert login.splitlines()[0].startswith("/workspace/.local/bin:")
    assert login.splitlines()[1] == "2.6.0+cu124"
    assert "SSH_PUBLIC_KEY" not in ssh(container, key, "env")


def test_ssh_copies_files_and_forwards_ports(start, key, tmp_path):
    container = start(f"--env=SSH_PUBLIC_KEY={public(key)}")
    _, token = container.opened()
    there = f"gpudock@{container.host}"
    data = tmp_path / "data.txt"
    data.write_text("forty-two")
    subprocess.run([*client("scp", container, key), data, f"{there}:by-scp.txt"], check=True)
    subprocess.run(
        [*client("sftp", container, key), "-b", "-", there],
        input=f"put {data} by-sftp.txt\n",
        text=True,
        check=True,
        capture_output=True,
    )
    assert ssh(container, key, "cat by-scp.txt by-sftp.txt") == "forty-two" * 2
    # A tunnel that the client opens, as editors use it.
    port = free_port()
    tunnel = subprocess.Popen(
        [*client("ssh", container, key), "-N", f"-L{port}:127.0.0.1:8888", there],
        stdin=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: is_open(port), "the tunnel is open")
        assert get(f"http://127.0.0.1:{port}/api/status", token)[0] == 200
    finally:
        tunnel.terminate()
        tunnel.wait()


def test_ssh_refuses_passwords_other_keys_and_other_users(start, key, tmp_path):
    container = start(f"--env=SSH_PUBLIC_KEY={public(key)}")
    container.opened()
    stranger = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", stranger], check=True)
    for user, identity in (("gpudock", stranger), ("root", key), ("nobody", key)):
        done = try_ssh(container, identity, "true", user=user)
        assert "Permission denied (publickey)" in done.stderr, (user, done)


def test_a_server_is_known_again_in_a_new_container(start, key, tools):
    volume = f"gpudock-alone-{secrets.token_hex(3)}"
    try:
        found = []
        for _ in range(2):
            container = start(
                f"--volume={volume}:/workspace", f"--env=SSH_PUBLIC_KEY={public(key)}"
            )
            container.opened()
            found.append(container.run("cat", f"{HOST_KEY}.pub"))
            assert ssh(container, key, "echo in") == "in", "the client knows the server"
            tools.run("rm", "--force", container.name)
        assert found[0] == found[1]
        other = start(f"--env=SSH_PUBLIC_KEY={public(key)}")
        other.opened()
        assert other.run("cat", f"{HOST_KEY}.pub") != found[0]
    finally:
        tools.run("volume", "rm", "--force", volume)


def test_a_mounted_list_of_keys_is_read_at_each_login(start, key, tmp_path):
    keys = tmp_path / "authorized_keys"
    keys.write_text("")
    container = start(f"--volume={keys}:/workspace/.ssh/authorized_keys:ro")
    container.opened()
    with pytest.raises(AssertionError, match="Permission denied"):
        ssh(container, key, "true")
    keys.write_text(public(key))
    assert ssh(container, key, "echo in") == "in"
