"""MIG slices whose device nodes this program does not have, because they came after it.

NVML shows a process only those slices whose nodes it can open, and a container keeps the nodes that
it was created with. The kernel lists the nodes of all slices.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from gpudock.language import Message

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CAPABILITIES = Path("/proc/driver/nvidia/capabilities")
"""For each slice the files ``gpuN/mig/giN/access`` and ``gpuN/mig/giN/ciN/access``."""
NODES = Path("/dev/nvidia-caps")

SETTLE_SECONDS = 5.0
"""How long after a change to end: slices are usually made several at a time."""
RETRY_SECONDS = 300.0
"""How long to go on without nodes that a former start did not bring either."""

NOT_GIVEN = Message(
    "It is in MIG mode, and its slices were made after the engine learned which devices there are,"
    " so no container can get them. Run `nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml` on"
    " the host; the lab notices within minutes."
)
_GPU = re.compile(r"gpu(\d+)", re.ASCII)
_MINOR = re.compile(r"DeviceFileMinor:\s*(\d+)", re.ASCII)


def missing_nodes(
    capabilities: Path = CAPABILITIES, nodes: Path = NODES
) -> dict[int, frozenset[int]]:
    """Return which nodes of slices are missing here.

    Args:
        capabilities: where the kernel lists them.
        nodes: the folder of nodes.

    Returns:
        The minor number of a GPU to those of the nodes of its slices; only GPUs that lack some.
    """
    found: dict[int, set[int]] = {}
    for file in (
        *capabilities.glob("gpu*/mig/gi*/access"),
        *capabilities.glob("*/mig/*/ci*/access"),
    ):
        gpu = _GPU.fullmatch(file.relative_to(capabilities).parts[0])
        try:
            minor = _MINOR.search(file.read_text(encoding="utf-8", errors="replace"))
        except OSError:
            continue  # the slice has just been removed
        if gpu and minor and not (nodes / f"nvidia-cap{minor[1]}").exists():
            found.setdefault(int(gpu[1]), set()).add(int(minor[1]))
    return {gpu: frozenset(minors) for gpu, minors in found.items()}


class SliceWatch:
    """Decides when to end this program, so that its container is created again with new nodes."""

    def __init__(
        self,
        monotonic: Callable[[], float],
        missing: Callable[[], Mapping[int, frozenset[int]]] = missing_nodes,
    ) -> None:
        """Take in what is missing from the start.

        Args:
            monotonic: monotonic seconds.
            missing: returns what is missing, as :func:`missing_nodes` does.
        """
        self._monotonic = monotonic
        self._missing = missing
        self._at_start = self._last = dict(missing())
        self._since = monotonic()

    def is_due(self) -> bool:
        """Look, and return whether nodes have been missing for so long that it is time to end."""
        missing, now = dict(self._missing()), self._monotonic()
        if missing != self._last:
            self._last, self._since = missing, now
        if not missing:
            return False
        wait = RETRY_SECONDS if missing == self._at_start else SETTLE_SECONDS
        return now - self._since >= wait
