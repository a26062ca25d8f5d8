"""How the panel shows NVML's failures: as a state, or as the reason why a number is missing."""

from __future__ import annotations

from typing import TypeVar

from gpudock_nvml.failures import Failure, Meaning
from jupyterlab_gpudock.nvml.readings import Metric, Missing, State

_T = TypeVar("_T")

_STATES = {
    Meaning.NO_DRIVER: State.NO_DRIVER,
    Meaning.VERSION_MISMATCH: State.VERSION_MISMATCH,
    Meaning.LOST: State.LOST,
    Meaning.UNREACHABLE: State.LOST,
}
_MISSING = {
    Meaning.UNSUPPORTED: Missing.NOT_SUPPORTED,
    Meaning.IMPLAUSIBLE: Missing.NONSENSE,
}


class ReadError(Exception):
    """A GPU, or NVML as a whole, cannot be read."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.detail)
        self.state = _STATES.get(failure.meaning, State.FAILED)
        self.detail = failure.detail


def required(value: _T | Failure) -> _T:
    """Return the value.

    Raises:
        ReadError: there is none.
    """
    if isinstance(value, Failure):
        raise ReadError(value)
    return value


def present(value: _T | Failure) -> _T | Missing:
    """Return the value, or why it is missing.

    Raises:
        ReadError: the GPU is lost.
    """
    if not isinstance(value, Failure):
        return value
    if _STATES.get(value.meaning) is State.LOST:
        raise ReadError(value)
    return _MISSING.get(value.meaning, Missing.NOT_AVAILABLE)


def optional(value: _T | Failure) -> _T | None:
    """Return the value, or None where it is missing.

    Raises:
        ReadError: the GPU is lost.
    """
    found = present(value)
    return None if isinstance(found, Missing) else found


def text(value: str | Failure) -> str | None:
    """Return the text, or None for bytes that are not text.

    Raises:
        ReadError: there is none.
    """
    if isinstance(value, Failure) and value.meaning is Meaning.IMPLAUSIBLE:
        return None
    return required(value)


def watts(value: float | Failure) -> Metric:
    """Return the power, to a tenth of a watt, or why it is missing.

    Raises:
        ReadError: the GPU is lost.
    """
    found = present(value)
    return found if isinstance(found, Missing) else round(found, 1)
