"""A PostgreSQL server of a test's own, on a socket in its own directory."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import psycopg
from sqlalchemy.engine import make_url

from gpudock.store import Store
from gpudock.store.schema import metadata
from harness.waiting import wait_for

# The server refuses to run as root; this is the user id of nobody.
_NOBODY = 65534


def find_programs() -> Path | None:
    """Return the directory with the server's programs; ``None`` when they are not installed."""
    places = [Path(found).resolve().parent] if (found := shutil.which("initdb")) else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "postgres").exists()), None)


class Postgres:
    """See the module's text."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        # A socket's path has to be short, and its directory that of the server's user.
        self._directory = Path(tempfile.mkdtemp(prefix="gpudock-postgres-"))
        self._data = self._directory / "data"
        self._numbers = itertools.count()
        self._lab: str | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Postgres:
        self._data.mkdir()
        if os.geteuid() == 0:
            for path in (self._directory, self._data):
                os.chown(path, _NOBODY, _NOBODY)
        self._run("initdb", "--pgdata", str(self._data), "--auth", "trust", "--username", "lab")
        self.start()
        return self

    def start(self) -> None:
        """Start the server and wait until it answers."""
        self._process = subprocess.Popen(
            [
                str(self._programs / "postgres"),
                *("-D", str(self._data)),
                *("-k", str(self._directory)),
                *("-c", "listen_addresses="),
                *("-c", "fsync=off"),
                *("-c", "synchronous_commit=off"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **self._user(),
        )
        wait_for(self._answers, "PostgreSQL answers")

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self._directory)

    def stop(self) -> None:
        """End the server at once; what it has stored is kept."""
        assert self._process is not None
        # It is to wait for nobody, and nothing of it is to be kept.
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(30)

    def new_database(self) -> str:
        """Make an empty database and return its URL."""
        name = f"lab{next(self._numbers)}"
        with psycopg.connect(self._address("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"postgresql+psycopg://lab@/{name}?host={self._directory}"

    def empty_lab(self) -> str:
        """Return the URL of a database with the tables of the present version, and nothing in them.

        It is the same one each time, emptied: to make one takes longer than most tests do.
        """
        if self._lab is None:
            self._lab = self.new_database()
        store = Store(self._lab)
        store.migrate()
        store.close()
        names = ", ".join(f'"{table.name}"' for table in metadata.sorted_tables)
        with psycopg.connect(self._address(make_url(self._lab).database)) as connection:
            connection.execute(f"TRUNCATE {names} RESTART IDENTITY CASCADE")
        return self._lab

    def _address(self, database: str | None) -> str:
        return f"host={self._directory} user=lab dbname={database}"

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "PostgreSQL ended"
        done = subprocess.run(
            [str(self._programs / "pg_isready"), "-h", str(self._directory)],
            capture_output=True,
            check=False,
        )
        return done.returncode == 0

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._programs / program), *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=self._directory,
            **self._user(),
        )
        assert done.returncode == 0, f"{program}: {done.stderr}"

    @staticmethod
    def _user() -> dict[str, int]:
        return {"user": _NOBODY, "group": _NOBODY} if os.geteuid() == 0 else {}
