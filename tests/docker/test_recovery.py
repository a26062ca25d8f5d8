"""Each part of the lab may stop, die or restart while it is in use; all works again by itself.

Two sessions run and a third user waits. What matters is what people see: the sign-in page, their
servers, the desk's pages, and the place in the queue.
"""

from __future__ import annotations

import itertools
import os
import time
from typing import TYPE_CHECKING

import httpx
import pytest

from gpudock.config.shared_volume import HUB_PROBLEM
from harness.lab import PROJECT, SOCKET
from harness.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.hub_client import HubClient
    from harness.lab import Lab

RECOVERY_SECONDS = 60
"""How long to wait before a part counts as broken for good; what is promised is shorter, and
docs/reliability.md has the times."""


class Use:
    """A lab that is used, and what must be the same afterwards."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.users = [lab.client(name) for name in ("ada", "bob")]
        for user in self.users:
            user.start_server(gpus=1)
        self.waiting = lab.client("cleo")
        self.waiting.ask_for_server(gpus=1)
        wait_for(self.lab.queue, "cleo waits")
        self.before = self.leases()

    def leases(self) -> dict[str, tuple[str, list[str], str]]:
        found = self.lab.leases()
        return {name: (x["id"], x["gpus"], x["container"]) for name, x in found.items()}

    def answers(self) -> bool:
        """Whether everything that people need answers, by way of the proxy."""
        return all(
            (
                _status(f"{self.lab.url}/hub/login") == httpx.codes.OK,
                _status(f"{self.lab.url}/services/gpudock/health") == httpx.codes.OK,
                *(_reaches_server(self.lab, user) for user in self.users),
            )
        )

    def is_healthy(self) -> bool:
        """Whether the engine calls all parts healthy."""
        parts = [
            self.lab.docker.containers.get(f"{PROJECT}-{part}-1")
            for part in ("hub", "desk", "proxy")
        ]
        return all(part.attrs["State"]["Health"]["Status"] == "healthy" for part in parts)


def _status(url: str) -> int | None:
    try:
        return httpx.get(url, timeout=5).status_code
    except httpx.TransportError:
        return None


def _reaches_server(lab: Lab, user: HubClient) -> bool:
    # A server answers 403 to somebody without its cookie; the Hub's page for a server that is not
    # running has another status.
    return _status(f"{lab.url}/user/{user.name}/api/contents") == httpx.codes.FORBIDDEN


def _restart(name: str) -> Callable[[Lab], None]:
    return lambda lab: lab.docker.containers.get(f"{PROJECT}-{name}").restart(timeout=20)


def _kill(name: str) -> Callable[[Lab], None]:
    def kill(lab: Lab) -> None:
        container = lab.docker.containers.get(f"{PROJECT}-{name}")
        container.kill("SIGKILL")
        container.start()

    return kill


def _kill_agent(lab: Lab) -> None:
    """The hub replaces it; it may be quicker than anybody who starts it again."""
    lab.agent.kill("SIGKILL")


def _restart_engine(lab: Lab) -> None:
    stop = lab.command("engine", "--socket", str(SOCKET), "--stop", "--keep-containers")
    assert stop.returncode == 0, stop.stdout
    start = lab.command("engine", "--socket", str(SOCKET))
    assert start.returncode == 0, start.stdout


def _move_database_away_and_back(lab: Lab) -> None:
    folder = lab.folder("shared-data")
    files = sorted(folder.glob("gpudock.sqlite*"))
    for file in files:
        file.rename(folder / f"away-{file.name}")
    wait_for((folder / HUB_PROBLEM).exists, "the hub misses it")
    for file in files:
        (folder / f"away-{file.name}").rename(file)


def _return_in_order(*parts: str) -> Callable[[Lab], None]:
    """All parts stop, as when a host shuts down in an orderly way; each returns by itself."""

    def stop_and_start(lab: Lab) -> None:
        containers = [lab.docker.containers.get(f"{PROJECT}-{part}-1") for part in parts]
        for container in containers:
            container.stop(timeout=20)
        for container in containers:
            container.start()

    return stop_and_start


FAULTS: dict[str, Callable[[Lab], None]] = {
    "the proxy restarts": _restart("proxy-1"),
    "the proxy is killed": _kill("proxy-1"),
    "the hub restarts": _restart("hub-1"),
    "the hub is killed": _kill("hub-1"),
    "the desk restarts": _restart("desk-1"),
    "the desk is killed": _kill("desk-1"),
    "the agent is killed": _kill_agent,
    "the engine restarts": _restart_engine,
    "the database is moved away and back": _move_database_away_and_back,
    "all stop, and return as proxy, hub, desk": _return_in_order("proxy", "hub", "desk"),
    "all stop, and return as desk, hub, proxy": _return_in_order("desk", "hub", "proxy"),
    "all stop, and return as hub, desk, proxy": _return_in_order("hub", "desk", "proxy"),
}
# Two faults at once take minutes in all combinations; `make chaos` does that at random.
PAIRS = (
    list(itertools.permutations([*FAULTS][:9], 2))
    if os.environ.get("GPUDOCK_TEST_ALL_PAIRS") == "1"
    else [
        ("the proxy is killed", "the hub is killed"),
        ("the engine restarts", "the proxy is killed"),
        ("the hub is killed", "the desk is killed"),
    ]
)


@pytest.fixture(scope="module")
def use(lab: Lab) -> Iterator[Use]:
    lab.clean_up()
    yield Use(lab)
    lab.clean_up()


@pytest.mark.parametrize("faults", [*((name,) for name in FAULTS), *PAIRS], ids=" and ".join)
def test_all_works_again_by_itself(use, faults, record_property):
    for fault in faults:
        FAULTS[fault](use.lab)
    back = time.monotonic()
    wait_for(use.answers, "everything answers", RECOVERY_SECONDS)
    record_property("recovered_seconds", round(time.monotonic() - back, 1))
    wait_for(use.is_healthy, "all parts are healthy", RECOVERY_SECONDS, every=0.5)
    record_property("healthy_seconds", round(time.monotonic() - back, 1))
    wait_for(lambda: use.lab.queue() == ["cleo"], "cleo keeps her place")
    assert use.leases() == use.before
