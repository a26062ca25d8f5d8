"""A Docker Engine and its tools from Debian packages, unpacked into a separate folder."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gpudock.deploy import output, packages

PREFIXES = Path("/var/lib/gpudock/engine")

_COMMON = ("docker.io", "docker-cli", "containerd", "docker-compose", "docker-buildx")

SUITES: Mapping[str, tuple[str, ...]] = {
    "forky": (*_COMMON, "tini-static"),
    "trixie": (*_COMMON, "tini"),
}
"""Suites that have an engine with CDI, the preferred one first, and their packages."""

HOST_PACKAGES = ("runc", "iptables", "iproute2", "kmod")
"""These come from the machine's own suite, because newer suites need a newer C library."""

MIN_LIBC = (2, 34)
DISK_BYTES_NEEDED = 700 * 2**20


@dataclass(frozen=True)
class Prefix:
    """An unpacked engine.

    Attributes:
        folder: its folder, named after the engine's version.
    """

    folder: Path

    @property
    def programs(self) -> Path:
        """The folder with links to all programs, to be first in PATH."""
        return self.folder / "bin"

    @property
    def client_settings(self) -> Path:
        """A DOCKER_CONFIG folder with this prefix's Compose and buildx as plugins."""
        return self.folder / "client"

    @property
    def init(self) -> Path:
        """The static init program of containers that are started with ``--init``."""
        return self.programs / "tini-static"

    def environ(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the environment in which the engine's programs find each other."""
        libraries = ":".join(str(path) for path in sorted(self.folder.glob("host/**/*-linux-gnu*")))
        modules = next(iter(sorted(self.folder.glob("host/usr/lib/*/xtables"))), None)
        own = {
            "PATH": f"{self.programs}:{environ.get('PATH', '/usr/sbin:/usr/bin:/sbin:/bin')}",
            "LD_LIBRARY_PATH": libraries,
        }
        if modules is not None:
            own["XTABLES_LIBDIR"] = str(modules)
        return {**environ, **own}


def newest() -> Prefix | None:
    """Return the newest engine that is unpacked on this machine."""
    found = sorted(PREFIXES.glob("*/complete"), key=lambda marker: marker.stat().st_mtime)
    return Prefix(found[-1].parent) if found else None


def obtain(environ: Mapping[str, str]) -> Prefix:
    """Return an unpacked engine; download one from Debian if there is none yet.

    Raises:
        ProblemError: this machine cannot run it, or the packages cannot be downloaded.
    """
    present = newest()
    if present is not None:
        return present
    _check_machine()
    mirror = packages.debian_mirror(environ)
    PREFIXES.mkdir(parents=True, exist_ok=True)
    reasons = []
    with tempfile.TemporaryDirectory(dir=PREFIXES, prefix=".fetch-") as scratch:
        for suite, names in SUITES.items():
            folder = Path(scratch) / suite
            output.step(f"Downloading Docker Engine from Debian {suite}, without installing it")
            try:
                unpacked = _fetch(folder, mirror, suite, names)
                version = _version(unpacked, environ)
            except output.ProblemError as problem:
                reasons.append(str(problem))
                continue
            final = PREFIXES / f"{version}-{suite}"
            shutil.rmtree(final, ignore_errors=True)
            unpacked.folder.rename(final)
            _link_programs(final)
            (final / "complete").touch()
            output.detail(f"Docker Engine {version} is in {final}")
            return Prefix(final)
    raise output.ProblemError(" ".join(dict.fromkeys(reasons)))


def _check_machine() -> None:
    host = packages.Host.read()
    if host.distribution != "debian" or not shutil.which("dpkg"):
        raise output.ProblemError(
            "No Docker Engine answers, and gpudock can download one only on Debian. Install Docker"
            " Engine 25 or newer with its Compose and buildx plugins and try again."
        )
    if os.geteuid() != 0:
        raise output.ProblemError(
            "No Docker Engine answers, and only root may start one."
            ' Run "make up" as root, or install and start Docker Engine 25 or newer.'
        )
    # If confstr names no C library, it is not glibc.
    library = (os.confstr("CS_GNU_LIBC_VERSION") or "none 0").split()[1]
    if tuple(int(part) for part in library.split(".")[:2]) < MIN_LIBC:
        raise output.ProblemError(
            f"Debian's Docker Engine needs glibc 2.34 or newer and this machine has {library}."
            " Use Debian 12 or newer, or install Docker Engine 25 or newer yourself."
        )
    free = shutil.disk_usage(PREFIXES.parent if PREFIXES.parent.exists() else "/var/lib").free
    if free < DISK_BYTES_NEEDED:
        raise output.ProblemError(
            f"Unpacking Docker Engine needs {output.mebibytes(DISK_BYTES_NEEDED)} in {PREFIXES},"
            f" and {output.mebibytes(free)} are free. Free some space there and try again."
        )


def _fetch(folder: Path, mirror: str, suite: str, names: tuple[str, ...]) -> Prefix:
    host_suite = packages.Host.read().codename
    prefix = Prefix(folder / "prefix")
    for part, source, wanted in (("host", host_suite, HOST_PACKAGES), ("engine", suite, names)):
        apt = packages.PrivateApt(folder / f"apt-{part}", mirror, source)
        apt.update()
        archives = apt.download_missing(wanted) if part == "host" else apt.download(wanted)
        packages.unpack(archives, prefix.folder / part)
    _link_programs(prefix.folder)
    return prefix


def _link_programs(folder: Path) -> None:
    """Fill ``bin`` and ``client/cli-plugins`` with absolute links to what was unpacked."""
    links = Prefix(folder).programs
    shutil.rmtree(links, ignore_errors=True)
    links.mkdir()
    for part in ("host", "engine"):
        for pattern in ("usr/sbin/*", "sbin/*", "usr/bin/*", "bin/*"):
            for program in sorted((folder / part).glob(pattern)):
                link = links / program.name
                if link.is_symlink():
                    link.unlink()
                # A link in a package may be absolute, and then points outside the prefix.
                link.symlink_to(_inside(program, folder / part))
    _link_iptables(folder, links)
    plugins = Prefix(folder).client_settings / "cli-plugins"
    shutil.rmtree(plugins, ignore_errors=True)
    plugins.mkdir(parents=True)
    for plugin in (folder / "engine/usr/libexec/docker/cli-plugins").iterdir():
        (plugins / plugin.name).symlink_to(plugin)


def _inside(program: Path, root: Path) -> Path:
    """Return the target below ``root`` of a program that is an absolute link."""
    if program.is_symlink() and program.readlink().is_absolute():
        return root / program.readlink().relative_to("/")
    return program


def _link_iptables(folder: Path, links: Path) -> None:
    """Choose the iptables variant that this kernel supports, as Debian's alternatives would."""
    if not (links / "iptables-nft").exists():
        return  # the machine has its own iptables
    environ = Prefix(folder).environ(os.environ)
    works = subprocess.run(
        [links / "iptables-nft", "--table", "nat", "--list", "--numeric"],
        env=environ,
        capture_output=True,
        check=False,
    )
    variant = "nft" if works.returncode == 0 else "legacy"
    for family in ("iptables", "ip6tables"):
        for suffix in ("", "-save", "-restore"):
            link = links / f"{family}{suffix}"
            link.symlink_to((links / f"{family}-{variant}{suffix}").readlink())


def _version(prefix: Prefix, environ: Mapping[str, str]) -> str:
    """Run every program once and return the engine's version.

    Raises:
        ProblemError: one of them does not run on this machine.
    """
    version = ""
    for program in ("containerd", "runc", "docker", "tini-static", "dockerd"):
        done = subprocess.run(
            [program, "--version"],
            env=prefix.environ(environ),
            executable=shutil.which(program, path=prefix.environ(environ)["PATH"]),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise output.ProblemError(
                f"Debian's {program} does not run on this machine: {done.stderr.strip()[-200:]}"
                " Install Docker Engine 25 or newer yourself and try again."
            )
        version = done.stdout
    # "Docker version 28.5.2+dfsg4, build …"
    return version.split()[2].rstrip(",").partition("+")[0]
