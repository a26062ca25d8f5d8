"""The last ten minutes of every GPU, in columns."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from jupyterlab_gpudock.nvml.readings import Missing

if TYPE_CHECKING:
    from jupyterlab_gpudock.nvml.readings import Snapshot

HISTORY_SECONDS = 600.0
KEPT = ("utilization_percent", "memory_used_mib", "temperature_c", "power_w")
MIN_POINTS, MAX_POINTS, DEFAULT_POINTS = 10, 1200, 300

_Numbers = tuple["float | None", ...]
Row = tuple[float, dict[str, _Numbers]]
"""A time, in seconds since 1970, and by UUID the numbers in the order of ``KEPT``."""


class History:
    """Keeps the numbers of snapshots for ten minutes."""

    def __init__(self) -> None:
        self._rows: deque[tuple[float, Row]] = deque()

    def add(self, snapshot: Snapshot) -> None:
        """Keep the numbers of a snapshot, the newest one."""
        gpus = {
            gpu.uuid: tuple(
                None if isinstance(value := getattr(gpu, name), Missing) else value for name in KEPT
            )
            for gpu in snapshot.reading.gpus
            if gpu.uuid
        }
        self._rows.append((snapshot.taken_at, (snapshot.time, gpus)))
        self.forget(snapshot.taken_at)

    def forget(self, now: float) -> None:
        """Drop what is older than ten minutes at this time of the sampler's clock."""
        while self._rows and now - self._rows[0][0] > HISTORY_SECONDS:
            self._rows.popleft()

    def rows(self) -> tuple[Row, ...]:
        """Return the kept rows, oldest first."""
        return tuple(row for _, row in self._rows)


def columns(rows: tuple[Row, ...], points: int = DEFAULT_POINTS) -> dict[str, Any]:
    """Return the rows as the document of ``GET history``.

    Args:
        rows: what is kept, oldest first.
        points: how many points at most, clamped to 10…1200; adjacent rows are averaged.
    """
    points = min(max(points, MIN_POINTS), MAX_POINTS)
    groups = [
        rows[len(rows) * part // points : len(rows) * (part + 1) // points]
        for part in range(points)
    ]
    groups = [group for group in groups if group]
    uuids = {uuid: None for _, gpus in rows for uuid in gpus}
    return {
        "times": [round(group[-1][0], 3) for group in groups],
        "gpus": {
            uuid: {
                name: [_mean(group, uuid, place) for group in groups]
                for place, name in enumerate(KEPT)
            }
            for uuid in uuids
        },
    }


def _mean(group: tuple[Row, ...], uuid: str, place: int) -> float | None:
    numbers = [
        number for _, gpus in group if uuid in gpus and (number := gpus[uuid][place]) is not None
    ]
    return round(sum(numbers) / len(numbers), 1) if numbers else None
