"""What must hold at every moment, and what must hold when everything is back."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker.errors
import httpx
import requests

from gpudock.engine.labels import LABEL_GPUS, LABEL_LAB, LABEL_LEASE, LABEL_SERVER, LABEL_USER
from gpudock.store import StoreError
from harness.lab import PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable

    from docker.models.containers import Container

    from chaos.faults import Scene

_NOTICED_SECONDS = 3.0


class Broken(AssertionError):  # noqa: N818
    """An invariant did not hold."""


class Watch(threading.Thread):
    """Looks at the engine all the time: no GPU has two sessions, none a stranger's and a new one.

    Attributes:
        looks: how often it has looked.
        sessions: how many containers of sessions it has seen.
        found: what did not hold, in sentences.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(name="watch", daemon=True)
        self.looks = 0
        self.found: list[str] = []
        self.hub_sees = True
        self._scene = scene
        self._known: dict[str, tuple[str, ...]] = {}
        self._over = threading.Event()

    @property
    def sessions(self) -> int:
        return len(self._known)

    def run(self) -> None:
        """Look until it is over."""
        while not self._over.wait(0.2):
            # An engine that is away, or a container that is just being removed.
            with contextlib.suppress(docker.errors.DockerException, requests.RequestException):
                self._look()

    def end(self) -> None:
        """Stop looking."""
        self._over.set()
        self.join()

    def _look(self) -> None:
        holders: dict[str, list[str]] = defaultdict(list)
        for container in running_sessions(self._scene):
            if container["Id"] not in self._known:
                self._known[container["Id"]] = self._given(container)
                self._compare_with_strangers(container)
            for uuid in self._known[container["Id"]]:
                holders[uuid].append(container["Id"])
        for uuid, ids in holders.items():
            if len(ids) > 1 and all(self._runs(one) for one in ids):
                self.found.append(f"{uuid} is in {len(ids)} running containers: {', '.join(ids)}")
        self.looks += 1

    def _given(self, container: dict[str, Any]) -> tuple[str, ...]:
        """Return the GPUs that a container has, and make sure that these are what it is said to."""
        labeled = {uuid for uuid in container["Labels"][LABEL_GPUS].split(",") if uuid}
        asked = self._scene.lab.docker.api.inspect_container(container["Id"])["HostConfig"]
        given = {
            name.partition("=")[2]
            for request in asked["DeviceRequests"] or ()
            for name in request["DeviceIDs"] or ()
        }
        if given != labeled:
            self.found.append(f"{container['Id']} has {given}, but is labeled {labeled}")
        return tuple(given)

    def _compare_with_strangers(self, container: dict[str, Any]) -> None:
        if not self.hub_sees:
            return
        for stranger, (uuid, since) in list(self._scene.strangers.items()):
            late = container["Created"] - since
            if uuid in self._known[container["Id"]] and late > _NOTICED_SECONDS:
                self.found.append(
                    f"{container['Id']} got {uuid} {late:.0f} s after the stranger {stranger}"
                )

    def _runs(self, container: str) -> bool:
        state = self._scene.lab.docker.api.inspect_container(container)["State"]
        return bool(state["Running"])


def running_sessions(scene: Scene) -> list[dict[str, Any]]:
    """Return what the engine says of the containers of sessions that run."""
    labels = [LABEL_LEASE, f"{LABEL_LAB}={PROJECT}"]
    return list(scene.lab.docker.api.containers(filters={"label": labels}))


def sessions_by_user(scene: Scene) -> dict[str, str]:
    """Return the running containers, by user."""
    return {
        container["Labels"][LABEL_USER]: container["Id"]
        for container in running_sessions(scene)
        if not container["Labels"][LABEL_SERVER]
    }


@dataclass(frozen=True)
class Books:
    """What the lab's database says.

    Attributes:
        leases: the GPUs of each live lease, by its id.
        waiting: the waiting users, in order, and for how many GPUs.
        standings: what was decided about each GPU (``active``, ``quarantined``, …), by UUID.
    """

    leases: dict[str, list[str]]
    waiting: list[tuple[str, int]]
    standings: dict[str, str]

    @classmethod
    def of(cls, scene: Scene) -> Books:
        """Read them."""
        with scene.lab.snapshot() as transaction:
            return cls(
                {lease.id: list(lease.gpu_uuids) for lease in transaction.leases.live()},
                [(item.request.user, item.request.gpus) for item in transaction.requests.waiting()],
                {item.gpu.uuid: item.admin_state for item in transaction.gpus.records()},
            )


def disagreement(scene: Scene, books: Books) -> str | None:
    """Compare leases, queue, containers and GPUs; return what does not fit while nobody acts."""
    running = {one["Labels"][LABEL_LEASE] for one in running_sessions(scene)}
    stopped = [one for one in scene.lab.servers(stopped=True) if one.status != "running"]
    held = [uuid for uuids in books.leases.values() for uuid in uuids]
    if len(held) != len(set(held)):
        return f"a GPU has two leases: {books.leases}"
    if set(books.leases) != running:
        return f"the leases {sorted(books.leases)} are not the containers {sorted(running)}"
    if stopped:
        return f"containers that have ended are left: {[one.name for one in stopped]}"
    free = [
        uuid for uuid, state in books.standings.items() if state == "active" and uuid not in held
    ]
    if books.waiting:
        user, gpus = books.waiting[0]
        if gpus <= len(free):
            return f"{user} waits, though {free} are free"
    return None


def resources(scene: Scene) -> dict[str, dict[str, int]]:
    """Return what the parts have taken: open files, threads and memory (MiB)."""
    return {
        part: _taken(scene.lab.docker.containers.get(f"{PROJECT}-{part}-1"))
        for part in ("hub", "desk")
    }


def _taken(container: Container) -> dict[str, int]:
    files = threads = pages = 0
    for process in container.top()["Processes"]:
        folder = Path("/proc", process[1])
        files += len(list((folder / "fd").iterdir()))
        threads += len(list((folder / "task").iterdir()))
        pages += int((folder / "statm").read_text().split()[1])
    return {"files": files, "threads": threads, "memory_mib": pages // 256}


_NOT_YET = (
    AssertionError,
    ValueError,
    KeyError,
    OSError,
    docker.errors.DockerException,
    httpx.HTTPError,
    StoreError,
)


def until_true(
    condition: Callable[[], object], what: str, seconds: float, every: float = 0.2
) -> float:
    """Wait until *condition* returns something true; return how long that took, in seconds.

    Raises:
        Broken: it took longer than *seconds*.
    """
    begun = time.monotonic()
    while True:
        try:
            if condition():
                return time.monotonic() - begun
            last = "not yet"
        except _NOT_YET as error:
            last = repr(error)
        if time.monotonic() - begun > seconds:
            raise Broken(f"after {seconds:.0f} s still not: {what} ({last})")
        time.sleep(every)
