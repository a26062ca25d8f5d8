"""``make up`` on an engine that has the lab already."""

from __future__ import annotations

import socket

from harness.lab import PORT, PROJECT, Lab


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
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = Lab.command("up", COMPOSE_PROJECT_NAME="gpudock-other", GPUDOCK_PORT=str(port))
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
