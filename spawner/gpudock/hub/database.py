"""Open the Hub's own SQLite database with a write-ahead log.

The Hub commits on its event loop, several times for each start. In SQLite's default mode each
commit creates, syncs and deletes a journal file. When many servers start at once the disk is busy
with their containers, and the Hub answers nobody meanwhile. With a write-ahead log a commit is one
append, synced at checkpoints only: a power failure may lose the last commits, but it ends the
users' containers as well; a crash of the hub loses nothing.
"""

from __future__ import annotations

import sqlite3
from typing import Any


class WriteAheadConnection(sqlite3.Connection):
    """A connection to a SQLite file in write-ahead mode."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Open the file and switch it to a write-ahead log."""
        super().__init__(*args, **kwargs)
        # A file system without shared memory keeps its mode, which is slower but correct.
        self.execute("PRAGMA journal_mode = WAL").close()
        self.execute("PRAGMA synchronous = NORMAL").close()


# The Hub also uses its connection from other threads, one at a time.
SQLITE_ARGUMENTS = {"check_same_thread": False, "factory": WriteAheadConnection}
"""``connect_args`` in ``JupyterHub.db_kwargs`` for a SQLite database."""
