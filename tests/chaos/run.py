"""A run: rounds of faults while people use the lab, a look at everything after each, a report."""

from __future__ import annotations

import contextlib
import random
import statistics
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import docker.errors
import httpx

from chaos.faults import ClockKeeper, Fault, Scene, choose
from chaos.invariants import (
    Books,
    Broken,
    Watch,
    disagreement,
    resources,
    running_sessions,
    sessions_by_user,
    until_true,
)
from chaos.people import Gate, Person
from harness.lab import PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaos.lab import ChaosLab

NAMES = ("ada", "bob", "cleo", "dora", "eve")
_SETTLING_SECONDS = 90
# A request of a person may wait for as long as its client does.
_ACT_SECONDS = 90


@dataclass
class Report:
    """What happened in a run.

    Attributes:
        seed: what repeats it.
        recovered: seconds until everything answered again, by fault.
        healthy: seconds until all health checks were good, by fault.
        rounds: how many there were.
        asked, begun: servers that people asked for, and those that got ready.
        sessions, looks: containers of sessions that were seen, and looks at the engine.
        at_first, at_last: what the parts had taken, see :func:`chaos.invariants.resources`.
    """

    seed: int
    recovered: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    healthy: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    rounds: int = 0
    asked: int = 0
    begun: int = 0
    sessions: int = 0
    looks: int = 0
    at_first: dict[str, Any] = field(default_factory=dict)
    at_last: dict[str, Any] = field(default_factory=dict)

    def table(self) -> str:
        """Return the figures as a table of Markdown."""
        lines = [
            f"{self.rounds} rounds with seed {self.seed}. {self.asked} servers were asked for.",
            f"{self.begun} of them were seen ready, and {self.sessions} containers in all, in",
            f"{self.looks} looks at the engine.",
            "",
            "| Fault | Times | All answers after, median | At most | Healthy after, at most |",
            "|---|---|---|---|---|",
        ]
        lines += [
            f"| {name} | {len(times)} | {statistics.median(times):.1f} s | {max(times):.1f} s |"
            f" {max(self.healthy[name], default=0):.1f} s |"
            for name, times in sorted(self.recovered.items())
        ]
        return "\n".join([*lines, "", f"At first: {self.at_first}", f"At last: {self.at_last}"])


@dataclass(frozen=True)
class Standing:
    """What people had when nobody acted.

    Attributes:
        sessions: the running containers, by user.
        waiting: who waited in the queue.
        changes: how many times each person had changed their mind.
    """

    sessions: dict[str, str]
    waiting: set[str]
    changes: dict[str, int]


