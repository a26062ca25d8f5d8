"""The hub's own tasks, watched: none of them ends unseen.

An error that a task does not handle would end it silently, and with it what it does: GPUs that are
never taken back, or a queue that nobody serves. So each task is started again, and until it has run
for a while the hub's health check reports it. A task that fails again and again ends the hub, whose
restart policy starts a fresh one; users' servers keep running meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

log = logging.getLogger(__name__)

_MAX_PAUSE_SECONDS = 30.0
_MAX_FAILURES = 5


@dataclass(slots=True)
class _Failure:
    """The latest failure of a task.

    Attributes:
        sentence: what happened.
        count: how often it has failed without running for a while in between.
        restarted_at: when it was started again, in seconds of the clock; ``None``: not yet.
    """

    sentence: str
    count: int = 1
    restarted_at: float | None = None


class Supervisor:
    """Starts tasks again that have failed, and knows which have.

    Attributes:
        pause: seconds from the first failure of a task to its next start; doubled with each further
            failure.
        proven: for how many seconds a task must run before its failures are forgotten.
    """

    def __init__(
        self, give_up: Callable[[], None], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Watch nothing yet.

        Args:
            give_up: ends the hub, if it may end itself.
            clock: returns seconds and never runs backwards.
        """
        self.pause = 1.0
        self.proven = 60.0
        self._give_up = give_up
        self._clock = clock
        self._failures: dict[str, _Failure] = {}

    @property
    def problem(self) -> str | None:
        """A sentence on the tasks that have failed and have not yet proven to run again."""
        sentences = [item.sentence for item in self._failures.values() if not self._is_over(item)]
        return " ".join(sentences) or None

    async def keep(
        self, name: str, work: Callable[[], Coroutine[Any, Any, None]], *, vital: bool = True
    ) -> None:
        """Run *work* until it returns or is cancelled, again after each failure.

        Args:
            name: what it does, for messages: "the reconciler".
            work: a coroutine function.
            vital: whether its failures make the hub unhealthy, and end it if they go on.
        """
        try:
            while True:
                if name in self._failures:
                    self._failures[name].restarted_at = self._clock()
                try:
                    await work()
                except asyncio.CancelledError:
                    task = asyncio.current_task()
                    if task is not None and task.cancelling():
                        raise
                    # Something that it waited for was cancelled; nobody has asked it to end.
                    await self._failed(name, "it was cancelled", vital=vital)
                except Exception as error:
                    log.exception("Failed: %s.", name)
                    await self._failed(name, repr(error), vital=vital)
                else:
                    return
        finally:
            self._failures.pop(name, None)

    async def _failed(self, name: str, why: str, *, vital: bool) -> None:
        """Note a failure, and wait until the task may start again."""
        former = self._failures.get(name)
        if former is None or self._is_over(former):
            former = _Failure("", 0)
        pause = min(_MAX_PAUSE_SECONDS, self.pause * 2**former.count)
        sentence = (
            f"A part of the hub ({name}) has failed: {why}. It starts again by itself; please"
            " report it with the hub's log."
        )
        log.error("%s Next start in %.0f s.", sentence, pause)
        if vital:
            self._failures[name] = _Failure(sentence, former.count + 1)
            if former.count + 1 >= _MAX_FAILURES:
                self._give_up()
        await asyncio.sleep(pause)

    def _is_over(self, failure: _Failure) -> bool:
        return (
            failure.restarted_at is not None and self._clock() - failure.restarted_at >= self.proven
        )
