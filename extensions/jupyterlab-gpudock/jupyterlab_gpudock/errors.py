"""The errors of the REST interface."""

from __future__ import annotations


class RequestError(Exception):
    """A request is denied or cannot be done; the client receives it as ``ErrorDocument``."""

    def __init__(self, status: int, code: str, message: str, **parameters: str) -> None:
        """Make the error.

        Args:
            status: HTTP status.
            code: the case, for programs.
            message: a sentence for users of the REST interface; the panel has its own per code.
            parameters: what a sentence for the code needs.
        """
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.parameters = parameters
