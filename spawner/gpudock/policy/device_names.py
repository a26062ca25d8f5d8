"""What the names of devices stand for that others gave to a container.

A name is what Docker, CDI and the NVIDIA runtime accept: ``all``, an index (``0``, ``gpu0``), the
UUID of a GPU or of a slice or the beginning of one, a slice as ``0:1`` (its GPU's index and its
number on that GPU, also ``mig0:1``), or a device node. A name that cannot be resolved stands for
all devices: unknown is occupied.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gpudock.model import DEVICE_NODE, DeviceNames, is_gpu_uuid

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gpudock.model import GPU, GPUReading

_INDEX = re.compile(r"(?:gpu)?(\d{1,9})", re.ASCII | re.IGNORECASE)
_SLICE = re.compile(r"(?:mig)?(\d{1,9}):(\d{1,9})", re.ASCII | re.IGNORECASE)
# A slice as drivers before 470 name it, by its GPU and its instances on it.
_OLD_SLICE = re.compile(r"MIG-(GPU-[0-9a-f-]+)/\d+/\d+", re.IGNORECASE)
_PREFIX_OF_GPU = re.compile(r"GPU-[0-9a-f-]+", re.IGNORECASE)


def names_of(readings: Sequence[GPUReading]) -> frozenset[DeviceNames]:
    """Return the devices that a container can have, each with the names that stand for it.

    A GPU that is cut into slices is not among them: who has it has its slices.
    """
    return frozenset(
        DeviceNames(item.gpu.uuid, item.gpu.index, item.minor, item.mig_number)
        for item in _undivided(readings)
    )


def resolve(
    names: Iterable[str], readings: Sequence[GPUReading], known: Iterable[GPU] = ()
) -> list[str]:
    """Return the UUIDs of the lab's devices that *names* stand for.

    The name of a whole GPU stands for its slices too.

    Args:
        names: what a container asked for.
        readings: the lab's devices as they were last read.
        known: devices of the lab that may be missing among these, for example because no reading
            has arrived yet.
    """
    reported = {reading.gpu.uuid for reading in readings}
    readings = _undivided(readings)
    cut = reported - {reading.gpu.uuid for reading in readings}
    devices = {gpu.uuid: gpu for gpu in known if gpu.uuid not in cut}
    devices.update((reading.gpu.uuid, reading.gpu) for reading in readings)
    found: set[str] = set()
    for name in names:
        held = _resolve(name, readings, devices.values())
        if held is None and not readings and _has_number(name):
            # Nobody knows yet which GPU has this number. Nothing is granted before the next look
            # (Observation.looked_for), and the GPUs that it does not mean need not prove clean.
            continue
        if held is None:
            return list(devices)
        found |= held
    return [uuid for uuid in devices if uuid in found]


def _undivided(readings: Sequence[GPUReading]) -> list[GPUReading]:
    """Return *readings* without GPUs that are cut into slices: they are in use if those are."""
    parents = {item.gpu.parent_uuid for item in readings}
    return [item for item in readings if not (item.mig_enabled and item.gpu.uuid in parents)]


def _resolve(name: str, readings: Sequence[GPUReading], devices: Iterable[GPU]) -> set[str] | None:
    """Return what one name stands for; ``None`` for all devices."""
    if name.startswith(DEVICE_NODE):
        minor = name.removeprefix(DEVICE_NODE)
        return _or_none(item.gpu.uuid for item in readings if str(item.minor) == minor)
    if match := _INDEX.fullmatch(name):
        index = int(match[1])
        return _or_none(item.gpu.uuid for item in readings if item.gpu.index == index)
    if match := _SLICE.fullmatch(name):
        return _slice(int(match[1]), int(match[2]), readings)
    own = {gpu.uuid for gpu in devices if gpu.uuid.lower() == name.lower()}
    if own:
        return own | _on_gpu(name, devices)
    if match := _OLD_SLICE.fullmatch(name):
        # The lab knows its slices by their newer names.
        return _on_gpu(match[1], devices)
    if is_gpu_uuid(name) and not name.upper().startswith("MIG-"):
        return _on_gpu(name, devices)
    if _PREFIX_OF_GPU.fullmatch(name):
        return _or_none(
            gpu.uuid for gpu in devices if gpu.physical_uuid.lower().startswith(name.lower())
        )
    return None


def _has_number(name: str) -> bool:
    """Return whether readings are needed to know what a name stands for."""
    return bool(name.startswith(DEVICE_NODE) or _INDEX.fullmatch(name) or _SLICE.fullmatch(name))


def _slice(index: int, number: int, readings: Sequence[GPUReading]) -> set[str] | None:
    """Return the slice of a number, or all slices of its GPU where the numbers are in doubt.

    A process that has been reading since before a slice was removed still counts the old one, and
    so has other numbers than the program that started the container. A gap is the sign of that.
    """
    slices = [item for item in readings if item.gpu.index == index and item.gpu.parent_uuid]
    by_number = {item.mig_number: item.gpu.uuid for item in slices}
    if number in by_number and by_number.keys() == set(range(len(slices))):
        return {by_number[number]}
    return _or_none(item.gpu.uuid for item in slices)


def _on_gpu(uuid: str, devices: Iterable[GPU]) -> set[str]:
    """Return the devices on one physical GPU: none if it is not one of the lab's."""
    return {gpu.uuid for gpu in devices if gpu.physical_uuid.lower() == uuid.lower()}


def _or_none(uuids: Iterable[str]) -> set[str] | None:
    return set(uuids) or None
