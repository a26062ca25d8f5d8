"""What follows when the engine cannot give a device to a container, and the sentences about it.

* An error that names devices speaks against these, any other against all devices of the container.
* A device that was named goes out of service at once, another one after
  :data:`FAILURES_IN_A_ROW` failures without a container that started with it in between. It stays
  out of service until an administrator returns it.
* An error that is not about a particular device speaks against none. The same holds when each
  device that could be tried fails, and there are several: then the engine, its driver or its
  specification is at fault, not all devices at the same time. All devices are out of service then,
  until they return by themselves after a while; the next start tries again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpudock.language import Message

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from gpudock.model import DeliveryFailure

FAILURES_IN_A_ROW = 2
"""How many failures that do not name a device it takes to withdraw it."""

_MIN_FAILED = 2
_MAX_WORDS = 600
_NOT_DELIVERED = "The Docker Engine could not give this GPU to a container"


def blamed_devices(
    failure: DeliveryFailure, gpu_uuids: Collection[str], minors: Mapping[str, int | None]
) -> tuple[str, ...]:
    """Return which of a container's devices a failure names; none when it names none.

    Args:
        failure: what the engine said.
        gpu_uuids: the container's devices.
        minors: UUID to the number of the device's node, for a slice of its GPU's.
    """
    return tuple(
        uuid
        for uuid in gpu_uuids
        if uuid in failure.named or (not failure.named and minors.get(uuid) in failure.minors)
    )


def all_fail(failed: Collection[str], available: Collection[str]) -> bool:
    """Return whether the devices that failed in a row are all that could be tried.

    Args:
        failed: the devices that failed since a container last started with a GPU.
        available: the devices that no other lease has, and that are in service but for these
            failures.
    """
    return len(failed) >= _MIN_FAILED and set(available) <= set(failed)


def device_reason(words: str) -> str:
    """Return why a device that could not be given to a container is out of service."""
    return Message(
        "The Docker Engine could not give this GPU to a container: {words} Fix the cause, then"
        " return the GPU to service.",
        words=_shown(words),
    )


def general_reason(words: str, command: str) -> str:
    """Return why all devices are out of service when none could be given to a container.

    Args:
        words: the engine's own.
        command: writes the CDI specification.
    """
    return Message(
        "The Docker Engine could not give a GPU to any container: {words} On the server,"
        ' "make doctor" shows why. If the driver or the MIG slices have changed, run "{command}".',
        words=_shown(words),
        command=command,
    )


def is_undelivered(reason: str | None) -> bool:
    """Return whether this is a reason of :func:`device_reason`, whose cause no reading shows."""
    return reason is not None and reason.startswith(_NOT_DELIVERED)


def _shown(words: str) -> str:
    # The engine puts causes after their effects.
    return words if len(words) <= _MAX_WORDS else f"…{words[-_MAX_WORDS:]}"
