"""What runs in the containers of :mod:`doubles.docker`: HTTP servers on loopback addresses.

All of 127.0.0.0/8 is this machine, so every container can have an address of its own and the port
that its software always has.
"""

from __future__ import annotations

import itertools
import json
import os
import socketserver
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from jupyterhub import __version__ as hub_version

from gpudock.agent.document import Envelope, encode
from gpudock.agent.report import Report

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gpudock.model import GPUReading

# Test runs side by side keep apart by their process ids.
_hosts = itertools.count(2)


def new_address() -> str:
    """Return a loopback address that nothing in this process has had yet."""
    number = next(_hosts)
    return f"127.{64 + os.getpid() % 180}.{number // 250}.{number % 250 + 1}"


class _Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name is given)
        """Log nothing."""

    def _send(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def server_bind(self) -> None:
        # HTTPServer asks the name servers for its own name here, which may take a minute.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]


class LoopbackServer:
    """An HTTP server in threads, listening from its making until :meth:`close`."""

    def __init__(self, address: str, port: int, handler: type[BaseHTTPRequestHandler]) -> None:
        self._server = _Server((address, port), handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def single_user_server(address: str, port: int, prefix: str) -> LoopbackServer:
    """Serve what the Hub asks a user's server for; tell the prefix that it was started with."""

    class Handler(_Quiet):
        def do_GET(self) -> None:
            body = json.dumps({"prefix": prefix}).encode()
            self._send(body, X_JupyterHub_Version=hub_version, Content_Type="application/json")

    return LoopbackServer(address, port, Handler)


class FakeAgent:
    """What the GPU agent says: readings that a test sets, taken again ten times a second."""

    ROUND = 0.1

    def __init__(self, readings: Iterable[GPUReading]) -> None:
        self.readings = tuple(readings)
        self.problem: str | None = None
        self._started = time.monotonic()

    def change(self, uuid: str, **changes: object) -> None:
        """Change one GPU's reading from the next round on."""
        self.readings = tuple(
            replace(item, **changes) if item.gpu.uuid == uuid else item for item in self.readings
        )

    def rename(self, uuid: str, model: str) -> None:
        """Call one GPU's model something else."""
        gpu = next(item.gpu for item in self.readings if item.gpu.uuid == uuid)
        self.change(uuid, gpu=replace(gpu, model=model))

    def serve(self, address: str, port: int, token: str) -> LoopbackServer:
        agent = self

        class Handler(_Quiet):
            def do_GET(self) -> None:
                if self.headers["Authorization"] != f"Bearer {token}":
                    self._send(b"", 401)
                    return
                after = parse_qs(urlsplit(self.path).query).get("after", [""])[0]
                while after == agent.cursor():
                    time.sleep(agent.ROUND / 4)
                self._send(agent.document(), Content_Type="application/json")

        return LoopbackServer(address, port, Handler)

    def cursor(self) -> str:
        return f"boot.{int((time.monotonic() - self._started) / self.ROUND)}"

    def document(self) -> bytes:
        report = Report("fake-host", time.time(), self.readings, problem=self.problem)
        return encode(Envelope(report, self.cursor(), "boot", time.monotonic(), 0.0))
