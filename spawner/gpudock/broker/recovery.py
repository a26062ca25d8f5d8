"""Which devices have proven clean for long enough to return to service by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gpudock.policy.gpu_health import DeviceHealth

# What was not looked at for so long is not known to have been clean throughout.
_MAX_GAP_SECONDS = 15.0


class Recovery:
    """Since when the devices that return by themselves are clean, as far as this process knows.

    Another process begins to count again: what happened before it looked is not known to it.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """Know nothing yet.

        Args:
            monotonic: returns seconds of a clock that cannot be set.
        """
        self._monotonic = monotonic
        self._clean_since: dict[str, float] = {}
        self._looked_at = float("-inf")

    def due(self, devices: Iterable[DeviceHealth]) -> list[str]:
        """Take in the health of all devices now, and return the UUIDs of those that may return."""
        now = self._monotonic()
        former = self._clean_since if now - self._looked_at <= _MAX_GAP_SECONDS else {}
        self._looked_at = now
        self._clean_since = {}
        due = []
        for device in devices:
            if device.recovers_after is None or not device.clean:
                continue
            uuid = device.gpu.uuid
            since = self._clean_since[uuid] = former.get(uuid, now)
            if now - since >= device.recovers_after:
                due.append(uuid)
        return due