class Run:
    """One run on a lab that is up and that nobody uses."""

    def __init__(self, lab: ChaosLab, seed: int, note: Callable[[str], None]) -> None:
        """Prepare a run.

        Args:
            lab: the lab.
            seed: what faults and people choose by. Which moment a choice meets is up to the
                machine, so that the same seed repeats a run only roughly.
            note: takes a line on what happens.
        """
        self.report = Report(seed)
        self._note = note
        self._scene = Scene(lab, random.Random(seed))
        self._gate = Gate()
        self._people = [Person(lab.client(name), f"{seed} {name}", self._gate) for name in NAMES]
        self._watch = Watch(self._scene)
        self._clocks = ClockKeeper(lab)

    def go(self, seconds: float) -> Report:
        """Begin faults and end them for a time, while people use the lab.

        Raises:
            Broken: an invariant did not hold.
        """
        end = time.monotonic() + seconds
        threads = (self._watch, self._clocks, *self._people)
        for thread in threads:
            thread.start()
        try:
            time.sleep(10)
            self.report.at_first = resources(self._scene)
            before = self._settle()
            while time.monotonic() < end:
                before = self._round(before)
            self._finish()
        finally:
            self._gate.end()
            self._clocks.end()
            self._watch.end()
            self._count()
        return self.report

    def _round(self, before: Standing) -> Standing:
        faults = choose(self._scene.random)
        lasts = self._scene.random.uniform(0.5, 8) * any(fault.lasts for fault in faults)
        name = " and ".join(fault.name for fault in faults)
        self._note(f"{self.report.rounds + 1}: {name}, for {lasts:.1f} s")
        self._watch.hub_sees = not any(fault.stops_hub for fault in faults)
        with contextlib.ExitStack() as happening:
            for fault in faults:
                happening.enter_context(fault.happen(self._scene))
            time.sleep(lasts)
        if any(fault.ends_sessions for fault in faults):
            before = Standing({}, before.waiting, before.changes)
        self._recover(faults, name, before)
        self.report.rounds += 1
        after = self._settle()
        self._compare(before, after)
        return after

    def _recover(self, faults: list[Fault], name: str, before: Standing) -> None:
        within = max(fault.within for fault in faults)
        what = f"everything answers ({name})"
        # A part is back when it listens; how fast it starts is up to the machine.
        until_true(self._proxy_listens, f"the proxy listens ({name})", 60)
        took = until_true(lambda: self._answers(before), what, within)
        self.report.recovered[name].append(took)
        healthy = took + until_true(self._is_healthy, f"all parts are healthy ({name})", 60)
        self.report.healthy[name].append(healthy)
        self._note(f"   all answers after {took:.1f} s, healthy after {healthy:.1f} s")

    def _proxy_listens(self) -> bool:
        httpx.get(self._scene.lab.url, timeout=5)
        return True

    def _answers(self, before: Standing) -> bool:
        """Whether the pages answer, and the servers of all who have not stopped theirs since."""
        expected = dict.fromkeys(("/hub/login", "/services/gpudock/health"), httpx.codes.OK)
        for person in self._people:
            if person.name in before.sessions and person.changes == before.changes[person.name]:
                # So a server answers somebody without its cookie.
                expected[f"/user/{person.name}/api/contents"] = httpx.codes.FORBIDDEN
        url = self._scene.lab.url
        for path, status in expected.items():
            found = httpx.get(f"{url}{path}", timeout=5).status_code
            assert found == status, f"{path}: {found}"
        return True

    def _is_healthy(self) -> bool:
        for part in ("hub", "desk", "proxy"):
            state = self._scene.lab.docker.containers.get(f"{PROJECT}-{part}-1").attrs["State"]
            health = state["Health"]
            said = [check["Output"].strip() for check in health["Log"][-1:]]
            assert health["Status"] == "healthy", f"{part} is {health['Status']}: {said}"
        return True

    def _settle(self) -> Standing:
        """Hold everybody back until leases, queue and containers fit; return what people have."""
        self._gate.close(_ACT_SECONDS)
        until_true(self._fits, "everything fits", _SETTLING_SECONDS, every=0.5)
        self._raise_what_the_watch_found()
        standing = Standing(
            sessions_by_user(self._scene),
            {user for user, _ in Books.of(self._scene).waiting},
            {person.name: person.changes for person in self._people},
        )
        self._gate.open()
        return standing

    def _fits(self) -> bool:
        problem = disagreement(self._scene, Books.of(self._scene))
        if problem is not None:
            self._return_gpus()
            raise Broken(problem)
        return True

    def _return_gpus(self) -> None:
        # As an administrator does, who has repaired the hardware.
        with contextlib.suppress(docker.errors.DockerException):
            self._scene.lab.hub.exec_run(["gpudock", "gpu", "return", "--all"])

    def _raise_what_the_watch_found(self) -> None:
        if self._watch.found:
            raise Broken("; ".join(self._watch.found))

    def _compare(self, before: Standing, after: Standing) -> None:
        """Make sure that nobody has lost a session or a place without having asked for it."""
        for user, container in before.sessions.items():
            unchanged = before.changes[user] == after.changes[user]
            if unchanged and after.sessions.get(user) != container:
                raise Broken(f"{user} has lost the session in container {container}")
        for user in before.waiting:
            kept = user in after.waiting or user in after.sessions
            if before.changes[user] == after.changes[user] and not kept:
                raise Broken(f"{user} has lost the place in the queue")

    def _finish(self) -> None:
        """End all sessions, and make sure that nothing is left."""
        self._gate.end()
        for person in self._people:
            person.join(_ACT_SECONDS)
            until_true(person.has_left, f"{person.name} leaves", 60)
        lab = self._scene.lab
        until_true(lambda: not running_sessions(self._scene), "all containers end", 60)
        until_true(lambda: not lab.servers(stopped=True), "all containers are removed", 60)
        until_true(lambda: not lab.leases(), "all leases end", 60)
        self._return_gpus()
        until_true(self._all_gpus_serve, "all GPUs are in service", 60)
        self._raise_what_the_watch_found()
        self.report.at_last = resources(self._scene)
        for part, first in self.report.at_first.items():
            for what, amount in self.report.at_last[part].items():
                if amount > 2 * first[what] + 30:
                    raise Broken(f"the {part} had {first[what]} {what}, and has {amount} at last")

    def _all_gpus_serve(self) -> bool:
        self._return_gpus()
        return set(Books.of(self._scene).standings.values()) == {"active"}

    def _count(self) -> None:
        self.report.asked = sum(person.asked for person in self._people)
        self.report.begun = sum(person.begun for person in self._people)
        self.report.sessions = self._watch.sessions
        self.report.looks = self._watch.looks
