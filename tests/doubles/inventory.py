"""An inventory that a test sets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpudock.model import GPU, GPUReading, InventoryReading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def uuid(number: int, kind: str = "GPU") -> str:
    """Return the UUID of the test device *number*."""
    return f"{kind}-{number:08x}-0000-4000-8000-{number:012x}"


def gpu(number: int, model: str = "NVIDIA A100-SXM4-40GB", host: str = "host") -> GPU:
    """Make a whole GPU."""
    return GPU(uuid(number), number, host, model, 40960)


def mig_slice(number: int, parent: GPU, memory_mib: int = 4864) -> GPU:
    """Make a slice of *parent*."""
    return GPU(
        uuid(number, "MIG"),
        number,
        parent.host,
        f"{parent.model} MIG 1g.5gb",
        memory_mib,
        parent.uuid,
        "1g.5gb",
    )


class SettableInventory:
    """Returns the reading that was set last."""

    def __init__(self, gpus: Iterable[GPU] = (), taken_at: float | None = None) -> None:
        """Without *taken_at* it is a fixed list, such as an administrator writes."""
        self.current = InventoryReading(
            taken_at=taken_at,
            readings=tuple(GPUReading(item) for item in gpus),
            expects_readings=taken_at is not None,
        )

    def reading(self) -> InventoryReading:
        return self.current

    def subscribe(self, callback: Callable[[InventoryReading], None]) -> Callable[[], None]:
        return lambda: None

    async def start(self) -> None:
        return

    async def stop(self) -> None:
        return
