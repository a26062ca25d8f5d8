"""The services behind the routes, each made and even imported when it is first used.

Most servers start without anybody watching the panel, and every start pays for what is imported.
"""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jupyterlab_gpudock.checks.runner import Checks
    from jupyterlab_gpudock.kernel.ends import KernelEnds
    from jupyterlab_gpudock.kernel.limits import LimitReader
    from jupyterlab_gpudock.kernel.owners import Owners
    from jupyterlab_gpudock.kernel.stack import Stack
    from jupyterlab_gpudock.lease.lease import ServerLease
    from jupyterlab_gpudock.nvml.attribution import Attribution
    from jupyterlab_gpudock.nvml.readings import Reading, Snapshot
    from jupyterlab_gpudock.stream.broadcast import Stream
    from jupyterlab_gpudock.stream.sampler import Reader, Sampler

ACTIONS_SCHEMA = "https://events.jupyter.org/jupyter_server/kernel_actions/v1"
"""The events of Jupyter Server for starts, restarts and shutdowns of kernels."""

FIRST_READING_TIMEOUT_S = 5.0
"""How long a REST call waits for NVML, which can take seconds to open."""


def make_reader() -> Reader:
    """Return the reader of this machine's GPUs; it touches nothing before its first reading."""
    from jupyterlab_gpudock.nvml.isolated import IsolatedReader

    return IsolatedReader()


class Services:
    """What the routes use. Belongs to the event loop."""

    def __init__(
        self, serverapp: Any, interval_s: float, probe_timeout_s: float, check_timeout_s: float
    ) -> None:
        """Make the services.

        Args:
            serverapp: the Jupyter server.
            interval_s: seconds between two readings.
            probe_timeout_s: seconds that an environment may take to report its versions.
            check_timeout_s: seconds that a check may take.
        """
        self._serverapp = serverapp
        self._interval_s = interval_s
        self._probe_timeout_s = probe_timeout_s
        self._check_timeout_s = check_timeout_s

    @functools.cached_property
    def attribution(self) -> Attribution:
        """Finds the owners of processes."""
        from jupyterlab_gpudock.nvml.attribution import Attribution

        return Attribution()

    @functools.cached_property
    def sampler(self) -> Sampler:
        """Reads the GPUs while somebody is watching."""
        from jupyterlab_gpudock.stream.sampler import Sampler

        return Sampler(make_reader(), self._interval_s, annotate=self.attribution.annotate)

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
        """Sends each snapshot to every client."""
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
        """Runs checks, and reports them to the stream's clients."""
        from jupyterlab_gpudock.checks.runner import Checks

        return Checks(
            lambda check: self.stream.send({"type": "check", "check": check}, check["id"]),
            self._check_timeout_s,
        )

    @functools.cached_property
    def limits(self) -> LimitReader:
        """Reads what this server may use of its host."""
        from jupyterlab_gpudock.kernel.limits import LimitReader

        return LimitReader()

    @functools.cached_property
    def ends(self) -> KernelEnds:
        """Notices why kernels ended."""
        from jupyterlab_gpudock.kernel.ends import KernelEnds

        return KernelEnds(self._serverapp.kernel_manager, self.limits)

    async def on_kernel_action(self, logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        """Watch the kernels that start; a listener of Jupyter Server's events."""
        await self.ends.on_action(logger, schema_id, data)

    @functools.cached_property
    def lease(self) -> ServerLease:
        """The lease of this server."""
        from jupyterlab_gpudock.lease.desk_client import hub_environment
        from jupyterlab_gpudock.lease.lease import ServerLease

        return ServerLease(hub_environment(os.environ))

    async def newest_snapshot(self) -> Snapshot | None:
        """Return a snapshot no older than one interval, if NVML returns in time."""
        return await self.sampler.fresh(FIRST_READING_TIMEOUT_S)

    async def newest_reading(self) -> Reading:
        """Return the newest reading, or one that says that there was none yet."""
        from jupyterlab_gpudock.nvml.readings import Reading, State

        snapshot = await self.newest_snapshot()
        if snapshot is None:
            return Reading(State.FAILED, "NVML has not answered yet")
        return snapshot.reading

    async def close(self) -> None:
        """End what has been started."""
        made = vars(self)
        if "checks" in made:
            await self.checks.close()
        if "sampler" in made:
            self.sampler.close()
