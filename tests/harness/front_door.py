"""One address before hub and desk, as the lab's proxy is: what is the desk's goes to the desk."""

from __future__ import annotations

import http.client
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from harness.loopback import LoopbackServer

if TYPE_CHECKING:
    from collections.abc import Callable

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "upgrade"}


class FrontDoor:
    """A proxy that hands on whole requests and answers; for pages, not for streams."""

    def __init__(self, hub: str, desk: Callable[[], str], desk_prefix: str) -> None:
        """Open the door.

        Args:
            hub: the hub's address.
            desk: tells the desk's address, asked for each request.
            desk_prefix: the path below which all is the desk's.
        """

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Log nothing."""

            def hand_on(self) -> None:
                target = urlsplit(desk() if self.path.startswith(desk_prefix) else hub)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                connection = http.client.HTTPConnection(target.netloc, timeout=60)
                try:
                    connection.putrequest(
                        self.command, self.path, skip_host=True, skip_accept_encoding=True
                    )
                    for name, value in self.headers.items():
                        if name.lower() not in _HOP_BY_HOP:
                            connection.putheader(name, value)
                    connection.endheaders(body)
                    answer = connection.getresponse()
                    content = answer.read()
                except OSError:
                    self.send_error(503, "nobody answers behind the door")
                    return
                finally:
                    connection.close()
                self.send_response_only(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in {*_HOP_BY_HOP, "content-length"}:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = hand_on  # noqa: N815

        self._server = LoopbackServer("127.0.0.1", 0, Handler)
        self.url = f"http://127.0.0.1:{self._server.port}"

    def close(self) -> None:
        self._server.close()
