"""The client of the Docker Engine.

Every call runs in a bounded pool of threads, so that a slow one (a pull, a stop with its grace
period) delays neither the hub's event loop nor other users. The meaning of an answer is decided
here, once: a 404 proves absence, any other failure is "unknown".
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import docker
import docker.errors
import requests
from docker import APIClient
from docker.transport import UnixHTTPAdapter

from gpudock.engine import parse
from gpudock.engine.devices import devices_of, nvidia_runtimes
from gpudock.engine.protocol import (
    EngineError,
    EngineRefused,
    EngineUnknown,
    EngineUnreachable,
    NameTaken,
)
from gpudock.engine.threads import DaemonThreads
from gpudock.language import Message
from gpudock.model import Observation, ObservedContainer

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping, Sequence

    from gpudock.engine.spec import ContainerSpec, GPUDelivery, ImageConfig

log = logging.getLogger(__name__)

T = TypeVar("T")

# Engine 25 is the first that understands CDI device requests.
_API_VERSION = "1.44"
_QUICK_THREADS = 8
_SLOW_THREADS = 8
# Stops must never queue behind pulls: a GPU is free only when its container has stopped.
_PULL_THREADS = 2
_QUICK_TIMEOUT = 30
_LOG_BYTES = 16 * 1024
# A pull is silent while a large layer is unpacked.
_SLOW_TIMEOUT = 600
_MAX_CAUSES = 100
_MAX_OUTPUTS_KEPT = 64


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What an engine reports about itself and its host.

    Attributes:
        version: for example ``28.5.2``.
        api_version: the newest API that it speaks, for example ``1.51``.
        name: the host's name.
        memory_mib: the host's main memory in MiB.
        delivery: how it gives GPUs; ``NONE`` when it cannot.
        cdi_known: whether the engine lists its CDI devices. Engines before 28 do not; then CDI is
            an assumption that the start of the agent confirms or refutes.
        cdi_names: the names of the NVIDIA devices that it lists, for example a UUID, ``0`` or
            ``all``.
        id: the engine's own id, which it keeps until it is installed again.
    """

    version: str
    api_version: str
    name: str
    memory_mib: int
    delivery: GPUDelivery
    cdi_known: bool
    cdi_names: tuple[str, ...] = ()
    id: str = ""


