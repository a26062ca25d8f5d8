"""What happens to the lab: each fault begins, lasts for a while, and is over."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import threading
import time
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

import docker.errors

from harness.lab import PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

    from docker.models.containers import Container

    from chaos.lab import ChaosLab

# Jumps of a clock that people see: a correction, a wrong time zone, a battery that is empty.
_JUMPS = (-86_400, -7_200, -600, -30, 45, 600, 7_200, 86_400)


@dataclass
class Scene:
    """Where faults happen.

    Attributes:
        lab: the lab.
        random: what faults choose by.
        strangers: foreign containers that run, by id: the GPU, and since when (Unix time).
    """

    lab: ChaosLab
    random: Random
    strangers: dict[str, tuple[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Fault:
    """One kind of fault.

    Attributes:
        name: what happens, in words.
        happen: begins it when it is entered, and ends it when it is left.
        of: what it is done to; two faults of one thing do not happen at once.
        within: how many seconds after its end everything must answer again. For the proxy that is
            twice what is promised, because people keep the machine busy; the report has the times.
        lasts: it may go on for a while; otherwise it is over at once.
        ends_sessions: sessions do not survive it.
        stops_hub: while it lasts, and shortly after, the hub cannot see what others do.
    """

    name: str
    happen: Callable[[Scene], AbstractContextManager[None]]
    of: str
    within: float = 30
    lasts: bool = True
    ends_sessions: bool = False
    stops_hub: bool = False


def _done_to(
    part: str, begin: Callable[[Container], object]
) -> Callable[[Scene], AbstractContextManager[None]]:
    """Return a fault of one part, which is brought back afterwards."""

    @contextmanager
    def happen(scene: Scene) -> Iterator[None]:
        container = scene.lab.docker.containers.get(f"{PROJECT}-{part}")
        begin(container)
        yield
        _bring_back(container)

    return happen


@contextmanager
def _unless_it_has_ended() -> Iterator[None]:
    """Do nothing to a container that does not run, or not any more.

    Another fault may have ended it meanwhile, and the hub replaces an agent that does not answer.
    """
    try:
        yield
    except docker.errors.NotFound:
        pass
    except docker.errors.APIError as error:
        if error.status_code != HTTPStatus.CONFLICT:
            raise


def _restart(container: Container) -> None:
    container.restart(timeout=20)


def _stop(container: Container) -> None:
    container.stop(timeout=20)


def _kill(container: Container) -> None:
    with _unless_it_has_ended():
        container.kill("SIGKILL")


def _freeze(container: Container) -> None:
    with _unless_it_has_ended():
        container.pause()


def _bring_back(container: Container) -> None:
    with _unless_it_has_ended():
        container.reload()
        if container.status == "paused":
            container.unpause()
        else:
            container.start()


@contextmanager
def _agent_killed(scene: Scene) -> Iterator[None]:
    # The hub makes another one; nobody has to start it.
    with _unless_it_has_ended():
        scene.lab.agent.kill("SIGKILL")
    yield


def _engine_away(
    begin: Callable[[ChaosLab], None],
) -> Callable[[Scene], AbstractContextManager[None]]:
    """Return a fault after which the engine has to be started again."""

    @contextmanager
    def happen(scene: Scene) -> Iterator[None]:
        begin(scene.lab)
        yield
        scene.lab.start_engine()

    return happen


@contextmanager
def _engine_frozen(scene: Scene) -> Iterator[None]:
    pid = scene.lab.engine_pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextmanager
def _database_locked(scene: Scene) -> Iterator[None]:
    """Hold the database as a copy program does that takes its time."""
    path = scene.lab.folder("shared-data") / "gpudock.sqlite"
    connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")
    finally:
        connection.close()


@contextmanager
def _disks_full(scene: Scene) -> Iterator[None]:
    with scene.lab.full_disks():
        yield


@contextmanager
def _disks_slow(scene: Scene) -> Iterator[None]:
    with scene.lab.slow_disks(writes_per_second=scene.random.choice((5, 10, 20))):
        yield


@contextmanager
def _clock_set(scene: Scene) -> Iterator[None]:
    scene.lab.offset += scene.random.choice(_JUMPS)
    scene.lab.keep_clock()
    yield


@contextmanager
def _foreign_container(scene: Scene) -> Iterator[None]:
    gpu = scene.random.choice(scene.lab.simulator.gpus)
    api = scene.lab.docker.api
    request = {"Driver": "cdi", "DeviceIDs": [f"nvidia.com/gpu={gpu.index}"]}
    made = api.create_container(
        "gpudock/pytorch-cuda:v2.6",
        ["sleep", "infinity"],
        labels={"chaos": "stranger"},
        host_config=api.create_host_config(network_mode="none", device_requests=[request]),
    )
    api.start(made["Id"])
    scene.strangers[made["Id"]] = (gpu.uuid, time.time())
    yield
    del scene.strangers[made["Id"]]
    with contextlib.suppress(docker.errors.NotFound):
        api.remove_container(made["Id"], force=True)


@contextmanager
def _gpu_fails(scene: Scene) -> Iterator[None]:
    gpu = scene.random.choice(scene.lab.simulator.gpus)
    fault = scene.random.choice(("lost", "reset_required", "unknown", "hanging"))
    scene.lab.simulator.update(gpu.uuid, fault=fault)
    yield
    scene.lab.simulator.update(gpu.uuid, fault=None)


@contextmanager
def _driver_fails(scene: Scene) -> Iterator[None]:
    fault = scene.random.choice(("driver_not_loaded", "version_mismatch", "unknown"))
    scene.lab.simulator.update_system(fault=fault)
    yield
    scene.lab.simulator.update_system(fault=None)


FAULTS = (
    Fault("the proxy restarts", _done_to("proxy-1", _restart), "proxy", 10, lasts=False),
    Fault("the proxy is stopped for a while", _done_to("proxy-1", _stop), "proxy", 10),
    Fault("the proxy is killed", _done_to("proxy-1", _kill), "proxy", 10),
    Fault("the proxy is frozen", _done_to("proxy-1", _freeze), "proxy", 10),
    Fault("the hub restarts", _done_to("hub-1", _restart), "hub", stops_hub=True, lasts=False),
    Fault("the hub is stopped for a while", _done_to("hub-1", _stop), "hub", stops_hub=True),
    Fault("the hub is killed", _done_to("hub-1", _kill), "hub", stops_hub=True),
    Fault("the hub is frozen", _done_to("hub-1", _freeze), "hub", stops_hub=True),
    Fault("the desk restarts", _done_to("desk-1", _restart), "desk", lasts=False),
    Fault("the desk is stopped for a while", _done_to("desk-1", _stop), "desk"),
    Fault("the desk is killed", _done_to("desk-1", _kill), "desk"),
    Fault("the desk is frozen", _done_to("desk-1", _freeze), "desk"),
    Fault("the agent is killed", _agent_killed, "agent", lasts=False),
    Fault("the agent is frozen", _done_to("agent", _freeze), "agent"),
    Fault(
        "the engine is stopped for a while",
        _engine_away(lambda lab: lab.stop_engine(keep_containers=True)),
        "engine",
        stops_hub=True,
    ),
    Fault(
        "the engine is killed",
        _engine_away(lambda lab: lab.kill_engine()),
        "engine",
        stops_hub=True,
    ),
    Fault("the engine is frozen", _engine_frozen, "engine", stops_hub=True),
    Fault(
        "the power of the host fails",
        _engine_away(lambda lab: lab.kill_host()),
        "engine",
        ends_sessions=True,
        stops_hub=True,
    ),
    Fault("another program holds the database", _database_locked, "database", stops_hub=True),
    Fault("the disks are full", _disks_full, "database", stops_hub=True),
    Fault("the disks are slow", _disks_slow, "database", stops_hub=True),
    Fault("the clock is set", _clock_set, "clock", lasts=False),
    Fault("a foreign container takes a GPU", _foreign_container, "GPU"),
    Fault("a GPU fails", _gpu_fails, "GPU"),
    Fault("the driver fails", _driver_fails, "GPU"),
)


def choose(random: Random) -> list[Fault]:
    """Choose one fault or two, in the order in which they begin; the last one ends first."""
    first = random.choice(FAULTS)
    if random.random() < 0.6:
        return [first]
    second = random.choice([fault for fault in FAULTS if fault.of != first.of])
    # Nothing can be done to a container while the engine is away.
    return sorted((first, second), key=lambda fault: fault.of == "engine")


class ClockKeeper(threading.Thread):
    """Keeps the clocks of all parts set, also of one that has just started."""

    def __init__(self, lab: ChaosLab) -> None:
        super().__init__(name="clock keeper", daemon=True)
        self._lab = lab
        self._over = threading.Event()

    def run(self) -> None:
        """Look at all parts until it is over."""
        while not self._over.wait(0.1):
            with contextlib.suppress(Exception):
                self._lab.keep_clock()

    def end(self) -> None:
        """Stop looking."""
        self._over.set()
        self.join()
