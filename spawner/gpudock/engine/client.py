"""The Docker Engine as gpudock uses it: the only place on the hub's side that calls Docker.

Every call runs in a bounded pool of threads, so that one slow call (a pull, a stop with its grace
period) holds up neither the hub's event loop nor the other users. What an answer means for a lease
is decided here once: a 404 is proof of absence, any other failure is «unknown».
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import docker
import docker.errors
import requests
from docker import APIClient

from gpudock.engine import parse
from gpudock.engine.protocol import EngineRefused, EngineUnknown, NameTaken
from gpudock.model import Observation, ObservedContainer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gpudock.engine.spec import ContainerSpec, GPUDelivery

log = logging.getLogger(__name__)

T = TypeVar("T")

# Engine 25 is the first that understands CDI device requests.
_API_VERSION = "1.44"
_QUICK_THREADS = 8
_SLOW_THREADS = 8
# Stops must never wait behind pulls: a GPU is free only when its container has stopped.
_PULL_THREADS = 2
_QUICK_TIMEOUT = 30
_LOG_BYTES = 16 * 1024
# A pull may be silent for long while a large layer is unpacked.
_SLOW_TIMEOUT = 600
_DEEPEST_CAUSE = 100


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What an engine says of itself, as far as GPUs go.

    Attributes:
        version: for example ``28.5.2``.
        api_version: the newest API that it speaks, for example ``1.51``.
        name: the host's name.
        memory_mib: the host's main memory, MiB.
        delivery: how it gives GPUs; ``NONE`` when it has no way.
        cdi_known: whether the engine lists its CDI devices. Engines before 28 do not; then
            «CDI» is a supposition that the start of the agent proves or refutes.
    """

    version: str
    api_version: str
    name: str
    memory_mib: int
    delivery: GPUDelivery
    cdi_known: bool


