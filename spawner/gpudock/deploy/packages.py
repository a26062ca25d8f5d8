"""Debian packages without installing them: downloaded with a private apt state and unpacked.

The machine's own apt and dpkg are only read, for its mirror and its installed packages.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gpudock.deploy import output

UPDATE_SECONDS = 180
DOWNLOAD_SECONDS = 1200


@dataclass(frozen=True)
class Host:
    """The machine's identity in /etc/os-release.

    Attributes:
        distribution: its ``ID``, such as ``debian``.
        codename: its ``VERSION_CODENAME``, such as ``bookworm``.
    """

    distribution: str
    codename: str

    @classmethod
    def read(cls, path: Path = Path("/etc/os-release")) -> "Host":
        """Read the machine's identity; missing values are empty strings."""
        values: dict[str, str] = {}
        if path.exists():
            for line in path.read_text().splitlines():
                name, separator, value = line.partition("=")
                if separator:
                    values[name.strip()] = value.strip().strip('"')
        return cls(values.get("ID", ""), values.get("VERSION_CODENAME", ""))


def debian_mirror(environ: Mapping[str, str]) -> str:
    """Return the Debian mirror to use: GPUDOCK_DEBIAN_MIRROR, or the machine's own.

    Raises:
        ProblemError: there is neither.
    """
    configured = environ.get("GPUDOCK_DEBIAN_MIRROR", "").strip()
    found = configured.rstrip("/") or _machines_mirror(Host.read().codename)
    if found:
        return found
    raise output.ProblemError(
        "No Debian mirror is known: this machine's apt has none. Set GPUDOCK_DEBIAN_MIRROR in .env"
        ' to the URL of one (the folder with "dists" and "pool") and try again.'
    )


def security_mirror() -> str | None:
    """Return the machine's mirror of Debian's security updates, if it has one."""
    return _machines_mirror(f"{Host.read().codename}-security")


def _machines_mirror(codename: str) -> str | None:
    """Return the URL from which this Debian machine gets a suite."""
    if Host.read().distribution != "debian" or not shutil.which("apt-get"):
        return None
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(CODENAME) $(REPO_URI)"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    for line in listed.splitlines():
        target, _, uri = line.partition(" ")
        if target == codename and uri.startswith(("http://", "https://")):
            return uri.rstrip("/")
    return None


class PrivateApt:
    """One Debian suite, read with a private apt state below ``folder``."""

    def __init__(self, folder: Path, mirror: str, suite: str) -> None:
        self.folder = folder
        self.mirror = mirror
        self.suite = suite

    def update(self) -> None:
        """Download the suite's package lists.

        Raises:
            ProblemError: the mirror cannot be reached, or its signature is not trusted.
        """
        for part in ("lists/partial", "archives/partial", "cache"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        keyring = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
        signed_by = f" [signed-by={keyring}]" if keyring.exists() else ""
        (self.folder / "sources.list").write_text(
            f"deb{signed_by} {self.mirror} {self.suite} main\n"
        )
        self._apt("update", timeout=UPDATE_SECONDS)

    def download(self, packages: Sequence[str]) -> list[Path]:
        """Download these packages without their dependencies.

        Raises:
            ProblemError: one of them is not in the suite, or the mirror fails.
        """
        return self._fetch(["download", *packages], self.folder / "downloads")

    def download_missing(self, packages: Sequence[str]) -> list[Path]:
        """Download these packages and the dependencies that this machine lacks.

        Raises:
            ProblemError: one of them is not in the suite, or the mirror fails.
        """
        return self._fetch(
            ["install", "--yes", "--no-install-recommends", "--download-only", *packages],
            self.folder / "archives",
        )

    def _fetch(self, arguments: Sequence[str], target: Path) -> list[Path]:
        target.mkdir(parents=True, exist_ok=True)
        with output.heartbeat(lambda: f"{output.mebibytes(output.bytes_under(target))} so far"):
            self._apt(*arguments, timeout=DOWNLOAD_SECONDS, cwd=target)
        return sorted(target.glob("*.deb"))

    def _apt(self, *arguments: str, timeout: float, cwd: Path | None = None) -> None:
        options = {
            "Dir::Etc::sourcelist": self.folder / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::State::lists": self.folder / "lists",
            "Dir::Cache": self.folder / "cache",
            "Dir::Cache::archives": self.folder / "archives",
            "Debug::NoLocking": "true",
            "Acquire::Retries": "2",
            "Acquire::http::Timeout": "20",
            "Acquire::https::Timeout": "20",
            "Acquire::Languages": "none",
            "APT::Get::Download-Only": "true",
            # Otherwise apt would delete the downloads.
            "APT::Sandbox::User": "root",
            "APT::Update::Error-Mode": "any",
        }
        command = ["apt-get", "--quiet"]
        command += [f"-o{name}={value}" for name, value in options.items()]
        try:
            done = subprocess.run(
                [*command, *arguments],
                cwd=cwd,
                env=os.environ | {"LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"},
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise output.ProblemError(
                f"The Debian mirror {self.mirror} did not deliver {self.suite} within"
                f" {timeout:.0f} s. Check the network, or set GPUDOCK_DEBIAN_MIRROR to another."
            ) from error
        if done.returncode != 0:
            complaints = [
                line for line in done.stderr.splitlines() if line.startswith(("E:", "W:", "Err"))
            ]
            said = complaints[0] if complaints else done.stderr.strip()[-300:]
            raise output.ProblemError(
                f"The Debian mirror {self.mirror} did not deliver {self.suite}:"
                f" {said} Check the network, or set GPUDOCK_DEBIAN_MIRROR to another mirror."
            )


def unpack(archives: Sequence[Path], target: Path) -> None:
    """Unpack packages below ``target``; their maintainer scripts do not run."""
    target.mkdir(parents=True, exist_ok=True)
    for archive in archives:
        subprocess.run(["dpkg", "--extract", archive, target], check=True)
