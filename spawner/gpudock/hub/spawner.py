"""GPUDockerSpawner: runs a user's server in a container, on GPUs that no other server has."""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dockerspawner import DockerSpawner
from jupyterhub.traitlets import ByteSpecification
from traitlets import Int, List, Unicode, default

from gpudock.broker import LeaseConflictError, RequestDenied
from gpudock.config.http_proxy import http_proxy_environment
from gpudock.config.names import slug
from gpudock.engine.protocol import EngineError
from gpudock.engine.spec import Limits
from gpudock.hub.errors import OptionError, ServerDied, StartError
from gpudock.hub.form import FormView, render_form
from gpudock.hub.http_errors import LocalizedSpawnException
from gpudock.hub.jupyter_folders import jupyter_folders
from gpudock.hub.lifecycle import terminate
from gpudock.hub.links import comes_from_lab
from gpudock.hub.options import Offers, SpawnOptions, parse, parse_remembered
from gpudock.hub.outlook import Outlook, OutlookKind
from gpudock.hub.progress import ProgressLog
from gpudock.hub.runtime import Runtime
from gpudock.hub.sizing import open_files
from gpudock.hub.start import RECONNECT_SECONDS, ServerStart, StartConfig
from gpudock.hub.stops import LastEnd, last_end, stop_reason
from gpudock.hub.traits import MAX_SECONDS, Seconds
from gpudock.language import Message, message_of
from gpudock.model import ContainerState, Lease, LeaseState, Request
from gpudock.store import StoreError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

_MIB = 1024 * 1024


