"""The steps of a server's start: from spawn options to a container that answers."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from typing import TYPE_CHECKING, Any

from dockerspawner import DockerSpawner
from jupyterhub.spawner import SpawnException
from jupyterhub.traitlets import ByteSpecification

from gpudock.config.names import slug
from gpudock.engine.protocol import EngineError
from gpudock.engine.spec import Limits, Surroundings, container_config
from gpudock.hub.lifecycle import launch, terminate
from gpudock.hub.options import Offers, SpawnOptions, parse
from gpudock.hub.progress import GRANTED, ProgressLog, place_in_words
from gpudock.hub.readiness import ServerDied, wait_until_listening
from gpudock.hub.runtime import Runtime
from gpudock.hub.workspace import is_directory, prepare_directory
from gpudock.model import ContainerState, Lease, LeaseState, Request
from gpudock.policy.durations import duration_in_words
from gpudock.store import StoreError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gpudock.engine.spec import ContainerSpec

_MIB = 1024 * 1024
# How often it is looked whether somebody who waits has other groups, or another name, by now.
_LOOK_SECONDS = 5.0

# The lab's own images are built on the server; who has the name in a registry is somebody else.
BUILT_HERE = "gpudock/"
ADOPTION_SECONDS = 600
"""How long a server that ran before it was connected to again may stay silent."""


class ServerStart(DockerSpawner):
    """How one server starts; `GPUDockerSpawner` is configured and called."""

    if TYPE_CHECKING:
        server: Any  # of the Hub, which has no types

    def __init__(self, **kwargs: Any) -> None:
        """Create the spawner of one server of one user."""
        super().__init__(**kwargs)
        self._progress = ProgressLog()
        self._command: list[str] = []
        # The lease of a container that ran before a start, and is not to end with its failure.
        self._left_running: str | None = None

    async def _start(self) -> str:
        """Get a lease and start its container, or connect to one that runs; return the URL."""
        lease = self._running_lease()
        if lease is None:
            # What is wrong is told at once; how many GPUs are meant is known when the engine was
            # heard.
            parse(self.user_options or {}, self._offers())
        runtime = await self._ready_runtime()
        if lease is None:
            options = parse(self.user_options or {}, self._offers())
            self.image = options.image
            self._command = await self._image_command(runtime, options.image)
            await self._prepare_workspace(runtime)
            lease = await self._lease(runtime, self._request(options))
        if lease.state is LeaseState.ACTIVE:
            return await self._take_up(runtime, lease)
        async with self._in_time(runtime, lease, self.launch_timeout):
            return await self._launch(runtime, lease)

    def _running_lease(self) -> Lease | None:
        """Return the server's lease if its container ran when the engine was looked at last."""
        runtime = Runtime.instance()
        if not runtime.is_ready or runtime.reconciler.observation is None:
            return None
        lease = runtime.broker.leases.of_server(self.user.name, self.name)
        if (
            lease is None
            or lease.state is not LeaseState.ACTIVE
            or runtime.broker.leases.is_starting(lease.id)
        ):
            return None
        return lease

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

    async def _ready_runtime(self) -> Runtime:
        runtime = Runtime.instance()
        if not runtime.is_ready:
            self._progress.say(5, runtime.problem or "Waiting for the Docker Engine.")
            await runtime.ready()
        return runtime

    async def _image_command(self, runtime: Runtime, image: str) -> list[str]:
        """Return the command that starts a server in *image*, fetching the image where needed."""
        own = await runtime.engine.image_command(image)
        if own is None and image.startswith(BUILT_HERE):
            message = (
                f"The image {image} is not on this server. It is built there and comes from no"
                " registry. Choose another image, or ask the administrator to run «make up»."
            )
            raise refusal(message, reason="image", status=503)
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
                raise refusal(message, reason="image", status=503) from error
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
        watchers = (
            asyncio.create_task(self._tell_place(runtime)),
            asyncio.create_task(self._follow_user(runtime, request)),
        )
        try:
            async with asyncio.timeout(self.queue_timeout):
                lease = await broker.requests.acquire(request)
        except TimeoutError as error:
            broker.requests.withdraw(request.user, request.server)
            message = (
                f"No GPU came free within {duration_in_words(self.queue_timeout)}, so your request "
                "was taken out of the queue. Ask again, or start without a GPU."
            )
            raise refusal(message, reason="queue_timeout", status=503) from error
        except asyncio.CancelledError:
            # A hub that stops cancels the spawn as well, but then the place is to be kept.
            if not runtime.shutting_down:
                broker.requests.withdraw(request.user, request.server)
                lease_ = broker.leases.of_server(request.user, request.server)
                if lease_ is not None and lease_.state is LeaseState.GRANTED:
                    await terminate(broker, runtime.engine, lease_, "cancelled")
            raise
        finally:
            for watcher in watchers:
                watcher.cancel()
        given = f"{len(lease.gpu_uuids)} GPU" + ("s" if len(lease.gpu_uuids) != 1 else "")
        self._progress.say(
            GRANTED, f"You have {given}." if lease.gpu_uuids else "Starting without GPU."
        )
        return lease

    async def _tell_place(self, runtime: Runtime) -> None:
        async for place in runtime.broker.requests.positions(self.user.name, self.name):
            self._progress.say(20, place_in_words(place, time.time()))

    async def _follow_user(self, runtime: Runtime, request: Request) -> None:
        """Tell the broker what becomes of the user while the server waits.

        Who comes into a group or leaves one waits by other limits. A request of a name that nobody
        has any more is taken out of the queue: its GPU would be nobody's.
        """
        groups = request.groups
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            now = self._groups()
            try:
                if self.user.name != request.user:
                    runtime.broker.requests.withdraw(request.user, request.server)
                elif now != groups:
                    runtime.broker.requests.set_groups(request.user, request.server, now)
            except StoreError as error:
                self.log.warning("It is not noted yet who %s is: %s", self._log_name, error)
            else:
                groups = now

    async def _launch(self, runtime: Runtime, lease: Lease) -> str:
        """Make and start the container of a new lease; return the server's URL."""
        self._progress.say(60, "Starting your container.")
        spec = self._container_spec(runtime, lease)
        container_id = await launch(runtime.broker, runtime.engine, lease, spec)
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

    async def _take_up(self, runtime: Runtime, lease: Lease) -> str:
        """Connect to the container of *lease*, which runs already; return the server's URL.

        What runs in it is somebody's work, so it is given time, and an engine or a database that
        fails at this moment does not end it.
        """
        self._progress.say(80, "Your server was still running; connecting to it again.")
        self.image = lease.image
        self.http_timeout = ADOPTION_SECONDS
        container_id = str(lease.container_id)
        try:
            async with self._in_time(runtime, lease, ADOPTION_SECONDS):
                await self._adopt(runtime, lease)
                url = await self._url(runtime, container_id)
                if url is None:
                    message = "The container has no address."
                    raise ServerDied(message)
                await wait_until_listening(url, lambda: self._surely_exited(runtime, container_id))
        except ServerDied as error:
            raise await self._death(runtime, lease) from error
        except (EngineError, StoreError):
            self._left_running = lease.id
            raise
        return url

    @contextlib.asynccontextmanager
    async def _in_time(self, runtime: Runtime, lease: Lease, seconds: float) -> AsyncIterator[None]:
        """End the lease, and tell the user, when the block takes longer than *seconds*."""
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError as error:
            await terminate(runtime.broker, runtime.engine, lease, "did not start in time")
            message = (
                f"Your server did not answer within {duration_in_words(seconds)} and was stopped; "
                "its GPU is free again. Try again; if it stays so, tell the administrator."
            )
            raise refusal(message, reason="timeout", status=504) from error

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


def refusal(message: str, *, reason: str, status: int = 400) -> SpawnException:
    """Make the refusal of a start that its user reads; *reason* is its label in metrics."""
    told = SpawnException(message, reason=reason, status_code=status)
    # What the Hub's pages show; without it they show the exception's name, or nothing at all.
    told.jupyterhub_message = message
    return told


def _bytes(value: Any) -> int:
    if isinstance(value, int | float):
        return int(value)
    return int(ByteSpecification().validate(None, str(value)))
