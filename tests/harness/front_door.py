"""One address before hub, desk and users' servers, as the lab's proxy is."""

from __future__ import annotations

import contextlib
import http.client
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from harness.loopback import LoopbackServer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "upgrade"}
_PIECE = 65_536


class FrontDoor:
    """A proxy that hands on whole requests, and answers or streams of events."""

    def __init__(
        self,
        hub: str,
        desk: Callable[[], str],
        desk_prefix: str,
        servers: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        """Open the door.

        Args:
            hub: the hub's address.
            desk: tells the desk's address, asked for each request.
            desk_prefix: the path below which all is the desk's.
            servers: tells the addresses of users' servers by their paths, asked for each request.
        """

        def target_of(path: str) -> str:
            if path.startswith(desk_prefix):
                return desk()
            # The route of a server with a name is within the one of its user's default server.
            found = {spec: url for spec, url in servers().items() if path.startswith(spec)}
            return found[max(found, key=len)] if found else hub

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Log nothing."""

            def hand_on(self) -> None:
                target = urlsplit(target_of(self.path))
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
                    if answer.headers.get_content_type() == "text/event-stream":
                        self.stream(answer)
                        return
                    content = answer.read()
                except OSError:
                    self.send_error(503, "nobody answers behind the door")
                    return
                finally:
                    connection.close()
                self.send_head(answer, "Content-Length", str(len(content)))
                if self.command != "HEAD":
                    self.wfile.write(content)

            def send_head(self, answer: http.client.HTTPResponse, name: str, value: str) -> None:
                self.send_response_only(answer.status)
                for given, text in answer.getheaders():
                    if given.lower() not in {*_HOP_BY_HOP, "content-length"}:
                        self.send_header(given, text)
                self.send_header(name, value)
                self.end_headers()

            def stream(self, answer: http.client.HTTPResponse) -> None:
                self.send_head(answer, "Connection", "close")
                # A browser that leaves the page closes the connection.
                with contextlib.suppress(OSError, http.client.HTTPException):
                    while piece := answer.read1(_PIECE):
                        self.wfile.write(piece)

            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = hand_on  # noqa: N815

        self._server = LoopbackServer("127.0.0.1", 0, Handler)
        self.url = f"http://127.0.0.1:{self._server.port}"

    def close(self) -> None:
        self._server.close()