class GPUDockerSpawner(DockerSpawner):
    """A DockerSpawner that gives each server GPUs of its own, by UUID.

    The lab's broker decides which GPUs a server gets when the server starts. The lease is stored
    before the container is created, and ends only when the container is proven gone.
    """

    if TYPE_CHECKING:
        server: Any  # of the Hub, which has no types

    lab = Unicode(
        "gpudock",
        config=True,
        help="""
        Name of the lab. It labels the lab's containers, so that several labs can share a Docker
        Engine, and is the first part of the containers' names.
        """,
    )

    workspace = Unicode(
        "gpudock-workspace-{user}",
        config=True,
        help="""
        Where a user's files are kept: the name of a Docker volume, or an absolute path on the host.
        ``{user}`` is replaced with a short, safe form of the user name. The workspace is mounted at
        ``/workspace``, outlives the containers, and is shared by all of a user's servers.
        """,
    )

    pids_limit = Int(
        4096,
        min=16,
        config=True,
        help="""Maximum number of processes and threads in a user's container.""",
    )

    shm_size = ByteSpecification(
        "8G",
        config=True,
        help="""
        Size of ``/dev/shm`` in a user's container, for example ``8G``. PyTorch's DataLoader workers
        exchange batches in it; with Docker's default of 64 MiB they fail with a bus error.
        """,
    )

    own_user_images = List(
        Unicode(),
        config=True,
        help="""
        Images whose containers run as the user that the image names, which may be root. The
        containers of all other images run as the user and group 1000, to whom workspaces belong.
        """,
    )

    extra_mounts = List(
        config=True,
        help="""
        Additional mounts for every container, in the format of the Docker Engine API, for example
        ``[{"Type": "bind", "Source": "/data", "Target": "/data", "ReadOnly": True}]``.
        """,
    )

    queue_timeout = Seconds(
        24 * 3600.0,
        allow_none=True,
        config=True,
        help="""
        Longest time a request may wait, in seconds. After that it is removed and the user is
        notified. ``None``: no limit.
        """,
    )

    launch_timeout = Seconds(
        180.0,
        config=True,
        help="""
        Longest time between the grant of a GPU and the server's first answer, in seconds. Pulling
        a missing image does not count.
        """,
    )

    api_url = Unicode(
        config=True,
        help="""URL of the lab's REST API as seen from users' containers.""",
    )

    @default("notebook_dir")
    def _default_notebook_dir(self) -> str:
        return "/workspace"

    @default("default_url")
    def _default_default_url(self) -> str:
        # Pages of one host that show the same JupyterLab workspace take it from each other, so each
        # server has one of its own name.
        return f"/lab/workspaces/{slug(self.name)}" if self.name else "/lab"

    @default("use_internal_ip")
    def _default_use_internal_ip(self) -> bool:
        return True

    @default("start_timeout")
    def _default_start_timeout(self) -> int:
        # The Hub's limit includes the wait for a GPU; each step of a start has its own limit.
        wait = MAX_SECONDS if self.queue_timeout is None else self.queue_timeout
        return int(wait + 2 * self.launch_timeout + 3600)

    @default("poll_interval")
    def _default_poll_interval(self) -> int:
        # A poll does not ask the engine: it reads what the reconciler knows.
        return 5

    @default("options_form")
    def _default_options_form(self) -> Any:
        return self._render_form

    def __init__(self, **kwargs: Any) -> None:
        """Create the spawner of one server of one user."""
        super().__init__(**kwargs)
        self._configured_http_timeout = self.http_timeout  # type: ignore[has-type]
        self._progress = ProgressLog()
        self._server_start: ServerStart | None = None
        # The options that were sent last, kept by the default server, and what showed a form last.
        self.posted: tuple[GPUDockerSpawner, dict[str, Any]] | None = None
        self._shown_by: Any = None
        # Set by the Hub's handlers; see :mod:`gpudock.hub.stops`.
        self.stopped_by: str | None = None

    # The form and its options.

    async def _render_form(self, _spawner: GPUDockerSpawner) -> str:
        posted, self.posted = self.posted, None
        handler = self.handler
        # Of a form that it has just shown, the Hub keeps the handler. After a form that failed it
        # asks the user's default server for a new one, whichever server was to start.
        is_opened = handler is not None and handler is not self._shown_by
        self._shown_by = handler
        if posted is None or (is_opened and handler.request.method == "GET"):
            return render_form(replace(self.form_view(None), server=self.name))
        spawner, options = posted
        return render_form(replace(spawner.form_view(options), server=spawner.name))

    def form_view(self, refused: Mapping[str, Any] | None) -> FormView:
        """Return the form; *refused* are the options of a start that was just refused."""
        runtime = Runtime.instance()
        offers = self._offers()
        chosen = self._remembered(offers) if refused is None else refused
        shares_files = bool(self.name) or any(
            spawner.active for spawner in self.user.spawners.values() if spawner is not self
        )
        problem = self._gpus_unknown(runtime)
        if problem is not None:
            return FormView.unavailable(offers, problem, chosen, shares_files=shares_files)
        reading = runtime.inventory.reading()
        return FormView.of(
            offers=offers,
            gpus=runtime.broker.gpus.all(),
            quota=runtime.broker.quotas.effective(self.user.name, self._groups()),
            outlook=self._outlook_of,
            problem=reading.problem,
            chosen=chosen,
            refused=refused is not None,
            shares_files=shares_files,
            simulated=reading.simulated,
        )

    def _gpus_unknown(self, runtime: Runtime) -> str | None:
        """Return why the lab cannot say which GPUs it has; ``None`` if it can."""
        reading = runtime.inventory.reading()
        if runtime.is_ready and (not reading.expects_readings or runtime.broker.gpus.all()):
            return None
        waits = Message("The lab reads its GPUs. Please wait.")
        return runtime.problem or reading.problem or waits

    def outlook(self, form: Mapping[str, list[str]]) -> Outlook:
        """Return what a start with the present values of the form's fields would come to.

        Args:
            form: the fields, as the form sends them.

        Raises:
            StoreError: the database failed.
        """
        try:
            options = parse(form, self._offers())
        except OptionError as error:
            return Outlook(OutlookKind.REFUSED, message_of(error))
        return self._outlook_of(options)

    def _outlook_of(self, options: SpawnOptions) -> Outlook:
        runtime = Runtime.instance()
        if self._gpus_unknown(runtime) is not None:
            return Outlook.of_unknown_gpus(options)
        answer = runtime.broker.queue.forecast(self._request(options))
        return Outlook.of(answer, options, time.time())

    def _offers(self) -> Offers:
        allowed = self._get_allowed_images()
        images = (
            dict(allowed) if isinstance(allowed, dict) and allowed else {self.image: self.image}
        )
        reading = Runtime.instance().inventory.reading()
        # A hub that has just started has no readings yet. Servers must not start without a GPU
        # because of that, so GPUs are assumed until they are read.
        has_gpus = reading.expects_readings or bool(reading.readings)
        return Offers(images=images, default_gpus=1 if has_gpus else 0)

    def _last_choices(self, offers: Offers) -> dict[str, Any]:
        """Return the options of the last start, as far as the lab still offers them."""
        return parse_remembered(self.orm_spawner.user_options or {}, offers).as_user_options()

    def _remembered(self, offers: Offers) -> dict[str, Any]:
        """Return the options of the last start, if the form is to show them."""
        options = self._last_choices(offers)
        return options if options.get("remember", True) else {}

    def _options_from_form(self, form: dict[str, list[str]]) -> dict[str, Any]:
        """Check the form's fields, so that the form itself shows what is wrong with them."""
        self.user.spawner.posted = None
        try:
            options = parse(form, self._offers())
            self.user.spawner.posted = self, options.as_user_options()
            runtime = Runtime.instance()
            if runtime.is_ready and self._running_lease() is None:
                # The form shows the failure of a start only if it fails within a second.
                denial = runtime.broker.queue.denial(self._request(options))
                if denial is not None:
                    raise RequestDenied(denial)
        except (OptionError, RequestDenied) as error:
            raise LocalizedSpawnException(error) from error
        given = options.as_user_options()
        if not any(form.get("gpus") or ()):
            # A form without GPUs to choose from, or a link that leaves it to the lab. The default
            # is known once the GPUs are, and is no choice to remember.
            del given["gpus"]
        return given

    @default("options_from_form")
    def _default_options_from_form(self) -> Any:
        return self._options_from_form

    def options_from_query(self, query_data: dict[str, list[str]]) -> dict[str, Any]:
        """Check the options of a link, which starts a server when it is followed.

        ``again`` alone stands for the options of the last start. Only a link on a page of the lab
        starts a server; others lead to the form.
        """
        if set(query_data) == {"again"}:
            options = self._last_choices(self._offers())
        else:
            options = self._options_from_form(query_data)
        headers = self.handler.request.headers
        host = headers.get(self.handler.app.forwarded_host_header or "Host", "")
        if not comes_from_lab(headers, host):
            message = Message(
                "A link that is not on a page of the lab tried to start this server. If you want "
                "it, choose here yourself."
            )
            error = StartError(message, reason="cross_site", status=403)
            raise LocalizedSpawnException(error)
        return options

    @default("apply_user_options")
    def _default_apply_user_options(self) -> Any:
        # The Hub warns about options that are not applied; ours are applied at the start.
        return lambda _spawner, _options: None

    def _request(self, options: SpawnOptions) -> Request:
        return Request(
            id=uuid.uuid4().hex,
            user=self.user.name,
            server=self.name,
            gpus=options.gpus,
            created_at=time.time(),
            image=options.image,
            gpu_model=options.gpu_model,
            share=options.share,
            when_busy=options.when_busy,
            groups=self._groups(),
            user_options=options.as_user_options(),
        )

    def _groups(self) -> tuple[str, ...]:
        return tuple(sorted(group.name for group in self.user.groups))

    # What the Hub calls.

    async def start(self) -> str:
        """Get a lease and start the server's container with it.

        Returns the server's URL.

        Raises:
            SpawnException: with a message for the user; nothing is left behind then.
        """
        self._progress = ProgressLog()
        self._server_start = None
        self.http_timeout = self._configured_http_timeout
        address = self.orm_spawner.server
        try:
            return await self._start()
        except asyncio.CancelledError:
            # What takes long to take down may end after the next start has begun.
            is_latest = self.orm_spawner.server is address
            if is_latest and not Runtime.instance().shutting_down:
                # A server with an address counts as ready. The Hub removes the address of a
                # cancelled start only if that ends within a second, and undoes at the next request
                # what is not committed; JupyterHub 6.1 has no other way to commit from here.
                self.server = None
                self.db.commit()
            raise
        except (StartError, RequestDenied, LeaseConflictError, EngineError, StoreError) as error:
            raise LocalizedSpawnException(error) from error

    async def _start(self) -> str:
        lease = self._running_lease()
        if lease is None:
            # Report invalid options before waiting for the engine.
            parse(self.user_options or {}, self._offers())
        runtime = await self._ready_runtime()
        if lease is None:
            # The default number of GPUs is known only now.
            options = parse(self.user_options or {}, self._offers())
            self.image = options.image
        start = self._server_start = ServerStart(runtime, self._start_config(), self._progress)
        try:
            if lease is None:
                server = await start.run(self._request(options))
            else:
                server = await start.reconnect(lease)
        finally:
            self.object_id = start.container_id or self.object_id  # type: ignore[has-type]
        self.image = server.image
        if server.was_running:
            self.http_timeout = RECONNECT_SECONDS
            self.api_token = server.api_token or self.api_token  # type: ignore[has-type]
        return server.url

    def _start_config(self) -> StartConfig:
        """Resolve the traits that a start needs."""

        def environment() -> dict[str, str]:
            configured = {name: str(value) for name, value in self.get_env().items()}
            variables = http_proxy_environment(os.environ) | jupyter_folders(self.name) | configured
            return variables | ({"GPUDOCK_API_URL": self.api_url} if self.api_url else {})

        def limits() -> Limits:
            memory = self._eval_if_callable(self.mem_limit)
            memory_mib = ByteSpecification().validate(None, memory) // _MIB if memory else None
            cpus = self._eval_if_callable(self.cpu_limit)
            shm_mib = self.shm_size // _MIB
            return Limits(
                memory_mib=memory_mib,
                cpus=float(cpus) if cpus else None,
                pids=self.pids_limit,
                # The content of /dev/shm counts as memory.
                shm_mib=min(shm_mib, memory_mib // 2) if memory_mib else shm_mib,
                open_files=open_files(),
            )

        return StartConfig(
            lab=self.lab,
            network=self.network_name,
            port=self.port,
            # Not str.format: neither a user name nor its slug is a template.
            workspace=str(self.workspace).replace("{user}", slug(self.user.name)),
            command=list(self.cmd or []),
            arguments=self.get_args(),
            extra_mounts=self.extra_mounts,
            queue_timeout=self.queue_timeout,
            launch_timeout=self.launch_timeout,
            environment=environment,
            limits=limits,
            identity=lambda: (self.user.name, self._groups()),
            own_user_images=tuple(self.own_user_images),
        )

    def _running_lease(self) -> Lease | None:
        """Return the server's lease if the last look at the engine found its container running."""
        runtime = Runtime.instance()
        if not runtime.is_ready or runtime.reconciler.observation is None:
            return None
        leases = runtime.broker.leases
        lease = leases.of_server(self.user.name, self.name)
        if lease is None or lease.state is not LeaseState.ACTIVE or leases.is_starting(lease.id):
            return None
        return lease

    async def _ready_runtime(self) -> Runtime:
        runtime = Runtime.instance()
        if not runtime.is_ready:
            waits = Message("Waiting for the Docker Engine.")
            self._progress.add(5, runtime.problem or waits)
            await runtime.ready()
        return runtime

    async def stop(self, now: bool = False) -> None:
        """Stop the container, and end its lease once the container is proven gone.

        When the engine gives no proof, the lease stays and the reconciler continues.
        """
        actor, self.stopped_by = self.stopped_by, None
        runtime = await self._ready_runtime()
        lease = runtime.broker.leases.of_server(self.user.name, self.name)
        if lease is None:
            return
        start, self._server_start = self._server_start, None
        if start is not None and lease.id == start.left_running:
            # The Hub cleans up after a failed start, but this container was running before it.
            self.log.warning("Could not reconnect to %s; it keeps running.", self._log_name)
            return
        reason = stop_reason(actor, self.user.name)
        proven = await terminate(runtime.broker, runtime.engine, lease, reason)
        if not proven:
            self.log.warning(
                "The end of %s's container is not proven; its GPUs stay leased until it is.",
                self._log_name,
            )
        self.object_id = ""

    def last_end(self) -> LastEnd | None:
        """Return how the server's last session ended, for the page of a server that is stopped."""
        runtime = Runtime.instance()
        if not runtime.is_ready:
            return None
        try:
            return last_end(runtime.broker, self.user.name, self.name, self.user.created)
        except StoreError as error:
            self.log.warning("Why %s ended is not known: %s", self._log_name, error)
            return None

    async def poll(self) -> int | None:
        """Return ``None`` while the server runs or may run, otherwise its exit code.

        This asks nothing of the engine. It waits for the first complete look at the engine: what is
        unknown is neither running nor gone.
        """
        runtime = await self._ready_runtime()
        await runtime.reconciler.first_look()
        lease = runtime.broker.leases.of_server(self.user.name, self.name)
        # A lease without a container is a start that waits, or that a crash of the hub cut short;
        # either way no server runs.
        if lease is None or lease.container_id is None or self._never_ran(runtime, lease):
            return 0
        return None

    def _never_ran(self, runtime: Runtime, lease: Lease) -> bool:
        """Return whether an earlier hub created the lease's container but did not start it."""
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
        """Return the URL of the running server, as the engine knows it.

        The Hub asks for it at its own start, then waits for an answer of the server and stops one
        that gives none. The server holds a user's work, so it gets more time than a new one.
        """
        runtime = await self._ready_runtime()
        lease = runtime.broker.leases.of_server(self.user.name, self.name)
        url = str(self.server.url)
        if lease is None or lease.container_id is None:
            self.http_timeout = 1
            return url
        self.http_timeout = RECONNECT_SECONDS
        self.object_id = container_id = lease.container_id
        start = ServerStart(runtime, self._start_config(), self._progress)
        try:
            found, token = await start.contact(container_id)
            self.api_token = token or self.api_token  # type: ignore[has-type]
            url = f"{found}{self.server.base_url}"
        except (EngineError, ServerDied) as error:
            # An error here would end the hub. The address that the Hub has stored still holds.
            self.log.warning("The address of %s is not certain: %s", self._log_name, error)
        try:
            async with asyncio.timeout(RECONNECT_SECONDS):
                await start.wait_for_work(url, container_id)
        except (ServerDied, TimeoutError):
            # Fail fast: this server will not answer.
            self.http_timeout = 1
        return url

    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        """Yield what happens while the server starts, for the progress page."""
        async for event in self._progress.follow():
            yield event
