"""A further engine, such as that of these tests, leaves the machine's own engine alone."""

from __future__ import annotations

import errno
import ipaddress
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gpudock.deploy import engine_packages
from gpudock.deploy.engine_config import EnginePaths
from gpudock.deploy.namespace import Namespace, enter, exists
from harness.lab import ROOT
from harness.other_machine import CLIENT_ADDRESS, OtherMachine

if TYPE_CHECKING:
    from collections.abc import Iterator

# A connection that is refused has reached the other side, and the answer has found its way back.
_CONNECT = f"import socket; print(socket.socket().connect_ex(('{CLIENT_ADDRESS}', 1)))"
_REFUSED = f"{errno.ECONNREFUSED}\n"


@pytest.fixture
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OtherMachine]:
    folder = tmp_path_factory.mktemp("m")
    with OtherMachine(folder).in_use() as machine:
        yield machine
    shutil.rmtree(folder)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="an engine needs root")


@needs_root
def test_another_engine_that_starts_and_stops_is_not_noticed(machine):
    socket = Path("/run/gpudock-beside/docker.sock")
    command = ("env", f"PYTHONPATH={ROOT}/spawner", sys.executable, "-m", "gpudock.deploy")
    engine = (*command, "engine", "--socket", str(socket))
    before = machine.traces()
    try:
        with machine.watched() as seen:
            machine.run(*engine)
            beside = EnginePaths.of(socket)
            assert beside.address() != "localhost"
            assert beside.namespace in machine.traces()["namespaces"]
            assert machine.run(sys.executable, "-c", _CONNECT, where=beside.namespace) == _REFUSED
            machine.run(*engine, "--stop", "--keep-containers")
            machine.run(*engine)
            machine.run(*engine, "--stop", "--purge")
        assert Counter(seen).keys() == {"answers"}, Counter(seen)
        assert machine.traces() == before
        assert not beside.state.exists()
        left = [
            process
            for process in Path("/proc").glob("[0-9]*/cmdline")
            if str(beside.exec_root).encode() in _read(process)
        ]
        assert left == []
    finally:
        machine.run(*engine, "--stop", "--purge")


@needs_root
def test_a_namespace_that_was_deleted_in_use_is_made_again():
    """What runs inside keeps a namespace alive without a name, and its link to the machine."""
    namespace = Namespace("gpudock-t1", ipaddress.IPv4Network("10.213.0.0/16"))
    environ = engine_packages.obtain(os.environ).environ(os.environ)
    try:
        namespace.make(environ, 1400)
        with subprocess.Popen(
            [*enter(namespace.name), "sh", "-c", "echo inside; exec sleep infinity"],
            stdout=subprocess.PIPE,
        ) as inside:
            try:
                assert inside.stdout.readline() == b"inside\n"
                subprocess.run(["ip", "netns", "delete", namespace.name], check=True)
                assert not exists(namespace.name)
                namespace.make(environ, 1400)
                where = ["ip", "-netns", namespace.name, "-brief", "address"]
                shown = subprocess.run(where, capture_output=True, text=True, check=True).stdout
                assert namespace.address in shown
            finally:
                inside.kill()
    finally:
        namespace.remove(environ)
    assert not exists(namespace.name)


@needs_root
def test_the_last_namespace_takes_the_folder_of_namespaces_with_it():
    """A machine on which nothing else has a namespace, as most have none."""
    environ = engine_packages.obtain(os.environ).environ(os.environ)
    there_and_gone = (
        "import ipaddress, os; from gpudock.deploy.namespace import Namespace;"
        "namespace = Namespace('gpudock-t2', ipaddress.IPv4Network('10.213.0.0/16'));"
        "namespace.make(os.environ, 1400); namespace.remove(os.environ)"
    )
    done = subprocess.run(
        [
            *("unshare", "--mount", "--net", "sh", "-ec"),
            'mount -t tmpfs none /run; "$0" -c "$1"; ls -A /run',
            *(sys.executable, there_and_gone),
        ],
        env=environ | {"PYTHONPATH": f"{ROOT}/spawner"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "netns" not in done.stdout.split()


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""
