"""Errors of a call to the Hub's REST API.

HubError                  nothing is known, or nothing was done
├─ HubUnavailableError   the Hub did not answer: try again
└─ HubRejectedError      the Hub answered with an error status
"""

from __future__ import annotations


class HubError(Exception):
    """The Hub gave no usable answer. The message says what it gave."""


class HubUnavailableError(HubError):
    """The Hub does not answer, or is busy with that very server; try again later."""


class HubRejectedError(HubError):
    """The Hub rejected the call.

    Attributes:
        status: the HTTP status.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
