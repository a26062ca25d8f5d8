"""What this container got of the host's GPUs: device files and the variables that ask for them."""

from __future__ import annotations

import dataclasses
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_NODE = re.compile(r"nvidia\d+")
_MARKS = (".dockerenv", "run/.containerenv")
_NOTHING = ("", "void", "none")


@dataclasses.dataclass(frozen=True, slots=True)
class Container:
    """The container of this process, as far as it concerns GPUs."""

    is_container: bool
    """False on a host, and where no usual sign of a container is found."""
    devices: tuple[str, ...] = ()
    """Device files of GPUs, for example ``/dev/nvidia0``."""
    has_uvm: bool = False
    """Whether ``/dev/nvidia-uvm`` exists, which CUDA needs and NVML does not."""
    requested: str | None = None
    """``NVIDIA_VISIBLE_DEVICES``; None: not set."""
    lease: str | None = None
    """The lease with which a gpudock hub started this container with a GPU."""

    @property
    def asks_for_gpu(self) -> bool:
        """Whether ``NVIDIA_VISIBLE_DEVICES`` names GPUs."""
        return (self.requested or "") not in _NOTHING


def read_container(root: Path = Path("/"), environ: Mapping[str, str] = os.environ) -> Container:
    """Return what the files and variables of this process show.

    Args:
        root: the folder with ``dev``.
        environ: the environment of this process.
    """
    dev = root / "dev"
    try:
        names = sorted(entry.name for entry in dev.iterdir())
    except OSError:
        names = []
    return Container(
        is_container="container" in environ
        or "KUBERNETES_SERVICE_HOST" in environ
        or any((root / mark).exists() for mark in _MARKS),
        devices=tuple(f"/dev/{name}" for name in names if _NODE.fullmatch(name)),
        has_uvm="nvidia-uvm" in names,
        requested=environ.get("NVIDIA_VISIBLE_DEVICES"),
        lease=environ.get("GPUDOCK_LEASE") or None,
    )
