"""What all the extension's routes have in common."""

from __future__ import annotations

import json
from typing import Any

from jupyter_server.base.handlers import APIHandler

AUTH_RESOURCE = "gpudock"
FIRST_READING_TIMEOUT_S = 5.0
"""How long a REST call waits for NVML, which can take seconds to open."""
_LONGEST_BODY = 4096


class Refusal(Exception):  # noqa: N818  it is an answer, with a status of its own
    """What was asked for is not done.

    :param status: HTTP status
    :param code: the case, for programs
    :param message: a sentence for who asks the REST interface; the panel has its own for a code
    :param parameters: what a sentence for the code needs to tell
    """

    def __init__(self, status: int, code: str, message: str, **parameters: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.parameters = parameters


def encode(document: dict[str, Any]) -> bytes:
    """The document as a frame, without spaces."""
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode()


class Handler(APIHandler):
    """Wants sign-in and authorisation like Jupyter Server's own routes, and answers in JSON."""

    auth_resource = AUTH_RESOURCE

    def refuse(self, refusal: Refusal) -> None:
        """Answer with the refusal."""
        self.set_status(refusal.status)
        self.finish(
            {"code": refusal.code, "parameters": refusal.parameters, "message": refusal.message}
        )

    def body(self, **types: type | tuple[type, ...]) -> dict[str, Any]:
        """The request's JSON object; one that is left out is empty.

        :param types: by field, what it has to be; all fields are optional here
        :raises Refusal: for what is no such object
        """
        raw = self.request.body
        if len(raw) > _LONGEST_BODY:
            raise Refusal(413, "too_large", f"A body has at most {_LONGEST_BODY} bytes.")
        try:
            document = json.loads(raw) if raw.strip() else {}
        except (ValueError, RecursionError):
            raise Refusal(400, "bad_request", "The body is not JSON.") from None
        if not isinstance(document, dict):
            raise Refusal(400, "bad_request", "The body has to be a JSON object.")
        for name, value in document.items():
            if name not in types:
                raise Refusal(400, "bad_request", f"There is no field «{name[:40]}» here.")
            if not isinstance(value, types[name]) or isinstance(value, bool):
                raise Refusal(400, "bad_request", f"The field «{name}» has a wrong type.")
        return document
