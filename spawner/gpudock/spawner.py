"""GPUDockerSpawner: a server of a user, in a container, on GPUs that nobody else has."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from typing import TYPE_CHECKING, Any

from dockerspawner import DockerSpawner
from jupyterhub.spawner import SpawnException
from jupyterhub.traitlets import ByteSpecification
from traitlets import Float, Int, List, Unicode, default

from gpudock.broker import Denied, LeaseConflict
from gpudock.form import FormView, render_form
from gpudock.host_config import Limits, Surroundings, container_config
from gpudock.lifecycle import EngineError, LaunchFailed, launch, terminate
from gpudock.model import ContainerState, Lease, LeaseState, Place, Request
from gpudock.names import slug
from gpudock.options import Offers, OptionError, SpawnOptions, parse
from gpudock.progress import ProgressLog, duration_in_words, place_in_words
from gpudock.readiness import ServerDied, wait_until_listening
from gpudock.runtime import Runtime
from gpudock.store import StoreError
from gpudock.workspace import is_directory, prepare_directory

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gpudock.host_config import ContainerSpec

_MIB = 1024 * 1024
# How long a server that ran before a restart of the hub may stay silent after it.
_ADOPTION_SECONDS = 600


class GPUDockerSpawner(DockerSpawner):
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

    if TYPE_CHECKING:
        server: Any  # of the Hub, which has no types

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
        self._progress = ProgressLog()
        self._command: list[str] = []
        self._configured_http_timeout = self.http_timeout  # type: ignore[has-type]

    # The form and its options.

    async def _render_form(self, _spawner: GPUDockerSpawner) -> str:
        runtime = Runtime.instance()
        offers = self._offers()
        if not runtime.is_ready:
            return render_form(FormView.unavailable(offers, runtime.problem or "Please wait."))
        return render_form(
            FormView.of(
                offers=offers,
                gpus=runtime.broker.gpus(),
                quota=runtime.broker.quota(self.user.name, self._groups()),
                place=self._place_if_asked_now(runtime),
                problem=runtime.inventory.reading().problem,
                chosen=self._last_choices(offers),
                now=time.time(),
            )
        )

    def _place_if_asked_now(self, runtime: Runtime) -> Place | None:
        wish = SpawnOptions(image=self.image, gpus=1)
        forecast = runtime.broker.forecast(self._request(wish))
        return forecast if isinstance(forecast, Place) else None

    def _last_choices(self, offers: Offers) -> dict[str, Any]:
        """Return the options of the last start; a client of the API may have sent anything."""
        try:
            return parse(self.orm_spawner.user_options or {}, offers).as_user_options()
        except OptionError:
            return {}

    def _options_from_form(self, form: dict[str, list[str]]) -> dict[str, Any]:
        """Check the form's fields, so that a bad one is told on the form itself."""
        try:
            return parse(form, self._offers()).as_user_options()
        except OptionError as error:
            raise _refusal(str(error), reason="options") from error

    @default("options_from_form")
    def _default_options_from_form(self) -> Any:
        return self._options_from_form

    @default("options_from_query")
    def _default_options_from_query(self) -> Any:
        return self._options_from_query

    def _options_from_query(self, query: dict[str, list[str]]) -> dict[str, Any]:
        """Check the options of a link, which starts a server when somebody follows it."""
        if self.handler.request.headers.get("Sec-Fetch-Site") == "cross-site":
            message = "A page of another site wanted to start this server. Choose here yourself."
            raise _refusal(message, reason="cross_site", status=403)
        return self._options_from_form(query)

    @default("apply_user_options")
    def _default_apply_user_options(self) -> Any:
        # The Hub warns of options that nobody takes; ours are taken when the server starts.
        return lambda _spawner, _options: None

    def _offers(self) -> Offers:
        allowed = self._get_allowed_images()
        images = (
            dict(allowed) if isinstance(allowed, dict) and allowed else {self.image: self.image}
        )
        reading = Runtime.instance().inventory.reading()
        # A lab whose GPUs have not been read yet has some: no server is to start without one only
        # because the hub has just started.
        has_gpus = reading.expects_readings or bool(reading.readings)
        return Offers(images=images, default_gpus=1 if has_gpus else 0)

    # What the Hub calls.

    async def start(self) -> str:
        """Get a lease and start the server's container on it.

        Returns the server's URL.

        Raises:
            SpawnException: with a message for the user; nothing is left behind then.
        """
        self._progress = ProgressLog()
        self.http_timeout = self._configured_http_timeout
        try:
            return await self._start()
        except asyncio.CancelledError:
            if not Runtime.instance().shutting_down:
                # The Hub only looks for a server's address to tell its user «ready», and takes the
                # address of a start that was given up away a second later.
                self.server = None
            raise
        except SpawnException:
            raise
        except OptionError as error:
            raise _refusal(str(error), reason="options") from error
        except Denied as error:
            raise _refusal(error.denial.message, reason=error.denial.reason, status=409) from error
        except (LaunchFailed, LeaseConflict, ServerDied) as error:
            self.log.error("The server of %s did not start: %s", self._log_name, error)
            raise _refusal(str(error), reason="launch", status=500) from error
        except EngineError as error:
            self.log.error("The Docker Engine failed %s: %s", self._log_name, error)
            message = (
                "The Docker Engine did not do its part, so your server could not be started: "
                f"{error} Try again; if it stays so, tell the administrator."
            )
            raise _refusal(message, reason="engine", status=503) from error
        except StoreError as error:
            self.log.error("The store failed %s: %s", self._log_name, error)
            message = f"The lab's database failed, so your server could not be started: {error}"
            raise _refusal(message, reason="store", status=503) from error

    async def _start(self) -> str:
        # What is wrong is told at once; how many GPUs are meant is known when the engine was heard.
        parse(self.user_options or {}, self._offers())
        runtime = await self._ready_runtime()
        options = parse(self.user_options or {}, self._offers())
        self.image = options.image
        self._command = await self._image_command(runtime, options.image)
        await self._prepare_workspace(runtime)
        lease = await self._lease(runtime, self._request(options))
        try:
            async with asyncio.timeout(self.launch_timeout):
                return await self._launch(runtime, lease)
        except TimeoutError as error:
            await terminate(runtime.broker, runtime.engine, lease, "did not start in time")
            message = (
                f"Your server did not answer within {duration_in_words(self.launch_timeout)} and "
                "was stopped; its GPU is free again. Try again; if it stays so, tell the "
                "administrator."
            )
            raise _refusal(message, reason="timeout", status=504) from error

    async def stop(self, now: bool = False) -> None:
        """Stop the container and give its lease back once it is proven gone.

        When the engine gives no proof, the lease stays taken and the reconciler goes on.
        """
        runtime = await self._ready_runtime()
        lease = runtime.broker.live_lease(self.user.name, self.name)
        if lease is None:
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
        lease = runtime.broker.live_lease(self.user.name, self.name)
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
        lease = runtime.broker.live_lease(self.user.name, self.name)
        url = str(self.server.url)
        self.http_timeout = _ADOPTION_SECONDS
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
            async with asyncio.timeout(_ADOPTION_SECONDS):
                await wait_until_listening(url, lambda: self._surely_exited(runtime, container_id))
        except (ServerDied, TimeoutError):
            # The Hub would wait for it in vain, and its user with the Hub.
            self.http_timeout = 1
        return url

    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        """Yield what happens while the server starts, for the progress page."""
        async for event in self._progress.follow():
            yield event

    # The parts of a start.

    async def _ready_runtime(self) -> Runtime:
        runtime = Runtime.instance()
        if not runtime.is_ready:
            self._progress.say(5, runtime.problem or "Waiting for the Docker Engine.")
            await runtime.ready()
        return runtime

    async def _image_command(self, runtime: Runtime, image: str) -> list[str]:
        """Return the command that starts a server in *image*, fetching the image where needed."""
        own = await runtime.engine.image_command(image)
        if own is None:
            self._progress.say(10, f"Fetching the image {image}; this can take minutes.")
            try:
                await runtime.engine.pull(image)
                own = await runtime.engine.image_command(image)
            except EngineError as error:
                message = (
                    f"The image {image} is not on this server and could not be fetched: {error} "
                    "Choose another image, or ask the administrator to build or pull it."
                )
                raise _refusal(message, reason="image", status=503) from error
        return list(self.cmd or []) or own or ["jupyterhub-singleuser"]

    @property
    def _workspace(self) -> str:
        # Not str.format: a user name is not a template, and neither is its slug.
        return str(self.workspace).replace("{user}", slug(self.user.name))

    async def _prepare_workspace(self, runtime: Runtime) -> None:
        if is_directory(self._workspace):
            image = runtime.config.agent_image or self.image
            await prepare_directory(runtime.engine, self.lab, image, self._workspace)

    async def _lease(self, runtime: Runtime, request: Request) -> Lease:
        """Get the lease for *request*, telling the progress page while it waits."""
        broker = runtime.broker
        watcher = asyncio.create_task(self._tell_place(runtime))
        try:
            async with asyncio.timeout(self.queue_timeout):
                lease = await broker.acquire(request)
        except TimeoutError as error:
            broker.withdraw(request.user, request.server)
            message = (
                f"No GPU came free within {duration_in_words(self.queue_timeout)}, so your request "
                "was taken out of the queue. Ask again, or start without a GPU."
            )
            raise _refusal(message, reason="queue_timeout", status=503) from error
        except asyncio.CancelledError:
            # A hub that stops cancels the spawn as well, but then the place is to be kept.
            if not runtime.shutting_down:
                broker.withdraw(request.user, request.server)
                lease_ = broker.live_lease(request.user, request.server)
                if lease_ is not None and lease_.state is LeaseState.GRANTED:
                    await terminate(broker, runtime.engine, lease_, "cancelled")
            raise
        finally:
            watcher.cancel()
        given = f"{len(lease.gpu_uuids)} GPU" + ("s" if len(lease.gpu_uuids) != 1 else "")
        self._progress.say(50, f"You have {given}." if lease.gpu_uuids else "Starting without GPU.")
        return lease

    async def _tell_place(self, runtime: Runtime) -> None:
        async for place in runtime.broker.place_changes(self.user.name, self.name):
            self._progress.say(20, place_in_words(place, time.time()))

    async def _launch(self, runtime: Runtime, lease: Lease) -> str:
        if lease.state is LeaseState.ACTIVE:
            self._progress.say(80, "Your server was still running; connecting to it again.")
            await self._adopt(runtime, lease)
            container_id = str(lease.container_id)
        else:
            self._progress.say(60, "Starting your container.")
            container_id = await launch(
                runtime.broker, runtime.engine, lease, self._container_spec(runtime, lease)
            )
        self.object_id = container_id
        url = await self._url(runtime, container_id)
        if url is None:
            raise await self._death(runtime, lease)
        self._progress.say(80, "Your container runs; JupyterLab is starting.")
        try:
            await wait_until_listening(url, lambda: self._exited(runtime, container_id))
        except ServerDied as error:
            raise await self._death(runtime, lease) from error
        except BaseException:
            if not runtime.shutting_down:
                await terminate(runtime.broker, runtime.engine, lease, "did not start")
            raise
        return url

    async def _death(self, runtime: Runtime, lease: Lease) -> ServerDied:
        """Clean up after a container that ended at once, and tell what it said last."""
        tail = ""
        if lease.container_id or self.object_id:
            with contextlib.suppress(EngineError):
                tail = await runtime.engine.log_tail(lease.container_id or self.object_id)
        await terminate(runtime.broker, runtime.engine, lease, "its container ended at once")
        said = f" Its last words: {tail.strip()[-600:]}" if tail.strip() else ""
        return ServerDied(
            "Your container ended right after its start, so your server could not be started."
            f"{said} Try again or choose another image; if it stays so, tell the administrator."
        )

    async def _exited(self, runtime: Runtime, container_id: str) -> bool:
        container = await runtime.engine.inspect(container_id)
        return container is None or container.state is ContainerState.EXITED

    async def _surely_exited(self, runtime: Runtime, container_id: str) -> bool:
        with contextlib.suppress(EngineError):
            return await self._exited(runtime, container_id)
        return False

    async def _adopt(self, runtime: Runtime, lease: Lease) -> None:
        """Take up a container that a former hub started: its token is in its environment."""
        self.object_id = str(lease.container_id)
        environment = await runtime.engine.environment(self.object_id)
        if "JUPYTERHUB_API_TOKEN" in environment:
            self.api_token = environment["JUPYTERHUB_API_TOKEN"]

    async def _url(self, runtime: Runtime, container_id: str, path: str = "") -> str | None:
        address = await runtime.engine.address(container_id, self.network_name)
        return f"http://{address}:{self.port}{path}" if address else None

    def _container_spec(self, runtime: Runtime, lease: Lease) -> ContainerSpec:
        assert runtime.engine_info is not None
        environment = {name: str(value) for name, value in self.get_env().items()}
        if self.api_url:
            environment["GPUDOCK_API_URL"] = self.api_url
        memory = self._eval_if_callable(self.mem_limit)
        memory_mib = _bytes(memory) // _MIB if memory else None
        shm_mib = self.shm_size // _MIB
        cpus = self._eval_if_callable(self.cpu_limit)
        return container_config(
            lease,
            Surroundings(
                lab=self.lab,
                network=self.network_name,
                workspace=self._workspace,
                command=[*self._command, *self.get_args()],
                environment=environment,
                delivery=runtime.engine_info.delivery,
                limits=Limits(
                    memory_mib=memory_mib,
                    cpus=float(cpus) if cpus else None,
                    pids=self.pids_limit,
                    # What is in /dev/shm counts as memory.
                    shm_mib=min(shm_mib, memory_mib // 2) if memory_mib else shm_mib,
                ),
                extra_mounts=self.extra_mounts,
            ),
        )

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


def _refusal(message: str, *, reason: str, status: int = 400) -> SpawnException:
    refusal = SpawnException(message, reason=reason, status_code=status)
    # What the Hub's pages show; without it they show the exception's name, or nothing at all.
    refusal.jupyterhub_message = message
    return refusal


def _bytes(value: Any) -> int:
    if isinstance(value, int | float):
        return int(value)
    return int(ByteSpecification().validate(None, str(value)))
