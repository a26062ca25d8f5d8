"""Calls of the Docker Engine API without a client library."""

import http.client
import json
import socket
from pathlib import Path
from typing import Any


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class ApiError(Exception):
    """The engine answered with an error; the message is the engine's."""


def call(path: Path, method: str, target: str, timeout: float = 10.0) -> Any:
    """Call the engine at a socket and return its decoded answer, if that is JSON.

    Args:
        path: the engine's socket.
        method: the HTTP method.
        target: the path and query of the call.
        timeout: longest time for each part of the answer, in seconds.

    Raises:
        OSError: nothing answers at the socket, or access is denied.
        ApiError: the engine answered with an error.
    """
    connection = _UnixConnection(path, timeout)
    try:
        connection.request(method, target)
        answer = connection.getresponse()
        body = answer.read()
    except http.client.HTTPException as error:
        raise ApiError(f"what answers at {path} is not a Docker Engine: {error!r}") from error
    finally:
        connection.close()
    if answer.status >= 400:
        raise ApiError(f"{method} {target}: {answer.status} {body.decode(errors='replace')}")
    return json.loads(body) if "json" in answer.headers.get_content_type() else None
