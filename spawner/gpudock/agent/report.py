"""What the agent found out in one round, before it goes on the wire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gpudock.model import GPUReading, Link


@dataclass(frozen=True, slots=True)
class Report:
    """One round over the GPUs of one host.

    Attributes:
        host: name of the host, for display.
        taken_at: when the devices were read (Unix time, the agent's clock); ``None``: never yet.
        readings: the devices in display order, each GPU before its slices. The last known ones
            when there is a ``problem``.
        divided: UUIDs of the GPUs that are in MIG mode: only their slices can be given out.
        driver_version, cuda_version: of the driver; ``None`` when it does not say.
        problem: why the devices could not be read, and what to do; ``None`` when they were.
        links: how the whole GPUs are connected, as far as the driver tells.
        unidentified: one sentence for each device that the driver counts but cannot name.
    """

    host: str
    taken_at: float | None = None
    readings: tuple[GPUReading, ...] = ()
    divided: frozenset[str] = frozenset()
    driver_version: str | None = None
    cuda_version: str | None = None
    problem: str | None = None
    unidentified: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()
