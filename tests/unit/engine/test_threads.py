"""A pool of threads for which a process that ends does not wait."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import wait
from pathlib import Path

import pytest

from gpudock.engine.threads import DaemonThreads

SPAWNER = Path(__file__).parents[3] / "spawner"
WITH_AN_ENDLESS_CALL = """
import threading
from gpudock.engine.threads import DaemonThreads
begun = threading.Event()
DaemonThreads(1, "test").submit(lambda: (begun.set(), threading.Event().wait()))
begun.wait()
print("over")
"""


def test_results_and_errors_are_those_of_the_function() -> None:
    threads = DaemonThreads(2, "test")
    assert threads.submit(divmod, 7, 2).result(10) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        threads.submit(divmod, 7, 0).result(10)
    threads.shutdown()


def test_there_are_as_many_threads_as_needed_and_no_more_than_permitted() -> None:
    threads = DaemonThreads(3, "test")
    names, together = set(), threading.Barrier(3)

    def meet() -> None:
        together.wait(10)
        names.add(threading.current_thread().name)

    calls = [threads.submit(meet) for _ in range(6)]
    assert wait(calls, 10).not_done == set()
    assert [call.exception() for call in calls] == [None] * 6
    assert names == {"test_0", "test_1", "test_2"}
    threads.shutdown()


def test_one_call_after_the_other_needs_one_thread() -> None:
    threads = DaemonThreads(3, "test")
    idle = threads._idle
    for _ in range(5):
        threads.submit(lambda: None).result(10)
        # The thread is idle again a moment after its result is there.
        assert idle.acquire(timeout=10)
        idle.release()
    assert len(threads._threads) == 1
    threads.shutdown()


def test_what_nobody_has_begun_is_cancelled_and_the_rest_goes_on() -> None:
    threads = DaemonThreads(1, "test")
    begun, goes_on = threading.Event(), threading.Event()

    def call() -> bool:
        begun.set()
        return goes_on.wait(10)

    first, second = threads.submit(call), threads.submit(call)
    assert begun.wait(10)
    threads.shutdown(wait=False, cancel_futures=True)
    assert second.cancelled()
    with pytest.raises(RuntimeError, match="shut down"):
        threads.submit(call)
    goes_on.set()
    assert first.result(10) is True
    threads.shutdown()


@pytest.mark.integration
def test_a_program_ends_although_a_call_has_no_answer() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITH_AN_ENDLESS_CALL],
        env={"PYTHONPATH": str(SPAWNER)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "over\n"), done.stderr
