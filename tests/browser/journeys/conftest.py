"""Labs for journeys: real hub and desk, accounts of their own, and an engine that is a fake."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from browser.journeys.recorder import Hand, Journey
from browser.person import PASSWORD, Person
from doubles.docker import FakeDocker
from gpudock.model import GPU, GPUReading, Telemetry
from harness.desk_process import DeskProcess
from harness.hub_client import HubClient
from harness.hub_process import HubProcess
from harness.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MODEL = "NVIDIA A100-SXM4-40GB"
SESSIONS = {"session_hours": 2, "max_session_hours": 6}


def reading(number: int) -> GPUReading:
    uuid = f"GPU-{number:08x}-0000-4000-8000-{number:012x}"
    telemetry = Telemetry(
        utilization_percent=37, memory_used_mib=512, temperature_c=51, processes=()
    )
    return GPUReading(GPU(uuid, number, "fake-host", MODEL, 40960), telemetry)


@dataclass
class JourneyLab:
    """A lab with accounts of its own, in which others act without a browser.

    Attributes:
        hub: its hub.
        desk: its desk, which is also the door for browsers.
        password: the administrator's, once it is no one-time password.
        members: users with accounts, by name.
    """

    hub: HubProcess
    desk: DeskProcess
    password: str = PASSWORD
    members: dict[str, HubClient] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.desk.url

    def sign_up(self, name: str) -> HubClient:
        """Sign a user up, who is not approved yet."""
        user = HubClient(self.hub.url, name, PASSWORD)
        user.sign_up()
        return user

    def approve(self, name: str) -> None:
        """Approve a sign-up, as an administrator."""
        self.admin().authorize(name)

    def member(self, name: str) -> HubClient:
        """Return a user with an account, who is signed in."""
        if name not in self.members:
            user = self.sign_up(name)
            self.approve(name)
            self.members[name] = user.sign_in()
        return self.members[name]

    def admin(self) -> HubClient:
        return HubClient(self.hub.url, "admin", self.password).sign_in()

    def set_up(self, method: str, path: str, **request: Any) -> None:
        """Call the desk's API as an administrator."""
        answer = self.desk.ask(method, path, self.desk.token(self.admin()), **request)
        assert answer.is_success, answer.text

    def clean_up(self) -> None:
        """End everybody's servers and waits."""
        self.admin().delete_servers()
        wait_for(
            lambda: not self.hub.leases() and not self.hub.queue(), "nothing runs and nobody waits"
        )
        self.desk.wait_for_free_gpus(self.desk.token(self.admin()))


@pytest.fixture(scope="module")
def new_journey_lab(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., JourneyLab]]:
    """Make labs, each with so many GPUs and these settings."""
    made: list[JourneyLab] = []

    def make(gpus: int, **settings: str) -> JourneyLab:
        directory = tmp_path_factory.mktemp("journey")
        docker = FakeDocker(directory, [reading(number) for number in range(gpus)])
        hub = HubProcess(directory, docker, AUTHENTICATOR="native", ALLOW_ANYONE="no", **settings)
        made.append(JourneyLab(hub.start(), DeskProcess(hub).start()))
        return made[-1]

    yield make
    for lab in made:
        lab.desk.close()
        lab.hub.docker.close()
        lab.hub.stop()


@pytest.fixture
def travel(newcomer: Callable[..., Person]) -> Callable[..., Journey]:
    """Begin the journey of a person in a browser of their own."""

    def begin(name: str, hand: Hand = Hand.MOUSE, **look: Any) -> Journey:
        return Journey(name, newcomer(name, "", **look).page, hand)

    return begin
