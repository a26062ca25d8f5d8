"""The program that reads the GPUs in a process of its own; see :mod:`.isolated`."""

from __future__ import annotations

import faulthandler
import os
import signal
from multiprocessing.connection import Connection

from jupyterlab_gpudock.nvml.reader import GPUReader
from jupyterlab_gpudock.nvml.watchdog import WatchdogReader


def serve(descriptor: int) -> None:
    """Send a reading for each message, until the server closes the connection.

    Args:
        descriptor: file descriptor of this end of the connection.
    """
    # Ctrl-C in the server's terminal is meant for the server.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # After a crash, the server's log shows which call it was in.
    faulthandler.enable()
    connection = Connection(descriptor)
    reader = WatchdogReader(GPUReader())
    try:
        while True:
            connection.recv_bytes()
            connection.send(reader.read())
    except (EOFError, OSError):
        # Threads whose calls hang would keep the process alive.
        os._exit(0)
