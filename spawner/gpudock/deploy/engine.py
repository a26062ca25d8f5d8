"""The Docker Engine that the lab runs on: an existing one, or one that gpudock starts."""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gpudock.deploy import docker_api, engine_packages, namespace, output
from gpudock.deploy.engine_config import DEFAULT_SOCKET, EnginePaths
from gpudock.deploy.namespace import Namespace
from gpudock.deploy.network import Network

MIN_API = (1, 44)
START_SECONDS = 90
STOP_SECONDS = 60
LOG_BYTES_KEPT = 10 * 2**20


@dataclass(frozen=True)
class Engine:
    """An engine that answers.

    Attributes:
        socket: where it listens.
        version: its version, as text.
        data_root: the folder of its images, containers and volumes, as the engine reports it.
        started_here: whether this call started it.
        address: where its published ports answer, a host name or IPv4 address.
    """

    socket: Path
    version: str
    data_root: Path
    started_here: bool
    address: str = "localhost"

    def call(self, method: str, target: str, timeout: float = 60.0) -> Any:
        """Call the engine; see ``docker_api.call``."""
        return docker_api.call(self.socket, method, target, timeout)

    def has_image(self, name: str) -> bool:
        """Return whether the engine has an image of this name."""
        try:
            self.call("GET", f"/images/{name}/json")
        except docker_api.ApiError:
            return False
        return True


def find_engine(socket: Path) -> Engine | None:
    """Return the engine at a socket, or ``None`` if nothing answers.

    Raises:
        ProblemError: the engine is too old, or this user may not use it.
    """
    try:
        version = docker_api.call(socket, "GET", "/version")
        information = docker_api.call(socket, "GET", "/info", timeout=60.0)
    except PermissionError as error:
        raise output.ProblemError(
            f"You may not use the Docker Engine at {socket}."
            ' Run this as root, or join the group that owns the socket (usually "docker").'
        ) from error
    except OSError:
        return None
    except docker_api.ApiError as error:
        raise output.ProblemError(
            f"The Docker Engine at {socket} does not work: {error}"
        ) from error
    api = tuple(int(part) for part in version["ApiVersion"].split("."))
    if api < MIN_API:
        raise output.ProblemError(
            f"Docker Engine {version['Version']} at {socket} is too old: it cannot give GPUs to"
            " containers with CDI. Upgrade it to 25 or newer and try again."
        )
    return Engine(
        socket,
        version["Version"],
        Path(information["DockerRootDir"]),
        started_here=False,
        address=EnginePaths.of(socket).address(),
    )


