"""The server extension: its configuration and its routes."""

from __future__ import annotations

from typing import Any

from jupyter_server.extension.application import ExtensionApp
from traitlets import Bool, Float

from jupyterlab_gpudock.app.language import follow_browser
from jupyterlab_gpudock.app.services import ACTIONS_SCHEMA, Services
from jupyterlab_gpudock.handlers.checks import CheckHandler, ChecksHandler
from jupyterlab_gpudock.handlers.gpus import GPUsHandler, HistoryHandler
from jupyterlab_gpudock.handlers.kernels import EnvironmentsHandler, SnippetsHandler, StackHandler
from jupyterlab_gpudock.handlers.lease import (
    ExtendHandler,
    LeaseHandler,
    ReleaseHandler,
    RestartHandler,
)
from jupyterlab_gpudock.handlers.limits import EndsHandler, LimitsHandler
from jupyterlab_gpudock.handlers.stream import StreamHandler
from jupyterlab_gpudock.stream.interval import clamp_interval

ROUTES: tuple[tuple[str, type], ...] = (
    ("gpus", GPUsHandler),
    ("history", HistoryHandler),
    ("environments", EnvironmentsHandler),
    ("stack", StackHandler),
    ("snippets", SnippetsHandler),
    ("checks", ChecksHandler),
    (r"checks/([0-9a-f]{32})", CheckHandler),
    ("limits", LimitsHandler),
    ("ends", EndsHandler),
    ("lease", LeaseHandler),
    ("lease/extend", ExtendHandler),
    ("lease/release", ReleaseHandler),
    ("server/restart", RestartHandler),
    ("stream", StreamHandler),
)


class GPUDock(ExtensionApp):
    """Live GPU status for JupyterLab."""

    name = "jupyterlab_gpudock"
    description = "Live GPU and cuDNN status for JupyterLab"

    interval_s = Float(
        1.0,
        config=True,
        help="""
        Seconds between two readings of the GPUs while somebody is watching, from 0.5 to 60.
        Other values are moved to the nearer bound. For example `c.GPUDock.interval_s = 2`.
        """,
    )
    probe_timeout_s = Float(
        30.0,
        config=True,
        min=1.0,
        help="""
        Seconds that a kernel environment may take to report its versions of torch, CUDA and cuDNN
        before its process is ended. Importing torch from a cold disk can take more than ten.
        """,
    )

    check_timeout_s = Float(
        120.0,
        config=True,
        min=1.0,
        help="""
        Seconds that "Run a check" may take before its process is ended.
        """,
    )

    follow_browser_language = Bool(
        True,
        config=True,
        help="""
        Whether JupyterLab has the browser's language, if its language pack is installed, for users
        who have not chosen a language in JupyterLab's settings. If not, it has the language of the
        server's machine.
        """,
    )

    _services: Services | None = None

    def initialize_handlers(self) -> None:
        """Make the routes; the services behind them are made when they are first used."""
        interval_s = clamp_interval(self.interval_s)
        if interval_s != self.interval_s:
            self.log.warning(
                "GPUDock.interval_s is %g s, outside 0.5 to 60 s: %g s is used",
                self.interval_s,
                interval_s,
            )
        services = self._services = Services(
            self.serverapp, interval_s, self.probe_timeout_s, self.check_timeout_s
        )
        self.handlers.extend(
            (f"/gpudock/api/{name}", handler, {"services": services}) for name, handler in ROUTES
        )
        serverapp: Any = self.serverapp
        serverapp.event_logger.add_listener(
            schema_id=ACTIONS_SCHEMA, listener=services.on_kernel_action
        )
        if self.follow_browser_language:
            # The event loop begins when all extensions are loaded, and their hooks are set.
            serverapp.io_loop.add_callback(follow_browser, serverapp.web_app.settings)

    async def stop_extension(self) -> None:
        """End the sampling and all checks when the server stops."""
        if self._services is not None:
            await self._services.close()
