"""The base of all routes: authentication, request bodies, and errors as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from jupyter_server.base.handlers import APIHandler

from jupyterlab_gpudock.errors import RequestError
from jupyterlab_gpudock.lease.desk_client import LANGUAGE

if TYPE_CHECKING:
    from jupyterlab_gpudock.app.services import Services

AUTH_RESOURCE = "gpudock"
_MAX_BODY_BYTES = 4096


class Handler(APIHandler):
    """A JSON route, authenticated and authorized like Jupyter Server's own."""

    auth_resource = AUTH_RESOURCE

    def initialize(self, services: Services) -> None:
        """Take the services behind the routes."""
        self._services = services

    async def prepare(self) -> None:  # type: ignore[override]  # as of APIHandler itself
        """Have the desk answer in the languages of this request."""
        LANGUAGE.set(self.request.headers.get("Accept-Language", "en"))
        await super().prepare()

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Log exceptions, except those that the client receives as its answer."""
        if not isinstance(value, RequestError):
            super().log_exception(typ, value, tb)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Write the error as ``ErrorDocument`` of the contract, if it has a code."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        if not isinstance(error, RequestError):
            super().write_error(status_code, **kwargs)
            return
        self.set_status(error.status)
        self.finish({"code": error.code, "parameters": error.parameters, "message": error.message})

    def body(self, **types: type | tuple[type, ...]) -> dict[str, Any]:
        """Return the request's JSON object; an empty body is an empty object.

        Args:
            types: the type of each field; all fields are optional.

        Raises:
            RequestError: the body is something else.
        """
        raw = self.request.body
        if len(raw) > _MAX_BODY_BYTES:
            raise RequestError(
                413, "too_large", f"The body must not exceed {_MAX_BODY_BYTES} bytes."
            )
        try:
            document = json.loads(raw) if raw.strip() else {}
        except (ValueError, RecursionError):
            raise RequestError(400, "bad_request", "The body is not JSON.") from None
        if not isinstance(document, dict):
            raise RequestError(400, "bad_request", "The body must be a JSON object.")
        for name, value in document.items():
            if name not in types:
                raise RequestError(400, "bad_request", f'Unknown field "{name[:40]}".')
            if not isinstance(value, types[name]) or isinstance(value, bool):
                raise RequestError(400, "bad_request", f'The field "{name}" has the wrong type.')
        return document
