"""The Docker Engine that the lab runs on: the one that answers, or one that we bring."""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpudock.deploy import docker_api, engine_packages, say
from gpudock.deploy.engine_config import DEFAULT_SOCKET, Place
from gpudock.deploy.network import Network

MINIMUM_API = (1, 44)
START_SECONDS = 90
STOP_SECONDS = 60
LOG_BYTES_KEPT = 10 * 2**20


@dataclass(frozen=True)
class Engine:
    """An engine that answers.

    Attributes:
        socket: where it listens.
        version: its version, for people.
        data_root: the folder of its images, containers and volumes, as the engine names it.
        started_here: whether this very call started it.
    """

    socket: Path
    version: str
    data_root: Path
    started_here: bool

    def call(self, method: str, target: str, timeout: float = 60.0) -> Any:
        """Make one call on the engine; see ``docker_api.call``."""
        return docker_api.call(self.socket, method, target, timeout)

    def has_image(self, name: str) -> bool:
        """Say whether the engine has an image of this name."""
        try:
            self.call("GET", f"/images/{name}/json")
        except docker_api.ApiError:
            return False
        return True


def find_engine(socket: Path) -> Engine | None:
    """Return the engine at a socket, or None where nothing answers.

    Raises:
        ProblemError: the engine is too old, or may not be used by this user.
    """
    try:
        version = docker_api.call(socket, "GET", "/version")
        information = docker_api.call(socket, "GET", "/info", timeout=60.0)
    except PermissionError as error:
        raise say.ProblemError(
            f"You may not use the Docker Engine at {socket}."
            " Run this as root, or join the group that owns the socket (usually «docker»)."
        ) from error
    except OSError:
        return None
    except docker_api.ApiError as error:
        raise say.ProblemError(f"The Docker Engine at {socket} does not work: {error}") from error
    api = tuple(int(part) for part in version["ApiVersion"].split("."))
    if api < MINIMUM_API:
        raise say.ProblemError(
            f"Docker Engine {version['Version']} at {socket} is too old: it cannot hand GPUs to"
            " containers by CDI. Upgrade it to 25 or newer and try again."
        )
    return Engine(
        socket, version["Version"], Path(information["DockerRootDir"]), started_here=False
    )


