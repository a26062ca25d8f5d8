from __future__ import annotations

import dataclasses

import pytest
from samples import A100, HEALTHY

from jupyterlab_gpudock.nvml.readings import Missing, Snapshot
from jupyterlab_gpudock.stream.history import History, columns


def history_of(*uses) -> History:
    history = History()
    for second, use in enumerate(uses):
        gpu = dataclasses.replace(A100, utilization_percent=use)
        reading = dataclasses.replace(HEALTHY, gpus=(gpu,))
        history.add(Snapshot(second, 1000.0 + second, float(second), 1.0, reading))
    return history


def use_of(history: History, points: int = 300) -> list:
    return columns(history.rows(), points)["gpus"][A100.uuid]["utilization_percent"]


def test_what_could_not_be_read_is_a_gap():
    history = history_of(10, Missing.NONSENSE, Missing.NOT_AVAILABLE, 40)
    assert use_of(history) == [10, None, None, 40]


def test_many_rows_are_averaged_to_the_points_that_are_asked_for():
    history = history_of(*range(100))
    assert use_of(history, 10) == [4.5 + 10 * part for part in range(10)]
    assert columns(history.rows(), 10)["times"] == [1009.0 + 10 * part for part in range(10)]


def test_a_gpu_that_came_later_has_gaps_before():
    history = history_of(1)
    other = dataclasses.replace(A100, uuid="GPU-2", utilization_percent=7)
    reading = dataclasses.replace(HEALTHY, gpus=(A100, other))
    history.add(Snapshot(1, 1001.0, 1.0, 1.0, reading))
    assert columns(history.rows())["gpus"]["GPU-2"]["utilization_percent"] == [None, 7]


@pytest.mark.parametrize(("asked", "given"), [(0, 10), (10**9, 100), (50, 50)])
def test_absurd_numbers_of_points_are_clamped(asked, given):
    assert len(use_of(history_of(*range(100)), asked)) == given


def test_no_reading_is_no_history():
    assert columns(()) == {"times": [], "gpus": {}}
