"""Errors of the Hub's pages and API, whose sentences their readers get in their own language."""

from __future__ import annotations

from jupyterhub.spawner import SpawnException
from tornado import web

from gpudock.hub.errors import start_error
from gpudock.language import message_of
from gpudock.language.catalog import localized


class LocalizedHTTPError(web.HTTPError):  # type: ignore[misc]
    """An HTTP error with a sentence; logs have it in English.

    Attributes:
        message: what happened, why, and what to do.
    """

    def __init__(self, status_code: int, message: str) -> None:
        super().__init__(status_code, message)
        self.message = message

    @property
    def jupyterhub_message(self) -> str:
        """What the Hub's pages and API answer, in the language of the request."""
        return localized(self.message)


class LocalizedSpawnException(SpawnException):  # type: ignore[misc]
    """Why a server does not start. The Hub keeps it, and shows it to anybody who asks later."""

    def __init__(self, error: Exception) -> None:
        """Wrap an error of the lab's parts."""
        found = start_error(error)
        self._said = message_of(found)
        super().__init__(str(found), reason=found.reason, status_code=found.status)

    @property
    def jupyterhub_message(self) -> str:
        """What the Hub's pages show; without it they show the exception's name, or nothing."""
        return localized(self._said)
