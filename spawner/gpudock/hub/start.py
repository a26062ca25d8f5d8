"""The start of one server: from a request to a container that answers.

:class:`GPUDockerSpawner` resolves its traits into a :class:`StartConfig` and hands it to a
:class:`ServerStart`. Nothing here knows traits or the Hub.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from gpudock.engine.protocol import EngineError
from gpudock.engine.spec import USER, ContainerContext, ImageConfig, Limits, container_config
from gpudock.hub.errors import RETRY_HINT, LaunchFailed, NotDelivered, ServerDied, StartError
from gpudock.hub.lifecycle import launch, terminate
from gpudock.hub.progress import GRANTED, ProgressLog, position_in_words
from gpudock.hub.readiness import wait_until_listening
from gpudock.hub.workspace import needs_preparation, prepare_workspace
from gpudock.language import Message, counted, message_of, sentences
from gpudock.model import ContainerState, Lease, LeaseState, Request
from gpudock.policy.durations import duration_in_words
from gpudock.store import StoreError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence

    from gpudock.engine.spec import ContainerSpec
    from gpudock.hub.runtime import Runtime

log = logging.getLogger(__name__)

_FOLLOW_USER_SECONDS = 5.0
"""How often to re-check a waiting user's name and groups."""

_LOCAL_IMAGES = "gpudock/"
"""Prefix of the images that are built on the server; in a registry the name is somebody else's."""

RECONNECT_SECONDS = 600
"""How long a server that was already running may take to answer."""

_OUTPUT_SHOWN = 600


