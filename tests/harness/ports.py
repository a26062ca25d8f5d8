"""Ports for servers that are started later, and again and again."""

from __future__ import annotations

import itertools
import os
import random
import socket

# Below those that the kernel gives to outgoing connections, one of which could else have got the
# port by the time that the server starts.
_FIRST, _LAST = 20_000, 32_000
_MOST_WORKERS = 8
_PER_WORKER = (_LAST - _FIRST) // _MOST_WORKERS

_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _MOST_WORKERS
_numbers = itertools.count(random.randrange(_PER_WORKER))


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens at and that this process has not had lately.

    Test processes side by side have different ones.
    """
    for number in itertools.islice(_numbers, _PER_WORKER):
        port = _FIRST + _worker * _PER_WORKER + number % _PER_WORKER
        with socket.socket() as probe:
            # A server may take a port over whose former connections have not timed out yet.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    message = "all ports for tests are in use"
    raise AssertionError(message)
