"""Talking to the person at the terminal: steps, progress of long ones, and problems."""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

HEARTBEAT_SECONDS = 5.0


class ProblemError(Exception):
    """Something the person can act on: the message says what happened, why, and what to do."""


def step(text: str) -> None:
    """Say what is being done now."""
    print(f"==> {text}", flush=True)


def detail(text: str) -> None:
    """Say more about the step that is under way."""
    print(f"    {text}", flush=True)


def problem(text: str) -> None:
    """Say what went wrong, on the error stream."""
    print(f"gpudock: {text}", file=sys.stderr, flush=True)


def mebibytes(size: int) -> str:
    """Write a size in bytes as whole MiB, or GiB with one decimal from 1 GiB on."""
    mib = size / 2**20
    return f"{mib / 1024:.1f} GiB" if mib >= 1024 else f"{mib:.0f} MiB"


def bytes_under(directory: Path) -> int:
    """Sum the sizes in bytes of the files below a directory, some of which may just vanish."""
    total = 0
    for path in directory.rglob("*"):
        with contextlib.suppress(OSError):
            total += path.lstat().st_size
    return total


@contextlib.contextmanager
def heartbeat(progress: Callable[[], str]) -> Iterator[None]:
    """Every few seconds say how long the enclosed work has taken, and how far it has come.

    Args:
        progress: says in a few words how far the work has come; called from another thread.
    """
    finished = threading.Event()
    started = time.monotonic()

    def beat() -> None:
        while not finished.wait(HEARTBEAT_SECONDS):
            detail(f"{time.monotonic() - started:.0f} s: {progress()}")

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        finished.set()
        thread.join()
