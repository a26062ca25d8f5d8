"""What a GPU is and how well its memory is: asked when devices are listed, not at each reading."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from typing import TYPE_CHECKING, Any

from jupyterlab_gpudock.nvml.readings import GPU, Metric, Missing, PCIe

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_NVLINKS = 18
_HIGHEST_GENERATION, _MOST_LANES = 16, 64
_HIGHEST_COUNT = 2**62
_HIGHEST_MILLIWATTS = 100_000_000
_REMAPPED_ROWS_PENDING, _REMAPPED_ROWS_FAILED = 2, 3


class Asker:
    """Asks NVML one question at a time, and turns its refusals into reasons.

    :param api: nvidia-ml-py
    :param is_loss: whether an NVML error means that the GPU itself is gone
    """

    def __init__(self, api: Any, is_loss: Callable[[Any], bool]) -> None:
        self.api = api
        self._is_loss = is_loss
        self._unsupported = (api.NVML_ERROR_NOT_SUPPORTED, api.NVML_ERROR_FUNCTION_NOT_FOUND)

    def watts(self, call: Callable[[], int]) -> Metric:
        """The call's milliwatts in watts, or why there is no number.

        :raises pynvml.NVMLError: when the GPU is lost
        """
        found = self.metric(call, highest=_HIGHEST_MILLIWATTS)
        return found if isinstance(found, Missing) else round(found / 1000, 1)

    def metric(self, call: Callable[[], int | float], *, highest: float) -> Metric:
        """The call's number, or why there is none.

        :raises pynvml.NVMLError: when the GPU is lost
        """
        try:
            value = call()
        except self.api.NVMLError as error:
            return self.missing(error)
        return value if 0 <= value <= highest else Missing.NONSENSE

    def missing(self, error: Any) -> Missing:
        """Why there is no number.

        :raises pynvml.NVMLError: the error itself, when it means that the GPU is lost
        """
        if self._is_loss(error):
            raise error
        return Missing.NOT_SUPPORTED if error.value in self._unsupported else Missing.NOT_AVAILABLE

    def text(self, call: Callable[[], str | bytes]) -> str | None:
        """The call's text, or None for one that nvidia-ml-py cannot read.

        :raises pynvml.NVMLError: as the call does
        """
        try:
            value = call()
        except UnicodeDecodeError:
            return None
        return value.decode(errors="replace") if isinstance(value, bytes) else value

    def count(self, call: Callable[[], int], *, highest: float) -> int | None:
        """The call's number, or None when there is none for whatever reason."""
        value = self.metric(call, highest=highest)
        return None if isinstance(value, Missing) else int(value)


def with_limits(ask: Asker, gpu: GPU, board: Any) -> GPU:
    """The GPU with its limits, its bus and the state of its memory.

    :param board: the handle of the whole device, also for a slice of it
    """
    api = ask.api
    return dataclasses.replace(
        gpu,
        compute_capability=_compute_capability(ask, board),
        temperature_slowdown_c=ask.metric(
            lambda: api.nvmlDeviceGetTemperatureThreshold(
                board, api.NVML_TEMPERATURE_THRESHOLD_SLOWDOWN
            ),
            highest=200,
        ),
        power_limit_w=ask.watts(lambda: api.nvmlDeviceGetEnforcedPowerLimit(board)),
        sm_clock_max_mhz=ask.metric(
            lambda: api.nvmlDeviceGetMaxClockInfo(board, api.NVML_CLOCK_SM), highest=100_000
        ),
        memory_clock_max_mhz=ask.metric(
            lambda: api.nvmlDeviceGetMaxClockInfo(board, api.NVML_CLOCK_MEM), highest=100_000
        ),
        pcie=_pcie(ask, board),
        nvlinks=_nvlinks(ask, board),
    )


def with_health(ask: Asker, gpu: GPU, board: Any) -> GPU:
    """The GPU with what its memory has suffered so far."""
    api = ask.api
    corrected, uncorrected = (
        ask.metric(
            functools.partial(api.nvmlDeviceGetTotalEccErrors, board, kind, api.NVML_VOLATILE_ECC),
            highest=_HIGHEST_COUNT,
        )
        for kind in (
            api.NVML_MEMORY_ERROR_TYPE_CORRECTED,
            api.NVML_MEMORY_ERROR_TYPE_UNCORRECTED,
        )
    )
    notes = []
    if not isinstance(uncorrected, Missing) and uncorrected > 0:
        notes.append("ecc_uncorrected")
    with contextlib.suppress(_Unknown):
        rows = _known(ask, lambda: api.nvmlDeviceGetRemappedRows(board))
        if rows[_REMAPPED_ROWS_PENDING]:
            notes.append("remap_pending")
        if rows[_REMAPPED_ROWS_FAILED]:
            notes.append("remap_failed")
    if ask.count(lambda: api.nvmlDeviceGetRetiredPagesPendingStatus(board), highest=1):
        notes.append("retirement_pending")
    return dataclasses.replace(
        gpu, ecc_corrected=corrected, ecc_uncorrected=uncorrected, health=tuple(notes)
    )


class _Unknown(Exception):  # noqa: N818  not an error: an answer that there is none
    """NVML does not tell."""


def _known(ask: Asker, call: Callable[[], Any]) -> Any:
    """The call's answer, of any kind.

    :raises _Unknown: when NVML has none
    :raises pynvml.NVMLError: when the GPU is lost
    """
    try:
        return call()
    except ask.api.NVMLError as error:
        ask.missing(error)
        raise _Unknown from error


def _compute_capability(ask: Asker, board: Any) -> str | None:
    try:
        major, minor = _known(ask, lambda: ask.api.nvmlDeviceGetCudaComputeCapability(board))
    except _Unknown:
        return None
    return f"{major}.{minor}"


def _pcie(ask: Asker, board: Any) -> PCIe | None:
    api, highest = ask.api, _HIGHEST_GENERATION
    found = PCIe(
        generation=ask.count(
            lambda: api.nvmlDeviceGetCurrPcieLinkGeneration(board), highest=highest
        ),
        generation_max=ask.count(
            lambda: api.nvmlDeviceGetMaxPcieLinkGeneration(board), highest=highest
        ),
        width=ask.count(lambda: api.nvmlDeviceGetCurrPcieLinkWidth(board), highest=_MOST_LANES),
        width_max=ask.count(lambda: api.nvmlDeviceGetMaxPcieLinkWidth(board), highest=_MOST_LANES),
    )
    return None if found == PCIe() else found


def _nvlinks(ask: Asker, board: Any) -> int | None:
    """How many NVLinks are up; a GPU refuses the number of a link that it does not have."""
    up: int | None = None
    for link in range(_MOST_NVLINKS):
        state = ask.count(
            functools.partial(ask.api.nvmlDeviceGetNvLinkState, board, link), highest=1
        )
        if state is None:
            break
        up = (up or 0) + (1 if state else 0)
    return up
