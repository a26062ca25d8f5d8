"""Threads for calls that may never be answered."""

from __future__ import annotations

import threading
from concurrent.futures import Executor, Future
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")


class DaemonThreads(Executor):
    """A bounded pool of threads for which a process that ends does not wait.

    Python waits for the threads of :class:`concurrent.futures.ThreadPoolExecutor` before it ends.
    So a call without an answer would keep a hub from ending until its time-out, which can be
    minutes away. A call that is left behind is the same as one at the time of a crash: the next hub
    finds out what became of it.
    """

    def __init__(self, size: int, name: str) -> None:
        """Start no thread yet.

        Args:
            size: the largest number of threads.
            name: what their names begin with.
        """
        self._size = size
        self._name = name
        self._work: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._is_shut_down = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run a function in one of the threads, as soon as one is idle.

        Raises:
            RuntimeError: the pool is shut down.
        """
        future: Future[T] = Future()
        with self._lock:
            if self._is_shut_down:
                raise RuntimeError(f"The threads {self._name} are shut down.")
            self._work.put((future, partial(fn, *args, **kwargs)))
            if not self._idle.acquire(blocking=False) and len(self._threads) < self._size:
                thread = threading.Thread(
                    target=self._run, name=f"{self._name}_{len(self._threads)}", daemon=True
                )
                self._threads.append(thread)
                thread.start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more work.

        Args:
            wait: whether to wait for the work that was taken.
            cancel_futures: whether to cancel what no thread has begun.
        """
        with self._lock:
            self._is_shut_down = True
            if cancel_futures:
                self._cancel_work()
            for _ in self._threads:
                self._work.put(None)
        if wait:
            for thread in self._threads:
                thread.join()

    def _cancel_work(self) -> None:
        while True:
            try:
                item = self._work.get_nowait()
            except Empty:
                return
            if item is not None:
                item[0].cancel()

    def _run(self) -> None:
        while (item := self._work.get()) is not None:
            future, function = item
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(function())
                except BaseException as error:  # noqa: BLE001 (it belongs to whom it is for)
                    future.set_exception(error)
            # An idle thread keeps nothing of its work alive.
            del item, future, function
            self._idle.release()
