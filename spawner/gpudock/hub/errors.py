"""Why a server does not start: one tree of errors, whose messages are for the server's user.

::

    StartError
    ├── OptionError     the spawn options are not valid
    ├── LaunchFailed    the container did not start
    │   └── NotDelivered    the engine could not give it its GPUs
    └── ServerDied      the container exited before the server answered
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpudock.broker import RequestDenied
from gpudock.engine.protocol import EngineError
from gpudock.language import Message, message_of, sentences
from gpudock.store import StoreError

if TYPE_CHECKING:
    from gpudock.model import DeliveryFailure

RETRY_HINT = Message("If this keeps happening, tell the administrator.")


class StartError(Exception):
    """A server does not start.

    Attributes:
        reason: the label of the failure in the Hub's metrics.
        status: the HTTP status of the answer.
    """

    def __init__(self, message: str, *, reason: str = "launch", status: int = 500) -> None:
        super().__init__(message)
        self.reason = reason
        self.status = status


class OptionError(StartError):
    """Spawn options that are not valid."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="options", status=400)


class LaunchFailed(StartError):  # noqa: N818 - an outcome
    """The container did not start."""


class NotDelivered(LaunchFailed):
    """The engine could not give the container its GPUs; others may be tried.

    Attributes:
        failure: what the engine said.
    """

    def __init__(self, message: str, failure: DeliveryFailure) -> None:
        super().__init__(message, reason="engine", status=503)
        self.failure = failure


class ServerDied(StartError):  # noqa: N818 - an outcome
    """The container exited before the server answered."""


def start_error(error: Exception) -> StartError:
    """Return what an error in the lab's parts means for the user whose server was to start."""
    match error:
        case StartError():
            return error
        case RequestDenied():
            return StartError(error.denial.message, reason=error.denial.reason, status=409)
        case EngineError():
            message = Message(
                "The Docker Engine failed, so your server could not be started: {error} Try again.",
                error=message_of(error),
            )
            return StartError(sentences(message, RETRY_HINT), reason="engine", status=503)
        case StoreError():
            message = Message(
                "The lab's database failed, so your server could not be started: {error}",
                error=message_of(error),
            )
            return StartError(message, reason="store", status=503)
        case _:
            return StartError(message_of(error))
