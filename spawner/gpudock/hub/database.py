"""How the Hub's own database is opened, where that is SQLite.

The Hub commits on its event loop, several times for each start. In SQLite's default mode each
commit makes, syncs and deletes a journal file; when many servers start at once the disk is busy
with their containers, and meanwhile the Hub answers nobody. With a write-ahead log a commit is one
append. It is synced at checkpoints only, so a power failure may cost the last moments before it,
in which users' containers end as well; a crash of the hub costs nothing.
"""

from __future__ import annotations

import sqlite3
from typing import Any


class WriteAheadConnection(sqlite3.Connection):
    """A connection to a SQLite file in write-ahead mode."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Open the file, and have it keep a write-ahead log from now on."""
        super().__init__(*args, **kwargs)
        # A file system without shared memory keeps the mode that it has; that is slower, not wrong.
        self.execute("PRAGMA journal_mode = WAL").close()
        self.execute("PRAGMA synchronous = NORMAL").close()


# The Hub uses its connection from other threads as well, one at a time.
SQLITE_ARGUMENTS = {"check_same_thread": False, "factory": WriteAheadConnection}
"""What ``JupyterHub.db_kwargs`` takes as ``connect_args`` for a SQLite database."""