class DockerEngine:
    """One Docker Engine, called from an event loop."""

    def __init__(self, base_url: str, lab: str, observers: Sequence[str] = ()) -> None:
        """Prepare to call the engine at *base_url*; nothing is sent yet.

        Args:
            base_url: for example ``unix:///var/run/docker.sock``.
            lab: name of the lab; containers of other labs are foreign.
            observers: names or images of containers that have GPUs but leave them alone; see
                :func:`gpudock.engine.parse.is_observer`.
        """
        self.base_url = base_url
        self.lab = lab
        self.observers = tuple(observers)
        self._local = threading.local()
        self._quick = DaemonThreads(_QUICK_THREADS, "docker")
        self._slow = DaemonThreads(_SLOW_THREADS, "docker-slow")
        self._pulls = DaemonThreads(_PULL_THREADS, "docker-pull")
        # A container's devices never change, so each container is inspected at most once.
        self._devices: dict[str, Sequence[str]] = {}
        self._fetching: dict[str, asyncio.Lock] = {}
        self._last_outputs: dict[str, str] = {}

    # The protocol ContainerEngine.

    async def create(self, spec: ContainerSpec) -> str:
        """Create a container and return its id.

        Raises:
            NameTaken: a container of that name exists.
            EngineRefused: the engine did not accept the request; nothing was created.
            EngineUnknown: it is not known whether it was created.
        """

        def call(client: APIClient) -> str:
            answer = client.create_container_from_config(dict(spec.config), spec.name)
            return str(answer["Id"])

        try:
            container = await self._call(call)
        except _Conflict as error:
            existing = await self.inspect(spec.name)
            raise NameTaken(existing.id if existing else None) from error
        self._devices[container] = devices_of({**spec.config, "Config": spec.config})
        return container

    async def start(self, container: str) -> None:
        """Start a container; one that already runs is left alone.

        Raises:
            EngineRefused: it is certain that it did not start.
            EngineUnknown: it may or may not run.
        """
        await self._call(lambda client: client.start(container))

    async def stop(self, container: str, grace: float = 10.0) -> None:
        """Ask a container to exit, and kill it after *grace* seconds.

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

        Its last output is kept for :meth:`last_output`.

        Raises:
            EngineRefused: it runs and *force* was not given.
            EngineUnknown: it may still be there.
        """

        def call(client: APIClient) -> None:
            try:
                client.remove_container(container, v=True, force=force)
            except docker.errors.NotFound:
                return

        with contextlib.suppress(EngineError):
            await self.log_tail(container)
        try:
            await self._call(call, slow=True)
        except _Conflict as error:
            # "removal is already in progress": neither done nor refused.
            raise EngineUnknown(str(error)) from error

    async def inspect(self, container: str) -> ObservedContainer | None:
        """Return a container by id or name, or ``None`` when the engine proves that it is absent.

        Raises:
            EngineUnknown: the engine gave no proof either way.
        """
        document = await self._document(container)
        return parse.from_inspect(document) if document else None

    async def listed_gpus(self) -> frozenset[str] | None:
        """Return the names of the GPUs in the engine's CDI specification, or ``None``: not known.

        Raises:
            EngineError: the engine gave no answer.
        """
        names = parse.cdi_names(await self._call(lambda client: client.info()))
        return None if names is None else frozenset(names)

    # What the hub also needs.

    async def observe(self, resolve: Callable[[Sequence[str]], Sequence[str]]) -> Observation:
        """Take one complete look at the engine.

        Args:
            resolve: turns a container's device names (see :mod:`gpudock.engine.devices`) into
                UUIDs of the lab's GPUs.

        Raises:
            EngineUnknown: the look failed, at least in part.
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
            foreign_use=parse.foreign_use(listed, devices, self.lab, resolve, self.observers),
        )

    async def labs_with_agents(self) -> list[str]:
        """Return the labs whose agents run on this engine, the one that started first at first.

        Raises:
            EngineUnknown: the engine does not answer.
        """
        listed = await self._call(lambda client: client.containers())
        return parse.labs_with_agents(listed)

    async def address(self, container: str, network: str) -> str | None:
        """Return a container's IPv4 address on *network*, or ``None`` if it is stopped or gone.

        Raises:
            EngineRefused: the network has only IPv6.
            EngineUnknown: the engine does not answer.
        """
        document = await self._document(container)
        networks = document.get("NetworkSettings", {}).get("Networks") or {}
        endpoint = networks.get(network) or {}
        if not endpoint.get("IPAddress") and endpoint.get("GlobalIPv6Address"):
            message = (
                f'The network "{network}" gives containers no IPv4 address, and servers listen on'
                " IPv4. Enable IPv4 for it; it may have IPv6 too."
            )
            raise EngineRefused(message)
        return endpoint.get("IPAddress") or None

    async def environment(self, container: str) -> dict[str, str]:
        """Return the environment that a container was created with; empty if it is gone."""
        document = await self._document(container)
        pairs = document.get("Config", {}).get("Env") or []
        return dict(pair.split("=", 1) for pair in pairs if "=" in pair)

    async def log_tail(self, container: str, lines: int = 20) -> str:
        """Return the last *lines* lines of a container's output, for an error message.

        Raises:
            EngineError: it is not there any more, or the engine gave no answer.
        """
        output = await self._call(lambda client: client.logs(container, tail=lines))
        # A line has no maximum length.
        tail = str(output[-_LOG_BYTES:].decode("utf-8", "replace")).strip()
        if tail:
            self._last_outputs.pop(container, None)
            self._last_outputs[container] = tail
            while len(self._last_outputs) > _MAX_OUTPUTS_KEPT:
                del self._last_outputs[next(iter(self._last_outputs))]
        return tail

    async def last_output(self, container: str) -> str:
        """Return the last output of a container, also of one that was removed a moment ago.

        Several parts of the hub remove containers, and each may be faster than the one that is to
        report why a container ended.

        Args:
            container: its name or id; for one that is gone, as it was given to :meth:`remove`.

        Returns:
            The output, or an empty text if there is none or it is unknown.
        """
        with contextlib.suppress(EngineError):
            return await self.log_tail(container)
        return self._last_outputs.get(container, "")

    async def wait(self, container: str) -> int:
        """Wait until a container has exited; return its exit code.

        Raises:
            EngineError: it is not there, or the engine gave no answer.
        """

        def call(client: APIClient) -> int:
            return int(client.wait(container)["StatusCode"])

        return await self._call(call, slow=True)

    async def info(self) -> EngineInfo:
        """Return what the engine is and how it gives GPUs.

        Raises:
            EngineRefused: the engine is too old.
            EngineUnknown: it does not answer.
        """
        version = await self._call(lambda client: client.version(api_version=False))
        api_version = str(version.get("ApiVersion", "0"))
        if parse.version_tuple(api_version) < parse.version_tuple(_API_VERSION):
            message = Message(
                "Docker Engine {version} is too old for gpudock. Upgrade it to 25.0 or later.",
                version=version.get("Version"),
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
            cdi_names=tuple(parse.cdi_names(answer) or ()),
            id=str(answer.get("ID") or ""),
        )

    async def image_config(self, image: str) -> ImageConfig | None:
        """Return how *image* starts, or ``None`` if the engine does not have it."""

        def call(client: APIClient) -> ImageConfig | None:
            try:
                return parse.image_config(client.inspect_image(image))
            except docker.errors.NotFound:
                return None

        return await self._call(call)

    async def pull(self, image: str) -> None:
        """Pull *image* from its registry; simultaneous calls share one pull.

        Raises:
            EngineRefused: there is no such image, or it may not be pulled.
            EngineUnknown: the engine or the registry failed.
        """
        repository, _, tag = image.rpartition(":")
        if not repository or "/" in tag:
            repository, tag = image, "latest"
        async with self._fetching.setdefault(image, asyncio.Lock()):
            if await self.image_config(image) is None:
                await self._pull(repository, tag)

    async def _pull(self, repository: str, tag: str) -> None:
        def call(client: APIClient) -> None:
            # A failure after the first progress is an event, because the status was sent before.
            for event in client.pull(repository, tag, stream=True, decode=True):
                if "error" in event:
                    raise EngineUnknown(str(event["error"]))

        await self._call(call, slow=True, pool=self._pulls)

    async def volume_names(self) -> set[str]:
        """Return the names of all volumes.

        Raises:
            EngineUnknown: the engine does not answer.
        """
        answer = await self._call(lambda client: client.volumes())
        return {str(volume["Name"]) for volume in answer.get("Volumes") or ()}

    async def remove_volume(self, name: str) -> None:
        """Remove a volume with all that is in it; one that is gone counts as removed.

        Raises:
            EngineRefused: a container uses it.
            EngineUnknown: it may still be there.
        """

        def call(client: APIClient) -> None:
            try:
                client.remove_volume(name)
            except docker.errors.NotFound:
                return

        await self._call(call, slow=True)

    async def own_image(self, container: str) -> str | None:
        """Return the image id of a container, or ``None`` if there is no such container."""

        def call(client: APIClient) -> str | None:
            try:
                return str(client.inspect_container(container)["Image"])
            except docker.errors.NotFound:
                return None

        return await self._call(call)

    def close(self) -> None:
        """End the threads without waiting for running calls."""
        self._quick.shutdown(wait=False, cancel_futures=True)
        self._slow.shutdown(wait=False, cancel_futures=True)
        self._pulls.shutdown(wait=False, cancel_futures=True)

    async def _document(self, container: str) -> Mapping[str, Any]:
        """Return what the engine knows of a container; nothing if it is proven absent."""

        def call(client: APIClient) -> Mapping[str, Any]:
            try:
                document: Mapping[str, Any] = client.inspect_container(container)
            except docker.errors.NotFound:
                return {}
            return document

        return await self._call(call)

    async def _devices_by_container(
        self, listed: Sequence[Mapping[str, Any]]
    ) -> Mapping[str, Sequence[str]]:
        """Return the device names of every running container, by its id."""
        there = {str(document["Id"]): parse.runs(document) for document in listed}
        running = [container for container, runs in there.items() if runs]
        unknown = [container for container in running if container not in self._devices]
        if unknown:
            runtimes = nvidia_runtimes(await self._call(lambda client: client.info()))
            found = await asyncio.gather(
                *(self._ask_for_devices(container, runtimes) for container in unknown)
            )
            self._devices.update(zip(unknown, found, strict=True))
        for gone in self._devices.keys() - there:
            del self._devices[gone]
        return {container: self._devices[container] for container in running}

    async def _ask_for_devices(self, container: str, runtimes: Container[str]) -> Sequence[str]:
        def call(client: APIClient) -> Sequence[str]:
            try:
                return devices_of(client.inspect_container(container), runtimes)
            except docker.errors.NotFound:
                return ()

        return await self._call(call)

    def _client(self) -> APIClient:
        # One client for each thread, because sessions of requests are not thread-safe.
        client = getattr(self._local, "client", None)
        if client is None:
            client = APIClient(base_url=self.base_url, version=_API_VERSION, timeout=_QUICK_TIMEOUT)
            if self.base_url.startswith("unix://"):
                # It keeps a connection for each URL, and nearly each call has one of its own. The
                # argument that should limit them, num_pools, is ignored (docker-py 7.1).
                socket = self.base_url.replace("unix://", "http+unix://")
                adapter = UnixHTTPAdapter(socket, _QUICK_TIMEOUT, pool_connections=1)
                client.mount("http+docker://", adapter)
            self._local.client = client
        return client

    async def _call(
        self,
        function: Callable[[APIClient], T],
        *,
        slow: bool = False,
        pool: DaemonThreads | None = None,
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
            raise EngineUnreachable(_silence(self.base_url, error)) from error
        except (requests.RequestException, docker.errors.DockerException, OSError) as error:
            raise EngineUnknown(_silence(self.base_url, error)) from error


def _silence(url: str, error: Exception) -> Message:
    return Message(
        "The Docker Engine at {url} does not answer ({error}).", url=url, error=_in_words(error)
    )


class _Conflict(EngineRefused):
    """A 409: the name is taken, or the object is busy."""


def _meaning(error: docker.errors.APIError) -> Exception:
    """Return what an error answer proves: a 4xx that nothing happened, anything else nothing."""
    explanation = str(error.explanation or error).strip()
    # Messages for people put another sentence after it.
    if not explanation.endswith((".", "!", "?")):
        explanation += "."
    status = error.status_code
    if status == requests.codes.conflict:
        return _Conflict(explanation)
    if status is not None and 400 <= status < 500:
        return EngineRefused(explanation)
    return EngineUnknown(explanation)


def _in_words(error: BaseException) -> str:
    """Return why a connection failed; the libraries wrap the operating system's error."""
    seen: list[Any] = [error]
    for item in seen:
        if isinstance(item, OSError) and item.strerror:
            return item.strerror.lower()
        if isinstance(item, BaseException) and len(seen) < _MAX_CAUSES:
            seen += [*item.args, item.__cause__, item.__context__]
    return "it timed out" if isinstance(error, requests.Timeout) else type(error).__name__
