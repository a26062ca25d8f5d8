"""The lock that at most one hub of a shared folder holds.

The kernel releases it when the process ends, however it ends. So a hub that has it knows at once
that no other hub of this folder is alive on this machine.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import secrets
from pathlib import Path

log = logging.getLogger(__name__)

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class HubLock:
    """A lock on a file, held until the process ends.

    Attributes:
        place: identifies the lock: the same for all processes that compete for it.
    """

    def __init__(self, file: Path) -> None:
        """Prepare to lock *file*, which is made if it is missing."""
        self._file = file
        self._descriptor: int | None = None
        self.place = ""

    @property
    def is_held(self) -> bool:
        """Whether this process has the lock."""
        return self._descriptor is not None

    def acquire(self) -> bool:
        """Take the lock, and return whether this process has it.

        Raises:
            OSError: the file cannot be opened.
        """
        if self._descriptor is not None:
            return True
        descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        except OSError as error:
            # Then only the heartbeat in the database shows that another hub is alive.
            log.warning("%s cannot be locked: %s", self._file, error)
            self.place = secrets.token_hex(16)
        else:
            self.place = _place(os.fstat(descriptor))
        self._descriptor = descriptor
        return True


def place_of(file: Path) -> str | None:
    """Return the place of the hub that locks *file*; ``None``: no hub has ever."""
    try:
        return _place(file.stat())
    except OSError:
        return None


def _place(found: os.stat_result) -> str:
    try:
        boot = _BOOT_ID.read_text().strip()
    except OSError:
        boot = secrets.token_hex(16)
    text = f"{boot} {found.st_dev} {found.st_ino}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]
