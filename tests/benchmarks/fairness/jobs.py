"""The input of a replay: a lab, and the sessions that its users want."""

from __future__ import annotations

from dataclasses import dataclass, field

from gpudock.model import GPU


@dataclass(frozen=True, slots=True)
class Job:
    """A session that a user wants.

    Attributes:
        number: unique; grows with the time of arrival.
        user: who wants it.
        gpus: how many GPUs, or 1 for a slot.
        arrival: when it is asked for, seconds.
        duration: how long it runs once it has its GPUs, seconds.
        model: a pattern for the GPUs' model; ``None``: any.
        shared: it wants a slot of a shared GPU.
    """

    number: int
    user: str
    gpus: int
    arrival: float
    duration: float
    model: str | None = None
    shared: bool = False


@dataclass(frozen=True, slots=True)
class Setting:
    """A lab with its users and their jobs.

    Attributes:
        name: for the table.
        about: one sentence on what it is.
        gpus: the devices.
        slots: UUID to the number of slots, for those that are shared.
        jobs: in the order of arrival.
        max_session_hours: for each user, the longest session that the quota allows.
        weights: for each user; 1 where nothing is said.
    """

    name: str
    about: str
    gpus: tuple[GPU, ...]
    jobs: tuple[Job, ...]
    max_session_hours: dict[str, float]
    weights: dict[str, float] = field(default_factory=dict)
    slots: dict[str, int] = field(default_factory=dict)

    @property
    def load(self) -> float:
        """GPU-seconds wanted per GPU-second that there is until the last job arrives."""
        wanted = sum(
            job.duration * (job.gpus if not job.shared else 1 / self._mean_slots())
            for job in self.jobs
        )
        return wanted / (len(self.gpus) * (self.jobs[-1].arrival - self.jobs[0].arrival))

    def _mean_slots(self) -> float:
        return sum(self.slots.values()) / len(self.slots)


def device(number: int, index: int, host: str, model: str, memory_mib: int) -> GPU:
    """Make a GPU with a UUID of its own."""
    return GPU(f"GPU-{number:08x}-0000-4000-8000-{number:012x}", index, host, model, memory_mib)
