"""Whether a device that no lease holds is in use: by its last session still, or by others.

What a display server has, or a process with little memory, is no use that matters to a session.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpudock.language import Message, sentences
from gpudock.model import ForeignUse
from gpudock.policy.durations import duration_in_words

if TYPE_CHECKING:
    from gpudock.model import GPUProcess, GPUReading, InventoryReading, Telemetry
    from gpudock.policy.gpu_health import Rules

LEFTOVER_MEMORY_MIB = 1024
"""Memory of a device that may be in use by nobody, MiB: the driver itself takes some hundred."""

_MAX_SHOWN_PIDS = 5


def check_cleanliness(
    reading: GPUReading,
    freed_at: float | None,
    inventory: InventoryReading,
    now: float,
    rules: Rules,
) -> tuple[ForeignUse | None, str | None]:
    """Check a device that no lease holds.

    Args:
        reading: the device.
        freed_at: when the last lease of it, or of a device that overlaps with it, ended (Unix
            time); ``None``: there was none.
        inventory: what *reading* is part of.
        now: Unix time.
        rules: how long an ended session may linger, and how much memory may be in use.

    Returns:
        Who uses it without a lease, and why it is not to be granted for the moment.
    """
    telemetry = reading.telemetry
    readable = telemetry.processes is not None or telemetry.memory_used_mib is not None
    if not readable or not inventory.expects_readings or inventory.taken_at is None:
        return None, None
    if freed_at is not None and inventory.taken_at <= freed_at:
        return None, Message("It is being checked after its last session.")
    lingers = freed_at is not None and now - freed_at <= rules.cool_down_seconds
    processes = [
        process
        for process in telemetry.processes or ()
        if process.computes and (lingers or _counts(process, rules))
    ]
    pids = ", ".join(str(process.pid) for process in processes[:_MAX_SHOWN_PIDS])
    memory = _memory_without_display(telemetry)
    left_over = _is_left_over(memory, rules)
    if not processes and not left_over:
        return None, None
    if lingers:
        if processes:
            return None, Message(
                "Processes of its last session are still ending (host PIDs {pids}).", pids=pids
            )
        return None, Message(
            "The memory of its last session is still being freed: {memory} MiB are in use.",
            memory=memory,
        )
    return _foreign_use(pids, memory, None if freed_at is None else now - freed_at), None


def _foreign_use(pids: str, memory: int | None, free_for: float | None) -> ForeignUse:
    """Return who uses a device that no session has.

    Args:
        pids: of the processes that use it; empty: none is seen.
        memory: how much memory is in use, MiB.
        free_for: for how long no session has had it, seconds; ``None``: none ever had.
    """
    fix = Message('Find what uses it with "nvidia-smi", or reset it.')
    if free_for is None:
        if pids:
            return ForeignUse(
                Message(
                    "Processes that gpudock did not start are using it (host PIDs {pids}).",
                    pids=pids,
                ),
                Message(
                    "Processes that gpudock did not start were using it (host PIDs {pids}).",
                    pids=pids,
                ),
            )
        return ForeignUse(
            sentences(
                Message(
                    "{memory} MiB of its memory are in use, though no session has it and no"
                    " process is seen to use it.",
                    memory=memory,
                ),
                fix,
            ),
            Message(
                "{memory} MiB of its memory were in use, though no session had it and no process"
                " was seen to use it.",
                memory=memory,
            ),
        )
    duration = duration_in_words(free_for)
    if pids:
        return ForeignUse(
            Message(
                "Processes are using it although its last session ended {duration} ago (host PIDs"
                " {pids}).",
                duration=duration,
                pids=pids,
            ),
            Message(
                "Processes were using it although its last session had ended (host PIDs {pids}).",
                pids=pids,
            ),
        )
    return ForeignUse(
        sentences(
            Message(
                "{memory} MiB of its memory are in use although its last session ended {duration}"
                " ago.",
                memory=memory,
                duration=duration,
            ),
            fix,
        ),
        Message(
            "{memory} MiB of its memory were in use although its last session had ended.",
            memory=memory,
        ),
    )


def _counts(process: GPUProcess, rules: Rules) -> bool:
    """Return whether a process is more than a display server or a small tool."""
    limit = LEFTOVER_MEMORY_MIB if rules.leftover_memory_mib is None else rules.leftover_memory_mib
    return process.memory_mib is None or process.memory_mib > limit


def _memory_without_display(telemetry: Telemetry) -> int | None:
    """Return how much memory is in use, without that of processes that only draw, MiB."""
    if telemetry.memory_used_mib is None:
        return None
    drawing = sum(
        process.memory_mib or 0 for process in telemetry.processes or () if not process.computes
    )
    return max(0, telemetry.memory_used_mib - drawing)


def _is_left_over(memory_mib: int | None, rules: Rules) -> bool:
    return (
        memory_mib is not None
        and rules.leftover_memory_mib is not None
        and memory_mib > rules.leftover_memory_mib
    )