@dataclass(frozen=True, slots=True)
class StartConfig:
    """How a server is started: the spawner's traits, resolved.

    Attributes:
        lab: name of the lab.
        network: Docker network on which the hub reaches the server.
        port: the server's port.
        workspace: name of the user's volume, or an absolute directory of the host.
        command: starts the server; empty: the image's own command.
        arguments: the command's arguments.
        extra_mounts: more mounts, in the Engine API's form.
        queue_timeout: longest time that the request may wait, in seconds; ``None``: no limit.
        launch_timeout: longest time between the grant and the server's first answer, in seconds.
        environment: returns the container's variables.
        limits: returns what the container may use. Like ``environment`` it is called when the
            container is created: an automatic memory limit depends on the number of GPUs, which a
            hub that has just started does not know yet.
        identity: returns the user's current name and groups, which may change during a wait.
        own_user_images: images whose containers run as the user that the image names.
    """

    lab: str
    network: str
    port: int
    workspace: str
    command: Sequence[str]
    arguments: Sequence[str]
    extra_mounts: Sequence[Mapping[str, Any]]
    queue_timeout: float | None
    launch_timeout: float
    environment: Callable[[], Mapping[str, str]]
    limits: Callable[[], Limits]
    identity: Callable[[], tuple[str, tuple[str, ...]]]
    own_user_images: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that answers.

    Attributes:
        url: its address, without a path.
        image: the image that it runs.
        was_running: whether it was running before this start.
        api_token: the Hub token in the environment of a server that was running before.
    """

    url: str
    image: str
    was_running: bool = False
    api_token: str | None = None


class ServerStart:
    """One start of one server.

    Attributes:
        container_id: the container, as soon as there is one.
        left_running: id of the lease whose container was running before and could not be reached.
            It must survive the failure of this start.
    """

    def __init__(self, runtime: Runtime, config: StartConfig, progress: ProgressLog) -> None:
        """Prepare a start.

        Args:
            runtime: the hub's runtime; it must be ready.
            config: how to start the server.
            progress: shows the user what happens.
        """
        self._runtime = runtime
        self._broker = runtime.broker
        self._engine = runtime.engine
        self._config = config
        self._progress = progress
        self.container_id: str | None = None
        self.left_running: str | None = None

    async def run(self, request: Request) -> RunningServer:
        """Get a lease for *request* and start its container.

        When the engine cannot give the container its GPUs, the start goes on with others, or waits
        for them as at first.

        Raises:
            StartError: the server does not start; the message says why.
            RequestDenied: the broker denied the request.
            LeaseConflictError: another start of the same server came first.
            EngineError: the engine failed.
            StoreError: the database failed.
        """
        try:
            image = await self._image(request.image)
            await self._prepare_workspace(request.image, image)
        except (StartError, asyncio.CancelledError):
            # After a restart of the hub it waits already. An engine that fails costs no place.
            self._give_up(request, "its start failed")
            raise
        limit = self._config.queue_timeout
        latest = None if limit is None else asyncio.get_running_loop().time() + limit
        while (lease := await self._lease(request, latest)).state is not LeaseState.ACTIVE:
            try:
                async with self._time_limit(lease, self._config.launch_timeout):
                    return await self._launch(request, lease, image)
            except NotDelivered as error:
                log.warning("The start for %s goes on with another lease. %s", lease.user, error)
                self._progress.add(40, _not_delivered_in_words(lease))
        return await self.reconnect(lease)

    async def reconnect(self, lease: Lease) -> RunningServer:
        """Connect to the running container of *lease*.

        The container holds a user's work. So it gets more time to answer than a new one, and a
        failure of the engine or the database does not end it.

        Raises:
            StartError: the server died or does not answer; its container was removed.
            EngineError: the engine failed; the container was left running.
            StoreError: the database failed; the container was left running.
        """
        self._progress.add(80, Message("Your server is still running; reconnecting to it."))
        self.container_id = str(lease.container_id)
        try:
            async with self._time_limit(lease, RECONNECT_SECONDS):
                url, token = await self.contact(self.container_id)
                await self.wait_for_work(url, self.container_id)
        except ServerDied as error:
            raise await self._clean_up_dead(lease) from error
        except (EngineError, StoreError):
            self.left_running = lease.id
            raise
        return RunningServer(url, lease.image, was_running=True, api_token=token)

    async def _image(self, image: str) -> ImageConfig:
        """Return how *image* starts; pull it if necessary."""
        found = await self._engine.image_config(image)
        if found is None and image.startswith(_LOCAL_IMAGES):
            message = Message(
                "The image {image} is not on this server. It is built there and is in no registry. "
                'Choose another image, or ask the administrator to run "make up".',
                image=image,
            )
            raise StartError(message, reason="image", status=503)
        if found is None:
            self._progress.add(
                10, Message("Pulling the image {image}; this can take minutes.", image=image)
            )
            try:
                await self._engine.pull(image)
                found = await self._engine.image_config(image)
            except EngineError as error:
                message = Message(
                    "The image {image} is not on this server and could not be pulled: {error} "
                    "Choose another image, or ask the administrator to build or pull it.",
                    image=image,
                    error=message_of(error),
                )
                raise StartError(message, reason="image", status=503) from error
        return found or ImageConfig()

    async def _prepare_workspace(self, name: str, image: ImageConfig) -> None:
        config = self._config
        own_user = name in config.own_user_images
        if needs_preparation(config.workspace, image, own_user=own_user):
            await prepare_workspace(
                self._engine,
                config.lab,
                self._runtime.config.agent_image or name,
                config.workspace,
                own_user=own_user,
            )

    async def _lease(self, request: Request, latest: float | None) -> Lease:
        """Get the lease for *request*; show the queue position while it waits.

        Args:
            request: the request.
            latest: until when it may wait, on the event loop's clock; ``None``: forever.
        """
        broker = self._broker
        watchers = [
            asyncio.create_task(
                self._runtime.tasks.keep(
                    f"{what} of {request.user}:{request.server}",
                    partial(work, request),
                    vital=False,
                )
            )
            for what, work in (
                ("the position", self._show_position),
                ("the groups", self._follow_user),
            )
        ]
        try:
            async with asyncio.timeout_at(latest):
                lease = await broker.requests.acquire(request)
        except TimeoutError as error:
            self._give_up(request, "its start had waited for too long", timed_out=True)
            waited = duration_in_words(self._config.queue_timeout or 0.0)
            message = Message(
                "No GPU became free within {waited}, so your request was removed from the queue. "
                "Start again within 7 days to keep your waiting time, or start without a GPU.",
                waited=waited,
            )
            raise StartError(message, reason="queue_timeout", status=503) from error
        except asyncio.CancelledError:
            self._give_up(request, "cancelled")
            raise
        finally:
            for watcher in watchers:
                watcher.cancel()
        count = len(lease.gpu_uuids)
        given = (
            counted("You have {n} GPU.", "You have {n} GPUs.", count)
            if count
            else Message("Starting without a GPU.")
        )
        self._progress.add(GRANTED, given)
        return lease

    def _give_up(self, request: Request, reason: str, *, timed_out: bool = False) -> None:
        """Withdraw the request of a start that ends, or the lease that it was granted just now.

        A hub that stops cancels its spawns too, but their places in the queue are kept.
        """
        if not self._runtime.shutting_down:
            self._broker.requests.give_up(
                request.user, request.server, reason, timed_out=timed_out, request_id=request.id
            )

    async def _show_position(self, request: Request) -> None:
        async for position in self._broker.requests.positions(request.user, request.server):
            message = position_in_words(position, time.time())
            self._progress.add(20, message, position.position)

    async def _follow_user(self, request: Request) -> None:
        """Notify the broker when the waiting user's groups change, or the user is gone.

        Other groups have other limits. A request of a name that no user has any more is withdrawn,
        because its GPU would belong to nobody.
        """
        known = request.groups
        while True:
            await asyncio.sleep(_FOLLOW_USER_SECONDS)
            name, groups = self._config.identity()
            try:
                if name != request.user:
                    self._broker.requests.withdraw(request.user, request.server)
                elif groups != known:
                    self._broker.requests.set_groups(request.user, request.server, groups)
            except StoreError as error:
                log.warning("The groups of %s could not be updated: %s", request.user, error)
            else:
                known = groups

    async def _launch(self, request: Request, lease: Lease, image: ImageConfig) -> RunningServer:
        """Create and start the container of a new lease."""
        self._progress.add(60, Message("Starting your container."))
        spec = self._spec(lease, image)
        try:
            self.container_id = await launch(self._broker, self._engine, lease, spec)
        except NotDelivered:
            raise
        except LaunchFailed as error:
            shown = await self._last_output(spec.name)
            message = sentences(message_of(error), shown)
            raise LaunchFailed(message, reason=error.reason, status=error.status) from error
        except asyncio.CancelledError:
            # It may wait again already, because the engine could not give it its GPUs.
            self._give_up(request, "cancelled")
            raise
        try:
            url = await self._url(self.container_id)
            self._progress.add(80, Message("Your container is running; JupyterLab is starting."))
            await wait_until_listening(url, partial(self._has_exited, self.container_id))
        except ServerDied as error:
            raise await self._clean_up_dead(lease) from error
        except BaseException:
            if not self._runtime.shutting_down:
                await terminate(self._broker, self._engine, lease, "did not start")
            raise
        return RunningServer(url, lease.image)

    def _spec(self, lease: Lease, image: ImageConfig) -> ContainerSpec:
        config, engine_info = self._config, self._runtime.engine_info
        assert engine_info is not None
        command = config.command or image.command or ("jupyterhub-singleuser",)
        context = ContainerContext(
            lab=config.lab,
            network=config.network,
            workspace=config.workspace,
            command=[*command, *config.arguments],
            environment=config.environment(),
            delivery=engine_info.delivery,
            limits=config.limits(),
            extra_mounts=config.extra_mounts,
            user=None if lease.image in config.own_user_images else USER,
            image_variables=image.variables,
        )
        return container_config(lease, context)

    async def _clean_up_dead(self, lease: Lease) -> ServerDied:
        """End the lease of a container that exited; return the error that shows its last output."""
        shown = await self._last_output(self.container_id or "")
        await terminate(self._broker, self._engine, lease, "its container ended at once")
        message = Message(
            "Your container exited right after its start, so your server could not be started."
        )
        again = Message("Try again or choose another image.")
        return ServerDied(sentences(message, shown, again, RETRY_HINT))

    async def _last_output(self, container: str) -> str:
        """Return a sentence with the last output of a container; empty if there is none."""
        output = await self._engine.last_output(container) if container else ""
        if not output:
            return ""
        return Message("Its last output: {output}", output=output[-_OUTPUT_SHOWN:])

    @contextlib.asynccontextmanager
    async def _time_limit(self, lease: Lease, seconds: float) -> AsyncIterator[None]:
        """End the lease if the block takes longer than *seconds*."""
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError as error:
            await terminate(self._broker, self._engine, lease, "did not start in time")
            shown = await self._last_output(self.container_id or "")
            message = Message(
                "Your server did not answer within {time} and was stopped; its GPU is free again.",
                time=duration_in_words(seconds),
            )
            text = sentences(message, shown, Message("Try again."), RETRY_HINT)
            raise StartError(text, reason="timeout", status=504) from error

    async def contact(self, container_id: str) -> tuple[str, str | None]:
        """Return the URL of the server in a container, and the Hub token it was created with.

        Raises:
            ServerDied: the container has no address.
            EngineError: the engine failed.
        """
        environment = await self._engine.environment(container_id)
        return await self._url(container_id), environment.get("JUPYTERHUB_API_TOKEN")

    async def wait_for_work(self, url: str, container_id: str) -> None:
        """Wait for a server with a user's work in it, even while the engine fails.

        Raises:
            ServerDied: the container has exited.
        """

        async def has_surely_exited() -> bool:
            with contextlib.suppress(EngineError):
                return await self._has_exited(container_id)
            return False

        await wait_until_listening(url, has_surely_exited)

    async def _url(self, container_id: str) -> str:
        address = await self._engine.address(container_id, self._config.network)
        if address is None:
            raise ServerDied(Message("The container has no address."))
        return f"http://{address}:{self._config.port}"

    async def _has_exited(self, container_id: str) -> bool:
        container = await self._engine.inspect(container_id)
        return container is None or container.state is ContainerState.EXITED


def _not_delivered_in_words(lease: Lease) -> str:
    if len(lease.gpu_uuids) == 1:
        return Message(
            "The Docker Engine could not give the GPU to your container. Another try follows, with "
            "other GPUs if there are any."
        )
    return Message(
        "The Docker Engine could not give the GPUs to your container. Another try follows, with "
        "other GPUs if there are any."
    )
