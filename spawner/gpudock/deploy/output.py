"""Messages on the terminal: steps, their progress, and problems."""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

HEARTBEAT_SECONDS = 5.0


class ProblemError(Exception):
    """A problem that the user can solve: the message says what happened, why, and what to do."""


def step(text: str) -> None:
    """Show the current step."""
    print(f"==> {text}", flush=True)


def detail(text: str) -> None:
    """Show a detail of the current step."""
    print(f"    {text}", flush=True)


def problem(text: str) -> None:
    """Show a problem, on standard error."""
    print(f"gpudock: {text}", file=sys.stderr, flush=True)


def mebibytes(size: int) -> str:
    """Format a size in bytes as MiB, or from 1 GiB on as GiB with one decimal."""
    mib = size / 2**20
    return f"{mib / 1024:.1f} GiB" if mib >= 1024 else f"{mib:.0f} MiB"


def bytes_under(directory: Path) -> int:
    """Return the total size in bytes of the files below a directory."""
    total = 0
    for path in directory.rglob("*"):
        with contextlib.suppress(OSError):
            total += path.lstat().st_size
    return total


@contextlib.contextmanager
def heartbeat(progress: Callable[[], str]) -> Iterator[None]:
    """Show every few seconds how long the block has taken, and its progress.

    Args:
        progress: returns the progress in a few words; called from another thread.
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
