"""The protocol of an inventory, and the inventories that need no agent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from gpudock.model import GPU, GPUReading, InventoryReading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Inventory(Protocol):
    """Knows the lab's GPUs."""

    def reading(self) -> InventoryReading:
        """Return the latest reading, without waiting."""

    def subscribe(self, callback: Callable[[InventoryReading], None]) -> Callable[[], None]:
        """Call *callback* with every new reading, on the event loop; return the unsubscriber."""

    async def start(self) -> None:
        """Start to read; the first reading comes later."""

    async def stop(self) -> None:
        """Stop reading."""


class _Constant:
    """An inventory whose reading never changes."""

    def __init__(self, reading: InventoryReading) -> None:
        self._reading = reading

    def reading(self) -> InventoryReading:
        """Return the reading."""
        return self._reading

    def subscribe(self, callback: Callable[[InventoryReading], None]) -> Callable[[], None]:
        """Do nothing, because there are no new readings."""
        return lambda: None

    async def start(self) -> None:
        """Do nothing."""

    async def stop(self) -> None:
        """Do nothing."""


class StaticInventory(_Constant):
    """A fixed list of GPUs, without telemetry or health."""

    def __init__(self, gpus: Iterable[GPU]) -> None:
        """Create an inventory of *gpus*, in this order.

        Raises:
            ValueError: two of them have the same UUID.
        """
        readings = tuple(GPUReading(gpu) for gpu in gpus)
        seen: set[str] = set()
        for reading in readings:
            uuid = reading.gpu.uuid
            if uuid.lower() in seen:
                raise ValueError(f"The GPU {uuid} is listed twice. List each GPU once.")
            seen.add(uuid.lower())
        super().__init__(InventoryReading(taken_at=None, readings=readings, expects_readings=False))


def is_without_gpus(reading: InventoryReading) -> bool:
    """Return whether a lab is known to have no GPUs; the reading's problem says why."""
    return not reading.expects_readings and not reading.readings


class NoInventory(_Constant):
    """A lab without GPUs."""

    def __init__(self, reason: str) -> None:
        """Create an empty inventory; *reason* is a sentence that explains why it is empty."""
        super().__init__(InventoryReading(taken_at=None, problem=reason, expects_readings=False))


class UnknownInventory(_Constant):
    """A lab whose GPUs are not known yet: whether it has any, and which."""

    def __init__(self, reason: str) -> None:
        """Create an inventory that expects readings; *reason* is a sentence on why it has none."""
        super().__init__(InventoryReading(taken_at=None, problem=reason))
