"""The proxy ends the open WebSockets of a route that the Hub deletes, and no others."""

from __future__ import annotations

import shutil
import socket
import subprocess
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed"),
]

PRELOADED = Path(__file__).parents[3] / "images" / "proxy" / "end-connections.mjs"
# As much of configurable-http-proxy as matters: an API for routes, and pages with WebSockets.
PROXY = """
const { createServer } = require("node:http");
const api = createServer((request, response) => {
  const known = request.headers.authorization === "token right";
  response.statusCode = !known ? 403 : request.method === "POST" ? 201 : 204;
  response.end();
});
const pages = createServer((_, response) => { response.statusCode = 405; response.end(); });
pages.on("upgrade", (_, socket) => {
  socket.write("HTTP/1.1 101 Switching Protocols\\r\\nConnection: Upgrade\\r\\n\\r\\n");
  socket.pipe(socket);
});
const listen = server => new Promise(done => server.listen(0, "127.0.0.1", done));
Promise.all([api, pages].map(listen)).then(() => {
  console.log(api.address().port, pages.address().port);
});
"""
ROUTES = ("/user/ada%40uni.de", "/user/ada%40uni.de/second", "/user/ad")
PATHS = {
    "default": "/user/ada@uni.de/api/kernels/1/channels?session_id=2",
    "second": "/user/ada%40uni.de/second/api/kernels/1/channels",
    "other": "/user/ad/api/kernels/1/channels",
    "hub": "/hub/api/kernels",
}


def open_socket(port: int, path: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    request = (
        f"GET {path} HTTP/1.1\r\nHost: lab\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    )
    connection.sendall(request.encode())
    assert b"101 Switching" in connection.recv(1000)
    return connection


def is_open(connection: socket.socket) -> bool:
    try:
        connection.sendall(b"still there?")
        return connection.recv(100) != b""
    except OSError:
        return False


def test_open_pages_of_a_deleted_route_end():
    command = ["node", "--import", str(PRELOADED), "--eval", PROXY]
    with ExitStack() as stack:
        proxy = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        stack.callback(proxy.kill)
        assert proxy.stdout is not None
        api, pages = map(int, proxy.stdout.readline().split())

        def change(method: str, route: str, token: str = "right", port: int = api) -> int:
            url = f"http://127.0.0.1:{port}/api/routes{route}"
            answer = httpx.request(method, url, headers={"Authorization": f"token {token}"})
            return answer.status_code

        for route in ROUTES:
            assert change("POST", route) == 201
        found = {
            name: stack.enter_context(open_socket(pages, path)) for name, path in PATHS.items()
        }
        # Neither without the token nor on the port of the pages.
        assert change("DELETE", ROUTES[0], token="guessed") == 403
        assert change("DELETE", ROUTES[0], port=pages) == 405
        assert all(map(is_open, found.values()))
        assert change("DELETE", ROUTES[0]) == 204
        assert {name: is_open(connection) for name, connection in found.items()} == {
            "default": False,
            "second": True,
            "other": True,
            "hub": True,
        }
