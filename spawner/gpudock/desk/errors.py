"""Errors that the desk answers a request with.

APIError
├─ BadRequestError             400 bad_request
├─ UnauthorizedError           401 unauthorized
├─ ForbiddenError              403 forbidden
├─ CrossSiteError              403 xsrf
├─ NotFoundError               404 not_found
├─ ConflictError               409 conflict
├─ ChangedError                412 changed_meanwhile
├─ PreconditionError           412 precondition_failed
├─ TooLargeError               413 too_large
├─ MediaTypeError              415 unsupported_media_type
├─ UnprocessableError          422 unprocessable
└─ UnavailableError            503 unavailable
└─ HubUnreachableError
"""

from __future__ import annotations

from typing import ClassVar

from tornado.web import HTTPError

from gpudock.language import Message


class APIError(HTTPError):
    """An answer with an error status.

    Attributes:
        status: the HTTP status.
        label: for programs.
        message: what happened, why, and what to do, in full sentences.
    """

    status: ClassVar[int]
    label: ClassVar[str]

    def __init__(self, message: str) -> None:
        super().__init__(self.status)
        self.message = message


class BadRequestError(APIError):
    """The request cannot be read, or does not fit its schema."""

    status, label = 400, "bad_request"


class UnauthorizedError(APIError):
    """The request has no valid token."""

    status, label = 401, "unauthorized"


class ForbiddenError(APIError):
    """The principal may not do this."""

    status, label = 403, "forbidden"


class CrossSiteError(APIError):
    """The request has a cookie, but not its XSRF token."""

    status, label = 403, "xsrf"


class NotFoundError(APIError):
    """There is no such thing, or the principal may not know of it."""

    status, label = 404, "not_found"


class ConflictError(APIError):
    """This cannot be done in the present state of the lab."""

    status, label = 409, "conflict"


class ChangedError(APIError):
    """Somebody else changed the document in the meantime."""

    status, label = 412, "changed_meanwhile"


class PreconditionError(APIError):
    """The conditions of the request exclude each other."""

    status, label = 412, "precondition_failed"


class TooLargeError(APIError):
    """The body is larger than the endpoint allows."""

    status, label = 413, "too_large"


class MediaTypeError(APIError):
    """The body has the wrong media type."""

    status, label = 415, "unsupported_media_type"


class UnprocessableError(APIError):
    """The request fits its schema, but cannot be carried out."""

    status, label = 422, "unprocessable"


class UnavailableError(APIError):
    """The Hub or the database does not answer."""

    status, label = 503, "unavailable"


class HubUnreachableError(UnavailableError):
    """The Hub does not answer, and the desk has no recent answer to go by."""

    def __init__(self) -> None:
        super().__init__(
            Message(
                "The Hub does not answer at the moment, so the desk cannot look up users. Running"
                " sessions continue. Try again in a minute."
            )
        )
