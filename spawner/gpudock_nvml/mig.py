"""The names of MIG slices."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from gpudock_nvml.failures import Failure

if TYPE_CHECKING:
    from gpudock_nvml.client import NVMLClient
    from gpudock_nvml.values import SliceShape

_PROFILE_IN_NAME = re.compile(r"\bMIG\s+(\S+)\s*$")


def read_profile(
    client: NVMLClient, handle: Any, gpu_memory_mib: int | None
) -> str | Failure | None:
    """Return the profile of a MIG slice, for example ``1g.5gb``.

    Args:
        client: the NVML client.
        handle: the slice.
        gpu_memory_mib: memory of the whole GPU, as far as known.
    """
    name = client.name(handle)
    if isinstance(name, Failure):
        if not name.is_absence:
            return name
    elif found := _PROFILE_IN_NAME.search(name):
        return found[1]
    shape = client.slice_shape(handle)
    if isinstance(shape, Failure):
        return shape
    return profile_of(shape, gpu_memory_mib) if gpu_memory_mib else None


def profile_of(shape: SliceShape, gpu_memory_mib: int) -> str:
    """Return the profile that NVIDIA's naming gives to a slice of this size.

    Profiles count eighths of the memory that the GPU is sold with, which is more than NVML reports.
    """
    eighths = math.ceil(8 * shape.memory_mib / gpu_memory_mib)
    gigabytes = math.floor(eighths * math.ceil(gpu_memory_mib / 1024) / 8 + 0.5)
    compute = "" if shape.compute_slices == shape.gpu_slices else f"{shape.compute_slices}c."
    return f"{compute}{shape.gpu_slices}g.{gigabytes}gb"
