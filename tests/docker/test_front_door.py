"""``make up`` on an engine that has the lab already."""

from __future__ import annotations

import os
import subprocess
import sys

from gpudock.deploy import engine_packages, namespace
from harness.lab import PORT, PROJECT, Lab

_LISTEN = """
import socket
with socket.create_server(("", 0)) as taken:
    print(taken.getsockname()[1], flush=True)
    input()
"""


def parts(lab):
    return {item.name: item.id for item in lab.docker.containers.list(all=True)}


def test_a_second_make_up_changes_nothing(lab):
    lab.up()
    before = parts(lab)
    images = {image.id for image in lab.docker.images.list()}
    lab.up()
    assert parts(lab) == before
    assert {image.id for image in lab.docker.images.list()} == images


def test_a_port_in_use_is_told_before_anything_is_changed(lab):
    before = parts(lab)
    with subprocess.Popen(
        [*namespace.enter(lab.paths.namespace), sys.executable, "-c", _LISTEN],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as listener:  # fmt: skip
        port = int(listener.stdout.readline())
        done = Lab.command("up", COMPOSE_PROJECT_NAME="gpudock-other", GPUDOCK_PORT=str(port))
        listener.stdin.close()
    assert done.returncode == 1
    assert f"Port {port} is in use by" in done.stdout
    assert "set GPUDOCK_PORT to another port in .env" in done.stdout
    assert parts(lab) == before


def test_the_port_of_another_lab_is_told_with_its_name(lab):
    before = parts(lab)
    done = Lab.command("up", COMPOSE_PROJECT_NAME="gpudock-other")
    assert done.returncode == 1
    assert f'Port {PORT} is in use by the container "{PROJECT}-proxy-1".' in done.stdout
    assert parts(lab) == before


def _remove_rule_of_the_proxy(lab):
    inside = [*namespace.enter(lab.paths.namespace), "iptables", "--wait"]
    environ = engine_packages.newest().environ(os.environ)
    listed = subprocess.run(
        [*inside, "--list-rules", "DOCKER"], env=environ, check=True, capture_output=True, text=True
    )
    (rule,) = [line for line in listed.stdout.splitlines() if "--dport 8000 -j ACCEPT" in line]
    delete = rule.replace("-A DOCKER", "--delete DOCKER").split()
    subprocess.run([*inside, *delete], env=environ, check=True)


def test_a_lab_that_does_not_answer_is_not_called_up(lab):
    """Another engine has flushed Docker's chains: everything runs, and nobody gets through."""
    _remove_rule_of_the_proxy(lab)
    try:
        done = lab.command("up")
        assert done.returncode == 1, done.stdout
        assert "The lab is up" not in done.stdout
        assert f"{lab.url}/ does not answer: the connection timed out." in done.stdout
        assert "The firewall has no rule of Docker's for the proxy" in done.stdout
    finally:
        lab.restart_engine(live_restore=True)
    assert f"The lab is up: {lab.url}" in lab.up()
