"""A Docker Engine that behaves, for tests that need one in no time and in their hand.

It speaks as much of the Engine API as gpudock uses, over a unix socket, so that all of gpudock's
own code is in play. It lives in the test's process and so outlives the hubs that use it. Its
containers are HTTP servers on loopback addresses (see :mod:`harness.loopback`).

A test can hold any call before or after its effect, have it fail, take the engine down, or use the
engine behind gpudock's back.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import socketserver
import struct
import threading
import time
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from gpudock.engine.labels import LABEL_AGENT, LABEL_GPUS, LABEL_LEASE
from harness.loopback import FakeAgent, LoopbackServer, new_address, single_user_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from gpudock.model import GPUReading

IMAGE = "lab/notebook:1"
DYING_IMAGE = "lab/dying:1"
MUTE_IMAGE = "lab/mute:1"
AGENT_IMAGE = "lab/hub:1"
LAST_WORDS = "ImportError: libcudnn.so.9: cannot open shared object file"

_CDI_KIND = "nvidia.com/gpu="
_PATIENCE = 30.0


@dataclass
class Container:
    """A container as the engine has it."""

    id: str
    name: str
    config: dict[str, Any]
    address: str = ""
    address_6: str = ""
    status: str = "created"
    exit_code: int = 0
    log: bytes = b""
    created: float = field(default_factory=time.time)
    server: LoopbackServer | None = None

    @property
    def labels(self) -> dict[str, str]:
        return self.config.get("Labels") or {}

    @property
    def is_agent(self) -> bool:
        return self.labels.get(LABEL_AGENT) == "true"

    @property
    def gpus(self) -> list[str]:
        return [uuid for uuid in self.labels.get(LABEL_GPUS, "").split(",") if uuid]

    @property
    def environment(self) -> dict[str, str]:
        return dict(pair.split("=", 1) for pair in self.config.get("Env") or [])

    @property
    def mounts(self) -> list[dict[str, Any]]:
        return (self.config.get("HostConfig") or {}).get("Mounts") or []

    @property
    def networks(self) -> dict[str, dict[str, str]]:
        network = (self.config.get("HostConfig") or {}).get("NetworkMode", "none")
        running = self.status == "running"
        address, address_6 = (self.address, self.address_6) if running else ("", "")
        return {network: {"IPAddress": address, "GlobalIPv6Address": address_6}}


@dataclass(eq=False)
class Hold:
    """Stops the calls of one kind, until :meth:`release`."""

    call: str
    when: str
    part_of_name: str
    once: bool = False
    reached: threading.Event = field(default_factory=threading.Event)
    _go_on: threading.Event = field(default_factory=threading.Event)
    _loss: ApiError | None = None

    def stop_here(self) -> None:
        if self.once and self.reached.is_set():
            return
        self.reached.set()
        self._go_on.wait(_PATIENCE)
        if self._loss is not None:
            raise self._loss

    def wait(self) -> None:
        """Wait until a call is held."""
        assert self.reached.wait(_PATIENCE), "no such call came"

    def release(self) -> None:
        self._go_on.set()

    def lose(self) -> None:
        """End what is held with an error, and without the effect that it has not had yet."""
        self._loss = ApiError(500, "lost")
        self._go_on.set()


class ApiError(Exception):
    """An answer that is not a success."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class FakeDocker:
    """See the module's text.

    The calls are named ``create``, ``start``, ``stop``, ``remove``, ``inspect``, ``list``,
    ``logs``, ``wait``, ``image``, ``pull``, ``info``, ``version``, ``volumes``, ``remove-volume``.
    """

    def __init__(self, directory: Path, readings: Iterable[GPUReading] = ()) -> None:
        self.socket = directory / "docker.sock"
        self.agent = FakeAgent(readings)
        # What each server writes when it starts.
        self.first_words = ""
        self.images = {IMAGE, DYING_IMAGE, MUTE_IMAGE, AGENT_IMAGE}
        self.image_environment: list[str] = []
        self.image_volumes = ["/workspace"]
        self.volumes: dict[str, int] = {}
        """Name to size in bytes."""
        self.pullable: set[str] = set()
        self.pull_error: str | None = None
        self.agent_error: str | None = None
        """Why the agent does not start, as on a host without a CDI specification."""
        self.cdi_names: list[str] | None = None
        self.id, self.name = "engine-1", "fake-host"
        """The names in the CDI specification; by default the UUIDs of all GPUs."""
        self.broken_gpus: dict[str, str] = {}
        """UUID to what the engine says when it starts a container that has this GPU."""
        self.runtimes: dict[str, Any] = {"runc": {}}
        self.default_runtime = "runc"
        self.containers: dict[str, Container] = {}
        self.calls: list[tuple[str, str]] = []
        self._serial = itertools.count(1)
        self._lock = threading.RLock()
        self._holds: list[Hold] = []
        self._failures: dict[str, ApiError] = {}
        self._spared: dict[str, int] = {}
        self._server: socketserver.BaseServer | None = None
        self.up()

    # The test's hand.

    def up(self) -> None:
        """Listen."""
        if self._server is not None:
            return
        self.socket.unlink(missing_ok=True)
        self._server = _Server(str(self.socket), self._handler())
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()

    def down(self) -> None:
        """Stop listening and drop all connections; the containers go on, as with live-restore."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()

    def close(self) -> None:
        """End everything."""
        self.forget_plans()
        self.down()
        for container in list(self.containers.values()):
            self._end(container, 137)

    @contextlib.contextmanager
    def hold(
        self, call: str, when: str = "before", *, name: str = "", once: bool = False
    ) -> Iterator[Hold]:
        """Hold calls for a ``with`` block, but none that is about the agent.

        Args:
            call: which calls.
            when: ``before`` their effect, or ``after`` it and before the answer.
            name: only calls on containers with this in their name.
            once: only the first call.
        """
        hold = Hold(call, when, name, once)
        self._holds.append(hold)
        try:
            yield hold
        finally:
            self._drop(hold)

    def fail(self, call: str, status: int, message: str, *, spare: int = 0) -> None:
        """Answer all calls of this kind so, from now on, without any effect.

        The first *spare* of them still succeed.
        """
        self._failures[call] = ApiError(status, message)
        self._spared[call] = spare

    def calls_of(self, call: str) -> list[str]:
        """Return the names of the containers (or images) that such calls were about."""
        return [name for made, name in self.calls if made == call]

    def forget_plans(self) -> None:
        """Behave again."""
        self.pull_error = None
        self.cdi_names = None
        self.broken_gpus.clear()
        self._failures.clear()
        for hold in list(self._holds):
            self._drop(hold)

    def _drop(self, hold: Hold) -> None:
        if hold in self._holds:
            self._holds.remove(hold)
        hold.release()

    @property
    def servers(self) -> list[Container]:
        """Users' containers, in whatever state."""
        with self._lock:
            return [item for item in self.containers.values() if LABEL_LEASE in item.labels]

    @property
    def running(self) -> list[Container]:
        """Users' containers that run."""
        return [item for item in self.servers if item.status == "running"]

    def exit(self, container: Container, code: int = 1, words: str = "") -> None:
        """End a container as if by itself."""
        container.log += words.encode()
        self._end(container, code)

    def silence(self, container: Container) -> None:
        """Keep what runs in a container from answering, until :meth:`answer_again`."""
        server, container.server = container.server, None
        if server is not None:
            server.close()

    def answer_again(self, container: Container) -> None:
        """End the silence of a container."""
        url = urlsplit(container.environment["JUPYTERHUB_SERVICE_URL"])
        container.server = single_user_server(container.address, url.port or 80, url.path)

    def remove_behind(self, container: Container) -> None:
        """Remove a container by force, as ``docker rm -f`` does; it may be gone already."""
        with contextlib.suppress(ApiError):
            self._remove(container.id, force=True)

    # The engine.

    def dispatch(self, method: str, target: str, body: Any) -> tuple[int, bytes]:
        parts = urlsplit(target)
        path = re.sub(r"^/v1\.\d+", "", parts.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        for wanted, pattern, call, function in self._routes:
            if method == wanted and (match := re.fullmatch(pattern, path)):
                groups = [unquote(group) for group in match.groups()]
                name = query.get("name") or (groups[0] if groups else "")
                return self._carry_out(call, name, partial(function, self, groups, query, body))
        return _json(404, {"message": "page not found"})

    def _carry_out(
        self, call: str, name: str, effect: Callable[[], tuple[int, bytes]]
    ) -> tuple[int, bytes]:
        with self._lock:
            found = self._find(name)
        if name.endswith("-agent") or (found is not None and found.is_agent):
            return effect()
        name = name if found is None else found.name
        self.calls.append((call, name))
        self._stop_at(call, "before", name)
        if failure := self._failures.get(call):
            with self._lock:
                self._spared[call] -= 1
                fails = self._spared[call] < 0
            if fails:
                raise failure
        answer = effect()
        self._stop_at(call, "after", name)
        return answer

    def _stop_at(self, call: str, when: str, name: str) -> None:
        for hold in list(self._holds):
            if (hold.call, hold.when) == (call, when) and hold.part_of_name in name:
                hold.stop_here()

    def _find(self, name_or_id: str) -> Container | None:
        by_name = (item for item in self.containers.values() if item.name == name_or_id)
        return self.containers.get(name_or_id) or next(by_name, None)

    def _get(self, name_or_id: str) -> Container:
        found = self._find(name_or_id)
        if found is None:
            raise ApiError(404, f"No such container: {name_or_id}")
        return found

    def _create(self, name: str, config: dict[str, Any]) -> Container:
        with self._lock:
            taken = self._find(name)
            if taken is not None:
                message = f'Conflict. The container name "/{name}" is already in use.'
                raise ApiError(409, message)
            container = Container(os.urandom(32).hex(), name, config, new_address())
            self.containers[container.id] = container
            for mount in container.mounts:
                if mount["Type"] == "volume":
                    self.volumes.setdefault(mount["Source"], 4096)
        return container

    def agent_url(self) -> str:
        """Where the agent listens; nowhere while there is none."""
        with self._lock:
            for container in self.containers.values():
                if container.is_agent and container.server is not None:
                    return f"http://{container.address}:{container.server.port}"
        return ""

    def _start(self, name_or_id: str) -> int:
        with self._lock:
            container = self._get(name_or_id)
            if container.status == "running":
                return 304
            if container.is_agent and self.agent_error is not None:
                raise ApiError(500, self.agent_error)
            self._give_devices(container)
            container.log += self.first_words.encode()
            container.status = "running"
        image = container.config["Image"]
        if container.is_agent:
            port = int(container.config["Cmd"][1].rpartition(":")[2])
            token = container.environment["GPUDOCK_AGENT_TOKEN"]
            container.server = self.agent.serve(container.address, port, token)
        elif image == DYING_IMAGE:
            self.exit(container, 1, LAST_WORDS + "\n")
        elif image != MUTE_IMAGE and LABEL_LEASE in container.labels:
            self.answer_again(container)
        return 204

    def _give_devices(self, container: Container) -> None:
        """Give a container the devices that it asks for, or fail in the words of real engines."""
        host_config = container.config.get("HostConfig") or {}
        wanted = [
            name.removeprefix(_CDI_KIND)
            for request in host_config.get("DeviceRequests") or ()
            for name in request.get("DeviceIDs") or ()
        ]
        if self.cdi_names is not None and not container.is_agent:
            missing = [f"{_CDI_KIND}{name}" for name in wanted if name not in self.cdi_names]
            if missing:
                words = f"unresolvable CDI devices {', '.join(missing)}"
                raise ApiError(500, f"CDI device injection failed: {words}")
        for uuid in container.gpus:
            if uuid in self.broken_gpus:
                raise ApiError(500, self.broken_gpus[uuid])

    def _stop(self, name_or_id: str) -> int:
        container = self._get(name_or_id)
        if container.status != "running":
            return 304
        self._end(container, 0)
        return 204

    def _end(self, container: Container, code: int) -> None:
        with self._lock:
            server, container.server = container.server, None
            if container.status == "running":
                container.status, container.exit_code = "exited", code
        if server is not None:
            server.close()

    def _remove(self, name_or_id: str, *, force: bool) -> None:
        container = self._get(name_or_id)
        if container.status == "running" and not force:
            raise ApiError(409, "You cannot remove a running container.")
        self._end(container, 137)
        with self._lock:
            self.containers.pop(container.id, None)

    def _create_call(self, _: Any, query: Any, body: Any) -> tuple[int, bytes]:
        if body["Image"] not in self.images:
            raise ApiError(404, f"No such image: {body['Image']}")
        return _json(201, {"Id": self._create(query["name"], body).id, "Warnings": []})

    def _start_call(self, groups: Any, _: Any, __: Any) -> tuple[int, bytes]:
        return self._start(groups[0]), b""

    def _stop_call(self, groups: Any, _: Any, __: Any) -> tuple[int, bytes]:
        return self._stop(groups[0]), b""

    def _remove_call(self, groups: Any, query: Any, _: Any) -> tuple[int, bytes]:
        self._remove(groups[0], force=query.get("force", "").lower() in ("1", "true"))
        return 204, b""

    def _inspect_call(self, groups: Any, _: Any, __: Any) -> tuple[int, bytes]:
        container = self._get(groups[0])
        return _json(
            200,
            {
                "Id": container.id,
                "Name": f"/{container.name}",
                "Created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(container.created)),
                "State": {"Status": container.status, "ExitCode": container.exit_code},
                "Image": "sha256:" + "0" * 64,
                "Config": {**container.config, "Tty": False},
                "HostConfig": container.config.get("HostConfig") or {},
                "NetworkSettings": {"Networks": container.networks},
            },
        )

    def _list_call(self, _: Any, __: Any, ___: Any) -> tuple[int, bytes]:
        with self._lock:
            containers = list(self.containers.values())
        return _json(
            200,
            [
                {
                    "Id": item.id,
                    "Names": [f"/{item.name}"],
                    "Image": item.config["Image"],
                    "Created": int(item.created),
                    "State": item.status,
                    "Status": f"Exited ({item.exit_code}) now" if item.status == "exited" else "",
                    "Labels": item.labels,
                }
                for item in containers
            ],
        )

    def _logs_call(self, groups: Any, _: Any, __: Any) -> tuple[int, bytes]:
        log = self._get(groups[0]).log
        return 200, (struct.pack(">BxxxL", 2, len(log)) + log) if log else b""

    def _wait_call(self, groups: Any, _: Any, __: Any) -> tuple[int, bytes]:
        container = self._get(groups[0])
        # Only the hub's helpers are waited for. The one on a volume measures it.
        size = max((self.volumes.get(mount["Source"], 0) for mount in container.mounts), default=0)
        self.exit(container, 0, f"{size // 1024}\t/workspace\n")
        return _json(200, {"StatusCode": container.exit_code})

    def _volumes_call(self, _: Any, __: Any, ___: Any) -> tuple[int, bytes]:
        return _json(200, {"Volumes": [{"Name": name} for name in sorted(self.volumes)]})

    def _remove_volume_call(self, groups: Any, _: Any, __: Any) -> tuple[int, bytes]:
        name = groups[0]
        with self._lock:
            for container in self.containers.values():
                if name in [mount["Source"] for mount in container.mounts]:
                    raise ApiError(409, f"remove {name}: volume is in use - [{container.id}]")
        if self.volumes.pop(name, None) is None:
            raise ApiError(404, f"get {name}: no such volume")
        return 204, b""

    def _image_call(self, groups: Any, _: Any, __: Any) -> tuple[int, bytes]:
        if groups[0] not in self.images:
            raise ApiError(404, f"No such image: {groups[0]}")
        volumes = {path: {} for path in self.image_volumes}
        config = {"Cmd": ["serve"], "Env": self.image_environment, "Volumes": volumes}
        return _json(200, {"Id": "sha256:" + "1" * 64, "Config": config})

    def _pull_call(self, _: Any, query: Any, __: Any) -> tuple[int, bytes]:
        image = f"{query['fromImage']}:{query['tag']}"
        if self.pull_error is not None:
            # An error that comes after the first progress is reported in a stream that began
            # with 200.
            return _json(200, {"error": self.pull_error})
        if image not in self.pullable:
            message = f"pull access denied for {query['fromImage']}, repository does not exist"
            raise ApiError(404, message)
        self.images.add(image)
        return _json(200, {"status": "Downloaded newer image"})

    def _version_call(self, _: Any, __: Any, ___: Any) -> tuple[int, bytes]:
        return _json(200, {"Version": "28.5.2", "ApiVersion": "1.51", "MinAPIVersion": "1.24"})

    def _info_call(self, _: Any, __: Any, ___: Any) -> tuple[int, bytes]:
        names = self.cdi_names
        if names is None:
            names = [item.gpu.uuid for item in self.agent.readings]
        devices = [{"Source": "cdi", "ID": f"{_CDI_KIND}{name}"} for name in names]
        host = {
            "ID": self.id,
            "Name": self.name,
            "MemTotal": 64 << 30,
            "Runtimes": self.runtimes,
            "DefaultRuntime": self.default_runtime,
        }
        return _json(200, {**host, "CDISpecDirs": ["/etc/cdi"], "DiscoveredDevices": devices})

    _routes: tuple[tuple[str, str, str, Callable[..., tuple[int, bytes]]], ...] = (
        ("POST", r"/containers/create", "create", _create_call),
        ("POST", r"/containers/([^/]+)/start", "start", _start_call),
        ("POST", r"/containers/([^/]+)/stop", "stop", _stop_call),
        ("DELETE", r"/containers/([^/]+)", "remove", _remove_call),
        ("GET", r"/containers/json", "list", _list_call),
        ("GET", r"/containers/([^/]+)/json", "inspect", _inspect_call),
        ("GET", r"/containers/([^/]+)/logs", "logs", _logs_call),
        ("POST", r"/containers/([^/]+)/wait", "wait", _wait_call),
        ("GET", r"/volumes", "volumes", _volumes_call),
        ("DELETE", r"/volumes/([^/]+)", "remove-volume", _remove_volume_call),
        ("GET", r"/images/(.+)/json", "image", _image_call),
        ("POST", r"/images/create", "pull", _pull_call),
        ("GET", r"/version", "version", _version_call),
        ("GET", r"/info", "info", _info_call),
    )

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        docker = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Log nothing."""

            def address_string(self) -> str:
                return "hub"

            def _serve(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length) or "null") if length else None
                try:
                    status, answer = docker.dispatch(self.command, self.path, body)
                except ApiError as error:
                    status, answer = _json(error.status, {"message": str(error)})
                # A hub that was killed meanwhile does not hear the answer.
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json")
                    if status not in (204, 304):
                        self.send_header("Content-Length", str(len(answer)))
                    self.end_headers()
                    self.wfile.write(answer)

            do_GET = do_POST = do_DELETE = _serve  # noqa: N815 (the names are given)

        return Handler


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, path: str, handler: type[BaseHTTPRequestHandler]) -> None:
        self._open: set[Any] = set()
        super().__init__(path, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log nothing: connections are cut on purpose."""

    def server_close(self) -> None:
        super().server_close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(2)


def _json(status: int, document: Any) -> tuple[int, bytes]:
    return status, json.dumps(document).encode()
