"""Readings that come in time from boards of which some hang."""

from __future__ import annotations

import dataclasses
import threading
import time
from typing import TYPE_CHECKING

import pytest
from samples import A100

from jupyterlab_gpudock.nvml.readings import Reading, State
from jupyterlab_gpudock.nvml.watchdog import FIRST_PAUSE_S, Patient

if TYPE_CHECKING:
    from jupyterlab_gpudock.nvml.guarded import Attempt

PATIENCE_S = 1.0


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

    def read(self, attempt: Attempt) -> Reading:
        if self.error is not None:
            raise self.error
        with attempt.asking(None):
            self.gates[None].wait()
        gpus = []
        for board, gpu in enumerate(self._gpus):
            if board in attempt.skip:
                gpus.append(dataclasses.replace(gpu, state=State.HANGING))
                continue
            with attempt.asking(board):
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
def patient(boards, clock):
    patient = Patient(boards, PATIENCE_S, clock)
    yield patient
    patient.close()


def states(reading: Reading) -> list[str]:
    return [gpu.state.value for gpu in reading.gpus]


def nvml_threads() -> int:
    return sum(thread.name == "gpudock-nvml" for thread in threading.enumerate())


def wait_until(condition) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_all_is_read_in_one_thread_while_nothing_hangs(patient, boards):
    before = nvml_threads()
    for _ in range(20):
        assert states(patient.read()) == ["ok"] * 3
    assert nvml_threads() <= before + 1


def test_a_board_that_hangs_is_told_and_the_others_are_read_on(patient, boards):
    before = nvml_threads()
    boards.gates[1].clear()
    began = time.monotonic()
    reading = patient.read()
    assert time.monotonic() - began < 5 * PATIENCE_S
    assert states(reading) == ["ok", "hanging", "ok"]
    assert reading.state is State.OK
    assert reading.gpus[1].detail == "A call to NVML has not returned for 1 s"
    began = time.monotonic()
    for _ in range(10):
        assert states(patient.read()) == ["ok", "hanging", "ok"]
    assert time.monotonic() - began < PATIENCE_S, "a board that hangs is waited for once"
    assert boards.asked.count(1) == 1
    assert nvml_threads() <= before + 2


def test_every_board_may_hang(patient, boards):
    for board in range(3):
        boards.gates[board].clear()
    assert states(patient.read()) == ["hanging"] * 3
    assert states(patient.read()) == ["hanging"] * 3


def test_a_board_that_answers_again_is_read_again_after_a_pause(patient, boards, clock):
    boards.gates[1].clear()
    patient.read()
    boards.gates[1].set()
    wait_until(lambda: patient._hangs[1].attempt.ended)
    assert states(patient.read()) == ["ok", "hanging", "ok"], "it is not trusted at once"
    clock.ahead += FIRST_PAUSE_S
    assert states(patient.read()) == ["ok"] * 3
    clock.ahead += 3 * FIRST_PAUSE_S
    patient.read()
    assert patient._hangs == {}


def test_a_board_that_hangs_again_is_left_alone_for_longer(patient, boards, clock):
    for _ in range(2):
        boards.gates[1].clear()
        patient.read()
        boards.gates[1].set()
        wait_until(lambda: patient._hangs[1].attempt.ended)
        patient.read()
        clock.ahead += FIRST_PAUSE_S
    assert states(patient.read()) == ["ok", "hanging", "ok"]
    clock.ahead += FIRST_PAUSE_S
    assert states(patient.read()) == ["ok"] * 3


def test_a_driver_that_hangs_as_a_whole_is_told_without_waiting_again(patient, boards):
    before = nvml_threads()
    boards.gates[None].clear()
    assert states(patient.read()) == ["hanging"] * 3
    began = time.monotonic()
    reading = patient.read()
    assert time.monotonic() - began < PATIENCE_S
    assert reading.state is State.HANGING
    assert reading.detail.startswith("A call to NVML has not returned for")
    assert nvml_threads() <= before + 1, "no second thread runs into the same wall"
    boards.gates[None].set()
    wait_until(lambda: states(patient.read()) == ["ok"] * 3)


def test_an_error_of_the_boards_is_the_readers(patient, boards):
    boards.error = OSError("out of luck")
    with pytest.raises(OSError, match="out of luck"):
        patient.read()
    boards.error = None
    assert states(patient.read()) == ["ok"] * 3


def test_threads_end_when_their_calls_return(patient, boards):
    before = nvml_threads()
    boards.gates[0].clear()
    boards.gates[2].clear()
    patient.read()
    boards.gates[0].set()
    boards.gates[2].set()
    patient.close()
    wait_until(lambda: nvml_threads() <= before)
