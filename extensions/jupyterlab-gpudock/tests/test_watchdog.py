"""Readings that come in time from boards of which some hang."""

from __future__ import annotations

import dataclasses
import threading
import time
from typing import TYPE_CHECKING

import pytest
from samples import A100

from jupyterlab_gpudock.nvml.readings import Reading, State
from jupyterlab_gpudock.nvml.watchdog import MIN_PAUSE_S, WatchdogReader

if TYPE_CHECKING:
    from jupyterlab_gpudock.nvml.guarded import GuardedRead

TIMEOUT_S = 1.0


class Boards:
    """Boards whose calls return when the test lets them."""

    def __init__(self, count: int) -> None:
        self.gates = {board: threading.Event() for board in (None, *range(count))}
        for gate in self.gates.values():
            gate.set()
        self.asked: list[int | None] = []
        self.error: Exception | None = None
        self._gpus = tuple(
            dataclasses.replace(A100, uuid=f"GPU-{index}", index=str(index))
            for index in range(count)
        )

    def known(self):
        return self._gpus

    def read(self, guard: GuardedRead) -> Reading:
        if self.error is not None:
            raise self.error
        with guard.calling(None):
            self.gates[None].wait()
        gpus = []
        for board, gpu in enumerate(self._gpus):
            if board in guard.skip:
                gpus.append(dataclasses.replace(gpu, state=State.HANGING))
                continue
            with guard.calling(board):
                self.asked.append(board)
                self.gates[board].wait()
            gpus.append(gpu)
        return Reading(State.OK, gpus=tuple(gpus))


@pytest.fixture
def boards():
    boards = Boards(3)
    yield boards
    for gate in boards.gates.values():
        gate.set()


class Clock:
    """Runs like the real one, and can be put forward."""

    ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def watchdog(boards, clock):
    watchdog = WatchdogReader(boards, TIMEOUT_S, clock)
    yield watchdog
    watchdog.close()


def states(reading: Reading) -> list[str]:
    return [gpu.state.value for gpu in reading.gpus]


def nvml_threads() -> int:
    return sum(thread.name == "gpudock-nvml" for thread in threading.enumerate())


def wait_until(condition) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_all_is_read_in_one_thread_while_nothing_hangs(watchdog, boards):
    before = nvml_threads()
    for _ in range(20):
        assert states(watchdog.read()) == ["ok"] * 3
    assert nvml_threads() <= before + 1


def test_a_board_that_hangs_is_reported_and_the_others_are_read_on(watchdog, boards):
    before = nvml_threads()
    boards.gates[1].clear()
    began = time.monotonic()
    reading = watchdog.read()
    assert time.monotonic() - began < 5 * TIMEOUT_S
    assert states(reading) == ["ok", "hanging", "ok"]
    assert reading.state is State.OK
    assert reading.gpus[1].detail == "A call to NVML has not returned for 1 s"
    began = time.monotonic()
    for _ in range(10):
        assert states(watchdog.read()) == ["ok", "hanging", "ok"]
    assert time.monotonic() - began < TIMEOUT_S, "a board that hangs is waited for once"
    assert boards.asked.count(1) == 1
    assert nvml_threads() <= before + 2


def test_every_board_may_hang(watchdog, boards):
    for board in range(3):
        boards.gates[board].clear()
    assert states(watchdog.read()) == ["hanging"] * 3
    assert states(watchdog.read()) == ["hanging"] * 3


def test_a_board_that_works_again_is_read_again_after_a_pause(watchdog, boards, clock):
    boards.gates[1].clear()
    watchdog.read()
    boards.gates[1].set()
    wait_until(lambda: watchdog._hangs[1].guard.ended)
    assert states(watchdog.read()) == ["ok", "hanging", "ok"], "it is not trusted at once"
    clock.ahead += MIN_PAUSE_S
    assert states(watchdog.read()) == ["ok"] * 3
    clock.ahead += 3 * MIN_PAUSE_S
    watchdog.read()
    assert watchdog._hangs == {}


def test_a_board_that_hangs_again_is_left_alone_for_longer(watchdog, boards, clock):
    for _ in range(2):
        boards.gates[1].clear()
        watchdog.read()
        boards.gates[1].set()
        wait_until(lambda: watchdog._hangs[1].guard.ended)
        watchdog.read()
        clock.ahead += MIN_PAUSE_S
    assert states(watchdog.read()) == ["ok", "hanging", "ok"]
    clock.ahead += MIN_PAUSE_S
    assert states(watchdog.read()) == ["ok"] * 3


def test_a_driver_that_hangs_as_a_whole_is_reported_without_waiting_again(watchdog, boards):
    before = nvml_threads()
    boards.gates[None].clear()
    assert states(watchdog.read()) == ["hanging"] * 3
    began = time.monotonic()
    reading = watchdog.read()
    assert time.monotonic() - began < TIMEOUT_S
    assert reading.state is State.HANGING
    assert reading.detail.startswith("A call to NVML has not returned for")
    assert nvml_threads() <= before + 1, "no second thread runs into the same wall"
    boards.gates[None].set()
    wait_until(lambda: states(watchdog.read()) == ["ok"] * 3)


def test_an_error_of_the_boards_is_the_readers(watchdog, boards):
    boards.error = OSError("out of luck")
    with pytest.raises(OSError, match="out of luck"):
        watchdog.read()
    boards.error = None
    assert states(watchdog.read()) == ["ok"] * 3


def test_threads_end_when_their_calls_return(watchdog, boards):
    before = nvml_threads()
    boards.gates[0].clear()
    boards.gates[2].clear()
    watchdog.read()
    boards.gates[0].set()
    boards.gates[2].set()
    watchdog.close()
    wait_until(lambda: nvml_threads() <= before)
