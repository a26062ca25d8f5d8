"""What the agent found in one round, before it is sent."""

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
        mig_enabled: UUIDs of the GPUs in MIG mode: only their slices can be granted.
        driver_version, cuda_version: of the driver; ``None`` when it does not report them.
        problem: why the devices could not be read, and what to do; ``None`` when they were.
        links: how the whole GPUs are connected, as far as the driver reports it.
        unidentified: one sentence for each device that the driver counts but does not identify.
    """

    host: str
    taken_at: float | None = None
    readings: tuple[GPUReading, ...] = ()
    mig_enabled: frozenset[str] = frozenset()
    driver_version: str | None = None
    cuda_version: str | None = None
    problem: str | None = None
    unidentified: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()
