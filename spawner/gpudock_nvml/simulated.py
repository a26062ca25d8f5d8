"""Whether the GPUs here are simulated: they have readings, and compute nothing."""

from __future__ import annotations

from pathlib import Path

STATE_FILE = Path("/run/gpudock-simulator/state")
"""What the simulated NVML library reads. The container engine puts it into each container together
with that library, and never together with a real driver."""


def is_simulated() -> bool:
    """Return whether the NVML library of this process simulates its GPUs."""
    try:
        return STATE_FILE.exists()
    except OSError:
        return False