class DockerEngine:
    """One Docker Engine, called from an event loop."""

    def __init__(self, base_url: str, lab: str) -> None:
        """Prepare to talk to the engine at *base_url*; nothing is sent yet.

        Args:
            base_url: for example ``unix:///var/run/docker.sock``.
            lab: name of the lab; containers of other labs are foreign.
        """
        self.base_url = base_url
        self.lab = lab
        self._local = threading.local()
        self._quick = ThreadPoolExecutor(_QUICK_THREADS, thread_name_prefix="docker")
        self._slow = ThreadPoolExecutor(_SLOW_THREADS, thread_name_prefix="docker-slow")
        self._pulls = ThreadPoolExecutor(_PULL_THREADS, thread_name_prefix="docker-pull")
        # Which devices a container has never changes, so each is asked about once, and one that was
        # made here not at all.
        self._devices: dict[str, Sequence[str]] = {}
        self._fetching: dict[str, asyncio.Lock] = {}

    # What the lifecycle of a container needs (see gpudock.hub.lifecycle.ContainerEngine).

    async def create(self, spec: ContainerSpec) -> str:
        """Create a container and return its id.

        Raises:
            NameTaken: a container of that name exists.
            EngineRefused: the engine did not accept the request; nothing was created.
            EngineUnknown: it cannot be told whether it was created.
        """

        def call(client: APIClient) -> str:
            answer = client.create_container_from_config(dict(spec.config), spec.name)
            return str(answer["Id"])

        try:
            container = await self._call(call)
        except _Conflict as error:
            existing = await self.inspect(spec.name)
            raise NameTaken(existing.id if existing else None) from error
        self._devices[container] = parse.devices_of({**spec.config, "Config": spec.config})
        return container

    async def start(self, container: str) -> None:
        """Start a container; one that runs already is left alone.

        Raises:
            EngineRefused: certain that it did not start.
            EngineUnknown: it may or may not run.
        """
        await self._call(lambda client: client.start(container))

    async def stop(self, container: str, grace: float = 10.0) -> None:
        """Ask a container to end, and kill it after *grace* seconds.

        A container that is gone or does not run counts as stopped.

        Raises:
            EngineUnknown: it may still run.
        """

        def call(client: APIClient) -> None:
            try:
                client.stop(container, timeout=int(grace))
            except docker.errors.NotFound:
                return

        await self._call(call, slow=True)

    async def remove(self, container: str, *, force: bool = False) -> None:
        """Remove a container, with its anonymous volumes; one that is gone counts as removed.

        Raises:
            EngineRefused: it runs and *force* was not given.
            EngineUnknown: it may still be there.
        """

        def call(client: APIClient) -> None:
            try:
                client.remove_container(container, v=True, force=force)
            except docker.errors.NotFound:
                return

        try:
            await self._call(call, slow=True)
        except _Conflict as error:
            # «removal is already in progress»: not done yet, and not refused either.
            raise EngineUnknown(str(error)) from error

    async def inspect(self, container: str) -> ObservedContainer | None:
        """Return a container by id or name, or ``None`` when the engine proves that it is absent.

        Raises:
            EngineUnknown: the engine gave no proof either way.
        """

        def call(client: APIClient) -> Mapping[str, Any] | None:
            try:
                document: Mapping[str, Any] = client.inspect_container(container)
            except docker.errors.NotFound:
                return None
            return document

        document = await self._call(call)
        return None if document is None else parse.from_inspect(document)

    # What the hub needs besides.

    async def observe(self, resolve: Callable[[Sequence[str]], Sequence[str]]) -> Observation:
        """Take one complete look at the engine.

        Args:
            resolve: turns a container's device names (UUIDs, indices, ``all``) into UUIDs of the
                lab's GPUs.

        Raises:
            EngineUnknown: the look failed, even if only in part.
        """
        started_at = time.monotonic()
        listed = await self._call(lambda client: client.containers(all=True))
        ours = tuple(
            parse.from_list(document)
            for document in listed
            if parse.is_server(document.get("Labels"), self.lab)
        )
        devices = await self._devices_by_container(listed)
        return Observation(
            started_at=started_at,
            containers=ours,
            foreign_use=parse.foreign_use(listed, devices, self.lab, resolve),
        )

    async def address(self, container: str, network: str) -> str | None:
        """Return a container's IP address on *network*, or ``None`` when it has none."""
        document = await self._call(lambda client: client.inspect_container(container))
        networks = document.get("NetworkSettings", {}).get("Networks") or {}
        return (networks.get(network) or {}).get("IPAddress") or None

    async def environment(self, container: str) -> dict[str, str]:
        """Return the environment that a container was created with."""
        document = await self._call(lambda client: client.inspect_container(container))
        pairs = document.get("Config", {}).get("Env") or []
        return dict(pair.split("=", 1) for pair in pairs if "=" in pair)

    async def log_tail(self, container: str, lines: int = 20) -> str:
        """Return the last *lines* lines of a container's output, for an error message."""
        output = await self._call(lambda client: client.logs(container, tail=lines))
        # A line may be as long as its writer likes.
        return str(output[-_LOG_BYTES:].decode("utf-8", "replace"))

    async def wait(self, container: str) -> int:
        """Wait until a container has exited; return its exit code.

        Raises:
            EngineError: it is not there, or the engine gave no answer.
        """

        def call(client: APIClient) -> int:
            return int(client.wait(container)["StatusCode"])

        return await self._call(call, slow=True)

    async def info(self) -> EngineInfo:
        """Ask the engine what it is and how it gives GPUs.

        Raises:
            EngineRefused: the engine is too old.
            EngineUnknown: it does not answer.
        """
        version = await self._call(lambda client: client.version(api_version=False))
        api_version = str(version.get("ApiVersion", "0"))
        if parse.version_tuple(api_version) < parse.version_tuple(_API_VERSION):
            message = (
                f"This Docker Engine is version {version.get('Version')} and too old for gpudock. "
                "Upgrade it to 25.0 or later."
            )
            raise EngineRefused(message)
        answer = await self._call(lambda client: client.info())
        delivery, cdi_known = parse.delivery(answer)
        return EngineInfo(
            version=str(version.get("Version")),
            api_version=api_version,
            name=str(answer.get("Name", "")),
            memory_mib=int(answer.get("MemTotal", 0)) // (1024 * 1024),
            delivery=delivery,
            cdi_known=cdi_known,
        )

    async def image_command(self, image: str) -> list[str] | None:
        """Return the command that *image* starts by itself, ``None`` where there is no *image*."""

        def call(client: APIClient) -> list[str] | None:
            try:
                return list(client.inspect_image(image)["Config"].get("Cmd") or [])
            except docker.errors.NotFound:
                return None

        return await self._call(call)

    async def pull(self, image: str) -> None:
        """Fetch *image* from its registry, once however many ask for it at the same time.

        Raises:
            EngineRefused: there is no such image, or it may not be fetched.
            EngineUnknown: the engine or the registry failed.
        """
        repository, _, tag = image.rpartition(":")
        if not repository or "/" in tag:
            repository, tag = image, "latest"
        async with self._fetching.setdefault(image, asyncio.Lock()):
            if await self.image_command(image) is None:
                await self._pull(repository, tag)

    async def _pull(self, repository: str, tag: str) -> None:

        def call(client: APIClient) -> None:
            # What fails after the first progress is told in the answer, whose status is 200 by
            # then.
            for event in client.pull(repository, tag, stream=True, decode=True):
                if "error" in event:
                    raise EngineUnknown(str(event["error"]))

        await self._call(call, slow=True, pool=self._pulls)

    async def own_image(self, container: str) -> str | None:
        """Return the image id of a container, for example of the hub's own; ``None`` if unknown."""

        def call(client: APIClient) -> str | None:
            try:
                return str(client.inspect_container(container)["Image"])
            except docker.errors.NotFound:
                return None

        return await self._call(call)

    def close(self) -> None:
        """Let the threads go; calls that run are not waited for."""
        self._quick.shutdown(wait=False, cancel_futures=True)
        self._slow.shutdown(wait=False, cancel_futures=True)
        self._pulls.shutdown(wait=False, cancel_futures=True)

    async def _devices_by_container(
        self, listed: Sequence[Mapping[str, Any]]
    ) -> Mapping[str, Sequence[str]]:
        """Return the names of the devices of every container that runs, by its id."""
        there = {str(document["Id"]): parse.runs(document) for document in listed}
        running = [container for container, runs in there.items() if runs]
        unknown = [container for container in running if container not in self._devices]
        found = await asyncio.gather(*(self._ask_for_devices(container) for container in unknown))
        self._devices.update(zip(unknown, found, strict=True))
        for gone in self._devices.keys() - there:
            del self._devices[gone]
        return {container: self._devices[container] for container in running}

    async def _ask_for_devices(self, container: str) -> Sequence[str]:
        def call(client: APIClient) -> Sequence[str]:
            try:
                return parse.devices_of(client.inspect_container(container))
            except docker.errors.NotFound:
                return ()

        return await self._call(call)

    def _client(self) -> APIClient:
        # One client for each thread: requests' sessions are not meant to be shared.
        client = getattr(self._local, "client", None)
        if client is None:
            client = APIClient(base_url=self.base_url, version=_API_VERSION, timeout=_QUICK_TIMEOUT)
            self._local.client = client
        return client

    async def _call(
        self,
        function: Callable[[APIClient], T],
        *,
        slow: bool = False,
        pool: ThreadPoolExecutor | None = None,
    ) -> T:
        def work() -> T:
            client = self._client()
            client.timeout = _SLOW_TIMEOUT if slow else _QUICK_TIMEOUT
            return function(client)

        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(pool or (self._slow if slow else self._quick), work)
        except docker.errors.APIError as error:
            raise _meaning(error) from error
        except requests.ConnectionError as error:
            message = f"The Docker Engine at {self.base_url} does not answer ({_in_words(error)})."
            raise EngineUnreachable(message) from error
        except (requests.RequestException, docker.errors.DockerException, OSError) as error:
            message = f"The Docker Engine at {self.base_url} does not answer ({_in_words(error)})."
            raise EngineUnknown(message) from error


class EngineUnreachable(EngineUnknown):
    """Nothing listens at the engine's socket, or whoever does hangs up."""


class _Conflict(EngineRefused):
    """A 409: the name is taken, or the object is busy."""


def _meaning(error: docker.errors.APIError) -> Exception:
    """Tell what an error answer proves: a 4xx that nothing happened, anything else nothing."""
    explanation = str(error.explanation or error).strip()
    # It becomes part of what a person reads, with another sentence after it.
    if not explanation.endswith((".", "!", "?")):
        explanation += "."
    status = error.status_code
    if status == requests.codes.conflict:
        return _Conflict(explanation)
    if status is not None and 400 <= status < 500:
        return EngineRefused(explanation)
    return EngineUnknown(explanation)


def _in_words(error: BaseException) -> str:
    """Say in a few words why a connection failed; the libraries wrap the operating system's."""
    seen: list[Any] = [error]
    for item in seen:
        if isinstance(item, OSError) and item.strerror:
            return item.strerror.lower()
        if isinstance(item, BaseException) and len(seen) < _DEEPEST_CAUSE:
            seen += [*item.args, item.__cause__, item.__context__]
    return "it timed out" if isinstance(error, requests.Timeout) else type(error).__name__
