"""The parts of the server side, each made and even imported when it is first needed.

Most servers start without anybody looking at the panel at once, and every start pays for what is
imported.
"""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any

from jupyterlab_gpudock.handlers.base import FIRST_READING_TIMEOUT_S

if TYPE_CHECKING:
    from jupyterlab_gpudock.checks.runner import Checks
    from jupyterlab_gpudock.kernel.owners import Owners
    from jupyterlab_gpudock.kernel.stack import Stack
    from jupyterlab_gpudock.lease.lease import LeaseDesk
    from jupyterlab_gpudock.nvml.attribution import Attribution
    from jupyterlab_gpudock.nvml.readings import Reading
    from jupyterlab_gpudock.stream.broadcast import Stream
    from jupyterlab_gpudock.stream.sampler import Gate, Sampler


def make_gate() -> Gate:
    """What reads the GPUs of this machine, when it is asked to."""
    from jupyterlab_gpudock.nvml.reader import GPUReader
    from jupyterlab_gpudock.nvml.watchdog import WatchdogReader

    return WatchdogReader(GPUReader())


class Parts:
    """What the routes are made of. Belongs to the event loop.

    :param serverapp: the Jupyter server
    :param interval_s: seconds between two readings
    :param probe_timeout_s: seconds that an environment has to tell its versions
    :param check_timeout_s: seconds that a check may take
    """

    def __init__(
        self, serverapp: Any, interval_s: float, probe_timeout_s: float, check_timeout_s: float
    ) -> None:
        self._serverapp = serverapp
        self._interval_s = interval_s
        self._probe_timeout_s = probe_timeout_s
        self._check_timeout_s = check_timeout_s

    @functools.cached_property
    def attribution(self) -> Attribution:
        """Tells whose a process is."""
        from jupyterlab_gpudock.nvml.attribution import Attribution

        return Attribution()

    @functools.cached_property
    def sampler(self) -> Sampler:
        """Reads the GPUs while somebody looks."""
        from jupyterlab_gpudock.stream.sampler import Sampler

        return Sampler(make_gate(), self._interval_s, annotate=self.attribution.annotate)

    @functools.cached_property
    def owners(self) -> Owners:
        """Lists the kernels and terminals of this server."""
        from jupyterlab_gpudock.kernel.owners import Owners

        return Owners(
            self._serverapp.kernel_manager,
            self._serverapp.session_manager,
            lambda: self._serverapp.web_app.settings.get("terminal_manager"),
            self.attribution.set_owners,
        )

    @functools.cached_property
    def stream(self) -> Stream:
        """Gives each snapshot to every client."""
        from jupyterlab_gpudock.stream.broadcast import Stream

        return Stream(self.sampler, lambda snapshot: self.owners.renew_soon())

    @functools.cached_property
    def stack(self) -> Stack:
        """Describes kernel environments."""
        from jupyterlab_gpudock.kernel.environment import Prober
        from jupyterlab_gpudock.kernel.stack import Stack

        return Stack(Prober(self._probe_timeout_s), self._serverapp.kernel_spec_manager)

    @functools.cached_property
    def checks(self) -> Checks:
        """Runs checks, and tells the stream's clients of them."""
        from jupyterlab_gpudock.checks.runner import Checks

        return Checks(
            lambda check: self.stream.tell({"type": "check", "check": check}, check["id"]),
            self._check_timeout_s,
        )

    @functools.cached_property
    def lease(self) -> LeaseDesk:
        """Knows this server's lease."""
        from jupyterlab_gpudock.lease.desk_client import hub_environment
        from jupyterlab_gpudock.lease.lease import LeaseDesk

        return LeaseDesk(hub_environment(os.environ))

    async def newest_reading(self) -> Reading:
        """What NVML says now, or that it has not said anything yet."""
        from jupyterlab_gpudock.nvml.readings import Reading, State

        snapshot = await self.sampler.fresh(FIRST_READING_TIMEOUT_S)
        if snapshot is None:
            return Reading(State.FAILED, "NVML has not answered yet")
        return snapshot.reading

    async def close(self) -> None:
        """End what has been begun."""
        made = vars(self)
        if "checks" in made:
            await self.checks.close()
        if "sampler" in made:
            self.sampler.close()
