"""A crash inside NVIDIA's library ends a reading, not the server."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
from types import SimpleNamespace

import pytest

from jupyterlab_gpudock.nvml.isolated import MAX_PAUSE_S, MIN_PAUSE_S, STEADY_S, IsolatedReader
from jupyterlab_gpudock.nvml.readings import State

# A library of which one call crashes as long as a file is there.
CRASHING = """
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
int nvmlInitWithFlags(unsigned flags) {
    if (access(getenv("CRASH"), F_OK) == 0) raise(SIGSEGV);
    return 9;
}
int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
"""


@pytest.fixture
def clock():
    return SimpleNamespace(now=0.0)


@pytest.fixture
def isolated(clock):
    reader = IsolatedReader(clock=lambda: clock.now)
    yield reader
    reader.close()


@pytest.fixture
def crash(tmp_path, monkeypatch):
    """The file that makes the library crash."""
    if shutil.which("cc") is None:
        pytest.skip("There is no C compiler.")
    source = tmp_path / "nvml.c"
    source.write_text(CRASHING)
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-o", tmp_path / "libnvidia-ml.so.1", source], check=True
    )
    file = tmp_path / "crash"
    file.touch()
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    monkeypatch.setenv("CRASH", str(file))
    return file


def test_a_crash_of_the_library_is_reported_and_reading_recovers(isolated, clock, crash, caplog):
    with caplog.at_level(logging.WARNING):
        reading = isolated.read()
    assert reading.state is State.INTERRUPTED
    assert reading.detail == "NVIDIA's library crashed (SIGSEGV)."
    (line,) = caplog.messages
    assert line.startswith(reading.detail)
    assert "The GPUs are read again in 1 s." in line
    crash.unlink()
    assert isolated.read().state is State.INTERRUPTED, "not before the pause is over"
    clock.now += MIN_PAUSE_S
    assert isolated.read().state is State.NO_DRIVER
    assert isolated.pid is not None


def test_the_pause_grows_with_each_crash_and_shrinks_after_a_steady_time(isolated, clock, crash):
    pauses = []
    for _ in range(8):
        assert isolated.read().state is State.INTERRUPTED
        pauses.append(isolated._start_at - clock.now)
        clock.now = isolated._start_at
    assert pauses == sorted(pauses)
    assert pauses[0] == MIN_PAUSE_S
    assert max(pauses) == MAX_PAUSE_S
    crash.unlink()
    assert isolated.read().state is State.NO_DRIVER
    clock.now += STEADY_S
    assert isolated.pid is not None
    os.kill(isolated.pid, signal.SIGKILL)
    assert isolated.read().state is State.INTERRUPTED
    clock.now += MIN_PAUSE_S
    assert isolated.read().state is State.NO_DRIVER


def test_a_program_that_stops_is_replaced(clock, crash):
    crash.unlink()
    reader = IsolatedReader(clock=lambda: clock.now, answer_s=0.5)
    while reader.read().state is not State.NO_DRIVER:  # its start may take longer than that
        clock.now += MAX_PAUSE_S
    os.kill(reader.pid, signal.SIGSTOP)
    reading = reader.read()
    assert reading.state is State.INTERRUPTED
    assert "gave no answer" in reading.detail
    reader.close()


def test_the_program_ends_with_its_server(isolated, crash):
    crash.unlink()
    isolated.read()
    process = isolated._process
    isolated.close()
    assert process.wait(10) == 0