def ensure_engine(
    socket: Path = DEFAULT_SOCKET,
    *,
    data_root: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Engine:
    """Return the engine that answers at a socket, after bringing one if none does.

    Args:
        socket: where the engine listens, or shall listen.
        data_root: where an engine that we start keeps its data; the default depends on the socket.
        environ: the environment, for GPUDOCK_DEBIAN_MIRROR and PATH.

    Raises:
        ProblemError: the engine is too old or may not be used, or none can be brought.
    """
    environ = os.environ if environ is None else environ
    present = find_engine(socket)
    if present is not None:
        return present
    prefix = engine_packages.obtain(environ)
    place = Place.of(socket, data_root)
    place.state.mkdir(parents=True, exist_ok=True)
    with _locked(place):
        present = find_engine(socket)
        if present is not None:
            return present
        if _engine_pid(place) is None:
            say.step(f"Starting Docker Engine at {socket}, with its data in {place.data_root}")
            _start(place, prefix, environ)
        else:
            say.step(f"Waiting for the Docker Engine that starts at {socket}")
            _wait(lambda: _answers(socket), START_SECONDS)
    answering = find_engine(socket)
    if answering is None:
        raise say.ProblemError(
            f"The Docker Engine at {socket} does not answer; {place.log} says why."
        )
    say.detail(f"Docker Engine {answering.version} answers; its log is {place.log}")
    return Engine(socket, answering.version, answering.data_root, started_here=True)


def stop_engine(socket: Path, *, keep_containers: bool = False, purge: bool = False) -> bool:
    """Stop an engine that ``ensure_engine`` started; one that is not there is stopped already.

    Returns whether one ran.

    Args:
        socket: where the engine listens.
        keep_containers: leave the containers running, as an engine restart does.
        purge: also delete its data: containers, images and volumes.

    Raises:
        ProblemError: the engine at the socket is not one of ours.
    """
    place = _recorded_place(socket)
    with _locked(place):
        pid = _engine_pid(place)
        if pid is None and _answers(socket):
            raise say.ProblemError(f"The engine at {socket} was not started by gpudock.")
        if pid is not None:
            if not keep_containers:
                _remove_containers_and_networks(socket)
            os.kill(pid, signal.SIGTERM)
            if not _wait(lambda: not _alive(pid), STOP_SECONDS):
                os.kill(pid, signal.SIGKILL)
                _wait(lambda: not _alive(pid), STOP_SECONDS)
        if not keep_containers:
            _kill_remains(place)
            _unmount_below(place.exec_root)
            _unmount_below(place.data_root)
            _remove_links(place)
        if purge:
            for folder in (place.data_root, place.exec_root):
                shutil.rmtree(folder, ignore_errors=True)
    if purge:
        shutil.rmtree(place.state, ignore_errors=True)
    return pid is not None


def _answers(socket: Path) -> bool:
    try:
        docker_api.call(socket, "GET", "/_ping")
    except (OSError, docker_api.ApiError):
        return False
    return True


def _recorded_place(socket: Path) -> Place:
    """Return the place of an engine of ours, with the data-root that it was started with."""
    place = Place.of(socket)
    if place.configuration.exists():
        data_root = json.loads(place.configuration.read_text())["data-root"]
        return Place.of(socket, Path(data_root))
    return place


def _start(place: Place, prefix: engine_packages.Prefix, environ: Mapping[str, str]) -> None:
    for folder in (place.data_root, place.exec_root, place.socket.parent, *place.cdi_spec_dirs):
        folder.mkdir(parents=True, exist_ok=True)
    # The engine mistakes the pid of its killed predecessor, when that is reused, for a running one.
    place.pidfile.unlink(missing_ok=True)
    network = Network(prefix.environ(environ))
    pool = None
    if place.own_bridge:
        pool = place.address_pool(network.routes(except_for=place.bridge))
        network.add_bridge(place.bridge, f"{pool.network_address + 1}/24", place.bridge_mac)
    place.write_configuration(place.daemon_options(prefix.programs, network.mtu(), pool))
    if place.log.exists() and place.log.stat().st_size > LOG_BYTES_KEPT:
        place.log.replace(place.log.with_suffix(".log.1"))
    with place.log.open("ab") as log:
        daemon = subprocess.Popen(
            [prefix.programs / "dockerd", "--config-file", place.configuration],
            env=prefix.environ(environ),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    with say.heartbeat(lambda: "waiting for the engine to answer"):
        answered = _wait(lambda: daemon.poll() is not None or _answers(place.socket), START_SECONDS)
    if not answered or daemon.poll() is not None:
        tail = "\n".join(place.log.read_text(errors="replace").splitlines()[-15:])
        if daemon.poll() is None:
            daemon.terminate()
        raise say.ProblemError(
            f"Docker Engine did not start. The end of its log, {place.log}:\n{tail}"
        )


@contextlib.contextmanager
def _locked(place: Place) -> Iterator[None]:
    """Let one process at a time start or stop the engine of this place."""
    place.state.parent.mkdir(parents=True, exist_ok=True)
    with place.state.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _engine_pid(place: Place) -> int | None:
    """Return the process id of our running engine, or None."""
    try:
        pid = int(place.pidfile.read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    return pid if str(place.configuration).encode() in command and _alive(pid) else None


def _alive(pid: int) -> bool:
    """Say whether a process runs; one that ended and waits to be collected does not."""
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
    """Leave nothing running; an engine that no longer answers is dealt with by its processes."""
    with contextlib.suppress(OSError, docker_api.ApiError):
        for container in docker_api.call(socket, "GET", "/containers/json?all=true"):
            with contextlib.suppress(docker_api.ApiError):
                docker_api.call(
                    socket, "DELETE", f"/containers/{container['Id']}?force=true", timeout=60.0
                )
        docker_api.call(socket, "POST", "/networks/prune", timeout=60.0)


def _kill_remains(place: Place) -> None:
    """End what an engine that was killed left running: containerd, shims, and what they hold."""
    marks = [
        f"{root}/containerd/".encode() for root in {place.exec_root, place.exec_root.resolve()}
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
    for pid in doomed:  # grows while it is walked: a shim's containers end with it
        doomed += children.get(pid, [])
    for pid in dict.fromkeys(doomed):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    _wait(lambda: not any(_alive(pid) for pid in doomed), STOP_SECONDS)


def _remove_links(place: Place) -> None:
    """Remove the engine's own bridge, and those that a killed engine could not remove."""
    prefix = engine_packages.newest()
    if not place.own_bridge or prefix is None or not place.configuration.exists():
        return
    network = Network(prefix.environ(os.environ))
    pools = json.loads(place.configuration.read_text())["default-address-pools"]
    for name in network.links_within([pool["base"] for pool in pools]):
        network.delete_link(name)


def _unmount_below(folder: Path) -> None:
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for mount in sorted(mounts, reverse=True):
        if Path(mount).is_relative_to(folder.resolve()):
            subprocess.run(["umount", "--lazy", mount], capture_output=True, check=False)
