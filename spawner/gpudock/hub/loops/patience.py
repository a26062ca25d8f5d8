"""How long the hub goes on with a dead socket of the engine.

An engine that restarts may create its socket again. A container that mounts the old one, or that is
started in the moment before the new one exists, sees it only after a restart of its own.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from gpudock.engine.protocol import EngineUnreachable

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpudock.engine.protocol import EngineError

log = logging.getLogger(__name__)


class Patience:
    """Ends the hub, to be restarted, when nothing has listened at the socket for a while."""

    def __init__(
        self,
        seconds: float | None,
        give_up: Callable[[], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin to wait.

        Args:
            seconds: for which nothing may listen at the socket; ``None``: any time.
            give_up: ends the hub.
            clock: returns seconds and never runs backwards.
        """
        self._seconds = seconds
        self._give_up = give_up
        self._clock = clock
        self._since: float | None = None

    def answered(self) -> None:
        """Note that the engine has answered."""
        self._since = None

    def failed(self, error: EngineError) -> None:
        """Note that it has not; give up if nothing has listened at the socket for too long."""
        if not isinstance(error, EngineUnreachable):
            # Something listens. It may be slow, but a restart of the hub would not change that.
            self._since = None
            return
        now = self._clock()
        if self._since is None:
            self._since = now
        if self._seconds is not None and now - self._since >= self._seconds:
            log.error("The Docker Engine's socket is dead; ending the hub, to be restarted.")
            self._give_up()
