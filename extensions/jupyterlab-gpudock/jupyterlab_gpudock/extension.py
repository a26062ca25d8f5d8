"""Where the parts of the server extension are put together."""

from __future__ import annotations

import os
from typing import Any

from jupyter_server.extension.application import ExtensionApp
from traitlets import Float

from jupyterlab_gpudock.attribution import Attribution
from jupyterlab_gpudock.check_handlers import CheckHandler, ChecksHandler
from jupyterlab_gpudock.checks import Checks
from jupyterlab_gpudock.desk import hub_environment
from jupyterlab_gpudock.environment import Prober
from jupyterlab_gpudock.handlers import (
    EnvironmentsHandler,
    GPUsHandler,
    HistoryHandler,
    SnippetsHandler,
    StackHandler,
)
from jupyterlab_gpudock.lease import LeaseDesk
from jupyterlab_gpudock.lease_handlers import (
    ExtendHandler,
    LeaseHandler,
    ReleaseHandler,
    RestartHandler,
)
from jupyterlab_gpudock.nvml import NVML
from jupyterlab_gpudock.owners import Owners
from jupyterlab_gpudock.patience import Patient
from jupyterlab_gpudock.sampler import Gate, Sampler, clamp_interval
from jupyterlab_gpudock.stack import Stack
from jupyterlab_gpudock.stream import Stream
from jupyterlab_gpudock.stream_handler import StreamHandler


def make_gate() -> Gate:
    """What reads the GPUs of this machine, when it is asked to."""
    return Patient(NVML())


class GPUDock(ExtensionApp):
    """Live GPU status for JupyterLab."""

    name = "jupyterlab_gpudock"
    description = "Live GPU and cuDNN status for JupyterLab"

    interval_s = Float(
        1.0,
        config=True,
        help="""
        Seconds between two readings of the GPUs while somebody looks, from 0.5 to 60; a value
        outside is moved to the nearer end. For example `c.GPUDock.interval_s = 2`.
        """,
    )
    probe_timeout_s = Float(
        30.0,
        config=True,
        min=1.0,
        help="""
        Seconds that a kernel environment has to tell its torch, CUDA and cuDNN versions before
        its process is ended. Importing torch from a cold disk can take more than ten.
        """,
    )

    check_timeout_s = Float(
        120.0,
        config=True,
        min=1.0,
        help="""
        Seconds that “Run a check” may take before its process is ended.
        """,
    )

    _sampler: Sampler | None = None
    _checks: Checks | None = None

    def initialize_handlers(self) -> None:
        """Make the sampler, which does nothing yet, and the routes."""
        interval_s = clamp_interval(self.interval_s)
        if interval_s != self.interval_s:
            self.log.warning(
                "GPUDock.interval_s is %g s, outside 0.5 to 60 s: %g s is used",
                self.interval_s,
                interval_s,
            )
        assert self.serverapp is not None
        attribution = Attribution()
        sampler = self._sampler = Sampler(make_gate(), interval_s, annotate=attribution.annotate)
        owners = Owners(
            self.serverapp.kernel_manager,
            self.serverapp.session_manager,
            lambda: self.serverapp.web_app.settings.get("terminal_manager"),
            attribution.set_owners,
        )
        stream = Stream(sampler, lambda snapshot: owners.renew_soon())
        stack = Stack(Prober(self.probe_timeout_s), self.serverapp.kernel_spec_manager)
        lease = LeaseDesk(hub_environment(os.environ))
        checks = self._checks = Checks(
            lambda check: stream.tell({"type": "check", "check": check}, check["id"]),
            self.check_timeout_s,
        )
        routes: list[tuple[str, type, dict[str, Any]]] = [
            ("gpus", GPUsHandler, {"sampler": sampler, "owners": owners}),
            ("history", HistoryHandler, {"sampler": sampler}),
            ("environments", EnvironmentsHandler, {"sampler": sampler, "stack": stack}),
            ("stack", StackHandler, {"sampler": sampler, "stack": stack}),
            ("checks", ChecksHandler, {"checks": checks, "sampler": sampler, "stack": stack}),
            (r"checks/([0-9a-f]{32})", CheckHandler, {"checks": checks}),
            ("snippets", SnippetsHandler, {}),
            ("lease", LeaseHandler, {"lease": lease}),
            ("lease/extend", ExtendHandler, {"lease": lease}),
            ("lease/release", ReleaseHandler, {"lease": lease}),
            ("server/restart", RestartHandler, {"lease": lease}),
            ("stream", StreamHandler, {"stream": stream}),
        ]
        self.handlers.extend(
            (f"/gpudock/api/{name}", handler, parts) for name, handler, parts in routes
        )

    async def stop_extension(self) -> None:
        """End the sampling and all checks when the server stops."""
        if self._checks is not None:
            await self._checks.close()
        if self._sampler is not None:
            self._sampler.close()
