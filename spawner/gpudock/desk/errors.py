"""What the desk answers when it does not do what it was asked for."""

from __future__ import annotations


class Refusal(Exception):  # noqa: N818 - an answer, not a failure
    """An answer with an error status.

    Attributes:
        status: the HTTP status.
        error: a short machine-readable label.
        message: what happened, why, and what to do, in full sentences.
    """

    def __init__(self, status: int, error: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error = error
        self.message = message


def bad(message: str) -> Refusal:
    """The request makes no sense."""
    return Refusal(400, "bad_request", message)


def forbidden(message: str) -> Refusal:
    """Whoever asks may not do so."""
    return Refusal(403, "forbidden", message)


def missing(message: str) -> Refusal:
    """There is no such thing, or whoever asks may not know of it."""
    return Refusal(404, "not_found", message)


def conflict(message: str) -> Refusal:
    """It cannot be done as things stand."""
    return Refusal(409, "conflict", message)


def senseless(message: str) -> Refusal:
    """The request is of the right form, and asks for what makes no sense all the same."""
    return Refusal(422, "unprocessable", message)


def unavailable(message: str) -> Refusal:
    """The Hub or the database does not answer at the moment."""
    return Refusal(503, "unavailable", message)
