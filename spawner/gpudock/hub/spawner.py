"""GPUDockerSpawner: a server of a user, in a container, on GPUs that nobody else has."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from jupyterhub.spawner import SpawnException
from jupyterhub.traitlets import ByteSpecification
from traitlets import Float, Int, List, Unicode, default

from gpudock.broker import LeaseConflictError, RequestDenied
from gpudock.engine.protocol import EngineError
from gpudock.hub.form import FormView, render_form
from gpudock.hub.lifecycle import LaunchFailed, terminate
from gpudock.hub.options import Offers, OptionError, SpawnOptions, parse
from gpudock.hub.progress import ProgressLog
from gpudock.hub.readiness import ServerDied, wait_until_listening
from gpudock.hub.runtime import Runtime
from gpudock.hub.start import ADOPTION_SECONDS, ServerStart, refusal
from gpudock.model import ContainerState, Denial, Lease, QueuePosition, Share
from gpudock.store import StoreError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from gpudock.broker import GPUStatus


class GPUDockerSpawner(ServerStart):
    """A DockerSpawner that gives every user GPUs of their own, by UUID, and never one to two.

    Which GPUs a server gets is decided by the lab's broker, when the server starts: the lease is
    written down before the container is made, and it ends only when the container is proven gone.
    """

    lab = Unicode(
        "gpudock",
        config=True,
        help="""
        Name of the lab. Its containers carry it, so that two labs on one Docker Engine tell theirs
        apart. It is also the first part of the containers' names.
        """,
    )

    workspace = Unicode(
        "gpudock-workspace-{user}",
        config=True,
        help="""
        Where a user's files live: the name of a Docker volume, or an absolute directory of the
        host. ``{user}`` stands for a short, safe form of the user's name. It is mounted at
        ``/workspace``, outlives the containers, and all of a user's servers share it.
        """,
    )

    pids_limit = Int(
        4096,
        min=16,
        config=True,
        help="""Most processes and threads that a user's container may have at once.""",
    )

    shm_size = ByteSpecification(
        "8G",
        config=True,
        help="""
        Size of ``/dev/shm`` in a user's container, for example ``8G``. PyTorch's DataLoader workers
        hand batches over in it; Docker's own default of 64 MiB makes them die with «bus error».
        """,
    )

    extra_mounts = List(
        config=True,
        help="""
        More mounts for every container, in the Docker Engine API's form, for example
        ``[{"Type": "bind", "Source": "/data", "Target": "/data", "ReadOnly": True}]``.
        """,
    )

    queue_timeout = Float(
        24 * 3600.0,
        min=1.0,
        config=True,
        help="""Longest wait for a GPU, in seconds. Whoever has waited for so long is told so.""",
    )

    launch_timeout = Float(
        180.0,
        min=1.0,
        config=True,
        help="""
        Longest time, in seconds, between the grant of a GPU and a server that answers. Fetching an
        image that is not there yet does not count.
        """,
    )

    api_url = Unicode(
        config=True,
        help="""Address of the lab's REST API as seen from users' containers.""",
    )

    @default("notebook_dir")
    def _default_notebook_dir(self) -> str:
        return "/workspace"

    @default("default_url")
    def _default_default_url(self) -> str:
        return "/lab"

    @default("use_internal_ip")
    def _default_use_internal_ip(self) -> bool:
        return True

    @default("start_timeout")
    def _default_start_timeout(self) -> int:
        # The Hub's limit covers the wait for a GPU; the parts have limits of their own.
        return int(self.queue_timeout + 2 * self.launch_timeout + 3600)

    @default("poll_interval")
    def _default_poll_interval(self) -> int:
        # A poll asks no engine: it reads what the reconciler knows.
        return 5

    @default("options_form")
    def _default_options_form(self) -> Any:
        return self._render_form

    def __init__(self, **kwargs: Any) -> None:
        """Create the spawner of one server of one user."""
        super().__init__(**kwargs)
        self._configured_http_timeout = self.http_timeout  # type: ignore[has-type]

    # The form and its options.

    async def _render_form(self, _spawner: GPUDockerSpawner) -> str:
        runtime = Runtime.instance()
        offers = self._offers()
        if not runtime.is_ready:
            return render_form(FormView.unavailable(offers, runtime.problem or "Please wait."))
        gpus = runtime.broker.gpus.all()
        return render_form(
            FormView.of(
                offers=offers,
                gpus=gpus,
                quota=runtime.broker.quotas.effective(self.user.name, self._groups()),
                outlook=self._outlook(runtime, gpus),
                problem=runtime.inventory.reading().problem,
                chosen=self._last_choices(offers),
                now=time.time(),
            )
        )

    def _outlook(
        self, runtime: Runtime, gpus: Iterable[GPUStatus]
    ) -> QueuePosition | Denial | None:
        """Tell what asking for a GPU now would come to; ``None``: it would be granted at once."""
        shared = all(status.slots > 1 for status in gpus)
        wish = SpawnOptions(
            image=self.image, gpus=1, share=Share.SHARED if shared else Share.EXCLUSIVE
        )
        forecast = runtime.broker.queue.forecast(self._request(wish))
        return forecast if isinstance(forecast, QueuePosition | Denial) else None

    def _last_choices(self, offers: Offers) -> dict[str, Any]:
        """Return the options of the last start; a client of the API may have sent anything."""
        try:
            return parse(self.orm_spawner.user_options or {}, offers).as_user_options()
        except OptionError:
            return {}

    def _options_from_form(self, form: dict[str, list[str]]) -> dict[str, Any]:
        """Check the form's fields, so that what cannot be had is told on the form itself."""
        try:
            options = parse(form, self._offers())
        except OptionError as error:
            raise refusal(str(error), reason="options") from error
        runtime = Runtime.instance()
        if runtime.is_ready and self._running_lease() is None:
            # A start that fails is told on the form only if it fails within a second.
            denial = runtime.broker.queue.denial(self._request(options))
            if denial is not None:
                raise refusal(denial.message, reason=denial.reason, status=409)
        return options.as_user_options()

    @default("options_from_form")
    def _default_options_from_form(self) -> Any:
        return self._options_from_form

    def options_from_query(self, query_data: dict[str, list[str]]) -> dict[str, Any]:
        """Check the options of a link, which starts a server when somebody follows it.

        ``again`` alone stands for the options of the last start.
        """
        if self.handler.request.headers.get("Sec-Fetch-Site") == "cross-site":
            message = "A page of another site wanted to start this server. Choose here yourself."
            raise refusal(message, reason="cross_site", status=403)
        if set(query_data) == {"again"}:
            return self._last_choices(self._offers())
        return self._options_from_form(query_data)

    @default("apply_user_options")
    def _default_apply_user_options(self) -> Any:
        # The Hub warns of options that nobody takes; ours are taken when the server starts.
        return lambda _spawner, _options: None

    # What the Hub calls.

    async def start(self) -> str:
        """Get a lease and start the server's container on it.

        Returns the server's URL.

        Raises:
            SpawnException: with a message for the user; nothing is left behind then.
        """
        self._progress = ProgressLog()
        self._left_running = None
        self.http_timeout = self._configured_http_timeout
        try:
            return await self._start()
        except asyncio.CancelledError:
            if not Runtime.instance().shutting_down:
                # The Hub only looks for a server's address to tell its user «ready». It takes the
                # address of a start that was given up away itself, but not where taking that down
                # has lasted longer than the second that it gives; and what is not committed is
                # undone by the next request.
                self.server = None
                self.db.commit()
            raise
        except SpawnException:
            raise
        except OptionError as error:
            raise refusal(str(error), reason="options") from error
        except RequestDenied as error:
            raise refusal(error.denial.message, reason=error.denial.reason, status=409) from error
        except (LaunchFailed, LeaseConflictError, ServerDied) as error:
            self.log.error("The server of %s did not start: %s", self._log_name, error)
            raise refusal(str(error), reason="launch", status=500) from error
        except EngineError as error:
            self.log.error("The Docker Engine failed %s: %s", self._log_name, error)
            message = (
                "The Docker Engine did not do its part, so your server could not be started: "
                f"{error} Try again; if it stays so, tell the administrator."
            )
            raise refusal(message, reason="engine", status=503) from error
        except StoreError as error:
            self.log.error("The store failed %s: %s", self._log_name, error)
            message = f"The lab's database failed, so your server could not be started: {error}"
            raise refusal(message, reason="store", status=503) from error

    async def stop(self, now: bool = False) -> None:
        """Stop the container and give its lease back once it is proven gone.

        When the engine gives no proof, the lease stays taken and the reconciler goes on.
        """
        runtime = await self._ready_runtime()
        lease = runtime.broker.leases.of_server(self.user.name, self.name)
        if lease is None:
            return
        if lease.id == self._left_running:
            # The Hub cleans up after a start that failed; but this container ran before it.
            self._left_running = None
            self.log.warning("%s could not be connected to; it runs on.", self._log_name)
            return
        proven = await terminate(runtime.broker, runtime.engine, lease, "stopped")
        if not proven:
            self.log.warning(
                "The end of %s's container is not proven; its GPUs stay taken until it is.",
                self._log_name,
            )
        self.object_id = ""

    async def poll(self) -> int | None:
        """Return ``None`` while the server runs or may run, else its exit code.

        Nothing is asked of the engine here. Until the engine was seen once, this waits: what is
        unknown is neither running nor gone.
        """
        runtime = await self._ready_runtime()
        await runtime.reconciler.first_look()
        lease = runtime.broker.leases.of_server(self.user.name, self.name)
        # A lease that has no container yet is a start that waits, or one that a crash of the hub
        # cut short; either way no server runs.
        if lease is None or lease.container_id is None or self._never_ran(runtime, lease):
            return 0
        return None

    def _never_ran(self, runtime: Runtime, lease: Lease) -> bool:
        """Tell whether a former hub made the lease's container, and this one found it unstarted."""
        observation = runtime.reconciler.observation
        return (
            self.object_id != lease.container_id
            and observation is not None
            and any(
                container.id == lease.container_id and container.state is ContainerState.CREATED
                for container in observation.containers
            )
        )

    async def get_url(self) -> str:
        """Return the URL of the server that runs, as the engine knows it.

        The Hub asks for it when it starts and finds a server that ran before; it then waits for
        an answer of that server, and stops one that gives none. A server that is slow at that
        moment holds somebody's work, so it is given more time than one that has just been started.
        """
        runtime = await self._ready_runtime()
        lease = runtime.broker.leases.of_server(self.user.name, self.name)
        url = str(self.server.url)
        self.http_timeout = ADOPTION_SECONDS
        if lease is None or lease.container_id is None:
            self.http_timeout = 1
            return url
        container_id = lease.container_id
        try:
            await self._adopt(runtime, lease)
            url = await self._url(runtime, container_id, str(self.server.base_url)) or url
        except EngineError as error:
            # An error here would end the hub. The address that the Hub has saved still holds.
            self.log.warning("The address of %s is not sure: %s", self._log_name, error)
        try:
            async with asyncio.timeout(ADOPTION_SECONDS):
                await wait_until_listening(url, lambda: self._surely_exited(runtime, container_id))
        except (ServerDied, TimeoutError):
            # The Hub would wait for it in vain, and its user with the Hub.
            self.http_timeout = 1
        return url

    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        """Yield what happens while the server starts, for the progress page."""
        async for event in self._progress.follow():
            yield event
