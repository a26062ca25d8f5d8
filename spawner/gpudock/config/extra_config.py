"""The folder ``jupyterhub_config.d``: which of its files the hub loads, and what is wrong there.

Only the standard library is needed, because ``make up`` checks the folder on a bare machine.
"""

import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

FOLDER = "jupyterhub_config.d"
"""Its name, beside ``docker-compose.yml`` and beside ``jupyterhub_config.py``."""
IN_THE_HUB = Path("/etc/gpudock") / FOLDER
RECORD = Path("/srv/gpudock/loaded-configuration.json")
"""What the hub's last start loaded; a file that the hub writes."""
HUB_ID = 1000
"""The number of the hub's user and group."""
HUB_PYTHON = (3, 13)
"""The version of Python in the hub's image."""

_NOT_CONFIGURATION = {"README.md", ".gitignore", ".gitkeep", "__pycache__"}
_MAX_BYTES = 2**20


@dataclass(frozen=True)
class Complaint:
    """Something in the folder that the hub cannot load, or does not.

    Attributes:
        text: a sentence or two: what, why, and what to do.
        fatal: whether the hub does not start because of it.
    """

    text: str
    fatal: bool


@dataclass(frozen=True)
class Record:
    """What a start of the hub loaded.

    Attributes:
        files: the SHA-256 of each file, by its name.
        warnings: sentences about lines that have no effect.
    """

    files: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def write(self, path: Path) -> None:
        """Write the record for :meth:`read`."""
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> "Record | None":
        """Return the record in a file; ``None`` if there is none."""
        try:
            return cls.parse(path.read_text())
        except OSError:
            return None

    @classmethod
    def parse(cls, text: str) -> "Record | None":
        """Return the record in a file's text; ``None`` if it is not one."""
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError):
            return None


def python_files(folder: Path) -> list[Path]:
    """Return the files that the hub loads, in the order of their names."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if _is_loaded(path))


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file that the hub loads, by its name."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in python_files(folder)
    }


def digest(folder: Path) -> str:
    """Return a short text that changes with the folder's configuration; empty without any.

    ``make up`` puts it on the hub's container as a label, so that Compose replaces the container
    when the configuration has changed.
    """
    try:
        found = digests(folder)
    except OSError:  # examine() has the sentence
        return ""
    if not found:
        return ""
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()[:16]


def examine(folder: Path, reader: int | None = None, logo: str | None = None) -> list[Complaint]:
    """Check the folder without running any of its files.

    Args:
        folder: where it is, as this process sees it.
        reader: the number of the user who will load the files, if that is not this process; the
            permissions decide then.
        logo: the name of the lab's logo, which is in the folder as well.
    """
    if not folder.exists():
        return []
    if not folder.is_dir():
        return [Complaint(f"{FOLDER} is not a folder. Replace it with one.", fatal=True)]
    try:
        paths = sorted(folder.iterdir())
    except OSError:
        paths = []
        is_open = False
    else:
        is_open = reader is None or _permits(folder, reader, 0o5)
    if not is_open:
        return [
            Complaint(
                f'The hub\'s user may not read {FOLDER}. Run "chmod 755 {FOLDER}".', fatal=True
            )
        ]
    return [found for path in paths for found in _complaints(path, reader, path.name == logo)]


def changed_since(record: Record, folder: Path) -> list[str]:
    """Return the names of files that were changed, added or removed after the hub's start."""
    try:
        now = digests(folder)
    except OSError:  # examine() has the sentence
        return []
    names = sorted({*now, *record.files})
    return [name for name in names if now.get(name) != record.files.get(name)]


def place(path: Path, line: int | None = None) -> str:
    """Return how messages name a file of the folder, or a line of it."""
    name = f"{FOLDER}/{path.name}"
    return name if line is None else f"{name}, line {line}"


def _is_loaded(path: Path) -> bool:
    is_named = path.suffix == ".py" and not path.name.startswith(".")
    return is_named and path.is_file()


def _complaints(path: Path, reader: int | None, is_logo: bool) -> Iterator[Complaint]:
    name = path.name
    if name in _NOT_CONFIGURATION:
        return
    if (remedy := _link_problem(path)) is not None:
        yield Complaint(
            f"{place(path)} is a link to {path.readlink()}, which is not in the hub's container."
            f" {remedy}",
            fatal=True,
        )
    elif is_logo:
        return  # its content is checked elsewhere
    elif path.is_dir():
        yield Complaint(
            f"{place(path)} is a folder, and files in it are not loaded. Move them to {FOLDER}.",
            fatal=False,
        )
    elif not _is_loaded(path):
        yield Complaint(
            f"{place(path)} is not loaded, because only files whose names end in .py and do not"
            " start with a dot are. Rename it if it is configuration.",
            fatal=False,
        )
    elif not _is_readable(path, reader):
        yield Complaint(
            f'The hub\'s user may not read {place(path)}. Run "chmod 644 {FOLDER}/{name}", or, if'
            f' it has a secret, "chown {HUB_ID} {FOLDER}/{name}".',
            fatal=True,
        )
    elif (text := _syntax_problem(path)) is not None:
        # An older Python than the hub's does not know all of its syntax.
        yield Complaint(text, fatal=reader is None or sys.version_info >= HUB_PYTHON)


def _link_problem(path: Path) -> str | None:
    """Return what to do about a link that leads nowhere in the hub's container, if it is one.

    The container has the folder at another place, so that only relative links in it work.
    """
    copy = "Put a copy of the file in its place."
    seen = set()
    while path.is_symlink():
        target = path.readlink()
        if path in seen or (path.parent / target.parent).resolve() != path.parent.resolve():
            return copy
        if target.is_absolute() and target.parent != IN_THE_HUB:
            link = f"ln -sfn {target.name} {path.name}"
            return f'Make the link relative: run "{link}" in {FOLDER}.'
        seen.add(path)
        path = path.parent / target.name
    return None


def _is_readable(path: Path, reader: int | None) -> bool:
    if reader is not None and not _permits(path, reader, 0o4):
        return False
    try:
        with path.open("rb") as file:
            file.read(1)
    except OSError:
        return False
    return True


def _permits(path: Path, reader: int, needed: int) -> bool:
    """Return whether the permissions let a user, in the group of the same number, at a path."""
    status = path.stat()
    if status.st_uid == reader:
        shift = 6
    elif status.st_gid == reader:
        shift = 3
    else:
        shift = 0
    return (status.st_mode >> shift) & needed == needed


def _syntax_problem(path: Path) -> str | None:
    if path.stat().st_size > _MAX_BYTES:
        return f"{place(path)} is larger than 1 MiB, which no configuration is. Remove it."
    try:
        compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
    except SyntaxError as error:
        return f"{place(path, error.lineno)}: {error.msg}. Fix the file and try again."
    except ValueError as error:  # null bytes, in some versions of Python
        return f"{place(path)}: {error}. Fix the file and try again."
    return None


def main(folder: Path = IN_THE_HUB) -> int:
    """Print what keeps the hub from loading the folder; return 1 if there is anything.

    ``make up`` runs it in the hub's image where the host's Python is older than the hub's.
    """
    fatal = [complaint.text for complaint in examine(folder) if complaint.fatal]
    for text in fatal:
        sys.stdout.write(f"{text}\n")
    return int(bool(fatal))


if __name__ == "__main__":
    sys.exit(main())
