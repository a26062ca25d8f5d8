"""What the rules choose from: users, servers, fates and limits."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st
from hypothesis.stateful import precondition

from state_machine.engine import Fate

USERS = ("ada", "bob", "../x{0}")
SERVERS = ("", "second")
GROUP = "class"
MEMBERS = ("ada", "bob")
NO_MODEL = "*none of this lab*"

fates = st.sampled_from([Fate.DONE, Fate.DONE, Fate.DONE, *Fate, Fate.FAILED, Fate.LATE])
some_fates = st.lists(fates, max_size=6)
users, servers = st.sampled_from(USERS), st.sampled_from(SERVERS)
any_index = st.integers(0, 50)


def in_a_lab_with(trouble, also=lambda _: True):
    """Run a rule only in labs that have this kind of trouble.

    Each lab has a few kinds only: one with all of them comes to a standstill before anything
    interesting happens.
    """
    return precondition(lambda self: trouble in self.troubles and also(self))


@dataclass(frozen=True)
class Limits:
    """The limits that the machine has set, as it knows them.

    Attributes:
        gpus: devices at once for every user.
        hours: GPU-hours of every user in any day; ``None``: no limit.
        session: hours that a session lasts unless it is extended.
        longest: hours that it lasts at most.
        cap: devices at once for the whole group.
        cap_hours: GPU-hours of the whole group in any day.
        models: pattern of the models that everybody may use; ``None``: all.
    """

    gpus: int
    hours: float | None = None
    session: float | None = None
    longest: float | None = 12.0
    cap: int | None = None
    cap_hours: float | None = None
    models: str | None = None

    def of_all(self) -> dict[str, object]:
        """Return the default level's document."""
        return {
            "max_gpus": self.gpus,
            "gpu_hours": self.hours,
            "window_days": 1,
            "session_hours": self.session,
            "max_session_hours": self.longest,
            "gpu_models": None if self.models is None else [self.models],
        }

    def of_group(self) -> dict[str, object]:
        """Return the group's document."""
        return {"group_max_gpus": self.cap, "group_gpu_hours": self.cap_hours}
