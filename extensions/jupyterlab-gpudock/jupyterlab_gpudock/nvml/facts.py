"""Limits, bus and memory health of a GPU: read when devices are listed, not at each reading."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from gpudock_nvml.values import MAX_LINKS, ClockKind
from jupyterlab_gpudock.nvml.readings import GPU, Missing, PCIe
from jupyterlab_gpudock.nvml.values import optional, present, watts

if TYPE_CHECKING:
    from gpudock_nvml.client import NVMLClient


def with_limits(client: NVMLClient, gpu: GPU, board: Any) -> GPU:
    """Return the GPU with its compute capability, its limits and its connections.

    Args:
        client: the NVML client.
        gpu: the GPU or slice.
        board: handle of the whole device, also for a slice.

    Raises:
        ReadError: the GPU is lost.
    """
    return dataclasses.replace(
        gpu,
        compute_capability=optional(client.compute_capability(board)),
        temperature_slowdown_c=present(client.slowdown_temperature(board)),
        power_limit_w=watts(client.power_limit(board)),
        sm_clock_max_mhz=present(client.max_clock(board, ClockKind.SM)),
        memory_clock_max_mhz=present(client.max_clock(board, ClockKind.MEMORY)),
        pcie=_pcie(client, board),
        nvlinks=_nvlinks(client, board),
    )


def with_health(client: NVMLClient, gpu: GPU, board: Any) -> GPU:
    """Return the GPU with the health of its memory.

    Args:
        client: the NVML client.
        gpu: the GPU or slice.
        board: handle of the whole device, also for a slice.

    Raises:
        ReadError: the GPU is lost.
    """
    uncorrected = present(client.uncorrected_errors(board))
    rows = optional(client.row_remapping(board))
    notes = {
        "ecc_uncorrected": not isinstance(uncorrected, Missing) and uncorrected > 0,
        "remap_pending": rows is not None and rows.pending,
        "remap_failed": rows is not None and rows.failed,
        "retirement_pending": optional(client.page_retirement_pending(board)),
    }
    return dataclasses.replace(
        gpu,
        ecc_corrected=present(client.corrected_errors(board)),
        ecc_uncorrected=uncorrected,
        health=tuple(note for note, holds in notes.items() if holds),
    )


def _pcie(client: NVMLClient, board: Any) -> PCIe | None:
    link = client.pcie_link(board)
    found = PCIe(
        optional(link.generation),
        optional(link.generation_max),
        optional(link.width),
        optional(link.width_max),
    )
    return None if found == PCIe() else found


def _nvlinks(client: NVMLClient, board: Any) -> int | None:
    """Count the NVLinks that are up; the driver rejects the number of a link that is not there."""
    up: int | None = None
    for number in range(MAX_LINKS):
        active = optional(client.link_active(board, number))
        if active is None:
            break
        up = (up or 0) + active
    return up