def ensure_engine(
    socket: Path = DEFAULT_SOCKET,
    *,
    data_root: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Engine:
    """Return the engine at a socket; start one if none answers.

    Args:
        socket: where the engine listens.
        data_root: data folder of an engine that is started; the default depends on the socket.
        environ: the environment, for GPUDOCK_DEBIAN_MIRROR and PATH.

    Raises:
        ProblemError: the engine is too old or may not be used, or none can be started.
    """
    environ = os.environ if environ is None else environ
    present = find_engine(socket)
    if present is not None:
        _admit(_recorded_paths(socket), environ)
        return present
    prefix = engine_packages.obtain(environ)
    paths = EnginePaths.of(socket, data_root)
    paths.state.mkdir(parents=True, exist_ok=True)
    with _locked(paths):
        present = find_engine(socket)
        if present is not None:
            return present
        if _engine_pid(paths) is None:
            output.step(f"Starting Docker Engine at {socket}, with its data in {paths.data_root}")
            _start(paths, prefix, environ)
        else:
            output.step(f"Waiting for the Docker Engine that starts at {socket}")
            _wait(lambda: _answers(socket), START_SECONDS)
    answering = find_engine(socket)
    if answering is None:
        raise output.ProblemError(
            f"The Docker Engine at {socket} does not answer; {paths.log} says why."
        )
    output.detail(f"Docker Engine {answering.version} answers; its log is {paths.log}")
    return replace(answering, started_here=True)


def stop_engine(socket: Path, *, keep_containers: bool = False, purge: bool = False) -> bool:
    """Stop an engine that ``ensure_engine`` started, and return whether one was running.

    Args:
        socket: where the engine listens.
        keep_containers: leave the containers running, as an engine restart does.
        purge: also delete its data: containers, images and volumes.

    Raises:
        ProblemError: gpudock did not start the engine at the socket.
    """
    paths = _recorded_paths(socket)
    with _locked(paths):
        pid = _engine_pid(paths)
        if pid is None and _answers(socket):
            raise output.ProblemError(f"The engine at {socket} was not started by gpudock.")
        if pid is not None:
            if not keep_containers:
                _remove_containers_and_networks(socket)
            os.kill(pid, signal.SIGTERM)
            if not _wait(lambda: not _alive(pid), STOP_SECONDS):
                os.kill(pid, signal.SIGKILL)
                _wait(lambda: not _alive(pid), STOP_SECONDS)
        if not keep_containers:
            _kill_remains(paths)
            _unmount_below(paths.exec_root)
            _unmount_below(paths.data_root)
            _remove_namespace(paths)
        if purge:
            for folder in (paths.data_root, paths.exec_root):
                shutil.rmtree(folder, ignore_errors=True)
    if purge:
        shutil.rmtree(paths.state, ignore_errors=True)
    return pid is not None


def _answers(socket: Path) -> bool:
    try:
        docker_api.call(socket, "GET", "/_ping")
    except (OSError, docker_api.ApiError):
        return False
    return True


def _recorded_paths(socket: Path) -> EnginePaths:
    """Return the paths of an engine of gpudock, with the data-root that it was started with."""
    paths = EnginePaths.of(socket)
    if paths.configuration.exists():
        data_root = json.loads(paths.configuration.read_text())["data-root"]
        return EnginePaths.of(socket, Path(data_root))
    return paths


def _start(paths: EnginePaths, prefix: engine_packages.Prefix, environ: Mapping[str, str]) -> None:
    for folder in (paths.data_root, paths.exec_root, paths.socket.parent, *paths.cdi_spec_dirs):
        folder.mkdir(parents=True, exist_ok=True)
    # The engine would take the reused pid of its killed predecessor for a running engine.
    paths.pidfile.unlink(missing_ok=True)
    mtu = Network(prefix.environ(environ)).mtu()
    own = _make_namespace(paths, prefix.environ(environ), mtu)
    paths.write_configuration(
        paths.daemon_options(prefix.programs, mtu, None if own is None else own.pool)
    )
    if paths.log.exists() and paths.log.stat().st_size > LOG_BYTES_KEPT:
        paths.log.replace(paths.log.with_suffix(".log.1"))
    with paths.log.open("ab") as log:
        daemon = subprocess.Popen(
            [
                *([] if own is None else namespace.enter(own.name)),
                *(prefix.programs / "dockerd", "--config-file", paths.configuration),
            ],
            env=prefix.environ(environ),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    with output.heartbeat(lambda: "waiting for the engine to answer"):
        answered = _wait(lambda: daemon.poll() is not None or _answers(paths.socket), START_SECONDS)
    if not answered or daemon.poll() is not None:
        tail = "\n".join(paths.log.read_text(errors="replace").splitlines()[-15:])
        if daemon.poll() is None:
            daemon.terminate()
        raise output.ProblemError(
            f"Docker Engine did not start. The end of its log, {paths.log}:\n{tail}"
        )


@contextlib.contextmanager
def _locked(paths: EnginePaths) -> Iterator[None]:
    """Allow one process at a time to start or stop this engine."""
    paths.state.parent.mkdir(parents=True, exist_ok=True)
    with paths.state.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _engine_pid(paths: EnginePaths) -> int | None:
    """Return the process id of the running engine, or ``None``."""
    try:
        pid = int(paths.pidfile.read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    return pid if str(paths.configuration).encode() in command and _alive(pid) else None


def _alive(pid: int) -> bool:
    """Return whether a process runs; a zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def _wait(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def _remove_containers_and_networks(socket: Path) -> None:
    """Remove containers and networks, if the engine still answers."""
    with contextlib.suppress(OSError, docker_api.ApiError):
        for container in docker_api.call(socket, "GET", "/containers/json?all=true"):
            with contextlib.suppress(docker_api.ApiError):
                docker_api.call(
                    socket, "DELETE", f"/containers/{container['Id']}?force=true", timeout=60.0
                )
        docker_api.call(socket, "POST", "/networks/prune", timeout=60.0)


def _kill_remains(paths: EnginePaths) -> None:
    """Kill what a killed engine left running: containerd, shims and their containers."""
    marks = [
        f"{root}/containerd/".encode() for root in {paths.exec_root, paths.exec_root.resolve()}
    ]
    children: dict[int, list[int]] = {}
    doomed = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        pid = int(process.name)
        children.setdefault(parent, []).append(pid)
        if any(mark in command for mark in marks) and pid != os.getpid():
            doomed.append(pid)
    for pid in doomed:  # grows during the loop: a shim's containers are its children
        doomed += children.get(pid, [])
    for pid in dict.fromkeys(doomed):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    _wait(lambda: not any(_alive(pid) for pid in doomed), STOP_SECONDS)


def _make_namespace(paths: EnginePaths, environ: Mapping[str, str], mtu: int) -> Namespace | None:
    """Make the engine's network namespace, if it has one of its own."""
    if paths.namespace is None:
        return None
    # Containers that outlived their engine keep their addresses.
    pool = paths.recorded_pool() if namespace.exists(paths.namespace) else None
    if pool is None:
        link = namespace.outer_link(paths.namespace)
        pool = paths.address_pool(Network(environ).routes(except_for=link))
    own = Namespace(paths.namespace, pool)
    paths.network.write_text(f"{pool}\n")
    own.make(environ, mtu)
    return own


def _admit(paths: EnginePaths, environ: Mapping[str, str]) -> None:
    """Renew what lets the machine's firewall forward for a running engine of gpudock."""
    prefix, pool = engine_packages.newest(), paths.recorded_pool()
    if os.geteuid() != 0 or paths.namespace is None or pool is None or prefix is None:
        return
    Namespace(paths.namespace, pool).admit(prefix.environ(environ))


def _remove_namespace(paths: EnginePaths) -> None:
    prefix, pool = engine_packages.newest(), paths.recorded_pool()
    if paths.namespace is not None and pool is not None and prefix is not None:
        Namespace(paths.namespace, pool).remove(prefix.environ(os.environ))
    paths.network.unlink(missing_ok=True)


def _unmount_below(folder: Path) -> None:
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for mount in sorted(mounts, reverse=True):
        if Path(mount).is_relative_to(folder.resolve()):
            subprocess.run(["umount", "--lazy", mount], capture_output=True, check=False)
