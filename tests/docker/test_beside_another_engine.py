"""A further engine, such as that of these tests, leaves the machine's own engine alone."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gpudock.deploy.engine_config import EnginePaths
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


@pytest.mark.skipif(os.geteuid() != 0, reason="an engine needs root")
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


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""
